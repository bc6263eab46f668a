#include "server.h"
void kube_proxy(const struct kube_request *rq, struct lab_reply *reply)
{
    (void)rq;
    lab_reply_json(reply, 501, kube_status(501, "NotImplemented", NULL, "not yet"));
}
