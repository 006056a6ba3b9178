/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attr - compiler attributes and the clean-up idiom, in one place.
 *
 * TM_CHECK     the result must be looked at
 * TM_PRINTF    format string is argument f, its arguments start at a
 * _cleanup_(f) call f(&variable) when the variable leaves its scope
 * TAKE_PTR     give a pointer away: yields it and leaves NULL behind, so that the clean-up does nothing
 */
#ifndef TIDEMARK_ATTR_H
#define TIDEMARK_ATTR_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define TM_CHECK __attribute__((warn_unused_result))
#define TM_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define TM_UNUSED __attribute__((unused))
#define _cleanup_(f) __attribute__((cleanup(f)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define TAKE_PTR(p) ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define TAKE_FD(fd) ({ int taken_ = (fd); (fd) = -1; taken_; })

/* Defines x_freep(T **) for use with _cleanup_: DEFINE_CLEANUP(struct x *, x_free) */
#define DEFINE_CLEANUP(type, func)                                                                                     \
        static inline TM_UNUSED void func##p(type *p)                                                                  \
        {                                                                                                              \
                if (*p)                                                                                                \
                        func(*p);                                                                                      \
        }

static inline TM_UNUSED void attr_freep(void *p)
{
        free(*(void **)p);
}
static inline TM_UNUSED void attr_closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}
#define _cleanup_free_ _cleanup_(attr_freep)
#define _cleanup_close_ _cleanup_(attr_closep)

#endif
