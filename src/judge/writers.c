/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: who wrote which name of one container's write layer: those of the start sorted by hash, all others in a ring.
 * Must not: decide what counts as start, or what it is worth (written.c). Pure.
 *
 * Executables are kept once each. What nothing refers to goes when there is no room, so that what is taken depends on
 * what is known, and not on what was.
 */
#include "judge/writers-priv.h"

#include <stdlib.h>
#include <string.h>

#include "tidemark/err.h"
#include "tidemark/finding.h"
#include "tidemark/map.h"

#define NO_EXE UINT8_MAX

#define ANY_DIR UINT32_MAX

struct row {
        uint64_t path, ino;
        uint8_t exe;
};

struct writers {
        struct row *start;       /* sorted by path */
        uint64_t *inos;          /* their inodes, sorted: most writes are of none */
        struct writer_place *in; /* of the same row of start */
        uint32_t nstart, ninos, cap;
        struct row later[WRITERS_LATER];
        uint32_t nlater, next_later;
        struct str_owned exes[WRITERS_EXES];
        uint32_t nexes;
};

struct writers *writers_new(void)
{
        return calloc(1, sizeof(struct writers));
}

struct writers *writers_free(struct writers *w)
{
        if (!w)
                return NULL;
        for (uint32_t i = 0; i < w->nexes; i++)
                str_clear(&w->exes[i]);
        free(w->start);
        free(w->inos);
        free(w->in);
        free(w);
        return NULL;
}

/* Fixed, as hashes are stored and must be the same in replay. */
uint64_t writers_hash(struct bytes path)
{
        return map_hash((struct map_seed){0x746964656d61726b, 0x7772697474656e62}, path);
}

static uint32_t dir_hash(struct bytes dir)
{
        return (uint32_t)(writers_hash(dir) % (ANY_DIR - 1)) + 1;
}

struct writer_place writers_place(struct bytes path)
{
        struct writer_place in = {.dirs = {0}};
        uint32_t n = 0;

        for (uint32_t i = 1; i < path.len; i++) {
                if (path.p[i] != '/')
                        continue;
                if (n == WRITERS_DIRS)
                        return (struct writer_place){.dirs = {ANY_DIR}};
                in.dirs[n++] = dir_hash(bytes_of(path.p, i));
        }
        return path.len ? in : (struct writer_place){.dirs = {ANY_DIR}};
}

static bool is_below(const struct writer_place *in, uint32_t dir)
{
        for (uint32_t i = 0; i < WRITERS_DIRS && in->dirs[i]; i++)
                if (in->dirs[i] == dir || in->dirs[i] == ANY_DIR)
                        return true;
        return false;
}

/* ---- executables ---- */

static bool is_used(const struct writers *w, uint8_t exe)
{
        for (uint32_t i = 0; i < w->nstart; i++)
                if (w->start[i].exe == exe)
                        return true;
        for (uint32_t i = 0; i < w->nlater; i++)
                if (w->later[i].exe == exe)
                        return true;
        return false;
}

static void renumber(struct writers *w, uint8_t from, uint8_t to)
{
        for (uint32_t i = 0; i < w->nstart; i++)
                if (w->start[i].exe == from)
                        w->start[i].exe = to;
        for (uint32_t i = 0; i < w->nlater; i++)
                if (w->later[i].exe == from)
                        w->later[i].exe = to;
}

static void drop_unused(struct writers *w)
{
        for (uint32_t i = 0; i < w->nexes;) {
                if (is_used(w, (uint8_t)i)) {
                        i++;
                        continue;
                }
                str_clear(&w->exes[i]);
                w->nexes--;
                if (i == w->nexes)
                        break;
                w->exes[i] = w->exes[w->nexes];
                w->exes[w->nexes] = (struct str_owned){0};
                renumber(w, (uint8_t)w->nexes, (uint8_t)i);
        }
}

static uint8_t number_of(struct writers *w, struct bytes exe)
{
        if (exe.len == 0 || exe.len > WRITERS_EXE_LEN)
                return NO_EXE;
        for (uint32_t i = 0; i < w->nexes; i++)
                if (bytes_eq(str_get(&w->exes[i]), exe))
                        return (uint8_t)i;
        if (w->nexes == WRITERS_EXES)
                drop_unused(w);
        if (w->nexes == WRITERS_EXES || str_set(&w->exes[w->nexes], exe) < 0)
                return NO_EXE;
        return (uint8_t)w->nexes++;
}

