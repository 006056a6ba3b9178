/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the encoded form of the judge's memory, piece by piece, and taking it up again. Must not: decide. Pure.
 *
 * Keys: meta: empty; workload: its id; entry: string id · dim · string key · exe; finding: its number, big-endian, so
 * that the store's order is theirs; container: its id; name: string id · kind · string address · name; told: string
 * id · flow; prior: see prior_pieces.c; writer: string id · hash of the path, or nothing for those that are not of the
 * start, which a snapshot alone holds; past: a finding's number; weeks: a workload's name; record: see records.c. Each
 * blob begins with its format's number.
 */
#include <errno.h>
#include <string.h>

#include "judge/baseline-priv.h"
#include "judge/rules-priv.h"
#include "tidemark/err.h"

/* 1: containers and workloads without a class; 2: nothing of networks; 3: names without their first time, flows told in
 * a ring, nothing of earlier namespaces; 4: nothing of sockets at first sight, nor whether flows are watched;
 * 5: nothing of reviews; 6: nothing of contents; 7: nothing of who wrote what; 8: nothing of roll-outs;
 * 9: nothing of when the last tick was;
 * 10: nothing of since when a workload's weeks are counted; 11: nothing of what waits in a roll-out;
 * 12: nothing of when a workload was away, nor of where a name of the start lies;
 * 13: nothing of a clock that leapt; 14: nothing of manifests of workloads;
 * 15: nothing of which containers of a workload are isolated */
#define FORMAT 16u

#define PAST_MAX 1000000u /* beyond limits.closed_findings the next tick forgets the oldest */

static void begin(struct judge *j)
{
        buf_reset(&j->blob);
        buf_put_u32(&j->blob, FORMAT);
}

void pieces_begin(struct judge *j)
{
        begin(j);
}

static void save(struct judge *j, enum judge_piece what, struct bytes key)
{
        if (j->blob.err) { /* beyond every limit: counted, and the piece stays as it was stored before */
                j->stats.refused++;
                return;
        }
        j->ops->save(what, key, buf_bytes(&j->blob), j->arg);
}

void pieces_put(struct judge *j, enum judge_piece what, struct bytes key)
{
        save(j, what, key);
}

int pieces_keep_each(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        struct judge *j = arg;

        j->ops->save(what, key, blob, j->arg);
        return 0;
}

int pieces_drop_each(enum judge_piece what, struct bytes key, struct bytes blob, void *arg)
{
        struct judge *j = arg;

        (void)blob;
        j->ops->save(what, key, bytes_of(NULL, 0), j->arg);
        return 0;
}

static void get_str(struct rd *r, struct str_owned *s, int *err)
{
        struct bytes v = rd_bytes(r);

        if (*err == 0)
                *err = str_set(s, v);
}

/* ---- meta ---- */

static void put_meta(struct judge *j)
{
        begin(j);
        buf_put_u64(&j->blob, j->next_finding);
        buf_put_u32(&j->blob, j->next_item);
        buf_put_u64(&j->blob, (uint64_t)j->kept_window);
        buf_put_u64(&j->blob, (uint64_t)j->ticked_ns);
        buf_put_u64(&j->blob, j->ticked_boot_ns);
        buf_put_u64(&j->blob, j->doubted_boot_ns);
}

void pieces_save_meta(struct judge *j)
{
        put_meta(j);
        save(j, PIECE_META, bytes_of(NULL, 0));
}

static int restore_meta(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        uint64_t next = rd_u64(r);
        uint32_t item = format > 5 ? rd_u32(r) : 1;

        (void)key;
        if (next > j->next_finding)
                j->next_finding = next;
        if (item > j->next_item)
                j->next_item = item;
        if (format > 8)
                j->kept_window = (int64_t)rd_u64(r);
        if (format > 9) /* of an earlier life it counts for nothing: judge_new_life() */
                j->ticked_ns = (int64_t)rd_u64(r);
        if (format > 13) {
                j->ticked_boot_ns = rd_u64(r);
                j->doubted_boot_ns = rd_u64(r);
        }
        return r->err;
}

/* ---- workloads ---- */

static void put_away(struct buf *out, const struct workload *w)
{
        buf_put_u64(out, (uint64_t)w->stopped_ns);
        buf_put_u32(out, w->naway);
        for (uint32_t i = 0; i < w->naway; i++) {
                buf_put_u64(out, (uint64_t)w->away[i].from_ns);
                buf_put_u64(out, (uint64_t)w->away[i].to_ns);
        }
}

static int get_away(struct rd *r, uint32_t format, struct workload *w)
{
        uint32_t n;

        if (format < 13)
                return 0;
        w->stopped_ns = (int64_t)rd_u64(r);
        n = rd_u32(r);
        if (r->err || n > AWAY_KEPT)
                return ERR_SCHEMA;
        for (w->naway = 0; w->naway < n; w->naway++) {
                w->away[w->naway].from_ns = (int64_t)rd_u64(r);
                w->away[w->naway].to_ns = (int64_t)rd_u64(r);
        }
        return r->err;
}

static void put_contained(struct buf *out, const struct workload *w)
{
        buf_put_u64(out, (uint64_t)w->contained.ns);
        buf_put_u64(out, w->contained.item);
        buf_put_u32(out, w->contained.n);
        for (uint32_t i = 0; i < w->contained.n; i++)
                buf_put_u64(out, w->contained.ids[i]);
}

