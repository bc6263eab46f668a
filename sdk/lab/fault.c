// Fault rules: which calls go wrong, how, and how often.
#include "core.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rule {
    struct rule *next;
    regex_t service, action;
    json_t *text; // as it was given
    long skip;    // matching calls that still pass
    long times;   // strikes left; -1: for ever
    long hits;
    bool writes; // strikes only what writes
    bool active; // a cleared rule stays in memory: a call that waits may still hold it
    struct lab_fault fault;
};

struct lab_faults {
    struct rule *first, **last;
};

static const char *const effects[] = {"status", "delay",         "cut-before", "cut-after", "throttle",
                                      "stale",  "expired-token", "reload",     "deny",      "answer"};

void lab_faults_open(struct lab *lab)
{
    lab->faults = lab_calloc(1, sizeof *lab->faults);
    lab->faults->last = &lab->faults->first;
}

static char *number(const char *key, const char *text, long min, long *value)
{
    char *end;
    errno = 0;
    long parsed = strtol(text, &end, 10);
    if (!*text || *end || errno || parsed < min)
        return lab_format("%s=%s: a number of at least %ld is wanted", key, text, min);
    *value = parsed;
    return NULL;
}

static char *set_key(struct rule *rule, const char **patterns, const char *key, const char *value)
{
    long n = 0;
    char *why = NULL;
    if (!strcmp(key, "service") || !strcmp(key, "action")) {
        patterns[*key == 'a'] = value;
    } else if (!strcmp(key, "skip")) {
        why = number(key, value, 0, &rule->skip);
    } else if (!strcmp(key, "times")) {
        why = number(key, value, 0, &rule->times);
        rule->times = rule->times ? rule->times : -1;
    } else if (!strcmp(key, "delay")) {
        why = number(key, value, 0, &n);
        rule->fault.delay_ms = n;
    } else if (!strcmp(key, "status")) {
        why = number(key, value, 100, &n);
        rule->fault.status = (int)n;
    } else if (!strcmp(key, "calls")) {
        rule->writes = !strcmp(value, "writes");
        if (!rule->writes && strcmp(value, "all") != 0)
            why = lab_format("calls=%s: wanted all or writes", value);
    } else if (!strcmp(key, "code")) {
        rule->fault.code = value;
    } else if (!strcmp(key, "body")) {
        rule->fault.body = value;
    } else if (!strcmp(key, "effect")) {
        for (size_t i = 0; i < sizeof effects / sizeof *effects; i++) {
            if (!strcmp(value, effects[i]))
                rule->fault.effect = effects[i];
        }
        if (!rule->fault.effect)
            why =
                lab_format("effect=%s: wanted one of status, delay, cut-before, cut-after, throttle, stale, "
                           "expired-token, reload, deny, answer",
                           value);
    } else {
        why = lab_format("unknown key %s: a rule has service, action, calls, skip, times, effect, delay, "
                         "status, code, body",
                         key);
    }
    return why;
}

char *lab_fault_add(struct lab *lab, const json_t *text)
{
    struct rule *rule = lab_calloc(1, sizeof *rule);
    const char *patterns[2] = {"", ""}, *key;
    json_t *value;
    char *why = NULL;
    rule->times = 1;
    rule->active = true;
    rule->text = json_deep_copy(text);
    json_object_foreach(rule->text, key, value)
    {
        if (!why)
            why = set_key(rule, patterns, key, json_string_value(value));
    }
    if (!why && !rule->fault.effect)
        why = lab_strdup("a rule needs effect=...");
    if (!why && regcomp(&rule->service, patterns[0], REG_EXTENDED | REG_NOSUB) != 0)
        why = lab_format("service=%s is no regular expression", patterns[0]);
    if (!why && regcomp(&rule->action, patterns[1], REG_EXTENDED | REG_NOSUB) != 0) {
        regfree(&rule->service);
        why = lab_format("action=%s is no regular expression", patterns[1]);
    }
    if (why) {
        json_decref(rule->text);
        free(rule);
        return why;
    }
    *lab->faults->last = rule;
    lab->faults->last = &rule->next;
    return NULL;
}

void lab_fault_clear(struct lab *lab)
{
    for (struct rule *rule = lab->faults->first; rule; rule = rule->next)
        rule->active = false;
}

json_t *lab_fault_list(struct lab *lab)
{
    json_t *all = json_array();
    for (struct rule *rule = lab->faults->first; rule; rule = rule->next) {
        if (!rule->active)
            continue;
        json_t *shown = json_deep_copy(rule->text);
        json_object_set_new(shown, "hits", json_integer(rule->hits));
        json_array_append_new(all, shown);
    }
    return all;
}

static bool waits(const struct rule *rule)
{
    return rule->active && rule->times != 0;
}

bool lab_fault_waits(struct lab *lab, const char *effect)
{
    for (struct rule *rule = lab->faults->first; rule; rule = rule->next) {
        if (waits(rule) && !strcmp(rule->fault.effect, effect))
            return true;
    }
    return false;
}

// Only a router reloads, and only what speaks HTTP throttles, serves stale answers, has tokens and roles.
static bool fits(const struct rule *rule, const char *service)
{
    const char *effect = rule->fault.effect;
    bool router = !strcmp(service, "router");
    if (!strcmp(effect, "reload"))
        return router;
    return !router || (strcmp(effect, "throttle") != 0 && strcmp(effect, "stale") != 0 &&
                       strcmp(effect, "expired-token") != 0 && strcmp(effect, "deny") != 0);
}

const struct lab_fault *lab_fault_take(struct lab *lab, const char *service, const char *action)
{
    return lab_fault_take_call(lab, service, action, true);
}

const struct lab_fault *lab_fault_take_call(struct lab *lab, const char *service, const char *action,
                                            bool writes)
{
    for (struct rule *rule = lab->faults->first; rule; rule = rule->next) {
        if (!waits(rule) || !fits(rule, service) || (rule->writes && !writes) ||
            regexec(&rule->service, service, 0, NULL, 0) != 0 ||
            regexec(&rule->action, action ? action : "", 0, NULL, 0) != 0)
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        if (rule->times > 0)
            rule->times--;
        rule->hits++;
        return &rule->fault;
    }
    return NULL;
}
