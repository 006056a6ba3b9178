/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the private key that evidence is signed by, for as long as a signature takes. Must not: run in a loop, or keep
 * the key. Hands over: signatures that parse/signature.c and openssl(1) verify.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

#include "tidemark/compat.h"
#include "tidemark/evidence.h"

#define KEY_MAX 65536
#define RSA_BITS_MIN 2048
#define EC_BITS_MIN 256

/* Nobody is asked for a password. */
static int no_password(char *dst, int size, int writing, void *arg)
{
        (void)dst, (void)size, (void)writing, (void)arg;
        return -1;
}

/* Whoever can read or write it can sign as this host. */
static int read_key(const char *path, char *pem, size_t *ret_len, const char **ret_why)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        ssize_t n;

        *ret_why = "it cannot be read";
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode)) {
                *ret_why = "it is not a file";
                return -EINVAL;
        }
        if (st.st_uid != 0 || (st.st_mode & 077)) {
                *ret_why = "it must belong to root and be readable by root alone: chown root, chmod 600";
                return -EPERM;
        }
        n = read(fd, pem, KEY_MAX);
        if (n < 0)
                return -errno;
        if (n == KEY_MAX) {
                *ret_why = "it is larger than 64 KiB";
                return -EINVAL;
        }
        *ret_len = (size_t)n;
        return 0;
}

static const char *check_kind(EVP_PKEY *key)
{
        switch (EVP_PKEY_base_id(key)) {
        case EVP_PKEY_EC:
                return EVP_PKEY_bits(key) >= EC_BITS_MIN ? NULL : "its curve is shorter than P-256";
        case EVP_PKEY_RSA:
                return EVP_PKEY_bits(key) >= RSA_BITS_MIN ? NULL : "it is an RSA key of less than 2048 bits";
        default:
                return "it is neither an ECDSA nor an RSA key";
        }
}

static int open_key(const char *path, EVP_PKEY **ret, const char **ret_why)
{
        static char pem[KEY_MAX];
        EVP_PKEY *key = NULL;
        size_t len = 0;
        BIO *bio;
        int r = read_key(path, pem, &len, ret_why);

        if (r < 0)
                return r;
        bio = BIO_new_mem_buf(pem, (int)len);
        if (bio)
                key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
        BIO_free(bio);
        OPENSSL_cleanse(pem, sizeof(pem));
        *ret_why = key ? check_kind(key) : "it holds no private key in PEM form without a passphrase";
        if (*ret_why) {
                EVP_PKEY_free(key);
                return -EINVAL;
        }
        *ret = key;
        return 0;
}

static bool sign(EVP_PKEY *key, const uint8_t sha256[32], uint8_t *sig, size_t *len)
{
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
        bool ok = ctx && EVP_PKEY_sign_init(ctx) == 1;

        if (ok && EVP_PKEY_base_id(key) == EVP_PKEY_RSA)
                ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
        ok = ok && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
             EVP_PKEY_sign(ctx, sig, len, sha256, 32) == 1;
        EVP_PKEY_CTX_free(ctx);
        return ok;
}

int evidence_sign(const char *key_file, const uint8_t sha256[32], uint8_t ret_sig[EVIDENCE_SIGNATURE], size_t *ret_len,
                  const char **ret_why)
{
        EVP_PKEY *key = NULL;
        size_t len = EVIDENCE_SIGNATURE;
        int r = open_key(key_file, &key, ret_why);

        if (r < 0)
                return r;
        if (sign(key, sha256, ret_sig, &len)) {
                *ret_len = len;
        } else {
                *ret_why = "libcrypto does not sign with it";
                r = -EIO;
        }
        EVP_PKEY_free(key);
        return r;
}

const char *evidence_key_wrong(const char *key_file)
{
        const char *why = NULL;
        EVP_PKEY *key = NULL;

        if (open_key(key_file, &key, &why) < 0)
                return why;
        EVP_PKEY_free(key);
        return NULL;
}
