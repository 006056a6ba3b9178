/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * container_find - is this process in a container, and what is known of that? From /proc, cgroup and mountinfo alone.
 *
 * A container can make cgroups with any name, below its own: only the outermost id counts, and only for a task that
 * shares a namespace with that container's init. Hands over: an entry in the table of container.c.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "container-priv.h"
#include "container_table-priv.h"
#include "procfs-priv.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/procfs.h"

#define CGROUP_MAX (64u * 1024)
#define MOUNTINFO_MAX (1u << 20)
#define CMDLINE_MAX (32u * 1024)
#define ANCESTORS 6 /* from a container's init up to its monitor */

static int gone(int err)
{
        return err == -ENOENT ? -ESRCH : err;
}

static int root_mount(uint32_t pid, struct buf *text, struct buf *scratch, struct procfs_mount *ret)
{
        int r = procfs_read(pid, "mountinfo", text);

        if (r < 0 && r != ERR_LIMIT)
                return gone(r);
        return procfs_parse_root_mount(buf_bytes(text), scratch, ret);
}

int containers_find_host(struct containers *cs)
{
        _cleanup_buf_ struct buf text;
        _cleanup_buf_ struct buf scratch;
        struct procfs_status st;
        struct procfs_mount m;
        uint32_t self = (uint32_t)getpid();
        int r;

        buf_init(&text, MOUNTINFO_MAX);
        buf_init(&scratch, MOUNTINFO_MAX);
        if (procfs_ns(1, "mnt", &cs->host_mntns) < 0)
                cs->host_mntns = 0;
        r = procfs_ns(self, "mnt", &cs->own_mntns);
        if (r == 0)
                r = procfs_ns(self, "pid", &cs->own_pidns);
        if (r == 0)
                r = procfs_status(self, &st);
        if (r < 0)
                return r;
        cs->own_depth = st.nspid_count;
        if (root_mount(self, &text, &scratch, &m) < 0)
                return 0; /* in a chroot: no mount of our own root to compare with; namespaces tell the host apart */
        cs->host_dev = makedev(m.dev_major, m.dev_minor);
        cs->host_root = bytes_dup(m.root);
        return cs->host_root ? 0 : -ENOMEM;
}

struct bytes container_rootdir(struct bytes upper)
{
        static const char *const stores[] = {"overlay", "overlay2", "snapshots"};
        struct bytes part[3] = {{0}}, left = upper;

        /* the last three components: store, layer, "diff" or "fs" */
        for (int i = 2; i >= 0; i--) {
                int slash = bytes_rfind(left, '/');

                if (slash < 0)
                        return bytes_of("", 0);
                part[i] = bytes_of(left.p + slash + 1, left.len - (uint32_t)slash - 1);
                left.len = (uint32_t)slash;
        }
        if (!bytes_eq(part[2], BYTES_LIT("diff")) && !bytes_eq(part[2], BYTES_LIT("fs")))
                return bytes_of("", 0);
        for (size_t i = 0; i < ARRAY_LEN(stores); i++)
                if (bytes_eq(part[0], bytes_str(stores[i])))
                        return left.len ? left : BYTES_LIT("/");
        return bytes_of("", 0);
}

struct bytes container_docker_root(struct bytes rootdir)
{
        static const struct bytes snapshotter = BYTES_LIT("/io.containerd.snapshotter.v1.overlayfs"),
                                  own = BYTES_LIT("/containerd/daemon");

        if (!bytes_has_suffix(rootdir, snapshotter))
                return rootdir;
        rootdir.len -= snapshotter.len;
        if (!bytes_has_suffix(rootdir, own))
                return BYTES_LIT("/var/lib/docker"); /* the host's containerd: no path tells another data-root */
        rootdir.len -= own.len;
        return rootdir;
}

static struct bytes base_name(struct bytes path)
{
        int slash = bytes_rfind(path, '/');

        return slash < 0 ? path : bytes_of(path.p + slash + 1, path.len - (uint32_t)slash - 1);
}

