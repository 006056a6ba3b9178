/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_record - commands record.list and record.show: what is known of images' way here.
 *
 * Owns:  documents of the supply chain as JSON, what this host saw itself of an image, and what is not there, said.
 * Never: believes what is stored: a part that does not decode is counted as damaged; compares anything with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case/query-priv.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/pipeline.h"
#include "tidemark/store.h"

#define DIGESTS 16u /* by which one image is known */
#define CONTAINERS 200u

static json_t *hex_json(struct bytes s)
{
        char hex[2 * TIDE_SHA256 + 1];

        return s.len == TIDE_SHA256 ? json_string(str_hex(s, hex)) : json_null();
}

static const char *kind_of(uint8_t part)
{
        return part == SUPPLY_PROVENANCE ? "provenance" : part == SUPPLY_ADMISSION ? "admission" : "sbom";
}

static int put_signature(json_t *o, const struct tide_supply *t)
{
        bool verified = t->signature == SIGNATURE_VERIFIED;
        int bad = 0;

        bad |= json_object_set_new(o, "signature", json_string(tide_signature_name(t->signature)));
        bad |= json_object_set_new(o, "key", verified ? cj_text(t->key) : json_null());
        bad |= json_object_set_new(o, "key_sha256", cj_text_or_null(t->key_id));
        bad |= json_object_set_new(o, "why_not", verified ? json_null() : cj_text(t->key));
        return bad;
}

static int put_provenance(json_t *o, const struct tide_supply *t)
{
        int bad = put_signature(o, t);

        bad |= json_object_set_new(o, "builder", cj_text_or_null(t->creator));
        bad |= json_object_set_new(o, "build_type", cj_text_or_null(t->build_type));
        bad |= json_object_set_new(o, "repository", cj_text_or_null(t->repository));
        bad |= json_object_set_new(o, "commit", cj_text_or_null(t->commit));
        bad |= json_object_set_new(o, "began", cj_time(t->began_ns));
        bad |= json_object_set_new(o, "ended", cj_time(t->ended_ns));
        return bad;
}

static int put_admission(json_t *o, const struct tide_supply *t)
{
        int bad = 0;

        bad |= json_object_set_new(o, "time", cj_time(t->began_ns));
        bad |= json_object_set_new(o, "decision", json_string(t->admitted ? "admitted" : "refused"));
        bad |= json_object_set_new(o, "by", cj_text_or_null(t->creator));
        bad |= json_object_set_new(o, "place", cj_text_or_null(t->place));
        return bad;
}

static int put_sbom(json_t *o, const struct tide_supply *t)
{
        int bad = put_signature(o, t);

        bad |= json_object_set_new(o, "tool", cj_text_or_null(t->creator));
        bad |= json_object_set_new(o, "created", cj_time(t->began_ns));
        return bad;
}

json_t *query_record_json(const struct tide_supply *t)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "kind", json_string(kind_of(t->part)));
        bad |= json_object_set_new(o, "document", hex_json(t->document));
        bad |= json_object_set_new(o, "digest", cj_text(t->digest));
        bad |= json_object_set_new(o, "named_by", cj_text(t->from));
        bad |= json_object_set_new(o, "image", cj_text_or_null(t->image));
        bad |= json_object_set_new(o, "source", cj_text(t->source));
        bad |= json_object_set_new(o, "format", cj_text(t->format));
        if (t->part == SUPPLY_PROVENANCE)
                bad |= put_provenance(o, t);
        else if (t->part == SUPPLY_ADMISSION)
                bad |= put_admission(o, t);
        else
                bad |= put_sbom(o, t);
        bad |= json_object_set_new(o, "words", cj_text(t->words));
        return bad ? NULL : TAKE_PTR(o);
}

/* One that is kept; NULL and *ret_damaged: it does not decode. */
static json_t *kept_json(const struct judge_record *k, uint64_t *ret_damaged)
{
        _cleanup_json_ json_t *o = NULL;
        struct tide_event ev;
        size_t used;
        int bad = 0;

        if (tide_decode(k->head.p, k->head.len, &ev, &used) < 0 || ev.kind != TIDE_RECORD) {
                ++*ret_damaged;
                return NULL;
        }
        o = query_record_json(&ev.supply);
        bad |= json_object_set_new(o, "imported", cj_time(k->imported_ns));
        if (k->part == SUPPLY_BEGIN) {
                bad |= json_object_set_new(o, "whole", json_boolean(k->whole));
                bad |= json_object_set_new(o, "packages", cj_u64(k->packages));
                bad |= json_object_set_new(o, "files", cj_u64(k->files));
                bad |= json_object_set_new(o, "left_out", cj_u64(k->refused));
        }
        return bad ? NULL : TAKE_PTR(o);
}

