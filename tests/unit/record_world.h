/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_world - image_world, and records of images that are told in it. Included by one test file each. */
#ifndef TIDEMARK_TESTS_RECORD_WORLD_H
#define TIDEMARK_TESTS_RECORD_WORLD_H

#include "tests/unit/image_world.h"

#include "judge/supply-priv.h"

#define AA "sha256:aa"         /* the image's configuration, as the containers of this world have it */
#define MANIFEST "sha256:mmmm" /* its manifest, if one is told */

/* ---- records, told as the engine tells them ---- */

struct document {
        struct tide_event ev;
        struct buf list;
        uint8_t sum[TIDE_SHA256];
        uint32_t packages, files;
};

static TM_UNUSED void begin_document(struct document *d, const char *digest, uint8_t number,
                                     enum tide_supply_signature signature, enum tide_supply_part part)
{
        memset(d, 0, sizeof(*d));
        buf_init(&d->list, TIDE_PRIOR_LIST);
        d->sum[0] = number;
        d->ev.kind = TIDE_RECORD;
        d->ev.supply.digest = bytes_str(digest);
        d->ev.supply.document = bytes_of(d->sum, sizeof(d->sum));
        d->ev.supply.part = (uint8_t)part;
        d->ev.supply.signature = (uint8_t)signature;
        d->ev.supply.source = BYTES_LIT("web.spdx.json");
        d->ev.supply.key = signature == SIGNATURE_VERIFIED ? BYTES_LIT("ci.pem") : BYTES_LIT("");
        d->ev.supply.format = BYTES_LIT("SPDX 2.3");
}

static TM_UNUSED void tell_document(struct world *w, struct document *d)
{
        CU_ASSERT_EQUAL(give(w, &d->ev), 0);
}

static TM_UNUSED void begin_sbom(struct world *w, struct document *d, const char *digest, uint8_t number,
                                 enum tide_supply_signature signature)
{
        begin_document(d, digest, number, signature, SUPPLY_BEGIN);
        tell_document(w, d);
}

static TM_UNUSED void add_package(struct world *w, struct document *d, const char *name, const char *version)
{
        struct tide_prior_package p = {.db = PACKAGE_DPKG, .name = bytes_str(name), .version = bytes_str(version)};

        buf_reset(&d->list);
        tide_prior_package_put(&d->list, &p);
        d->ev.supply.part = SUPPLY_PACKAGES;
        d->ev.supply.first = d->packages++;
        d->ev.supply.list = buf_bytes(&d->list);
        tell_document(w, d);
}

/* content -1: the document has no hash of it. */
static TM_UNUSED void add_file(struct world *w, struct document *d, const char *path, uint32_t package, int content)
{
        uint8_t sum[TIDE_SHA256] = {(uint8_t)content, 1, 2, 3, 4};
        struct tide_prior_file f = {.path = bytes_str(path), .package = package};

        f.sha256 = bytes_of(sum, content < 0 ? 0 : sizeof(sum));
        f.flags = content < 0 ? PRIORF_UNHASHED : 0;
        buf_reset(&d->list);
        tide_prior_file_put(&d->list, &f);
        d->ev.supply.part = SUPPLY_FILES;
        d->ev.supply.first = d->files++;
        d->ev.supply.list = buf_bytes(&d->list);
        tell_document(w, d);
}

/* Several in one list, as they come: "/usr/share/file-N", of package N mod packages, with content N. */
static TM_UNUSED void add_files(struct world *w, struct document *d, uint32_t n)
{
        char name[64];

        buf_reset(&d->list);
        d->ev.supply.part = SUPPLY_FILES;
        d->ev.supply.first = d->files;
        for (uint32_t i = 0; i < n; i++) {
                uint8_t sum[TIDE_SHA256] = {(uint8_t)d->files, 1, 2, 3, 4};
                struct tide_prior_file f = {.path = bytes_str(name), .sha256 = bytes_of(sum, sizeof(sum))};

                snprintf(name, sizeof(name), "/usr/share/file-%u", d->files);
                f.path = bytes_str(name);
                f.package = d->packages ? d->files % d->packages + 1 : 0;
                tide_prior_file_put(&d->list, &f);
                d->files++;
        }
        d->ev.supply.list = buf_bytes(&d->list);
        tell_document(w, d);
}

static TM_UNUSED void end_sbom(struct world *w, struct document *d)
{
        d->ev.supply.part = SUPPLY_END;
        d->ev.supply.list = bytes_of(NULL, 0);
        d->ev.supply.packages = d->packages;
        d->ev.supply.files = d->files;
        tell_document(w, d);
        buf_release(&d->list);
}

/* What the image of this world holds: see image_world.h. */
static TM_UNUSED void whole_sbom(struct world *w, const char *digest, uint8_t number,
                                 enum tide_supply_signature signature)
{
        struct document d;

        begin_sbom(w, &d, digest, number, signature);
        add_package(w, &d, "coreutils", "9.1-1");
        add_package(w, &d, "login", "4.13");
        add_file(w, &d, "/bin/cat", 1, 1);
        add_file(w, &d, "/bin/su", 2, 7);
        add_file(w, &d, "/app", 0, 1);
        end_sbom(w, &d);
}

static TM_UNUSED void remove_document(struct world *w, const char *digest, uint8_t number)
{
        struct document d;

        begin_document(&d, digest, number, SIGNATURE_NONE, SUPPLY_REMOVED);
        tell_document(w, &d);
}

static TM_UNUSED void provenance(struct world *w, const char *digest, uint8_t number,
                                 enum tide_supply_signature signature, int64_t ended_ns)
{
        struct document d;

        begin_document(&d, digest, number, signature, SUPPLY_PROVENANCE);
        d.ev.supply.creator = BYTES_LIT("https://builder.example/1");
        d.ev.supply.commit = BYTES_LIT("0123456789abcdef");
        d.ev.supply.ended_ns = ended_ns;
        tell_document(w, &d);
}

static TM_UNUSED void admission(struct world *w, const char *digest, uint8_t number, int64_t when_ns)
{
        struct document d;

        begin_document(&d, digest, number, SIGNATURE_NONE, SUPPLY_ADMISSION);
        d.ev.supply.began_ns = when_ns;
        d.ev.supply.admitted = 1;
        tell_document(w, &d);
}

/* ---- a world with an image ---- */

/* Learned, analysed; and nothing was recorded of the image. */
static TM_UNUSED void learned_world(struct world *w)
{
        world_open(w);
        image(w, AA, "9.1-1", 1);
        start(w);
        run(w, "/bin/init", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(w, "baseline.activate", "web@" AA), 0);
}

static TM_UNUSED void tell_manifest(struct world *w, const char *manifest)
{
        struct tide_event ev = {.kind = TIDE_CONTENT, .container = BYTES_LIT("c1")};

        ev.content.name = BYTES_LIT("web");
        ev.content.name_given = 1;
        ev.content.image_ref = BYTES_LIT("localhost/web:1");
        ev.content.config_digest = BYTES_LIT(AA);
        ev.content.manifest_digest = bytes_str(manifest);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

#endif