const char *container_runtime(const char *by_cgroup, struct bytes bundle)
{
        static const struct {
                struct bytes part;
                const char *runtime;
        } rows[] = {{BYTES_LIT(".runtime.v2.task/moby/"), "docker"},
                    {BYTES_LIT(".runtime.v1.linux/moby/"), "docker"},
                    {BYTES_LIT(".runtime.v2.task/"), "containerd"},
                    {BYTES_LIT(".runtime.v1.linux/"), "containerd"},
                    {BYTES_LIT("/overlay-containers/"), "podman"}};

        /* below kubepods a bare id may be either's */
        if (strcmp(by_cgroup, "unknown") != 0 && strcmp(by_cgroup, "containerd") != 0)
                return by_cgroup;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (bundle.len && memmem(bundle.p, bundle.len, rows[i].part.p, rows[i].part.len))
                        return rows[i].runtime;
        return by_cgroup;
}

/* The value of an option given as "-b X", "--bundle X" or "--bundle=X". */
static struct bytes option(struct bytes cmdline, struct bytes brief, struct bytes full)
{
        struct bytes arg, value;

        while (procfs_take_field(&cmdline, 0, &arg)) {
                if (bytes_eq(arg, brief) || bytes_eq(arg, full))
                        return procfs_take_field(&cmdline, 0, &value) ? value : bytes_of("", 0);
                if (bytes_has_prefix(arg, full) && arg.len > full.len && arg.p[full.len] == '=')
                        return bytes_of(arg.p + full.len + 1, arg.len - full.len - 1);
        }
        return bytes_of("", 0);
}

int container_bundle(struct bytes cmdline, struct bytes cwd, struct bytes id, struct buf *out)
{
        struct bytes left = cmdline, name, value;

        buf_reset(out);
        if (!procfs_take_field(&left, 0, &name))
                return -ENOENT;
        name = base_name(name);
        if (bytes_eq(name, BYTES_LIT("conmon"))) {
                if (!bytes_eq(option(left, BYTES_LIT("-c"), BYTES_LIT("--cid")), id))
                        return -ENOENT;
                value = option(left, BYTES_LIT("-b"), BYTES_LIT("--bundle"));
                if (value.len == 0 || value.p[0] != '/')
                        return -ENOENT;
                buf_put(out, value.p, value.len);
                return out->err;
        }
        if (!bytes_has_prefix(name, BYTES_LIT("containerd-shim")) &&
            !bytes_has_prefix(name, BYTES_LIT("docker-containe")))
                return -ENOENT;
        /* One shim may serve a whole pod: its bundles lie side by side, and its own directory is one of them. */
        value = option(left, BYTES_LIT("-workdir"), BYTES_LIT("--workdir"));
        if (value.len == 0 || value.p[0] != '/')
                value = cwd;
        if (value.len == 0 || value.p[0] != '/' || base_name(value).len != id.len)
                return -ENOENT;
        buf_put(out, value.p, value.len - id.len);
        buf_put(out, id.p, id.len);
        return out->err;
}

/*
 * Only a monitor of the host's own, and of root's, is asked: reading arguments waits for the process's memory, and what
 * runs in some container (a runtime within it), or any user of the host, could hold that for ever.
 */
static char *find_bundle(const struct containers *cs, uint32_t init, struct bytes id)
{
        _cleanup_buf_ struct buf cmdline, cwd, bundle;
        struct procfs_status who;
        struct procfs_stat st;
        uint32_t pid = init;
        uint64_t pidns;
        int r;

        buf_init(&cmdline, CMDLINE_MAX);
        buf_init(&cwd, PATH_MAX);
        buf_init(&bundle, PATH_MAX);
        for (int i = 0; i < ANCESTORS; i++) {
                if (procfs_stat(pid, &st) < 0 || st.ppid <= 1)
                        return NULL;
                pid = st.ppid;
                if (procfs_ns(pid, "pid", &pidns) < 0 || pidns != cs->own_pidns)
                        return NULL;
                if (procfs_status(pid, &who) < 0 || who.uid != 0 || who.euid != 0)
                        continue;
                r = procfs_read(pid, "cmdline", &cmdline);
                if (r < 0 && r != ERR_LIMIT)
                        return NULL;
                if (procfs_link(pid, "cwd", &cwd) < 0)
                        buf_reset(&cwd);
                if (container_bundle(buf_bytes(&cmdline), buf_bytes(&cwd), id, &bundle) == 0)
                        return bytes_dup(buf_bytes(&bundle));
        }
        return NULL;
}

/* ---- which process is its init ---- */

struct init_search {
        const struct containers *cs;
        const struct container *c;
        struct buf *text;
        uint32_t best;
        uint64_t best_start;
        bool exact;
};

