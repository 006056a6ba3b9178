/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: files that two programs of the workload make together, so that it is a matter of moments which of them is told
 * as who did it, and as what. Each rule asks that both halves are known by themselves. Must not: learn. Pure.
 */
#include "judge/baseline-priv.h"

/* A file made, and not written, by what is known to run a program that writes it: "cat x > y", where the shell's child
 * opens y and then becomes cat. */
static bool is_opened_for(const struct workload *w, const struct observation *o)
{
        struct observation by = *o;
        struct entry *other;
        void *value;

        if (o->dim != DIM_FILE || o->executable || o->ops != OP_CREATE || !o->known_exe)
                return false;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim != DIM_PROCESS || e->candidate || !bytes_eq(str_get(&e->exe), o->exe))
                        continue;
                by.exe = str_get(&e->key);
                if (baseline_lookup(w, &by, &other) == KNOWN_YES)
                        return true;
        }
        return false;
}

/* The same, as it was known before the child was seen to become cat: a file of the workload's own, as its caller's. */
static bool is_written_for(const struct workload *w, const struct observation *o)
{
        struct observation by = *o;
        struct entry *other;
        void *value;

        if (o->dim != DIM_FILE || o->executable || o->change != CHANGE_ADDED || !o->known_exe || !(o->ops & OP_WRITE) ||
            (o->ops & ~(OP_CREATE | OP_WRITE)))
                return false;
        for (size_t i = 0; map_next(w->entries, &i, NULL, &value);) {
                struct entry *e = value;

                if (e->dim != DIM_PROCESS || e->candidate || e->exe.len == 0 || !bytes_eq(str_get(&e->key), o->exe))
                        continue;
                by.exe = str_get(&e->exe);
                if (baseline_lookup(w, &by, &other) == KNOWN_YES)
                        return true;
        }
        return false;
}

/* A file of the workload's own, written by what is known to write beside it: it is written under another name there,
 * and renamed by somebody else before it is looked at. */
static bool is_written_beside(const struct workload *w, const struct observation *o)
{
        _cleanup_buf_ struct buf scratch;

        buf_init(&scratch, 16384);
        if (o->dim != DIM_FILE || o->executable || o->ops != OP_WRITE || o->change != CHANGE_ADDED || !o->known_exe)
                return false;
        entry_key(DIM_FILE, o->exe, key_family(DIM_FILE, o->key), &scratch);
        return !scratch.err && number_get(w->siblings, buf_bytes(&scratch)) > 0;
}

/* A file that one program writes and another makes executable, looked at before that or behind it: it is known as both.
 */
static bool is_made_runnable(const struct workload *w, const struct observation *o, enum known known)
{
        struct bytes mark = BYTES_LIT(" [executable]");
        struct observation twin = *o;
        _cleanup_buf_ struct buf key;
        struct entry *e;

        buf_init(&key, 16384);
        if (o->dim != DIM_FILE || o->setuid || o->image_changed || !o->known_exe)
                return false;
        buf_put(&key, o->key.p, o->key.len);
        if (!o->executable)
                buf_put(&key, mark.p, mark.len);
        else if (known == KNOWN_OTHER_EXE && bytes_has_suffix(o->key, mark))
                key.len -= mark.len;
        else
                return false;
        twin.executable = !o->executable;
        twin.key = buf_bytes(&key);
        return !key.err && baseline_lookup(w, &twin, &e) == KNOWN_YES;
}

bool joint_is_known(const struct workload *w, const struct observation *o, enum known known)
{
        if (o->dim != DIM_FILE || o->never_silent)
                return false;
        if (known == KNOWN_OTHER_EXE && (is_opened_for(w, o) || is_written_for(w, o) || is_written_beside(w, o)))
                return true;
        return (known == KNOWN_OTHER_EXE || known == KNOWN_NOT) && is_made_runnable(w, o, known);
}
