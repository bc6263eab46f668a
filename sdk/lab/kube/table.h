// Table answers (meta.k8s.io/v1), which kubectl get prints.
#ifndef LAB_KUBE_TABLE_H
#define LAB_KUBE_TABLE_H

#include "cluster.h"

// A Table of `objects` (array, borrowed) of one kind; `columns`: with the column definitions (a watch sends
// them with its first event only); `include`: "Metadata", "Object" or "None" for each row's object. New
// reference.
json_t *kube_table(const struct kube_kind *kind, const json_t *objects, bool columns, const char *include);

#endif
