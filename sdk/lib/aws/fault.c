// What an AWS service says when it refuses, and what can be done about it.
#include "internal.h"

#include <string.h>

static void copy_text(char *to, size_t size, const char *from)
{
    if (from == NULL)
        return;
    const size_t len = strlen(from), kept = len < size ? len : http_cut(from, size - 1);
    snprintf(to, size, "%.*s", (int)kept, from);
}

// Of a signature that it takes for wrong a service shows all that was signed, session token and all.
static void cut_signed(struct aws_fault *fault)
{
    char *shown = strstr(fault->message, "The Canonical String");
    if (shown == NULL)
        return;
    while (shown > fault->message && (shown[-1] == '\n' || shown[-1] == ' '))
        shown--;
    *shown = '\0';
}

// One line of something that is neither XML nor JSON (a proxy's page): tags and control characters removed.
static void copy_plain(char *to, size_t size, const char *from)
{
    size_t n = 0;
    int in_tag = 0;
    for (; *from != '\0' && n + 1 < size && n < 200; from++) {
        const unsigned char c = (unsigned char)*from;
        if (c == '<')
            in_tag = 1;
        else if (c == '>')
            in_tag = 0;
        else if (!in_tag && (c > ' ' || (n > 0 && to[n - 1] != ' ')))
            to[n++] = c > ' ' && c < 0x7f ? (char)c : ' ';
    }
    to[n] = '\0';
}

// <Response><Errors><Error> of EC2, <ErrorResponse><Error> of the others; the root is stripped.
static int read_xml(const ist_http_response *response, struct aws_fault *fault)
{
    json_t *tree = NULL;
    if (aws_xml_parse(response->body, response->body_len, 0, "error", &tree, NULL) != IST_OK)
        return 0;
    const json_t *error = ist_json_at(tree, "Errors.Error");
    if (error == NULL)
        error = ist_json_at(tree, "Error");
    if (json_is_array(error)) // of several the first
        error = json_array_get(error, 0);
    const char *code = ist_json_str(error, "Code");
    copy_text(fault->code, sizeof(fault->code), code);
    copy_text(fault->message, sizeof(fault->message), ist_json_str(error, "Message"));
    copy_text(fault->request_id, sizeof(fault->request_id), ist_json_str(tree, "RequestID"));
    copy_text(fault->request_id, sizeof(fault->request_id), ist_json_str(tree, "RequestId"));
    json_decref(tree);
    return code != NULL;
}

// {"message": ..., "__type"|"code": ...} with the code better in x-amzn-errortype ("Code:http://...").
static int read_json(const ist_http_response *response, struct aws_fault *fault)
{
    json_t *tree = NULL;
    const char *type = ist_http_header(response, "x-amzn-errortype");
    if (ist_json_parse(response->body, response->body_len, "error", &tree, NULL) != IST_OK && type == NULL)
        return 0;
    if (type == NULL)
        type = ist_json_str(tree, "__type");
    if (type == NULL)
        type = ist_json_str(tree, "code");
    if (type != NULL) {
        const char *hash = strrchr(type, '#');
        copy_text(fault->code, sizeof(fault->code), hash != NULL ? hash + 1 : type);
        fault->code[strcspn(fault->code, ":")] = '\0';
    }
    const char *message = ist_json_str(tree, "message");
    copy_text(fault->message, sizeof(fault->message),
              message != NULL ? message : ist_json_str(tree, "Message"));
    json_decref(tree);
    return type != NULL;
}

void aws_fault_read(const ist_http_response *response, struct aws_fault *fault)
{
    *fault = (struct aws_fault){0};
    copy_text(fault->request_id, sizeof(fault->request_id), ist_http_header(response, "x-amzn-requestid"));
    const char *body = response->body != NULL ? response->body + strspn(response->body, " \t\r\n") : "";
    if (*body == '<' ? read_xml(response, fault) : read_json(response, fault)) {
        cut_signed(fault);
        return;
    }
    snprintf(fault->code, sizeof(fault->code), "HTTP %d", response->status);
    if (fault->message[0] == '\0')
        copy_plain(fault->message, sizeof(fault->message), body);
}

static int is_one_of(const char *code, const char *const *codes)
{
    for (; *codes != NULL; codes++)
        if (strcmp(code, *codes) == 0)
            return 1;
    return 0;
}

static int ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

