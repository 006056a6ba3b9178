/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images are read once for each digest: the engine starts a worker (tidemark-image), asks the sensor to open the files
 * of a container's layers into the worker's socket, and injects what it tells as TIDE_PRIOR.
 *
 * Owns: which images wait, the one that is read now, its worker and deadline. Must not: read a file, or believe more of
 * the worker than a record that decodes: it has parsed what an image's author wrote. Hands over: events to the
 * pipeline.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/engine-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/helper.h"
#include "tidemark/log.h"
#include "tidemark/meta.h"

#define MOD "images"
#define WAITING_MAX 256u
#define TRIES 3u /* of one digest that fails, in one life */
#define TRIED_MAX 4096u
#define RECORDS_A_TURN 4
#define RECORDS_MAX 4096u /* of one image */
#define WORDS_MAX 2000u

struct want {
        struct str_owned container, digest;
        struct buf begin; /* encoded PRIOR_BEGIN, with what the image's configuration says */
};

struct engine_image {
        int program; /* -1: none, or not wanted */
        char scratch[512];
        struct want waiting[WAITING_MAX];
        uint32_t first, n; /* a ring */
        struct map *tried; /* digest → how often it has failed */
        /* The one under way: */
        pid_t pid;
        int fd; /* -1: none */
        struct loop_src *src;
        struct loop_timer *deadline;
        struct helper_stuck stuck;
        struct want now;
        uint32_t records;
        bool ended; /* its last record came */
        uint64_t began_ns;
        uint8_t msg[TIDE_RECORD_MAX]; /* what the worker told last: nothing of it is kept */
        uint64_t done, partial, failed, late, malformed, refused;
};

static void want_clear(struct want *w)
{
        str_clear(&w->container);
        str_clear(&w->digest);
        buf_release(&w->begin);
        memset(w, 0, sizeof(*w));
}

/* ---- the worker ---- */

/* Copies of rpm's database of the last image. */
static void empty_scratch(const char *path)
{
        DIR *d = opendir(path);
        struct dirent *k;

        while (d && (k = readdir(d)))
                if (k->d_name[0] != '.' || strlen(k->d_name) > 2)
                        unlinkat(dirfd(d), k->d_name, 0);
        if (d)
                closedir(d);
}

static int start_worker(struct engine *e, int files)
{
        struct engine_image *im = e->image;
        char name[] = "tidemark-image", how[] = "facts", max_files[16], bytes[24], percent[8];
        char *argv[] = {name, how, max_files, bytes, percent, im->scratch, NULL};

        snprintf(max_files, sizeof(max_files), "%u", e->cfg->judge.max_image_files);
        snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)e->cfg->image_mib << 20);
        snprintf(percent, sizeof(percent), "%u", e->cfg->image_cpu_max);
        return engine_worker(im->program, argv, files, true, &im->fd, &im->pid);
}

/* ---- what became of one ---- */

static void rest(struct engine_image *im)
{
        im->src = loop_src_del(im->src);
        loop_timer_stop(im->deadline);
        if (im->fd >= 0)
                close(im->fd);
        im->fd = -1;
}

static int inject(struct engine *e, struct tide_event *ev)
{
        int r = engine_inject(e, ev);

        return r == -EINVAL || r == ERR_LIMIT ? 0 : r;
}

static int begin(struct engine *e)
{
        struct engine_image *im = e->image;
        struct tide_event ev;
        size_t used;

        if (tide_decode(im->now.begin.p, im->now.begin.len, &ev, &used) < 0)
                return 0;
        return inject(e, &ev);
}

static void count_try(struct engine_image *im)
{
        struct bytes digest = str_get(&im->now.digest);
        uintptr_t tries = (uintptr_t)map_get(im->tried, digest);

        if (map_put(im->tried, digest, (void *)(tries + 1)) < 0)
                im->refused++;
}

