/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which programs and mappings of a process are kept. Must not: read their content: a descriptor keeps a file that
 * was deleted, and what has no name, so copying has time. Hands over: descriptors to the hoard.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "act/capture-priv.h"
#include "tidemark/beneath.h"

static const char *keep(struct capture_run *r, struct capture_hoard *h, uint32_t pid, const char *path)
{
        const char *name;
        struct stat st;
        int fd = capture_ask_open(r, pid, path, &st);

        if (fd == -EREMOTE)
                capture_note(r->notes, CAPTURE_REFUSED, bytes_str(path),
                             "it is on a file system that may not answer: its content is not taken", 0);
        else if (fd < 0 && fd != -ENOENT && fd != -ESRCH && fd != -EINVAL) /* gone, or no file */
                capture_note(r->notes, CAPTURE_MISSED, bytes_str(path), "cannot be opened", fd);
        if (fd < 0)
                return NULL;
        name = capture_hoard_keep(h, fd, &st);
        if (!name)
                capture_note(r->notes, CAPTURE_CUT, bytes_str(path), "too many different programs", 0);
        return name;
}

const char *capture_program(struct capture_run *r, struct capture_hoard *h, const struct capture_proc *p)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/%u/exe", p->pid);
        return keep(r, h, p->pid, path);
}

static bool in_layer(const struct capture_run *r, struct bytes path)
{
        _cleanup_close_ int upper = r->spec->upper ? open(r->spec->upper, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        _cleanup_close_ int fd = upper < 0 ? -1 : beneath_open(upper, path, O_PATH, BENEATH_ONE_MOUNT);

        return fd >= 0;
}

/* ADDRESS-ADDRESS PERM OFFSET DEV INODE   PATH: proc(5). A path may hold anything but a newline, which is escaped. */
static bool wanted(const struct capture_run *r, struct bytes line, char range[64])
{
        static const char deleted[] = " (deleted)", memfd[] = "/memfd:";
        unsigned long long inode = 0;
        struct bytes path;
        char perm[8] = "", text[256];
        int at = 0;

        snprintf(text, sizeof(text), "%.*s", (int)(line.len < 255 ? line.len : 255), (const char *)line.p);
        if (sscanf(text, "%63s %7s %*s %*s %llu %n", range, perm, &inode, &at) < 3 || perm[2] != 'x' || inode == 0 ||
            at <= 0 || (uint32_t)at >= line.len)
                return false;
        path = bytes_of(line.p + at, line.len - (uint32_t)at);
        return bytes_has_suffix(path, bytes_str(deleted)) || bytes_has_prefix(path, bytes_str(memfd)) ||
               in_layer(r, path);
}

void capture_mappings(struct capture_run *r, struct capture_hoard *h, const struct capture_proc *p, struct bytes maps)
{
        char range[64], path[160];

        while (maps.len > 0) {
                const uint8_t *end = memchr(maps.p, '\n', maps.len);
                uint32_t len = end ? (uint32_t)(end - maps.p) : maps.len;

                if (wanted(r, bytes_of(maps.p, len), range)) {
                        snprintf(path, sizeof(path), "/proc/%u/map_files/%s", p->pid, range);
                        keep(r, h, p->pid, path);
                }
                len += len < maps.len;
                maps = bytes_of(maps.p + len, maps.len - len);
                if (capture_volatile_late(r)) {
                        capture_note(r->notes, CAPTURE_MISSED, BYTES_LIT("executable mappings"), "the time was over",
                                     0);
                        return;
                }
        }
}
