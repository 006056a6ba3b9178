/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packages - databases of packages that are text: which packages there are, and which files they own. Pure.
 *
 * dpkg: deb-control(5), dpkg-query(1); var/lib/dpkg/status has one paragraph a package, info/NAME.list its paths, and
 * status.d of images without a package manager a paragraph a file and NAME.md5sums. apk: apk-v2(5),
 * lib/apk/db/installed.
 *
 * Hostile: text with a length, of any size and form. A line that is not understood is passed over and counted; what a
 * database of a newer version adds is that. Names and versions are cut at PACKAGES_TEXT.
 */
#ifndef TIDEMARK_PACKAGES_H
#define TIDEMARK_PACKAGES_H

#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

#define PACKAGES_TEXT 200u

struct packages_ops {
        /* A package that is installed. Negative ends the reading. Borrowed from the text. */
        int (*package)(struct bytes name, struct bytes version, void *arg);
        /* A path of the package told last (lists: of whose file it is), without a slash at its beginning. */
        int (*path)(struct bytes path, void *arg);
};

struct packages_stats {
        uint64_t packages, paths;
        uint64_t malformed; /* lines, and paragraphs without a name or version */
};

/* 0, or what ops said. Counts are added to *st. */
int dpkg_parse_status(struct bytes text, const struct packages_ops *ops, void *arg, struct packages_stats *st) TM_CHECK;
int dpkg_parse_list(struct bytes text, const struct packages_ops *ops, void *arg, struct packages_stats *st) TM_CHECK;
int dpkg_parse_sums(struct bytes text, const struct packages_ops *ops, void *arg, struct packages_stats *st) TM_CHECK;
int apk_parse_installed(struct bytes text, const struct packages_ops *ops, void *arg, struct packages_stats *st)
        TM_CHECK;
/* "libc6:amd64.list" → "libc6": whose list a file of this name is. */
struct bytes dpkg_list_owner(struct bytes file);

#endif