/* Said in the log and, where nothing was known of the image, kept as what is known of it. */
static int TM_PRINTF(2, 3) fail(struct engine *e, const char *fmt, ...)
{
        struct engine_image *im = e->image;
        struct tide_event ev = {.kind = TIDE_PRIOR};
        char words[512], digest[80];
        va_list ap;
        int r;

        va_start(ap, fmt);
        vsnprintf(words, sizeof(words), fmt, ap);
        va_end(ap);
        log_warn(MOD, "image %s cannot be read: %s", str_print(str_get(&im->now.digest), digest, sizeof(digest)),
                 words);
        im->failed++;
        count_try(im);
        r = begin(e);
        ev.prior.part = PRIOR_END;
        ev.prior.state = PRIOR_FAILED;
        ev.prior.digest = str_get(&im->now.digest);
        ev.prior.words = bytes_str(words);
        if (r == 0)
                r = inject(e, &ev);
        return r;
}

/* The next one, when this turn's work is done. */
static void finish(struct engine *e)
{
        struct engine_image *im = e->image;

        rest(im);
        helper_leave(&im->stuck, &im->pid);
        helper_reap(&im->stuck);
        empty_scratch(im->scratch);
        want_clear(&im->now);
        loop_timer_set(im->deadline, loop_now(e->loop)); /* see on_timer */
}

static void say_done(const struct engine *e, const struct tide_prior *t)
{
        const struct engine_image *im = e->image;
        char digest[80], words[300];

        log_info(MOD, "image %.19s: %u packages, %u programs, libraries and scripts; %llu MiB read in %.1f s%s%s",
                 str_print(str_get(&im->now.digest), digest, sizeof(digest)), t->packages, t->files,
                 (unsigned long long)(t->read_bytes >> 20), (double)(clock_boot_ns() - im->began_ns) / 1e9,
                 t->words.len ? "; " : "", str_print(t->words, words, sizeof(words)));
}

/* All is said; the worker ends by itself. */
static int on_end(struct engine *e, struct tide_event *ev)
{
        struct engine_image *im = e->image;
        char words[WORDS_MAX];
        int r;

        im->ended = true;
        if (ev->prior.words.len > WORDS_MAX)
                ev->prior.words.len = WORDS_MAX;
        if (ev->prior.state == PRIOR_FAILED) {
                r = fail(e, "%s",
                         ev->prior.words.len ? str_print(ev->prior.words, words, sizeof(words))
                                             : "nothing was found in its layers");
                return r;
        }
        im->done++;
        im->partial += ev->prior.state == PRIOR_PARTIAL;
        say_done(e, &ev->prior);
        return inject(e, ev);
}

static int on_result(struct engine *e, const uint8_t *p, size_t len)
{
        struct engine_image *im = e->image;
        struct tide_event ev, clean = {.kind = TIDE_PRIOR};
        size_t used;
        int r;

        if (tide_decode(p, len, &ev, &used) < 0 || used != len || ev.kind != TIDE_PRIOR ||
            ev.prior.part == PRIOR_NONE || ev.prior.part == PRIOR_BEGIN || ++im->records > RECORDS_MAX || im->ended) {
                im->malformed++;
                r = im->ended ? 0 : fail(e, "what its worker tells is malformed");
                return r < 0 ? r : 1;
        }
        clean.prior = ev.prior; /* nothing else of it counts */
        clean.prior.digest = str_get(&im->now.digest);
        if (im->records == 1 && !(clean.prior.part == PRIOR_END && clean.prior.state == PRIOR_FAILED)) {
                r = begin(e);
                if (r < 0)
                        return r;
        }
        if (clean.prior.part == PRIOR_END)
                return on_end(e, &clean);
        return inject(e, &clean);
}

