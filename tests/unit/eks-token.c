#include "eks-token.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

char *eks_token_url(const char *authorization)
{
    static const char start[] = "Bearer k8s-aws-v1.";
    if (strncmp(authorization, start, strlen(start)) != 0)
        return NULL;
    size_t len = strlen(authorization) - strlen(start);
    char *text = calloc(1, len + 5), *url = calloc(1, len + 5);
    if (text == NULL || url == NULL)
        abort();
    memcpy(text, authorization + strlen(start), len);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
    while (len % 4 != 0)
        text[len++] = '=';
    if (EVP_DecodeBlock((unsigned char *)url, (const unsigned char *)text, (int)len) <= 0)
        url[0] = '\0';
    free(text);
    return url;
}
