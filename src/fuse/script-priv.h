/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * script - which files an interpreter was asked to run, by its arguments.
 *
 * An interpreter is known by the base name of the executable ("python3.11", "dash", "ld-linux-x86-64.so.2"); busybox
 * and toybox by their applet. Each has its options that take a value, that name a file which is run, and after which no
 * file is ("-c", "-e", "-m"): a table in script.c, by the interpreters' own manuals. Not seen by arguments, and so not
 * known: what is read from standard input ("sh < file"), what a script reads (".", "source", "import"), what a variable
 * names (BASH_ENV, PYTHONSTARTUP, NODE_OPTIONS). Pure; arguments are hostile, and need not have been read whole.
 */
#ifndef TIDEMARK_FUSE_SCRIPT_PRIV_H
#define TIDEMARK_FUSE_SCRIPT_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "tidemark/attr.h"
#include "tidemark/str.h"

struct buf;
struct tide_exec;

enum script_known {
        SCRIPT_NONE,   /* it is no interpreter, or was asked to run no file */
        SCRIPT_FILES,  /* these may be what it runs */
        SCRIPT_UNKNOWN /* it is one, and what it runs is not known: arguments or directory were not read */
};

#define SCRIPT_FILES_MAX 8u /* candidates of one execution: an interpreter may try several names, or load several */

/* Most programs are no interpreters: by first letter, the lengths of their names. */
struct script_names {
        uint32_t lengths[128];
};
void script_names_init(struct script_names *ret);

struct script_files {
        size_t at[SCRIPT_FILES_MAX + 1]; /* where each path begins in the buffer; behind the last, where it ends */
        unsigned n;
};
/* text: what the paths lie in, reset first. */
enum script_known script_parse_exec(const struct script_names *names, const struct tide_exec *x, struct buf *text,
                                    struct script_files *ret);
/* Absolute, without ".", ".." and "//". Borrowed from text. */
struct bytes script_path(const struct script_files *files, const struct buf *text, unsigned i);

#endif
