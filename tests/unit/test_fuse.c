/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuse: two sides of one act are one; order is kept; what a walk meets is told once; the index survives. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/fuse.h"
#include "tidemark/map.h"

#define MS 1000000ull
#define SEC 1000000000ull

struct world {
        struct fuse *f;
        uint64_t now;
        char told[1024]; /* "kind:path:ops " of what came out */
        struct tide_event last;
        char exe[64]; /* of the last file event's process */
        unsigned n, saves;
        size_t saved_bytes;
        struct buf pieces;
        struct map *store; /* what was saved, as a store would hold it: key → struct piece */
};

struct piece {
        uint32_t len;
        uint8_t p[];
};

static int on_event(const struct tide_event *ev, void *arg)
{
        struct world *w = arg;
        char ops[TIDE_OPS_TEXT];
        size_t n = strlen(w->told);

        w->n++;
        w->last = *ev;
        if (ev->kind == TIDE_FILE)
                snprintf(w->exe, sizeof(w->exe), "%.*s", (int)ev->file.actor.exe.len,
                         (const char *)ev->file.actor.exe.p);
        if (ev->kind == TIDE_FILE)
                snprintf(w->told + n, sizeof(w->told) - n, "%.*s:%s ", (int)ev->file.path.len,
                         (const char *)ev->file.path.p, tide_ops_text(ev->file.ops, ops));
        else
                snprintf(w->told + n, sizeof(w->told) - n, "%s ", tide_kind_name(ev->kind));
        return 0;
}

static void on_save(int what, struct bytes key, struct bytes blob, void *arg)
{
        struct world *w = arg;
        struct piece *piece;

        CU_ASSERT_EQUAL(what, FUSE_PIECE);
        w->saves++;
        w->saved_bytes += blob.len;
        if (blob.len == 0) {
                map_del(w->store, key);
                return;
        }
        piece = malloc(sizeof(*piece) + blob.len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(piece);
        piece->len = blob.len;
        memcpy(piece->p, blob.p, blob.len);
        CU_ASSERT_EQUAL(map_put(w->store, key, piece), 0);
}

static const struct fuse_ops ops = {.event = on_event, .save = on_save};

static void world_open(struct world *w)
{
        struct fuse_params p;

        memset(w, 0, sizeof(*w));
        fuse_params_default(&p);
        w->now = SEC;
        CU_ASSERT_EQUAL_FATAL(fuse_new(&p, &ops, w, &w->f), 0);
        CU_ASSERT_EQUAL_FATAL(map_new(100000, (struct map_seed){1, 2}, free, &w->store), 0);
        buf_init(&w->pieces, 1 << 22);
}

/* What went in came out, or is accounted for. */
static void world_close(struct world *w)
{
        struct fuse_stats st;

        fuse_stats(w->f, &st);
        CU_ASSERT_EQUAL(st.in, st.out + st.merged + st.known + st.prepared + st.pending);
        CU_ASSERT_EQUAL(st.out, w->n);
        fuse_free(w->f);
        map_free(w->store);
        buf_release(&w->pieces);
}

/* The agent is killed and starts again: another world, from what the store of this one holds. */
static void world_again(struct world *w, const struct world *before)
{
        struct bytes key;
        void *value;

        world_open(w);
        w->now = before->now + SEC;
        for (size_t i = 0; map_next(before->store, &i, &key, &value);) {
                struct piece *piece = value;

                CU_ASSERT_EQUAL(fuse_restore(w->f, key, bytes_of(piece->p, piece->len)), 0);
        }
}

static void give(struct world *w, struct tide_event *ev)
{
        ev->boot_ns = w->now;
        ev->wall_ns = (int64_t)(1000 * SEC + w->now);
        if (ev->container.len == 0)
                ev->container = BYTES_LIT("c1");
        CU_ASSERT_EQUAL(fuse_event(w->f, ev), 0);
}

static void simple(struct world *w, uint16_t kind)
{
        struct tide_event ev = {.kind = kind};

        give(w, &ev);
}

static void walk(struct world *w, bool ended, uint8_t reason)
{
        struct tide_event ev = {.kind = TIDE_WALK, .walk = {.ended = ended, .complete = 1, .reason = reason}};

        give(w, &ev);
}

static void file(struct world *w, const char *path, uint16_t how, uint16_t sources, uint32_t pid, uint64_t ctime)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = sources};

        ev.file.path = bytes_str(path);
        ev.file.ops = how;
        ev.file.change = CHANGE_ADDED;
        ev.file.ctime_ns = ctime;
        ev.file.mode = S_IFREG | 0644;
        if (pid)
                ev.file.actor = (struct tide_actor){
                        .flags = ACTOR_PID | ACTOR_EXE, .pid = pid, .start = pid, .exe = BYTES_LIT("/bin/x")};
        give(w, &ev);
}

