/* SPDX-License-Identifier: GPL-2.0-or-later */
/* procfs: parsers on samples as kernels and runtimes make them, and as a container would forge them. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/procfs.h"

#define ID_A "157a5595c87ff68546acabd0af3fe3cf0888757ffa17e1986ad7aacf48549120"
#define ID_B "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static bool is(struct bytes s, const char *text)
{
        return bytes_eq(s, bytes_str(text));
}

static void test_stat(void)
{
        struct procfs_stat st;
        const char *plain = "11391 (sh) S 11381 11391 11390 34817 -1 4194560 1160 0 0 0 1 0 0 0 20 0 1 0 "
                            "1210480 23 380\n";
        const char *hostile = "7 (a) S 1 1 1) (\n) R 3 4 5 -1 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0\n";

        CU_ASSERT_EQUAL_FATAL(procfs_parse_stat(bytes_str(plain), &st), 0);
        CU_ASSERT(st.pid == 11391 && st.ppid == 11381 && st.pgrp == 11391 && st.session == 11390);
        CU_ASSERT(st.start == 1210480 && st.tty == 34817 && st.state == 'S');
        CU_ASSERT_STRING_EQUAL(st.comm, "sh");
        CU_ASSERT_EQUAL_FATAL(procfs_parse_stat(bytes_str(hostile), &st), 0);
        CU_ASSERT(st.pid == 7 && st.ppid == 3 && st.start == 99 && st.tty == 0 && st.state == 'R');
        CU_ASSERT_STRING_EQUAL(st.comm, "a) S 1 1 1) (\n");
        for (size_t n = 0; n < strlen(plain) - strlen(" 23 380\n"); n++) /* a start time that was cut is none */
                CU_ASSERT(procfs_parse_stat(bytes_of(plain, n), &st) < 0);
        CU_ASSERT(procfs_parse_stat(bytes_str("1 (x S 1"), &st) < 0);
        CU_ASSERT(procfs_parse_stat(bytes_str(") ( S 1 1 1"), &st) < 0);
        CU_ASSERT(procfs_parse_stat(bytes_of(NULL, 0), &st) < 0);
        CU_ASSERT(procfs_parse_stat(bytes_str("99999999999999999999999 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
                                    &st) < 0);
}

static void test_status(void)
{
        struct procfs_status st;

        CU_ASSERT_EQUAL_FATAL(procfs_parse_status(bytes_str("Name:\tsh\\nUid:\t7\nPid:\t9\nUid:\t1000\t0\t0\t0\n"
                                                            "Gid:\t100\t50\t0\t0\nNSpid:\t11391\t30\t1\n"),
                                                  &st),
                              0);
        CU_ASSERT(st.uid == 1000 && st.euid == 0 && st.gid == 100 && st.egid == 50);
        CU_ASSERT(st.nspid_count == 3 && st.nspid_last == 1);
        CU_ASSERT_EQUAL_FATAL(procfs_parse_status(bytes_str("Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"), &st), 0);
        CU_ASSERT(st.nspid_count == 0);
        CU_ASSERT(procfs_parse_status(bytes_str("Uid:\t1\t2\n"), &st) < 0);
        CU_ASSERT(procfs_parse_status(bytes_str("Uid:\t1\nGid:\t1\n"), &st) < 0);
}

static void expect_cgroup(const char *text, const char *id, const char *runtime)
{
        struct procfs_cgroup cg;
        int r = procfs_parse_cgroup(bytes_str(text), &cg);

        if (!id) {
                CU_ASSERT_EQUAL(r, -ENOENT);
                return;
        }
        CU_ASSERT_EQUAL_FATAL(r, 0);
        CU_ASSERT(is(cg.id, id));
        CU_ASSERT_STRING_EQUAL(cg.runtime, runtime);
        if (strcmp(cg.runtime, runtime) != 0)
                fprintf(stderr, "%s: %s\n", text, cg.runtime);
}