static int get_contained(struct rd *r, uint32_t format, struct workload *w)
{
        uint32_t n;

        if (format < 16)
                return 0;
        w->contained.ns = (int64_t)rd_u64(r);
        w->contained.item = rd_u64(r);
        n = rd_u32(r);
        if (r->err || n > CONTAINED_KEPT)
                return ERR_SCHEMA;
        for (w->contained.n = 0; w->contained.n < n; w->contained.n++)
                w->contained.ids[w->contained.n] = rd_u64(r);
        return r->err;
}

static void put_workload(struct judge *j, const struct workload *w)
{
        begin(j);
        buf_put_bytes(&j->blob, str_get(&w->name));
        buf_put_bytes(&j->blob, str_get(&w->image));
        buf_put_bytes(&j->blob, str_get(&w->digest));
        buf_put_u64(&j->blob, (uint64_t)w->first_ns);
        buf_put_u64(&j->blob, (uint64_t)w->last_ns);
        buf_put_u8(&j->blob, w->sighted);
        for (int i = 0; i < DIM__MAX; i++) {
                const struct dim_learning *d = &w->dim[i];

                buf_put_u8(&j->blob, (uint8_t)d->state);
                buf_put_u8(&j->blob, d->declared);
                buf_put_bytes(&j->blob, bytes_str(d->by));
                buf_put_u64(&j->blob, (uint64_t)d->since_ns);
                buf_put_u32(&j->blob, d->windows);
                buf_put_u64(&j->blob, (uint64_t)d->last_window);
                buf_put_u64(&j->blob, d->refused);
        }
        buf_put_u8(&j->blob, (uint8_t)w->class);
        buf_put_u64(&j->blob, (uint64_t)w->dark_since_ns);
        for (int i = 0; i < DIM__MAX; i++)
                buf_put_u64(&j->blob, (uint64_t)w->dim[i].refresh_ns);
        buf_put_u8(&j->blob, w->roll.open);
        buf_put_bytes(&j->blob, str_get(&w->roll.from));
        buf_put_u64(&j->blob, (uint64_t)w->roll.since_ns);
        buf_put_u64(&j->blob, w->roll.excused);
        buf_put_u64(&j->blob, w->roll.raised);
        buf_put_u64(&j->blob, w->roll.item);
        buf_put_u8(&j->blob, w->roll.read);
        buf_put_u32(&j->blob, w->roll.npending);
        for (uint32_t i = 0; i < w->roll.npending; i++)
                buf_put_bytes(&j->blob, str_get(&w->roll.pending[i]));
        put_away(&j->blob, w);
        buf_put_bytes(&j->blob, str_get(&w->manifest));
        put_contained(&j->blob, w);
}

void pieces_save_workload(struct judge *j, const struct workload *w)
{
        put_workload(j, w);
        save(j, PIECE_WORKLOAD, str_get(&w->id));
}

static enum tide_class get_class(struct rd *r, uint32_t format)
{
        uint8_t class = format > 1 ? rd_u8(r) : CLASS_SERVICE;

        return class < CLASS__MAX ? (enum tide_class) class : CLASS_SERVICE;
}

static void get_rollout(struct rd *r, uint32_t format, struct workload *w, int *err)
{
        for (int i = 0; i < DIM__MAX; i++)
                w->dim[i].refresh_ns = (int64_t)rd_u64(r);
        w->roll.open = rd_u8(r) != 0;
        get_str(r, &w->roll.from, err);
        w->roll.since_ns = (int64_t)rd_u64(r);
        w->roll.excused = rd_u64(r);
        w->roll.raised = rd_u64(r);
        w->roll.item = rd_u64(r);
        if (format < 12)
                return;
        w->roll.read = rd_u8(r) != 0;
        w->roll.npending = rd_u32(r);
        if (w->roll.npending > PENDING)
                w->roll.npending = 0;
        for (uint32_t i = 0; i < w->roll.npending; i++)
                get_str(r, &w->roll.pending[i], err);
}

static int restore_workload(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        struct workload *w = baseline_workload(j, key);
        int err = 0;

        if (!w)
                return ERR_LIMIT;
        get_str(r, &w->name, &err);
        get_str(r, &w->image, &err);
        get_str(r, &w->digest, &err);
        w->first_ns = (int64_t)rd_u64(r);
        w->last_ns = (int64_t)rd_u64(r);
        w->sighted = rd_u8(r) != 0;
        for (int i = 0; i < DIM__MAX; i++) {
                struct dim_learning *d = &w->dim[i];
                uint8_t state = rd_u8(r);
                struct bytes by;

                d->state = state < DS__MAX ? (enum dim_state)state : DS_OFF;
                d->declared = rd_u8(r) != 0;
                by = rd_bytes(r);
                if (by.len < sizeof(d->by) && by.len) {
                        memcpy(d->by, by.p, by.len);
                        d->by[by.len] = '\0';
                }
                d->since_ns = (int64_t)rd_u64(r);
                d->windows = rd_u32(r);
                d->last_window = (int64_t)rd_u64(r);
                d->refused = rd_u64(r);
                if (d->state == DS_OFF) { /* stored before there was such a dimension */
                        d->state = DS_LEARNING;
                        d->since_ns = w->last_ns;
                        d->last_window = -1;
                }
        }
        w->class = get_class(r, format);
        w->dark_since_ns = format > 4 ? (int64_t)rd_u64(r) : 0;
        if (format > 8)
                get_rollout(r, format, w, &err);
        if (err == 0)
                err = get_away(r, format, w);
        if (err == 0 && format > 14)
                get_str(r, &w->manifest, &err);
        return err ? err : get_contained(r, format, w);
}

