/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: finding the file of the host that a container has as its /etc/resolv.conf, and seeing that it was changed. Must
 * not: open it, or walk through the container's root (whose file system may be one that does not answer). Hands over: a
 * path, whenever what says which name servers the container may ask is to be read (again).
 *
 * It is read when the container begins, and again when it, or what vouches for it (parse/resolvers), is not as it was:
 * looked at by stat(2) when a query leaves the container's namespace, before that is passed on, and on the slow round.
 *
 * Runtimes mount a file of theirs there (moby: the container's directory; podman, CRI-O: below the run root, that of
 * whoever owns the network; containerd: the sandbox's directory). The container's mountinfo says which file of which
 * file system, ours where we have that.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sensor-priv.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/log.h"
#include "tidemark/map.h"
#include "tidemark/procfs.h"
#include "tidemark/rate.h"

#define MOD "sensor"

#define MOUNTINFO_MAX (256u * 1024)
#define MOUNT_TEXT_MAX (64u * 1024)
#define RESOLV_PATH 1024u
#define AGAIN_NS (100 * NSEC_PER_MSEC) /* between two readings of one container's, in the long run */
#define AGAIN_BURST 10u

const char *const sensor_resolv_hosts[2] = {"/run/systemd/resolve", "/etc"};

/* What was passed on of a container's. */
struct resolv_seen {
        uint64_t state; /* digest of what stat(2) said of the files */
        struct rate rate;
        char *record;     /* the runtime's, that says which networks it is connected to; NULL: it keeps none */
        char base[RESOLV_PATH];
        const char *file; /* within base; NULL: not found */
};

/* Kept on disk or in memory by this kernel alone: opening a file there does not wait for anybody else. */
static bool answers(struct bytes fstype)
{
        static const char *const local[] = {"tmpfs", "ext4", "xfs", "btrfs", "overlay", "ext3", "ext2", "f2fs", "zfs"};

        for (size_t i = 0; i < ARRAY_LEN(local); i++)
                if (bytes_eq(fstype, bytes_str(local[i])))
                        return true;
        return false;
}

/* Where we see it: the mount point, and what of path lies behind the directory that is mounted there. */
static int join(const struct procfs_mount *m, struct bytes path, char base[RESOLV_PATH], const char **ret_file)
{
        uint32_t skip = m->root.len > 1 ? m->root.len : 0, point = m->point.len > 1 ? m->point.len : 0;
        uint32_t len = path.len - skip;
        char *slash;

        if (point + len >= RESOLV_PATH)
                return -ENAMETOOLONG;
        memcpy(base, m->point.p, point);
        memcpy(base + point, path.p + skip, len);
        base[point + len] = '\0';
        slash = strrchr(base, '/');
        if (strlen(base) != point + len || !slash || slash == base)
                return -ENOENT;
        *slash = '\0';
        *ret_file = slash + 1;
        return 0;
}

static int read_mounts(uint32_t pid, struct buf *text)
{
        int r = procfs_read(pid, "mountinfo", text);

        return r < 0 && text->len == 0 ? r : 0; /* what did not fit is missing */
}

static int find(const struct container *c, char base[RESOLV_PATH], const char **ret_file)
{
        _cleanup_buf_ struct buf text, theirs, ours;
        struct procfs_mount there, here;
        int r;

        buf_init(&text, MOUNTINFO_MAX);
        buf_init(&theirs, MOUNT_TEXT_MAX);
        buf_init(&ours, MOUNT_TEXT_MAX);
        r = read_mounts(c->init_pid, &text);
        if (r == 0)
                r = procfs_parse_mount_at(buf_bytes(&text), BYTES_LIT("/etc/resolv.conf"), &theirs, &there);
        if (r == 0)
                r = read_mounts((uint32_t)getpid(), &text);
        if (r == 0)
                r = procfs_parse_mount_of(buf_bytes(&text), there.dev_major, there.dev_minor, there.root, &ours, &here);
        if (r < 0)
                return r;
        return answers(here.fstype) ? join(&here, there.root, base, ret_file) : -EOPNOTSUPP;
}

/* ---- is it as it was? ---- */

static void mix(uint64_t *h, uint64_t v)
{
        for (unsigned i = 0; i < 8; i++)
                *h = (*h ^ (v >> (8 * i) & 255)) * UINT64_C(0x100000001b3); /* FNV-1a */
}

static void mix_file(uint64_t *h, const char *base, const char *file)
{
        char path[PATH_MAX];
        struct stat st;

        snprintf(path, sizeof(path), "%s%s%s", base, file ? "/" : "", file ? file : "");
        if (lstat(path, &st) < 0) {
                mix(h, (uint64_t)errno);
                return;
        }
        mix(h, st.st_dev);
        mix(h, st.st_ino);
        mix(h, (uint64_t)st.st_size);
        mix(h, (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec);
        mix(h, (uint64_t)st.st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_ctim.tv_nsec);
}

static uint64_t state_of(const struct resolv_seen *r)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < ARRAY_LEN(sensor_resolv_hosts); i++)
                mix_file(&h, sensor_resolv_hosts[i], "resolv.conf");
        if (r->record)
                mix_file(&h, r->record, NULL);
        if (r->file)
                mix_file(&h, r->base, r->file);
        return h;
}

