/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuse: four bytes of the input are one event of a small world (three containers, eight paths), or a stored piece of
 * any bytes. Whatever comes: all that goes in comes out or is accounted for, each container's events leave in the order
 * in which they came, and what was saved knows no name that was not told.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/script-priv.h"
#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"
#include "tidemark/fuse.h"
#include "tidemark/map.h"

#define PATHS 8u
#define CONTAINERS 3u

static const char *const ids[] = {"", "a", "b"};
static const char *const paths[PATHS] = {"/a", "/b", "/c", "/d", "/d/a", "/d/b", "/e", ""};

struct world {
        struct fuse *f;
        struct map *store;
        uint64_t seq, last_seq[CONTAINERS], now, out;
        bool told[CONTAINERS][PATHS];
        bool strange; /* pieces of any bytes came in, in the midst: they know what they like */
        bool saved;
};

struct piece {
        uint32_t len;
        uint8_t p[];
};

static unsigned number(const char *const *list, size_t n, struct bytes s)
{
        for (unsigned i = 0; i < n; i++)
                if (bytes_eq(bytes_str(list[i]), s))
                        return i;
        abort();
}

static int on_event(const struct tide_event *ev, void *arg)
{
        struct world *w = arg;
        unsigned c = number(ids, CONTAINERS, ev->container);

        w->out++;
        if (ev->kind == TIDE_FILE)
                w->told[c][number(paths, PATHS, ev->file.path)] = true;
        if (ev->kind == TIDE_FORK || ev->kind == TIDE_EXIT || ev->kind == TIDE_TICK)
                return 0;
        if (ev->seq <= w->last_seq[c] && !w->strange)
                abort();
        w->last_seq[c] = ev->seq;
        return 0;
}

static void on_save(int what, struct bytes key, struct bytes blob, void *arg)
{
        struct world *w = arg;
        struct piece *p;

        if (what != FUSE_PIECE || key.len == 0)
                abort();
        w->saved = true;
        if (blob.len == 0) {
                map_del(w->store, key);
                return;
        }
        p = malloc(sizeof(*p) + blob.len);
        if (!p)
                abort();
        p->len = blob.len;
        memcpy(p->p, blob.p, blob.len);
        if (map_put(w->store, key, p) < 0)
                abort();
}

static void world_open(struct world *w, const struct fuse_params *fp)
{
        static const struct fuse_ops ops = {.event = on_event, .save = on_save};

        memset(w, 0, sizeof(*w));
        if (fuse_new(fp, &ops, w, &w->f) < 0 || map_new(10000, (struct map_seed){1, 2}, free, &w->store) < 0)
                abort();
}

static void make_event(const uint8_t in[4], struct tide_event *ev)
{
        static const uint16_t kinds[16] = {
                TIDE_FILE, TIDE_FILE, TIDE_FILE, TIDE_FILE, TIDE_FILE, TIDE_FILE,      TIDE_EXEC,     TIDE_EXEC,
                TIDE_TICK, TIDE_LOSS, TIDE_WALK, TIDE_WALK, TIDE_FORK, TIDE_CTR_START, TIDE_CTR_STOP, TIDE_PRIV,
        };
        static const uint16_t sources[4] = {SRC_WALK, SRC_NAMES, SRC_CONTENT, SRC_NAMES};
        struct tide_actor actor = {.flags = in[3] & 3 ? ACTOR_PID : 0, .pid = in[3] & 3, .start = 1};

        *ev = (struct tide_event){.kind = kinds[in[0] & 15], .sources = sources[in[0] >> 4 & 3]};
        ev->container = bytes_str(ids[in[1] % CONTAINERS]);
        switch (ev->kind) {
        case TIDE_FILE:
                ev->file.path = bytes_str(paths[in[1] >> 4 & 7]);
                ev->file.ops = ev->sources == SRC_WALK ? OP_FOUND : (uint16_t)(in[2] & 31);
                if (ev->file.ops & OP_RENAME)
                        ev->file.old_path = bytes_str(paths[in[2] >> 5]);
                ev->file.change = in[0] >> 6;
                ev->file.ctime_ns = in[3] >> 6;
                ev->file.actor = actor;
                break;
        case TIDE_EXEC:
                ev->exec.actor = actor;
                ev->exec.program = bytes_str(paths[in[1] >> 4 & 7]);
                break;
        case TIDE_WALK:
                ev->walk.ended = in[0] & 1;
                ev->walk.complete = in[2] & 1;
                ev->walk.reason = in[3] % WALK__MAX;
                break;
        case TIDE_CTR_START:
                ev->ctr.running_before = in[2] & 1;
                break;
        default:
                break;
        }
}

static void check_counts(const struct world *w)
{
        struct fuse_stats st;

        fuse_stats(w->f, &st);
        if (st.in != st.out + st.merged + st.known + st.prepared + st.pending || st.out != w->out || st.pending > 6 ||
            st.index > (size_t)CONTAINERS * 5)
                abort();
}

