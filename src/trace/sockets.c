/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the search for a socket among processes' descriptors, and its bounds. Must not: open any of them. Hands over: a
 * process.
 */
#include "tidemark/sockets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tidemark/clock.h"

#define REMEMBERED 4096u /* sockets; a power of two */
#define LATELY 8u        /* processes that had the last ones */
#define CANDIDATES_MAX 512u
#define PROCESSES_MAX 64u /* looked at for one socket */
#define KEEP_LISTING (SOCKETS_BURST / 4)
#define SHARES 32u        /* namespaces whose half is kept apart; a power of two */

/* What is not one descriptor, in descriptors: by the time that it takes. */
#define COST_CANDIDATES 16u /* the table of all processes is gone through */
#define COST_OPEN 6u                          /* and the status is read */
#define COST_SLOTS(n) (1 + (uint32_t)(n) / 1024) /* of the table, in use or not: fs/proc/fd.c, proc_readfd_common() */

#define WINDOW_FIRST 256u /* numbers whose descriptors are listed together: twice as many each time, for new ones are */
#define WINDOW_MAX 4096u  /* among the first, as a rule */
#define NUMBER_MAX (1u << 30)

/* linux/dirent.h, which is not for programs: getdents64(2) */
struct dirent64_ {
        uint64_t ino;
        int64_t off;
        uint16_t reclen;
        uint8_t type;
        char name[];
};

struct seen {
        uint32_t inode; /* 0: free */
        uint32_t fd;
        uint64_t netns;
        struct sockets_process p; /* pid 0: nobody had it */
        uint64_t until_ns;        /* then: it is not looked for before */
};

struct lately {
        struct sockets_process p; /* pid 0: none */
        uint64_t netns;
        uint32_t fd; /* of its last one */
};

struct credit {
        uint64_t since_ns; /* 0: nothing was ever taken */
        uint32_t left;
};

struct share {
        uint64_t netns;
        struct credit credit;
};

struct sockets {
        const struct sockets_ops *ops;
        void *arg;
        struct seen seen[REMEMBERED];
        struct lately lately[LATELY]; /* the last one first */
        struct credit all;
        struct share shares[SHARES];
        uint32_t numbers[WINDOW_MAX];
        struct sockets_stats stats;
};

/* One search. */
struct look {
        struct sockets *ss;
        const struct sockets_process *p; /* who is looked at */
        uint64_t netns;
        uint32_t inode;
        uint32_t left;         /* that this search may still cost */
        uint64_t until_ns;     /* then it is over */
        struct credit *own;    /* the namespace's */
        bool incomplete;       /* something was not looked at: it may be there */
        uint32_t listed[LATELY]; /* pids of the last ones, whose lists were read */
        size_t nlisted;
        struct sockets_process found;
        uint32_t found_fd;
};

int sockets_new(const struct sockets_ops *ops, void *arg, struct sockets **ret)
{
        struct sockets *ss = calloc(1, sizeof(*ss));

        if (!ss)
                return -ENOMEM;
        ss->ops = ops;
        ss->arg = arg;
        *ret = ss;
        return 0;
}

struct sockets *sockets_free(struct sockets *ss)
{
        free(ss);
        return NULL;
}

/* ---- the budget ---- */

static void refill(struct credit *c, uint64_t now_ns, uint32_t rate, uint32_t burst)
{
        uint64_t apart = now_ns > c->since_ns ? now_ns - c->since_ns : 0, more;

        if (c->since_ns == 0 || apart >= NSEC_PER_SEC * burst / rate) {
                *c = (struct credit){.since_ns = now_ns ? now_ns : 1, .left = burst};
                return;
        }
        more = apart * rate / NSEC_PER_SEC;
        c->since_ns += more * NSEC_PER_SEC / rate;
        c->left = more < burst - c->left ? c->left + (uint32_t)more : burst;
}

static struct credit *share_of(struct sockets *ss, uint64_t netns)
{
        struct share *s = &ss->shares[netns & (SHARES - 1)];

        if (s->netns != netns)
                *s = (struct share){.netns = netns};
        return &s->credit;
}

static uint64_t mono_ns(const struct sockets *ss)
{
        return ss->ops->mono_ns ? ss->ops->mono_ns(ss->arg) : clock_mono_ns();
}

