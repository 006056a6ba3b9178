/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many recorded events a second one core judges. README.md beside this file: of what mix, and how to read it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/record.h"

#define CONTAINERS 10u
#define RUNS 3
#define T0 UINT64_C(1767323045000000000)

static void check(int r, const char *what)
{
        if (r >= 0)
                return;
        fprintf(stderr, "bench_replay: %s: %s\n", what, err_str(r));
        exit(EXIT_FAILURE);
}

static double seconds(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the recording ---- */

struct maker {
        struct record_writer *w;
        uint64_t now, state;
        char container[CONTAINERS][65];
        uint64_t news;
};

static unsigned random_below(struct maker *m, unsigned n)
{
        m->state ^= m->state << 13;
        m->state ^= m->state >> 7;
        m->state ^= m->state << 17;
        return (unsigned)(m->state % n);
}

static void put(struct maker *m, struct tide_event *ev, unsigned container)
{
        ev->boot_ns = m->now;
        ev->wall_ns = (int64_t)(T0 + m->now);
        ev->container = bytes_str(m->container[container]);
        check(record_write(m->w, ev), "the recording");
        m->now += 1000000;
}

static void put_start(struct maker *m, unsigned c)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .sources = SRC_PROCFS};
        char name[32];

        ev.ctr.runtime = BYTES_LIT("podman");
        ev.ctr.init_pid = 1000 + c;
        put(m, &ev, c);
        ev = (struct tide_event){.kind = TIDE_CONTENT, .sources = SRC_ENGINE};
        snprintf(name, sizeof(name), "web-%u", c / 2);
        ev.content.name = bytes_str(name);
        ev.content.name_given = 1;
        ev.content.image_ref = BYTES_LIT("docker.io/library/nginx:latest");
        ev.content.config_digest = BYTES_LIT("sha256:0000000000000000000000000000000000000000000000000000000000000001");
        put(m, &ev, c);
}

static void set_actor(struct tide_actor *a, unsigned n, struct bytes lineage)
{
        *a = (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE, .pid = 2000 + n % 5000, .start = n};
        a->origin = ORIGIN_ENTRYPOINT;
        a->exe_layer = LAYER_IMAGE;
        a->exe = BYTES_LIT("/usr/sbin/nginx");
        a->comm = BYTES_LIT("nginx");
        a->lineage = lineage;
        a->login_uid = a->session = UINT32_MAX;
}

static void put_act(struct maker *m, unsigned n, struct bytes lineage)
{
        unsigned kind = random_below(m, 100), c = random_below(m, CONTAINERS), which = random_below(m, 40);
        bool file = kind < 25 || kind >= 98;
        struct tide_event ev = {.kind = file ? TIDE_FILE : TIDE_EXEC, .sources = file ? SRC_CONTENT : SRC_PROC};
        char path[64];

        if (kind >= 95) { /* never seen before */
                snprintf(path, sizeof(path), "/srv/%c%c/%c%llx", 'a' + (int)random_below(m, 26), 'a' + (int)(n % 26),
                         'g' + (int)random_below(m, 20), (unsigned long long)m->news++);
        } else {
                snprintf(path, sizeof(path), file ? "/var/lib/app/%c%c.dat" : "/usr/bin/tool-%c%c",
                         'a' + (int)(which / 26), 'a' + (int)(which % 26));
        }
        if (file) {
                set_actor(&ev.file.actor, n, lineage);
                ev.file.path = bytes_str(path);
                ev.file.ops = OP_WRITE;
                ev.file.change = CHANGE_ADDED;
                ev.file.type = DT_REG;
                ev.file.mode = S_IFREG | 0644;
                ev.file.ctime_ns = T0 + m->now;
        } else {
                set_actor(&ev.exec.actor, n, lineage);
                ev.exec.program = ev.exec.actor.exe = bytes_str(path);
                ev.exec.program_layer = LAYER_IMAGE;
                ev.exec.caller = BYTES_LIT("/usr/sbin/nginx");
                ev.exec.args = BYTES_LIT("tool\0--option\0value");
                ev.exec.cwd = BYTES_LIT("/");
                ev.exec.mode = S_IFREG | 0755;
        }
        put(m, &ev, c);
}