static void test_cgroup_runtimes(void)
{
        expect_cgroup("9:name=systemd:/libpod_parent/libpod-" ID_A "\n8:pids:/libpod_parent/libpod-" ID_A "\n0::/\n",
                      ID_A, "podman");
        expect_cgroup("0::/machine.slice/libpod-" ID_A ".scope/container\n", ID_A, "podman");
        expect_cgroup("0::/system.slice/web.service/libpod-payload-" ID_A "\n", ID_A, "podman");
        expect_cgroup("12:pids:/docker/" ID_A "\n", ID_A, "docker");
        expect_cgroup("0::/system.slice/docker-" ID_A ".scope\n", ID_A, "docker");
        expect_cgroup("0::/kubepods.slice/kubepods-pod1_2.slice/cri-containerd-" ID_A ".scope\n", ID_A, "containerd");
        expect_cgroup("3:memory:/kubepods/besteffort/pod12-34/" ID_A "\n", ID_A, "containerd");
        expect_cgroup("0::/kubepods.slice/kubepods-pod1.slice/crio-" ID_A ".scope\n", ID_A, "crio");
        expect_cgroup("0::/default/" ID_A "\n", ID_A, "unknown");
        expect_cgroup("0::/machine.slice/machine-libpod_pod_" ID_B ".slice/libpod-" ID_A ".scope\n", ID_A, "podman");
        expect_cgroup("0::/libpod_parent/libpod_pod_" ID_B "/libpod-" ID_A " (deleted)\n", ID_A, "podman");
}

static void test_cgroup_hostile(void)
{
        /* a monitor's, none at all, things that only look like ids */
        expect_cgroup("0::/machine.slice/libpod-conmon-" ID_A ".scope\n", NULL, NULL);
        expect_cgroup("0::/x/crio-conmon-" ID_A ".scope\n", NULL, NULL);
        expect_cgroup("0::/user.slice\n", NULL, NULL);
        expect_cgroup("0::/docker/" ID_A "0\n", NULL, NULL);
        expect_cgroup("0::/docker/157A5595c87ff68546acabd0af3fe3cf0888757ffa17e1986ad7aacf48549120\n", NULL, NULL);
        expect_cgroup("0::/evil-" ID_A "\n", NULL, NULL);
        expect_cgroup("", NULL, NULL);
        expect_cgroup("garbage\n::\n:\n", NULL, NULL);
        /* a container made a cgroup that is named like another */
        expect_cgroup("0::/libpod_parent/libpod-" ID_A "/docker/" ID_B "\n", ID_A, "podman");
        expect_cgroup("0::/docker/" ID_A "/libpod-" ID_B ".scope\n", ID_A, "docker");
        /* controllers disagree: the one that a container cannot leave comes first, whatever the lines' order */
        expect_cgroup("0::/docker/" ID_B "\n9:cpu:/docker/" ID_B "\n8:memory:/docker/" ID_B
                      "\n2:pids:/docker/" ID_B "\n1:name=systemd:/libpod_parent/libpod-" ID_A "\n", ID_A, "podman");
        /* a path with colons in it */
        expect_cgroup("0::/a:b:c/docker/" ID_A "\n", ID_A, "docker");
}

#define OVERLAY "151 99 0:64 / / rw,relatime shared:1 master:2 - overlay overlay rw,"

