// Logging in: each way that was given and that the server offers, in a fixed order.
#include "ssh_internal.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEY_FILE 65536

struct login {
    ist_ssh *ssh;
    const ist_ssh_options *o;
    const char *offered; // "publickey,keyboard-interactive,password"
    char tried[128];
    char last[192]; // what the last way failed with
};

int32_t ssh_read_key(const char *path, char **text, const char *where, ist_error *err)
{
    ist_buf buf = {.max = MAX_KEY_FILE};
    char chunk[4096];
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ist_fail(err, IST_ERR_INPUT, where, "private key %s: %s", path, strerror(errno));
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && ist_buf_add(&buf, chunk, (size_t)n) == 0)
        ;
    close(fd);
    explicit_bzero(chunk, sizeof chunk);
    if (n != 0) {
        ist_buf_free(&buf);
        return ist_fail(err, IST_ERR_INPUT, where, "private key %s: %s", path,
                        n < 0 ? strerror(errno) : "larger than a key can be");
    }
    *text = ist_buf_take(&buf);
    return IST_OK;
}

static void note(struct login *login, const char *way)
{
    size_t used = strlen(login->tried), len = strlen(way);
    char *text = NULL;
    if (used + len + 3 < sizeof login->tried) {
        if (used) {
            memcpy(login->tried + used, ", ", 3);
            used += 2;
        }
        memcpy(login->tried + used, way, len + 1);
    }
    libssh2_session_last_error(login->ssh->session, &text, NULL, 0);
    size_t n = text ? strnlen(text, sizeof login->last - 1) : 0;
    if (n)
        memcpy(login->last, text, n);
    login->last[n] = 0;
}

// 1 logged in, 0 refused, < 0 an error with err filled.
static int32_t by_key(struct login *login, ist_error *err)
{
    ist_ssh *ssh = login->ssh;
    const ist_ssh_options *o = login->o;
    char *text = NULL;
    int rc = LIBSSH2_ERROR_EAGAIN;
    int32_t waited = o->private_key ? IST_OK : ssh_read_key(o->private_key_file, &text, ssh->peer, err);
    const char *key = o->private_key ? o->private_key : text ? text : "";
    while (waited == IST_OK) {
        rc = libssh2_userauth_publickey_frommemory(ssh->session, o->user, strlen(o->user), NULL, 0, key,
                                                   strlen(key), o->passphrase);
        if (rc != LIBSSH2_ERROR_EAGAIN)
            break;
        waited = ssh_wait(ssh, "logging in with a key", err);
    }
    if (waited == IST_OK && rc)
        note(login, "private key");
    ist_free_secret(text);
    return waited == IST_OK ? rc == 0 : waited;
}

static int32_t by_agent(struct login *login, ist_error *err)
{
    ist_ssh *ssh = login->ssh;
    LIBSSH2_AGENT *agent = libssh2_agent_init(ssh->session);
    struct libssh2_agent_publickey *key = NULL, *before = NULL;
    int32_t done = 0;
    if (!agent || libssh2_agent_connect(agent) != 0 || libssh2_agent_list_identities(agent) != 0)
        goto out;
    while (!done && libssh2_agent_get_identity(agent, &key, before) == 0) {
        int rc;
        while ((rc = libssh2_agent_userauth(agent, login->o->user, key)) == LIBSSH2_ERROR_EAGAIN) {
            int32_t waited = ssh_wait(ssh, "logging in with the agent", err);
            if (waited != IST_OK) {
                done = waited;
                goto out;
            }
        }
        done = rc == 0;
        before = key;
    }
out:
    if (done == 0)
        note(login, "agent");
    if (agent) {
        libssh2_agent_disconnect(agent);
        libssh2_agent_free(agent);
    }
    return done;
}

static int32_t by_password(struct login *login, ist_error *err)
{
    ist_ssh *ssh = login->ssh;
    const ist_ssh_options *o = login->o;
    int rc;
    while ((rc = libssh2_userauth_password_ex(ssh->session, o->user, (unsigned)strlen(o->user), o->password,
                                              (unsigned)strlen(o->password), NULL)) == LIBSSH2_ERROR_EAGAIN) {
        int32_t waited = ssh_wait(ssh, "logging in with a password", err);
        if (waited != IST_OK)
            return waited;
    }
    if (rc)
        note(login, "password");
    return rc == 0;
}

