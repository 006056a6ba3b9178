/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what a process's links say, and its descriptors. Must not: open what they lead to. Hands over: JSON, one link a
 * line: {"link":"exe","to":"/bin/sh"}, {"fd":3,"to":"socket:[17]","flags":"02","pos":"0",…}.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "act/capture-priv.h"

#define FDS_MAX 8192u
#define INFO_MAX 1024u

static void put_line(json_t *o, struct buf *out)
{
        char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

        json_decref(o);
        if (!text)
                return;
        buf_put_str(out, text);
        buf_put_u8(out, '\n');
        free(text);
}

/* Where it leads, escaped; NULL: it cannot be told. */
static json_t *target(const char *path)
{
        _cleanup_buf_ struct buf b;
        char to[PATH_MAX];
        ssize_t n = readlink(path, to, sizeof(to));

        buf_init(&b, 4 * PATH_MAX + 1);
        if (n < 0)
                return NULL;
        str_escape(bytes_of(to, (size_t)n), &b);
        return json_string(buf_cstr(&b));
}

static void put_link(const struct capture_proc *p, const char *name, struct buf *out)
{
        char path[64];
        json_t *to;

        snprintf(path, sizeof(path), "/proc/%u/%s", p->pid, name);
        to = target(path);
        if (to)
                put_line(json_pack("{s:s, s:o}", "link", name, "to", to), out);
}

/* fdinfo is "name:\tvalue" lines; the first three are of every descriptor, what follows is of its kind. */
static void add_info(json_t *o, const char *path)
{
        _cleanup_buf_ struct buf b;
        char *line, *rest, *value;

        buf_init(&b, INFO_MAX + 1);
        if (capture_read(path, INFO_MAX, &b) < 0)
                return;
        buf_cstr(&b);
        for (line = strtok_r((char *)b.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                value = strchr(line, ':');
                if (!value)
                        continue;
                *value++ = '\0';
                while (isspace((unsigned char)*value))
                        value++;
                json_object_set_new(o, line, json_string(value)); /* a value that is no UTF-8 is left out */
        }
}

static void put_fd(const struct capture_proc *p, const char *fd, struct buf *out)
{
        char path[64];
        json_t *o, *to;

        snprintf(path, sizeof(path), "/proc/%u/fd/%.16s", p->pid, fd);
        to = target(path);
        if (!to)
                return;
        o = json_pack("{s:i, s:o}", "fd", atoi(fd), "to", to);
        snprintf(path, sizeof(path), "/proc/%u/fdinfo/%.16s", p->pid, fd);
        if (o)
                add_info(o, path);
        put_line(o, out);
}

static void put_fds(struct capture_run *r, const struct capture_proc *p, struct buf *out)
{
        struct dirent *e;
        unsigned n = 0;
        char path[64];
        DIR *d;

        snprintf(path, sizeof(path), "/proc/%u/fd", p->pid);
        d = opendir(path);
        if (!d) {
                if (errno != ENOENT && errno != ESRCH)
                        capture_note(r->notes, CAPTURE_MISSED, bytes_str(path), "cannot be listed", -errno);
                return;
        }
        while ((e = readdir(d))) {
                if (!isdigit((unsigned char)e->d_name[0]))
                        continue;
                if (++n > FDS_MAX || out->err) {
                        capture_note(r->notes, CAPTURE_CUT, bytes_str(path), "too many descriptors", 0);
                        break;
                }
                if (n % 64 == 0 && capture_volatile_late(r)) {
                        capture_note(r->notes, CAPTURE_MISSED, bytes_str(path), "the time was over", 0);
                        break;
                }
                put_fd(p, e->d_name, out);
        }
        closedir(d);
}

void capture_links(struct capture_run *r, const struct capture_proc *p, struct buf *out)
{
        static const char *const links[] = {"exe",    "cwd",    "root",    "ns/cgroup", "ns/ipc", "ns/mnt",
                                            "ns/net", "ns/pid", "ns/time", "ns/user",   "ns/uts"};

        for (size_t i = 0; i < ARRAY_LEN(links); i++)
                put_link(p, links[i], out);
        put_fds(r, p, out);
}
