/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened in write layers: content and executions (fan_source), names (names_source), what is there (walker).
 *
 * Owns: the way from such a record to a TIDE_FILE, and the requests for walks. Must not: decide what is normal, follow
 * a path that a container chose (layer.h does, component by component), or wait. Hands over: events on the pair;
 * openings for execution to proctab.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"
#include "tidemark/layer.h"
#include "tidemark/log.h"
#include "tidemark/openfile.h"

#define MOD "files"
#define WAITING_MANY 1024u

static uint8_t flags_of(bool opaque, bool caps)
{
        return (uint8_t)((opaque ? FILEF_OPAQUE : 0) | (caps ? FILEF_CAPS : 0));
}

void sensor_set_entry(struct tide_file *f, const struct layer_entry *e)
{
        f->type = e->type;
        f->mode = e->mode;
        f->size = e->size;
        f->ino = e->ino;
        f->mtime_ns = e->mtime_ns;
        f->ctime_ns = e->ctime_ns;
        f->flags = flags_of(e->opaque, e->caps);
}

/* Of a regular file, by the event's descriptor. */
static void set_stat(struct tide_file *f, int fd, const struct stat *st)
{
        f->mode = st->st_mode;
        f->size = (uint64_t)st->st_size;
        f->ino = st->st_ino;
        f->mtime_ns = (uint64_t)st->st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_mtim.tv_nsec;
        f->ctime_ns = (uint64_t)st->st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_ctim.tv_nsec;
        f->flags = flags_of(false, (st->st_mode & 0111) && fgetxattr(fd, "security.capability", NULL, 0) > 0);
}

static enum tide_change change_of(const struct container *c, struct bytes path, struct layer_entry *image)
{
        int in = layer_image_stat(c->layer, path, image);

        return in < 0 ? CHANGE_UNKNOWN : in ? CHANGE_MODIFIED : CHANGE_ADDED;
}

/*
 * Copied up from the image and not changed by it: for the sake of what is in a directory, or of a write that content
 * tells. (The overlay's own attributes on it are no change either.)
 */
static bool is_copy(const struct layer_entry *now, const struct layer_entry *image)
{
        return now->type == image->type && now->mode == image->mode && now->uid == image->uid &&
               now->gid == image->gid && now->caps == image->caps && !now->opaque &&
               (now->type == DT_DIR || layer_same_content(now, image));
}

#define COARSE_NS (10 * NSEC_PER_MSEC) /* a file's times come from a clock that ticks every 4 or 10 ms */

/*
 * Marks may stand before the runtime is done: what it made on its way is no act of the container, which has not run a
 * program yet. The walk at the start knows it as such.
 */
static bool is_preparation(const struct container *c, const struct tide_file *f)
{
        uint64_t began;

        if (c->running_before)
                return false;
        if (c->first_boot_ns == 0)
                return true;
        began = (uint64_t)clock_wall_ns() - (clock_boot_ns() - c->first_boot_ns);
        return f->ctime_ns && f->ctime_ns + COARSE_NS < began;
}

/*
 * Who did it. The process may be none of the container's: a host process that reaches in is foreign. Returns the
 * container that it is in; NULL: none, or not known.
 */
struct container *sensor_set_actor(struct sensor *s, struct tide_file *f, uint32_t pid)
{
        struct container *its;

        if (pid != 0 && proctab_actor(s->proctab, pid, loop_now(s->loop), &s->lineage, &f->actor, &its) == 0)
                return its;
        memset(&f->actor, 0, sizeof(f->actor));
        return NULL;
}

/*
 * Its last process has ended: then the runtime takes the write layer away, name by name. That is no drift of anybody's;
 * and what somebody changes in the layer of a stopped container is found by the walk when it starts again.
 */
static bool is_removal(const struct container *c, const struct container *actors, const struct tide_file *f,
                       uint32_t pid)
{
        return c->empty_boot_ns && actors != c && (pid || (f->ops & (OP_DELETE | OP_RENAME)));
}

