/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which parts of a name are chance. Must not: look at anything but the name. Pure; component by component, and
 * each component token by token (letters and digits between separators).
 */
#include "tidemark/generalise.h"

#include "tidemark/buf.h"

#define HEX_MIN 8u   /* so many hexadecimal digits, with a digit and a letter among them, are no word */
#define HASH_MIN 16u /* so many, whatever they are */
#define RAND_MIN 6u  /* mkstemp(3) uses six */
#define UUID_LEN 36u
#define PYTHON_TEMPORARY 11u

struct classes {
        uint32_t digits, lower, upper, hex;
};

static bool is_digit(uint8_t c)
{
        return c >= '0' && c <= '9';
}

static bool is_lower(uint8_t c)
{
        return c >= 'a' && c <= 'z';
}

static bool is_upper(uint8_t c)
{
        return c >= 'A' && c <= 'Z';
}

static bool is_token(uint8_t c)
{
        return is_digit(c) || is_lower(c) || is_upper(c) || c >= 0x80;
}

static struct classes count(struct bytes t)
{
        struct classes k = {0};

        for (uint32_t i = 0; i < t.len; i++) {
                uint8_t c = t.p[i];

                k.digits += is_digit(c);
                k.lower += is_lower(c);
                k.upper += is_upper(c);
                k.hex += is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        }
        return k;
}

static bool is_uuid(struct bytes s)
{
        for (uint32_t i = 0; i < UUID_LEN; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;
                struct classes k = count(bytes_of(s.p + i, 1));

                if (dash ? s.p[i] != '-' : k.hex != 1)
                        return false;
        }
        return s.len == UUID_LEN || !is_token(s.p[UUID_LEN]);
}

/* Letters and digits in an order that no person chose: both within, changing often; or capitals strewn among small
 * ones. */
static bool is_random(struct bytes t, const struct classes *k)
{
        uint32_t changes = 0;

        if (t.len < RAND_MIN || k->digits + k->lower + k->upper != t.len)
                return false;
        for (uint32_t i = 1; i < t.len; i++) {
                bool digit = is_digit(t.p[i]) != is_digit(t.p[i - 1]);
                bool upper = is_upper(t.p[i]) && is_lower(t.p[i - 1]);

                changes += digit || upper;
        }
        return changes >= 2 && (k->upper || k->digits >= 2) && changes * 3 >= t.len - 1;
}

/* A word, perhaps with a capital in front or in capitals, perhaps one of several: "pem", "Dockerfile", "LOG2". */
static bool is_word(struct bytes t)
{
        uint32_t at = 0;

        while (at < t.len && is_upper(t.p[at]))
                at++;
        while (at < t.len && is_lower(t.p[at]) && (at <= 1 || is_lower(t.p[at - 1])))
                at++;
        while (at < t.len && is_digit(t.p[at]))
                at++;
        return at == t.len;
}

/* What mktemp(1) draws behind a dot, of small letters, capitals and digits: "report.QJ8iwlsp". */
static bool is_drawn_suffix(struct bytes t, const struct classes *k)
{
        return t.len >= RAND_MIN && k->digits + k->lower + k->upper == t.len && !is_word(t);
}

static void put_token(struct bytes t, bool suffix, struct buf *out)
{
        struct classes k = count(t);

        if (k.digits == t.len)
                buf_put_str(out, "<n>");
        else if (k.hex == t.len && (t.len >= HASH_MIN || (t.len >= HEX_MIN && k.digits && k.digits < t.len)))
                buf_put_str(out, "<hex>");
        else if (t.len > 5 && bytes_has_prefix(t, BYTES_LIT("tmp")))
                buf_put_str(out, "tmp<rand>");
        else if (is_random(t, &k) || (suffix && is_drawn_suffix(t, &k)))
                buf_put_str(out, "<rand>");
        else
                buf_put(out, t.p, t.len);
}

/* "tmp" and eight of small letters, digits and '_', as Python's tempfile draws them: as long as that, or 0. */
static uint32_t python_temporary(struct bytes s)
{
        uint32_t at = 3;

        if (!bytes_has_prefix(s, BYTES_LIT("tmp")))
                return 0;
        while (at < s.len && (is_digit(s.p[at]) || is_lower(s.p[at]) || s.p[at] == '_'))
                at++;
        return at == PYTHON_TEMPORARY && (at == s.len || !is_token(s.p[at])) ? at : 0;
}

static void put_component(struct bytes c, struct buf *out)
{
        uint32_t at = 0;

        if (c.len == 1 && c.p[0] == '*') { /* a name, and no pattern */
                buf_put_str(out, "<star>");
                return;
        }
        while (at < c.len) {
                uint32_t end = at, temporary = python_temporary(bytes_of(c.p + at, c.len - at));

                if (c.len - at >= UUID_LEN && is_uuid(bytes_of(c.p + at, c.len - at))) {
                        buf_put_str(out, "<uuid>");
                        at += UUID_LEN;
                        continue;
                }
                if (temporary) {
                        buf_put_str(out, "tmp<rand>");
                        at += temporary;
                        continue;
                }
                while (end < c.len && is_token(c.p[end]))
                        end++;
                if (end > at)
                        put_token(bytes_of(c.p + at, end - at), at > 0 && c.p[at - 1] == '.' && end == c.len, out);
                else
                        buf_put_u8(out, c.p[end++]);
                at = end;
        }
}

