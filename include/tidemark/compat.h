/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat - what newer kernels have and older headers do not name, in one place: the source is compiled against Linux
 * 3.10 and glibc 2.17, and runs on what it finds. Numbers and layouts only, from the kernel's own headers; whether the
 * kernel has something is tried where it is used. tests/tools/old-headers.h hides the new names from a build.
 */
#ifndef TIDEMARK_COMPAT_H
#define TIDEMARK_COMPAT_H

#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* ---- fanotify: linux/fanotify.h of Linux 4.20 (FILESYSTEM), 5.0 (OPEN_EXEC), 5.1 (names), 5.9 (DFID_NAME) ---- */
#ifndef FAN_ATTRIB
#define FAN_ATTRIB 0x00000004
#endif
#ifndef FAN_MOVED_FROM
#define FAN_MOVED_FROM 0x00000040
#endif
#ifndef FAN_MOVED_TO
#define FAN_MOVED_TO 0x00000080
#endif
#ifndef FAN_CREATE
#define FAN_CREATE 0x00000100
#endif
#ifndef FAN_DELETE
#define FAN_DELETE 0x00000200
#endif
#ifndef FAN_DELETE_SELF
#define FAN_DELETE_SELF 0x00000400
#endif
#ifndef FAN_OPEN_EXEC
#define FAN_OPEN_EXEC 0x00001000
#endif
#ifndef FAN_ONDIR
#define FAN_ONDIR 0x40000000
#endif
#ifndef FAN_MARK_FILESYSTEM
#define FAN_MARK_FILESYSTEM 0x00000100
#endif
#ifndef FAN_REPORT_DIR_FID
#define FAN_REPORT_DIR_FID 0x00000400
#endif
#ifndef FAN_REPORT_NAME
#define FAN_REPORT_NAME 0x00000800
#endif
#define COMPAT_FAN_INFO_DFID_NAME 2 /* FAN_EVENT_INFO_TYPE_DFID_NAME */

/*
 * ---- system calls ---- whose number is the same everywhere, or the machine's where it is known. -1: headers and
 * machine are too old to say; such a call fails with ENOSYS, as on a kernel that has none.
 */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_statx
#ifdef __x86_64__
#define SYS_statx 332
#else
#define SYS_statx (-1)
#endif
#endif
#ifndef SYS_getrandom
#ifdef __x86_64__
#define SYS_getrandom 318
#else
#define SYS_getrandom (-1)
#endif
#endif
#ifndef SYS_memfd_create
#ifdef __x86_64__
#define SYS_memfd_create 319
#else
#define SYS_memfd_create (-1)
#endif
#endif

/* linux/openat2.h, Linux 5.6 */
struct compat_open_how {
        uint64_t flags, mode, resolve;
};
#define COMPAT_RESOLVE_NO_XDEV 0x01u
#define COMPAT_RESOLVE_NO_MAGICLINKS 0x02u
#define COMPAT_RESOLVE_NO_SYMLINKS 0x04u
#define COMPAT_RESOLVE_BENEATH 0x08u

/* linux/stat.h, Linux 4.11; mnt_id 5.8 */
struct compat_statx {
        uint32_t mask, blksize;
        uint64_t attributes;
        uint32_t nlink, uid, gid;
        uint16_t mode, spare0;
        uint64_t ino, size, blocks, attributes_mask;
        struct {
                int64_t sec;
                uint32_t nsec;
                int32_t spare;
        } atime, btime, ctime, mtime;
        uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
        uint64_t mnt_id;
        uint64_t spare[13];
};
#define COMPAT_STATX_BASIC 0x7ffu
#define COMPAT_STATX_MNT_ID 0x1000u
#define COMPAT_AT_STATX_DONT_SYNC 0x4000

/* linux/capability.h and linux/audit.h, Linux 3.16 */
#define COMPAT_CAP_AUDIT_READ 37
#define COMPAT_AUDIT_NLGRP_READLOG 1

/* linux/prctl.h, Linux 4.3 */
#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

/* ---- sockets: linux/socket.h; glibc 2.17 does not name it ---- */
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

/* linux/netfilter/nf_tables.h, Linux 3.19: NFT_MSG_NEWGEN; 4.15: NFTA_GEN_PROC_PID */
#define COMPAT_NFT_MSG_NEWGEN 15
#define COMPAT_NFTA_GEN_PROC_PID 2

/* linux/if_link.h, linux/net_namespace.h, linux/rtnetlink.h, Linux 4.0 */
#define COMPAT_IFLA_LINK_NETNSID 37
#define COMPAT_RTM_NEWNSID 88
#define COMPAT_RTM_GETNSID 90
#define COMPAT_RTGENMSG_LEN 1 /* struct rtgenmsg */
#define COMPAT_NETNSA_NSID 1
#define COMPAT_NETNSA_FD 3
/* linux/nsfs.h, Linux 4.9: _IO(0xb7, 1) */
#define COMPAT_NS_GET_USERNS 0xb701
/* linux/sock_diag.h, Linux 4.5 */
#define COMPAT_SOCK_DESTROY 21

/* linux/netfilter.h, Linux 4.2 (the family netdev and its hooks), 5.16 (egress) */
#define COMPAT_NFPROTO_NETDEV 5
#define COMPAT_NF_NETDEV_INGRESS 0
#define COMPAT_NF_NETDEV_EGRESS 1
/* linux/netfilter/nf_tables.h, Linux 5.13: NFT_SOCKET_CGROUPV2; libnftnl/expr.h 1.2.0: NFTNL_EXPR_SOCKET_… */
#define COMPAT_NFT_SOCKET_CGROUPV2 3
#define COMPAT_NFTNL_EXPR_SOCKET_KEY 1
#define COMPAT_NFTNL_EXPR_SOCKET_DREG 2
#define COMPAT_NFTNL_EXPR_SOCKET_LEVEL 3

/* linux/netfilter/nfnetlink_conntrack.h, Linux 4.18: CTA_STATS_GLOBAL_MAX_ENTRIES */
#define COMPAT_CTA_STATS_GLOBAL_MAX_ENTRIES 2

#endif
