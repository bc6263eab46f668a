// The journal (DIR/journal.jsonl) and the snapshot: what was asked of the lab, and what there is in it.
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lab_journal {
    int fd;
};

struct lab_snapshots {
    struct {
        const char *name;
        json_t *(*fn)(struct lab *);
    } parts[16];
    size_t count;
};

int lab_journal_open(struct lab *lab)
{
    char *path = lab_format("%s/journal.jsonl", lab->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        fprintf(stderr, "isthmus-lab: cannot write %s: %s\n", path, strerror(errno));
    free(path);
    if (fd < 0)
        return -1;
    lab->journal = lab_calloc(1, sizeof *lab->journal);
    lab->journal->fd = fd;
    return 0;
}

void lab_journal_add(struct lab *lab, const char *service, const char *method, const char *path,
                     const char *action, int status, bool write_call)
{
    char *now = lab_now();
    json_t *line = json_pack("{ss ss ss ss* ss* si sb}", "time", now, "service", service, "method", method,
                             "path", path, "action", action, "status", status, "write", (int)write_call);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (text) {
        // One write a line, so that a reader never sees two lines mixed.
        char *whole = lab_format("%s\n", text);
        size_t len = strlen(whole);
        if (write(lab->journal->fd, whole, len) != (ssize_t)len)
            lab_log(lab, "journal: %s", strerror(errno));
        free(whole);
    }
    if (lab->verbose)
        lab_log(lab, "%s %s %s %s -> %d", service, method, path, action ? action : "-", status);
    free(text);
    json_decref(line);
    free(now);
}

void lab_snapshot_register(struct lab *lab, const char *name, json_t *(*fn)(struct lab *))
{
    if (!lab->snapshots)
        lab->snapshots = lab_calloc(1, sizeof *lab->snapshots);
    struct lab_snapshots *all = lab->snapshots;
    if (all->count == sizeof all->parts / sizeof *all->parts)
        abort(); // a fixed number of modules
    all->parts[all->count].name = name;
    all->parts[all->count++].fn = fn;
}

json_t *lab_snapshot_take(struct lab *lab)
{
    json_t *whole = json_object();
    for (size_t i = 0; lab->snapshots && i < lab->snapshots->count; i++)
        json_object_set_new(whole, lab->snapshots->parts[i].name, lab->snapshots->parts[i].fn(lab));
    return whole;
}