/* keep: what is left for others. False: it is not looked at. */
static bool affords(struct look *l, uint32_t cost, uint32_t keep)
{
        const struct credit *all = &l->ss->all, *own = l->own;

        if (l->left >= cost && all->left >= cost + keep &&
            (all->left >= SOCKETS_BURST / 2 || own->left >= cost + keep / 2) && mono_ns(l->ss) < l->until_ns)
                return true;
        l->incomplete = true;
        return false;
}

static void take(uint32_t *left, uint32_t cost)
{
        *left -= *left < cost ? *left : cost;
}

static void pay(struct look *l, uint32_t cost)
{
        take(&l->left, cost);
        take(&l->ss->all.left, cost);
        take(&l->own->left, cost);
}

static bool spend(struct look *l, uint32_t cost, uint32_t keep)
{
        if (!affords(l, cost, keep))
                return false;
        pay(l, cost);
        return true;
}

static bool spend_listing(struct look *l, uint32_t cost)
{
        return spend(l, cost, KEEP_LISTING);
}

/* ---- what is remembered ---- */

static struct seen *place(struct sockets *ss, uint32_t inode)
{
        return &ss->seen[inode & (REMEMBERED - 1)];
}

/* The one asked first the next time. */
static void came_from(struct sockets *ss, uint64_t netns, const struct sockets_process *p, uint32_t fd)
{
        size_t at = 0;

        while (at < LATELY - 1 && (ss->lately[at].p.pid != p->pid || ss->lately[at].p.start != p->start))
                at++;
        memmove(&ss->lately[1], &ss->lately[0], at * sizeof(ss->lately[0]));
        ss->lately[0] = (struct lately){.p = *p, .netns = netns, .fd = fd};
}

/* ---- one descriptor ---- */

/* The text of a link. True: it is the one. */
static bool link_is(struct look *l, const char *text, uint32_t fd)
{
        uint32_t inode;

        if (sscanf(text, "socket:[%u]", &inode) != 1 || inode == 0)
                return false;
        *place(l->ss, inode) = (struct seen){.inode = inode, .fd = fd, .netns = l->netns, .p = *l->p};
        if (inode != l->inode)
                return false;
        l->found = *l->p;
        l->found_fd = fd;
        return true;
}

/* dir: of the process's descriptors, or -1. */
static bool number_is(struct look *l, int dir, uint32_t fd)
{
        char path[48], text[32];
        ssize_t len;

        if (dir >= 0)
                snprintf(path, sizeof(path), "%u", fd);
        else
                snprintf(path, sizeof(path), "/proc/%u/fd/%u", l->p->pid, fd);
        l->ss->stats.descriptors++;
        len = readlinkat(dir >= 0 ? dir : AT_FDCWD, path, text, sizeof(text) - 1);
        if (len <= 0)
                return false;
        text[len] = '\0';
        return link_is(l, text, fd);
}

/* ---- where the last ones were ---- */

static bool try_at(struct look *l, const struct lately *last, int64_t apart)
{
        int64_t fd = (int64_t)last->fd + apart;

        l->p = &last->p;
        return fd >= 0 && fd < NUMBER_MAX && spend(l, 1, 0) && number_is(l, -1, (uint32_t)fd);
}

static bool try_near(struct look *l, const struct lately *last)
{
        for (int64_t apart = 1; apart <= SOCKETS_NEAR; apart++)
                if (try_at(l, last, apart) || try_at(l, last, -apart))
                        return true;
        return false;
}

static size_t lately_here(const struct look *l, struct lately to[LATELY])
{
        const struct sockets *ss = l->ss;
        size_t n = 0;

        for (size_t i = 0; i < LATELY; i++)
                if (ss->lately[i].p.pid && ss->lately[i].netns == l->netns &&
                    ss->ops->alive(&ss->lately[i].p, ss->arg))
                        to[n++] = ss->lately[i];
        return n;
}

/* ---- all of a process's ---- */

/* The list of its descriptors. */
struct list {
        int dir;
        uint32_t slots; /* the size of its table */
};

/* 0: it is gone. */
static uint32_t slots_of(uint32_t pid)
{
        _cleanup_close_ int fd = -1;
        char text[1024], *at; /* the line is among the first ones, and no name has a new line in it */
        ssize_t len;

        snprintf(text, sizeof(text), "/proc/%u/status", pid);
        fd = open(text, O_RDONLY | O_CLOEXEC);
        len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        text[len > 0 ? len : 0] = '\0';
        at = strstr(text, "\nFDSize:");
        return at ? (uint32_t)strtoul(at + strlen("\nFDSize:"), NULL, 10) : 0;
}

