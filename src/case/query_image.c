/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query_image - commands image.list and image.show: what is known of images.
 *
 * Owns:  what the judge keeps of an image as JSON, and its facts as the store has them.
 * Never: believes what is stored: a part that does not decode is counted as damaged.
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

static int put_ports(json_t *o, struct bytes list)
{
        _cleanup_json_ json_t *a = json_array();
        struct bytes port, proto;
        char text[32];
        struct rd r;

        rd_init(&r, list.p, list.len);
        while (tide_list_next(&r, &port, &proto)) {
                snprintf(text, sizeof(text), "%.*s/%.*s", (int)(port.len < 8 ? port.len : 8), (const char *)port.p,
                         (int)(proto.len < 8 ? proto.len : 8), (const char *)proto.p);
                if (json_array_append_new(a, cj_text(bytes_str(text))) < 0)
                        return -1;
        }
        return json_object_set(o, "ports", a);
}

static int put_volumes(json_t *o, struct bytes list)
{
        _cleanup_json_ json_t *a = json_array();
        struct bytes path, nothing;
        struct rd r;

        rd_init(&r, list.p, list.len);
        while (tide_list_next(&r, &path, &nothing))
                if (json_array_append_new(a, cj_text(path)) < 0)
                        return -1;
        return json_object_set(o, "volumes", a);
}

/* Workloads that run it, or did. */
static int put_workloads(json_t *o, const struct judge *j, struct bytes digest)
{
        _cleanup_json_ json_t *a = json_array();
        struct judge_workload w;
        size_t i = 0;

        while (judge_workload_next(j, &i, &w))
                if (bytes_eq(w.digest, digest) && json_array_append_new(a, cj_text(w.id)) < 0)
                        return -1;
        return json_object_set(o, "workloads", a);
}

json_t *query_image_json(const struct judge *j, const struct judge_image *im)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "digest", cj_text(im->digest));
        bad |= json_object_set_new(o, "state", json_string(tide_prior_state_name(im->state)));
        bad |= json_object_set_new(o, "words", cj_words(im->words));
        bad |= json_object_set_new(o, "analysed", cj_time(im->analysed_ns));
        bad |= json_object_set_new(o, "used", cj_time(im->used_ns));
        bad |= json_object_set_new(o, "entrypoint", cj_split(im->entrypoint));
        bad |= json_object_set_new(o, "command", cj_split(im->command));
        bad |= json_object_set_new(o, "health", cj_split(im->health));
        bad |= json_object_set_new(o, "user", cj_text(im->user));
        bad |= put_ports(o, im->ports);
        bad |= put_volumes(o, im->volumes);
        bad |= json_object_set_new(o, "packages", cj_u64(im->packages));
        bad |= json_object_set_new(o, "files", cj_u64(im->files));
        for (unsigned k = 0; k < PRIOR__KIND_MAX; k++)
                bad |= json_object_set_new(o, tide_prior_kind_name(k), cj_u64(im->kinds[k]));
        bad |= json_object_set_new(o, "gives_rights", cj_u64(im->setuid));
        bad |= json_object_set_new(o, "unowned", cj_u64(im->unowned));
        bad |= json_object_set_new(o, "left_out", cj_u64(im->refused));
        bad |= json_object_set_new(o, "read_bytes", cj_u64(im->read_bytes));
        bad |= json_object_set_new(o, "entries", cj_u64(im->entries));
        bad |= json_object_set_new(o, "memory", cj_u64(im->memory));
        bad |= put_workloads(o, j, im->digest);
        return bad ? NULL : TAKE_PTR(o);
}

json_t *query_image_list(const struct query_env *env, const json_t *request)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        _cleanup_json_ json_t *a = json_array();
        struct judge_image im;
        size_t i = 0;

        (void)request;
        while (judge_image_next(j, &i, &im))
                if (json_array_append_new(a, query_image_json(j, &im)) < 0)
                        return NULL;
        return query_ok(TAKE_PTR(a));
}

/* ---- one of them ---- */

/* By the beginning of its digest, with "sha256:" or without; else the one that the workload runs. NULL and *ret_answer:
 * there is none. */
static bool find_image(const struct judge *j, const char *text, struct judge_image *ret, json_t **ret_answer)
{
        struct judge_workload w;
        struct judge_image im;
        size_t i = 0, n = 0;
        char shown[128];

        while (strlen(text) >= 4 && judge_image_next(j, &i, &im)) {
                const char *hex = bytes_has_prefix(im.digest, BYTES_LIT("sha256:")) && strncmp(text, "sha256:", 7) != 0
                                          ? (const char *)im.digest.p + 7
                                          : (const char *)im.digest.p;
                size_t left = im.digest.len - (size_t)(hex - (const char *)im.digest.p);

                if (strlen(text) > left || strncmp(hex, text, strlen(text)) != 0)
                        continue;
                *ret = im;
                n++;
        }
        if (n == 1)
                return true;
        str_print(bytes_str(text), shown, sizeof(shown));
        if (n > 1) {
                *ret_answer =
                        query_fail(QUERY_USAGE, "%zu images' digests begin with \"%s\": say more of it", n, shown);
                return false;
        }
        *ret_answer = NULL;
        if (query_workload(j, text, true, &w, ret_answer) < 0) {
                json_decref(*ret_answer);
                *ret_answer = query_fail(QUERY_FAILED,
                                         "no analysed image and no workload is called \"%s\": see tidemark image list "
                                         "and tidemark baseline list",
                                         shown);
                return false;
        }
        if (judge_image_get(j, w.digest, ret))
                return true;
        *ret_answer = query_fail(QUERY_FAILED,
                                 "the image of workload \"%s\" is not analysed: see image_worker in "
                                 "tidemark --json status",
                                 shown);
        return false;
}