/* Does anything here run it, or was it analysed? */
bool query_digest_is_here(struct pipeline *p, struct bytes digest)
{
        const struct judge *j = pipeline_judge(p);
        struct judge_container c;
        struct judge_workload w;
        struct judge_image im;
        size_t i = 0;

        if (judge_image_get(j, digest, &im))
                return true;
        while (judge_container_next(j, &i, &c))
                if (bytes_eq(c.config_digest, digest) || bytes_eq(c.manifest_digest, digest))
                        return true;
        for (i = 0; judge_workload_next(j, &i, &w);)
                if (bytes_eq(w.digest, digest))
                        return true;
        return false;
}

/* ---- all of them ---- */

struct sorted {
        struct judge_record *all;
        size_t n;
};

static int by_time(const void *a, const void *b)
{
        const struct judge_record *x = a, *y = b;
        int c;

        if (x->imported_ns != y->imported_ns)
                return x->imported_ns < y->imported_ns ? 1 : -1; /* the latest first */
        c = bytes_cmp(x->digest, y->digest);
        return c ? c : bytes_cmp(x->document, y->document);
}

static int sort_records(const struct judge *j, struct sorted *ret)
{
        struct judge_record k;
        size_t i = 0, n = 0;

        while (judge_record_next(j, &i, &k))
                n++;
        ret->all = calloc(n ? n : 1, sizeof(*ret->all));
        ret->n = 0;
        if (!ret->all)
                return -ENOMEM;
        for (i = 0; ret->n < n && judge_record_next(j, &i, &ret->all[ret->n]);)
                ret->n++;
        qsort(ret->all, ret->n, sizeof(ret->all[0]), by_time);
        return 0;
}

json_t *query_record_list(const struct query_env *env, const json_t *request)
{
        json_int_t after = json_integer_value(json_object_get(request, "after"));
        _cleanup_json_ json_t *o = json_object();
        json_t *a = json_array();
        uint64_t damaged = 0;
        struct sorted all;
        size_t used = 0, i;
        int bad = sort_records(pipeline_judge(env->pipeline), &all);

        for (i = after > 0 ? (size_t)after : 0; !bad && i < all.n && used < QUERY_ANSWER_MAX; i++) {
                uint64_t before = damaged;
                json_t *k = kept_json(&all.all[i], &damaged);

                if (!k && damaged != before)
                        continue;
                if (k)
                        json_object_set_new(k, "known_here",
                                            json_boolean(query_digest_is_here(env->pipeline, all.all[i].digest)));
                used += k ? query_size(k) + 1 : 0;
                bad |= json_array_append_new(a, k);
        }
        bad |= json_object_set_new(o, "records", a);
        bad |= json_object_set_new(o, "after", cj_u64(i));
        bad |= json_object_set_new(o, "more", cj_u64(i < all.n ? all.n - i : 0));
        if (damaged)
                bad |= json_object_set_new(o, "damaged", cj_u64(damaged));
        free(all.all);
        return bad ? NULL : query_ok(TAKE_PTR(o));
}

/* ---- of one image ---- */

/* The digests by which it is known: of its configuration, of its manifest. */
struct known {
        struct bytes digest[DIGESTS];
        const char *kind[DIGESTS]; /* "config", "manifest", "" */
        struct bytes source[DIGESTS];
        size_t n;
};

static void add_digest(struct known *k, struct bytes digest, const char *kind, struct bytes source)
{
        if (digest.len == 0)
                return;
        for (size_t i = 0; i < k->n; i++)
                if (bytes_eq(k->digest[i], digest)) {
                        if (!*k->kind[i]) {
                                k->kind[i] = kind;
                                k->source[i] = source;
                        }
                        return;
                }
        if (k->n == DIGESTS)
                return;
        k->digest[k->n] = digest;
        k->kind[k->n] = kind;
        k->source[k->n++] = source;
}

static bool is_known(const struct known *k, struct bytes digest)
{
        for (size_t i = 0; i < k->n; i++)
                if (bytes_eq(k->digest[i], digest))
                        return true;
        return false;
}

