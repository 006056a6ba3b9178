/* SPDX-License-Identifier: GPL-2.0-or-later */
/* layer, openfile, container: on directories of our own that look like an overlay's. Needs no mount and no root. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/layer.h"
#include "tidemark/openfile.h"
#include "trace/container-priv.h"
#include "trace/openfile-priv.h"

#define ID_A "157a5595c87ff68546acabd0af3fe3cf0888757ffa17e1986ad7aacf48549120"

static char top[64];

static const char *at(const char *path)
{
        static char full[4][256];
        static unsigned i;

        i = (i + 1) % 4;
        snprintf(full[i], sizeof(full[i]), "%s/%s", top, path);
        return full[i];
}

static void put(const char *path, const char *text)
{
        int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC, 0755);

        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT_FATAL(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        close(fd);
}

static void make(const char *path)
{
        CU_ASSERT_FATAL(mkdir(at(path), 0755) == 0 || errno == EEXIST);
}

/* st/overlay/X/{diff,merged}; layers L1 over L2 */
static void build(void)
{
        static const char *const dirs[] = {
                "st", "st/overlay", "st/overlay/X", "st/overlay/X/diff", "st/overlay/X/diff/tmp",
                "st/overlay/X/diff/bin",
                "L1", "L1/bin", "L1/etc", "L2", "L2/bin", "L2/etc", "L2/opt", "outside",
        };

        strcpy(top, "/tmp/tidemark-layer-XXXXXX");
        CU_ASSERT_FATAL(mkdtemp(top) != NULL);
        for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
                make(dirs[i]);
        put("st/overlay/X/diff/tmp/evil", "evil");
        put("st/overlay/X/diff/bin/sh", "changed");
        put("st/overlay/X/diff/bin/ends (deleted)", "x");
        put("L2/bin/sh", "sh");
        put("L2/bin/ls", "ls");
        put("L2/etc/hidden", "x");
        put("L2/opt/under", "x");
        put("L1/opt", "a file where the layer below has a directory");
        put("outside/secret", "x");
        CU_ASSERT_FATAL(symlink("../../../../../outside", at("st/overlay/X/diff/tmp/out")) == 0);
        CU_ASSERT_FATAL(symlink("L2", at("short")) == 0);
}

static void clear(void)
{
        char line[128];

        snprintf(line, sizeof(line), "rm -rf %s", top);
        CU_ASSERT(system(line) == 0);
}

static struct layer *layer_of(void)
{
        char upper[128], lower[256];
        struct layer *l = NULL;

        snprintf(upper, sizeof(upper), "%s/st/overlay/X/diff", top);
        snprintf(lower, sizeof(lower), "%s/L1:%s/short", top, top);
        CU_ASSERT_FATAL(layer_new(bytes_str(upper), bytes_str(lower), &l) == 0);
        return l;
}

static int upper_stat(const struct layer *l, const char *path, struct layer_entry *e)
{
        return layer_upper_stat(l, bytes_str(path), e);
}

