/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program holds that ran and is not the image's: the sensor has opened its file, a worker hashes it, and a
 * TIDE_HASH says it, behind its exec.
 *
 * Owns: the worker, what waits for it, and the hashes of late, so that one that runs again and again is read once. Must
 * not: read a file. Hands over: a TIDE_HASH for each TIDE_RAN, within DEADLINE_NS.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/engine-priv.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/helper.h"
#include "tidemark/log.h"
#include "tidemark/passfd.h"

#define MOD "hashes"
#define WAITING 128u
#define CACHED 256u
#define DEADLINE_NS (20 * NSEC_PER_SEC)
#define IDLE_NS (60 * NSEC_PER_SEC) /* then the worker ends: mostly nothing runs from write layers */
#define ANSWERS_A_TURN 32

/* Which content: a file's number, size and times of change. The last cannot be put back. */
struct version {
        uint64_t hash; /* of its container's id */
        uint64_t ino, size, mtime_ns, ctime_ns;
};

struct waiting {
        uint64_t token; /* 0: free */
        uint64_t due_ns;
        struct version version;
        uint8_t layer;
        struct str_owned container, path;
};

struct cached {
        struct version version;
        uint8_t sha256[TIDE_SHA256];
        bool used;
};

struct engine_hash {
        int program; /* -1: none */
        int fd;      /* -1: no worker runs */
        pid_t pid;
        struct loop_src *src;
        struct loop_timer *timer;
        struct helper_stuck stuck;
        struct waiting waiting[WAITING];
        uint64_t last, idle_ns;
        struct cached cached[CACHED];
        size_t next;
        uint64_t told[HASH__MAX], again, restarts;
};

/* ---- telling ---- */

/* On the way of all that the sensor tells: never before its exec, which may still wait for what audit has. */
static int tell(struct engine *e, struct bytes container, struct tide_hash *h)
{
        struct tide_event ev = {.kind = TIDE_HASH, .sources = SRC_ENGINE, .container = container, .hash = *h};

        ev.boot_ns = clock_boot_ns();
        ev.wall_ns = clock_wall_ns();
        e->hash->told[h->state < HASH__MAX ? h->state : HASH_UNREADABLE]++;
        return engine_audit_event(e, &ev);
}

static void forget(struct waiting *w)
{
        str_clear(&w->container);
        str_clear(&w->path);
        memset(w, 0, sizeof(*w));
}

static int tell_waiting(struct engine *e, struct waiting *w, uint8_t state, struct bytes sha256)
{
        struct tide_hash h = {.path = str_get(&w->path), .layer = w->layer, .state = state, .sha256 = sha256};
        int r;

        h.size = w->version.size;
        h.ino = w->version.ino;
        h.mtime_ns = w->version.mtime_ns;
        h.ctime_ns = w->version.ctime_ns;
        r = tell(e, str_get(&w->container), &h);
        forget(w);
        return r;
}

/* ---- the worker ---- */

/* hung: it may be held up in a read, and nobody waits for its end. */
static void rest(struct engine_hash *k, bool hung)
{
        k->src = loop_src_del(k->src);
        if (k->fd >= 0)
                close(k->fd);
        k->fd = -1;
        if (hung)
                helper_leave(&k->stuck, &k->pid);
        else
                helper_end(&k->pid);
        helper_reap(&k->stuck);
}

/* It is gone, or does not answer: whatever waits for it is told to be late. */
static int give_up(struct engine *e, const char *why)
{
        struct engine_hash *k = e->hash;
        int r = 0;

        log_warn(MOD, "the worker that hashes programs of write layers %s", why);
        k->restarts++;
        rest(k, true);
        for (size_t i = 0; i < WAITING && r == 0; i++)
                if (k->waiting[i].token)
                        r = tell_waiting(e, &k->waiting[i], HASH_LATE, bytes_of(NULL, 0));
        return r;
}

static struct waiting *by_token(struct engine_hash *k, uint64_t token)
{
        for (size_t i = 0; i < WAITING; i++)
                if (token && k->waiting[i].token == token)
                        return &k->waiting[i];
        return NULL;
}

static void keep(struct engine_hash *k, const struct version *v, struct bytes sha256)
{
        struct cached *c = &k->cached[k->next++ % CACHED];

        c->version = *v;
        c->used = true;
        memcpy(c->sha256, sha256.p, TIDE_SHA256);
}

/* Its answer is a claim: of one that waits, once. */
static int on_answer(struct engine *e, const uint8_t *p, size_t len)
{
        struct engine_hash *k = e->hash;
        struct waiting *w;
        struct bytes sha256;
        struct rd r;
        uint8_t state;

        rd_init(&r, p, len);
        w = by_token(k, rd_u64(&r));
        state = rd_u8(&r);
        rd_u64(&r);
        sha256 = rd_bytes(&r);
        if (r.err || !w || state >= HASH__MAX || (state == HASH_KNOWN) != (sha256.len == TIDE_SHA256))
                return give_up(e, "answers what nobody asked");
        if (state == HASH_KNOWN)
                keep(k, &w->version, sha256);
        return tell_waiting(e, w, state, sha256);
}

static int on_worker(struct loop_src *src, int fd, short revents, void *arg)
{
        struct engine *e = arg;
        uint8_t msg[256];
        int r = 0;

        (void)src, (void)revents;
        for (int n = 0; n < ANSWERS_A_TURN && r == 0 && e->hash->fd == fd; n++) {
                ssize_t len = recv(fd, msg, sizeof(msg), MSG_DONTWAIT);

                if (len < 0 && (errno == EAGAIN || errno == EINTR))
                        return LOOP_DONE;
                r = len <= 0 ? give_up(e, "has ended") : on_answer(e, msg, (size_t)len);
        }
        return r < 0 ? r : e->hash->fd == fd ? LOOP_MORE : LOOP_DONE;
}

