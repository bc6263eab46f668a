// isthmus/kube_check.h: checks of inputs that plugins of Kubernetes have in common (isthmus/check.h says how a check is
// made). Each says what is wrong and answers 1 when nothing is, or nothing is known.
#ifndef ISTHMUS_KUBE_CHECK_H
#define ISTHMUS_KUBE_CHECK_H

#include <isthmus/check.h>
#include <isthmus/kube_manifest.h>

#ifdef __cplusplus
extern "C" {
#endif

// Does the map at `path` have the key, or may it come to have it once all is known?
IST_EXPORT int ist_checking_has(const ist_checking *checking, const char *path, const char *key);

// Every kubeconfig of the map at `path` (cluster -> kubeconfig) that is given as a file is there; there is one at least.
IST_EXPORT int ist_check_kubeconfigs(ist_checking *checking, const char *path);
// The text at `path` names a cluster of `kubeconfigs`.
IST_EXPORT int ist_check_cluster(ist_checking *checking, const char *path);
// The same of each text of the list at `path`, and none stands there twice.
IST_EXPORT int ist_check_clusters(ist_checking *checking, const char *path);
// The keys of the map at `path` (`pod_cidrs`) are such names.
IST_EXPORT int ist_check_cluster_keys(ist_checking *checking, const char *path);
// `pod_cidrs` at `path`, {cluster: [network]}: no pod of one cluster has an address of another's, nor
// one that no host has. IPv4 alone.
IST_EXPORT int ist_check_pod_cidrs(ist_checking *checking, const char *path);
// A key of a label or an annotation: a name of 63 characters at most, perhaps with a DNS name and / before it. Said of
// `path`.
IST_EXPORT int ist_check_label_key(ist_checking *checking, const char *path, const char *key);
// The value of a label. Said of `path`.
IST_EXPORT int ist_check_label_value(ist_checking *checking, const char *path, const char *key,
                                     const char *value);
// `namespaces` (IST_NAMESPACES_INPUT): names that Kubernetes takes, of clusters that are there.
IST_EXPORT void ist_check_namespaces(ist_checking *checking);
// The name of a cluster at `path`, as a label's value takes it.
IST_EXPORT int ist_check_cluster_name(ist_checking *checking, const char *path);
// A name of an object (RFC 1123 subdomain).
IST_EXPORT int ist_check_dns_name(ist_checking *checking, const char *path);
// The manifest, a file or a text, can be read, and nothing is wrong with its objects that shows without a cluster (kinds,
// names, ports); all that is wrong is told. `path`: the input that it is of. *objects (may be NULL): those with which
// nothing is wrong, as of ist_manifest_read(); a new reference, NULL where it cannot be read.
IST_EXPORT int ist_check_manifest(ist_checking *checking, const char *path, const ist_manifest *manifest,
                                  json_t **objects);

#ifdef __cplusplus
}
#endif
#endif
