/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_workloads [WORKLOADS [KEYS]] - what the judge holds in memory, 1000 workloads of 500 keys each unless told
 * otherwise: a quarter of the keys are programs, one in ten a destination, the others files, as a learned service has
 * them. Prints the growth of the resident set, for each workload and key, and how long the learning and a snapshot
 * take.
 */
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/judge.h"

#define T0 UINT64_C(1767323045000000000)

struct maker {
        struct judge *j;
        uint64_t now;
        char id[65];
        struct buf lineage;
        uint8_t address[4];
};

static void check(int r, const char *what)
{
        if (r >= 0)
                return;
        fprintf(stderr, "bench_workloads: %s: %s\n", what, err_str(r));
        exit(EXIT_FAILURE);
}

static double seconds(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double resident_kib(void)
{
        unsigned long size = 0, resident = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
                resident = 0;
        if (f)
                fclose(f);
        return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void save(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        (void)what, (void)key, (void)blob, (void)arg;
}

static void found(const struct finding *f, bool opened, void *arg)
{
        (void)f, (void)opened, (void)arg;
}

static void give(struct maker *m, struct tide_event *ev)
{
        m->now += 1000000;
        ev->boot_ns = m->now;
        ev->wall_ns = (int64_t)(T0 + m->now);
        ev->container = bytes_str(m->id);
        check(judge_event(m->j, ev), "an event");
}

static void start(struct maker *m, unsigned w)
{
        struct tide_event ev = {.kind = TIDE_CTR_START, .sources = SRC_PROCFS};
        char name[32], digest[80];

        snprintf(m->id, sizeof(m->id), "%064x", 0xabcd0000 + w);
        ev.ctr.runtime = BYTES_LIT("podman");
        ev.ctr.init_pid = 1000 + w;
        ev.ctr.netns = w + 1;
        give(m, &ev);
        ev = (struct tide_event){.kind = TIDE_CONTENT, .sources = SRC_ENGINE};
        snprintf(name, sizeof(name), "shop/service-%u", w);
        snprintf(digest, sizeof(digest), "sha256:%064x", w);
        ev.content.name = bytes_str(name);
        ev.content.name_given = 1;
        ev.content.image_ref = BYTES_LIT("registry.example.org/shop/service:1.27.3");
        ev.content.config_digest = bytes_str(digest);
        give(m, &ev);
}

static void set_actor(struct maker *m, struct tide_actor *a, unsigned k)
{
        *a = (struct tide_actor){.flags = ACTOR_PID | ACTOR_EXE | ACTOR_LINEAGE, .pid = 2000 + k, .start = k + 1};
        a->origin = ORIGIN_ENTRYPOINT;
        a->exe_layer = LAYER_IMAGE;
        a->exe = BYTES_LIT("/usr/sbin/service");
        a->comm = BYTES_LIT("service");
        a->lineage = buf_bytes(&m->lineage);
        a->login_uid = a->session = UINT32_MAX;
}

/* Letters, so that no two are taken for one. */
static void spell(unsigned n, char dst[8])
{
        for (int i = 0; i < 6; i++, n /= 17)
                dst[i] = (char)('g' + n % 17);
        dst[6] = '\0';
}

static void act(struct maker *m, unsigned k)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT};
        char path[96], word[8];

        spell(k * 7919u, word);
        if (k % 10 == 9) {
                ev = (struct tide_event){.kind = TIDE_FLOW, .sources = SRC_CONNTRACK};
                set_actor(m, &ev.flow.actor, k);
                ev.flow.what = FLOW_BEGAN;
                ev.flow.direction = DIRECTION_OUT;
                ev.flow.proto = IPPROTO_TCP;
                m->address[0] = 10;
                m->address[1] = (uint8_t)(k >> 8);
                m->address[2] = (uint8_t)k;
                m->address[3] = 7;
                ev.flow.remote = bytes_of(m->address, 4);
                ev.flow.rport = (uint16_t)(1000 + k);
        } else if (k % 4 == 0) {
                ev = (struct tide_event){.kind = TIDE_EXEC, .sources = SRC_PROC};
                snprintf(path, sizeof(path), "/usr/bin/tool-%s", word);
                set_actor(m, &ev.exec.actor, k);
                ev.exec.program = ev.exec.actor.exe = bytes_str(path);
                ev.exec.program_layer = LAYER_IMAGE;
                ev.exec.caller = BYTES_LIT("/usr/sbin/service");
                ev.exec.args = BYTES_LIT("tool\0--option\0value");
        } else {
                snprintf(path, sizeof(path), "/var/lib/service/%c%c/%s/index.dat", 'g' + (int)(k % 17),
                         'g' + (int)(k / 17 % 17), word);
                set_actor(m, &ev.file.actor, k);
                ev.file.path = bytes_str(path);
                ev.file.ops = OP_CREATE | OP_WRITE;
                ev.file.change = CHANGE_ADDED;
                ev.file.type = DT_REG;
                ev.file.mode = S_IFREG | 0644;
        }
        give(m, &ev);
}

static int put_piece(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        (void)what;
        *(size_t *)arg += key.len + blob.len;
        return 0;
}

int main(int argc, char **argv)
{
        static const struct judge_ops ops = {.save = save, .finding = found};
        unsigned workloads = argc > 1 ? (unsigned)atoi(argv[1]) : 1000, keys = argc > 2 ? (unsigned)atoi(argv[2]) : 500;
        struct tide_ancestor init = {.pid = 1000, .start = 1, .exe = BYTES_LIT("/usr/sbin/service")};
        struct maker m = {.now = 1000000000};
        struct judge_params p;
        struct judge_stats st;
        double before, after, began, learned;
        size_t pieces = 0;

        if (workloads == 0 || keys == 0)
                return EXIT_FAILURE;
        judge_params_default(&p);
        p.max_workloads = workloads > p.max_workloads ? workloads : p.max_workloads;
        p.siblings = 1000000; /* so many keys are wanted, not patterns of them */
        buf_init(&m.lineage, 4096);
        tide_lineage_put(&m.lineage, &init);
        before = resident_kib();
        began = seconds();
        check(judge_new(&p, &ops, NULL, &m.j), "a judge");
        for (unsigned w = 0; w < workloads; w++) {
                start(&m, w);
                for (unsigned k = 0; k < keys; k++)
                        act(&m, k);
        }
        learned = seconds();
        after = resident_kib();
        judge_stats(m.j, &st);
        check(judge_each(m.j, put_piece, &pieces), "a snapshot");
        printf("%zu workloads, %zu entries: %.1f MiB, %.1f KiB a workload, %.0f bytes an entry\n", st.workloads,
               st.entries, (after - before) / 1024, (after - before) / (double)st.workloads,
               (after - before) * 1024 / (double)st.entries);
        printf("learned in %.2f s (%.0f acts/s), a snapshot of %.1f MiB in %.2f s; refused %llu\n", learned - began,
               workloads * (double)keys / (learned - began), (double)pieces / (1 << 20), seconds() - learned,
               (unsigned long long)st.refused);
        judge_free(m.j);
        buf_release(&m.lineage);
        return st.entries + workloads >= (size_t)workloads * keys ? EXIT_SUCCESS : EXIT_FAILURE;
}