static unsigned open_fds(void)
{
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        CU_ASSERT_FATAL(d != NULL);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

static void test_upper(void)
{
        _cleanup_(layer_freep) struct layer *l = NULL;
        struct layer_entry e;
        unsigned before;

        build();
        before = open_fds();
        l = layer_of();
        CU_ASSERT_EQUAL(upper_stat(l, "/tmp/evil", &e), 0);
        CU_ASSERT(e.type == DT_REG && e.size == 4 && !e.whiteout && e.nlink == 1 && e.mtime_ns > 0);
        CU_ASSERT_EQUAL(upper_stat(l, "tmp//evil", &e), 0);
        CU_ASSERT(upper_stat(l, "/", &e) == 0 && e.type == DT_DIR);
        CU_ASSERT_EQUAL(upper_stat(l, "/tmp/none", &e), -ENOENT);
        /* nothing leads out: a link on the way, a parent, an end in the middle */
        CU_ASSERT(upper_stat(l, "/tmp/out", &e) == 0 && e.type == DT_LNK);
        CU_ASSERT_EQUAL(upper_stat(l, "/tmp/out/secret", &e), -ELOOP);
        CU_ASSERT(upper_stat(l, "/../../../../outside/secret", &e) < 0);
        CU_ASSERT(upper_stat(l, "/tmp/../../../../../outside/secret", &e) < 0);
        CU_ASSERT_EQUAL(layer_upper_stat(l, bytes_of("/tmp/e\0il", 9), &e), -EINVAL);
        CU_ASSERT_EQUAL(upper_stat(l, "/tmp/evil/below", &e), -ENOTDIR);
        CU_ASSERT_EQUAL(open_fds(), before);
        clear();
        CU_ASSERT_EQUAL(upper_stat(l, "/tmp/evil", &e), -ENOENT); /* gone with its container */
}

static int in_image(const struct layer *l, const char *path)
{
        return layer_in_image(l, bytes_str(path));
}

static void test_image(void)
{
        _cleanup_(layer_freep) struct layer *l = NULL;
        struct layer *bad = NULL, *part = NULL;
        char lower[128];

        build();
        l = layer_of();
        CU_ASSERT_EQUAL(in_image(l, "/bin/sh"), 1);
        CU_ASSERT_EQUAL(in_image(l, "/etc/hidden"), 1);
        CU_ASSERT_EQUAL(in_image(l, "/tmp/evil"), 0);
        CU_ASSERT_EQUAL(in_image(l, "/opt"), 1);
        CU_ASSERT_EQUAL(in_image(l, "/opt/under"), 0); /* hidden by a file */
        /* what is remembered of a directory that the image lacks is said of nothing else */
        for (int i = 0; i < 4; i++)
                CU_ASSERT_EQUAL(in_image(l, "/bi/sh"), 0);
        CU_ASSERT_EQUAL(in_image(l, "/bin/sh"), 1);
        for (int i = 0; i < 4; i++)
                CU_ASSERT_EQUAL(in_image(l, "/bin/none"), 0);
        CU_ASSERT_EQUAL(in_image(l, "/bin/sh"), 1);
        CU_ASSERT_EQUAL(in_image(l, "/bi/sh/below"), 0);
        if (setxattr(at("L1/etc"), "user.overlay.opaque", "y", 1, 0) == 0)
                CU_ASSERT_EQUAL(in_image(l, "/etc/hidden"), 0);
        if (mknod(at("L1/bin/ls"), S_IFCHR, makedev(0, 0)) == 0)
                CU_ASSERT_EQUAL(in_image(l, "/bin/ls"), 0); /* removed by a whiteout */
        CU_ASSERT_EQUAL(layer_new(bytes_str("relative/diff"), bytes_str("/"), &bad), -EINVAL);
        CU_ASSERT_EQUAL(layer_new(bytes_str(""), bytes_str("/"), &bad), -EINVAL);
        CU_ASSERT_PTR_NULL(bad);
        /* what cannot be asked is not said to be absent */
        snprintf(lower, sizeof(lower), "relative:%s/L2", top);
        CU_ASSERT_FATAL(layer_new(bytes_str(top), bytes_str(lower), &part) == 0);
        CU_ASSERT_EQUAL(in_image(part, "/bin/sh"), 1);
        CU_ASSERT(in_image(part, "/none") < 0);
        layer_free(part);
        clear();
        CU_ASSERT(in_image(l, "/bin/sh") < 0);
}

static struct container container_of_top(struct layer *l, char upper[128])
{
        struct stat st;
        struct container c = {.init_pid = (uint32_t)getpid(), .layer = l, .upper = upper};

        CU_ASSERT_FATAL(stat(top, &st) == 0);
        c.root_dev = st.st_dev;
        snprintf(upper, 128, "%s/st/overlay/X/diff", top);
        return c;
}

/* As if the container's root were the mount of top: its paths are those of the layers. */
static void place(const struct container *c, const struct openfacts *f, const char *path, uint8_t layer, uint8_t change,
                  const char *becomes)
{
        _cleanup_buf_ struct buf b;
        uint8_t l, ch;

        buf_init(&b, 4096);
        buf_put_str(&b, path);
        openfile_place(c, 0, f, &b, &l, &ch);
        CU_ASSERT_EQUAL(l, layer);
        CU_ASSERT_EQUAL(ch, change);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), becomes);
}

