/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the judge keeps of images: questions, differences, limits, pieces; hashes of programs from write layers. */
#include "tests/unit/image_world.h"

#include "judge/prior-priv.h"

static enum prior_verdict asked(const struct world *w, const char *digest, const char *path)
{
        return prior_lookup_in(w->j, bytes_str(digest), bytes_str(path)).verdict;
}

static void test_lookup(void)
{
        struct world w;
        struct prior_fact f;
        char words[PRIOR_WORDS];

        world_open(&w);
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/bin/cat"), PRIOR_NOT_ANALYSED);
        CU_ASSERT_EQUAL(asked(&w, "", "/bin/cat"), PRIOR_NOT_ANALYSED);
        image(&w, "sha256:aa", "9.1-1", 1);
        start(&w);
        f = prior_lookup(w.j, map_get(w.j->workloads, BYTES_LIT("web@sha256:aa")), BYTES_LIT("/bin/cat"));
        CU_ASSERT_EQUAL(f.verdict, PRIOR_OWNED);
        CU_ASSERT_TRUE(bytes_eq(f.package, BYTES_LIT("coreutils")) && bytes_eq(f.version, BYTES_LIT("9.1-1")));
        CU_ASSERT_EQUAL(f.db, PACKAGE_DPKG);
        CU_ASSERT_STRING_EQUAL(prior_words(&f, words), "package coreutils 9.1-1");
        f = prior_lookup_in(w.j, BYTES_LIT("sha256:aa"), BYTES_LIT("/bin/su"));
        CU_ASSERT_TRUE(f.verdict == PRIOR_OWNED && f.flags == (PRIORF_SETUID | PRIORF_RUNS));
        f = prior_lookup_in(w.j, BYTES_LIT("sha256:aa"), BYTES_LIT("/app"));
        CU_ASSERT_TRUE(f.verdict == PRIOR_UNOWNED && f.has_packages);
        CU_ASSERT_STRING_EQUAL(prior_words(&f, words), "no package owns it");
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/bin/tac"), PRIOR_NOT_IN_IMAGE);
        CU_ASSERT_EQUAL(asked(&w, "sha256:bb", "/bin/cat"), PRIOR_NOT_ANALYSED);
        CU_ASSERT_TRUE(prior_is_entrypoint(w.j, BYTES_LIT("sha256:aa"), BYTES_LIT("/app")));
        CU_ASSERT_FALSE(prior_is_entrypoint(w.j, BYTES_LIT("sha256:aa"), BYTES_LIT("/bin/app")));
        CU_ASSERT_TRUE(prior_declares_port(w.j, BYTES_LIT("sha256:aa"), 80, "tcp"));
        CU_ASSERT_FALSE(prior_declares_port(w.j, BYTES_LIT("sha256:aa"), 80, "udp"));
        CU_ASSERT_FALSE(prior_declares_port(w.j, BYTES_LIT("sha256:bb"), 80, "tcp"));
        world_close(&w);
}

/* What was cut may be anywhere: absence says nothing then. */
static void test_partial(void)
{
        struct world w;
        struct judge_image im;

        world_open(&w);
        image_of_state(&w, "sha256:aa", "1", 1, PRIOR_PARTIAL);
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/bin/cat"), PRIOR_OWNED);
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/bin/tac"), PRIOR_NOT_ANALYSED);
        /* a failed one leaves what was known, and alone it tells nothing */
        image_of_state(&w, "sha256:aa", "2", 1, PRIOR_FAILED);
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/bin/cat"), PRIOR_OWNED);
        image_of_state(&w, "sha256:bb", "2", 1, PRIOR_FAILED);
        CU_ASSERT_EQUAL(asked(&w, "sha256:bb", "/bin/cat"), PRIOR_NOT_ANALYSED);
        CU_ASSERT_FALSE(prior_is_analysed(w.j, BYTES_LIT("sha256:bb")));
        CU_ASSERT_EQUAL_FATAL(judge_image_get(w.j, BYTES_LIT("sha256:bb"), &im), 1);
        CU_ASSERT_TRUE(im.state == PRIOR_FAILED && bytes_eq(im.words, BYTES_LIT("layer 2 is gone")));
        image(&w, "sha256:bb", "3", 1);
        CU_ASSERT_EQUAL(asked(&w, "sha256:bb", "/bin/tac"), PRIOR_NOT_IN_IMAGE);
        world_close(&w);
}

