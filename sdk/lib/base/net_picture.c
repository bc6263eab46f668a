// Networks as bars over the addresses that they span together: which lies in which is seen at a glance.
#include <isthmus/alloc.h>
#include <isthmus/schema.h>

#include <stdio.h>
#include <string.h>

#define WIDTH 32 // of a bar's field

static uint32_t first_of(ist_net4 net)
{
    return net.prefix == 0 ? 0 : net.address & (0xffffffffu << (32 - net.prefix));
}

static uint32_t last_of(ist_net4 net)
{
    return net.prefix >= 32 ? net.address : first_of(net) | (0xffffffffu >> net.prefix);
}

// The column of an address, 0 to WIDTH - 1.
static size_t column(uint32_t address, uint32_t from, uint32_t to)
{
    const uint64_t span = (uint64_t)to - from + 1;
    return (size_t)((uint64_t)(address - from) * WIDTH / span);
}

static void draw(ist_buf *text, const ist_net_bar *bar, int name_width, uint32_t from, uint32_t to)
{
    char field[WIDTH + 1], net[19];
    const size_t start = column(first_of(bar->net), from, to), end = column(last_of(bar->net), from, to);
    memset(field, '.', WIDTH);
    memset(field + start, '#', end - start + 1);
    field[WIDTH] = '\0';
    ist_net4_text(bar->net, net);
    ist_buf_printf(text, "%s%-*s  %-18s %s", text->len > 0 ? "\n" : "", name_width, bar->name, net, field);
}

char *ist_net_picture(const ist_net_bar *bars, size_t count)
{
    ist_buf text = {0};
    uint32_t from = 0xffffffffu, to = 0;
    int name_width = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t first = first_of(bars[i].net), last = last_of(bars[i].net);
        const int len = (int)strlen(bars[i].name);
        from = first < from ? first : from;
        to = last > to ? last : to;
        name_width = len > name_width ? len : name_width;
    }
    for (size_t i = 0; i < count; i++)
        draw(&text, &bars[i], name_width, from, to);
    return ist_buf_take(&text);
}
