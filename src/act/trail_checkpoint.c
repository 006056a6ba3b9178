/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: checkpoints of the trail's head as they stand in an audit log. Must not: take the word of a line that a program
 * could have had written there by its name or arguments. Hands over: numbers and hashes, in order, to trail_read.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "act/trail-priv.h"

#define AUDIT_LINE_MAX 16384u /* MAX_AUDIT_MESSAGE_LENGTH is 8970, and auditd adds to it */

#define STAMP "msg=audit("

/* The word behind a key, up to a space or a quote: "n=", of " n=12 ". Empty: there is none. */
static struct bytes word_of(const char *text, size_t len, const char *key)
{
        size_t klen = strlen(key);

        for (size_t i = 0; i + klen <= len; i++) {
                size_t end = i + klen;

                if (memcmp(text + i, key, klen) != 0 || (i > 0 && text[i - 1] != ' ' && text[i - 1] != '\''))
                        continue;
                while (end < len && text[end] != ' ' && text[end] != '\'')
                        end++;
                return bytes_of(text + i + klen, end - i - klen);
        }
        return (struct bytes){NULL, 0};
}

static bool number(struct bytes s, uint64_t *ret)
{
        uint64_t n = 0;

        if (s.len == 0 || s.len > 18)
                return false;
        for (uint32_t i = 0; i < s.len; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return false;
                n = n * 10 + (uint64_t)(s.p[i] - '0');
        }
        *ret = n;
        return true;
}

static bool hash_of(struct bytes s, char ret[TRAIL_HASH + 1])
{
        const struct bytes prefix = BYTES_LIT("sha256:");

        if (bytes_has_prefix(s, prefix))
                s = bytes_of(s.p + prefix.len, s.len - prefix.len);
        if (s.len != TRAIL_HASH)
                return false;
        for (uint32_t i = 0; i < s.len; i++)
                if (!memchr("0123456789abcdef", s.p[i], 16))
                        return false;
        memcpy(ret, s.p, TRAIL_HASH);
        ret[TRAIL_HASH] = '\0';
        return true;
}

/* Of "msg=audit(1364481363.243:24287)": nanoseconds since 1970. */
static int64_t stamp_of(const char *text, size_t len)
{
        const char *at = memmem(text, len, STAMP, strlen(STAMP));
        size_t left = at ? len - (size_t)(at + strlen(STAMP) - text) : 0;
        const char *p = at ? at + strlen(STAMP) : NULL;
        size_t dot = 0;
        uint64_t s, ms;

        while (dot < left && p[dot] != '.')
                dot++;
        if (left < dot + 5 || p[dot + 4] != ':' || dot > 10 || !number(bytes_of(p, dot), &s) ||
            !number(bytes_of(p + dot + 1, 3), &ms) || s > 9000000000ULL)
                return 0;
        return (int64_t)s * 1000000000 + (int64_t)ms * 1000000;
}

/*
 * type=TRUSTED_APP msg=audit(TIME:SERIAL): pid=… uid=0 … msg='op=trail-checkpoint n=12 reason=trail-INSTANCE
 * hash=sha256:… …': what the sensor writes (act/audit_log). The kernel says who wrote it, in front of msg='.
 */
bool trail_checkpoint_parse(struct bytes line, const char *instance, struct trail_checkpoint *ret)
{
        const char *text = (const char *)line.p, *said;
        struct trail_checkpoint c = {0};
        struct bytes trail;
        size_t head, len;

        if (line.len == 0 || !memmem(text, line.len, "op=trail-checkpoint", 19))
                return false;
        said = memmem(text, line.len, " msg='", 6);
        if (!said)
                return false;
        head = (size_t)(said - text) + 1; /* with the space */
        said += 6;
        len = line.len - (size_t)(said - text);
        trail = word_of(said, len, "reason=");
        if (!bytes_eq(word_of(text, head, "type="), BYTES_LIT("TRUSTED_APP")) ||
            !bytes_eq(word_of(text, head, "uid="), BYTES_LIT("0")) ||
            !bytes_eq(word_of(said, len, "op="), BYTES_LIT("trail-checkpoint")) ||
            !bytes_has_prefix(trail, BYTES_LIT("trail-")) ||
            !bytes_eq(bytes_of(trail.p + 6, trail.len - 6), bytes_str(instance)))
                return false;
        c.wall_ns = stamp_of(text, head);
        if (!number(word_of(said, len, "n="), &c.n) || c.n == 0 || !hash_of(word_of(said, len, "hash="), c.hash))
                return false;
        *ret = c;
        return true;
}

static int by_number(const void *a, const void *b)
{
        const struct trail_checkpoint *x = a, *y = b;

        if (x->n != y->n)
                return x->n < y->n ? -1 : 1;
        return x->wall_ns < y->wall_ns ? -1 : x->wall_ns > y->wall_ns;
}

static int add(struct trail_checkpoints *cs, const struct trail_checkpoint *c)
{
        if (cs->n >= TRAIL_CHECKPOINTS_MAX) {
                cs->refused++;
                return 0;
        }
        if (cs->n == cs->cap) {
                size_t cap = cs->cap ? 2 * cs->cap : 64;
                struct trail_checkpoint *grown = realloc(cs->at, cap * sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                cs->at = grown;
                cs->cap = cap;
        }
        cs->at[cs->n++] = *c;
        return 0;
}

/* Lines that are longer are passed over. */
static int read_lines(FILE *in, const char *instance, struct trail_checkpoints *cs)
{
        _cleanup_free_ char *line = malloc(AUDIT_LINE_MAX);
        struct trail_checkpoint c;
        bool inside = false; /* of a line whose beginning did not fit */
        int r = line ? 0 : -ENOMEM;

        while (r == 0 && fgets(line, AUDIT_LINE_MAX, in)) {
                size_t len = strlen(line);
                bool whole = len && line[len - 1] == '\n';

                if (!inside && whole && trail_checkpoint_parse(bytes_of(line, len - 1), instance, &c))
                        r = add(cs, &c);
                inside = !whole;
        }
        return r == 0 && ferror(in) ? -EIO : r;
}

int trail_checkpoints_read(const char *path, const char *instance, struct trail_checkpoints *cs)
{
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), r;
        FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
        struct stat st;

        if (!in) {
                r = -errno;
                if (fd >= 0)
                        close(fd);
                return r;
        }
        r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? read_lines(in, instance, cs) : -EINVAL;
        fclose(in);
        if (cs->n)
                qsort(cs->at, cs->n, sizeof(*cs->at), by_number);
        return r;
}

void trail_checkpoints_release(struct trail_checkpoints *cs)
{
        free(cs->at);
        *cs = (struct trail_checkpoints){0};
}