static void request(struct sensor *s, struct container *c, struct bytes below, enum tide_walk_reason reason);

void sensor_keep(struct sensor *s, const struct container *c)
{
        if (s->kept == c)
                return;
        if (s->kept && s->kept->layer)
                layer_rest(s->kept->layer);
        s->kept = c && c->layer ? c : NULL;
        if (s->kept)
                layer_keep(c->layer);
}

/* ---- content ---- */

static void before_execs(void *arg)
{
        struct sensor *s = arg;

        s->stirred = true;
        proc_source_drain(s->proc);
}

/* What storms in files must not keep programs waiting until there is no more room for them. */
static void before_files(void *arg)
{
        struct sensor *s = arg;
        struct proctab_stats st;

        before_execs(s);
        if (s->execs && fan_source_drain(s->execs) < 0)
                return; /* comes again in its own turn */
        proctab_stats(s->proctab, &st);
        if (st.waiting > WAITING_MANY)
                proctab_settle(s->proctab, clock_boot_ns());
}

/*
 * Written, and without a name by now. Where its directory is marked the names tell of it as well; but it may be too new
 * for that. What has a name of that path now is another file, and O_TMPFILE's never had one ("#" and a number).
 */
static bool was_removed(const struct container *c, const struct openfile *of, uint64_t dev)
{
        int slash = bytes_rfind(of->path, '/');
        struct layer_entry e;

        return of->layer == LAYER_DELETED && of->nlink == 0 && dev == c->root_dev && of->change == CHANGE_ADDED &&
               slash >= 0 && (uint32_t)slash + 1 < of->path.len && of->path.p[slash + 1] != '#' &&
               layer_upper_stat(c->layer, of->path, &e) == -ENOENT;
}

#define LOOKS 4

/* What is written is in the write layer: if it is not it was removed, or got another name, while it was looked at. */
static int read_written(struct sensor *s, const struct container *c, const struct fan_event *ev, struct openfile *ret)
{
        int r = 0;

        for (int n = 0; n < LOOKS && r == 0; n++) {
                r = openfile_read(c, ev->pid, ev->fd, &s->path, ret);
                if (r < 0 || (ret->layer != LAYER_IMAGE && (ret->layer != LAYER_DELETED || ret->nlink == 0)))
                        break;
        }
        return r;
}

/* A program of the image: is its content another one? What may be put back is looked into. */
static void look_into(struct sensor *s, struct container *c, struct tide_file *f, uint32_t pid)
{
        struct layer_entry now, image;

        if (f->change != CHANGE_MODIFIED || !(f->mode & 0111) || layer_upper_stat(c->layer, f->path, &now) < 0 ||
            layer_image_stat(c->layer, f->path, &image) != 1 || now.type != DT_REG || image.type != DT_REG)
                return;
        if (!layer_same_content(&now, &image))
                f->flags |= FILEF_CONTENT;
        else if (!layer_upper_is_metadata(c->layer, f->path) && sensor_compare(s, c, f->path, &now, false, pid) < 0)
                f->flags |= FILEF_CONTENT; /* there is no telling */
}

static void on_written(struct sensor *s, const struct fan_event *ev)
{
        struct tide_event out = {.kind = TIDE_FILE, .sources = SRC_CONTENT};
        struct container *c = NULL;
        struct openfile of;
        struct stat st;
        bool gone;

        if (fstat(ev->fd, &st) < 0 || !S_ISREG(st.st_mode))
                return;
        c = containers_by_dev(s->containers, st.st_dev);
        if (!c)
                c = proctab_container(s->proctab, ev->pid);
        if (!c || !c->layer)
                return;
        sensor_keep(s, c);
        if (read_written(s, c, ev, &of) < 0)
                return;
        gone = was_removed(c, &of, st.st_dev);
        if (of.layer != LAYER_WRITE && !gone)
                return; /* a volume or tmpfs that shares the mark */
        out.container = bytes_str(c->id);
        sensor_set_actor(s, &out.file, ev->pid);
        out.file.ops = gone ? OP_WRITE | OP_DELETE : OP_WRITE;
        out.file.path = of.path;
        out.file.change = of.change;
        out.file.type = DT_REG;
        if (!gone) /* through the overlay: the upper file's own */
                set_stat(&out.file, ev->fd, &st);
        if (is_preparation(c, &out.file))
                return;
        if (!gone)
                look_into(s, c, &out.file, ev->pid);
        if (c->marked_boot_ns == 0 && !c->running_before)
                out.flags |= EVF_GAP;
        sensor_send(s, PAIR_FILE, &out, -1);
        if (!gone)
                sensor_mapped_written(s, c, ev->fd, of.path, of.dev, of.ino);
}

