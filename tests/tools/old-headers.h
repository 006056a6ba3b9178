/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forced into a build (setup.sh check: old-headers) in front of everything: all system headers that the source takes,
 * then what Linux 3.10, glibc 2.17, gcc 4.8 and RHEL 7's libraries do not have is hidden. Macros vanish, so that
 * include/tidemark/compat.h has to bring them; functions, types and keywords are errors where they are used.
 * old-headers.sh holds that no header is missing here and that each word is hidden.
 */
#ifndef TIDEMARK_OLD_HEADERS_H
#define TIDEMARK_OLD_HEADERS_H

/*
 * Not here, because their names would be in the way of names in files that do not take them (enum what, raise), and
 * nothing that is new in them is used:
 * #include <linux/cn_proc.h>
 * #include <rpm/header.h>
 * #include <rpm/rpmdb.h>
 * #include <rpm/rpmfi.h>
 * #include <rpm/rpmlib.h>
 * #include <rpm/rpmlog.h>
 * #include <rpm/rpmmacro.h>
 * #include <rpm/rpmts.h>
 * #include <signal.h>
 * #include <sys/signalfd.h>
 * #include <sys/wait.h>
 */

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <cap-ng.h>
#include <archive.h>
#include <archive_entry.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <getopt.h>
#include <glob.h>
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <libaudit.h>
#include <libconfig.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/connector.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/rtnetlink.h>
#include <malloc.h>
#include <math.h>
#include <seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pwd.h>
#include <regex.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* macros of libaudit.h: of audit 3 */
#undef AUDIT_ANOM_SESSION
#undef AUDIT_RESP_ORIGIN_BLOCK
#undef AUDIT_RESP_ORIGIN_BLOCK_TIMED
#undef AUDIT_RESP_ORIGIN_UNBLOCK_TIMED

/* macros of linux/fanotify.h */
#undef FAN_ATTRIB
#undef FAN_MOVED_FROM
#undef FAN_MOVED_TO
#undef FAN_MOVE
#undef FAN_CREATE
#undef FAN_DELETE
#undef FAN_DELETE_SELF
#undef FAN_MOVE_SELF
#undef FAN_RENAME
#undef FAN_OPEN_EXEC
#undef FAN_OPEN_EXEC_PERM
#undef FAN_FS_ERROR
#undef FAN_MARK_FILESYSTEM
#undef FAN_MARK_EVICTABLE
#undef FAN_MARK_IGNORE
#undef FAN_MARK_IGNORE_SURV
#undef FAN_MARK_INODE
#undef FAN_REPORT_TID
#undef FAN_REPORT_FID
#undef FAN_REPORT_DIR_FID
#undef FAN_REPORT_NAME
#undef FAN_REPORT_DFID_NAME
#undef FAN_REPORT_PIDFD
#undef FAN_REPORT_TARGET_FID
#undef FAN_REPORT_DFID_NAME_TARGET
#undef FAN_ENABLE_AUDIT
#undef FAN_AUDIT
#undef FAN_EVENT_INFO_TYPE_FID
#undef FAN_EVENT_INFO_TYPE_DFID
#undef FAN_EVENT_INFO_TYPE_DFID_NAME
#undef FAN_EVENT_INFO_TYPE_PIDFD
#undef FAN_EVENT_INFO_TYPE_ERROR
#undef FAN_NOPIDFD
#undef FAN_NOFID

