// Why two ends could not agree: the server's lists are read from its own KEXINIT (RFC 4253, 7.1), which libssh2
// does not hand out, by connecting once more without any cryptography.
#include "ssh_internal.h"

#include <isthmus/alloc.h>

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_PACKET 35000 // RFC 4253, 6.1

struct part {
    const char *name;
    int method;          // of libssh2
    unsigned index;      // of the name-list in KEXINIT
    const char *keyword; // of IOS: `ip ssh server algorithm KEYWORD ...`
    // What IOS-XE takes there, the better first (its own help, 17.x; what of it a release knows it says itself).
    const char *known[8];
};

static const struct part parts[] = {
    {"key exchange",
     LIBSSH2_METHOD_KEX,
     0,
     "kex",
     {"curve25519-sha256", "ecdh-sha2-nistp521", "ecdh-sha2-nistp384", "ecdh-sha2-nistp256",
      "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256", "diffie-hellman-group14-sha1"}},
    {"host key",
     LIBSSH2_METHOD_HOSTKEY,
     1,
     "hostkey",
     {"rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
      "ssh-rsa"}},
    {"cipher", LIBSSH2_METHOD_CRYPT_CS, 2, "encryption", {"aes256-ctr", "aes192-ctr", "aes128-ctr"}},
    {"MAC", LIBSSH2_METHOD_MAC_CS, 4, "mac", {"hmac-sha2-512", "hmac-sha2-256", "hmac-sha1"}}};

static bool fetch(const ist_env *env, int fd, unsigned char *to, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = recv(fd, to + have, len - have, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && ist_wait_fd(env, fd, POLLIN, 5000) != IST_OK))
            return false;
        if (n > 0)
            have += (size_t)n;
    }
    return true;
}

static size_t number(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

// The server's KEXINIT payload (owned), NULL when it did not come.
static unsigned char *kexinit(const ist_env *env, int fd, size_t *len)
{
    static const char banner[] = "SSH-2.0-libssh2_probe\r\n";
    unsigned char c = 0, head[5];
    bool version = false;
    if (send(fd, banner, sizeof banner - 1, MSG_NOSIGNAL) < 0)
        return NULL;
    // Lines before the version are allowed; it is the one that begins with SSH-.
    for (size_t lines = 0; lines < 64 && !version; lines++) {
        char line[5] = "";
        for (size_t i = 0; i < 1024 && fetch(env, fd, &c, 1) && c != '\n'; i++) {
            if (i < 4)
                line[i] = (char)c;
        }
        version = strcmp(line, "SSH-") == 0;
    }
    if (!version || !fetch(env, fd, head, 5))
        return NULL;
    size_t packet = number(head), padding = head[4];
    if (packet < padding + 2 || packet > MAX_PACKET)
        return NULL;
    unsigned char *payload = ist_malloc(packet);
    *len = packet - padding - 1;
    if (!fetch(env, fd, payload, packet - 1) || payload[0] != 20) {
        ist_free(payload);
        return NULL;
    }
    return payload;
}

static char *name_list(const unsigned char *payload, size_t len, unsigned index)
{
    size_t at = 17; // message number and cookie
    for (unsigned i = 0; at + 4 <= len; i++) {
        size_t n = number(payload + at);
        if (n > len - at - 4)
            break;
        if (i == index)
            return ist_strndup((const char *)payload + at + 4, n);
        at += 4 + n;
    }
    return ist_strdup("");
}

static bool in_list(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)); p += n) {
        if ((p == list || p[-1] == ',') && (p[n] == 0 || p[n] == ','))
            return true;
    }
    return false;
}

// Ours as one list; *common says whether the server has any of it.
static char *our_list(LIBSSH2_SESSION *session, int method, const char *theirs, bool *common)
{
    const char **names = NULL;
    int count = libssh2_session_supported_algs(session, method, &names);
    ist_buf text = {.max = 4096};
    *common = false;
    for (int i = 0; i < count; i++) {
        ist_buf_printf(&text, "%s%s", i ? "," : "", names[i]);
        *common = *common || in_list(theirs, names[i]);
    }
    if (names)
        libssh2_free(session, names);
    return ist_buf_take(&text);
}

// The line that makes a router offer something that there is here.
static void advise(ist_buf *hint, const struct part *part, const char *ours)
{
    bool any = false;
    for (size_t i = 0; i < sizeof part->known / sizeof *part->known && part->known[i]; i++) {
        if (!in_list(ours, part->known[i]))
            continue;
        if (!any)
            ist_buf_printf(hint, "%s`ip ssh server algorithm %s",
                           hint->len ? ", " : "on the router: ", part->keyword);
        any = true;
        ist_buf_printf(hint, " %s", part->known[i]);
    }
    ist_buf_puts(hint, any ? "`" : "");
}

int32_t ssh_explain_negotiation(ist_ssh *ssh, const ist_ssh_options *o, ist_error *err)
{
    int fd = -1;
    size_t len = 0;
    unsigned char *payload = NULL;
    ist_buf text = {.max = 2048}, hint = {.max = 1024};
    if (ssh_dial(&ssh->env, o->host, o->port ? o->port : 22, ssh->until, ssh->peer, &fd, NULL) == IST_OK)
        payload = kexinit(&ssh->env, fd, &len);
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; payload && i < sizeof parts / sizeof *parts; i++) {
        bool common;
        char *theirs = name_list(payload, len, parts[i].index);
        char *ours = our_list(ssh->session, parts[i].method, theirs, &common);
        if (!common) {
            ist_buf_printf(&text, "%sno common %s: the host offers %s; here there is %s",
                           text.len ? "; " : "", parts[i].name, theirs, ours);
            advise(&hint, &parts[i], ours);
        }
        ist_free(theirs);
        ist_free(ours);
    }
    ist_free(payload);
    char *reason = ist_buf_take(&text);
    // Trying again changes nothing, so this is no network error for whoever waits for a host to come up.
    int32_t rc = ist_fail(err, IST_ERR_REMOTE, ssh->peer, "SSH negotiation failed: %s",
                          *reason ? reason : "the host's offers could not be read");
    char *advice = ist_buf_take(&hint);
    ist_hint(err, "%s",
             *advice
                 ? advice
                 : "on the router: `show ip ssh` tells what it offers, `ip ssh server algorithm` changes it");
    ist_free(advice);
    ist_free(reason);
    return rc;
}
