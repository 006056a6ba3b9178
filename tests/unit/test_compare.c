/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What records of an image say of a finding: matching, factors, waiting, limits, pieces. */
#include "tests/unit/record_world.h"

/* ---- questions ---- */

static bool has(const struct world *w, const char *factor)
{
        return strstr(w->factors, factor) != NULL;
}

static const struct finding *finding(const struct world *w)
{
        const struct finding *f = group_by_id(w->j, w->last_id);

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        return f;
}

static struct judge_comparison compared(const struct world *w)
{
        struct judge_comparison c;

        judge_compare(w->j, finding(w), &c);
        return c;
}

static const struct judge_compared *path(const struct judge_comparison *c, const char *name)
{
        static const struct judge_compared none = {.layer = LAYER_HOST};

        for (uint32_t i = 0; i < c->npaths; i++)
                if (bytes_eq(c->paths[i].path, bytes_str(name)))
                        return &c->paths[i];
        return &none;
}

/* ---- without records ---- */

static void test_nothing(void)
{
        struct judge_comparison c;
        struct world w;
        int32_t bare;

        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        bare = w.sum;
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        c = compared(&w);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_NONE && c.nbuilds == 0 && c.nadmissions == 0 && c.npaths == 1);
        CU_ASSERT_TRUE(path(&c, "/tmp/x")->in_sbom == TRI_UNKNOWN && path(&c, "/tmp/x")->in_image == TRI_NO);
        whole_sbom(&w, "sha256:other", 1, SIGNATURE_VERIFIED); /* of another image */
        provenance(&w, AA, 2, SIGNATURE_VERIFIED, 5);          /* what is known of its building weighs nothing */
        admission(&w, AA, 3, 5);
        run(&w, "/tmp/x", LAYER_WRITE);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        CU_ASSERT_EQUAL(w.sum, bare);
        c = compared(&w);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_NONE && c.nbuilds == 1 && c.nadmissions == 1);
        world_close(&w);
}

/* ---- what an SBOM says of a path ---- */

static void test_not_listed(void)
{
        struct judge_comparison c;
        struct world w;
        int32_t bare;

        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        bare = w.sum;
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED); /* imported after it happened: it is weighed then */
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_file=6 "));
        CU_ASSERT_EQUAL(w.sum, bare + 6);
        CU_ASSERT_EQUAL(w.sum, w.total);
        c = compared(&w);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_FILES && c.sbom.packages == 2 && c.sbom.files == 3);
        CU_ASSERT_TRUE(c.sbom.cover.files == 3 && c.sbom.cover.listed == 3 && c.sbom.cover.differ == 0);
        CU_ASSERT_EQUAL(path(&c, "/tmp/x")->in_sbom, TRI_NO);
        CU_ASSERT_TRUE(path(&c, "/tmp/x")->ran && path(&c, "/tmp/x")->layer == LAYER_WRITE);
        run(&w, "/tmp/x", LAYER_WRITE); /* again: counted once */
        CU_ASSERT_EQUAL(w.sum, bare + 6);
        whole_sbom(&w, AA, 1, SIGNATURE_NONE); /* the same document, and nobody vouches for it any more */
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_file=3 "));
        whole_sbom(&w, AA, 1, SIGNATURE_UNKNOWN);
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_file=3 "));
        whole_sbom(&w, AA, 1, SIGNATURE_BAD);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        CU_ASSERT_EQUAL(w.sum, bare);
        c = compared(&w);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_BAD_SIGNATURE && path(&c, "/tmp/x")->in_sbom == TRI_UNKNOWN);
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED);
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_file=6 "));
        remove_document(&w, "", 1);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        CU_ASSERT_EQUAL(w.sum, bare);
        CU_ASSERT_EQUAL(compared(&w).sbom.state, SBOM_NONE);
        world_close(&w);
}

