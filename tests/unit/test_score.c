/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worked cases of the score, by the shipped table: what happened, every factor with its bits, the sum, the confidence
 * that is its probability, and the band. The workload is one that did the same for two hundred hours: nothing in one
 * hour only, so p = 1 - exp(-0.5 / 201) = 0.25 %, which is 8.65 bits, of which 8 count. Where a baseline was declared
 * complete after one hour, p = 1 - exp(-1.5 / 2) = 53 %, 1 bit, and the word of the operator adds what is missing to
 * 2 %, 5.75 bits.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "judge/judge-priv.h"
#include "tests/unit/judge_world.h"
#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/judge.h"

enum what { RUNS, WRITES, CALLS, LISTENS, BECOMES_ROOT, ATTACHES, MAPS };

struct worked {
        const char *words;
        enum what what;
        const char *subject; /* program, path, address */
        uint32_t mode;       /* of a file */
        enum tide_layer layer;
        enum tide_change change;
        enum tide_origin origin;
        bool declared;   /* by an operator, after one hour */
        const char *sum; /* prior, factors, sum, confidence, band */
};

#include "tests/unit/worked.h"

static void write_file(struct world *w, const struct worked *k)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_CONTENT, .container = BYTES_LIT("c1")};

        ev.file.actor = actor(301, k->origin, "/bin/cp");
        ev.file.ops = OP_CREATE | OP_WRITE;
        ev.file.change = (uint8_t)k->change;
        ev.file.type = DT_REG;
        ev.file.mode = S_IFREG | k->mode;
        ev.file.path = bytes_str(k->subject);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void flow(struct world *w, const char *to, uint16_t port, uint8_t what, enum tide_origin origin)
{
        struct tide_event ev = {.kind = TIDE_FLOW, .sources = SRC_CONNTRACK, .container = BYTES_LIT("c1")};
        uint8_t remote[4];

        CU_ASSERT_EQUAL(inet_pton(AF_INET, to, remote), 1);
        ev.flow.actor = actor(301, origin, "/usr/sbin/nginx");
        ev.flow.actor.exe_layer = LAYER_IMAGE;
        ev.flow.what = what;
        ev.flow.direction = what == FLOW_LISTENS ? DIRECTION_IN : DIRECTION_OUT;
        ev.flow.proto = IPPROTO_TCP;
        ev.flow.local = what == FLOW_LISTENS ? bytes_of(remote, 4) : BYTES_LIT("\x0a\x58\x00\x02");
        ev.flow.lport = what == FLOW_LISTENS ? port : 45000;
        if (what != FLOW_LISTENS)
                ev.flow.remote = bytes_of(remote, 4);
        ev.flow.rport = what == FLOW_LISTENS ? 0 : port;
        ev.flow.netns = 77;
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void privilege(struct world *w, const struct worked *k)
{
        struct tide_event ev = {.kind = TIDE_PRIV, .sources = SRC_PROC, .container = BYTES_LIT("c1")};

        ev.priv.actor = actor(301, k->origin, "/usr/sbin/nginx");
        ev.priv.what = k->what == BECOMES_ROOT ? PRIV_UID : k->what == ATTACHES ? PRIV_PTRACE : PRIV_MAPPED;
        ev.priv.from = 1000;
        ev.priv.flags = k->what == BECOMES_ROOT ? PRIVF_ROOT : 0;
        ev.priv.where = WHERE_SAME;
        ev.priv.target_pid = 400;
        ev.priv.target_exe = BYTES_LIT("/usr/bin/redis-server");
        ev.priv.layer = (uint8_t)k->layer;
        ev.priv.change = (uint8_t)k->change;
        ev.priv.path = bytes_str(k->subject);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

static void act(struct world *w, const struct worked *k)
{
        switch (k->what) {
        case RUNS:
                run_in(w, "c1", k->subject, k->layer, k->change, k->origin, 500);
                break;
        case WRITES:
                write_file(w, k);
                break;
        case CALLS:
                flow(w, k->subject, 443, FLOW_BEGAN, k->origin);
                break;
        case LISTENS:
                flow(w, k->subject, 4444, FLOW_LISTENS, k->origin);
                break;
        default:
                privilege(w, k);
                break;
        }
}

/* Every hour the same, in every dimension. */
static void learn(struct world *w, int hours)
{
        struct worked log = {
                .subject = "/var/log/web.log", .mode = 0644, .change = CHANGE_ADDED, .origin = ORIGIN_ENTRYPOINT};

        start(w);
        for (int h = 0; h < hours; h++) {
                run(w, "/bin/date", LAYER_IMAGE);
                write_file(w, &log);
                flow(w, "10.1.2.3", 5432, FLOW_BEGAN, ORIGIN_ENTRYPOINT);
                w->now += HOUR;
        }
        tick(w);
}

static const char *band_of(const struct world *w)
{
        return w->confidence >= w->p.page ? "page" : w->confidence >= w->p.show ? "show" : "below";
}

/* "-6 + 11 ran_write_layer + 8 novelty = 13: 99 %, page" */
static const char *shown(const struct world *w, char dst[1024])
{
        size_t n = (size_t)snprintf(dst, 1024, "%g", w->prior / 4.0);
        char name[64];
        int quarters, used;

        for (const char *p = w->factors; sscanf(p, " %63[^=]=%d%n", name, &quarters, &used) == 2; p += used)
                n += (size_t)snprintf(dst + n, 1024 - n, " %c %g %s", quarters < 0 ? '-' : '+', abs(quarters) / 4.0,
                                      name);
        snprintf(dst + n, 1024 - n, " = %g: %u %%, %s", w->sum / 4.0, w->confidence, band_of(w));
        return dst;
}

/* Of the sum that is written there: both sides of it, and the probability. */
static void check_sum(const char *text, uint32_t confidence)
{
        double sum = strtod(text, NULL), said = strtod(strchr(text, '=') + 1, NULL);
        const char *p = strchr(text, ' ');

        for (char sign; (sign = p[1]) != '='; p = strpbrk(strchr(p + 3, ' ') + 1, " "))
                sum += (sign == '-' ? -1 : 1) * strtod(p + 3, NULL);
        CU_ASSERT_EQUAL(sum, said);
        CU_ASSERT_EQUAL(confidence, (uint32_t)fmin(99, floor(100 / (1 + exp2(-sum)))));
}

static void test_worked(void)
{
        for (size_t i = 0; i < ARRAY_LEN(worked); i++) {
                const struct worked *k = &worked[i];
                char text[1024];
                struct world w;

                world_open(&w);
                learn(&w, k->declared ? 1 : 200);
                if (k->declared)
                        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
                act(&w, k);
                CU_ASSERT_EQUAL(w.opened, 1);
                CU_ASSERT_STRING_EQUAL(shown(&w, text), k->sum);
                if (strcmp(text, k->sum) != 0)
                        printf("\n    %s\n    is %s\n    not %s\n", k->words, text, k->sum);
                check_sum(text, w.confidence);
                world_close(&w);
        }
        CU_ASSERT_TRUE(ARRAY_LEN(worked) >= 12);
}

static const struct unit_case cases[] = {
        {"worked cases: every factor, the sum, the confidence and the band", test_worked},
};

UNIT_MAIN("score", cases)
