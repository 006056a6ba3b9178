/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: acts of the last seconds, and which of them belongs to an event; what an event takes from its act. Must not:
 * decide how long anything waits. Hands over: pointers that are good until the next acts_add() or acts_expire().
 */
#include "parse/auditjoin-priv.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_NS UINT64_C(3000000000)

struct acts *acts_new(void)
{
        struct acts *a = calloc(1, sizeof(struct acts));

        if (a)
                a->seed = map_seed_random();
        return a;
}

/* ---- keys ---- */

static uint64_t place_key(const struct acts *a, struct bytes address, uint16_t port)
{
        uint8_t place[18] = {(uint8_t)port, (uint8_t)(port >> 8)};

        if (address.len > 16)
                address.len = 16;
        if (address.len)
                memcpy(place + 2, address.p, address.len);
        return map_hash(a->seed, bytes_of(place, 2 + address.len)) | 1;
}

uint64_t acts_key(const struct acts *a, const struct audit_act *act)
{
        return act->kind == AUDIT_EXEC ? act->pid : place_key(a, act->address, act->port);
}

uint64_t acts_key_of(const struct acts *a, const struct tide_event *ev)
{
        return ev->kind == TIDE_EXEC ? ev->exec.actor.pid : place_key(a, ev->flow.remote, ev->flow.rport);
}

static void drop(struct acts *a, size_t i)
{
        struct kept *k = &a->ring[i];

        free(k->block);
        free(k->who_record);
        *k = (struct kept){.used = true, .token = k->token};
        a->pids[i] = 0;
        a->places[i] = 0;
}

static void drop_first(struct acts *a)
{
        drop(a, a->first);
        a->first = (a->first + 1) % ACTS_KEPT;
        a->n--;
}

struct acts *acts_free(struct acts *a)
{
        if (!a)
                return NULL;
        while (a->n)
                drop_first(a);
        free(a);
        return NULL;
}

void acts_expire(struct acts *a, uint64_t now_ns)
{
        while (a->n && (a->ring[a->first].used || a->ring[a->first].at_ns + KEEP_NS <= now_ns))
                drop_first(a);
}

void acts_use(struct acts *a, struct kept *k)
{
        k->used = true;
        a->places[k - a->ring] = 0;
}

/* ---- copying ---- */

static struct bytes put(uint8_t **at, struct bytes s)
{
        uint8_t *p = *at;

        if (s.len)
                memcpy(p, s.p, s.len);
        *at += s.len;
        return bytes_of(p, s.len);
}

static int copy(struct kept *k, const struct audit_act *act)
{
        struct bytes *const to[] = {&k->act.exe,  &k->act.comm,    &k->act.cwd, &k->act.program,
                                    &k->act.args, &k->act.address, &k->act.key};
        size_t len = 1;
        uint8_t *at;

        k->act = *act;
        for (size_t i = 0; i < ARRAY_LEN(to); i++)
                len += to[i]->len;
        at = k->block = malloc(len);
        if (!at)
                return -1;
        for (size_t i = 0; i < ARRAY_LEN(to); i++)
                *to[i] = put(&at, *to[i]);
        return 0;
}

static bool near(int64_t a, int64_t b, int64_t apart)
{
        return (a < b ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b) <= (uint64_t)apart;
}

static int64_t apart_of(uint8_t kind)
{
        return kind == AUDIT_EXEC ? AUDITJOIN_EXEC_APART_NS : AUDITJOIN_FLOW_APART_NS;
}

static bool was_owed(struct acts *a, const struct audit_act *act)
{
        for (size_t i = 0; i < ACTS_OWED; i++) { /* the oldest first */
                struct owed *o = &a->owed[(a->next_owed + i) % ACTS_OWED];

                if (o->kind != act->kind || o->pid != act->pid || o->port != act->port ||
                    !near(o->wall_ns, act->wall_ns, apart_of(o->kind)))
                        continue;
                o->kind = AUDIT_NOTHING;
                return true;
        }
        return false;
}

