/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cuts - what the isolator does and answers, without the daemon: what the tests of kernels and of containers ask.
 *
 *     cuts look|cut|release|check|freeze|thaw|kill ID PID [WORD…]   lines "word value"; 0 if there was no error
 *     cuts times N ID PID [WORD…]     cut, release, N times: microseconds to the first place, until all stand, are seen
 *     cuts watch ID PID SECONDS       cut; then a line "changed" each time, and it is cut again; until the time is over
 *
 * check: it is cut first, as nobody else knows what this program has made.
 *
 * WORD: an address that stays allowed; probes, sockets, inside; places=INODE; cgroup=PATH.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/isolate.h"
#include "tidemark/loop.h"

#define INSTANCE "0000cafe"
#define DEADLINE_NS (5 * NSEC_PER_SEC)

struct cuts {
        struct loop *loop;
        struct isolator *w;
        struct isolate_answer a;
        struct isolate_request again;
        uint32_t changes;
        bool watching;
};

static const char *const whats[] = {[ISOLATE_LOOK] = "look",     [ISOLATE_CUT] = "cut",   [ISOLATE_RELEASE] = "release",
                                    [ISOLATE_CHECK] = "check",   [ISOLATE_FREEZE] = "freeze", [ISOLATE_THAW] = "thaw",
                                    [ISOLATE_KILL] = "kill"};

static void on_answer(const struct isolate_answer *a, void *arg)
{
        struct cuts *c = arg;

        c->a = *a;
        if (c->watching)
                printf("again %d %d\n", a->error, a->stands), fflush(stdout);
        else
                loop_stop(c->loop, 0);
}

static void on_changed(const char *id, void *arg)
{
        struct cuts *c = arg;

        c->changes++;
        if (!c->watching)
                return;
        printf("changed %s\n", id[0] ? "inside" : "host");
        fflush(stdout);
        if (isolator_ask(c->w, &c->again) < 0)
                loop_stop(c->loop, -1);
}

/* As the sensor has its helpers. */
static int confine(void)
{
        size_t n;
        const struct caps_need *needs = caps_isolator(&n);

        return caps_reduce(needs, n);
}

static int confine_killer(void)
{
        size_t n;
        const struct caps_need *needs = caps_killer(&n);

        return caps_keep(needs, n, NULL);
}

static const struct isolator_ops ops = {.answer = on_answer, .changed = on_changed};

static bool take_word(struct isolate_request *q, const char *word)
{
        if (strcmp(word, "probes") == 0)
                q->flags |= ISOLATE_KEEP_PROBES;
        else if (strcmp(word, "sockets") == 0)
                q->flags |= ISOLATE_END_SOCKETS;
        else if (strcmp(word, "inside") == 0)
                q->flags |= ISOLATE_INSIDE_ONLY;
        else if (strncmp(word, "places=", 7) == 0)
                q->places = strtoull(word + 7, NULL, 10);
        else if (strncmp(word, "cgroup=", 7) == 0)
                snprintf(q->cgroup, sizeof(q->cgroup), "%s", word + 7);
        else if (q->nnets < ISOLATE_NETS && isolate_parse_net(word, &q->nets[q->nnets]) == 0)
                q->nnets++;
        else
                return false;
        return true;
}

static void print_devices(const struct isolate_answer *a)
{
        for (uint32_t i = 0; i < a->ndevices; i++) {
                const struct isolate_device *d = &a->devices[i];

                printf("device %s %s %s %s%s%s%s\n", d->name, d->kind[0] ? d->kind : "-", d->peer[0] ? d->peer : "-",
                       d->peer_is_host ? "host" : d->peer[0] ? "elsewhere" : "-", d->ingress ? " ingress" : "",
                       d->egress ? " egress" : "", d->up ? " up" : "");
        }
}

