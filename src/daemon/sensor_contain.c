/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: whom containment holds, over restarts of containers and of this agent: the list, what is made again when
 * somebody removes it, restarts that are held until it stands, and the end in time. Must not: cut, freeze or kill
 * anything itself (the isolator's helpers do), or let anything go because the agent ends. Hands over: requests to the
 * isolator; words to sensor_contain_say.c.
 *
 * One request a container at a time. A container's end keeps its entry: it may be started again by the same id, and is
 * then frozen at the first sight of its first task until its network is cut. The entry goes by release, by expiry, or
 * when its write layer is no more.
 */
#include "daemon/sensor_contain-priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidemark/caps.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "contain"
#define DEADLINE_NS (2 * NSEC_PER_SEC) /* of one request to the helper */
#define TICK_NS NSEC_PER_SEC
#define RETRY_NS NSEC_PER_SEC
#define DEVICES_NS (2 * NSEC_PER_SEC)
#define WAYS_TOLD 16u   /* changes of devices of one container that are told */
#define LAYER_TICKS 10u /* how often it is looked whether a container that ended still has its write layer */

static void advance(struct sensor *s, struct hold *h);

/* ---- the list ---- */

struct hold *contain_find(const struct contain *k, const char *id)
{
        struct hold *h = k ? k->first : NULL;

        while (h && strcmp(h->e.id, id) != 0)
                h = h->next;
        return h;
}

static struct hold *by_token(const struct contain *k, uint64_t token)
{
        struct hold *h = k->first;

        while (h && h->token != token)
                h = h->next;
        return h;
}

uint64_t contain_token(struct contain *k)
{
        return ++k->last_token;
}

/* What of the container as it runs now is needed to find it again. */
static void take_life(struct hold *h, const struct container *c)
{
        h->e.pid = c->init_pid;
        h->e.start = c->init_start;
        h->e.netns = c->netns;
        snprintf(h->e.cgroup, sizeof(h->e.cgroup), "%s", c->cgroup ? c->cgroup : "");
        snprintf(h->upper, sizeof(h->upper), "%s", c->upper ? c->upper : "");
}

static struct hold *add(struct contain *k)
{
        struct hold *h = k->n < ISOLATE_HELD ? calloc(1, sizeof(*h)) : NULL, **at = &k->first;

        if (!h)
                return NULL;
        while (*at)
                at = &(*at)->next;
        *at = h;
        k->n++;
        return h;
}

struct hold *contain_hold(struct sensor *s, const struct container *c)
{
        const struct told *t = contain_told(s->contain, c->id);
        struct hold *h = add(s->contain);

        if (!h)
                return NULL;
        snprintf(h->e.id, sizeof(h->e.id), "%s", c->id);
        if (t) {
                snprintf(h->e.name, sizeof(h->e.name), "%s", t->name);
                snprintf(h->e.workload, sizeof(h->e.workload), "%s", t->workload);
                snprintf(h->e.image, sizeof(h->e.image), "%s", t->image);
        }
        take_life(h, c);
        h->e.since_wall_ns = clock_wall_ns();
        h->since_ns = clock_boot_ns();
        h->e.nnets = s->contain->nnets;
        memcpy(h->e.nets, s->contain->nets, sizeof(h->e.nets));
        return h;
}

void contain_drop(struct sensor *s, struct hold *h)
{
        struct hold **at = &s->contain->first;

        while (*at && *at != h)
                at = &(*at)->next;
        if (!*at)
                return;
        *at = h->next;
        s->contain->n--;
        free(h);
}

int contain_save(struct sensor *s, uint64_t token)
{
        struct isolate_list *list = calloc(1, sizeof(*list));
        const struct containment_rate *rate = &s->contain->rate;
        uint64_t now = clock_boot_ns();
        int64_t wall = clock_wall_ns();
        int r;

        if (!list)
                return -ENOMEM;
        for (; list->npolicy < rate->n && list->npolicy < ISOLATE_POLICY; list->npolicy++)
                list->policy_wall_ns[list->npolicy] = wall - (int64_t)(now - rate->at_ns[list->npolicy]);
        isolate_boot_id(list->boot_id);
        for (const struct hold *h = s->contain->first; h; h = h->next)
                list->of[list->n++] = h->e;
        r = isolator_save(s->contain->isolator, token ? token : contain_token(s->contain), list);
        free(list);
        return r;
}

/* ---- requests ---- */

int contain_ask(struct sensor *s, uint64_t token, enum isolate_what what, const char *id, uint32_t flags)
{
        const struct container *c = containers_by_id(s->containers, bytes_str(id));
        const struct hold *h = contain_find(s->contain, id);
        struct isolate_request q = {.token = token, .what = (uint8_t)what, .flags = flags};

        snprintf(q.id, sizeof(q.id), "%s", id);
        if (c && c->tasks) {
                q.pid = c->init_pid;
                q.start = c->init_start;
                q.netns = c->netns;
        } else if (what == ISOLATE_RELEASE && h) {
                q.netns = h->e.netns;
        }
        if (what == ISOLATE_RELEASE && h && (h->frozen || h->e.held))
                q.flags |= ISOLATE_AND_THAW;
        snprintf(q.cgroup, sizeof(q.cgroup), "%s", c && c->cgroup ? c->cgroup : h ? h->e.cgroup : "");
        q.places = h ? h->e.places : 0;
        q.nnets = h ? h->e.nnets : s->contain->nnets;
        memcpy(q.nets, h ? h->e.nets : s->contain->nets, sizeof(q.nets));
        return isolator_ask(s->contain->isolator, &q);
}

/* While it is being released nothing else is begun: it would be done behind the release, and nobody would undo it. */
static void ask(struct sensor *s, struct hold *h, enum isolate_what what)
{
        uint64_t token = contain_token(s->contain);
        int r;

        if (h->releasing && what != ISOLATE_RELEASE)
                return;
        r = contain_ask(s, token, what, h->e.id, what == ISOLATE_CUT ? h->e.flags | ISOLATE_END_SOCKETS : h->e.flags);
        if (r == 0) {
                h->token = token;
                h->asked = (uint8_t)what;
                return;
        }
        log_warn(MOD, "container %.12s: the helper takes no request now, this is tried again: %s", h->e.id, err_str(r));
        h->due_ns = clock_boot_ns() + RETRY_NS;
}

void contain_wake(struct sensor *s)
{
        loop_timer_set(s->contain->tick, loop_now(s->loop) + TICK_NS);
}

/* ---- what an answer says ---- */

void contain_take(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        uint64_t now[2] = {a->dropped, a->dropped_host};

        (void)s;
        for (size_t i = 0; i < 2; i++) {
                if (h->before[i] + now[i] < h->dropped[i]) /* a table that was made anew counts from 0 */
                        h->before[i] = h->dropped[i];
                h->dropped[i] = h->before[i] + now[i];
        }
        if (a->what == ISOLATE_CUT) { /* a check looks at what was made, and says no more than whether it stands */
                h->e.way = a->way;
                h->e.places = a->places;
        }
        if (a->facts)
                h->facts = a->facts;
        for (uint32_t i = 0; i < a->ndevices && i < ISOLATE_DEVICES; i++)
                if (a->devices[i].peer[0])
                        snprintf(h->peer, sizeof(h->peer), "%.15s", a->devices[i].peer);
        snprintf(h->why, sizeof(h->why), "%.*s", (int)sizeof(a->why) - 1, a->why);
        if (a->what == ISOLATE_CUT)
                h->seen = a->seen;
        if (a->error == 0 && a->stands) {
                h->good_ns = clock_boot_ns();
                h->state = HOLD_STANDS;
        }
}

static const char *often(const struct hold *h, char dst[40])
{
        snprintf(dst, 40, "%llu time%s so far", (unsigned long long)h->again.total, h->again.total == 1 ? "" : "s");
        return dst;
}

/* Somebody took them away, wholly or in part. That they are made again is told when it is done. */
static void removed(struct sensor *s, struct hold *h)
{
        enum containment_mend m = containment_mend(&h->again, s->cfg->contain_reassert, clock_boot_ns());
        char words[CONTAIN_WORDS], n[40];

        s->contain->stats.removed++;
        h->state = HOLD_BROKEN;
        h->quiet = h->again.n > 1 && m == CONTAINMENT_MEND;
        if (m == CONTAINMENT_MEND_LATER) {
                h->due_ns = containment_mend_at(&h->again);
                if (h->again.n > s->cfg->contain_reassert + 1)
                        return; /* said already, in this minute */
                snprintf(words, sizeof(words),
                         "its rules were removed more often than contain.reassert (%u a minute) allows to make them "
                         "again: "
                         "NOT ISOLATED until the minute is over; %s",
                         s->cfg->contain_reassert, often(h, n));
                contain_changed(s, h, CONTAIN_FAILED, words);
                return;
        }
        if (m == CONTAINMENT_MEND_TELL) {
                snprintf(words, sizeof(words),
                         "its rules are removed again and again, which is no accident: somebody works against the "
                         "isolation "
                         "(%s); each time they are made again",
                         often(h, n));
                contain_changed(s, h, CONTAIN_TAMPERED, words);
        }
        ask(s, h, ISOLATE_CUT);
}

static void made_again(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        uint64_t gap = h->good_ns && a->cut_at_ns > h->good_ns ? a->cut_at_ns - h->good_ns : 0;
        char words[CONTAIN_WORDS], n[40];

        h->reasserted++;
        snprintf(words, sizeof(words),
                 "its rules had been removed or changed, and were made again %llu ms after they were last seen to "
                 "stand (%s): %s",
                 (unsigned long long)(gap / NSEC_PER_MSEC), often(h, n), contain_stands(h));
        if (!h->quiet)
                contain_changed(s, h, CONTAIN_REASSERTED, words);
}

/* When the first program of its present life began; 0: none has, or none was seen. */
static uint64_t began(const struct sensor *s, const struct hold *h)
{
        const struct container *c = containers_by_id(s->containers, bytes_str(h->e.id));

        if (!c)
                return 0;
        return c->running_before ? c->init_start * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK)) : c->first_boot_ns;
}