static void test_mount_places(struct buf *scratch)
{
        static const char text[] = "1 0 0:22 / / rw - ext4 /dev/a rw\n"
                                   "2 1 0:23 /a /run rw - tmpfs tmpfs rw\n"
                                   "3 1 0:23 / /mnt/with\\040blank rw - tmpfs tmpfs rw\n"
                                   "4 1 0:23 /a/x /etc/resolv.conf rw - tmpfs tmpfs rw\n"
                                   "5 1 0:23 /b\\040c/y /etc/resolv.conf rw - tmpfs tmpfs rw\n";
        static const struct {
                uint32_t minor;
                const char *path;
                uint32_t id; /* 0: none */
        } of[] = {{22, "/x", 1}, {23, "/a/x/y", 2}, {23, "/ab", 3}, {23, "/a", 3}, {23, "/b c/y", 3}, {24, "/x", 0}};
        struct procfs_mount m;

        CU_ASSERT_EQUAL_FATAL(procfs_parse_mount_at(bytes_str(text), BYTES_LIT("/etc/resolv.conf"), scratch, &m), 0);
        CU_ASSERT(m.id == 5 && m.dev_minor == 23 && bytes_eq(m.root, BYTES_LIT("/b c/y")));
        CU_ASSERT_EQUAL(procfs_parse_mount_at(bytes_str(text), BYTES_LIT("/etc"), scratch, &m), -ENOENT);
        for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
                int r = procfs_parse_mount_of(bytes_str(text), 0, of[i].minor, bytes_str(of[i].path), scratch, &m);

                CU_ASSERT_EQUAL(r, of[i].id ? 0 : -ENOENT);
                CU_ASSERT(r < 0 || m.id == of[i].id);
        }
        CU_ASSERT_EQUAL(procfs_parse_mount_of(bytes_str(text), 1, 23, BYTES_LIT("/a"), scratch, &m), -ENOENT);
}

static void test_mountinfo(void)
{
        _cleanup_buf_ struct buf scratch;
        struct procfs_mount m;
        const char *text = "1 0 0:1 / / rw - rootfs none rw\n" OVERLAY
                           "lowerdir=/st/overlay/l/AA:/st/overlay/l/B\\134:B,upperdir=/st/a\\040b\\054c/diff,"
                           "workdir=/st/work,volatile,uuid=on\n"
                           "152 151 0:67 / /proc rw - proc proc rw\n"
                           "160 151 8:2 /srv/my\\011data /data\\040x ro - ext4 /dev/sda2 rw\n";

        buf_init(&scratch, 1 << 16);
        CU_ASSERT_EQUAL_FATAL(procfs_parse_root_mount(bytes_str(text), &scratch, &m), 0);
        CU_ASSERT(m.id == 151 && m.dev_major == 0 && m.dev_minor == 64 && m.volatile_mount);
        CU_ASSERT(is(m.fstype, "overlay") && is(m.root, "/") && is(m.point, "/"));
        CU_ASSERT(is(m.upper, "/st/a b,c/diff"));
        CU_ASSERT(is(m.lower, "/st/overlay/l/AA:/st/overlay/l/B\\:B"));
        CU_ASSERT_EQUAL_FATAL(procfs_parse_mount_id(bytes_str(text), 160, &scratch, &m), 0);
        CU_ASSERT(is(m.root, "/srv/my\tdata") && is(m.point, "/data x") && is(m.fstype, "ext4") && m.upper.len == 0);
        CU_ASSERT_EQUAL(procfs_parse_mount_id(bytes_str(text), 161, &scratch, &m), -ENOENT);
        test_mount_places(&scratch);
        /* layers added one by one */
        CU_ASSERT_EQUAL_FATAL(procfs_parse_root_mount(bytes_str(OVERLAY "lowerdir+=/a,lowerdir+=/b,upperdir=/u"),
                                                      &scratch, &m), 0);
        CU_ASSERT(is(m.lower, "/a:/b") && is(m.upper, "/u"));
}

static void test_mountinfo_damage(void)
{
        _cleanup_buf_ struct buf scratch;
        struct procfs_mount m;
        const char *text = OVERLAY "lowerdir=/l,upperdir=/u/diff,workdir=/w\n";

        buf_init(&scratch, 64);
        for (size_t n = 0; n < strlen(text); n++)
                if (procfs_parse_root_mount(bytes_of(text, n), &scratch, &m) == 0)
                        CU_ASSERT(m.id == 151 && m.upper.len <= 7);
        text = "5 1 0:5 / / rw shared:1 overlay overlay rw\n";
        CU_ASSERT_EQUAL(procfs_parse_root_mount(bytes_str(text), &scratch, &m), -ENOENT);
        text = "5 1 99999999999:5 / / rw - a b rw\n";
        CU_ASSERT_EQUAL(procfs_parse_root_mount(bytes_str(text), &scratch, &m), -ENOENT);
        /* more than scratch may hold: an error, not a cut path */
        CU_ASSERT_EQUAL(procfs_parse_root_mount(bytes_str(OVERLAY "upperdir=/01234567890123456789012345678901234567890"
                                                                  "1234567890123456789012345678901234567890"),
                                                &scratch, &m),
                        ERR_LIMIT);
}

