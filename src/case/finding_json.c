/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * finding_json - one finding as JSON, in the shape that is promised to stay: fields are added, never renamed.
 *
 * Owns:  the names of the fields. The same finding gives the same bytes, live and in replay.
 * Never: reads a clock, changes the finding, leaves a field of the shape out: what is not known is null or empty.
 */
#include "tidemark/query.h"

#include <string.h>

#include "case/query-priv.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"

#define SCHEMA "tidemark.finding.1"

/* A first sight is an inventory for somebody to look at once, however sure it is. */
bool query_below_show(const struct finding *f, uint32_t show)
{
        return f->type != FINDING_FIRST_SIGHT && f->confidence < show;
}

static json_t *workload_json(const struct finding *f)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "name", cj_text(str_get(&f->workload)));
        bad |= json_object_set_new(o, "image", cj_text(str_get(&f->image)));
        bad |= json_object_set_new(o, "digest", cj_text(str_get(&f->digest)));
        bad |= json_object_set_new(o, "class", cj_text(str_get(&f->class)));
        bad |= json_object_set_new(o, "baseline_state", cj_text(str_get(&f->baseline_state)));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *containers_json(const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < f->ncontainers; i++) {
                const struct finding_container *c = &f->containers[i];
                _cleanup_json_ json_t *o = json_object();
                int bad = 0;

                bad |= json_object_set_new(o, "id", cj_text(str_get(&c->id)));
                bad |= json_object_set_new(o, "name", cj_text(str_get(&c->name)));
                bad |= json_object_set_new(o, "runtime", cj_text(str_get(&c->runtime)));
                bad |= json_object_set_new(o, "count", cj_u64(c->count));
                if (bad || json_array_append(a, o) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

/* The n-th of NUL-closed texts; false: there are not so many. */
static bool text_at(struct bytes all, unsigned n, struct bytes *ret)
{
        for (uint32_t at = 0; at < all.len; n--) {
                const uint8_t *end = memchr(all.p + at, 0, all.len - at);
                uint32_t len = end ? (uint32_t)(end - (all.p + at)) : all.len - at;

                *ret = bytes_of(all.p + at, len);
                if (n == 0)
                        return true;
                at += len + 1;
        }
        return false;
}

/* All but the last, which is the way. */
static json_t *names_json(struct bytes all, struct bytes *ret_way)
{
        _cleanup_json_ json_t *a = json_array();
        struct bytes name;

        for (unsigned n = 0; text_at(all, n, &name); n++) {
                if (n && json_array_append_new(a, cj_text(*ret_way)) < 0)
                        return NULL;
                *ret_way = name;
        }
        return TAKE_PTR(a);
}

static int put_traffic(json_t *o, const struct finding_flow *w)
{
        int bad = 0;

        bad |= json_object_set_new(o, "bytes_out", cj_u64_or_null(w->counted, w->bytes_out));
        bad |= json_object_set_new(o, "bytes_in", cj_u64_or_null(w->counted, w->bytes_in));
        bad |= json_object_set_new(o, "flows_counted",
                                   w->counted ? cj_u64_or_null(w->ended != 0, w->ended) : cj_u64(0));
        bad |= json_object_set_new(o, "longest_ms",
                                   w->duration_ns ? cj_real((double)w->duration_ns / 1e6) : json_null());
        return bad;
}

static int put_flow(json_t *o, const struct finding_signal *s)
{
        const struct finding_flow *w = &s->flow;
        char address[TIDE_ADDRESS_TEXT], proto[TIDE_PROTO_TEXT];
        struct bytes way = {0};
        int bad = 0;

        if (s->kind != DIM_NETWORK)
                return 0;
        bad |= json_object_set_new(o, "where", cj_text(str_get(s->where.len ? &s->where : &s->subject)));
        bad |= json_object_set_new(
                o, "address",
                w->address_len ? json_string(tide_address_text(bytes_of(w->address, w->address_len), address))
                               : json_null());
        bad |= json_object_set_new(o, "port", cj_u64_or_null(w->has_port, w->port));
        bad |= json_object_set_new(o, "protocol", json_string(tide_proto_text(w->proto, proto)));
        bad |= json_object_set_new(o, "direction", json_string(tide_direction_name(w->direction)));
        bad |= json_object_set_new(o, "names", names_json(str_get(&s->args), &way));
        bad |= json_object_set_new(o, "names_more", cj_u64(w->names_more));
        bad |= json_object_set_new(o, "chain", cj_text_or_null(way));
        bad |= json_object_set_new(o, "novelty", json_string(flow_novelty_name(w->novelty)));
        return bad | put_traffic(o, w);
}

/* The content that ran last, of what is not the image's. */
static json_t *sha256_json(const struct finding_signal *s)
{
        char hex[2 * sizeof(s->sha256) + 1];

        return s->hashed ? json_string(str_hex(bytes_of(s->sha256, sizeof(s->sha256)), hex)) : json_null();
}

static json_t *signal_json(const struct finding *f, const struct finding_signal *s)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "kind", json_string(dimension_name(s->kind)));
        bad |= json_object_set_new(o, "subject", cj_text(str_get(&s->subject)));
        bad |= json_object_set_new(o, "operation", cj_text(str_get(&s->operation)));
        bad |= json_object_set_new(o, "executable", cj_text_or_null(str_get(&s->executable)));
        bad |= json_object_set_new(o, "pid", cj_u64_or_null(s->pid != 0, s->pid));
        bad |= json_object_set_new(o, "origin", json_string(tide_origin_name(s->origin)));
        bad |= json_object_set_new(o, "phase", json_string(finding_phase_name(s->phase)));
        bad |= json_object_set_new(o, "first_seen", cj_time(s->first_ns));
        bad |= json_object_set_new(o, "last_seen", cj_time(s->last_ns));
        bad |= json_object_set_new(o, "count", cj_u64(s->count));
        /* Beyond the promised ones: */
        bad |= json_object_set_new(o, "key", cj_text(str_get(&s->key)));
        bad |= json_object_set_new(o, "args", s->kind == DIM_NETWORK ? json_array() : cj_split(str_get(&s->args)));
        bad |= json_object_set_new(o, "uid", s->pid ? cj_id_or_null(s->uid) : json_null());
        bad |= json_object_set_new(o, "layer", json_string(tide_layer_name(s->layer)));
        bad |= json_object_set_new(o, "sha256", sha256_json(s));
        bad |= json_object_set_new(o, "change", json_string(tide_change_name(s->change)));
        bad |= json_object_set_new(o, "container",
                                   s->container < f->ncontainers ? cj_text(str_get(&f->containers[s->container].id))
                                                                 : json_null());
        bad |= json_object_set_new(o, "flags", cj_flags(s->flags));
        bad |= put_flow(o, s);
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *signals_json(const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < f->nsignals; i++)
                if (json_array_append_new(a, signal_json(f, &f->signals[i])) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

/* Flows that are not among the signals, by where they went. */
static json_t *rest_json(const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < f->nrest; i++) {
                const struct finding_rest *x = &f->rest[i];
                _cleanup_json_ json_t *o = json_object();
                char proto[TIDE_PROTO_TEXT];
                int bad = 0;

                bad |= json_object_set_new(o, "port", cj_u64_or_null(x->to.has_port, x->to.port));
                bad |= json_object_set_new(o, "protocol", json_string(tide_proto_text(x->to.proto, proto)));
                bad |= json_object_set_new(o, "destinations", cj_u64(x->n));
                bad |= json_object_set_new(o, "count", cj_u64(x->flows));
                bad |= json_object_set_new(o, "first_seen", cj_time(x->first_ns));
                bad |= json_object_set_new(o, "last_seen", cj_time(x->last_ns));
                bad |= put_traffic(o, &x->to);
                if (bad || json_array_append(a, o) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static json_t *lineage_json(const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < f->nlineage; i++) {
                const struct finding_proc *p = &f->lineage[i];
                _cleanup_json_ json_t *o = json_object();
                int bad = 0;

                bad |= json_object_set_new(o, "pid", cj_u64_or_null(p->pid != 0, p->pid));
                bad |= json_object_set_new(o, "start", cj_u64_or_null(p->pid != 0, p->start));
                bad |= json_object_set_new(o, "executable", cj_text_or_null(str_get(&p->exe)));
                bad |= json_object_set_new(o, "comm", cj_text_or_null(str_get(&p->comm)));
                if (bad || json_array_append(a, o) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static json_t *actor_json(const struct finding *f)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "uid", f->actor_known ? cj_id_or_null(f->uid) : json_null());
        bad |= json_object_set_new(o, "login_uid", f->actor_known ? cj_id_or_null(f->login_uid) : json_null());
        bad |= json_object_set_new(o, "session", f->actor_known ? cj_id_or_null(f->session) : json_null());
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *factors_json(const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < f->nfactors; i++) {
                const struct finding_factor *x = &f->factors[i];
                _cleanup_json_ json_t *o = json_object();
                int bad = 0;

                bad |= json_object_set_new(o, "name", cj_words(str_get(&x->name)));
                bad |= json_object_set_new(o, "bits", cj_bits(x->quarters));
                bad |= json_object_set_new(o, "text", cj_words(str_get(&x->text)));
                if (bad || json_array_append(a, o) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static json_t *story_json(const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();
        _cleanup_buf_ struct buf b;

        buf_init(&b, 256 * 1024);
        for (size_t n = 0;; n++) {
                buf_reset(&b);
                if (!finding_story(f, n, &b))
                        break;
                if (b.err || json_array_append_new(a, cj_words(buf_bytes(&b))) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

static json_t *inventory_json(const struct finding *f)
{
        const struct finding_inventory *v = &f->inventory;
        _cleanup_json_ json_t *o = json_object(), *names = json_array(), *net = json_array();
        int bad = 0;

        if (f->type != FINDING_FIRST_SIGHT)
                return json_null();
        for (uint32_t i = 0; i < v->nnames; i++)
                bad |= json_array_append_new(names, cj_text(str_get(&v->names[i])));
        bad |= json_object_set_new(o, "added", cj_u64(v->added));
        bad |= json_object_set_new(o, "modified", cj_u64(v->modified));
        bad |= json_object_set_new(o, "removed", cj_u64(v->removed));
        bad |= json_object_set_new(o, "executables", cj_u64(v->executables));
        bad |= json_object_set_new(o, "running", cj_u64(v->running));
        bad |= json_object_set_new(o, "executable_names", TAKE_PTR(names));
        for (uint32_t i = 0; i < v->nnet; i++)
                bad |= json_array_append_new(net, cj_text(str_get(&v->net[i])));
        bad |= json_object_set_new(o, "listeners", cj_u64(v->listeners));
        bad |= json_object_set_new(o, "flows", cj_u64(v->flows));
        bad |= json_object_set_new(o, "network", TAKE_PTR(net));
        return bad ? NULL : TAKE_PTR(o);
}

/* What the queue needs of it: who, when, how sure. */
static int put_head(json_t *o, const struct finding *f, uint32_t show)
{
        int bad = 0;

        bad |= json_object_set_new(o, "schema", json_string(SCHEMA));
        bad |= json_object_set_new(o, "id", cj_finding_id(f->id));
        bad |= json_object_set_new(o, "type", json_string(finding_type_name(f->type)));
        bad |= json_object_set_new(o, "host", cj_text(str_get(&f->host)));
        bad |= json_object_set_new(o, "state", json_string(finding_state_name(f->state)));
        bad |= json_object_set_new(o, "confidence", json_integer(f->confidence));
        bad |= json_object_set_new(o, "severity", json_string(finding_severity_name(f->severity)));
        bad |= json_object_set_new(o, "count", cj_u64(f->count));
        bad |= json_object_set_new(o, "first_seen", cj_time(f->first_ns));
        bad |= json_object_set_new(o, "last_seen", cj_time(f->last_ns));
        bad |= json_object_set_new(o, "suppressed", json_boolean(f->suppressed));
        bad |= json_object_set_new(o, "below_show", json_boolean(query_below_show(f, show)));
        bad |= json_object_set_new(o, "verdict", cj_text_or_null(str_get(&f->verdict)));
        bad |= json_object_set_new(o, "rate", finding_rate(f) > 0 ? cj_real(finding_rate(f)) : json_null());
        bad |= json_object_set_new(o, "paged", json_boolean(f->paged));
        bad |= json_object_set_new(o, "shown_at", cj_time(f->shown_ns));
        bad |= json_object_set_new(o, "suppressed_by", cj_words_or_null(str_get(&f->suppressed_by)));
        bad |= json_object_set_new(o, "broke_through", json_boolean(f->broke_through));
        bad |= json_object_set_new(o, "past", cj_finding_id(f->past));
        bad |= json_object_set_new(o, "note", cj_text_or_null(str_get(&f->note)));
        bad |= json_object_set_new(o, "verdict_by", cj_words_or_null(str_get(&f->verdict_by)));
        bad |= json_object_set_new(o, "verdict_at", cj_time(f->verdict_ns));
        bad |= json_object_set_new(o, "closed_by", cj_words_or_null(str_get(&f->closed_by)));
        bad |= json_object_set_new(o, "closed_at", cj_time(f->closed_ns));
        bad |= json_object_set_new(o, "criteria_version", cj_text_or_null(str_get(&f->criteria)));
        return bad;
}

static json_t *session_json(const struct finding *f)
{
        static const char *const terminals[] = {[TERMINAL_YES] = "yes", [TERMINAL_NO] = "no"};
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        if (f->type != FINDING_SESSION)
                return json_null();
        bad |= json_object_set_new(o, "command", cj_split(str_get(&f->command)));
        bad |= json_object_set_new(o, "pid", cj_u64_or_null(f->leader.pid != 0, f->leader.pid));
        bad |= json_object_set_new(o, "executable", cj_text_or_null(str_get(&f->leader.exe)));
        bad |= json_object_set_new(o, "terminal",
                                   f->terminal == TERMINAL_UNKNOWN ? json_null() : json_string(terminals[f->terminal]));
        bad |= json_object_set_new(o, "started", cj_time(f->first_ns));
        bad |= json_object_set_new(o, "ended", f->ended ? cj_time(f->ended_ns) : json_null());
        bad |= json_object_set_new(o, "exit_status", f->ended && f->ended_ns ? cj_u64(f->exit_status) : json_null());
        bad |= json_object_set_new(o, "sessions", cj_u64(f->visits));
        bad |= json_object_set_new(o, "programs_run", cj_u64(f->runs));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *deed_json(const struct finding_deed *d)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "act", json_string(tide_deed_name(d->deed)));
        bad |= json_object_set_new(o, "state", json_string(tide_deed_state_name(d->state)));
        bad |= json_object_set_new(o, "time", cj_time(d->wall_ns));
        bad |= json_object_set_new(o, "command", d->command ? cj_u64(d->command) : json_null());
        bad |= json_object_set_new(o, "container", cj_text(str_get(&d->container)));
        bad |= json_object_set_new(o, "name", cj_text_or_null(str_get(&d->name)));
        bad |= json_object_set_new(o, "words", cj_words(str_get(&d->words)));
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *deeds_json(const struct finding *f, bool of_evidence)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < f->ndeeds; i++)
                if ((f->deeds[i].deed >= DEED_CAPTURE) == of_evidence &&
                    json_array_append_new(a, deed_json(&f->deeds[i])) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

/* Each container that something was said of, once, and how it stands with it. */
static json_t *contained_json(const struct finding *f)
{
        _cleanup_json_ json_t *a = json_array();

        for (uint32_t i = 0; i < f->ndeeds; i++) {
                bool again = f->deeds[i].deed >= DEED_CAPTURE;

                for (uint32_t k = 0; k < i && !again; k++)
                        again = f->deeds[k].deed < DEED_CAPTURE &&
                                bytes_eq(str_get(&f->deeds[k].container), str_get(&f->deeds[i].container));
                if (!again &&
                    json_array_append_new(
                            a, json_pack("{s:o,s:s}", "container", cj_text(str_get(&f->deeds[i].container)), "state",
                                         finding_contained_name(finding_contained_container(f, i)))) < 0)
                        return NULL;
        }
        return TAKE_PTR(a);
}

/* Null where nobody ever thought of it. */
static json_t *containment_json(const struct finding *f)
{
        _cleanup_json_ json_t *acts = deeds_json(f, false), *containers = contained_json(f);

        if (!acts || !containers)
                return NULL;
        if (json_array_size(acts) == 0)
                return json_null();
        return json_pack("{s:s,s:O,s:O}", "state", finding_contained_name(finding_contained(f)), "containers",
                         containers,
                         "acts", acts);
}

json_t *finding_json(const struct finding *f, uint32_t show)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = put_head(o, f, show);

        bad |= json_object_set_new(o, "workload", workload_json(f));
        bad |= json_object_set_new(o, "containers", containers_json(f));
        bad |= json_object_set_new(o, "signals", signals_json(f));
        bad |= json_object_set_new(o, "signals_more", cj_u64(f->signals_more));
        bad |= json_object_set_new(o, "signals_rest", rest_json(f));
        bad |= json_object_set_new(o, "lineage", lineage_json(f));
        bad |= json_object_set_new(o, "actor", actor_json(f));
        bad |= json_object_set_new(o, "prior_bits", cj_bits(f->prior_quarters));
        bad |= json_object_set_new(o, "sum_bits", cj_bits(f->sum_quarters));
        bad |= json_object_set_new(o, "factors", factors_json(f));
        bad |= json_object_set_new(o, "story", story_json(f));
        bad |= json_object_set_new(o, "inventory", inventory_json(f));
        bad |= json_object_set_new(o, "session", session_json(f));
        bad |= json_object_set_new(o, "loss", cj_words_or_null(str_get(&f->loss)));
        bad |= json_object_set_new(o, "containment", containment_json(f));
        bad |= json_object_set_new(o, "evidence", deeds_json(f, true));
        /* What records of the image say: finding_json_compared() */
        bad |= json_object_set_new(o, "provenance", json_null());
        bad |= json_object_set_new(o, "sbom", json_null());
        bad |= json_object_set_new(o, "admissions", json_array());
        bad |= json_object_set_new(o, "conclusion", json_null());
        return bad ? NULL : TAKE_PTR(o);
}
