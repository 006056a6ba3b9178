/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_life [--timer] [--show] [--config TEXT] RECORDING... - hours of ordinary services, judged from recordings
 * (tests/replay/long.py; packed ones too): what a person would have had to look at, by kind of service, for each week
 * that a workload was observed after learning. Workloads are SITE/KIND. The first third of a recording is for learning:
 * windows of a minute stand for the shipped hours; then every baseline is declared complete by an operator's word,
 * which is the harder test, or (--timer) ends by itself. Fails when a kind has one finding or more for each
 * workload-week: which, of a few hours, is any finding at all.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcntl.h>

#include "tidemark/config.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/record.h"

#define WORKLOADS_MAX 400u
#define KINDS_MAX 16u
#define FINDINGS_MAX 4000u
#define WEEK_NS (7.0 * 24 * 3600 * 1e9)
#define LEARN_SHARE 3

struct mine {
        char id[256], name[128];
};

struct item {
        uint64_t id;
        char workload[128], text[400];
        uint32_t confidence;
        int64_t last_ns;
        bool reported;
};

struct life {
        struct cfg cfg;
        int64_t first_ns, last_ns, active_ns;
        struct mine workloads[WORKLOADS_MAX];
        size_t nworkloads;
        struct item items[FINDINGS_MAX];
        size_t nitems;
};

struct tally {
        char kind[64];
        unsigned workloads, shown, paged, below;
        double weeks;
};

static void TM_PRINTF(1, 2) die(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        fputs("bench_life: ", stderr);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(EXIT_FAILURE);
}

static void must(int r, const char *what)
{
        if (r < 0)
                die("%s: %s", what, err_str(r));
}

static int temporary(void)
{
        FILE *f = tmpfile();
        int fd = f ? dup(fileno(f)) : -1;

        if (fd < 0)
                die("no temporary file can be made");
        fclose(f);
        return fd;
}

/* ---- judging ---- */

static int make_params(struct bytes text, struct judge_params *jp, struct fuse_params *fp, void *arg)
{
        struct life *l = arg;

        (void)text;
        *jp = l->cfg.judge;
        *fp = l->cfg.fuse;
        return 0;
}

static void describe(const struct finding *f, struct item *x)
{
        size_t n = 0;

        x->text[0] = '\0';
        for (uint32_t i = 0; i < f->nsignals && i < 4 && n + 100 < sizeof(x->text); i++) {
                const struct finding_signal *s = &f->signals[i];

                n += (size_t)snprintf(x->text + n, sizeof(x->text) - n, "%s%s %.60s by %.40s", i ? "; " : "",
                                      dimension_name(s->kind),
                                      s->where.len     ? s->where.p
                                      : s->subject.len ? s->subject.p
                                                       : "",
                                      s->executable.len ? s->executable.p : "?");
        }
}

static void on_finding(const struct finding *f, bool opened, void *arg)
{
        struct life *l = arg;
        struct item *x = NULL;

        (void)opened;
        for (size_t i = l->nitems; i > 0 && !x; i--)
                x = l->items[i - 1].id == f->id ? &l->items[i - 1] : NULL;
        if (!x && l->nitems == FINDINGS_MAX)
                return;
        if (!x)
                x = &l->items[l->nitems++];
        x->id = f->id;
        snprintf(x->workload, sizeof(x->workload), "%.*s", (int)f->workload.len, f->workload.p ? f->workload.p : "");
        x->confidence = f->confidence;
        x->last_ns = f->last_ns;
        describe(f, x);
}

static struct pipeline *replay(int fd, struct life *l, const char *path)
{
        static const struct pipeline_ops ops = {.finding = on_finding};
        _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
        struct pipeline_replay info = {.partial = true};
        struct pipeline *p = NULL;
        int r;

