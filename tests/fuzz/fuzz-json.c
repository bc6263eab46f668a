// JSON of any bytes: a tree or an error.
#include <isthmus/alloc.h>
#include <isthmus/json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = NULL;
    if (ist_json_parse((const char *)data, size, "input", &json, NULL) == IST_OK)
        ist_free(ist_json_text(json));
    json_decref(json);
    return 0;
}
