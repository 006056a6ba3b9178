/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_import - a document becomes the decisions that import it: command baseline.import.
 *
 * Owns:  reading the document, which workload and image it is for, and its way into the judge in pieces.
 * Never: changes anything itself (the judge does, at the commit), or checks a signature (the daemon has).
 */
#include "case/query-priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tidemark/document.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"

#define PIECE_MAX (48u * 1024) /* bytes of entries in one decision, which has to fit TIDE_RECORD_MAX */

struct importing {
        const struct query_env *env;
        const json_t *request;
        const struct query_import_source *source;
        struct document *d;
        struct buf id, digest; /* which it is for: "name@digest", and the part behind the @ */
        uint32_t name;         /* length of the name in id */
        bool inherited;        /* the document is of another digest */
};

static const char *text_of(const struct importing *im, const char *field)
{
        return json_string_value(json_object_get(im->request, field));
}

static bool is_set(const struct importing *im, const char *field)
{
        return json_is_true(json_object_get(im->request, field));
}

static struct bytes name_of(const struct importing *im)
{
        return bytes_of(im->id.p, im->name);
}

/* ---- which workload, which image ---- */

/* What is known here under the name: how many digests, one of them, and whether the document's is among them. */
struct here {
        size_t n;
        struct bytes digest; /* the last one; borrowed */
        bool same;
        struct buf listed;
};

static void look(const struct importing *im, struct here *h)
{
        struct judge_workload w;
        size_t i = 0;

        while (judge_workload_next(pipeline_judge(im->env->pipeline), &i, &w)) {
                if (!bytes_eq(w.name, name_of(im)) || w.name.len == 0)
                        continue;
                h->digest = w.digest;
                h->same = h->same || bytes_eq(w.digest, im->d->digest);
                if (h->n++ < QUERY_NAMES_SHOWN) {
                        buf_put_str(&h->listed, h->n > 1 ? ", " : "");
                        str_escape(w.digest, &h->listed);
                }
        }
}

static bool is_digest(struct bytes s)
{
        if (s.len != 71 || !bytes_has_prefix(s, BYTES_LIT("sha256:")))
                return false;
        for (uint32_t i = 7; i < s.len; i++)
                if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
                        return false;
        return true;
}

static bool is_here(const struct importing *im, struct bytes digest)
{
        struct judge_workload w;
        size_t i = 0;

        while (judge_workload_next(pipeline_judge(im->env->pipeline), &i, &w))
                if (bytes_eq(w.name, name_of(im)) && bytes_eq(w.digest, digest))
                        return true;
        return false;
}

/* Into im->id. The operator's word, as it was shown; else the document's. */
static json_t *take_name(struct importing *im)
{
        const char *text = text_of(im, "workload");
        char shown[128];

        if (!text)
                buf_put(&im->id, im->d->name.p, im->d->name.len);
        else if (str_unescape(bytes_str(text), &im->id) < 0 || im->id.len == 0)
                return query_fail(QUERY_USAGE, "\"%s\" is no workload's name, as tidemark baseline list shows them",
                                  str_print(bytes_str(text), shown, sizeof(shown)));
        im->name = (uint32_t)im->id.len;
        return NULL;
}

static json_t *take_given_digest(struct importing *im, const char *text)
{
        char shown[128];

        buf_put_str(&im->digest, text);
        if (is_digest(buf_bytes(&im->digest)) || is_here(im, buf_bytes(&im->digest)))
                return NULL;
        return query_fail(QUERY_USAGE,
                          "\"%s\" is no digest of an image's configuration (sha256: and 64 digits), nor one of this "
                          "workload here: see tidemark baseline list",
                          str_print(bytes_str(text), shown, sizeof(shown)));
}