/* ---- entries ---- */

static void put_entry_key(struct judge *j, const struct workload *w, const struct entry *e)
{
        buf_reset(&j->key);
        buf_put_bytes(&j->key, str_get(&w->id));
        buf_put_u8(&j->key, (uint8_t)e->dim);
        buf_put_bytes(&j->key, str_get(&e->key));
        buf_put(&j->key, e->exe.p, e->exe.len);
}

static void put_approval(struct buf *b, const struct approval *a)
{
        buf_put_bytes(b, bytes_str(a->by));
        buf_put_u64(b, (uint64_t)a->ns);
        buf_put_bytes(b, str_get(&a->reason));
        buf_put_u8(b, a->bare);
}

static void put_sighting(struct buf *b, const struct sighting *s)
{
        buf_put_bytes(b, str_get(&s->subject));
        buf_put_bytes(b, str_get(&s->parent));
        buf_put_u32(b, s->containers);
        for (uint32_t i = 0; i < s->containers; i++)
                buf_put_bytes(b, str_get(&s->container[i]));
        buf_put_u8(b, s->more);
        buf_put_u8(b, s->origin);
        buf_put_u8(b, s->layer);
        buf_put_u8(b, s->change);
        buf_put_u32(b, s->uid);
        buf_put_u32(b, s->login_uid);
        buf_put_u32(b, (uint32_t)s->quarters);
}

static int get_approval(struct rd *r, struct entry *e)
{
        struct bytes by = rd_bytes(r), reason;
        int64_t ns = (int64_t)rd_u64(r);
        char text[DECIDE_BY] = "";
        int err;

        reason = rd_bytes(r);
        if (by.len >= sizeof(text) || r->err)
                return r->err ? r->err : ERR_SCHEMA;
        memcpy(text, by.p, by.len);
        err = approval_set(e, text, reason, ns);
        if (err == 0)
                e->approval->bare = rd_u8(r) != 0;
        return err;
}

static int get_sighting(struct rd *r, struct entry *e)
{
        struct sighting *s = e->seen = calloc(1, sizeof(*s));
        int err = 0;

        if (!s)
                return -ENOMEM;
        get_str(r, &s->subject, &err);
        get_str(r, &s->parent, &err);
        s->containers = rd_u32(r);
        if (s->containers > SIGHTING_CONTAINERS) {
                s->containers = 0;
                return ERR_SCHEMA;
        }
        for (uint32_t i = 0; i < s->containers; i++)
                get_str(r, &s->container[i], &err);
        s->more = rd_u8(r) != 0;
        s->origin = rd_u8(r);
        s->layer = rd_u8(r);
        s->change = rd_u8(r);
        s->uid = rd_u32(r);
        s->login_uid = rd_u32(r);
        s->quarters = (int32_t)rd_u32(r);
        return err;
}

static void put_content(struct judge *j, const struct content *v)
{
        buf_put_u8(&j->blob, v != NULL);
        if (!v)
                return;
        buf_put_u8(&j->blob, v->state);
        buf_put(&j->blob, v->sha256, sizeof(v->sha256));
        buf_put_u64(&j->blob, v->size);
        buf_put_u64(&j->blob, (uint64_t)v->wall_ns);
}

static int get_content(struct rd *r, struct content **ret)
{
        struct content v;
        struct bytes sum;

        if (!rd_u8(r))
                return 0;
        v.state = rd_u8(r);
        sum = rd_take(r, sizeof(v.sha256));
        v.size = rd_u64(r);
        v.wall_ns = (int64_t)rd_u64(r);
        if (r->err || v.state >= HASH__MAX)
                return r->err ? r->err : ERR_SCHEMA;
        memcpy(v.sha256, sum.p, sizeof(v.sha256));
        return content_set(ret, &v);
}

static void put_entry(struct judge *j, const struct entry *e)
{
        begin(j);
        buf_put_u64(&j->blob, (uint64_t)e->first_ns);
        buf_put_u64(&j->blob, (uint64_t)e->last_ns);
        buf_put_u64(&j->blob, e->count);
        buf_put_u32(&j->blob, e->windows);
        buf_put_u64(&j->blob, (uint64_t)e->last_window);
        /* As it ever was: 1 is a candidate that was raised. */
        buf_put_u8(&j->blob, (uint8_t)(e->candidate | e->waiting << 1 | e->why << 2));
        buf_put_u8(&j->blob, (uint8_t)(e->phases | e->asked << 4));
        buf_put_u32(&j->blob, e->replicas);
        buf_put_u64(&j->blob, e->caller);
        buf_put_u8(&j->blob, e->several);
        buf_put_u8(&j->blob,
                   (uint8_t)(e->inherited | e->rejected << 1 | (e->approval != NULL) << 2 | (e->seen != NULL) << 3));
        buf_put_u32(&j->blob, e->item);
        if (e->approval)
                put_approval(&j->blob, e->approval);
        if (e->seen)
                put_sighting(&j->blob, e->seen);
        put_content(j, e->content);
        buf_put_u8(&j->blob, e->written);
        buf_put_bytes(&j->blob, str_get(&e->written_by));
        put_content(j, e->offered);
}