static void test_diff(void)
{
        const struct bytes a = BYTES_LIT("sha256:aa"), b = BYTES_LIT("sha256:bb"), none = BYTES_LIT("sha256:cc");
        struct world w;
        struct prior_fact now;
        struct part p;

        world_open(&w);
        image(&w, "sha256:aa", "1", 1);
        begin_image(&w, "sha256:bb", BYTES_LIT("/new"));
        begin_part(&p, "sha256:bb", PRIOR_PACKAGES, 0);
        put_package(&p, "coreutils", "2");
        tell(&w, &p);
        begin_part(&p, "sha256:bb", PRIOR_FILES, 0);
        put_file(&p, "/bin/cat", 1, 2, 0);
        put_file(&p, "/bin/shuf", 1, 2, 0);
        put_file(&p, "/app", 0, 1, 0);
        put_file(&p, "/miner", 0, 9, 0);
        put_file(&p, "/huge", 1, 0, PRIORF_UNHASHED);
        tell(&w, &p);
        end_image(&w, "sha256:bb", PRIOR_COMPLETE);
        CU_ASSERT_EQUAL(prior_diff(w.j, a, b, BYTES_LIT("/bin/cat")), PRIOR_CHANGED);
        CU_ASSERT_EQUAL(prior_diff(w.j, a, b, BYTES_LIT("/app")), PRIOR_SAME);
        CU_ASSERT_EQUAL(prior_diff(w.j, a, b, BYTES_LIT("/bin/shuf")), PRIOR_NEW);
        CU_ASSERT_EQUAL(prior_diff(w.j, a, b, BYTES_LIT("/bin/su")), PRIOR_DROPPED);
        CU_ASSERT_EQUAL(prior_diff(w.j, a, b, BYTES_LIT("/nowhere")), PRIOR_IN_NEITHER);
        CU_ASSERT_EQUAL(prior_diff(w.j, a, none, BYTES_LIT("/bin/cat")), PRIOR_CHANGE_UNKNOWN);
        CU_ASSERT_EQUAL(prior_diff(w.j, b, b, BYTES_LIT("/huge")), PRIOR_CHANGED); /* nobody knows: not the same */
        CU_ASSERT_TRUE(prior_diff_explains(w.j, a, b, BYTES_LIT("/bin/cat"), &now));
        CU_ASSERT_TRUE(bytes_eq(now.version, BYTES_LIT("2")));
        CU_ASSERT_TRUE(prior_diff_explains(w.j, a, b, BYTES_LIT("/bin/shuf"), NULL));
        CU_ASSERT_FALSE(prior_diff_explains(w.j, a, b, BYTES_LIT("/miner"), &now)); /* new, and nobody's */
        CU_ASSERT_EQUAL(now.verdict, PRIOR_UNOWNED);
        CU_ASSERT_FALSE(prior_diff_explains(w.j, a, b, BYTES_LIT("/app"), NULL)); /* as it was */
        CU_ASSERT_FALSE(prior_diff_explains(w.j, none, b, BYTES_LIT("/bin/cat"), NULL));
        CU_ASSERT_TRUE(prior_entrypoint_changed(w.j, a, b));
        CU_ASSERT_FALSE(prior_entrypoint_changed(w.j, a, a));
        CU_ASSERT_FALSE(prior_entrypoint_changed(w.j, a, none));
        world_close(&w);
}

