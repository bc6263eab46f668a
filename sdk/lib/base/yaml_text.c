// JSON trees as YAML in block style.
#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

static int append(void *arg, unsigned char *bytes, size_t len)
{
    return ist_buf_add(arg, bytes, len) == IST_OK;
}

// What other readers, of YAML 1.1, would take for a boolean.
static int old_boolean(const char *text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return 1;
    return 0;
}

static int emit_text(yaml_emitter_t *emitter, const char *text, int is_string)
{
    yaml_event_t event;
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
    if (is_string) {
        // What would read back as something else is quoted; several lines are a block.
        json_t *plain = ist_yaml_scalar(text);
        if (!json_is_string(plain) || old_boolean(text))
            style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
        else if (strchr(text, '\n'))
            style = YAML_LITERAL_SCALAR_STYLE;
        json_decref(plain);
    }
    return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1,
                                        1, style) &&
           yaml_emitter_emit(emitter, &event);
}

static int emit(yaml_emitter_t *emitter, const json_t *json)
{
    yaml_event_t event;
    if (json_is_string(json))
        return emit_text(emitter, json_string_value(json), 1);
    if (json_is_array(json)) {
        size_t i;
        json_t *item;
        yaml_sequence_style_t style =
            json_array_size(json) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
        int ok = yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style) &&
                 yaml_emitter_emit(emitter, &event);
        json_array_foreach(json, i, item) ok = ok && emit(emitter, item);
        return ok && yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
    }
    if (json_is_object(json)) {
        const char *key;
        json_t *item;
        yaml_mapping_style_t style =
            json_object_size(json) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
        int ok = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style) &&
                 yaml_emitter_emit(emitter, &event);
        json_object_foreach((json_t *)(uintptr_t)json, key, item) ok =
            ok && emit_text(emitter, key, 1) && emit(emitter, item);
        return ok && yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
    }
    char *text = ist_json_text(json);
    int ok = emit_text(emitter, text, 0);
    ist_free(text);
    return ok;
}

char *ist_yaml_text(const json_t *json)
{
    ist_buf out = {0};
    yaml_emitter_t emitter;
    yaml_event_t event;
    if (!yaml_emitter_initialize(&emitter))
        return ist_strdup("");
    yaml_emitter_set_output(&emitter, append, &out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    int ok = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
             yaml_emitter_emit(&emitter, &event) &&
             yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
             yaml_emitter_emit(&emitter, &event) && emit(&emitter, json) &&
             yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(&emitter, &event) &&
             yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(&emitter, &event);
    (void)ok; // only what is too large for the buffer fails; the text is then cut
    yaml_emitter_delete(&emitter);
    return ist_buf_take(&out);
}
