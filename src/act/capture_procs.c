/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what is read of each process, and in which order: of all of them first what is short and tells who they are,
 * with their programs opened; then the sockets; then mappings and descriptors; then the rest. So a deadline costs the
 * least. Must not: believe that a
 * pid is still the same process: it is looked at before and after. Hands over: members to the hoard.
 */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"

#define CMDLINE_MAX (256u * 1024)
#define ENVIRON_MAX (1024u * 1024)
#define TEXT_MAX (16u * 1024 * 1024)
#define NAMESPACES_MAX 64u

struct procs {
        struct capture_run *r;
        struct capture_hoard *h;
        struct capture_proc *list;
        size_t n;
        struct buf lines; /* processes.jsonl */
        struct buf raw;   /* what is still to be masked */
        uint64_t netns[NAMESPACES_MAX], mntns[NAMESPACES_MAX];
        size_t nnetns, nmntns;
};

/* Is it the first time? */
static bool is_new(uint64_t *seen, size_t *n, uint64_t ns)
{
        for (size_t i = 0; i < *n; i++)
                if (seen[i] == ns)
                        return false;
        if (ns == 0 || *n == NAMESPACES_MAX)
                return false;
        seen[(*n)++] = ns;
        return true;
}

static void note_of(struct procs *s, enum capture_kind kind, const struct capture_proc *p, const char *file,
                    const char *why, int error)
{
        char what[64];

        snprintf(what, sizeof(what), "/proc/%u/%s", p->pid, file);
        capture_note(s->r->notes, kind, bytes_str(what), why, error);
}

/* The buffer for one file of a process; NULL: there is no room. */
static struct buf *member(struct procs *s, const struct capture_proc *p, const char *file)
{
        char name[32];
        struct buf *b;

        snprintf(name, sizeof(name), "%s", file);
        for (char *c = name; *c; c++)
                *c = *c == '/' ? '_' : *c;
        b = capture_hoard_add(s->h, "volatile/processes/%u/%s", p->pid, name);
        if (!b)
                note_of(s, CAPTURE_CUT, p, file, "no room for the volatile part", 0);
        return b;
}

/* These look into its memory, or wait for whoever holds its lock. */
static bool may_hang(const char *file)
{
        static const char *const files[] = {"cmdline", "environ", "maps", "io"};

        for (size_t i = 0; i < ARRAY_LEN(files); i++)
                if (strcmp(file, files[i]) == 0)
                        return true;
        return false;
}

static int fetch(struct procs *s, const struct capture_proc *p, const char *file, size_t max, struct buf *b)
{
        char path[64];
        int result;

        snprintf(path, sizeof(path), "/proc/%u/%s", p->pid, file);
        result = may_hang(file) ? capture_ask_read(s->r, p->pid, path, max, b) : capture_read(path, max, b);
        if (result > 0)
                note_of(s, CAPTURE_CUT, p, file, "it is longer", 0);
        else if (result < 0 && result != -ENOENT && result != -ESRCH && result != -EINVAL) /* EINVAL: no such module */
                note_of(s, CAPTURE_MISSED, p, file, "cannot be read", result);
        return result;
}

static struct bytes take(struct procs *s, const struct capture_proc *p, const char *file)
{
        struct buf *b = member(s, p, file);

        if (!b)
                return bytes_of(NULL, 0);
        if (fetch(s, p, file, TEXT_MAX, b) >= 0)
                return buf_bytes(b);
        capture_hoard_back(s->h, capture_hoard_count(s->h) - 1);
        return bytes_of(NULL, 0);
}

/* NUL stands between two arguments, and between two variables. */
static struct bytes take_masked(struct procs *s, const struct capture_proc *p, const char *file, size_t max)
{
        struct buf *b;

        buf_reset(&s->raw);
        if (fetch(s, p, file, max, &s->raw) < 0)
                return bytes_of(NULL, 0);
        b = member(s, p, file);
        if (!b)
                return bytes_of(NULL, 0);
        capture_mask(s->r, buf_bytes(&s->raw), b);
        return buf_bytes(b);
}

/* ---- one line for each ---- */

static int name_at(struct bytes stat)
{
        const uint8_t *at = stat.len ? memchr(stat.p, '(', stat.len) : NULL;

        return at ? (int)(at - stat.p) + 1 : -1;
}

