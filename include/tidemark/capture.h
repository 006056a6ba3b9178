/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture - evidence of one running container: a forked helper that only reads, and writes one archive.
 *
 * DIR/FILE.tar.zst (.tar.gz where libarchive has no zstd), a pax tar, new, 0600, named .partial until it is whole and
 * on the disk. Its members, in the order in which they are taken:
 *
 *     volatile/processes.jsonl     one line a process: pid, start, names, ids, why it counts as the container's
 *     volatile/processes/PID/…     status, stat, cmdline and environ (masked), maps, links.jsonl (exe, cwd, root,
 *                                  namespaces, descriptors with flags and position), cgroup, limits, …; mountinfo once
 *                                  a mount namespace
 *     volatile/net/INODE/…         socket tables of each network namespace, routes; conntrack (of the init's)
 *     volatile/executables/…       each distinct program, and executable mappings of deleted or nameless files and of
 *                                  files of the layer
 *     meta/…                       what the runtime wrote about the container (masked), and the caller's own texts
 *     logs/…                       the end of each log
 *     layer/…                      the write layer, as it is on the disk
 *     members.jsonl                one line a member before it: name, type, size, SHA-256 of content and of header
 *     manifest.json                all else: who, when, which part before and after containment, what was cut,
 *                                  vanished, missed, changed or refused, how many values were masked; the SHA-256 of
 *                                  members.jsonl. Whoever vouches for manifest.json vouches for every byte.
 *
 * The volatile part is read into memory and executables are opened within limits.volatile_ns; a descriptor keeps a
 * deleted file, so their content is copied afterwards. What was not reached in time is named (kind "missed"). After it
 * the helper has the lowest priority for processor and disk. What a container can make hang (a process's memory, files
 * of FUSE and network file systems) is looked at by a process of the helper's that is given up when it does not answer;
 * programs on such file systems are named (kind "refused") and not copied.
 *
 * The layer is kept as overlay keeps it: whiteouts are character devices 0:0, opaque directories and redirects carry
 * their trusted.overlay.* (user.overlay.*) attributes, so that unpacking as root ("tar --xattrs --xattrs-include='*'
 * -xpf") yields a directory that can be an upper directory again. A file whose content is in the image (metacopy) is
 * taken through the merged view, and its attributes metacopy and redirect are named in the manifest instead; without
 * the merged view it is a hole of its size. Hard links, holes, devices, fifos and links are headers; a socket is
 * named in the manifest, since tar has no word for it. Nothing is followed, no other mount is entered, and nothing but
 * regular files and directories is opened. A name is the member's directory and the path below the layer, so none can
 * lead out of it; names are bytes (hdrcharset=BINARY where they are no ASCII).
 *
 * SHA-256 of content is that of the file; of a file with holes, of its pieces one behind the other, which members.jsonl
 * lists as [offset, length].
 *
 * Owns:      the helper, its deadline, the .partial file.
 * Never:     writes to the container, but for the freezer, if asked: a process that outlives helper and sensor thaws
 *            it.
 * Hands over: by ops, in the loop.
 */
#ifndef TIDEMARK_CAPTURE_H
#define TIDEMARK_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

#define CAPTURE_SCHEMA 1 /* of manifest.json and members.jsonl: "schema" */
#define CAPTURE_TEXTS_MAX 16u
#define CAPTURE_NAME_MAX 160u /* bytes of the file's name, with all endings */
#define CAPTURE_HASH 65u      /* hexadecimal SHA-256, terminated */
#define CAPTURE_WORDS 200u

struct capture;
struct helper_stuck;
struct loop;

enum capture_flag {
        /* The volatile part is always taken. */
        CAPTURE_META = 1u << 0,
        CAPTURE_LOGS = 1u << 1,
        CAPTURE_LAYER = 1u << 2,
        CAPTURE_ALL = CAPTURE_META | CAPTURE_LOGS | CAPTURE_LAYER,
        CAPTURE_FREEZE = 1u << 3, /* stop its processes by the cgroup freezer for the volatile part; not if they are */
        CAPTURE_HOLD = 1u << 4,   /* behind the volatile part wait for capture_go_on() */
};

struct capture_limits {
        uint64_t volatile_ns; /* for the volatile part (its reading): 1 s; 200 ms before an isolation */
        uint64_t total_ns;    /* for all of it; parts end there, and the archive is closed. Time held is not counted */
        uint64_t bytes;       /* of content, of all members */
        uint64_t file_bytes;  /* of one file: the rest is cut */
        uint64_t log_bytes;   /* of each log: its end */
        uint64_t entries;     /* of the write layer */
        uint64_t rate;        /* bytes of content a second, of files; 0: as fast as it goes */
};
/* 1 s, 10 min, 4 GiB, 1 GiB, 16 MiB, 200 000 entries, no rate. */
void capture_limits_default(struct capture_limits *ret);

/* A text of the caller, as member meta/NAME: a finding, the configuration, revisions. */
struct capture_text {
        const char *name; /* letters, digits, '.', '-', '_' */
        struct bytes text;
};

/* All is borrowed for the call alone. */
struct capture_spec {
        /* the container, as the sensor's table has it */
        const char *id;        /* hexadecimal */
        const char *runtime;   /* "docker", "podman", …; may be NULL */
        uint32_t init_pid;     /* 0: it has ended: then there is no volatile part */
        uint64_t init_start;   /* clock ticks, of /proc/PID/stat */
        uint64_t pidns, mntns; /* 0: not known */
        const char *upper;     /* absolute; NULL: no layer to take */
        const char *bundle;    /* its runtime's bundle; NULL: not known */
        /* the archive */
        const char *dir;  /* absolute, exists, ours alone */
        const char *file; /* without ending */
        uint32_t flags;   /* enum capture_flag */
        struct capture_limits limits;
        uint64_t contained_boot_ns; /* it was isolated then; 0: it is not */
        /* secrets */
        const char *const *patterns; /* of mask.h */
        size_t npatterns;
        /* what the caller says, for the manifest */
        const char *agent;  /* version of the agent */
        const char *caller; /* one JSON object as text: who asked, which finding, revisions; NULL: {} */
        const struct capture_text *texts;
        size_t ntexts;
        /* in the helper: caps_reduce(caps_capturer()), and of its child that reads conntrack
         * caps_reduce(caps_enterer()). NULL: it keeps what the sensor has. */
        int (*confine)(void);
        int (*confine_net)(void);
        struct helper_stuck *stuck; /* the caller's, who reaps them; outlives the capture */
};

struct capture_volatile {
        uint64_t ns;        /* from the start of the helper until all of it was in memory or open */
        uint32_t processes; /* read */
        uint32_t missed;    /* parts that were not reached in time, or could not be read though the process lives */
        char first[CAPTURE_WORDS]; /* the first of these in words, "" if none */
};

struct capture_summary {
        char file[CAPTURE_NAME_MAX];                      /* its name in dir */
        char sha256[CAPTURE_HASH];                        /* of the file as it is on the disk */
        char manifest[CAPTURE_HASH];                      /* of manifest.json */
        uint64_t size;                                    /* of the file */
        uint64_t content;                                 /* bytes of content in it */
        uint64_t members;                                 /* without manifest.json and members.jsonl */
        uint64_t masked;                                  /* values */
        uint64_t cut, vanished, missed, changed, refused; /* how many of each kind the manifest names or counts */
        bool died;                                        /* the container ended meanwhile */
        struct capture_volatile vol;
        char words[CAPTURE_WORDS]; /* with an error: what failed, where, for people */
};

struct capture_ops {
        /* The volatile part is had. Once, or never if that fails. With CAPTURE_HOLD the helper waits from here on. */
        void (*volatile_done)(struct capture *c, const struct capture_volatile *v, void *arg);
        /* The end: error 0, or negative and s->words says why (no file is left then). c may be freed within. */
        void (*done)(struct capture *c, int error, const struct capture_summary *s, void *arg);
};

/* -EINVAL: spec says something that cannot be; else what fork or memory said. Nothing is called back before the loop
 * runs. */
int capture_start(struct loop *loop, const struct capture_spec *spec, const struct capture_ops *ops, void *arg,
                  struct capture **ret) TM_CHECK;
/* Go on behind the volatile part. contained_boot_ns: it has been isolated meanwhile; 0: it has not. */
void capture_go_on(struct capture *c, uint64_t contained_boot_ns);
/* It has been isolated while the capture went on: parts are told apart by that. */
void capture_contained(struct capture *c, uint64_t contained_boot_ns);
/* Ends a helper that is under way (and removes what it wrote); ops are not called any more. NULL ok. */
struct capture *capture_free(struct capture *c);
DEFINE_CLEANUP(struct capture *, capture_free)

/*
 * What a capture with CAPTURE_FREEZE that was ended by force has left frozen goes on again: by DIR/FILE.frozen, which
 * it writes before it freezes; by all of these in dir, at a start. Written to is nothing but a freezer's file below
 * /sys/fs/cgroup.
 * 1, or how many: so it was; 0: nothing was left; negative: it could not be thawed.
 */
int capture_thaw_left(const char *dir, const char *file);
unsigned capture_thaw_all(const char *dir);

/* ".tar.zst" or ".tar.gz": what this build writes. */
const char *capture_ending(void);

/* ---- the reading side: pure but for reading fd; for the command line and tests ---- */

struct capture_problem {
        char member[300]; /* printable; "" if it is the file as a whole */
        char words[CAPTURE_WORDS];
};
struct capture_verdict {
        uint64_t members;          /* that fit */
        uint64_t problems;         /* ops.problem was called so often, or would have been beyond CAPTURE_PROBLEMS_MAX */
        char sha256[CAPTURE_HASH]; /* of the file */
        char manifest[CAPTURE_HASH]; /* of manifest.json; "" if there is none */
        uint64_t size;               /* of the file */
};
#define CAPTURE_PROBLEMS_MAX 1000u
struct capture_verify_ops {
        void (*problem)(const struct capture_problem *p, void *arg);
        /* manifest.json as it is in the archive; NULL: not wanted. */
        void (*manifest)(struct bytes json, void *arg);
};
/*
 * Read the archive behind fd from its beginning: each member is as members.jsonl says, none is missing and none is
 * there beside, and members.jsonl is as manifest.json says. Bounded in memory and in what it believes of the file.
 * 0: it was read, with or without problems; negative: it could not be read at all (-EIO, -ENOMEM).
 */
int capture_verify(int fd, const struct capture_verify_ops *ops, void *arg, struct capture_verdict *ret) TM_CHECK;

#endif
