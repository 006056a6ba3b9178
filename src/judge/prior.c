/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: images' tables in memory: how events fill them, what can be asked of them. Must not: keep paths, or believe
 * that what comes fits together. Pure.
 */
#include "judge/prior-priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge-priv.h"
#include "tidemark/err.h"

#define IMAGES_SEED ((struct map_seed){0x746964656d61726b, 0x696d616765696d61})
#define PATH_SEED ((struct map_seed){0x746964656d61726b, 0x7072696f72707269})

/* ---- memory ---- */

void prior_image_free(void *p)
{
        struct prior_image *im = p;

        if (!im)
                return;
        str_clear(&im->digest);
        str_clear(&im->words);
        str_clear(&im->entrypoint);
        str_clear(&im->command);
        str_clear(&im->health);
        str_clear(&im->user);
        str_clear(&im->ports);
        str_clear(&im->volumes);
        for (uint32_t i = 0; i < im->nfacts; i++)
                str_clear(&im->facts[i]);
        free(im->facts);
        free(im->files);
        package_list_release(&im->packages);
        free(im);
}

struct prior_image *prior_image_new(struct bytes digest)
{
        struct prior_image *im = calloc(1, sizeof(*im));

        if (!im)
                return NULL;
        package_list_init(&im->packages);
        if (str_set(&im->digest, digest) < 0) {
                prior_image_free(im);
                return NULL;
        }
        return im;
}

int prior_open(struct judge *j)
{
        return map_new(j->p.max_images, IMAGES_SEED, prior_image_free, &j->prior.images);
}

void prior_close(struct judge *j)
{
        map_free(j->prior.images);
        prior_image_free(j->prior.coming);
}

int prior_add_file(struct prior_image *im, const struct prior_file *f)
{
        int r = array_grow((void **)&im->files, &im->files_cap, im->nfiles, sizeof(*im->files));

        if (r < 0)
                return r;
        im->files[im->nfiles++] = *f;
        im->sorted = false;
        return 0;
}

static int by_path(const void *a, const void *b)
{
        const struct prior_file *x = a, *y = b;

        if (x->path != y->path)
                return x->path < y->path ? -1 : 1;
        return x->content != y->content ? (x->content < y->content ? -1 : 1) : (int)x->package - (int)y->package;
}

/* Also the array is made as small as what it holds. */
void prior_sort(struct prior_image *im)
{
        struct prior_file *p;

        if (im->sorted)
                return;
        im->sorted = true;
        if (im->nfiles == 0)
                return;
        qsort(im->files, im->nfiles, sizeof(im->files[0]), by_path);
        p = realloc(im->files, im->nfiles * sizeof(im->files[0]));
        if (p) {
                im->files = p;
                im->files_cap = im->nfiles;
        }
}

static size_t bytes_of_image(const struct prior_image *im)
{
        return sizeof(*im) + im->files_cap * sizeof(im->files[0]) + package_list_bytes(&im->packages);
}

size_t prior_bytes(const struct judge *j)
{
        size_t sum = 0;
        void *value;

        for (size_t i = 0; map_next(j->prior.images, &i, NULL, &value);)
                sum += bytes_of_image(value);
        return sum;
}

/* ---- events ---- */

static bool is_used(const struct judge *j, const struct prior_image *im)
{
        void *value;

        for (size_t i = 0; map_next(j->containers, &i, NULL, &value);) {
                const struct container_memory *c = value;

                if (c->running && bytes_eq(str_get(&c->config_digest), str_get(&im->digest)))
                        return true;
        }
        return false;
}

/* The image whose containers are gone the longest makes room; if all are in use there is none. */
static void make_room(struct judge *j)
{
        struct prior_image *oldest = NULL;
        void *value;

        if (map_count(j->prior.images) < j->p.max_images)
                return;
        for (size_t i = 0; map_next(j->prior.images, &i, NULL, &value);) {
                struct prior_image *im = value;

                if ((!oldest || im->used_ns < oldest->used_ns) && !is_used(j, im))
                        oldest = im;
        }
        if (!oldest)
                return;
        j->stats.priors_dropped++;
        prior_drop(j, oldest);
        if (map_del(j->prior.images, str_get(&oldest->digest)) < 0)
                j->stats.refused++;
}

