/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the lane of exec sessions: what people do in a container is one item a session, with all of its acts, scored by
 * a table of its own. Must not: teach the baseline anything, or count in the workload's rates. Pure.
 *
 * A session is its first process (pid and start) and all that descends from it, orphans too. It is told by the origin
 * of an act; one whose start could not be read may be a health check, and stays in the workload's lane while its
 * program is one that health checks run. Sessions without a terminal that were started with the same command by the
 * same login, not longer than group.join apart, are one item with a count: what a script does every minute is not a
 * person. Once such an item was judged, the next session is another item.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/quiet-priv.h"
#include "tidemark/err.h"

#define COMMAND_KEPT 1024u /* bytes of the arguments */

/* ---- which session ---- */

static bool is_leader(const struct finding *f, const struct tide_actor *a)
{
        return (f->leader.pid == a->leader && f->leader.start == a->leader_start) ||
               signal_has_proc(f, a->leader, a->leader_start);
}

static bool is_of_container(const struct finding *f, const struct container_memory *c)
{
        for (uint32_t i = 0; i < f->ncontainers; i++)
                if (bytes_eq(str_get(&f->containers[i].id), str_get(&c->id)))
                        return true;
        return false;
}

static struct finding *by_leader(const struct judge *j, const struct container_memory *c, const struct tide_actor *a)
{
        for (size_t i = j->nopen; i > 0; i--) {
                struct finding *f = j->open[i - 1];

                if (f->type == FINDING_SESSION && is_leader(f, a) && is_of_container(f, c))
                        return f;
        }
        return NULL;
}

/* What is told of processes that are older than this field: the outermost ancestor below the init. */
static bool leader_of(const struct observation *o, struct tide_actor *ret)
{
        struct lineage l;

        *ret = *o->actor;
        if (ret->leader || !(ret->flags & ACTOR_PID))
                return ret->leader != 0;
        signal_lineage(o->actor, &l);
        for (uint32_t i = 0; i < l.n; i++)
                if (!is_init(o, l.a[i].pid, l.a[i].start)) {
                        ret->leader = l.a[i].pid;
                        ret->leader_start = l.a[i].start;
                        return true;
                }
        ret->leader = ret->pid;
        ret->leader_start = ret->start;
        return true;
}

static struct bytes command_of(const struct observation *o)
{
        const struct tide_exec *x = &o->ev->exec;

        return bytes_of(x->args.p, x->args.len < COMMAND_KEPT ? x->args.len : COMMAND_KEPT);
}

static bool begins(const struct observation *o, const struct tide_actor *a)
{
        return o->ev->kind == TIDE_EXEC && a->pid == a->leader && (a->start == a->leader_start || a->start == 0);
}

/* The same command once more, with nobody at a terminal. What was judged was judged as it was: then it is another one.
 */
static struct finding *by_command(const struct judge *j, const struct workload *w, const struct observation *o,
                                  const struct tide_actor *a)
{
        struct bytes command;

        if (!begins(o, a) || !(a->flags & ACTOR_SESSION_NO_TTY))
                return NULL;
        command = command_of(o);
        if (command.len == 0 || command.len != o->ev->exec.args_total)
                return NULL;
        for (size_t i = j->nopen; i > 0; i--) {
                struct finding *f = j->open[i - 1];

                if (f->type == FINDING_SESSION && f->state == FINDING_OPEN && f->terminal == TERMINAL_NO &&
                    f->login_uid == a->login_uid && bytes_eq(str_get(&f->command), command) &&
                    bytes_eq(str_get(&f->workload), str_get(&w->name)) &&
                    bytes_eq(str_get(&f->digest), str_get(&w->digest)) &&
                    ns_apart(o->ev->wall_ns, f->last_ns) < (int64_t)j->p.join_ns)
                        return f;
        }
        return NULL;
}

/* Of its newest session: another one of the same command may go on when that one has ended. */
static bool is_left(const struct finding *f, const struct tide_actor *a)
{
        return f->ended && f->leader.pid == a->leader && f->leader.start == a->leader_start;
}

/* ---- a new one ---- */

static uint32_t count(const struct judge *j)
{
        uint32_t n = 0;

        for (size_t i = 0; i < j->nopen; i++)
                n += j->open[i]->type == FINDING_SESSION;
        return n;
}

