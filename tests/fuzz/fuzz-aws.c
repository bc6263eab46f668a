// What comes from AWS and from its shared files, of any bytes: XML answers, error answers, INI files and what they name
// (endpoints, programs), the keys that a program or a metadata service prints, the cache of SSO.
#include "../../sdk/lib/aws/sso.h"
#include "../../sdk/lib/plugin/helper.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Nothing is sent, and no program runs.
int32_t aws_send(ist_aws *aws, const struct aws_call *call, ist_http_response *response, ist_error *err)
{
    (void)aws;
    (void)call;
    (void)response;
    return ist_fail(err, IST_ERR_NETWORK, "input", "nobody is there");
}

int32_t helper_run(const ist_env *env, const struct helper *helper, char **text, size_t *len, ist_error *err)
{
    (void)env;
    *text = ist_strdup(helper->argv[0] != NULL ? helper->argv[0] : "");
    *len = strlen(*text);
    (void)err;
    return IST_OK;
}

static void read_answers(const char *text, size_t len)
{
    json_t *tree = NULL;
    if (aws_xml_parse(text, len, 1, "input", &tree, NULL) == IST_OK)
        (void)ist_aws_tag(tree, "Name");
    json_decref(tree);
    const ist_http_response response = {.status = 400, .body = (char *)text, .body_len = len};
    struct aws_fault fault;
    aws_fault_read(&response, &fault);
    (void)aws_fault_class(response.status, fault.code);
    (void)aws_fault_fail(&fault, response.status, "input", NULL);
}

static void read_credentials(ist_aws *aws, const char *text, size_t len)
{
    struct aws_credentials c = {0};
    json_t *json = NULL;
    if (ist_json_parse(text, len, "input", &json, NULL) == IST_OK) {
        (void)sso_token_left(json, 1);
        if (aws_credentials_from_json(json, "input", ist_strdup("input"), &c, NULL) == IST_OK)
            aws_credentials_free(&c);
    }
    json_decref(json);
    if (aws_from_process(aws, "input", text, &c, NULL) == IST_OK)
        aws_credentials_free(&c);
}

// The files' text, and then what each of its profiles says.
static void read_files(ist_aws *aws, const char *text, size_t len)
{
    static const char *const names[] = {"ec2", "iam", "sso-oidc", "other"};
    struct aws_endpoint endpoint;
    const char *profile;
    json_t *settings;
    aws->profiles = json_object();
    aws_config_parse(text, len, 0, aws->profiles);
    aws_config_parse(text, len, 1, aws->profiles);
    json_object_foreach(aws->profiles, profile, settings)
    {
        aws->options.profile = profile;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            (void)aws_endpoint(aws, names[i], NULL, &endpoint, NULL);
    }
    json_decref(aws->profiles);
    aws->profiles = json_object();
    aws->options.endpoint = text;
    aws->options.profile = "none";
    (void)aws_endpoint(aws, "ec2", NULL, &endpoint, NULL);
    json_decref(aws->profiles);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char region[] = "eu-west-1";
    ist_aws aws = {.region = region};
    char *text = ist_strndup((const char *)data, size);
    const size_t len = strlen(text);
    read_answers(text, len);
    read_credentials(&aws, text, len);
    read_files(&aws, text, len);
    ist_free(text);
    return 0;
}
