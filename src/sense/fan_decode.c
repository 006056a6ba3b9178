/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the layout of one fanotify record with a descriptor (fanotify(7)). Pure. */
#include <string.h>

#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/fan_source.h"

int fan_decode(const void *p, size_t len, struct fan_event *ret, bool *ret_overflow, size_t *ret_used)
{
        struct fanotify_event_metadata m;

        if (len == 0)
                return 0;
        if (len < sizeof(m))
                return ERR_TRUNCATED;
        memcpy(&m, p, sizeof(m));
        if (m.vers != FANOTIFY_METADATA_VERSION)
                return ERR_SCHEMA;
        if (m.event_len < sizeof(m) || m.event_len > len)
                return ERR_TRUNCATED;
        *ret = (struct fan_event){.mask = m.mask, .pid = m.pid > 0 ? (uint32_t)m.pid : 0, .fd = m.fd};
        *ret_overflow = (m.mask & FAN_Q_OVERFLOW) != 0;
        *ret_used = m.event_len;
        return 1;
}
