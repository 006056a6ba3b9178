/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signature - a detached signature over a document's bytes, as `openssl dgst -sha256 -sign KEY -out FILE.sig FILE`
 * makes it, checked against a public key. ECDSA on P-256 or P-384, or RSA (PKCS #1 v1.5) of at least 2048 bits, with
 * SHA-256; by libcrypto's EVP alone, so that it works in FIPS mode. Pure.
 */
#ifndef TIDEMARK_SIGNATURE_H
#define TIDEMARK_SIGNATURE_H

#include <stdbool.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

#define SIGNATURE_MAX 2048u      /* bytes of one */
#define SIGNATURE_PEM_MAX 65536u /* bytes of a file with a key */
#define SIGNATURE_HEX 65u        /* of a SHA-256, with its NUL */

struct signature_key;

/* A public key ("-----BEGIN PUBLIC KEY-----"). 0; -EINVAL: it is none that is taken, and *ret_why says what is
 * wrong with it; -ENOMEM. */
int signature_parse_key(struct bytes pem, struct signature_key **ret, const char **ret_why) TM_CHECK;
struct signature_key *signature_key_free(struct signature_key *k);
DEFINE_CLEANUP(struct signature_key *, signature_key_free)
/* SHA-256 of the key itself (its SubjectPublicKeyInfo), in hexadecimal: which key it is, whatever its file is called.
 */
const char *signature_key_id(const struct signature_key *k);
bool signature_fits(const struct signature_key *k, struct bytes data, struct bytes signature);

/* The same over what comes in pieces: its SHA-256, and its SHA-384 for keys on P-384, which are used with either. Of
 * RSA keys PSS is taken, too: those who sign envelopes use either. */
struct signature_sums {
        uint8_t sha256[32], sha384[48];
};
struct signature_summer;
int signature_summer_new(struct signature_summer **ret) TM_CHECK;
struct signature_summer *signature_summer_free(struct signature_summer *s);
DEFINE_CLEANUP(struct signature_summer *, signature_summer_free)
/* 0 or -EIO. The first call, and each after signature_summer_done(), begins anew. */
int signature_summer_add(struct signature_summer *s, struct bytes part) TM_CHECK;
int signature_summer_done(struct signature_summer *s, struct signature_sums *ret) TM_CHECK;
bool signature_fits_sums(const struct signature_key *k, const struct signature_sums *sums, struct bytes signature);
/* Can it be a signature of this key at all, by its form? */
bool signature_has_form(const struct signature_key *k, struct bytes signature);

/* The same of something whose SHA-256 (32 bytes) is known. */
bool signature_fits_sha256(const struct signature_key *k, struct bytes sha256, struct bytes signature);
/* 0 or -EIO: libcrypto refuses. */
int signature_sha256(struct bytes data, char ret_hex[SIGNATURE_HEX]) TM_CHECK;

#endif