void pieces_save_entry(struct judge *j, const struct workload *w, const struct entry *e)
{
        put_entry_key(j, w, e);
        put_entry(j, e);
        if (j->key.err)
                j->stats.refused++;
        else
                save(j, PIECE_ENTRY, buf_bytes(&j->key));
}

void pieces_drop_entry(struct judge *j, const struct workload *w, const struct entry *e)
{
        put_entry_key(j, w, e);
        if (!j->key.err)
                j->ops->save(PIECE_ENTRY, buf_bytes(&j->key), bytes_of(NULL, 0), j->arg);
}

/* What is of reviews. */
static int get_reviewed(struct rd *r, struct entry *e)
{
        uint8_t flags = rd_u8(r);
        int err = 0;

        e->inherited = flags & 1;
        e->rejected = flags & 2;
        e->item = rd_u32(r);
        if (flags & 4)
                err = get_approval(r, e);
        if (err == 0 && flags & 8)
                err = get_sighting(r, e);
        return err;
}

static int get_entry(struct rd *r, uint32_t format, struct entry *e)
{
        uint8_t candidate;

        e->first_ns = (int64_t)rd_u64(r);
        e->last_ns = (int64_t)rd_u64(r);
        e->count = rd_u64(r);
        e->windows = rd_u32(r);
        e->last_window = (int64_t)rd_u64(r);
        candidate = rd_u8(r);
        e->candidate = candidate & 1;
        e->waiting = e->candidate && candidate & 2;
        e->why = e->candidate && candidate >> 2 < WHY__MAX ? (uint8_t)(candidate >> 2) : WHY_NEVER_SILENT;
        if (format < 3)
                return 0;
        e->phases = rd_u8(r);
        e->asked = e->phases >> 4;
        e->phases &= 15;
        e->replicas = rd_u32(r);
        e->caller = rd_u64(r);
        e->several = rd_u8(r) != 0;
        return format > 5 ? get_reviewed(r, e) : 0;
}

static int get_written(struct rd *r, struct entry *e)
{
        int err = 0;

        e->written = rd_u8(r);
        e->written = e->written < WRITTEN__MAX ? e->written : WRITTEN_UNKNOWN;
        get_str(r, &e->written_by, &err);
        return err;
}

static int restore_entry(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        struct workload *w;
        struct entry *e;
        struct bytes id, k;
        uint8_t dim;
        struct rd rk;
        int err = 0;

        rd_init(&rk, key.p, key.len);
        id = rd_bytes(&rk);
        dim = rd_u8(&rk);
        k = rd_bytes(&rk);
        if (rk.err || dim >= DIM__MAX)
                return ERR_SCHEMA;
        w = baseline_workload(j, id);
        e = w ? calloc(1, sizeof(*e)) : NULL;
        if (!e)
                return w ? -ENOMEM : ERR_LIMIT;
        e->dim = (enum dimension)dim;
        err = get_entry(r, format, e);
        if (e->candidate && e->item == 0) /* stored before candidates had numbers */
                e->item = j->next_item++;
        if (err == 0)
                err = r->err;
        if (err == 0 && format > 6)
                err = get_content(r, &e->content);
        if (err == 0 && format > 7)
                err = get_written(r, e);
        if (err == 0 && format > 11)
                err = get_content(r, &e->offered);
        if (err == 0)
                err = str_set(&e->key, k);
        if (err == 0)
                err = str_set(&e->exe, rd_take(&rk, rd_left(&rk)));
        if (err == 0)
                err = baseline_insert(w, e);
        if (err < 0)
                entry_free(e);
        return err;
}

/* ---- containers ---- */

static const size_t container_strings[] = {
        offsetof(struct container_memory, name),
        offsetof(struct container_memory, runtime),
        offsetof(struct container_memory, image_ref),
        offsetof(struct container_memory, config_digest),
        offsetof(struct container_memory, config_source),
        offsetof(struct container_memory, manifest_digest),
        offsetof(struct container_memory, manifest_source),
        offsetof(struct container_memory, labels),
        offsetof(struct container_memory, image_labels),
        offsetof(struct container_memory, upper),
        offsetof(struct container_memory, coverage),
};

static struct str_owned *container_string(const struct container_memory *c, size_t i)
{
        return (struct str_owned *)((char *)c + container_strings[i]);
}

static void put_container(struct judge *j, const struct container_memory *c)
{
        begin(j);
        for (size_t i = 0; i < ARRAY_LEN(container_strings); i++)
                buf_put_bytes(&j->blob, str_get(container_string(c, i)));
        buf_put_bytes(&j->blob, c->workload ? str_get(&c->workload->id) : bytes_of(NULL, 0));
        buf_put_u32(&j->blob, c->init_pid);
        buf_put_u64(&j->blob, c->init_start);
        buf_put_u8(&j->blob, (uint8_t)(c->running | c->running_before << 1 | c->sight.open << 2 | c->sight.net << 3 |
                                       c->flows << 4 | c->visited << 7));
        buf_put_u64(&j->blob, (uint64_t)c->started_ns);
        buf_put_u64(&j->blob, c->gap_ns);
        buf_put_u32(&j->blob, c->next_written);
        for (size_t i = 0; i < WRITTEN_KEPT; i++)
                buf_put_bytes(&j->blob, str_get(&c->written[i]));
        buf_put_u8(&j->blob, (uint8_t)c->class);
        buf_put_u64(&j->blob, (uint64_t)c->stopping_ns);
        buf_put_u64(&j->blob, c->netns);
        buf_put_bytes(&j->blob, str_get(&c->ports));
        buf_put_u64(&j->blob, (uint64_t)c->claims_minute);
        buf_put_u32(&j->blob, c->claims_taken[0]);
        buf_put_u32(&j->blob, c->claims_taken[1]);
        buf_put_u64(&j->blob, c->earlier_netns);
        buf_put_u64(&j->blob, c->sight.item);
        buf_put_u32(&j->blob, c->leaving);
        for (size_t i = 0; i < AWAITING; i++)
                buf_put_bytes(&j->blob, str_get(&c->awaiting[i]));
}

