/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: one record by libaudit, in the writer, which may wait. Must not: read the text, or ask whether audit is on. */
#include "act/audit_log-priv.h"

#include <errno.h>

/* libaudit gives 0 where the kernel has no audit, and what it sends without it being so: neither is a record. */
int audit_log_write(uint16_t type, const char *text, bool ok)
{
        int fd = audit_open(), r;

        if (fd < 0)
                return errno ? -errno : -EIO;
        errno = 0;
        r = audit_log_user_message(fd, type, text, NULL, NULL, NULL, ok);
        if (r <= 0)
                r = r == 0 && errno == 0 ? -ECONNREFUSED : errno ? -errno : -EIO;
        audit_close(fd);
        return r < 0 ? r : 0;
}
