// What stands in the way of a cluster's end.
#include "eks.h"

#include <string.h>

void drain_tell(struct step *s, ist_error *err)
{
    const char *group = ist_json_str_or(s->cluster, "resourcesVpcConfig.clusterSecurityGroupId", "-");
    char *tag = ist_printf("tag:kubernetes.io/cluster/%s", ist_json_str_or(s->inputs, "name", ""));
    char *found = ist_aws_blockers(s->aws, "group-id", group, tag, "owned");
    char *hint = ist_strdup(err->hint);
    if (found != NULL) // what AWS's own words called for stays
        ist_hint(err, "%s%sstill there of the cluster's: %s", hint, *hint != '\0' ? "; " : "", found);
    ist_free(hint);
    ist_free(found);
    ist_free(tag);
}