void pieces_save_container(struct judge *j, const struct container_memory *c)
{
        put_container(j, c);
        save(j, PIECE_CONTAINER, str_get(&c->id));
}

struct container_memory *container_make(struct judge *j, struct bytes id)
{
        struct container_memory *c = map_get(j->containers, id);

        if (c)
                return c;
        c = calloc(1, sizeof(*c));
        if (!c)
                return NULL;
        c->hash = map_hash((struct map_seed){0x746964656d61726b, 0x636f6e7461696e65}, id);
        buf_init(&c->held, HELD_MAX * 8192u);
        buf_init(&c->sight.running, 1u << 20);
        if (str_set(&c->id, id) < 0 || map_put(j->containers, id, c) < 0) {
                container_memory_free(c);
                return NULL;
        }
        return c;
}

void container_memory_free(void *p)
{
        struct container_memory *c = p;

        str_clear(&c->id);
        for (size_t i = 0; i < ARRAY_LEN(container_strings); i++)
                str_clear(container_string(c, i));
        for (size_t i = 0; i < FINDING_INVENTORY; i++)
                str_clear(&c->sight.inventory.names[i]);
        for (size_t i = 0; i < WRITTEN_KEPT; i++)
                str_clear(&c->written[i]);
        for (size_t i = 0; i < AWAITING; i++)
                str_clear(&c->awaiting[i]);
        for (size_t i = 0; i < FINDING_NET; i++)
                str_clear(&c->sight.inventory.net[i]);
        str_clear(&c->ports);
        names_free(c->names);
        map_free(c->told);
        writers_free(c->writers);
        buf_release(&c->held);
        buf_release(&c->sight.running);
        free(c);
}

/* Of format 3, and of some of 4: a ring of those that were told. */
#define TOLD_RING (4u + 16u * 16u)
static void get_told(struct rd *r, struct container_memory *c, int *err)
{
        rd_u32(r);
        for (int i = 0; i < 16; i++) {
                uint64_t flow = rd_u64(r), finding = rd_u64(r);

                if (*err == 0 && r->err == 0)
                        *err = net_keep_told(c, flow, finding);
        }
}

static void get_net(struct rd *r, uint32_t format, struct container_memory *c, int *err)
{
        c->stopping_ns = (int64_t)rd_u64(r);
        c->netns = rd_u64(r);
        get_str(r, &c->ports, err);
        c->claims_minute = (int64_t)rd_u64(r);
        c->claims_taken[0] = rd_u32(r);
        if (format < 4 || (format == 4 && rd_left(r) >= TOLD_RING))
                get_told(r, c, err);
        c->claims_taken[1] = format > 3 || rd_left(r) ? rd_u32(r) : 0; /* once stored without it */
        c->earlier_netns = format > 3 ? rd_u64(r) : 0;
        c->sight.item = format > 4 ? rd_u64(r) : 0;
        if (format < 9)
                return;
        c->leaving = rd_u32(r) == 1 && format > 11; /* before it was a place in a ring */
        for (size_t i = 0; i < AWAITING; i++)
                get_str(r, &c->awaiting[i], err);
}

static int restore_container(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        struct container_memory *c = container_make(j, key);
        struct bytes workload;
        uint8_t flags;
        int err = 0;

        if (!c)
                return ERR_LIMIT;
        for (size_t i = 0; i < ARRAY_LEN(container_strings); i++)
                get_str(r, container_string(c, i), &err);
        workload = rd_bytes(r);
        c->init_pid = rd_u32(r);
        c->init_start = rd_u64(r);
        flags = rd_u8(r);
        c->running = flags & 1;
        c->running_before = flags & 2;
        c->sight.open = flags & 4;
        c->sight.net = flags & 8;
        c->flows = (flags >> 4 & 7) < FLOWS__MAX ? flags >> 4 & 7 : FLOWS_UNTOLD;
        c->visited = flags & 128;
        c->started_ns = (int64_t)rd_u64(r);
        c->gap_ns = rd_u64(r);
        c->next_written = rd_u32(r) % WRITTEN_KEPT;
        for (size_t i = 0; i < WRITTEN_KEPT; i++)
                get_str(r, &c->written[i], &err);
        c->class = get_class(r, format);
        if (format > 2)
                get_net(r, format, c, &err);
        net_mates(j, c->netns);
        if (workload.len && err == 0 && r->err == 0) {
                c->workload = baseline_workload(j, workload);
                if (c->workload && c->running)
                        baseline_count(c->workload, c, 1);
        }
        return err;
}

/* ---- names ---- */