// What is asked without echo is taken for the password; everything else gets an empty answer.
static void answer(const char *name, int name_len, const char *instruction, int instruction_len, int count,
                   const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts, LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses,
                   void **abstract)
{
    const ist_ssh *ssh = *abstract;
    (void)name, (void)name_len, (void)instruction, (void)instruction_len;
    for (int i = 0; i < count; i++) {
        const char *text = prompts[i].echo ? "" : ssh->password;
        responses[i].text = ist_strdup(text); // libssh2 frees it through release()
        responses[i].length = (unsigned)strlen(text);
    }
}

static int32_t by_questions(struct login *login, ist_error *err)
{
    ist_ssh *ssh = login->ssh;
    const char *user = login->o->user;
    int rc;
    ssh->password = login->o->password;
    while ((rc = libssh2_userauth_keyboard_interactive_ex(ssh->session, user, (unsigned)strlen(user),
                                                          answer)) == LIBSSH2_ERROR_EAGAIN) {
        int32_t waited = ssh_wait(ssh, "logging in by questions", err);
        if (waited != IST_OK)
            return waited;
    }
    ssh->password = NULL;
    if (rc)
        note(login, "keyboard-interactive");
    return rc == 0;
}

static int32_t refused(const struct login *login, ist_error *err)
{
    const ist_ssh *ssh = login->ssh;
    int32_t rc = ist_fail(err, IST_ERR_DENIED, ssh->peer, "login refused (the host offers %s; tried %s; %s)",
                          login->offered, *login->tried ? login->tried : "nothing", login->last);
    // libssh2 1.10 knows no rsa-sha2.
    if (login->o->private_key || login->o->private_key_file)
        ist_hint(
            err,
            "is it this user's key? RSA keys sign as ssh-rsa (SHA-1) here, which newer hosts refuse: use "
            "ed25519 or ECDSA then");
    else if (login->o->use_agent)
        ist_hint(err, "`ssh-add -l` lists what the agent has");
    return rc;
}

static int32_t offered_ways(ist_ssh *ssh, const ist_ssh_options *o, const char **ways, ist_error *err)
{
    while (!(*ways = libssh2_userauth_list(ssh->session, o->user, (unsigned)strlen(o->user)))) {
        if (libssh2_userauth_authenticated(ssh->session)) {
            *ways = "";
            return IST_OK;
        }
        if (libssh2_session_last_errno(ssh->session) != LIBSSH2_ERROR_EAGAIN) {
            char *text = NULL;
            libssh2_session_last_error(ssh->session, &text, NULL, 0);
            return ist_fail(err, IST_ERR_NETWORK, ssh->peer, "logging in: %s", text ? text : "failed");
        }
        int32_t waited = ssh_wait(ssh, "logging in", err);
        if (waited != IST_OK)
            return waited;
    }
    return IST_OK;
}

int32_t ssh_login(ist_ssh *ssh, const ist_ssh_options *o, ist_error *err)
{
    struct login login = {.ssh = ssh, .o = o};
    int32_t rc = offered_ways(ssh, o, &login.offered, err);
    if (rc != IST_OK)
        return rc;
    if (libssh2_userauth_authenticated(ssh->session))
        return IST_OK;
    // The list lies in the session's memory, which the next calls write over.
    char *offered = ist_strdup(login.offered);
    login.offered = offered;
    bool keys = strstr(offered, "publickey") != NULL;
    if (keys && (o->private_key || o->private_key_file))
        rc = by_key(&login, err);
    if (rc == 0 && keys && o->use_agent)
        rc = by_agent(&login, err);
    if (rc == 0 && o->password && strstr(offered, "password"))
        rc = by_password(&login, err);
    if (rc == 0 && o->password && strstr(offered, "keyboard-interactive"))
        rc = by_questions(&login, err);
    if (rc == 0)
        rc = refused(&login, err);
    ist_free(offered);
    return rc == 1 ? IST_OK : rc;
}
