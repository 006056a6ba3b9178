/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what each rule would have done, over all that was recorded: the ring, the shipped attacks, and where neither
 * holds a finding, what is stored of it. Must not: call a rule good: with one malicious case hidden it is disqualified,
 * with none to try it on that is said.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "case/json-priv.h"
#include "case/tune-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/ring.h"
#include "tidemark/tune.h"

#define MEMORY (64u << 20)  /* of what recordings begin with, beside each other */
#define SNAPSHOT_GROWS 4u   /* a judge takes so many times of that */
#define NEAR_NS 60000000000 /* events have times of their own */
#define ATTACKS_MAX 4096u
#define LEARNED "learned.tide.gz" /* what the cases beside it go on from */
#define ERRORS_MAX 20u

struct past { /* one finding */
        const json_t *f;
        uint64_t id;
        int64_t first_ns, last_ns;
        bool malicious;
        bool met;  /* a recording holds acts of it */
        bool part; /* … and another one that would have was not played, or was not there any more */
        bool left[TUNE_PROPOSALS];
};
struct segment {
        char name[RING_NAME];
        int64_t from_ns, to_ns;
        uint64_t snapshot;
        bool bad;
};
struct measure {
        const struct tune_setup *s;
        const json_t *rules[TUNE_PROPOSALS];
        json_t *anybody[TUNE_PROPOSALS]; /* the same of every workload */
        size_t n;
        char refused[TUNE_PROPOSALS][256];
        struct past *past;
        size_t npast;
        struct segment *segments;
        size_t nsegments;
        uint64_t played, late, damaged, attacks, attacks_found;
        json_t *hidden[TUNE_PROPOSALS]; /* malicious cases, by name */
        json_t *errors;
        bool no_memory;
};

/* ---- findings ---- */

static uint64_t number_of(const json_t *finding)
{
        const char *id = tune_text(finding, "id");

        return id && strncmp(id, "F-", 2) == 0 ? strtoull(id + 2, NULL, 10) : 0;
}

static int take_past(struct measure *m, const json_t *findings)
{
        size_t i;
        json_t *f;

        m->past = calloc(json_array_size(findings) + 1, sizeof(*m->past));
        if (!m->past)
                return -ENOMEM;
        json_array_foreach((json_t *)(uintptr_t)findings, i, f)
        {
                struct past p = {.f = f, .id = number_of(f), .malicious = tune_is_malicious(f)};

                if (!p.malicious && !tune_counts(f))
                        continue;
                if (cj_time_read(json_object_get(f, "first_seen"), &p.first_ns) < 0 ||
                    cj_time_read(json_object_get(f, "last_seen"), &p.last_ns) < 0)
                        continue;
                m->past[m->npast++] = p;
        }
        return 0;
}

static struct past *past_of(const struct measure *m, uint64_t id)
{
        for (size_t i = 0; i < m->npast; i++)
                if (m->past[i].id == id)
                        return &m->past[i];
        return NULL;
}

/* ---- recordings ---- */

static void error(struct measure *m, const char *name, int r)
{
        char text[300];

        snprintf(text, sizeof(text), "%.100s: %s", name, err_str(r));
        if (json_array_size(m->errors) < ERRORS_MAX && json_array_append_new(m->errors, json_string(text)) < 0)
                m->no_memory = true;
}

static bool is_late(const struct measure *m)
{
        return m->s->late && m->s->late(m->s->arg);
}

static size_t beside_each_other(uint64_t snapshot)
{
        uint64_t n = MEMORY / (SNAPSHOT_GROWS * (snapshot + 4096));

        return n < 1 ? 1 : n > TUNE_SIDES ? TUNE_SIDES : (size_t)n;
}

static int rewind_both(const struct tune_play *t)
{
        if (lseek(t->fd, 0, SEEK_SET) < 0 || (t->learned_fd >= 0 && lseek(t->learned_fd, 0, SEEK_SET) < 0))
                return -errno;
        return 0;
}

/* Some of the rules; what is told of them goes to their places of *ret. 1: it was late; 0; or the reader's error. */
static int play(struct measure *m, struct tune_play t, uint64_t snapshot, const size_t *which, size_t n,
                struct tune_played *ret)
{
        size_t step = beside_each_other(snapshot);
        int r = 0;