/* Another digest than the document's: only if that was said. */
static json_t *take_digest(struct importing *im, struct here *h)
{
        const char *given = text_of(im, "for_digest");
        struct bytes own = im->d->digest;
        char name[128], digest[128];

        str_print(name_of(im), name, sizeof(name));
        if (given)
                return take_given_digest(im, given);
        if (is_set(im, "inherit") && h->n == 0)
                return query_fail(QUERY_FAILED,
                                  "no workload is called \"%s\" here: there is no image to inherit for; without "
                                  "--inherit it is imported for its own, before it runs",
                                  name);
        if (is_set(im, "inherit") && h->n > 1)
                return query_fail(QUERY_FAILED,
                                  "\"%s\" is known here with several digests: %s. Say for which: "
                                  "--for-digest DIGEST",
                                  name, buf_cstr(&h->listed));
        if (is_set(im, "inherit"))
                own = h->digest;
        else if (h->n && !h->same)
                return query_fail(
                        QUERY_FAILED,
                        "the document belongs to digest %s, and \"%s\" is known here with %s: --inherit takes "
                        "its entries as inherited from that other image, --for-digest %s imports it for "
                        "its own all the same",
                        str_print(own, digest, sizeof(digest)), name, buf_cstr(&h->listed), digest);
        buf_put(&im->digest, own.p, own.len);
        return NULL;
}

/* NULL: im->id and im->digest are filled. */
static json_t *resolve(struct importing *im)
{
        struct here h = {.n = 0};
        json_t *wrong = take_name(im);

        if (wrong)
                return wrong;
        buf_init(&h.listed, 4096);
        look(im, &h);
        wrong = take_digest(im, &h);
        buf_release(&h.listed);
        if (wrong)
                return wrong;
        im->inherited = !bytes_eq(buf_bytes(&im->digest), im->d->digest);
        buf_put_u8(&im->id, '@');
        buf_put(&im->id, im->digest.p, im->digest.len);
        return im->id.err || im->digest.err ? query_fail(QUERY_FAILED, "the workload's name is too long") : NULL;
}

/* ---- the answer ---- */

static json_t *answer(const struct importing *im)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "command", json_string("baseline.import"));
        bad |= json_object_set_new(o, "dry_run", json_boolean(is_set(im, "dry_run")));
        bad |= json_object_set_new(o, "workload", cj_text(buf_bytes(&im->id)));
        bad |= json_object_set_new(o, "name", cj_text(name_of(im)));
        bad |= json_object_set_new(o, "digest", cj_text(buf_bytes(&im->digest)));
        bad |= json_object_set_new(o, "document_digest", cj_text(im->d->digest));
        bad |= json_object_set_new(o, "inherited", json_boolean(im->inherited));
        bad |= json_object_set_new(o, "replace", json_boolean(is_set(im, "replace")));
        bad |= json_object_set(o, "file", json_object_get(im->request, "file"));
        bad |= json_object_set_new(o, "sha256", json_string(im->source->sha256));
        bad |= json_object_set_new(o, "signed_by",
                                   im->source->signed_by ? cj_text(bytes_str(im->source->signed_by)) : json_null());
        bad |= json_object_set_new(o, "key_sha256", im->source->key ? json_string(im->source->key) : json_null());
        bad |= json_object_set_new(o, "entries", json_integer((json_int_t)im->d->nentries));
        bad |= json_object_set_new(o, "candidates_left", json_integer((json_int_t)im->d->ncandidates));
        return bad ? NULL : TAKE_PTR(o);
}

/* ---- the decisions ---- */

static int decide(const struct importing *im, const char *verb, const struct buf *args, query_import_cb cb, void *arg)
{
        struct tide_event ev = {.kind = TIDE_DECISION, .sources = SRC_OPERATOR};

        if (args->err)
                return args->err;
        ev.decision.uid = ev.decision.login_uid = UINT32_MAX;
        ev.decision.verb = bytes_str(verb);
        ev.decision.target = buf_bytes(&im->id);
        ev.decision.args = buf_bytes(args);
        return cb(&ev, arg);
}

static void put(struct buf *args, const char *name, struct bytes value)
{
        if (value.len)
                tide_list_put(args, bytes_str(name), value);
}