/* macros of asm/unistd.h */
#undef SYS_openat2
#undef __NR_openat2
#undef SYS_statx
#undef __NR_statx
#undef SYS_getrandom
#undef __NR_getrandom
#undef SYS_memfd_create
#undef __NR_memfd_create
#undef SYS_renameat2
#undef __NR_renameat2
#undef SYS_execveat
#undef __NR_execveat
#undef SYS_copy_file_range
#undef __NR_copy_file_range
#undef SYS_preadv2
#undef __NR_preadv2
#undef SYS_pwritev2
#undef __NR_pwritev2
#undef SYS_pidfd_open
#undef __NR_pidfd_open
#undef SYS_pidfd_getfd
#undef __NR_pidfd_getfd
#undef SYS_pidfd_send_signal
#undef __NR_pidfd_send_signal
#undef SYS_close_range
#undef __NR_close_range
#undef SYS_clone3
#undef __NR_clone3
#undef SYS_fsopen
#undef __NR_fsopen
#undef SYS_fsmount
#undef __NR_fsmount
#undef SYS_open_tree
#undef __NR_open_tree
#undef SYS_move_mount
#undef __NR_move_mount
#undef SYS_mount_setattr
#undef __NR_mount_setattr
#undef SYS_epoll_pwait2
#undef __NR_epoll_pwait2
#undef SYS_process_madvise
#undef __NR_process_madvise
#undef SYS_seccomp
#undef __NR_seccomp
#undef SYS_bpf
#undef __NR_bpf
#undef SYS_userfaultfd
#undef __NR_userfaultfd
#undef SYS_membarrier
#undef __NR_membarrier
#undef SYS_mlock2
#undef __NR_mlock2
#undef SYS_sched_setattr
#undef __NR_sched_setattr
#undef SYS_sched_getattr
#undef __NR_sched_getattr
#undef SYS_faccessat2
#undef __NR_faccessat2
#undef SYS_io_uring_setup
#undef __NR_io_uring_setup
#undef SYS_landlock_create_ruleset
#undef __NR_landlock_create_ruleset
#undef SYS_statmount
#undef __NR_statmount
#undef SYS_listmount
#undef __NR_listmount

/* macros of linux/stat.h */
#undef STATX_TYPE
#undef STATX_MODE
#undef STATX_NLINK
#undef STATX_UID
#undef STATX_GID
#undef STATX_ATIME
#undef STATX_MTIME
#undef STATX_CTIME
#undef STATX_INO
#undef STATX_SIZE
#undef STATX_BLOCKS
#undef STATX_BASIC_STATS
#undef STATX_BTIME
#undef STATX_ALL
#undef STATX_MNT_ID
#undef STATX_DIOALIGN
#undef STATX_ATTR_MOUNT_ROOT
#undef AT_STATX_SYNC_TYPE
#undef AT_STATX_SYNC_AS_STAT
#undef AT_STATX_FORCE_SYNC
#undef AT_STATX_DONT_SYNC
#undef AT_RECURSIVE

/* macros of linux/prctl.h, fcntl.h, memfd.h, random.h, fs.h */
#undef PR_CAP_AMBIENT
#undef PR_CAP_AMBIENT_IS_SET
#undef PR_CAP_AMBIENT_RAISE
#undef PR_CAP_AMBIENT_LOWER
#undef PR_CAP_AMBIENT_CLEAR_ALL
#undef PR_SET_IO_FLUSHER
#undef PR_SET_VMA
#undef O_TMPFILE
#undef F_OFD_GETLK
#undef F_OFD_SETLK
#undef F_OFD_SETLKW
#undef F_ADD_SEALS
#undef F_GET_SEALS
#undef F_SEAL_SEAL
#undef F_SEAL_SHRINK
#undef F_SEAL_GROW
#undef F_SEAL_WRITE
#undef F_SEAL_FUTURE_WRITE
#undef MFD_CLOEXEC
#undef MFD_ALLOW_SEALING
#undef GRND_NONBLOCK
#undef GRND_RANDOM
#undef RENAME_NOREPLACE
#undef RENAME_EXCHANGE
#undef RENAME_WHITEOUT
#undef IN_MASK_CREATE
#undef CLONE_NEWCGROUP
#undef CLONE_NEWTIME
#undef CLONE_PIDFD
#undef EPOLLEXCLUSIVE

/* macros of sockets */
#undef SO_INCOMING_CPU
#undef SO_ATTACH_BPF
#undef SO_COOKIE
#undef SO_PEERGROUPS
#undef SO_PEERPIDFD
#undef SO_PASSPIDFD
#undef SO_TXTIME
#undef SO_RCVTIMEO_NEW
#undef SO_PREFER_BUSY_POLL
#undef NETLINK_EXT_ACK
#undef NETLINK_GET_STRICT_CHK
#undef NETLINK_CAP_ACK
#undef NETLINK_LIST_MEMBERSHIPS
#undef NETLINK_LISTEN_ALL_NSID
#undef NETLINK_DUMP_STRICT_CHK

