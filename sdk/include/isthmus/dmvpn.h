// isthmus/dmvpn.h: what every plugin of the role dmvpn-endpoint does with the role's inputs, whatever the machine is.
#ifndef ISTHMUS_DMVPN_H
#define ISTHMUS_DMVPN_H

#include <isthmus/check.h>
#include <isthmus/roles/dmvpn-endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Says of the inputs that are known what cannot work on any machine: masks that are none, keys longer than their protocol
// takes (NHRP 8, OSPF 8 or 16) or that are no one word, a hub outside the tunnel network, files that are not there,
// networks on both sides of the tunnel, what a spoke, OSPF, a VPC or an existing machine cannot do without; and warns
// of what of the walk-through's files has no effect, or too much. For check.
IST_EXPORT void ist_dmvpn_check(ist_checking *checking);
// Says what is put right of the walk-through's: a line of the log each. For plan.
IST_EXPORT void ist_dmvpn_tell(const ist_env *env, const json_t *inputs);
// The role's secrets, so that they show nowhere.
IST_EXPORT void ist_dmvpn_register_secrets(const ist_env *env, const json_t *inputs);

IST_EXPORT int ist_dmvpn_is_hub(const json_t *inputs);        // 1 or 0
IST_EXPORT int ist_dmvpn_is_static(const json_t *inputs);     // `routing: static`
IST_EXPORT const char *ist_dmvpn_where(const json_t *inputs); // "vpc", "existing" or "render"; borrowed
// The hubs of a spoke, the first one first: [{tunnel_address, address, identity}]; identity is the address where no
// other is given. Empty for a hub without others. New reference.
IST_EXPORT json_t *ist_dmvpn_hubs(const json_t *inputs);
// What an IKE identity is by its looks, in IOS's and swanctl's words: "address" (192.0.2.1), "fqdn" (hub.example.net),
// "email" (hub@example.net). NULL: none of these; a distinguished name is a certificate's, and there is none.
IST_EXPORT const char *ist_dmvpn_identity_type(const char *identity);
// What is announced: `announce`, else the private subnets. [text]; new reference.
IST_EXPORT json_t *ist_dmvpn_announced(const json_t *inputs);
// The static routes over the tunnel: [{network, via}], with the default of `static_routes`; empty with OSPF. New
// reference.
IST_EXPORT json_t *ist_dmvpn_static_routes(const json_t *inputs);

#ifdef __cplusplus
}
#endif
#endif
