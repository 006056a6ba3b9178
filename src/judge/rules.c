/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the table of operators' rules: how many there may be, what each has hidden, when it ends, its encoded form.
 * Must not: decide whether one fits (rules_match.c), or what goes before it (quiet.c). Pure.
 *
 * Pieces: under an empty key the number of the next rule; under its number, big-endian, each rule. Each blob begins
 * with RULE_FORMAT; older ones stay readable.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "judge/rules-priv.h"
#include "tidemark/err.h"
#include "tidemark/when.h"

#define RULE_FORMAT 1u

/* Rules of one workload: those whose pattern covers it, and that have not ended. In order of id. */
struct of_workload {
        size_t n;
        struct rule *r[];
};

struct rules {
        struct rule **r; /* in order of id */
        size_t n, cap;
        uint64_t next;
        struct map *of;  /* id of a workload → struct of_workload; made when it is asked for; NULL: of none yet */
        uint64_t passed; /* how many rules were held against acts */
};

int rules_new(struct rules **ret)
{
        struct rules *rs = calloc(1, sizeof(*rs));

        if (!rs)
                return -ENOMEM;
        rs->next = 1;
        *ret = rs;
        return 0;
}

void rule_free(struct rule *r)
{
        if (!r)
                return;
        str_clear(&r->workload);
        str_clear(&r->path);
        str_clear(&r->exe);
        str_clear(&r->place);
        str_clear(&r->reason);
        str_clear(&r->by);
        str_clear(&r->zone);
        str_clear(&r->ended_by);
        free(r);
}

struct rules *rules_free(struct rules *rs)
{
        if (!rs)
                return NULL;
        for (size_t i = 0; i < rs->n; i++)
                rule_free(rs->r[i]);
        map_free(rs->of);
        free(rs->r);
        free(rs);
        return NULL;
}

/* ---- pieces ---- */

static void put_rule(const struct rule *r, struct buf *out)
{
        const struct str_owned *const texts[] = {&r->workload, &r->path, &r->exe,  &r->place,
                                                 &r->reason,   &r->by,   &r->zone, &r->ended_by};

        buf_reset(out);
        buf_put_u32(out, RULE_FORMAT);
        buf_put_u8(out, (uint8_t)r->kind);
        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                buf_put_bytes(out, str_get(texts[i]));
        buf_put_u8(out, r->dims);
        buf_put_u8(out, r->origins);
        buf_put_u64(out, (uint64_t)r->added_ns);
        buf_put_u64(out, (uint64_t)r->from_ns);
        buf_put_u64(out, (uint64_t)r->until_ns);
        buf_put_u8(out, r->days);
        buf_put_u32(out, r->at);
        buf_put_u32(out, r->length);
        buf_put_u32(out, r->break_through);
        buf_put_u64(out, r->hidden);
        buf_put_u64(out, r->broke);
        buf_put_u64(out, (uint64_t)r->last_ns);
        buf_put_u8(out, r->told);
        buf_put_u64(out, (uint64_t)r->ended_ns);
        buf_put_u32(out, r->noffsets);
        for (uint32_t i = 0; i < r->noffsets; i++) {
                buf_put_u64(out, (uint64_t)r->offsets[i].from);
                buf_put_u32(out, (uint32_t)r->offsets[i].seconds);
        }
}

static struct bytes rule_key(uint64_t id, uint8_t key[8])
{
        for (int b = 0; b < 8; b++)
                key[b] = (uint8_t)(id >> (56 - 8 * b));
        return bytes_of(key, 8);
}

static void save(struct judge *j, const struct rule *r)
{
        uint8_t key[8];

        put_rule(r, &j->blob);
        if (j->blob.err)
                j->stats.refused++;
        else
                j->ops->save(PIECE_RULE, rule_key(r->id, key), buf_bytes(&j->blob), j->arg);
}

static void put_next(struct judge *j)
{
        buf_reset(&j->blob);
        buf_put_u32(&j->blob, RULE_FORMAT);
        buf_put_u64(&j->blob, j->rules->next);
}

/* Another rule is there, or one is not any more. */
static void changed(struct rules *rs)
{
        rs->of = map_free(rs->of);
}

static int insert(struct rules *rs, struct rule *r)
{
        size_t at = rs->n;

        if (rs->n == rs->cap) {
                size_t cap = rs->cap ? 2 * rs->cap : 16;
                struct rule **grown = realloc(rs->r, cap * sizeof(struct rule *));

                if (!grown)
                        return -ENOMEM;
                rs->r = grown;
                rs->cap = cap;
        }
        while (at > 0 && rs->r[at - 1]->id > r->id)
                at--;
        if (at > 0 && rs->r[at - 1]->id == r->id)
                return ERR_SCHEMA;
        memmove(rs->r + at + 1, rs->r + at, (rs->n - at) * sizeof(struct rule *));
        rs->r[at] = r;
        rs->n++;
        changed(rs);
        if (r->id >= rs->next)
                rs->next = r->id + 1;
        return 0;
}