        l->nitems = 0;
        if (lseek(fd, 0, SEEK_SET) < 0)
                die("%s: lseek", path);
        must(record_reader_new(fd, &reader), path);
        r = pipeline_replay(reader, make_params, &ops, l, &info, &p);
        if (r < 0)
                die("%s: at byte %" PRIu64 ": %s", path, info.offset, info.why);
        return p;
}

/* ---- the recording, with an operator's words between ---- */

static void put_activation(const struct mine *m, int64_t wall_ns, uint64_t boot_ns, struct record_writer *w)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR, .wall_ns = wall_ns, .boot_ns = boot_ns};

        ev.decision.verb = BYTES_LIT("baseline.activate");
        ev.decision.target = bytes_str(m->id);
        must(record_write(w, &ev), "a decision");
}

/* Events up to end_ns (0: all); activated: with the words of an operator at active_ns. */
static int copy(int from, struct life *l, int64_t end_ns, bool activated)
{
        _cleanup_(record_reader_freep) struct record_reader *reader = NULL;
        int fd = temporary(), again = dup(fd), r;
        bool said = !activated;
        struct record_writer *w;
        struct tide_event ev;

        if (lseek(from, 0, SEEK_SET) < 0)
                die("lseek");
        must(record_reader_new(from, &reader), "a recording");
        must(record_writer_new(fd, &w), "a recording");
        while ((r = record_next(reader, &ev)) > 0 && ev.kind != TIDE_END) {
                if (ev.wall_ns && ev.kind != TIDE_SNAPSHOT) {
                        l->first_ns = l->first_ns ? l->first_ns : ev.wall_ns;
                        l->last_ns = ev.wall_ns > l->last_ns ? ev.wall_ns : l->last_ns;
                }
                if (end_ns && ev.wall_ns >= end_ns)
                        break;
                for (size_t i = 0; !said && ev.wall_ns >= l->active_ns && i < l->nworkloads; i++)
                        put_activation(&l->workloads[i], ev.wall_ns, ev.boot_ns, w);
                said = said || ev.wall_ns >= l->active_ns;
                must(record_write(w, &ev), "a recording");
        }
        if (r < 0 && r != ERR_TRUNCATED)
                must(r, "a recording");
        must(record_writer_close(w), "a recording");
        return again;
}

static void take_workloads(struct life *l, struct pipeline *p)
{
        struct judge_workload w;

        l->nworkloads = 0;
        for (size_t i = 0; judge_workload_next(pipeline_judge(p), &i, &w) && l->nworkloads < WORKLOADS_MAX;) {
                struct mine *m = &l->workloads[l->nworkloads];

                if (!memchr(w.name.p, '/', w.name.len) || w.id.len >= sizeof(m->id) || w.name.len >= sizeof(m->name))
                        continue;
                snprintf(m->id, sizeof(m->id), "%.*s", (int)w.id.len, (const char *)w.id.p);
                snprintf(m->name, sizeof(m->name), "%.*s", (int)w.name.len, (const char *)w.name.p);
                l->nworkloads++;
        }
}

/* ---- counting ---- */

static struct tally *tally_of(struct tally *ts, size_t *n, const char *workload)
{
        const char *kind = strrchr(workload, '/');

        kind = kind ? kind + 1 : workload;
        for (size_t i = 0; i < *n; i++)
                if (strcmp(ts[i].kind, kind) == 0)
                        return &ts[i];
        if (*n == KINDS_MAX)
                die("more kinds than are counted");
        snprintf(ts[*n].kind, sizeof(ts[*n].kind), "%s", kind);
        return &ts[(*n)++];
}

static bool is_ours(const struct life *l, const char *workload)
{
        for (size_t i = 0; i < l->nworkloads; i++)
                if (strcmp(l->workloads[i].name, workload) == 0)
                        return true;
        return false;
}