/* Of a restart: nothing of it may run before its network is cut; how well that went is told. */
static void held(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        uint64_t first = began(s, h), cut = a->cut_at_ns;
        bool froze = h->frozen_ns && h->frozen_ns < cut;
        uint64_t end = froze ? h->frozen_ns : cut, gap = first && end > first ? end - first : 0;
        char words[CONTAIN_WORDS], ran[100] = "before any program of it ran";

        if (gap)
                snprintf(ran, sizeof(ran), "%.1f ms after its first program had begun: that is the gap",
                         (double)gap / 1e6);
        snprintf(words, sizeof(words), "it was started again, and %s %s; its network was cut %.1f ms after that: %s",
                 froze ? "held by the freezer" : "could NOT be frozen: it was cut", ran,
                 cut > end ? (double)(cut - end) / 1e6 : 0.0, contain_stands(h));
        s->contain->stats.restarted++;
        h->came_again = false;
        contain_changed(s, h, CONTAIN_RESTARTED, words);
        contain_save(s, 0);
}

static void adopted(struct sensor *s, struct hold *h, bool whole)
{
        char words[CONTAIN_WORDS];

        snprintf(words, sizeof(words), "isolated by an earlier life of this agent, and %s: %s",
                 whole ? "found so when it started" : "made so again when it started, as its rules were gone",
                 contain_stands(h));
        h->adopting = false;
        s->contain->stats.adopted++;
        contain_changed(s, h, CONTAIN_ADOPTED, words);
        contain_save(s, 0);
}

