/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_world - judge_world, and images that are told in it. Included by one test file each. */
#ifndef TIDEMARK_TESTS_IMAGE_WORLD_H
#define TIDEMARK_TESTS_IMAGE_WORLD_H

#include "tests/unit/judge_world.h"

#include "judge/prior-priv.h"

/* ---- an image, told as the engine tells it ---- */

struct part {
        struct tide_event ev;
        struct buf list;
        uint32_t n;
};

static TM_UNUSED void begin_part(struct part *p, const char *digest, enum tide_prior_part part, uint32_t first)
{
        memset(p, 0, sizeof(*p));
        buf_init(&p->list, TIDE_PRIOR_LIST);
        p->ev.kind = TIDE_PRIOR;
        p->ev.prior.digest = bytes_str(digest);
        p->ev.prior.part = (uint8_t)part;
        p->ev.prior.first = first;
}

static TM_UNUSED void tell(struct world *w, struct part *p)
{
        p->ev.prior.list = buf_bytes(&p->list);
        CU_ASSERT_EQUAL(give(w, &p->ev), 0);
        buf_release(&p->list);
}

static TM_UNUSED void begin_image(struct world *w, const char *digest, struct bytes entrypoint)
{
        struct part p;

        begin_part(&p, digest, PRIOR_BEGIN, 0);
        p.ev.prior.entrypoint = entrypoint;
        p.ev.prior.user = BYTES_LIT("www");
        tide_list_put(&p.list, BYTES_LIT("80"), BYTES_LIT("tcp"));
        p.ev.prior.ports = buf_bytes(&p.list);
        CU_ASSERT_EQUAL(give(w, &p.ev), 0);
        buf_release(&p.list);
}

static TM_UNUSED void end_image(struct world *w, const char *digest, enum tide_prior_state state)
{
        struct part p;

        begin_part(&p, digest, PRIOR_END, 0);
        p.ev.prior.state = (uint8_t)state;
        p.ev.prior.words = state == PRIOR_COMPLETE ? bytes_of(NULL, 0) : BYTES_LIT("layer 2 is gone");
        tell(w, &p);
}

static TM_UNUSED void put_package(struct part *p, const char *name, const char *version)
{
        struct tide_prior_package k = {.db = PACKAGE_DPKG, .name = bytes_str(name), .version = bytes_str(version)};

        tide_prior_package_put(&p->list, &k);
}

static TM_UNUSED void put_file(struct part *p, const char *path, uint32_t package, uint8_t content, uint8_t flags)
{
        uint8_t sum[TIDE_SHA256] = {content, 1, 2, 3, 4};
        struct tide_prior_file f = {.path = bytes_str(path), .kind = PRIOR_PROGRAM, .package = package};

        f.flags = (uint8_t)(flags | PRIORF_RUNS);
        f.sha256 = bytes_of(sum, flags & PRIORF_UNHASHED ? 0 : sizeof(sum));
        tide_prior_file_put(&p->list, &f);
}

/* /bin/cat of coreutils, /bin/su of login, /app of none; content tells versions apart. */
static TM_UNUSED void image_of_state(struct world *w, const char *digest, const char *version, uint8_t content,
                           enum tide_prior_state state)
{
        struct part p;

        begin_image(w, digest, BYTES_LIT("/app\0-d"));
        begin_part(&p, digest, PRIOR_PACKAGES, 0);
        put_package(&p, "coreutils", version);
        put_package(&p, "login", "1:4.13");
        tell(w, &p);
        begin_part(&p, digest, PRIOR_FILES, 0);
        put_file(&p, "/bin/cat", 1, content, 0);
        put_file(&p, "/bin/su", 2, 7, PRIORF_SETUID);
        put_file(&p, "/app", 0, content, 0);
        tell(w, &p);
        end_image(w, digest, state);
}

static TM_UNUSED void image(struct world *w, const char *digest, const char *version, uint8_t content)
{
        image_of_state(w, digest, version, content, PRIOR_COMPLETE);
}

static TM_UNUSED void hash(struct world *w, const char *path, enum tide_hash_state state, uint8_t first)
{
        uint8_t sum[TIDE_SHA256] = {first, 1, 2, 3, 4};
        struct tide_event ev = {.kind = TIDE_HASH, .container = BYTES_LIT("c1")};

        ev.hash.path = bytes_str(path);
        ev.hash.layer = LAYER_WRITE;
        ev.hash.state = (uint8_t)state;
        ev.hash.size = 1000;
        ev.hash.sha256 = bytes_of(sum, state == HASH_KNOWN ? sizeof(sum) : 0);
        CU_ASSERT_EQUAL(give(w, &ev), 0);
}

#endif
