/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening below a directory whose tree is hostile: both ways, and both with the same answer. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tidemark/beneath.h"
#include "unit.h"

static char top[64];
static int base = -1;

static int run(const char *line)
{
        char all[512];

        snprintf(all, sizeof(all), "cd %s && %s", top, line);
        return system(all);
}

static void make_tree(void)
{
        strcpy(top, "/tmp/tidemark-beneath-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(top));
        CU_ASSERT_EQUAL_FATAL(run("mkdir -p in/a/b out && echo inside >in/a/b/f && echo outside >out/f && "
                                  "ln -s ../out in/up && ln -s / in/root && ln -s a in/same && ln -s b/f in/a/file && "
                                  "ln -s loop in/loop && mkfifo in/fifo && mkdir in/...  && "
                                  "ln -s /proc/self/root in/magic"),
                              0);
        base = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
        CU_ASSERT_FATAL(base >= 0);
        close(base);
        CU_ASSERT_FATAL(chdir(top) == 0);
        base = open("in", O_PATH | O_DIRECTORY | O_CLOEXEC);
        CU_ASSERT_FATAL(base >= 0);
}

static void drop_tree(void)
{
        close(base);
        CU_ASSERT_EQUAL(chdir("/"), 0);
        CU_ASSERT_EQUAL(run("rm -rf in out"), 0);
        CU_ASSERT_EQUAL(rmdir(top), 0);
}

/* Both ways: 0 or the error, which must be one. */
static int both(struct bytes path, int flags, enum beneath_how how)
{
        struct stat a = {0}, b = {0};
        int x = beneath_open(base, path, flags, how), y = beneath_open_stepwise(base, path, flags, how);
        bool same = x >= 0 && y >= 0 && fstat(x, &a) == 0 && fstat(y, &b) == 0 && a.st_ino == b.st_ino;
        int r = x < 0 ? x : same ? 0 : -EIO;

        if (x < 0 ? x != y : !same)
                printf("\n    %.*s: %d and %d\n", (int)(path.len < 60 ? path.len : 60), (const char *)path.p, x, y);
        CU_ASSERT_TRUE(x < 0 ? x == y : same);
        if (x >= 0)
                close(x);
        if (y >= 0)
                close(y);
        return r;
}

static int at(const char *path, int flags)
{
        return both(bytes_str(path), flags, BENEATH_ONE_MOUNT);
}

static void test_plain(void)
{
        make_tree();
        CU_ASSERT_EQUAL(at("a/b/f", O_RDONLY), 0);
        CU_ASSERT_EQUAL(at("/a/b/f", O_RDONLY), 0);
        CU_ASSERT_EQUAL(at("///a//b/./f", O_RDONLY), 0);
        CU_ASSERT_EQUAL(at("", O_PATH), 0);
        CU_ASSERT_EQUAL(at("/", O_RDONLY | O_DIRECTORY), 0);
        CU_ASSERT_EQUAL(at(".", O_PATH), 0);
        CU_ASSERT_EQUAL(at("a/", O_RDONLY), 0);
        CU_ASSERT_EQUAL(at("...", O_PATH), 0); /* a name like any other */
        CU_ASSERT_EQUAL(at("a/b/f/", O_RDONLY), -ENOTDIR);
        CU_ASSERT_EQUAL(at("a/b/f/x", O_RDONLY), -ENOTDIR);
        CU_ASSERT_EQUAL(at("a/none", O_RDONLY), -ENOENT);
        CU_ASSERT_EQUAL(at("a/none/x", O_RDONLY), -ENOENT);
        CU_ASSERT_EQUAL(at("fifo", O_PATH), 0);
        CU_ASSERT_EQUAL(at("fifo/x", O_RDONLY), -ENOTDIR); /* and it is not opened on the way: this returns */
        drop_tree();
}

static void test_links(void)
{
        make_tree();
        CU_ASSERT_EQUAL(at("same/b/f", O_RDONLY), -ELOOP); /* also one that stays inside */
        CU_ASSERT_EQUAL(at("up/f", O_RDONLY), -ELOOP);
        CU_ASSERT_EQUAL(at("root/etc/passwd", O_RDONLY), -ELOOP);
        CU_ASSERT_EQUAL(at("magic/etc/passwd", O_RDONLY), -ELOOP);
        CU_ASSERT_EQUAL(at("loop/x", O_RDONLY), -ELOOP);
        CU_ASSERT_EQUAL(at("a/file", O_RDONLY), -ELOOP);
        CU_ASSERT_EQUAL(at("same/", O_PATH), -ELOOP);
        CU_ASSERT_EQUAL(at("root", O_PATH), 0); /* itself */
        CU_ASSERT_EQUAL(at("loop", O_PATH), 0);
        drop_tree();
}

static void test_up(void)
{
        make_tree();
        CU_ASSERT_EQUAL(at("..", O_PATH), -EXDEV);
        CU_ASSERT_EQUAL(at("../out/f", O_RDONLY), -EXDEV);
        CU_ASSERT_EQUAL(at("/../out/f", O_RDONLY), -EXDEV);
        CU_ASSERT_EQUAL(at("a/../../out/f", O_RDONLY), -EXDEV);
        CU_ASSERT_EQUAL(at("a/../a/b/f", O_RDONLY), -EXDEV); /* no name that is meant well holds one */
        CU_ASSERT_EQUAL(at("a/..", O_RDONLY), -EXDEV);
        CU_ASSERT_EQUAL(at("..a", O_PATH), -ENOENT);
        CU_ASSERT_EQUAL(at("a..", O_PATH), -ENOENT);
        drop_tree();
}

static void test_lengths(void)
{
        char name[NAME_MAX + 2], path[PATH_MAX + 8];

        make_tree();
        memset(name, 'n', sizeof(name));
        CU_ASSERT_EQUAL(both(bytes_of(name, NAME_MAX + 1), O_PATH, BENEATH_ONE_MOUNT), -ENAMETOOLONG);
        CU_ASSERT_EQUAL(mkdirat(base, (name[NAME_MAX] = '\0', name), 0700), 0);
        CU_ASSERT_EQUAL(both(bytes_of(name, NAME_MAX), O_PATH, BENEATH_ONE_MOUNT), 0);
        for (size_t i = 0; i < sizeof(path); i++) /* "a/././" and so on: deep, and nowhere */
                path[i] = i == 0 ? 'a' : i % 2 ? '/' : '.';
        CU_ASSERT_EQUAL(both(bytes_of(path, PATH_MAX - 1), O_PATH, BENEATH_ONE_MOUNT), 0);
        CU_ASSERT_EQUAL(both(bytes_of(path, PATH_MAX), O_PATH, BENEATH_ONE_MOUNT), -ENAMETOOLONG);
        CU_ASSERT_EQUAL(both(bytes_of("a\0b", 3), O_PATH, BENEATH_ONE_MOUNT), -EINVAL);
        CU_ASSERT_EQUAL(both(bytes_of("\0", 1), O_PATH, BENEATH_ONE_MOUNT), -EINVAL);
        drop_tree();
}

/* A mount within, of another file system and of the same one. In a child: its mounts end with it. */
static int mounts(void)
{
        int bad = 0, r;

        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 77;
        close(base);
        base = open("in", O_PATH | O_DIRECTORY | O_CLOEXEC); /* the one before lies in the mounts of before */
        bad |= mkdirat(base, "tmpfs", 0700) < 0 || mkdirat(base, "bind", 0700) < 0;
        bad |= mount("none", "in/tmpfs", "tmpfs", 0, NULL) < 0 || mount("out", "in/bind", NULL, MS_BIND, NULL) < 0;
        if (bad)
                return 2;
        for (int i = 0; i < 2; i++) {
                const char *const names[] = {"bind", "bind/f", "tmpfs"};

                for (size_t n = 0; n < ARRAY_LEN(names); n++) {
                        r = (i ? beneath_open : beneath_open_stepwise)(base, bytes_str(names[n]), O_PATH,
                                                                       BENEATH_ONE_MOUNT);
                        bad |= r != -EXDEV;
                        r = (i ? beneath_open : beneath_open_stepwise)(base, bytes_str(names[n]), O_PATH,
                                                                       BENEATH_ANY_MOUNT);
                        bad |= r < 0;
                }
        }
        return bad;
}

static void test_mounts(void)
{
        int status = 0;
        pid_t pid;

        make_tree();
        fflush(NULL);
        pid = fork();
        if (pid == 0)
                _exit(mounts());
        CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
        CU_ASSERT_TRUE(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                printf("left out: no right to mount ... ");
        else
                CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
        drop_tree();
}

static const struct unit_case cases[] = {
        {"a plain name is opened", test_plain},
        {"no link is gone through", test_links},
        {"nothing above is reached", test_up},
        {"long names and names with an end in them are refused", test_lengths},
        {"no other mount is entered", test_mounts},
};
UNIT_MAIN("beneath", cases)