static void test_place(void)
{
        _cleanup_(layer_freep) struct layer *l = NULL;
        char upper[128], merged[256];
        struct container c;
        struct openfacts f = {.nlink = 1, .mode = S_IFREG | 0755, .mount = 7}, gone;
        struct stat st;

        build();
        l = layer_of();
        c = container_of_top(l, upper);
        c.root_mount_id = 7;
        f.dev = c.root_dev;
        place(&c, &f, "/tmp/evil", LAYER_WRITE, CHANGE_ADDED, "/tmp/evil");
        place(&c, &f, "/bin/sh", LAYER_WRITE, CHANGE_MODIFIED, "/bin/sh");
        place(&c, &f, "/bin/ls", LAYER_IMAGE, CHANGE_UNKNOWN, "/bin/ls");
        /* as the host sees it: podman cp */
        snprintf(merged, sizeof(merged), "%s/st/overlay/X/merged/tmp/evil", top);
        place(&c, &f, merged, LAYER_WRITE, CHANGE_ADDED, "/tmp/evil");
        /* removed while it ran */
        gone = f;
        gone.deleted = true;
        gone.nlink = 0;
        place(&c, &gone, "/tmp/was", LAYER_DELETED, CHANGE_ADDED, "/tmp/was");
        place(&c, &gone, "/bin/sh", LAYER_DELETED, CHANGE_MODIFIED, "/bin/sh");
        /* a name that ends in the kernel's words */
        gone.nlink = 1;
        place(&c, &gone, "/bin/ends", LAYER_WRITE, CHANGE_ADDED, "/bin/ends (deleted)");
        /* under a mount that nobody has any more: only the image's own inode is the image's */
        f.mount = 0x7ffffff0;
        CU_ASSERT_FATAL(stat(at("L2/bin/ls"), &st) == 0);
        f.ino = st.st_ino;
        place(&c, &f, "/bin/ls", LAYER_IMAGE, CHANGE_UNKNOWN, "/bin/ls");
        place(&c, &f, "/evil", LAYER_WRITE, CHANGE_UNKNOWN, "/evil");
        f.ino++;
        place(&c, &f, "/bin/ls", LAYER_WRITE, CHANGE_UNKNOWN, "/bin/ls");
        /* elsewhere */
        f.mount = 0;
        f.dev = c.root_dev + 1;
        place(&c, &f, "/data/x", LAYER_MOUNT, CHANGE_UNKNOWN, "/data/x");
        place(NULL, &f, "/usr/bin/x", LAYER_HOST, CHANGE_UNKNOWN, "/usr/bin/x");
        if (openfile_memfd_dev()) {
                f.dev = openfile_memfd_dev();
                place(&c, &f, "/memfd:x", LAYER_MEMFD, CHANGE_UNKNOWN, "/memfd:x");
        }
        clear();
}

static void test_read(void)
{
        _cleanup_buf_ struct buf path;
        struct openfile of;
        int fd;

        build();
        buf_init(&path, 4096);
        fd = open(at("L2/bin/ls"), O_PATH | O_CLOEXEC);
        CU_ASSERT_EQUAL_FATAL(openfile_read(NULL, 0, fd, &path, &of), 0);
        CU_ASSERT(of.layer == LAYER_HOST && of.type == DT_REG && of.size == 2 && of.nlink == 1 && of.ino != 0);
        CU_ASSERT(bytes_eq(of.path, bytes_str(at("L2/bin/ls"))));
        unlink(at("L2/bin/ls"));
        CU_ASSERT_EQUAL_FATAL(openfile_read(NULL, 0, fd, &path, &of), 0);
        CU_ASSERT(of.nlink == 0 && bytes_eq(of.path, bytes_str(at("L2/bin/ls"))));
        close(fd);
        CU_ASSERT(openfile_read(NULL, 0, fd, &path, &of) < 0);
        clear();
}