static void give(struct world *w, const uint8_t in[4])
{
        struct fuse_stats before, after;
        struct tide_event ev;

        make_event(in, &ev);
        w->now += in[2] & 1 ? in[3] : 0;
        ev.seq = ++w->seq;
        ev.boot_ns = w->now;
        ev.wall_ns = (int64_t)(w->now / 64);
        fuse_stats(w->f, &before);
        if (fuse_event(w->f, &ev) < 0)
                abort();
        fuse_stats(w->f, &after);
        if (after.prepared != before.prepared) /* known without being told: that is what it is for */
                w->told[number(ids, CONTAINERS, ev.container)][number(paths, PATHS, ev.file.path)] = true;
        check_counts(w);
}

/* Another life, from what was saved: it takes every piece, and holds its tongue only about what was told. */
static void live_again(const struct world *w, const struct fuse_params *fp)
{
        struct world again;
        struct bytes key;
        void *value;

        world_open(&again, fp);
        for (size_t i = 0; map_next(w->store, &i, &key, &value);) {
                struct piece *p = value;

                if (fuse_restore(again.f, key, bytes_of(p->p, p->len)) < 0)
                        abort();
        }
        for (unsigned n = 0; n < CONTAINERS * PATHS * 4 && !w->strange; n++) {
                unsigned c = n / 4 / PATHS, path = n / 4 % PATHS;
                struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_WALK, .container = bytes_str(ids[c])};
                struct fuse_stats before, after;

                ev.seq = ++again.seq;
                ev.file.path = bytes_str(paths[path]);
                ev.file.ops = OP_FOUND;
                ev.file.ctime_ns = n % 4;
                fuse_stats(again.f, &before);
                if (fuse_event(again.f, &ev) < 0)
                        abort();
                fuse_stats(again.f, &after);
                if (after.known != before.known && !w->told[c][path])
                        abort();
        }
        fuse_free(again.f);
        map_free(again.store);
}

/* The bytes as the arguments of each interpreter, also cut. What it runs is absolute, without dots and double slashes.
 */
static void run_interpreters(const uint8_t *data, size_t size)
{
        static const char *const exes[] = {"/bin/dash",     "/bin/busybox", "/usr/bin/python3.11", "/usr/bin/perl",
                                           "/usr/bin/php8", "/usr/bin/awk", "/usr/bin/java",       "/lib/ld-2.31.so",
                                           "/bin/node",     "/bin/bun"};
        struct tide_exec x = {.args = bytes_of(data, size), .args_total = (uint32_t)size};
        struct script_files files;
        struct script_names names;
        struct buf text;

        if (size > TIDE_ARGS_MAX)
                return;
        buf_init(&text, TIDE_RECORD_MAX);
        script_names_init(&names);
        for (size_t i = 0; i < 4 * (sizeof(exes) / sizeof(exes[0])); i++) {
                enum script_known known;

                x.actor.exe = bytes_str(exes[i / 4]);
                x.args_total = (uint32_t)size + (i & 1);
                x.cwd = i & 2 ? x.args : bytes_of(NULL, 0);
                known = script_parse_exec(&names, &x, &text, &files);
                if ((known == SCRIPT_FILES) != (files.n > 0) || files.n > SCRIPT_FILES_MAX)
                        abort();
                for (unsigned k = 0; k < files.n; k++) {
                        struct bytes path = script_path(&files, &text, k);

                        if (path.len < 2 || path.p[0] != '/' || path.p[1] == '/' ||
                            bytes_has_suffix(path, BYTES_LIT("/..")))
                                abort();
                }
        }
        buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuse_params fp = {.join_ns = 20, .pending_max = 6, .index_max = 5, .containers_max = 2};
        struct fuse_stats st;
        struct world w;

        run_interpreters(data, size);
        world_open(&w, &fp);
        for (size_t at = 0; at + 4 <= size; at += 4) {
                const uint8_t *in = data + at;

                if (in[0] == 255) {
                        size_t len = in[1] < size - at - 4 ? in[1] : size - at - 4;
                        uint8_t key[] = {1, 0, 0, 0, 'a', in[2]};

                        w.strange = true;
                        if (fuse_restore(w.f, bytes_of(key, sizeof(key)), bytes_of(in + 4, len)) > 0)
                                abort();
                        at += len;
                        continue;
                }
                give(&w, in);
                if (w.saved) /* killed here */
                        live_again(&w, &fp);
                w.saved = false;
        }
        if (fuse_flush(w.f) < 0 || fuse_due(w.f) != 0)
                abort();
        check_counts(&w);
        fuse_stats(w.f, &st);
        if (st.pending)
                abort();
        live_again(&w, &fp);
        fuse_free(w.f);
        map_free(w.store);
        return 0;
}

FUZZ_MAIN("fuse", "tests/fuzz/corpus/fuse")