static void on_content(const struct fan_event *ev, void *arg)
{
        struct sensor *s = arg;

        if (ev->fd < 0)
                return;
        if (ev->mask & FAN_OPEN_EXEC)
                proctab_open_exec(s->proctab, ev, loop_now(s->loop));
        else if (ev->mask & FAN_OPEN) /* a dropped library; what is executed is looked at after its start */
                sensor_mapped_opened(s, ev->pid);
        if (ev->mask & FAN_CLOSE_WRITE)
                on_written(s, ev);
}

static void on_content_loss(void *arg)
{
        struct sensor *s = arg;

        sensor_lost(s, LOST_CONTENT, 0, s->current_ns);
}

static void on_execs_loss(void *arg)
{
        struct sensor *s = arg;

        sensor_lost(s, LOST_EXECS, 0, s->current_ns);
}

const struct fan_ops sensor_execs_ops = {.before = before_execs, .event = on_content, .loss = on_execs_loss};
const struct fan_ops sensor_fan_ops = {.before = before_files, .event = on_content, .loss = on_content_loss};

/* ---- names ---- */

/* written: what was copied up is not what the image has, and nobody else tells of every write. */
static unsigned ops_of(uint64_t mask, const struct tide_file *f, bool whiteout, bool written)
{
        if (whiteout || (mask & FAN_DELETE))
                return OP_DELETE;
        if (f->old_path.len)
                return OP_RENAME;
        /* To a place that is not marked: another file system, or the overlay's own work. */
        if ((mask & (FAN_MOVED_FROM | FAN_MOVED_TO)) == FAN_MOVED_FROM && !(f->mode && (mask & FAN_CREATE)))
                return OP_DELETE;
        if ((mask & (FAN_CREATE | FAN_MOVED_TO)) && f->change == CHANGE_MODIFIED && !(f->flags & FILEF_OPAQUE))
                /* Copied up from the image. A write shows as content as well, where there is a mark for that. */
                return written ? OP_WRITE : OP_ATTR;
        if (mask & (FAN_CREATE | FAN_MOVED_TO))
                return OP_CREATE;
        return mask & FAN_CLOSE_WRITE ? OP_WRITE : OP_ATTR;
}

/* Deleted, and the image has nothing by that name that had to be hidden. */
static bool is_gone(const struct name_event *ev, const struct tide_file *f)
{
        return (ev->mask & FAN_DELETE) && !(ev->mask & (FAN_MOVED_FROM | FAN_MOVED_TO)) && f->change == CHANGE_ADDED;
}