/* It must not be that a list of packages, or of an application's few files, is taken for one of all files. */
static void test_silent_sboms(void)
{
        struct judge_comparison c;
        struct document d;
        struct world w;

        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_package(&w, &d, "coreutils", "9.1-1");
        end_sbom(&w, &d);
        c = compared(&w);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_NO_FILES && path(&c, "/tmp/x")->in_sbom == TRI_UNKNOWN);
        begin_sbom(&w, &d, AA, 2, SIGNATURE_VERIFIED);
        add_file(&w, &d, "/app", 0, 1);
        add_file(&w, &d, "/etc/app.conf", 0, 1);
        end_sbom(&w, &d);
        c = compared(&w);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_FEW_FILES && c.sbom.cover.listed == 1 && c.sbom.others == 1);
        CU_ASSERT_EQUAL(path(&c, "/tmp/x")->in_sbom, TRI_UNKNOWN);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        begin_sbom(&w, &d, AA, 3, SIGNATURE_VERIFIED); /* something of it was left out */
        add_file(&w, &d, "/app", 0, 1);
        add_file(&w, &d, "/bin/cat", 0, 1);
        add_file(&w, &d, "/bin/su", 0, 7);
        d.ev.supply.refused = 1;
        end_sbom(&w, &d);
        c = compared(&w);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_PARTIAL && path(&c, "/tmp/x")->in_sbom == TRI_UNKNOWN);
        run(&w, "/app", LAYER_IMAGE); /* but what it does list is listed */
        c = compared(&w);
        CU_ASSERT_EQUAL(path(&c, "/app")->in_sbom, TRI_YES);
        world_close(&w);
}

static void test_contents(void)
{
        struct judge_comparison c;
        struct document d;
        struct world w;
        int32_t bare;

        learned_world(&w);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_package(&w, &d, "tools", "1");
        add_file(&w, &d, "/bin/cat", 0, 1);
        add_file(&w, &d, "/bin/su", 0, 7);
        add_file(&w, &d, "/opt/tool", 1, 5); /* that the image lacks */
        add_file(&w, &d, "/opt/plain", 0, -1);
        end_sbom(&w, &d);
        run(&w, "/opt/tool", LAYER_WRITE);
        bare = w.sum;
        c = compared(&w);
        CU_ASSERT_TRUE(path(&c, "/opt/tool")->in_sbom == TRI_YES && path(&c, "/opt/tool")->run_fits == TRI_UNKNOWN);
        CU_ASSERT_TRUE(bytes_eq(path(&c, "/opt/tool")->package, BYTES_LIT("tools")) &&
                       path(&c, "/opt/tool")->package_by_sbom);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        hash(&w, "/opt/tool", HASH_KNOWN, 5); /* told a moment later */
        CU_ASSERT_TRUE(has(&w, "sbom_lists_file=-8 "));
        CU_ASSERT_EQUAL(w.sum, bare - 8);
        CU_ASSERT_EQUAL(compared(&w).paths[0].run_fits, TRI_YES);
        CU_ASSERT_TRUE(w.confidence >= w.p.show); /* never so much that it is not shown */
        hash(&w, "/opt/tool", HASH_KNOWN, 6);
        CU_ASSERT_TRUE(has(&w, "sbom_other_content=12 ") && !has(&w, "sbom_lists_file"));
        CU_ASSERT_EQUAL(w.sum, bare + 12);
        hash(&w, "/opt/tool", HASH_KNOWN, 5); /* that it was another one once is not forgotten */
        CU_ASSERT_TRUE(has(&w, "sbom_other_content=12 ") && !has(&w, "sbom_lists_file"));
        CU_ASSERT_TRUE(compared(&w).paths[0].mixed && compared(&w).paths[0].run_fits == TRI_UNKNOWN);
        CU_ASSERT_EQUAL(w.sum, w.total);
        world_close(&w);

        learned_world(&w); /* no hash in the document, or nobody could read the file: nothing can be said */
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_file(&w, &d, "/opt/plain", 0, -1);
        add_file(&w, &d, "/opt/tool", 0, 5);
        end_sbom(&w, &d);
        run(&w, "/opt/plain", LAYER_WRITE);
        hash(&w, "/opt/plain", HASH_KNOWN, 5);
        c = compared(&w);
        CU_ASSERT_TRUE(path(&c, "/opt/plain")->in_sbom == TRI_YES && path(&c, "/opt/plain")->run_fits == TRI_UNKNOWN);
        run(&w, "/opt/tool", LAYER_WRITE);
        hash(&w, "/opt/tool", HASH_TOO_LARGE, 0);
        c = compared(&w);
        CU_ASSERT_EQUAL(path(&c, "/opt/tool")->run_fits, TRI_UNKNOWN);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        world_close(&w);
}

