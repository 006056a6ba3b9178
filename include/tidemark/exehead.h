/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exehead - what a file is by its first bytes: an ELF program or shared object (elf(5)), a script (execve(2)). Pure.
 */
#ifndef TIDEMARK_EXEHEAD_H
#define TIDEMARK_EXEHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidemark/str.h"

#define EXEHEAD_BYTES 4096u /* that are looked at */
#define EXEHEAD_INTERPRETER 255u /* of a script's first line the kernel reads so much */

enum exehead_kind {
        EXEHEAD_OTHER,
        EXEHEAD_PROGRAM, /* ELF of type EXEC, or DYN with an interpreter */
        EXEHEAD_SHARED,  /* ELF of type DYN without one: a library, or a program that is linked statically */
        EXEHEAD_OBJECT,  /* ELF of another type: relocatable, core */
        EXEHEAD_SCRIPT,
};

struct exehead {
        enum exehead_kind kind;
        struct bytes interpreter; /* ELF: PT_INTERP, if it lies within the bytes; script: its first word. Borrowed */
        struct bytes argument;    /* script: what follows on its first line, blanks cut off */
};

/* p: the file's first bytes, as many as there are up to EXEHEAD_BYTES. What does not fit together is EXEHEAD_OTHER. */
struct exehead exehead_decode(const void *p, size_t len);

#endif
