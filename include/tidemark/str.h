/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * str - bytes with a length. Everything that a container can choose (paths, arguments, names) is such bytes: not
 * terminated, any value, borrowed from a buffer that somebody else owns.
 */
#ifndef TIDEMARK_STR_H
#define TIDEMARK_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tidemark/attr.h"

struct buf;

struct bytes {
        const uint8_t *p; /* borrowed; may be NULL when len is 0 */
        uint32_t len;
};

#define BYTES_LIT(s) ((struct bytes){(const uint8_t *)("" s), sizeof(s) - 1})

static inline struct bytes bytes_of(const void *p, size_t len)
{
        return (struct bytes){p, (uint32_t)len};
}
static inline struct bytes bytes_str(const char *s)
{
        return (struct bytes){(const uint8_t *)s, s ? (uint32_t)strlen(s) : 0};
}
/* A short list of texts that an operator wrote. */
#define STR_LIST_MAX 48u
#define STR_LIST_TEXT 200u
struct str_list {
        uint32_t n;
        char text[STR_LIST_MAX][STR_LIST_TEXT];
};
/* Does one of them fit the name? As patterns of glob(7). */
bool str_list_fits(const struct str_list *list, const char *name);

bool bytes_eq(struct bytes a, struct bytes b);
int bytes_cmp(struct bytes a, struct bytes b); /* memcmp order, shorter first */
bool bytes_has_prefix(struct bytes s, struct bytes prefix);
bool bytes_has_suffix(struct bytes s, struct bytes suffix);
/* Position of the last byte c, or -1. */
int bytes_rfind(struct bytes s, uint8_t c);
/* Heap copy with a terminating NUL added (the bytes may hold others), or NULL when out of memory. Caller frees. */
char *bytes_dup(struct bytes s) TM_CHECK;

/*
 * Append s to out in printable form: valid, printable UTF-8 stays; backslash becomes \\, and control characters,
 * invalid bytes, bidirectional overrides and line or paragraph separators become \n, \t or \xNN per byte. The result
 * is valid UTF-8 on one line and can be turned back. Errors stay in out (see buf.h).
 */
void str_escape(struct bytes s, struct buf *out);

/* The bytes that str_escape makes this of, appended to out. 0; -EINVAL: it makes it of none, so that every name has one
 * spelling; or out's error. */
int str_unescape(struct bytes text, struct buf *out) TM_CHECK;

/* Append s as one word of a line that somebody may copy into a shell: in single quotes where anything in it means
 * something to one. Nothing is escaped: that is for whoever shows the line. */
void str_shell(struct bytes s, struct buf *out);

/* Bytes as lower-case hexadecimal digits, terminated. dst has room for 2 * s.len + 1. Returns dst. */
char *str_hex(struct bytes s, char *dst);
/* The other way: of exactly 2 * n digits n bytes. False: it is something else; dst may be half filled then. */
bool str_unhex(const char *hex, uint8_t *dst, size_t n);

/* As str_escape, into a fixed array, always terminated; "..." at the end if it did not fit. Returns dst. */
char *str_print(struct bytes s, char *dst, size_t size);

#endif
