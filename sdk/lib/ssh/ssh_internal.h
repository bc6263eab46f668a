// What the files of the SSH client share.
#ifndef IST_SSH_INTERNAL_H
#define IST_SSH_INTERNAL_H

#include <isthmus/ssh.h>
#include <libssh2.h>
#include <stdbool.h>

struct ist_ssh {
    ist_env env;
    int fd;
    LIBSSH2_SESSION *session;
    LIBSSH2_CHANNEL *channel;
    ist_ssh_host_key host_key;
    char *peer;
    const char *password; // for keyboard-interactive; borrowed while logging in
    int64_t until;        // monotonic: when connecting and logging in must be done
};

// Waits until libssh2 can go on. IST_OK, or an error with err filled (`doing` says what was waited for).
int32_t ssh_wait(ist_ssh *ssh, const char *doing, ist_error *err);
// TCP, at most until ssh->until. IST_ERR_NETWORK means that trying again may help.
int32_t ssh_dial(const ist_env *env, const char *host, uint16_t port, int64_t until, const char *where,
                 int *fd, ist_error *err);
// The text of a private key's file (ist_free_secret); `where` goes into err.
int32_t ssh_read_key(const char *path, char **text, const char *where, ist_error *err);
int32_t ssh_login(ist_ssh *ssh, const ist_ssh_options *options, ist_error *err);
// Fills err with what both sides offer, after a negotiation that came to nothing. Returns IST_ERR_REMOTE.
int32_t ssh_explain_negotiation(ist_ssh *ssh, const ist_ssh_options *options, ist_error *err);
void ssh_fingerprint(const unsigned char *blob, size_t len, ist_ssh_host_key *key);

#endif
