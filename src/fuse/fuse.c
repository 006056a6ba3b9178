/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: what each kind of event does to what is held back and to the index, and the order in which events leave. Must
 * not: judge, or read a clock. Pure.
 *
 * A name enters the index when the event that tells of it leaves here, never before: an index that was saved knows
 * nothing that was not judged.
 */
#include "tidemark/fuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/fuse-priv.h"
#include "tidemark/err.h"

void fuse_params_default(struct fuse_params *p)
{
        *p = (struct fuse_params){.join_ns = 20000000, .pending_max = 4096, .index_max = 65536, .containers_max = 4096};
}

/* ---- what is known ---- */

static uint64_t hash_of(struct bytes path)
{
        return map_hash(FUSE_SEED, path);
}

/* The mode, and what gives rights or hides beside it: what a walk finds so is not told by one without. */
static uint32_t mode_of(const struct tide_file *e)
{
        return (e->mode | (uint32_t)e->flags << 24) & INDEX_MODE;
}

static uint32_t facts_of(const struct tide_file *e)
{
        return e->change == CHANGE_MODIFIED ? INDEX_MODIFIED : e->change == CHANGE_REMOVED ? INDEX_REMOVED : 0;
}

static void remember(struct fuse *f, struct ctr *c, uint64_t hash, const struct tide_event *ev, bool told,
                     uint32_t facts)
{
        const struct tide_file *e = &ev->file;
        struct index_name n = {.hash = hash, .ctime_ns = e->ctime_ns, .size = e->size};

        n.mode = mode_of(e) | facts_of(e) | facts;

        n.walk = c->walk;
        if (told) {
                n.told_boot = ev->boot_ns;
                n.told_wall = ev->wall_ns;
        }
        if (index_put(&c->index, f->p.index_max, &n) < 0) {
                c->refused++;
                f->stats.index_refused++;
        }
}

/* A file event leaves: from here on its name is known. */
static void settle(struct fuse *f, struct ctr *c, uint64_t hash, const struct tide_event *ev)
{
        const struct tide_file *e = &ev->file;

        if (e->old_path.len)
                index_del(&c->index, hash_of(e->old_path));
        if (e->ops & OP_DELETE && e->change != CHANGE_REMOVED) /* an image file that was removed leaves a whiteout */
                index_del(&c->index, hash);
        else
                remember(f, c, hash, ev, !(e->ops & OP_FOUND), 0);
        pieces_changed(f, c, ev->boot_ns);
}

static int pass(struct fuse *f, const struct tide_event *ev)
{
        f->stats.out++;
        return f->ops->event(ev, f->arg);
}

int fuse_tell(struct fuse *f, struct ctr *c, uint64_t hash, const struct tide_event *ev)
{
        if (c)
                settle(f, c, hash, ev);
        return pass(f, ev);
}

/* A directory's time and size are those of the last name that was made or removed in it, which is told by itself. */
static bool only_names_changed(const struct index_name *n, const struct tide_file *e)
{
        return S_ISDIR(e->mode) && (n->mode & INDEX_MODE) == mode_of(e) && e->ctime_ns && e->mtime_ns == e->ctime_ns;
}

/* strict: after a loss, the event that told a name may not have been the last of it. */
static bool is_told(const struct index_name *n, const struct tide_event *ev, bool strict)
{
        const struct tide_file *e = &ev->file;

        if (n->ctime_ns == e->ctime_ns && n->size == e->size && (n->mode & INDEX_MODE) == mode_of(e))
                return true;
        if (only_names_changed(n, e))
                return true;
        if (n->told_boot == 0)
                return false;
        /* The other half of an act may be on its way; or the event could not say what the file was like then. */
        return (!strict && ev->boot_ns - n->told_boot < TOLD_NEAR_NS) ||
               (n->ctime_ns == 0 && (int64_t)e->ctime_ns <= n->told_wall);
}