static void put_name(struct judge *j, const struct container_memory *c, const struct name_fact *f)
{
        buf_reset(&j->key);
        buf_put_bytes(&j->key, str_get(&c->id));
        buf_put_u8(&j->key, (uint8_t)names_class(f->verdict));
        buf_put_bytes(&j->key, f->address);
        buf_put(&j->key, f->name.p, f->name.len);
        begin(j);
        buf_put_u8(&j->blob, f->verdict);
        buf_put_u64(&j->blob, (uint64_t)f->last_ns);
        buf_put_u32(&j->blob, f->ttl);
        buf_put_bytes(&j->blob, f->chain);
        buf_put_u64(&j->blob, (uint64_t)f->first_ns);
}

void pieces_save_name(struct judge *j, const struct container_memory *c, const struct name_fact *f)
{
        put_name(j, c, f);
        if (j->key.err)
                j->stats.refused++;
        else
                save(j, PIECE_NAME, buf_bytes(&j->key));
}

void pieces_drop_name(struct judge *j, const struct container_memory *c, const struct name_fact *f)
{
        put_name(j, c, f);
        if (!j->key.err)
                j->ops->save(PIECE_NAME, buf_bytes(&j->key), bytes_of(NULL, 0), j->arg);
}

static void on_dropped(const struct name_fact *f, void *arg)
{
        (void)f;
        ++*(uint64_t *)arg; /* stored under a larger limit than is set now */
}

static int restore_name(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        struct container_memory *c;
        struct name_fact f = {.verdict = rd_u8(r)};
        struct names *names;
        struct bytes id;
        struct rd rk;
        int err;

        f.last_ns = (int64_t)rd_u64(r);
        f.ttl = rd_u32(r);
        f.chain = rd_bytes(r);
        f.first_ns = format > 3 ? (int64_t)rd_u64(r) : f.last_ns;
        rd_init(&rk, key.p, key.len);
        id = rd_bytes(&rk);
        rd_u8(&rk);
        f.address = rd_bytes(&rk);
        f.name = rd_take(&rk, rd_left(&rk));
        if (r->err || rk.err || f.verdict >= NAME__MAX)
                return ERR_SCHEMA;
        c = container_make(j, id);
        names = c ? net_names_of(j, c) : NULL;
        if (!names)
                return ERR_LIMIT;
        err = names_put(names, &f, on_dropped, &j->stats.names_refused);
        return err == -EINVAL ? ERR_SCHEMA : err < 0 ? err : 0;
}

/* ---- flows that were told ---- */

static void put_told(struct judge *j, const struct container_memory *c, uint64_t flow, uint64_t finding)
{
        buf_reset(&j->key);
        buf_put_bytes(&j->key, str_get(&c->id));
        buf_put_u64(&j->key, flow);
        begin(j);
        buf_put_u64(&j->blob, finding);
}

void pieces_save_told(struct judge *j, const struct container_memory *c, uint64_t flow, uint64_t finding)
{
        put_told(j, c, flow, finding);
        if (j->key.err)
                j->stats.refused++;
        else
                save(j, PIECE_TOLD, buf_bytes(&j->key));
}

void pieces_drop_told(struct judge *j, const struct container_memory *c, uint64_t flow)
{
        put_told(j, c, flow, 0);
        if (!j->key.err)
                j->ops->save(PIECE_TOLD, buf_bytes(&j->key), bytes_of(NULL, 0), j->arg);
}

static int restore_told(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        uint64_t finding = rd_u64(r), flow;
        struct container_memory *c;
        struct bytes id;
        struct rd rk;

        (void)format;
        rd_init(&rk, key.p, key.len);
        id = rd_bytes(&rk);
        flow = rd_u64(&rk);
        if (r->err || rk.err || rd_left(&rk))
                return ERR_SCHEMA;
        c = container_make(j, id);
        return c ? net_keep_told(c, flow, finding) : ERR_LIMIT;
}

/* ---- who wrote what ---- */

static void put_writer_key(struct judge *j, const struct container_memory *c)
{
        buf_reset(&j->key);
        buf_put_bytes(&j->key, str_get(&c->id));
}

/* How many, and each. */
static void put_place(const struct writer_place *in, struct buf *out)
{
        uint8_t n = 0;

        while (n < WRITERS_DIRS && in->dirs[n])
                n++;
        buf_put_u8(out, n);
        for (uint8_t i = 0; i < n; i++)
                buf_put_u32(out, in->dirs[i]);
}

/* Old ones say nothing of it: they may lie anywhere. */
static int get_place(struct rd *r, uint32_t format, struct writer_place *ret)
{
        uint8_t n;

        *ret = writers_place(bytes_of(NULL, 0));
        if (format < 13)
                return 0;
        *ret = (struct writer_place){.dirs = {0}};
        n = rd_u8(r);
        if (r->err || n > WRITERS_DIRS)
                return ERR_SCHEMA;
        for (uint8_t i = 0; i < n; i++)
                ret->dirs[i] = rd_u32(r);
        return r->err;
}

static void put_writer(struct judge *j, const struct container_memory *c, const struct writer *by)
{
        put_writer_key(j, c);
        buf_put_u64(&j->key, by->path);
        begin(j);
        buf_put_u64(&j->blob, by->ino);
        buf_put_bytes(&j->blob, by->exe);
        put_place(&by->in, &j->blob);
}

void pieces_save_writer(struct judge *j, const struct container_memory *c, const struct writer *by)
{
        put_writer(j, c, by);
        if (j->key.err)
                j->stats.refused++;
        else
                save(j, PIECE_WRITER, buf_bytes(&j->key));
}

