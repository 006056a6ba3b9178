/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that a process has loaded from a file that is not the image's: a library dropped into the write layer.
 *
 * Owns: when which process's mappings are looked at (a little after each program's start, when a dropped library is
 * opened, on the slow round), and which files have a mark for their opening. Must not: read a process's memory itself
 * (peek.h does), or follow a path that a container chose. Hands over: one TIDE_PRIV for each process and file.
 *
 * Looks are few: each container has its measure, what is over it is counted and left to the slow round.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/layer.h"
#include "tidemark/log.h"
#include "tidemark/map.h"
#include "tidemark/openfile.h"

#define MOD "mapped"
#define LOOKS 512u                            /* that wait for their time */
#define AFTER_EXEC_NS (30 * NSEC_PER_MSEC)    /* the dynamic loader is mostly done in one */
#define AFTER_OPEN_NS (2 * NSEC_PER_MSEC)     /* between open(2) and mmap(2) */
#define ROUND_STEP_NS (5 * NSEC_PER_MSEC)     /* between two processes of the slow round */
#define LOOK_INTERVAL_NS (100 * NSEC_PER_MSEC) /* of one container, when its burst is used up */
#define LOOK_BURST 30u
#define DEADLINE_NS (2 * NSEC_PER_SEC)
#define KNOWN_MAX 8192u  /* files that were looked at and are the image's */
#define TOLD_MAX 4096u   /* process and file */
#define MARKS_PER_CONTAINER 64u
#define MARKS 512u

struct look {
        uint64_t due_ns, start;
        uint32_t pid, tag;
};
struct asked {
        uint64_t token;
        struct look look;
};
struct mark {
        uint32_t tag;
        uint64_t dev, ino;
        char *path; /* owned; NULL: free */
};
struct file_key {
        uint32_t tag, pid;
        uint64_t start, dev, ino;
};

struct mapped {
        struct peek *peek;
        struct loop_timer *timer;
        struct look looks[LOOKS];
        size_t n;
        struct asked asked[PEEK_WAITING];
        uint64_t token;
        struct map *known, *told;
        struct mark marks[MARKS];
        size_t next_mark; /* the oldest */
        struct sensor_mapped_stats stats;
};

/* ---- looks ---- */

static void arm(struct mapped *m)
{
        uint64_t due = UINT64_MAX;

        for (size_t i = 0; i < m->n; i++)
                if (m->looks[i].due_ns < due)
                        due = m->looks[i].due_ns;
        if (m->n)
                loop_timer_set(m->timer, due);
}

static void look_later(struct mapped *m, const struct look *l)
{
        for (size_t i = 0; i < m->n; i++)
                if (m->looks[i].pid == l->pid && m->looks[i].start == l->start) {
                        if (l->due_ns < m->looks[i].due_ns)
                                m->looks[i].due_ns = l->due_ns;
                        arm(m);
                        return;
                }
        if (m->n == LOOKS) {
                m->stats.passed_over++;
                return;
        }
        m->looks[m->n++] = *l;
        arm(m);
}

static bool may_look(struct mapped *m, struct container *c, uint64_t now)
{
        c->look_rate.interval_ns = LOOK_INTERVAL_NS;
        c->look_rate.burst = LOOK_BURST;
        if (now >= c->unread_until_ns && rate_pass(&c->look_rate, now, NULL))
                return true;
        m->stats.passed_over++;
        return false;
}

static void look(struct sensor *s, const struct look *l)
{
        struct mapped *m = s->mapped;
        struct asked *a = &m->asked[(m->token + 1) % PEEK_WAITING];

        if (peek_maps(m->peek, m->token + 1, l->pid, l->start) < 0) {
                m->stats.passed_over++;
                return;
        }
        m->token++;
        m->stats.looks++;
        *a = (struct asked){.token = m->token, .look = *l};
}

static void on_time(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        struct mapped *m = s->mapped;
        uint64_t now = loop_now(s->loop);

        (void)t;
        for (size_t i = 0; i < m->n;) {
                struct look l = m->looks[i];

                if (l.due_ns > now) {
                        i++;
                        continue;
                }
                m->looks[i] = m->looks[--m->n];
                look(s, &l);
        }
        arm(m);
}

void sensor_mapped_exec(struct sensor *s, struct container *c, uint32_t pid, uint64_t start)
{
        uint64_t now = clock_boot_ns();

        if (s->mapped && start && c->layer && may_look(s->mapped, c, now))
                look_later(s->mapped, &(struct look){now + AFTER_EXEC_NS, start, pid, c->tag});
}

struct round {
        struct sensor *s;
        uint64_t due_ns;
};

