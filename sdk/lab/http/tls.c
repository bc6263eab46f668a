// The lab's own certificate authority: a CA, one server certificate, and client certificates on demand.
#include "../core.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct lab_tls {
    X509 *ca;
    EVP_PKEY *ca_key;
    char *ca_pem, *server_cert, *server_key;
};

enum { HOSTS = 40, LIFE_DAYS = 3650 };

static char *pem_of(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = lab_format("%.*s", (int)len, data);
    BIO_free(bio);
    return text;
}

static char *cert_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert);
    return pem_of(bio);
}

static char *key_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return pem_of(bio);
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (extension)
        X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

struct subject {
    const char *cn, *organization; // organization may be NULL
    const char *alt_names;         // NULL: none
    const char *usage;             // extended key usage; NULL: a CA
};

// A certificate for `key`, signed by the CA (or by itself when there is none yet). NULL on failure.
static X509 *issue(struct lab_tls *tls, EVP_PKEY *key, const struct subject *subject)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    unsigned char serial[16];
    RAND_bytes(serial, sizeof serial);
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), (long)LIFE_DAYS * 86400);
    if (subject->organization)
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)subject->organization, -1,
                                   -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)subject->cn, -1, -1, 0);
    X509 *issuer = tls->ca ? tls->ca : cert;
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    X509_set_pubkey(cert, key);
    add_extension(cert, issuer, NID_basic_constraints,
                  subject->usage ? "critical,CA:FALSE" : "critical,CA:TRUE");
    add_extension(cert, issuer, NID_subject_key_identifier, "hash");
    add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
    add_extension(cert, issuer, NID_key_usage,
                  subject->usage ? "critical,digitalSignature" : "critical,keyCertSign");
    if (subject->usage)
        add_extension(cert, issuer, NID_ext_key_usage, subject->usage);
    if (subject->alt_names)
        add_extension(cert, issuer, NID_subject_alt_name, subject->alt_names);
    if (!X509_sign(cert, tls->ca_key, EVP_sha256())) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static char *server_names(const struct lab *lab)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    fputs("DNS:localhost,IP:127.0.0.1", out);
    for (int host = 1; host <= HOSTS; host++)
        fprintf(out, ",IP:127.%u.0.%d", lab->slot, host);
    fclose(out);
    return text;
}

int lab_tls_start(struct lab *lab)
{
    struct lab_tls *tls = lab_calloc(1, sizeof *tls);
    char *names = server_names(lab);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *server = NULL;
    tls->ca_key = EVP_EC_gen("P-256");
    if (tls->ca_key && key) {
        tls->ca = issue(tls, tls->ca_key, &(struct subject){.cn = "isthmus-lab CA"});
        server = issue(tls, key,
                       &(struct subject){.cn = "isthmus-lab", .alt_names = names, .usage = "serverAuth"});
    }
    free(names);
    if (!tls->ca || !server) {
        fputs("isthmus-lab: OpenSSL cannot make certificates\n", stderr);
        return -1; // the process ends
    }
    tls->ca_pem = cert_pem(tls->ca);
    tls->server_cert = cert_pem(server);
    tls->server_key = key_pem(key);
    X509_free(server);
    EVP_PKEY_free(key);
    lab->tls = tls;
    lab_write_file(lab, "ca.crt", tls->ca_pem);
    return 0;
}

const char *lab_tls_ca_pem(const struct lab *lab)
{
    return lab->tls->ca_pem;
}

const char *lab_tls_server_cert(const struct lab *lab)
{
    return lab->tls->server_cert;
}

const char *lab_tls_server_key(const struct lab *lab)
{
    return lab->tls->server_key;
}

int lab_tls_client(struct lab *lab, const char *cn, const char *organization, char **cert, char **key)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *issued =
        pair ? issue(lab->tls, pair,
                     &(struct subject){.cn = cn, .organization = organization, .usage = "clientAuth"})
             : NULL;
    if (issued) {
        *cert = cert_pem(issued);
        *key = key_pem(pair);
    }
    X509_free(issued);
    EVP_PKEY_free(pair);
    return issued ? 0 : -1;
}
