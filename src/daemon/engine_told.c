/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * News of findings, for the trail and the audit log: the sensor writes both.
 *
 * Owns: what is said of a finding, as key and value (ACT_NEWS; keys: sensor_auditlog.c, which believes none of it), and
 * which of its signals says most. Waits for the commit that holds the finding. Must not: decide what is news (the judge
 * does, once each).
 */
#include "daemon/engine-priv.h"

#include <stdio.h>
#include <string.h>

#include "tidemark/finding.h"

#define WAITING_MAX (1u << 20)
#define TELLS (NEWS_OPENED | NEWS_PAGED | NEWS_CONTAINED | NEWS_EXPIRED | NEWS_CLOSED | NEWS_REOPENED)

/* ---- the signal that says most ---- */

/* Is one of these the reason for a finding, and does it name this file? */
static bool is_executable(const struct finding *f, const struct finding_signal *s)
{
        static const char *const names[] = {"new_executable_file", "image_program_changed", "setuid_file"};

        for (uint32_t i = 0; i < f->nfactors; i++)
                for (size_t n = 0; n < ARRAY_LEN(names); n++)
                        if (bytes_eq(str_get(&f->factors[i].name), bytes_str(names[n])) &&
                            (f->nsignals == 1 ||
                             (f->factors[i].text.len && s->subject.len && strstr(f->factors[i].text.p, s->subject.p))))
                                return true;
        return false;
}

static unsigned weight(const struct finding *f, const struct finding_signal *s)
{
        switch (s->kind) {
        case DIM_PROCESS:
                return s->layer == LAYER_IMAGE && s->change == 0 ? 3 : 6;
        case DIM_PRIVILEGE:
                return 4;
        case DIM_NETWORK:
                return 2;
        case DIM_FILE:
                return is_executable(f, s) ? 5 : 1;
        case DIM__MAX:
                break;
        }
        return 0;
}

static const struct finding_signal *strongest(const struct finding *f)
{
        const struct finding_signal *best = NULL;

        for (uint32_t i = 0; i < f->nsignals; i++)
                if (!best || weight(f, &f->signals[i]) > weight(f, best))
                        best = &f->signals[i];
        return best;
}

static const char *what(const struct finding *f, const struct finding_signal *s)
{
        unsigned w = s ? weight(f, s) : 0;

        if (f->type == FINDING_SESSION && w != 6)
                return "session";
        if (!s || f->type == FINDING_FIRST_SIGHT)
                return "other";
        switch (s->kind) {
        case DIM_PROCESS:
                return "exec";
        case DIM_PRIVILEGE:
                return "privilege";
        case DIM_NETWORK:
                return "network";
        case DIM_FILE:
                return w == 5 ? "executable" : "file";
        case DIM__MAX:
                break;
        }
        return "other";
}

static struct bytes reason(const struct finding_signal *s)
{
        switch (s->kind) {
        case DIM_PROCESS:
                return bytes_str(s->layer != LAYER_IMAGE ? tide_layer_name(s->layer)
                                 : s->change             ? "changed-image-file"
                                                         : "not-in-baseline");
        case DIM_NETWORK:
                return bytes_str(flow_novelty_name(s->flow.novelty));
        case DIM_FILE:
        case DIM_PRIVILEGE:
        case DIM__MAX:
                break;
        }
        return str_get(&s->operation);
}

/* ---- as key and value ---- */

static void put(struct buf *b, const char *key, struct bytes v, uint32_t max)
{
        if (v.len)
                tide_list_put(b, bytes_str(key), bytes_of(v.p, v.len < max ? v.len : max));
}

static void put_number(struct buf *b, const char *key, uint64_t n)
{
        char text[24];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
        if (n)
                put(b, key, bytes_str(text), 19);
}

static void put_signal(struct buf *b, const struct finding_signal *s)
{
        put(b, "reason", reason(s), 64);
        put(b, "subject", str_get(s->where.len ? &s->where : &s->subject), 4096);
        put(b, "executable", str_get(&s->executable), 4096);
        put_number(b, "pid", s->pid);
        if (s->kind == DIM_PROCESS)
                put(b, "cmd", str_get(&s->args), 4096);
        if (s->kind != DIM_NETWORK)
                return;
        put(b, "address", bytes_of(s->flow.address, s->flow.address_len), 16);
        put_number(b, "proto", s->flow.proto);
        if (s->flow.has_port)
                put_number(b, "port", s->flow.port);
}

static void put_finding(struct buf *b, const struct finding *f)
{
        const struct finding_signal *s = strongest(f);
        bool closed = f->state == FINDING_CLOSED;

        put(b, "type", bytes_str(finding_type_name(f->type)), 32);
        put(b, "workload", str_get(&f->workload), 256);
        put(b, "image", str_get(&f->digest), 80);
        put(b, "what", bytes_str(what(f, s)), 32);
        if (s)
                put_signal(b, s);
        if (f->type == FINDING_SESSION && !(s && s->kind == DIM_PROCESS))
                put(b, "cmd", str_get(&f->command), 4096);
        if (f->nlineage)
                put(b, "comm", str_get(&f->lineage[f->nlineage - 1].comm), 64);
        put_number(b, "confidence", f->confidence);
        put(b, "severity", bytes_str(finding_severity_name(f->severity)), 16);
        put_number(b, "count", f->count);
        put(b, "state", bytes_str(finding_state_name(f->state)), 16);
        put(b, "verdict", str_get(&f->verdict), 32);
        put(b, "by", str_get(closed && f->closed_by.len ? &f->closed_by : &f->verdict_by), 200);
        put(b, "note", str_get(&f->note), 1000);
}

void engine_told_tell(struct engine *e, const struct finding *f, unsigned news)
{
        struct tide_event ev = {.kind = TIDE_ACT};
        _cleanup_buf_ struct buf args;

        buf_init(&args, TIDE_RECORD_MAX / 2);
        news &= TELLS;
        if (!news)
                return;
        put_finding(&args, f);
        if (f->ncontainers) {
                ev.container = str_get(&f->containers[0].id);
                ev.act.name = str_get(&f->containers[0].name);
                ev.act.name.len = ev.act.name.len > 256 ? 256 : ev.act.name.len;
        }
        ev.act.act = ACT_NEWS;
        ev.act.finding = f->id;
        ev.act.flags = news;
        ev.act.args = buf_bytes(&args);
        if (args.err || tide_encode(&ev, &e->told) < 0) {
                e->told_lost++;
                e->told.err = 0;
        }
}

void engine_told_committed(struct engine *e)
{
        struct tide_event ev;
        size_t used;

        for (size_t at = 0; at < e->told.len; at += used) {
                if (tide_decode(e->told.p + at, e->told.len - at, &ev, &used) < 0)
                        break; /* we made it */
                if (engine_send(e, &ev) < 0)
                        e->told_lost++; /* the pair counts it too, and the finding itself is stored */
        }
        buf_reset(&e->told);
}

void engine_told_open(struct engine *e)
{
        buf_init(&e->told, WAITING_MAX);
}

void engine_told_status(const struct engine *e, json_t *o)
{
        json_object_set_new(o, "news_untold", json_integer((json_int_t)e->told_lost));
}

void engine_told_close(struct engine *e)
{
        buf_release(&e->told);
}
