/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detached signatures: those of keys that are taken fit their own bytes alone; other keys are refused with words. */
#include "unit.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/signature.h"

static EVP_PKEY *make(int type, int with)
{
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(type, NULL);
        EVP_PKEY *key = NULL;

        CU_ASSERT_PTR_NOT_NULL_FATAL(ctx);
        CU_ASSERT_EQUAL_FATAL(EVP_PKEY_keygen_init(ctx), 1);
        if (type == EVP_PKEY_EC)
                CU_ASSERT(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, with) > 0);
        if (type == EVP_PKEY_EC)
                CU_ASSERT(EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_NAMED_CURVE) > 0);
        if (type == EVP_PKEY_RSA)
                CU_ASSERT(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, with) > 0);
        CU_ASSERT_EQUAL_FATAL(EVP_PKEY_keygen(ctx, &key), 1);
        EVP_PKEY_CTX_free(ctx);
        return key;
}

/* Its PEM, public or private, into dst. */
static struct bytes pem_of(EVP_PKEY *key, bool private, char dst[8192])
{
        BIO *bio = BIO_new(BIO_s_mem());
        int n;

        CU_ASSERT_PTR_NOT_NULL_FATAL(bio);
        CU_ASSERT_EQUAL(private ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                                : PEM_write_bio_PUBKEY(bio, key),
                        1);
        n = BIO_read(bio, dst, 8192);
        BIO_free(bio);
        return bytes_of(dst, n > 0 ? (size_t)n : 0);
}

static struct bytes sign(EVP_PKEY *key, const EVP_MD *md, struct bytes data, uint8_t dst[SIGNATURE_MAX])
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_create();
        size_t n = SIGNATURE_MAX;

        CU_ASSERT_EQUAL(EVP_DigestSignInit(ctx, NULL, md, NULL, key), 1);
        CU_ASSERT_EQUAL(EVP_DigestSignUpdate(ctx, data.p, data.len), 1);
        CU_ASSERT_EQUAL(EVP_DigestSignFinal(ctx, dst, &n), 1);
        EVP_MD_CTX_destroy(ctx);
        return bytes_of(dst, n);
}

static void fits_one(int type, int with)
{
        EVP_PKEY *key = make(type, with), *other = make(type, with);
        struct bytes data = BYTES_LIT("{\n  \"schema\": \"tidemark-baseline\",\n"), s;
        uint8_t signature[SIGNATURE_MAX], changed[64];
        struct signature_key *k = NULL, *k2 = NULL;
        char pem[8192], pem2[8192];
        const char *why;

        CU_ASSERT_EQUAL_FATAL(signature_parse_key(pem_of(key, false, pem), &k, &why), 0);
        CU_ASSERT_EQUAL_FATAL(signature_parse_key(pem_of(other, false, pem2), &k2, &why), 0);
        CU_ASSERT_EQUAL(strlen(signature_key_id(k)), 64);
        CU_ASSERT_STRING_NOT_EQUAL(signature_key_id(k), signature_key_id(k2));
        s = sign(key, EVP_sha256(), data, signature);
        CU_ASSERT(signature_fits(k, data, s));
        CU_ASSERT(!signature_fits(k2, data, s));
        memcpy(changed, data.p, data.len);
        changed[3] ^= 1;
        CU_ASSERT(!signature_fits(k, bytes_of(changed, data.len), s));
        CU_ASSERT(!signature_fits(k, bytes_of(data.p, data.len - 1), s));
        CU_ASSERT(!signature_fits(k, data, bytes_of(NULL, 0)));
        CU_ASSERT(!signature_fits(k, data, bytes_of(s.p, s.len - 1)));
        for (uint32_t i = 0; i < s.len; i++) {
                signature[i] ^= 0x10;
                CU_ASSERT(!signature_fits(k, data, s));
                signature[i] ^= 0x10;
        }
        s = sign(key, EVP_sha512(), data, signature);
        CU_ASSERT(!signature_fits(k, data, s));
        signature_key_free(k);
        signature_key_free(k2);
        EVP_PKEY_free(key);
        EVP_PKEY_free(other);
}

static void test_fits(void)
{
        fits_one(EVP_PKEY_EC, NID_X9_62_prime256v1);
        fits_one(EVP_PKEY_EC, NID_secp384r1);
        fits_one(EVP_PKEY_RSA, 2048);
}

static void refused(struct bytes pem, const char *words)
{
        struct signature_key *k = NULL;
        const char *why = NULL;

        CU_ASSERT_EQUAL(signature_parse_key(pem, &k, &why), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(why);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, words));
        signature_key_free(k);
}

static void test_refused(void)
{
        EVP_PKEY *small = make(EVP_PKEY_RSA, 1024), *curve = make(EVP_PKEY_EC, NID_secp521r1);
        EVP_PKEY *good = make(EVP_PKEY_EC, NID_X9_62_prime256v1);
        char pem[8192];
        struct bytes text;

        refused(bytes_of(NULL, 0), "empty");
        refused(BYTES_LIT("hello"), "no public key");
        refused(pem_of(small, false, pem), "less than 2048");
        refused(pem_of(curve, false, pem), "neither P-256 nor P-384");
        refused(pem_of(good, true, pem), "private key");
        text = pem_of(good, false, pem);
        pem[60] = pem[60] == 'A' ? 'B' : 'A'; /* damaged */
        pem[61] = pem[61] == 'A' ? 'B' : 'A';
        refused(bytes_of(text.p, text.len - 40), "no public key");
        EVP_PKEY_free(small);
        EVP_PKEY_free(curve);
        EVP_PKEY_free(good);
}

static void test_sha256(void)
{
        char hex[SIGNATURE_HEX];

        CU_ASSERT_EQUAL(signature_sha256(BYTES_LIT("abc"), hex), 0);
        CU_ASSERT_STRING_EQUAL(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static const struct unit_case cases[] = {
        {"a signature fits its key and its bytes alone", test_fits},
        {"keys that are not taken are named", test_refused},
        {"a sum", test_sha256},
};
UNIT_MAIN("signature", cases)