static void test_mount_dev(void)
{
        const char *text = "151 99 259:7 / / rw";
        uint64_t dev;

        CU_ASSERT(procfs_parse_mount_dev(bytes_str(text), &dev) == 0 && dev == makedev(259, 7));
        CU_ASSERT(procfs_parse_mount_dev(bytes_str("1 2 0:5 "), &dev) == 0 && dev == makedev(0, 5));
        for (size_t n = 0; n < strlen("151 99 259:"); n++)
                CU_ASSERT_EQUAL(procfs_parse_mount_dev(bytes_of(text, n), &dev), ERR_SCHEMA);
        CU_ASSERT_EQUAL(procfs_parse_mount_dev(bytes_str("1 2 3 / /"), &dev), ERR_SCHEMA);
        CU_ASSERT_EQUAL(procfs_parse_mount_dev(bytes_str("1 2 3:99999999999 / /"), &dev), ERR_SCHEMA);
}

static int found;
static int look_for_self(uint32_t pid, void *arg)
{
        if (pid == *(uint32_t *)arg)
                found++;
        return 0;
}

static void test_readers(void)
{
        _cleanup_buf_ struct buf out, tiny;
        uint32_t self = (uint32_t)getpid(), v;
        struct stat proc;
        struct procfs_stat st;
        struct procfs_status status;
        uint64_t ns;

        buf_init(&out, 1 << 20);
        buf_init(&tiny, 3);
        CU_ASSERT_EQUAL_FATAL(procfs_stat(self, &st), 0);
        CU_ASSERT(st.pid == self && st.ppid == (uint32_t)getppid());
        CU_ASSERT_EQUAL_FATAL(procfs_status(self, &status), 0);
        CU_ASSERT(status.uid == getuid() && status.egid == getegid());
        CU_ASSERT_EQUAL(procfs_read(self, "mountinfo", &out), 0);
        CU_ASSERT(out.len > 0);
        CU_ASSERT_EQUAL(procfs_read(self, "mountinfo", &tiny), ERR_LIMIT);
        CU_ASSERT_EQUAL(tiny.len, 3);
        CU_ASSERT(stat("/proc", &proc) == 0 && procfs_mounted(self, proc.st_dev) == 1);
        CU_ASSERT(procfs_mounted(self, makedev(4000, 77)) == 0 && procfs_mounted(0x7ffffffe, proc.st_dev) == -ENOENT);
        CU_ASSERT_EQUAL(procfs_link(self, "exe", &out), 0);
        CU_ASSERT(out.len > 0 && out.p[0] == '/');
        CU_ASSERT(procfs_ns(self, "mnt", &ns) == 0 && ns != 0);
        CU_ASSERT(procfs_number(self, "oom_score", &v) == 0);
        CU_ASSERT(procfs_read(0x7ffffffe, "stat", &out) == -ENOENT && procfs_stat(0x7ffffffe, &st) == -ENOENT);
        CU_ASSERT_EQUAL(procfs_each(look_for_self, &self), 0);
        CU_ASSERT_EQUAL(found, 1);
}

static const struct unit_case cases[] = {
        {"mountinfo: the device of a line", test_mount_dev},
        {"stat: the last bracket ends the name", test_stat},
        {"status: ids and the innermost pid", test_status},
        {"cgroup: ids of every runtime", test_cgroup_runtimes},
        {"cgroup: monitors, forgeries and what only looks like an id", test_cgroup_hostile},
        {"mountinfo: escapes, overlay's options, a mount by number", test_mountinfo},
        {"mountinfo: cut and damaged lines", test_mountinfo_damage},
        {"readers are bounded and say who is gone", test_readers},
};
UNIT_MAIN("procfs", cases)
