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