static int get_rule(struct rd *rd, struct rule *r)
{
        struct str_owned *const texts[] = {&r->workload, &r->path, &r->exe,  &r->place,
                                           &r->reason,   &r->by,   &r->zone, &r->ended_by};
        uint8_t kind = rd_u8(rd);
        int err = kind == RULE_ALLOW || kind == RULE_SUPPRESS ? 0 : ERR_SCHEMA;

        r->kind = (enum judge_rule_kind)kind;
        for (size_t i = 0; i < ARRAY_LEN(texts) && err == 0; i++)
                err = str_set(texts[i], rd_bytes(rd));
        r->dims = rd_u8(rd);
        r->origins = rd_u8(rd);
        r->added_ns = (int64_t)rd_u64(rd);
        r->from_ns = (int64_t)rd_u64(rd);
        r->until_ns = (int64_t)rd_u64(rd);
        r->days = rd_u8(rd);
        r->at = rd_u32(rd);
        r->length = rd_u32(rd);
        r->break_through = rd_u32(rd);
        r->hidden = rd_u64(rd);
        r->broke = rd_u64(rd);
        r->last_ns = (int64_t)rd_u64(rd);
        r->told = rd_u8(rd) != 0;
        r->ended_ns = (int64_t)rd_u64(rd);
        r->noffsets = rd_u32(rd);
        if (err == 0 && (r->noffsets > RULE_OFFSETS || r->length > RULE_LENGTH_MAX || r->at >= 86400))
                err = ERR_SCHEMA;
        for (uint32_t i = 0; err == 0 && i < r->noffsets; i++) {
                r->offsets[i].from = (int64_t)rd_u64(rd);
                r->offsets[i].seconds = (int32_t)rd_u32(rd);
        }
        if (err == 0 && r->place.len && rule_place(str_get(&r->place), r->where_name, &r->where))
                err = ERR_SCHEMA;
        return err ? err : rd->err;
}

int rules_restore(struct judge *j, struct bytes key, struct bytes blob)
{
        struct rule *r;
        struct rd rd;
        int err;

        rd_init(&rd, blob.p, blob.len);
        if (rd_u32(&rd) != RULE_FORMAT)
                return rd.err ? rd.err : ERR_SCHEMA;
        if (key.len == 0) {
                uint64_t next = rd_u64(&rd);

                if (rd.err == 0 && next > j->rules->next)
                        j->rules->next = next;
                return rd.err;
        }
        if (key.len != 8)
                return ERR_SCHEMA;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        for (int b = 0; b < 8; b++)
                r->id = r->id << 8 | key.p[b];
        err = get_rule(&rd, r);
        if (err == 0)
                err = j->rules->n >= 2u * j->p.max_rules + 2 ? ERR_LIMIT : insert(j->rules, r);
        if (err < 0)
                rule_free(r);
        return err;
}

int rules_each(struct judge *j, int (*cb)(enum judge_piece what, struct bytes key, struct bytes blob, void *arg),
               void *arg)
{
        uint8_t key[8];
        int r = 0;

        if (j->rules->next > 1) {
                put_next(j);
                r = cb(PIECE_RULE, bytes_of(NULL, 0), buf_bytes(&j->blob), arg);
        }
        for (size_t i = 0; r >= 0 && i < j->rules->n; i++) {
                put_rule(j->rules->r[i], &j->blob);
                r = j->blob.err ? j->blob.err
                                : cb(PIECE_RULE, rule_key(j->rules->r[i]->id, key), buf_bytes(&j->blob), arg);
        }
        return r;
}

/* ---- the table ---- */

const struct rule *rules_at(const struct judge *j, size_t i)
{
        return i < j->rules->n ? j->rules->r[i] : NULL;
}

struct rule *rules_by_id(const struct judge *j, uint64_t id)
{
        for (size_t i = 0; i < j->rules->n; i++)
                if (j->rules->r[i]->id == id)
                        return j->rules->r[i];
        return NULL;
}

static struct of_workload *list(const struct rules *rs, const struct rule_act *a)
{
        struct of_workload *l;
        size_t n = 0;

