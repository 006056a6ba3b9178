/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: where runtimes keep what they wrote about a container, and its logs. Must not: believe a path that stands in
 * such a file: places are known by the container's id, the layer's place and the bundle. Hands over: metadata masked,
 * logs as they are.
 */
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/beneath.h"

#define META_MAX (4u * 1024 * 1024)
#define FILES_MAX 64u

/* %R: the runtime's storage, from the layer's path; %I: the id; %B: the bundle. The rest is as in glob(7). */
static const char *const meta_places[] = {
        "%R/containers/%I/config.v2.json", /* docker */
        "%R/containers/%I/hostconfig.json",
        "%R/overlay-containers/%I/userdata/config.json", /* podman, CRI-O */
        "%R/overlay-containers/%I/userdata/state.json",
        "%B/config.json", /* any by runc, crun */
        "/run/runc/%I/state.json",
        "/run/crun/%I/status",
        "/run/crun/%I/config.json",
        "/run/docker/runtime-*/moby/%I/state.json",
        "/run/containerd/runc/*/%I/state.json",
        "/run/containerd/io.containerd.runtime.v2.task/*/%I/config.json",
        NULL,
};
static const char *const log_places[] = {
        "%R/containers/%I/%I-json.log*",              /* docker: json-file */
        "%R/containers/%I/local-logs/container.log*", /* docker: local */
        "%R/overlay-containers/%I/userdata/ctr.log*", /* podman: k8s-file */
        "/var/log/containers/*-%I.log",               /* CRI: a link of the kubelet's to /var/log/pods */
        "/var/lib/nerdctl/*/containers/*/%I/%I-json.log*",
        NULL,
};

/* The place of all layers: what stands before the directory in which overlay's layers are. */
static bool storage(const char *upper, char *dst, size_t size)
{
        static const char *const marks[] = {"/overlay2/", "/overlay/", "/io.containerd.snapshotter"};

        for (size_t i = 0; upper && i < ARRAY_LEN(marks); i++) {
                const char *at = strstr(upper, marks[i]);

                if (at && (size_t)snprintf(dst, size, "%.*s", (int)(at - upper), upper) < size)
                        return true;
        }
        return false;
}

/* What is put in may hold characters that glob(7) would read as its own. */
static void put_plain(struct buf *b, const char *text)
{
        for (; *text; text++) {
                if (strchr("*?[]\\", *text))
                        buf_put_u8(b, '\\');
                buf_put_u8(b, (uint8_t)*text);
        }
}

/* false: something that it needs is not known. */
static bool expand(const struct capture_spec *s, const char *place, struct buf *b)
{
        char root[PATH_MAX];

        for (; *place; place++) {
                if (*place != '%') {
                        buf_put_u8(b, (uint8_t)*place);
                        continue;
                }
                switch (*++place) {
                case 'R':
                        if (!storage(s->upper, root, sizeof(root)))
                                return false;
                        put_plain(b, root);
                        break;
                case 'B':
                        if (!s->bundle)
                                return false;
                        put_plain(b, s->bundle);
                        break;
                default:
                        put_plain(b, s->id);
                }
        }
        return !b->err;
}

/* The storage may be a user's own (rootless): in it no link is followed, or he would choose what we read as root. */
static int open_there(const struct capture_spec *s, const char *path)
{
        _cleanup_close_ int base = -1;
        char root[PATH_MAX];
        size_t len;

        if (!storage(s->upper, root, sizeof(root)))
                root[0] = '\0';
        len = strlen(root);
        if (len == 0 || strncmp(path, root, len) != 0 || path[len] != '/') {
                int at = open(path, O_PATH | O_CLOEXEC);

                return at < 0 ? -errno : at;
        }
        base = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return base < 0 ? -errno : beneath_open(base, bytes_str(path + len), O_PATH, BENEATH_ANY_MOUNT);
}