/* It cannot be done now. */
static void stuck(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        char words[CONTAIN_WORDS];

        h->state = HOLD_BROKEN;
        h->due_ns = clock_boot_ns() + RETRY_NS;
        if (h->told_stuck)
                return;
        h->told_stuck = true;
        snprintf(words, sizeof(words),
                 "NOT ISOLATED: its rules cannot be made now (%s%s%s)%s; this is tried each second", err_str(a->error),
                 a->why[0] ? ": " : "", a->why, h->frozen ? ", and it stays frozen" : "");
        contain_changed(s, h, CONTAIN_FAILED, words);
}

/* A runtime gave it another interface, or somebody in it made one: told a few times alone. */
static void other_way(struct sensor *s, struct hold *h)
{
        char words[CONTAIN_WORDS];

        snprintf(words, sizeof(words), "its network devices changed, and it was cut again: %s", contain_stands(h));
        if (h->ways_told++ < WAYS_TOLD)
                contain_changed(s, h, CONTAIN_REASSERTED, words);
        contain_save(s, 0);
}

static void on_cut(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        bool again = h->state == HOLD_BROKEN && !h->came_again && !h->adopting;
        uint8_t way;

        if (a->error < 0 || !a->stands) {
                stuck(s, h, a);
                return;
        }
        if (again)
                made_again(s, h, a); /* good_ns is still that of before */
        way = h->e.way;
        contain_take(s, h, a);
        h->told_stuck = false;
        if (h->e.way != way && !again && !h->adopting && !h->came_again)
                other_way(s, h);
        if (h->adopting)
                adopted(s, h, a->facts & ISOLATE_STOOD);
        if (h->came_again)
                held(s, h, a);
        if (h->frozen)
                ask(s, h, ISOLATE_THAW);
}

