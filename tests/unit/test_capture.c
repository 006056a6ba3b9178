/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evidence: a write layer with all that one can hold, taken, read again and unpacked; each change of it found. What
 * needs root (devices, owners, trusted attributes) is left out without it. */
#include "unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <arpa/inet.h>

#include "act/capture-priv.h"
#include "tidemark/clock.h"
#include "tidemark/helper.h"
#include "tidemark/loop.h"
#include "tidemark/mask.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_NAME 255

static char top[64];

static const char *at(const char *path)
{
        static char full[4][4096];
        static unsigned i;

        i = (i + 1) % 4;
        snprintf(full[i], sizeof(full[i]), "%s/%s", top, path);
        return full[i];
}

static void put(const char *path, const void *p, size_t len)
{
        int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC, 0644);

        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT_FATAL(write(fd, p, len) == (ssize_t)len);
        close(fd);
}

static void make(const char *path)
{
        CU_ASSERT_FATAL(mkdir(at(path), 0755) == 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
        (void)st, (void)type, (void)f;
        return remove(path);
}

static void begin(void)
{
        strcpy(top, "/tmp/tidemark-take-XXXXXX");
        CU_ASSERT_FATAL(mkdtemp(top) != NULL);
        make("up");
        make("out");
}

static void end(void)
{
        CU_ASSERT_EQUAL(nftw(top, remove_one, 64, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- a capture, as the sensor would do it ---- */

struct run {
        struct loop *loop;
        struct helper_stuck stuck;
        struct capture_spec spec;
        struct capture_summary sum;
        int error, volatiles;
        bool done;
};

static void on_volatile(struct capture *c, const struct capture_volatile *v, void *arg)
{
        struct run *r = arg;

        (void)v;
        r->volatiles++;
        if (r->spec.flags & CAPTURE_HOLD)
                capture_go_on(c, clock_boot_ns());
}

static void on_done(struct capture *c, int error, const struct capture_summary *s, void *arg)
{
        struct run *r = arg;

        r->error = error;
        r->sum = *s;
        r->done = true;
        capture_free(c);
        loop_stop(r->loop, 0);
}

static void run_init(struct run *r)
{
        static char upper[128], out[128];

        memset(r, 0, sizeof(*r));
        snprintf(upper, sizeof(upper), "%s", at("up"));
        snprintf(out, sizeof(out), "%s", at("out"));
        r->spec = (struct capture_spec){.id = ID,
                                        .upper = upper,
                                        .dir = out,
                                        .file = "E",
                                        .flags = CAPTURE_LAYER,
                                        .stuck = &r->stuck,
                                        .agent = "test"};
        capture_limits_default(&r->spec.limits);
}

static void run(struct run *r)
{
        static const struct capture_ops ops = {.volatile_done = on_volatile, .done = on_done};
        struct capture *c = NULL;

        CU_ASSERT_FATAL(loop_new(&r->loop) == 0);
        CU_ASSERT_FATAL(capture_start(r->loop, &r->spec, &ops, r, &c) == 0);
        CU_ASSERT_EQUAL(loop_run(r->loop), 0);
        CU_ASSERT(r->done);
        loop_free(r->loop);
}

static const char *archive_path(void)
{
        static char path[4200];

        snprintf(path, sizeof(path), "%s/out/E%s", top, capture_ending());
        return path;
}

struct verdict {
        struct capture_verdict v;
        char problems[8192];
        json_t *manifest;
};

static void on_problem(const struct capture_problem *p, void *arg)
{
        struct verdict *v = arg;
        size_t n = strlen(v->problems);

        snprintf(v->problems + n, sizeof(v->problems) - n, "%s: %s\n", p->member, p->words);
}

static void on_manifest(struct bytes text, void *arg)
{
        struct verdict *v = arg;

        json_decref(v->manifest);
        v->manifest = json_loadb((const char *)text.p, text.len, 0, NULL);
}

static void verify_fd(int fd, struct verdict *v)
{
        static const struct capture_verify_ops ops = {.problem = on_problem, .manifest = on_manifest};

        memset(v, 0, sizeof(*v));
        CU_ASSERT_EQUAL(capture_verify(fd, &ops, v, &v->v), 0);
}

static void verify(struct verdict *v)
{
        int fd = open(archive_path(), O_RDONLY | O_CLOEXEC);

        CU_ASSERT_FATAL(fd >= 0);
        verify_fd(fd, v);
        close(fd);
}

static size_t noted(const struct verdict *v, const char *kind, const char *what, const char *why)
{
        json_t *list = json_object_get(v->manifest, kind);
        size_t n = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                json_t *o = json_array_get(list, i);

                n += strstr(json_string_value(json_object_get(o, "what")), what) &&
                     strstr(json_string_value(json_object_get(o, "why")), why);
        }
        return n;
}

/* ---- unpacked elsewhere, and compared ---- */

static void unpack(const char *into)
{
        struct archive *a = archive_read_new(), *d = archive_write_disk_new();
        struct archive_entry *e;
        char path[8192];
        const void *p;
        size_t len;
        int64_t off;

        archive_read_support_filter_all(a);
        archive_read_support_format_tar(a);
        archive_write_disk_set_options(d, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_XATTR |
                                                  (geteuid() == 0 ? ARCHIVE_EXTRACT_OWNER : 0));
        CU_ASSERT_FATAL(archive_read_open_filename(a, archive_path(), 65536) == ARCHIVE_OK);
        while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
                CU_ASSERT_PTR_NULL(strstr(archive_entry_pathname(e), "../"));
                CU_ASSERT_NOT_EQUAL(archive_entry_pathname(e)[0], '/');
                snprintf(path, sizeof(path), "%s/%s", into, archive_entry_pathname(e));
                archive_entry_copy_pathname(e, path);
                if (archive_entry_hardlink(e)) {
                        snprintf(path, sizeof(path), "%s/%s", into, archive_entry_hardlink(e));
                        archive_entry_copy_hardlink(e, path);
                }
                CU_ASSERT_EQUAL(archive_write_header(d, e), ARCHIVE_OK);
                while (archive_read_data_block(a, &p, &len, &off) == ARCHIVE_OK)
                        CU_ASSERT_EQUAL(archive_write_data_block(d, p, len, off), ARCHIVE_OK);
                CU_ASSERT_EQUAL(archive_write_finish_entry(d), ARCHIVE_OK);
        }
        archive_read_free(a);
        archive_write_free(d);
}

static unsigned compared;

static void same_xattrs(const char *a, const char *b)
{
        char list[4096], x[4096], y[4096];
        ssize_t n = llistxattr(a, list, sizeof(list)), step;

        CU_ASSERT_EQUAL(n, llistxattr(b, NULL, 0));
        for (const char *name = list; n > 0; name += step, n -= step) {
                ssize_t len = lgetxattr(a, name, x, sizeof(x));

                step = (ssize_t)strlen(name) + 1;
                CU_ASSERT(len >= 0 && len == lgetxattr(b, name, y, sizeof(y)) && memcmp(x, y, (size_t)len) == 0);
        }
}

static void same_content(const char *a, const char *b)
{
        int x = open(a, O_RDONLY), y = open(b, O_RDONLY);
        char p[4096], q[4096];
        off_t from = 0;

        while ((from = lseek(x, from, SEEK_DATA)) >= 0) {
                ssize_t n = pread(x, p, sizeof(p), from);

                CU_ASSERT(n > 0 && pread(y, q, sizeof(q), from) == n && memcmp(p, q, (size_t)n) == 0);
                if (n <= 0)
                        break;
                from += n;
        }
        close(x);
        close(y);
}

static int same(const char *path, const struct stat *st, int type, struct FTW *f)
{
        char other[8192], a[256], b[256];
        const char *rest = path + strlen(at("up"));
        struct stat got;

        (void)type, (void)f;
        snprintf(other, sizeof(other), "%s/un/layer%s", top, rest);
        if (S_ISSOCK(st->st_mode)) {
                CU_ASSERT(lstat(other, &got) < 0);
                return 0;
        }
        CU_ASSERT_FATAL(lstat(other, &got) == 0);
        CU_ASSERT_EQUAL(st->st_mode, got.st_mode);
        CU_ASSERT_EQUAL(st->st_uid, got.st_uid);
        CU_ASSERT_EQUAL(st->st_gid, got.st_gid);
        CU_ASSERT_EQUAL(st->st_rdev, got.st_rdev);
        CU_ASSERT(st->st_mtim.tv_sec == got.st_mtim.tv_sec && st->st_mtim.tv_nsec == got.st_mtim.tv_nsec);
        if (!S_ISDIR(st->st_mode)) {
                CU_ASSERT_EQUAL(st->st_nlink, got.st_nlink);
                CU_ASSERT_EQUAL(st->st_size, got.st_size);
        }
        if (S_ISREG(st->st_mode))
                same_content(path, other);
        if (S_ISREG(st->st_mode) && st->st_blocks * 512 < st->st_size)
                CU_ASSERT(got.st_blocks * 512 < got.st_size);
        if (S_ISLNK(st->st_mode)) {
                ssize_t n = readlink(path, a, sizeof(a));

                CU_ASSERT(n > 0 && readlink(other, b, sizeof(b)) == n && memcmp(a, b, (size_t)n) == 0);
        }
        same_xattrs(path, other);
        compared++;
        return 0;
}

static void fill_with_names(void)
{
        char name[LONG_NAME + 8] = "up/";

        memset(name + 3, 'n', LONG_NAME);
        put(name, "long", 4);
        put("up/two\nlines", "a", 1);
        put("up/bad\xff\xfe", "b", 1);
        put("up/\xc3\xa4 umlaut", "c", 1);
        put("up/-rf", "d", 1);
        put("up/..hidden", "e", 1);
        put("up/back\\slash\"quote", "f", 1);
        put("up/members.jsonl", "not ours", 8);
}

static void fill_with_holes(void)
{
        int fd = open(at("up/sparse"), O_WRONLY | O_CREAT, 0644);

        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT(pwrite(fd, "begin", 5, 0) == 5 && pwrite(fd, "mid", 3, 12345678) == 3 &&
                  pwrite(fd, "end", 3, (off_t)1 << 40) == 3);
        CU_ASSERT_EQUAL(ftruncate(fd, ((off_t)1 << 40) + 4096 * 1000), 0);
        close(fd);
        fd = open(at("up/hole"), O_WRONLY | O_CREAT, 0644);
        CU_ASSERT_EQUAL(ftruncate(fd, (off_t)3 << 30), 0);
        close(fd);
        put("up/empty", "", 0);
}

static void fill_with_kinds(void)
{
        struct sockaddr_un sun = {.sun_family = AF_UNIX};
        int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        make("up/d");
        put("up/d/a", "hello", 5);
        CU_ASSERT_EQUAL(link(at("up/d/a"), at("up/d/b")), 0);
        CU_ASSERT_EQUAL(link(at("up/d/a"), at("up/c")), 0);
        CU_ASSERT_EQUAL(symlink("../../../etc/passwd", at("up/link")), 0);
        CU_ASSERT_EQUAL(mkfifo(at("up/fifo"), 0600), 0);
        snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", at("up/socket"));
        CU_ASSERT_EQUAL(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
        close(s);
        CU_ASSERT_EQUAL(chmod(at("up/d/a"), 04711), 0);
        if (geteuid() != 0)
                return;
        CU_ASSERT_EQUAL(mknod(at("up/gone"), S_IFCHR, makedev(0, 0)), 0);
        CU_ASSERT_EQUAL(mknod(at("up/disk"), S_IFBLK | 0600, makedev(8, 1)), 0);
        CU_ASSERT_EQUAL(chown(at("up/link"), 0, 0), 0);
        CU_ASSERT_EQUAL(setxattr(at("up/d"), "trusted.overlay.opaque", "y", 1, 0), 0);
        CU_ASSERT_EQUAL(setxattr(at("up"), "trusted.overlay.impure", "y", 1, 0), 0);
        CU_ASSERT_EQUAL(setxattr(at("up/empty"), "trusted.odd", "1\n2\0=3", 6, 0), 0);
        CU_ASSERT_EQUAL(chown(at("up/empty"), 123456, 3000000000u), 0);
}

static void test_layer(void)
{
        struct verdict v;
        struct stat st;
        struct run r;

        begin();
        fill_with_names();
        fill_with_holes();
        fill_with_kinds();
        run_init(&r);
        run(&r);
        CU_ASSERT_EQUAL(r.error, 0);
        CU_ASSERT_STRING_EQUAL(r.sum.words, "");
        CU_ASSERT_EQUAL(r.sum.refused, 1);
        CU_ASSERT(r.sum.cut == 0 && r.sum.vanished == 0 && r.sum.missed == 0 && r.sum.changed == 0);
        CU_ASSERT(stat(archive_path(), &st) == 0 && st.st_mode == (S_IFREG | 0600) && st.st_size < 65536);
        verify(&v);
        CU_ASSERT_EQUAL(v.v.problems, 0);
        CU_ASSERT_STRING_EQUAL(v.problems, "");
        CU_ASSERT_EQUAL(v.v.members, r.sum.members);
        CU_ASSERT_STRING_EQUAL(v.v.sha256, r.sum.sha256);
        CU_ASSERT_STRING_EQUAL(v.v.manifest, r.sum.manifest);
        CU_ASSERT_EQUAL(v.v.size, (uint64_t)st.st_size);
        CU_ASSERT_EQUAL(noted(&v, "refused", "socket", "tar has no word"), 1);
        json_decref(v.manifest);
        make("un");
        unpack(at("un"));
        compared = 0;
        CU_ASSERT_EQUAL(nftw(at("up"), same, 64, FTW_PHYS), 0);
        CU_ASSERT_EQUAL(compared, geteuid() == 0 ? 20 : 18);
        end();
}

/* ---- limits ---- */

static void test_limits(void)
{
        static char big[300000];
        struct verdict v;
        struct run r;

        begin();
        memset(big, 'x', sizeof(big));
        put("up/a", big, sizeof(big));
        put("up/b", big, sizeof(big));
        put("up/small", "s", 1);
        run_init(&r);
        r.spec.limits.file_bytes = 100000;
        run(&r);
        CU_ASSERT(r.error == 0 && r.sum.cut == 2 && r.sum.content == 200001);
        verify(&v);
        CU_ASSERT_EQUAL(v.v.problems, 0);
        CU_ASSERT_EQUAL(noted(&v, "cut", "a", "the limit of one file: 200000 of its 300000 bytes are left out"), 1);
        json_decref(v.manifest);

        run_init(&r);
        r.spec.file = "F";
        r.spec.limits.bytes = 300001;
        run(&r);
        CU_ASSERT(r.error == 0 && r.sum.cut == 1 && r.sum.content == 300001);

        run_init(&r);
        r.spec.file = "G";
        r.spec.limits.entries = 2;
        run(&r);
        CU_ASSERT(r.error == 0 && r.sum.cut == 1 && r.sum.members == 3);

        run_init(&r); /* the time for all of it is over at once: it is whole all the same */
        r.spec.file = "H";
        r.spec.limits.total_ns = 0;
        run(&r);
        CU_ASSERT(r.error == 0 && r.sum.missed == 2 && r.sum.members == 0);

        run_init(&r); /* the same name again: what stands there is left alone */
        put("out/E.tar.zst.partial", "other", 5);
        put("out/E.tar.gz.partial", "other", 5);
        run(&r);
        CU_ASSERT(r.error == -EEXIST && strstr(r.sum.words, "cannot be made"));
        CU_ASSERT_EQUAL(access(at("out/E.tar.gz.partial"), F_OK), 0);
        end();
}

/* For ever: a file that is written to and becomes shorter and longer, and a name that comes and goes. */
static void __attribute__((noreturn)) keep_changing(int ready)
{
        char grows[128], name[128];
        int fd;

        alarm(60);
        snprintf(grows, sizeof(grows), "%s/up/grows", top);
        snprintf(name, sizeof(name), "%s/up/d/comes-and-goes", top);
        fd = open(grows, O_WRONLY);
        for (;;) {
                close(open(name, O_WRONLY | O_CREAT, 0600));
                if (pwrite(fd, "z", 1, 0) != 1 || ftruncate(fd, 900000) < 0 || ftruncate(fd, 1 << 20) < 0)
                        _exit(1);
                unlink(name);
                if (ready >= 0 && write(ready, "x", 1) == 1)
                        ready = -1;
        }
}

static void test_changing(void)
{
        static char block[1 << 20];
        struct verdict v;
        struct run r;
        int ready[2];
        pid_t child;

        begin();
        memset(block, 'y', sizeof(block));
        make("up/d");
        put("up/grows", block, sizeof(block));
        CU_ASSERT_FATAL(pipe(ready) == 0);
        child = fork();
        if (child == 0)
                keep_changing(ready[1]);
        CU_ASSERT_EQUAL(read(ready[0], block, 1), 1);
        run_init(&r);
        r.spec.limits.rate = 2u << 20; /* so that it takes half a second */
        run(&r);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ready[0]);
        close(ready[1]);
        CU_ASSERT_EQUAL(r.error, 0);
        CU_ASSERT(r.sum.changed >= 1);
        verify(&v);
        CU_ASSERT_EQUAL(v.v.problems, 0);
        CU_ASSERT(noted(&v, "changed", "grows", "while it was read") >= 1);
        json_decref(v.manifest);
        end();
}

/* ---- what a container does so that nothing is taken of it ---- */

static void test_attributes(void)
{
        static char value[60000], upper[] = "/dev/shm/tidemark-take-XXXXXX";
        char path[64], name[32];
        struct verdict v;
        struct run r;
        int n = 0;

        begin();
        CU_ASSERT_FATAL(mkdtemp(upper) != NULL);
        snprintf(path, sizeof(path), "%s/a", upper);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        memset(value, 'v', sizeof(value));
        for (; n < 12; n++) {
                snprintf(name, sizeof(name), "%s.n%d", geteuid() == 0 ? "trusted" : "user", n);
                if (setxattr(path, name, value, sizeof(value), 0) < 0)
                        break;
        }
        run_init(&r);
        r.spec.upper = upper;
        run(&r);
        CU_ASSERT_EQUAL(r.error, 0);
        if (n > 2) { /* two have room */
                CU_ASSERT_EQUAL(r.sum.cut, (uint64_t)n - 2);
                verify(&v);
                CU_ASSERT_EQUAL(v.v.problems, 0);
                CU_ASSERT_EQUAL(noted(&v, "cut", "a", "bytes are left out: too many"), n - 2);
                json_decref(v.manifest);
        }
        CU_ASSERT(unlink(path) == 0 && rmdir(upper) == 0);
        end();
}

/* The longest names there are, each of their bytes five in JSON. */
static void test_long_names(void)
{
        static uint8_t name[4000];
        struct capture_notes *n = NULL;
        json_t *root = json_object();
        char *text;

        memset(name, 1, sizeof(name));
        CU_ASSERT_FATAL(capture_notes_new(&n) == 0);
        for (unsigned i = 0; i < 3 * 2000; i++)
                capture_note(n, i % 3, bytes_of(name, sizeof(name)), "a socket: tar has no word for it", 0);
        CU_ASSERT_EQUAL(capture_notes_count(n, CAPTURE_CUT), 2000);
        CU_ASSERT_EQUAL(capture_notes_put(n, 0, root), 0);
        text = json_dumps(root, JSON_INDENT(1));
        CU_ASSERT_FATAL(text != NULL);
        CU_ASSERT(strlen(text) > (8u << 20) && strlen(text) < (16u << 20));
        free(text);
        json_decref(root);
        capture_notes_free(n);
}

/* Storage may be a user's, who would have read as root what he may not read. */
static void test_links_in_storage(void)
{
        char upper[160];
        struct verdict v;
        struct run r;

        begin();
        make("st");
        make("st/overlay");
        make("st/overlay/up");
        make("st/containers");
        make("st/containers/" ID);
        make("st/overlay-containers");
        make("elsewhere");
        make("elsewhere/userdata");
        put("secret", "root's own", 10);
        put("elsewhere/userdata/ctr.log", "root's own", 10);
        CU_ASSERT_EQUAL(symlink(at("secret"), at("st/containers/" ID "/" ID "-json.log")), 0);
        CU_ASSERT_EQUAL(symlink(at("elsewhere"), at("st/overlay-containers/" ID)), 0);
        put("st/containers/" ID "/" ID "-json.log.1", "older\n", 6);
        run_init(&r);
        snprintf(upper, sizeof(upper), "%s", at("st/overlay/up"));
        r.spec.upper = upper;
        r.spec.flags = CAPTURE_LOGS;
        run(&r);
        CU_ASSERT(r.error == 0 && r.sum.members == 1 && r.sum.content == 6 && r.sum.missed == 2);
        verify(&v);
        CU_ASSERT_EQUAL(v.v.problems, 0);
        json_decref(v.manifest);
        end();
}

/* ---- what is left frozen ---- */

static int thaw(const char *text)
{
        put("out/E.frozen", text, strlen(text));
        return capture_thaw_left(at("out"), "E");
}

static void test_thaw(void)
{
        char group[64], state[96], text[160], word[16] = "";
        FILE *f;

        begin();
        CU_ASSERT_EQUAL(capture_thaw_left(at("out"), "E"), 0);
        snprintf(text, sizeof(text), "%s/freezer.state\nTHAWED\n", at("up")); /* no cgroup: not written to */
        put("up/freezer.state", "x", 1);
        CU_ASSERT_EQUAL(thaw(text), -EINVAL);
        CU_ASSERT_EQUAL(thaw("/sys/fs/cgroup/../../../tmp/freezer.state\nTHAWED\n"), -EINVAL);
        CU_ASSERT_EQUAL(thaw("/sys/fs/cgroup/freezer/x/freezer.state\nFROZEN\n"), -EINVAL);
        CU_ASSERT_EQUAL(thaw("/sys/fs/cgroup/freezer/x/tasks\nTHAWED\n"), -EINVAL);
        CU_ASSERT_EQUAL(access(at("out/E.frozen"), F_OK), 0);
        CU_ASSERT_EQUAL(thaw("/sys/fs/cgroup/freezer/there-is-none/freezer.state\nTHAWED\n"), -ENOENT);
        CU_ASSERT(access(at("out/E.frozen"), F_OK) < 0);
        CU_ASSERT_EQUAL(thaw("/sys/fs/cgroup/freezer/half"), 0);
        CU_ASSERT(access(at("out/E.frozen"), F_OK) < 0);
        snprintf(group, sizeof(group), "/sys/fs/cgroup/freezer/tidemark-unit-%d", (int)getpid());
        if (mkdir(group, 0755) == 0) { /* root, and version 1 */
                snprintf(state, sizeof(state), "%s/freezer.state", group);
                f = fopen(state, "we");
                CU_ASSERT(f && fputs("FROZEN", f) >= 0 && fclose(f) == 0);
                snprintf(text, sizeof(text), "%s\nTHAWED\n", state);
                put("out/E-1.frozen", text, strlen(text));
                CU_ASSERT_EQUAL(capture_thaw_all(at("out")), 1);
                f = fopen(state, "re");
                CU_ASSERT(f && fgets(word, sizeof(word), f) && fclose(f) == 0);
                CU_ASSERT_STRING_EQUAL(word, "THAWED\n");
                CU_ASSERT_EQUAL(rmdir(group), 0);
        }
        end();
}

/* ---- containment, and who asked ---- */

static void test_manifest(void)
{
        const struct capture_text texts[] = {{"finding.json", BYTES_LIT("{\"id\":\"F-1\"}")}};
        struct verdict v;
        struct run r;
        json_t *parts;

        begin();
        put("up/a", "x", 1);
        run_init(&r);
        r.spec.flags = CAPTURE_LAYER | CAPTURE_HOLD;
        r.spec.caller = "{\"finding\":\"F-1\",\"revision\":7}";
        r.spec.texts = texts;
        r.spec.ntexts = 1;
        run(&r);
        CU_ASSERT(r.error == 0 && r.volatiles == 1);
        verify(&v);
        parts = json_object_get(v.manifest, "parts");
        CU_ASSERT_EQUAL(json_array_size(parts), 3);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(parts, 0), "containment")), "before");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(parts, 2), "containment")), "after");
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_object_get(v.manifest, "caller"), "revision")), 7);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(v.manifest, "agent")), "test");
        CU_ASSERT(json_is_object(json_object_get(v.manifest, "clock")));
        CU_ASSERT(json_string_length(json_object_get(json_object_get(v.manifest, "host"), "boot_id")) == 36);
        CU_ASSERT_EQUAL(v.v.members, 3); /* the text, the layer, a */
        json_decref(v.manifest);
        run_init(&r);
        r.spec.id = "no id";
        CU_ASSERT_EQUAL(capture_start(NULL, &r.spec, NULL, NULL, NULL), -EINVAL);
        run_init(&r);
        r.spec.file = "../up";
        CU_ASSERT_EQUAL(capture_start(NULL, &r.spec, NULL, NULL, NULL), -EINVAL);
        end();
}

