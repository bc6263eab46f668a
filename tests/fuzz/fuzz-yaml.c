// YAML of any bytes: a tree or an error.
#include <isthmus/alloc.h>
#include <isthmus/yaml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = NULL;
    if (ist_yaml_parse_all((const char *)data, size, "input", &json, NULL) == IST_OK)
        ist_free(ist_yaml_text(json));
    json_decref(json);
    return 0;
}
