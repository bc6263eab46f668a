// What comes from AWS and from its shared files, of any bytes: XML answers, error answers, INI files.
#include "../../sdk/lib/aws/internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = ist_strndup((const char *)data, size);
    const size_t len = strlen(text);
    json_t *tree = NULL, *profiles = json_object();
    if (aws_xml_parse(text, len, 1, "input", &tree, NULL) == IST_OK)
        (void)ist_aws_tag(tree, "Name");
    json_decref(tree);
    const ist_http_response response = {.status = 400, .body = text, .body_len = len};
    struct aws_fault fault;
    aws_fault_read(&response, &fault);
    (void)aws_fault_fail(&fault, response.status, "input", NULL);
    aws_config_parse(text, len, 0, profiles);
    aws_config_parse(text, len, 1, profiles);
    json_decref(profiles);
    ist_free(text);
    return 0;
}