static void on_name(const struct name_event *ev, void *arg)
{
        struct sensor *s = arg;
        struct container *c = containers_by_tag(s->containers, ev->tag);
        const bool inotify = names_source_by(s->names) == NAMES_INOTIFY;
        struct tide_event out = {.kind = TIDE_FILE, .sources = inotify ? SRC_INOTIFY : SRC_NAMES};
        struct tide_file *f = &out.file;
        struct layer_entry e, image;
        bool whiteout = false, written = false, there;
        size_t old;

        if (!c || !c->layer)
                return;
        sensor_keep(s, c);
        buf_reset(&s->path);
        buf_put_u8(&s->path, '/');
        buf_put(&s->path, ev->path.p, ev->path.len);
        old = s->path.len;
        buf_put_u8(&s->path, '/');
        buf_put(&s->path, ev->old_path.p, ev->old_path.len);
        if (s->path.err)
                return;
        f->path = bytes_of(s->path.p, old);
        if (ev->old_path.len)
                f->old_path = bytes_of(s->path.p + old, s->path.len - old);
        f->change = change_of(c, f->path, &image);
        f->type = ev->mask & FAN_ONDIR ? DT_DIR : DT_UNKNOWN;
        there = !is_gone(ev, f) && layer_upper_stat(c->layer, f->path, &e) == 0;
        /* What was made in a new directory before it was marked is found by a walk of it. */
        if ((ev->mask & FAN_ONDIR) && (ev->mask & (FAN_CREATE | FAN_MOVED_TO)))
                request(s, c, ev->path, WALK_SUBTREE);
        if (there && f->change == CHANGE_MODIFIED && !e.whiteout && !(ev->mask & FAN_DELETE) && !f->old_path.len &&
            is_copy(&e, &image)) {
                /* Copied up to be opened, or another file that was made to look so. */
                if ((ev->mask & (FAN_CREATE | FAN_MOVED_TO)) && e.type == DT_REG && (e.mode & 0111) &&
                    !layer_upper_is_metadata(c->layer, f->path))
                        (void)!sensor_compare(s, c, f->path, &e, false, ev->pid); /* counted there; walks ask again */
                return;
        }
        if (there) {
                whiteout = e.whiteout;
                if (!(ev->mask & FAN_DELETE))
                        sensor_set_entry(f, &e);
                written = f->change == CHANGE_MODIFIED && e.type == DT_REG && !layer_same_content(&e, &image);
                if (written && !(ev->mask & FAN_DELETE))
                        f->flags |= FILEF_CONTENT;
        }
        if (ev->again && !there)
                return;
        /* Overlayfs has put another one in its place, in one step: that one's event tells. Or it was made anew, as logs
         * are that are moved away: one event for both. */
        if (there && !whiteout && (ev->mask & (FAN_MOVED_FROM | FAN_MOVED_TO | FAN_CREATE)) == FAN_MOVED_FROM)
                return;
        if (is_preparation(c, f))
                return;
        if (f->old_path.len && !written)
                look_into(s, c, f, ev->pid);
        f->ops = (uint16_t)ops_of(ev->mask, f, whiteout, written && c->how != FAN_HOW_FILESYSTEM);
        if (whiteout)
                f->type = DT_UNKNOWN;
        if (f->ops == OP_DELETE && f->change == CHANGE_MODIFIED) {
                f->change = CHANGE_REMOVED;
                f->type = image.type;
        }
        if (is_removal(c, sensor_set_actor(s, f, ev->pid), f, ev->pid))
                return;
        out.container = bytes_str(c->id);
        sensor_send(s, PAIR_FILE, &out, -1);
}

static void on_names_loss(void *arg)
{
        struct sensor *s = arg;

        sensor_lost(s, LOST_NAMES, 0, s->current_ns);
}

/* The walker has told of it before it marked it: that may still wait to be read. */
static void on_names_unknown(void *arg)
{
        struct sensor *s = arg;

        if (walker_drain(s->walker) < 0)
                return; /* its own turn finds it dead, and replaces it */
}

const struct names_ops sensor_names_ops = {
        .before = before_files, .event = on_name, .unknown = on_names_unknown, .loss = on_names_loss};

/* ---- walks ---- */

static void send_walk(struct sensor *s, struct container *c, enum tide_walk_reason reason, bool ended, bool complete,
                      uint64_t entries)
{
        struct tide_event ev = {.kind = TIDE_WALK, .sources = SRC_WALK, .container = bytes_str(c->id)};

        ev.walk.ended = ended;
        ev.walk.complete = complete;
        ev.walk.reason = (uint8_t)reason;
        ev.walk.entries = entries;
        sensor_send(s, PAIR_CONTROL, &ev, -1);
}

/*
 * How many directories a walk may mark: the container's own limit, and the host's. A walk of everything meets those
 * again that are marked already.
 */
