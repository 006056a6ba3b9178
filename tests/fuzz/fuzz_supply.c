/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A document of the supply chain, as somebody may have made it: what is taken of it fits together, and what the
 * splitter takes for one JSON object jansson does, too. The first byte: into which pieces it comes.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/jsonsplit.h"
#include "tidemark/supply.h"
#include "tidemark/supplywire.h"

struct run {
        struct bytes file;
        size_t piece;
        uint32_t packages, files;
        bool open;
};

static ssize_t read_it(uint64_t at, void *p, size_t n, void *arg)
{
        const struct run *k = arg;
        size_t left = at < k->file.len ? k->file.len - (size_t)at : 0;

        n = n < left ? n : left;
        n = n < k->piece ? n : k->piece;
        if (n)
                memcpy(p, k->file.p + at, n);
        return (ssize_t)n;
}

static int on_begin(const struct supply_document *d, unsigned number, const struct supply_subject *s, void *arg)
{
        struct run *k = arg;

        if (!supply_is_digest(s->digest) || number >= SUPPLY_DOCUMENTS || d->form == SUPPLY_UNKNOWN || d->refused[0] ||
            d->signature == SIGNATURE_VERIFIED)
                abort();
        k->open = true;
        k->packages = k->files = 0;
        return 0;
}

static int on_package(const struct tide_prior_package *p, void *arg)
{
        struct run *k = arg;

        if (!k->open || p->name.len == 0 || k->files)
                abort();
        k->packages++;
        return 0;
}

static int on_file(const struct tide_prior_file *f, void *arg)
{
        struct run *k = arg;

        if (!k->open || f->path.len < 2 || f->path.p[0] != '/' || f->package > k->packages ||
            (f->sha256.len && f->sha256.len != TIDE_SHA256))
                abort();
        k->files++;
        return 0;
}

static int on_end(const struct supply_document *d, unsigned number, const struct supply_subject *s, void *arg)
{
        struct run *k = arg;

        (void)number, (void)s;
        if (!k->open || (d->form != SUPPLY_SLSA && !d->refused[0] &&
                         (d->packages != k->packages || d->files != k->files || k->packages > 100 || k->files > 100)))
                abort();
        k->open = false;
        return 0;
}

static int on_admission(const struct supply_admission *a, void *arg)
{
        (void)arg;
        if (!supply_is_digest(a->digest) || a->at_ns <= 0)
                abort();
        return 0;
}

static int splits(struct bytes all, uint64_t *ret_objects)
{
        static const struct jsonsplit_ops ops = {.value = NULL};
        struct jsonsplit_stats stats;
        struct jsonsplit *s = NULL;
        int r = jsonsplit_new(NULL, 0, &ops, NULL, &s);

        if (r == 0)
                r = jsonsplit_feed(s, all);
        if (r == 0)
                r = jsonsplit_end(s);
        if (s)
                jsonsplit_stats(s, &stats);
        *ret_objects = s ? stats.objects : 0;
        jsonsplit_free(s);
        return r;
}

/* jansson refuses more: names and texts with NULs, numbers that are too large, names twice. */
static void compare(struct bytes all)
{
        uint64_t objects;
        int r = splits(all, &objects);
        json_error_t err;
        json_t *v;

        if (r == ERR_LIMIT || (r == 0 && objects != 1))
                return;
        v = json_loadb((const char *)all.p, all.len, JSON_ALLOW_NUL, &err);
        if (r < 0 && json_is_object(v))
                abort();
        if (r == 0 && !v && !strstr(err.text, "too big") && !strstr(err.text, "real number overflow") &&
            !strstr(err.text, "NUL"))
                abort();
        json_decref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct supply_ops ops = {.begin = on_begin, .package = on_package, .file = on_file, .end = on_end,
                                              .admission = on_admission};
        struct supply_settings set = {.max_entries = 100};
        struct run k = {.file = bytes_of(size ? data + 1 : data, size ? size - 1 : 0)};
        struct supply_source source = {.read = read_it, .arg = &k};
        struct supply_result n;
        struct supplywire m;
        char why[SUPPLY_WHY];
        int r;

        k.piece = size && data[0] % 8 ? data[0] : 65536;
        r = supply_read(&source, &set, &ops, &k, &n, why);
        if ((r == -EINVAL && !*why) || (r < 0 && r != -EINVAL && r != ERR_LIMIT))
                abort();
        compare(k.file);
        if (supplywire_decode(data, size, &m) == 0 && m.kind == SUPPLYWIRE_NONE)
                abort();
        return 0;
}

FUZZ_MAIN("supply", "tests/fuzz/corpus/supply")
