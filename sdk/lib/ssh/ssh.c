// One SSH connection: dialling, the host's key, the shell. All waits go through the operation's deadline and
// cancel descriptor, so libssh2 is never let block.
#include "ssh_internal.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TERMINAL_COLUMNS 511

static void *allocate(size_t size, void **abstract)
{
    (void)abstract;
    return ist_malloc(size);
}

static void *reallocate(void *old, size_t size, void **abstract)
{
    (void)abstract;
    return ist_realloc(old, 1, size);
}

static void release(void *memory, void **abstract)
{
    (void)abstract;
    ist_free(memory);
}

int32_t ssh_wait(ist_ssh *ssh, const char *doing, ist_error *err)
{
    int directions = libssh2_session_block_directions(ssh->session);
    short events = 0;
    if (directions & LIBSSH2_SESSION_BLOCK_INBOUND)
        events |= POLLIN;
    if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
        events |= POLLOUT;
    int64_t left = ssh->until ? ssh->until - ist_now_ms(&ssh->env) : -1;
    if (ssh->until && left <= 0)
        return ist_fail(err, IST_ERR_TIMEOUT, ssh->peer, "no answer in time: %s", doing);
    int32_t rc = ist_wait_fd(&ssh->env, ssh->fd, events ? events : POLLIN, left);
    if (rc == IST_OK)
        return IST_OK;
    if (rc == IST_AGAIN)
        rc = IST_ERR_TIMEOUT;
    return ist_fail(err, rc, ssh->peer, "%s: %s", rc == IST_ERR_CANCELLED ? "cancelled" : "no answer in time",
                    doing);
}

// ---- dialling ----

static int32_t connect_one(const ist_env *env, const struct addrinfo *a, int64_t until, const char *where,
                           int *fd, int *reset, ist_error *err)
{
    int s = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), problem = 0, on = 1;
    socklen_t size = sizeof problem;
    int32_t rc = IST_ERR_NETWORK;
    *reset = 0;
    if (s < 0)
        return ist_fail(err, IST_ERR_NETWORK, where, "socket: %s", strerror(errno));
    // A handshake is small packets that wait for each other: each would be held back for an acknowledgement.
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(s, a->ai_addr, a->ai_addrlen) == 0) {
        rc = IST_OK;
    } else if (errno == EINPROGRESS) {
        int64_t left = until - ist_now_ms(env);
        rc = ist_wait_fd(env, s, POLLOUT, left > 0 ? left : 0);
        if (rc == IST_AGAIN)
            rc = ist_fail(err, IST_ERR_TIMEOUT, where, "no answer to the connection in time");
        else if (rc != IST_OK)
            rc = ist_fail(err, rc, where, "connecting was %s", ist_code_name(rc));
        else if (getsockopt(s, SOL_SOCKET, SO_ERROR, &problem, &size) != 0 || problem)
            rc = ist_fail(err, IST_ERR_NETWORK, where, "connect: %s", strerror(problem));
    } else {
        rc = ist_fail(err, IST_ERR_NETWORK, where, "connect: %s", strerror(errno));
    }
    *reset = problem == ECONNRESET;
    if (rc == IST_OK)
        *fd = s;
    else
        close(s);
    return rc;
}

// What listens there begins anew and lets go of whom it had not yet received: it takes the next.
#define RESETS   3
#define RESET_MS 300

int32_t ssh_dial(const ist_env *env, const char *host, uint16_t port, int64_t until, const char *where,
                 int *fd, ist_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char service[8];
    int32_t rc = IST_ERR_NETWORK;
    ist_buf text = {.max = sizeof service};
    ist_buf_printf(&text, "%u", port);
    memcpy(service, text.data, text.len + 1);
    ist_buf_free(&text);
    int problem = getaddrinfo(host, service, &hints, &list);
    if (problem)
        return ist_fail(err, IST_ERR_NETWORK, where, "%s: %s", host, gai_strerror(problem));
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        int reset = 1;
        for (int tries = 0; reset && tries < RESETS; tries++) {
            if (tries && ist_sleep_ms(env, RESET_MS) != IST_OK)
                break;
            rc = connect_one(env, a, until, where, fd, &reset, err);
        }
        if (rc != IST_ERR_NETWORK)
            break;
    }
    freeaddrinfo(list);
    return rc;
}

// ---- the host's key ----