static void count(struct life *l, const char *path, bool show, struct tally *ts, size_t *nts)
{
        double weeks = (double)(l->last_ns - l->active_ns) / WEEK_NS;

        for (size_t i = 0; i < l->nworkloads; i++) {
                struct tally *t = tally_of(ts, nts, l->workloads[i].name);

                t->workloads++;
                t->weeks += weeks;
        }
        for (size_t i = 0; i < l->nitems; i++) {
                struct item *x = &l->items[i];
                struct tally *t;

                if (x->last_ns < l->active_ns || !is_ours(l, x->workload))
                        continue;
                t = tally_of(ts, nts, x->workload);
                t->shown += x->confidence >= l->cfg.judge.show;
                t->paged += x->confidence >= l->cfg.judge.page;
                t->below += x->confidence < l->cfg.judge.show;
                if (x->confidence >= l->cfg.judge.show || show)
                        printf("  %s F-%" PRIu64 " %s %u %%: %s\n", path, x->id, x->workload, x->confidence, x->text);
        }
}

static unsigned print(const struct tally *ts, size_t n)
{
        unsigned bad = 0;

        printf("\n%-10s %9s %9s %6s %6s %6s  %s\n", "kind", "workloads", "hours", "shown", "page", "below",
               "shown per workload-week");
        for (size_t i = 0; i < n; i++) {
                double rate = ts[i].weeks > 0 ? ts[i].shown / ts[i].weeks : 0;

                printf("%-10s %9u %9.1f %6u %6u %6u  %.1f%s\n", ts[i].kind, ts[i].workloads, ts[i].weeks * 168,
                       ts[i].shown, ts[i].paged, ts[i].below, rate, rate >= 1 ? "  MISSED" : "");
                bad += rate >= 1;
        }
        return bad;
}

static void one(const char *path, const char *more, bool timer, bool show, struct tally *ts, size_t *nts)
{
        static struct life l;
        int fd = open(path, O_RDONLY | O_CLOEXEC), cut, whole;
        struct cfg_mistakes ms = {0};
        struct pipeline *p;
        char text[400];
        int64_t third;

        memset(&l, 0, sizeof(l));
        if (fd < 0)
                die("%s: cannot be opened", path);
        close(copy(fd, &l, 0, false)); /* how long it is */
        third = (l.last_ns - l.first_ns) / LEARN_SHARE;
        l.active_ns = l.first_ns + third;
        cfg_default(&l.cfg);
        snprintf(text, sizeof(text),
                 "learn: { period = \"%llds\"; network_period = \"%llds\"; window = \"60s\"; converge_min = \"1440s\"; "
                 "};",
                 (long long)(third / 1000000000), (long long)(third / 1000000000));
        if (cfg_load_text(bytes_str(text), "the bench", &l.cfg, &ms) < 0 ||
            (more && cfg_load_text(bytes_str(more), "--config", &l.cfg, &ms) < 0)) {
                cfg_mistakes_print(&ms, stderr);
                die("wrong configuration");
        }
        cut = copy(fd, &l, l.active_ns, false);
        p = replay(cut, &l, path);
        take_workloads(&l, p);
        pipeline_free(p);
        close(cut);
        whole = timer ? dup(fd) : copy(fd, &l, 0, true);
        pipeline_free(replay(whole, &l, path));
        count(&l, path, show, ts, nts);
        close(whole);
        close(fd);
}

int main(int argc, char **argv)
{
        struct tally ts[KINDS_MAX] = {{.workloads = 0}};
        bool timer = false, show = false;
        const char *more = NULL;
        size_t nts = 0;
        int i = 1;

        for (; i < argc && argv[i][0] == '-'; i++) {
                timer = timer || strcmp(argv[i], "--timer") == 0;
                show = show || strcmp(argv[i], "--show") == 0;
                if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
                        more = argv[++i];
        }
        if (i == argc)
                die("which recordings?");
        for (; i < argc; i++)
                one(argv[i], more, timer, show, ts, &nts);
        return print(ts, nts) ? EXIT_FAILURE : EXIT_SUCCESS;
}