/* What speaks for it must be so of all that it has, be vouched for, and leave it in the queue. */
static void test_takes_bits(void)
{
        struct document d;
        struct world w;
        int32_t bare;

        for (int verified = 0; verified < 2; verified++) {
                learned_world(&w);
                begin_sbom(&w, &d, AA, 1, verified ? SIGNATURE_VERIFIED : SIGNATURE_NONE);
                add_file(&w, &d, "/opt/tool", 0, 5);
                end_sbom(&w, &d);
                run(&w, "/opt/tool", LAYER_WRITE);
                bare = w.sum;
                hash(&w, "/opt/tool", HASH_KNOWN, 5);
                CU_ASSERT_EQUAL(has(&w, "sbom_lists_file=-8 "), verified);
                CU_ASSERT_EQUAL(w.sum, verified ? bare - 8 : bare);
                run(&w, "/tmp/x", LAYER_WRITE); /* of the same lineage: and that nobody lists */
                CU_ASSERT_FALSE(has(&w, "sbom_lists_file"));
                world_close(&w);
        }
        learned_world(&w); /* what ran first was gone before anybody could read it: what is put back is not what ran */
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_file(&w, &d, "/opt/tool", 0, 5);
        end_sbom(&w, &d);
        run(&w, "/opt/tool", LAYER_WRITE);
        hash(&w, "/opt/tool", HASH_GONE, 0);
        run(&w, "/opt/tool", LAYER_WRITE);
        hash(&w, "/opt/tool", HASH_KNOWN, 5);
        CU_ASSERT_FALSE(has(&w, "sbom_lists_file"));
        CU_ASSERT_EQUAL(w.sum, w.total);
        world_close(&w);

        learned_world(&w); /* an operator who sets it to anything does not make it quiet */
        w.j->p.bits[FACTOR_SBOM_LISTS_FILE] = -400;
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_file(&w, &d, "/opt/tool", 0, 5);
        end_sbom(&w, &d);
        run(&w, "/opt/tool", LAYER_WRITE);
        hash(&w, "/opt/tool", HASH_KNOWN, 5);
        CU_ASSERT_TRUE(has(&w, "sbom_lists_file=-"));
        CU_ASSERT_TRUE(w.confidence >= w.p.show && w.confidence < w.most);
        CU_ASSERT_EQUAL(w.sum, w.total);
        run(&w, "/opt/tool", LAYER_WRITE); /* weighed again, from the same sum */
        CU_ASSERT_TRUE(w.confidence >= w.p.show);
        CU_ASSERT_EQUAL(w.sum, w.total);
        world_close(&w);
}

/* What a suppress rule hides may be too sure to be hidden: nothing takes bits of it. */
static void test_hidden(void)
{
        struct document d;
        struct world w;
        int32_t bare;

        learned_world(&w);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_file(&w, &d, "/opt/tool", 0, 5);
        end_sbom(&w, &d);
        run(&w, "/opt/tool", LAYER_WRITE);
        bare = w.sum;
        group_by_id(w.j, w.last_id)->suppressed = true;
        hash(&w, "/opt/tool", HASH_KNOWN, 5);
        CU_ASSERT_FALSE(has(&w, "sbom_lists_file"));
        CU_ASSERT_EQUAL(finding(&w)->sum_quarters, bare);
        group_by_id(w.j, w.last_id)->suppressed = false;
        hash(&w, "/opt/tool", HASH_KNOWN, 5);
        CU_ASSERT_TRUE(has(&w, "sbom_lists_file=-8 "));
        world_close(&w);
}

