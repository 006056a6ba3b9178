/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the lists of system calls for workers. Must not: be undone. libseccomp's seccomp_init(3), seccomp_rule_add(3).
 *
 * Names that this libseccomp or kernel does not know are passed over: what is not on the list is refused anyway.
 */
#include "tidemark/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifdef TM_SANITIZE
/* What the sanitizers ask for at the end of a process. */
#define SANITIZER_CALLS "sigaltstack", "gettid", "getpid", "prctl", "clone", "ptrace", "kill", "readlink", "openat"
#endif

static const char *const common[] = {
        "read",
        "pread64",
        "readv",
        "write",
        "writev",
        "recvmsg",
        "sendmsg",
        "recvfrom",
        "sendto",
        "close",
        "fstat",
        "lseek",
        "_llseek",
        "mmap",
        "mmap2",
        "munmap",
        "mremap",
        "mprotect",
        "brk",
        "madvise",
        "fadvise64",
        "exit",
        "exit_group",
        "rt_sigreturn",
        "sigreturn",
        "rt_sigprocmask",
        "rt_sigaction",
        "clock_gettime",
        "clock_gettime64",
        "clock_nanosleep",
        "clock_nanosleep_time64",
        "nanosleep",
        "gettimeofday",
        "time",
        "getrandom",
        "futex",
        "poll",
        "ppoll",
        "restart_syscall",
        "wait4",
        "waitid",
        "getpid",
        "gettid",
        "sched_yield",
        "tgkill", /* abort() */
#ifdef TM_SANITIZE
        SANITIZER_CALLS,
#endif
};

/* What a C library may try, and lives without. */
static const char *const harmless[] = {
        "open",      "openat",          "openat2",    "access",
        "faccessat", "faccessat2",      "stat",       "lstat",
        "readlink",  "readlinkat",      "getdents64", "sysinfo",
        "uname",     "getrlimit",       "prlimit64",  "ugetrlimit",
        "getcwd",    "ioctl",           "fcntl",      "sched_getaffinity",
        "getrusage", "set_robust_list", "rseq",       "getuid",
        "geteuid",   "getgid",          "getegid",    "statfs",
        "fstatfs",   "umask",           "membarrier", "prctl",
};

/* Reading files by name. */
static const char *const by_name[] = {
        "access",     "faccessat",  "faccessat2",
        "stat",       "stat64",     "lstat",
        "lstat64",    "newfstatat", "fstatat64",
        "statx",      "fstat64",    "readlink",
        "readlinkat", "getdents",   "getdents64",
        "fcntl",      "fcntl64",    "getcwd",
        "statfs",     "statfs64",   "fstatfs",
        "fstatfs64",  "flock",      "uname",
        "sysinfo",    "getuid",     "geteuid",
        "getgid",     "getegid",    "getuid32",
        "geteuid32",  "getgid32",   "getegid32",
        "getppid",    "getrlimit",  "prlimit64",
        "ugetrlimit", "getrusage",  "sched_getaffinity",
        "umask",      "dup",        "dup2",
        "dup3",       "times",      "msync",
};

static int add(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                int nr = seccomp_syscall_resolve_name(names[i]);

                if (nr != __NR_SCMP_ERROR && nr >= 0)
                        r = seccomp_rule_add(ctx, action, nr, 0);
                if (r == -EEXIST || r == -EACCES || r == -EFAULT) /* said already, or as everything else is treated */
                        r = 0;
        }
        return r;
}

/* Of an open descriptor alone: what fstat(3) is made of. By name: refused. */
static int add_fstat(scmp_filter_ctx ctx)
{
        static const struct {
                const char *name;
                unsigned flags; /* number of that argument */
        } rows[] = {{"newfstatat", 3}, {"fstatat64", 3}, {"statx", 2}};
        int r = 0;

        for (size_t i = 0; i < ARRAY_LEN(rows) && r == 0; i++) {
                int nr = seccomp_syscall_resolve_name(rows[i].name);

                if (nr == __NR_SCMP_ERROR || nr < 0)
                        continue;
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
                                     SCMP_CMP(rows[i].flags, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
                if (r == 0)
                        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 1,
                                             SCMP_CMP(rows[i].flags, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0));
        }
        return r;
}

/* Neither for writing, nor made, nor emptied. O_TMPFILE holds O_DIRECTORY, and needs one of the first two. */
static int add_open(scmp_filter_ctx ctx)
{
        const uint64_t writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
        int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writes, 0));

#ifdef __NR_open
        if (r == 0)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, writes, 0));
#endif
        return r == -EEXIST ? 0 : r;
}

int confine(enum confine_as as)
{
        scmp_filter_ctx ctx = seccomp_init(as == CONFINE_READER ? SCMP_ACT_KILL : SCMP_ACT_ERRNO(EPERM));
        int r;

        if (!ctx)
                return -ENOMEM;
        r = add(ctx, SCMP_ACT_ALLOW, common, ARRAY_LEN(common));
        if (r == 0 && as == CONFINE_READER)
                r = add(ctx, SCMP_ACT_ERRNO(EPERM), harmless, ARRAY_LEN(harmless));
        if (r == 0 && as == CONFINE_READER)
                r = add_fstat(ctx);
        if (r == 0 && as == CONFINE_FILE_READER)
                r = add(ctx, SCMP_ACT_ALLOW, by_name, ARRAY_LEN(by_name));
        if (r == 0 && as == CONFINE_FILE_READER)
                r = add_open(ctx);
        if (r == 0)
                r = seccomp_load(ctx); /* sets no new privileges, too */
        seccomp_release(ctx);
        if (r == 0 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2 && errno != EPERM) /* the filter refuses to say */
                r = -EPERM;
        return r;
}

static int limit(int what, uint64_t most)
{
        struct rlimit lim = {.rlim_cur = (rlim_t)most, .rlim_max = (rlim_t)most};

        return setrlimit(what, &lim) < 0 ? -errno : 0;
}

int confine_limits(uint64_t memory, uint64_t cpu_seconds)
{
        int r = limit(RLIMIT_CORE, 0);

#ifndef TM_SANITIZE /* its shadow is terabytes of addresses */
        if (r == 0 && memory)
                r = limit(RLIMIT_AS, memory);
#else
        (void)memory;
#endif
        if (r == 0 && cpu_seconds)
                r = limit(RLIMIT_CPU, cpu_seconds);
        return r < 0 ? r : limit(RLIMIT_NOFILE, 64);
}