static void on_process(uint32_t pid, uint64_t start, struct container *c, void *arg)
{
        struct round *r = arg;

        if (!c->layer || !start || r->due_ns < c->unread_until_ns)
                return;
        r->due_ns += ROUND_STEP_NS;
        look_later(r->s->mapped, &(struct look){r->due_ns, start, pid, c->tag});
}

void sensor_mapped_round(struct sensor *s)
{
        struct round r = {.s = s, .due_ns = clock_boot_ns()};

        if (s->mapped)
                proctab_each_acting(s->proctab, on_process, &r);
}

/* ---- what is found ---- */

static struct bytes key_of(const struct file_key *k)
{
        return bytes_of(k, sizeof(*k));
}

/* Was it there? From now on it is. A full table begins anew: then something is looked at, or told, once more. */
static bool remember(struct map **map, size_t limit, const struct file_key *k)
{
        if (map_get(*map, key_of(k)))
                return true;
        if (map_count(*map) >= limit) {
                map_free(*map);
                *map = NULL;
                if (map_new(limit, map_seed_random(), NULL, map) < 0)
                        return true; /* out of memory: nothing is told twice */
        }
        if (map_put(*map, key_of(k), map) < 0)
                return false;
        return false;
}

static bool is_news(uint8_t layer, uint8_t change)
{
        return layer == LAYER_WRITE || layer == LAYER_TMPFS || layer == LAYER_MEMFD ||
               (layer == LAYER_DELETED && change == CHANGE_ADDED);
}

static void tell(struct sensor *s, struct container *c, const struct look *l, const struct peek_mapped *f,
                 uint8_t layer, uint8_t change)
{
        struct tide_event ev = {.kind = TIDE_PRIV, .sources = SRC_PROCFS, .container = bytes_str(c->id)};
        struct container *its = NULL;

        if (proctab_actor(s->proctab, l->pid, clock_boot_ns(), &s->lineage, &ev.priv.actor, &its) < 0 || its != c ||
            ev.priv.actor.start != l->start)
                return;
        ev.priv.what = PRIV_MAPPED;
        ev.priv.path = buf_bytes(&s->path);
        if (bytes_eq(ev.priv.path, ev.priv.actor.exe))
                return; /* what it runs is told by its exec */
        ev.priv.layer = layer;
        ev.priv.change = change;
        ev.priv.mode = f->mode;
        ev.priv.size = f->size;
        ev.priv.ino = f->ino;
        s->mapped->stats.told++;
        sensor_send(s, PAIR_EXEC, &ev, -1);
}

static void on_mapped(uint64_t token, const struct peek_mapped *f, void *arg)
{
        struct sensor *s = arg;
        struct mapped *m = s->mapped;
        const struct asked *a = &m->asked[token % PEEK_WAITING];
        struct container *c = a->token == token ? containers_by_tag(s->containers, a->look.tag) : NULL;
        struct file_key known = {0}, told = {0};
        uint8_t layer, change;

        if (!c)
                return;
        known.tag = c->tag;
        known.dev = told.dev = f->dev;
        known.ino = told.ino = f->ino;
        if (m->known && map_get(m->known, key_of(&known)))
                return;
        openfile_mapped(c, a->look.pid, f, &s->path, &layer, &change);
        if (s->path.err)
                return;
        if (layer == LAYER_IMAGE)
                (void)remember(&m->known, KNOWN_MAX, &known);
        if (!is_news(layer, change))
                return;
        told.pid = a->look.pid;
        told.start = a->look.start;
        if (!remember(&m->told, TOLD_MAX, &told))
                tell(s, c, &a->look, f, layer, change);
}

static void on_end(uint64_t token, int error, struct bytes args, uint32_t total, void *arg)
{
        struct sensor *s = arg;
        const struct asked *a = &s->mapped->asked[token % PEEK_WAITING];

        (void)args, (void)total;
        if (error == -ETIMEDOUT && a->token == token)
                sensor_peek_bar(s, a->look.tag, a->look.pid);
}

/* ---- dropped libraries: a mark tells who opens them ---- */

static bool is_code(int fd, struct bytes path)
{
        int slash = bytes_rfind(path, '/');
        struct bytes name = bytes_of(path.p + slash + 1, path.len - (uint32_t)(slash + 1));
        char head[4];

        for (uint32_t i = 0; i + 3 <= name.len; i++)
                if (!memcmp(name.p + i, ".so", 3) && (i + 3 == name.len || name.p[i + 3] == '.'))
                        return true;
        return pread(fd, head, sizeof(head), 0) == sizeof(head) && !memcmp(head, "\177ELF", sizeof(head));
}

/* A mark holds the inode, not the mount; with the file system it goes by itself. Of a file that got another name the
 * place is not known any more: its mark stays until the file goes. */
