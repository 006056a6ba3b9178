/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * imagefile - what the sensor's helper that opens an image's files and the worker that reads them say to each other:
 * which files are wanted, and a datagram for each, with one descriptor of a regular file or none. Room tide. Pure.
 *
 * The datagrams go one way, through a SOCK_SEQPACKET socket, and end with IMAGE_MSG_END. What is not said by then was
 * not read.
 */
#ifndef TIDEMARK_IMAGEFILE_H
#define TIDEMARK_IMAGEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;

/* Why a file is opened. By its name and mode alone: nobody has read it then. */
enum image_role {
        IMAGE_NONE,     /* it is not */
        IMAGE_RUNS,     /* by its mode it can be executed */
        IMAGE_LIBRARY,  /* named as a shared object */
        IMAGE_SCRIPT,   /* named as a script, and not executable: run by its interpreter */
        IMAGE_DPKG,     /* var/lib/dpkg/status: deb(5), dpkg-query(1) */
        IMAGE_DPKG_D,   /* a file of var/lib/dpkg/status.d: images without a package manager */
        IMAGE_DPKG_LIST, /* var/lib/dpkg/info/PACKAGE.list: paths */
        IMAGE_DPKG_SUMS, /* var/lib/dpkg/status.d/PACKAGE.md5sums: sums and paths */
        IMAGE_APK,      /* lib/apk/db/installed: apk-v2 */
        IMAGE_RPM,      /* a file of rpm's database: var/lib/rpm, usr/lib/sysimage/rpm */
        IMAGE__ROLE_MAX
};
/* path: without the slash at its beginning. mode: of a regular file. */
enum image_role image_role(struct bytes path, uint32_t mode);

enum image_msg_kind {
        IMAGE_MSG_NONE,
        IMAGE_MSG_FILE, /* with a descriptor, or error says why not */
        IMAGE_MSG_LINK, /* a symbolic link and its text */
        IMAGE_MSG_NOTE, /* text: what was cut or could not be read, in words */
        IMAGE_MSG_END,  /* entries, and whether all was told */
        IMAGE_MSG__MAX
};
#define IMAGE_PATH_MAX 4096u
#define IMAGE_MSG_MAX (2 * IMAGE_PATH_MAX + 128u) /* bytes of one datagram */

struct image_msg {
        uint8_t kind; /* enum image_msg_kind */
        uint8_t role; /* enum image_role */
        uint8_t caps; /* it has security.capability */
        uint16_t layer; /* number of the layer that it lies in, 0 the topmost */
        uint32_t mode, uid, gid;
        uint64_t size;
        int32_t error;      /* 0 or a negative errno */
        struct bytes path;  /* absolute, as the container sees it */
        struct bytes text;
        uint64_t entries;
        uint8_t complete;
};

/* Append one. */
void image_msg_put(struct buf *b, const struct image_msg *m);
/* Borrows from p. ERR_TRUNCATED, ERR_SCHEMA: kind or role unknown, a path that is not absolute. */
int image_msg_decode(const void *p, size_t len, struct image_msg *ret) TM_CHECK;

#endif
