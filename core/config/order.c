// What each step needs, and an order in which every step stands behind what it needs.
#include "config/steps.h"

#include <isthmus/alloc.h>

#include <stdint.h>
#include <string.h>

static bool is_off(const struct build *build, const char *name)
{
    for (size_t i = 0; i < build->off.count; i++)
        if (strcmp(build->off.items[i], name) == 0)
            return true;
    return false;
}

static void add_need(struct step *step, const char *name)
{
    for (size_t i = 0; i < step->needs_count; i++)
        if (strcmp(step->needs[i], name) == 0)
            return;
    step->needs = ist_realloc(step->needs, step->needs_count + 1, sizeof(char *));
    step->needs[step->needs_count++] = name;
}

// All steps called so in the file, or the one with that full name. Returns how many.
static size_t need_all(struct build *build, struct step *step, const char *name, const char *key)
{
    size_t found = 0;
    for (size_t i = 0; i < build->pipeline->count; i++) {
        const struct step *other = &build->pipeline->steps[i];
        bool same =
            strcmp(other->base, name) == 0 && (!key || (other->each_key && !strcmp(other->each_key, key)));
        if (!same && (key || strcmp(other->name, name) != 0))
            continue;
        add_need(step, other->name);
        found++;
    }
    return found;
}

// Is it in the file, though for_each made none of it?
static bool is_empty(const struct build *build, const char *name)
{
    const struct node *node = node_get(build->steps, name);
    return node && node->kind == NODE_MAP && node_get(node, "for_each");
}

static void say_no_step(const struct build *build, struct place place, const char *name)
{
    const char **names = ist_calloc(build->steps->count, sizeof(char *));
    for (size_t i = 0; i < build->steps->count; i++)
        names[i] = build->steps->items[i]->key;
    const char *near = nearest(name, names, build->steps->count);
    if (near)
        diag_error(build->diags, place, "unknown step `%s`, did you mean `%s`?", name, near);
    else
        diag_error(build->diags, place, "unknown step `%s`", name);
    ist_free(names);
}

static void explicit_needs(struct build *build, struct step *step)
{
    const struct node *needs = node_get(node_get(build->steps, step->base), "needs");
    if (!needs || needs->kind != NODE_LIST)
        return;
    for (size_t i = 0; i < needs->count; i++) {
        const struct node *need = needs->items[i];
        if (need->kind == NODE_NULL || need->kind == NODE_LIST || need->kind == NODE_MAP)
            continue; // the type was told already
        if (text_has_reference(need->text)) {
            diag_error(build->diags, need->place, "`needs` names steps: ${...} has no meaning here");
            continue;
        }
        if (!need_all(build, step, need->text, NULL) && !is_off(build, need->text) &&
            !is_empty(build, need->text))
            say_no_step(build, need->place, need->text);
    }
}

// ---- references

struct referring {
    struct build *build;
    struct step *step;
};