void pieces_drop_writer(struct judge *j, const struct container_memory *c, uint64_t path)
{
        put_writer_key(j, c);
        buf_put_u64(&j->key, path);
        if (!j->key.err)
                j->ops->save(PIECE_WRITER, buf_bytes(&j->key), bytes_of(NULL, 0), j->arg);
}

static int restore_writer(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        struct writer by = {.how = WRITTEN_AT_START};
        struct container_memory *c;
        struct rd rk;
        int err;

        rd_init(&rk, key.p, key.len);
        c = container_make(j, rd_bytes(&rk));
        if (rk.err || !c)
                return rk.err ? ERR_SCHEMA : ERR_LIMIT;
        if (!c->writers)
                c->writers = writers_new();
        if (!c->writers)
                return -ENOMEM;
        if (rd_left(&rk) == 0)
                return writers_take(c->writers, r);
        by.path = rd_u64(&rk);
        by.ino = rd_u64(r);
        by.exe = rd_bytes(r);
        err = get_place(r, format, &by.in);
        if (err || rk.err || rd_left(&rk) || r->err)
                return ERR_SCHEMA;
        writers_note(c->writers, &by, NULL, NULL);
        return 0;
}

/* ---- findings ---- */

static struct bytes finding_key(uint64_t id, uint8_t key[8])
{
        for (int b = 0; b < 8; b++)
                key[b] = (uint8_t)(id >> (56 - 8 * b));
        return bytes_of(key, 8);
}

static void put_finding(struct judge *j, const struct finding *f)
{
        buf_reset(&j->blob);
        if (finding_encode(f, &j->blob) < 0 && j->blob.err == 0)
                j->blob.err = ERR_SCHEMA;
}

void pieces_save_finding(struct judge *j, const struct finding *f)
{
        uint8_t key[8];

        put_finding(j, f);
        save(j, PIECE_FINDING, finding_key(f->id, key));
}

void pieces_drop_finding(struct judge *j, uint64_t id)
{
        uint8_t key[8];

        j->ops->save(PIECE_FINDING, finding_key(id, key), bytes_of(NULL, 0), j->arg);
}

static int restore_finding(struct judge *j, struct bytes blob)
{
        struct finding *f;
        int r = finding_decode(blob, &f);

        if (r < 0)
                return r;
        if (f->state == FINDING_CLOSED) { /* what is remembered of it is a piece of its own */
                finding_free(f);
                return 0;
        }
        if (j->nopen >= j->p.max_findings)
                r = ERR_LIMIT;
        else
                r = group_take(j, f);
        if (r < 0)
                finding_free(f);
        j->stats.findings = j->nopen;
        return r;
}

/* ---- closed findings ---- */

static void put_past(struct judge *j, const struct past *p)
{
        begin(j);
        buf_put_u64(&j->blob, (uint64_t)p->closed_ns);
        buf_put_u64(&j->blob, p->workload);
        buf_put_bytes(&j->blob, str_get(&p->words));
        buf_put_u32(&j->blob, p->n);
        for (uint32_t i = 0; i < p->n; i++)
                buf_put_u64(&j->blob, p->causes[i]);
}

void pieces_save_past(struct judge *j, const struct past *p)
{
        uint8_t key[8];

        put_past(j, p);
        save(j, PIECE_PAST, finding_key(p->id, key));
}

void pieces_drop_past(struct judge *j, const struct past *p)
{
        uint8_t key[8];

        j->ops->save(PIECE_PAST, finding_key(p->id, key), bytes_of(NULL, 0), j->arg);
}

static int restore_past(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        int64_t closed_ns = (int64_t)rd_u64(r);
        uint64_t workload = rd_u64(r), id = 0;
        struct bytes words = rd_bytes(r);
        uint32_t n = rd_u32(r);
        struct past *p;
        int err;

        (void)format;
        if (r->err || key.len != 8 || n > PAST_CAUSES || n > rd_left(r) / 8)
                return ERR_SCHEMA;
        if (j->npast >= PAST_MAX)
                return ERR_LIMIT;
        for (int b = 0; b < 8; b++)
                id = id << 8 | key.p[b];
        p = life_past_new(id, n);
        if (!p)
                return -ENOMEM;
        p->closed_ns = closed_ns;
        p->workload = workload;
        for (uint32_t i = 0; i < n; i++)
                p->causes[i] = rd_u64(r);
        err = str_set(&p->words, words);
        if (err == 0)
                err = life_past_take(j, p);
        if (err < 0) {
                str_clear(&p->words);
                free(p);
        }
        if (err == 0 && id >= j->next_finding)
                j->next_finding = id + 1;
        return err;
}

/* ---- weeks ---- */

static void put_weeks(struct judge *j, struct weeks *w)
{
        begin(j);
        weeks_put(w, &j->blob);
}

void pieces_save_weeks(struct judge *j, struct weeks *w)
{
        put_weeks(j, w);
        save(j, PIECE_WEEKS, weeks_name(w));
}

static int restore_weeks(struct judge *j, struct bytes key, struct rd *r, uint32_t format)
{
        return weeks_restore(j, key, r, format > 10);
}

/* ---- all ---- */