/* Libraries, and what people run in a session, are compared as programs of the workload are. */
static void test_loaded_and_sessions(void)
{
        struct tide_event ev = {.kind = TIDE_PRIV, .container = BYTES_LIT("c1")};
        struct judge_comparison c;
        struct world w;

        learned_world(&w);
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED);
        ev.priv.what = PRIV_MAPPED;
        ev.priv.actor = actor(301, ORIGIN_ENTRYPOINT, "/bin/init");
        ev.priv.path = BYTES_LIT("/tmp/evil.so");
        ev.priv.layer = LAYER_WRITE;
        ev.priv.change = CHANGE_ADDED;
        CU_ASSERT_EQUAL(give(&w, &ev), 0);
        CU_ASSERT_TRUE(has(&w, "mapped_write_layer=") && has(&w, "sbom_lacks_file=6 "));
        c = compared(&w);
        CU_ASSERT_TRUE(path(&c, "/tmp/evil.so")->ran && path(&c, "/tmp/evil.so")->in_sbom == TRI_NO);
        world_close(&w);

        learned_world(&w);
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED);
        run_in(&w, "c1", "/tmp/x", LAYER_WRITE, CHANGE_ADDED, ORIGIN_EXEC, 401);
        CU_ASSERT_EQUAL(finding(&w)->type, FINDING_SESSION);
        CU_ASSERT_TRUE(has(&w, "session_ran_foreign=") && has(&w, "sbom_lacks_file=6 "));
        CU_ASSERT_EQUAL(w.sum, w.total);
        world_close(&w);
}

/* ---- the image itself, its packages ---- */

static void test_image_differs(void)
{
        struct judge_comparison c;
        struct document d;
        struct world w;

        learned_world(&w);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_NONE);
        add_file(&w, &d, "/bin/cat", 0, 9); /* in the image it is 1 */
        add_file(&w, &d, "/bin/su", 0, 7);
        end_sbom(&w, &d);
        run(&w, "/bin/cat", LAYER_IMAGE);
        CU_ASSERT_TRUE(has(&w, "sbom_image_differs=8 ")); /* half of it */
        c = compared(&w);
        CU_ASSERT_TRUE(path(&c, "/bin/cat")->image_fits == TRI_NO && path(&c, "/bin/cat")->run_fits == TRI_UNKNOWN);
        CU_ASSERT_TRUE(c.sbom.cover.listed == 2 && c.sbom.cover.differ == 1);
        world_close(&w);

        learned_world(&w); /* the image's own program, that its SBOM does not list */
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_package(&w, &d, "login", "1:4.13");
        add_file(&w, &d, "/bin/su", 1, 7);
        add_file(&w, &d, "/app", 0, 1);
        end_sbom(&w, &d);
        run(&w, "/bin/cat", LAYER_IMAGE);
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_image_file=4 ") && has(&w, "sbom_lacks_package=6 "));
        CU_ASSERT_FALSE(has(&w, "sbom_lacks_file="));
        c = compared(&w);
        CU_ASSERT_TRUE(path(&c, "/bin/cat")->package_in_sbom == TRI_NO && path(&c, "/bin/cat")->sbom_version.len == 0);
        world_close(&w);
}

static void test_packages(void)
{
        static const struct {
                const char *name, *version;
                enum judge_tri listed;
                bool other;
        } rows[] = {
                {"login", "1:4.13", TRI_YES, false}, {"login", "4.13", TRI_YES, false},
                {"login", "2:4.13", TRI_NO, true},   {"login", "4.14", TRI_NO, true},
                {"coreutils", "9", TRI_NO, false},
        };
        struct judge_comparison c;
        struct document d;
        struct world w;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                learned_world(&w);
                begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
                add_package(&w, &d, "aaa", "1");
                add_package(&w, &d, rows[i].name, rows[i].version);
                end_sbom(&w, &d);
                run(&w, "/bin/su", LAYER_IMAGE); /* of login 1:4.13 */
                c = compared(&w);
                CU_ASSERT_EQUAL(path(&c, "/bin/su")->package_in_sbom, rows[i].listed);
                CU_ASSERT_EQUAL(path(&c, "/bin/su")->sbom_version.len > 0, rows[i].other);
                CU_ASSERT_EQUAL(has(&w, "sbom_lacks_package=6 "), rows[i].listed == TRI_NO);
                world_close(&w);
        }
}

