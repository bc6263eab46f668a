// Managed prefix lists: a route or a rule may name one instead of a network, and stands for all networks in it.
#include "routes.h"

#include <stdlib.h>
#include <string.h>

// Names of lists that tables or groups hold. Adds to `ids`.
static void gather(const json_t *holders, json_t *ids)
{
    const char *id, *list;
    json_t *holder, *value;
    json_object_foreach((json_t *)holders, id, holder)
    {
        json_object_foreach(json_object_get(holder, "lists"), list, value)
        {
            json_object_set_new(ids, list, json_null());
        }
    }
}

// {max, entries: [network]}. New reference; NULL after a failure.
static json_t *read_list(struct step *s, const json_t *described, ist_error *err)
{
    const char *id = ist_json_str_or(described, "prefixListId", "");
    json_t *params = json_pack("{s:s}", "PrefixListId", id), *found = NULL, *entry, *list = NULL;
    json_t *entries = json_array();
    size_t i;
    if (ist_aws_query_all(s->aws, "ec2", "GetManagedPrefixListEntries", params, "entrySet", &found, err) ==
        IST_OK) {
        json_array_foreach(found, i, entry)
        {
            json_array_append_new(entries, json_string(ist_json_str_or(entry, "cidr", "")));
        }
        // EC2's XML has no numbers. A list of AWS's own tells no maximum.
        list = json_pack("{s:O, s:I}", "entries", entries, "max",
                         (json_int_t)strtol(ist_json_str_or(described, "maxEntries", "1"), NULL, 10));
    }
    json_decref(entries);
    json_decref(found);
    json_decref(params);
    return list;
}

// Fills the values of `ids`, as far as they can be read.
static int32_t read_lists(struct step *s, json_t *ids, ist_error *err)
{
    json_t *names = json_array(), *found = NULL, *described, *value;
    const char *id;
    size_t i;
    json_object_foreach(ids, id, value)
    {
        json_array_append_new(names, json_string(id));
    }
    json_t *params = json_pack("{s:[{s:s, s:o}]}", "Filter", "Name", "prefix-list-id", "Value", names);
    int32_t rc =
        ist_aws_query_all(s->aws, "ec2", "DescribeManagedPrefixLists", params, "prefixListSet", &found, err);
    json_array_foreach(found, i, described)
    {
        json_t *list = rc == IST_OK ? read_list(s, described, err) : NULL;
        if (list == NULL)
            rc = IST_ERR_REMOTE;
        else
            json_object_set_new(ids, ist_json_str_or(described, "prefixListId", ""), list);
    }
    json_decref(found);
    json_decref(params);
    return rc;
}

// value: where a route leads, or null.
static void put_entries(json_t *holder, const char *id, const json_t *list, json_t *value)
{
    json_t *by_list = json_object_get(holder, "by_list"), *network;
    size_t i;
    if (by_list == NULL) {
        by_list = json_object();
        json_object_set_new(holder, "by_list", by_list);
    }
    json_array_foreach(json_object_get(list, "entries"), i, network)
    {
        json_object_set_new(by_list, json_string_value(network), json_pack("[s, O]", id, value));
    }
}

// A rule of one protocol only counts; a route leads there, and a rule of all protocols lets all in.
static void put_lists(json_t *holders, const json_t *lists)
{
    const char *id, *name;
    json_t *holder, *value;
    json_object_foreach(holders, id, holder)
    {
        json_int_t more = 0;
        json_object_foreach(json_object_get(holder, "lists"), name, value)
        {
            const json_t *list = json_object_get(lists, name);
            if (!json_is_object(list))
                continue;
            more += (json_int_t)ist_json_int(list, "max", 1) - 1; // one was counted
            if (!json_is_false(value))
                put_entries(holder, name, list, value);
        }
        if (more > 0)
            json_object_set_new(holder, "count", json_integer(ist_json_int(holder, "count", 0) + more));
    }
}

int32_t lists_read(struct step *s, ist_error *err)
{
    json_t *ids = json_object();
    ist_error failed = {0};
    gather(s->tables, ids);
    gather(s->groups, ids);
    int32_t rc = json_object_size(ids) > 0 ? read_lists(s, ids, &failed) : IST_OK;
    if (rc == IST_ERR_CANCELLED || rc == IST_ERR_TIMEOUT) {
        if (err != NULL)
            *err = failed;
    } else if (rc != IST_OK) {
        ist_log(
            &s->env, IST_LOG_WARN,
            "what prefix lists in routes and rules stand for is not known (%s: %s): only what names networks "
            "counts",
            failed.where, failed.text);
        rc = IST_OK;
    }
    if (rc == IST_OK) {
        put_lists(s->tables, ids);
        put_lists(s->groups, ids);
    }
    json_decref(ids);
    return rc;
}

const char *list_holding(const json_t *holder, const char *cidr)
{
    const char *network;
    json_t *by;
    json_object_foreach(json_object_get(holder, "by_list"), network, by)
    {
        if (net_is_within(cidr, network))
            return json_string_value(json_array_get(by, 0));
    }
    return NULL;
}