static uint32_t marks_left(const struct sensor *s, uint32_t tag, enum tide_walk_reason reason)
{
        uint64_t own = names_source_count(s->names, tag), total = names_source_limit(s->names), used, left;
        struct names_stats st;

        names_source_stats(s->names, &st);
        used = reason == WALK_SUBTREE ? st.dirs : st.dirs - own;
        left = reason == WALK_SUBTREE ? own : 0;
        left = s->cfg->names_per_container > left ? s->cfg->names_per_container - left : 0;
        if (used >= total)
                return 0;
        return (uint32_t)(left < total - used ? left : total - used);
}

static uint32_t on_walk_begin(uint32_t tag, uint64_t reason, enum walk_how how, void *arg)
{
        struct sensor *s = arg;
        struct container *c = containers_by_tag(s->containers, tag);

        s->walk = (struct sensor_walk_under_way){.began_wall_ns = (uint64_t)clock_wall_ns(),
                                                 .refused = s->repair.refused_total,
                                                 .compares_refused = s->compares.refused};
        if (!c || how == WALK_UNMARK) /* it has ended meanwhile: its stop is told, and nothing after that */
                return 0;
        send_walk(s, c, (enum tide_walk_reason)reason, false, false, 0);
        return how == WALK_MARK ? marks_left(s, tag, (enum tide_walk_reason)reason) : 0;
}

static void request(struct sensor *s, struct container *c, struct bytes below, enum tide_walk_reason reason)
{
        _cleanup_close_ int fd = -1;
        int r;

        if (!c->layer || !s->walker)
                return;
        fd = layer_upper_fd(c->layer);
        if (fd < 0)
                return; /* it is going away: its stop event comes */
        r = walker_request(s->walker, c->tag, reason, fd, below, s->names ? WALK_MARK : WALK_LIST,
                           s->cfg->walk_entries);
        if (r == -EDQUOT) /* it makes directories faster than they can be walked */
                r = walker_request(s->walker, c->tag, WALK_LOSS, fd, bytes_of(NULL, 0),
                                   s->names ? WALK_MARK : WALK_LIST, s->cfg->walk_entries);
        if (r < 0) { /* too many at once: one walk of everything later is as good */
                s->repair.walk = true;
                sensor_repair_later(s);
        }
}

void sensor_files_gone(struct sensor *s, struct container *c)
{
        _cleanup_close_ int fd = -1;

        if (!s->names)
                return;
        names_source_forget(s->names, c->tag);
        fd = c->layer && names_source_by(s->names) == NAMES_FANOTIFY ? layer_upper_fd(c->layer) : -1;
        if (fd < 0 ||
            walker_request(s->walker, c->tag, WALK_ROUND, fd, bytes_of(NULL, 0), WALK_UNMARK, s->cfg->walk_entries) < 0)
                return; /* its marks go with the directories */
}

void sensor_walk(struct sensor *s, struct container *c, enum tide_walk_reason reason)
{
        request(s, c, bytes_of(NULL, 0), reason);
}

void sensor_walk_all(struct sensor *s, enum tide_walk_reason reason)
{
        struct container *c;

        for (size_t i = 0; containers_next(s->containers, &i, &c);)
                sensor_walk(s, c, reason);
}

/* A directory is about to be marked: from now on its names can come. */
static void on_walk_dir(uint32_t tag, struct bytes handle, struct bytes path, void *arg)
{
        struct sensor *s = arg;

        if (s->names && names_source_dir(s->names, tag, handle, path) < 0)
                return; /* counted there: this directory is covered by walks only */
}

static void on_walk_unmarked(uint32_t tag, struct bytes handle, void *arg)
{
        struct sensor *s = arg;

        if (s->names)
                names_source_undir(s->names, tag, handle);
}