/* /bin is a link to /usr/bin where the kernel names it, and the document has the old name. */
static void test_links(void)
{
        struct judge_comparison c;
        struct document d;
        struct world w;
        struct part p;

        learned_world(&w);
        begin_image(&w, AA, bytes_of(NULL, 0));
        begin_part(&p, AA, PRIOR_FILES, 0);
        put_file(&p, "/usr/bin/cat", 0, 1, 0);
        tell(&w, &p);
        end_image(&w, AA, PRIOR_COMPLETE);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_file(&w, &d, "/bin/cat", 0, 1);
        add_file(&w, &d, "/bin/tool", 0, 1);
        end_sbom(&w, &d);
        run(&w, "/usr/bin/cat", LAYER_IMAGE);
        c = compared(&w);
        CU_ASSERT_TRUE(path(&c, "/usr/bin/cat")->in_sbom == TRI_YES && path(&c, "/usr/bin/cat")->image_fits == TRI_YES);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_FILES && c.sbom.files == 2 && c.sbom.cover.listed == 1);
        run(&w, "/usr/bin/tool", LAYER_WRITE); /* what the image does not have there is not that file */
        c = compared(&w);
        CU_ASSERT_EQUAL(path(&c, "/usr/bin/tool")->in_sbom, TRI_NO);
        world_close(&w);
}

/* A volume's programs are no image's; very long names are not kept whole. */
static void test_not_asked(void)
{
        struct judge_comparison c;
        char name[600];
        struct world w;

        learned_world(&w);
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED);
        run(&w, "/vol/tool", LAYER_MOUNT);
        c = compared(&w);
        CU_ASSERT_EQUAL(path(&c, "/vol/tool")->in_sbom, TRI_UNKNOWN);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        memset(name, 'n', sizeof(name) - 1);
        name[0] = '/';
        name[sizeof(name) - 1] = '\0';
        run(&w, name, LAYER_WRITE);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        run(&w, "memfd", LAYER_MEMFD);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        CU_ASSERT_EQUAL(compared(&w).npaths, 1);
        world_close(&w);
}

/* ---- which records are an image's ---- */

static void test_waiting(void)
{
        struct judge_comparison c;
        struct judge_stats st;
        struct world w;

        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        whole_sbom(&w, MANIFEST, 1, SIGNATURE_VERIFIED);
        provenance(&w, MANIFEST, 2, SIGNATURE_VERIFIED, 5);
        CU_ASSERT_FALSE(has(&w, "sbom_")); /* nobody has said that it is this image */
        judge_stats(w.j, &st);
        CU_ASSERT_TRUE(st.records == 2 && st.records_waiting == 1 && st.records_bytes > 0);
        tell_manifest(&w, MANIFEST);
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_file=6 "));
        judge_stats(w.j, &st);
        CU_ASSERT_EQUAL(st.records_waiting, 0);
        c = compared(&w);
        CU_ASSERT_TRUE(bytes_eq(c.sbom.digest, BYTES_LIT(MANIFEST)) && bytes_eq(c.manifest, BYTES_LIT(MANIFEST)));
        CU_ASSERT_EQUAL(c.nbuilds, 1);
        restore(&w); /* the container may be gone by then: the workload knows */
        c = compared(&w);
        CU_ASSERT_TRUE(c.sbom.state == SBOM_FILES && c.nbuilds == 1);
        world_close(&w);
}