/* ---- what was changed ---- */

/* The archive without its compression. */
static uint8_t *plain(size_t *ret_len)
{
        struct archive *a = archive_read_new();
        struct archive_entry *e;
        uint8_t *p = malloc(1u << 20);
        size_t len = 0;
        ssize_t n;

        archive_read_support_filter_all(a);
        archive_read_support_format_raw(a);
        CU_ASSERT_FATAL(archive_read_open_filename(a, archive_path(), 65536) == ARCHIVE_OK);
        CU_ASSERT_FATAL(archive_read_next_header(a, &e) == ARCHIVE_OK);
        while ((n = archive_read_data(a, p + len, (1u << 20) - len)) > 0)
                len += (size_t)n;
        archive_read_free(a);
        *ret_len = len;
        return p;
}

static void verify_bytes(int fd, const uint8_t *p, size_t len, struct verdict *v)
{
        CU_ASSERT_FATAL(ftruncate(fd, 0) == 0 && pwrite(fd, p, len, 0) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0);
        verify_fd(fd, v);
}

static void small_archive(void)
{
        struct run r;

        begin();
        put("up/a", "content", 7);
        CU_ASSERT_EQUAL(symlink("to", at("up/link")), 0);
        CU_ASSERT(setxattr(at("up/a"), "user.note", "value", 5, 0) == 0 || errno == ENOTSUP);
        run_init(&r);
        run(&r);
        CU_ASSERT_EQUAL_FATAL(r.error, 0);
}

