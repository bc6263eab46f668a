#include "ccp-world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(struct httpd_reply *reply, json_t *body)
{
    reply->body = json_dumps(body, JSON_COMPACT);
    json_decref(body);
}

static void play_login(struct ccp_world *w, const struct httpd_request *rq, struct httpd_reply *reply, int v3)
{
    static char header[128];
    if (w->logins_down > 0) {
        w->logins_down--;
        reply->status = 500;
        return;
    }
    if ((v3 && w->v2_only) || w->v2_only == 3) {
        reply->status = 404;
        return;
    }
    const int good = strstr(rq->body, v3 ? "\"" PASSWORD "\"" : "password=abcd123%21-secret") != NULL;
    if (good)
        snprintf(header, sizeof(header),
                 v3 || w->v2_only == 2 ? "X-Auth-Token: session-%d\r\n"
                                       : "Set-Cookie: CXAccessToken=session-%d; Path=/\r\n",
                 ++w->sessions);
    reply->headers = good ? header : NULL;
    if (!good && !v3)
        reply->status = 401;
    reply->body = strdup("{}");
}

static int logged_in(const struct ccp_world *w, const struct httpd_request *rq)
{
    char token[64] = "", wanted[64];
    snprintf(wanted, sizeof(wanted), "session-%d", w->sessions);
    httpd_header(rq, "X-Auth-Token", token, sizeof(token));
    return w->sessions > 0 && strcmp(token, wanted) == 0;
}

static json_t *find(struct ccp_world *w, const char *id, size_t *at)
{
    for (*at = 0; *at < json_array_size(w->clusters); (*at)++) {
        json_t *cluster = json_array_get(w->clusters, *at);
        if (strncmp(ist_json_str_or(cluster, "id", ""), id, strcspn(id, "/")) == 0)
            return cluster;
    }
    return NULL;
}

static void play_create(struct ccp_world *w, const struct httpd_request *rq, struct httpd_reply *reply)
{
    w->posts++;
    if (w->lose_create == 2) {
        w->lose_create = 0;
        reply->cut_after = 0;
        return;
    }
    json_t *body = json_loads(rq->body, 0, NULL), *cluster = json_deep_copy(body);
    char id[32];
    snprintf(id, sizeof(id), "cluster-%d", w->posts);
    json_object_set_new(cluster, "id", json_string(id));
    json_object_set_new(cluster, "status", json_string(w->making));
    json_array_append(w->clusters, cluster);
    json_decref(w->last_post);
    w->last_post = body;
    w->polls = 0;
    reply->status = 201;
    if (w->lose_create == 1) {
        w->lose_create = 0;
        reply->cut_after = 0;
    }
    say(reply, cluster);
}

static void play_one(struct ccp_world *w, const struct httpd_request *rq, struct httpd_reply *reply)
{
    size_t at;
    json_t *cluster = find(w, rq->target + strlen("/v3/clusters/"), &at);
    if (cluster == NULL) {
        reply->status = 404;
    } else if (strcmp(rq->method, "DELETE") == 0 && w->slow_delete) {
        w->deletes++;
        w->looks = 0;
        reply->status = 202;
    } else if (strcmp(rq->method, "GET") == 0 && w->slow_delete && ++w->looks == 2) {
        w->slow_delete = 0;
        if (strcmp(w->settled, "READY") == 0)
            json_array_remove(w->clusters, at);
        else
            json_object_set_new(cluster, "status", json_string(w->settled));
        play_one(w, rq, reply);
    } else if (strcmp(rq->method, "DELETE") == 0) {
        w->deletes++;
        json_array_remove(w->clusters, at);
        reply->status = 204;
    } else if (strcmp(rq->method, "PATCH") == 0) {
        json_t *body = json_loads(rq->body, 0, NULL);
        w->patches++;
        json_object_update(cluster, body);
        json_decref(body);
        say(reply, json_incref(cluster));
    } else {
        if (++w->polls == 2 && w->cancel != NULL)
            cancel_now(w->cancel);
        if (w->polls == w->expire_at_poll) {
            w->sessions++; // the one that the client has is good no more
            w->logins_down = w->then_down;
            reply->status = 401;
            return;
        }
        if (w->polls > w->polls_to_ready) {
            json_object_set_new(cluster, "status", json_string(w->settled));
            if (strcmp(w->settled, "READY") == 0)
                json_object_set_new(cluster, "kubeconfig", json_string(KUBECONFIG));
        }
        say(reply, json_incref(cluster));
    }
}

static void play_aws(const struct httpd_request *rq, struct httpd_reply *reply)
{
    reply->body = strdup(
        strstr(rq->body, "Action=ListRoles") != NULL
            ? "<ListRolesResponse><ListRolesResult><Roles><member><RoleName>k8s-ccp-user</RoleName>"
              "<Arn>arn:aws:iam::1:role/k8s-ccp-user</Arn></member></Roles></ListRolesResult>"
              "</ListRolesResponse>"
        : strstr(rq->body, "Action=DescribeInstanceTypeOfferings") != NULL
            ? "<DescribeInstanceTypeOfferingsResponse><instanceTypeOfferingSet><item><instanceType>m5.large"
              "</instanceType></item></instanceTypeOfferingSet></DescribeInstanceTypeOfferingsResponse>"
            : "<DescribeImagesResponse><imagesSet><item><imageId>ami-old</imageId><creationDate>2020"
              "</creationDate></item><item><imageId>ami-new</imageId><creationDate>2021"
              "</creationDate></item></imagesSet></DescribeImagesResponse>");
}

void ccp_world_answer(void *arg, const struct httpd_request *rq, struct httpd_reply *reply)
{
    struct ccp_world *w = arg;
    if (strcmp(rq->target, "/") == 0)
        play_aws(rq, reply);
    else if (strcmp(rq->target, "/v3/system/login") == 0)
        play_login(w, rq, reply, 1);
    else if (strcmp(rq->target, "/2/system/login/") == 0)
        play_login(w, rq, reply, 0);
    else if (!logged_in(w, rq))
        reply->status = 401;
    else if (strcmp(rq->target, "/v3/providers") == 0)
        reply->body =
            strdup(w->two_providers
                       ? "[{\"id\":\"p1\",\"name\":\"myAwsProv\"},{\"id\":\"p2\",\"name\":\"myAwsProv2\"}]"
                       : "[{\"id\":\"p1\",\"name\":\"myAwsProv\"},{\"id\":\"p9\",\"name\":\"vsphere\"}]");
    else if (strcmp(rq->target, "/v3/clusters/") == 0 && strcmp(rq->method, "POST") == 0)
        play_create(w, rq, reply);
    else if (strcmp(rq->target, "/v3/clusters/") == 0)
        say(reply, json_deep_copy(w->clusters));
    else if (strncmp(rq->target, "/v3/clusters/", 13) == 0)
        play_one(w, rq, reply);
    else if (strcmp(rq->target, "/2/clusters") == 0)
        reply->body = strdup("[{\"uuid\":\"u-1\",\"name\":\"ccp\"}]");
    else if (strcmp(rq->target, "/2/clusters/u-1/env") == 0)
        reply->body = strdup(KUBECONFIG);
    else
        reply->status = 404;
}