/* First in a pid namespace below ours; kernels before 4.1 do not tell. */
static bool is_init(const struct containers *cs, const struct procfs_status *st)
{
        return cs->nspid && cs->own_depth && st->nspid_count > cs->own_depth && st->nspid_last == 1;
}

static int try_init(uint32_t pid, void *arg)
{
        struct init_search *s = arg;
        struct procfs_cgroup cg;
        struct procfs_status status;
        struct procfs_stat st;
        uint64_t mntns;
        bool exact;

        if (s->exact || procfs_ns(pid, "mnt", &mntns) < 0 || mntns != s->c->mntns)
                return 0;
        if (procfs_read(pid, "cgroup", s->text) < 0 || procfs_parse_cgroup(buf_bytes(s->text), &cg) < 0 ||
            !bytes_eq(cg.id, bytes_str(s->c->id)))
                return 0;
        if (procfs_status(pid, &status) < 0 || procfs_stat(pid, &st) < 0)
                return 0;
        exact = is_init(s->cs, &status);
        if (!exact && s->best && st.start >= s->best_start)
                return 0;
        s->best = pid;
        s->best_start = st.start;
        s->exact = exact;
        return 0;
}

/* The task that was met first may not be the init: then all of the host's are asked, once per container. */
static int find_init(const struct containers *cs, uint32_t pid, struct container *c, struct buf *text)
{
        struct procfs_status status;
        struct procfs_stat st;
        struct init_search s = {.cs = cs, .c = c, .text = text};
        int r = procfs_status(pid, &status);

        if (r == 0)
                r = procfs_stat(pid, &st);
        if (r < 0)
                return gone(r);
        if (is_init(cs, &status)) {
                c->init_pid = pid;
                c->init_start = st.start;
                return 0;
        }
        r = procfs_each(try_init, &s);
        if (r < 0)
                return r;
        c->init_pid = s.best ? s.best : pid;
        c->init_start = s.best ? s.best_start : st.start;
        return 0;
}

/* ---- registration ---- */

struct task {
        uint32_t pid;
        uint64_t mntns, pidns;
        struct procfs_cgroup cg;
};

static int read_task(uint32_t pid, struct buf *text, struct task *t)
{
        int r;

        t->pid = pid;
        r = procfs_read(pid, "cgroup", text);
        if (r < 0 && r != ERR_LIMIT)
                return gone(r);
        r = procfs_parse_cgroup(buf_bytes(text), &t->cg);
        if (r < 0)
                return r;
        r = procfs_ns(pid, "mnt", &t->mntns);
        if (r == 0)
                r = procfs_ns(pid, "pid", &t->pidns);
        return gone(r);
}

/* The runtime may still be at work: its root is the host's until it has changed it. */
static bool is_host_root(const struct containers *cs, const struct procfs_mount *m)
{
        return cs->host_root && makedev(m->dev_major, m->dev_minor) == cs->host_dev &&
               bytes_eq(m->root, bytes_str(cs->host_root));
}

/*
 * An overlay's directories are names as whoever mounted it saw them. A container that may mount could make one of its
 * own, whose names mean something else to us, and live in it: a runtime's is mounted outside of the container too,
 * where its monitor or the host has its mounts.
 */
static bool mounted_outside(const struct containers *cs, const struct container *c)
{
        struct procfs_stat st;
        uint32_t pid = c->init_pid;
        uint64_t mntns, asked = cs->own_mntns;

        if (procfs_mounted((uint32_t)getpid(), c->root_dev) == 1 || procfs_mounted(1, c->root_dev) == 1)
                return true;
        for (int i = 0; i < ANCESTORS; i++) {
                if (procfs_stat(pid, &st) < 0 || st.ppid <= 1 || procfs_ns(st.ppid, "mnt", &mntns) < 0)
                        return false;
                pid = st.ppid;
                if (mntns != asked && mntns != c->mntns && procfs_mounted(pid, c->root_dev) == 1)
                        return true;
                asked = mntns;
        }
        return false;
}

/* Where podman keeps what it knows, from the directory of a bundle: ROOT/overlay-containers/ID/userdata. */
static struct bytes bundle_rootdir(const char *bundle)
{
        struct bytes left = bundle ? bytes_str(bundle) : bytes_of("", 0);
        static const char *const parts[] = {"userdata", NULL, "overlay-containers"};

        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
                int slash = bytes_rfind(left, '/');