static void say_no_output(const struct build *build, const struct node *node, const struct part *part,
                          const struct plugin_info *info)
{
    const char **names = ist_calloc(info->output_count, sizeof(char *));
    ist_buf list = {0};
    for (size_t i = 0; i < info->output_count; i++) {
        names[i] = info->outputs[i].name;
        ist_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = nearest(part->output, names, info->output_count);
    char *text = ist_buf_take(&list);
    if (near)
        diag_error(build->diags, node->place, "plugin %s has no output `%s`, did you mean `%s`?", info->name,
                   part->output, near);
    else
        diag_error(build->diags, node->place, "plugin %s has no output `%s`", info->name, part->output);
    if (!near)
        diag_hint(build->diags, "it has %s", *text ? text : "none");
    ist_free(text);
    ist_free(names);
}

// An output beyond the role would bind the pipeline to this one plugin.
static void check_role(const struct build *build, const struct node *node, const struct part *part,
                       const struct plugin_info *info)
{
    const ist_field *outputs = info->role ? role_outputs(info->role) : NULL;
    if (!outputs)
        return;
    ist_buf list = {0};
    for (size_t i = 0; outputs[i].name; i++) {
        if (strcmp(outputs[i].name, part->output) == 0) {
            ist_buf_free(&list);
            return;
        }
        ist_buf_printf(&list, "%s%s", i ? ", " : "", outputs[i].name);
    }
    char *text = ist_buf_take(&list);
    diag_error(build->diags, node->place,
               "output `%s` of %s is not one of the role %s, so another plugin could "
               "not take its place",
               part->output, info->name, info->role);
    diag_hint(build->diags, "the role has %s", text);
    ist_free(text);
}

static void refer(void *arg, const struct node *node, const struct part *part)
{
    struct referring *r = arg;
    struct build *build = r->build;
    if (!need_all(build, r->step, part->name, part->key)) {
        if (is_off(build, part->name))
            diag_error(build->diags, node->place, "${%s}: step `%s` is not there, its `when` is false",
                       part->inner, part->name);
        else if (part->key && need_all(build, r->step, part->name, NULL))
            diag_error(build->diags, node->place, "${%s}: step `%s` has no `%s`", part->inner, part->name,
                       part->key);
        else if (!is_empty(build, part->name))
            say_no_step(build, node->place, part->name);
        return;
    }
    const struct plugin_info *info = NULL;
    for (size_t i = 0; i < build->pipeline->count && !info; i++)
        if (strcmp(build->pipeline->steps[i].base, part->name) == 0)
            info = build->pipeline->steps[i].info;
    if (info && !plugin_output(info, part->output))
        say_no_output(build, node, part, info);
    else if (info)
        check_role(build, node, part, info);
}

// ---- the order

struct sorting {
    const struct pipeline *pipeline;
    unsigned char *state; // 0 new, 1 under way, 2 done
    size_t *order, placed;
    size_t *chain, depth;
};

static size_t index_of(const struct pipeline *pipeline, const char *name)
{
    size_t i = 0;
    while (i < pipeline->count && strcmp(pipeline->steps[i].name, name) != 0)
        i++;
    return i;
}

static void say_cycle(struct build *build, const struct sorting *s, size_t again)
{
    ist_buf chain = {0};
    size_t from = 0;
    while (from < s->depth && s->chain[from] != again)
        from++;
    for (size_t i = from; i < s->depth; i++)
        ist_buf_printf(&chain, "%s -> ", build->pipeline->steps[s->chain[i]].name);
    char *text = ist_buf_take(&chain);
    const struct step *step = &build->pipeline->steps[again];
    diag_error(build->diags, step->place, "steps need each other: %s%s", text, step->name);
    ist_free(text);
}

// Depth first, in the order of the file. -1 at a cycle.
static int visit(struct build *build, struct sorting *s, size_t i)
{
    if (s->state[i] == 2)
        return 0;
    if (s->state[i] == 1) {
        say_cycle(build, s, i);
        return -1;
    }
    s->state[i] = 1;
    s->chain[s->depth++] = i;
    const struct step *step = &s->pipeline->steps[i];
    for (size_t n = 0; n < step->needs_count; n++)
        if (visit(build, s, index_of(s->pipeline, step->needs[n])))
            return -1;
    s->depth--;
    s->state[i] = 2;
    s->order[s->placed++] = i;
    return 0;
}

void steps_order(struct build *build)
{
    struct pipeline *p = build->pipeline;
    for (size_t i = 0; i < p->count; i++) {
        struct referring r = {build, &p->steps[i]};
        explicit_needs(build, &p->steps[i]);
        if (p->steps[i].with)
            node_references(build->config->arena, p->steps[i].with, refer, &r);
    }
    struct sorting s = {p,
                        ist_calloc(p->count, 1),
                        ist_calloc(p->count, sizeof(size_t)),
                        0,
                        ist_calloc(p->count, sizeof(size_t)),
                        0};
    int rc = 0;
    for (size_t i = 0; i < p->count && !rc; i++)
        rc = visit(build, &s, i);
    if (!rc) {
        struct step *sorted = ist_calloc(p->count, sizeof(struct step));
        for (size_t i = 0; i < p->count; i++)
            sorted[i] = p->steps[s.order[i]];
        ist_free(p->steps);
        p->steps = sorted;
    }
    ist_free(s.state);
    ist_free(s.order);
    ist_free(s.chain);
}
