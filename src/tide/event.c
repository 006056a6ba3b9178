/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the wire form of every kind of event, as one table of fields a kind: encoding and decoding both follow it, so
 * that they cannot disagree. Must not: know who sends it. Pure.
 */
#include "tidemark/event.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"

enum form { F_U8, F_U16, F_U32, F_U64, F_STR, F_ENUM8 };

struct field {
        uint16_t offset; /* in struct tide_event */
        uint8_t form;
        uint8_t max; /* F_ENUM8: values from here on become 0 */
};

#define AT(member) offsetof(struct tide_event, member)
#define U8(m) {AT(m), F_U8, 0}
#define U16(m) {AT(m), F_U16, 0}
#define U32(m) {AT(m), F_U32, 0}
#define U64(m) {AT(m), F_U64, 0}
#define STR(m) {AT(m), F_STR, 0}
#define ENUM8(m, max) {AT(m), F_ENUM8, max}
#define ACTOR(a)                                                                                                       \
        U32(a.flags), U32(a.pid), U64(a.start), U32(a.uid), U32(a.gid), U32(a.login_uid), U32(a.session),              \
                ENUM8(a.origin, ORIGIN__MAX), ENUM8(a.exe_layer, LAYER__MAX), STR(a.exe), STR(a.comm), STR(a.lineage)

/* Later than the kinds that have an actor: at their ends. */
#define LEADER(a) U32(a.leader), U64(a.leader_start)

/* Fields are added at the end of a table, never moved or taken out. */
static const struct field exec_fields[] = {
        ACTOR(exec.actor), STR(exec.program), ENUM8(exec.program_layer, LAYER__MAX),
        ENUM8(exec.program_change, CHANGE__MAX), STR(exec.caller), STR(exec.args), U32(exec.args_total), STR(exec.cwd),
        U32(exec.mode), U64(exec.size), U64(exec.ino), U64(exec.interval_ns),
        STR(exec.script), ENUM8(exec.script_layer, LAYER__MAX), ENUM8(exec.script_change, CHANGE__MAX),
        LEADER(exec.actor),
};
static const struct field fork_fields[] = {U32(fork.pid), U32(fork.ppid), U64(fork.start), U64(fork.pstart)};
static const struct field exit_fields[] = {U32(exit.pid), U64(exit.start), U32(exit.code), U8(exit.leader)};
static const struct field file_fields[] = {
        ACTOR(file.actor), U16(file.ops), ENUM8(file.change, CHANGE__MAX), U8(file.type), STR(file.path),
        STR(file.old_path), U32(file.mode), U64(file.size), U64(file.ino), U64(file.mtime_ns), U64(file.ctime_ns),
        STR(file.target), U8(file.flags), LEADER(file.actor),
};
static const struct field priv_fields[] = {
        ACTOR(priv.actor), ENUM8(priv.what, PRIV__MAX), ENUM8(priv.where, WHERE__MAX), ENUM8(priv.layer, LAYER__MAX),
        ENUM8(priv.change, CHANGE__MAX), U32(priv.flags), U64(priv.from), U64(priv.to), U32(priv.target_pid),
        U64(priv.target_start), STR(priv.target_exe), STR(priv.target_comm), STR(priv.target_container),
        STR(priv.old_comm), STR(priv.path), U32(priv.mode), U64(priv.size), U64(priv.ino), U64(priv.repeats),
        LEADER(priv.actor),
};
static const struct field flow_fields[] = {
        ACTOR(flow.actor), ENUM8(flow.what, FLOW__MAX), ENUM8(flow.direction, DIRECTION__MAX), U8(flow.proto),
        U32(flow.flags), STR(flow.local), STR(flow.remote), U16(flow.lport), U16(flow.rport), STR(flow.real),
        U16(flow.real_port), U64(flow.bytes_out), U64(flow.bytes_in), U64(flow.duration_ns), U64(flow.id),
        U64(flow.netns), LEADER(flow.actor),
};
static const struct field name_fields[] = {
        ENUM8(name.verdict, NAME__MAX), U8(name.proto), STR(name.server), U16(name.server_port), STR(name.question),
        STR(name.chain), STR(name.addresses), STR(name.reason), U64(name.netns), U64(name.answer_ns),
};
static const struct field packet_fields[] = {U64(packet.netns), U8(packet.out), STR(packet.ip), U8(packet.flags)};
static const struct field audit_fields[] = {U16(audit.type), STR(audit.text)};
static const struct field who_fields[] = {ACTOR(who.actor), U64(who.token), LEADER(who.actor)};
static const struct field ctr_fields[] = {
        STR(ctr.runtime), U32(ctr.init_pid), U64(ctr.init_start), STR(ctr.cgroup), STR(ctr.root_fstype), STR(ctr.upper),
        STR(ctr.lower), U64(ctr.netns), U64(ctr.mntns), U64(ctr.pidns), U8(ctr.running_before), U64(ctr.gap_ns),
        STR(ctr.coverage), STR(ctr.rootdir), STR(ctr.bundle), U8(ctr.stopping), ENUM8(ctr.flows, FLOWS__MAX),
};
static const struct field walk_fields[] = {U8(walk.ended), U8(walk.complete), ENUM8(walk.reason, WALK__MAX),
                                           U64(walk.entries)};
