/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json - values of ours as JSON values: text that a container chose, times, bits. Every function gives a new reference,
 * or NULL when out of memory; json_object_set_new() and json_array_append_new() take that NULL and fail in turn.
 */
#ifndef TIDEMARK_CASE_JSON_PRIV_H
#define TIDEMARK_CASE_JSON_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

#define _cleanup_json_ _cleanup_(json_decrefp) /* jansson.h has that function, for json_auto_t */

/* Bytes as they came: escaped by str_escape, so that the text is valid UTF-8 on one line. */
json_t *cj_text(struct bytes s) TM_CHECK;
/* null for empty bytes, else as cj_text. */
json_t *cj_text_or_null(struct bytes s) TM_CHECK;
/* Words that we made, foreign parts of them escaped already: taken as they are if they are printable, else escaped. */
json_t *cj_words(struct bytes s) TM_CHECK;
json_t *cj_words_or_null(struct bytes s) TM_CHECK;
/* Wall-clock nanoseconds as RFC 3339 with microseconds, UTC; null for 0, which stands for "not known". */
json_t *cj_time(int64_t wall_ns) TM_CHECK;
/* The same, read: text that cj_time makes, or null. 0 or -EINVAL. */
int cj_time_read(const json_t *v, int64_t *ret) TM_CHECK;
json_t *cj_u64(uint64_t v) TM_CHECK; /* JSON integers end at 2^63 - 1: more is shown as that */
json_t *cj_u64_or_null(bool known, uint64_t v) TM_CHECK;
/* 4294967295 is the kernel's "not set": null. */
json_t *cj_id_or_null(uint32_t v) TM_CHECK;
json_t *cj_bits(int32_t quarters) TM_CHECK;
json_t *cj_real(double v) TM_CHECK; /* null for what JSON cannot say */
/* NUL-separated strings as an array. */
json_t *cj_split(struct bytes s) TM_CHECK;
/* A list of key, value (event.h) as an object; of keys that are there twice the first one counts. */
json_t *cj_list(struct bytes list) TM_CHECK;
/* Words for a set of 1 << enum finding_phase; a phase that is not known is none of them. */
json_t *cj_phases(uint32_t phases) TM_CHECK;
/* Words for EVF_* flags. */
json_t *cj_flags(unsigned flags) TM_CHECK;
json_t *cj_watched(uint8_t flows) TM_CHECK; /* enum tide_flows: true, false; null where nobody said */
json_t *cj_finding_id(uint64_t id) TM_CHECK; /* "F-7"; null for 0 */

#endif