/* The runtime's own files, made before the container's first program ran. */
static bool is_preparation(const struct ctr *c, const struct tide_file *e)
{
        int64_t begun = c->first_exec_ns ? c->first_exec_ns : c->start_ns;

        return c->walking && c->reason == WALK_START && !c->running_before && (int64_t)e->ctime_ns < begun;
}

/* A name that a walk met. true: nothing to tell. */
static bool on_found(struct fuse *f, struct ctr *c, uint64_t hash, struct tide_event *ev)
{
        struct index_name *n = index_find(&c->index, hash);

        if (n && is_told(n, ev, c->walking && (c->reason == WALK_LOSS || c->reason == WALK_NAMESPACE))) {
                n->walk = c->walk;
                if (n->ctime_ns == 0)
                        remember(f, c, hash, ev, false, n->mode & INDEX_PREPARED);
                pieces_changed(f, c, ev->boot_ns);
                f->stats.known++;
                return true;
        }
        if (!n && is_preparation(c, &ev->file)) {
                remember(f, c, hash, ev, false, INDEX_PREPARED);
                pieces_changed(f, c, ev->boot_ns);
                f->stats.prepared++;
                return true;
        }
        if (c->running_before && !c->known)
                ev->flags |= EVF_BEFORE;
        return false;
}

/* ---- events ---- */

static int release_of(struct fuse *f, struct ctr *c)
{
        return hold_release_lane(f, c ? &c->lane : &f->stray);
}

static int on_file(struct fuse *f, const struct tide_event *in)
{
        struct ctr *c = ctr_get(f, in->container);
        uint64_t hash = hash_of(in->file.path);
        struct tide_event ev = *in;
        int r;

        if (ev.file.ops & OP_RENAME) { /* names before it and after it are not the same files */
                r = release_of(f, c);
                return r < 0 ? r : fuse_tell(f, c, hash, &ev);
        }
        if (c && ev.sources == SRC_WALK && on_found(f, c, hash, &ev))
                return 0;
        if (hold_join(f, hash, &ev))
                return 0;
        return hold_event(f, c ? &c->lane : &f->stray, hash, &ev);
}

static int on_walk(struct fuse *f, const struct tide_event *in)
{
        struct ctr *c = ctr_get(f, in->container);
        struct tide_event ev = *in;
        int r = release_of(f, c);

        if (r < 0)
                return r;
        if (c && !ev.walk.ended) {
                c->walk++;
                c->walking = true;
                c->whole = ev.walk.reason != WALK_SUBTREE;
                c->reason = ev.walk.reason;
                c->refused_at_begin = c->refused;
        } else if (c && c->walking) {
                c->walking = false;
                if (c->refused != c->refused_at_begin)
                        ev.walk.complete = 0; /* what has no place in the index is told by each walk again */
                if (c->whole && ev.walk.complete)
                        f->stats.vanished += index_sweep(&c->index, c->walk);
                c->meta_dirty = c->meta_dirty || (c->whole && !c->known);
                c->known = c->known || c->whole;
        }
        r = pass(f, &ev);
        if (c)
                pieces_save(f, c);
        return r;
}

static int on_start(struct fuse *f, const struct tide_event *ev)
{
        int r = release_of(f, ctr_get(f, ev->container));
        struct ctr *c = ev->container.len ? ctr_make(f, ev->container) : NULL;

        if (c && c->start_ns == 0) {
                c->start_ns = ev->wall_ns ? ev->wall_ns : 1;
                c->running_before = ev->ctr.running_before;
                c->meta_dirty = true;
                pieces_changed(f, c, ev->boot_ns);
        }
        return r < 0 ? r : pass(f, ev);
}

static int on_stop(struct fuse *f, const struct tide_event *ev)
{
        struct ctr *c = ctr_get(f, ev->container);
        int r = release_of(f, c);

        if (c && r == 0)
                pieces_drop(f, c);
        return r < 0 ? r : pass(f, ev);
}