static const struct field content_fields[] = {
        STR(content.runtime), STR(content.name), U8(content.name_given), STR(content.image_ref),
        STR(content.config_digest), STR(content.config_source), STR(content.manifest_digest),
        STR(content.manifest_source), STR(content.labels), STR(content.image_labels), STR(content.created),
        STR(content.health), STR(content.workload), ENUM8(content.class, CLASS__MAX),
        STR(content.ports),
};
static const struct field decision_fields[] = {
        U64(decision.id), U32(decision.uid), U32(decision.login_uid), U32(decision.pid), STR(decision.verb),
        STR(decision.target), STR(decision.args),
};
static const struct field loss_fields[] = {U16(loss.lost_source), U64(loss.count), U64(loss.from_ns), U64(loss.to_ns),
                                           STR(loss.what)};
static const struct field state_fields[] = {U16(state.what), STR(state.host), STR(state.text)};
static const struct field act_fields[] = {U16(act.act),       U64(act.id),   U32(act.uid), U32(act.pid),
                                          U32(act.login_uid), STR(act.name), STR(act.text),
                                          ENUM8(act.deed, DEED__MAX), U32(act.flags), U64(act.finding), STR(act.args)};
static const struct field prior_fields[] = {
        STR(prior.digest), ENUM8(prior.part, PRIOR__PART_MAX), STR(prior.entrypoint), STR(prior.command),
        STR(prior.health), STR(prior.user), STR(prior.ports), STR(prior.volumes), U32(prior.first), STR(prior.list),
        ENUM8(prior.state, PRIOR__STATE_MAX), STR(prior.words), U32(prior.packages), U32(prior.files),
        U64(prior.read_bytes), U64(prior.entries),
};
static const struct field hash_fields[] = {
        STR(hash.path), ENUM8(hash.layer, LAYER__MAX), ENUM8(hash.state, HASH__MAX), U64(hash.size), U64(hash.ino),
        STR(hash.sha256), U64(hash.mtime_ns), U64(hash.ctime_ns),
};
static const struct field done_fields[] = {
        ENUM8(done.deed, DEED__MAX), ENUM8(done.state, DEED__STATE_MAX), U8(done.last), U64(done.command),
        U64(done.finding), STR(done.name), STR(done.words), STR(done.facts), ENUM8(done.what, DONE__MAX),
};
static const struct field supply_fields[] = {
        STR(supply.digest), ENUM8(supply.part, SUPPLY__PART_MAX), STR(supply.document), STR(supply.source),
        ENUM8(supply.signature, SIGNATURE__MAX), STR(supply.key), STR(supply.format), STR(supply.creator),
        STR(supply.repository), STR(supply.commit), STR(supply.build_type), U64(supply.began_ns), U64(supply.ended_ns),
        U32(supply.first), STR(supply.list), U32(supply.packages), U32(supply.files), U32(supply.refused),
        U8(supply.admitted), STR(supply.words), STR(supply.from), STR(supply.image), STR(supply.place),
        STR(supply.key_id),
};