static void print(const struct isolate_answer *a)
{
        static const char *const facts[] = {"host-network", "has-net-admin", "may-net-admin", "has-net-raw",
                                            "own-userns", "ingress", "egress", "cgroup", "destroy", "freezer-v1",
                                            "freezer-v2", "cgroup-kill", "stood", "probes-cut", "flows-left",
                                            "search-cut"};

        printf("error %d\nwhy %s\nway %s\nstands %d\nseen %d\nfacts", a->error, a->why, isolate_way_words(a->way),
               a->stands, a->seen);
        for (size_t i = 0; i < ARRAY_LEN(facts); i++)
                if (a->facts & 1u << i)
                        printf(" %s", facts[i]);
        printf("\nnetns %" PRIu64 "\nplaces %" PRIu64 "\n", a->netns, a->places);
        print_devices(a);
        for (uint32_t i = 0; i < a->nmates; i++)
                printf("mate %s\n", a->mates[i]);
        printf("tasks %u\nothers %u\nports", a->tasks, a->other_tasks);
        for (uint32_t i = 0; i < a->nports; i++)
                printf(" %u", a->ports[i]);
        printf("\nrules %u\ndropped %" PRIu64 "\ndropped-host %" PRIu64 "\nflows %u\nsockets %u\nleft %u\n", a->rules,
               a->dropped, a->dropped_host, a->flows_ended, a->sockets_ended, a->left);
        printf("cut-us %" PRIu64 "\nstood-us %" PRIu64 "\nseen-us %" PRIu64 "\n", a->cut_ns / 1000, a->stood_ns / 1000,
               a->seen_ns / 1000);
}

static int ask(struct cuts *c, struct isolate_request *q, uint8_t what)
{
        int r;

        q->what = what;
        q->token++;
        r = isolator_ask(c->w, q);
        if (r == 0)
                r = loop_run(c->loop);
        return r < 0 ? r : c->a.error;
}

static int measure(struct cuts *c, struct isolate_request *q, unsigned n)
{
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++) {
                uint64_t begun = clock_boot_ns(), answered;

                r = ask(c, q, ISOLATE_CUT);
                answered = clock_boot_ns();
                if (r == 0)
                        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d\n", (c->a.cut_at_ns - begun) / 1000,
                               c->a.stood_ns / 1000, c->a.seen_ns / 1000, (answered - begun) / 1000, c->a.seen);
                if (r == 0)
                        r = ask(c, q, ISOLATE_RELEASE);
        }
        if (r < 0)
                fprintf(stderr, "cuts: %s: %s\n", err_str(r), c->a.why);
        return r;
}

static void on_end(struct loop_timer *t, void *arg)
{
        (void)t;
        loop_stop(((struct cuts *)arg)->loop, 0);
}

static int watch(struct cuts *c, struct isolate_request *q, unsigned seconds)
{
        struct loop_timer *t;
        int r = ask(c, q, ISOLATE_CUT);

        print(&c->a);
        fflush(stdout);
        if (r == 0)
                r = loop_timer_new(c->loop, on_end, c, &t);
        if (r < 0)
                return r;
        c->again = *q;
        c->watching = true;
        loop_timer_set(t, clock_boot_ns() + seconds * NSEC_PER_SEC);
        r = loop_run(c->loop);
        loop_timer_free(t);
        printf("changes %u\n", c->changes);
        return r;
}

static int run(struct cuts *c, struct isolate_request *q, const char *word, unsigned number)
{
        if (strcmp(word, "times") == 0)
                return measure(c, q, number);
        if (strcmp(word, "watch") == 0)
                return watch(c, q, number);
        for (uint8_t i = 0; i < ARRAY_LEN(whats); i++)
                if (strcmp(word, whats[i]) == 0) {
                        int r = i == ISOLATE_CHECK ? ask(c, q, ISOLATE_CUT) : 0;

                        if (r == 0)
                                r = ask(c, q, i);
                        print(&c->a);
                        return r;
                }
        return -1;
}

int main(int argc, char **argv)
{
        const struct isolator_setup setup = {.instance = INSTANCE,
                                             .deadline_ns = DEADLINE_NS,
                                             .confine = confine,
                                             .confine_killer = confine_killer};
        struct isolate_request q = {0};
        struct cuts c = {0};
        int first = argc > 1 && strcmp(argv[1], "times") == 0 ? 3 : 2, r;

        if (argc < first + 2)
                return 2;
        snprintf(q.id, sizeof(q.id), "%s", argv[first]);
        q.pid = (uint32_t)strtoul(argv[first + 1], NULL, 10);
        for (int i = first + 2; i < argc; i++)
                if (!take_word(&q, argv[i]) && strcmp(argv[1], "watch") != 0)
                        return 2;
        r = loop_new(&c.loop);
        if (r == 0)
                r = isolator_start(c.loop, &setup, &ops, &c, &c.w);
        if (r == 0)
                r = run(&c, &q, argv[1], (unsigned)strtoul(argv[first == 3 ? 2 : argc - 1], NULL, 10));
        isolator_stop(c.w);
        loop_free(c.loop);
        return r < 0;
}