static void started(struct world *w, bool before)
{
        struct tide_event ev = {.kind = TIDE_CTR_START};

        ev.ctr.running_before = before;
        give(w, &ev);
        w->told[0] = '\0';
}

static void test_join(void)
{
        struct world w;

        world_open(&w);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 5);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
        CU_ASSERT_EQUAL(w.n, 0);
        CU_ASSERT_TRUE(fuse_due(w.f) > w.now);
        w.now += 30 * MS;
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create+write tick ");
        CU_ASSERT_EQUAL(fuse_due(w.f), 0);
        /* Two processes are two acts; later is another act. */
        w.told[0] = '\0';
        file(&w, "/b", OP_WRITE, SRC_CONTENT, 42, 6);
        file(&w, "/b", OP_WRITE, SRC_CONTENT, 43, 7);
        w.now += 30 * MS;
        file(&w, "/b", OP_WRITE, SRC_CONTENT, 43, 8);
        w.now += 30 * MS;
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/b:write /b:write /b:write tick ");
        world_close(&w);
}

static void test_actor(void)
{
        struct world w;

        world_open(&w);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 0);
        simple(&w, TIDE_LOSS); /* lets go */
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create+write loss ");
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 0);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
        w.now += SEC;
        file(&w, "/z", OP_WRITE, SRC_CONTENT, 1, 1);
        CU_ASSERT_EQUAL(w.last.sources, SRC_NAMES | SRC_CONTENT);
        world_close(&w);
}

/* "cat x > y": the shell's child makes y, and then becomes the program that writes there. */
static void test_redirection(void)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_NAMES};
        struct world w;

        world_open(&w);
        ev.file.path = BYTES_LIT("/a");
        ev.file.ops = OP_CREATE;
        ev.file.actor = (struct tide_actor){
                .flags = ACTOR_PID | ACTOR_EXE, .pid = 42, .start = 42, .exe = BYTES_LIT("/bin/sh")};
        give(&w, &ev);
        ev.sources = SRC_CONTENT;
        ev.file.ops = OP_WRITE;
        ev.file.actor.exe = BYTES_LIT("/bin/cat");
        give(&w, &ev);
        simple(&w, TIDE_LOSS);
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create+write loss ");
        CU_ASSERT_STRING_EQUAL(w.exe, "/bin/cat");
        ev.container = bytes_of(NULL, 0);
        ev.file.path = BYTES_LIT("/b"); /* the other way round: the content is told first */
        give(&w, &ev);
        ev.sources = SRC_NAMES;
        ev.file.ops = OP_CREATE;
        ev.file.actor.exe = BYTES_LIT("/bin/sh");
        give(&w, &ev);
        w.exe[0] = '\0';
        simple(&w, TIDE_LOSS);
        CU_ASSERT_STRING_EQUAL(w.exe, "/bin/cat");
        world_close(&w);
}

/* What was done to files comes before the program that did, or that they became. */
static void test_order(void)
{
        struct world w;

        world_open(&w);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 5);
        file(&w, "/b", OP_CREATE, SRC_NAMES, 0, 5);
        simple(&w, TIDE_EXEC);
        file(&w, "/c", OP_CREATE, SRC_NAMES, 0, 5);
        file(&w, "/d", OP_RENAME, SRC_NAMES, 0, 5);
        simple(&w, TIDE_CTR_STOP);
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create /b:create exec /c:create /d:rename container-stop ");
        world_close(&w);
}

