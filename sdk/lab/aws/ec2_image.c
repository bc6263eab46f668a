// Machine images of the marketplace, and key pairs.
#include "ec2.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *id, *name, *owner, *alias, *code, *created;
    bool router;
} images[] = {
    {"ami-0c8e17d10e9a3b201", "Cisco-C8K-17.09.04a-42cb6e93-8d9d-490b-a73c-e3e56077ffd1", "679593333241",
     "aws-marketplace", "3ycwqehancx46bkpb3xkifiz5", "2023-11-07T18:22:41.000Z", true},
    {"ami-0c8e17d120105c302", "Cisco-C8K-17.12.01a-42cb6e93-8d9d-490b-a73c-e3e56077ffd1", "679593333241",
     "aws-marketplace", "3ycwqehancx46bkpb3xkifiz5", "2024-02-19T10:03:12.000Z", true},
    {"ami-0c56e16d0907b4a03", "cisco_CSR-16.09.07-BYOL-624f5bb1-7f8e-4f7c-ad2c-03ae1cd1c2d3", "679593333241",
     "aws-marketplace", "5tiyrfb5tasxk9gmnab39b843", "2021-03-11T09:14:55.000Z", true},
    {"ami-0c56e17d0303a5b04", "cisco_CSR-17.03.03-BYOL-624f5bb1-7f8e-4f7c-ad2c-03ae1cd1c2d3", "679593333241",
     "aws-marketplace", "5tiyrfb5tasxk9gmnab39b843", "2021-08-26T16:41:30.000Z", true},
    {"ami-0deb1a1200716a907", "debian-12-amd64-20250316-2053", "136693071363", NULL, NULL,
     "2025-03-16T20:58:11.000Z", true},
    {"ami-0deb1a1301108ba08", "debian-13-amd64-20250814-2204", "136693071363", NULL, NULL,
     "2025-08-14T22:10:32.000Z", true},
    {"ami-0e45a1c29f0d6c705", "amazon-eks-node-1.29-v20240315", "602401143452", "amazon", NULL,
     "2024-03-15T22:10:02.000Z", false},
    {"ami-0e45a1c30f0d6c806", "amazon-eks-node-1.30-v20240615", "602401143452", "amazon", NULL,
     "2024-06-15T21:44:18.000Z", false},
};

static void add_image(struct aws_call *c, size_t i)
{
    char *location = lab_format("%s/%s", images[i].alias ? images[i].alias : images[i].owner, images[i].name);
    json_t *image =
        json_pack("{ss ss ss ss ss* ss ss ss ss ss ss ss sb sb}", "imageId", images[i].id, "imageLocation",
                  location, "imageState", "available", "imageOwnerId", images[i].owner, "imageOwnerAlias",
                  images[i].alias, "name", images[i].name, "creationDate", images[i].created, "architecture",
                  "x86_64", "imageType", "machine", "rootDeviceType", "ebs", "rootDeviceName", "/dev/xvda",
                  "virtualizationType", "hvm", "isPublic", 1, "_router", (int)images[i].router);
    if (images[i].code)
        json_object_set_new(image, "productCodes",
                            json_pack("[{ssss}]", "productCode", images[i].code, "type", "marketplace"));
    aws_add(c, "image", image);
    free(location);
}

static json_t *describe_images(struct aws_call *c)
{
    const json_t *owners = aws_list(c, "Owner");
    json_t *answer = aws_describe(c, "image"), *image, *owner;
    size_t i, j;
    if (!answer || !owners)
        return answer;
    json_t *kept = json_array();
    json_array_foreach(json_object_get(answer, "imagesSet"), i, image)
    {
        bool owned = false;
        json_array_foreach(owners, j, owner) owned =
            owned || aws_is(image, "imageOwnerId", json_string_value(owner)) ||
            aws_is(image, "imageOwnerAlias", json_string_value(owner));
        if (owned)
            json_array_append(kept, image);
    }
    json_object_set_new(answer, "imagesSet", kept);
    return answer;
}

// ---- key pairs ----

json_t *ec2_key_view(struct aws_call *c, const json_t *object)
{
    json_t *view = json_copy((json_t *)(uintptr_t)object);
    if (aws_bool(c, "IncludePublicKey", false))
        json_object_set(view, "publicKey", json_object_get(object, "_publicKey"));
    return view;
}

static void put_mpint(FILE *out, const EVP_PKEY *key, const char *what)
{
    BIGNUM *number = NULL;
    unsigned char bytes[600];
    EVP_PKEY_get_bn_param(key, what, &number);
    int len = number ? BN_bn2bin(number, bytes + 1) : 0;
    bytes[0] = 0;
    bool sign = len && bytes[1] & 0x80; // a leading zero keeps it positive
    uint32_t size = (uint32_t)len + sign;
    fprintf(out, "%c%c%c%c", (int)(size >> 24 & 255), (int)(size >> 16 & 255), (int)(size >> 8 & 255),
            (int)(size & 255));
    fwrite(bytes + !sign, 1, size, out);
    BN_free(number);
}

// "ssh-rsa AAAA... name" (RFC 4253, section 6.6).
static char *openssh_line(const EVP_PKEY *key, const char *name)
{
    char *blob = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&blob, &size);
    if (!out)
        abort();
    fwrite("\0\0\0\7ssh-rsa", 1, 11, out);
    put_mpint(out, key, "e");
    put_mpint(out, key, "n");
    fclose(out);
    char *text = lab_base64(blob, size), *line = lab_format("ssh-rsa %s %s", text, name);
    free(blob);
    free(text);
    return line;
}