/* ---- scripts ---- */

/* Is the name something that an interpreter can run, and of the write layer? */
static bool is_written(const struct index_name *n)
{
        if (n->mode & INDEX_REMOVED)
                return false;
        if (n->mode & INDEX_PREPARED && (n->size == 0 || S_ISDIR(n->mode)))
                return false; /* a mount point: what lies there is something else */
        return !S_ISDIR(n->mode) || !(n->mode & INDEX_MODIFIED);
}

/* The path lies below a link of the write layer: what it names is what that layer says. */
static bool is_behind_link(const struct ctr *c, struct bytes path)
{
        for (uint32_t i = 1; i < path.len; i++) {
                const struct index_name *n =
                        path.p[i] == '/' ? index_find(&c->index, hash_of(bytes_of(path.p, i))) : NULL;

                if (n && S_ISLNK(n->mode) && is_written(n))
                        return true;
        }
        return false;
}

/* Links that images have for the sake of old names. */
static const struct index_name *find_alias(struct fuse *f, const struct ctr *c, struct bytes path)
{
        static const struct {
                const char *link, *to;
        } rows[] = {{"/var/run/", "/run/"},      {"/bin/", "/usr/bin/"}, {"/sbin/", "/usr/sbin/"},
                    {"/usr/sbin/", "/usr/bin/"}, {"/lib/", "/usr/lib/"}, {"/lib64/", "/usr/lib64/"}};

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct bytes link = bytes_str(rows[i].link);
                const struct index_name *n;

                if (!bytes_has_prefix(path, link))
                        continue;
                buf_reset(&f->key);
                buf_put_str(&f->key, rows[i].to);
                buf_put(&f->key, path.p + link.len, path.len - link.len);
                n = f->key.err ? NULL : index_find(&c->index, hash_of(buf_bytes(&f->key)));
                if (n)
                        return n;
        }
        return NULL;
}

static bool is_of_write_layer(struct fuse *f, const struct ctr *c, struct bytes path, uint8_t *ret_change)
{
        const struct index_name *n = index_find(&c->index, hash_of(path));

        if (!n)
                n = find_alias(f, c, path);
        *ret_change = n && n->mode & INDEX_MODIFIED ? CHANGE_MODIFIED : CHANGE_ADDED;
        return n ? is_written(n) : is_behind_link(c, path);
}

/* The script that an execution runs, into *ret. False: none of the write layer that is known. */
static bool find_script(struct fuse *f, const struct ctr *c, const struct tide_exec *x, struct tide_exec *ret)
{
        struct script_files files;
        enum script_known known = script_parse_exec(&f->interpreters, x, &f->scripts, &files);
        uint8_t change;

        f->stats.scripts_unknown += known == SCRIPT_UNKNOWN;
        for (unsigned i = 0; known == SCRIPT_FILES && i < files.n; i++) {
                struct bytes path = script_path(&files, &f->scripts, i);

                if (!is_of_write_layer(f, c, path, &change))
                        continue;
                ret->script = path;
                ret->script_layer = LAYER_WRITE;
                ret->script_change = change;
                f->stats.scripts++;
                return true;
        }
        return false;
}

/* What is in the write layer is known here alone: what came with the event counts for nothing. */
static int pass_exec(struct fuse *f, const struct ctr *c, const struct tide_event *ev)
{
        struct tide_exec script = {.script_layer = LAYER_UNKNOWN};
        struct tide_event with;

        if (!(c && find_script(f, c, &ev->exec, &script)) && ev->exec.script_layer == LAYER_UNKNOWN)
                return pass(f, ev);
        with = *ev;
        with.exec.script = script.script;
        with.exec.script_layer = script.script_layer;
        with.exec.script_change = script.script_change;
        return pass(f, &with);
}