struct kind {
        const char *name;
        const struct field *fields;
        size_t n;
};
#define KIND(word, table) {word, table, ARRAY_LEN(table)}
static const struct kind kinds[TIDE__KIND_MAX] = {
        [TIDE_EXEC] = KIND("exec", exec_fields),
        [TIDE_FORK] = KIND("fork", fork_fields),
        [TIDE_EXIT] = KIND("exit", exit_fields),
        [TIDE_FILE] = KIND("file", file_fields),
        [TIDE_CTR_START] = KIND("container-start", ctr_fields),
        [TIDE_CTR_STOP] = KIND("container-stop", ctr_fields),
        [TIDE_WALK] = KIND("walk", walk_fields),
        [TIDE_CONTENT] = KIND("content", content_fields),
        [TIDE_DECISION] = KIND("decision", decision_fields),
        [TIDE_TICK] = {"tick", NULL, 0},
        [TIDE_LOSS] = KIND("loss", loss_fields),
        [TIDE_SNAPSHOT] = KIND("snapshot", state_fields),
        [TIDE_STATE] = KIND("state", state_fields),
        [TIDE_END] = KIND("end", state_fields),
        [TIDE_ACT] = KIND("act", act_fields),
        [TIDE_COMMAND] = KIND("command", act_fields),
        [TIDE_COUNTERS] = KIND("counters", state_fields),
        [TIDE_FILES] = KIND("files", act_fields),
        [TIDE_PING] = KIND("ping", act_fields),
        [TIDE_PRIV] = KIND("privilege", priv_fields),
        [TIDE_FLOW] = KIND("flow", flow_fields),
        [TIDE_NAME] = KIND("name", name_fields),
        [TIDE_PACKET] = KIND("packet", packet_fields),
        [TIDE_AUDIT] = KIND("audit", audit_fields),
        [TIDE_WHO] = KIND("who", who_fields),
        [TIDE_PRIOR] = KIND("prior", prior_fields),
        [TIDE_HASH] = KIND("hash", hash_fields),
        [TIDE_RAN] = KIND("ran", hash_fields),
        [TIDE_DONE] = KIND("done", done_fields),
        [TIDE_RECORD] = KIND("record", supply_fields),
};

#define HEAD_BYTES (4 + 2 + 2 + 8 + 8 + 8 + 2 + 2) /* before the container */

static void put_field(const struct tide_event *ev, const struct field *f, struct buf *out)
{
        const void *p = (const char *)ev + f->offset;

        switch (f->form) {
        case F_U8:
        case F_ENUM8:
                buf_put_u8(out, *(const uint8_t *)p);
                break;
        case F_U16:
                buf_put_u16(out, *(const uint16_t *)p);
                break;
        case F_U32:
                buf_put_u32(out, *(const uint32_t *)p);
                break;
        case F_U64:
                buf_put_u64(out, *(const uint64_t *)p);
                break;
        case F_STR:
                buf_put_bytes(out, *(const struct bytes *)p);
                break;
        }
}

static bool is_nothing(const struct tide_event *ev, const struct field *f)
{
        const void *p = (const char *)ev + f->offset;

        switch (f->form) {
        case F_U8:
        case F_ENUM8:
                return *(const uint8_t *)p == 0;
        case F_U16:
                return *(const uint16_t *)p == 0;
        case F_U32:
                return *(const uint32_t *)p == 0;
        case F_U64:
                return *(const uint64_t *)p == 0;
        default:
                return ((const struct bytes *)p)->len == 0;
        }
}

/* Fields at the end that say nothing are left out: whoever reads takes them for that. */
static size_t said_fields(const struct tide_event *ev, const struct kind *k)
{
        size_t n = k->n;

        while (n > 0 && is_nothing(ev, &k->fields[n - 1]))
                n--;
        return n;
}

int tide_encode(const struct tide_event *ev, struct buf *out)
{
        size_t at = out->len, fields;
        const struct kind *k;
        int r;

        if (ev->kind == TIDE_NONE || ev->kind >= TIDE__KIND_MAX)
                return -EINVAL;
        if (out->err) /* of an earlier put: not ours to take back */
                return out->err;
        k = &kinds[ev->kind];
        buf_put_u32(out, 0);
        buf_put_u16(out, TIDE_VERSION);
        buf_put_u16(out, ev->kind);
        buf_put_u64(out, ev->seq);
        buf_put_u64(out, ev->boot_ns);
        buf_put_u64(out, (uint64_t)ev->wall_ns);
        buf_put_u16(out, ev->sources);
        buf_put_u16(out, ev->flags);
        buf_put_bytes(out, ev->container);
        fields = said_fields(ev, k);
        for (size_t i = 0; i < fields; i++)
                put_field(ev, &k->fields[i], out);
        r = out->err ? out->err : out->len - at > TIDE_RECORD_MAX ? ERR_LIMIT : 0;
        if (r < 0) { /* as if nothing had been said */
                out->len = at;
                if (out->err == ERR_LIMIT)
                        out->err = 0;
                return r;
        }
        buf_patch_u32(out, at, (uint32_t)(out->len - at));
        return 0;
}

