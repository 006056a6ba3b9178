/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: which public keys are taken, and whether a signature is theirs. Must not: read files. Pure. */
#include "tidemark/signature.h"

#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define RSA_BITS_MIN 2048

#if OPENSSL_VERSION_NUMBER < 0x10100000L /* RHEL 7 */
typedef void *parameter;
#else
typedef const void *parameter;
#endif

struct signature_key {
        EVP_PKEY *pkey;
        char id[SIGNATURE_HEX];
};

int signature_sha256(struct bytes data, char ret_hex[SIGNATURE_HEX])
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_Digest(data.p, data.len, sum, &n, EVP_sha256(), NULL) != 1 || 2 * n + 1 != SIGNATURE_HEX)
                return -EIO;
        str_hex(bytes_of(sum, n), ret_hex);
        return 0;
}

struct signature_key *signature_key_free(struct signature_key *k)
{
        if (!k)
                return NULL;
        EVP_PKEY_free(k->pkey);
        free(k);
        return NULL;
}

const char *signature_key_id(const struct signature_key *k)
{
        return k->id;
}

/* The curve of a key, by its algorithm's parameter: libcrypto has changed every other way of asking. */
static int curve_of(EVP_PKEY *pkey)
{
        X509_PUBKEY *x = NULL;
        X509_ALGOR *a = NULL;
        parameter value = NULL;
        int type = 0, nid = NID_undef;

        if (X509_PUBKEY_set(&x, pkey) == 1 && X509_PUBKEY_get0_param(NULL, NULL, NULL, &a, x) == 1 && a) {
                X509_ALGOR_get0(NULL, &type, &value, a);
                if (type == V_ASN1_OBJECT)
                        nid = OBJ_obj2nid((const ASN1_OBJECT *)value);
        }
        X509_PUBKEY_free(x);
        return nid;
}

/* NULL: it is taken. */
static const char *check_kind(EVP_PKEY *pkey)
{
        int curve;

        switch (EVP_PKEY_base_id(pkey)) {
        case EVP_PKEY_EC:
                curve = curve_of(pkey);
                return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 ? NULL
                                                                               : "its curve is neither P-256 nor P-384";
        case EVP_PKEY_RSA:
                return EVP_PKEY_bits(pkey) >= RSA_BITS_MIN ? NULL : "it is an RSA key of less than 2048 bits";
        default:
                return "it is neither an ECDSA key on P-256 or P-384 nor an RSA key";
        }
}

static int set_id(struct signature_key *k)
{
        unsigned char *der = NULL;
        int len = i2d_PUBKEY(k->pkey, &der), r;

        if (len <= 0)
                return -EINVAL;
        r = signature_sha256(bytes_of(der, (size_t)len), k->id);
        OPENSSL_free(der);
        return r;
}

/* Nobody is asked for a password. */
static int no_password(char *dst, int size, int writing, void *arg)
{
        (void)dst, (void)size, (void)writing, (void)arg;
        return -1;
}

static bool has(struct bytes s, const char *words)
{
        size_t n = strlen(words);

        for (size_t i = 0; i + n <= s.len; i++)
                if (memcmp(s.p + i, words, n) == 0)
                        return true;
        return false;
}

int signature_parse_key(struct bytes pem, struct signature_key **ret, const char **ret_why)
{
        _cleanup_(signature_key_freep) struct signature_key *k = calloc(1, sizeof(*k));
        BIO *bio;

        *ret_why = "";
        if (!k)
                return -ENOMEM;
        if (pem.len == 0 || pem.len > SIGNATURE_PEM_MAX) {
                *ret_why = pem.len ? "it is larger than 64 KiB" : "it is empty";
                return -EINVAL;
        }
        if (has(pem, "PRIVATE KEY-----")) {
                *ret_why = "it holds a private key, which belongs where documents are signed: put the public one there "
                           "(openssl pkey -in KEY -pubout)";
                return -EINVAL;
        }
        bio = BIO_new_mem_buf((void *)(uintptr_t)pem.p, (int)pem.len);
        if (!bio)
                return -ENOMEM;
        k->pkey = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
        BIO_free(bio);
        if (!k->pkey) {
                *ret_why = "it holds no public key in PEM form (-----BEGIN PUBLIC KEY-----)";
                return -EINVAL;
        }
        *ret_why = check_kind(k->pkey);
        if (*ret_why)
                return -EINVAL;
        if (set_id(k) < 0) {
                *ret_why = "libcrypto cannot use it";
                return -EINVAL;
        }
        *ret = TAKE_PTR(k);
        return 0;
}

bool signature_fits(const struct signature_key *k, struct bytes data, struct bytes signature)
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_create(); /* by the name that 1.0.2 has, too */
        bool fits = ctx && signature.len && signature.len <= SIGNATURE_MAX &&
                    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
                    EVP_DigestVerifyUpdate(ctx, data.p, data.len) == 1 &&
                    EVP_DigestVerifyFinal(ctx, (unsigned char *)(uintptr_t)signature.p, signature.len) == 1;

        EVP_MD_CTX_destroy(ctx);
        return fits;
}