/*
 * The next piece of the list from number *at on, which is then the one that the kernel came to: entries in buf. Their
 * length; 0: there are none, or it is gone; -1: it would cost too much.
 */
static long entries_from(struct look *l, const struct list *list, uint32_t *at, void *buf, size_t size)
{
        /* fs/proc/fd.c: behind "." and ".." the position in the list is the number */
        off_t from = (off_t)*at + 2, end;
        long n;

        if (!affords(l, COST_SLOTS(list->slots > *at ? list->slots - *at : 0), KEEP_LISTING))
                return -1;
        if (lseek(list->dir, from, SEEK_SET) < 0)
                return 0;
        n = syscall(SYS_getdents64, list->dir, buf, size);
        end = lseek(list->dir, 0, SEEK_CUR); /* where it found no room, or the end of the table */
        end = end > from ? end : from;
        pay(l, COST_SLOTS(end - from));
        *at = (uint32_t)(end - 2);
        return n > 0 ? n : 0;
}

#define NONE (-1)
#define UNKNOWN (-2)

/* The least number in use from at on. */
static int64_t first_from(struct look *l, const struct list *list, uint32_t at)
{
        char buf[48] __attribute__((aligned(8))); /* holds one */
        const struct dirent64_ *d = (const struct dirent64_ *)(const void *)buf;
        uint32_t to = at;
        long len = entries_from(l, list, &to, buf, sizeof(buf));
        int64_t fd;

        if (len <= 0)
                return len < 0 ? UNKNOWN : NONE;
        fd = atoi(d->name);
        return fd >= at && fd < NUMBER_MAX / 2 ? fd : NONE;
}

/* A number above all that are in use, and not far. 0: it would cost too much. */
static uint32_t top_of(struct look *l, const struct list *list)
{
        uint32_t used = 0, above = WINDOW_FIRST;
        int64_t fd = NONE;

        while (above < list->slots && (fd = first_from(l, list, above)) >= 0) {
                used = (uint32_t)fd + 1;
                above = used > above * 2 ? used : above * 2;
        }
        while (fd != UNKNOWN && above > used && above - used > WINDOW_FIRST) {
                uint32_t mid = used + (above - used) / 2;

                fd = first_from(l, list, mid);
                if (fd >= 0)
                        used = (uint32_t)fd + 1;
                else
                        above = mid;
        }
        return fd == UNKNOWN ? 0 : above > used ? above : used;
}

/* The numbers in use of a window, ascending. How many. */
static size_t numbers_of(struct look *l, const struct list *list, uint32_t from, uint32_t to)
{
        char buf[6144] __attribute__((aligned(8))); /* WINDOW_FIRST entries, of 24 bytes as a rule */
        uint32_t *numbers = l->ss->numbers, next = from;
        size_t n = 0;
        long len;

        while (next < to && (len = entries_from(l, list, &next, buf, sizeof(buf))) > 0) {
                const struct dirent64_ *d;

                for (long at = 0; at < len; at += d->reclen) {
                        uint32_t fd;

                        d = (const struct dirent64_ *)(const void *)(buf + at);
                        fd = (uint32_t)atoi(d->name);
                        if (d->name[0] == '.' || fd < from)
                                continue;
                        if (fd >= to || n == WINDOW_MAX)
                                return n;
                        numbers[n++] = fd;
                }
        }
        return n;
}

/*
 * Where the credit wanes flows come in numbers, and the next one's socket is among the others: then it is gone on
 * behind the one that is looked for.
 */
static bool window_has(struct look *l, const struct list *list, uint32_t from, uint32_t to)
{
        size_t n = numbers_of(l, list, from, to);
        bool has = false;

        while (n > 0 && (!has || l->ss->all.left < SOCKETS_BURST / 4 * 3) && spend_listing(l, 1))
                has |= number_is(l, list->dir, l->ss->numbers[--n]);
        return has;
}