struct facts {
        const struct query_env *env;
        const struct judge_image *im;
        json_t *packages; /* array, by number */
        json_t *files;
        size_t used;
        uint64_t damaged;
};

static int add_package(struct facts *f, const struct tide_prior_package *p)
{
        _cleanup_json_ json_t *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "database", json_string(tide_package_db_name(p->db)));
        bad |= json_object_set_new(o, "name", cj_text(p->name));
        bad |= json_object_set_new(o, "version", cj_text(p->version));
        return bad | json_array_append(f->packages, o);
}

static json_t *hex_or_null(struct bytes sum)
{
        char hex[2 * TIDE_SHA256 + 1];

        if (sum.len != TIDE_SHA256)
                return json_null();
        for (uint32_t i = 0; i < sum.len; i++)
                snprintf(hex + 2 * i, 3, "%02x", sum.p[i]);
        return json_string(hex);
}

static int add_file(struct facts *f, const struct tide_prior_file *t)
{
        json_t *package = t->package ? json_array_get(f->packages, t->package - 1) : NULL, *o = json_object();
        int bad = 0;

        bad |= json_object_set_new(o, "path", cj_text(t->path));
        bad |= json_object_set_new(o, "kind", json_string(tide_prior_kind_name(t->kind)));
        bad |= json_object_set_new(o, "runs", json_boolean(t->flags & PRIORF_RUNS));
        bad |= json_object_set_new(o, "gives_rights",
                                   json_boolean(t->flags & (PRIORF_SETUID | PRIORF_SETGID | PRIORF_CAPS)));
        bad |= json_object_set_new(o, "size", cj_u64(t->size));
        bad |= json_object_set_new(o, "sha256", hex_or_null(t->sha256));
        bad |= json_object_set_new(o, "interpreter", cj_text_or_null(t->interpreter));
        bad |= json_object_set(o, "package", package ? json_object_get(package, "name") : json_null());
        bad |= json_object_set(o, "version", package ? json_object_get(package, "version") : json_null());
        f->used += query_size(o) + 1;
        return bad | json_array_append_new(f->files, o);
}

static int take_list(struct facts *f, uint8_t part, struct rd *r)
{
        struct tide_prior_package p;
        struct tide_prior_file t;
        int bad = 0;

        while (!bad && part == PRIOR_PACKAGES && tide_prior_package_next(r, &p))
                bad = add_package(f, &p);
        while (!bad && part == PRIOR_FILES && tide_prior_file_next(r, &t))
                bad = add_file(f, &t);
        f->damaged += r->err != 0;
        return bad;
}

/* A part of the facts, if it is of this kind. */
static int take_part(struct facts *f, uint32_t number, uint8_t part)
{
        _cleanup_buf_ struct buf key;
        struct bytes blob;
        struct rd r;
        int err;

        buf_init(&key, 512);
        judge_facts_key(f->im->digest, number, &key);
        err = store_get(f->env->store, PIECE_FACTS, buf_bytes(&key), &blob);
        if (err < 0) {
                f->damaged++;
                return err == -ENOMEM ? -1 : 0;
        }
        rd_init(&r, blob.p, blob.len);
        if (rd_u8(&r) != part)
                return 0;
        rd_u32(&r);
        return take_list(f, part, &r);
}

json_t *query_image_show(const struct query_env *env, const json_t *request)
{
        const struct judge *j = pipeline_judge(env->pipeline);
        json_int_t after = json_integer_value(json_object_get(request, "after"));
        struct facts f = {.env = env};
        _cleanup_json_ json_t *o = NULL;
        struct judge_image im;
        uint32_t n = after > 0 && after < UINT32_MAX ? (uint32_t)after : 0;
        json_t *wrong = NULL;
        int bad = 0;

        if (!find_image(j, json_string_value(json_object_get(request, "image")), &im, &wrong))
                return wrong;
        f.im = &im;
        f.packages = json_array();
        f.files = json_array();
        for (uint32_t i = 0; env->store && i < im.parts && !bad; i++)
                bad |= take_part(&f, i, PRIOR_PACKAGES);
        for (; env->store && n < im.parts && !bad && f.used < QUERY_ANSWER_MAX / 2; n++)
                bad |= take_part(&f, n, PRIOR_FILES);
        o = query_image_json(j, &im);
        bad |= json_object_set_new(o, "package_list", f.packages);
        bad |= json_object_set_new(o, "file_list", f.files);
        bad |= json_object_set_new(o, "parts", cj_u64(n)); /* ask again with "after" this, where there are more */
        bad |= json_object_set_new(o, "more", cj_u64(env->store ? im.parts - n : 0));
        if (f.damaged)
                bad |= json_object_set_new(o, "damaged", cj_u64(f.damaged));
        return bad ? NULL : query_ok(TAKE_PTR(o));
}