/* Of a digest of each kind, and of several documents. */
static void test_best(void)
{
        struct judge_comparison c;
        struct document d;
        struct world w;

        learned_world(&w);
        tell_manifest(&w, MANIFEST);
        run(&w, "/tmp/x", LAYER_WRITE);
        whole_sbom(&w, AA, 1, SIGNATURE_NONE);
        whole_sbom(&w, MANIFEST, 2, SIGNATURE_VERIFIED);
        c = compared(&w);
        CU_ASSERT_TRUE(bytes_eq(c.sbom.digest, BYTES_LIT(MANIFEST)) && c.sbom.others == 1);
        begin_sbom(&w, &d, MANIFEST, 3, SIGNATURE_VERIFIED); /* later, but packages alone */
        add_package(&w, &d, "coreutils", "9.1-1");
        end_sbom(&w, &d);
        CU_ASSERT_EQUAL(compared(&w).sbom.state, SBOM_FILES);
        remove_document(&w, MANIFEST, 2);
        c = compared(&w);
        CU_ASSERT_TRUE(bytes_eq(c.sbom.digest, BYTES_LIT(AA)) && c.sbom.others == 1);
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_file=3 "));
        remove_document(&w, AA, 1);
        CU_ASSERT_EQUAL(compared(&w).sbom.state, SBOM_NOT_KEPT); /* the one of packages: once it is imported again */
        /* provenance: verified before later, admissions: the latest */
        provenance(&w, AA, 10, SIGNATURE_NONE, 300);
        provenance(&w, MANIFEST, 11, SIGNATURE_VERIFIED, 100);
        provenance(&w, AA, 12, SIGNATURE_VERIFIED, 200);
        provenance(&w, AA, 13, SIGNATURE_BAD, 400);
        for (int i = 0; i < 20; i++)
                admission(&w, AA, (uint8_t)(20 + i), 1000 + i);
        c = compared(&w);
        CU_ASSERT_TRUE(c.nbuilds == 4 && c.builds[0].when_ns == 200 && c.builds[1].when_ns == 100 &&
                       c.builds[2].when_ns == 300 && c.builds[3].signature == SIGNATURE_BAD);
        CU_ASSERT_TRUE(c.nadmissions == JUDGE_ADMISSIONS && c.admissions_more == 4 && c.admissions[0].when_ns == 1019);
        world_close(&w);
}

/* ---- limits, damage, restart ---- */

static void test_malformed(void)
{
        struct document d, other;
        struct world w;

        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        begin_document(&d, AA, 1, SIGNATURE_VERIFIED, SUPPLY_FILES); /* without a beginning */
        add_file(&w, &d, "/app", 0, 1);
        end_sbom(&w, &d);
        CU_ASSERT_EQUAL(compared(&w).sbom.state, SBOM_NONE);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        add_file(&w, &d, "/app", 99, 1); /* of a package that was not told */
        d.files = 7;                     /* some are missing */
        add_file(&w, &d, "/bin/cat", 0, 1);
        begin_document(&other, AA, 2, SIGNATURE_VERIFIED, SUPPLY_FILES); /* of another document */
        add_file(&w, &other, "/bin/su", 0, 1);
        buf_release(&other.list);
        end_sbom(&w, &d);
        CU_ASSERT_EQUAL(compared(&w).sbom.state, SBOM_PARTIAL); /* its end says that there were more */
        CU_ASSERT_EQUAL(compared(&w).sbom.files, 1);
        begin_sbom(&w, &d, AA, 3, SIGNATURE_VERIFIED); /* without an end */
        add_file(&w, &d, "/app", 0, 1);
        buf_release(&d.list);
        CU_ASSERT_EQUAL(compared(&w).sbom.files, 1);
        CU_ASSERT_FALSE(judge_settled(w.j));
        remove_document(&w, AA, 3);
        CU_ASSERT_TRUE(judge_settled(w.j));
        world_close(&w);
}

static void limited(struct world *w, uint32_t images, uint32_t entries)
{
        world_open(w);
        judge_free(w->j);
        w->p.max_records = images;
        w->p.max_record_entries = entries;
        CU_ASSERT_EQUAL_FATAL(judge_new(&w->p, &ops, w, &w->j), 0);
}