/* glibc, after 2.17 */
#pragma GCC poison statx memfd_create getrandom getentropy explicit_bzero reallocarray gettid pidfd_open
#pragma GCC poison pidfd_getfd pidfd_send_signal close_range closefrom strlcpy strlcat renameat2 copy_file_range
#pragma GCC poison execveat preadv2 pwritev2 fsopen fsmount fspick open_tree move_mount mount_setattr epoll_pwait2
#pragma GCC poison mallinfo2 strerrorname_np strerrordesc_np sigabbrev_np sigdescr_np mlock2 pkey_alloc process_madvise
#pragma GCC poison arc4random arc4random_buf arc4random_uniform fanotify_event_info_header fanotify_event_info_fid
#pragma GCC poison fanotify_event_info_pidfd open_how

/* gcc, after 4.8 */
#pragma GCC poison _Generic _Atomic _Thread_local __auto_type __builtin_add_overflow __builtin_sub_overflow
#pragma GCC poison __builtin_mul_overflow __builtin_add_overflow_p __builtin_mul_overflow_p
#pragma GCC poison __builtin_call_with_static_chain __builtin_clear_padding

/* SQLite, after 3.7.17 */
#pragma GCC poison sqlite3_prepare_v3 sqlite3_bind_blob64 sqlite3_bind_text64 sqlite3_bind_pointer
#pragma GCC poison sqlite3_bind_zeroblob64 sqlite3_expanded_sql sqlite3_trace_v2 sqlite3_changes64
#pragma GCC poison sqlite3_total_changes64 sqlite3_set_last_insert_rowid sqlite3_db_cacheflush sqlite3_system_errno
#pragma GCC poison sqlite3_error_offset sqlite3_str_new sqlite3_malloc64 sqlite3_realloc64 sqlite3_msize
#pragma GCC poison sqlite3_create_function_v3 sqlite3_serialize sqlite3_deserialize sqlite3_txn_state
#pragma GCC poison sqlite3_value_frombind sqlite3_strlike sqlite3_stmt_isexplain sqlite3_normalized_sql
#pragma GCC poison sqlite3_stmt_scanstatus sqlite3_keyword_count sqlite3_drop_modules sqlite3_is_interrupted

#undef json_object_keylen_foreach
/* jansson, after 2.10 */
#pragma GCC poison json_sprintf json_vsprintf json_array_get_n json_object_getn json_object_setn json_object_setn_new
#pragma GCC poison json_object_setn_nocheck json_object_deln json_object_update_new json_object_update_recursive
#pragma GCC poison json_object_update_existing_new json_object_update_missing_new json_object_iter_key_len
#pragma GCC poison jansson_version_str jansson_version_cmp json_object_keylen_foreach

/* libconfig, after 1.4.9 */
#pragma GCC poison config_set_options config_get_options config_set_option config_get_option config_set_include_func
#pragma GCC poison config_clear config_set_float_precision
#pragma GCC poison config_set_fatal_error_func config_setting_is_scalar_group config_set_hook

/* libmnl after 1.0.3, libcap-ng after 0.7.5 */
#pragma GCC poison mnl_socket_open2 mnl_socket_fdopen capng_have_permitted_capabilities capng_get_rootid
#pragma GCC poison capng_set_rootid capng_apply_caps_fd CAPNG_AMBIENT CAPNG_SELECT_AMBIENT CAPNG_SELECT_ALL

/* libcrypto, after 1.0.2 */
#pragma GCC poison EVP_MD_CTX_new EVP_MD_CTX_free EVP_MD_fetch EVP_Q_digest EVP_Digest_fetch OSSL_PARAM_construct_end
#pragma GCC poison EVP_PKEY_get_size EVP_MD_get_size EVP_MD_CTX_get0_md OPENSSL_init_crypto EVP_DigestVerify
#pragma GCC poison EVP_DigestSign EVP_PKEY_new_raw_public_key EVP_PKEY_get_id

/* zlib, after 1.2.7 */
#pragma GCC poison crc32_z adler32_z crc32_combine_gen crc32_combine_op compressBound_z uncompress2 inflateValidate

#endif
