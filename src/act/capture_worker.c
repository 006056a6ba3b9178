/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The helper that captures: it blocks as it likes.
 *
 * Owns: the order of the parts, the time, the end of the archive. Must not: go on with a part when the time is over, or
 * leave a file that is not whole. Hands over: two words at most to the sensor, of the volatile part and of the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/mask.h"

/* linux/ioprio.h has no header for programs: class idle, of this process */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13)
#define MANIFEST_MAX (64u * 1024 * 1024)

/* ---- talking ---- */

static int tell(struct capture_run *r, const struct capture_told *t)
{
        return send(r->sock, t, sizeof(*t), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* What the sensor has said meanwhile. 1: go on was among it; -EPIPE: it is gone. */
static int listen_to(struct capture_run *r, int flags)
{
        struct capture_word w;
        int go_on = 0;

        for (;;) {
                ssize_t n = recv(r->sock, &w, sizeof(w), flags);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? go_on : -errno;
                if (n != (ssize_t)sizeof(w))
                        return -EPIPE;
                if (w.contained_boot_ns && !r->contained_ns)
                        r->contained_ns = w.contained_boot_ns;
                go_on |= w.go_on;
                if (go_on)
                        flags = MSG_DONTWAIT;
        }
}

/* ---- the parts ---- */

static int volatile_part(struct capture_run *r, struct capture_hoard *h)
{
        struct capture_told t = {.last = false};
        struct capture_conntrack ct = {.fd = -1};
        struct capture_freeze f = {.guard = 0};
        int result;

        capture_notes_begin(r->notes, CAPTURE_VOLATILE);
        if (r->spec->init_pid && !capture_is(r->spec->init_pid, r->spec->init_start)) {
                r->died = true;
                capture_note(r->notes, CAPTURE_VANISHED, BYTES_LIT("volatile"), "the container had ended", 0);
        }
        if (r->spec->init_pid && !r->died)
                capture_conntrack_start(r, &ct); /* before the capability for it is given up */
        if (r->spec->confine && r->spec->confine() < 0)
                return -EPERM;
        if (r->spec->flags & CAPTURE_FREEZE)
                capture_freeze(r, &f);
        result = r->spec->init_pid && !r->died ? capture_procs_read(r, h) : 0;
        capture_conntrack_collect(r, &ct, h);
        capture_thaw(r, &f);
        capture_notes_end(r->notes, CAPTURE_VOLATILE);
        r->vol.ns = clock_boot_ns() - r->began_ns;
        r->vol.missed = (uint32_t)capture_notes_count(r->notes, CAPTURE_MISSED);
        capture_notes_first(r->notes, r->vol.first, sizeof(r->vol.first));
        t.vol = r->vol;
        return result < 0 ? result : tell(r, &t);
}

/* The rest has time. */
static void become_idle(void)
{
        setpriority(PRIO_PROCESS, 0, 19);
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
}

static int hold(struct capture_run *r)
{
        uint64_t from = clock_boot_ns();
        int n;

        if (!(r->spec->flags & CAPTURE_HOLD))
                return 0;
        n = listen_to(r, 0);
        r->end_ns += clock_boot_ns() - from;
        return n < 0 ? n : 0;
}

static int part(struct capture_run *r, enum capture_part which, const char *name, int (*take)(struct capture_run *r))
{
        int result = 0;

        listen_to(r, MSG_DONTWAIT);
        capture_notes_begin(r->notes, which);
        if (capture_late(r))
                capture_note(r->notes, CAPTURE_MISSED, bytes_str(name), "the time for the whole was over", 0);
        else
                result = take(r);
        capture_notes_end(r->notes, which);
        return result;
}

static int texts(struct capture_run *r)
{
        char path[CAPTURE_PATH];
        int result = 0;

        for (size_t i = 0; result == 0 && i < r->spec->ntexts; i++) {
                snprintf(path, sizeof(path), "meta/%s", r->spec->texts[i].name);
                result = capture_out_text(r->out, path, r->spec->texts[i].text);
        }
        return result;
}

static int meta_part(struct capture_run *r)
{
        int result = texts(r);

        return result < 0 || !(r->spec->flags & CAPTURE_META) ? result : capture_meta(r);
}

static int all_parts(struct capture_run *r)
{
        _cleanup_(capture_hoard_freep) struct capture_hoard *h = NULL;
        uint32_t flags = r->spec->flags;
        int result = capture_hoard_new(&h);

        if (result == 0)
                result = capture_reader_new(r);
        if (result == 0)
                result = volatile_part(r, h);
        become_idle();
        if (result == 0)
                result = hold(r);
        if (result == 0)
                result = capture_hoard_write(h, r);
        capture_reader_free(r);
        h = capture_hoard_free(h); /* with it the descriptors that keep deleted files */
        if (result == 0)
                result = part(r, CAPTURE_RUNTIME, "meta", meta_part);
        if (result == 0 && (flags & CAPTURE_LOGS))
                result = part(r, CAPTURE_LOG, "logs", capture_logs);
        if (result == 0 && (flags & CAPTURE_LAYER))
                result = part(r, CAPTURE_LAYERS, "layer", capture_layer);
        return result;
}

/* ---- the end ---- */

static int finish(struct capture_run *r, const struct capture_child *c, struct capture_summary *s)
{
        _cleanup_buf_ struct buf manifest;
        char sha[CAPTURE_HASH];
        uint64_t size;
        int dir, result = capture_out_list(r->out, sha, &size);

        listen_to(r, MSG_DONTWAIT);
        if (r->spec->init_pid && !r->died)
                r->died = !capture_is(r->spec->init_pid, r->spec->init_start);
        buf_init(&manifest, MANIFEST_MAX);
        if (result == 0)
                result = capture_manifest(r, sha, size, &manifest);
        if (result == 0)
                result = capture_out_finish(r->out, buf_bytes(&manifest), s);
        if (result < 0)
                return result;
        if (rename(c->partial, c->path) < 0)
                return -errno;
        dir = open(r->spec->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* the name is on the disk with its directory */
        if (dir < 0 || fsync(dir) < 0) {
                result = -errno;
                unlink(c->path); /* nobody vouches for it */
        }
        if (dir >= 0)
                close(dir);
        return result;
}

static void count(const struct capture_run *r, struct capture_summary *s)
{
        snprintf(s->file, sizeof(s->file), "%s%s", r->spec->file, capture_ending());
        s->masked = r->masked;
        s->cut = capture_notes_count(r->notes, CAPTURE_CUT);
        s->vanished = capture_notes_count(r->notes, CAPTURE_VANISHED);
        s->missed = capture_notes_count(r->notes, CAPTURE_MISSED);
        s->changed = capture_notes_count(r->notes, CAPTURE_CHANGED);
        s->refused = capture_notes_count(r->notes, CAPTURE_REFUSED);
        s->died = r->died;
        s->vol = r->vol;
}

static int patterns(struct capture_run *r)
{
        int result = mask_new(&r->mask);

        for (size_t i = 0; result == 0 && i < r->spec->npatterns; i++)
                result = mask_add(r->mask, r->spec->patterns[i]);
        return result;
}

static int work(struct capture_run *r, const struct capture_child *c, struct capture_summary *s)
{
        int result = capture_notes_new(&r->notes);

        if (result == 0)
                result = patterns(r);
        if (result < 0) {
                snprintf(s->words, sizeof(s->words), "the patterns of secrets: %s", err_str(result));
                return result;
        }
        result = capture_out_open(c->partial, &r->out);
        if (result < 0) {
                snprintf(s->words, sizeof(s->words), "%s%s cannot be made in the evidence directory: %s", r->spec->file,
                         capture_ending(), err_str(result));
                return result;
        }
        result = all_parts(r);
        if (result == 0)
                result = finish(r, c, s);
        if (result < 0)
                snprintf(s->words, sizeof(s->words), "%s",
                         capture_out_why(r->out)[0] ? capture_out_why(r->out) : err_str(result));
        count(r, s);
        return result;
}

int capture_child(int fd, void *arg)
{
        const struct capture_child *c = arg;
        struct capture_run r = {.spec = c->spec, .sock = fd, .contained_ns = c->spec->contained_boot_ns};
        struct capture_told t = {.last = true};

        r.began_ns = clock_boot_ns();
        r.volatile_end_ns = r.began_ns + r.spec->limits.volatile_ns;
        r.end_ns = r.began_ns + r.spec->limits.total_ns;
        t.error = work(&r, c, &t.sum);
        if (t.error && r.out) /* what stood there before is not ours */
                unlink(c->partial);
        capture_out_free(r.out);
        capture_notes_free(r.notes);
        mask_free(r.mask);
        return tell(&r, &t);
}
