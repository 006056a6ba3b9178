/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch - one line for each event that a person may want to see pass.
 *
 * Owns:  which kinds are shown, and which of their fields.
 * Never: shows environment or file content; arguments were masked before they came here.
 */
#include "tidemark/query.h"

#include <dirent.h>

#include "case/json-priv.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/judge.h"

#define NAMES_MAX 4 /* of one flow */

static int put_actor(json_t *o, const struct tide_actor *a)
{
        bool known = a->flags & ACTOR_PID;
        int bad = 0;

        bad |= json_object_set_new(o, "pid", cj_u64_or_null(known, a->pid));
        bad |= json_object_set_new(o, "uid", known ? cj_id_or_null(a->uid) : json_null());
        bad |= json_object_set_new(o, "origin", json_string(tide_origin_name(a->origin)));
        bad |= json_object_set_new(o, "executable", a->flags & ACTOR_EXE ? cj_text(a->exe) : json_null());
        return bad;
}

static int put_exec(json_t *o, const struct tide_event *ev)
{
        int bad = put_actor(o, &ev->exec.actor);

        bad |= json_object_set_new(o, "program", cj_text_or_null(ev->exec.program));
        bad |= json_object_set_new(o, "layer", json_string(tide_layer_name(ev->exec.program_layer)));
        bad |= json_object_set_new(o, "args", cj_split(ev->exec.args));
        bad |= json_object_set_new(o, "caller", cj_text_or_null(ev->exec.caller));
        bad |= json_object_set_new(o, "flags", cj_flags(ev->flags));
        bad |= json_object_set_new(o, "script", cj_text_or_null(ev->exec.script));
        return bad;
}