/* What is only known by looking into it: is there more to say of a file that looks as the image's, and when? */
static bool is_asked(struct sensor *s, struct container *c, const struct walk_entry *e, struct bytes path,
                     const struct layer_entry *now, const struct layer_entry *image)
{
        bool copy = is_copy(now, image);

        if (e->type != DT_REG || image->type != DT_REG || !layer_same_content(now, image) || e->size == 0 ||
            (!copy && !(e->mode & 0111)) || e->ctime_ns + COARSE_NS < c->walked_wall_ns ||
            layer_upper_is_metadata(c->layer, path))
                return false;
        return sensor_compare(s, c, path, now, !copy, 0) == 0;
}

static void on_walk_entry(uint32_t tag, const struct walk_entry *e, void *arg)
{
        struct sensor *s = arg;
        struct container *c = containers_by_tag(s->containers, tag);
        struct tide_event out = {.kind = TIDE_FILE, .sources = SRC_WALK};
        struct tide_file *f = &out.file;
        uint8_t content = 0;
        struct layer_entry image, now = {.type = e->type,
                                         .opaque = e->opaque,
                                         .caps = e->caps,
                                         .mode = e->mode,
                                         .uid = e->uid,
                                         .gid = e->gid,
                                         .size = e->size,
                                         .mtime_ns = e->mtime_ns};

        if (!c || !c->layer)
                return;
        sensor_keep(s, c);
        buf_reset(&s->path);
        buf_put_u8(&s->path, '/');
        buf_put(&s->path, e->path.p, e->path.len);
        if (s->path.err)
                return;
        f->path = buf_bytes(&s->path);
        f->ops = OP_FOUND;
        f->change = change_of(c, f->path, &image);
        if (f->change == CHANGE_MODIFIED && !e->whiteout &&
            (is_asked(s, c, e, f->path, &now, &image) || is_copy(&now, &image)))
                return;
        if (f->change == CHANGE_MODIFIED && e->type == DT_REG && !layer_same_content(&now, &image))
                content = FILEF_CONTENT;
        f->type = e->type;
        if (e->whiteout) {
                f->type = f->change == CHANGE_MODIFIED ? image.type : DT_UNKNOWN;
                f->change = CHANGE_REMOVED;
        }
        f->mode = e->mode;
        f->size = e->size;
        f->ino = e->ino;
        f->mtime_ns = e->mtime_ns;
        f->ctime_ns = e->ctime_ns;
        f->target = e->target;
        f->flags = flags_of(e->opaque, e->caps) | content;
        out.container = bytes_str(c->id);
        sensor_send(s, PAIR_WALK, &out, -1);
}

static void on_walk_end(uint32_t tag, uint64_t cookie, uint64_t entries, bool complete, uint32_t marks_refused,
                        void *arg)
{
        struct sensor *s = arg;
        struct container *c = containers_by_tag(s->containers, tag);

        if (c) {
                c->walks++;
                c->walk_entries += entries;
                c->dirs_refused = marks_refused + (cookie == WALK_SUBTREE ? c->dirs_refused : 0);
                complete = complete && s->walk.refused == s->repair.refused_total &&
                           !c->empty_boot_ns; /* its layer may be half gone */
                send_walk(s, c, (enum tide_walk_reason)cookie, true, complete, entries);
                if (complete && cookie != WALK_SUBTREE && s->walk.compares_refused == s->compares.refused)
                        c->walked_wall_ns = s->walk.began_wall_ns;
                if (!complete && cookie != WALK_SUBTREE)
                        s->repair.walk_incomplete++;
                if (cookie != WALK_SUBTREE && !c->empty_boot_ns)
                        sensor_auditlog_compared(s, c, complete, entries);
                if (c->marked_boot_ns == 0 || cookie != WALK_SUBTREE)
                        sensor_container_covered(s, c);
        }
        if (s->names)
                names_source_round(s->names);
}

const struct walk_ops sensor_walk_ops = {.dir = on_walk_dir,
                                          .unmarked = on_walk_unmarked,
                                          .compared = sensor_on_compared,
                                          .begin = on_walk_begin,
                                          .entry = on_walk_entry,
                                          .end = on_walk_end};
