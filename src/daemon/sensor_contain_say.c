/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what is said of containment: sentences before, words after, the part of status; and that it is said everywhere
 * (log, trail, audit log, findings). Must not: decide anything. Hands over: TIDE_DONE, trail entries, audit notes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sensor_contain-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/log.h"

#define MOD "contain"

/* ---- what the engine has read ---- */

static void text(char *dst, size_t size, struct bytes v)
{
        snprintf(dst, size, "%.*s", (int)(v.len < size ? v.len : size - 1), v.len ? (const char *)v.p : "");
}

void sensor_contain_told(struct sensor *s, const struct container *c, struct bytes list)
{
        struct told *t = calloc(1, sizeof(*t));
        struct bytes k, v;
        struct rd r;

        rd_init(&r, list.p, list.len);
        while (t && tide_list_next(&r, &k, &v)) {
                const struct {
                        const char *key;
                        char *to;
                        size_t size;
                } rows[] = {{"name", t->name, sizeof(t->name)},
                            {"workload", t->workload, sizeof(t->workload)},
                            {"image", t->image, sizeof(t->image)},
                            {"restart", t->restart, sizeof(t->restart)},
                            {"unhealthy", t->unhealthy, sizeof(t->unhealthy)}};

                for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                        if (bytes_eq(k, bytes_str(rows[i].key)))
                                text(rows[i].to, rows[i].size, v);
                if (bytes_eq(k, BYTES_LIT("health"))) {
                        t->health_len = v.len < sizeof(t->health) ? v.len : (uint32_t)sizeof(t->health);
                        memcpy(t->health, v.p, t->health_len);
                }
                t->removed = t->removed || bytes_eq(k, BYTES_LIT("removed"));
                t->kube = t->kube || bytes_eq(k, BYTES_LIT("kube"));
        }
        if (t && map_put(s->contain->told, bytes_str(c->id), t) < 0)
                free(t);
}

const struct told *contain_told(const struct contain *k, const char *id)
{
        return map_get(k->told, bytes_str(id));
}

const char *contain_name(const struct contain *k, const char *id)
{
        const struct told *t = contain_told(k, id);
        const struct hold *h = t && t->name[0] ? NULL : contain_find(k, id);

        return t && t->name[0] ? t->name : h && h->e.name[0] ? h->e.name : id;
}

/* ---- before ---- */

static json_t *lines(const struct buf *b)
{
        json_t *a = json_array();
        const char *at = (const char *)b->p, *end = at + b->len;

        while (a && at < end) {
                const char *nl = memchr(at, '\n', (size_t)(end - at));
                size_t n = nl ? (size_t)(nl - at) : (size_t)(end - at);

                json_array_append_new(a, json_stringn(at, n));
                at += n + 1;
        }
        return a;
}

static void add_mates(struct sensor *s, const struct isolate_answer *a, struct containment_facts *f)
{
        for (uint32_t i = 0; i < a->nmates && i < ISOLATE_MATES; i++) {
                const char *name = contain_name(s->contain, a->mates[i]);

                if (f->nmates < CONTAINMENT_MATES)
                        f->mates[f->nmates++] = bytes_of(name, strnlen(name, ISOLATE_ID - 1));
                else
                        f->mates_more++;
        }
}