                if (slash <= 0 || (parts[i] && !bytes_eq(base_name(left), bytes_str(parts[i]))))
                        return bytes_of("", 0);
                left.len = (uint32_t)slash;
        }
        return left;
}

static int register_new(struct containers *cs, const struct task *t, struct container **ret)
{
        _cleanup_buf_ struct buf text, scratch, cgroup;
        struct container c = {.mntns = t->mntns, .pidns = t->pidns};
        _cleanup_free_ char *path = NULL, *upper = NULL, *lower = NULL, *fstype = NULL, *rootdir = NULL, *bundle = NULL,
                            *seen_at = NULL;
        struct procfs_mount m;
        struct bytes root;
        int r;

        buf_init(&text, MOUNTINFO_MAX);
        buf_init(&scratch, MOUNTINFO_MAX);
        buf_init(&cgroup, CGROUP_MAX);
        memcpy(c.id, t->cg.id.p, CONTAINER_ID);
        r = root_mount(t->pid, &text, &scratch, &m);
        if (r < 0)
                return r == -ENOENT ? -EAGAIN : r;
        if (is_host_root(cs, &m))
                return -EAGAIN;
        r = find_init(cs, t->pid, &c, &cgroup);
        if (r == 0)
                r = procfs_ns(c.init_pid, "net", &c.netns);
        if (r < 0)
                return gone(r);
        c.root_mount_id = m.id;
        c.root_dev = makedev(m.dev_major, m.dev_minor);
        path = bytes_dup(t->cg.path);
        fstype = bytes_dup(m.fstype);
        if (bytes_eq(m.fstype, BYTES_LIT("overlay")) && !mounted_outside(cs, &c))
                m.upper.len = m.lower.len = 0;
        if (bytes_eq(m.fstype, BYTES_LIT("overlay")) && m.upper.len) {
                upper = bytes_dup(m.upper);
                lower = bytes_dup(m.lower);
                if (!upper || !lower)
                        return -ENOMEM;
        }
        bundle = find_bundle(cs, c.init_pid, t->cg.id);
        c.runtime = container_runtime(t->cg.runtime, bytes_str(bundle ? bundle : ""));
        root = container_rootdir(m.upper);
        if (root.len == 0)
                root = bundle_rootdir(bundle);
        if (strcmp(c.runtime, "docker") == 0)
                root = container_docker_root(root);
        rootdir = root.len ? bytes_dup(root) : NULL;
        if (!path || !fstype)
                return -ENOMEM;
        c.cgroup = path;
        c.fstype = fstype;
        c.upper = upper;
        c.lower = lower;
        c.rootdir = rootdir;
        c.bundle = bundle;
        if (procfs_link(c.init_pid, "root", &text) == 0 && text.len > 1)
                c.seen_at = seen_at = bytes_dup(buf_bytes(&text));
        return containers_insert(cs, &c, ret);
}

/* Does the task share what makes it the container's? */
static bool shares(const struct containers *cs, const struct container *c, const struct task *t)
{
        return (t->mntns != cs->own_mntns && t->mntns == c->mntns) ||
               (t->pidns != cs->own_pidns && t->pidns == c->pidns);
}

static bool init_lives(const struct container *c)
{
        struct procfs_stat st;

        return procfs_stat(c->init_pid, &st) == 0 && st.start == c->init_start && st.state != 'Z' && st.state != 'X';
}

int containers_of_pid(struct containers *cs, uint32_t pid, struct container **ret, bool *ret_new)
{
        _cleanup_buf_ struct buf text;
        struct container *c;
        struct task t;
        bool lives;
        int r;

        buf_init(&text, CGROUP_MAX);
        r = read_task(pid, &text, &t);
        if (r < 0)
                return r;
        if (t.mntns == cs->own_mntns)
                return -EAGAIN;
        c = containers_by_id(cs, t.cg.id);
        if (!c) {
                r = register_new(cs, &t, &c);
                if (r < 0)
                        return r;
                *ret = c;
                *ret_new = true;
                return 0;
        }
        lives = c->tasks || init_lives(c);
        if (lives && shares(cs, c, &t)) { /* once it is empty the kernel gives its namespaces' numbers to the next */
                *ret = c;
                *ret_new = false;
                return 0;
        }
        if (init_lives(c))
                return -ENOENT;
        *ret = c;
        return -ESTALE;
}
