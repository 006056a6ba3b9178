/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * audit_log - records of ours in the kernel's audit log: what is said, before it is a record.
 */
#ifndef TIDEMARK_AUDIT_LOG_H
#define TIDEMARK_AUDIT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/str.h"

enum audit_note_type {
        AUDIT_NOTE_NONE,
        AUDIT_NOTE_FINDING,    /* something deviates: which record type follows from what it is */
        AUDIT_NOTE_ISOLATED,   /* a container's connections were cut */
        AUDIT_NOTE_RELEASED,
        AUDIT_NOTE_KILLED,
        AUDIT_NOTE_FROZEN,
        AUDIT_NOTE_CAPTURED,   /* evidence was taken */
        AUDIT_NOTE_REMOVED,    /* … and deleted */
        AUDIT_NOTE_CHECKPOINT, /* the trail's head: number, hash */
        AUDIT_NOTE_COMPARED,   /* a write layer was compared with its image */
        AUDIT_NOTE_CONFIGURED, /* the agent starts with another configuration */
        AUDIT_NOTE_REFUSED,    /* somebody may not do what he asked for */
        AUDIT_NOTE__MAX
};

/* Texts are borrowed until the call returns; empty: not known. */
struct audit_note {
        enum audit_note_type type;
        bool ok; /* of what was done: it succeeded */
        bool timed; /* isolated, released: it ends, has ended by itself */
        uint64_t finding, command;
        struct bytes container, name, image; /* id; name; image digest */
        struct bytes path, cmd, reason;
        uint64_t n;
        struct bytes hash; /* hexadecimal */
        uint32_t uid, login_uid;
};

#endif