json_t *contain_foresee(struct sensor *s, const char *id, const struct isolate_answer *a, bool keep_probes, bool kill)
{
        const struct told none = {.health_len = 0}, *t = contain_told(s->contain, id);
        const struct isolate_device *d = NULL;
        struct containment_facts f = {.name = bytes_str(contain_name(s->contain, id)), .keep_probes = keep_probes};
        _cleanup_buf_ struct buf b;

        buf_init(&b, 32768);
        t = t ? t : &none;
        for (uint32_t i = 0; i < a->ndevices && i < ISOLATE_DEVICES && !d; i++)
                d = a->devices[i].peer[0] ? &a->devices[i] : NULL;
        f.kube = t->kube;
        f.removed = t->removed;
        f.restart = bytes_str(t->restart);
        f.unhealthy = bytes_str(t->unhealthy);
        f.health = bytes_of(t->health, t->health_len);
        f.nallow = s->contain->nnets;
        f.allow = bytes_str(s->contain->allow);
        f.host_net = a->facts & ISOLATE_HOST_NETWORK;
        f.cgroup = a->way == ISOLATE_BY_CGROUP;
        f.net_admin = a->facts & ISOLATE_HAS_NET_ADMIN;
        if (a->way == ISOLATE_BOTH || a->way == ISOLATE_ONE_WAY) {
                f.peer = bytes_str(d ? d->peer : "the other end of its interface");
                f.ingress = true;
                f.egress = a->way == ISOLATE_BOTH;
        } else {
                f.why_not = bytes_str(a->why);
        }
        add_mates(s, a, &f);
        f.others = a->other_tasks;
        f.elsewhere = a->elsewhere;
        f.in_host = a->facts & ISOLATE_IN_HOST;
        if (kill)
                containment_say_kill(&f, &b);
        else if (a->way == ISOLATE_NOWHERE && f.host_net)
                containment_say_host(&f, &b);
        else
                containment_say_isolate(&f, &b);
        return b.err ? NULL : lines(&b);
}

/* ---- after ---- */

const char *contain_stands(const struct hold *h)
{
        return isolate_way_words(h->e.way);
}

static void audit(struct sensor *s, const struct sensor_deed *d, enum audit_note_type type, bool ok, bool timed,
                  const char *reason)
{
        const struct told *t = contain_told(s->contain, d->container);

        sensor_auditlog(s, &(struct audit_note){.type = type,
                                                .ok = ok,
                                                .timed = timed,
                                                .finding = d->finding,
                                                .command = d->command,
                                                .container = bytes_str(d->container),
                                                .name = bytes_str(contain_name(s->contain, d->container)),
                                                .image = bytes_str(t ? t->image : ""),
                                                .reason = bytes_str(reason),
                                                .uid = d->uid,
                                                .login_uid = d->login_uid});
}

static enum audit_note_type note_of(enum tide_deed deed)
{
        return deed == DEED_ISOLATE   ? AUDIT_NOTE_ISOLATED
               : deed == DEED_RELEASE ? AUDIT_NOTE_RELEASED
                                      : AUDIT_NOTE_KILLED;
}

void contain_changed(struct sensor *s, const struct hold *h, enum contain_change change, const char *words)
{
        static const struct {
                const char *kind; /* of the trail's record */
                enum tide_deed deed;
                enum tide_deed_state state;
                enum tide_done_what what;
        } rows[CONTAIN__CHANGES] = {
                [CONTAIN_REASSERTED] = {"contain-reasserted", DEED_ISOLATE, DEED_CHANGED, DONE_PLAIN},
                [CONTAIN_TAMPERED] = {"contain-tampered", DEED_ISOLATE, DEED_CHANGED, DONE_REMOVED_AGAIN},
                [CONTAIN_FAILED] = {"contain-failed", DEED_ISOLATE, DEED_FAILED, DONE_PLAIN},
                [CONTAIN_RESTARTED] = {"contain-restarted", DEED_ISOLATE, DEED_CHANGED, DONE_PLAIN},
                [CONTAIN_ADOPTED] = {"contain-adopted", DEED_ISOLATE, DEED_CHANGED, DONE_PLAIN},
                [CONTAIN_EXPIRED] = {"contain-expired", DEED_RELEASE, DEED_CHANGED, DONE_PLAIN},
                [CONTAIN_ENDED] = {"contain-ended", DEED_RELEASE, DEED_CHANGED, DONE_PLAIN},
        };
        struct sensor_deed d = {.deed = (uint8_t)rows[change].deed, .finding = h->e.finding, .login_uid = UINT32_MAX};
        struct sensor_said said = {
                .state = rows[change].state, .last = true, .words = words, .what = rows[change].what};

        snprintf(d.container, sizeof(d.container), "%s", h->e.id);
        log_warn(MOD, "container %.12s (%s): %s", h->e.id, contain_name(s->contain, h->e.id), words);
        sensor_trail(s, &(struct trail_entry){.kind = rows[change].kind,
                                              .source = TRAIL_AGENT,
                                              .container = bytes_str(h->e.id),
                                              .finding = h->e.finding,
                                              .login_uid = UINT32_MAX,
                                              .text = bytes_str(words)});
        audit(s, &d, note_of(rows[change].deed), rows[change].state != DEED_FAILED, change == CONTAIN_EXPIRED, words);
        sensor_deed_say(s, &d, &said);
}

