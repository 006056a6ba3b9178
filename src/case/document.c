/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * document - a baseline as a file: how it is written.
 *
 * Owns:  the members of a document and of its entries, their order, and where lines break.
 * Never: decides what goes into one (query_transfer.c), or reads one (document_decode.c).
 */
#include "tidemark/document.h"

#include <errno.h>
#include <string.h>

#include "case/json-priv.h"
#include "tidemark/buf.h"
#include "tidemark/event.h"

int document_order(const struct transfer_entry *a, const struct transfer_entry *b)
{
        int r = a->dim == b->dim ? bytes_cmp(a->key, b->key) : a->dim < b->dim ? -1 : 1;

        return r ? r : bytes_cmp(a->exe, b->exe);
}

static json_t *hex_json(struct bytes s)
{
        char text[2 * TIDE_SHA256 + 1];

        return json_string(str_hex(bytes_of(s.p, s.len < TIDE_SHA256 ? s.len : TIDE_SHA256), text));
}

static json_t *approved_json(const struct transfer_entry *e)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "by", cj_text(e->by));
        bad |= json_object_set_new(o, "reason", cj_text(e->reason));
        bad |= json_object_set_new(o, "when", cj_time(e->approved_ns));
        return bad ? NULL : TAKE_PTR(o);
}

json_t *document_entry_json(const struct transfer_entry *e, bool candidate)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "dimension", json_string(dimension_name(e->dim)));
        bad |= json_object_set_new(o, "key", cj_text(e->key));
        bad |= json_object_set_new(o, "executable", cj_text_or_null(e->exe));
        if (e->counted) {
                bad |= json_object_set_new(o, "first_seen", cj_time(e->first_ns));
                bad |= json_object_set_new(o, "last_seen", cj_time(e->last_ns));
                bad |= json_object_set_new(o, "count", cj_u64(e->count));
                bad |= json_object_set_new(o, "windows", json_integer(e->windows));
        }
        if (e->dim == DIM_NETWORK) {
                bad |= json_object_set_new(o, "phases", cj_phases(e->phases));
                bad |= json_object_set_new(o, "replicas", json_integer(e->replicas));
                bad |= json_object_set_new(o, "several", json_boolean(e->several));
        }
        if (e->inherited)
                bad |= json_object_set_new(o, "inherited", json_true());
        if (e->approved || e->rejected)
                bad |= json_object_set_new(o, e->rejected ? "rejected" : "approved", approved_json(e));
        if (e->sha256.len)
                bad |= json_object_set_new(o, "sha256", hex_json(e->sha256));
        if (candidate) {
                bad |= json_object_set_new(o, "raised", json_boolean(e->raised));
                bad |= json_object_set_new(o, "why", cj_text(e->why));
        }
        return bad ? NULL : TAKE_PTR(o);
}

static json_t *dimensions_json(const struct document *d)
{
        _cleanup_json_ json_t *all = json_object();
        int bad = 0;

        for (unsigned i = 0; i < DIM__MAX; i++) {
                const struct document_dimension *dim = &d->dim[i];
                _cleanup_json_ json_t *o = json_object();

                if (!dim->present)
                        continue;
                bad |= json_object_set_new(o, "state", json_string(dim->state));
                bad |= json_object_set_new(o, "by", cj_text(dim->by));
                bad |= json_object_set_new(o, "since", cj_time(dim->since_ns));
                bad |= json_object_set_new(o, "windows", json_integer(dim->windows));
                bad |= json_object_set_new(o, "declared", json_boolean(dim->declared));
                bad |= json_object_set(all, dimension_name(i), o);
        }
        return bad ? NULL : TAKE_PTR(all);
}

static json_t *image_json(const struct document *d)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "reference", cj_text(d->image));
        bad |= json_object_set_new(o, "digest", cj_text(d->digest));
        return bad ? NULL : TAKE_PTR(o);
}

json_t *document_head_json(const struct document *d)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "schema", json_string(DOCUMENT_SCHEMA));
        bad |= json_object_set_new(o, "version", json_integer(DOCUMENT_VERSION));
        bad |= json_object_set_new(o, "workload", cj_text(d->name));
        bad |= json_object_set_new(o, "class", cj_text(d->class));
        bad |= json_object_set_new(o, "image", image_json(d));
        bad |= json_object_set_new(o, "dimensions", dimensions_json(d));
        bad |= json_object_set_new(o, "entries", json_array());
        bad |= json_object_set_new(o, "candidates", json_array());
        return bad ? NULL : TAKE_PTR(o);
}

static int put_entries(json_t *o, const char *name, const struct transfer_entry *e, size_t n, bool candidates)
{
        json_t *a = json_object_get(o, name);

        for (size_t i = 0; i < n; i++)
                if (json_array_append_new(a, document_entry_json(&e[i], candidates)) < 0)
                        return -1;
        return 0;
}

json_t *document_json(const struct document *d)
{
        _cleanup_json_ json_t *o = document_head_json(d);

        if (!o || put_entries(o, "entries", d->entries, d->nentries, false) < 0 ||
            put_entries(o, "candidates", d->candidates, d->ncandidates, true) < 0)
                return NULL;
        return TAKE_PTR(o);
}

/* ---- as text ---- */

static int on_piece(const char *p, size_t len, void *arg)
{
        struct buf *out = arg;

        buf_put(out, p, len);
        return out->err ? -1 : 0;
}

static void put_line(const char *indent, const char *key, const json_t *v, bool last, struct buf *out)
{
        buf_put_str(out, indent);
        if (key)
                buf_printf(out, "\"%s\": ", key); /* of ours: nothing to be escaped */
        if (json_dump_callback(v, on_piece, out, JSON_ENCODE_ANY) < 0 && !out->err)
                out->err = -ENOMEM;
        buf_put_str(out, last ? "\n" : ",\n");
}

/* An object or a list whose members have a line each. */
static void put_many(const char *key, const json_t *v, bool last, struct buf *out)
{
        bool list = json_is_array(v);
        size_t n = list ? json_array_size(v) : json_object_size(v), i;
        const char *name;
        json_t *one;

        buf_printf(out, "  \"%s\": %s\n", key, list ? "[" : "{");
        if (list)
                json_array_foreach((json_t *)(uintptr_t)v, i, one) put_line("    ", NULL, one, i + 1 == n, out);
        i = 0;
        if (!list)
                json_object_foreach((json_t *)(uintptr_t)v, name, one) put_line("    ", name, one, ++i == n, out);
        buf_printf(out, "  %s%s\n", list ? "]" : "}", last ? "" : ",");
}

void document_text(const json_t *document, struct buf *out)
{
        size_t n = json_object_size(document), i = 0;
        const char *key;
        json_t *v;

        buf_put_str(out, "{\n");
        json_object_foreach((json_t *)(uintptr_t)document, key, v)
        {
                i++;
                if (json_is_array(v) || strcmp(key, "dimensions") == 0)
                        put_many(key, v, i == n, out);
                else
                        put_line("  ", key, v, i == n, out);
        }
        buf_put_str(out, "}\n");
}
