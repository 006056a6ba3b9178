/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which parts of a name are chance. Must not: look at anything but the name. Pure; component by component, and
 * each component token by token (letters and digits between separators).
 */
#include "tidemark/generalise.h"

#include <string.h>

#include "tidemark/buf.h"

#define HEX_MIN 8u   /* so many hexadecimal digits, with a digit and a letter among them, are no word */
#define HASH_MIN 16u /* so many, whatever they are */
#define RAND_MIN 6u  /* mkstemp(3) uses six */
#define COUNT_MIN 4u /* so many digits behind a word count something */
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

/* ---- what only names of files have ---- */

/* "20260102T030405Z", "02T03", "678Z": a time, or a part of one. */
static bool is_time(struct bytes t)
{
        uint32_t at = 0, days;

        if (t.len && t.p[t.len - 1] == 'Z')
                t.len--;
        while (at < t.len && is_digit(t.p[at]))
                at++;
        days = at;
        if (at + 1 < t.len && t.p[at] == 'T')
                for (at++; at < t.len && is_digit(t.p[at]);)
                        at++;
        return days > 0 && at == t.len;
}

/* Logs that are named after them are new for the first time in each of them. */
static const char *day_or_month(struct bytes t)
{
        static const struct {
                const char *names, *as;
        } rows[] = {
                {"Mon Tue Wed Thu Fri Sat Sun Monday Tuesday Wednesday Thursday Friday Saturday Sunday monday tuesday "
                 "wednesday thursday friday saturday sunday",
                 "<day>"},
                {"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec January February March April June July August "
                 "September October November December",
                 "<month>"}};

        if (t.len < 3 || t.len > 9 || !(is_upper(t.p[0]) || t.p[t.len - 1] == 'y'))
                return NULL; /* most words */
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                for (const char *p = rows[i].names; *p; p += strcspn(p, " "), p += *p == ' ')
                        if (bytes_eq(bytes_of(p, strcspn(p, " ")), t))
                                return rows[i].as;
        return NULL;
}

/* How many letters are in front of nothing but digits, where these count something: "segment0007", "build20260102";
 * not "sha256", "x64". 0: it is not so. */
static uint32_t numbered_word(struct bytes t)
{
        uint32_t at = 0, digits;

        while (at < t.len && !is_digit(t.p[at]))
                at++;
        digits = t.len - at;
        for (uint32_t i = at; i < t.len; i++)
                if (!is_digit(t.p[i]))
                        return 0;
        if (!is_word(bytes_of(t.p, at)))
                return 0;
        return digits >= COUNT_MIN || (digits >= 2 && t.p[at] == '0') ? at : 0;
}

static uint32_t flips(struct bytes t)
{
        uint32_t n = 0;

        for (uint32_t i = 1; i < t.len; i++)
                n += is_digit(t.p[i]) != is_digit(t.p[i - 1]) || (is_upper(t.p[i]) && is_lower(t.p[i - 1]));
        return n;
}

/* "jnaNCULEn": capitals in a row behind a small letter. */
static bool has_capitals_within(struct bytes t)
{
        for (uint32_t i = 2; i < t.len; i++)
                if (is_lower(t.p[i - 2]) && is_upper(t.p[i - 1]) && is_upper(t.p[i]))
                        return true;
        return false;
}

/* Drawn: too long and too mixed for a word; or, where names come and go, mixed at all. */
static bool is_drawn(struct bytes t, const struct classes *k, bool passing)
{
        if (k->digits + k->lower + k->upper != t.len)
                return false;
        if (t.len >= HASH_MIN)
                return k->digits >= 3 && flips(t) >= 4;
        if (2 * k->digits > t.len && t.len > RAND_MIN && flips(t) >= 3) /* "M98765P4321" */
                return true;
        return passing && t.len >= RAND_MIN && !is_word(t) && (flips(t) >= 2 || has_capitals_within(t));
}

/* Small letter, capital, digit. */
static unsigned class_of(uint8_t c)
{
        return is_lower(c) ? 1 : is_upper(c) ? 2 : is_digit(c) ? 3 : 0;
}

/* How many letters stand before six that mkstemp(3) has drawn: "copy2DXskLL", as "sed -i" writes beside the file
 * itself. Not so "libFooBar", whose capitals begin words. 0: it is not so. */