static char *record_of(const struct container *c)
{
        char path[PATH_MAX];

        if (strcmp(c->runtime, "docker") != 0 || !c->rootdir)
                return NULL;
        snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", c->rootdir, c->id);
        return strdup(path);
}

static void seen_free(void *p)
{
        struct resolv_seen *r = p;

        free(r->record);
        free(r);
}

static struct resolv_seen *seen_of(struct sensor *s, const struct container *c)
{
        struct resolv_seen *r = map_get(s->resolvs, bytes_str(c->id));

        if (r)
                return r;
        r = calloc(1, sizeof(*r));
        if (!r)
                return NULL;
        r->rate = (struct rate){.interval_ns = AGAIN_NS, .burst = AGAIN_BURST};
        r->record = record_of(c);
        if (map_put(s->resolvs, bytes_str(c->id), r) < 0) {
                seen_free(r);
                return NULL;
        }
        return r;
}

void sensor_resolv_send(struct sensor *s, struct container *c)
{
        struct resolv_seen *r = seen_of(s, c);

        if (!r) { /* no memory: as if there were none */
                sensor_meta_resolv(s, c, NULL, NULL);
                return;
        }
        if (find(c, r->base, &r->file) < 0)
                r->file = NULL;
        r->state = state_of(r); /* before it is opened: what is written meanwhile is seen the next time */
        sensor_meta_resolv(s, c, r->file ? r->base : NULL, r->file);
}

static void look(struct sensor *s, struct container *c, struct resolv_seen *r)
{
        uint64_t state = state_of(r);

        if (state == r->state || !rate_pass(&r->rate, loop_now(s->loop), NULL))
                return;
        r->state = state;
        sensor_meta_resolv(s, c, r->file ? r->base : NULL, r->file);
}

void sensor_resolv_query(struct sensor *s, uint64_t netns)
{
        struct container *c;

        for (size_t i = 0; containers_next(s->containers, &i, &c);) {
                struct resolv_seen *r = c->netns == netns ? map_get(s->resolvs, bytes_str(c->id)) : NULL;

                if (r)
                        look(s, c, r);
        }
}

void sensor_resolv_round(struct sensor *s)
{
        struct container *c;

        for (size_t i = 0; containers_next(s->containers, &i, &c);) {
                struct resolv_seen *r = map_get(s->resolvs, bytes_str(c->id));

                if (r && r->file)
                        look(s, c, r);
                else
                        sensor_resolv_send(s, c);
        }
}

void sensor_resolv_gone(struct sensor *s, const struct container *c)
{
        if (s->resolvs && map_del(s->resolvs, bytes_str(c->id)) < 0)
                return; /* nothing was kept of it */
}

int sensor_resolv_start(struct sensor *s)
{
        int r = map_new(s->cfg->max_containers, map_seed_random(), seen_free, &s->resolvs);

        if (r < 0)
                log_error(MOD, "containers' name servers cannot be looked after: %s", err_str(r));
        return r;
}

void sensor_resolv_stop(struct sensor *s)
{
        s->resolvs = map_free(s->resolvs);
}
