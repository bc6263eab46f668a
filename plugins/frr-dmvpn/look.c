// How the host stands: what host/look.sh prints, as data.
#include "frr.h"

#include <string.h>

static int digit(char c)
{
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(all, c) : NULL;
    return at ? (int)(at - all) : -1;
}

char *frr_decode(const char *base64, size_t *len)
{
    char *out = ist_malloc(strlen(base64) / 4 * 3 + 4);
    size_t n = 0;
    unsigned bits = 0, have = 0;
    for (; digit(*base64) >= 0; base64++) {
        bits = bits << 6 | (unsigned)digit(*base64);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have & 0xff);
        }
    }
    out[n] = '\0';
    if (len)
        *len = n;
    return out;
}

// The words of a line, at most `most`; the last takes the rest. It is cut up.
static size_t words(char *line, char **word, size_t most)
{
    size_t n = 0;
    while (n < most && *line) {
        word[n++] = line;
        char *space = strchr(line, ' ');
        if (!space || n == most)
            break;
        *space = '\0';
        line = space + 1;
    }
    return n;
}

static json_t *decoded_json(const char *base64)
{
    size_t len;
    json_t *json = NULL;
    char *text = frr_decode(base64, &len);
    ist_json_parse(text, len, "ip", &json, NULL);
    ist_free(text);
    return json ? json : json_array();
}

static json_t *decoded_text(const char *base64)
{
    char *text = frr_decode(base64, NULL);
    text[strcspn(text, "\n")] = '\0';
    json_t *json = json_string(text);
    ist_free(text);
    return json ? json : json_string("?");
}

static void take_line(json_t *seen, char *line)
{
    char *w[5] = {NULL};
    size_t n = words(line, w, 5);
    if (n == 0)
        return;
    if (strcmp(w[0], "@file") == 0 && n >= 4)
        json_object_set_new(
            json_object_get(seen, "files"), w[1],
            json_pack("{ss ss ss}", "mode", w[2], "owner", w[3], "base64", n > 4 ? w[4] : ""));
    else if (strcmp(w[0], "@unit") == 0 && n == 4)
        json_object_set_new(json_object_get(seen, "units"), w[1],
                            json_pack("{ss ss}", "enabled", w[2], "active", w[3]));
    else if (strcmp(w[0], "@missing") == 0 && n == 2)
        json_array_append_new(json_object_get(seen, "missing"), json_string(w[1]));
    else if ((strcmp(w[0], "@addresses") == 0 || strcmp(w[0], "@routes") == 0) && n == 2)
        json_object_set_new(seen, w[0] + 1, decoded_json(w[1]));
    else if ((strcmp(w[0], "@tunnel") == 0 || strcmp(w[0], "@filter") == 0 || strcmp(w[0], "@frr") == 0 ||
              strcmp(w[0], "@pending") == 0 || strcmp(w[0], "@forwarding") == 0) &&
             n == 2)
        json_object_set_new(seen, w[0] + 1, decoded_text(w[1]));
    else if (strcmp(w[0], "@end") == 0)
        json_object_set_new(seen, "whole", json_true());
}

static char *look_script(void)
{
    ist_buf b = {.max = 65536};
    frr_files files;
    const ist_dmvpn_machine none = {.gateway = ""};
    json_t *nothing = json_object();
    frr_generate(nothing, &none, &files); // for the paths alone
    ist_buf_puts(&b, "PATHS='");
    for (size_t i = 0; i < files.count; i++)
        ist_buf_printf(&b, "%s%s", i ? " " : "", files.at[i].path);
    ist_buf_puts(&b, "'\n");
    frr_add_script(&b, frr_look_script);
    frr_files_free(&files);
    json_decref(nothing);
    return ist_buf_take(&b);
}

int32_t frr_look(const struct frr *f, struct host *h, json_t **out, ist_error *err)
{
    ist_ssh_result r = {0};
    char *script = look_script(), *next = NULL;
    int32_t rc = frr_run(f, h, script, "looking", 180000, &r, err);
    ist_free(script);
    if (rc != IST_OK)
        return rc;
    json_t *seen = json_pack("{s{} s{} s[]}", "files", "units", "missing");
    for (char *line = r.out; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        take_line(seen, line);
    }
    ist_ssh_result_free(&r);
    if (!json_is_true(json_object_get(seen, "whole"))) {
        json_decref(seen);
        return ist_fail(err, IST_ERR_REMOTE, f->address, "what it tells of itself breaks off");
    }
    *out = seen;
    return IST_OK;
}