/* What is between members may be anything; nothing else. */
static void test_changed_bytes(void)
{
        struct verdict v;
        unsigned found = 0, unseen = 0;
        char manifest[CAPTURE_HASH];
        uint8_t *p;
        size_t len;
        int fd;

        small_archive();
        p = plain(&len);
        fd = open(at("changed"), O_RDWR | O_CREAT, 0600);
        verify_bytes(fd, p, len, &v);
        CU_ASSERT_EQUAL(v.v.problems, 0);
        memcpy(manifest, v.v.manifest, sizeof(manifest));
        json_decref(v.manifest);
        for (size_t i = 0; i < len; i++) {
                p[i] ^= 1;
                verify_bytes(fd, p, len, &v);
                json_decref(v.manifest);
                p[i] ^= 1;
                if (v.v.problems || strcmp(manifest, v.v.manifest) != 0)
                        found++;
                else if (p[i] != 0)
                        unseen++;
        }
        CU_ASSERT(found > 4000);
        CU_ASSERT_EQUAL(unseen, 0);
        for (size_t cut = 0; cut + 1024 < len; cut += 509) {
                verify_bytes(fd, p, cut, &v);
                json_decref(v.manifest);
                CU_ASSERT(v.v.problems > 0);
        }
        close(fd);
        free(p);
        end();
}