static void line(struct procs *s, const struct capture_proc *p, struct bytes stat, struct bytes args,
                 const char *program)
{
        _cleanup_buf_ struct buf words;
        char comm[128] = "", fields[64] = "", state[2] = "?", *text;
        int from = name_at(stat), to = bytes_rfind(stat, ')'), ppid = 0;
        json_t *o;

        if (from >= 0 && to > from) { /* NUMBER (NAME) STATE PARENT …, and the name may hold anything */
                str_print(bytes_of(stat.p + from, (size_t)(to - from)), comm, sizeof(comm));
                snprintf(fields, sizeof(fields), "%.*s", (int)(stat.len - (uint32_t)to - 1), stat.p + to + 1);
                sscanf(fields, " %1s %d", state, &ppid);
        }
        buf_init(&words, 4 * 4096);
        for (uint32_t i = 0; i < args.len && i < 4096; i++)
                if (args.p[i] == '\0' && i + 1 < args.len)
                        buf_put_u8(&words, ' ');
                else
                        str_escape(bytes_of(args.p + i, args.p[i] != '\0'), &words);
        o = json_pack("{s:i, s:I, s:i, s:s, s:s, s:s, s:I, s:I, s:s}", "pid", (int)p->pid, "start",
                      (json_int_t)p->start, "ppid", ppid, "name", comm, "state", state, "why", p->why, "net_namespace",
                      (json_int_t)p->netns, "mount_namespace", (json_int_t)p->mntns, "args", buf_cstr(&words));
        if (o && program)
                json_object_set_new(o, "program", json_string(program));
        text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
        json_decref(o);
        if (text) {
                buf_put_str(&s->lines, text);
                buf_put_u8(&s->lines, '\n');
        }
        free(text);
}

/* ---- the rounds ---- */

static void first_look(struct procs *s, const struct capture_proc *p)
{
        const char *program = capture_program(s->r, s->h, p);
        struct bytes stat, args;

        take(s, p, "status");
        stat = take(s, p, "stat");
        args = take_masked(s, p, "cmdline", CMDLINE_MAX);
        line(s, p, stat, args, program);
        s->r->vol.processes++;
}

static void second_look(struct procs *s, const struct capture_proc *p)
{
        struct bytes maps = take(s, p, "maps");
        struct buf *b;

        capture_mappings(s->r, s->h, p, maps);
        b = member(s, p, "links.jsonl");
        if (b)
                capture_links(s->r, p, b);
}

static void third_look(struct procs *s, const struct capture_proc *p)
{
        static const char *const files[] = {"cgroup",    "uid_map",      "gid_map", "limits",       "loginuid",
                                            "sessionid", "attr/current", "io",      "oom_score_adj"};

        take_masked(s, p, "environ", ENVIRON_MAX);
        if (is_new(s->mntns, &s->nmntns, p->mntns))
                take(s, p, "mountinfo");
        for (size_t i = 0; i < ARRAY_LEN(files); i++)
                take(s, p, files[i]);
}

/* One look at one process: what another one left that has its pid by now is thrown away. */
static void look(struct procs *s, const struct capture_proc *p, const char *what,
                 void (*round)(struct procs *s, const struct capture_proc *p))
{
        size_t before = capture_hoard_count(s->h), lines = s->lines.len;
        uint64_t start;

        if (capture_volatile_late(s->r)) {
                note_of(s, CAPTURE_MISSED, p, what, "the time was over", 0);
                return;
        }
        if (!capture_is(p->pid, p->start)) {
                note_of(s, CAPTURE_VANISHED, p, what, "the process ended before it was read", 0);
                return;
        }
        round(s, p);
        start = capture_start_of(p->pid);
        if (start == p->start)
                return;
        if (start) {
                s->r->vol.processes -= s->lines.len > lines;
                capture_hoard_back(s->h, before);
                s->lines.len = lines;
        }
        note_of(s, CAPTURE_VANISHED, p, what, "the process ended while it was read", 0);
}

static void look_at_all(struct procs *s, const char *what, void (*round)(struct procs *s, const struct capture_proc *p))
{
        for (size_t i = 0; i < s->n; i++)
                look(s, &s->list[i], what, round);
}

/* By the first process of each that is still there. */
static void networks(struct procs *s)
{
        for (size_t i = 0; i < s->n; i++) {
                size_t before = s->nnetns;

                if (is_new(s->netns, &s->nnetns, s->list[i].netns) && !capture_net(s->r, s->h, &s->list[i]))
                        s->nnetns = before;
        }
}

static void more_descriptors(void)
{
        struct rlimit l;

        if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
                l.rlim_cur = l.rlim_max;
                setrlimit(RLIMIT_NOFILE, &l); /* without it fewer programs are kept, and that is told */
        }
}

int capture_procs_read(struct capture_run *r, struct capture_hoard *h)
{
        struct procs s = {.r = r, .h = h};
        struct buf *b;
        int result = capture_choose(r, &s.list, &s.n);

        if (result < 0)
                return result;
        more_descriptors();
        buf_init(&s.lines, 32u * 1024 * 1024);
        buf_init(&s.raw, ENVIRON_MAX + 1);
        look_at_all(&s, "status", first_look);
        networks(&s);
        look_at_all(&s, "maps", second_look);
        look_at_all(&s, "environ", third_look);
        b = capture_hoard_add(h, "volatile/processes.jsonl");
        if (b)
                buf_put(b, s.lines.p, s.lines.len);
        if (!b || b->err || s.lines.err)
                capture_note(r->notes, CAPTURE_CUT, BYTES_LIT("volatile/processes.jsonl"), "no room for all of it", 0);
        buf_release(&s.lines);
        buf_release(&s.raw);
        free(s.list);
        return 0;
}