/* ---- names of hosts ---- */

#define NUMBERED_MIN 4u /* "web12" is one of several; "s3" and "ec2" are names */

/* Letters that end in digits: which of several it is. */
static void put_host_token(struct bytes t, struct buf *out)
{
        struct classes k = count(t);
        uint32_t digits = 0;

        while (digits < t.len && is_digit(t.p[t.len - 1 - digits]))
                digits++;
        if (digits == 0 || digits == t.len || t.len < NUMBERED_MIN || k.digits != digits || is_random(t, &k) ||
            (k.hex == t.len && t.len >= HEX_MIN)) {
                put_token(t, false, out);
                return;
        }
        buf_put(out, t.p, t.len - digits);
        buf_put_str(out, "<n>");
}

static void put_label(struct bytes c, struct buf *out)
{
        for (uint32_t at = 0, end; at < c.len; at = end) {
                end = at + 1;
                if (c.len - at >= UUID_LEN && is_uuid(bytes_of(c.p + at, c.len - at))) {
                        buf_put_str(out, "<uuid>");
                        end = at + UUID_LEN;
                } else if (is_token(c.p[at])) {
                        while (end < c.len && is_token(c.p[end]))
                                end++;
                        put_host_token(bytes_of(c.p + at, end - at), out);
                } else {
                        buf_put_u8(out, c.p[at]);
                }
        }
}

/*
 * Suffixes below which anybody may have a name, as the private part of the public suffix list (publicsuffix.org) has
 * them, so far as services are really called there: the label left of one is somebody's own.
 */
static const char *const shared[] = {
        ".cloudfront.net",      ".s3.amazonaws.com",      ".elasticbeanstalk.com", ".azurewebsites.net",
        ".azureedge.net",       ".azurefd.net",           ".cloudapp.net",         ".blob.core.windows.net",
        ".trafficmanager.net",  ".appspot.com",           ".run.app",              ".web.app",
        ".firebaseapp.com",     ".storage.googleapis.com", ".herokuapp.com",       ".github.io",
        ".gitlab.io",           ".netlify.app",           ".vercel.app",           ".pages.dev",
        ".workers.dev",         ".trycloudflare.com",     ".onrender.com",         ".fly.dev",
        ".ngrok.io",            ".ngrok-free.app",        ".duckdns.org",          ".ddns.net",
        ".no-ip.org",           ".dyndns.org",            ".hopto.org",            ".b-cdn.net",
        ".fastly.net",          ".digitaloceanspaces.com", ".backblazeb2.com",     ".r2.dev",
};

/* So many labels at the end are what somebody registered: two; one more below "co.uk" and the like, or a shared one. */
static unsigned registered_labels(struct bytes name)
{
        int dot = bytes_rfind(name, '.');
        struct bytes left = bytes_of(name.p, dot < 0 ? 0 : (size_t)dot);
        uint32_t second = left.len - (uint32_t)(bytes_rfind(left, '.') + 1);

        for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
                unsigned dots = 0;

                if (!bytes_has_suffix(name, bytes_str(shared[i])))
                        continue;
                for (const char *c = shared[i]; *c; c++)
                        dots += *c == '.';
                return dots + 1;
        }
        return dot >= 0 && name.len - (uint32_t)dot == 3 && second <= 3 ? 3 : 2;
}

static uint32_t registered_at(struct bytes name)
{
        unsigned labels = registered_labels(name);
        uint32_t at = name.len;

        while (at > 0 && labels > 0)
                if (name.p[--at] == '.')
                        labels--;
        return labels ? 0 : at + 1;
}

void generalise_name(struct bytes name, struct buf *out)
{
        uint32_t kept = registered_at(name);

        for (uint32_t at = 0, end; at < kept; at = end + 1) {
                end = at;
                while (name.p[end] != '.') /* there is one: kept lies behind a dot */
                        end++;
                put_label(bytes_of(name.p + at, end - at), out);
                buf_put_u8(out, '.');
        }
        buf_put(out, name.p + kept, name.len - kept);
}

/* ---- paths ---- */

void generalise_path(struct bytes path, enum generalise_kind kind, struct buf *out)
{
        bool proc = bytes_has_prefix(path, BYTES_LIT("/proc/"));
        uint32_t at = 0;

        if (kind == GENERALISE_EXECUTABLE && !proc) { /* a program is what its whole name says */
                buf_put(out, path.p, path.len);
                return;
        }
        while (at < path.len) {
                uint32_t end = at;
                struct bytes c;

                while (end < path.len && path.p[end] != '/')
                        end++;
                c = bytes_of(path.p + at, end - at);
                if (kind == GENERALISE_DATA)
                        put_component(c, out);
                else if (c.len && count(c).digits == c.len)
                        buf_put_str(out, "<n>");
                else
                        buf_put(out, c.p, c.len);
                if (end < path.len)
                        buf_put_u8(out, '/');
                at = end + 1;
        }
}
