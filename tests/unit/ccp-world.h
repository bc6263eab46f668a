// A container platform, and the little of AWS that plugin ccp asks, as a test wants them to behave.
#ifndef CCP_WORLD_H
#define CCP_WORLD_H

#include "fakehost.h"
#include "httpd.h"

#include <isthmus/json.h>

#define PASSWORD   "abcd123!-secret"
#define KUBECONFIG "apiVersion: v1\nusers:\n- name: a\n  user: {token: minted-kube-token}\n"

struct ccp_world {
    json_t *clusters;    // array
    int polls_to_ready;  // so many looks say CREATING
    const char *settled; // READY
    int v2_only;     // no version 3 login; 2: and version 2's answers with a header; 3: nor that of version 2
    int logins_down; // so many logins are answered with 500
    int then_down;   // so many after the session has ended
    const char *making; // the status before `settled`
    int sessions;       // logins so far; the token is "session-N"
    int expire_at_poll; // the session ends at this look; 0: never
    int polls;
    struct cancel *cancel; // at the second look
    int lose_create;       // 1: after acting, 2: before
    int posts, deletes, patches;
    int slow_delete, looks; // a deletion shows at the second look only
    json_t *last_post;
    int two_providers;
};

// httpd_start()'s handler; arg: struct ccp_world.
void ccp_world_answer(void *arg, const struct httpd_request *rq, struct httpd_reply *reply);

#endif
