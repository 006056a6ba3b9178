/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * news - what the engine says of a finding (ACT_NEWS), looked at by the sensor: the engine may be in a container's
 * hands. Each key is known, comes once, and is no longer than it may be; all else is refused as a whole. Pure.
 */
#ifndef TIDEMARK_DAEMON_NEWS_H
#define TIDEMARK_DAEMON_NEWS_H

#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/audit_log.h"
#include "tidemark/str.h"

struct tide_event;

enum news_key {
        KEY_TYPE,
        KEY_WORKLOAD,
        KEY_IMAGE,
        KEY_WHAT, /* the signal that says most: "exec", "executable", "file", "network", "privilege", "session", … */
        KEY_REASON,
        KEY_SUBJECT,
        KEY_EXECUTABLE,
        KEY_COMM,
        KEY_CMD,
        KEY_ADDRESS,
        KEY_PROTO,
        KEY_PORT,
        KEY_PID,
        KEY_CONFIDENCE,
        KEY_SEVERITY,
        KEY_COUNT,
        KEY_STATE,
        KEY_VERDICT,
        KEY_BY,
        KEY_NOTE,
        KEY__MAX
};
enum news_as { NEWS_WORDS, NEWS_NUMBER, NEWS_UNTOLD }; /* in the trail */

struct news {
        struct bytes of[KEY__MAX]; /* borrowed from the act */
        struct bytes container, name;
        uint64_t finding;
        unsigned bits; /* set of enum finding_news */
};

/* -EINVAL, ERR_TRUNCATED: it is not taken. */
int news_read(const struct tide_event *act, struct news *ret) TM_CHECK;
const char *news_key_name(enum news_key key);
enum news_as news_key_as(enum news_key key);
/* Of a key that is a number: 0 for none, or for one beyond max. */
uint64_t news_number(const struct news *n, enum news_key key, uint64_t max);

/* The record of audit for one bit; type AUDIT_NOTE_NONE: there is none. */
void news_note(const struct news *n, unsigned bit, struct audit_note *ret);
/* The type of record that its strongest signal calls for. */
enum audit_note_type news_kind(const struct news *n);

#endif
