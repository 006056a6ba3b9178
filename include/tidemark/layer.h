/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layer - questions to an overlay's directories, asked without following anything that a container chose (beneath.h).
 *
 * Owns: the paths of the upper and lower directories. They are opened for each question and closed at once, or at the
 * end of the turn (layer_keep): a descriptor that is kept would pin the container's mount.
 */
#ifndef TIDEMARK_LAYER_H
#define TIDEMARK_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct layer;

struct layer_entry {
        uint8_t type; /* DT_* */
        bool whiteout, opaque;
        bool caps; /* an executable regular file with security.capability */
        uint32_t mode, uid, gid, nlink;
        uint64_t size, ino, mtime_ns, ctime_ns;
};

/* upper: absolute host path, as mountinfo gives it. lower: the lowerdir option ("a:b:c"; "\:" escapes; relative parts
 * and unreadable ones are counted as unknown). */
int layer_new(struct bytes upper, struct bytes lower, struct layer **ret) TM_CHECK;
struct layer *layer_free(struct layer *l);
DEFINE_CLEANUP(struct layer *, layer_free)
/* Keep the directories open between questions, until layer_rest() (which is no harm without it): for one turn. */
void layer_keep(const struct layer *l);
void layer_rest(const struct layer *l);
/* The lower directories' paths, topmost first, borrowed; their number, at most max. *ret_unknown: of others there is no
 * usable path. */
size_t layer_lower(const struct layer *l, const char **ret, size_t max, size_t *ret_unknown);
/* An O_PATH descriptor of the upper directory, for the walker; the caller closes it. */
int layer_upper_fd(const struct layer *l) TM_CHECK;
/* The entry at path (as the container sees it; a leading slash is passed over) in the upper directory. -ENOENT; -ELOOP,
 * -EXDEV, -ENOTDIR: not a plain path in it. */
int layer_upper_stat(const struct layer *l, struct bytes path, struct layer_entry *ret) TM_CHECK;
/* A descriptor for reading of the regular file at path in the upper directory, and what it is; the caller closes it.
 * -EINVAL: it is no regular file: nothing else is opened. */
int layer_upper_open(const struct layer *l, struct bytes path, struct layer_entry *ret) TM_CHECK;
/* O_PATH descriptors of path in the upper directory and in the image, for a comparison; the caller closes them. */
int layer_both(const struct layer *l, struct bytes path, int ret[2]) TM_CHECK;
/* Has the upper file at path attributes of its own and the content of the image's (metacopy)? */
bool layer_upper_is_metadata(const struct layer *l, struct bytes path) TM_CHECK;
/* Does an image layer hold path? 1 yes, 0 no, negative: cannot be told. */
int layer_in_image(const struct layer *l, struct bytes path) TM_CHECK;
/* The same, and what the image has there (set only with 1). */
int layer_image_stat(const struct layer *l, struct bytes path, struct layer_entry *ret) TM_CHECK;
/* Is the content of two files the same, by their own word? Size and time: both can be put back. */
bool layer_same_content(const struct layer_entry *a, const struct layer_entry *b);

#endif