/* Write it anew: without a member, with one twice, with another one. */
static void rewrite(const char *without, const char *twice, const char *more)
{
        struct archive *a = archive_read_new(), *w = archive_write_new();
        struct archive_entry *e, *x = archive_entry_new();
        static char data[65536];

        archive_read_support_filter_all(a);
        archive_read_support_format_tar(a);
        archive_write_set_format_pax(w);
        CU_ASSERT_FATAL(archive_write_open_filename(w, at("changed")) == ARCHIVE_OK);
        CU_ASSERT_FATAL(archive_read_open_filename(a, archive_path(), 65536) == ARCHIVE_OK);
        if (more) {
                archive_entry_copy_pathname(x, more);
                archive_entry_set_filetype(x, AE_IFREG);
                archive_entry_set_perm(x, 0600);
                archive_entry_set_size(x, 0);
                CU_ASSERT_EQUAL(archive_write_header(w, x), ARCHIVE_OK);
        }
        while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
                int times = without && strcmp(archive_entry_pathname(e), without) == 0 ? 0
                            : twice && strcmp(archive_entry_pathname(e), twice) == 0   ? 2
                                                                                       : 1;
                ssize_t n = archive_read_data(a, data, sizeof(data));

                for (; times > 0; times--) {
                        CU_ASSERT_EQUAL(archive_write_header(w, e), ARCHIVE_OK);
                        CU_ASSERT(n <= 0 || archive_write_data(w, data, (size_t)n) == n);
                }
        }
        archive_entry_free(x);
        archive_read_free(a);
        archive_write_free(w);
}

