// isthmus/ssh.h: one SSH connection with one interactive channel (RFC 4252 to 4254, by libssh2), for systems
// that are driven through a terminal: routers, and hosts whose command line is all there is.
#ifndef ISTHMUS_SSH_H
#define ISTHMUS_SSH_H

#include <isthmus/env.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ist_ssh ist_ssh; // a connection; for one thread

// A host key as people compare it: "ssh-ed25519", "SHA256:" + 43 characters of unpadded base64.
typedef struct ist_ssh_host_key {
    char algorithm[32];
    char sha256[64];
} ist_ssh_host_key;

// How the other side is known and how we are. Strings are borrowed during ist_ssh_connect() only. The ways to
// log in are tried in this order, each only if it is given and the server offers it: private key, agent,
// password, keyboard-interactive (every question that is not echoed is answered with the password).
typedef struct ist_ssh_options {
    uint32_t size;    // sizeof(ist_ssh_options)
    const char *host; // name or address
    uint16_t port;    // 0: 22
    const char *user;
    const char *private_key;      // PEM or OpenSSH text, or NULL
    const char *private_key_file; // its path; read when private_key is NULL; or NULL
    const char *passphrase;       // of the private key, or NULL
    const char *password;         // or NULL
    int32_t use_agent;            // 1: SSH_AUTH_SOCK
    // Who the host must be. The first of these that is not NULL decides: a pinned fingerprint ("SHA256:..."),
    // the text of a known_hosts file (a host that it does not name goes on to first_seen), then first_seen,
    // which returns 1 to accept a key nobody has seen yet. With none of them no host is accepted.
    const char *host_key_sha256;
    const char *known_hosts;
    int32_t (*first_seen)(void *arg, const ist_ssh_host_key *key);
    void *arg;
    int64_t timeout_ms; // for connecting and logging in, inside the operation's deadline; 0: 30 s
    // 1: try again (connection refused, reset, no route) until the timeout: a machine that is still starting.
    int32_t wait_until_up;
} ist_ssh_options;

// Connects, compares the host key, logs in. The operation's deadline and cancel hold. Errors: IST_ERR_NETWORK
// (not reached), IST_ERR_REMOTE (no common algorithm: text lists what each side offers), IST_ERR_DENIED (login
// refused, or the host key is another than the known one), IST_ERR_TIMEOUT, IST_ERR_CANCELLED.
IST_EXPORT int32_t ist_ssh_connect(const ist_env *env, const ist_ssh_options *options, ist_ssh **ssh,
                                   ist_error *err);
IST_EXPORT void ist_ssh_free(ist_ssh *ssh);                                 // closes; NULL is fine
IST_EXPORT const ist_ssh_host_key *ist_ssh_host_key_of(const ist_ssh *ssh); // borrowed
IST_EXPORT const char *ist_ssh_peer(const ist_ssh *ssh); // "ec2-user@192.0.2.1:22"; borrowed

// A shell on a terminal of 511 columns and 0 lines (IOS wraps at the columns it was told).
IST_EXPORT int32_t ist_ssh_shell(ist_ssh *ssh, ist_error *err);
// Sends all bytes.
IST_EXPORT int32_t ist_ssh_send(ist_ssh *ssh, const char *bytes, size_t len, ist_error *err);
// At least one byte into buf, *got of them. IST_AGAIN when `wait_ms` passed without one; IST_ERR_NETWORK when
// the other side closed (err->text says so).
IST_EXPORT int32_t ist_ssh_receive(ist_ssh *ssh, char *buf, size_t room, int64_t wait_ms, size_t *got,
                                   ist_error *err);

// How a command ended.
typedef struct ist_ssh_result {
    int32_t status; // exit status; -1: killed by a signal
    char *out;      // standard output, NUL-terminated; owned
    char *err;      // standard error; owned
    size_t out_len;
} ist_ssh_result;

// Runs one command without a terminal, on a channel of its own beside a shell's. `input` (may be NULL) is its standard
// input, so that secrets are in nobody's list of processes. IST_OK whatever the status is; at most 4 MiB of output
// (IST_ERR_LIMIT). timeout_ms 0: the operation's deadline only. *result is untouched on failure.
IST_EXPORT int32_t ist_ssh_exec(ist_ssh *ssh, const char *command, const char *input, size_t len,
                                int64_t timeout_ms, ist_ssh_result *result, ist_error *err);
IST_EXPORT void ist_ssh_result_free(ist_ssh_result *result); // frees what it holds

// Can the file log in: a private key in PEM or OpenSSH form that ist_ssh_connect() can read, which the passphrase (may be
// NULL) opens, and that nobody else may read? IST_ERR_INPUT with what is wrong; nothing is connected to.
IST_EXPORT int32_t ist_ssh_key_check(const char *file, const char *passphrase, ist_error *err);

// The fingerprint of an OpenSSH public key line or known_hosts key ("ssh-rsa AAAA..."). For tests and
// messages.
IST_EXPORT int32_t ist_ssh_fingerprint(const char *public_key, ist_ssh_host_key *key, ist_error *err);
// What `text` (a known_hosts file) knows of host: 1 the key is listed, 0 the host is not, -1 it is listed
// with another key. Plain, [host]:port and hashed (|1|salt|hash) names; @revoked and @cert-authority lines
// are skipped but a revoked key of the host is -1.
IST_EXPORT int32_t ist_ssh_known(const char *text, const char *host, uint16_t port,
                                 const ist_ssh_host_key *key);

#ifdef __cplusplus
}
#endif
#endif