static void get_field(struct rd *r, const struct field *f, struct tide_event *ev)
{
        void *p = (char *)ev + f->offset;
        uint8_t v;

        switch (f->form) {
        case F_U8:
                *(uint8_t *)p = rd_u8(r);
                break;
        case F_ENUM8:
                v = rd_u8(r);
                *(uint8_t *)p = v < f->max ? v : 0;
                break;
        case F_U16:
                *(uint16_t *)p = rd_u16(r);
                break;
        case F_U32:
                *(uint32_t *)p = rd_u32(r);
                break;
        case F_U64:
                *(uint64_t *)p = rd_u64(r);
                break;
        case F_STR:
                *(struct bytes *)p = rd_bytes(r);
                break;
        }
}

int tide_decode(const void *p, size_t len, struct tide_event *ret, size_t *ret_used)
{
        struct tide_event ev;
        struct rd r;
        uint32_t whole;
        uint16_t version;

        rd_init(&r, p, len);
        whole = rd_u32(&r);
        if (r.err)
                return ERR_TRUNCATED;
        if (whole < HEAD_BYTES + 4 || whole > TIDE_RECORD_MAX)
                return ERR_SCHEMA;
        if (whole > len)
                return ERR_TRUNCATED;
        *ret_used = whole;
        r.len = whole;
        memset(&ev, 0, sizeof(ev));
        version = rd_u16(&r);
        ev.kind = rd_u16(&r);
        ev.seq = rd_u64(&r);
        ev.boot_ns = rd_u64(&r);
        ev.wall_ns = (int64_t)rd_u64(&r);
        ev.sources = rd_u16(&r);
        ev.flags = rd_u16(&r);
        ev.container = rd_bytes(&r);
        if (r.err || version != TIDE_VERSION || ev.kind == TIDE_NONE || ev.kind >= TIDE__KIND_MAX)
                return ERR_SCHEMA;
        for (size_t i = 0; i < kinds[ev.kind].n && rd_left(&r); i++)
                get_field(&r, &kinds[ev.kind].fields[i], &ev);
        if (r.err) /* a field that is there but does not fit: not an older record, a damaged one */
                return ERR_SCHEMA;
        *ret = ev;
        return 0;
}

/* ---- lists ---- */

void tide_lineage_put(struct buf *b, const struct tide_ancestor *a)
{
        buf_put_u32(b, a->pid);
        buf_put_u64(b, a->start);
        buf_put_bytes(b, a->exe);
        buf_put_bytes(b, a->comm);
}

int tide_lineage_next(struct rd *r, struct tide_ancestor *ret)
{
        struct tide_ancestor a;

        if (rd_left(r) == 0)
                return 0;
        a.pid = rd_u32(r);
        a.start = rd_u64(r);
        a.exe = rd_bytes(r);
        a.comm = rd_bytes(r);
        if (r->err)
                return 0;
        *ret = a;
        return 1;
}

void tide_list_put(struct buf *b, struct bytes key, struct bytes value)
{
        buf_put_bytes(b, key);
        buf_put_bytes(b, value);
}

int tide_list_next(struct rd *r, struct bytes *ret_key, struct bytes *ret_value)
{
        struct bytes key, value;

        if (rd_left(r) == 0)
                return 0;
        key = rd_bytes(r);
        value = rd_bytes(r);
        if (r->err)
                return 0;
        *ret_key = key;
        *ret_value = value;
        return 1;
}

void tide_prior_package_put(struct buf *b, const struct tide_prior_package *p)
{
        buf_put_u8(b, p->db);
        buf_put_bytes(b, p->name);
        buf_put_bytes(b, p->version);
}

