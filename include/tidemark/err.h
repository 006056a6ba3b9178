/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err - error numbers. Functions return 0 or a negative errno; a few conditions that errno has no word for
 * lie below -4096 (the kernel's MAX_ERRNO is 4095, so the two never meet).
 */
#ifndef TIDEMARK_ERR_H
#define TIDEMARK_ERR_H

enum err_own {
        ERR_OVERRUN = -5001,   /* a kernel queue overflowed: events were lost, knowledge is incomplete */
        ERR_TRUNCATED = -5002, /* input ends before its own length says */
        ERR_UNTRUSTED = -5003, /* sender or owner is not the one that may say this */
        ERR_SCHEMA = -5004,    /* well-formed, but not of the shape or version that is known here */
        ERR_CHECKSUM = -5005,  /* bytes changed since they were written */
        ERR_LIMIT = -5006,     /* a configured or built-in limit refuses more */
        ERR_FOREIGN = -5007,   /* not a file of ours at all */
};

/* Text for a negative errno or err_own (0: "no error"). Static or thread-local storage; never NULL. */
const char *err_str(int err);

#endif
