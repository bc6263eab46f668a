// What a plan was made from, as one number that tells nothing about it: a keyed digest of the pipeline, the
// variables, and all that its references read from the environment and from files.
#include "config/internal.h"

#include <isthmus/alloc.h>
#include <isthmus/json.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct digesting {
    struct config *config;
    ist_buf text;
};

// Every part with its length before it, so that no two sets of parts read the same.
static void add(struct digesting *d, const char *text)
{
    ist_buf_printf(&d->text, "%zu:", strlen(text));
    ist_buf_puts(&d->text, text);
}

static void add_json(struct digesting *d, const struct node *node)
{
    json_t *json = node ? node_json(node) : json_null();
    char *text = ist_json_text(json);
    add(d, text);
    ist_free_secret(text);
    json_decref(json);
}

static void add_reference(struct digesting *d, const struct node *node, const struct part *part)
{
    if (part->kind == REF_ENV) {
        const char *value = getenv(part->name);
        add(d, part->name);
        add(d, value ? value : "(unset)");
    } else if (part->kind == REF_FILE) {
        char *path = path_beside(node->place.file, part->name), chunk[4096];
        FILE *in = fopen(path, "re");
        add(d, path);
        for (size_t n; in && (n = fread(chunk, 1, sizeof(chunk) - 1, in)) > 0;) {
            ist_buf_add(&d->text, chunk, n);
            explicit_bzero(chunk, sizeof(chunk));
        }
        if (in)
            fclose(in);
        ist_free(path);
    }
}

static void add_references(struct digesting *d, const struct node *node)
{
    struct text parsed;
    size_t offset;
    char why[400];
    for (size_t i = 0; i < node->count; i++)
        add_references(d, node->items[i]);
    if (node->kind != NODE_STRING || !text_has_reference(node->text) ||
        text_parse(d->config->arena, node->text, &parsed, &offset, why, sizeof(why)))
        return;
    for (size_t i = 0; i < parsed.count; i++)
        if (!parsed.parts[i].literal)
            add_reference(d, node, &parsed.parts[i]);
}

void config_digest(const struct config *config, const char *pipeline, const unsigned char key[32],
                   char digest[65])
{
    struct digesting d = {.config = (struct config *)(uintptr_t)config, .text = {.max = (size_t)64 << 20}};
    const struct node *node = node_get(node_get(config->root, "pipelines"), pipeline);
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    add(&d, pipeline);
    add_json(&d, node);
    add_json(&d, config->vars);
    if (config->vars)
        add_references(&d, config->vars);
    if (node)
        add_references(&d, node);
    HMAC(EVP_sha256(), key, 32, (const unsigned char *)d.text.data, d.text.len, sum, &len);
    for (unsigned int i = 0; i < 32; i++)
        snprintf(digest + (size_t)i * 2, 3, "%02x", i < len ? sum[i] : 0);
    explicit_bzero(d.text.data, d.text.len);
    ist_buf_free(&d.text);
}
