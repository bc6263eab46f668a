// One command over a connection, without a terminal: its input, its output, how it ended (RFC 4254, 6.5 and 6.10).
#include "ssh_internal.h"

#include <isthmus/alloc.h>

#include <string.h>

struct exchange {
    LIBSSH2_CHANNEL *channel;
    const char *input;
    size_t left;
    bool eof_sent;
    ist_buf out, err;
};

static int32_t failed(ist_ssh *ssh, const char *doing, ist_error *err)
{
    char *text = NULL;
    libssh2_session_last_error(ssh->session, &text, NULL, 0);
    return ist_fail(err, IST_ERR_NETWORK, ssh->peer, "%s: %s", doing, text && *text ? text : "failed");
}

static int32_t begin(ist_ssh *ssh, const char *command, struct exchange *x, ist_error *err)
{
    int rc;
    int32_t waited;
    while (!(x->channel = libssh2_channel_open_session(ssh->session))) {
        if (libssh2_session_last_errno(ssh->session) != LIBSSH2_ERROR_EAGAIN)
            return failed(ssh, "opening a channel", err);
        if ((waited = ssh_wait(ssh, "opening a channel", err)) != IST_OK)
            return waited;
    }
    while ((rc = libssh2_channel_exec(x->channel, command)) == LIBSSH2_ERROR_EAGAIN) {
        if ((waited = ssh_wait(ssh, "asking for a command", err)) != IST_OK)
            return waited;
    }
    return rc ? failed(ssh, "asking for a command", err) : IST_OK;
}

// Bytes that are there on one stream. 1: some were; 0: none; negative: IST_ERR_...
static int32_t drain(ist_ssh *ssh, struct exchange *x, int stream, ist_buf *into, ist_error *err)
{
    char chunk[8192];
    int32_t some = 0;
    for (;;) {
        ssize_t n = libssh2_channel_read_ex(x->channel, stream, chunk, sizeof chunk);
        if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
            return some;
        if (n < 0)
            return failed(ssh, "receiving", err);
        if (ist_buf_add(into, chunk, (size_t)n) != IST_OK)
            return ist_fail(err, IST_ERR_LIMIT, ssh->peer, "a command printed more than %zu bytes",
                            into->max);
        some = 1;
    }
}

// What can be sent now. 1: something was; 0: nothing; negative: IST_ERR_...
static int32_t feed(ist_ssh *ssh, struct exchange *x, ist_error *err)
{
    if (x->eof_sent)
        return 0;
    if (x->left) {
        ssize_t n = libssh2_channel_write(x->channel, x->input, x->left);
        if (n == LIBSSH2_ERROR_EAGAIN)
            return 0;
        if (n < 0) {
            // A command that ended without reading all is judged by how it ended.
            x->left = 0;
            x->eof_sent = true;
            return libssh2_channel_eof(x->channel) ? 1 : failed(ssh, "sending", err);
        }
        x->input += n;
        x->left -= (size_t)n;
        return 1;
    }
    int rc = libssh2_channel_send_eof(x->channel);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return 0;
    x->eof_sent = true;
    return 1;
}

static int32_t converse(ist_ssh *ssh, struct exchange *x, ist_error *err)
{
    for (;;) {
        int32_t sent = feed(ssh, x, err), out, problems;
        if (sent < 0)
            return sent;
        if ((out = drain(ssh, x, 0, &x->out, err)) < 0)
            return out;
        if ((problems = drain(ssh, x, SSH_EXTENDED_DATA_STDERR, &x->err, err)) < 0)
            return problems;
        if (libssh2_channel_eof(x->channel))
            return IST_OK;
        if (sent || out || problems)
            continue;
        int32_t waited = ssh_wait(ssh, "a command's output", err);
        if (waited != IST_OK)
            return waited;
    }
}

static int32_t finish(ist_ssh *ssh, struct exchange *x, ist_ssh_result *result, ist_error *err)
{
    int rc;
    int32_t waited;
    while ((rc = libssh2_channel_close(x->channel)) == LIBSSH2_ERROR_EAGAIN) {
        if ((waited = ssh_wait(ssh, "a command's end", err)) != IST_OK)
            return waited;
    }
    while (!rc && (rc = libssh2_channel_wait_closed(x->channel)) == LIBSSH2_ERROR_EAGAIN) {
        if ((waited = ssh_wait(ssh, "a command's end", err)) != IST_OK)
            return waited;
    }
    if (rc)
        return failed(ssh, "a command's end", err);
    char *signal = NULL;
    libssh2_channel_get_exit_signal(x->channel, &signal, NULL, NULL, NULL, NULL, NULL);
    result->status = signal ? -1 : libssh2_channel_get_exit_status(x->channel);
    if (signal)
        libssh2_free(ssh->session, signal);
    result->out_len = x->out.len;
    result->out = ist_buf_take(&x->out);
    result->err = ist_buf_take(&x->err);
    return IST_OK;
}

int32_t ist_ssh_exec(ist_ssh *ssh, const char *command, const char *input, size_t len, int64_t timeout_ms,
                     ist_ssh_result *result, ist_error *err)
{
    struct exchange x = {.input = input, .left = input ? len : 0, .out.max = 4u << 20, .err.max = 1u << 20};
    ssh->until = timeout_ms ? ist_now_ms(&ssh->env) + timeout_ms : 0;
    int32_t rc = begin(ssh, command, &x, err);
    if (rc == IST_OK)
        rc = converse(ssh, &x, err);
    if (rc == IST_OK)
        rc = finish(ssh, &x, result, err);
    for (int i = 0; x.channel && i < 8 && libssh2_channel_free(x.channel) == LIBSSH2_ERROR_EAGAIN; i++)
        ;
    ssh->until = 0;
    ist_buf_free(&x.out);
    ist_buf_free(&x.err);
    return rc;
}

void ist_ssh_result_free(ist_ssh_result *result)
{
    ist_free_secret(result->out);
    ist_free_secret(result->err);
    memset(result, 0, sizeof *result);
}