        for (size_t i = 0; i < rs->n; i++)
                n += !rs->r[i]->ended_ns && rule_is_of(rs->r[i], a);
        l = malloc(sizeof(*l) + n * sizeof(l->r[0]));
        if (!l)
                return NULL;
        l->n = 0;
        for (size_t i = 0; i < rs->n; i++)
                if (!rs->r[i]->ended_ns && rule_is_of(rs->r[i], a))
                        l->r[l->n++] = rs->r[i];
        return l;
}

/* Made once for each workload, until a rule comes or ends. NULL: no memory. */
static const struct of_workload *of_workload(const struct judge *j, const struct rule_act *a)
{
        static const struct map_seed seed = {0x746964656d61726b, 0x72756c65736f6677};
        struct rules *rs = j->rules;
        struct of_workload *l = rs->of ? map_get(rs->of, a->workload_id) : NULL;

        if (l)
                return l;
        if (rs->of && map_count(rs->of) >= j->p.max_workloads)
                changed(rs);
        if (!rs->of && map_new(j->p.max_workloads, seed, free, &rs->of) < 0)
                return NULL;
        l = list(rs, a);
        if (l && map_put(rs->of, a->workload_id, l) < 0) {
                free(l);
                l = NULL;
        }
        return l;
}

uint32_t rules_bar(const struct judge *j, const struct rule *r)
{
        return r->break_through ? r->break_through : j->p.suppress_break_through;
}

/* By what costs next to nothing: could it be about such an act at all? A path is of no flow, a destination of one. */
static bool may_fit(const struct rule *r, enum judge_rule_kind kind, enum dimension dim)
{
        if (r->kind != kind || (r->dims && !(r->dims & 1u << dim)))
                return false;
        return dim == DIM_NETWORK ? r->path.len == 0 : r->place.len == 0;
}

/* Of allow rules the oldest; of suppress rules the oldest of those that let most through. */
static struct rule *best_that_fits(const struct judge *j, struct rule *const *r, size_t n, enum judge_rule_kind kind,
                                   const struct rule_act *a)
{
        struct rule *best = NULL;

        for (size_t i = 0; i < n; i++) {
                if (!may_fit(r[i], kind, a->dim))
                        continue;
                j->rules->passed++;
                if ((best && rules_bar(j, r[i]) >= rules_bar(j, best)) || rule_fits(r[i], a) != RULE_FITS)
                        continue;
                best = r[i];
                if (kind == RULE_ALLOW)
                        break;
        }
        return best;
}

struct rule *rules_find(const struct judge *j, enum judge_rule_kind kind, const struct rule_act *a)
{
        const struct of_workload *l = j->rules->n ? of_workload(j, a) : NULL;

        if (!l) /* there are none; or no memory: then each is looked at */
                return best_that_fits(j, j->rules->r, j->rules->n, kind, a);
        return best_that_fits(j, l->r, l->n, kind, a);
}

uint64_t rules_passed(const struct judge *j)
{
        return j->rules->passed;
}

uint64_t rules_next_id(const struct judge *j)
{
        return j->rules->next;
}

size_t rules_in_force(const struct judge *j)
{
        size_t n = 0;

        for (size_t i = 0; i < j->rules->n; i++)
                n += j->rules->r[i]->ended_ns == 0;
        return n;
}

bool rules_full(const struct judge *j)
{
        return rules_in_force(j) >= j->p.max_rules;
}

static void drop(struct judge *j, size_t i)
{
        struct rules *rs = j->rules;
        uint8_t key[8];

        j->ops->save(PIECE_RULE, rule_key(rs->r[i]->id, key), bytes_of(NULL, 0), j->arg);
        changed(rs);
        rule_free(rs->r[i]);
        memmove(rs->r + i, rs->r + i + 1, (--rs->n - i) * sizeof(struct rule *));
}

int rules_add(struct judge *j, struct rule *r)
{
        int err;

        if (rules_full(j)) {
                j->stats.rules_refused++;
                return ERR_LIMIT;
        }
        if (j->rules->n >= 2u * j->p.max_rules) /* those that have ended are listed for a while, if there is room */
                for (size_t i = 0; i < j->rules->n; i++)
                        if (j->rules->r[i]->ended_ns) {
                                drop(j, i);
                                break;
                        }
        r->id = j->rules->next;
        err = insert(j->rules, r);
        if (err < 0)
                return err;
        put_next(j);
        j->ops->save(PIECE_RULE, bytes_of(NULL, 0), buf_bytes(&j->blob), j->arg);
        save(j, r);
        return 0;
}

