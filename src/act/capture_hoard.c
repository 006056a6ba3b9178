/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: members of the volatile part in memory, bounded, and descriptors of files that are copied when it is over. Must
 * not: read anything itself before then. Hands over: all of it to the archive, once.
 */
#include <archive_entry.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "act/capture-priv.h"

#define MEMBERS_MAX 65536u
#define FILES_MAX 512u
#define NAME_MAX_BYTES 80u

struct text {
        char *path;
        struct buf b;
};

struct kept {
        int fd;
        struct stat st;
        char name[NAME_MAX_BYTES];
};

struct capture_hoard {
        struct text *texts;
        size_t n, room;
        size_t bytes; /* of all but the last */
        struct kept kept[FILES_MAX];
        size_t nkept;
};

int capture_hoard_new(struct capture_hoard **ret)
{
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

static void drop_text(struct text *t)
{
        free(t->path);
        buf_release(&t->b);
}

struct capture_hoard *capture_hoard_free(struct capture_hoard *h)
{
        if (!h)
                return NULL;
        for (size_t i = 0; i < h->n; i++)
                drop_text(&h->texts[i]);
        for (size_t i = 0; i < h->nkept; i++)
                close(h->kept[i].fd);
        free(h->texts);
        free(h);
        return NULL;
}

static bool make_room(struct capture_hoard *h)
{
        size_t room = h->room ? h->room * 2 : 256;
        struct text *more;

        if (h->n < h->room)
                return true;
        if (h->n >= MEMBERS_MAX)
                return false;
        more = realloc(h->texts, room * sizeof(*more));
        if (!more)
                return false;
        h->texts = more;
        h->room = room;
        return true;
}

struct buf *capture_hoard_add(struct capture_hoard *h, const char *format, ...)
{
        char path[CAPTURE_PATH];
        size_t left;
        va_list args;

        if (h->n)
                h->bytes += h->texts[h->n - 1].b.len;
        left = h->bytes < CAPTURE_VOLATILE_MAX ? CAPTURE_VOLATILE_MAX - h->bytes : 0;
        if (left == 0 || !make_room(h)) {
                if (h->n)
                        h->bytes -= h->texts[h->n - 1].b.len;
                return NULL;
        }
        va_start(args, format);
        vsnprintf(path, sizeof(path), format, args);
        va_end(args);
        h->texts[h->n].path = strdup(path);
        if (!h->texts[h->n].path) {
                h->bytes -= h->n ? h->texts[h->n - 1].b.len : 0;
                return NULL;
        }
        buf_init(&h->texts[h->n].b, left);
        return &h->texts[h->n++].b;
}

size_t capture_hoard_count(const struct capture_hoard *h)
{
        return h->n;
}

void capture_hoard_back(struct capture_hoard *h, size_t count)
{
        while (h->n > count) {
                drop_text(&h->texts[--h->n]);
                if (h->n)
                        h->bytes -= h->texts[h->n - 1].b.len;
        }
}

static const char *kept_already(const struct capture_hoard *h, const struct stat *st)
{
        for (size_t i = 0; i < h->nkept; i++)
                if (h->kept[i].st.st_dev == st->st_dev && h->kept[i].st.st_ino == st->st_ino)
                        return h->kept[i].name;
        return NULL;
}

const char *capture_hoard_keep(struct capture_hoard *h, int fd, const struct stat *st)
{
        const char *name = kept_already(h, st);
        struct kept *k = &h->kept[h->nkept];

        if (name || h->nkept == FILES_MAX) {
                close(fd);
                return name;
        }
        *k = (struct kept){.fd = fd, .st = *st};
        snprintf(k->name, sizeof(k->name), "volatile/executables/%u-%u-%llu", major(st->st_dev), minor(st->st_dev),
                 (unsigned long long)st->st_ino);
        h->nkept++;
        return k->name;
}

static int write_kept(struct capture_run *r, const struct kept *k)
{
        struct archive_entry *e = capture_entry(bytes_str(k->name), &k->st);
        int result;

        if (!e)
                return -ENOMEM;
        result = capture_file(r, k->fd, e, bytes_str(k->name));
        archive_entry_free(e);
        return result;
}

int capture_hoard_write(struct capture_hoard *h, struct capture_run *r)
{
        int result = 0;

        for (size_t i = 0; result == 0 && i < h->n; i++)
                result = capture_out_text(r->out, h->texts[i].path, buf_bytes(&h->texts[i].b));
        for (size_t i = 0; result == 0 && i < h->nkept; i++)
                result = write_kept(r, &h->kept[i]);
        return result;
}
