// isthmus/ios_show.h: what IOS-XE's show commands say, as data. Every function takes the output (with or
// without echo, prompt and load lines; indentation is never trusted), and gives an array that the caller
// frees with json_decref. An output that says nothing gives an empty array. None fails on odd input but for
// its size (16 MiB: IST_ERR_LIMIT). Addresses and states are the device's words.
#ifndef ISTHMUS_IOS_SHOW_H
#define ISTHMUS_IOS_SHOW_H

#include <isthmus/error.h>
#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

// show dmvpn: [{interface, type, nbma, tunnel, state, updown, attributes}], also of `show dmvpn detail`.
IST_EXPORT int32_t ist_ios_show_dmvpn(const char *text, json_t **peers, ist_error *err);
// show ip nhrp nhs [detail], and the NHS lines of show dmvpn detail: [{interface, nhs, flags ("RE"), nbma?}].
IST_EXPORT int32_t ist_ios_show_nhs(const char *text, json_t **nhs, ist_error *err);
// show crypto ikev2 sa [detail]: [{id, local, local_port, remote, remote_port, fvrf, ivrf, status,
// encryption, prf, group, sign, verify, local_id?, remote_id?}].
IST_EXPORT int32_t ist_ios_show_ikev2_sa(const char *text, json_t **sas, ist_error *err);
// show crypto ipsec sa [detail]: [{interface, local_ident, remote_ident, protocol, peer, port, encaps,
// decaps, send_errors, recv_errors, settings[], inbound_esp, outbound_esp}]; the last two count ACTIVE SAs.
IST_EXPORT int32_t ist_ios_show_ipsec_sa(const char *text, json_t **sas, ist_error *err);
// show ip ospf neighbor: [{id, priority, state, role, dead, address, interface}].
IST_EXPORT int32_t ist_ios_show_ospf_neighbor(const char *text, json_t **neighbors, ist_error *err);
// show ip route [...]: [{code ("O IA", "S*"), prefix, distance?, metric?, via?, interface?, age?}], one per
// path; prefixes without a length take it from the "is subnetted" line before, else from their class.
IST_EXPORT int32_t ist_ios_show_route(const char *text, json_t **routes, ist_error *err);
// show version: {version, platform, hostname, uptime, image, license?}: an object.
IST_EXPORT int32_t ist_ios_show_version(const char *text, json_t **version, ist_error *err);
// show users: [{line, user, location, self}].
IST_EXPORT int32_t ist_ios_show_users(const char *text, json_t **users, ist_error *err);
// show ip interface brief: [{interface, address, method, status, protocol}].
IST_EXPORT int32_t ist_ios_show_interfaces(const char *text, json_t **interfaces, ist_error *err);

#ifdef __cplusplus
}
#endif
#endif
