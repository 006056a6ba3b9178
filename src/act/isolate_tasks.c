/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isolate_tasks - which processes are in a network namespace, whose they are, and whether the container's could undo
 * what is done there. From /proc, proc(5).
 *
 * Owns: nothing. Must not: keep a namespace open. Hands over: numbers and ids, bounded.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/stat.h>

#include "isolate-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/clock.h"

#define PROCESSES_MAX 65536u
#define NAMESPACES_MAX 512u /* that are tried as somebody's */
#define ON_ITS_WAY_NS NSEC_PER_SEC

/* A small file of a process. 0 bytes: gone. */
static struct bytes read_of(const char *pid, const char *what, char *dst, size_t size)
{
        char path[64];
        _cleanup_close_ int fd = -1;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%.16s/%s", pid, what);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? 0 : read(fd, dst, size);
        return bytes_of(dst, n > 0 ? (size_t)n : 0);
}

static uint64_t inode_of(const char *pid, const char *ns)
{
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%.16s/ns/%s", pid, ns);
        return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Behind the name, which may hold anything: the 20th word from the state on. */
int64_t isolate_start_of(uint32_t pid)
{
        char text[1024], number[16], *at;
        struct bytes b;

        snprintf(number, sizeof(number), "%u", pid);
        b = read_of(number, "stat", text, sizeof(text) - 1);
        text[b.len] = '\0';
        at = strrchr(text, ')');
        for (int i = 0; at && i < 20; i++)
                at = strchr(at + 1, ' ');
        return at ? (int64_t)strtoull(at + 1, NULL, 10) : -ESRCH;
}

/* ---- who is there ---- */

static void add_mate(struct isolate_answer *a, const char *id)
{
        for (uint32_t i = 0; i < a->nmates; i++)
                if (strcmp(a->mates[i], id) == 0)
                        return;
        if (a->nmates == ISOLATE_MATES)
                a->facts |= ISOLATE_SEARCH_CUT;
        else
                memcpy(a->mates[a->nmates++], id, ISOLATE_ID);
}

/* What a runtime has just begun in there (exec) is on its way yet. */
static void look_where(struct isolate_answer *a, const char *pid)
{
        uint64_t ino = a->facts & ISOLATE_HOST_NETWORK ? 0 : inode_of(pid, "net");
        uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
        int64_t start;

        if (ino == 0 || ino == a->netns)
                return;
        start = isolate_start_of((uint32_t)strtoul(pid, NULL, 10));
        if (start < 0 || clock_boot_ns() < (uint64_t)start * (NSEC_PER_SEC / ticks) + ON_ITS_WAY_NS)
                return;
        a->elsewhere++;
        if (ino == a->host_netns)
                a->facts |= ISOLATE_IN_HOST;
}

/* Capabilities count in the namespace's own user namespace; a kernel that does not tell whose it is: as if they did. */
static void add_own(struct isolate_answer *a, const char *pid, uint64_t owner)
{
        char text[4096];
        struct bytes status = read_of(pid, "status", text, sizeof(text));
        uint64_t has = isolate_parse_caps(status, "CapPrm:") | isolate_parse_caps(status, "CapEff:");
        uint64_t may = isolate_parse_caps(status, "CapBnd:");

        a->tasks++;
        look_where(a, pid);
        if (owner && inode_of(pid, "user") != owner)
                return;
        if (has & 1ull << CAP_NET_ADMIN)
                a->facts |= ISOLATE_HAS_NET_ADMIN;
        if (may & 1ull << CAP_NET_ADMIN)
                a->facts |= ISOLATE_MAY_NET_ADMIN;
        if ((has | may) & 1ull << CAP_NET_RAW)
                a->facts |= ISOLATE_HAS_NET_RAW;
}

void isolate_look_at_own(struct isolate_answer *a, uint32_t pid, uint64_t owner)
{
        char number[16];

        snprintf(number, sizeof(number), "%u", pid);
        add_own(a, number, owner);
}

/* Of those elsewhere nothing is read: there can be thousands of them. */
static void look_at(struct isolate_answer *a, const char *pid, const char *id)
{
        char text[4096], other[ISOLATE_ID];
        struct bytes cgroup;

        if (inode_of(pid, "net") != a->netns)
                return;
        cgroup = read_of(pid, "cgroup", text, sizeof(text));
        if (isolate_parse_id(cgroup, other) < 0)
                a->other_tasks++;
        else if (strcmp(other, id) != 0)
                add_mate(a, other);
}

static bool is_number(const char *s)
{
        return *s >= '1' && *s <= '9';
}

void isolate_look_at_mates(struct isolate_answer *a, const char *id)
{
        DIR *d = opendir("/proc");
        unsigned seen = 0;
        struct dirent *e;

        while (d && (e = readdir(d))) {
                if (!is_number(e->d_name))
                        continue;
                if (++seen > PROCESSES_MAX) {
                        a->facts |= ISOLATE_SEARCH_CUT;
                        break;
                }
                look_at(a, e->d_name, id);
        }
        if (d)
                closedir(d);
}

/* ---- a namespace by its number ---- */

struct search {
        uint64_t ino;
        int32_t nsid;
        unsigned n;
        uint64_t seen[NAMESPACES_MAX];
};

/* Has it been looked at before? */
static bool is_new(struct search *s, uint64_t ino)
{
        for (unsigned i = 0; i < s->n; i++)
                if (s->seen[i] == ino)
                        return false;
        if (s->n == NAMESPACES_MAX)
                return false;
        s->seen[s->n++] = ino;
        return true;
}

/* The descriptor, if it is the one; else it is closed. */
static int try_one(struct search *s, int fd)
{
        struct stat st;

        if (fd < 0)
                return -ENOENT;
        if (fstat(fd, &st) == 0 && is_new(s, st.st_ino) &&
            (s->ino ? s->ino == st.st_ino : isolate_nsid(fd) == s->nsid))
                return fd;
        close(fd);
        return -ENOENT;
}

static int search_processes(struct search *s)
{
        DIR *d = opendir("/proc");
        int fd = -ENOENT;
        struct dirent *e;

        while (d && fd < 0 && (e = readdir(d))) {
                char path[64];
                struct stat st;

                if (!is_number(e->d_name))
                        continue;
                snprintf(path, sizeof(path), "/proc/%.16s/ns/net", e->d_name);
                if (stat(path, &st) == 0 && (s->ino ? s->ino == st.st_ino : true))
                        fd = try_one(s, open(path, O_RDONLY | O_CLOEXEC));
        }
        if (d)
                closedir(d);
        return fd;
}

static int search_names(struct search *s, const char *dir)
{
        DIR *d = opendir(dir);
        int fd = -ENOENT;
        struct dirent *e;

        while (d && fd < 0 && (e = readdir(d)))
                if (e->d_name[0] != '.')
                        fd = try_one(s, beneath_open(dirfd(d), bytes_str(e->d_name), O_RDONLY | O_NONBLOCK,
                                                     BENEATH_ANY_MOUNT));
        if (d)
                closedir(d);
        return fd;
}

int isolate_find_namespace(uint64_t ino, int32_t nsid)
{
        struct search *s = calloc(1, sizeof(*s));
        int fd = -ENOMEM;

        if (s) {
                s->ino = ino;
                s->nsid = nsid;
                fd = search_processes(s);
        }
        if (fd == -ENOENT)
                fd = search_names(s, "/run/netns");
        if (fd == -ENOENT)
                fd = search_names(s, "/run/docker/netns");
        free(s);
        return fd;
}