/* For people: what is worth saying beside the sentence. */
static json_t *notes(const struct job *j)
{
        json_t *a = json_array();

        if (j->evidence[0])
                json_array_append_new(a, json_string(j->evidence));
        if (j->cut.facts & ISOLATE_PROBES_CUT)
                json_array_append_new(
                        a, json_string("Not every listening port could be kept open for the host's probes: they are "
                                       "too many."));
        if (j->cut.facts & ISOLATE_FLOWS_LEFT)
                json_array_append_new(
                        a, json_string("Entries of the host's connection tracking are left of it: its packets are "
                                       "dropped all the same."));
        if (j->save_error[0])
                json_array_append_new(a, json_string(j->save_error));
        return a;
}

static char *facts_of(const struct job *j)
{
        json_t *o = json_pack("{s:o,s:s}", "notes", notes(j), "evidence", j->evidence_file);
        char *t;

        if (j->foresight)
                json_object_set(o, "foresight", j->foresight);
        if (j->cut.what == ISOLATE_CUT) {
                json_object_set_new(o, "way", json_string(isolate_way_words(j->cut.way)));
                json_object_set_new(o, "rules", json_integer(j->cut.rules));
                json_object_set_new(o, "seen", json_boolean(j->cut.seen));
                json_object_set_new(o, "connections_ended", json_integer(j->cut.flows_ended + j->cut.sockets_ended));
                if (j->cut.cut_at_ns > j->began_ns)
                        json_object_set_new(o, "cut_ms", json_real((double)(j->cut.cut_at_ns - j->began_ns) / 1e6));
        }
        t = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        return t;
}

void contain_note(struct job *j, const char *kind, const char *text)
{
        sensor_trail(j->s, &(struct trail_entry){.kind = kind,
                                                 .source = TRAIL_AGENT,
                                                 .container = bytes_str(j->d.container),
                                                 .finding = j->d.finding,
                                                 .command = j->d.command,
                                                 .uid = j->d.uid,
                                                 .login_uid = j->d.login_uid,
                                                 .pid = j->d.pid,
                                                 .comm = bytes_str(j->d.comm),
                                                 .text = bytes_str(text)});
}

/* The same sentence everywhere. A dry run is no act: it stands in the trail as asked and outcome alone. */
void contain_said(struct job *j, enum tide_deed_state state, const char *fmt, ...)
{
        static const char *const kinds[DEED__MAX] = {
                [DEED_ISOLATE] = "isolated", [DEED_RELEASE] = "released", [DEED_KILL] = "killed"};
        struct sensor *s = j->s;
        struct sensor_said said = {.state = state, .last = true};
        char words[CONTAIN_WORDS], record[CONTAIN_WORDS + 420];
        char *facts = facts_of(j);
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(words, sizeof(words), fmt, ap);
        va_end(ap);
        said.words = words;
        said.facts = facts;
        snprintf(record, sizeof(record), "%s%s%s%s%s", words, j->evidence[0] ? "; " : "", j->evidence,
                 j->reason[0] ? "; reason: " : "", j->reason);
        s->contain->stats.refused += state == DEED_REFUSED;
        if (state != DEED_PLANNED && !j->no_act && (state != DEED_REFUSED || sensor_trail_may_refuse(s))) {
                bool ok = state == DEED_DONE;

                contain_note(j, ok ? kinds[j->d.deed] : "contain-failed", record);
                audit(s, &j->d, note_of(j->d.deed), ok, j->until_ns != 0, record);
                log_warn(MOD, "container %.12s (%s): %s", j->d.container, j->name, words);
        }
        sensor_deed_say(s, &j->d, &said);
        if (j->d.deed != DEED_RELEASE) /* the rest of the evidence goes on */
                sensor_evidence_contained(s, j->d.container,
                                          state == DEED_DONE && j->d.deed == DEED_ISOLATE ? j->cut.cut_at_ns : 0);
        free(facts);
        json_decref(j->foresight);
        free(j->args);
        memset(j, 0, sizeof(*j));
}