static void test_limits(void)
{
        struct judge_stats st;
        struct world w;

        limited(&w, 2, 100);
        start(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED); /* in use, and the oldest */
        whole_sbom(&w, "sha256:bb", 2, SIGNATURE_VERIFIED);
        whole_sbom(&w, "sha256:cc", 3, SIGNATURE_VERIFIED);
        judge_stats(w.j, &st);
        CU_ASSERT_TRUE(st.records == 2 && st.records_waiting == 1 && st.records_dropped == 1);
        CU_ASSERT_EQUAL(compared(&w).sbom.state, SBOM_FILES);
        for (size_t i = 0;;) { /* nothing of bb is left in the store */
                struct bytes key;
                void *value;

                if (!map_next(w.pieces, &i, &key, &value))
                        break;
                CU_ASSERT_TRUE(key.len < 14 || memcmp(key.p + 5, "sha256:bb", 9) != 0);
        }
        world_close(&w);

        limited(&w, 3, 100); /* a cluster's admissions take nobody's place who is to come */
        start(&w);
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED);
        whole_sbom(&w, "sha256:bb", 2, SIGNATURE_VERIFIED);
        for (uint8_t i = 0; i < 5; i++) {
                const char *const images[] = {"sha256:p", "sha256:q", "sha256:r", "sha256:s", "sha256:t"};

                admission(&w, images[i], (uint8_t)(10 + i), 5);
        }
        judge_stats(w.j, &st);
        CU_ASSERT_TRUE(st.records == 3 && st.records_dropped == 4 && st.records_refused == 0);
        CU_ASSERT_PTR_NOT_NULL(map_get(w.j->supply.sboms, BYTES_LIT("sha256:bb")));
        whole_sbom(&w, "sha256:cc", 3, SIGNATURE_VERIFIED); /* what only was admitted makes room */
        CU_ASSERT_PTR_NOT_NULL(map_get(w.j->supply.sboms, BYTES_LIT("sha256:bb")));
        admission(&w, "sha256:u", 20, 5);
        judge_stats(w.j, &st);
        CU_ASSERT_TRUE(st.records == 3 && st.records_refused == 1);
        CU_ASSERT_PTR_NOT_NULL(map_get(w.j->supply.sboms, BYTES_LIT("sha256:bb")));
        whole_sbom(&w, "sha256:dd", 4, SIGNATURE_VERIFIED); /* the oldest of those that wait */
        CU_ASSERT_PTR_NULL(map_get(w.j->supply.sboms, BYTES_LIT("sha256:bb")));
        CU_ASSERT_PTR_NOT_NULL(map_get(w.j->supply.sboms, BYTES_LIT(AA)));
        world_close(&w);

        limited(&w, 2, 2); /* three files do not fit: what is there is in part */
        start(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED);
        CU_ASSERT_EQUAL(compared(&w).sbom.state, SBOM_PARTIAL);
        CU_ASSERT_EQUAL(compared(&w).sbom.files, 2);
        CU_ASSERT_FALSE(has(&w, "sbom_"));
        world_close(&w);
}

/* More than one piece of each, back again in another life. */
static void test_pieces(void)
{
        static uint64_t before[64], after[64];
        struct document d;
        struct world w;
        size_t n;
        char name[64], pad[200];

        memset(pad, 'v', sizeof(pad) - 1);
        pad[sizeof(pad) - 1] = '\0';
        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        begin_sbom(&w, &d, AA, 1, SIGNATURE_VERIFIED);
        for (int i = 0; i < 400; i++) {
                snprintf(name, sizeof(name), "package-%d", i);
                add_package(&w, &d, name, pad);
        }
        for (int k = 0; k < 10; k++)
                add_files(&w, &d, 450);
        add_file(&w, &d, "/bin/cat", 1, 1);
        add_file(&w, &d, "/bin/su", 2, 7);
        end_sbom(&w, &d);
        provenance(&w, AA, 2, SIGNATURE_VERIFIED, 5);
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_file=6 "));
        n = digest(w.j, before, 64);
        CU_ASSERT_TRUE(n > 8);
        restore(&w);
        CU_ASSERT_EQUAL(digest(w.j, after, 64), n);
        CU_ASSERT_EQUAL(memcmp(before, after, n * sizeof(before[0])), 0);
        CU_ASSERT_TRUE(compared(&w).sbom.state == SBOM_FILES && compared(&w).sbom.files == 4502);
        run(&w, "/usr/share/file-77", LAYER_WRITE);
        CU_ASSERT_TRUE(has(&w, "sbom_lacks_file=6 "));
        hash(&w, "/usr/share/file-77", HASH_KNOWN, 77);
        for (uint32_t i = 0; i < compared(&w).npaths; i++)
                if (bytes_eq(compared(&w).paths[i].path, BYTES_LIT("/usr/share/file-77"))) {
                        struct judge_comparison c = compared(&w);

                        CU_ASSERT_TRUE(c.paths[i].in_sbom == TRI_YES && c.paths[i].run_fits == TRI_YES);
                        CU_ASSERT_TRUE(bytes_eq(c.paths[i].package, BYTES_LIT("package-77")));
                }
        world_close(&w);
}