// AWS shows the SHA-1 of the private key's PKCS#8 form for a key that it made.
static char *fingerprint(const void *data, size_t len)
{
    unsigned char digest[20];
    char text[64] = "";
    SHA1(data, len, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 3 * i, 4, "%02x%s", digest[i], i + 1 < sizeof digest ? ":" : "");
    return lab_strdup(text);
}

static json_t *add_key(struct aws_call *c, const char *name, const char *public_key, const char *print)
{
    char *now = lab_now();
    json_t *pair = aws_add(c, "key-pair",
                           json_pack("{ss ss ss ss ss}", "keyName", name, "keyFingerprint", print, "keyType",
                                     strncmp(public_key, "ssh-ed25519", 11) ? "rsa" : "ed25519", "createTime",
                                     now, "_publicKey", public_key));
    free(now);
    return pair;
}

// A new RSA pair in the store; *pem is its private key (malloc'd, PKCS#1: what older SSH libraries read too).
static json_t *make_key(struct aws_call *c, const char *name, char **pem)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    unsigned char *der = NULL;
    char *data;
    if (!key)
        abort();
    PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
    long len = BIO_get_mem_data(bio, &data);
    *pem = lab_format("%.*s", (int)len, data);
    int der_len = i2d_PrivateKey(key, &der);
    char *line = openssh_line(key, name), *print = fingerprint(der, (size_t)der_len);
    json_t *pair = add_key(c, name, line, print);
    OPENSSL_free(der);
    free(line);
    free(print);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return pair;
}

static bool name_free(struct aws_call *c, const char *name)
{
    if (name && aws_first(c, "key-pair", "keyName", name))
        aws_fail(c, 400, "InvalidKeyPair.Duplicate", "The keypair already exists");
    return name && !c->status;
}

static json_t *create_key(struct aws_call *c)
{
    const char *name = aws_need(c, "KeyName");
    char *pem = NULL;
    json_t *pair = name_free(c, name) ? make_key(c, name, &pem) : NULL;
    json_t *answer = pair ? json_pack("{sO sO sO ss}", "keyPairId", json_object_get(pair, "keyPairId"),
                                      "keyName", json_object_get(pair, "keyName"), "keyFingerprint",
                                      json_object_get(pair, "keyFingerprint"), "keyMaterial", pem)
                          : NULL;
    free(pem);
    return answer;
}

static json_t *import_key(struct aws_call *c)
{
    const char *name = aws_need(c, "KeyName"), *material = name ? aws_need(c, "PublicKeyMaterial") : NULL;
    if (!material || !name_free(c, name))
        return NULL;
    char *line = lab_unbase64(material, NULL), *print = NULL;
    json_t *answer = NULL;
    if (!line || (strncmp(line, "ssh-rsa ", 8) != 0 && strncmp(line, "ssh-ed25519 ", 12) != 0)) {
        aws_fail(c, 400, "InvalidKey.Format", "Key is not in valid OpenSSH public key format");
    } else {
        print = fingerprint(line, strlen(line));
        json_t *pair = add_key(c, name, line, print);
        answer = pair ? json_pack("{sO sO sO}", "keyPairId", json_object_get(pair, "keyPairId"), "keyName",
                                  json_object_get(pair, "keyName"), "keyFingerprint",
                                  json_object_get(pair, "keyFingerprint"))
                      : NULL;
    }
    free(line);
    free(print);
    return answer;
}

static json_t *describe_keys(struct aws_call *c)
{
    json_t *answer = aws_describe(c, "key-pair"), *name;
    const json_t *names = aws_list(c, "KeyName");
    size_t i;
    if (!answer || !names)
        return answer;
    json_t *found = json_array();
    json_array_foreach(names, i, name)
    {
        json_t *pair = aws_first(c, "key-pair", "keyName", json_string_value(name));
        if (!pair) {
            json_decref(found);
            json_decref(answer);
            return aws_fail(c, 400, "InvalidKeyPair.NotFound", "The key pair '%s' does not exist",
                            json_string_value(name));
        }
        json_array_append_new(found, ec2_key_view(c, pair));
    }
    json_object_set_new(answer, "keySet", found);
    return answer;
}

static json_t *delete_key(struct aws_call *c)
{
    const char *name = aws_str(c, "KeyName"), *id = aws_str(c, "KeyPairId");
    json_t *pair = name ? aws_first(c, "key-pair", "keyName", name) : aws_get(c, "key-pair", id);
    if (pair)
        aws_remove(c, "key-pair", aws_text(pair, "keyPairId"));
    return aws_true(); // deleting what is not there is no error
}

void aws_image_start(struct lab *lab)
{
    struct aws_call c = aws_self(lab);
    char *pem = NULL;
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        add_image(&c, i);
    make_key(&c, "my-key", &pem);
    lab_write_file(lab, "my-key.pem", pem);
    char *path = lab_format("%s/my-key.pem", lab->dir);
    lab_export(lab, "ISTHMUS_ROUTER_KEY", path);
    free(path);
    free(pem);
}

const struct aws_action aws_image_actions[] = {
    {"DescribeImages", describe_images, false}, {"CreateKeyPair", create_key, true},
    {"ImportKeyPair", import_key, true},        {"DescribeKeyPairs", describe_keys, false},
    {"DeleteKeyPair", delete_key, true},        {NULL, NULL, false}};