        t.as_json = false;
        for (size_t from = 0; r == 0 && from < n; from += step) {
                const json_t *rules[TUNE_SIDES];
                struct tune_played part = {.n = 0};

                t.n = n - from < step ? n - from : step;
                t.rules = rules;
                for (size_t k = 0; k < t.n; k++)
                        rules[k] = m->rules[which[from + k]];
                r = rewind_both(&t);
                if (r == 0)
                        r = tune_play(&t, m->s, &part);
                for (size_t k = 0; k < t.n; k++)
                        if (part.refused[k][0] != '\0')
                                snprintf(m->refused[which[from + k]], sizeof(m->refused[0]), "%s", part.refused[k]);
                for (size_t i = 0; i < ret->n && i < part.n; i++) /* the same, in the same order */
                        for (size_t k = 0; k < t.n; k++)
                                ret->found[i].left[which[from + k]] = part.found[i].left[k];
                r = r == 0 && part.late ? 1 : r;
                tune_played_release(&part);
        }
        return r;
}

/* Without any rule; of every finding something is left then. */
static int play_bare(struct measure *m, const struct tune_play *t, struct tune_played *ret)
{
        int r = rewind_both(t);

        if (r == 0)
                r = tune_play(t, m->s, ret);
        for (size_t i = 0; i < ret->n; i++)
                for (size_t k = 0; k < m->n; k++)
                        ret->found[i].left[k] = true;
        return r == 0 && ret->late ? 1 : r;
}

static bool overlaps(const struct past *p, const struct segment *s)
{
        return p->first_ns < s->to_ns + NEAR_NS && p->last_ns > s->from_ns - NEAR_NS;
}

static bool is_of_use(const struct measure *m, const struct segment *s)
{
        for (size_t i = 0; i < m->npast; i++)
                if (overlaps(&m->past[i], s))
                        return true;
        return false;
}

/* It would have told of them, and did not: what it would have said is not known. */
static void leave_out(struct measure *m, const struct segment *s)
{
        for (size_t i = 0; i < m->npast; i++)
                m->past[i].part = m->past[i].part || overlaps(&m->past[i], s);
}

static int open_in(const char *dir, const char *name)
{
        char path[1024];
        int fd = -ENAMETOOLONG;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
                return fd;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
        return fd < 0 ? -errno : fd;
}

static void take_found(struct measure *m, const struct tune_played *played)
{
        for (size_t i = 0; i < played->n; i++) {
                struct past *p = past_of(m, played->found[i].id);

                if (!p)
                        continue;
                p->met = true;
                for (size_t k = 0; k < m->n; k++)
                        p->left[k] = p->left[k] || played->found[i].left[k];
        }
}

/* Rules that are about any act of a finding that the recording tells of: the others leave it as it is. */
static size_t of_use(const struct measure *m, const struct tune_played *played, size_t *which)
{
        size_t n = 0;

        for (size_t k = 0; k < m->n; k++) {
                bool any = false;

                for (size_t i = 0; i < played->n && !any; i++) {
                        const struct past *p = past_of(m, played->found[i].id);

                        any = p && (p->malicious || tune_concerns(m->rules[k], p->f));
                }
                if (any)
                        which[n++] = k;
        }
        return n;
}

static int play_file(struct measure *m, const struct segment *s, struct tune_played *ret)
{
        struct tune_play t = {.fd = open_in(m->s->ring, s->name), .learned_fd = -1};
        size_t which[TUNE_PROPOSALS], n;
        int r;

        if (t.fd < 0)
                return t.fd;
        r = play_bare(m, &t, ret);
        n = r == 0 ? of_use(m, ret, which) : 0;
        if (n)
                r = play(m, t, s->snapshot, which, n, ret);
        close(t.fd);
        return r;
}

static void play_segment(struct measure *m, const struct segment *s)
{
        struct tune_played played = {.n = 0};
        int r;

        if (!is_of_use(m, s))
                return;
        if (s->bad || is_late(m)) {
                m->late += !s->bad;
                leave_out(m, s);
                return;
        }
        r = play_file(m, s, &played);
        m->no_memory = m->no_memory || r == -ENOMEM;
        m->played += r == 0;
        m->late += r == 1;
        if (r < 0) {
                m->damaged++;
                error(m, s->name, r);
        }
        if (r != 0)
                leave_out(m, s);
        take_found(m, &played);
        tune_played_release(&played);
}