void acts_owe(struct acts *a, uint8_t kind, uint32_t pid, uint16_t port, int64_t wall_ns)
{
        a->owed[a->next_owed] = (struct owed){.kind = kind, .pid = pid, .port = port, .wall_ns = wall_ns};
        a->next_owed = (a->next_owed + 1) % ACTS_OWED;
}

struct kept *acts_add(struct acts *a, const struct audit_act *act, uint64_t now_ns)
{
        size_t i;

        acts_expire(a, now_ns);
        if (was_owed(a, act))
                return NULL;
        if (a->n == ACTS_KEPT) {
                a->crowded++;
                drop_first(a);
        }
        i = (a->first + a->n) % ACTS_KEPT;
        a->ring[i] = (struct kept){.at_ns = now_ns, .token = ++a->last_token};
        if (copy(&a->ring[i], act) < 0) {
                a->last_token--; /* acts_asked() counts on there being none left out */
                return NULL;
        }
        a->pids[i] = act->pid;
        a->places[i] = act->kind == AUDIT_CONNECT ? acts_key(a, act) : 0;
        a->n++;
        return &a->ring[i];
}

/* ---- finding ---- */

static bool is_candidate(const struct acts *a, size_t i, const struct tide_event *ev)
{
        const struct kept *k = &a->ring[i];

        return a->pids[i] == ev->exec.actor.pid && !k->used && k->act.kind == AUDIT_EXEC &&
               near(k->act.wall_ns, ev->wall_ns, AUDITJOIN_EXEC_APART_NS);
}

/* A process runs one program after the other, so its acts come in the order of its events. */
struct kept *acts_exec(struct acts *a, const struct tide_event *ev)
{
        bool named = (ev->exec.actor.flags & ACTOR_EXE) != 0;
        struct kept *only = NULL;
        size_t n = 0;

        for (size_t at = 0; at < a->n; at++) {
                size_t i = (a->first + at) % ACTS_KEPT;

                if (!is_candidate(a, i, ev))
                        continue;
                if (!named || bytes_eq(a->ring[i].act.exe, ev->exec.actor.exe))
                        return &a->ring[i];
                only = &a->ring[i];
                n++;
        }
        return n == 1 ? only : NULL; /* memory and deleted files are worded in many ways */
}

bool acts_near(const struct kept *k, int64_t wall_ns)
{
        return near(k->act.wall_ns, wall_ns, AUDITJOIN_FLOW_APART_NS);
}

struct kept *acts_connect(struct acts *a, const struct tide_event *ev, uint64_t key, size_t *i)
{
        while (*i < a->n) {
                size_t at = (a->first + (*i)++) % ACTS_KEPT;
                struct kept *k = &a->ring[at];

                if (a->places[at] == key && k->act.port == ev->flow.rport &&
                    bytes_eq(k->act.address, ev->flow.remote) && acts_near(k, ev->wall_ns))
                        return k;
        }
        return NULL;
}

/* Tokens are given in the order in which acts are kept. */
struct kept *acts_asked(struct acts *a, uint64_t token)
{
        uint64_t behind = a->n ? token - a->ring[a->first].token : 0;
        struct kept *k = &a->ring[(a->first + behind) % ACTS_KEPT];

        return behind < a->n && k->token == token && !k->used && k->who == WHO_ASKED ? k : NULL;
}

/* ---- what an event takes from its act ---- */

bool auditjoin_lacks_exec(const struct tide_event *ev)
{
        return ev->kind == TIDE_EXEC && ev->exec.actor.pid != 0 && ev->exec.interval_ns == 0 &&
               ((ev->flags & EVF_NO_ARGS) || !(ev->exec.actor.flags & ACTOR_EXE));
}