static void on_check(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        if (a->error < 0) /* it has ended, or the helper was replaced: the next look tells */
                return;
        contain_take(s, h, a);
        if (!a->stands) {
                removed(s, h);
        } else if (a->devices_changed && clock_boot_ns() - h->devices_ns >= DEVICES_NS) {
                h->devices_ns = clock_boot_ns(); /* whoever makes them in there does not make us busy */
                ask(s, h, ISOLATE_CUT);
        }
}

/* What took too long, or whoever did it, may have done it all the same: it is thawed then, too. */
static void on_frozen(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        h->frozen = h->e.held = a->error == 0 || a->error == -ETIMEDOUT || a->error == -EPIPE;
        if (a->error == 0) {
                h->frozen_ns = clock_boot_ns();
                contain_save(s, 0); /* a next life must know that it is to be thawed */
        } else {
                log_warn(MOD, "container %.12s: started again while isolated, and cannot be frozen: %s %s", h->e.id,
                         err_str(a->error), a->why);
        }
        ask(s, h, ISOLATE_CUT);
}

static void on_thawed(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        h->frozen = h->e.held = false;
        if (a->error < 0 && a->error != -ESRCH && a->error != -ENOENT && a->error != -EOPNOTSUPP) {
                h->frozen = true;
                h->due_ns = clock_boot_ns() + RETRY_NS;
                log_error(MOD, "container %.12s: cannot be thawed, this is tried again: %s %s", h->e.id,
                          err_str(a->error), a->why);
        }
        contain_save(s, 0);
}

static void on_expired(struct sensor *s, struct hold *h, const struct isolate_answer *a)
{
        if (a->error < 0) {
                h->releasing = false;
                h->due_ns = clock_boot_ns() + RETRY_NS;
                log_error(
                        MOD,
                        "container %.12s: its isolation is over, and cannot be taken back: %s %s; this is tried again",
                        h->e.id, err_str(a->error), a->why);
                return;
        }
        s->contain->stats.expired++;
        contain_changed(s, h, CONTAIN_EXPIRED, "released: the time that was given is over");
        contain_drop(s, h);
        contain_save(s, 0);
}

static void (*const on_answers[ISOLATE__WHATS])(struct sensor *, struct hold *, const struct isolate_answer *) = {
        [ISOLATE_CUT] = on_cut,     [ISOLATE_CHECK] = on_check,     [ISOLATE_FREEZE] = on_frozen,
        [ISOLATE_THAW] = on_thawed, [ISOLATE_RELEASE] = on_expired,
};

