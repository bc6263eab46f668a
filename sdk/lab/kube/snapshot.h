#ifndef LAB_KUBE_SNAPSHOT_H
#define LAB_KUBE_SNAPSHOT_H

#include "../lab.h"

// All objects of all clusters without what differs from run to run: uids, times, versions, generated names,
// addresses (which become the names of what holds them). Waits until the controllers have settled, three seconds at
// most, and lets the lock go meanwhile. New reference.
json_t *kube_snapshot(struct lab *lab);

#endif
