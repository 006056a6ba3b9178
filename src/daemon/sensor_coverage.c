/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what the trail holds of how each container was watched: since when, by what, changes, until when, and what was
 * lost meanwhile. Must not: decide how it is watched. Hands over: records of the kinds "watching", "coverage" and
 * "watched", whose text is JSON; see tidemark-trail(5).
 *
 * The first record waits a little, until what watches has settled; a change is recorded once a minute at most, as the
 * last word of that minute: what a container can bring about must not fill the disk.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"

#define SETTLE_NS (2 * NSEC_PER_SEC)
#define CHANGE_NS (60 * NSEC_PER_SEC)
#define AT_ONCE 1000u /* records: there is room for some thousands that wait for the disk */
#define PAUSE_NS (200 * NSEC_PER_MSEC)

static char *wall(uint64_t boot_ns, char dst[CLOCK_TEXT])
{
        return clock_rfc3339(clock_wall_ns() - (int64_t)(clock_boot_ns() - boot_ns), dst);
}

static json_t *means_of(const struct sensor *s, const struct container *c)
{
        static const char *const contents[] = {
                [FAN_HOW_NONE] = "none", [FAN_HOW_FILESYSTEM] = "filesystem mark", [FAN_HOW_MOUNT] = "mount mark"};
        json_t *o = json_pack("{s:s,s:s,s:s,s:s}", "contents", !c->layer ? "none" : contents[c->how], "names",
                              !c->layer ? "none" : sensor_names_by(s), "processes",
                              s->execs && c->how != FAN_HOW_NONE ? "proc connector, fanotify" : "proc connector",
                              "flows", sensor_net_flows(s, c) == FLOWS_WATCHED ? "conntrack" : "none");

        if (o && c->layer && s->names && c->dirs_refused)
                json_object_set_new(o, "names_partial", json_true());
        if (o && c->how == FAN_HOW_MOUNT && c->others_refused)
                json_object_set_new(o, "contents_partial", json_true());
        return o;
}

/* Takes o. */
static void put(struct sensor *s, const struct container *c, const char *kind, json_t *o)
{
        char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

        if (text)
                sensor_trail(s, &(struct trail_entry){.kind = kind,
                                                      .source = TRAIL_AGENT,
                                                      .login_uid = UINT32_MAX,
                                                      .container = bytes_str(c->id),
                                                      .text = bytes_str(text)});
        free(text);
        json_decref(o);
}

/* How long it ran before our marks stood; null: longer than is known. */
static json_t *gap_of(const struct container *c)
{
        if (c->running_before || !c->marked_boot_ns)
                return json_null();
        return json_integer(c->first_boot_ns && c->marked_boot_ns > c->first_boot_ns
                                    ? (json_int_t)((c->marked_boot_ns - c->first_boot_ns) / NSEC_PER_MSEC)
                                    : 0);
}

/* Means as text, to see what is news; kept, for at its end nothing watches it any more. */
static bool is_news(const struct sensor *s, struct container *c)
{
        json_t *o = means_of(s, c);
        char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
        bool news = text && strcmp(text, c->trail.means) != 0;

        if (news) {
                strncpy(c->trail.means, text, sizeof(c->trail.means) - 1);
                c->trail.means[sizeof(c->trail.means) - 1] = '\0';
        }
        free(text);
        json_decref(o);
        return news;
}

/* What is known of how it was watched, until now. */
static json_t *since(const struct container *c)
{
        char from[CLOCK_TEXT];

        return json_pack("{s:s,s:b,s:o,s:s,s:o}", "from", wall(c->trail.from_ns, from), "running_before",
                         c->running_before, "gap_ms", gap_of(c), "runtime", c->runtime ? c->runtime : "", "means",
                         json_loads(c->trail.means, 0, NULL) ?: json_object());
}

static void record(struct sensor *s, struct container *c)
{
        bool news = is_news(s, c);

        if (!c->trail.began) {
                c->trail.began = true;
                put(s, c, "watching", since(c));
        } else if (news) {
                c->trail.changes++;
                put(s, c, "coverage", json_pack("{s:o}", "means", means_of(s, c)));
        }
        c->trail.due_ns = 0;
}

static void arm(struct sensor *s, uint64_t at)
{
        if (s->coverage_due_ns && s->coverage_due_ns <= at)
                return;
        s->coverage_due_ns = at;
        loop_timer_set(s->coverage_timer, at);
}

void sensor_on_coverage_due(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        uint64_t now = loop_now(s->loop), next = 0;
        struct container *c;
        size_t told = 0;

        (void)t;
        s->coverage_due_ns = 0;
        for (size_t i = 0; containers_next(s->containers, &i, &c);) {
                if (c->trail.due_ns && c->trail.due_ns <= now && told < AT_ONCE) {
                        record(s, c);
                        told++;
                }
                if (c->trail.due_ns && (next == 0 || c->trail.due_ns < next))
                        next = c->trail.due_ns;
        }
        if (next)
                arm(s, next > now ? next : now + PAUSE_NS);
}

void sensor_coverage_look(struct sensor *s, struct container *c)
{
        uint64_t now = clock_boot_ns();

        if (c->layer && !c->marked_boot_ns) /* its first walk is under way */
                return;
        if (c->trail.from_ns == 0) {
                c->trail.from_ns = c->marked_boot_ns ? c->marked_boot_ns : now;
                c->trail.losses = s->loss_bursts;
        }
        if (!c->trail.began && (!c->trail.means[0] || sensor_net_flows(s, c) == FLOWS_WATCHED))
                is_news(s, c);
        if (c->trail.due_ns == 0) {
                c->trail.due_ns = now + (c->trail.began ? CHANGE_NS : SETTLE_NS);
                arm(s, c->trail.due_ns);
        }
}

void sensor_coverage_ended(struct sensor *s, struct container *c, const char *why)
{
        char to[CLOCK_TEXT];
        json_t *o;

        if (c->trail.from_ns == 0) { /* it was over before it was covered */
                c->trail.from_ns = c->first_boot_ns ? c->first_boot_ns : clock_boot_ns();
                c->trail.losses = s->loss_bursts;
                is_news(s, c);
        }
        o = since(c);
        if (o) {
                json_object_set_new(o, "to",
                                    json_string(wall(c->empty_boot_ns ? c->empty_boot_ns : clock_boot_ns(), to)));
                json_object_set_new(o, "losses", json_integer((json_int_t)(s->loss_bursts - c->trail.losses)));
                json_object_set_new(o, "changes", json_integer(c->trail.changes));
                json_object_set_new(o, "why", json_string(why));
        }
        put(s, c, "watched", o);
}

void sensor_coverage_end_all(struct sensor *s)
{
        struct container *c;
        size_t told = 0;

        for (size_t i = 0; s->containers && containers_next(s->containers, &i, &c);) {
                sensor_coverage_ended(s, c, "the agent ends");
                if (++told % AT_ONCE == 0)
                        trail_flush(s->trail, NULL);
        }
}