/* ---- in pieces ---- */

struct signature_summer {
        EVP_MD_CTX *sha256, *sha384;
        bool begun;
};

struct signature_summer *signature_summer_free(struct signature_summer *s)
{
        if (!s)
                return NULL;
        EVP_MD_CTX_destroy(s->sha256);
        EVP_MD_CTX_destroy(s->sha384);
        free(s);
        return NULL;
}

int signature_summer_new(struct signature_summer **ret)
{
        _cleanup_(signature_summer_freep) struct signature_summer *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->sha256 = EVP_MD_CTX_create();
        s->sha384 = EVP_MD_CTX_create();
        if (!s->sha256 || !s->sha384)
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}

static int begin(struct signature_summer *s)
{
        if (s->begun)
                return 0;
        if (EVP_DigestInit_ex(s->sha256, EVP_sha256(), NULL) != 1 ||
            EVP_DigestInit_ex(s->sha384, EVP_sha384(), NULL) != 1)
                return -EIO;
        s->begun = true;
        return 0;
}

int signature_summer_add(struct signature_summer *s, struct bytes part)
{
        if (begin(s) < 0)
                return -EIO;
        return EVP_DigestUpdate(s->sha256, part.p, part.len) == 1 && EVP_DigestUpdate(s->sha384, part.p, part.len) == 1
                       ? 0
                       : -EIO;
}

int signature_summer_done(struct signature_summer *s, struct signature_sums *ret)
{
        struct signature_sums sums;

        if (begin(s) < 0 || EVP_DigestFinal_ex(s->sha256, sums.sha256, NULL) != 1 ||
            EVP_DigestFinal_ex(s->sha384, sums.sha384, NULL) != 1)
                return -EIO;
        s->begun = false;
        *ret = sums;
        return 0;
}

/* padding: of RSA; 0: none is set. */
static bool fits_sum(EVP_PKEY *pkey, int padding, const EVP_MD *md, struct bytes sum, struct bytes signature)
{
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
        bool fits = ctx && EVP_PKEY_verify_init(ctx) == 1;

        fits = fits && (!padding || EVP_PKEY_CTX_set_rsa_padding(ctx, padding) > 0);
        fits = fits && EVP_PKEY_CTX_set_signature_md(ctx, md) > 0;
        fits = fits && (padding != RSA_PKCS1_PSS_PADDING || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, -2) > 0); /* any */
        fits = fits && EVP_PKEY_verify(ctx, signature.p, signature.len, sum.p, sum.len) == 1;
        EVP_PKEY_CTX_free(ctx);
        return fits;
}

bool signature_fits_sums(const struct signature_key *k, const struct signature_sums *sums, struct bytes signature)
{
        struct bytes sha256 = bytes_of(sums->sha256, sizeof(sums->sha256));
        struct bytes sha384 = bytes_of(sums->sha384, sizeof(sums->sha384));

        if (signature.len == 0 || signature.len > SIGNATURE_MAX)
                return false;
        if (EVP_PKEY_base_id(k->pkey) == EVP_PKEY_RSA)
                return fits_sum(k->pkey, RSA_PKCS1_PADDING, EVP_sha256(), sha256, signature) ||
                       fits_sum(k->pkey, RSA_PKCS1_PSS_PADDING, EVP_sha256(), sha256, signature);
        return fits_sum(k->pkey, 0, EVP_sha256(), sha256, signature) ||
               (EVP_PKEY_bits(k->pkey) == 384 && fits_sum(k->pkey, 0, EVP_sha384(), sha384, signature));
}

bool signature_has_form(const struct signature_key *k, struct bytes signature)
{
        const unsigned char *p = signature.p;
        ECDSA_SIG *sig;
        bool has;

        if (signature.len == 0 || signature.len > SIGNATURE_MAX)
                return false;
        if (EVP_PKEY_base_id(k->pkey) == EVP_PKEY_RSA)
                return signature.len == (uint32_t)EVP_PKEY_size(k->pkey);
        sig = d2i_ECDSA_SIG(NULL, &p, (long)signature.len);
        has = sig && p == signature.p + signature.len && signature.len <= (uint32_t)EVP_PKEY_size(k->pkey);
        ECDSA_SIG_free(sig);
        return has;
}

bool signature_fits_sha256(const struct signature_key *k, struct bytes sha256, struct bytes signature)
{
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->pkey, NULL);
        bool fits = ctx && sha256.len == 32 && signature.len && signature.len <= SIGNATURE_MAX &&
                    EVP_PKEY_verify_init(ctx) == 1;

        if (fits && EVP_PKEY_base_id(k->pkey) == EVP_PKEY_RSA)
                fits = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
        fits = fits && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
               EVP_PKEY_verify(ctx, signature.p, signature.len, sha256.p, sha256.len) == 1;
        EVP_PKEY_CTX_free(ctx);
        return fits;
}
