/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: the layout of a fanotify record with a directory's handle and a name (fanotify(7), linux/fanotify.h). Pure. */
#include <string.h>

#include "tidemark/compat.h"
#include "tidemark/err.h"
#include "tidemark/names_source.h"

#define INFO_HEAD 4u   /* type, pad, length of the whole */
#define FSID 8u
#define HANDLE_HEAD 8u /* bytes, type: struct file_handle of open_by_handle_at(2) */

/* One information record of type DFID_NAME: fsid, handle, name with its NUL. */
static int decode_info(const uint8_t *p, size_t len, struct names_raw *ret)
{
        uint32_t bytes, name_at;
        const uint8_t *nul;

        if (len < INFO_HEAD + FSID + HANDLE_HEAD)
                return ERR_TRUNCATED;
        memcpy(&bytes, p + INFO_HEAD + FSID, sizeof(bytes));
        name_at = INFO_HEAD + FSID + HANDLE_HEAD;
        if (bytes > len - name_at || FSID + 4 + bytes > sizeof(ret->scratch))
                return ERR_TRUNCATED;
        memcpy(ret->scratch, p + INFO_HEAD, FSID);
        memcpy(ret->scratch + FSID, p + INFO_HEAD + FSID + 4, 4 + bytes); /* type, then the handle's bytes */
        ret->handle = bytes_of(ret->scratch, FSID + 4 + bytes);
        name_at += bytes;
        nul = memchr(p + name_at, 0, len - name_at);
        if (!nul)
                return ERR_TRUNCATED;
        ret->name = bytes_of(p + name_at, (size_t)(nul - (p + name_at)));
        return 0;
}

int names_decode(const void *p, size_t len, struct names_raw *ret, size_t *ret_used)
{
        struct fanotify_event_metadata m;
        const uint8_t *b = p;
        size_t at;
        int r = 0;

        if (len == 0)
                return 0;
        if (len < sizeof(m))
                return ERR_TRUNCATED;
        memcpy(&m, p, sizeof(m));
        if (m.vers != FANOTIFY_METADATA_VERSION)
                return ERR_SCHEMA;
        if (m.metadata_len < sizeof(m) || m.event_len < m.metadata_len || m.event_len > len)
                return ERR_TRUNCATED;
        memset(ret, 0, sizeof(*ret));
        ret->mask = m.mask;
        ret->pid = m.pid > 0 ? (uint32_t)m.pid : 0;
        ret->overflow = (m.mask & FAN_Q_OVERFLOW) != 0;
        for (at = m.metadata_len; at < m.event_len && r == 0;) {
                uint16_t info;

                if (m.event_len - at < INFO_HEAD)
                        return ERR_TRUNCATED;
                memcpy(&info, b + at + 2, sizeof(info));
                if (info < INFO_HEAD || info > m.event_len - at)
                        return ERR_TRUNCATED;
                if (b[at] == COMPAT_FAN_INFO_DFID_NAME)
                        r = decode_info(b + at, info, ret);
                at += info;
        }
        if (r < 0)
                return r;
        *ret_used = m.event_len;
        return 1;
}