static int begin(const struct importing *im, struct buf *args, query_import_cb cb, void *arg)
{
        buf_reset(args);
        put(args, "name", name_of(im));
        put(args, "image", im->d->image);
        put(args, "digest", buf_bytes(&im->digest));
        put(args, "document_digest", im->d->digest);
        put(args, "document", bytes_str(im->source->sha256));
        put(args, "file", bytes_str(text_of(im, "file")));
        put(args, "reason", bytes_str(text_of(im, "reason")));
        put(args, "signed", bytes_str(im->source->signed_by));
        put(args, "key", bytes_str(im->source->key));
        put(args, "replace", bytes_str(is_set(im, "replace") ? "true" : ""));
        put(args, "inherited", bytes_str(im->inherited ? "true" : ""));
        for (unsigned i = 0; i < DIM__MAX; i++) {
                const struct document_dimension *d = &im->d->dim[i];
                struct transfer_dimension t = {
                        .dim = (enum dimension)i, .windows = d->windows, .declared = d->declared};
                _cleanup_buf_ struct buf one;

                buf_init(&one, 64);
                if (!d->present)
                        continue;
                t.active = strcmp(d->state, "active") == 0 || strcmp(d->state, "stale") == 0;
                transfer_dimension_put(&t, &one);
                put(args, "dimension", buf_bytes(&one));
        }
        return decide(im, TRANSFER_BEGIN, args, cb, arg);
}

static int entries(const struct importing *im, struct buf *args, query_import_cb cb, void *arg)
{
        _cleanup_buf_ struct buf one;
        int r = 0;

        buf_init(&one, TIDE_RECORD_MAX);
        buf_reset(args);
        for (size_t i = 0; r == 0 && i < im->d->nentries; i++) {
                buf_reset(&one);
                transfer_entry_put(&im->d->entries[i], &one);
                if (one.err)
                        return one.err;
                if (args->len && args->len + one.len > PIECE_MAX) {
                        r = decide(im, TRANSFER_ENTRIES, args, cb, arg);
                        buf_reset(args);
                }
                put(args, "entry", buf_bytes(&one));
        }
        if (r == 0 && args->len)
                r = decide(im, TRANSFER_ENTRIES, args, cb, arg);
        return r;
}

static int commit(const struct importing *im, struct buf *args, query_import_cb cb, void *arg)
{
        char n[24];

        snprintf(n, sizeof(n), "%zu", im->d->nentries);
        buf_reset(args);
        put(args, "count", bytes_str(n));
        return decide(im, TRANSFER_COMMIT, args, cb, arg);
}

static int run(struct importing *im, query_import_cb cb, void *arg, json_t **ret_answer)
{
        char why[DOCUMENT_WHY], file[128];
        _cleanup_buf_ struct buf args;
        int r = document_decode(im->source->text, &im->d, why);

        buf_init(&args, TIDE_RECORD_MAX);
        if (r == -EINVAL)
                *ret_answer = query_fail(QUERY_FAILED, "%s: %s; nothing was changed",
                                         str_print(bytes_str(text_of(im, "file")), file, sizeof(file)), why);
        if (r < 0)
                return r;
        *ret_answer = resolve(im);
        if (*ret_answer)
                return -EINVAL;
        *ret_answer = answer(im);
        if (!*ret_answer)
                return -ENOMEM;
        r = begin(im, &args, cb, arg);
        if (r == 0)
                r = entries(im, &args, cb, arg);
        return r == 0 ? commit(im, &args, cb, arg) : r;
}

int query_import(const struct query_env *env, const json_t *request, const struct query_import_source *source,
                 query_import_cb cb, void *arg, json_t **ret_answer)
{
        struct importing im = {.env = env, .request = request, .source = source};
        int r;

        *ret_answer = query_check(request, "baseline.import");
        if (*ret_answer)
                return -EINVAL;
        buf_init(&im.id, 2 * DOCUMENT_WORDS + 1);
        buf_init(&im.digest, DOCUMENT_WORDS);
        r = run(&im, cb, arg, ret_answer);
        document_free(im.d);
        buf_release(&im.id);
        buf_release(&im.digest);
        return r;
}
