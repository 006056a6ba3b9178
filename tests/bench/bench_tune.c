/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long tidemark tune plays a ring: the same segment as often as it takes to fill one, with so many rules. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tidemark/config.h"
#include "tidemark/err.h"
#include "tidemark/tune.h"

#define RULES_MAX TUNE_PROPOSALS

static void check(int r, const char *what)
{
        if (r >= 0)
                return;
        fprintf(stderr, "bench_tune: %s: %s\n", what, err_str(r));
        exit(EXIT_FAILURE);
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

static uint64_t fill(const char *dir, const char *recording, uint64_t size)
{
        struct stat st;
        uint64_t all = 0;
        char path[512];

        check(stat(recording, &st) < 0 ? -errno : 0, recording);
        for (unsigned i = 1; all < size; i++, all += (uint64_t)st.st_size) {
                snprintf(path, sizeof(path), "%s/%010u.tide.gz", dir, i);
                check(link(recording, path) < 0 ? -errno : 0, path);
        }
        return all;
}

/* Of all times, so that each segment is of use; and as many rules as there may be, each of another path. */
static void make(json_t **findings, json_t **proposals, unsigned rules)
{
        *findings = json_pack("[{s:s,s:s,s:s,s:s,s:s,s:[],s:{s:s}}]", "id", "F-999999999", "type", "drift", "state",
                              "open", "first_seen", "2000-01-01T00:00:00.000000Z", "last_seen",
                              "2100-01-01T00:00:00.000000Z", "signals", "workload", "name", "none");
        *proposals = json_array();
        for (unsigned i = 0; i < rules; i++) {
                char path[64];

                snprintf(path, sizeof(path), "/srv/nowhere/%u/*.tmp", i);
                json_array_append_new(*proposals, json_pack("{s:{s:s,s:s}}", "rule", "workload", "*", "path", path));
        }
}

int main(int argc, char **argv)
{
        static const unsigned counts[] = {1, 5, RULES_MAX};
        char dir[] = "/tmp/bench_tune-XXXXXX";
        struct cfg cfg;
        struct tune_setup s = {.ring = dir, .make_params = make_params, .arg = &cfg};
        uint64_t size;

        if (argc != 3 || !mkdtemp(dir)) {
                fprintf(stderr, "usage: bench_tune RECORDING.tide.gz MIB: the recording in /tmp, for it is linked\n");
                return EXIT_FAILURE;
        }
        size = fill(dir, argv[1], strtoull(argv[2], NULL, 10) << 20);
        for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
                json_t *findings, *proposals, *about;
                struct timespec a, b;
                struct rusage u;

                make(&findings, &proposals, counts[i]);
                clock_gettime(CLOCK_MONOTONIC, &a);
                about = tune_measure(proposals, findings, &s);
                clock_gettime(CLOCK_MONOTONIC, &b);
                check(about ? 0 : -ENOMEM, "measuring");
                getrusage(RUSAGE_SELF, &u);
                printf("%llu MiB, %lld recordings, %u rules: %.1f s, %ld MiB of memory at most\n",
                       (unsigned long long)(size >> 20),
                       (long long)json_integer_value(json_object_get(about, "recordings")), counts[i],
                       (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9, u.ru_maxrss >> 10);
                json_decref(about);
                json_decref(findings);
                json_decref(proposals);
        }
        printf("what was linked lies in %s\n", dir);
        return EXIT_SUCCESS;
}