/* A container that starts under our eyes: the runtime's files are known, later ones are told, once. */
static void test_walk_start(void)
{
        struct world w;
        struct fuse_stats st;

        world_open(&w);
        started(&w, false);
        simple(&w, TIDE_EXEC); /* wall clock 1001 s */
        w.told[0] = '\0';
        w.now += 5 * MS;
        walk(&w, false, WALK_START);
        file(&w, "/etc/hosts", OP_FOUND, SRC_WALK, 0, 1000 * SEC);
        file(&w, "/opt/late", OP_FOUND, SRC_WALK, 0, 1001 * SEC + 3 * MS);
        walk(&w, true, WALK_START);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /opt/late:found walk ");
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.prepared, 1);
        CU_ASSERT_TRUE(w.saves > 0);
        w.told[0] = '\0';
        walk(&w, false, WALK_ROUND);
        file(&w, "/etc/hosts", OP_FOUND, SRC_WALK, 0, 1000 * SEC);
        file(&w, "/opt/late", OP_FOUND, SRC_WALK, 0, 1001 * SEC + 3 * MS);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk walk ");
        /* Changed without an event; gone without an event: forgotten, so that it is new when it comes again. */
        w.told[0] = '\0';
        walk(&w, false, WALK_ROUND);
        file(&w, "/etc/hosts", OP_FOUND, SRC_WALK, 0, 1005 * SEC);
        walk(&w, true, WALK_ROUND);
        walk(&w, false, WALK_ROUND);
        file(&w, "/etc/hosts", OP_FOUND, SRC_WALK, 0, 1005 * SEC);
        file(&w, "/opt/late", OP_FOUND, SRC_WALK, 0, 1001 * SEC + 3 * MS);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /etc/hosts:found walk walk /opt/late:found walk ");
        world_close(&w);
}

/* What an event told, the next walk does not tell again. */
static void test_walk_after_event(void)
{
        struct world w;

        world_open(&w);
        started(&w, false);
        simple(&w, TIDE_EXEC);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 2000 * SEC);
        w.now += 10 * SEC;
        simple(&w, TIDE_TICK);
        w.told[0] = '\0';
        walk(&w, false, WALK_ROUND);
        file(&w, "/a", OP_FOUND, SRC_WALK, 0, 2000 * SEC);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk walk ");
        /* The walk is there first: the two meet, and the event's word counts. */
        w.told[0] = '\0';
        file(&w, "/b", OP_FOUND, SRC_WALK, 0, 2001 * SEC);
        file(&w, "/b", OP_CREATE, SRC_NAMES, 42, 2001 * SEC);
        w.now += SEC;
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/b:create tick ");
        world_close(&w);
}

/* Told within one tick of the clock before it got its capability: the walk tells that. */
static void test_rights_found(void)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_WALK};
        struct world w;

        world_open(&w);
        started(&w, false);
        simple(&w, TIDE_EXEC);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 2000 * SEC);
        w.now += 10 * SEC;
        simple(&w, TIDE_TICK);
        for (unsigned n = 0; n < 2; n++) {
                w.told[0] = '\0';
                walk(&w, false, WALK_ROUND);
                ev.file.path = BYTES_LIT("/a");
                ev.file.ops = OP_FOUND;
                ev.file.flags = FILEF_CAPS;
                ev.file.ctime_ns = 2000 * SEC;
                give(&w, &ev);
                walk(&w, true, WALK_ROUND);
                CU_ASSERT_STRING_EQUAL(w.told, n ? "walk walk " : "walk /a:found walk ");
        }
        world_close(&w);
}

/* A directory that a walk knew: names come and go in it, which is no change of its own; its owner changes, which is. */
static void test_directory_again(void)
{
        static const struct {
                uint64_t mtime, ctime;
                uint32_t mode;
                const char *told;
        } rows[] = {{2001 * SEC, 2001 * SEC, 0755, "walk walk "},
                    {2002 * SEC, 2003 * SEC, 0755, "walk /d:found walk "},
                    {2002 * SEC, 2003 * SEC, 0755, "walk walk "},
                    {2004 * SEC, 2004 * SEC, 01777, "walk /d:found walk "},
                    {2005 * SEC, 2005 * SEC, 01777, "walk walk "}};
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_WALK};
        struct world w;

        world_open(&w);
        started(&w, false);
        simple(&w, TIDE_EXEC);
        ev.file.path = BYTES_LIT("/d");
        ev.file.ops = OP_FOUND;
        ev.file.mode = S_IFDIR | 0755;
        ev.file.mtime_ns = ev.file.ctime_ns = 2000 * SEC;
        give(&w, &ev);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                w.now += 10 * SEC;
                simple(&w, TIDE_TICK);
                w.told[0] = '\0';
                walk(&w, false, WALK_ROUND);
                ev.file.mtime_ns = rows[i].mtime;
                ev.file.ctime_ns = rows[i].ctime;
                ev.file.mode = S_IFDIR | rows[i].mode;
                give(&w, &ev);
                walk(&w, true, WALK_ROUND);
                CU_ASSERT_STRING_EQUAL(w.told, rows[i].told);
        }
        world_close(&w);
}