int judge_restore(struct judge *j, enum judge_piece what, struct bytes key, struct bytes blob)
{
        static int (*const rows[])(struct judge *, struct bytes, struct rd *, uint32_t) = {
                [PIECE_META] = restore_meta,        [PIECE_WORKLOAD] = restore_workload,
                [PIECE_ENTRY] = restore_entry,      [PIECE_CONTAINER] = restore_container,
                [PIECE_NAME] = restore_name,        [PIECE_TOLD] = restore_told,
                [PIECE_PRIOR] = prior_restore,      [PIECE_WRITER] = restore_writer,
                [PIECE_LOSS] = pieces_restore_loss, [PIECE_PAST] = restore_past,
                [PIECE_WEEKS] = restore_weeks,      [PIECE_RECORD] = records_restore,
        };
        uint32_t format;
        struct rd r;
        int err;

        if (what == PIECE_FINDING)
                return restore_finding(j, blob);
        if (what == PIECE_RULE)
                return rules_restore(j, key, blob);
        if (what == PIECE_SUPPLY)
                return supply_restore(j, key, blob);
        if ((size_t)what >= ARRAY_LEN(rows) || !rows[what])
                return ERR_SCHEMA;
        rd_init(&r, blob.p, blob.len);
        format = rd_u32(&r);
        if (format < 1 || format > FORMAT)
                return r.err ? r.err : ERR_SCHEMA;
        err = rows[what](j, key, &r, format);
        return err < 0 ? err : r.err;
}

typedef int (*each_cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg);

static int tell(struct judge *j, enum judge_piece what, struct bytes key, each_cb cb, void *arg)
{
        return j->blob.err ? j->blob.err : cb(what, key, buf_bytes(&j->blob), arg);
}

static int each_workload(struct judge *j, each_cb cb, void *arg)
{
        struct bytes key;
        void *value;
        int r = 0;

        for (size_t i = 0; r >= 0 && map_next(j->workloads, &i, &key, &value);) {
                struct workload *w = value;
                void *entry;

                put_workload(j, w);
                r = tell(j, PIECE_WORKLOAD, key, cb, arg);
                for (size_t k = 0; r >= 0 && map_next(w->entries, &k, NULL, &entry);) {
                        put_entry_key(j, w, entry);
                        put_entry(j, entry);
                        r = j->key.err ? j->key.err : tell(j, PIECE_ENTRY, buf_bytes(&j->key), cb, arg);
                }
        }
        return r;
}

static int each_writer(struct judge *j, const struct container_memory *c, each_cb cb, void *arg)
{
        struct writer by;
        int r = 0;

        for (size_t i = 0; r >= 0 && writers_next(c->writers, &i, &by);) {
                put_writer(j, c, &by);
                r = j->key.err ? j->key.err : tell(j, PIECE_WRITER, buf_bytes(&j->key), cb, arg);
        }
        put_writer_key(j, c);
        begin(j);
        writers_put(c->writers, &j->blob);
        return r < 0 || j->key.err ? r : tell(j, PIECE_WRITER, buf_bytes(&j->key), cb, arg);
}

static int each_container(struct judge *j, each_cb cb, void *arg)
{
        struct bytes key;
        void *value, *finding;
        int r = 0;

        for (size_t i = 0; r >= 0 && map_next(j->containers, &i, &key, &value);) {
                struct container_memory *c = value;
                struct bytes flow;
                const void *at = NULL;
                struct name_fact f;

                put_container(j, c);
                r = tell(j, PIECE_CONTAINER, key, cb, arg);
                while (r >= 0 && c->names && names_next(c->names, &at, &f)) {
                        put_name(j, c, &f);
                        r = j->key.err ? j->key.err : tell(j, PIECE_NAME, buf_bytes(&j->key), cb, arg);
                }
                for (size_t k = 0; r >= 0 && c->told && map_next(c->told, &k, &flow, &finding);) {
                        struct rd rf;

                        rd_init(&rf, flow.p, flow.len);
                        put_told(j, c, rd_u64(&rf), (uint64_t)(uintptr_t)finding);
                        r = j->key.err ? j->key.err : tell(j, PIECE_TOLD, buf_bytes(&j->key), cb, arg);
                }
                if (r >= 0 && c->writers)
                        r = each_writer(j, c, cb, arg);
        }
        return r;
}

int judge_each(const struct judge *cj, each_cb cb, void *arg)
{
        struct judge *j = (struct judge *)cj; /* its scratch buffers change, its memory does not */
        uint8_t number[8];
        struct bytes key;
        void *value;
        int r;

        put_meta(j);
        r = tell(j, PIECE_META, bytes_of(NULL, 0), cb, arg);
        if (r >= 0)
                r = each_workload(j, cb, arg);
        if (r >= 0)
                r = each_container(j, cb, arg);
        if (r >= 0)
                r = prior_each(j, cb, arg);
        if (r >= 0)
                r = records_each(j, cb, arg);
        if (r >= 0)
                r = supply_each(j, cb, arg);
        if (r >= 0)
                r = pieces_each_loss(j, cb, arg);
        if (r >= 0)
                r = rules_each(j, cb, arg);
        for (size_t i = 0; r >= 0 && i < j->nopen; i++) {
                put_finding(j, j->open[i]);
                r = tell(j, PIECE_FINDING, finding_key(j->open[i]->id, number), cb, arg);
        }
        for (size_t i = 0; r >= 0 && i < j->npast; i++) {
                put_past(j, j->past[i]);
                r = tell(j, PIECE_PAST, finding_key(j->past[i]->id, number), cb, arg);
        }
        for (size_t i = 0; r >= 0 && map_next(j->weeks, &i, &key, &value);) {
                put_weeks(j, value);
                r = tell(j, PIECE_WEEKS, key, cb, arg);
        }
        return r < 0 ? r : 0;
}