static int list_segments(struct measure *m)
{
        struct ring_segment *all = NULL;
        size_t n = 0;
        int r = ring_list(m->s->ring, &all, &n);

        m->segments = calloc(n + 1, sizeof(*m->segments));
        r = r == 0 && !m->segments ? -ENOMEM : r;
        for (size_t i = 0; i < n && r == 0; i++) {
                struct segment *s = &m->segments[m->nsegments++];
                int fd = open_in(m->s->ring, all[i].name), err;

                memcpy(s->name, all[i].name, sizeof(s->name));
                err = fd < 0 ? fd : tune_snapshot(fd, &s->snapshot, &s->from_ns);
                if (fd >= 0)
                        close(fd);
                s->bad = err < 0;
                s->to_ns = INT64_MAX - NEAR_NS;
                if (err < 0)
                        error(m, s->name, err);
                m->damaged += s->bad;
                if (s->bad)
                        s->from_ns = i ? m->segments[i - 1].from_ns : 0;
                else if (i)
                        m->segments[i - 1].to_ns = s->from_ns;
        }
        free(all);
        return r;
}

/* What began before the ring does is known in part only. */
static void note_older(struct measure *m)
{
        int64_t begin = m->nsegments ? m->segments[0].from_ns : INT64_MAX;

        for (size_t i = 0; i < m->npast; i++)
                m->past[i].part = m->past[i].part || m->past[i].first_ns < begin;
}

static void play_ring(struct measure *m)
{
        int r = m->s->ring ? list_segments(m) : 0;

        if (r < 0)
                error(m, m->s->ring, r);
        note_older(m);
        for (size_t i = m->nsegments; i > 0; i--) /* if time runs out, what is left is older */
                play_segment(m, &m->segments[i - 1]);
}

/* ---- attacks ---- */

static void hide(struct measure *m, size_t rule, const char *name)
{
        if (json_array_append_new(m->hidden[rule], json_string(name)) < 0)
                m->no_memory = true;
}

/* Rules that are about any act of the case's findings, of whatever workload they are. */
static size_t of_use_here(const struct measure *m, const struct tune_played *played, size_t *which)
{
        size_t n = 0;

        for (size_t k = 0; k < m->n; k++) {
                bool any = false;

                for (size_t i = 0; i < played->n && !any; i++)
                        any = !played->found[i].as_json || tune_concerns(m->anybody[k], played->found[i].as_json);
                if (any)
                        which[n++] = k;
        }
        return n;
}

static int play_case(struct measure *m, struct tune_play *t, struct tune_played *ret)
{
        size_t which[TUNE_PROPOSALS], n;
        uint64_t snapshot = 0;
        int64_t from;
        int r = rewind_both(t); /* what was learned was read for the case before */

        if (r == 0)
                r = tune_snapshot(t->learned_fd >= 0 ? t->learned_fd : t->fd, &snapshot, &from);
        if (r == 0)
                r = play_bare(m, t, ret);
        n = r == 0 ? of_use_here(m, ret, which) : 0;
        return n ? play(m, *t, snapshot, which, n, ret) : r;
}

/* A case is hidden if nothing of it is left to see. learned_fd: see struct tune_play. */
static void play_attack(struct measure *m, const char *dir, const char *name, const char *shown, int learned_fd)
{
        struct tune_play t = {.fd = open_in(dir, name), .learned_fd = learned_fd, .anybody = true, .as_json = true};
        struct tune_played played = {.n = 0};
        int r = t.fd < 0 ? t.fd : play_case(m, &t, &played);

        if (t.fd >= 0)
                close(t.fd);
        m->late += r == 1;
        if (r < 0)
                error(m, shown, r);
        m->attacks += r == 0;
        m->attacks_found += r == 0 && played.n > 0;
        for (size_t k = 0; k < m->n && r == 0 && played.n > 0; k++) {
                bool left = false;

                for (size_t i = 0; i < played.n; i++)
                        left = left || played.found[i].left[k];
                if (!left)
                        hide(m, k, shown);
        }
        tune_played_release(&played);
}