/* To remove a directory of the image an empty one is first put in its place: one act, and no creation. */
static void test_removed_directory(void)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_NAMES};
        struct world w;

        world_open(&w);
        started(&w, false);
        ev.file.path = BYTES_LIT("/srv");
        ev.file.ops = OP_CREATE;
        ev.file.change = CHANGE_MODIFIED;
        ev.file.flags = FILEF_OPAQUE;
        give(&w, &ev);
        ev.file.ops = OP_DELETE;
        ev.file.change = CHANGE_REMOVED;
        ev.file.flags = 0;
        give(&w, &ev);
        w.now += SEC;
        w.told[0] = '\0';
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/srv:delete tick ");
        world_close(&w);
}

static int take_piece(int what, struct bytes key, struct bytes blob, void *arg)
{
        struct world *w = arg;

        (void)what;
        buf_put_bytes(&w->pieces, key);
        buf_put_bytes(&w->pieces, blob);
        return w->pieces.err;
}

/* Found running: told as before us. After a restart of the agent: only what changed since, and not as before us. */
static void test_before(void)
{
        struct world w, again;
        struct rd r;

        world_open(&w);
        started(&w, true);
        walk(&w, false, WALK_FOUND);
        file(&w, "/a", OP_FOUND, SRC_WALK, 0, 5);
        w.now += SEC;
        simple(&w, TIDE_TICK);
        walk(&w, true, WALK_FOUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /a:found tick walk ");
        w.told[0] = '\0';
        file(&w, "/late", OP_FOUND, SRC_WALK, 0, 7);
        w.now += SEC;
        simple(&w, TIDE_TICK);
        CU_ASSERT_STRING_EQUAL(w.told, "/late:found tick ");
        CU_ASSERT_EQUAL(fuse_each(w.f, take_piece, &w), 0);
        world_open(&again);
        rd_init(&r, w.pieces.p, w.pieces.len);
        while (rd_left(&r)) {
                struct bytes key = rd_bytes(&r);

                CU_ASSERT_EQUAL(fuse_restore(again.f, key, rd_bytes(&r)), 0);
        }
        started(&again, true);
        walk(&again, false, WALK_FOUND);
        file(&again, "/a", OP_FOUND, SRC_WALK, 0, 5);
        file(&again, "/late", OP_FOUND, SRC_WALK, 0, 7);
        file(&again, "/new", OP_FOUND, SRC_WALK, 0, 9);
        simple(&again, TIDE_LOSS);
        CU_ASSERT_STRING_EQUAL(again.told, "walk /new:found loss ");
        world_close(&w);
        world_close(&again);
}

static int flags_event(const struct tide_event *ev, void *arg)
{
        if (ev->kind == TIDE_FILE)
                *(unsigned *)arg = ev->flags;
        return 0;
}

static void no_save(int what, struct bytes key, struct bytes blob, void *arg)
{
        (void)what, (void)key, (void)blob, (void)arg;
}

static void test_before_flag(void)
{
        static const struct fuse_ops flag_ops = {.event = flags_event, .save = no_save};
        struct tide_event ev = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c1")};
        struct fuse_params p;
        struct fuse *f;
        unsigned flags = 99;

        fuse_params_default(&p);
        CU_ASSERT_EQUAL_FATAL(fuse_new(&p, &flag_ops, &flags, &f), 0);
        ev.ctr.running_before = 1;
        CU_ASSERT_EQUAL(fuse_event(f, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_FILE, .sources = SRC_WALK, .container = BYTES_LIT("c1")};
        ev.file.path = BYTES_LIT("/a");
        ev.file.ops = OP_FOUND;
        CU_ASSERT_EQUAL(fuse_event(f, &ev), 0);
        ev = (struct tide_event){.kind = TIDE_TICK, .boot_ns = SEC};
        CU_ASSERT_EQUAL(fuse_event(f, &ev), 0);
        CU_ASSERT_EQUAL(flags, EVF_BEFORE);
        fuse_free(f);
}

/* A flood of names: bounded, counted, and nothing is lost on the way; the walk that meets the limit is not complete. */
static void test_limits(void)
{
        struct fuse_params p = {.join_ns = SEC, .pending_max = 10, .index_max = 50, .containers_max = 1};
        struct tide_event other = {.kind = TIDE_CTR_START, .container = BYTES_LIT("c2")};
        struct fuse_stats st;
        struct world w;
        char path[32];

        world_open(&w);
        fuse_free(w.f);
        CU_ASSERT_EQUAL_FATAL(fuse_new(&p, &ops, &w, &w.f), 0);
        started(&w, false);
        give(&w, &other); /* is watched, its names are not remembered */
        w.n = 2;
        for (int i = 0; i < 500; i++) {
                snprintf(path, sizeof(path), "/f/%d", i);
                w.told[0] = '\0';
                file(&w, path, OP_CREATE, SRC_NAMES, 0, 5);
        }
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.pending, 10);
        CU_ASSERT_EQUAL(fuse_flush(w.f), 0);
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.pending, 0);
        CU_ASSERT_EQUAL(st.index, 50);
        CU_ASSERT_EQUAL(st.index_refused, 451);
        walk(&w, false, WALK_ROUND);
        file(&w, "/f/0", OP_FOUND, SRC_WALK, 0, 5);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_EQUAL(w.last.walk.complete, 1); /* and all but one name are forgotten */
        walk(&w, false, WALK_ROUND);
        for (int i = 0; i < 60; i++) {
                snprintf(path, sizeof(path), "/f/%d", i);
                w.told[0] = '\0';
                file(&w, path, OP_FOUND, SRC_WALK, 0, 5);
        }
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_EQUAL(w.last.walk.complete, 0);
        world_close(&w);
}

