// Frames over a socketpair: a 4-byte big-endian length, then JSON.
#include "host/wire.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD  4
#define CHUNK ((size_t)64 << 10)

static int send_all(int fd, const char *bytes, size_t len, int stall_ms, ist_error *err)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            if (poll(&writable, 1, stall_ms) == 0)
                return ist_fail(err, IST_ERR_TIMEOUT, "wire", "the other side reads nothing for %d ms",
                                stall_ms);
        } else if (errno != EINTR) {
            return ist_fail(err, IST_ERR_NETWORK, "wire", "cannot be written: %s", strerror(errno));
        }
    }
    return 0;
}

int wire_pack(ist_buf *frames, const json_t *message, ist_error *err)
{
    char *text = json_dumps(message, JSON_COMPACT);
    if (!text)
        return ist_fail(err, IST_ERR_INTERNAL, "wire", "a message that is no JSON object, or no UTF-8");
    size_t len = strlen(text);
    char head[HEAD];
    for (size_t i = 0; i < HEAD; i++)
        head[i] = (char)(len >> (24 - 8 * i) & 255);
    int rc = 0;
    if (len > WIRE_MAX_FRAME)
        rc = ist_fail(err, IST_ERR_LIMIT, "wire", "a message of %zu MiB: at most 16", len >> 20);
    else if (frames->len + HEAD + len > frames->max)
        rc = ist_fail(err, IST_ERR_LIMIT, "wire", "messages of more than %zu MiB at once", frames->max >> 20);
    else if (ist_buf_add(frames, head, HEAD) != IST_OK || ist_buf_add(frames, text, len) != IST_OK)
        rc = ist_fail(err, IST_ERR_LIMIT, "wire", "a message that does not fit");
    explicit_bzero(text, len);
    free(text);
    return rc;
}

int wire_flush(int fd, ist_buf *frames, int stall_ms, ist_error *err)
{
    int rc = frames->len ? send_all(fd, frames->data, frames->len, stall_ms, err) : 0;
    // Secrets pass through here: nothing of them stays behind.
    if (frames->data)
        explicit_bzero(frames->data, frames->len);
    if (frames->room > CHUNK)
        ist_buf_free(frames);
    frames->len = 0;
    return rc;
}

int wire_send(int fd, const json_t *message, int stall_ms, ist_error *err)
{
    ist_buf frames = {.max = (size_t)2 * WIRE_MAX_FRAME};
    int rc = wire_pack(&frames, message, err);
    if (!rc)
        rc = wire_flush(fd, &frames, stall_ms, err);
    ist_buf_free(&frames);
    return rc;
}

struct wire_reader {
    int fd;
    char *data;
    size_t start, len, room; // what is unread is at data[start], len bytes
    bool ended;
};

struct wire_reader *wire_reader_new(int fd)
{
    struct wire_reader *reader = ist_calloc(1, sizeof(*reader));
    reader->fd = fd;
    return reader;
}

void wire_reader_free(struct wire_reader *reader)
{
    if (!reader)
        return;
    if (reader->data)
        explicit_bzero(reader->data, reader->room);
    ist_free(reader->data);
    ist_free(reader);
}

// Makes room for `want` bytes from start on.
static void make_room(struct wire_reader *reader, size_t want)
{
    if (reader->start && reader->start + want > reader->room) {
        memmove(reader->data, reader->data + reader->start, reader->len);
        reader->start = 0;
    }
    if (reader->start + want > reader->room) {
        reader->room = want > CHUNK ? want : CHUNK;
        reader->data = ist_realloc(reader->data, reader->room, 1);
    }
}

static size_t frame_length(const struct wire_reader *reader)
{
    const unsigned char *p = (const unsigned char *)reader->data + reader->start;
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

// Takes the frame that is whole at start.
static int take_frame(struct wire_reader *reader, size_t len, json_t **message, ist_error *err)
{
    json_t *json;
    int32_t rc = ist_json_parse(reader->data + reader->start + HEAD, len, "wire", &json, err);
    reader->start += HEAD + len;
    reader->len -= HEAD + len;
    if (!reader->len)
        reader->start = 0;
    if (rc != IST_OK)
        return -1;
    if (!json_is_string(json_object_get(json, "type"))) {
        json_decref(json);
        ist_fail(err, IST_ERR_REMOTE, "wire", "a frame that is no message");
        return -1;
    }
    *message = json;
    return 1;
}

bool wire_holds(const struct wire_reader *reader)
{
    return reader->len >= HEAD && reader->len - HEAD >= frame_length(reader);
}

int wire_read(struct wire_reader *reader, json_t **message, ist_error *err)
{
    for (;;) {
        size_t want = CHUNK;
        if (reader->len >= HEAD) {
            size_t len = frame_length(reader);
            if (len > WIRE_MAX_FRAME) {
                ist_fail(err, IST_ERR_LIMIT, "wire", "a frame of %zu MiB: at most 16", len >> 20);
                return -1;
            }
            if (reader->len >= HEAD + len)
                return take_frame(reader, len, message, err);
            want = HEAD + len;
        }
        if (reader->ended) {
            if (reader->len)
                ist_fail(err, IST_ERR_NOT_FOUND, "wire", "ended in the middle of a frame");
            else
                ist_fail(err, IST_ERR_NOT_FOUND, "wire", "ended");
            return -1;
        }
        make_room(reader, want > reader->len ? want : reader->len + 1);
        ssize_t n = recv(reader->fd, reader->data + reader->start + reader->len,
                         reader->room - reader->start - reader->len, MSG_DONTWAIT);
        if (n > 0)
            reader->len += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            reader->ended = true; // a reset is an end too
        else if (errno != EINTR)
            return 0;
    }
}
