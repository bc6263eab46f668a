// `isthmus policy map|render|explain`: the rows of the plugin's table, and what they are made of.
#ifndef NETPOL_COMMANDS_H
#define NETPOL_COMMANDS_H

#include "session.h"

extern const ist_command policy_commands[];
#define POLICY_COMMANDS 3u

int32_t policy_map(const ist_host *host, ist_call *call, const ist_value *args);
int32_t policy_render(const ist_host *host, ist_call *call, const ist_value *args);
int32_t policy_explain(const ist_host *host, ist_call *call, const ist_value *args);

// The forms of a map. All print.
void map_text(const struct session *session, const struct reach *reach, struct printer *out);
void map_json(const struct session *session, const struct reach *reach, struct printer *out);
void map_dot(const struct session *session, const struct reach *reach, struct printer *out);
void map_svg(const struct session *session, const struct reach *reach, struct printer *out);

// Holds the map to the lines of a file: "A => B : CONNECTIONS". Lines about addresses outside, ingress controllers and
// the entire cluster are not about pairs and are passed over, like everything after "Exposure Analysis" and lines that
// begin with '#'. Where no line names a cluster, those of the map are left out too. Pairs that are not in the file have to
// be unconnected, unless a line "..." says that others are not asserted. Each difference is printed. *differences counts
// them.
int32_t map_expect(const struct session *session, const struct reach *reach, const char *path,
                   struct printer *out, size_t *differences, ist_error *err);

#endif
