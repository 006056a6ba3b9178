/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which processes are the container's. Must not: read more of them than that takes. Hands over: them, the init
 * first, with why each counts.
 *
 * The container's id in a cgroup's path; or its mount namespace (entered from the host, outside its cgroup); or its pid
 * namespace, if the cgroup has no other container's id, since a pod may share one.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act/capture-priv.h"

#define PROCESSES_MAX 16384u
#define CGROUP_MAX 65536u
#define ID_HEX 64u

struct choice {
        struct capture_run *r;
        struct capture_proc *list;
        size_t n, room;
        uint64_t host_pidns, host_mntns;
        struct buf text;
};

/* Is there anything that looks like a container's id? */
static bool has_an_id(const char *text)
{
        size_t run = 0;

        for (; *text; text++) {
                run = isxdigit((unsigned char)*text) ? run + 1 : 0;
                if (run >= ID_HEX)
                        return true;
        }
        return false;
}

static const char *why(struct choice *c, uint32_t pid, uint64_t *ret_mntns)
{
        const struct capture_spec *s = c->r->spec;
        uint64_t pidns = capture_ns(pid, "pid");
        char path[64];

        *ret_mntns = capture_ns(pid, "mnt");
        buf_reset(&c->text);
        snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
        if (capture_read(path, CGROUP_MAX, &c->text) < 0)
                return NULL;
        if (strstr(buf_cstr(&c->text), s->id))
                return "cgroup";
        if (s->mntns && *ret_mntns == s->mntns && s->mntns != c->host_mntns)
                return "mount namespace";
        if (s->pidns && pidns == s->pidns && s->pidns != c->host_pidns && !has_an_id(buf_cstr(&c->text)))
                return "pid namespace";
        return pid == s->init_pid ? "init" : NULL;
}

static int add(struct choice *c, const struct capture_proc *p)
{
        struct capture_proc *more;
        size_t room = c->room ? c->room * 2 : 64;

        if (c->n == PROCESSES_MAX) {
                capture_note(c->r->notes, CAPTURE_CUT, BYTES_LIT("volatile/processes"), "too many processes", 0);
                return -E2BIG;
        }
        if (c->n == c->room) {
                more = realloc(c->list, room * sizeof(*more));
                if (!more)
                        return -ENOMEM;
                c->list = more;
                c->room = room;
        }
        c->list[c->n] = *p;
        if (p->pid == c->r->spec->init_pid && c->n > 0) {
                c->list[c->n] = c->list[0];
                c->list[0] = *p;
        }
        c->n++;
        return 0;
}

static int look(struct choice *c, uint32_t pid)
{
        struct capture_proc p = {.pid = pid};

        p.why = why(c, pid, &p.mntns);
        if (!p.why)
                return 0;
        p.netns = capture_ns(pid, "net");
        p.start = capture_start_of(pid);
        return p.start ? add(c, &p) : 0; /* it has ended meanwhile */
}

int capture_choose(struct capture_run *r, struct capture_proc **ret, size_t *ret_n)
{
        struct choice c = {.r = r, .host_pidns = capture_ns(0, "pid"), .host_mntns = capture_ns(0, "mnt")};
        DIR *d = opendir("/proc");
        struct dirent *e;
        int result = 0;

        if (!d)
                return -errno;
        buf_init(&c.text, CGROUP_MAX + 1);
        while (result == 0 && (e = readdir(d)))
                if (isdigit((unsigned char)e->d_name[0]))
                        result = look(&c, (uint32_t)strtoul(e->d_name, NULL, 10));
        closedir(d);
        buf_release(&c.text);
        if (result < 0 && result != -E2BIG) {
                free(c.list);
                return result;
        }
        *ret = c.list;
        *ret_n = c.n;
        return 0;
}