/* What a name is now never hides behind its going; a file that comes and goes at once is one act. */
static void test_delete(void)
{
        struct world w;

        world_open(&w);
        started(&w, false);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 7, 5);
        file(&w, "/a", OP_DELETE, SRC_NAMES, 7, 0);
        simple(&w, TIDE_LOSS);
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create+delete loss ");
        w.told[0] = '\0';
        file(&w, "/b", OP_DELETE, SRC_NAMES, 7, 0);
        file(&w, "/b", OP_CREATE, SRC_NAMES, 7, 6);
        file(&w, "/b", OP_WRITE, SRC_CONTENT, 7, 7);
        simple(&w, TIDE_LOSS);
        CU_ASSERT_STRING_EQUAL(w.told, "/b:delete /b:create+write loss ");
        /* Gone and told so: when a walk meets the name, it is new. */
        w.told[0] = '\0';
        w.now += 5 * SEC;
        walk(&w, false, WALK_ROUND);
        file(&w, "/a", OP_FOUND, SRC_WALK, 0, 2000 * SEC);
        file(&w, "/b", OP_FOUND, SRC_WALK, 0, 7);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /a:found walk ");
        world_close(&w);
}

static void rename_to(struct world *w, const char *from, const char *to, uint64_t ctime)
{
        struct tide_event ev = {.kind = TIDE_FILE, .sources = SRC_NAMES};

        ev.file.path = bytes_str(to);
        ev.file.old_path = bytes_str(from);
        ev.file.ops = OP_RENAME;
        ev.file.mode = S_IFREG | 0644;
        ev.file.ctime_ns = ctime;
        give(w, &ev);
}

static void test_rename(void)
{
        struct world w;

        world_open(&w);
        started(&w, false);
        file(&w, "/new", OP_WRITE, SRC_CONTENT, 7, 5);
        file(&w, "/old", OP_WRITE, SRC_CONTENT, 7, 5);
        rename_to(&w, "/old", "/new", 6);
        CU_ASSERT_TRUE(bytes_eq(w.last.file.old_path, BYTES_LIT("/old")));
        simple(&w, TIDE_LOSS);
        CU_ASSERT_STRING_EQUAL(w.told, "/new:write /old:write /new:rename loss ");
        w.told[0] = '\0';
        w.now += 5 * SEC;
        walk(&w, false, WALK_ROUND);
        file(&w, "/new", OP_FOUND, SRC_WALK, 0, 6);
        file(&w, "/old", OP_FOUND, SRC_WALK, 0, 7);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /old:found walk ");
        world_close(&w);
}

