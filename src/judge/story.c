/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the sentences of a finding, in the order of what happened. Pure. Every name in them is escaped. */
#include <netinet/in.h>
#include <string.h>

#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/finding.h"
#include "tidemark/when.h"

static void put_time(int64_t ns, struct buf *out)
{
        char text[CLOCK_TEXT];

        clock_rfc3339(ns, text);
        buf_put(out, text + 11, 8); /* the time of day; the page names the date */
}

static void put_name(struct bytes s, struct buf *out)
{
        char shown[160];

        buf_put_str(out, str_print(s, shown, sizeof(shown)));
}

static void put_who(const struct finding_signal *s, struct buf *out)
{
        if (s->executable.len)
                put_name(str_get(&s->executable), out);
        else
                buf_put_str(out, s->pid ? "a process" : "an unknown process");
        if (s->pid)
                buf_printf(out, " (pid %u, uid %u, %s)", s->pid, s->uid, tide_origin_name(s->origin));
}

/* "created and wrote": the words of an operation in the past. */
static void put_ops(const struct finding_signal *s, struct buf *out)
{
        static const struct {
                const char *op, *past;
        } words[] = {{"create", "created"},
                     {"write", "wrote"},
                     {"delete", "deleted"},
                     {"rename", "renamed"},
                     {"attribute", "changed the attributes of"}};
        bool first = true;

        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
                if (!s->operation.p || !strstr(s->operation.p, words[i].op))
                        continue;
                buf_printf(out, "%s%s", first ? "" : " and ", words[i].past);
                first = false;
        }
        if (first)
                buf_put_str(out, "changed");
}

