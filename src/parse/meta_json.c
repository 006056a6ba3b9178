/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta_json - bytes to a JSON tree, bounded before the tree is made, and fields out of the tree.
 *
 * Owns:  how many values and how deep; what a field of another type than expected means.
 * Never: knows a format.
 */
#include "parse/meta-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tidemark/err.h"
#include "tidemark/event.h"

struct scan {
        uint32_t nodes, depth;
        bool in_string;
};

/* One byte outside of strings: structure counts, all else is jansson's to judge. */
static int scan_structure(struct scan *s, uint8_t c)
{
        switch (c) {
        case '"':
                s->in_string = true;
                break;
        case '[':
        case '{':
                s->nodes++;
                if (++s->depth > META_JSON_DEPTH)
                        return ERR_LIMIT;
                break;
        case ']':
        case '}':
                if (s->depth)
                        s->depth--;
                break;
        case ',':
        case ':':
                s->nodes++;
                break;
        default:
                break;
        }
        return s->nodes > META_JSON_NODES ? ERR_LIMIT : 0;
}

static int scan(uint8_t *p, size_t len)
{
        struct scan s = {0};

        for (size_t i = 0; i < len; i++) {
                if (!s.in_string) {
                        int r = scan_structure(&s, p[i]);

                        if (r < 0)
                                return r;
                } else if (p[i] == '"') {
                        s.in_string = false;
                } else if (p[i] == '\\') {
                        if (len - i >= 6 && !memcmp(p + i, "\\u0000", 6))
                                memcpy(p + i, "\\ufffd", 6);
                        i++;
                }
        }
        return 0;
}

int meta_json(uint8_t *p, size_t len, json_t **ret)
{
        json_error_t error;
        json_t *j;
        int r = scan(p, len);

        if (r < 0)
                return r;
        j = json_loadb((const char *)p, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
        if (!j)
                return ERR_SCHEMA;
        *ret = j;
        return 0;
}

json_t *meta_json_text(struct meta *m, struct bytes text)
{
        _cleanup_buf_ struct buf copy;
        json_t *j;

        buf_init(&copy, 1024 * 1024);
        if (text.len == 0)
                return NULL;
        buf_put(&copy, text.p, text.len);
        if (copy.err || meta_json(copy.p, copy.len, &j) < 0) {
                m->stats.malformed++;
                return NULL;
        }
        return j;
}

struct bytes meta_json_bytes(const json_t *string)
{
        return bytes_of(json_string_value(string), json_string_length(string));
}

struct bytes meta_str(struct meta *m, const json_t *obj, const char *key)
{
        const json_t *v = json_object_get(obj, key);

        if (json_is_string(v))
                return meta_json_bytes(v);
        if (v && !json_is_null(v))
                m->stats.malformed++;
        return bytes_of(NULL, 0);
}

json_t *meta_sub(struct meta *m, const json_t *obj, const char *key, json_type type)
{
        json_t *v = json_object_get(obj, key);

        if (!v || json_is_null(v))
                return NULL;
        if (json_typeof(v) == type)
                return v;
        m->stats.malformed++;
        return NULL;
}

/* Longest text of each field. */
static const uint32_t field_max[FIELD__MAX] = {
        [FIELD_NAME] = 256,    [FIELD_IMAGE_REF] = 1024, [FIELD_IMAGE_ID] = 64, [FIELD_IMAGE_SOURCE] = META_PATH,
        [FIELD_CREATED] = 64,  [FIELD_HEALTH] = 4096,    [FIELD_MANIFEST] = 80, [FIELD_DRIVER] = 32,
        [FIELD_TARGET] = 80,   [FIELD_POD] = 253,        [FIELD_POD_NAMESPACE] = 253, [FIELD_POD_CONTAINER] = 253,
        [FIELD_ENTRYPOINT] = 4096, [FIELD_COMMAND] = 4096, [FIELD_IMAGE_HEALTH] = 4096, [FIELD_USER] = 256,
        [FIELD_VOLUMES] = META_WORDS_BYTES, [FIELD_RESTART] = 64, [FIELD_UNHEALTHY] = 16,
};

void meta_set(struct meta *m, enum meta_field f, struct bytes v)
{
        if (v.len == 0 || m->field[f].len)
                return;
        if (v.len > field_max[f]) {
                v.len = field_max[f];
                m->stats.cut++;
        }
        buf_put(&m->field[f], v.p, v.len);
}

struct bytes meta_get(const struct meta *m, enum meta_field f)
{
        return buf_bytes(&m->field[f]);
}

bool meta_is_hex(struct bytes s, size_t len)
{
        if (s.len != len)
                return false;
        for (uint32_t i = 0; i < s.len; i++)
                if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
                        return false;
        return true;
}

static uint32_t lower_run(struct bytes s, uint32_t from)
{
        uint32_t i = from;

        while (i < s.len && s.p[i] >= 'a' && s.p[i] <= 'z')
                i++;
        return i - from;
}

bool meta_name_is_random(struct bytes name)
{
        uint32_t a = lower_run(name, 0), b;

        if (a < 2 || a >= name.len || name.p[a] != '_')
                return false;
        b = lower_run(name, a + 1);
        if (b < 2)
                return false;
        a += 1 + b;
        return a == name.len || (a + 1 == name.len && name.p[a] >= '0' && name.p[a] <= '9');
}

static void put_arg(struct buf *b, struct bytes arg, bool first)
{
        if (!first)
                buf_put_u8(b, 0);
        buf_put(b, arg.p, arg.len);
}

/* "80/tcp": *ret_proto is what stands behind the slash. False: no port. */
static bool split_port(const char *text, struct bytes *ret_port, struct bytes *ret_proto)
{
        size_t digits = strspn(text, "0123456789");
        const char *proto = text[digits] == '/' ? text + digits + 1 : "tcp";
        unsigned long port = digits > 0 && digits <= 5 ? strtoul(text, NULL, 10) : 0;

        if (port == 0 || port > 65535 || text[0] == '0' || (text[digits] && text[digits] != '/'))
                return false;
        if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 && strcmp(proto, "sctp") != 0)
                return false;
        *ret_port = bytes_of(text, digits);
        *ret_proto = bytes_str(proto);
        return true;
}

