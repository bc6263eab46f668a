// Is a file a private key that can log in? Asked of the library that will use it, without a connection.
#include "ssh_internal.h"

#include <isthmus/alloc.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The head of "openssh-key-v1" with the cipher "none", in base64 (PROTOCOL.key of OpenSSH).
#define OPENSSH_HEAD  "b3BlbnNzaC1rZXktdjE"
#define OPENSSH_CLEAR "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"

// Nothing is sent: getting as far as sending means that the key was read.
static LIBSSH2_SEND_FUNC(not_sent)
{
    (void)socket;
    (void)buffer;
    (void)length;
    (void)flags;
    **(int **)abstract = 1;
    return -EPIPE;
}

static int is_readable(const char *key, const char *passphrase)
{
    int reached = 0;
    LIBSSH2_SESSION *session = libssh2_session_init_ex(NULL, NULL, NULL, &reached);
    if (!session)
        return 0;
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_SEND, (void *)not_sent);
    libssh2_userauth_publickey_frommemory(session, "nobody", 6, NULL, 0, key, strlen(key), passphrase);
    libssh2_session_free(session);
    return reached;
}

static int is_encrypted(const char *key)
{
    const char *head = strstr(key, OPENSSH_HEAD);
    return strstr(key, "ENCRYPTED") || (head && strncmp(head, OPENSSH_CLEAR, strlen(OPENSSH_CLEAR)) != 0);
}

// What a text is that is no private key.
static const char *what_else(const char *text)
{
    if (strncmp(text, "ssh-", 4) == 0 || strncmp(text, "ecdsa-", 6) == 0 || strncmp(text, "sk-", 3) == 0 ||
        strstr(text, "PUBLIC KEY-----"))
        return "it is a public key: the private one is meant";
    if (strstr(text, "-----BEGIN CERTIFICATE"))
        return "it is a certificate";
    if (strncmp(text, "PuTTY-User-Key-File", 19) == 0)
        return "it is a key of PuTTY: `puttygen KEY -O private-openssh` makes one that can be used";
    if (!text[strspn(text, " \t\r\n")])
        return "it is empty";
    return strstr(text, "PRIVATE KEY-----") ? NULL : "it is no private key";
}

// As OpenSSH does: a key of one's own that others may read is not used.
static int32_t check_mode(const char *file, ist_error *err)
{
    struct stat info;
    if (stat(file, &info) < 0)
        return ist_fail(err, IST_ERR_INPUT, "", "private key %s: %s", file, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return ist_fail(err, IST_ERR_INPUT, "", "private key %s: it is a folder", file);
    if (info.st_uid != geteuid() || !(info.st_mode & 077))
        return IST_OK;
    ist_fail(err, IST_ERR_INPUT, "", "private key %s: others may read or change it (mode %04o)", file,
             (unsigned)info.st_mode & 07777);
    ist_hint(err, "chmod 600 %s", file);
    return IST_ERR_INPUT;
}

int32_t ist_ssh_key_check(const char *file, const char *passphrase, ist_error *err)
{
    char *text = NULL;
    ist_error why = {0};
    int32_t rc = check_mode(file, err);
    if (rc != IST_OK)
        return rc;
    if (ssh_read_key(file, &text, "", &why) != IST_OK)
        return ist_fail(err, IST_ERR_INPUT, "", "%s", why.text);
    const char *other = what_else(text);
    if (other)
        rc = ist_fail(err, IST_ERR_INPUT, "", "private key %s: %s", file, other);
    else if (is_encrypted(text) && (!passphrase || !*passphrase))
        rc = ist_fail(err, IST_ERR_INPUT, "", "private key %s: it is encrypted, and there is no passphrase",
                      file);
    else if (!is_readable(text, passphrase))
        rc =
            ist_fail(err, IST_ERR_INPUT, "", "private key %s: %s", file,
                     is_encrypted(text) ? "the passphrase does not open it, or it is damaged"
                                        : "it cannot be read: it is damaged, or of a kind that is not known");
    ist_free_secret(text);
    return rc;
}