/* Where it ended without an end: how. Its sockets are closed, so nothing can hold it up any more. */
static int on_gone(struct engine *e)
{
        struct engine_image *im = e->image;
        char words[ENGINE_WORKER_END];
        int status = helper_gone(&im->pid);

        if (im->ended)
                return 0;
        return fail(e, "%s", engine_worker_end(status, words));
}

static int on_worker(struct loop_src *src, int fd, short revents, void *arg)
{
        struct engine *e = arg;
        struct engine_image *im = e->image;
        int r = 0;

        (void)src, (void)revents;
        for (int n = 0; n < RECORDS_A_TURN && r == 0; n++) {
                ssize_t len = recv(fd, im->msg, sizeof(im->msg), MSG_DONTWAIT);

                if (len < 0 && (errno == EAGAIN || errno == EINTR))
                        return LOOP_DONE;
                if (len <= 0) {
                        r = on_gone(e);
                        r = r < 0 ? r : 1;
                } else {
                        r = on_result(e, im->msg, (size_t)len);
                }
        }
        if (r == 1)
                finish(e);
        return r < 0 ? r : r == 0 ? LOOP_MORE : LOOP_DONE;
}

/* ---- which ---- */

static int ask_sensor(struct engine *e, int files)
{
        struct tide_event ev = {.kind = TIDE_ACT, .container = str_get(&e->image->now.container)};

        ev.act.act = ACT_IMAGE;
        return engine_send_fd(e, &ev, files);
}

static int start(struct engine *e)
{
        struct engine_image *im = e->image;
        int sv[2], r;

        if (helper_reap(&im->stuck) == HELPER_STUCK)
                return -EBUSY;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
                return -errno;
        r = start_worker(e, sv[1]);
        close(sv[1]);
        if (r == 0)
                r = loop_add(e->loop, im->fd, POLLIN, LOOP_WORK, "image worker", on_worker, e, &im->src);
        if (r == 0)
                r = ask_sensor(e, sv[0]);
        close(sv[0]);
        im->records = 0;
        im->ended = false;
        im->began_ns = clock_boot_ns();
        if (r == 0)
                loop_timer_set(im->deadline, loop_now(e->loop) + e->cfg->image_deadline_ns);
        return r;
}

static bool is_known(const struct engine *e, struct bytes digest)
{
        struct judge_image known;

        return judge_image_get(pipeline_judge(e->pipeline), digest, &known) && known.state != PRIOR_FAILED;
}

static void start_next(struct engine *e)
{
        struct engine_image *im = e->image;

        while (im->n && im->fd < 0) {
                uint32_t last;
                int r;

                im->n--; /* the latest first: what starts now is to be judged sooner than what has run for long */
                last = (im->first + im->n) % WAITING_MAX;
                im->now = im->waiting[last];
                memset(&im->waiting[last], 0, sizeof(im->now));
                if (is_known(e, str_get(&im->now.digest))) {
                        want_clear(&im->now);
                        continue;
                }
                r = start(e);
                if (r < 0) {
                        r = fail(e, "its worker cannot be started: %s", err_str(r));
                        finish(e);
                }
                if (r < 0) {
                        loop_stop(e->loop, r);
                        return;
                }
        }
}

/* The deadline of the one under way; or there is none, and the next one may begin. */
static void on_timer(struct loop_timer *t, void *arg)
{
        struct engine *e = arg;
        struct engine_image *im = e->image;
        int r = 0;

        (void)t;
        if (im->fd >= 0) {
                im->late += !im->ended;
                r = im->ended ? 0
                              : fail(e, "it took longer than image.deadline, %llu s",
                                     (unsigned long long)(e->cfg->image_deadline_ns / NSEC_PER_SEC));
                finish(e);
                loop_timer_stop(im->deadline);
        }
        if (r < 0)
                loop_stop(e->loop, r);
        else
                start_next(e);
}