static const char *type_name(uint8_t type)
{
        static const struct {
                uint8_t type;
                const char *name;
        } rows[] = {{DT_REG, "file"},   {DT_DIR, "dir"},   {DT_LNK, "symlink"}, {DT_CHR, "device"},
                    {DT_BLK, "device"}, {DT_FIFO, "fifo"}, {DT_SOCK, "socket"}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (rows[i].type == type)
                        return rows[i].name;
        return "unknown";
}

static int put_file(json_t *o, const struct tide_event *ev)
{
        char ops[TIDE_OPS_TEXT];
        int bad = put_actor(o, &ev->file.actor);

        bad |= json_object_set_new(o, "operation", json_string(tide_ops_text(ev->file.ops, ops)));
        bad |= json_object_set_new(o, "path", cj_text(ev->file.path));
        bad |= json_object_set_new(o, "old_path", cj_text_or_null(ev->file.old_path));
        bad |= json_object_set_new(o, "change", json_string(tide_change_name(ev->file.change)));
        bad |= json_object_set_new(o, "type", json_string(type_name(ev->file.type)));
        bad |= json_object_set_new(o, "mode", cj_u64_or_null(ev->file.mode != 0, ev->file.mode & 07777));
        bad |= json_object_set_new(o, "opaque", json_boolean(ev->file.flags & FILEF_OPAQUE));
        bad |= json_object_set_new(o, "capabilities", json_boolean(ev->file.flags & FILEF_CAPS));
        bad |= json_object_set_new(o, "flags", cj_flags(ev->flags));
        return bad;
}

static int put_target(json_t *o, const struct tide_priv *p)
{
        int bad = 0;

        if (p->what != PRIV_PTRACE)
                return 0;
        bad |= json_object_set_new(o, "target_pid", cj_u64_or_null(p->target_pid != 0, p->target_pid));
        bad |= json_object_set_new(o, "target", cj_text_or_null(p->target_exe.len ? p->target_exe : p->target_comm));
        bad |= json_object_set_new(o, "target_where", json_string(tide_where_name(p->where)));
        bad |= json_object_set_new(o, "target_container", cj_text_or_null(p->target_container));
        return bad;
}

/* Of the fields that not every privilege change has, those that this one has. */
static int put_priv(json_t *o, const struct tide_event *ev)
{
        const struct tide_priv *p = &ev->priv;
        int bad = put_actor(o, &p->actor);

        bad |= json_object_set_new(o, "operation", json_string(tide_priv_name(p->what)));
        if (p->what == PRIV_UID || p->what == PRIV_GID || p->what == PRIV_MOUNTNS) {
                bad |= json_object_set_new(o, "from", cj_u64(p->from));
                bad |= json_object_set_new(o, "to", cj_u64(p->to));
        }
        if (p->what == PRIV_MOUNTNS)
                bad |= json_object_set_new(o, "target_where", json_string(tide_where_name(p->where)));
        if (p->what == PRIV_CORE)
                bad |= json_object_set_new(o, "signal", cj_u64_or_null(p->to != 0, p->to));
        if (p->what == PRIV_COMM)
                bad |= json_object_set_new(o, "old_comm", cj_text_or_null(p->old_comm));
        if (p->what == PRIV_MAPPED) {
                bad |= json_object_set_new(o, "path", cj_text_or_null(p->path));
                bad |= json_object_set_new(o, "layer", json_string(tide_layer_name(p->layer)));
                bad |= json_object_set_new(o, "change", json_string(tide_change_name(p->change)));
        }
        bad |= put_target(o, p);
        bad |= json_object_set_new(o, "comm", cj_text_or_null(p->actor.comm));
        bad |= json_object_set_new(o, "repeats", cj_u64(p->repeats));
        bad |= json_object_set_new(o, "flags", cj_flags(ev->flags));
        return bad;
}

static json_t *address_json(struct bytes address)
{
        char text[TIDE_ADDRESS_TEXT];

        return address.len ? json_string(tide_address_text(address, text)) : json_null();
}

static int put_flow(json_t *o, const struct tide_event *ev)
{
        const struct tide_flow *t = &ev->flow;
        bool ports = tide_proto_has_port(t->proto);
        char proto[TIDE_PROTO_TEXT];
        int bad = put_actor(o, &t->actor);

        bad |= json_object_set_new(o, "operation", json_string(tide_flow_name(t->what)));
        bad |= json_object_set_new(o, "direction", json_string(tide_direction_name(t->direction)));
        bad |= json_object_set_new(o, "protocol", json_string(tide_proto_text(t->proto, proto)));
        bad |= json_object_set_new(o, "local", address_json(t->local));
        bad |= json_object_set_new(o, "local_port", cj_u64_or_null(ports, t->lport));
        bad |= json_object_set_new(o, "remote", address_json(t->remote));
        bad |= json_object_set_new(o, "remote_port", cj_u64_or_null(ports && t->remote.len, t->rport));
        bad |= json_object_set_new(o, "real", address_json(t->real));
        bad |= json_object_set_new(o, "real_port", cj_u64_or_null(ports && t->real.len, t->real_port));
        bad |= json_object_set_new(o, "resolver", json_boolean(t->flags & FLOWF_RESOLVER));
        bad |= json_object_set_new(o, "bytes_out", cj_u64_or_null((t->flags & FLOWF_COUNTED) != 0, t->bytes_out));
        bad |= json_object_set_new(o, "bytes_in", cj_u64_or_null((t->flags & FLOWF_COUNTED) != 0, t->bytes_in));
        bad |= json_object_set_new(o, "duration_ms",
                                   t->duration_ns ? cj_real((double)t->duration_ns / 1e6) : json_null());
        bad |= json_object_set_new(o, "flags", cj_flags(ev->flags));
        return bad;
}

/* The second of each pair as an address, or the second of each as a name. */
static json_t *answers_json(struct bytes list, bool addresses)
{
        _cleanup_json_ json_t *a = json_array();
        struct bytes key, value;
        struct rd r;

        rd_init(&r, list.p, list.len);
        while (tide_list_next(&r, &key, &value))
                if (json_array_append_new(a, addresses ? address_json(key) : cj_text(value)) < 0)
                        return NULL;
        return TAKE_PTR(a);
}

static int put_name(json_t *o, const struct tide_event *ev)
{
        const struct tide_name *t = &ev->name;
        char proto[TIDE_PROTO_TEXT];
        int bad = 0;

        bad |= json_object_set_new(o, "operation", json_string(tide_name_verdict_name(t->verdict)));
        bad |= json_object_set_new(o, "name", cj_text(t->question));
        bad |= json_object_set_new(o, "chain", answers_json(t->chain, false));
        bad |= json_object_set_new(o, "addresses", answers_json(t->addresses, true));
        bad |= json_object_set_new(o, "server", address_json(t->server));
        bad |= json_object_set_new(o, "server_port", json_integer(t->server_port));
        bad |= json_object_set_new(o, "protocol", json_string(tide_proto_text(t->proto, proto)));
        bad |= json_object_set_new(o, "reason", cj_words_or_null(t->reason));
        return bad;
}

static int put_ctr(json_t *o, const struct tide_event *ev)
{
        int bad = 0;

        bad |= json_object_set_new(o, "runtime", cj_text(ev->ctr.runtime));
        bad |= json_object_set_new(o, "init_pid", cj_u64_or_null(ev->ctr.init_pid != 0, ev->ctr.init_pid));
        bad |= json_object_set_new(o, "running_before", json_boolean(ev->ctr.running_before));
        bad |= json_object_set_new(o, "coverage", cj_words(ev->ctr.coverage));
        bad |= json_object_set_new(o, "flows_watched", cj_watched(ev->ctr.flows));
        bad |= json_object_set_new(o, "gap_ms", ev->ctr.gap_ns ? cj_real((double)ev->ctr.gap_ns / 1e6) : json_null());
        return bad;
}

static int put_content(json_t *o, const struct tide_event *ev)
{
        int bad = 0;

        bad |= json_object_set_new(o, "name", cj_text(ev->content.name));
        bad |= json_object_set_new(o, "image", cj_text(ev->content.image_ref));
        bad |= json_object_set_new(o, "config_digest", cj_text(ev->content.config_digest));
        return bad;
}

static int put_decision(json_t *o, const struct tide_event *ev)
{
        int bad = 0;

        bad |= json_object_set_new(o, "verb", cj_text(ev->decision.verb));
        bad |= json_object_set_new(o, "target", cj_text(ev->decision.target));
        bad |= json_object_set_new(o, "uid", cj_id_or_null(ev->decision.uid));
        bad |= json_object_set_new(o, "login_uid", cj_id_or_null(ev->decision.login_uid));
        return bad;
}

static int put_walk(json_t *o, const struct tide_event *ev)
{
        int bad = 0;

        bad |= json_object_set_new(o, "reason", json_string(tide_walk_reason_name(ev->walk.reason)));
        bad |= json_object_set_new(o, "ended", json_boolean(ev->walk.ended));
        bad |= json_object_set_new(o, "complete", json_boolean(ev->walk.complete));
        bad |= json_object_set_new(o, "entries", cj_u64(ev->walk.entries));
        return bad;
}

static int put_loss(json_t *o, const struct tide_event *ev)
{
        int bad = 0;

        bad |= json_object_set_new(o, "what", cj_words(ev->loss.what));
        bad |= json_object_set_new(o, "count", cj_u64_or_null(ev->loss.count != 0, ev->loss.count));
        return bad;
}

static int put_prior(json_t *o, const struct tide_event *ev)
{
        int bad = 0;

        bad |= json_object_set_new(o, "image_digest", cj_text(ev->prior.digest));
        bad |= json_object_set_new(o, "state", json_string(tide_prior_state_name(ev->prior.state)));
        bad |= json_object_set_new(o, "words", cj_words(ev->prior.words));
        bad |= json_object_set_new(o, "packages", cj_u64(ev->prior.packages));
        bad |= json_object_set_new(o, "files", cj_u64(ev->prior.files));
        return bad;
}

static int put_hash(json_t *o, const struct tide_event *ev)
{
        char hex[2 * TIDE_SHA256 + 1] = "";
        int bad = 0;

        for (uint32_t i = 0; i < ev->hash.sha256.len && i < TIDE_SHA256; i++)
                snprintf(hex + 2 * i, 3, "%02x", ev->hash.sha256.p[i]);
        bad |= json_object_set_new(o, "path", cj_text(ev->hash.path));
        bad |= json_object_set_new(o, "state", json_string(tide_hash_name(ev->hash.state)));
        bad |= json_object_set_new(o, "size", cj_u64(ev->hash.size));
        bad |= json_object_set_new(o, "sha256", cj_text_or_null(bytes_str(hex)));
        return bad;
}

static const struct shown {
        uint16_t kind;
        const char *name;
        int (*put)(json_t *o, const struct tide_event *ev);
} shown[] = {
        {TIDE_EXEC, "exec", put_exec},
        {TIDE_FILE, "file", put_file},
        {TIDE_PRIV, "privilege", put_priv},
        {TIDE_FLOW, "flow", put_flow},
        {TIDE_NAME, "name", put_name},
        {TIDE_CTR_START, "container-start", put_ctr},
        {TIDE_CTR_STOP, "container-stop", put_ctr},
        {TIDE_CONTENT, "content", put_content},
        {TIDE_DECISION, "decision", put_decision},
        {TIDE_WALK, "walk", put_walk},
        {TIDE_LOSS, "loss", put_loss},
        {TIDE_PRIOR, "prior", put_prior},
        {TIDE_HASH, "hash", put_hash},
};

/* Who is called is known by name, and only the judge remembers it. */
static int put_names(json_t *o, const struct judge *j, const struct tide_event *ev)
{
        struct bytes names[NAMES_MAX];
        json_t *a;
        size_t n;

        if (!j || ev->kind != TIDE_FLOW)
                return 0;
        a = json_array();
        n = judge_flow_names(j, ev, names, NAMES_MAX);
        for (size_t i = 0; i < n; i++)
                if (json_array_append_new(a, cj_text(names[i])) < 0) {
                        json_decref(a);
                        return -1;
                }
        return json_object_set_new(o, "names", a);
}

json_t *query_watch_event(const struct judge *j, const struct tide_event *ev, struct bytes workload,
                          const char *verdict, uint64_t finding)
{
        _cleanup_json_ json_t *o = NULL;
        size_t i = 0;
        int bad = 0;

        while (i < ARRAY_LEN(shown) && shown[i].kind != ev->kind)
                i++;
        if (i == ARRAY_LEN(shown) || (ev->kind == TIDE_PRIOR && ev->prior.part != PRIOR_END))
                return NULL;
        o = json_object();
        bad |= json_object_set_new(o, "kind", json_string(shown[i].name));
        bad |= json_object_set_new(o, "seq", cj_u64(ev->seq));
        bad |= json_object_set_new(o, "time", cj_time(ev->wall_ns));
        bad |= json_object_set_new(o, "container", cj_text_or_null(ev->container));
        bad |= json_object_set_new(o, "workload", cj_text_or_null(workload));
        bad |= json_object_set_new(o, "verdict", verdict && *verdict ? cj_words(bytes_str(verdict)) : json_null());
        bad |= json_object_set_new(o, "finding", cj_finding_id(finding));
        bad |= shown[i].put(o, ev);
        bad |= put_names(o, j, ev);
        return bad ? NULL : TAKE_PTR(o);
}

json_t *query_watch_note(struct bytes workload, const char *words)
{
        return json_pack("{s:{s:o,s:o}}", "note", "workload", cj_text_or_null(workload), "text",
                         cj_words(bytes_str(words)));
}