/* Names below a renamed directory are told where they are now; where they were, they are forgotten quietly. */
static void test_rename_directory(void)
{
        struct fuse_stats st;
        struct world w;

        world_open(&w);
        started(&w, false);
        file(&w, "/d/x", OP_CREATE, SRC_NAMES, 7, 5);
        simple(&w, TIDE_LOSS);
        rename_to(&w, "/d", "/e", 6);
        w.told[0] = '\0';
        w.now += 5 * SEC;
        walk(&w, false, WALK_SUBTREE);
        file(&w, "/e/x", OP_FOUND, SRC_WALK, 0, 5);
        walk(&w, true, WALK_SUBTREE);
        CU_ASSERT_STRING_EQUAL(w.told, "walk /e/x:found walk ");
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.vanished, 0); /* a walk of a part says nothing of the rest */
        w.told[0] = '\0';
        walk(&w, false, WALK_ROUND);
        file(&w, "/e", OP_FOUND, SRC_WALK, 0, 6);
        file(&w, "/e/x", OP_FOUND, SRC_WALK, 0, 5);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_STRING_EQUAL(w.told, "walk walk ");
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.vanished, 1);
        world_close(&w);
}

/* Each container has its own order; what is of none lets go of all. */
static void test_containers(void)
{
        struct tide_event ev = {.kind = TIDE_EXEC, .container = BYTES_LIT("c2")};
        struct tide_event fork = {.kind = TIDE_FORK}, loss = {.kind = TIDE_LOSS};
        struct world w;

        world_open(&w);
        started(&w, false);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 5);
        give(&w, &ev);
        give(&w, &fork);
        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
        loss.boot_ns = w.now;
        CU_ASSERT_EQUAL(fuse_event(w.f, &loss), 0);
        CU_ASSERT_STRING_EQUAL(w.told, "exec fork /a:create+write loss ");
        world_close(&w);
}

/* Acts that come before their container's start stay before it; a start of nobody is nobody's index. */
static void test_late_start(void)
{
        struct tide_event ev = {.kind = TIDE_CTR_START};
        struct world w;

        world_open(&w);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 0, 5);
        give(&w, &ev);
        file(&w, "/b", OP_CREATE, SRC_NAMES, 0, 5);
        simple(&w, TIDE_EXEC);
        CU_ASSERT_STRING_EQUAL(w.told, "/a:create container-start /b:create exec ");
        CU_ASSERT_EQUAL(fuse_flush(w.f), 0);
        CU_ASSERT_TRUE(map_count(w.store) > 0);
        simple(&w, TIDE_CTR_STOP);
        CU_ASSERT_EQUAL(map_count(w.store), 0);
        ev.container = bytes_of(NULL, 0);
        CU_ASSERT_EQUAL(fuse_event(w.f, &ev), 0);
        CU_ASSERT_EQUAL(fuse_flush(w.f), 0);
        CU_ASSERT_EQUAL(map_count(w.store), 0);
        world_close(&w);
}

/* Seen by a walk as from before us, and then by an event: it happens now. */
static void test_before_and_event(void)
{
        struct world w;

        for (int order = 0; order < 2; order++) {
                world_open(&w);
                started(&w, true);
                walk(&w, false, WALK_FOUND);
                if (order)
                        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
                file(&w, "/a", OP_FOUND, SRC_WALK, 0, 6);
                if (!order)
                        file(&w, "/a", OP_WRITE, SRC_CONTENT, 42, 6);
                w.now += SEC;
                file(&w, "/b", OP_FOUND, SRC_WALK, 0, 6);
                CU_ASSERT_STRING_EQUAL(w.told, "walk /a:write ");
                CU_ASSERT_EQUAL(w.last.flags & EVF_BEFORE, 0);
                CU_ASSERT_EQUAL(w.last.sources, SRC_WALK | SRC_CONTENT);
                walk(&w, true, WALK_FOUND);
                world_close(&w);
        }
}

/* Killed in the midst of the first walk: the rest is from before us still. */
static void test_killed_in_walk(void)
{
        struct world w, again;

        world_open(&w);
        started(&w, true);
        walk(&w, false, WALK_FOUND);
        file(&w, "/a", OP_FOUND, SRC_WALK, 0, 5);
        w.now += SEC;
        simple(&w, TIDE_TICK);
        world_again(&again, &w);
        started(&again, true);
        walk(&again, false, WALK_FOUND);
        file(&again, "/a", OP_FOUND, SRC_WALK, 0, 5);
        file(&again, "/b", OP_FOUND, SRC_WALK, 0, 5);
        walk(&again, true, WALK_FOUND);
        CU_ASSERT_STRING_EQUAL(again.told, "walk /b:found walk ");
        world_close(&again);
        world_close(&w);
}

/*
 * Killed at any moment: what the store holds knows no name that was not told before; and what was told and is not known
 * there is told again by the next walk.
 */