/* What does not fit together is counted and not believed. */
static void test_malformed(void)
{
        struct world w;
        struct judge_stats st;
        struct part p;

        world_open(&w);
        begin_part(&p, "sha256:aa", PRIOR_FILES, 0); /* without a beginning */
        put_file(&p, "/bin/cat", 0, 1, 0);
        tell(&w, &p);
        end_image(&w, "sha256:aa", PRIOR_COMPLETE);
        begin_image(&w, "sha256:aa", bytes_of(NULL, 0));
        begin_part(&p, "sha256:bb", PRIOR_FILES, 0); /* of another image */
        put_file(&p, "/bin/cat", 0, 1, 0);
        tell(&w, &p);
        begin_part(&p, "sha256:aa", PRIOR_FILES, 5); /* some are missing */
        put_file(&p, "/bin/cat", 0, 1, 0);
        tell(&w, &p);
        begin_part(&p, "", PRIOR_BEGIN, 0);
        tell(&w, &p);
        begin_part(&p, "sha256:aa", PRIOR_FILES, 0);
        put_file(&p, "/bin/cat", 9, 1, 0); /* of a package that was not told */
        buf_put_str(&p.list, "\377\377\377\377torn");
        tell(&w, &p);
        end_image(&w, "sha256:aa", PRIOR_COMPLETE);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.priors_malformed, 5);
        CU_ASSERT_EQUAL(st.images, 1);
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/bin/cat"), PRIOR_UNOWNED);
        world_close(&w);
}

static void limited(struct world *w, uint32_t images, uint32_t files)
{
        world_open(w);
        judge_free(w->j);
        w->p.max_images = images;
        w->p.max_image_files = files;
        CU_ASSERT_EQUAL_FATAL(judge_new(&w->p, &ops, w, &w->j), 0);
}

static void test_limits(void)
{
        struct world w;
        struct judge_image im;
        struct judge_stats st;

        limited(&w, 2, 2);
        start(&w); /* runs aa */
        image(&w, "sha256:aa", "1", 1);
        CU_ASSERT_EQUAL_FATAL(judge_image_get(w.j, BYTES_LIT("sha256:aa"), &im), 1);
        CU_ASSERT_TRUE(im.files == 2 && im.refused == 1 && im.state == PRIOR_PARTIAL);
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/app"), PRIOR_NOT_ANALYSED);
        image(&w, "sha256:bb", "1", 1);
        image(&w, "sha256:cc", "1", 1); /* bb goes: aa is in use */
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/bin/cat"), PRIOR_OWNED);
        CU_ASSERT_EQUAL(asked(&w, "sha256:bb", "/bin/cat"), PRIOR_NOT_ANALYSED);
        CU_ASSERT_EQUAL(asked(&w, "sha256:cc", "/bin/cat"), PRIOR_OWNED);
        judge_stats(w.j, &st);
        CU_ASSERT_TRUE(st.images == 2 && st.priors_dropped == 1);
        /* and nothing of bb is left in the store: 2 images of 3 pieces and 2 parts of facts each, and the container's,
         * the workload's */
        for (size_t i = 0, n = 0;; n++) {
                struct bytes key;
                void *value;

                if (!map_next(w.pieces, &i, &key, &value))
                        break;
                CU_ASSERT_TRUE(key.len < 14 || memcmp(key.p + 5, "sha256:bb", 9) != 0);
        }
        world_close(&w);
}