static void on_answer(const struct isolate_answer *a, void *arg)
{
        struct sensor *s = arg;
        struct hold *h;
        char id[ISOLATE_ID];

        if (contain_job_answer(s, a))
                return;
        h = by_token(s->contain, a->token);
        if (!h) {
                if (a->what == ISOLATE_SAVE && a->error < 0)
                        log_error(MOD,
                                  "the list of isolated containers cannot be written: %s %s; after a restart of the "
                                  "agent "
                                  "they would not be known",
                                  err_str(a->error), a->why);
                else if (a->what == ISOLATE_RELEASE && a->error < 0)
                        log_error(MOD, "what was left of an isolation cannot be taken away: %s %s", err_str(a->error),
                                  a->why);
                return;
        }
        memcpy(id, h->e.id, sizeof(id));
        h->token = 0;
        if (a->what < ISOLATE__WHATS && on_answers[a->what])
                on_answers[a->what](s, h, a);
        h = contain_find(s->contain, id); /* it may be gone by now */
        if (h)
                advance(s, h);
}

static void on_changed(const char *id, void *arg)
{
        struct sensor *s = arg;

        for (struct hold *h = s->contain->first; h; h = h->next)
                if (!*id || strcmp(h->e.id, id) == 0) {
                        h->check_wanted = true;
                        advance(s, h);
                }
}

/* ---- what is due ---- */

/* The next request of a container that has none. */
static void advance(struct sensor *s, struct hold *h)
{
        const struct container *c = containers_by_id(s->containers, bytes_str(h->e.id));
        uint64_t now = clock_boot_ns();

        if (h->token || h->releasing || h->state == HOLD_NEW)
                return;
        if (containment_expired(h->until_ns, now) && now >= h->due_ns) {
                h->releasing = true;
                ask(s, h, ISOLATE_RELEASE);
                h->releasing = h->token != 0;
        } else if (h->state == HOLD_AWAY || !c || c->tasks == 0) {
                return;
        } else if (h->state == HOLD_BROKEN && now >= h->due_ns) {
                ask(s, h, ISOLATE_CUT);
        } else if (h->state == HOLD_STANDS && h->frozen && now >= h->due_ns) {
                ask(s, h, ISOLATE_THAW);
        } else if (h->state == HOLD_STANDS && h->check_wanted) {
                h->check_wanted = false;
                ask(s, h, ISOLATE_CHECK);
        }
}

/* It has ended, but others live in its network namespace (a pod's), cut off as long as its rules stand there. */
bool contain_is_shared(const struct sensor *s, const struct hold *h)
{
        struct container *c;

        if (h->state != HOLD_AWAY || h->e.netns == s->contain->own_netns || !h->upper[0])
                return false;
        for (size_t i = 0; containers_next(s->containers, &i, &c);)
                if (c->tasks && c->netns == h->e.netns)
                        return true;
        return false;
}

/* It ended, and its runtime has removed it. */
static bool is_gone(const struct sensor *s, const struct hold *h)
{
        return h->state == HOLD_AWAY && h->token == 0 && !h->releasing && h->upper[0] &&
               access(h->upper, F_OK) < 0 && errno == ENOENT &&
               !containers_by_id(s->containers, bytes_str(h->e.id)) && !contain_is_shared(s, h);
}

static void on_tick(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;
        struct hold *next;
        bool dropped = false;

        (void)t;
        s->contain->ticks++;
        for (struct hold *h = s->contain->first; h; h = next) {
                next = h->next;
                if (h->state != HOLD_NEW && !containers_by_id(s->containers, bytes_str(h->e.id)))
                        h->state = HOLD_AWAY; /* it ended while it was being cut */
                /* its tables on the host's side do not end with it */
                if (s->contain->ticks % LAYER_TICKS == 0 && is_gone(s, h) &&
                    contain_ask(s, contain_token(s->contain), ISOLATE_RELEASE, h->e.id, 0) == 0) {
                        contain_changed(
                                s, h, CONTAIN_ENDED,
                                "it was removed by its runtime while it was isolated: nothing is held any more");
                        contain_drop(s, h);
                        dropped = true;
                        continue;
                }
                h->check_wanted = true;
                advance(s, h);
        }
        if (dropped)
                contain_save(s, 0);
        if (s->contain->first)
                contain_wake(s);
}

