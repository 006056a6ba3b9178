/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ring of recordings costs: processor time and bytes an event, by a recording from a real host that is played
 * with and without a ring; and how long the loop stands still for a snapshot of much that is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/config.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/record.h"
#include "tidemark/ring.h"

#define RUNS 3
#define T0 INT64_C(1767323045000000000)

static void check(int r, const char *what)
{
        if (r >= 0)
                return;
        fprintf(stderr, "bench_ring: %s: %s\n", what, err_str(r));
        exit(EXIT_FAILURE);
}

static double cpu_seconds(void)
{
        struct rusage u;

        check(getrusage(RUSAGE_SELF, &u), "getrusage");
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int make_params(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg)
{
        struct cfg_mistakes ms = {0};
        struct cfg *c = arg;
        int r;

        cfg_default(c);
        r = cfg_load_text(text, "the recording's configuration", c, &ms);
        cfg_mistakes_release(&ms);
        *jp = c->judge;
        *fp = c->fuse;
        return r;
}

static struct ring *open_ring(const char *dir, struct pipeline *p)
{
        struct ring_params rp = {.dir = dir, .size = 1u << 30, .segment = 16u << 20, .period_ns = UINT64_MAX / 2};
        struct ring *r = NULL;

        check(ring_open(&rp, &r), dir);
        check(ring_begin(r, p, BYTES_LIT(""), 0, T0), "the first segment");
        return r;
}

struct played {
        double cpu;
        uint64_t events, bytes, raw; /* raw: of the recording's own frames */
};

/* As the engine does it: the ring is looked at now and then, and flushed every ten seconds of the events' time. */
static void play(const char *path, const char *dir, struct played *ret)
{
        struct record_reader *reader = NULL;
        struct pipeline *p = NULL;
        struct ring *ring = NULL;
        struct ring_stats st = {0};
        uint64_t flushed = 0, first = 0, before = 0;
        struct tide_event ev;
        struct cfg cfg;
        double begin = 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC), r;

        check(fd < 0 ? -errno : 0, path);
        check(record_reader_new(fd, &reader), path);
        check(record_next(reader, &ev), path);
        check(pipeline_from(&ev, make_params, NULL, &cfg, &p), "its configuration");
        ret->events = 0;
        while ((r = record_next(reader, &ev)) == 1) {
                if (ev.kind != TIDE_STATE && ret->events++ == 0) {
                        first = record_offset(reader);
                        ring = dir ? open_ring(dir, p) : NULL;
                        if (ring)
                                ring_stats(ring, &st);
                        before = st.bytes;
                        begin = cpu_seconds();
                }
                check(pipeline_play(p, &ev), "an event");
                if (ring && ev.boot_ns > flushed + UINT64_C(10000000000)) {
                        check(ring_keep(ring, p, true), "the ring");
                        flushed = ev.boot_ns;
                }
        }
        if (r < 0 && r != ERR_TRUNCATED)
                check(r, path);
        ret->cpu = cpu_seconds() - begin;
        ret->raw = record_offset(reader) - first;
        if (ring)
                ring_stats(ring, &st);
        ret->bytes = st.bytes - before;
        ring_close(ring, p);
        pipeline_free(p);
        record_reader_free(reader);
        close(fd);
}

static void bench_events(const char *path, const char *dir)
{
        struct played with = {0}, without = {0}, one;

        for (int i = 0; i < RUNS; i++) {
                play(path, NULL, &one);
                without = i == 0 || one.cpu < without.cpu ? one : without;
                play(path, dir, &one);
                with = i == 0 || one.cpu < with.cpu ? one : with;
        }
        printf("%llu events: %.3f s without a ring, %.3f s with it: %.1f ms more for 100000 events\n",
               (unsigned long long)with.events, without.cpu, with.cpu,
               (with.cpu - without.cpu) * 1e3 * 1e5 / (double)with.events);
        printf("%.1f bytes an event, of %.1f that are not packed\n", (double)with.bytes / (double)with.events,
               (double)with.raw / (double)with.events);
}

static void know(struct pipeline *p, unsigned workloads, unsigned keys)
{
        struct tide_event ev;
        char id[65], text[64];

        for (unsigned w = 0; w < workloads; w++) {
                snprintf(id, sizeof(id), "%064x", w);
                ev = (struct tide_event){
                        .kind = TIDE_CTR_START, .container = bytes_str(id), .wall_ns = T0, .boot_ns = 1};
                check(pipeline_event(p, &ev), "a container");
                ev = (struct tide_event){.kind = TIDE_CONTENT, .container = bytes_str(id), .wall_ns = T0, .boot_ns = 1};
                snprintf(text, sizeof(text), "workload-%u", w);
                ev.content.name = bytes_str(text);
                ev.content.name_given = 1;
                check(pipeline_event(p, &ev), "its name");
                for (unsigned k = 0; k < keys; k++) {
                        ev = (struct tide_event){.kind = TIDE_EXEC, .container = bytes_str(id), .boot_ns = 1};
                        ev.wall_ns = T0;
                        snprintf(text, sizeof(text), "/usr/lib/%c%c%c/%c%c", 'g' + (int)(k % 19),
                                 'g' + (int)(k / 19 % 19), 'g' + (int)(k / 361), 'g' + (int)(k % 17),
                                 'g' + (int)(k % 13));
                        ev.exec.actor = (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE, .pid = 7, .start = k};
                        ev.exec.actor.origin = ORIGIN_ENTRYPOINT;
                        ev.exec.actor.exe = ev.exec.program = bytes_str(text);
                        ev.exec.caller = BYTES_LIT("/usr/sbin/nginx");
                        ev.exec.program_layer = LAYER_IMAGE;
                        check(pipeline_event(p, &ev), "a program");
                }
        }
}

static void bench_snapshot(const char *dir, unsigned workloads, unsigned keys)
{
        struct pipeline *p = NULL;
        struct judge_params jp;
        struct fuse_params fp;
        struct judge_stats js;
        struct ring_stats st;
        struct ring *r;
        double begin;

        judge_params_default(&jp);
        fuse_params_default(&fp);
        check(pipeline_new(&jp, &fp, NULL, NULL, &p), "a pipeline");
        know(p, workloads, keys);
        judge_stats(pipeline_judge(p), &js);
        begin = cpu_seconds();
        r = open_ring(dir, p);
        begin = cpu_seconds() - begin;
        ring_stats(r, &st);
        printf("a snapshot of %zu workloads, %zu entries: %.1f ms, %llu KiB\n", js.workloads, js.entries, begin * 1e3,
               (unsigned long long)(st.snapshot_bytes >> 10));
        ring_close(r, p);
        pipeline_free(p);
}

int main(int argc, char **argv)
{
        char dir[] = "/tmp/bench_ring-XXXXXX", ring[64];

        if (argc < 2 || !mkdtemp(dir)) {
                fprintf(stderr, "usage: bench_ring RECORDING...\n");
                return EXIT_FAILURE;
        }
        snprintf(ring, sizeof(ring), "%s/ring", dir);
        for (int i = 1; i < argc; i++)
                bench_events(argv[i], ring);
        bench_snapshot(ring, 20, 500);
        bench_snapshot(ring, 1000, 500);
        printf("what was written lies in %s\n", dir);
        return EXIT_SUCCESS;
}