bool auditjoin_lacks_flow(const struct tide_event *ev)
{
        return ev->kind == TIDE_FLOW && ev->flow.what == FLOW_BEGAN && ev->flow.direction == DIRECTION_OUT &&
               !(ev->flow.actor.flags & ACTOR_PID);
}

/* An absolute path without ".", ".." and double slashes: by its words alone, as symbolic links are the container's. */
static struct bytes plain_path(struct bytes cwd, struct bytes path, struct buf *out)
{
        struct bytes parts[] = {cwd, path};

        buf_reset(out);
        for (size_t n = path.len && path.p[0] == '/' ? 1 : 0; n < 2; n++)
                for (uint32_t i = 0; i < parts[n].len;) {
                        struct bytes word = {parts[n].p + i, 0};

                        while (i + word.len < parts[n].len && word.p[word.len] != '/')
                                word.len++;
                        i += word.len + 1;
                        if (word.len == 0 || bytes_eq(word, BYTES_LIT(".")))
                                continue;
                        if (bytes_eq(word, BYTES_LIT(".."))) {
                                while (out->len && out->p[--out->len] != '/')
                                        ;
                                continue;
                        }
                        buf_put_u8(out, '/');
                        buf_put(out, word.p, word.len);
                }
        return out->err ? BYTES_LIT("") : buf_bytes(out);
}

/* The interpreter of a script is called with the script's name as its first or second argument: binfmt_script. */
static bool is_script(const struct audit_act *act)
{
        struct bytes rest = act->args;

        for (unsigned n = 0; n < 3 && rest.len; n++) {
                struct bytes word = {rest.p, 0};

                while (word.len < rest.len && rest.p[word.len])
                        word.len++;
                rest.p += word.len;
                rest.len -= word.len;
                if (rest.len) {
                        rest.p++;
                        rest.len--;
                }
                if (n > 0 && act->program.len && bytes_eq(word, act->program))
                        return true;
        }
        return false;
}

static void fill_actor(struct tide_actor *a, const struct audit_act *act)
{
        if (!(a->flags & ACTOR_EXE) && act->exe.len) {
                a->exe = act->exe;
                a->exe_layer = LAYER_UNKNOWN;
                a->flags |= ACTOR_EXE;
                a->uid = act->uid;
                a->gid = act->gid;
                a->login_uid = act->login_uid;
                a->session = act->session;
        }
        if (a->comm.len == 0)
                a->comm = act->comm;
}

void auditjoin_fill_exec(struct tide_event *ev, const struct audit_act *act, struct buf *scratch)
{
        struct tide_exec *x = &ev->exec;

        if (!(x->actor.flags & ACTOR_EXE) && x->program.len == 0)
                x->program = is_script(act) ? plain_path(act->cwd, act->program, scratch) : act->exe;
        fill_actor(&x->actor, act);
        if ((ev->flags & EVF_NO_ARGS) && act->args_known) {
                x->args = act->args;
                x->args_total = act->args_total;
                ev->flags &= (uint16_t)~EVF_NO_ARGS;
        }
        if (x->cwd.len == 0)
                x->cwd = act->cwd;
        ev->sources |= SRC_AUDIT;
}

/* Lineage and origin are of the process, whatever it ran; program and user as they were when it called. */
void auditjoin_fill_flow(struct tide_event *ev, const struct audit_act *act, const struct tide_event *who)
{
        struct tide_actor *a = &ev->flow.actor;
        bool same = (who->who.actor.flags & ACTOR_EXE) && bytes_eq(who->who.actor.exe, act->exe);

        *a = who->who.actor;
        if (!same)
                a->flags &= ~(uint32_t)ACTOR_EXE;
        fill_actor(a, act);
        a->uid = act->uid;
        a->gid = act->gid;
        if (act->comm.len)
                a->comm = act->comm;
        if (!bytes_eq(ev->container, who->container))
                ev->container = who->container;
        ev->flow.flags &= ~(uint32_t)FLOWF_SHARED;
        ev->sources |= SRC_AUDIT;
}