/* ---- containers that come and go ---- */

void sensor_contain_container(struct sensor *s, const struct container *c)
{
        struct hold *h = contain_find(s->contain, c->id);
        bool same;

        if (!h || h->state == HOLD_NEW)
                return;
        same = h->adopting && h->e.pid == c->init_pid && h->e.start == c->init_start;
        take_life(h, c);
        h->state = HOLD_BROKEN; /* as far as is known */
        h->due_ns = 0;
        if (h->releasing) { /* if that fails it is cut */
                h->came_again = !same;
                return;
        }
        h->token = 0; /* what is answered for its earlier life is passed over */
        if (same) { /* made anew in one transaction: what stood does so meanwhile */
                h->frozen = h->e.held;
                ask(s, h, ISOLATE_CUT);
                return;
        }
        h->adopting = false;
        h->came_again = true;
        h->frozen_ns = 0;
        h->e.held = true; /* in the list before it is so: whoever reads that thaws it */
        ask(s, h, ISOLATE_FREEZE);
}

void sensor_contain_emptied(struct sensor *s)
{
        for (struct hold *h = s->contain->first; h; h = h->next) {
                const struct container *c = containers_by_id(s->containers, bytes_str(h->e.id));

                if (c && c->tasks == 0)
                        isolator_forget(s->contain->isolator, h->e.id);
        }
}

void sensor_contain_gone(struct sensor *s, const struct container *c)
{
        struct hold *h = contain_find(s->contain, c->id);

        if (map_del(s->contain->told, bytes_str(c->id)) < 0)
                log_debug(MOD, "container %.12s ended before its metadata was read", c->id);
        if (!h || h->state == HOLD_NEW)
                return;
        h->state = HOLD_AWAY;
        h->frozen = h->e.held = h->came_again = h->told_stuck = false;
        h->token = h->releasing ? h->token : 0;
        isolator_forget(s->contain->isolator, c->id);
}

/* ---- start and end ---- */

static uint64_t boot_of(int64_t wall, int64_t wall_now, uint64_t now)
{
        int64_t at = (int64_t)now + (wall - wall_now);

        return at > 0 ? (uint64_t)at : 1;
}

static void load(struct sensor *s)
{
        struct isolate_list *list = calloc(1, sizeof(*list));
        uint64_t now = clock_boot_ns();
        int64_t wall = clock_wall_ns();
        char why[ISOLATE_WHY] = "", boot[40], text[ISOLATE_WHY + 200];
        int r = list ? isolate_load(s->setup->trail_dir, list, why) : -ENOMEM;
        bool same_boot = list && strcmp(list->boot_id, isolate_boot_id(boot)) == 0;

        if (r < 0) {
                snprintf(text, sizeof(text),
                         "the list of isolated containers is not as it was written (%s: %s): %u of it are "
                         "taken over, others may stay cut off until tidemark contain release",
                         err_str(r), why, list ? list->n : 0);
                log_error(MOD, "%s", text);
                s->contain->load_error = strdup(text);
        }
        for (uint32_t i = 0; list && i < list->n; i++) {
                struct hold *h = add(s->contain);

                if (!h)
                        break;
                h->e = list->of[i];
                h->state = HOLD_AWAY;
                h->adopting = same_boot;
                h->since_ns = boot_of(h->e.since_wall_ns, wall, now);
                h->until_ns = h->e.until_wall_ns ? boot_of(h->e.until_wall_ns, wall, now) : 0;
                if (h->e.by_policy && list->npolicy == 0) /* version 1 tells it of those alone that are held still */
                        containment_count(&s->contain->rate, h->since_ns, now);
        }
        for (uint32_t i = 0; list && i < list->npolicy; i++)
                containment_count(&s->contain->rate, boot_of(list->policy_wall_ns[i], wall, now), now);
        free(list);
        if (s->contain->first)
                log_info(MOD, "%u container%s isolated by an earlier life of this agent: held", s->contain->n,
                         s->contain->n == 1 ? " was" : "s were");
}