static int start(struct engine *e)
{
        char name[] = "tidemark-image", how[] = "hash", *argv[] = {name, how, NULL};
        struct engine_hash *k = e->hash;
        int r;

        if (k->fd >= 0)
                return 0;
        if (k->program < 0 || helper_reap(&k->stuck) == HELPER_STUCK)
                return -EOPNOTSUPP;
        r = engine_worker(k->program, argv, -1, false, &k->fd, &k->pid);
        if (r == 0)
                r = loop_add(e->loop, k->fd, POLLIN, LOOP_WORK, "hash worker", on_worker, e, &k->src);
        if (r < 0)
                rest(k, true);
        return r;
}

/* The earliest deadline of those that wait; else when a worker that nobody needs ends. 0: there is none. */
static uint64_t due(const struct engine_hash *k)
{
        uint64_t first = 0;

        for (size_t i = 0; i < WAITING; i++)
                if (k->waiting[i].token && (first == 0 || k->waiting[i].due_ns < first))
                        first = k->waiting[i].due_ns;
        return first ? first : k->fd >= 0 ? k->idle_ns : 0;
}

static bool is_busy(const struct engine_hash *k)
{
        for (size_t i = 0; i < WAITING; i++)
                if (k->waiting[i].token)
                        return true;
        return false;
}

static void on_timer(struct loop_timer *t, void *arg)
{
        struct engine *e = arg;
        struct engine_hash *k = e->hash;
        int r = 0;

        if (due(k) > loop_now(e->loop)) {
                loop_timer_set(t, due(k));
                return;
        }
        if (is_busy(k))
                r = give_up(e, "does not answer in time");
        else
                rest(k, false);
        if (r < 0)
                loop_stop(e->loop, r);
}

/* ---- what is asked ---- */

static const uint8_t *cached_of(const struct engine_hash *k, const struct version *v)
{
        for (size_t i = 0; i < CACHED; i++)
                if (k->cached[i].used && memcmp(&k->cached[i].version, v, sizeof(*v)) == 0)
                        return k->cached[i].sha256;
        return NULL;
}

static struct waiting *free_place(struct engine_hash *k)
{
        for (size_t i = 0; i < WAITING; i++)
                if (k->waiting[i].token == 0)
                        return &k->waiting[i];
        return NULL;
}

static int ask(struct engine *e, const struct tide_event *ev, const struct version *v, int fd)
{
        struct engine_hash *k = e->hash;
        struct waiting *w = free_place(k);
        uint8_t msg[8];
        int r = w ? start(e) : -ENOBUFS;

        if (r < 0)
                return r;
        r = str_set(&w->container, ev->container);
        if (r == 0)
                r = str_set(&w->path, ev->hash.path);
        for (unsigned i = 0; i < sizeof(msg); i++)
                msg[i] = (uint8_t)((k->last + 1) >> (8 * i));
        if (r == 0)
                r = passfd_send(k->fd, msg, sizeof(msg), &fd, 1, MSG_DONTWAIT);
        if (r < 0) {
                forget(w);
                return r;
        }
        w->token = ++k->last;
        w->version = *v;
        w->layer = ev->hash.layer;
        w->due_ns = loop_now(e->loop) + DEADLINE_NS;
        k->idle_ns = loop_now(e->loop) + IDLE_NS;
        loop_timer_set(k->timer, due(k));
        return 0;
}

int engine_hash_ran(struct engine *e, const struct tide_event *ev, int *fd)
{
        static const struct map_seed seed = {0x7069656365, 0x636f6e7461};
        struct version v = {.hash = map_hash(seed, ev->container), .ino = ev->hash.ino, .size = ev->hash.size};
        struct tide_hash h = ev->hash;
        const uint8_t *known;
        int r;

        v.mtime_ns = h.mtime_ns;
        v.ctime_ns = h.ctime_ns;
        h.sha256 = bytes_of(NULL, 0);
        if (*fd < 0)
                return tell(e, ev->container, &h);
        known = cached_of(e->hash, &v);
        if (known) {
                e->hash->again++;
                h.state = HASH_KNOWN;
                h.sha256 = bytes_of(known, TIDE_SHA256);
                return tell(e, ev->container, &h);
        }
        r = ask(e, ev, &v, *fd);
        if (r == 0)
                return 0;
        h.state = r == -EOPNOTSUPP ? HASH_UNREADABLE : HASH_LATE;
        return tell(e, ev->container, &h);
}

void engine_hash_status(const struct engine *e, json_t *o)
{
        const struct engine_hash *k = e->hash;
        json_t *v = json_pack("{s:b,s:I,s:I}", "running", k->fd >= 0, "from_cache", (json_int_t)k->again, "restarts",
                              (json_int_t)k->restarts);

        for (unsigned i = 0; v && i < HASH__MAX; i++)
                json_object_set_new(v, tide_hash_name(i), json_integer((json_int_t)k->told[i]));
        if (v)
                json_object_set_new(o, "hash_worker", v);
}

int engine_hash_open(struct engine *e, int program)
{
        e->hash = calloc(1, sizeof(*e->hash));
        if (!e->hash)
                return -ENOMEM;
        e->hash->fd = -1;
        e->hash->program = program;
        return loop_timer_new(e->loop, on_timer, e, &e->hash->timer);
}

void engine_hash_close(struct engine *e)
{
        struct engine_hash *k = e->hash;

        if (!k)
                return;
        rest(k, true);
        for (size_t i = 0; i < WAITING; i++)
                forget(&k->waiting[i]);
        loop_timer_free(k->timer);
        free(k);
        e->hash = NULL;
}