/* 1: has it; 0: has not, is gone, or is too much to look at: the next may be less; -1: the search is over. */
static int process_has(struct look *l, const struct sockets_process *p)
{
        _cleanup_close_ int dir = -1;
        uint32_t top, window = WINDOW_FIRST;
        struct list list;
        char path[32];
        bool has = false;

        if (!spend_listing(l, COST_OPEN))
                return -1;
        l->p = p;
        l->ss->stats.processes++;
        snprintf(path, sizeof(path), "/proc/%u/fd", p->pid);
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        list = (struct list){.dir = dir, .slots = dir < 0 ? 0 : slots_of(p->pid)};
        top = list.slots ? top_of(l, &list) : 0;
        while (top > 0 && !has) {
                uint32_t from = top > window ? top - window : 0;

                has = window_has(l, &list, from, top);
                top = from;
                window = window < WINDOW_MAX ? window * 2 : window;
        }
        return has;
}

/* ---- the search ---- */

static bool is_listed(const struct look *l, uint32_t pid)
{
        for (size_t i = 0; i < l->nlisted; i++)
                if (l->listed[i] == pid)
                        return true;
        return false;
}

static int list_lately(struct look *l, const struct lately *last, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                r = process_has(l, &last[i].p);
                l->listed[l->nlisted++] = last[i].p.pid;
        }
        return r;
}

/* The youngest first. */
static int list_all(struct look *l)
{
        struct sockets_process all[CANDIDATES_MAX];
        struct sockets *ss = l->ss;
        size_t n, tried = 0;
        int r = 0;

        if (!spend_listing(l, COST_CANDIDATES))
                return -1;
        n = ss->ops->candidates(l->netns, all, CANDIDATES_MAX, ss->arg);
        l->incomplete |= n == CANDIDATES_MAX; /* there may be more */
        while (n > 0 && r == 0) {
                if (is_listed(l, all[--n].pid))
                        continue;
                if (tried++ == PROCESSES_MAX) {
                        l->incomplete = true;
                        break;
                }
                r = process_has(l, &all[n]);
        }
        return r;
}

static bool search(struct look *l)
{
        struct lately last[LATELY];
        size_t n = lately_here(l, last);
        int r;

        for (size_t i = 0; i < n; i++)
                if (try_at(l, &last[i], 0))
                        return true;
        for (size_t i = 0; i < n; i++)
                if (try_near(l, &last[i]))
                        return true;
        r = list_lately(l, last, n);
        if (r == 0)
                r = list_all(l);
        return r == 1;
}

static int look_for(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns, struct sockets_process *ret)
{
        struct look l = {.ss = ss, .netns = netns, .inode = inode, .left = SOCKETS_SEARCH};

        l.own = share_of(ss, netns);
        l.until_ns = mono_ns(ss) + SOCKETS_SEARCH_NS;
        refill(&ss->all, now_ns, SOCKETS_RATE, SOCKETS_BURST);
        refill(l.own, now_ns, SOCKETS_RATE / 2, SOCKETS_BURST / 2);
        if (search(&l)) {
                came_from(ss, netns, &l.found, l.found_fd);
                *ret = l.found;
                return 0;
        }
        if (l.incomplete)
                return -EBUSY;
        *place(ss, inode) = (struct seen){.inode = inode, .netns = netns, .until_ns = now_ns + SOCKETS_MISS_NS};
        return -ENOENT;
}

/* 1: *ret has it; -ENOENT: nobody had it a moment ago; 0: nothing is known. */
static int recall(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns, struct sockets_process *ret)
{
        const struct seen *s = place(ss, inode);

        if (s->inode != inode || s->netns != netns)
                return 0;
        if (s->p.pid == 0)
                return now_ns < s->until_ns ? -ENOENT : 0;
        if (!ss->ops->alive(&s->p, ss->arg))
                return 0;
        ss->stats.remembered++;
        came_from(ss, netns, &s->p, s->fd);
        *ret = s->p;
        return 1;
}

int sockets_find(struct sockets *ss, uint64_t netns, uint32_t inode, uint64_t now_ns, struct sockets_process *ret)
{
        int r = inode ? recall(ss, netns, inode, now_ns, ret) : -ENOENT;

        ss->stats.asked++;
        if (r == 1)
                return 0;
        if (r == 0)
                r = look_for(ss, netns, inode, now_ns, ret);
        ss->stats.found += r == 0;
        ss->stats.gone += r == -ENOENT;
        ss->stats.refused += r == -EBUSY;
        return r;
}

void sockets_stats(const struct sockets *ss, struct sockets_stats *ret)
{
        *ret = ss->stats;
}
