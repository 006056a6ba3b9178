/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture-priv - what the files of the capturing helper share. All of it runs in the helper but capture.c (the sensor's
 * loop), capture_head.c (both sides) and capture_verify.c.
 */
#ifndef TIDEMARK_ACT_CAPTURE_PRIV_H
#define TIDEMARK_ACT_CAPTURE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/capture.h"
#include "tidemark/str.h"

struct archive_entry;
struct json_t;
struct mask;
struct capture_reader;

#define CAPTURE_PATH 512u                        /* of members that we name ourselves */
#define CAPTURE_PIECES_MAX 4096u                 /* of a file with holes */
#define CAPTURE_XATTRS_MAX (128u * 1024)         /* bytes of one file's attributes, with their names */
#define CAPTURE_XATTRS_NUMBER 256u               /* of one file */
#define CAPTURE_VOLATILE_MAX (96u * 1024 * 1024) /* of memory for the volatile part */

/* ---- what passes between the two: of one binary, so plain structs ---- */

struct capture_told {
        bool last; /* the summary; else the volatile part */
        int error;
        struct capture_volatile vol;
        struct capture_summary sum;
};
struct capture_word {
        bool go_on;
        uint64_t contained_boot_ns;
};
struct capture_child {
        const struct capture_spec *spec;
        char path[4096 + CAPTURE_NAME_MAX], partial[4096 + CAPTURE_NAME_MAX + 16];
};
/* The helper's main: arg is a struct capture_child. */
int capture_child(int fd, void *arg);

/* ---- capture_out.c: the archive ---- */

struct capture_out;

struct capture_piece {
        uint64_t at, len;
};

/* Creates partial; why is set on failure, too. */
int capture_out_open(const char *partial, struct capture_out **ret) TM_CHECK;
struct capture_out *capture_out_free(struct capture_out *o);
DEFINE_CLEANUP(struct capture_out *, capture_out_free)
/* A member that is in memory; its time is now. */
int capture_out_text(struct capture_out *o, const char *path, struct bytes text) TM_CHECK;
/*
 * A member in parts: its header (the caller's still), as many bytes of content as its size, its end. pieces: of a file
 * with holes, in order; then content is that of the pieces alone. Errors are final: the archive can only be given up.
 */
int capture_out_begin(struct capture_out *o, struct archive_entry *e, const struct capture_piece *pieces,
                      size_t n) TM_CHECK;
int capture_out_data(struct capture_out *o, const void *p, size_t len) TM_CHECK;
int capture_out_end(struct capture_out *o) TM_CHECK;
/* Bytes of content, members. */
uint64_t capture_out_content(const struct capture_out *o);
uint64_t capture_out_members(const struct capture_out *o);
/* members.jsonl is written: its hash and size. Nothing but capture_out_finish may follow. */
int capture_out_list(struct capture_out *o, char ret_sha[CAPTURE_HASH], uint64_t *ret_size) TM_CHECK;
/* manifest.json, the end, onto the disk. */
int capture_out_finish(struct capture_out *o, struct bytes manifest, struct capture_summary *ret) TM_CHECK;
const char *capture_out_why(const struct capture_out *o);

/* ---- capture_head.c: what a header says, in one hash ---- */

void capture_hash(struct bytes data, char ret[CAPTURE_HASH]);
/*
 * Of what unpacking makes of it: name, type, mode, owner, group, time, size, link, device, attributes, pieces. The same
 * from an entry that is written and from one that was read. 0 or -ENOMEM.
 */
int capture_head_hash(struct archive_entry *e, char ret[CAPTURE_HASH]) TM_CHECK;
/* "file", "directory", "link", "hardlink", "char", "block", "fifo"; NULL: of none of these. */
const char *capture_head_type(struct archive_entry *e);
/* The name without a slash at its end. */
struct bytes capture_head_path(struct archive_entry *e);

/* ---- capture_note.c: what is to be told, and the manifest ---- */