int tide_prior_package_next(struct rd *r, struct tide_prior_package *ret)
{
        struct tide_prior_package p;

        if (rd_left(r) == 0)
                return 0;
        p.db = rd_u8(r);
        p.name = rd_bytes(r);
        p.version = rd_bytes(r);
        if (r->err)
                return 0;
        if (p.db >= PACKAGE__MAX)
                p.db = PACKAGE_UNKNOWN;
        *ret = p;
        return 1;
}

void tide_prior_file_put(struct buf *b, const struct tide_prior_file *f)
{
        buf_put_bytes(b, f->path);
        buf_put_u8(b, f->kind);
        buf_put_u8(b, f->flags);
        buf_put_u32(b, f->package);
        buf_put_u64(b, f->size);
        buf_put_bytes(b, f->sha256);
        buf_put_bytes(b, f->interpreter);
}

int tide_prior_file_next(struct rd *r, struct tide_prior_file *ret)
{
        struct tide_prior_file f;

        if (rd_left(r) == 0)
                return 0;
        f.path = rd_bytes(r);
        f.kind = rd_u8(r);
        f.flags = rd_u8(r);
        f.package = rd_u32(r);
        f.size = rd_u64(r);
        f.sha256 = rd_bytes(r);
        f.interpreter = rd_bytes(r);
        if (r->err)
                return 0;
        if (f.kind >= PRIOR__KIND_MAX)
                f.kind = PRIOR_OTHER;
        if (f.sha256.len != TIDE_SHA256)
                f.sha256.len = 0;
        *ret = f;
        return 1;
}

/* ---- words ---- */

static const char *word(const char *const *words, size_t n, unsigned i)
{
        return i < n && words[i] ? words[i] : "unknown";
}

const char *tide_kind_name(unsigned kind)
{
        return kind < TIDE__KIND_MAX && kinds[kind].name ? kinds[kind].name : "unknown";
}

bool tide_kind_is_event(unsigned kind)
{
        return (kind > TIDE_NONE && kind < TIDE_SNAPSHOT) || (kind >= TIDE_PRIV && kind <= TIDE_NAME) ||
               kind == TIDE_PRIOR || kind == TIDE_HASH || kind == TIDE_DONE || kind == TIDE_RECORD;
}

const char *tide_origin_name(unsigned origin)
{
        static const char *const words[] = {"unknown", "entrypoint", "exec", "probe", "foreign"};

        return word(words, ARRAY_LEN(words), origin);
}

const char *tide_layer_name(unsigned layer)
{
        static const char *const words[] = {"unknown", "image", "write-layer", "mount",
                                            "tmpfs",   "memfd", "deleted",     "host"};

        return word(words, ARRAY_LEN(words), layer);
}

const char *tide_change_name(unsigned change)
{
        static const char *const words[] = {"unknown", "added", "modified", "removed"};

        return word(words, ARRAY_LEN(words), change);
}

const char *tide_walk_reason_name(unsigned reason)
{
        static const char *const words[] = {"start", "found", "loss", "round", "subtree", "namespace"};

        return word(words, ARRAY_LEN(words), reason);
}

const char *tide_priv_name(unsigned what)
{
        static const char *const words[] = {"unknown",   "uid",  "gid", "ptrace", "comm",
                                            "core-dump", "mount-namespace", "mapped", "blinded"};

        return word(words, ARRAY_LEN(words), what);
}

const char *tide_where_name(unsigned where)
{
        static const char *const words[] = {"unknown", "same-container", "other-container", "host"};

        return word(words, ARRAY_LEN(words), where);
}

const char *tide_flow_name(unsigned what)
{
        static const char *const words[] = {"unknown", "began", "ended", "found", "listens"};

        return word(words, ARRAY_LEN(words), what);
}

const char *tide_direction_name(unsigned direction)
{
        static const char *const words[] = {"unknown", "outbound", "inbound"};

        return word(words, ARRAY_LEN(words), direction);
}

const char *tide_name_verdict_name(unsigned verdict)
{
        static const char *const words[] = {"unknown",   "answered", "unasked", "foreign",
                                            "malformed", "doubted",  "unowned"};

        return word(words, ARRAY_LEN(words), verdict);
}

