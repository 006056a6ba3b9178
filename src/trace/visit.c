/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * visit - exec sessions, the health check that a container is configured with, and schedules.
 *
 * Pure memory: no /proc, no clock. A container chooses how many commands there are, not how many are kept.
 */
#include "visit-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/clock.h"

#define COMMANDS 16u
#define SHORTEST_NS NSEC_PER_SEC
#define LONGEST_NS (3600 * NSEC_PER_SEC)
#define LEEWAY_NS (300 * NSEC_PER_MSEC)
#define SKIPPED_MAX 3u

struct command {
        struct bytes key; /* owned: program, NUL, arguments; NULL: free */
        uint64_t runs[VISIT_RUNS]; /* the last ones, in their order */
        uint32_t n;
        uint64_t distance_ns; /* 0: not a probe yet */
        uint32_t astray;
};

struct visits {
        uint8_t *health;
        uint32_t health_len;
        struct command commands[COMMANDS];
};

struct visit *visit_new(uint32_t pid, uint8_t origin)
{
        struct visit *v = calloc(1, sizeof(*v));

        if (v)
                *v = (struct visit){.refs = 1, .pid = pid, .origin = origin};
        return v;
}

struct visit *visit_ref(struct visit *v)
{
        if (v)
                v->refs++;
        return v;
}

struct visit *visit_unref(struct visit *v)
{
        if (v && --v->refs == 0)
                free(v);
        return NULL;
}

static int ensure(struct visits **v)
{
        if (!*v)
                *v = calloc(1, sizeof(**v));
        return *v ? 0 : -ENOMEM;
}

int visits_set_health(struct visits **v, struct bytes health)
{
        uint8_t *copy;
        int r = ensure(v);

        if (r < 0)
                return r;
        copy = health.len ? malloc(health.len) : NULL;
        if (health.len && !copy)
                return -ENOMEM;
        if (health.len)
                memcpy(copy, health.p, health.len);
        free((*v)->health);
        (*v)->health = copy;
        (*v)->health_len = health.len;
        return 0;
}

/* The first argument's last component, and everything behind it. */
static struct bytes from_name(struct bytes args)
{
        const uint8_t *end = args.len ? memchr(args.p, 0, args.len) : NULL;
        uint32_t first = end ? (uint32_t)(end - args.p) : args.len, at = first;

        while (at > 0 && args.p[at - 1] != '/')
                at--;
        return bytes_of(args.p + at, args.len - at);
}

bool visits_is_health(const struct visits *v, struct bytes args)
{
        return v && v->health_len && args.len &&
               bytes_eq(from_name(bytes_of(v->health, v->health_len)), from_name(args));
}

static bool is_command(const struct command *c, struct bytes args, struct bytes program)
{
        return c->key.p && c->key.len == args.len + program.len + 1 && !memcmp(c->key.p, program.p, program.len) &&
               c->key.p[program.len] == 0 && !memcmp(c->key.p + program.len + 1, args.p, args.len);
}

static struct command *command_of(struct visits *v, struct bytes args, struct bytes program)
{
        struct command *oldest = &v->commands[0];
        uint8_t *key;

        for (unsigned i = 0; i < COMMANDS; i++) {
                struct command *c = &v->commands[i];

                if (is_command(c, args, program))
                        return c;
                if (!c->key.p || (oldest->key.p && c->runs[c->n - 1] < oldest->runs[oldest->n - 1]))
                        oldest = c;
        }
        key = malloc(args.len + program.len + 1);
        if (!key)
                return NULL;
        memcpy(key, program.p, program.len);
        key[program.len] = 0;
        if (args.len)
                memcpy(key + program.len + 1, args.p, args.len);
        free((void *)oldest->key.p);
        *oldest = (struct command){.key = bytes_of(key, args.len + program.len + 1)};
        return oldest;
}

static bool about(uint64_t d, uint64_t mean)
{
        uint64_t leeway = mean / 5 > LEEWAY_NS ? mean / 5 : LEEWAY_NS;

        return d + leeway >= mean && d <= mean + leeway;
}

/* The distance at which all of its runs came; 0: at none. */
static uint64_t distance_of(const struct command *c)
{
        uint64_t mean;

        if (c->n < VISIT_RUNS || c->runs[VISIT_RUNS - 1] <= c->runs[0])
                return 0;
        mean = (c->runs[VISIT_RUNS - 1] - c->runs[0]) / (VISIT_RUNS - 1);
        if (mean < SHORTEST_NS - LEEWAY_NS || mean > LONGEST_NS)
                return 0;
        for (unsigned i = 1; i < VISIT_RUNS; i++)
                if (c->runs[i] < c->runs[i - 1] || !about(c->runs[i] - c->runs[i - 1], mean))
                        return 0;
        return mean;
}

/* One to three distances after the last. */
static bool is_due(const struct command *c, uint64_t since)
{
        for (unsigned i = 1; i <= SKIPPED_MAX; i++)
                if (about(since, i * c->distance_ns))
                        return true;
        return false;
}

bool visits_run(struct visits **v, struct bytes args, struct bytes program, uint64_t boot_ns)
{
        struct command *c;
        bool due;

        if (ensure(v) < 0)
                return false;
        c = command_of(*v, args, program);
        if (!c)
                return false;
        due = c->distance_ns && boot_ns > c->runs[c->n - 1] && is_due(c, boot_ns - c->runs[c->n - 1]);
        if (c->distance_ns && !due && ++c->astray < SKIPPED_MAX)
                return false; /* one more beside its schedule, a person's perhaps: it is not, the schedule stays */
        if (c->distance_ns && !due)
                c->distance_ns = c->n = 0;
        c->astray = 0;
        if (c->n == VISIT_RUNS) {
                memmove(&c->runs[0], &c->runs[1], sizeof(c->runs) - sizeof(c->runs[0]));
                c->n--;
        }
        c->runs[c->n++] = boot_ns;
        if (!c->distance_ns)
                c->distance_ns = distance_of(c);
        return c->distance_ns != 0;
}

struct visits *visits_free(struct visits *v)
{
        if (!v)
                return NULL;
        for (unsigned i = 0; i < COMMANDS; i++)
                free((void *)v->commands[i].key.p);
        free(v->health);
        free(v);
        return NULL;
}
