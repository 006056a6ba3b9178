/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns: facts as records, in the order of struct tide_prior. Must not: leave one out that the view has. */
#include <errno.h>
#include <string.h>

#include "image/image-priv.h"
#include "tidemark/err.h"

struct telling {
        tell_cb cb;
        void *arg;
        struct tide_event ev;
        struct buf list, record;
};

static int send_record(struct telling *t)
{
        int r;

        buf_reset(&t->record);
        t->ev.kind = TIDE_PRIOR;
        t->ev.prior.list = buf_bytes(&t->list);
        r = tide_encode(&t->ev, &t->record);
        if (r == 0)
                r = t->cb(buf_bytes(&t->record), t->arg);
        buf_reset(&t->list);
        return r;
}

static void begin_list(struct telling *t, enum tide_prior_part part, uint32_t first)
{
        buf_reset(&t->list);
        t->ev.prior.part = (uint8_t)part;
        t->ev.prior.first = first;
}

static int tell_packages(struct telling *t, const struct facts_view *v)
{
        int r = 0;

        begin_list(t, PRIOR_PACKAGES, 0);
        for (uint32_t i = 0; i < v->npackages && r == 0; i++) {
                const struct fact_package *k = &v->packages[i];
                struct tide_prior_package p = {
                        .db = k->db, .name = bytes_str(k->name), .version = bytes_str(k->version)};

                if (t->list.len + p.name.len + p.version.len + 16 > TIDE_PRIOR_LIST) {
                        r = send_record(t);
                        begin_list(t, PRIOR_PACKAGES, i);
                }
                tide_prior_package_put(&t->list, &p);
        }
        return r == 0 && t->list.len ? send_record(t) : r;
}

static int tell_files(struct telling *t, const struct facts_view *v)
{
        int r = 0;

        begin_list(t, PRIOR_FILES, 0);
        for (uint32_t i = 0; i < v->nfiles && r == 0; i++) {
                const struct fact_file *k = &v->files[i];
                struct tide_prior_file f = {.path = bytes_str(k->path), .kind = k->kind, .flags = k->flags};

                f.package = k->package;
                f.size = k->size;
                f.sha256 = bytes_of(k->sha256, k->flags & PRIORF_UNHASHED ? 0 : TIDE_SHA256);
                f.interpreter = bytes_str(k->interpreter);
                if (t->list.len + f.path.len + f.interpreter.len + 80 > TIDE_PRIOR_LIST) {
                        r = send_record(t);
                        begin_list(t, PRIOR_FILES, i);
                }
                tide_prior_file_put(&t->list, &f);
        }
        return r == 0 && t->list.len ? send_record(t) : r;
}

static int tell_end(struct telling *t, const struct facts_view *v)
{
        begin_list(t, PRIOR_END, 0);
        t->ev.prior.state = v->entries == 0 ? PRIOR_FAILED : v->complete ? PRIOR_COMPLETE : PRIOR_PARTIAL;
        t->ev.prior.words = v->words;
        t->ev.prior.packages = v->npackages;
        t->ev.prior.files = v->nfiles;
        t->ev.prior.read_bytes = v->read_bytes;
        t->ev.prior.entries = v->entries;
        return send_record(t);
}

int facts_tell(const struct facts *f, tell_cb cb, void *arg)
{
        struct telling t = {.cb = cb, .arg = arg};
        struct facts_view v;
        int r;

        facts_view(f, &v);
        buf_init(&t.list, TIDE_PRIOR_LIST + IMAGE_PATH_MAX);
        buf_init(&t.record, TIDE_RECORD_MAX);
        r = tell_packages(&t, &v);
        if (r == 0)
                r = tell_files(&t, &v);
        if (r == 0)
                r = tell_end(&t, &v);
        buf_release(&t.list);
        buf_release(&t.record);
        return r;
}
