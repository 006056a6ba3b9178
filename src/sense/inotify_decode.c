/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the layout of one inotify record (inotify(7)). Pure. */
#include <string.h>
#include <sys/inotify.h>

#include "tidemark/err.h"
#include "tidemark/names_source.h"

int inotify_decode(const void *p, size_t len, struct names_raw *ret, size_t *ret_used)
{
        struct inotify_event e;
        const uint8_t *name = (const uint8_t *)p + sizeof(e), *nul;

        if (len == 0)
                return 0;
        if (len < sizeof(e))
                return ERR_TRUNCATED;
        memcpy(&e, p, sizeof(e));
        if (e.len > len - sizeof(e))
                return ERR_TRUNCATED;
        nul = e.len ? memchr(name, 0, e.len) : name;
        if (!nul)
                return ERR_SCHEMA; /* the kernel pads names with at least one */
        memset(ret, 0, sizeof(*ret));
        ret->mask = e.mask & ~(uint64_t)(IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT);
        ret->cookie = e.cookie;
        ret->overflow = (e.mask & IN_Q_OVERFLOW) != 0;
        ret->ended = (e.mask & (IN_IGNORED | IN_UNMOUNT)) != 0;
        memcpy(ret->scratch, &e.wd, sizeof(e.wd));
        ret->handle = bytes_of(ret->scratch, sizeof(e.wd));
        ret->name = bytes_of(name, (size_t)(nul - name));
        *ret_used = sizeof(e) + e.len;
        return 1;
}