static void test_members(void)
{
        static const struct {
                const char *without, *twice, *more, *problem;
        } cases[] = {
                {NULL, NULL, NULL, ""},
                {"layer/a", NULL, NULL, "layer/a: it is listed, and missing"},
                {NULL, "layer/a", NULL, "layer/a: it is there twice"},
                {NULL, NULL, "layer/other", "layer/other: it is there, and not listed"},
                {"members.jsonl", NULL, NULL, "members.jsonl: it is missing"},
                {"manifest.json", NULL, NULL, "manifest.json: it is missing"},
                {NULL, "manifest.json", NULL, "manifest.json: it is there twice"},
        };
        struct verdict v;
        int fd;

        small_archive();
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                rewrite(cases[i].without, cases[i].twice, cases[i].more);
                fd = open(at("changed"), O_RDONLY);
                verify_fd(fd, &v);
                close(fd);
                json_decref(v.manifest);
                CU_ASSERT_PTR_NOT_NULL(strstr(v.problems, cases[i].problem));
                CU_ASSERT_EQUAL(v.v.problems != 0, cases[i].problem[0] != '\0');
        }
        end();
}

/* ---- masking ---- */

static void masked(const char *text, bool json, const char *expected, unsigned values)
{
        struct capture_run r = {.masked = 0};
        _cleanup_buf_ struct buf out;
        size_t n;
        const char *const *patterns = mask_shipped(&n);
        uint32_t len = (uint32_t)strlen(text);
        char *copy = strdup(text);

        for (uint32_t i = 0; !json && i < len; i++) /* '|' stands for a NUL */
                copy[i] = copy[i] == '|' ? '\0' : copy[i];
        CU_ASSERT_FATAL(capture_notes_new(&r.notes) == 0 && mask_new(&r.mask) == 0);
        for (size_t i = 0; i < n; i++)
                CU_ASSERT_EQUAL(mask_add(r.mask, patterns[i]), 0);
        buf_init(&out, 1u << 20);
        if (json)
                capture_mask_json(&r, bytes_of(copy, len), &out);
        else
                capture_mask(&r, bytes_of(copy, len), &out);
        for (size_t i = 0; !json && i < out.len; i++)
                out.p[i] = out.p[i] ? out.p[i] : '|';
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), expected);
        CU_ASSERT_EQUAL(r.masked, values);
        mask_free(r.mask);
        capture_notes_free(r.notes);
        free(copy);
}