static int on_exec(struct fuse *f, const struct tide_event *ev)
{
        struct ctr *c = ctr_get(f, ev->container);
        int r = release_of(f, c);

        if (c && c->first_exec_ns == 0 && !(ev->flags & EVF_BEFORE)) {
                c->first_exec_ns = ev->wall_ns ? ev->wall_ns : 1;
                c->meta_dirty = true;
                pieces_changed(f, c, ev->boot_ns);
        }
        return r < 0 ? r : pass_exec(f, c, ev);
}

static int on_tick(struct fuse *f, const struct tide_event *ev)
{
        bool settle = ev->flags & EVF_SETTLE;
        int r = settle ? hold_release_all(f) : 0;

        if (r >= 0)
                r = pass(f, ev);
        if (settle || (f->save_due && f->save_due <= ev->boot_ns))
                pieces_save_all(f);
        return r;
}

/* Of the host, or of one container: what it says holds for all acts before it. */
static int on_other(struct fuse *f, const struct tide_event *ev)
{
        int r = ev->container.len ? release_of(f, ctr_get(f, ev->container)) : hold_release_all(f);

        return r < 0 ? r : pass(f, ev);
}

int fuse_event(struct fuse *f, const struct tide_event *ev)
{
        static int (*const rows[TIDE__KIND_MAX])(struct fuse *, const struct tide_event *) = {
                [TIDE_EXEC] = on_exec,       [TIDE_FORK] = pass,        [TIDE_EXIT] = pass,    [TIDE_FILE] = on_file,
                [TIDE_CTR_START] = on_start, [TIDE_CTR_STOP] = on_stop, [TIDE_WALK] = on_walk, [TIDE_TICK] = on_tick,
                [TIDE_FLOW] = pass,          [TIDE_NAME] = pass,        [TIDE_PRIOR] = pass,
                [TIDE_RECORD] = pass,
        };
        int r;

        if (ev->kind >= TIDE__KIND_MAX)
                return -EINVAL;
        f->stats.in++;
        f->now = ev->boot_ns;
        r = hold_release_due(f, ev->boot_ns);
        if (r < 0)
                return r;
        return rows[ev->kind] ? rows[ev->kind](f, ev) : on_other(f, ev);
}

int fuse_flush(struct fuse *f)
{
        int r = hold_release_all(f);

        pieces_save_all(f);
        return r;
}

bool fuse_settled(const struct fuse *f)
{
        void *value;

        for (size_t i = 0; map_next(f->ctrs, &i, NULL, &value);)
                if (((struct ctr *)value)->walking)
                        return false;
        return true;
}

uint64_t fuse_due(const struct fuse *f)
{
        uint64_t held = f->first ? f->first->due : 0;

        return held && (f->save_due == 0 || held < f->save_due) ? held : f->save_due;
}

void fuse_stats(const struct fuse *f, struct fuse_stats *ret)
{
        void *value;

        *ret = f->stats;
        ret->index = 0;
        for (size_t i = 0; map_next(f->ctrs, &i, NULL, &value);)
                ret->index += ((struct ctr *)value)->index.names;
}

int fuse_new(const struct fuse_params *p, const struct fuse_ops *ops, void *arg, struct fuse **ret)
{
        _cleanup_(fuse_freep) struct fuse *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        f->p = *p;
        f->ops = ops;
        f->arg = arg;
        buf_init(&f->key, TIDE_RECORD_MAX);
        buf_init(&f->merged, TIDE_RECORD_MAX);
        buf_init(&f->blob, TIDE_RECORD_MAX);
        buf_init(&f->scripts, TIDE_RECORD_MAX);
        script_names_init(&f->interpreters);
        r = map_new(p->containers_max, FUSE_SEED, ctr_free, &f->ctrs);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

struct fuse *fuse_free(struct fuse *f)
{
        if (!f)
                return NULL;
        hold_free(f);
        map_free(f->ctrs);
        buf_release(&f->key);
        buf_release(&f->merged);
        buf_release(&f->blob);
        buf_release(&f->scripts);
        free(f);
        return NULL;
}
