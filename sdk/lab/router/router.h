// The IOS-XE routers of the lab: the hub on premises (always there) and those launched in the lab's EC2.
#ifndef LAB_ROUTER_H
#define LAB_ROUTER_H

#include "../lab.h"

// An instance from a router image has started. It listens for SSH on `public_address` (127.<slot>.x.y, host
// order; the Elastic IP once it is associated) at the port in lab->env ISTHMUS_ROUTER_PORT, knows `user`
// ec2-user with the key pair's public key (OpenSSH line), and has applied the user data's ios-config lines; a Linux host
// (linux_host) knows the user whom cloud-init makes. Strings are copied.
void lab_router_boot(struct lab *lab, const char *instance_id, const char *user_data, const char *public_key,
                     uint32_t private_outside, uint32_t private_inside, bool linux_host);
void lab_router_address(struct lab *lab, const char *instance_id, uint32_t public_address); // 0: taken away
void lab_router_shutdown(struct lab *lab, const char *instance_id);
// Its instance is stopped: nobody is answered, nothing is forwarded, what was not saved is lost. It is booted again by
// lab_router_boot(), which then takes nothing but the instance's id into account, and lab_router_address().
void lab_router_off(struct lab *lab, const char *instance_id);

// Waits until no thread of a router runs any more (lab->stopping is set, the lock is not held): they use OpenSSL,
// which goes away when the process ends.
void lab_router_stop(struct lab *lab);

// Derived from the two ends' configurations, nothing else: is the tunnel up (IKEv2 proposal, keyring and
// identities, transform, NHRP key and NHS, tunnel key, OSPF area and timers ...)? False with the first piece
// that does not fit in why, in the field's words.
bool lab_router_tunnel_up(struct lab *lab, char *why, size_t size);
// Where the launched router, and the hub, would send `dst`, by their routing tables: true if over the tunnel; and, for
// what has come through it, if into the network behind them. False with where else it goes in why.
bool lab_router_spoke_routes(struct lab *lab, uint32_t dst, char *why, size_t size);
bool lab_router_hub_routes(struct lab *lab, uint32_t dst, char *why, size_t size);
bool lab_router_spoke_delivers(struct lab *lab, uint32_t dst, char *why, size_t size);
bool lab_router_hub_delivers(struct lab *lab, uint32_t dst, char *why, size_t size);

#endif