static void test_masking(void)
{
        masked("PATH=/bin|DB_PASSWORD=hunter 2|HOME=/|", false, "PATH=/bin|DB_PASSWORD=[masked]|HOME=/|", 1);
        masked("mysql|-phunter2|-h|db|", false, "mysql|-p[masked]|-h|db|", 1);
        masked("{\"env\": [\"A=b\",\n \"DB_PASSWORD=hunter2\"], \"n\": 5}", true,
               "{\"env\": [\"A=b\",\n \"DB_PASSWORD=[masked]\"], \"n\": 5}", 1);
        masked("{\"args\":[\"mysql\",\"-phunter2\",\"--password\",\"x y\"],\"token\":\"abc\",\"a\":{\"b\":null}}", true,
               "{\"args\":[\"mysql\",\"-p[masked]\",\"--password\",\"[masked]\"],\"token\":\"[masked]\",\"a\":{\"b\":"
               "null}}",
               3);
        masked("{\"plain\":\"say \\\"hi\\\"\",\"x\":[1,2,{}]}\n", true,
               "{\"plain\":\"say \\\"hi\\\"\",\"x\":[1,2,{}]}\n", 0);
        masked("", true, "", 0);
        masked("no json \"token=abc", true, "no json \"token=[masked]", 1);
        masked("\"", true, "\"", 0);
        masked("\"a\\", true, "\"a\\", 0);
}

