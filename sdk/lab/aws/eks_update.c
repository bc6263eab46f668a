// Updates: each change of a cluster, a node group or an add-on has an id by which it is followed. The same
// clientRequestToken is answered with the update that it asked for the first time.
#include "eks.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

// {id: {id, status, type, ..., _token, _asked, _of}}. Borrowed; NULL: there is no such cluster.
static json_t *updates_of(struct aws_call *c, const struct eks_parts *p)
{
    json_t *cluster = eks_cluster(c, p->cluster), *updates = json_object_get(cluster, "_updates");
    if (cluster && !updates) {
        updates = json_object();
        json_object_set_new(cluster, "_updates", updates);
    }
    return updates;
}

// What was asked for, as one text without the token.
static json_t *asked_of(const struct eks_parts *p)
{
    json_t *body = json_copy(p->body);
    json_object_del(body, "clientRequestToken");
    char *text = json_dumps(body, JSON_SORT_KEYS | JSON_COMPACT);
    json_t *asked = json_sprintf("%s %s", p->rq->path, text);
    free(text);
    json_decref(body);
    return asked;
}

json_t *eks_updated_before(struct aws_call *c, const struct eks_parts *p)
{
    const char *token = aws_text(p->body, "clientRequestToken"), *id;
    json_t *update, *answer = NULL, *asked = asked_of(p);
    json_object_foreach(updates_of(c, p), id, update)
    {
        if (!*token || !aws_is(update, "_token", token))
            continue;
        if (json_equal(asked, json_object_get(update, "_asked")))
            answer = json_pack("{so}", "update", eks_shown(update));
        else
            aws_fail(c, 400, "InvalidParameterException",
                     "The client request token was used before, with other parameters");
    }
    json_decref(asked);
    return answer;
}

json_t *eks_update(struct aws_call *c, const struct eks_parts *p, const char *type, const char *of,
                   const char *code, const char *why)
{
    char *id = lab_id("", 32);
    json_t *update = json_pack("{ss ss ss si s[] s[] ss so ss}", "id", id, "status", "InProgress", "type",
                               type, "createdAt", (int)time(NULL), "params", "errors", "_token",
                               aws_text(p->body, "clientRequestToken"), "_asked", asked_of(p), "_of", of);
    if (why)
        json_array_append_new(json_object_get(update, "errors"),
                              json_pack("{ss ss}", "errorCode", code, "errorMessage", why));
    json_object_set_new(updates_of(c, p), id, update);
    free(id);
    return json_pack("{so}", "update", eks_shown(update));
}

// It has ended by the time that somebody asks.
json_t *eks_describe_update(struct aws_call *c, const struct eks_parts *p)
{
    json_t *update = json_object_get(updates_of(c, p), p->item);
    if (c->status)
        return NULL;
    if (!update)
        return aws_fail(c, 404, "ResourceNotFoundException", "No update found for ID: %s", p->item);
    json_object_set_new(
        update, "status",
        json_string(json_array_size(json_object_get(update, "errors")) ? "Failed" : "Successful"));
    return json_pack("{so}", "update", eks_shown(update));
}

json_t *eks_list_updates(struct aws_call *c, const struct eks_parts *p)
{
    char *group = lab_query_get(p->rq, "nodegroupName"), *addon = lab_query_get(p->rq, "addonName");
    const char *of = group ? group : addon ? addon : "", *id;
    json_t *update, *ids = json_array();
    json_object_foreach(updates_of(c, p), id, update)
    {
        if (aws_is(update, "_of", of))
            json_array_append_new(ids, json_string(id));
    }
    free(group);
    free(addon);
    if (!c->status)
        return json_pack("{so}", "updateIds", ids);
    json_decref(ids);
    return NULL;
}