static void unmark(struct sensor *s, struct mark *k)
{
        struct container *c = containers_by_tag(s->containers, k->tag);
        _cleanup_close_ int root = -1, fd = -1;
        char path[64];
        struct stat st;

        if (c) {
                snprintf(path, sizeof(path), "/proc/%u/root", c->init_pid);
                root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        if (root >= 0 && fstat(root, &st) == 0 && (uint64_t)st.st_dev == c->root_dev)
                fd = beneath_open(root, bytes_str(k->path), O_PATH, BENEATH_ONE_MOUNT);
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == k->ino)
                fan_source_watch_open(s->fan, fd, false);
        free(k->path);
        k->path = NULL;
}

static struct mark *place_for(struct sensor *s, const struct container *c)
{
        struct mapped *m = s->mapped;
        struct mark *oldest = NULL, *k;
        unsigned own = 0;

        for (size_t i = 0; i < MARKS; i++) {
                k = &m->marks[(m->next_mark + i) % MARKS];
                if (!k->path || k->tag != c->tag)
                        continue;
                oldest = oldest ? oldest : k;
                own++;
        }
        if (own >= MARKS_PER_CONTAINER)
                unmark(s, oldest);
        k = &m->marks[m->next_mark];
        m->next_mark = (m->next_mark + 1) % MARKS;
        if (k->path)
                unmark(s, k);
        return k;
}

void sensor_mapped_written(struct sensor *s, struct container *c, int fd, struct bytes path, uint64_t dev,
                           uint64_t ino)
{
        struct mapped *m = s->mapped;
        struct mark *k;

        if (!m || !s->fan || c->how == FAN_HOW_NONE || !is_code(fd, path))
                return;
        m->known = map_free(m->known); /* one of them may be changed now */
        if (map_new(KNOWN_MAX, map_seed_random(), NULL, &m->known) < 0)
                m->known = NULL;
        for (size_t i = 0; i < MARKS; i++)
                if (m->marks[i].path && m->marks[i].tag == c->tag && m->marks[i].ino == ino && m->marks[i].dev == dev)
                        return;
        k = place_for(s, c);
        k->path = bytes_dup(path);
        if (!k->path || fan_source_watch_open(s->fan, fd, true) < 0) {
                free(k->path);
                k->path = NULL;
                m->stats.marks_refused++;
                return;
        }
        k->tag = c->tag;
        k->dev = dev;
        k->ino = ino;
}

void sensor_mapped_opened(struct sensor *s, uint32_t pid)
{
        struct container *c = s->mapped ? proctab_container(s->proctab, pid) : NULL;
        uint64_t now = clock_boot_ns(), start;

        if (c && proctab_start(s->proctab, pid, &start) == 0 && may_look(s->mapped, c, now))
                look_later(s->mapped, &(struct look){now + AFTER_OPEN_NS, start, pid, c->tag});
}

void sensor_mapped_gone(struct sensor *s, const struct container *c)
{
        for (size_t i = 0; s->mapped && i < MARKS; i++)
                if (s->mapped->marks[i].path && s->mapped->marks[i].tag == c->tag) {
                        free(s->mapped->marks[i].path);
                        s->mapped->marks[i].path = NULL;
                }
}

/* ---- life ---- */

int sensor_mapped_start(struct sensor *s)
{
        static const struct peek_ops ops = {.end = on_end, .mapped = on_mapped, .confine = sensor_peek_confine};
        struct mapped *m = calloc(1, sizeof(*m));
        int r = m ? 0 : -ENOMEM;

        if (r == 0)
                r = loop_timer_new(s->loop, on_time, s, &m->timer);
        if (r == 0)
                r = map_new(KNOWN_MAX, map_seed_random(), NULL, &m->known);
        if (r == 0)
                r = map_new(TOLD_MAX, map_seed_random(), NULL, &m->told);
        if (r == 0)
                r = peek_start(s->loop, "tidemark-maps", DEADLINE_NS, &ops, s, &m->peek);
        s->mapped = m;
        if (r < 0)
                log_error(MOD, "the helper that reads mappings cannot be started: %s", err_str(r));
        return r;
}

void sensor_mapped_stop(struct sensor *s)
{
        struct mapped *m = s->mapped;

        if (!m)
                return;
        for (size_t i = 0; i < MARKS; i++)
                free(m->marks[i].path);
        peek_stop(m->peek);
        loop_timer_free(m->timer);
        map_free(m->known);
        map_free(m->told);
        free(m);
        s->mapped = NULL;
}

void sensor_mapped_stats(const struct sensor *s, struct sensor_mapped_stats *ret)
{
        struct peek_stats st;

        peek_stats(s->mapped->peek, &st);
        *ret = s->mapped->stats;
        ret->hung = st.hung;
        ret->pid = peek_pid(s->mapped->peek);
        ret->marks = 0;
        for (size_t i = 0; i < MARKS; i++)
                ret->marks += s->mapped->marks[i].path != NULL;
}