/* More than one piece of each, back again in another life. */
static void test_pieces(void)
{
        static uint64_t before[64], after[64];
        struct world w;
        struct part p;
        size_t n;
        uint32_t files = 0, packages = 0;
        char name[300], pad[200];

        memset(pad, 'v', sizeof(pad) - 1);
        pad[sizeof(pad) - 1] = '\0';
        world_open(&w);
        begin_image(&w, "sha256:aa", BYTES_LIT("/app"));
        for (int k = 0; k < 3; k++) {
                begin_part(&p, "sha256:aa", PRIOR_PACKAGES, packages);
                for (int i = 0; i < 150; i++) {
                        snprintf(name, sizeof(name), "package-%u", packages++);
                        put_package(&p, name, pad);
                }
                tell(&w, &p);
        }
        for (int k = 0; k < 12; k++) {
                begin_part(&p, "sha256:aa", PRIOR_FILES, files);
                for (int i = 0; i < 450; i++) {
                        snprintf(name, sizeof(name), "/usr/bin/program-%u", files);
                        put_file(&p, name, files % packages + 1, (uint8_t)files, 0);
                        files++;
                }
                tell(&w, &p);
        }
        end_image(&w, "sha256:aa", PRIOR_COMPLETE);
        n = digest(w.j, before, 64);
        CU_ASSERT_TRUE(n > 5);
        restore(&w);
        CU_ASSERT_EQUAL(digest(w.j, after, 64), n);
        CU_ASSERT_EQUAL(memcmp(before, after, n * sizeof(before[0])), 0);
        for (uint32_t i = 0; i < files; i += 37) {
                struct prior_fact f;
                char want[32];

                snprintf(name, sizeof(name), "/usr/bin/program-%u", i);
                snprintf(want, sizeof(want), "package-%u", i % packages);
                f = prior_lookup_in(w.j, BYTES_LIT("sha256:aa"), bytes_str(name));
                CU_ASSERT_TRUE(f.verdict == PRIOR_OWNED && bytes_eq(f.package, bytes_str(want)));
        }
        CU_ASSERT_EQUAL(asked(&w, "sha256:aa", "/usr/bin/program"), PRIOR_NOT_IN_IMAGE);
        /* 5400 files and 450 packages with versions of 200 bytes */
        CU_ASSERT_TRUE(prior_bytes(w.j) < 250 * 1024);
        world_close(&w);
}

/* A piece that is missing: nothing of the image is believed, it can be analysed anew. */
static void test_torn_pieces(void)
{
        struct world w;
        struct judge *fresh;
        struct judge_image im;
        struct buf b;
        struct rd r;

        world_open(&w);
        image(&w, "sha256:aa", "1", 1);
        dump(w.j, &b);
        for (int left_out = 0; left_out < 3; left_out++) {
                int n = 0;

                CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &fresh), 0);
                rd_init(&r, b.p, b.len);
                while (rd_left(&r)) {
                        uint32_t what = rd_u32(&r);
                        struct bytes key = rd_bytes(&r), blob = rd_bytes(&r);

                        if (what != PIECE_PRIOR || n++ != left_out)
                                CU_ASSERT_EQUAL(judge_restore(fresh, (enum judge_piece)what, key, blob), 0);
                }
                CU_ASSERT_EQUAL(n, 3);
                CU_ASSERT_FALSE(prior_is_analysed(fresh, BYTES_LIT("sha256:aa")));
                CU_ASSERT_TRUE(judge_image_get(fresh, BYTES_LIT("sha256:aa"), &im) && im.state == PRIOR_FAILED);
                judge_free(fresh);
        }
        buf_release(&b);
        world_close(&w);
}

/* ---- what it says of an act ---- */

static void learned_world(struct world *w)
{
        world_open(w);
        image(w, "sha256:aa", "9.1-1", 1);
        start(w);
        run(w, "/bin/init", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(w, "baseline.activate", "web@sha256:aa"), 0);
}

static bool has(const struct world *w, const char *factor)
{
        return strstr(w->factors, factor) != NULL;
}

static void test_factors(void)
{
        uint32_t packaged;
        struct world w;

        learned_world(&w);
        run(&w, "/bin/cat", LAYER_IMAGE); /* never run, owned: nothing to look at by itself */
        CU_ASSERT_TRUE(has(&w, "image_packaged=-12 ") && has(&w, "new_program=0 "));
        CU_ASSERT_FALSE(has(&w, "image_expected")); /* the operator said that all was seen */
        CU_ASSERT_TRUE(w.confidence < w.p.show);
        packaged = w.confidence;
        CU_ASSERT_EQUAL(w.sum, w.total);
        world_close(&w);

        learned_world(&w);
        run(&w, "/app", LAYER_IMAGE);
        CU_ASSERT_TRUE(has(&w, "image_unpackaged=-8 "));
        CU_ASSERT_TRUE(w.confidence > packaged);
        world_close(&w);

        learned_world(&w);
        run(&w, "/vol/tool", LAYER_MOUNT);
        CU_ASSERT_TRUE(has(&w, "not_in_image=8 ") && has(&w, "ran_mount"));
        world_close(&w);

        learned_world(&w); /* that it is from the write layer says it already */
        run(&w, "/tmp/tool", LAYER_WRITE);
        CU_ASSERT_FALSE(has(&w, "not_in_image"));
        CU_ASSERT_TRUE(has(&w, "ran_write_layer"));
        world_close(&w);
}

