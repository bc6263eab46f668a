// Values of the ABI as jansson trees, and what an operation is given and tells.
#include <isthmus/alloc.h>
#include <isthmus/env.h>

#include <string.h>

json_t *ist_json(const ist_env *env, const ist_value *value)
{
    const ist_host *h = env->host;
    size_t len = 0;
    switch (h->kind(value)) {
    case IST_BOOL:
        return json_boolean(h->get_int(value));
    case IST_INT:
        return json_integer((json_int_t)h->get_int(value));
    case IST_REAL:
        return json_real(h->get_real(value));
    case IST_STRING:
    case IST_BYTES: {
        const char *bytes = h->get_bytes(value, &len);
        return json_stringn_nocheck(bytes, len);
    }
    case IST_LIST: {
        json_t *list = json_array();
        for (size_t i = 0; i < h->count(value); i++)
            json_array_append_new(list, ist_json(env, h->at(value, i)));
        return list;
    }
    case IST_MAP: {
        json_t *map = json_object();
        for (size_t i = 0; i < h->count(value); i++)
            json_object_set_new_nocheck(map, h->key_at(value, i), ist_json(env, h->at(value, i)));
        return map;
    }
    default:
        return json_null();
    }
}

ist_value *ist_value_of(const ist_env *env, const json_t *json)
{
    const ist_host *h = env->host;
    ist_call *call = env->call;
    const char *key;
    json_t *child;
    size_t i;
    switch (json ? json_typeof(json) : JSON_NULL) {
    case JSON_TRUE:
        return h->new_bool(call, 1);
    case JSON_FALSE:
        return h->new_bool(call, 0);
    case JSON_INTEGER:
        return h->new_int(call, (int64_t)json_integer_value(json));
    case JSON_REAL:
        return h->new_real(call, json_real_value(json));
    case JSON_STRING:
        return h->new_bytes(call, json_string_value(json), json_string_length(json));
    case JSON_ARRAY: {
        ist_value *list = h->new_list(call);
        json_array_foreach(json, i, child) h->add(list, ist_value_of(env, child));
        return list;
    }
    case JSON_OBJECT: {
        ist_value *map = h->new_map(call);
        json_object_foreach((json_t *)(uintptr_t)json, key, child) h->put(map, key, ist_value_of(env, child));
        return map;
    }
    default:
        return h->new_null(call);
    }
}

json_t *ist_inputs(const ist_env *env)
{
    return ist_json(env, env->host->inputs(env->call));
}

json_t *ist_observed(const ist_env *env)
{
    return ist_json(env, env->host->observed(env->call));
}

json_t *ist_recorded(const ist_env *env)
{
    return ist_json(env, env->host->recorded(env->call));
}

void ist_set_observed(const ist_env *env, json_t *observed)
{
    env->host->set_observed(env->call, ist_value_of(env, observed));
    json_decref(observed);
}

void ist_set_output(const ist_env *env, const char *name, json_t *value)
{
    if (!value)
        return;
    env->host->set_output(env->call, name, ist_value_of(env, value));
    json_decref(value);
}

void ist_change(const ist_env *env, uint32_t action, const char *resource, const char *reason)
{
    env->host->change(env->call, action, resource, reason);
}

void ist_change_field(const ist_env *env, const char *resource, const char *field, json_t *before,
                      json_t *after)
{
    env->host->change_field(env->call, resource, field, before ? ist_value_of(env, before) : NULL,
                            after ? ist_value_of(env, after) : NULL, 0);
    json_decref(before);
    json_decref(after);
}

void ist_change_secret(const ist_env *env, const char *resource, const char *field)
{
    env->host->change_field(env->call, resource, field, NULL, NULL, 1);
}

void ist_check(const ist_env *env, const char *name, uint32_t result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *evidence = ist_vprintf(format, args);
    va_end(args);
    env->host->check(env->call, name, result, evidence);
    ist_free(evidence);
}

int32_t ist_intent(const ist_env *env, const char *resource, json_t *data, char token[65], ist_error *err)
{
    int32_t rc = env->host->intent(env->call, resource, ist_value_of(env, data), token);
    json_decref(data);
    return rc == IST_OK ? IST_OK : ist_fail(err, rc, resource, "the journal did not take the intent");
}

int32_t ist_outcome(const ist_env *env, const char *resource, json_t *data, ist_error *err)
{
    int32_t rc = env->host->outcome(env->call, resource, data ? ist_value_of(env, data) : NULL);
    json_decref(data);
    return rc == IST_OK ? IST_OK : ist_fail(err, rc, resource, "the journal did not take the outcome");
}

void ist_status(const ist_env *env, json_t *status)
{
    if (env && env->host && IST_HAS(env->host, status) && env->host->status) {
        ist_value *value = ist_value_of(env, status);
        env->host->status(env->call, value);
        env->host->release(value);
    }
    json_decref(status);
}

json_t *ist_reconfigured(const ist_env *env)
{
    const int told = env && env->host && IST_HAS(env->host, reconfigured) && env->host->reconfigured;
    const ist_value *inputs = told ? env->host->reconfigured(env->call) : NULL;
    return inputs ? ist_json(env, inputs) : NULL;
}
