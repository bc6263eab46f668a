// isthmus/dmvpn_machine.h: the machine that an endpoint of the role dmvpn-endpoint runs on, whoever makes it: which of its
// interfaces is outside and which inside, what lies behind the inside one, what is said of it. A vendor's plugin says what
// kind of machine it has and what interfaces one tells of; all else is here. Of a machine that is launched in a VPC
// isthmus/dmvpn_vm.h has the rest.
#ifndef ISTHMUS_DMVPN_MACHINE_H
#define ISTHMUS_DMVPN_MACHINE_H

#include <isthmus/dmvpn.h>

#ifdef __cplusplus
extern "C" {
#endif

// What a plugin's machines have in common.
typedef struct ist_dmvpn_kind {
    uint32_t size;
    const char *word;    // what messages call it: "router", "host"
    const char *outside; // names of its interfaces, where nobody says another; NULL: each has its own
    const char *inside;
    int names_address; // 1: its configuration names the outside address, not the interface alone
} ist_dmvpn_kind;

// What the configuration of an endpoint depends on beside the inputs.
typedef struct ist_dmvpn_machine {
    char outside[40], inside[40]; // interfaces
    char outside_address[16];     // where tunnels start, private behind NAT; "" where nobody tells
    char inside_address[16];
    ist_net4 inside_network; // of the inside interface
    char gateway[16];        // behind it; "" when nothing announced needs one
} ist_dmvpn_machine;

// An interface, as a machine tells it; one with several addresses has a row for each.
typedef struct ist_dmvpn_interface {
    const char *name, *address; // borrowed
    uint8_t prefix;             // of its network; 0: it does not tell
    int leads_out; // others lie behind it: no loopback, no tunnel. One that is asked for by name need not
} ist_dmvpn_interface;

// Says of the inputs that are known what `where: render` lacks, which asks no machine; and what no machine could have.
// For check, beside ist_dmvpn_check().
IST_EXPORT void ist_dmvpn_check_machine(ist_checking *checking, const ist_dmvpn_kind *kind);

// The machine, of the inputs alone: one that is launched, or `render`. IST_ERR_INPUT names what is missing.
IST_EXPORT int32_t ist_dmvpn_machine_given(const json_t *inputs, const ist_dmvpn_kind *kind,
                                           ist_dmvpn_machine *machine, ist_error *err);
// The machine, of what it tells. outside: the interface where inputs name none; NULL: kind->outside, if any.
// IST_ERR_INPUT names what cannot be told, and what there is.
IST_EXPORT int32_t ist_dmvpn_machine_found(const json_t *inputs, const ist_dmvpn_kind *kind,
                                           const ist_dmvpn_interface *list, size_t count, const char *outside,
                                           ist_dmvpn_machine *machine, ist_error *err);
// 1 when a network lies within the inside interface's own.
IST_EXPORT int ist_dmvpn_is_inside(const ist_dmvpn_machine *machine, const char *cidr);

// What observe hands on of it, so that plan need not ask again: {outside, inside, outside_address, inside_address}. New
// reference; _recall leaves "" what it does not hold.
IST_EXPORT json_t *ist_dmvpn_machine_observed(const ist_dmvpn_machine *machine);
IST_EXPORT void ist_dmvpn_machine_recall(ist_dmvpn_machine *machine, const json_t *observed);

// The role's outputs, of a machine that nobody launched.
IST_EXPORT void ist_dmvpn_set_outputs(const ist_env *env, const json_t *inputs,
                                      const ist_dmvpn_machine *machine);

// What observe hands on where a machine cannot be read: {unknown, code, where, hint}; new reference.
IST_EXPORT json_t *ist_dmvpn_unseen(const ist_error *why);
// The same as an error, for plan; NULL or without `unknown`: nobody looked.
IST_EXPORT int32_t ist_dmvpn_why_unseen(const json_t *unseen, const ist_dmvpn_kind *kind, ist_error *err);

// What an endpoint with these inputs on this machine would have on it. *text: the caller's (ist_free_secret); registered
// secrets in it do not show.
typedef int32_t (*ist_dmvpn_text)(const json_t *inputs, const ist_dmvpn_machine *machine, char **text,
                                  ist_error *err);
// The command `isthmus dmvpn render` of a plugin:
//     static int32_t render(const ist_host *host, ist_call *call, const ist_value *args)
//     {
//         return ist_dmvpn_render(host, call, check, &kind, text_of);
//     }
//     static const ist_command commands[] = {IST_DMVPN_RENDER_COMMAND(render)};
IST_EXPORT int32_t ist_dmvpn_render(const ist_host *host, ist_call *call,
                                    int32_t (*check)(const ist_host *, ist_call *),
                                    const ist_dmvpn_kind *kind, ist_dmvpn_text text);
#define IST_DMVPN_RENDER_COMMAND(run)                                                                        \
    {                                                                                                        \
        "dmvpn", "render", "Prints what an endpoint would have on it, without its secrets", NULL, 0,         \
            sizeof(ist_option), run                                                                          \
    }

#ifdef __cplusplus
}
#endif
#endif