/* More than is masked at once: the flag ends one stretch, its value begins the next; and one value longer than any. */
static void test_masking_long(void)
{
        _cleanup_buf_ struct buf text, expected, json;

        buf_init(&text, 1u << 20);
        buf_init(&expected, 1u << 20);
        buf_init(&json, 1u << 20);
        for (unsigned i = 0; i < 1022; i++)
                buf_put_str(&text, "xxxxxxx|");
        buf_put_str(&text, "pad|--password|");
        buf_put_str(&expected, buf_cstr(&text));
        buf_put_str(&text, "hunter2|end|");
        buf_put_str(&expected, "[masked]|end|");
        masked(buf_cstr(&text), false, buf_cstr(&expected), 1);
        buf_put_u8(&json, '[');
        for (unsigned i = 0; i < 1021; i++)
                buf_put_str(&json, "\"xxxxxxx\",");
        buf_put_str(&json, "\"padpadpadpa\",\"--password\",\"hunter2\"]");
        buf_reset(&expected);
        buf_put(&expected, json.p, json.len - 10);
        buf_put_str(&expected, "\"[masked]\"]");
        masked(buf_cstr(&json), true, buf_cstr(&expected), 1);
        buf_reset(&text);
        buf_put_str(&text, "A=b|PASSWORD=");
        for (unsigned i = 0; i < 20000; i++)
                buf_put_u8(&text, 'k');
        buf_put_str(&text, "|HOME=/|");
        masked(buf_cstr(&text), false, "A=b|PASSWORD=[masked]|HOME=/|", 1);
}

