/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * procfs - what /proc says of one process, each read bounded. The parsers are pure and take bytes. proc(5).
 * Paths in it are chosen by containers: bytes, never opened by name from here; links are read, not followed.
 */
#ifndef TIDEMARK_PROCFS_H
#define TIDEMARK_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;

struct procfs_stat {
        uint32_t pid, ppid, pgrp, session;
        uint64_t start; /* field 22 */
        uint32_t tty;
        char state;
        char comm[64];
};
/* /proc/PID/stat. The name may hold ") ": the last ')' ends it. Pure. */
int procfs_parse_stat(struct bytes text, struct procfs_stat *ret) TM_CHECK;

struct procfs_status {
        uint32_t uid, euid, suid, gid, egid, sgid; /* the saved ones: as the effective ones, if not there */
        uint32_t nspid_count; /* 0: the kernel has no NSpid line */
        uint32_t nspid_last;  /* pid in the innermost namespace */
};
int procfs_parse_status(struct bytes text, struct procfs_status *ret) TM_CHECK;

/*
 * Container id in /proc/PID/cgroup: the outermost path component that is an id of 64 hexadecimal digits, bare or
 * between a known prefix and ".scope"; components of monitors ("-conmon-") never count. The controllers are looked at
 * in the order name=systemd, pids, memory, 0:: (v2), others. Pure. 0 with id (64 bytes, borrowed from text), runtime
 * (static word: "podman", "docker", "containerd", "crio", "unknown") and the whole path; -ENOENT: none.
 */
struct procfs_cgroup {
        struct bytes id;
        struct bytes path;
        const char *runtime;
};
int procfs_parse_cgroup(struct bytes text, struct procfs_cgroup *ret) TM_CHECK;

/*
 * The root mount ("/" as mount point) in /proc/PID/mountinfo, the last one if several; or the mount with a number.
 * Octal escapes are undone into scratch, which is emptied first and must outlive ret. Pure. -ENOENT: none.
 */
struct procfs_mount {
        uint32_t id;
        uint32_t dev_major, dev_minor;
        struct bytes root;  /* which directory of its file system is mounted */
        struct bytes point; /* where, as the process sees it */
        struct bytes fstype;
        struct bytes upper, lower; /* options of overlay, whether in super options; empty if absent */
        bool volatile_mount;
};
int procfs_parse_root_mount(struct bytes text, struct buf *scratch, struct procfs_mount *ret) TM_CHECK;
/* The same for another mount point, which has none of the characters that are escaped. */
int procfs_parse_mount_at(struct bytes text, struct bytes point, struct buf *scratch, struct procfs_mount *ret)
        TM_CHECK;
/* The first mount of this device below which a path of its file system lies. */
int procfs_parse_mount_of(struct bytes text, uint32_t dev_major, uint32_t dev_minor, struct bytes path,
                          struct buf *scratch, struct procfs_mount *ret) TM_CHECK;
/* What begins a line of mountinfo: the device of that mount. 0 or ERR_SCHEMA. */
int procfs_parse_mount_dev(struct bytes line, uint64_t *ret) TM_CHECK;
int procfs_parse_mount_id(struct bytes text, uint32_t id, struct buf *scratch, struct procfs_mount *ret) TM_CHECK;

/* Readers: out is emptied first. -ESRCH or -ENOENT when the process is gone; ERR_LIMIT when the file is larger than
 * out->max (what fits is there). */
int procfs_read(uint32_t pid, const char *file, struct buf *out) TM_CHECK;
/* uid_map or gid_map: which id outside is 0 inside; 0 if none is told. */
uint32_t procfs_parse_root_id(struct bytes text);
/* fdinfo: the number of the mount (Linux 3.15), 0 if it is not told. */
uint32_t procfs_parse_mnt_id(struct bytes text);
/* Is the device mounted anywhere in the mount namespace of pid? 1, 0, or negative. mountinfo of any length. */
int procfs_mounted(uint32_t pid, uint64_t dev) TM_CHECK;
int procfs_link(uint32_t pid, const char *file, struct buf *out) TM_CHECK; /* readlink: "exe", "cwd", "root" */
int procfs_stat(uint32_t pid, struct procfs_stat *ret) TM_CHECK;
int procfs_status(uint32_t pid, struct procfs_status *ret) TM_CHECK;
/* Inode of /proc/PID/ns/NAME. */
int procfs_ns(uint32_t pid, const char *name, uint64_t *ret) TM_CHECK;
int procfs_number(uint32_t pid, const char *file, uint32_t *ret) TM_CHECK; /* loginuid, sessionid */
/* Each numeric directory of /proc: cb(pid). A negative result of cb ends it. */
int procfs_each(int (*cb)(uint32_t pid, void *arg), void *arg) TM_CHECK;

#endif
