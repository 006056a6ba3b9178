/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: reading the files of import.keys and records.keys, and what is wrong with each. Must not: stop at one. */
#include "daemon/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/signature.h"

#define WHY 160
#define PATH_BYTES 512

struct one {
        char path[PATH_BYTES];
        struct buf pem;
        struct signature_key *key;
        char wrong[WHY]; /* empty: nothing */
};

struct keys {
        struct one one[KEYS_MAX];
        size_t n;
};

/* Whoever may write it may sign in its owner's name. */
static const char *check_file(const struct stat *st)
{
        if (!S_ISREG(st->st_mode))
                return "it is no regular file";
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return "it belongs neither to root nor to you: chown root it";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "it can be written by others: chmod go-w it";
        if (st->st_size > (off_t)SIGNATURE_PEM_MAX)
                return "it is larger than 64 KiB";
        return NULL;
}

static int read_all(int fd, struct buf *out)
{
        uint8_t p[4096];
        ssize_t n;

        while ((n = read(fd, p, sizeof(p))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                buf_put(out, p, (size_t)n);
                if (out->err)
                        return out->err;
        }
        return 0;
}

static void read_one(const char *path, struct one *one)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        const char *wrong = NULL;
        struct stat st;
        int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

        snprintf(one->path, sizeof(one->path), "%s", path);
        buf_init(&one->pem, SIGNATURE_PEM_MAX);
        if (r == 0)
                wrong = check_file(&st);
        if (r == 0 && !wrong)
                r = read_all(fd, &one->pem);
        if (r < 0 || wrong)
                snprintf(one->wrong, sizeof(one->wrong), "%s", wrong ? wrong : err_str(r));
}

static int is_key(const struct dirent *d)
{
        struct bytes name = bytes_str(d->d_name);

        return d->d_name[0] != '.' &&
               (bytes_has_suffix(name, BYTES_LIT(".pem")) || bytes_has_suffix(name, BYTES_LIT(".pub")));
}

static void wrong_directory(struct keys *k, const char *path, const char *why)
{
        struct one *one = &k->one[k->n < KEYS_MAX ? k->n : KEYS_MAX - 1];

        buf_release(&one->pem);
        buf_init(&one->pem, SIGNATURE_PEM_MAX);
        snprintf(one->path, sizeof(one->path), "%s", path);
        snprintf(one->wrong, sizeof(one->wrong), "%s", why);
        k->n += k->n < KEYS_MAX;
}

/* Who may put files there may sign. */
static void read_directory(struct keys *k, const char *path, const struct stat *st)
{
        struct dirent **names = NULL;
        char file[PATH_BYTES];
        int n;

        if ((st->st_uid != 0 && st->st_uid != geteuid()) || st->st_mode & (S_IWGRP | S_IWOTH)) {
                wrong_directory(k, path, "others than root and you may put files there: chown root and chmod go-w it");
                return;
        }
        n = scandir(path, &names, is_key, alphasort);
        if (n < 0)
                wrong_directory(k, path, err_str(-errno));
        for (int i = 0; i < n; i++) {
                if ((size_t)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name) >= sizeof(file))
                        wrong_directory(k, path, "the path of a file in it is too long");
                else if (k->n < KEYS_MAX)
                        read_one(file, &k->one[k->n++]);
                else
                        wrong_directory(k, path, "there are more keys than are taken");
                free(names[i]);
        }
        free(names);
}

int keys_read(const struct str_list *paths, struct keys **ret)
{
        struct keys *k = calloc(1, sizeof(*k));
        struct stat st;

        if (!k)
                return -ENOMEM;
        for (uint32_t i = 0; i < paths->n; i++) {
                if (stat(paths->text[i], &st) == 0 && S_ISDIR(st.st_mode))
                        read_directory(k, paths->text[i], &st);
                else if (k->n < KEYS_MAX)
                        read_one(paths->text[i], &k->one[k->n++]);
                else
                        wrong_directory(k, paths->text[i], "there are more keys than are taken");
        }
        *ret = k;
        return 0;
}

int keys_parse(struct keys *k)
{
        for (size_t i = 0; i < k->n; i++) {
                struct one *one = &k->one[i];
                const char *why;
                int r;

                if (one->wrong[0] || one->key)
                        continue;
                r = signature_parse_key(buf_bytes(&one->pem), &one->key, &why);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        snprintf(one->wrong, sizeof(one->wrong), "%s", why);
        }
        return 0;
}

struct keys *keys_free(struct keys *k)
{
        if (!k)
                return NULL;
        for (size_t i = 0; i < k->n; i++) {
                buf_release(&k->one[i].pem);
                signature_key_free(k->one[i].key);
        }
        free(k);
        return NULL;
}

size_t keys_count(const struct keys *k)
{
        return k->n;
}

const char *keys_path(const struct keys *k, size_t n)
{
        return k->one[n].path;
}

const char *keys_wrong(const struct keys *k, size_t n)
{
        return k->one[n].wrong[0] ? k->one[n].wrong : NULL;
}

struct bytes keys_pem(const struct keys *k, size_t n)
{
        return buf_bytes(&k->one[n].pem);
}

const char *keys_id(const struct keys *k, size_t n)
{
        return k->one[n].key ? signature_key_id(k->one[n].key) : NULL;
}

int keys_fit(const struct keys *k, struct bytes data, struct bytes signature, const char **ret_id)
{
        for (size_t i = 0; i < k->n; i++)
                if (k->one[i].key && signature_fits(k->one[i].key, data, signature)) {
                        *ret_id = signature_key_id(k->one[i].key);
                        return (int)i;
                }
        return -1;
}