static int is_case(const struct dirent *e)
{
        size_t n = strlen(e->d_name);

        return ((n > 5 && strcmp(e->d_name + n - 5, ".tide") == 0) ||
                (n > 8 && strcmp(e->d_name + n - 8, ".tide.gz") == 0)) &&
               strcmp(e->d_name, LEARNED) != 0;
}

static int is_kind(const struct dirent *e)
{
        return e->d_name[0] != '.' && !strchr(e->d_name, '.');
}

/* All cases of one directory; kind: its name below the others'; NULL: the topmost one, whose cases stand alone. */
static void play_cases(struct measure *m, const char *dir, const char *kind)
{
        struct dirent **all = NULL;
        int n = scandir(dir, &all, is_case, alphasort), learned = kind ? open_in(dir, LEARNED) : -1;

        if (n < 0 && errno != ENOENT)
                error(m, dir, -errno);
        for (int i = 0; i < n; i++) {
                char shown[600];

                snprintf(shown, sizeof(shown), "%s%s%s", kind ? kind : "", kind ? "/" : "", all[i]->d_name);
                if (m->attacks + m->late < ATTACKS_MAX && !is_late(m))
                        play_attack(m, dir, all[i]->d_name, shown, learned);
                else
                        m->late++;
                free(all[i]);
        }
        if (learned >= 0)
                close(learned);
        free(all);
}

static void play_attacks(struct measure *m)
{
        struct dirent **all = NULL;
        int n;

        if (!m->s->attacks)
                return;
        play_cases(m, m->s->attacks, NULL);
        n = scandir(m->s->attacks, &all, is_kind, alphasort);
        for (int i = 0; i < n; i++) {
                char dir[1024];

                if ((size_t)snprintf(dir, sizeof(dir), "%s/%s", m->s->attacks, all[i]->d_name) < sizeof(dir))
                        play_cases(m, dir, all[i]->d_name);
                free(all[i]);
        }
        free(all);
}

/* ---- what came of each rule ---- */

enum by { BY_NOTHING, BY_REPLAY, BY_STORED };

/* Would it be gone? By the ring where that holds all of it; else also what is stored of it must be covered. */
static enum by is_removed(const struct measure *m, const struct past *p, size_t rule)
{
        if (p->met && p->left[rule])
                return BY_NOTHING;
        if (p->met && !p->part)
                return BY_REPLAY;
        if (p->malicious) /* where it is not known it counts as hidden */
                return tune_may_hide(m->rules[rule], p->f) ? BY_STORED : BY_NOTHING;
        return tune_covers(m->rules[rule], p->f) ? BY_STORED : BY_NOTHING;
}

struct sums {
        uint64_t counts, removed[3], malicious, malicious_replayed;
        int64_t from_ns, to_ns;
        const char *hidden; /* of the ring's: the first */
};

static void sum_up(struct measure *m, size_t rule, struct sums *ret)
{
        struct sums s = {.from_ns = INT64_MAX};

        for (size_t i = 0; i < m->npast; i++) {
                const struct past *p = &m->past[i];
                enum by by = is_removed(m, p, rule);

                if (p->malicious) {
                        s.malicious++;
                        s.malicious_replayed += p->met && !p->part;
                        if (by != BY_NOTHING)
                                hide(m, rule, tune_text(p->f, "id"));
                        continue;
                }
                s.counts++;
                s.removed[by]++;
                s.from_ns = p->first_ns < s.from_ns ? p->first_ns : s.from_ns;
                s.to_ns = p->last_ns > s.to_ns ? p->last_ns : s.to_ns;
        }
        *ret = s;
}