static struct bytes exe_of(const struct writers *w, const struct row *row)
{
        return row->exe < w->nexes ? str_get(&w->exes[row->exe]) : bytes_of(NULL, 0);
}

/* ---- those of the start ---- */

/* Where the name is, or where it would be. */
static uint32_t place(const struct writers *w, uint64_t path)
{
        uint32_t from = 0, to = w->nstart;

        while (from < to) {
                uint32_t mid = from + (to - from) / 2;

                if (w->start[mid].path < path)
                        from = mid + 1;
                else
                        to = mid;
        }
        return from;
}

static struct row *find(const struct writers *w, uint64_t path)
{
        uint32_t at = place(w, path);

        return at < w->nstart && w->start[at].path == path ? &w->start[at] : NULL;
}

/* The first of inos that is not smaller. */
static uint32_t place_ino(const struct writers *w, uint64_t ino)
{
        uint32_t from = 0, to = w->ninos;

        while (from < to) {
                uint32_t mid = from + (to - from) / 2;

                if (w->inos[mid] < ino)
                        from = mid + 1;
                else
                        to = mid;
        }
        return from;
}

static void put_ino(struct writers *w, uint64_t ino)
{
        uint32_t at = place_ino(w, ino);

        memmove(w->inos + at + 1, w->inos + at, (w->ninos++ - at) * sizeof(w->inos[0]));
        w->inos[at] = ino;
}

/* Once: other names of the file may have it too. */
static void drop_ino(struct writers *w, uint64_t ino)
{
        uint32_t at = place_ino(w, ino);

        memmove(w->inos + at, w->inos + at + 1, (--w->ninos - at) * sizeof(w->inos[0]));
}

static void take_out(struct writers *w, struct row *row, writers_gone gone, void *arg)
{
        size_t at = (size_t)(row - w->start);
        uint64_t path = row->path;

        drop_ino(w, row->ino);
        w->nstart--;
        memmove(row, row + 1, (w->nstart - at) * sizeof(*row));
        memmove(w->in + at, w->in + at + 1, (w->nstart - at) * sizeof(w->in[0]));
        if (gone)
                gone(path, arg);
}

static bool has_room(struct writers *w)
{
        uint32_t cap = w->cap ? 2 * w->cap : 12;
        struct row *rows;
        struct writer_place *in;
        uint64_t *inos;

        if (w->nstart < w->cap)
                return true;
        if (w->nstart == WRITERS_START)
                return false;
        rows = realloc(w->start, cap * sizeof(*rows));
        if (!rows)
                return false;
        w->start = rows;
        inos = realloc(w->inos, cap * sizeof(*inos));
        if (!inos)
                return false;
        w->inos = inos;
        in = realloc(w->in, cap * sizeof(*in));
        if (!in)
                return false;
        w->in = in;
        w->cap = cap;
        return true;
}

static bool put_start(struct writers *w, const struct row *row, const struct writer_place *in)
{
        uint32_t at = place(w, row->path);

        if (at < w->nstart && w->start[at].path == row->path) {
                if (w->start[at].exe == row->exe && w->start[at].ino == row->ino)
                        return false;
                drop_ino(w, w->start[at].ino);
        } else {
                if (!has_room(w))
                        return false;
                memmove(w->start + at + 1, w->start + at, (w->nstart - at) * sizeof(*row));
                memmove(w->in + at + 1, w->in + at, (w->nstart - at) * sizeof(*in));
                w->nstart++;
        }
        w->start[at] = *row;
        w->in[at] = *in;
        put_ino(w, row->ino);
        return true;
}

/* Has a file of the start, under another name than this, the inode? */
static bool is_linked(const struct writers *w, const struct row *by)
{
        uint32_t at = place_ino(w, by->ino);
        const struct row *own;

        if (at == w->ninos || w->inos[at] != by->ino)
                return false;
        own = find(w, by->path);
        if (own && own->ino == by->ino)
                at++;
        return at < w->ninos && w->inos[at] == by->ino;
}