static void make_recording(int fd, unsigned events)
{
        struct maker m = {.now = 1000000000, .state = UINT64_C(0x9e3779b97f4a7c15)};
        struct tide_event snapshot = {.kind = TIDE_SNAPSHOT, .state = {.text = BYTES_LIT("defaults")}};
        struct tide_ancestor init = {.pid = 1000, .start = 1, .exe = BYTES_LIT("/usr/sbin/nginx")};
        _cleanup_buf_ struct buf lineage;

        buf_init(&lineage, 4096);
        tide_lineage_put(&lineage, &init);
        check(record_writer_new(fd, &m.w), "the recording");
        check(record_write(m.w, &snapshot), "the recording");
        for (unsigned c = 0; c < CONTAINERS; c++) {
                snprintf(m.container[c], sizeof(m.container[c]), "%064x", 0xabcd00 + c);
                put_start(&m, c);
        }
        for (unsigned n = 0; n < events; n++)
                put_act(&m, n, buf_bytes(&lineage));
        check(record_writer_close(m.w), "the recording");
}

/* ---- the runs ---- */

static int make_params(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg)
{
        (void)text, (void)arg;
        judge_params_default(jp);
        fuse_params_default(fp);
        return 0;
}

static int put_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        buf_put_u32(arg, what);
        buf_put_bytes(arg, key);
        buf_put_bytes(arg, blob);
        return ((struct buf *)arg)->err;
}

static double read_only(int fd)
{
        struct record_reader *reader = NULL;
        double begin = seconds();
        struct tide_event ev;
        int r;

        check(lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0, "lseek");
        check(record_reader_new(fd, &reader), "reading");
        do {
                r = record_next(reader, &ev);
                check(r, "reading");
        } while (r > 0);
        record_reader_free(reader);
        return seconds() - begin;
}

static double replay(int fd, struct buf *memory, struct judge_stats *st, struct fuse_stats *fst)
{
        struct record_reader *reader = NULL;
        struct pipeline_replay info;
        struct pipeline *p = NULL;
        double begin = seconds(), took;

        check(lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0, "lseek");
        check(record_reader_new(fd, &reader), "replay");
        check(pipeline_replay(reader, make_params, NULL, NULL, &info, &p), info.why);
        took = seconds() - begin;
        buf_reset(memory);
        check(judge_each(pipeline_judge(p), put_piece, memory), "its memory");
        judge_stats(pipeline_judge(p), st);
        pipeline_fuse_stats(p, fst);
        pipeline_free(p);
        record_reader_free(reader);
        return took;
}

int main(int argc, char **argv)
{
        unsigned events = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 1000000;
        struct buf first, again;
        struct judge_stats st;
        struct fuse_stats fst;
        double best = 0, reading = 0;
        char path[4096];
        struct stat size;
        int fd;

        snprintf(path, sizeof(path), "%s/bench_replay-XXXXXX", argc > 2 ? argv[2] : "/tmp");
        fd = mkstemp(path);
        if (fd < 0 || events == 0) {
                fprintf(stderr, "usage: bench_replay [EVENTS [FOLDER]]: FOLDER must take a new file\n");
                return EXIT_FAILURE;
        }
        buf_init(&first, UINT32_MAX);
        buf_init(&again, UINT32_MAX);
        make_recording(dup(fd), events);
        unlink(path);
        for (int run = 0; run < RUNS; run++) {
                double took = replay(fd, run ? &again : &first, &st, &fst), read = read_only(fd);

                if (run && !bytes_eq(buf_bytes(&first), buf_bytes(&again))) {
                        fprintf(stderr, "bench_replay: two runs do not end with the same memory\n");
                        return EXIT_FAILURE;
                }
                best = run == 0 || took < best ? took : best;
                reading = run == 0 || read < reading ? read : reading;
        }
        check(fstat(fd, &size), "fstat");
        printf("%u events, %lld MiB: %.3f s, %.0f events/s (%.2f of 1000000); reading alone %.3f s\n", events,
               (long long)(size.st_size >> 20), best, events / best, events / best / 1e6, reading);
        printf("known %llu, learned %llu, deviations %llu, entries %zu, findings %zu; joined %llu, names %zu\n",
               (unsigned long long)st.known, (unsigned long long)st.learned, (unsigned long long)st.deviations,
               st.entries, st.findings, (unsigned long long)fst.merged, fst.index);
        buf_release(&first);
        buf_release(&again);
        close(fd);
        return EXIT_SUCCESS;
}