static int begin(struct judge *j, const struct tide_event *ev)
{
        const struct tide_prior *t = &ev->prior;
        struct prior_image *im;
        int r;

        prior_image_free(j->prior.coming);
        j->prior.coming = im = prior_image_new(t->digest);
        if (!im)
                return -ENOMEM;
        r = str_set(&im->entrypoint, t->entrypoint);
        if (r == 0)
                r = str_set(&im->command, t->command);
        if (r == 0)
                r = str_set(&im->health, t->health);
        if (r == 0)
                r = str_set(&im->user, t->user);
        if (r == 0)
                r = str_set(&im->ports, t->ports);
        if (r == 0)
                r = str_set(&im->volumes, t->volumes);
        return r;
}

/* Whole, for the store: once it is known that they are good. */
static int keep_facts(struct judge *j, struct prior_image *im, const struct tide_prior *t)
{
        int r;

        if (!im->facts)
                im->facts = calloc(PRIOR_FACTS_MAX, sizeof(*im->facts));
        if (!im->facts)
                return -ENOMEM;
        if (im->nfacts == PRIOR_FACTS_MAX) {
                im->refused++;
                return 0;
        }
        buf_reset(&j->blob);
        buf_put_u8(&j->blob, t->part);
        buf_put_u32(&j->blob, t->first);
        buf_put(&j->blob, t->list.p, t->list.len);
        r = j->blob.err ? j->blob.err : str_set(&im->facts[im->nfacts], buf_bytes(&j->blob));
        im->nfacts += r == 0;
        return r;
}

static int packages(struct judge *j, const struct tide_event *ev)
{
        int r = keep_facts(j, j->prior.coming, &ev->prior);

        return r < 0 ? r : package_list_add(&j->prior.coming->packages, ev->prior.list);
}

uint32_t prior_content(struct bytes sha256)
{
        struct rd r;

        rd_init(&r, sha256.p, sha256.len);
        return sha256.len == TIDE_SHA256 ? rd_u32(&r) : 0;
}

uint64_t prior_path(struct bytes path)
{
        return map_hash(PATH_SEED, path);
}

static int files(struct judge *j, const struct tide_event *ev)
{
        struct prior_image *im = j->prior.coming;
        int err = keep_facts(j, im, &ev->prior);
        struct tide_prior_file f;
        struct rd r;

        rd_init(&r, ev->prior.list.p, ev->prior.list.len);
        while (err == 0 && tide_prior_file_next(&r, &f)) {
                struct prior_file kept = {.path = prior_path(f.path), .kind = f.kind};

                im->files_told++;
                if (im->nfiles >= j->p.max_image_files) {
                        im->refused++;
                        continue;
                }
                kept.flags = f.flags;
                kept.content = prior_content(f.sha256);
                kept.package = f.package <= im->packages.n ? (uint16_t)f.package : 0;
                err = prior_add_file(im, &kept);
        }
        return err;
}

/* What was known before stays, if the new is worth nothing. */
static int end(struct judge *j, const struct tide_event *ev)
{
        struct prior_image *im = j->prior.coming, *old = map_get(j->prior.images, str_get(&im->digest));
        const struct tide_prior *t = &ev->prior;
        int r = str_set(&im->words, t->words);

        j->prior.coming = NULL;
        im->state = t->state;
        im->analysed_ns = im->used_ns = ev->wall_ns;
        im->read_bytes = t->read_bytes;
        im->entries = t->entries;
        im->files_told = im->nfiles;
        im->packages.told = im->packages.n;
        im->refused += im->packages.refused;
        im->packages.refused = 0;
        if (im->refused && im->state == PRIOR_COMPLETE)
                im->state = PRIOR_PARTIAL;
        prior_sort(im);
        if (r < 0 || (im->state == PRIOR_FAILED && old && old->state != PRIOR_FAILED)) {
                prior_image_free(im);
                return r;
        }
        if (old)
                prior_drop(j, old);
        else
                make_room(j);
        r = map_put(j->prior.images, str_get(&im->digest), im);
        if (r < 0) {
                j->stats.priors_refused++;
                prior_image_free(im);
                return r == ERR_LIMIT ? 0 : r;
        }
        prior_save_facts(j, im);
        prior_save(j, im);
        return 0;
}