/* What containers that ran it say of it, until nothing more is said. */
static void widen(const struct judge *j, struct known *k)
{
        struct judge_container c;
        size_t before;

        do {
                before = k->n;
                for (size_t i = 0; judge_container_next(j, &i, &c);)
                        if (is_known(k, c.config_digest) || is_known(k, c.manifest_digest)) {
                                add_digest(k, c.config_digest, "config", c.config_source);
                                add_digest(k, c.manifest_digest, "manifest", c.manifest_source);
                        }
        } while (k->n != before);
}

static bool begins(struct bytes digest, const char *text)
{
        size_t skip = strncmp(text, "sha256:", 7) == 0 ? 0 : 7, n = strlen(text);

        return digest.len >= skip + n && memcmp(digest.p + skip, text, n) == 0;
}

static void fitting(const struct judge *j, const char *text, struct known *k)
{
        struct judge_container c;
        struct judge_record r;
        struct judge_image im;

        for (size_t i = 0; judge_record_next(j, &i, &r);)
                if (begins(r.digest, text))
                        add_digest(k, r.digest, "", bytes_of(NULL, 0));
        for (size_t i = 0; judge_image_next(j, &i, &im);)
                if (begins(im.digest, text))
                        add_digest(k, im.digest, "config", bytes_of(NULL, 0));
        for (size_t i = 0; judge_container_next(j, &i, &c);) {
                if (begins(c.config_digest, text))
                        add_digest(k, c.config_digest, "config", c.config_source);
                if (begins(c.manifest_digest, text))
                        add_digest(k, c.manifest_digest, "manifest", c.manifest_source);
        }
}

static bool looks_like_digest(const char *text)
{
        const char *hex = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;

        return strlen(hex) >= 4 && strspn(hex, "0123456789abcdef") == strlen(hex);
}

/* NULL: *ret is filled. */
static json_t *find_image(const struct judge *j, const char *text, struct known *ret)
{
        struct judge_workload w;
        json_t *wrong = NULL;
        char shown[128];

        str_print(bytes_str(text), shown, sizeof(shown));
        if (looks_like_digest(text)) {
                fitting(j, text, ret);
                if (ret->n == 1) {
                        widen(j, ret);
                        return NULL;
                }
                if (ret->n > 1)
                        return query_fail(QUERY_USAGE, "%zu digests begin with \"%s\": say more of it", ret->n, shown);
                if (strlen(text) == 71) /* whole, and nothing is known of it: that is what is said of it */ {
                        add_digest(ret, bytes_str(text), "", bytes_of(NULL, 0));
                        return NULL;
                }
        }
        if (query_workload(j, text, true, &w, &wrong) < 0) {
                json_decref(wrong);
                return query_fail(QUERY_FAILED,
                                  "no image and no workload is called \"%s\": see tidemark record list and tidemark "
                                  "baseline list",
                                  shown);
        }
        add_digest(ret, w.digest, "config", bytes_of(NULL, 0));
        widen(j, ret);
        if (ret->n == 0)
                return query_fail(QUERY_FAILED, "the image of workload \"%s\" is not known by a digest", shown);
        return NULL;
}

static json_t *digests_json(const struct known *k)
{
        _cleanup_json_ json_t *a = json_array();

        for (size_t i = 0; i < k->n; i++) {
                json_t *o = json_object();
                int bad = 0;

                bad |= json_object_set_new(o, "digest", cj_text(k->digest[i]));
                bad |= json_object_set_new(o, "of", *k->kind[i] ? json_string(k->kind[i]) : json_null());
                bad |= json_object_set_new(o, "source", cj_text_or_null(k->source[i]));
                if (bad | json_array_append_new(a, o))
                        return NULL;
        }
        return TAKE_PTR(a);
}