void rules_hid(struct judge *j, struct rule *r, int64_t wall_ns)
{
        r->hidden++;
        r->last_ns = wall_ns;
        if (r->kind == RULE_ALLOW)
                j->stats.allowed++;
        else
                j->stats.suppressed++;
        save(j, r);
}

void rules_broke(struct judge *j, struct rule *r)
{
        r->broke++;
        save(j, r);
}

void rules_end(struct judge *j, struct rule *r, struct bytes by, int64_t wall_ns)
{
        if (str_set(&r->ended_by, by) < 0)
                j->stats.refused++; /* then it has ended by nobody whom we could name */
        r->ended_ns = wall_ns ? wall_ns : 1;
        changed(j->rules);
        save(j, r);
}

static void tell(struct judge *j, const struct rule *r, const char *what)
{
        _cleanup_buf_ struct buf words, line;
        char until[CLOCK_TEXT];

        buf_init(&words, 4096);
        buf_init(&line, 8192);
        if (!j->ops->note)
                return;
        rule_words(r, &words);
        buf_printf(&line, "%s rule R-%llu %s %s", r->kind == RULE_ALLOW ? "allow" : "suppress",
                   (unsigned long long)r->id, what, clock_rfc3339(r->until_ns, until));
        buf_printf(&line, " (%s); it has hidden %llu act%s", buf_cstr(&words), (unsigned long long)r->hidden,
                   r->hidden == 1 ? "" : "s");
        j->ops->note(bytes_of(NULL, 0), buf_cstr(&line), j->arg);
}

void rules_tick(struct judge *j, int64_t wall_ns)
{
        for (size_t i = 0; i < j->rules->n; i++) {
                struct rule *r = j->rules->r[i];

                if (r->ended_ns && ns_apart(wall_ns, r->ended_ns) > RULE_KEPT_NS) {
                        drop(j, i--);
                } else if (r->ended_ns || !r->until_ns) {
                        continue;
                } else if (wall_ns >= r->until_ns) {
                        rules_end(j, r, bytes_of(NULL, 0), wall_ns);
                        tell(j, r, "has ended at");
                } else if (!r->told && ns_plus(wall_ns, j->p.suppress_tell_ns) >= r->until_ns) {
                        r->told = true;
                        save(j, r);
                        tell(j, r, "ends at");
                }
        }
}

/* ---- in words ---- */

/* A pattern is shown as it was written: its backslashes are its own. */
static void put_part(struct buf *out, const char *name, const struct str_owned *text)
{
        uint32_t from = 0;

        if (text->len == 0)
                return;
        buf_printf(out, "%s%s ", out->len ? ", " : "", name);
        for (uint32_t i = 0; i <= text->len; i++)
                if (i == text->len || text->p[i] == '\\') {
                        str_escape(bytes_of(text->p + from, i - from), out);
                        buf_put_str(out, i < text->len ? "\\" : "");
                        from = i + 1;
                }
}

static void put_set(struct buf *out, const char *name, unsigned set, unsigned max, const char *(*word)(unsigned))
{
        bool first = true;

        if (set == 0)
                return;
        buf_printf(out, "%s%s ", out->len ? ", " : "", name);
        for (unsigned i = 0; i < max; i++) {
                if (!(set & 1u << i))
                        continue;
                buf_printf(out, "%s%s", first ? "" : "+", word(i));
                first = false;
        }
}

static const char *origin_word(unsigned i)
{
        return tide_origin_name((uint8_t)i);
}

static void put_times(const struct rule *r, struct buf *out)
{
        static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
        bool first = true;

        if (r->length == 0)
                return;
        buf_printf(out, "%severy ", out->len ? ", " : "");
        for (unsigned d = 0; d < 7 && r->days != 0x7f; d++)
                if (r->days & 1u << d) {
                        buf_printf(out, "%s%s", first ? "" : ",", days[d]);
                        first = false;
                }
        buf_printf(out, "%sat %02u:%02u for %u min ", r->days == 0x7f ? "day " : " ", r->at / 3600, r->at / 60 % 60,
                   r->length / 60);
        if (r->zone.len)
                str_escape(str_get(&r->zone), out);
        else
                buf_put_str(out, "UTC");
}

void rule_words(const struct rule *r, struct buf *out)
{
        buf_reset(out);
        put_part(out, "workload", &r->workload);
        put_part(out, "path", &r->path);
        put_part(out, "executable", &r->exe);
        put_part(out, "destination", &r->place);
        put_set(out, "origin", r->origins, ORIGIN__MAX, origin_word);
        put_set(out, "signal", r->dims, DIM__MAX, dimension_name);
        if (out->len == 0)
                buf_put_str(out, "everything");
        put_times(r, out);
}
