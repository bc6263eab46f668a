// Workers for the read-only operations: kept by plugin between operations.
#include "host/worker_private.h"

#include <isthmus/alloc.h>

#include <string.h>

struct worker_pool {
    struct worker_options options;
    char *worker_path;
    struct worker **idle; // the one used last at the end
    size_t count, max;
};

struct worker_pool *worker_pool_new(const struct worker_options *options, size_t max_idle)
{
    struct worker_pool *pool = ist_calloc(1, sizeof(*pool));
    pool->options = options ? *options : (struct worker_options){.lock_fd = -1};
    if (pool->options.worker_path)
        pool->options.worker_path = pool->worker_path = ist_strdup(pool->options.worker_path);
    pool->max = max_idle;
    pool->idle = ist_calloc(max_idle + 1, sizeof(*pool->idle));
    return pool;
}

static struct worker *remove_at(struct worker_pool *pool, size_t i)
{
    struct worker *worker = pool->idle[i];
    pool->count--;
    memmove(pool->idle + i, pool->idle + i + 1, (pool->count - i) * sizeof(*pool->idle));
    return worker;
}

int worker_pool_take(struct worker_pool *pool, const struct plugin_info *plugin, struct worker **worker,
                     ist_error *err)
{
    for (size_t i = pool->count; i > 0; i--) {
        if (strcmp(worker_plugin(pool->idle[i - 1]), plugin->name) != 0)
            continue;
        struct worker *found = remove_at(pool, i - 1);
        if (worker_usable(found)) {
            *worker = found;
            return 0;
        }
        worker_free(found);
    }
    return worker_start(plugin, &pool->options, worker, err);
}

void worker_pool_give(struct worker_pool *pool, struct worker *worker)
{
    if (!worker)
        return;
    if (!worker_usable(worker)) {
        worker_free(worker);
        return;
    }
    pool->idle[pool->count++] = worker;
    if (pool->count > pool->max)
        worker_free(remove_at(pool, 0));
}

void worker_pool_move(struct worker_pool *pool, struct worker_pool *from)
{
    while (from && from->count > 0 && pool->count < pool->max)
        pool->idle[pool->count++] = remove_at(from, from->count - 1);
}

void worker_pool_free(struct worker_pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < pool->count; i++)
        worker_close(pool->idle[i]);
    for (size_t i = 0; i < pool->count; i++)
        worker_free(pool->idle[i]);
    ist_free(pool->idle);
    ist_free(pool->worker_path);
    ist_free(pool);
}