static bool is_waiting(const struct engine_image *im, struct bytes digest)
{
        if (bytes_eq(str_get(&im->now.digest), digest))
                return true;
        for (uint32_t i = 0; i < im->n; i++)
                if (bytes_eq(str_get(&im->waiting[(im->first + i) % WAITING_MAX].digest), digest))
                        return true;
        return false;
}

static int fill(struct want *w, struct bytes container, const struct meta *m, struct bytes digest)
{
        struct tide_event ev = {.kind = TIDE_PRIOR, .sources = SRC_ENGINE};
        int r = str_set(&w->container, container);

        if (r == 0)
                r = str_set(&w->digest, digest);
        ev.prior.part = PRIOR_BEGIN;
        ev.prior.digest = digest;
        meta_image(m, &ev.prior);
        buf_init(&w->begin, TIDE_RECORD_MAX);
        return r < 0 ? r : tide_encode(&ev, &w->begin);
}

void engine_image_want(struct engine *e, struct bytes container, const struct meta *m, struct bytes digest)
{
        struct engine_image *im = e->image;
        struct want *w;

        if (!im || im->program < 0 || digest.len == 0 || is_known(e, digest) || is_waiting(im, digest) ||
            (uintptr_t)map_get(im->tried, digest) >= TRIES)
                return;
        if (im->n == WAITING_MAX) { /* the one that waits for longest goes */
                want_clear(&im->waiting[im->first]);
                im->first = (im->first + 1) % WAITING_MAX;
                im->n--;
                im->refused++;
        }
        w = &im->waiting[(im->first + im->n) % WAITING_MAX];
        if (fill(w, container, m, digest) < 0) {
                want_clear(w);
                im->refused++;
                return;
        }
        im->n++;
        if (im->fd < 0)
                loop_timer_set(im->deadline, loop_now(e->loop));
}

void engine_image_status(const struct engine *e, json_t *o)
{
        const struct engine_image *im = e->image;
        char digest[100];
        json_t *j = json_pack("{s:b,s:I,s:b,s:I,s:I,s:I,s:I,s:I,s:I}", "on", im->program >= 0, "waiting",
                              (json_int_t)im->n, "reading", im->fd >= 0, "read", (json_int_t)im->done, "partial",
                              (json_int_t)im->partial, "failed", (json_int_t)im->failed, "late", (json_int_t)im->late,
                              "malformed", (json_int_t)im->malformed, "refused", (json_int_t)im->refused);

        if (j) {
                json_object_set_new(j, "image",
                                    im->fd >= 0
                                            ? json_string(str_print(str_get(&im->now.digest), digest, sizeof(digest)))
                                            : json_null());
                json_object_set_new(o, "image_worker", j);
        }
}

int engine_image_open(struct engine *e, const struct engine_setup *s)
{
        struct engine_image *im = calloc(1, sizeof(*im));
        int r;

        if (!im)
                return -ENOMEM;
        e->image = im;
        im->fd = -1;
        im->program = s->image_fd;
        r = map_new(TRIED_MAX, map_seed_random(), NULL, &im->tried);
        if (r == 0)
                r = loop_timer_new(e->loop, on_timer, e, &im->deadline);
        if (r < 0)
                return r;
        snprintf(im->scratch, sizeof(im->scratch), "%s/scratch", s->dir);
        if (mkdir(im->scratch, 0700) < 0 && errno != EEXIST)
                log_warn(MOD, "%s cannot be made (%s): rpm's databases are not read", im->scratch, err_str(-errno));
        empty_scratch(im->scratch);
        return 0;
}

void engine_image_close(struct engine *e)
{
        struct engine_image *im = e->image;

        if (!im)
                return;
        rest(im);
        helper_leave(&im->stuck, &im->pid);
        for (uint32_t i = 0; i < WAITING_MAX; i++)
                want_clear(&im->waiting[i]);
        want_clear(&im->now);
        map_free(im->tried);
        loop_timer_free(im->deadline);
        if (im->program >= 0)
                close(im->program);
        free(im);
        e->image = NULL;
}