static int32_t check_host_key(ist_ssh *ssh, const ist_ssh_options *o, ist_error *err)
{
    size_t len = 0;
    int type = 0;
    const char *blob = libssh2_session_hostkey(ssh->session, &len, &type);
    if (!blob)
        return ist_fail(err, IST_ERR_NETWORK, ssh->peer, "the host showed no key");
    ssh_fingerprint((const unsigned char *)blob, len, &ssh->host_key);
    if (o->host_key_sha256 && *o->host_key_sha256) {
        if (strcmp(o->host_key_sha256, ssh->host_key.sha256) == 0)
            return IST_OK;
        int32_t rc = ist_fail(err, IST_ERR_DENIED, ssh->peer, "host key %s %s is not the known one, %s",
                              ssh->host_key.algorithm, ssh->host_key.sha256, o->host_key_sha256);
        ist_hint(err,
                 "if the machine was made anew, check the new key by another way and forget the old one");
        return rc;
    }
    int32_t known =
        o->known_hosts ? ist_ssh_known(o->known_hosts, o->host, o->port ? o->port : 22, &ssh->host_key) : 0;
    if (known > 0)
        return IST_OK;
    if (known < 0)
        return ist_fail(err, IST_ERR_DENIED, ssh->peer,
                        "known_hosts lists another key for this host than %s %s", ssh->host_key.algorithm,
                        ssh->host_key.sha256);
    if (o->first_seen && o->first_seen(o->arg, &ssh->host_key))
        return IST_OK;
    int32_t rc = ist_fail(err, IST_ERR_DENIED, ssh->peer, "host key %s %s is unknown",
                          ssh->host_key.algorithm, ssh->host_key.sha256);
    ist_hint(err, "add the host to known_hosts, or pin this fingerprint");
    return rc;
}

// ---- connecting ----

static int32_t handshake(ist_ssh *ssh, const ist_ssh_options *o, ist_error *err)
{
    int rc;
    ssh->session = libssh2_session_init_ex(allocate, release, reallocate, ssh);
    if (!ssh->session)
        return ist_fail(err, IST_ERR_INTERNAL, ssh->peer, "libssh2 gave no session");
    libssh2_session_set_blocking(ssh->session, 0);
    while ((rc = libssh2_session_handshake(ssh->session, ssh->fd)) == LIBSSH2_ERROR_EAGAIN) {
        int32_t waited = ssh_wait(ssh, "SSH handshake", err);
        if (waited != IST_OK)
            return waited;
    }
    if (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE ||
        rc == LIBSSH2_ERROR_METHOD_NONE)
        return ssh_explain_negotiation(ssh, o, err);
    if (rc) {
        char *text = NULL;
        libssh2_session_last_error(ssh->session, &text, NULL, 0);
        return ist_fail(err, IST_ERR_NETWORK, ssh->peer, "SSH handshake: %s", text ? text : "failed");
    }
    return check_host_key(ssh, o, err);
}

static int32_t connect_once(ist_ssh *ssh, const ist_ssh_options *o, ist_error *err)
{
    int32_t rc = ssh_dial(&ssh->env, o->host, o->port ? o->port : 22, ssh->until, ssh->peer, &ssh->fd, err);
    if (rc == IST_OK)
        rc = handshake(ssh, o, err);
    if (rc == IST_OK)
        rc = ssh_login(ssh, o, err);
    return rc;
}

static void hang_up(ist_ssh *ssh)
{
    // Said once, without waiting. After the shutdown nothing can be waited for any more, and libssh2, which frees
    // nothing while it could still send, lets go.
    if (ssh->session)
        libssh2_session_disconnect(ssh->session, "done");
    if (ssh->fd >= 0)
        shutdown(ssh->fd, SHUT_RDWR);
    for (int i = 0; ssh->channel && i < 8 && libssh2_channel_free(ssh->channel) == LIBSSH2_ERROR_EAGAIN; i++)
        ;
    for (int i = 0; ssh->session && i < 8 && libssh2_session_free(ssh->session) == LIBSSH2_ERROR_EAGAIN; i++)
        ;
    if (ssh->fd >= 0)
        close(ssh->fd);
    ssh->channel = NULL;
    ssh->session = NULL;
    ssh->fd = -1;
}