static struct bytes rootdir(const char *upper)
{
        return container_rootdir(bytes_str(upper));
}

static void test_rootdir(void)
{
        CU_ASSERT(bytes_eq(rootdir("/var/lib/containers/storage/overlay/ab/diff"),
                           BYTES_LIT("/var/lib/containers/storage")));
        CU_ASSERT(bytes_eq(rootdir("/var/lib/docker/overlay2/ab/diff"), BYTES_LIT("/var/lib/docker")));
        CU_ASSERT(bytes_eq(rootdir("/v/io.containerd.snapshotter.v1.overlayfs/snapshots/12/fs"),
                           BYTES_LIT("/v/io.containerd.snapshotter.v1.overlayfs")));
        CU_ASSERT(bytes_eq(container_docker_root(rootdir("/srv/docker/overlay2/ab/diff")), BYTES_LIT("/srv/docker")));
        CU_ASSERT(bytes_eq(container_docker_root(rootdir("/srv/docker/containerd/daemon/io.containerd.snapshotter.v1."
                                                         "overlayfs/snapshots/3/fs")),
                           BYTES_LIT("/srv/docker")));
        CU_ASSERT(bytes_eq(container_docker_root(rootdir("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/"
                                                         "snapshots/3/fs")),
                           BYTES_LIT("/var/lib/docker")));
        CU_ASSERT(rootdir("/some/where/else").len == 0 && rootdir("diff").len == 0 && rootdir("").len == 0);
}

static void test_runtime(void)
{
        static const struct {
                const char *by_cgroup, *bundle, *want;
        } rows[] = {
                {"podman", "/run/containerd/io.containerd.runtime.v2.task/moby/x", "podman"},
                {"unknown", "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/x", "docker"},
                {"containerd", "/run/containerd/io.containerd.runtime.v1.linux/moby/x", "docker"},
                {"unknown", "/run/containerd/io.containerd.runtime.v2.task/default/x", "containerd"},
                {"containerd", "", "containerd"},
                {"unknown", "/st/overlay-containers/x/userdata", "podman"},
                {"unknown", "/somewhere/moby/x", "unknown"},
        };

        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                CU_ASSERT_STRING_EQUAL(container_runtime(rows[i].by_cgroup, bytes_str(rows[i].bundle)), rows[i].want);
}

static bool bundle_is(const char *cmdline, size_t len, const char *cwd, const char *expect)
{
        _cleanup_buf_ struct buf out;
        int r;

        buf_init(&out, 4096);
        r = container_bundle(bytes_of(cmdline, len), bytes_str(cwd), BYTES_LIT(ID_A), &out);
        return expect ? r == 0 && bytes_eq(buf_bytes(&out), bytes_str(expect)) : r < 0;
}
#define BUNDLE(cmdline, cwd, expect) bundle_is(cmdline, sizeof(cmdline), cwd, expect)

static void test_bundle(void)
{
        CU_ASSERT(BUNDLE("/usr/bin/conmon\0-c\0" ID_A "\0-b\0/st/x/userdata\0-n\0t1", "/", "/st/x/userdata"));
        CU_ASSERT(BUNDLE("conmon\0--cid\0" ID_A "\0--bundle=/st/y", "/", "/st/y"));
        CU_ASSERT(BUNDLE("conmon\0-c\0other\0-b\0/st/x", "/", NULL)); /* another's monitor */
        CU_ASSERT(BUNDLE("conmon\0-c\0" ID_A "\0-b", "/", NULL));
        CU_ASSERT(BUNDLE("conmon\0-c\0" ID_A "\0-b\0relative", "/", NULL));
        CU_ASSERT(BUNDLE("/usr/bin/containerd-shim-runc-v2\0-namespace\0moby", "/run/task/moby/" ID_A,
                         "/run/task/moby/" ID_A));
        CU_ASSERT(BUNDLE("containerd-shim\0-workdir\0/var/lib/w/" ID_A, "/", "/var/lib/w/" ID_A));
        CU_ASSERT(BUNDLE("containerd-shim-runc-v2", "/", NULL));
        CU_ASSERT(BUNDLE("/bin/sh\0-b\0/x", "/", NULL));
        CU_ASSERT(BUNDLE("", "/", NULL));
}