static int allowed(struct sensor *s)
{
        const struct str_list *list = &s->cfg->contain_allow;
        size_t len = 0;

        for (uint32_t i = 0; i < list->n; i++) {
                if (s->contain->nnets == ISOLATE_NETS || isolate_parse_net(list->text[i], &s->contain->nets[i]) < 0) {
                        log_error(MOD,
                                  "contain.allow: \"%s\" cannot be used: an address or network is expected, %u at most",
                                  list->text[i], ISOLATE_NETS);
                        return -EINVAL;
                }
                s->contain->nnets++;
                if (len < sizeof(s->contain->allow))
                        len += (size_t)snprintf(s->contain->allow + len, sizeof(s->contain->allow) - len, "%s%s",
                                                i ? ", " : "", list->text[i]);
        }
        return 0;
}

/* One that is started again has no right to change its bounding set any more. */
static int confine(void)
{
        size_t n;
        const struct caps_need *needs = caps_isolator(&n);

        return caps_reduce(needs, n);
}

static int confine_killer(void)
{
        const char *missing = NULL;
        size_t n;
        const struct caps_need *needs = caps_killer(&n);

        return caps_keep(needs, n, &missing);
}

int sensor_contain_start(struct sensor *s)
{
        static const struct isolator_ops ops = {.answer = on_answer, .changed = on_changed};
        char instance[CFG_INSTANCE];
        const struct isolator_setup setup = {.instance = cfg_instance(s->setup->state_dir, instance),
                                             .state_dir = s->setup->trail_dir,
                                             .deadline_ns = DEADLINE_NS,
                                             .confine = confine,
                                             .confine_killer = confine_killer};
        struct stat st;
        int r;

        s->contain = calloc(1, sizeof(*s->contain));
        r = s->contain ? allowed(s) : -ENOMEM;
        if (r == 0)
                r = map_new(s->cfg->max_containers, map_seed_random(), free, &s->contain->told);
        if (r == 0)
                r = loop_timer_new(s->loop, on_tick, s, &s->contain->tick);
        if (r == 0)
                r = isolator_start(s->loop, &setup, &ops, s, &s->contain->isolator);
        if (r < 0) {
                log_error(MOD, "what isolates containers cannot be started: %s", err_str(r));
                return r;
        }
        s->contain->own_netns = stat("/proc/self/ns/net", &st) == 0 ? (uint64_t)st.st_ino : 0;
        load(s);
        if (s->contain->first)
                contain_wake(s);
        return 0;
}

void sensor_contain_stop(struct sensor *s)
{
        struct contain *k = s->contain;

        if (!k)
                return;
        if (k->isolator)
                isolator_finish(k->isolator);
        if (k->n)
                log_info(MOD,
                         "%u container%s stay%s isolated while the agent does not run: tidemark contain release when "
                         "it runs "
                         "again",
                         k->n, k->n == 1 ? "" : "s", k->n == 1 ? "s" : "");
        for (size_t i = 0; i < CONTAIN_JOBS; i++)
                json_decref(k->jobs[i].foresight), free(k->jobs[i].args);
        k->isolator = isolator_stop(k->isolator);
        k->tick = loop_timer_free(k->tick);
        k->told = map_free(k->told);
        while (k->first)
                contain_drop(s, k->first);
        free(k->load_error);
        free(k);
        s->contain = NULL;
}

void sensor_contain_begin(struct sensor *s)
{
        if (s->contain->load_error)
                sensor_admin_note(s, "contain-damaged", s->contain->load_error);
}
