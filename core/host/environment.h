// The user's environment: what of it the programs that Isthmus starts may have, and how they get it. What names or
// looks like a secret is in no program's environment (anybody who may look at the process can read that one, and
// every program it starts inherits it): a worker has it over the wire, its plugin by host->environment().
#ifndef CORE_HOST_ENVIRONMENT_H
#define CORE_HOST_ENVIRONMENT_H

#include <jansson.h>

// First of all in main(): takes the values of secrets out of what /proc/PID/environ shows of this process. getenv()
// finds them as before.
void environment_hide(void);
// The environment of a program that Isthmus starts: NULL-terminated, the caller's (ist_free); its strings are
// environ's.
char **environment_allowed(void);
// What a plugin may ask for that is not in the above: a new object, name -> value.
json_t *environment_secrets(void);

#endif
