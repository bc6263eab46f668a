// What a worker may send, any bytes at all: messages or a broken wire; every message's trees as values and back.
#include "host/value.h"
#include "host/wire.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int drain(struct wire_reader *reader)
{
    json_t *message;
    int rc;
    while ((rc = wire_read(reader, &message, NULL)) > 0) {
        struct value_pool *pool = value_pool_new();
        json_decref(value_to_json(value_from_json(pool, message)));
        value_pool_free(pool);
        json_decref(message);
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return 0;
    struct wire_reader *reader = wire_reader_new(fds[0]);
    int rc = 0;
    // In pieces of odd sizes, as they may arrive.
    for (size_t at = 0, piece = 1; at < size && rc == 0; piece = piece * 3 + 1) {
        size_t n = piece % 4096 + 1 < size - at ? piece % 4096 + 1 : size - at;
        ssize_t sent = send(fds[1], data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            at += (size_t)sent;
        rc = drain(reader);
    }
    close(fds[1]);
    drain(reader);
    wire_reader_free(reader);
    close(fds[0]);
    return 0;
}