static json_t *malicious_json(const struct measure *m, const struct sums *s, size_t rule)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "findings", cj_u64(s->malicious));
        bad |= json_object_set_new(o, "findings_replayed", cj_u64(s->malicious_replayed));
        bad |= json_object_set_new(o, "attacks", cj_u64(m->attacks_found));
        bad |= json_object_set_new(o, "hidden", cj_u64(json_array_size(m->hidden[rule])));
        bad |= json_object_set(o, "hidden_cases", m->hidden[rule]);
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *why_not(const struct measure *m, const struct sums *s, size_t rule)
{
        size_t hidden = json_array_size(m->hidden[rule]);
        char text[400];

        if (m->refused[rule][0] != '\0') {
                snprintf(text, sizeof(text), "the agent would not take it: %s", m->refused[rule]);
                return json_string(text);
        }
        if (hidden == 0)
                return s->removed[BY_REPLAY] + s->removed[BY_STORED] ? json_null()
                                                                     : json_string("it would have removed nothing");
        snprintf(text, sizeof(text), "it would have hidden %zu malicious case%s: %.200s%s", hidden,
                 hidden == 1 ? "" : "s", json_string_value(json_array_get(m->hidden[rule], 0)),
                 hidden > 1 ? " and others" : "");
        return json_string(text);
}

static int fill(struct measure *m, json_t *proposal, size_t rule)
{
        json_t *span = json_object();
        struct sums s;
        int bad = 0;

        sum_up(m, rule, &s);
        bad |= json_object_set_new(span, "from", cj_time(s.counts ? s.from_ns : 0));
        bad |= json_object_set_new(span, "to", cj_time(s.to_ns));
        bad |= json_object_set_new(proposal, "span", span);
        bad |= json_object_set_new(proposal, "removed", cj_u64(s.removed[BY_REPLAY] + s.removed[BY_STORED]));
        bad |= json_object_set_new(proposal, "removed_by_replay", cj_u64(s.removed[BY_REPLAY]));
        bad |= json_object_set_new(proposal, "removed_by_stored", cj_u64(s.removed[BY_STORED]));
        bad |= json_object_set_new(proposal, "malicious", malicious_json(m, &s, rule));
        bad |= json_object_set_new(proposal, "proof", json_string(s.malicious ? "findings" : "none"));
        bad |= json_object_set_new(proposal, "disqualified", why_not(m, &s, rule));
        return bad;
}

static json_t *answer(const struct measure *m)
{
        _cleanup_json_ json_t *o = json_object();
        uint64_t counts = 0, malicious = 0;
        int bad = 0;

        for (size_t i = 0; i < m->npast; i++) {
                malicious += m->past[i].malicious;
                counts += !m->past[i].malicious;
        }
        bad |= json_object_set_new(o, "findings", cj_u64(counts));
        bad |= json_object_set_new(o, "malicious", cj_u64(malicious));
        bad |= json_object_set_new(o, "recordings", cj_u64(m->played));
        bad |= json_object_set_new(o, "recordings_late", cj_u64(m->late));
        bad |= json_object_set_new(o, "recordings_damaged", cj_u64(m->damaged));
        bad |= json_object_set_new(o, "attacks", cj_u64(m->attacks));
        bad |= json_object_set(o, "errors", m->errors);
        return bad ? NULL : TAKE_PTR(o);
}

json_t *tune_measure(json_t *proposals, const json_t *findings, const struct tune_setup *s)
{
        struct measure *m = calloc(1, sizeof(*m));
        json_t *about = NULL, *p;
        size_t i;
        int bad;

        if (!m)
                return NULL;
        m->s = s;
        m->errors = json_array();
        json_array_foreach(proposals, i, p)
        {
                if (i == TUNE_PROPOSALS)
                        break;
                m->rules[m->n] = json_object_get(p, "rule");
                m->anybody[m->n] = json_copy(json_object_get(p, "rule"));
                json_object_del(m->anybody[m->n], "workload");
                m->hidden[m->n++] = json_array();
        }
        bad = !m->errors || take_past(m, findings) < 0;
        if (!bad) {
                play_attacks(m); /* first: what hides one of them is out, however long the rest takes */
                play_ring(m);
        }
        for (i = 0; i < m->n && !bad; i++)
                bad |= fill(m, json_array_get(proposals, i), i);
        if (!bad && !m->no_memory)
                about = answer(m);
        for (i = 0; i < m->n; i++) {
                json_decref(m->hidden[i]);
                json_decref(m->anybody[i]);
        }
        json_decref(m->errors);
        free(m->past);
        free(m->segments);
        free(m);
        return about;
}