int prior_event(struct judge *j, const struct tide_event *ev)
{
        static int (*const parts[PRIOR__PART_MAX])(struct judge *, const struct tide_event *) = {
                [PRIOR_BEGIN] = begin, [PRIOR_PACKAGES] = packages, [PRIOR_FILES] = files, [PRIOR_END] = end};
        const struct tide_prior *t = &ev->prior;
        const struct prior_image *im = j->prior.coming;

        if (t->part >= PRIOR__PART_MAX || !parts[t->part] || t->digest.len == 0 ||
            (t->part != PRIOR_BEGIN && (!im || !bytes_eq(t->digest, str_get(&im->digest)))) ||
            (t->part == PRIOR_PACKAGES && t->first != im->packages.told) ||
            (t->part == PRIOR_FILES && t->first != im->files_told)) {
                j->stats.priors_malformed++;
                return 0;
        }
        return parts[t->part](j, ev);
}

void prior_used(struct judge *j, struct bytes digest, int64_t wall_ns)
{
        struct prior_image *im = map_get(j->prior.images, digest);

        if (!im)
                return;
        im->used_ns = wall_ns;
        prior_save_head(j, im);
}

/* ---- questions ---- */

static const struct prior_image *image_of(const struct judge *j, struct bytes digest)
{
        return digest.len ? map_get(j->prior.images, digest) : NULL;
}

/* Of one that was taken up with a piece missing nothing is believed. */
static bool is_usable(const struct prior_image *im)
{
        return im && im->state != PRIOR_FAILED && im->nfiles == im->files_told && im->packages.n == im->packages.told;
}

const struct prior_image *prior_image_usable(const struct judge *j, struct bytes digest)
{
        const struct prior_image *im = image_of(j, digest);

        return is_usable(im) ? im : NULL;
}

static bool is_whole(const struct prior_image *im)
{
        return is_usable(im) && im->state == PRIOR_COMPLETE;
}

