/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the layout of a proc connector message (linux/cn_proc.h), field by field from bytes. Pure. Must not: believe a
 * length that does not fit.
 */
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <stddef.h>
#include <string.h>

#include "tidemark/err.h"
#include "tidemark/proc_source.h"

/* linux/cn_proc.h numbers these in two ways over the years (enum what, enum proc_cn_event); the values never changed.
 */
#define WHAT_NONE 0x00000000u
#define WHAT_FORK 0x00000001u
#define WHAT_EXEC 0x00000002u
#define WHAT_UID 0x00000004u
#define WHAT_GID 0x00000040u
#define WHAT_SID 0x00000080u
#define WHAT_PTRACE 0x00000100u
#define WHAT_COMM 0x00000200u
#define WHAT_COREDUMP 0x40000000u
#define WHAT_EXIT 0x80000000u

#define HEAD 16u /* what, cpu, timestamp_ns */

static uint32_t u32_at(const uint8_t *p, size_t at)
{
        uint32_t v;

        memcpy(&v, p + at, sizeof(v)); /* the kernel of this very host wrote it */
        return v;
}

/* Each takes the part behind the head. */
static void get_fork(const uint8_t *p, size_t len, struct proc_msg *m)
{
        (void)len;
        m->ppid = u32_at(p, 0);
        m->ptgid = u32_at(p, 4);
        m->pid = u32_at(p, 8);
        m->tgid = u32_at(p, 12);
}

static void get_task(const uint8_t *p, size_t len, struct proc_msg *m)
{
        (void)len;
        m->pid = u32_at(p, 0);
        m->tgid = u32_at(p, 4);
}

static void get_id(const uint8_t *p, size_t len, struct proc_msg *m)
{
        get_task(p, len, m);
        m->rid = u32_at(p, 8);
        m->eid = u32_at(p, 12);
}

static void get_ptrace(const uint8_t *p, size_t len, struct proc_msg *m)
{
        get_task(p, len, m);
        m->ppid = u32_at(p, 8);
        m->ptgid = u32_at(p, 12);
}

static void get_comm(const uint8_t *p, size_t len, struct proc_msg *m)
{
        get_task(p, len, m);
        memcpy(m->comm, p + 8, sizeof(m->comm));
        m->comm[sizeof(m->comm) - 1] = '\0';
}

static void get_exit(const uint8_t *p, size_t len, struct proc_msg *m)
{
        get_task(p, len, m);
        m->code = u32_at(p, 8);
        if (len >= 24) { /* parent since Linux 4.18 */
                m->ppid = u32_at(p, 16);
                m->ptgid = u32_at(p, 20);
        }
}

static const struct {
        uint32_t value;
        enum proc_what what;
        size_t need;
        void (*get)(const uint8_t *p, size_t len, struct proc_msg *m);
} rows[] = {
        {WHAT_FORK, PROC_FORK, 16, get_fork},       {WHAT_EXEC, PROC_EXEC, 8, get_task},
        {WHAT_EXIT, PROC_EXIT, 16, get_exit},       {WHAT_UID, PROC_UID, 16, get_id},
        {WHAT_GID, PROC_GID, 16, get_id},           {WHAT_SID, PROC_SID, 8, get_task},
        {WHAT_PTRACE, PROC_PTRACE, 16, get_ptrace}, {WHAT_COMM, PROC_COMM, 24, get_comm},
        {WHAT_COREDUMP, PROC_COREDUMP, 8, get_task},
};

int proc_decode(const void *p, size_t len, struct proc_msg *ret)
{
        const uint8_t *b = p;
        struct cn_msg cn;
        struct proc_msg m = {.what = PROC_OTHER};
        uint32_t what;

        if (len < sizeof(cn))
                return ERR_TRUNCATED;
        memcpy(&cn, p, sizeof(cn));
        if (cn.id.idx != CN_IDX_PROC || cn.id.val != CN_VAL_PROC)
                return ERR_SCHEMA;
        if (cn.len < HEAD || cn.len > len - sizeof(cn))
                return ERR_TRUNCATED;
        b += sizeof(cn);
        what = u32_at(b, 0);
        m.seq = cn.seq;
        m.cpu = u32_at(b, 4);
        memcpy(&m.mono_ns, b + 8, sizeof(m.mono_ns));
        if (what == WHAT_NONE) { /* an acknowledgement, ours or another listener's: it has a number of the same row */
                *ret = m;
                return -EAGAIN;
        }
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                if (rows[i].value != what)
                        continue;
                if (cn.len - HEAD < rows[i].need)
                        return ERR_TRUNCATED;
                m.what = rows[i].what;
                rows[i].get(b + HEAD, cn.len - HEAD, &m);
        }
        *ret = m;
        return 0;
}