enum capture_kind {
        CAPTURE_CUT,      /* a limit was reached */
        CAPTURE_VANISHED, /* was there, and was gone when it was read */
        CAPTURE_MISSED,   /* the time was over, or it could not be read */
        CAPTURE_CHANGED,  /* other bytes or another size at the end of reading than at its beginning */
        CAPTURE_REFUSED,  /* not taken on purpose: another mount, a socket, a name too long */
        CAPTURE_TOLD,     /* taken, and something about it is to be known */
        CAPTURE__KIND_MAX
};
enum capture_part { CAPTURE_VOLATILE, CAPTURE_RUNTIME, CAPTURE_LOG, CAPTURE_LAYERS, CAPTURE__PART_MAX };

struct capture_notes;

int capture_notes_new(struct capture_notes **ret) TM_CHECK;
struct capture_notes *capture_notes_free(struct capture_notes *n);
DEFINE_CLEANUP(struct capture_notes *, capture_notes_free)
/* what: bytes of whatever name it is about. Never fails: what finds no room is counted. */
void capture_note(struct capture_notes *n, enum capture_kind kind, struct bytes what, const char *why, int error);
uint64_t capture_notes_count(const struct capture_notes *n, enum capture_kind kind);
/* The first of kinds missed, cut and refused in words. */
void capture_notes_first(const struct capture_notes *n, char *dst, size_t size);
void capture_notes_begin(struct capture_notes *n, enum capture_part part);
void capture_notes_end(struct capture_notes *n, enum capture_part part);
/* The notes and the parts, as members of root; parts are told apart by contained_ns. */
int capture_notes_put(const struct capture_notes *n, uint64_t contained_ns, struct json_t *root) TM_CHECK;

/* ---- the helper's state ---- */

struct capture_run {
        const struct capture_spec *spec;
        int sock;
        uint64_t began_ns, volatile_end_ns, end_ns; /* boot time */
        uint64_t contained_ns;
        uint64_t paced_ns; /* when the rate allows the next bytes */
        struct capture_out *out;
        struct capture_notes *notes;
        struct mask *mask;
        uint64_t masked;
        bool died; /* the init is gone, or is another process */
        struct capture_reader *reader;
        struct capture_volatile vol;
};

bool capture_late(const struct capture_run *r);          /* the time for all of it is over */
bool capture_volatile_late(const struct capture_run *r); /* the time for the volatile part is */
/* When a process began, clock ticks; 0: there is none. */
uint64_t capture_start_of(uint32_t pid);
/* Is pid still the process that began at start? */
bool capture_is(uint32_t pid, uint64_t start);
/* Inode of /proc/PID/ns/NAME, 0: not told. pid 0: our own. */
uint64_t capture_ns(uint32_t pid, const char *name);
/* Read all of a file of /proc, of /sys or of a runtime, at most max bytes beyond what out has. 0, 1: cut, negative. */
int capture_read(const char *path, size_t max, struct buf *out) TM_CHECK;
/*
 * capture_reader.c: the same through a process that may hang, and is given up then. pid: whose file it is; after a
 * first -ETIMEDOUT nothing of that process is asked any more.
 */
int capture_reader_new(struct capture_run *r) TM_CHECK;
void capture_reader_free(struct capture_run *r);
int capture_ask_read(struct capture_run *r, uint32_t pid, const char *path, size_t max, struct buf *out) TM_CHECK;
/* A descriptor of a regular file, and what it is. -EINVAL: it is none; -EREMOTE: reading it, or closing it, may hang.
 */
int capture_ask_open(struct capture_run *r, uint32_t pid, const char *path, struct stat *ret_st) TM_CHECK;
/* capture_mask.c: arguments or variables, NUL behind each, masked, to out. */
void capture_mask(struct capture_run *r, struct bytes text, struct buf *out);
/* JSON: each text in quotation marks counts as an argument, of which a name is told by its colon. Not parsed: what is
 * no JSON is masked as well as that goes. */
void capture_mask_json(struct capture_run *r, struct bytes text, struct buf *out);

/* ---- capture_file.c: a file's content ---- */

/* What is behind fd, under the header of e (path and times set; size is set here). name: for notes. limits.file_bytes
 * and limits.bytes bound it. 0, or the archive's error. */
