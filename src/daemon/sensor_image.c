/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of an image, for the engine's worker: a helper of low priority walks the layers of a container that has the
 * image, opens what can be run, loaded, or lists packages, and passes the descriptors into the socket that the engine
 * sent along. One image at a time.
 *
 * Owns: the helper and its deadline. Must not: read one byte of a file (the worker does), or open what is not a regular
 * file. Hands over: messages of imagefile.h; nothing of it passes this process's loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/beneath.h"
#include "tidemark/caps.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/helper.h"
#include "tidemark/imagefile.h"
#include "tidemark/imagetree.h"
#include "tidemark/log.h"
#include "tidemark/passfd.h"

#define MOD "images"
#define ENTRIES_MAX 2000000u
#define WAITING_MAX 200000u
#define GRACE_NS (30 * NSEC_PER_SEC) /* beyond the engine's own deadline */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13) /* class idle: ioprio_set(2) */

struct sensor_image {
        pid_t pid;
        int fd; /* -1: no helper runs */
        struct loop_src *src;
        struct loop_timer *deadline;
        struct helper_stuck stuck;
        uint64_t asked, refused, late;
};

/* ---- in the helper ---- */

struct opener {
        int sock;
        const char *const *lower;
        unsigned n;
};

static int send_msg(const struct opener *o, const struct image_msg *m, int fd)
{
        _cleanup_buf_ struct buf b;

        buf_init(&b, IMAGE_MSG_MAX);
        image_msg_put(&b, m);
        if (b.err)
                return b.err == ERR_LIMIT ? 0 : b.err;
        return passfd_send(o->sock, b.p, b.len, &fd, fd >= 0 ? 1 : 0, 0);
}

static struct bytes absolute(struct bytes path, char dst[IMAGE_PATH_MAX])
{
        int n = snprintf(dst, IMAGE_PATH_MAX, "/%.*s", (int)path.len, (const char *)path.p);

        return bytes_of(dst, (size_t)n < IMAGE_PATH_MAX ? (size_t)n : IMAGE_PATH_MAX - 1);
}

static int tell_link(const struct opener *o, const struct imagetree_entry *e)
{
        char path[IMAGE_PATH_MAX], text[IMAGE_PATH_MAX];
        ssize_t n = readlinkat(e->dir, e->name, text, sizeof(text));
        struct image_msg m = {.kind = IMAGE_MSG_LINK, .layer = (uint16_t)e->layer};

        if (n <= 0 || (size_t)n >= sizeof(text))
                return 0;
        m.path = absolute(e->path, path);
        m.text = bytes_of(text, (size_t)n);
        return send_msg(o, &m, -1);
}

