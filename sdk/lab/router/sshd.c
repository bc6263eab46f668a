// The routers' SSH server (libssh): a listener a router, a thread a connection.
#include "../host/host.h"
#include "device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VTYS 16

struct connection {
    struct router *router;
    int fd;
    ssh_session ssh;
    ssh_channel channel;
    struct session *session;
    char user[64];
    char *public_key; // what may log in
    char *command;    // of an exec request, NULL: a shell
    unsigned ways;    // of logging in: SSH_AUTH_METHOD_...
    struct ssh_channel_callbacks_struct callbacks;
    bool authenticated, shell, closed, failed;
    unsigned width;
    struct host_typed early; // what was typed before the shell stood; on a Linux host, all of it
};

// ---- logging in ----

static int on_pubkey(ssh_session ssh, const char *user, struct ssh_key_struct *key, char state, void *arg)
{
    struct connection *c = arg;
    ssh_key known = NULL;
    char type[32], base64[4096];
    (void)ssh;
    snprintf(c->user, sizeof c->user, "%s", user);
    if (!(c->ways & SSH_AUTH_METHOD_PUBLICKEY) ||
        strcmp(user, c->router->machine ? c->router->machine->user : "ec2-user") != 0 || !c->public_key ||
        sscanf(c->public_key, "%31s %4095s", type, base64) != 2 ||
        ssh_pki_import_pubkey_base64(base64, ssh_key_type_from_name(type), &known) != SSH_OK)
        return SSH_AUTH_DENIED;
    bool same = ssh_key_cmp(known, key, SSH_KEY_CMP_PUBLIC) == 0;
    ssh_key_free(known);
    if (!same)
        return SSH_AUTH_DENIED;
    if (state == SSH_PUBLICKEY_STATE_NONE)
        return SSH_AUTH_SUCCESS;
    c->authenticated = state == SSH_PUBLICKEY_STATE_VALID;
    return c->authenticated ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

// `username X password 0 Y` in the running configuration.
static bool knows(struct connection *c, const char *password)
{
    struct lab *lab = c->router->lab;
    char *head = lab_format("username %s", c->user);
    pthread_mutex_lock(&lab->lock);
    const char *rest = config_value(c->router->running, head),
               *word = rest ? strstr(rest, "password 0 ") : NULL;
    c->authenticated = word && !strcmp(word + 11, password);
    pthread_mutex_unlock(&lab->lock);
    free(head);
    if (!c->authenticated)
        usleep(300000); // a real one takes about 2 s to say no
    return c->authenticated;
}

static int on_password(ssh_session ssh, const char *user, const char *password, void *arg)
{
    struct connection *c = arg;
    (void)ssh;
    snprintf(c->user, sizeof c->user, "%s", user);
    return (c->ways & SSH_AUTH_METHOD_PASSWORD) && knows(c, password) ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

// keyboard-interactive (RFC 4256): one question, typed without echo. 1: libssh answers as it does by default.
static int on_message(ssh_session ssh, ssh_message message, void *arg)
{
    struct connection *c = arg;
    if (ssh_message_type(message) != SSH_REQUEST_AUTH ||
        ssh_message_subtype(message) != SSH_AUTH_METHOD_INTERACTIVE ||
        !(c->ways & SSH_AUTH_METHOD_INTERACTIVE))
        return 1;
    if (!ssh_message_auth_kbdint_is_response(message)) {
        const char *questions[] = {"Password: "};
        char echo[] = {0};
        snprintf(c->user, sizeof c->user, "%s", ssh_message_auth_user(message));
        ssh_message_auth_interactive_request(message, "", "", 1, questions, echo);
        return 0;
    }
    const char *password =
        ssh_userauth_kbdint_getnanswers(ssh) == 1 ? ssh_userauth_kbdint_getanswer(ssh, 0) : NULL;
    if (!password || !knows(c, password))
        return 1;
    ssh_message_auth_reply_success(message, 0);
    return 0;
}

// ---- the channel ----

static int on_data(ssh_session ssh, ssh_channel channel, void *data, uint32_t len, int is_stderr, void *arg);

static int on_pty(ssh_session ssh, ssh_channel channel, const char *term, int cols, int rows, int py, int px,
                  void *arg)
{
    struct connection *c = arg;
    (void)ssh, (void)channel, (void)term, (void)rows, (void)py, (void)px;
    c->width = cols > 0 ? (unsigned)cols : 80;
    return 0;
}

static int on_shell(ssh_session ssh, ssh_channel channel, void *arg)
{
    (void)ssh, (void)channel;
    ((struct connection *)arg)->shell = true;
    return 0;
}

static int on_exec(ssh_session ssh, ssh_channel channel, const char *command, void *arg)
{
    struct connection *c = arg;
    (void)ssh, (void)channel;
    free(c->command);
    c->command = lab_strdup(command);
    c->shell = true;
    return 0;
}

static void on_close(ssh_session ssh, ssh_channel channel, void *arg)
{
    (void)ssh, (void)channel;
    ((struct connection *)arg)->closed = true;
}

static void on_eof(ssh_session ssh, ssh_channel channel, void *arg)
{
    (void)ssh, (void)channel;
    ((struct connection *)arg)->early.eof = true;
}

static ssh_channel on_open(ssh_session ssh, void *arg)
{
    struct connection *c = arg;
    if (c->channel)
        return NULL;
    c->channel = ssh_channel_new(ssh);
    // At once: the client's next requests may come in the same read.
    ssh_set_channel_callbacks(c->channel, &c->callbacks);
    return c->channel;
}

// Sends what the session wants to say; slow echo goes a character at a time.
static void flush(struct connection *c)
{
    struct lab *lab = c->router->lab;
    pthread_mutex_lock(&lab->lock);
    char *data = c->session->out.data;
    size_t len = c->session->out.len;
    bool slow = c->session->slow_echo;
    memset(&c->session->out, 0, sizeof c->session->out);
    pthread_mutex_unlock(&lab->lock);
    size_t sent = 0;
    while (sent < len && !c->failed) {
        // Of a long output the beginning is slow: echo and prompt are what a client must not take apart wrongly.
        size_t chunk = slow && (sent < 400 || len - sent < 100) ? 1 : len - sent - (slow ? 99 : 0);
        int n = ssh_channel_write(c->channel, data + sent, (uint32_t)chunk);
        if (n <= 0)
            c->failed = true;
        else
            sent += (size_t)n;
        if (slow)
            usleep(300);
    }
    free(data);
}

static void type(struct connection *c, const char *data, size_t len)
{
    struct lab *lab = c->router->lab;
    pthread_mutex_lock(&lab->lock);
    int64_t wait = session_type(c->session, data, len);
    pthread_mutex_unlock(&lab->lock);
    if (wait > 0)
        usleep((useconds_t)(wait * 1000));
    flush(c);
}

static int on_data(ssh_session ssh, ssh_channel channel, void *data, uint32_t len, int is_stderr, void *arg)
{
    struct connection *c = arg;
    (void)ssh, (void)channel, (void)is_stderr;
    if (c->session) {
        type(c, data, len);
        return (int)len;
    }
    char *longer = lab_calloc(1, c->early.len + len + 1);
    if (c->early.len)
        memcpy(longer, c->early.data, c->early.len);
    memcpy(longer + c->early.len, data, len);
    free(c->early.data);
    c->early.data = longer;
    c->early.len += len;
    return (int)len;
}

// ---- a session's life ----

// `username X privilege N`; who logs in by a key that no such line is about is the one that EC2 made.
static long privilege_of(const struct router *router, const char *user)
{
    char *head = lab_format("username %s", user);
    const char *rest = config_value(router->running, head);
    free(head);
    return !rest ? 15 : !strncmp(rest, "privilege ", 10) ? strtol(rest + 10, NULL, 10) : 1;
}

static bool enter_session(struct connection *c)
{
    struct lab *lab = c->router->lab;
    struct session *s = lab_calloc(1, sizeof *s);
    s->router = c->router;
    s->user = lab_strdup(c->user);
    s->width = c->width;
    pthread_mutex_lock(&lab->lock);
    s->privileged = privilege_of(c->router, c->user) == 15;
    while (s->vty < VTYS && (c->router->vtys & 1u << s->vty))
        s->vty++;
    bool room = s->vty < VTYS;
    if (room) {
        c->router->vtys |= 1u << s->vty;
        s->next = c->router->sessions;
        c->router->sessions = s;
        c->session = s;
        if (!c->command) {
            session_greet(s);
        } else {
            s->length = 0;
            exec_command(s, c->command);
            s->closing = true;
        }
    }
    pthread_mutex_unlock(&lab->lock);
    if (!room)
        session_free(s);
    return room;
}

static void leave_session(struct connection *c)
{
    struct lab *lab = c->router->lab;
    struct session *s = c->session, **at;
    if (!s)
        return;
    pthread_mutex_lock(&lab->lock);
    for (at = &c->router->sessions; *at && *at != s; at = &(*at)->next)
        ;
    if (*at)
        *at = s->next;
    c->router->vtys &= ~(1u << s->vty);
    pthread_mutex_unlock(&lab->lock);
    session_free(s);
    c->session = NULL;
}

static bool must_close(struct connection *c)
{
    struct lab *lab = c->router->lab;
    pthread_mutex_lock(&lab->lock);
    bool close_it = lab->stopping || (c->session ? c->session->closing : c->router->gone);
    if (c->session && c->session->out.len && !close_it) {
        pthread_mutex_unlock(&lab->lock);
        flush(c); // a log line for this terminal
        return false;
    }
    pthread_mutex_unlock(&lab->lock);
    return close_it || c->failed || c->closed;
}

// status -1: without a good-bye.
static void end_channel(struct connection *c, ssh_event event, int status)
{
    if (status >= 0)
        ssh_channel_request_send_exit_status(c->channel, status);
    ssh_channel_send_eof(c->channel);
    ssh_channel_close(c->channel);
    ssh_blocking_flush(c->ssh, 200);
    for (int i = 0; i < 20 && ssh_is_connected(c->ssh); i++) { // the other side hangs up
        if (ssh_event_dopoll(event, 50) == SSH_ERROR)
            break;
    }
}

static bool hung_up(void *arg)
{
    return must_close(arg);
}

// A Linux host: one command after the other, each over a channel of its own, until somebody hangs up.
static void converse_with_host(struct connection *c, ssh_event event)
{
    while (!must_close(c)) {
        if (!c->shell) {
            if (ssh_event_dopoll(event, 200) == SSH_ERROR)
                return;
            continue;
        }
        ssh_channel channel = c->channel;
        int status = lab_host_exec(c->router, c->user, c->command ? c->command : "sh", channel, event,
                                   &c->early, hung_up, c);
        ssh_remove_channel_callbacks(channel, &c->callbacks);
        free(c->early.data);
        free(c->command);
        c->early = (struct host_typed){NULL, 0, false};
        c->command = NULL;
        c->shell = false;
        c->channel = NULL;
        ssh_channel_request_send_exit_status(channel, status);
        ssh_channel_send_eof(channel);
        ssh_channel_close(channel);
        ssh_channel_free(channel);
    }
}

static void converse(struct connection *c, ssh_event event)
{
    int64_t give_up = lab_mono_ms() + 30000;
    while (!c->shell && lab_mono_ms() < give_up) {
        if (ssh_event_dopoll(event, 200) == SSH_ERROR || (!c->shell && must_close(c)))
            return;
    }
    if (!c->shell || !enter_session(c))
        return;
    flush(c);
    if (c->early.len && !c->command)
        type(c, c->early.data, c->early.len);
    while (!must_close(c) && !c->early.eof) { // what came before the end is carried out by now
        if (ssh_event_dopoll(event, 50) == SSH_ERROR)
            return;
    }
    flush(c);
    pthread_mutex_lock(&c->router->lab->lock);
    bool fell = c->router->gone; // a router that reloads says no good-bye
    pthread_mutex_unlock(&c->router->lab->lock);
    end_channel(c, event, fell ? -1 : 0);
}

// `ip ssh server algorithm KIND ...` of the running configuration, as a list with commas; NULL: not set. malloc'd.
static char *algorithms(struct router *router, const char *kind)
{
    char *head = lab_format("ip ssh server algorithm %s", kind);
    pthread_mutex_lock(&router->lab->lock);
    const char *value = config_value(router->running, head);
    char *list = value ? lab_strdup(value) : NULL;
    pthread_mutex_unlock(&router->lab->lock);
    for (size_t i = 0; list && list[i]; i++)
        list[i] = list[i] == ' ' ? ',' : list[i];
    free(head);
    return list;
}

static unsigned ways_in(struct router *router)
{
    if (router->machine)
        return SSH_AUTH_METHOD_PUBLICKEY;
    char *list = algorithms(router, "authentication");
    const unsigned all = SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_INTERACTIVE | SSH_AUTH_METHOD_PASSWORD;
    unsigned ways = list ? 0 : all;
    if (list && strstr(list, "publickey"))
        ways |= SSH_AUTH_METHOD_PUBLICKEY;
    if (list && strstr(list, "keyboard"))
        ways |= SSH_AUTH_METHOD_INTERACTIVE;
    if (list && strstr(list, "password"))
        ways |= SSH_AUTH_METHOD_PASSWORD;
    free(list);
    return ways;
}

static bool offer(ssh_bind bind, struct router *router)
{
    static const struct {
        const char *kind;
        enum ssh_bind_options_e option;
    } lists[] = {
        {"kex", SSH_BIND_OPTIONS_KEY_EXCHANGE},       {"hostkey", SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS},
        {"encryption", SSH_BIND_OPTIONS_CIPHERS_C_S}, {"encryption", SSH_BIND_OPTIONS_CIPHERS_S_C},
        {"mac", SSH_BIND_OPTIONS_HMAC_C_S},           {"mac", SSH_BIND_OPTIONS_HMAC_S_C}};
    bool good = true;
    for (size_t i = 0; good && i < sizeof lists / sizeof *lists; i++) {
        char *list = algorithms(router, lists[i].kind);
        good = !list || ssh_bind_options_set(bind, lists[i].option, list) == SSH_OK;
        free(list);
    }
    return good;
}

static ssh_bind new_bind(struct router *router)
{
    ssh_bind bind = ssh_bind_new();
    // Like an IOS-XE up to 17.8: users with RSA keys may sign with SHA-1.
    static const char users[] = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
    if (!bind || ssh_bind_options_set(bind, SSH_BIND_OPTIONS_HOSTKEY, router->host_key) != SSH_OK ||
        ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, users) != SSH_OK ||
        !offer(bind, router)) {
        ssh_bind_free(bind);
        return NULL;
    }
    return bind;
}

static void count_thread(struct lab *lab, int by)
{
    pthread_mutex_lock(&lab->lock);
    router_threads(lab, by);
    pthread_cond_broadcast(&lab->changed);
    pthread_mutex_unlock(&lab->lock);
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    ssh_event event = ssh_event_new();
    ssh_bind bind = new_bind(c->router);
    c->ssh = ssh_new();
    struct ssh_server_callbacks_struct server = {.userdata = c,
                                                 .auth_pubkey_function = on_pubkey,
                                                 .auth_password_function = on_password,
                                                 .channel_open_request_session_function = on_open};
    c->callbacks = (struct ssh_channel_callbacks_struct){.userdata = c,
                                                         .channel_data_function = on_data,
                                                         .channel_pty_request_function = on_pty,
                                                         .channel_shell_request_function = on_shell,
                                                         .channel_exec_request_function = on_exec,
                                                         .channel_eof_function = on_eof,
                                                         .channel_close_function = on_close};
    ssh_callbacks_init(&server);
    ssh_callbacks_init(&c->callbacks);
    if (bind && c->ssh && event && ssh_bind_accept_fd(bind, c->ssh, c->fd) == SSH_OK) {
        ssh_set_server_callbacks(c->ssh, &server);
        c->ways = ways_in(c->router);
        ssh_set_message_callback(c->ssh, on_message, c);
        ssh_set_auth_methods(c->ssh, (int)c->ways);
        if (ssh_handle_key_exchange(c->ssh) == SSH_OK && ssh_event_add_session(event, c->ssh) == SSH_OK) {
            int64_t give_up = lab_mono_ms() + 30000;
            while ((!c->authenticated || !c->channel) && lab_mono_ms() < give_up && !must_close(c)) {
                if (ssh_event_dopoll(event, 200) == SSH_ERROR)
                    break;
            }
            if (c->authenticated && c->channel && c->router->machine)
                converse_with_host(c, event);
            else if (c->authenticated && c->channel)
                converse(c, event);
        }
    } else {
        close(c->fd);
    }
    struct lab *lab = c->router->lab;
    leave_session(c);
    ssh_event_free(event);
    ssh_disconnect(c->ssh);
    ssh_free(c->ssh);
    ssh_bind_free(bind);
    free(c->public_key);
    free(c->command);
    free(c->early.data);
    free(c);
    count_thread(lab, -1);
    return NULL;
}

// ---- the listener ----

struct listen_arg {
    struct router *router;
    int fd;
};

static void take(struct router *router, int fd)
{
    struct lab *lab = router->lab;
    struct connection *c = lab_calloc(1, sizeof *c);
    pthread_t thread;
    c->router = router;
    c->fd = fd;
    pthread_mutex_lock(&lab->lock);
    const struct lab_fault *fault = lab_fault_take(lab, "router", "connect");
    bool refuse = router->gone || (fault && strncmp(fault->effect, "cut", 3) == 0);
    c->public_key = router->public_key ? lab_strdup(router->public_key) : NULL;
    pthread_mutex_unlock(&lab->lock);
    if (!refuse)
        count_thread(lab, 1);
    if (refuse || pthread_create(&thread, NULL, serve, c) != 0) {
        if (!refuse)
            count_thread(lab, -1);
        close(fd);
        free(c->public_key);
        free(c);
        return;
    }
    pthread_detach(thread);
}

static void *listen_on(void *arg)
{
    struct listen_arg *a = arg;
    struct lab *lab = a->router->lab;
    for (;;) {
        struct pollfd p = {.fd = a->fd, .events = POLLIN};
        int ready = poll(&p, 1, 200);
        pthread_mutex_lock(&lab->lock);
        bool mine = a->router->listener == a->fd && !lab->stopping;
        pthread_mutex_unlock(&lab->lock);
        if (!mine)
            break;
        if (ready <= 0)
            continue;
        int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC), on = 1;
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        take(a->router, fd);
    }
    close(a->fd);
    free(a);
    count_thread(lab, -1);
    return NULL;
}

void router_listen(struct router *router)
{
    struct lab *lab = router->lab;
    const char *port = json_string_value(json_object_get(lab->env, "ISTHMUS_ROUTER_PORT"));
    router->listener = -1; // the thread of the old one sees it and ends
    if (!router->address)
        return;
    uint32_t at = router->address;
    if (at >> 24 != 127) // the hub's: no address of this machine
        at = 127u << 24 | (uint32_t)lab->slot << 16 | 100u << 8 | 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port ? port : "8022", NULL, 10)),
                                  .sin_addr.s_addr = htonl(at)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on); // beside the old one, for its last 200 ms
    struct listen_arg *arg = lab_calloc(1, sizeof *arg);
    *arg = (struct listen_arg){.router = router, .fd = fd};
    pthread_t thread;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0) {
        lab_log(lab, "router %s: cannot listen: %s", router->id, strerror(errno));
        if (fd >= 0)
            close(fd);
        free(arg);
        return;
    }
    router->listener = fd;
    router_threads(lab, 1);
    if (pthread_create(&thread, NULL, listen_on, arg) == 0)
        pthread_detach(thread);
    else
        router_threads(lab, -1);
}