/* Of those that are over, or else of all, the least sure goes; of equals the oldest. */
static void make_room(struct judge *j)
{
        struct finding *least = NULL;

        for (size_t i = 0; i < j->nopen; i++) {
                struct finding *f = j->open[i];

                if (f->type == FINDING_SESSION && (!least || f->ended > least->ended ||
                                                   (f->ended == least->ended && f->confidence < least->confidence)))
                        least = f;
        }
        if (!least)
                return;
        pieces_drop_finding(j, least->id);
        group_remove(j, least);
        finding_free(least);
        j->stats.sessions_dropped++;
}

static int set_leader(struct finding *f, const struct observation *o, const struct tide_actor *a)
{
        int r = 0;

        f->leader.pid = a->leader;
        f->leader.start = a->leader_start;
        f->ended = false;
        f->ended_ns = 0;
        f->terminal = a->flags & ACTOR_SESSION_TTY      ? TERMINAL_YES
                      : a->flags & ACTOR_SESSION_NO_TTY ? TERMINAL_NO
                                                        : TERMINAL_UNKNOWN;
        f->uid = a->uid;
        f->login_uid = a->login_uid;
        f->session = a->session;
        f->actor_known = true;
        if (begins(o, a)) {
                r = str_set(&f->leader.exe, a->exe);
                if (r == 0)
                        r = str_set(&f->command, command_of(o));
        }
        return r;
}

static struct finding *make(struct judge *j, struct workload *w, const struct observation *o,
                            const struct tide_actor *a)
{
        struct finding *f;

        if (count(j) >= j->p.max_sessions)
                make_room(j);
        f = group_new(j, w, FINDING_SESSION, o->ev->wall_ns);
        if (f && set_leader(f, o, a) < 0) {
                group_remove(j, f);
                f = finding_free(f);
        }
        if (!f)
                return NULL;
        f->visits = 1;
        j->stats.sessions++;
        weeks_session(j, f);
        return f;
}

static struct finding *find(struct judge *j, struct workload *w, const struct observation *o,
                            const struct tide_actor *a, bool *ret_opened)
{
        struct finding *f = by_leader(j, o->c, a);

        *ret_opened = false;
        if (f)
                return f;
        f = by_command(j, w, o, a);
        if (!f) {
                *ret_opened = true;
                return make(j, w, o, a);
        }
        if (set_leader(f, o, a) < 0)
                return NULL;
        f->visits++;
        j->stats.sessions++;
        weeks_session(j, f);
        return f;
}

/* ---- its acts ---- */

/* A window keeps it quiet while all that it does is in it, and nothing is what is never learned silently. */
static int settle(struct judge *j, struct finding *f, const struct observation *o, struct rule *window, bool *opened)
{
        char text[32];

        if (window && !o->never_silent)
                f->anew = false;
        if (window && !o->never_silent && (*opened || f->suppressed)) {
                f->suppressed = true;
                *opened = false;
                rules_hid(j, window, o->ev->wall_ns);
                snprintf(text, sizeof(text), "R-%llu", (unsigned long long)window->id);
                return str_set(&f->suppressed_by, bytes_str(text));
        }
        if (f->suppressed && window)
                f->broke_through = true;
        *opened = *opened || f->suppressed;
        f->suppressed = false;
        return 0;
}

/* Its first execution says with what it was started, even where another of its acts was told before. */
static int note_begin(struct finding *f, const struct observation *o, const struct tide_actor *a)
{
        f->runs += o->ev->kind == TIDE_EXEC;
        if (!begins(o, a) || f->command.len)
                return 0;
        return set_leader(f, o, a);
}

static struct bytes last_part(struct bytes path)
{
        int slash = bytes_rfind(path, '/');

        return bytes_of(path.p + slash + 1, path.len - (uint32_t)(slash + 1));
}

/* Programs that are many, by the name that they are called by: each is told apart. */
static void name_call(struct observation *o, struct buf *out)
{
        struct bytes args = o->ev->kind == TIDE_EXEC ? o->ev->exec.args : bytes_of(NULL, 0), name;
        const uint8_t *end = args.len ? memchr(args.p, 0, args.len) : NULL;

        if (!end)
                return;
        name = last_part(bytes_of(args.p, (size_t)(end - args.p)));
        if (name.len == 0 || bytes_eq(name, last_part(o->subject)))
                return;
        buf_put(out, o->key.p, o->key.len);
        buf_put_str(out, " as ");
        buf_put(out, name.p, name.len);
        if (!out->err)
                o->key = buf_bytes(out);
}