enum aws_class aws_fault_class(int status, const char *code)
{
    static const char *const throttled[] = {"Throttling",
                                            "ThrottlingException",
                                            "ThrottledException",
                                            "RequestThrottled",
                                            "RequestThrottledException",
                                            "TooManyRequestsException",
                                            "RequestLimitExceeded",
                                            "BandwidthLimitExceeded",
                                            "EC2ThrottledException",
                                            "PriorRequestNotComplete",
                                            "SlowDown",
                                            NULL};
    static const char *const expired[] = {"ExpiredToken", "ExpiredTokenException", NULL};
    // AuthFailure is what EC2 says of all that it cannot validate.
    static const char *const skewed[] = {"RequestTimeTooSkewed",
                                         "RequestInTheFuture",
                                         "RequestExpired",
                                         "SignatureDoesNotMatch",
                                         "InvalidSignatureException",
                                         "AuthFailure",
                                         NULL};
    if (is_one_of(code, throttled) || status == 429)
        return AWS_THROTTLED;
    if (is_one_of(code, expired))
        return AWS_EXPIRED;
    if (is_one_of(code, skewed))
        return AWS_SKEWED;
    if (strncmp(code, "Insufficient", 12) == 0)
        return AWS_FINAL; // EC2 has no such capacity, and says so with a status of 500
    if (status >= 500 || strcmp(code, "RequestTimeout") == 0 ||
        strcmp(code, "RequestTimeoutException") == 0 || strcmp(code, "IDPCommunicationError") == 0)
        return AWS_TRANSIENT;
    return AWS_FINAL;
}

static int32_t code_of(const char *code, const char *message, int status)
{
    static const char *const denied[] = {"AccessDenied",
                                         "AccessDeniedException",
                                         "UnauthorizedOperation",
                                         "AuthFailure",
                                         "InvalidClientTokenId",
                                         "UnrecognizedClientException",
                                         "MissingAuthenticationToken",
                                         "SignatureDoesNotMatch",
                                         "InvalidSignatureException",
                                         "ExpiredToken",
                                         "ExpiredTokenException",
                                         "RequestExpired",
                                         "OptInRequired",
                                         "InvalidIdentityToken",
                                         NULL};
    // The last are EKS's words where it asks IAM in the caller's name.
    if (is_one_of(code, denied) || strstr(message, "due to missing permissions for ") != NULL)
        return IST_ERR_DENIED;
    if (strcmp(code, "NoSuchEntity") == 0 || ends_with(code, "NotFound") ||
        ends_with(code, "NotFoundException") ||
        (strcmp(code, "ValidationError") == 0 && strstr(message, "does not exist") != NULL))
        return IST_ERR_NOT_FOUND;
    if (ends_with(code, ".Duplicate") || ends_with(code, "AlreadyExists") ||
        ends_with(code, "AlreadyExistsException") || strcmp(code, "ResourceInUseException") == 0 ||
        strcmp(code, "DependencyViolation") == 0 || ends_with(code, ".Conflict") ||
        ends_with(code, ".InUse") || strcmp(code, "IdempotentParameterMismatch") == 0)
        return IST_ERR_CONFLICT;
    if (ends_with(code, "LimitExceeded") || strcmp(code, "LimitExceededException") == 0 ||
        strcmp(code, "ResourceLimitExceededException") == 0 || strcmp(code, "Throttling") == 0 ||
        strncmp(code, "Insufficient", 12) == 0)
        return IST_ERR_LIMIT;
    return status >= 500 ? IST_ERR_NETWORK : IST_ERR_REMOTE;
}

int32_t aws_fault_fail(const struct aws_fault *fault, int status, const char *where, ist_error *err)
{
    const int32_t code = code_of(fault->code, fault->message, status);
    ist_fail(err, code, where, "%s%s%s%s%s%s", fault->code, fault->message[0] != '\0' ? ": " : "",
             fault->message, fault->request_id[0] != '\0' ? " (request " : "", fault->request_id,
             fault->request_id[0] != '\0' ? ")" : "");
    if (strcmp(fault->code, "OptInRequired") == 0)
        ist_hint(err, "subscribe to the product in the AWS Marketplace with this account, then try again");
    else if (strcmp(fault->code, "SignatureDoesNotMatch") == 0 || strcmp(fault->code, "AuthFailure") == 0 ||
             strcmp(fault->code, "InvalidClientTokenId") == 0)
        ist_hint(err, "check the access key, its secret and this machine's clock");
    else if (strncmp(fault->code, "HTTP ", 5) == 0 && status < 500)
        ist_hint(err, "a proxy, or another service, may have answered in the place of AWS");
    else if (code == IST_ERR_DENIED)
        ist_hint(err,
                 "the credentials in use may not make this call: `isthmus plugin show NAME --iam-policy` "
                 "prints what is needed");
    return code;
}