/* What this host saw itself. */
static int put_seen(json_t *o, const struct judge *j, const struct known *k)
{
        json_t *containers = json_array(), *workloads = json_array();
        int64_t first = 0;
        uint64_t n = 0;
        struct judge_container c;
        struct judge_workload w;
        int bad = 0;

        for (size_t i = 0; judge_container_next(j, &i, &c);) {
                json_t *v;

                if (!is_known(k, c.config_digest) && !is_known(k, c.manifest_digest))
                        continue;
                if (c.started_ns && (first == 0 || c.started_ns < first))
                        first = c.started_ns;
                if (n++ >= CONTAINERS)
                        continue;
                v = json_object();
                bad |= json_object_set_new(v, "id", cj_text(c.id));
                bad |= json_object_set_new(v, "name", cj_text(c.name));
                bad |= json_object_set_new(v, "workload", cj_text(c.workload_id));
                bad |= json_object_set_new(v, "running", json_boolean(c.running));
                bad |= json_object_set_new(v, "started", cj_time(c.started_ns));
                bad |= json_array_append_new(containers, v);
        }
        for (size_t i = 0; judge_workload_next(j, &i, &w);) {
                if (!is_known(k, w.digest))
                        continue;
                if (w.first_ns && (first == 0 || w.first_ns < first))
                        first = w.first_ns;
                bad |= json_array_append_new(workloads, cj_text(w.id));
        }
        bad |= json_object_set_new(o, "first_seen", cj_time(first));
        bad |= json_object_set_new(o, "containers", containers);
        bad |= json_object_set_new(o, "containers_more", cj_u64(n > CONTAINERS ? n - CONTAINERS : 0));
        bad |= json_object_set_new(o, "workloads", workloads);
        return bad;
}

/* Its documents, by kind, the latest first; and what is missing. */
static int put_records(json_t *o, const struct sorted *all, const struct known *k)
{
        static const struct {
                const char *kind, *member, *missing;
        } lists[] = {{"provenance", "provenance", "no provenance was imported"},
                     {"sbom", "sbom", "no SBOM was imported"},
                     {"admission", "admissions", "no admission was imported"}};
        json_t *missing = json_array();
        uint64_t damaged = 0;
        int bad = 0;

        for (size_t m = 0; m < ARRAY_LEN(lists); m++) {
                json_t *a = json_array();

                for (size_t i = 0; i < all->n && !bad; i++) {
                        uint64_t before = damaged;
                        json_t *one;

                        if (!is_known(k, all->all[i].digest) || strcmp(kind_of(all->all[i].part), lists[m].kind) != 0)
                                continue;
                        one = kept_json(&all->all[i], &damaged);
                        if (one || damaged == before)
                                bad |= json_array_append_new(a, one);
                }
                if (json_array_size(a) == 0)
                        bad |= json_array_append_new(missing, json_string(lists[m].missing));
                bad |= json_object_set_new(o, lists[m].member, a);
        }
        bad |= json_object_set_new(o, "missing", missing);
        if (damaged)
                bad |= json_object_set_new(o, "damaged", cj_u64(damaged));
        return bad;
}

/* ---- lists of an SBOM ---- */

struct paper {
        json_t *packages, *files;
        uint32_t npackages;
        size_t used;
        uint64_t damaged;
};

static int add_package(struct paper *p, const struct tide_prior_package *k)
{
        json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "database", json_string(tide_package_db_name(k->db)));
        bad |= json_object_set_new(o, "name", cj_text(k->name));
        bad |= json_object_set_new(o, "version", cj_text(k->version));
        p->used += query_size(o) + 1;
        return bad | json_array_append_new(p->packages, o);
}

static int add_file(struct paper *p, const struct tide_prior_file *k)
{
        json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "path", cj_text(k->path));
        bad |= json_object_set_new(o, "sha256", hex_json(k->sha256));
        bad |= json_object_set_new(o, "package", k->package ? cj_u64(k->package - 1) : json_null());
        p->used += query_size(o) + 1;
        return bad | json_array_append_new(p->files, o);
}

static int add_part(struct paper *p, struct bytes blob)
{
        struct tide_prior_package package;
        struct tide_prior_file file;
        uint8_t part;
        struct rd r;
        int bad = 0;

        rd_init(&r, blob.p, blob.len);
        part = rd_u8(&r);
        rd_u32(&r);
        while (!bad && part == SUPPLY_PACKAGES && tide_prior_package_next(&r, &package))
                bad = add_package(p, &package);
        while (!bad && part == SUPPLY_FILES && tide_prior_file_next(&r, &file))
                bad = add_file(p, &file);
        p->damaged += r.err != 0;
        return bad;
}