/* Nobody said that all was seen, and little was. */
static void test_expected(void)
{
        struct workload *wl;
        struct world w;

        world_open(&w);
        image(&w, "sha256:aa", "9.1-1", 1);
        start(&w);
        run(&w, "/bin/init", LAYER_IMAGE);
        wl = map_get(w.j->workloads, BYTES_LIT("web@sha256:aa"));
        wl->dim[DIM_PROCESS].state = DS_ACTIVE; /* as by time */
        run(&w, "/bin/cat", LAYER_IMAGE);
        CU_ASSERT_TRUE(has(&w, "image_expected=-6 "));
        run_in(&w, "c1", "/bin/su", LAYER_IMAGE, CHANGE_UNKNOWN, ORIGIN_EXEC, 401);
        CU_ASSERT_FALSE(has(&w, "image_expected")); /* not by the entrypoint */
        world_close(&w);

        world_open(&w); /* without any facts nothing is said */
        start(&w);
        run(&w, "/bin/init", LAYER_IMAGE);
        CU_ASSERT_EQUAL(decide(&w, "baseline.activate", "web@sha256:aa"), 0);
        run(&w, "/bin/cat", LAYER_IMAGE);
        CU_ASSERT_FALSE(has(&w, "image_") || has(&w, "not_in_image"));
        world_close(&w);
}

/* ---- hashes ---- */

static const struct content *content(const struct world *w, const char *key)
{
        const struct workload *wl = map_get(w->j->workloads, BYTES_LIT("web@sha256:aa"));
        void *value;

        for (size_t i = 0; map_next(wl->entries, &i, NULL, &value);) {
                const struct entry *e = value;

                if (e->dim == DIM_PROCESS && bytes_eq(str_get(&e->key), bytes_str(key)))
                        return e->content;
        }
        return NULL;
}

static void test_content(void)
{
        static uint64_t before[64], after[64];
        struct judge_stats st;
        struct world w;
        size_t n;

        world_open(&w);
        start(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        CU_ASSERT_PTR_NULL(content(&w, "/tmp/x [write-layer]"));
        hash(&w, "/tmp/x", HASH_KNOWN, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(content(&w, "/tmp/x [write-layer]"));
        CU_ASSERT_EQUAL(content(&w, "/tmp/x [write-layer]")->sha256[0], 1);
        hash(&w, "/tmp/y", HASH_KNOWN, 1); /* nobody ran that */
        hash(&w, "/tmp/x", HASH_KNOWN, 1);
        judge_stats(w.j, &st);
        CU_ASSERT_TRUE(st.contents == 3 && st.contents_changed == 0);
        hash(&w, "/tmp/x", HASH_TOO_LARGE, 0);
        CU_ASSERT_EQUAL(content(&w, "/tmp/x [write-layer]")->state, HASH_TOO_LARGE);
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.contents_changed, 1);
        n = digest(w.j, before, 64);
        restore(&w);
        CU_ASSERT_EQUAL(digest(w.j, after, 64), n);
        CU_ASSERT_EQUAL(memcmp(before, after, n * sizeof(before[0])), 0);
        CU_ASSERT_EQUAL(content(&w, "/tmp/x [write-layer]")->size, 1000);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"a path is asked for in an image", test_lookup},
        {"of what was cut absence says nothing", test_partial},
        {"two images differ", test_diff},
        {"what does not fit together is not believed", test_malformed},
        {"images and their files have a limit", test_limits},
        {"what was saved makes the same tables again", test_pieces},
        {"of an image with a piece missing nothing is believed", test_torn_pieces},
        {"what the image says of a program is a factor", test_factors},
        {"while little was seen packages say what to expect", test_expected},
        {"the hash of a program that ran is kept with its entry", test_content},
};
UNIT_MAIN("prior", cases)