static int open_regular(const struct capture_spec *s, const char *path, struct stat *ret)
{
        _cleanup_close_ int at = open_there(s, path);

        if (at < 0)
                return at;
        if (fstat(at, ret) < 0 || !S_ISREG(ret->st_mode))
                return -EINVAL;
        return capture_reopen(at);
}

static int meta_file(struct capture_run *r, const char *path, const struct stat *st, int fd)
{
        _cleanup_buf_ struct buf text, masked;
        char member[PATH_MAX + 32], by_fd[64];
        int result;

        (void)st;
        buf_init(&text, META_MAX + 1);
        buf_init(&masked, 2 * META_MAX);
        snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
        result = capture_read(by_fd, META_MAX, &text);
        if (result < 0) {
                capture_note(r->notes, CAPTURE_MISSED, bytes_str(path), "cannot be read", result);
                return 0;
        }
        if (result > 0)
                capture_note(r->notes, CAPTURE_CUT, bytes_str(path), "it is longer", 0);
        capture_mask_json(r, buf_bytes(&text), &masked);
        snprintf(member, sizeof(member), "meta/runtime%s", path);
        return capture_out_text(r->out, member, buf_bytes(&masked));
}

static int log_file(struct capture_run *r, const char *path, const struct stat *st, int fd)
{
        char member[PATH_MAX + 32];
        struct archive_entry *e;
        int result;

        snprintf(member, sizeof(member), "logs%s", path);
        e = capture_entry(bytes_str(member), st);
        if (!e)
                return -ENOMEM;
        result = capture_file_end(r, fd, e, bytes_str(path), r->spec->limits.log_bytes);
        archive_entry_free(e);
        return result;
}

/* Two places may be one file. */
struct seen {
        struct stat st[FILES_MAX];
        unsigned n;
};

static bool is_new(struct seen *s, const struct stat *st)
{
        for (unsigned i = 0; i < s->n; i++)
                if (s->st[i].st_dev == st->st_dev && s->st[i].st_ino == st->st_ino)
                        return false;
        if (s->n == FILES_MAX)
                return false;
        s->st[s->n++] = *st;
        return true;
}

static int one(struct capture_run *r, struct seen *seen, const char *path,
               int (*take)(struct capture_run *r, const char *path, const struct stat *st, int fd))
{
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (strstr(path, "/../"))
                return 0;
        fd = open_regular(r->spec, path, &st);
        if (fd < 0) {
                capture_note(r->notes, fd == -ENOENT ? CAPTURE_VANISHED : CAPTURE_MISSED, bytes_str(path),
                             "cannot be opened", fd);
                return 0;
        }
        return is_new(seen, &st) ? take(r, path, &st, fd) : 0;
}

/* *ret_n: how many files there were. */
static int places(struct capture_run *r, const char *const *list,
                  int (*take)(struct capture_run *r, const char *path, const struct stat *st, int fd), unsigned *ret_n)
{
        struct seen seen = {.n = 0};
        int result = 0;

        for (; result == 0 && *list; list++) {
                _cleanup_buf_ struct buf b;
                glob_t found;

                buf_init(&b, 4 * PATH_MAX);
                if (!expand(r->spec, *list, &b) || glob(buf_cstr(&b), GLOB_NOSORT, NULL, &found) != 0)
                        continue;
                for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
                        result = one(r, &seen, found.gl_pathv[i], take);
                globfree(&found);
        }
        *ret_n = seen.n;
        return result;
}

int capture_meta(struct capture_run *r)
{
        unsigned n;
        int result = places(r, meta_places, meta_file, &n);

        if (result == 0 && n == 0)
                capture_note(r->notes, CAPTURE_TOLD, BYTES_LIT("meta"),
                             "nothing that its runtime wrote about it was found", 0);
        return result;
}

int capture_logs(struct capture_run *r)
{
        unsigned n;
        int result = places(r, log_places, log_file, &n);

        if (result == 0 && n == 0)
                capture_note(r->notes, CAPTURE_TOLD, BYTES_LIT("logs"),
                             "no file was found: another driver of its runtime (journald, a remote one) has them", 0);
        return result;
}