/* ---- status ---- */

static const char *state_words(const struct sensor *s, const struct hold *h, char *dst, size_t size)
{
        const char *way = contain_stands(h);

        if (h->state == HOLD_AWAY)
                snprintf(dst, size, "it does not run; held if it comes again%s",
                         contain_is_shared(s, h) ? "; others in its network namespace are cut off" : "");
        else if (h->state == HOLD_STANDS)
                snprintf(dst, size, "%s%s%s%s", way,
                         h->facts & ISOLATE_IN_HOST ? "; NOT CUT: processes of it in the host's network" : "",
                         h->e.way == ISOLATE_INSIDE && h->facts & ISOLATE_HAS_NET_ADMIN ? "; it could undo it" : "",
                         h->seen ? "" : "; not seen to drop");
        else
                snprintf(dst, size, "NOT NOW: %s", h->why[0] ? h->why : "its rules are made again");
        return dst;
}

static json_t *hold_json(struct sensor *s, const struct hold *h)
{
        const struct container *c = containers_by_id(s->containers, bytes_str(h->e.id));
        char by[64], words[300];
        uint64_t now = clock_boot_ns();
        json_t *o;

        if (h->e.by_policy)
                snprintf(by, sizeof(by), "policy");
        else if (h->e.login_uid != UINT32_MAX)
                snprintf(by, sizeof(by), "uid %u (login uid %u)", h->e.uid, h->e.login_uid);
        else
                snprintf(by, sizeof(by), "uid %u", h->e.uid);
        o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:b,s:b}", "container", h->e.id, "by", by, "stands",
                      state_words(s, h, words, sizeof(words)), "way", contain_stands(h), "note", h->e.note, "age_s",
                      (json_int_t)(now > h->since_ns ? (now - h->since_ns) / NSEC_PER_SEC : 0), "dropped",
                      (json_int_t)(h->dropped[0] + h->dropped[1]), "dropped_on_host", (json_int_t)h->dropped[1],
                      "reasserted", (json_int_t)h->reasserted, "removed", (json_int_t)h->again.total, "running",
                      c && c->tasks > 0, "stands_now", h->state == HOLD_STANDS);
        if (!o)
                return NULL;
        json_object_set_new(o, "name", json_string(contain_name(s->contain, h->e.id)));
        json_object_set_new(o, "workload", json_string(h->e.workload));
        snprintf(words, sizeof(words), "F-%llu", (unsigned long long)h->e.finding);
        json_object_set_new(o, "finding", h->e.finding ? json_string(words) : json_null());
        if (h->until_ns)
                json_object_set_new(
                        o, "left_s",
                        json_integer(h->until_ns > now ? (json_int_t)((h->until_ns - now) / NSEC_PER_SEC) : 0));
        return o;
}

json_t *sensor_contain_list(struct sensor *s)
{
        json_t *a = json_array();

        for (const struct hold *h = s->contain ? s->contain->first : NULL; h; h = h->next)
                json_array_append_new(a, hold_json(s, h));
        return a;
}

json_t *sensor_contain_status(struct sensor *s)
{
        const struct contain_stats none = {0}, *st = s->contain ? &s->contain->stats : &none;

        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "isolated", (json_int_t)st->isolated, "released",
                         (json_int_t)st->released, "killed", (json_int_t)st->killed, "expired", (json_int_t)st->expired,
                         "adopted", (json_int_t)st->adopted, "restarted", (json_int_t)st->restarted, "removed",
                         (json_int_t)st->removed, "refused", (json_int_t)st->refused, "policy_refused",
                         (json_int_t)(s->contain ? s->contain->rate.refused : 0));
}