static void test_killed(void)
{
        for (unsigned acts = 0; acts < 60; acts++) {
                struct world w, again;
                char path[32];

                world_open(&w);
                started(&w, false);
                walk(&w, false, WALK_START);
                walk(&w, true, WALK_START);
                w.told[0] = '\0';
                for (unsigned i = 0; i < acts; i++) {
                        snprintf(path, sizeof(path), "/%u", i);
                        w.now += 7 * MS;
                        if (i % 5 == 3)
                                simple(&w, TIDE_TICK);
                        file(&w, path, OP_CREATE, SRC_NAMES, 7, 5 + i);
                        if (i % 11 == 7)
                                simple(&w, TIDE_EXEC);
                }
                world_again(&again, &w);
                started(&again, true);
                walk(&again, false, WALK_FOUND);
                for (unsigned i = 0; i < acts; i++) {
                        snprintf(path, sizeof(path), "/%u", i);
                        file(&again, path, OP_FOUND, SRC_WALK, 0, 5 + i);
                }
                walk(&again, true, WALK_FOUND);
                for (unsigned i = 0; i < acts; i++) {
                        snprintf(path, sizeof(path), "/%u:", i);
                        CU_ASSERT_TRUE(strstr(w.told, path) || strstr(again.told, path));
                }
                world_close(&again);
                world_close(&w);
        }
}

/* A change in a large index costs its bucket; a stop takes all of it away. */
static void test_pieces(void)
{
        struct tide_event stop = {.kind = TIDE_CTR_STOP};
        struct world w;
        char path[32];

        world_open(&w);
        started(&w, false);
        walk(&w, false, WALK_START);
        for (unsigned i = 0; i < 65536; i++) {
                snprintf(path, sizeof(path), "/f/%u", i);
                w.told[0] = '\0';
                file(&w, path, OP_FOUND, SRC_WALK, 0, 5);
        }
        walk(&w, true, WALK_START);
        CU_ASSERT_EQUAL(map_count(w.store), 64 + 1);
        CU_ASSERT_EQUAL(w.saved_bytes, 65536 * 28 + 64 * 4 + 2 * 22);
        w.saves = 0;
        w.saved_bytes = 0;
        file(&w, "/f/1", OP_WRITE, SRC_CONTENT, 7, 6);
        for (unsigned i = 0; i < 100 && fuse_due(w.f); i++) {
                w.now = fuse_due(w.f);
                simple(&w, TIDE_TICK);
        }
        CU_ASSERT_EQUAL(fuse_due(w.f), 0);
        CU_ASSERT_EQUAL(w.saves, 1);
        CU_ASSERT_TRUE(w.saved_bytes < 48 * 1024);
        give(&w, &stop);
        CU_ASSERT_EQUAL(map_count(w.store), 0);
        /* What comes late finds no container, and makes none. */
        file(&w, "/late", OP_WRITE, SRC_CONTENT, 7, 6);
        simple(&w, TIDE_EXEC);
        walk(&w, true, WALK_ROUND);
        CU_ASSERT_EQUAL(fuse_flush(w.f), 0);
        CU_ASSERT_EQUAL(map_count(w.store), 0);
        world_close(&w);
}

static void test_restore(void)
{
        static const uint8_t key[] = {2, 0, 0, 0, 'c', '1', 3}, facts_key[] = {2, 0, 0, 0, 'c', '1', 255};
        static const uint8_t other[] = {2, 0, 0, 0, 'c', '1', 64}, nobody[] = {0, 0, 0, 0, 3};
        static const uint8_t longer[] = {2, 0, 0, 0, 'c', '1', 3, 0};
        uint8_t blob[4 + 28] = {1}; /* hash 0: belongs into bucket 0 */
        struct fuse_stats st;
        struct bytes k = bytes_of(key, sizeof(key)), facts = bytes_of(facts_key, sizeof(facts_key));
        struct bytes whole = bytes_of(blob, sizeof(blob));
        struct world w;

        world_open(&w);
        CU_ASSERT_EQUAL(fuse_restore(w.f, k, whole), ERR_SCHEMA);
        blob[11] = 3 << 2;
        CU_ASSERT_EQUAL(fuse_restore(w.f, bytes_of(other, sizeof(other)), whole), ERR_SCHEMA);
        CU_ASSERT_EQUAL(fuse_restore(w.f, bytes_of(nobody, sizeof(nobody)), whole), ERR_SCHEMA);
        CU_ASSERT_EQUAL(fuse_restore(w.f, bytes_of(longer, sizeof(longer)), whole), ERR_SCHEMA);
        CU_ASSERT_EQUAL(fuse_restore(w.f, bytes_of(key, 5), whole), ERR_SCHEMA);
        for (uint32_t n = 0; n < sizeof(blob); n++)
                if (n != 4) /* a bucket of no names */
                        CU_ASSERT_EQUAL(fuse_restore(w.f, k, bytes_of(blob, n)), ERR_TRUNCATED);
        for (uint32_t n = 0; n < 22; n++)
                CU_ASSERT_EQUAL(fuse_restore(w.f, facts, bytes_of(blob, n)), ERR_TRUNCATED);
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.index, 0);
        CU_ASSERT_EQUAL(fuse_restore(w.f, k, whole), 0);
        CU_ASSERT_EQUAL(fuse_restore(w.f, facts, whole), 0);
        fuse_stats(w.f, &st);
        CU_ASSERT_EQUAL(st.index, 1);
        blob[0] = 2;
        CU_ASSERT_EQUAL(fuse_restore(w.f, k, whole), ERR_SCHEMA);
        CU_ASSERT_EQUAL(fuse_restore(w.f, facts, whole), ERR_SCHEMA);
        world_close(&w);
}

