// Objects in Kubernetes' protobuf form, which newer kubectls send for what they make themselves (kubectl create ...).
#ifndef LAB_KUBE_PROTOBUF_H
#define LAB_KUBE_PROTOBUF_H

#include <jansson.h>
#include <stddef.h>

// The object in a body (magic "k8s\0", then runtime.Unknown): new reference; NULL when it is no such body or of a kind
// that the table in protobuf.c does not know.
json_t *kube_protobuf(const char *body, size_t len);

#endif
