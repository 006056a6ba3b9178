/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The merged view of layers, on directories of our own. Whiteouts and opaque marks need root; without it what needs
 * them is left out. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tidemark/imagetree.h"

static char top[64];

static const char *at(const char *path)
{
        static char full[4][256];
        static unsigned i;

        i = (i + 1) % 4;
        snprintf(full[i], sizeof(full[i]), "%s/%s", top, path);
        return full[i];
}

static void make(const char *path)
{
        CU_ASSERT_FATAL(mkdir(at(path), 0755) == 0 || errno == EEXIST);
}

static void put(const char *path, const char *text)
{
        int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC, 0755);

        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT_FATAL(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        close(fd);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
        (void)st, (void)type, (void)f;
        return remove(path);
}

static void begin(void)
{
        strcpy(top, "/tmp/tidemark-tree-XXXXXX");
        CU_ASSERT_FATAL(mkdtemp(top) != NULL);
        make("up");
        make("low");
}

static void end(void)
{
        CU_ASSERT_EQUAL(nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* " path@layer" each, in any order; and what was noted. */
struct seen {
        char text[8192], notes[4096];
        unsigned n, stop_at;
};

static int on_entry(const struct imagetree_entry *e, void *arg)
{
        struct seen *s = arg;
        size_t n = strlen(s->text);
        struct stat st;

        CU_ASSERT_EQUAL(fstatat(e->dir, e->name, &st, AT_SYMLINK_NOFOLLOW), 0);
        CU_ASSERT_EQUAL(st.st_ino, e->st.st_ino);
        snprintf(s->text + n, sizeof(s->text) - n, " %.*s@%u ", (int)e->path.len, (const char *)e->path.p, e->layer);
        return ++s->n == s->stop_at ? -ECANCELED : 0;
}

static void on_note(const char *words, void *arg)
{
        struct seen *s = arg;
        size_t n = strlen(s->notes);

        snprintf(s->notes + n, sizeof(s->notes) - n, "%s\n", words);
}

static const struct imagetree_ops ops = {.entry = on_entry, .note = on_note};

static int walk(struct seen *s, uint64_t entries, uint32_t waiting, struct imagetree_stats *st)
{
        const char *lower[] = {at("up"), at("low")};
        struct imagetree_limits limits = {.entries = entries, .waiting = waiting};

        memset(s, 0, sizeof(*s));
        return imagetree_walk(lower, 2, &limits, &ops, s, st);
}

static bool has(const struct seen *s, const char *one)
{
        return strstr(s->text, one) != NULL;
}

static void test_merged(void)
{
        struct imagetree_stats st;
        struct seen s;

        begin();
        make("up/bin");
        make("low/bin");
        make("low/bin/deep");
        make("low/only");
        put("up/bin/both", "new");
        put("low/bin/both", "old");
        put("low/bin/below", "x");
        put("low/bin/deep/file", "x");
        put("low/only/file", "x");
        put("up/shadow", "a file");
        make("low/shadow");
        put("low/shadow/hidden", "x");
        CU_ASSERT_EQUAL(symlink("bin", at("low/sbin")), 0);
        CU_ASSERT_EQUAL(symlink("loop", at("low/loop")), 0);
        CU_ASSERT_EQUAL(mkfifo(at("low/fifo"), 0755), 0);
        CU_ASSERT_EQUAL(walk(&s, 1000, 100, &st), 0);
        CU_ASSERT_TRUE(st.complete);
        CU_ASSERT_STRING_EQUAL(s.notes, "");
        CU_ASSERT_TRUE(has(&s, " bin/both@0 ") && !has(&s, " bin/both@1 "));
        CU_ASSERT_TRUE(has(&s, " bin/below@1 ") && has(&s, " bin/deep/file@1 ") && has(&s, " only/file@1 "));
        CU_ASSERT_TRUE(has(&s, " shadow@0 ") && !has(&s, "hidden"));
        CU_ASSERT_TRUE(has(&s, " sbin@1 ") && has(&s, " loop@1 ") && !has(&s, "sbin/"));
        CU_ASSERT_FALSE(has(&s, "fifo"));
        end();
}

static void test_hidden(void)
{
        struct imagetree_stats st;
        struct seen s;

        begin();
        make("up/dir");
        make("low/dir");
        put("low/gone", "x");
        put("low/dir/old", "x");
        put("up/dir/new", "x");
        make("low/tree");
        put("low/tree/file", "x");
        if (mknod(at("up/gone"), S_IFCHR, makedev(0, 0)) < 0 || mknod(at("up/tree"), S_IFCHR, makedev(0, 0)) < 0 ||
            setxattr(at("up/dir"), "trusted.overlay.opaque", "y", 1, 0) < 0) {
                end();
                return; /* not root, or a file system without such attributes */
        }
        CU_ASSERT_EQUAL(walk(&s, 1000, 100, &st), 0);
        CU_ASSERT_FALSE(has(&s, "gone") || has(&s, "dir/old") || has(&s, "tree"));
        CU_ASSERT_TRUE(has(&s, " dir/new@0 "));
        end();
}

/* What is cut is said, and the walk ends. */
static void test_limits(void)
{
        struct imagetree_stats st;
        struct seen s;
        char name[32];

        begin();
        for (int i = 0; i < 50; i++) {
                snprintf(name, sizeof(name), "low/d%d", i);
                make(name);
                snprintf(name, sizeof(name), "low/d%d/f", i);
                put(name, "x");
        }
        CU_ASSERT_EQUAL(walk(&s, 30, 100, &st), 0);
        CU_ASSERT_TRUE(!st.complete && strstr(s.notes, "too many entries"));
        CU_ASSERT_EQUAL(walk(&s, 1000, 10, &st), 0);
        CU_ASSERT_TRUE(!st.complete && strstr(s.notes, "too many directories") && s.n == 10);
        memset(&s, 0, sizeof(s));
        s.stop_at = 3;
        {
                const char *lower[] = {at("low")};
                struct imagetree_limits limits = {.entries = 1000, .waiting = 100};

                CU_ASSERT_EQUAL(imagetree_walk(lower, 1, &limits, &ops, &s, &st), -ECANCELED);
        }
        CU_ASSERT_EQUAL(s.n, 3);
        end();
}

static void test_missing(void)
{
        struct imagetree_limits limits = {.entries = 1000, .waiting = 100};
        const char *lower[2];
        struct imagetree_stats st;
        struct seen s;

        begin();
        put("low/file", "x");
        lower[0] = "/nonexistent/layer";
        lower[1] = at("low");
        memset(&s, 0, sizeof(s));
        CU_ASSERT_EQUAL(imagetree_walk(lower, 2, &limits, &ops, &s, &st),
                        0); /* the rest is told, and that it is not all */
        CU_ASSERT_TRUE(!st.complete && has(&s, " file@1 ") && strstr(s.notes, "layer 1 of 2"));
        CU_ASSERT_EQUAL(imagetree_walk(lower, 1, &limits, &ops, &s, &st), -ENOENT);
        CU_ASSERT_EQUAL(imagetree_walk(lower, 0, &limits, &ops, &s, &st), -EINVAL);
        end();
}

static const struct unit_case cases[] = {
        {"upper layers win, directories are merged", test_merged},
        {"whiteouts and opaque directories hide", test_hidden},
        {"what is cut is said", test_limits},
        {"a layer that is gone is said", test_missing},
};
UNIT_MAIN("imagetree", cases)