/* The same names give the same pieces, in whatever order they came. */
static void test_same_pieces(void)
{
        struct world a, b;
        char path[32];

        world_open(&a);
        world_open(&b);
        started(&a, false);
        started(&b, false);
        for (unsigned i = 0; i < 500; i++) {
                a.told[0] = b.told[0] = '\0';
                snprintf(path, sizeof(path), "/f/%u", i);
                file(&a, path, OP_CREATE, SRC_NAMES, 7, 5);
                snprintf(path, sizeof(path), "/f/%u", 499 - i);
                file(&b, path, OP_CREATE, SRC_NAMES, 7, 5);
        }
        CU_ASSERT_EQUAL(fuse_flush(a.f), 0);
        CU_ASSERT_EQUAL(fuse_flush(b.f), 0);
        CU_ASSERT_EQUAL(fuse_each(a.f, take_piece, &a), 0);
        CU_ASSERT_EQUAL(fuse_each(b.f, take_piece, &b), 0);
        CU_ASSERT_TRUE(a.pieces.len > 500 * 28);
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&a.pieces), buf_bytes(&b.pieces)));
        world_close(&a);
        world_close(&b);
}

/* An event that could not say what the file was like: a walk that meets it as it was then has nothing new. */
static void test_no_facts(void)
{
        struct world w;

        world_open(&w);
        started(&w, false);
        simple(&w, TIDE_EXEC);
        file(&w, "/a", OP_CREATE, SRC_NAMES, 7, 0);
        w.now += 5 * SEC;
        simple(&w, TIDE_TICK);
        for (unsigned late = 0; late < 2; late++) {
                w.told[0] = '\0';
                walk(&w, false, WALK_ROUND);
                file(&w, "/a", OP_FOUND, SRC_WALK, 0, (late ? 1002 : 1000) * SEC);
                walk(&w, true, WALK_ROUND);
                CU_ASSERT_STRING_EQUAL(w.told, late ? "walk /a:found walk " : "walk walk ");
        }
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"two sides of one act are one", test_join},
        {"the better-known process stays", test_actor},
        {"who writes is who did it, not who opened the file for him", test_redirection},
        {"order is kept", test_order},
        {"the runtime's preparation is not drift", test_walk_start},
        {"a walk does not tell what an event told", test_walk_after_event},
        {"a walk tells of a capability that no event told", test_rights_found},
        {"a directory in which names came and went is not told again", test_directory_again},
        {"an image directory's removal", test_removed_directory},
        {"a restart tells only what changed", test_before},
        {"what was there before us is marked so", test_before_flag},
        {"a name's going hides nothing", test_delete},
        {"renames keep both names", test_rename},
        {"names below a renamed directory", test_rename_directory},
        {"each container has its own order", test_containers},
        {"acts before their container's start", test_late_start},
        {"what an event tells is not from before us", test_before_and_event},
        {"killed in the first walk", test_killed_in_walk},
        {"killed at any moment: nothing stays untold", test_killed},
        {"a change costs one bucket, a stop leaves nothing", test_pieces},
        {"damaged pieces are refused", test_restore},
        {"the same names give the same pieces", test_same_pieces},
        {"a name told without its facts", test_no_facts},
        {"floods are bounded and counted", test_limits},
};
UNIT_MAIN("fuse", cases)
