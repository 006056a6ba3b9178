/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the form of one record and of the names of the trail's files. Pure, but for listing a directory. Must not:
 * write a file. Hands over: to trail_file.c, which writes lines, and trail_read.c, which follows them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "act/trail-priv.h"
#include "tidemark/when.h"

static const char *const sources[] = {
        [TRAIL_AGENT] = "agent", [TRAIL_OPERATOR] = "operator", [TRAIL_ENGINE] = "engine", [TRAIL_KERNEL] = "kernel"};

const char *trail_source_name(unsigned source)
{
        return source < TRAIL_SOURCE__MAX ? sources[source] : sources[TRAIL_AGENT];
}

int trail_hash(struct bytes s, char ret[TRAIL_HASH + 1])
{
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_Digest(s.p, s.len, sum, &n, EVP_sha256(), NULL) != 1 || n * 2 != TRAIL_HASH)
                return -EIO;
        str_hex(bytes_of(sum, n), ret);
        return 0;
}

/* Printable, at most max bytes of it. */
static json_t *printable(struct bytes s, size_t max, bool tell_cut)
{
        _cleanup_buf_ struct buf b;
        bool cut = s.len > max;

        buf_init(&b, 4 * max + 16);
        str_escape(bytes_of(s.p, cut ? max : s.len), &b);
        if (cut && tell_cut)
                buf_put_str(&b, "...");
        return b.err ? NULL : json_stringn(buf_cstr(&b), b.len);
}

static int put_who(json_t *o, const struct trail_entry *e)
{
        char finding[32];
        int bad = 0;

        bad |= json_object_set_new(o, "command", json_integer((json_int_t)e->command));
        bad |= json_object_set_new(o, "uid", json_integer(e->uid));
        bad |= json_object_set_new(o, "login_uid", json_integer(e->login_uid));
        bad |= json_object_set_new(o, "pid", json_integer(e->pid));
        if (e->comm.len)
                bad |= json_object_set_new(o, "comm", printable(e->comm, TRAIL_COMM, false));
        if (e->container.len)
                bad |= json_object_set_new(o, "container", printable(e->container, TRAIL_COMM, false));
        if (e->finding) {
                snprintf(finding, sizeof(finding), "F-%llu", (unsigned long long)e->finding);
                bad |= json_object_set_new(o, "finding", json_string(finding));
        }
        return bad;
}

int trail_line_build(const struct trail_entry *e, uint64_t n, const char *prev, const char *boot_id, struct buf *out)
{
        char when[CLOCK_TEXT];
        json_t *o = json_object();
        char *dump = NULL;
        int bad = 0;

        bad |= json_object_set_new(o, "n", json_integer((json_int_t)n));
        bad |= json_object_set_new(o, "time", json_string(clock_rfc3339(e->wall_ns, when)));
        bad |= json_object_set_new(o, "boot_ns", json_integer((json_int_t)e->boot_ns));
        if (boot_id)
                bad |= json_object_set_new(o, "boot_id", json_string(boot_id));
        bad |= json_object_set_new(o, "kind", printable(bytes_str(e->kind), TRAIL_KIND_MAX, false));
        bad |= json_object_set_new(o, "source", json_string(trail_source_name(e->source)));
        bad |= put_who(o, e);
        if (e->late)
                bad |= json_object_set_new(o, "late", json_true());
        bad |= json_object_set_new(o, "text", printable(e->text, TRAIL_TEXT_MAX, true));
        bad |= json_object_set_new(o, "prev", json_string(prev));
        if (!bad)
                dump = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
        json_decref(o);
        if (!dump)
                return -ENOMEM;
        buf_put(out, dump, strlen(dump) - 1); /* without the closing brace */
        free(dump);
        return out->err;
}

int trail_line_seal(struct buf *line, char ret_hash[TRAIL_HASH + 1])
{
        char hash[TRAIL_HASH + 1];
        int r = trail_hash(buf_bytes(line), hash);

        if (r < 0)
                return r;
        buf_printf(line, TRAIL_HASH_FIELD "%s\"}\n", hash);
        if (line->err)
                return line->err;
        memcpy(ret_hash, hash, sizeof(hash));
        return 0;
}

int trail_line_check(const char *line, size_t len, json_t **ret, char ret_hash[TRAIL_HASH + 1])
{
        const size_t tail = strlen(TRAIL_HASH_FIELD) + TRAIL_HASH + strlen("\"}");
        char hash[TRAIL_HASH + 1];
        json_t *o;

        if (len <= tail || memcmp(line + len - tail, TRAIL_HASH_FIELD, strlen(TRAIL_HASH_FIELD)) != 0 ||
            memcmp(line + len - 2, "\"}", 2) != 0)
                return -EUCLEAN;
        if (trail_hash(bytes_of(line, len - tail), hash) < 0)
                return -EIO;
        if (memcmp(line + len - tail + strlen(TRAIL_HASH_FIELD), hash, TRAIL_HASH) != 0)
                return -EUCLEAN;
        o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(o) || !json_is_string(json_object_get(o, "prev")) || trail_line_n(o) == 0) {
                json_decref(o);
                return -EUCLEAN;
        }
        memcpy(ret_hash, hash, sizeof(hash));
        *ret = o;
        return 0;
}

uint64_t trail_line_n(const json_t *o)
{
        json_int_t n = json_integer_value(json_object_get(o, "n"));

        return n > 0 ? (uint64_t)n : 0;
}

/* ---- names ---- */

void trail_name_of(uint64_t first, char ret[TRAIL_NAME])
{
        snprintf(ret, TRAIL_NAME, "trail-%012llu.jsonl", (unsigned long long)first);
}

bool trail_name_parse(const char *name, uint64_t *ret_first)
{
        char again[TRAIL_NAME];
        unsigned long long first;

        if (sscanf(name, "trail-%20llu.jsonl", &first) != 1)
                return false;
        trail_name_of(first, again); /* one spelling */
        if (strcmp(again, name) != 0)
                return false;
        *ret_first = first;
        return true;
}

static int by_number(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

int trail_names(int dirfd, uint64_t **ret, size_t *ret_n)
{
        _cleanup_free_ uint64_t *all = NULL;
        size_t n = 0, cap = 0;
        int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *d;
        uint64_t first;

        if (!dir) {
                int r = -errno;

                if (fd >= 0)
                        close(fd);
                return r;
        }
        while ((d = readdir(dir))) {
                if (!trail_name_parse(d->d_name, &first))
                        continue;
                if (n == cap) {
                        uint64_t *grown = realloc(all, (cap = cap ? 2 * cap : 16) * sizeof(*all));

                        if (!grown) {
                                closedir(dir);
                                return -ENOMEM;
                        }
                        all = grown;
                }
                all[n++] = first;
        }
        closedir(dir);
        if (n)
                qsort(all, n, sizeof(*all), by_number);
        *ret = TAKE_PTR(all);
        *ret_n = n;
        return 0;
}

int64_t trail_time(const char *text)
{
        struct tm tm = {0};
        int ms = 0;
        time_t t;

        if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                            &tm.tm_min, &tm.tm_sec, &ms) != 7)
                return 0;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        t = timegm(&tm);
        return t > 0 && (uint64_t)t < (uint64_t)INT64_MAX / 1000000000 - 1 ? (int64_t)t * 1000000000 + ms * 1000000LL
                                                                           : 0;
}