int32_t ist_ssh_connect(const ist_env *env, const ist_ssh_options *o, ist_ssh **out, ist_error *err)
{
    ist_ssh *ssh = ist_calloc(1, sizeof *ssh);
    int32_t rc;
    if (env)
        ssh->env = *env;
    ssh->fd = -1;
    ssh->peer =
        ist_printf("%s@%s:%u", o->user ? o->user : "", o->host ? o->host : "", o->port ? o->port : 22);
    ssh->until = ist_now_ms(&ssh->env) + (o->timeout_ms ? o->timeout_ms : 30000);
    if (ist_operation_of(env) == IST_OP_CHECK) {
        rc = ist_fail(err, IST_ERR_READ_ONLY, ssh->peer, "refused: check reaches nothing");
        goto out;
    }
    if (!o->host || !*o->host || !o->user || !*o->user) {
        rc = ist_fail(err, IST_ERR_INPUT, ssh->peer, "a host and a user are needed");
        goto out;
    }
    for (;;) {
        rc = connect_once(ssh, o, err);
        if (rc != IST_ERR_NETWORK || !o->wait_until_up || ist_now_ms(&ssh->env) + 500 > ssh->until)
            break;
        hang_up(ssh);
        int32_t slept = ist_sleep_ms(&ssh->env, 500);
        if (slept != IST_OK) {
            rc = ist_fail(err, slept, ssh->peer, "waiting for the host was %s", ist_code_name(slept));
            break;
        }
    }
out:
    ssh->until = 0;
    if (rc == IST_OK)
        *out = ssh;
    else
        ist_ssh_free(ssh);
    return rc;
}

void ist_ssh_free(ist_ssh *ssh)
{
    if (!ssh)
        return;
    hang_up(ssh);
    ist_free(ssh->peer);
    ist_free(ssh);
}

const ist_ssh_host_key *ist_ssh_host_key_of(const ist_ssh *ssh)
{
    return &ssh->host_key;
}

const char *ist_ssh_peer(const ist_ssh *ssh)
{
    return ssh->peer;
}

// ---- the shell ----

static int32_t session_error(ist_ssh *ssh, const char *doing, ist_error *err)
{
    char *text = NULL;
    libssh2_session_last_error(ssh->session, &text, NULL, 0);
    return ist_fail(err, IST_ERR_NETWORK, ssh->peer, "%s: %s", doing, text && *text ? text : "failed");
}

int32_t ist_ssh_shell(ist_ssh *ssh, ist_error *err)
{
    int rc;
    int32_t waited;
    while (!(ssh->channel = libssh2_channel_open_session(ssh->session))) {
        if (libssh2_session_last_errno(ssh->session) != LIBSSH2_ERROR_EAGAIN)
            return session_error(ssh, "opening a channel", err);
        if ((waited = ssh_wait(ssh, "opening a channel", err)) != IST_OK)
            return waited;
    }
    while ((rc = libssh2_channel_request_pty_ex(ssh->channel, "vt100", 5, NULL, 0, TERMINAL_COLUMNS, 0, 0,
                                                0)) == LIBSSH2_ERROR_EAGAIN) {
        if ((waited = ssh_wait(ssh, "asking for a terminal", err)) != IST_OK)
            return waited;
    }
    if (rc)
        return session_error(ssh, "asking for a terminal", err);
    while ((rc = libssh2_channel_shell(ssh->channel)) == LIBSSH2_ERROR_EAGAIN) {
        if ((waited = ssh_wait(ssh, "asking for a shell", err)) != IST_OK)
            return waited;
    }
    return rc ? session_error(ssh, "asking for a shell", err) : IST_OK;
}

int32_t ist_ssh_send(ist_ssh *ssh, const char *bytes, size_t len, ist_error *err)
{
    while (len) {
        ssize_t n = libssh2_channel_write(ssh->channel, bytes, len);
        if (n == LIBSSH2_ERROR_EAGAIN) {
            int32_t waited = ssh_wait(ssh, "sending", err);
            if (waited != IST_OK)
                return waited;
            continue;
        }
        if (n < 0)
            return session_error(ssh, "sending", err);
        bytes += n;
        len -= (size_t)n;
    }
    return IST_OK;
}

int32_t ist_ssh_receive(ist_ssh *ssh, char *buf, size_t room, int64_t wait_ms, size_t *got, ist_error *err)
{
    int64_t until = ist_now_ms(&ssh->env) + wait_ms;
    for (;;) {
        ssize_t n = libssh2_channel_read(ssh->channel, buf, room);
        if (n > 0) {
            *got = (size_t)n;
            return IST_OK;
        }
        if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
            return session_error(ssh, "receiving", err);
        if (libssh2_channel_eof(ssh->channel))
            return ist_fail(err, IST_ERR_NETWORK, ssh->peer, "the other side closed the session");
        int64_t left = until - ist_now_ms(&ssh->env);
        int32_t rc = left > 0 ? ist_wait_fd(&ssh->env, ssh->fd, POLLIN, left) : IST_AGAIN;
        if (rc == IST_AGAIN)
            return IST_AGAIN;
        if (rc != IST_OK)
            return ist_fail(err, rc, ssh->peer, "receiving was %s", ist_code_name(rc));
    }
}