/* A piece that is missing: nothing of the SBOM is believed. */
static void test_torn_pieces(void)
{
        struct judge_comparison c;
        struct judge *fresh;
        struct world w;
        struct buf b;
        struct rd r;

        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        whole_sbom(&w, AA, 1, SIGNATURE_VERIFIED);
        dump(w.j, &b);
        for (int left_out = 0; left_out < 3; left_out++) {
                int n = 0;

                CU_ASSERT_EQUAL_FATAL(judge_new(&w.p, &ops, &w, &fresh), 0);
                rd_init(&r, b.p, b.len);
                while (rd_left(&r)) {
                        uint32_t what = rd_u32(&r);
                        struct bytes key = rd_bytes(&r), blob = rd_bytes(&r);

                        if (what != PIECE_SUPPLY || n++ != left_out)
                                CU_ASSERT_EQUAL(judge_restore(fresh, (enum judge_piece)what, key, blob), 0);
                }
                CU_ASSERT_EQUAL(n, 3);
                judge_compare(fresh, group_by_id(fresh, w.last_id), &c);
                CU_ASSERT_EQUAL(c.sbom.state, left_out ? SBOM_PARTIAL : SBOM_NOT_KEPT);
                CU_ASSERT_EQUAL(c.paths[0].in_sbom, TRI_UNKNOWN);
                judge_free(fresh);
        }
        buf_release(&b);
        world_close(&w);
}

/* The same events give the same pieces, with records among them wherever they come. */
static void story(struct world *w)
{
        learned_world(w);
        provenance(w, AA, 9, SIGNATURE_VERIFIED, 5);
        whole_sbom(w, MANIFEST, 1, SIGNATURE_VERIFIED);
        run(w, "/tmp/x", LAYER_WRITE);
        tell_manifest(w, MANIFEST);
        hash(w, "/tmp/x", HASH_KNOWN, 5);
        run(w, "/bin/cat", LAYER_IMAGE);
        admission(w, AA, 7, 5);
        remove_document(w, AA, 9);
}

static void test_replay(void)
{
        struct world a, b;
        struct buf da, db;

        story(&a);
        story(&b);
        dump(a.j, &da);
        dump(b.j, &db);
        CU_ASSERT_TRUE(bytes_eq(buf_bytes(&da), buf_bytes(&db)));
        buf_release(&da);
        buf_release(&db);
        world_close(&a);
        world_close(&b);
}

/* The content of what ran stays with the finding, over a restart too. */
static void test_content_kept(void)
{
        const struct finding *f;
        struct world w;

        learned_world(&w);
        run(&w, "/tmp/x", LAYER_WRITE);
        CU_ASSERT_FALSE(finding(&w)->signals[0].hashed);
        hash(&w, "/tmp/x", HASH_KNOWN, 5);
        restore(&w);
        f = finding(&w);
        CU_ASSERT_TRUE(f->signals[0].hashed && f->signals[0].sha256[0] == 5);
        hash(&w, "/tmp/x", HASH_UNREADABLE, 0);
        CU_ASSERT_FALSE(finding(&w)->signals[0].hashed);
        world_close(&w);
}

static const struct unit_case cases[] = {
        {"without records nothing changes, and of other images neither", test_nothing},
        {"what an SBOM does not list counts by its signature", test_not_listed},
        {"an SBOM that lists little says nothing by what it lacks", test_silent_sboms},
        {"the content of what ran is compared when it is told", test_contents},
        {"what is listed takes bits within bounds", test_takes_bits},
        {"nothing takes bits of what is hidden", test_hidden},
        {"what is loaded, and what sessions run", test_loaded_and_sessions},
        {"an image that is not as its SBOM says", test_image_differs},
        {"packages are compared by name and version", test_packages},
        {"names by way of a link", test_links},
        {"volumes and names that are not kept are not asked for", test_not_asked},
        {"records wait for a container that names their image", test_waiting},
        {"of several documents the best counts", test_best},
        {"what does not fit together is not believed", test_malformed},
        {"images and files have a limit, and what runs is kept", test_limits},
        {"what was saved makes the same tables again", test_pieces},
        {"of an SBOM with a piece missing nothing is believed", test_torn_pieces},
        {"the same events give the same bytes", test_replay},
        {"the content of what ran stays with the finding", test_content_kept},
};
UNIT_MAIN("compare", cases)
