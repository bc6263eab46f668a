// The tables of frr-dmvpn: the role's, and the image it takes; and the command that prints what a host would get.
#include "frr.h"

static const ist_field inputs[] = {
    IST_DMVPN_ENDPOINT_INPUTS(0, 0, "admin"),
    IST_DMVPN_IMAGE_INPUTS("debian-13-amd64-*", "136693071363"),
};
static const ist_field outputs[] = {IST_DMVPN_ENDPOINT_OUTPUTS};

// Its files, one behind the other, each with a head that says where it is.
static int32_t text_of(const json_t *in, const ist_dmvpn_machine *machine, char **text, ist_error *err)
{
    frr_files files = {.count = 0};
    ist_buf b = {.max = 1u << 20};
    (void)err;
    frr_generate(in, machine, &files);
    for (size_t i = 0; i < files.count; i++) {
        const frr_file *file = &files.at[i];
        ist_buf_printf(&b, "##### %s %s %04o\n%s", file->path, file->owner, file->mode, file->text);
    }
    frr_files_free(&files);
    *text = ist_buf_take(&b);
    return IST_OK;
}

static int32_t render(const ist_host *host, ist_call *call, const ist_value *args)
{
    (void)args;
    return ist_dmvpn_render(host, call, frr_check, &frr_kind, text_of);
}

static const ist_command commands[] = {IST_DMVPN_RENDER_COMMAND(render)};

static const char *const permissions[] = {IST_DMVPN_VM_PERMISSIONS, NULL};

IST_CHECKED_PLAN(checked_plan, frr_check, frr_plan)
IST_CHECKED_PLAN(checked_apply, frr_check, frr_apply)

IST_PLUGIN(.name = "frr-dmvpn", .version = "0.1.0",
           .doc = "A Linux host with FRR and strongSwan as hub or spoke of a DMVPN",
           .role = IST_ROLE_DMVPN_ENDPOINT, .role_version = IST_ROLE_DMVPN_ENDPOINT_VERSION,
           IST_INPUTS(inputs), IST_OUTPUTS(outputs), IST_COMMANDS(commands), .observe = frr_observe,
           .plan = checked_plan, .apply = checked_apply, .destroy = frr_destroy, .verify = frr_verify,
           .permissions = permissions, .check = frr_check);
