// Networks as bars, sorted by their addresses: which lies in which is seen at a glance. Networks are nested or apart, so
// those that share addresses make a group with a field of its own, to scale; what is between the groups is left out.
#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH      32 // of all groups: halves of networks are whole columns
#define APART      2  // of a network that shares addresses with none
#define GROUPS_MAX 8
#define APART_MAX  3 // beside groups
#define BARS_MAX   24

static uint32_t first_of(ist_net4 net)
{
    return net.prefix == 0 ? 0 : net.address & (0xffffffffu << (32 - net.prefix));
}

static uint32_t last_of(ist_net4 net)
{
    return net.prefix >= 32 ? net.address : first_of(net) | (0xffffffffu >> net.prefix);
}

struct group {
    size_t begin, count; // of the sorted bars; the first is the widest
    size_t start, width; // columns; width 0: not drawn
};

struct picture {
    const ist_net_bar **bars; // sorted
    struct group *groups;
    size_t count, group_count, width, net_width;
};

static int by_address_then_wider(const void *a, const void *b)
{
    const ist_net_bar *x = *(const ist_net_bar *const *)a, *y = *(const ist_net_bar *const *)b;
    const uint32_t m = first_of(x->net), n = first_of(y->net);
    if (m != n)
        return m < n ? -1 : 1;
    if (x->net.prefix != y->net.prefix)
        return x->net.prefix < y->net.prefix ? -1 : 1;
    return x < y ? -1 : x > y; // as they were given
}

static void group_bars(struct picture *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct group *last = p->group_count > 0 ? &p->groups[p->group_count - 1] : NULL;
        if (last != NULL && ist_net4_overlap(p->bars[last->begin]->net, p->bars[i]->net))
            last->count++;
        else
            p->groups[p->group_count++] = (struct group){i, 1, 0, 0};
    }
}

// Groups share the width; what is apart stands beside them, narrow. Where nothing is shared, all are drawn alike.
static void place_groups(struct picture *p)
{
    size_t shared = 0, drawn = 0, apart = 0, each = WIDTH;
    for (size_t g = 0; g < p->group_count; g++)
        shared += p->groups[g].count > 1;
    const size_t alike = shared > 0 ? shared : p->group_count;
    while (each > WIDTH / GROUPS_MAX && each * alike > WIDTH)
        each /= 2;
    for (size_t g = 0; g < p->group_count; g++) {
        struct group *group = &p->groups[g];
        const int wide = shared == 0 || group->count > 1;
        if (wide ? drawn == GROUPS_MAX : apart == APART_MAX)
            continue;
        *(wide ? &drawn : &apart) += 1;
        group->start = p->width + (p->width > 0);
        group->width = wide ? each : APART;
        p->width = group->start + group->width;
    }
}

static void draw(const struct picture *p, const struct group *of, const ist_net_bar *bar, ist_buf *text)
{
    char net[19], *field = ist_calloc(p->width + 1, 1);
    memset(field, ' ', p->width);
    for (size_t g = 0; g < p->group_count; g++)
        memset(field + p->groups[g].start, '.', p->groups[g].width);
    const uint32_t from = first_of(p->bars[of->begin]->net);
    const uint64_t span = (uint64_t)last_of(p->bars[of->begin]->net) - from + 1;
    const size_t start = (size_t)((uint64_t)(first_of(bar->net) - from) * of->width / span);
    const size_t end = (size_t)((uint64_t)(last_of(bar->net) - from) * of->width / span);
    memset(field + of->start + start, '#', end - start + 1);
    ist_net4_text(bar->net, net);
    ist_buf_printf(text, "%s%s  %-*s  %s", text->len > 0 ? "\n" : "", field, (int)p->net_width, net,
                   bar->name);
    ist_free(field);
}

char *ist_net_picture(const ist_net_bar *bars, size_t count)
{
    struct picture p = {.count = count};
    ist_buf text = {0};
    size_t lines = 0;
    char net[19];
    p.bars = ist_calloc(count + 1, sizeof(*p.bars));
    p.groups = ist_calloc(count + 1, sizeof(*p.groups));
    for (size_t i = 0; i < count; i++) {
        p.bars[i] = &bars[i];
        ist_net4_text(bars[i].net, net);
        p.net_width = strlen(net) > p.net_width ? strlen(net) : p.net_width;
    }
    qsort(p.bars, count, sizeof(*p.bars), by_address_then_wider);
    group_bars(&p);
    place_groups(&p);
    for (size_t g = 0; g < p.group_count; g++) {
        for (size_t i = 0; i < p.groups[g].count && p.groups[g].width > 0 && lines < BARS_MAX; i++, lines++)
            draw(&p, &p.groups[g], p.bars[p.groups[g].begin + i], &text);
    }
    if (lines < count)
        ist_buf_printf(&text, "\n... and %zu more", count - lines);
    ist_free(p.groups);
    ist_free(p.bars);
    return ist_buf_take(&text);
}