/* What the key of a file says beside its path: observe.c. */
static void put_kind(const struct finding_signal *s, struct buf *out)
{
        static const struct {
                const char *mark, *words;
        } rows[] = {{" [setuid]", ", setuid or setgid"},
                    {" [capabilities]", ", with capabilities"},
                    {" [changed]", ", whose content is no longer the image's"},
                    {" [replaced]", ", and what the image holds below it is hidden"}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (s->key.p && strstr(s->key.p, rows[i].mark))
                        buf_put_str(out, rows[i].words);
}

static void put_file(const struct finding_signal *s, struct buf *out)
{
        if (s->operation.p && strcmp(s->operation.p, "found") == 0) {
                put_name(str_get(&s->subject), out);
                put_kind(s, out);
                buf_put_str(out, s->change == CHANGE_REMOVED    ? " was found removed by a walk"
                                 : s->change == CHANGE_MODIFIED ? " was found changed by a walk"
                                                                : " was found by a walk");
                buf_put_str(out, "; who did it is not known");
                return;
        }
        put_who(s, out);
        buf_put_u8(out, ' ');
        put_ops(s, out);
        buf_put_u8(out, ' ');
        put_name(str_get(&s->subject), out);
        if (s->change == CHANGE_MODIFIED || s->change == CHANGE_REMOVED)
                buf_put_str(out, ", a file of the image");
        else if (s->change == CHANGE_ADDED)
                buf_put_str(out, ", which the image does not hold");
        put_kind(s, out);
}

static void put_args(const struct finding_signal *s, struct buf *out)
{
        char shown[160];
        struct bytes all = str_get(&s->args);

        if (all.len == 0)
                return;
        buf_put_str(out, " as \"");
        for (uint32_t at = 0, n = 0; at < all.len && n < 8; n++) {
                const uint8_t *end = memchr(all.p + at, 0, all.len - at);
                uint32_t len = end ? (uint32_t)(end - (all.p + at)) : all.len - at;

                buf_printf(out, "%s%s", n ? " " : "", str_print(bytes_of(all.p + at, len), shown, 64));
                at += len + 1;
        }
        buf_put_u8(out, '"');
}

static void put_exec(const struct finding_signal *s, struct buf *out)
{
        static const char *const from[LAYER__MAX] = {[LAYER_WRITE] = ", from the write layer",
                                                     [LAYER_MEMFD] = ", a program that exists in memory only",
                                                     [LAYER_DELETED] = ", a file that was already deleted",
                                                     [LAYER_TMPFS] = ", from a tmpfs",
                                                     [LAYER_MOUNT] = ", from a volume"};

        put_who(s, out);
        buf_put_str(out, s->operation.p && strcmp(s->operation.p, "script") == 0 ? " ran the script " : " ran ");
        put_name(str_get(&s->subject), out);
        if (s->layer < LAYER__MAX && from[s->layer])
                buf_put_str(out, from[s->layer]);
        if (s->change == CHANGE_MODIFIED)
                buf_put_str(out, ", in place of the image's");
        put_args(s, out);
        if (s->flags & EVF_NO_ARGS)
                buf_put_str(out, " (its arguments could not be read)");
}

/* The n-th of the words that were kept of a change of rights, or of where a flow goes. */
static struct bytes part(const struct finding_signal *s, unsigned n)
{
        struct bytes all = str_get(&s->args);
        uint32_t at = 0;

        for (; at < all.len; n--) {
                const uint8_t *end = memchr(all.p + at, 0, all.len - at);
                uint32_t len = end ? (uint32_t)(end - (all.p + at)) : all.len - at;

                if (n == 0)
                        return bytes_of(all.p + at, len);
                at += len + 1;
        }
        return bytes_of(NULL, 0);
}

static void put_id(const struct finding_signal *s, struct buf *out)
{
        bool uid = bytes_eq(str_get(&s->operation), BYTES_LIT("uid")),
             root = bytes_has_prefix(str_get(&s->key), BYTES_LIT("uid root"));

        buf_put_str(out, root ? " became root, from uid " : uid ? " took uid " : " took gid ");
        if (!root) {
                put_name(part(s, 1), out);
                buf_put_str(out, ", from ");
        }
        put_name(part(s, 0), out);
        if (part(s, 2).len)
                buf_put_str(out, ", by a program of the image that is setuid or setgid: ");
        else
                buf_put_str(out, ", with no setuid program of the image: it runs ");
        put_name(str_get(&s->subject), out);
        if (s->layer == LAYER_WRITE)
                buf_put_str(out, ", from the write layer");
}

static void put_ptrace(const struct finding_signal *s, struct buf *out)
{
        struct bytes where = part(s, 1);

        buf_put_str(out, " took control, as a debugger does, of ");
        put_name(str_get(&s->subject), out);
        buf_put_str(out, " (pid ");
        put_name(part(s, 0), out);
        buf_put_str(out, bytes_eq(where, BYTES_LIT("host"))              ? ", of the host)"
                         : bytes_eq(where, BYTES_LIT("other-container")) ? ", of another container)"
                         : part(s, 2).len                                ? ", its own child)"
                                                                         : ")");
}

static void put_comm(const struct finding_signal *s, struct buf *out)
{
        buf_put_str(out, " called itself ");
        put_name(str_get(&s->subject), out);
        if (part(s, 0).len == 0)
                return;
        buf_put_str(out, ", no longer ");
        put_name(part(s, 0), out);
}

static void put_blinded(const struct finding_signal *s, struct buf *out)
{
        (void)s;
        buf_put_str(out, " took away the nftables table by which the container's flows are watched");
}

static void put_core(const struct finding_signal *s, struct buf *out)
{
        static const struct {
                const char *number, *name;
        } names[] = {{"3", "SIGQUIT"}, {"4", "SIGILL"},   {"5", "SIGTRAP"},  {"6", "SIGABRT"},  {"7", "SIGBUS"},
                     {"8", "SIGFPE"},  {"11", "SIGSEGV"}, {"24", "SIGXCPU"}, {"25", "SIGXFSZ"}, {"31", "SIGSYS"}};
        struct bytes number = part(s, 0);
        const char *name = NULL;

        for (size_t i = 0; i < ARRAY_LEN(names) && !name; i++)
                if (bytes_eq(number, bytes_str(names[i].number)))
                        name = names[i].name;
        buf_put_str(out, " crashed");
        if (name) {
                buf_printf(out, " by %s", name);
        } else if (!bytes_eq(number, BYTES_LIT("0"))) {
                buf_put_str(out, " by signal ");
                put_name(number, out);
        }
        buf_put_str(out, part(s, 1).len ? ", and left a core dump" : "");
}

static void put_namespace(const struct finding_signal *s, struct buf *out)
{
        bool host = bytes_eq(part(s, 3), bytes_str(tide_where_name(WHERE_HOST)));

        if (host || bytes_eq(part(s, 3), bytes_str(tide_where_name(WHERE_OTHER))))
                buf_printf(out, " left its container for the mount namespace of %s",
                           host ? "the host" : "another container");
        else
                buf_printf(out, " went into another mount namespace%s than its container's",
                           part(s, 2).len ? " and another user namespace" : "");
}

static void put_mapped(const struct finding_signal *s, struct buf *out)
{
        static const char *const from[LAYER__MAX] = {[LAYER_WRITE] = ", from the write layer",
                                                     [LAYER_MEMFD] = ", which exists in memory only",
                                                     [LAYER_DELETED] = ", which was already deleted",
                                                     [LAYER_TMPFS] = ", from a tmpfs",
                                                     [LAYER_MOUNT] = ", from a volume"};

        buf_put_str(out, " loaded code from ");
        put_name(str_get(&s->subject), out);
        if (s->layer < LAYER__MAX && from[s->layer])
                buf_put_str(out, from[s->layer]);
        if (s->change == CHANGE_MODIFIED)
                buf_put_str(out, ", in place of the image's");
}

/* False: it is none of these. */
static bool put_priv(const struct finding_signal *s, struct buf *out)
{
        static const struct {
                const char *operation;
                void (*put)(const struct finding_signal *, struct buf *);
        } rows[] = {{"uid", put_id},     {"gid", put_id},         {"ptrace", put_ptrace},
                    {"comm", put_comm},  {"core-dump", put_core}, {"mount-namespace", put_namespace},
                    {"map", put_mapped}, {"blinded", put_blinded}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (bytes_eq(str_get(&s->operation), bytes_str(rows[i].operation))) {
                        put_who(s, out);
                        rows[i].put(s, out);
                        return true;
                }
        return false;
}

/* ---- flows ---- */

static const char *verb_of(const struct finding_signal *s)
{
        if (s->flow.proto == IPPROTO_TCP || s->flow.proto == IPPROTO_SCTP)
                return " connected to ";
        return " sent to ";
}

/* Of how many, so that it does not look whole where it is not. */
static void put_traffic(const struct finding_flow *w, uint64_t flows, struct buf *out)
{
        if (!w->counted)
                return;
        buf_printf(out, "; %llu bytes out, %llu in", (unsigned long long)w->bytes_out, (unsigned long long)w->bytes_in);
        if (w->ended && w->ended < flows)
                buf_printf(out, ", of %llu of %llu flows", (unsigned long long)w->ended, (unsigned long long)flows);
}

/* Behind the names stands the way, which may be empty. */
static void put_other_names(const struct finding_signal *s, struct buf *out)
{
        unsigned parts = 0, n = 1;

        for (uint32_t at = 0; at < s->args.len; at++)
                parts += s->args.p[at] == 0;
        for (; n + 1 < parts; n++) {
                buf_put_str(out, n == 1 ? " (also known as " : ", ");
                put_name(part(s, n), out);
        }
        if (s->flow.names_more)
                buf_printf(out, "%s %u more names", n == 1 ? " (also known by" : " and", s->flow.names_more);
        buf_put_str(out, n > 1 || s->flow.names_more ? ")" : "");
}

/* The name may be cut, but never where it led to: that stands in the last brackets, and behind them. */
static void put_where(struct bytes where, struct buf *out)
{
        int at = bytes_rfind(where, '(');

        if (at > 0 && where.p[at - 1] == ' ') {
                put_name(bytes_of(where.p, (size_t)at - 1), out);
                buf_put_u8(out, ' ');
                where = bytes_of(where.p + at, where.len - (uint32_t)at);
        }
        put_name(where, out);
}

/* A probe's, by a program of the image: observe_net.c. */
static bool is_probes(const struct finding_signal *s)
{
        return s->origin == ORIGIN_PROBE && s->key.p && strstr(s->key.p, " [probe]") && s->layer != LAYER_WRITE &&
               s->layer != LAYER_TMPFS && s->layer != LAYER_MEMFD && s->layer != LAYER_DELETED;
}

static void put_net(const struct finding_signal *s, struct buf *out)
{
        static const char *const novelties[FLOW_NOVELTY__MAX] = {
                [FLOW_NEW_DESTINATION] = ", where this workload never called",
                [FLOW_NEW_PORT] = ", where this workload calls, but never at this port",
                [FLOW_NEW_PHASE] = ", where this workload never called at this time of its life",
                [FLOW_NEW_EXECUTABLE] = ", where this workload calls, but never by this program",
                [FLOW_UNAPPROVED_RAW] = ", a public address without a name, which is never learned by itself",
                [FLOW_UNAPPROVED_FOUND] = ", to which it was connected before it was watched, and never called since",
                [FLOW_UNAPPROVED_UNPLACED] = ", by a program of which it is not known whether the image holds it",
                [FLOW_UNAPPROVED_ONE] = ", which one of several replicas called, in one hour only, while learning"};

        put_who(s, out);
        if (bytes_eq(str_get(&s->operation), BYTES_LIT("listen"))) {
                buf_put_str(out, " listens on ");
                put_name(str_get(&s->subject), out);
                buf_put_str(out, ", where this workload never did");
                return;
        }
        buf_put_str(out, verb_of(s));
        put_where(str_get(&s->where), out);
        put_other_names(s, out);
        if (s->flow.novelty == FLOW_NEW_EXECUTABLE && is_probes(s))
                buf_put_str(out, ", where this workload calls, but never by a probe");
        else if (s->flow.novelty < FLOW_NOVELTY__MAX && novelties[s->flow.novelty])
                buf_put_str(out, novelties[s->flow.novelty]);
        put_traffic(&s->flow, s->count, out);
}

static void put_signal(const struct finding *f, const struct finding_signal *s, struct buf *out)
{
        put_time(s->first_ns, out);
        buf_put_u8(out, ' ');
        if (s->flags & EVF_BEFORE)
                buf_put_str(out, "(before this host was watched) ");
        if ((s->kind == DIM_PROCESS || s->kind == DIM_PRIVILEGE) && put_priv(s, out))
                ;
        else if (s->kind == DIM_NETWORK)
                put_net(s, out);
        else if (s->kind == DIM_PROCESS)
                put_exec(s, out);
        else
                put_file(s, out);
        if (s->count > 1) {
                buf_printf(out, ", %llu times, last at ", (unsigned long long)s->count);
                put_time(s->last_ns, out);
        }
        if (f->ncontainers > 1 && s->container < f->ncontainers) {
                buf_put_str(out, " [");
                put_name(str_get(f->containers[s->container].name.len ? &f->containers[s->container].name
                                                                      : &f->containers[s->container].id),
                         out);
                buf_put_u8(out, ']');
        }
        buf_put_u8(out, '.');
}

/* The n-th signal by the time of its first act; ties by their place. */
static const struct finding_signal *nth(const struct finding *f, size_t n)
{
        for (uint32_t i = 0; i < f->nsignals; i++) {
                size_t before = 0;

                for (uint32_t k = 0; k < f->nsignals; k++)
                        before += f->signals[k].first_ns < f->signals[i].first_ns ||
                                  (f->signals[k].first_ns == f->signals[i].first_ns && k < i);
                if (before == n)
                        return &f->signals[i];
        }
        return NULL;
}

static void put_sockets(const struct finding_inventory *v, struct buf *out)
{
        if (v->listeners + v->flows)
                buf_printf(out, ". It listened at %llu places and had %llu connections of its own",
                           (unsigned long long)v->listeners, (unsigned long long)v->flows);
        for (uint32_t i = 0; i < v->nnet; i++) {
                buf_put_str(out, i ? ", " : ": ");
                put_name(str_get(&v->net[i]), out);
        }
        if (v->listeners + v->flows > v->nnet && v->nnet)
                buf_put_str(out, ", and more");
        buf_put_str(out, ". Nothing of this was learned by that.");
}

static int put_inventory(const struct finding *f, struct buf *out)
{
        const struct finding_inventory *v = &f->inventory;

        if (v->added + v->modified + v->removed + v->running == 0) {
                buf_put_str(out, "Before this host was watched, nothing in its write layer was found to differ from "
                                 "its image");
                put_sockets(v, out);
                return 1;
        }
        buf_printf(out,
                   "Before this host was watched, its write layer held %llu added, %llu changed and %llu removed "
                   "names, %llu of them executable",
                   (unsigned long long)v->added, (unsigned long long)v->modified, (unsigned long long)v->removed,
                   (unsigned long long)v->executables);
        for (uint32_t i = 0; i < v->nnames; i++) {
                buf_put_str(out, i ? ", " : ": ");
                put_name(str_get(&v->names[i]), out);
        }
        if (v->executables > v->nnames && v->nnames)
                buf_put_str(out, ", and more");
        buf_printf(out, "; %llu running program%s came from it", (unsigned long long)v->running,
                   v->running == 1 ? "" : "s");
        put_sockets(v, out);
        return 1;
}

/* A roll-out: inventory.names[0] is the digest before it, added is what was excused, modified what was raised. */
static int put_rollout(const struct finding *f, struct buf *out)
{
        buf_put_str(out, "A new image of this workload (");
        put_name(str_get(&f->digest), out);
        buf_put_str(out, ", before it ");
        put_name(f->inventory.nnames ? str_get(&f->inventory.names[0]) : BYTES_LIT("another one"), out);
        buf_printf(out,
                   ") did what the old one did not: %llu acts that the difference of the two images explains were "
                   "excused, %llu were raised for themselves. Nothing of this was learned.",
                   (unsigned long long)f->inventory.added, (unsigned long long)f->inventory.modified);
        return 1;
}

static int put_containment(const struct finding *f, struct buf *out)
{
        buf_put_str(out, "A container of this workload is isolated.");
        if (f->inventory.added) {
                buf_printf(out, " %llu new container%s of it came since, in its place and not isolated: ",
                           (unsigned long long)f->inventory.added, f->inventory.added == 1 ? "" : "s");
                for (uint32_t i = 0; i < f->ncontainers; i++) {
                        struct bytes id = str_get(&f->containers[i].id);

                        buf_put_str(out, i ? ", " : "");
                        put_name(f->containers[i].name.len ? str_get(&f->containers[i].name) : id, out);
                        buf_put_str(out, " (");
                        put_name(bytes_of(id.p, id.len < 12 ? id.len : 12), out);
                        buf_put_u8(out, ')');
                }
                buf_put_u8(out, '.');
        }
        if (f->inventory.modified)
                buf_put_str(out, " Its rules were removed again and again, which is no accident: somebody works "
                                 "against the isolation.");
        return 1;
}

static void put_rest(const struct finding_rest *x, struct buf *out)
{
        char proto[TIDE_PROTO_TEXT];

        buf_printf(out, "And %llu more address%s ", (unsigned long long)x->n, x->n == 1 ? "" : "es");
        if (x->to.has_port)
                buf_printf(out, "at %u/", x->to.port);
        else
                buf_put_str(out, "by ");
        buf_printf(out, "%s, from ", tide_proto_text(x->to.proto, proto));
        put_time(x->first_ns, out);
        buf_put_str(out, " to ");
        put_time(x->last_ns, out);
        put_traffic(&x->to, x->flows, out);
        buf_put_u8(out, '.');
}

/* What is not kept one by one: a sentence for each port, and one for all else. */
static int put_more(const struct finding *f, size_t n, struct buf *out)
{
        uint64_t left = f->signals_more;

        for (uint32_t i = 0; i < f->nrest; i++) {
                left -= f->rest[i].n < left ? f->rest[i].n : left;
                if (f->rest[i].n == 0 || n-- > 0)
                        continue;
                put_rest(&f->rest[i], out);
                return 1;
        }
        if (n > 0 || left == 0)
                return 0;
        buf_printf(out, "And %llu more of the same lineage, not kept one by one.", (unsigned long long)left);
        return 1;
}

/* "sh -c …": NUL-closed arguments, a few of them. */
static void put_command(struct bytes all, struct buf *out)
{
        char shown[160];
        uint32_t n = 0;

        for (uint32_t at = 0; at < all.len && n < 8; n++) {
                const uint8_t *end = memchr(all.p + at, 0, all.len - at);
                uint32_t len = end ? (uint32_t)(end - (all.p + at)) : all.len - at;

                buf_printf(out, "%s%s", n ? " " : "", str_print(bytes_of(all.p + at, len), shown, 100));
                at += len + 1;
        }
}

static void put_person(const struct finding *f, struct buf *out)
{
        buf_printf(out, " (pid %u, uid %u; ", f->leader.pid, f->uid);
        if (f->login_uid != UINT32_MAX)
                buf_printf(out, "logged in as uid %u", f->login_uid);
        else
                buf_put_str(out, "who is behind it is not known: no login was handed on");
        if (f->session != UINT32_MAX)
                buf_printf(out, ", session %u", f->session);
        buf_put_u8(out, ')');
}

/* Who, when, with what. */
static int put_session(const struct finding *f, struct buf *out)
{
        static const char *const terminals[] = {[TERMINAL_UNKNOWN] = "A session, with or without a terminal,",
                                                [TERMINAL_YES] = "A session with a terminal",
                                                [TERMINAL_NO] = "A session without a terminal"};

        put_time(f->first_ns, out);
        buf_printf(out, " %s was started into the container", terminals[f->terminal <= TERMINAL_NO ? f->terminal : 0]);
        if (f->command.len) {
                buf_put_str(out, " with \"");
                put_command(str_get(&f->command), out);
                buf_put_u8(out, '"');
        }
        put_person(f, out);
        if (f->visits > 1)
                buf_printf(out, "; the same %llu times, the last one is told of here", (unsigned long long)f->visits);
        if (f->ended) {
                buf_put_str(out, "; it ended at ");
                put_time(f->ended_ns, out);
        } else {
                buf_put_str(out, "; its end was not seen");
        }
        buf_printf(out, ". Programs run: %llu.", (unsigned long long)f->runs);
        return 1;
}

int finding_story(const struct finding *f, size_t n, struct buf *out)
{
        const struct finding_signal *s;

        if (f->past) {
                if (n == 0) {
                        buf_put_str(out, "Seen before: ");
                        buf_put(out, f->past_words.p, f->past_words.len); /* ours, escaped */
                        buf_put_u8(out, '.');
                        return 1;
                }
                n--;
        }
        if (f->type == FINDING_FIRST_SIGHT || f->type == FINDING_SESSION) {
                if (n == 0)
                        return f->type == FINDING_SESSION ? put_session(f, out) : put_inventory(f, out);
                n--;
        }
        if (f->type == FINDING_ROLLOUT || f->type == FINDING_CONTAINMENT) {
                if (n == 0)
                        return f->type == FINDING_ROLLOUT ? put_rollout(f, out) : put_containment(f, out);
                n--;
        }
        s = nth(f, n);
        if (s) {
                put_signal(f, s, out);
                return 1;
        }
        return put_more(f, n - f->nsignals, out);
}