static bool has_port(const struct meta *m, struct bytes port, struct bytes proto)
{
        struct bytes a, b;
        struct rd r;

        rd_init(&r, m->ports.p, m->ports.len);
        while (tide_list_next(&r, &a, &b))
                if (bytes_eq(a, port) && bytes_eq(b, proto))
                        return true;
        return false;
}

void meta_add_ports(struct meta *m, const json_t *exposed)
{
        struct bytes port, proto;
        const char *key;
        json_t *v;

        json_object_foreach((json_t *)(uintptr_t)exposed, key, v) {
                if (!split_port(key, &port, &proto)) {
                        m->stats.malformed++;
                } else if (m->nports == META_PORTS) {
                        m->stats.cut++;
                } else if (!has_port(m, port, proto)) {
                        tide_list_put(&m->ports, port, proto);
                        m->nports++;
                }
        }
}

void meta_set_health(struct meta *m, const json_t *test, const char *const *shell, size_t nshell)
{
        struct bytes kind = meta_json_bytes(json_array_get(test, 0));
        _cleanup_buf_ struct buf b;
        size_t n = 0;

        buf_init(&b, 256 * 1024);
        if (kind.len == 0 || bytes_eq(kind, BYTES_LIT("NONE")))
                return;
        if (bytes_eq(kind, BYTES_LIT("CMD-SHELL"))) {
                for (; n < nshell; n++)
                        put_arg(&b, bytes_str(shell[n]), n == 0);
        } else if (!bytes_eq(kind, BYTES_LIT("CMD"))) {
                m->stats.malformed++;
                return;
        }
        for (size_t i = 1; i < json_array_size(test); i++) {
                const json_t *arg = json_array_get(test, i);

                if (!json_is_string(arg)) {
                        m->stats.malformed++;
                        return;
                }
                put_arg(&b, meta_json_bytes(arg), n++ == 0);
        }
        if (b.err)
                m->stats.cut++;
        meta_set(m, FIELD_HEALTH, buf_bytes(&b));
}
