/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * openfile - what an event's descriptor is: which path in the container, in which layer. Asked of the descriptor and of
 * the overlay's directories (layer.h); a path that the container chose is never opened by name. Never reads content.
 */
#ifndef TIDEMARK_OPENFILE_H
#define TIDEMARK_OPENFILE_H

#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;
struct container;
struct containers;
struct peek_mapped;
struct proctab;

struct openfile {
        struct bytes path; /* as the container sees it, absolute; empty for a memfd. In scratch */
        uint8_t layer;     /* enum tide_layer */
        uint8_t change;    /* enum tide_change: LAYER_WRITE: MODIFIED where the image holds the path too, else ADDED */
        uint8_t type;      /* DT_* */
        uint32_t mode, nlink;
        uint64_t size, ino, dev;
};

/*
 * fd: from a fanotify event, or O_PATH of /proc/PID/exe. pid: who had it open (0: not known). c: whose root it is seen
 * from (NULL: the layer is told as far as the descriptor alone can say). The link of /proc/self/fd shows the path from
 * the mount that was used: a prefix by which the host sees the container's merged directory is taken off.
 */
int openfile_read(const struct container *c, uint32_t pid, int fd, struct buf *scratch, struct openfile *ret) TM_CHECK;
/* Whose root file system the descriptor lies in, else the container of the process that used it; NULL: of none. */
struct container *openfile_container(const struct containers *cs, struct proctab *pt, int fd, uint32_t pid);

/*
 * The root of a process, to be marked: an O_PATH descriptor (the caller closes it), made sure to be of that process, in
 * that mount namespace, and in c's own root file system, which no server of the container answers for. -ESTALE: it is
 * another's by now; -EXDEV: not there, or the host's own root.
 */
int openfile_root(const struct container *c, uint32_t pid, uint64_t start, uint64_t mntns) TM_CHECK;
/* A file that process pid of c has mapped: path is emptied and filled as the container sees it. Never asks the file
 * system's server. */
void openfile_mapped(const struct container *c, uint32_t pid, const struct peek_mapped *m, struct buf *path,
                     uint8_t *ret_layer, uint8_t *ret_change);

#endif