/* ---- conntrack ---- */

static void put_tuple(struct nlmsghdr *h, uint16_t type, const char *src, const char *dst)
{
        struct nlattr *t = mnl_attr_nest_start(h, type), *ip = mnl_attr_nest_start(h, CTA_TUPLE_IP), *proto;
        struct in_addr a;

        inet_pton(AF_INET, src, &a);
        mnl_attr_put_u32(h, CTA_IP_V4_SRC, a.s_addr);
        inet_pton(AF_INET, dst, &a);
        mnl_attr_put_u32(h, CTA_IP_V4_DST, a.s_addr);
        mnl_attr_nest_end(h, ip);
        proto = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
        mnl_attr_put_u8(h, CTA_PROTO_NUM, 6);
        mnl_attr_put_u16(h, CTA_PROTO_SRC_PORT, htons(4444));
        mnl_attr_put_u16(h, CTA_PROTO_DST_PORT, htons(80));
        mnl_attr_nest_end(h, proto);
        mnl_attr_nest_end(h, t);
}

static void test_conntrack(void)
{
        char space[1024] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(space);
        _cleanup_buf_ struct buf out;

        h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
        memset(mnl_nlmsg_put_extra_header(h, sizeof(struct nfgenmsg)), 0, sizeof(struct nfgenmsg));
        put_tuple(h, CTA_TUPLE_ORIG, "10.0.0.2", "10.0.0.9");
        put_tuple(h, CTA_TUPLE_REPLY, "10.0.0.9", "10.0.0.2");
        mnl_attr_put_u32(h, CTA_TIMEOUT, htonl(300));
        mnl_attr_put_u16(h, CTA_STATUS, 1); /* of a wrong length */
        buf_init(&out, 4096);
        CU_ASSERT_EQUAL(capture_conntrack_line(h, &out), 0);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&out), "6 src=10.0.0.2 dst=10.0.0.9 sport=4444 dport=80 reply src=10.0.0.9 "
                                               "dst=10.0.0.2 sport=4444 dport=80 timeout=300\n");
        h->nlmsg_type = NLMSG_DONE;
        CU_ASSERT_EQUAL(capture_conntrack_line(h, &out), 0);
}

static const struct unit_case cases[] = {
        {"a write layer is kept truly, and comes out as it was", test_layer},
        {"limits cut, and say what", test_limits},
        {"a layer that changes while it is read", test_changing},
        {"attributes without end are cut", test_attributes},
        {"names without end do not outgrow the manifest", test_long_names},
        {"no link in a storage is followed", test_links_in_storage},
        {"what was left frozen goes on, and nothing else is written to", test_thaw},
        {"the manifest says who, when, and before or after what", test_manifest},
        {"every changed byte and every cut are found", test_changed_bytes},
        {"members that are missing, twice, or there beside", test_members},
        {"secrets are masked in arguments, variables and JSON", test_masking},
        {"secrets are masked in long texts", test_masking_long},
        {"an entry of conntrack as text", test_conntrack},
};
UNIT_MAIN("capture", cases)