/* Looked at before it is opened for reading: not even for a moment anything but a regular file. */
static int open_file(const struct imagetree_entry *e, uint8_t *ret_caps)
{
        _cleanup_close_ int at = beneath_open(e->dir, bytes_str(e->name), O_PATH, BENEATH_ONE_MOUNT);
        char link[64];
        struct stat st;
        int fd;

        if (at < 0)
                return at;
        if (fstat(at, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != e->st.st_ino)
                return -ESTALE;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
        fd = open(link, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_caps = fgetxattr(fd, "security.capability", NULL, 0) > 0;
        return fd;
}

static int on_entry(const struct imagetree_entry *e, void *arg)
{
        const struct opener *o = arg;
        struct image_msg m = {.kind = IMAGE_MSG_FILE, .layer = (uint16_t)e->layer, .mode = e->st.st_mode};
        char path[IMAGE_PATH_MAX];
        int fd, r;

        if (S_ISLNK(e->st.st_mode))
                return tell_link(o, e);
        m.role = (uint8_t)image_role(e->path, e->st.st_mode);
        if (m.role == IMAGE_NONE)
                return 0;
        m.uid = e->st.st_uid;
        m.gid = e->st.st_gid;
        m.size = (uint64_t)e->st.st_size;
        m.path = absolute(e->path, path);
        fd = open_file(e, &m.caps);
        m.error = fd < 0 ? fd : 0;
        r = send_msg(o, &m, fd);
        if (fd >= 0)
                close(fd);
        return r;
}

static void on_note(const char *words, void *arg)
{
        struct image_msg m = {.kind = IMAGE_MSG_NOTE, .text = bytes_str(words)};

        if (send_msg(arg, &m, -1) < 0)
                return; /* the worker is gone: the next file tells */
}

static int send_end(const struct opener *o, const struct imagetree_stats *st)
{
        struct image_msg m = {.kind = IMAGE_MSG_END, .entries = st->entries, .complete = st->complete};

        return send_msg(o, &m, -1);
}

static int open_image(int fd, void *arg)
{
        static const struct imagetree_limits limits = {.entries = ENTRIES_MAX, .waiting = WAITING_MAX};
        static const struct imagetree_ops ops = {.entry = on_entry, .note = on_note};
        struct imagetree_stats st = {0};
        struct opener *o = arg;
        size_t n;
        const struct caps_need *needs = caps_opener(&n);
        int r = caps_reduce(needs, n);

        (void)fd; /* its end tells that this process has ended */
        if (r < 0)
                return r;
        setpriority(PRIO_PROCESS, 0, 19);
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
        r = imagetree_walk(o->lower, o->n, &limits, &ops, o, &st);
        if (r == -ENOENT)
                st.entries = 0;
        else if (r < 0)
                return r; /* the worker sees that there is no end */
        return send_end(o, &st);
}

/* ---- in the sensor ---- */

static void rest(struct sensor_image *im)
{
        im->src = loop_src_del(im->src);
        loop_timer_stop(im->deadline);
        if (im->fd >= 0)
                close(im->fd);
        im->fd = -1;
}

/* It says nothing but that it ends. */
static int on_helper(struct loop_src *src, int fd, short revents, void *arg)
{
        struct sensor *s = arg;

        (void)src, (void)fd, (void)revents;
        rest(s->image);
        helper_end(&s->image->pid); /* its descriptors are closed: nothing can hold it up any more */
        helper_reap(&s->image->stuck);
        return LOOP_DONE;
}

static void on_late(struct loop_timer *t, void *arg)
{
        struct sensor *s = arg;

        (void)t;
        log_warn(MOD, "opening the files of an image takes too long: given up");
        s->image->late++;
        rest(s->image);
        helper_leave(&s->image->stuck, &s->image->pid);
}

static void refuse(struct sensor *s, int sock, const char *why)
{
        struct opener o = {.sock = sock};

        s->image->refused++;
        on_note(why, &o); /* into a socket that nobody has filled yet */
}

static bool is_our_socket(int fd)
{
        int domain = 0, type = 0;
        socklen_t len = sizeof(int), tlen = sizeof(int);

        return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
               getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &tlen) == 0 && domain == AF_UNIX && type == SOCK_SEQPACKET;
}

static int start(struct sensor *s, const struct container *c, int sock)
{
        const char *lower[IMAGETREE_LAYERS];
        struct opener o = {.sock = sock, .lower = lower};
        struct sensor_image *im = s->image;
        size_t unknown;
        int r;

        o.n = (unsigned)layer_lower(c->layer, lower, IMAGETREE_LAYERS, &unknown);
        if (unknown)
                on_note("some of its layers have no path by which they can be opened", &o);
        r = helper_start("tidemark-open", HELPER_HAS_TIME, open_image, &o, &sock, 1, &im->fd, &im->pid);
        if (r == 0)
                r = loop_add(s->loop, im->fd, POLLIN, LOOP_WORK, "image opener", on_helper, s, &im->src);
        if (r == 0)
                loop_timer_set(im->deadline, loop_now(s->loop) + s->cfg->image_deadline_ns + GRACE_NS);
        return r;
}

void sensor_image_open(struct sensor *s, const struct tide_event *ask, int sock)
{
        struct container *c = containers_by_id(s->containers, ask->container);
        struct sensor_image *im = s->image;
        int r;

        if (!is_our_socket(sock)) {
                im->refused++;
                return;
        }
        im->asked++;
        if (im->fd >= 0) { /* of an image whose worker has ended: the engine asks for one at a time */
                rest(im);
                helper_leave(&im->stuck, &im->pid);
        }
        if (!c)
                refuse(s, sock, "its container had ended before its layers could be opened");
        else if (!c->layer)
                refuse(s, sock, "its layers are not known: the container's root is no overlay");
        else if (helper_reap(&im->stuck) == HELPER_STUCK)
                refuse(s, sock, "too many helpers hang in the layers of other images");
        else if ((r = start(s, c, sock)) < 0)
                refuse(s, sock, err_str(r));
}

int sensor_image_start(struct sensor *s)
{
        s->image = calloc(1, sizeof(*s->image));
        if (!s->image)
                return -ENOMEM;
        s->image->fd = -1;
        return loop_timer_new(s->loop, on_late, s, &s->image->deadline);
}

void sensor_image_stop(struct sensor *s)
{
        if (!s->image)
                return;
        rest(s->image);
        helper_leave(&s->image->stuck, &s->image->pid);
        loop_timer_free(s->image->deadline);
        free(s->image);
        s->image = NULL;
}

void sensor_image_stats(const struct sensor *s, struct sensor_image_stats *ret)
{
        *ret = (struct sensor_image_stats){
                .asked = s->image->asked, .refused = s->image->refused, .late = s->image->late};
}