/* Of one SBOM, page after page: "after" is the number of the next part. */
static int put_lists(json_t *o, const struct query_env *env, const struct judge_record *k, json_int_t after)
{
        struct paper p = {.packages = json_array(), .files = json_array()};
        uint32_t n = after > 0 && after < UINT32_MAX ? (uint32_t)after : 0;
        _cleanup_buf_ struct buf key;
        int bad = 0;

        buf_init(&key, 1024);
        for (; env->store && n < k->parts && !bad && p.used < QUERY_ANSWER_MAX / 2; n++) {
                struct bytes blob;
                int r;

                buf_reset(&key);
                judge_paper_key(k->digest, k->document, n, &key);
                r = key.err ? key.err : store_get(env->store, PIECE_PAPER, buf_bytes(&key), &blob);
                if (r == -ENOMEM)
                        bad = -1;
                else if (r < 0)
                        p.damaged++;
                else
                        bad = add_part(&p, blob);
        }
        bad |= json_object_set_new(o, "of_document", hex_json(k->document));
        bad |= json_object_set_new(o, "package_list", p.packages);
        bad |= json_object_set_new(o, "file_list", p.files);
        bad |= json_object_set_new(o, "parts", cj_u64(n));
        bad |= json_object_set_new(o, "more", cj_u64(env->store && n < k->parts ? k->parts - n : 0));
        if (p.damaged)
                bad |= json_object_set_new(o, "lists_damaged", cj_u64(p.damaged));
        return bad;
}

/* The latest whole SBOM of it, a verified one first. */
static const struct judge_record *best_sbom(const struct sorted *all, const struct known *k)
{
        const struct judge_record *best = NULL;

        for (size_t i = 0; i < all->n; i++) {
                const struct judge_record *r = &all->all[i];

                if (r->part != SUPPLY_BEGIN || !r->whole || !is_known(k, r->digest))
                        continue;
                if (!best || (r->signature == SIGNATURE_VERIFIED && best->signature != SIGNATURE_VERIFIED))
                        best = r;
        }
        return best;
}

json_t *query_record_show(const struct query_env *env, const json_t *request)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_json_ json_t *o = NULL;
        const struct judge_record *sbom;
        struct known known = {.n = 0};
        struct sorted all;
        json_t *wrong = find_image(j, json_string_value(json_object_get(request, "image")), &known);
        int bad;

        if (wrong)
                return wrong;
        o = json_object();
        bad = sort_records(j, &all);
        bad |= json_object_set_new(o, "digests", digests_json(&known));
        bad |= put_seen(o, j, &known);
        bad |= put_records(o, &all, &known);
        sbom = best_sbom(&all, &known);
        if (!bad && sbom && json_is_true(json_object_get(request, "lists")))
                bad |= put_lists(o, env, sbom, json_integer_value(json_object_get(request, "after")));
        free(all.all);
        return bad ? NULL : query_ok(TAKE_PTR(o));
}

/* ---- to be removed ---- */

json_t *query_record_find(const struct query_env *env, const json_t *request, uint8_t ret_document[TIDE_SHA256],
                          json_t **ret_data)
{
        const char *text = json_string_value(json_object_get(request, "document"));
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_json_ json_t *a = json_array();
        char hex[2 * TIDE_SHA256 + 1], shown[100];
        struct judge_record k;
        uint8_t document[TIDE_SHA256];
        uint64_t damaged = 0, n = 0;

        str_print(bytes_str(text), shown, sizeof(shown));
        if (strlen(text) < 12 || strspn(text, "0123456789abcdef") != strlen(text))
                return query_fail(QUERY_USAGE,
                                  "\"%s\" is no document: expected 12 digits or more of its SHA-256, as tidemark "
                                  "record list shows it",
                                  shown);
        for (size_t i = 0; judge_record_next(j, &i, &k);) {
                json_t *one;

                if (strncmp(str_hex(k.document, hex), text, strlen(text)) != 0)
                        continue;
                if (n++ && memcmp(document, k.document.p, sizeof(document)) != 0)
                        return query_fail(QUERY_USAGE, "several documents begin with \"%s\": say more of it", shown);
                memcpy(document, k.document.p, sizeof(document));
                one = kept_json(&k, &damaged);
                if (one && json_array_append_new(a, one) < 0)
                        return NULL;
        }
        if (n == 0)
                return query_fail(QUERY_FAILED, "no document begins with \"%s\": see tidemark record list", shown);
        memcpy(ret_document, document, sizeof(document));
        *ret_data = json_pack("{s:s,s:b,s:O}", "command", "record.remove", "dry_run",
                              json_is_true(json_object_get(request, "dry_run")), "records", a);
        return *ret_data ? NULL : query_fail(QUERY_FAILED, "out of memory");
}