int capture_file(struct capture_run *r, int fd, struct archive_entry *e, struct bytes name) TM_CHECK;
/* Its last bytes. */
int capture_file_end(struct capture_run *r, int fd, struct archive_entry *e, struct bytes name, uint64_t max) TM_CHECK;
/* An entry with path, mode, owner and times; NULL: no memory. */
struct archive_entry *capture_entry(struct bytes path, const struct stat *st);
/* Of a file that is known to be a regular one: a descriptor for reading, without a trace where that can be. */
int capture_reopen(int at) TM_CHECK;

/* ---- the parts ---- */

/* capture_hoard.c: what the volatile part has in memory and open, until the archive takes it. */
struct capture_hoard;
int capture_hoard_new(struct capture_hoard **ret) TM_CHECK;
struct capture_hoard *capture_hoard_free(struct capture_hoard *h);
DEFINE_CLEANUP(struct capture_hoard *, capture_hoard_free)
/* The buffer of a new member "volatile/…", to be filled before the next one is asked for; NULL: there is no room. */
struct buf *capture_hoard_add(struct capture_hoard *h, const char *format, ...) TM_PRINTF(2, 3);
/* So many members; and back to so many. */
size_t capture_hoard_count(const struct capture_hoard *h);
void capture_hoard_back(struct capture_hoard *h, size_t count);
/* A file to be copied later, once: takes fd. The name of its member, borrowed; NULL: no room. */
const char *capture_hoard_keep(struct capture_hoard *h, int fd, const struct stat *st);
int capture_hoard_write(struct capture_hoard *h, struct capture_run *r) TM_CHECK;

/* capture_procs.c: the processes, and by them their namespaces. */
int capture_procs_read(struct capture_run *r, struct capture_hoard *h) TM_CHECK;

struct capture_proc {
        uint32_t pid;
        uint64_t start;
        uint64_t netns, mntns; /* 0: not told */
        const char *why;       /* static: "cgroup", "mount namespace", "pid namespace" */
};
/* capture_choose.c: which processes are the container's. *ret: an array to be freed. */
int capture_choose(struct capture_run *r, struct capture_proc **ret, size_t *ret_n) TM_CHECK;
/* capture_links.c: where a process's links point, and its descriptors: one JSON object a line. */
void capture_links(struct capture_run *r, const struct capture_proc *p, struct buf *out);
/* capture_exec.c: its program is opened; the name of its member, NULL: there is none. */
const char *capture_program(struct capture_run *r, struct capture_hoard *h, const struct capture_proc *p);
/* What it has mapped to be executed and is no file of the image: deleted, without a name, of the write layer. */
void capture_mappings(struct capture_run *r, struct capture_hoard *h, const struct capture_proc *p, struct bytes maps);
/* capture_net.c: the socket tables of its namespace. false: it is gone. */
bool capture_net(struct capture_run *r, struct capture_hoard *h, const struct capture_proc *p);

/* capture_conntrack.c: its own process, since it enters the namespace. */
struct nlmsghdr;
struct capture_conntrack {
        pid_t pid; /* 0: none */
        int fd;    /* its end tells that it has ended */
        uint64_t netns;
        void *space;
};
void capture_conntrack_start(struct capture_run *r, struct capture_conntrack *c);
void capture_conntrack_collect(struct capture_run *r, struct capture_conntrack *c, struct capture_hoard *h);
/* One entry as a line of text; pure. arg: struct buf. */
int capture_conntrack_line(const struct nlmsghdr *h, void *arg);

/* capture_freeze.c */
struct capture_freeze {
        char path[CAPTURE_PATH];
        const char *thaw; /* what is written then; NULL: nothing was frozen */
        pid_t guard;
        int guard_fd;
};
void capture_freeze(struct capture_run *r, struct capture_freeze *f);
void capture_thaw(struct capture_run *r, struct capture_freeze *f);

/* capture_logs.c */
int capture_meta(struct capture_run *r) TM_CHECK;
int capture_logs(struct capture_run *r) TM_CHECK;
/* capture_layer.c */
int capture_layer(struct capture_run *r) TM_CHECK;
/* capture_manifest.c */
int capture_manifest(struct capture_run *r, const char *list_sha, uint64_t list_size, struct buf *out) TM_CHECK;

#endif