static uint32_t before_six(struct bytes t)
{
        struct bytes six = bytes_of(t.p + t.len - 6, 6);
        uint32_t changes = 0;
        bool words = true;

        if (is_digit(t.p[0]) || is_digit(t.p[1]) || is_digit(t.p[2]))
                return 0;
        for (uint32_t i = 0; i < six.len; i++) {
                changes += i > 0 && class_of(six.p[i]) != class_of(six.p[i - 1]);
                if (is_upper(six.p[i]) && !(i + 2 < six.len && is_lower(six.p[i + 1]) && is_lower(six.p[i + 2])))
                        words = false;
                if (is_digit(six.p[i]) && i + 1 < six.len && !is_digit(six.p[i + 1]))
                        words = false;
        }
        return !words && changes >= 2 && is_word(bytes_of(t.p, t.len - 6)) ? t.len - 6 : 0;
}

static bool is_vowel(uint8_t c)
{
        return c && strchr("aeiouyAEIOUY", c);
}

/* Six, eight or ten that could be a word by their shape, and that nobody could say: as mktemp(1) draws now and then. */
static bool is_unsayable(struct bytes t)
{
        uint32_t letters = 0, vowels = 0, run = 0, longest = 0;

        if (t.len != 6 && t.len != 8 && t.len != 10)
                return false;
        for (uint32_t i = 0; i < t.len; i++) {
                if (is_digit(t.p[i]))
                        continue;
                letters++;
                run = is_vowel(t.p[i]) ? 0 : run + 1;
                vowels += run == 0;
                longest = run > longest ? run : longest;
        }
        return longest > 3 || 4 * vowels < letters;
}

/* PHP's uploads, and what "sed -i" writes to: "php" or "sed", and six. */
static bool is_three_and_six(struct bytes t)
{
        return t.len == 9 && (bytes_has_prefix(t, BYTES_LIT("php")) || bytes_has_prefix(t, BYTES_LIT("sed"))) &&
               !is_word(t);
}

/* Digits, some of which are letters; or as many digits as hashes have, of which none happens to be one. */
static bool is_hex(struct bytes t, const struct classes *k)
{
        static const uint8_t lengths[] = {24, 32, 40, 56, 64, 96, 128};

        if (k->hex != t.len || k->digits == 0)
                return false;
        if (k->digits < t.len)
                return t.len >= HEX_MIN || (t.len >= RAND_MIN && t.p[0] == '0' && t.p[1] == '0');
        return t.len <= 128 && memchr(lengths, (int)t.len, sizeof(lengths)) != NULL;
}

static void put_file_token(struct bytes t, bool suffix, bool passing, struct buf *out)
{
        struct classes k = count(t);
        const char *calendar = k.digits || k.lower < 2 ? NULL : day_or_month(t);
        uint32_t word = k.digits >= 2 && k.digits < t.len ? numbered_word(t) : 0;
        bool tmp = bytes_has_prefix(t, BYTES_LIT("tmp"));

        if (calendar) {
                buf_put_str(out, calendar);
        } else if (k.digits && k.digits < t.len && is_time(t)) {
                buf_put_str(out, "<n>");
        } else if (is_hex(t, &k)) {
                buf_put_str(out, "<hex>");
        } else if (tmp && k.digits && t.len == k.digits + 3) {
                buf_put_str(out, "tmp<n>");
        } else if (word && !(tmp && t.len > 5)) {
                buf_put(out, t.p, word);
                buf_put_str(out, "<n>");
        } else if (suffix && k.digits + k.lower + k.upper == t.len && is_unsayable(t)) {
                buf_put_str(out, "<rand>");
        } else if (is_three_and_six(t)) {
                buf_put(out, t.p, 3);
                buf_put_str(out, "<rand>");
        } else if (!tmp && t.len > 8 && k.digits + k.lower + k.upper == t.len && k.digits < t.len &&
                   !is_random(t, &k) && !(passing && is_drawn(t, &k, passing)) && before_six(t)) {
                buf_put(out, t.p, t.len - 6);
                buf_put_str(out, "<rand>");
        } else if (!tmp && k.digits < t.len && is_drawn(t, &k, passing)) {
                buf_put_str(out, "<rand>");
        } else {
                put_token(t, suffix, out);
        }
}

/* ---- what Kubernetes draws: no vowels, and nothing that looks like one ---- */