static int add(struct judge *j, struct workload *w, struct observation *o, const struct tide_actor *a)
{
        _cleanup_buf_ struct buf key;
        struct entry *e;
        struct rule_act act;
        struct rule *allow, *window;
        struct score s = {.n = 0};
        struct finding *f;
        bool opened;
        int r = 0;

        buf_init(&key, TIDE_RECORD_MAX);
        o->known = baseline_lookup(w, o, &e);
        if (o->dim == DIM_NETWORK && observe_net_subject(j, o) < 0)
                return 0;
        rule_act_of(w, o, &act);
        allow = rules_find(j, RULE_ALLOW, &act);
        window = rules_find(j, RULE_SUPPRESS, &act);
        f = find(j, w, o, a, &opened);
        if (!f)
                return -ENOMEM;
        if (allow)
                rules_hid(j, allow, o->ev->wall_ns);
        else
                r = score_session(j, w, o, is_left(f, a), &s);
        if (r == 0)
                r = score_merge(j, f, &s, f->nfactors == 0);
        score_release(&s);
        name_call(o, &key);
        if (r == 0)
                r = signal_add(f, o);
        if (r == 0)
                r = note_begin(f, o, a);
        if (r == 0)
                supply_weigh(j, f, window ? SUPPLY_HIDES : 0);
        if (r == 0)
                r = settle(j, f, o, window, &opened);
        if (r == 0)
                r = group_note_loss(j, f, o);
        if (o->dim == DIM_NETWORK)
                net_told(j, o, f->id);
        group_changed(j, f, opened);
        j->stats.findings = j->nopen;
        judge_verdict(j, o->ev, w, "of a session", f->id);
        return r;
}

/* It was taken for a session until its arguments came: they are a health check's. */
static void drop_probe(struct judge *j, const struct observation *o, const struct tide_actor *a)
{
        struct finding *f = by_leader(j, o->c, a);

        if (!f || f->runs || f->confidence >= j->p.show || f->leader.pid != a->leader)
                return;
        weeks_no_session(j, f);
        pieces_drop_finding(j, f->id);
        group_remove(j, f);
        finding_free(f);
        j->stats.sessions--;
}

int session_act(struct judge *j, struct workload *w, const struct observation *o)
{
        struct observation mine = *o;
        struct tide_actor a;
        int r;

        if (!leader_of(o, &a))
                return 0;
        if (o->actor->origin == ORIGIN_PROBE && o->actor->leader) {
                drop_probe(j, o, &a);
                return 0;
        }
        if (o->actor->origin != ORIGIN_EXEC || (o->actor->flags & ACTOR_NOT_PROBE))
                return 0;
        if ((o->actor->flags & ACTOR_UNREAD) && !by_leader(j, o->c, &a) && (!begins(o, &a) || score_may_be_probe(w, o)))
                return 0;
        r = add(j, w, &mine, &a);
        if (r < 0 && r != -ENOMEM)
                j->stats.refused++; /* a limit of what is kept of it: no reason to end */
        return r == -ENOMEM ? r : 1;
}

/* ---- its end ---- */

static void end(struct judge *j, struct finding *f, int64_t wall_ns, uint32_t status)
{
        if (f->ended)
                return;
        f->ended = true;
        f->ended_ns = wall_ns;
        f->exit_status = status;
        group_changed(j, f, false);
}

int session_exit(struct judge *j, struct container_memory *c, const struct tide_event *ev)
{
        const struct tide_exit *t = &ev->exit;

        for (size_t i = j->nopen; t->leader && i > 0; i--) {
                struct finding *f = j->open[i - 1];

                if (f->type == FINDING_SESSION && f->leader.pid == t->pid && f->leader.start == t->start &&
                    is_of_container(f, c)) {
                        end(j, f, ev->wall_ns, t->code);
                        return 0;
                }
        }
        return 0;
}

/* One command may have been started in several replicas. */
static bool runs_elsewhere(const struct judge *j, const struct finding *f, const struct container_memory *gone)
{
        for (uint32_t i = 0; i < f->ncontainers; i++) {
                const struct container_memory *c = map_get(j->containers, str_get(&f->containers[i].id));

                if (c && c != gone && c->running)
                        return true;
        }
        return false;
}

/* With its container everything in it has ended; how is not known. */
void session_stop(struct judge *j, const struct container_memory *c, int64_t wall_ns)
{
        for (size_t i = 0; i < j->nopen; i++)
                if (j->open[i]->type == FINDING_SESSION && is_of_container(j->open[i], c) &&
                    !runs_elsewhere(j, j->open[i], c))
                        end(j, j->open[i], wall_ns, 0);
}