static void test_table(void)
{
        struct containers *cs = NULL;
        struct container proto = {.runtime = "podman", .mntns = 11, .pidns = 12, .root_dev = 5}, *a, *b;
        bool is_new;

        CU_ASSERT_EQUAL_FATAL(containers_new(2, true, &cs), 0);
        CU_ASSERT(containers_own_mntns(cs) != 0 && containers_own_pidns(cs) != 0);
        memset(proto.id, 'a', CONTAINER_ID);
        CU_ASSERT_EQUAL_FATAL(containers_insert(cs, &proto, &a), 0);
        memset(proto.id, 'b', CONTAINER_ID);
        proto.mntns = 21;
        proto.upper = (char *)"not/absolute";
        CU_ASSERT_EQUAL_FATAL(containers_insert(cs, &proto, &b), 0);
        CU_ASSERT(b->upper == NULL && b->layer == NULL && b->tag != a->tag);
        memset(proto.id, 'c', CONTAINER_ID);
        CU_ASSERT_EQUAL(containers_insert(cs, &proto, &b), ERR_LIMIT);
        CU_ASSERT_EQUAL(containers_refused(cs), 1);
        CU_ASSERT_PTR_NULL(containers_by_ns(cs, 11, 0)); /* nobody lives there */
        a->tasks = b->tasks = 1;
        CU_ASSERT_PTR_EQUAL(containers_by_ns(cs, 11, 0), a);
        CU_ASSERT_PTR_EQUAL(containers_by_ns(cs, 0, 12), a);
        CU_ASSERT_PTR_NULL(containers_by_ns(cs, containers_own_mntns(cs), containers_own_pidns(cs)));
        CU_ASSERT_PTR_NULL(containers_by_dev(cs, 5)); /* two share it: it names neither */
        b->tasks = 0;
        CU_ASSERT_PTR_EQUAL(containers_by_dev(cs, 5), a); /* the number came again */
        a->tasks = 0;
        CU_ASSERT_PTR_NULL(containers_by_dev(cs, 5));
        b->tasks = 1;
        CU_ASSERT_PTR_EQUAL(containers_by_tag(cs, a->tag), a);
        containers_remove(cs, containers_by_ns(cs, 21, 0));
        CU_ASSERT_PTR_EQUAL(containers_by_dev(cs, 5), a); /* gone, but for what waits in a queue */
        CU_ASSERT_EQUAL(containers_count(cs), 1);
        /* this very process is in no container that it could find, or cannot be told apart from the agent */
        CU_ASSERT(containers_of_pid(cs, (uint32_t)getpid(), &a, &is_new) < 0);
        CU_ASSERT_EQUAL(containers_of_pid(cs, 0x7ffffffe, &a, &is_new), -ESRCH);
        containers_free(cs);
}

static const struct unit_case cases[] = {
        {"upper: nothing that a container made leads out of it", test_upper},
        {"image: whiteouts, opaque directories, unknown layers", test_image},
        {"openfile: where a file stands", test_place},
        {"openfile: what a descriptor says", test_read},
        {"container: storage root from the upper directory", test_rootdir},
        {"container: bundle from the monitor's command line", test_bundle},
        {"a runtime by its bundle's path", test_runtime},
        {"container: the table and its limit", test_table},
};
UNIT_MAIN("layer", cases)