/* What is written by one name of a file is what its other names hold. */
static void drop_inode(struct writers *w, const struct row *by, bool start, writers_gone gone, void *arg)
{
        if (by->ino == 0 || !is_linked(w, by))
                return;
        for (uint32_t i = 0; i < w->nstart;)
                if (w->start[i].ino == by->ino && w->start[i].path != by->path &&
                    (!start || w->start[i].exe != by->exe))
                        take_out(w, &w->start[i], gone, arg);
                else
                        i++;
}

/* ---- the latest of all others ---- */

static const struct row *find_later(const struct writers *w, uint64_t path)
{
        for (uint32_t i = 1; i <= w->nlater; i++) {
                const struct row *row = &w->later[(w->next_later + WRITERS_LATER - i) % WRITERS_LATER];

                if (row->path == path)
                        return row;
        }
        return NULL;
}

static void put_later(struct writers *w, const struct row *row)
{
        w->later[w->next_later] = *row;
        w->next_later = (w->next_later + 1) % WRITERS_LATER;
        if (w->nlater < WRITERS_LATER)
                w->nlater++;
}

/* ---- all ---- */

bool writers_note(struct writers *w, const struct writer *by, writers_gone gone, void *arg)
{
        struct row row = {.path = by->path, .ino = by->ino, .exe = number_of(w, by->exe)}, *had;
        bool start = by->how == WRITTEN_AT_START && row.exe != NO_EXE;

        if (w->nstart)
                drop_inode(w, &row, start, gone, arg);
        if (start)
                return put_start(w, &row, &by->in);
        had = w->nstart ? find(w, by->path) : NULL;
        if (had)
                take_out(w, had, gone, arg);
        put_later(w, &row);
        return false;
}

void writers_forget(struct writers *w, uint64_t path, writers_gone gone, void *arg)
{
        struct row *had = find(w, path);

        if (had)
                take_out(w, had, gone, arg);
        for (uint32_t i = 0; i < w->nlater; i++)
                if (w->later[i].path == path)
                        w->later[i] = (struct row){.exe = NO_EXE};
}

void writers_moved(struct writers *w, struct bytes dir, writers_gone gone, void *arg)
{
        uint32_t hash = dir_hash(dir);

        for (uint32_t i = 0; i < w->nstart;)
                if (is_below(&w->in[i], hash))
                        take_out(w, &w->start[i], gone, arg);
                else
                        i++;
}

bool writers_find(const struct writers *w, uint64_t path, struct writer *ret)
{
        const struct row *row = find(w, path);

        *ret = (struct writer){.path = path, .how = row ? WRITTEN_AT_START : WRITTEN_OTHERWISE};
        if (!row)
                row = find_later(w, path);
        if (!row)
                return false;
        ret->ino = row->ino;
        ret->exe = exe_of(w, row);
        return true;
}

bool writers_next(const struct writers *w, size_t *i, struct writer *ret)
{
        const struct row *row;

        if (*i >= w->nstart)
                return false;
        row = &w->start[*i];
        *ret = (struct writer){.path = row->path,
                               .ino = row->ino,
                               .how = WRITTEN_AT_START,
                               .exe = exe_of(w, row),
                               .in = w->in[(*i)++]};
        return true;
}

void writers_put(const struct writers *w, struct buf *out)
{
        buf_put_u32(out, w->nlater);
        for (uint32_t i = w->nlater; i > 0; i--) { /* the oldest first */
                const struct row *row = &w->later[(w->next_later + WRITERS_LATER - i) % WRITERS_LATER];

                buf_put_u64(out, row->path);
                buf_put_u64(out, row->ino);
                buf_put_bytes(out, exe_of(w, row));
        }
}

int writers_take(struct writers *w, struct rd *r)
{
        for (uint32_t n = rd_u32(r); n > 0 && r->err == 0; n--) {
                struct row row = {.path = rd_u64(r)};
                struct bytes exe;

                row.ino = rd_u64(r);
                exe = rd_bytes(r);
                if (r->err)
                        break;
                row.exe = number_of(w, exe);
                put_later(w, &row);
        }
        return r->err;
}
