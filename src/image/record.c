/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Documents of the supply chain, read for whoever started this process (supplywire.h): the engine, or the command line.
 *
 * Owns: the file's descriptor, the keys, what is collected for one datagram. Must not: keep more of a document than
 * that. Hands over: how signatures stand, TIDE_RECORD events.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/image-priv.h"
#include "tidemark/err.h"
#include "tidemark/passfd.h"
#include "tidemark/signature.h"
#include "tidemark/supply.h"
#include "tidemark/supplywire.h"

struct recording {
        struct supply_settings set;
        struct signature_key *keys[SUPPLY_KEYS];
        char *names[SUPPLY_KEYS];
        char *file, *image;
        int fd; /* -1: none yet */
        unsigned number;
        struct tide_event ev; /* the part that is collected */
        uint32_t npackages, nfiles;
        struct buf list, event, out;
};

static int tell(struct recording *k, const struct supplywire *m)
{
        int r = supplywire_encode(m, &k->out);
        ssize_t n;

        if (r < 0)
                return r;
        do
                n = send(FD_ENGINE, k->out.p, k->out.len, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static int tell_event(struct recording *k)
{
        struct supplywire m = {.kind = SUPPLYWIRE_EVENT, .number = k->number};
        int r;

        k->ev.kind = TIDE_RECORD;
        buf_reset(&k->event);
        r = tide_encode(&k->ev, &k->event);
        m.text = buf_bytes(&k->event);
        return r < 0 ? r : tell(k, &m);
}

/* The parts of a document all bear its hash and the image's digest. */
static void begin_event(struct recording *k, enum tide_supply_part part, struct bytes digest, const uint8_t *sha256)
{
        memset(&k->ev, 0, sizeof(k->ev));
        k->ev.supply.part = (uint8_t)part;
        k->ev.supply.digest = digest;
        k->ev.supply.document = bytes_of(sha256, TIDE_SHA256);
}

/* ---- what is found ---- */

static int on_document(const struct supply_document *d, unsigned number, void *arg)
{
        struct recording *k = arg;
        struct supplywire m = {.kind = SUPPLYWIRE_DOCUMENT, .number = number, .signature = d->signature,
                               .flags = d->envelope ? SUPPLYWIRE_ENVELOPE : 0, .bytes = d->bytes};

        m.key = d->key < 0 ? SUPPLYWIRE_NO_KEY : (uint32_t)d->key;
        m.text = bytes_str(d->why);
        m.sha256 = bytes_of(d->sha256, sizeof(d->sha256));
        return tell(k, &m);
}

static int on_begin(const struct supply_document *d, unsigned number, const struct supply_subject *subject, void *arg)
{
        struct recording *k = arg;
        struct tide_supply *t = &k->ev.supply;

        k->number = number;
        k->npackages = k->nfiles = 0;
        begin_event(k, d->form == SUPPLY_SLSA ? SUPPLY_PROVENANCE : SUPPLY_BEGIN, bytes_str(subject->digest),
                    d->sha256);
        t->signature = d->signature;
        t->format = bytes_str(d->format);
        t->creator = bytes_str(d->creator);
        t->repository = bytes_str(d->repository);
        t->commit = bytes_str(d->commit);
        t->build_type = bytes_str(d->build_type);
        t->began_ns = d->began_ns;
        t->ended_ns = d->ended_ns;
        t->words = bytes_str(d->words);
        t->from = bytes_str(subject->from);
        t->image = bytes_str(subject->image);
        return tell_event(k);
}

static int send_list(struct recording *k)
{
        int r;

        if (k->list.len == 0)
                return 0;
        k->ev.supply.list = buf_bytes(&k->list);
        r = tell_event(k);
        buf_reset(&k->list);
        return r;
}

/* Room for one more entry of this part, of so many bytes. */
static int make_room(struct recording *k, enum tide_supply_part part, uint32_t first, size_t more)
{
        struct bytes digest = k->ev.supply.digest, document = k->ev.supply.document;
        int r = 0;

        if (k->ev.supply.part == part && k->list.len && k->list.len + more <= TIDE_PRIOR_LIST)
                return 0;
        r = send_list(k);
        begin_event(k, part, digest, document.p);
        k->ev.supply.first = first;
        return r;
}

static int on_package(const struct tide_prior_package *p, void *arg)
{
        struct recording *k = arg;
        int r = make_room(k, SUPPLY_PACKAGES, k->npackages, p->name.len + p->version.len + 16);

        k->npackages++;
        tide_prior_package_put(&k->list, p);
        return r < 0 ? r : k->list.err;
}

static int on_file(const struct tide_prior_file *f, void *arg)
{
        struct recording *k = arg;
        int r = make_room(k, SUPPLY_FILES, k->nfiles, f->path.len + 80);

        k->nfiles++;
        tide_prior_file_put(&k->list, f);
        return r < 0 ? r : k->list.err;
}

static int on_end(const struct supply_document *d, unsigned number, const struct supply_subject *subject, void *arg)
{
        struct recording *k = arg;
        int r;

        (void)number;
        if (d->form == SUPPLY_SLSA)
                return 0;
        r = send_list(k);
        if (r < 0 || d->refused[0])
                return r;
        begin_event(k, SUPPLY_END, bytes_str(subject->digest), d->sha256);
        k->ev.supply.packages = d->packages;
        k->ev.supply.files = d->files;
        k->ev.supply.refused = d->entries_refused;
        return tell_event(k);
}

static int on_refused(const struct supply_document *d, unsigned number, void *arg)
{
        struct supplywire m = {.kind = SUPPLYWIRE_REFUSED, .number = number, .text = bytes_str(d->refused)};

        return tell(arg, &m);
}

static int on_admission(const struct supply_admission *a, void *arg)
{
        struct recording *k = arg;
        struct tide_supply *t = &k->ev.supply;

        begin_event(k, SUPPLY_ADMISSION, bytes_str(a->digest), a->sha256);
        t->format = bytes_str(a->form == SUPPLY_AUDIT ? "Kubernetes audit" : "line");
        t->creator = bytes_str(a->by);
        t->began_ns = a->at_ns;
        t->admitted = a->admitted;
        t->words = bytes_str(a->reason);
        t->from = BYTES_LIT("image");
        t->image = bytes_str(a->image);
        t->place = bytes_str(a->place);
        return tell_event(k);
}

/* ---- what is told ---- */

/* A key is used once before this process gives up what libcrypto may want to prepare. */
static int take_key(struct recording *k, const struct supplywire *m)
{
        size_t n = k->set.nkeys;
        struct signature_sums sums = {{0}, {0}};
        const char *why;
        int r;

        if (n == SUPPLY_KEYS)
                return ERR_LIMIT;
        r = signature_parse_key(m->text, &k->keys[n], &why);
        k->names[n] = r == 0 ? bytes_dup(m->name) : NULL;
        if (r < 0 || !k->names[n])
                return r < 0 ? r : -ENOMEM;
        if (signature_fits_sums(k->keys[n], &sums, BYTES_LIT("0")))
                return -EIO;
        k->set.keys[n] = k->keys[n];
        k->set.names[n] = k->names[n];
        k->set.nkeys++;
        return 0;
}

static int take_go(struct recording *k, const struct supplywire *m, int fd)
{
        k->file = bytes_dup(m->name);
        k->image = m->text.len ? bytes_dup(m->text) : NULL;
        if (!k->file || (m->text.len && !k->image))
                return -ENOMEM;
        k->set.image = k->image;
        k->set.max_entries = m->number;
        k->fd = fd;
        return 0;
}

static int hear(struct recording *k)
{
        uint8_t *msg = malloc(SUPPLYWIRE_MAX);
        int r = msg ? 0 : -ENOMEM;

        while (r == 0 && k->fd < 0) {
                struct supplywire m;
                int fd = -1;
                size_t n = 0;
                ssize_t len = passfd_recv(FD_ENGINE, msg, SUPPLYWIRE_MAX, &fd, 1, &n, 0);

                if (len == -EINTR)
                        continue;
                r = len <= 0 ? (len == 0 ? -EPIPE : (int)len) : supplywire_decode(msg, (size_t)len, &m);
                if (r == 0 && m.kind == SUPPLYWIRE_KEY)
                        r = take_key(k, &m);
                else if (r == 0 && m.kind == SUPPLYWIRE_GO && n == 1)
                        r = take_go(k, &m, fd);
                else if (r == 0)
                        r = ERR_SCHEMA;
        }
        free(msg);
        return r;
}

static ssize_t read_file(uint64_t at, void *p, size_t n, void *arg)
{
        const struct recording *k = arg;
        ssize_t got = pread(k->fd, p, n, (off_t)at);

        return got < 0 ? -errno : got;
}

static int tell_end(struct recording *k, int status, const char *why, const struct supply_result *result)
{
        struct supplywire m = {.kind = SUPPLYWIRE_END, .status = status, .text = bytes_str(why), .result = *result};

        return tell(k, &m);
}

static int read_it(struct recording *k)
{
        static const struct supply_ops ops = {.document = on_document, .begin = on_begin, .package = on_package,
                                              .file = on_file, .end = on_end, .refused = on_refused,
                                              .admission = on_admission};
        struct supply_source source = {.read = read_file, .arg = k};
        struct supply_result result = {.documents = 0};
        char why[SUPPLY_WHY] = "it is no regular file";
        int r = -EINVAL;

        if (image_is_regular(k->fd))
                r = supply_read(&source, &k->set, &ops, k, &result, why);
        return tell_end(k, r, r < 0 && !*why ? err_str(r) : why, &result);
}

int record_run(int (*give_up)(void))
{
        struct recording *k = calloc(1, sizeof(*k));
        int r = k ? 0 : -ENOMEM;

        if (r < 0)
                return r;
        k->fd = -1;
        buf_init(&k->list, TIDE_PRIOR_LIST + 8192);
        buf_init(&k->event, TIDE_RECORD_MAX);
        buf_init(&k->out, SUPPLYWIRE_MAX);
        json_object_seed(0);
        r = hear(k);
        if (r == 0)
                r = give_up();
        if (r == 0)
                r = read_it(k);
        for (size_t i = 0; i < SUPPLY_KEYS; i++) {
                signature_key_free(k->keys[i]);
                free(k->names[i]);
        }
        free(k->file);
        free(k->image);
        if (k->fd >= 0)
                close(k->fd);
        buf_release(&k->list);
        buf_release(&k->event);
        buf_release(&k->out);
        free(k);
        return r;
}