static bool is_pods(struct bytes s)
{
        for (uint32_t i = 0; i < s.len; i++)
                if (!s.p[i] || !strchr("bcdfghjklmnpqrstvwxz2456789", s.p[i]))
                        return false;
        return s.len > 0;
}

static uint32_t token_end(struct bytes c, uint32_t at)
{
        while (at < c.len && is_token(c.p[at]))
                at++;
        return at;
}

/* "-7d4b9c6f5d-x2x9z", a deployment's; "-x2x9z", a daemon set's or a job's, which has to hold a digit: as long as that,
 * or 0. at is where a dash stands. */
static uint32_t pod_suffix(struct bytes c, uint32_t at)
{
        uint32_t one = token_end(c, at + 1), two = one < c.len && c.p[one] == '-' ? token_end(c, one + 1) : one;
        struct bytes hash = bytes_of(c.p + at + 1, one - at - 1), last;

        if (two > one) {
                last = bytes_of(c.p + one + 1, two - one - 1);
                if (hash.len >= 8 && hash.len <= 10 && last.len == 5 && is_pods(hash) && is_pods(last))
                        return two - at;
        }
        if (one < c.len && c.p[one] == '_')
                return 0;
        if (hash.len == 5 && is_pods(hash) && count(hash).digits && count(hash).digits < hash.len)
                return one - at;
        return 0;
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

/* Programs that make directories with Python's tempfile, under a name that says whose they are. */
static bool is_pythons(struct bytes c)
{
        static const char *const whose[] = {"pip-", "pymp-", "wgunicorn-", "matplotlib-", "ansible-"};

        for (size_t i = 0; c.len > 11 && i < ARRAY_LEN(whose); i++)
                if (c.p[0] == (uint8_t)whose[i][0] && bytes_has_prefix(c, bytes_str(whose[i])))
                        return true;
        return false;
}

static bool is_python_drawn(struct bytes c, uint32_t at)
{
        if (at + 8 != c.len || at == 0 || c.p[at - 1] != '-' || !is_pythons(c))
                return false;
        for (uint32_t i = at; i < c.len; i++)
                if (!is_digit(c.p[i]) && !is_lower(c.p[i]) && c.p[i] != '_')
                        return false;
        return true;
}

/* mktemp(1) without a template: "tmp." and ten, busybox' six. */
static bool is_mktemps(struct bytes c)
{
        struct classes k;

        if ((c.len != 10 && c.len != 14) || !bytes_has_prefix(c, BYTES_LIT("tmp.")))
                return false;
        k = count(bytes_of(c.p + 4, c.len - 4));
        return k.digits + k.lower + k.upper == c.len - 4;
}

static bool has_at(struct bytes c, uint32_t at, const char *three)
{
        return at + 3 <= c.len && c.p[at] == (uint8_t)three[0] && c.p[at + 1] == (uint8_t)three[1] &&
               c.p[at + 2] == (uint8_t)three[2];
}

/* Most components: small letters alone, of which nothing is chance. */
static bool is_plain(struct bytes c)
{
        for (uint32_t i = 0; i < c.len; i++) {
                uint8_t b = c.p[i];

                if (is_lower(b) ? has_at(c, i, "tmp") || has_at(c, i, "day") : b != '.' && b != '-' && b != '_')
                        return false;
        }
        return !is_pythons(c);
}

/* Behind the last dot: as many as mktemp(1) draws. */
static bool may_be_unsayable(struct bytes c)
{
        int dot = bytes_rfind(c, '.');
        uint32_t n = dot < 0 ? 0 : c.len - (uint32_t)dot - 1;

        return dot > 0 && (n == 6 || n == 8 || n == 10);
}

/* passing: of a directory in which names come and go. */
static void put_component(struct bytes c, bool passing, struct buf *out)
{
        uint32_t at = 0;

        if (is_plain(c) && !may_be_unsayable(c)) {
                buf_put(out, c.p, c.len);
                return;
        }
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
                if (at == 4 && is_mktemps(c)) {
                        buf_put_str(out, "<rand>");
                        break;
                }
                if (is_python_drawn(c, at)) {
                        buf_put_str(out, "<rand>");
                        at = c.len;
                        continue;
                }
                if (c.p[at] == '-' && at > 0 && pod_suffix(c, at)) {
                        buf_put_str(out, "-<pod>");
                        at += pod_suffix(c, at);
                        continue;
                }
                while (end < c.len && is_token(c.p[end]))
                        end++;
                if (end > at)
                        put_file_token(bytes_of(c.p + at, end - at), at > 0 && c.p[at - 1] == '.' && end == c.len,
                                       passing, out);
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
 * them, so far as services are really called there, and those of tunnels and of names that hold an address. What lies
 * below is whole: digits and what looks drawn say there who it is. Only where a service gives one tenant several hosts
 * that come and go are the labels left of the tenant's generalised.
 */
#define WHOLE UINT8_MAX

static const struct shared {
        const char *suffix; /* a star is any one label */
        uint8_t labels;     /* left of it that are a tenant's; the first row that fits counts */
} shared[] = {
        {"cache.amazonaws.com", 3},   /* NODE.CLUSTER.ID.REGION */
        {"kafka.*.amazonaws.com", 3}, /* b-1.CLUSTER.ID.c2 */
        {"cloudfront.net", 1},
        {"mongodb.net", 1},
        /* Amazon */
        {"amazonaws.com", WHOLE},
        {"amazonaws.com.cn", WHOLE},
        {"on.aws", WHOLE},
        {"awsapprunner.com", WHOLE},
        {"awsglobalaccelerator.com", WHOLE},
        {"elasticbeanstalk.com", WHOLE},
        {"amplifyapp.com", WHOLE},
        /* Microsoft */
        {"windows.net", WHOLE},
        {"azure.com", WHOLE},
        {"azurewebsites.net", WHOLE},
        {"azurestaticapps.net", WHOLE},
        {"azurecontainer.io", WHOLE},
        {"azurecontainerapps.io", WHOLE},
        {"azureedge.net", WHOLE},
        {"azurefd.net", WHOLE},
        {"azure-api.net", WHOLE},
        {"azurecr.io", WHOLE},
        {"cloudapp.net", WHOLE},
        {"trafficmanager.net", WHOLE},
        {"azure-devices.net", WHOLE},
        {"devtunnels.ms", WHOLE},
        /* Google */
        {"appspot.com", WHOLE},
        {"run.app", WHOLE},
        {"cloudfunctions.net", WHOLE},
        {"web.app", WHOLE},
        {"firebaseapp.com", WHOLE},
        {"firebaseio.com", WHOLE},
        {"firebasedatabase.app", WHOLE},
        {"googleusercontent.com", WHOLE},
        {"storage.googleapis.com", WHOLE},
        {"pkg.dev", WHOLE},
        /* Other clouds and hosts */
        {"digitaloceanspaces.com", WHOLE},
        {"ondigitalocean.app", WHOLE},
        {"linodeobjects.com", WHOLE},
        {"linodeusercontent.com", WHOLE},
        {"vultrobjects.com", WHOLE},
        {"backblazeb2.com", WHOLE},
        {"wasabisys.com", WHOLE},
        {"aliyuncs.com", WHOLE},
        {"myqcloud.com", WHOLE},
        {"oraclecloud.com", WHOLE},
        {"appdomain.cloud", WHOLE},
        {"your-objectstorage.com", WHOLE},
        {"your-server.de", WHOLE},
        {"contaboserver.net", WHOLE},
        {"scw.cloud", WHOLE},
        {"herokuapp.com", WHOLE},
        {"onrender.com", WHOLE},
        {"fly.dev", WHOLE},
        {"railway.app", WHOLE},
        {"replit.dev", WHOLE},
        {"repl.co", WHOLE},
        {"glitch.me", WHOLE},
        {"deno.dev", WHOLE},
        {"supabase.co", WHOLE},
        {"vercel.app", WHOLE},
        {"netlify.app", WHOLE},
        {"surge.sh", WHOLE},
        {"github.io", WHOLE},
        {"gitlab.io", WHOLE},
        {"workers.dev", WHOLE},
        {"pages.dev", WHOLE},
        {"r2.dev", WHOLE},
        {"r2.cloudflarestorage.com", WHOLE},
        {"b-cdn.net", WHOLE},
        {"fastly.net", WHOLE},
        /* Tunnels, names that anybody may set, names that hold an address */
        {"ngrok.*", WHOLE},
        {"ngrok-free.*", WHOLE},
        {"trycloudflare.com", WHOLE},
        {"cfargotunnel.com", WHOLE},
        {"loca.lt", WHOLE},
        {"serveo.net", WHOLE},
        {"lhr.life", WHOLE},
        {"localhost.run", WHOLE},
        {"pinggy.link", WHOLE},
        {"ts.net", WHOLE},
        {"bore.pub", WHOLE},
        {"playit.gg", WHOLE},
        {"duckdns.org", WHOLE},
        {"ddns.net", WHOLE},
        {"no-ip.org", WHOLE},
        {"dyndns.org", WHOLE},
        {"hopto.org", WHOLE},
        {"zapto.org", WHOLE},
        {"sytes.net", WHOLE},
        {"dynu.net", WHOLE},
        {"nip.io", WHOLE},
        {"sslip.io", WHOLE},
        {"xip.io", WHOLE},
};

/* The last label of s, and s without it and its dot. */
static struct bytes cut_label(struct bytes *s)
{
        int dot = bytes_rfind(*s, '.');
        struct bytes label = bytes_of(s->p + dot + 1, s->len - (uint32_t)(dot + 1));

        s->len = dot < 0 ? 0 : (uint32_t)dot;
        return label;
}

/* Does the name end in the labels of the suffix? *name is what is left of it. */
static bool cut_suffix(struct bytes *name, struct bytes suffix)
{
        struct bytes left = *name;

        while (suffix.len) {
                struct bytes of = cut_label(&suffix), label;

                if (left.len == 0)
                        return false;
                label = cut_label(&left);
                if (!bytes_eq(of, BYTES_LIT("*")) && !bytes_eq(of, label))
                        return false;
        }
        *name = left;
        return true;
}

static uint32_t labels_of(struct bytes s)
{
        uint32_t n = s.len > 0;

        for (uint32_t i = 0; i < s.len; i++)
                n += s.p[i] == '.';
        return n;
}

/* Where n labels begin that end the name: 0 if it has no more. */
static uint32_t last_labels(struct bytes name, uint32_t n)
{
        while (n-- && name.len)
                cut_label(&name);
        return name.len ? name.len + 1 : 0;
}

/* A host of the provider itself, such as "s3-1.amazonaws.com": nobody else has a name so near to it. */
static bool is_providers(const struct shared *row, struct bytes left)
{
        return row->labels == WHOLE && bytes_eq(bytes_str(row->suffix), BYTES_LIT("amazonaws.com")) &&
               labels_of(left) == 1;
}

/* From here on the name is kept as it is: what somebody registered, one label more below "co.uk" and the like; or what
 * a tenant has of a shared suffix. */
static uint32_t registered_at(struct bytes name)
{
        int dot = bytes_rfind(name, '.');
        struct bytes rest = bytes_of(name.p, dot < 0 ? 0 : (size_t)dot);
        uint32_t second = rest.len - (uint32_t)(bytes_rfind(rest, '.') + 1);

        for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
                struct bytes left = name;

                if (!cut_suffix(&left, bytes_str(shared[i].suffix)))
                        continue;
                if (is_providers(&shared[i], left))
                        return left.len + 1;
                return shared[i].labels == WHOLE ? 0 : last_labels(left, shared[i].labels);
        }
        return last_labels(name, dot >= 0 && name.len - (uint32_t)dot == 3 && second <= 3 ? 3 : 2);
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

static bool is_passing_directory(struct bytes c)
{
        static const char *const names[] = {"tmp", "temp", "cache", ".cache", "caches", "sessions", "spool"};

        if (c.len < 3 || c.len > 8 || (c.p[0] != 't' && c.p[0] != 'c' && c.p[0] != 's' && c.p[0] != '.'))
                return false;
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (bytes_eq(c, bytes_str(names[i])))
                        return true;
        return false;
}

void generalise_path(struct bytes path, enum generalise_kind kind, struct buf *out)
{
        bool proc = bytes_has_prefix(path, BYTES_LIT("/proc/")), passing = false;
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
                        put_component(c, passing, out);
                else if (c.len && count(c).digits == c.len)
                        buf_put_str(out, "<n>");
                else
                        buf_put(out, c.p, c.len);
                if (end < path.len)
                        buf_put_u8(out, '/');
                passing = passing || is_passing_directory(c);
                at = end + 1;
        }
}