static const struct prior_file *find(const struct prior_image *im, struct bytes path)
{
        uint64_t want = prior_path(path);
        uint32_t low = 0, high = im->nfiles;

        while (low < high) {
                uint32_t mid = low + (high - low) / 2;

                if (im->files[mid].path < want)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low < im->nfiles && im->files[low].path == want ? &im->files[low] : NULL;
}

static struct prior_fact fact_of(const struct prior_image *im, struct bytes path)
{
        const struct prior_file *f = is_usable(im) ? find(im, path) : NULL;
        struct prior_fact fact = {.verdict = PRIOR_NOT_ANALYSED};
        struct tide_prior_package p;

        if (!f) {
                if (is_whole(im))
                        fact.verdict = PRIOR_NOT_IN_IMAGE;
                fact.has_packages = im && im->packages.n > 0 && is_whole(im);
                return fact;
        }
        fact = (struct prior_fact){.verdict = PRIOR_UNOWNED,
                                   .kind = f->kind,
                                   .flags = f->flags,
                                   .content = f->content,
                                   .has_packages = im->packages.n > 0 && is_whole(im)};
        if (f->package && package_list_get(&im->packages, f->package - 1u, &p)) {
                fact.verdict = PRIOR_OWNED;
                fact.package = p.name;
                fact.version = p.version;
                fact.db = p.db;
        }
        return fact;
}

struct prior_fact prior_lookup_in(const struct judge *j, struct bytes digest, struct bytes path)
{
        return fact_of(image_of(j, digest), path);
}

struct prior_fact prior_lookup(const struct judge *j, const struct workload *w, struct bytes path)
{
        return prior_lookup_in(j, str_get(&w->digest), path);
}

bool prior_is_analysed(const struct judge *j, struct bytes digest)
{
        return is_usable(image_of(j, digest));
}

enum prior_change prior_diff(const struct judge *j, struct bytes old_digest, struct bytes new_digest, struct bytes path)
{
        const struct prior_image *old = image_of(j, old_digest), *new = image_of(j, new_digest);
        const struct prior_file *was, *is;

        if (!is_usable(old) || !is_usable(new))
                return PRIOR_CHANGE_UNKNOWN;
        was = find(old, path);
        is = find(new, path);
        if ((!was && !is_whole(old)) || (!is && !is_whole(new)))
                return PRIOR_CHANGE_UNKNOWN;
        if (!was && !is)
                return PRIOR_IN_NEITHER;
        if (!was || !is)
                return was ? PRIOR_DROPPED : PRIOR_NEW;
        return was->content && was->content == is->content ? PRIOR_SAME : PRIOR_CHANGED;
}

bool prior_diff_explains(const struct judge *j, struct bytes old_digest, struct bytes new_digest, struct bytes path,
                         struct prior_fact *ret_now)
{
        enum prior_change change = prior_diff(j, old_digest, new_digest, path);
        struct prior_fact now = prior_lookup_in(j, new_digest, path);

        if (ret_now)
                *ret_now = now;
        return (change == PRIOR_NEW || change == PRIOR_CHANGED) && now.verdict == PRIOR_OWNED;
}

bool prior_entrypoint_changed(const struct judge *j, struct bytes old_digest, struct bytes new_digest)
{
        const struct prior_image *old = image_of(j, old_digest), *new = image_of(j, new_digest);

        return old && new &&
               (!bytes_eq(str_get(&old->entrypoint), str_get(&new->entrypoint)) ||
                !bytes_eq(str_get(&old->command), str_get(&new->command)));
}

static struct bytes first_word(struct bytes words)
{
        const uint8_t *nul = words.len ? memchr(words.p, 0, words.len) : NULL;

        return nul ? bytes_of(words.p, (size_t)(nul - words.p)) : words;
}

static struct bytes last_part(struct bytes path)
{
        int slash = bytes_rfind(path, '/');

        return bytes_of(path.p + slash + 1, path.len - (uint32_t)(slash + 1));
}

bool prior_is_entrypoint(const struct judge *j, struct bytes digest, struct bytes path)
{
        const struct prior_image *im = image_of(j, digest);
        struct bytes word;

        if (!im || path.len == 0)
                return false;
        word = first_word(str_get(im->entrypoint.len ? &im->entrypoint : &im->command));
        if (word.len == 0)
                return false;
        return word.p[0] == '/' ? bytes_eq(word, path) : bytes_eq(last_part(word), last_part(path));
}

bool prior_declares_port(const struct judge *j, struct bytes digest, uint16_t port, const char *proto)
{
        const struct prior_image *im = image_of(j, digest);
        struct bytes key, value;
        char want[8];
        struct rd r;

        if (!im)
                return false;
        snprintf(want, sizeof(want), "%u", port);
        rd_init(&r, im->ports.p, im->ports.len);
        while (tide_list_next(&r, &key, &value))
                if (bytes_eq(key, bytes_str(want)) && bytes_eq(value, bytes_str(proto)))
                        return true;
        return false;
}

const char *prior_words(const struct prior_fact *f, char dst[PRIOR_WORDS])
{
        char name[96], version[80];

        dst[0] = '\0';
        if (f->verdict == PRIOR_OWNED)
                snprintf(dst, PRIOR_WORDS, "package %s %s", str_print(f->package, name, sizeof(name)),
                         str_print(f->version, version, sizeof(version)));
        else if (f->verdict == PRIOR_UNOWNED && f->has_packages)
                snprintf(dst, PRIOR_WORDS, "no package owns it");
        return dst;
}

/* ---- views ---- */

void prior_count(const struct prior_image *im, struct judge_image *ret)
{
        for (uint32_t i = 0; i < im->nfiles; i++) {
                const struct prior_file *f = &im->files[i];

                ret->kinds[f->kind]++;
                ret->unowned += f->package == 0;
                ret->setuid += (f->flags & (PRIORF_SETUID | PRIORF_SETGID | PRIORF_CAPS)) != 0;
        }
}

static void view(const struct prior_image *im, struct judge_image *ret)
{
        *ret = (struct judge_image){.digest = str_get(&im->digest),
                                    .state = is_usable(im) ? im->state : PRIOR_FAILED,
                                    .words = str_get(&im->words),
                                    .entrypoint = str_get(&im->entrypoint),
                                    .command = str_get(&im->command),
                                    .health = str_get(&im->health),
                                    .user = str_get(&im->user),
                                    .ports = str_get(&im->ports),
                                    .volumes = str_get(&im->volumes),
                                    .analysed_ns = im->analysed_ns,
                                    .used_ns = im->used_ns,
                                    .read_bytes = im->read_bytes,
                                    .entries = im->entries,
                                    .refused = im->refused,
                                    .packages = im->packages.n,
                                    .files = im->nfiles,
                                    .parts = im->parts,
                                    .memory = bytes_of_image(im)};
        prior_count(im, ret);
}

int judge_image_next(const struct judge *j, size_t *i, struct judge_image *ret)
{
        void *value;

        if (!map_next(j->prior.images, i, NULL, &value))
                return 0;
        view(value, ret);
        return 1;
}

int judge_image_get(const struct judge *j, struct bytes digest, struct judge_image *ret)
{
        const struct prior_image *im = image_of(j, digest);

        if (!im)
                return 0;
        view(im, ret);
        return 1;
}
