// Programs of the user's that print credentials: the exec entries of a kubeconfig, the credential_process of an
// AWS profile. Run without a shell, in a process group of their own, with a deadline. Not installed.
#ifndef IST_HELPER_H
#define IST_HELPER_H

#include <isthmus/alloc.h>
#include <isthmus/env.h>
#include <isthmus/error.h>

struct helper {
    const char *what;        // for people: "the credential helper of the kubeconfig"; static, as is `hint`
    const char *path;        // what is run: a file, or a name to look for in PATH
    const char *const *argv; // ended by NULL
    const char *const *variables; // "NAME=value" that go before the environment's; ended by NULL, or NULL
    const char *hint;             // where it cannot be started
};

// What it printed, ended by '\0': the caller's, to be freed by ist_free_secret(). It gets no input, and the user's
// environment with the keys by which such programs log in themselves. Errors: IST_ERR_DENIED (not started, or failed: with
// its status and the first line of what it complained), IST_ERR_TIMEOUT, IST_CANCELLED.
int32_t helper_run(const ist_env *env, const struct helper *helper, char **text, size_t *len, ist_error *err);

// The same, and nobody waits: the daemon has other things to do while a helper runs (or hangs).
struct helper_process;
int32_t helper_start(const ist_env *env, const struct helper *helper, struct helper_process **process,
                     ist_error *err);
// Work of our own that waits for others, in a copy of this process: what it puts into *out is the text, its error comes as it
// was. It gets an env of no host (helper_stop() is what ends it) that knows the user's variables, and `arg`; of all
// else that the process had open nothing is left to it.
typedef int32_t helper_work(const ist_env *env, const void *arg, ist_buf *out, ist_error *err);
int32_t helper_fork(const ist_env *env, const char *what, helper_work *work, const void *arg,
                    struct helper_process **process, ist_error *err);
// IST_AGAIN: it still runs; else it is over, as with helper_run(), and only helper_stop() is left to be called.
int32_t helper_step(const ist_env *env, struct helper_process *process, char **text, size_t *len,
                    ist_error *err);
// Until it may have come further; an error: the operation ends.
int32_t helper_wait(const ist_env *env, const struct helper_process *process, ist_error *err);
// Ends it if it runs, frees it; NULL is none.
void helper_stop(struct helper_process *process);

#endif