char *tide_proto_text(unsigned proto, char dst[TIDE_PROTO_TEXT])
{
        static const struct {
                unsigned proto;
                const char *name;
        } words[] = {{IPPROTO_TCP, "tcp"},     {IPPROTO_UDP, "udp"},   {IPPROTO_ICMP, "icmp"},
                     {IPPROTO_ICMPV6, "icmp6"}, {IPPROTO_SCTP, "sctp"}, {IPPROTO_DCCP, "dccp"},
                     {IPPROTO_GRE, "gre"},     {IPPROTO_UDPLITE, "udplite"}};

        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (words[i].proto == proto)
                        return strcpy(dst, words[i].name);
        snprintf(dst, TIDE_PROTO_TEXT, "%u", proto & 0xffu);
        return dst;
}

bool tide_proto_has_port(unsigned proto)
{
        switch (proto) {
        case IPPROTO_TCP:
        case IPPROTO_UDP:
        case IPPROTO_UDPLITE:
        case IPPROTO_SCTP:
        case IPPROTO_DCCP:
                return true;
        default:
                return false;
        }
}

char *tide_address_text(struct bytes address, char dst[TIDE_ADDRESS_TEXT])
{
        int family = address.len == 4 ? AF_INET : address.len == 16 ? AF_INET6 : AF_UNSPEC;

        if (family == AF_UNSPEC || !inet_ntop(family, address.p, dst, TIDE_ADDRESS_TEXT))
                return strcpy(dst, "?");
        return dst;
}

/* Names of the set bits, lowest first, joined. */
static char *bit_text(unsigned bits, const char *const *names, size_t n, const char *joint, char *dst, size_t size)
{
        size_t len = 0;

        dst[0] = '\0';
        for (size_t i = 0; i < n; i++) {
                if (!(bits & 1u << i))
                        continue;
                len += (size_t)snprintf(dst + len, size - len, "%s%s", len ? joint : "", names[i]);
                if (len >= size)
                        break;
        }
        return dst;
}

char *tide_ops_text(unsigned ops, char dst[TIDE_OPS_TEXT])
{
        static const char *const names[] = {"create", "write", "delete", "rename", "attribute", "found"};

        return bit_text(ops, names, ARRAY_LEN(names), "+", dst, TIDE_OPS_TEXT);
}

char *tide_sources_text(unsigned sources, char dst[TIDE_SOURCES_TEXT])
{
        static const char *const names[] = {"proc connector", "fanotify content", "fanotify names", "inotify",
                                            "walk",           "/proc",            "engine",         "operator",
                                            "conntrack",      "sock_diag",        "NFLOG",          "audit"};

        return bit_text(sources, names, ARRAY_LEN(names), " + ", dst, TIDE_SOURCES_TEXT);
}

const char *tide_class_name(unsigned v)
{
        static const char *const names[] = {"service", "job", "session"};

        return v < ARRAY_LEN(names) ? names[v] : "unknown";
}

const char *tide_prior_state_name(unsigned v)
{
        static const char *const names[] = {"failed", "partial", "complete"};

        return word(names, ARRAY_LEN(names), v);
}

const char *tide_prior_kind_name(unsigned v)
{
        static const char *const names[] = {"other", "program", "library", "script"};

        return word(names, ARRAY_LEN(names), v);
}

const char *tide_package_db_name(unsigned v)
{
        static const char *const names[] = {NULL, "dpkg", "apk", "rpm"};

        return word(names, ARRAY_LEN(names), v);
}

const char *tide_deed_name(unsigned deed)
{
        static const char *const words[] = {"none", "isolate", "release", "kill", "capture", "list", "copy", "remove"};

        return word(words, ARRAY_LEN(words), deed);
}

const char *tide_deed_state_name(unsigned state)
{
        static const char *const words[] = {"failed", "refused", "planned", "began", "done", "changed"};

        return word(words, ARRAY_LEN(words), state);
}

const char *tide_signature_name(unsigned v)
{
        static const char *const words[] = {"unsigned", "verified", "bad", "unknown-key"};

        return word(words, ARRAY_LEN(words), v);
}

const char *tide_hash_name(unsigned state)
{
        static const char *const names[] = {"unreadable", "known", "too-large", "gone", "replaced", "late"};

        return word(names, ARRAY_LEN(names), state);
}
