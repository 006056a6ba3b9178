/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users, directories, and giving up privileges (in a child; the parts that need root are named when left out). */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/caps.h"
#include "tidemark/confine.h"
#include "tidemark/user.h"

static void test_users(void)
{
        uid_t uid = 99;
        gid_t gid = 99;

        CU_ASSERT_EQUAL(user_find("root", &uid, &gid), 0);
        CU_ASSERT_EQUAL(uid, 0);
        CU_ASSERT_EQUAL(user_find("no-such-user-here", &uid, &gid), -ENOENT);
        CU_ASSERT_EQUAL(user_find_group("root", &gid), 0);
        CU_ASSERT_EQUAL(gid, 0);
        CU_ASSERT_EQUAL(user_find_group("no-such-group-here", &gid), -ENOENT);
}

static void test_dirs(void)
{
        char base[] = "/tmp/tidemark-priv-XXXXXX", path[64], below[80];
        struct stat st;

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(base));
        snprintf(path, sizeof(path), "%s/dir", base);
        snprintf(below, sizeof(below), "%s/x/y", base);
        CU_ASSERT_EQUAL(user_dir(path, 0750, getuid(), getgid()), 0);
        CU_ASSERT_EQUAL(stat(path, &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0750);
        CU_ASSERT_EQUAL(user_dir(path, 0700, getuid(), getgid()), 0); /* taken as it is, the mode is set */
        CU_ASSERT_EQUAL(stat(path, &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0700);
        CU_ASSERT_EQUAL(user_dir(below, 0700, getuid(), getgid()), -ENOENT);
        rmdir(path);
        CU_ASSERT_EQUAL(symlink("/etc", path), 0); /* what another may have prepared is not followed */
        CU_ASSERT_EQUAL(user_dir(path, 0700, getuid(), getgid()), -ENOTDIR);
        unlink(path);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        CU_ASSERT_EQUAL(user_dir(path, 0700, getuid(), getgid()), -ENOTDIR);
        unlink(path);
        if (geteuid() == 0) { /* of another user: not trusted */
                CU_ASSERT_EQUAL(mkdir(path, 0777), 0);
                CU_ASSERT_EQUAL(chown(path, 12345, 12345), 0);
                CU_ASSERT_EQUAL(user_dir(path, 0700, 0, 0), -EPERM);
                rmdir(path);
        }
        rmdir(base);
}

/* Run in a child, which may not get its privileges back. Its exit status is the number of the step that went wrong. */
static int in_child(int (*run)(void))
{
        int status = -1;
        pid_t pid = fork();

        if (pid == 0)
                _exit(run());
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool file_says(const char *word, unsigned long long want)
{
        char line[256];
        unsigned long long got = ~0ull;
        FILE *f = fopen("/proc/self/status", "r");

        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == ':')
                        sscanf(line + strlen(word) + 1, "%llx", &got);
        if (f)
                fclose(f);
        return got == want;
}

static int run_keep(void)
{
        size_t n;
        const struct caps_need *needs = caps_sensor(&n);
        unsigned long long mask = 0;

        for (size_t i = 0; i < n; i++)
                mask |= 1ull << needs[i].cap;
        if (caps_keep(needs, n, NULL) < 0)
                return 1;
        if (!file_says("CapEff", mask) || !file_says("CapBnd", mask) || !file_says("CapPrm", mask) ||
            !file_says("CapInh", 0))
                return 2;
        if (caps_none() < 0)
                return 3;
        return file_says("CapEff", 0) && file_says("CapPrm", 0) && file_says("NoNewPrivs", 1) ? 0 : 4;
}

static int run_missing(void)
{
        size_t n;
        const struct caps_need *needs = caps_sensor(&n);
        const char *missing = NULL;

        if (caps_none() < 0)
                return 1;
        if (caps_keep(needs, n, &missing) != -EPERM)
                return 2;
        return missing && strstr(missing, "sys_admin") ? 0 : 3;
}

static int run_become(void)
{
        if (caps_become(54321, 54321) < 0)
                return 1;
        if (getuid() != 54321 || geteuid() != 54321 || getgid() != 54321 || getgroups(0, NULL) != 0)
                return 2;
        if (!file_says("CapEff", 0) || !file_says("CapBnd", 0) || !file_says("CapPrm", 0) ||
            !file_says("NoNewPrivs", 1))
                return 3;
        return setuid(0) < 0 ? 0 : 4; /* no way back */
}

static void test_drop(void)
{
        if (geteuid() != 0) {
                printf("left out, needs root: ");
                return;
        }
        CU_ASSERT_EQUAL(in_child(run_keep), 0);
        CU_ASSERT_EQUAL(in_child(run_missing), 0);
        CU_ASSERT_EQUAL(in_child(run_become), 0);
}

/* ---- workers ---- */

static TM_UNUSED bool refused(const char *path, int flags)
{
        int fd = open(path, flags, 0600);

        if (fd >= 0)
                close(fd);
        return fd < 0 && errno == EPERM;
}

/* A status, or minus the signal that ended it. */
static int ended(int (*run)(void))
{
        pid_t pid = fork();
        int status = 0;

        if (pid == 0)
                _exit(run());
        CU_ASSERT_TRUE(pid > 0 && waitpid(pid, &status, 0) == pid);
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_reader(void)
{
        int fd = open("/etc/passwd", O_RDONLY);
        struct stat st;
        char c;

        if (confine(CONFINE_READER) < 0)
                return 1;
        if (fstat(fd, &st) < 0 || pread(fd, &c, 1, 0) != 1)
                return 2;
#ifndef TM_SANITIZE /* which opens files */
        if (!refused("/etc/passwd", O_RDONLY) || stat("/etc/passwd", &st) == 0)
                return 3;
#endif
        return 0;
}

static int run_reader_socket(void)
{
        return confine(CONFINE_READER) < 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 1 : 2;
}

static int run_file_reader(void)
{
        char path[] = "/tmp/tidemark-confine-XXXXXX";
        int fd = mkstemp(path), r = 0;

        if (fd < 0 || confine(CONFINE_FILE_READER) < 0)
                return 1;
        fd = open("/etc/passwd", O_RDONLY);
        if (fd < 0)
                r = 2;
#ifndef TM_SANITIZE
        if (!refused(path, O_WRONLY) || !refused(path, O_RDWR) || !refused(path, O_RDONLY | O_TRUNC) ||
            !refused("/tmp/tidemark-confine-new", O_RDONLY | O_CREAT))
                r = 3;
#endif
        if (unlink(path) == 0 || errno != EPERM || mkdir("/tmp/tidemark-confine-dir", 0700) == 0 ||
            socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
                r = 4;
#ifndef TM_SANITIZE /* which may fork, to tell what it found */
        if (r == 0 && fork() >= 0)
                r = 5;
#endif
        return r;
}

static int run_limits(void)
{
        return confine_limits((uint64_t)1 << 30, 10) < 0 ? 1 : 0;
}

static void remove_left(void)
{
        glob_t g;

        if (glob("/tmp/tidemark-confine-*", 0, NULL, &g) == 0) {
                for (size_t i = 0; i < g.gl_pathc; i++)
                        unlink(g.gl_pathv[i]);
                globfree(&g);
        }
}

static void test_confine(void)
{
        CU_ASSERT_EQUAL(ended(run_reader), 0);
        CU_ASSERT_EQUAL(ended(run_reader_socket), -SIGSYS);
        CU_ASSERT_EQUAL(ended(run_file_reader), 0);
        CU_ASSERT_EQUAL(ended(run_limits), 0);
        remove_left(); /* the child may not */
}

static const struct unit_case cases[] = {
        {"users and groups", test_users},
        {"directories of our own making only", test_dirs},
        {"privileges are given up, and it is seen", test_drop},
        {"a worker may ask for little", test_confine},
};
UNIT_MAIN("priv", cases)
