/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store: what is put is got, transactions, kill -9 at any moment, damage, and databases that are not ours. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/err.h"
#include "tidemark/store.h"

static char dir[64];

static const char *db_path(const char *tail)
{
        static char path[128];

        snprintf(path, sizeof(path), "%s/tidemark.db%s", dir, tail);
        return path;
}

static void fresh_dir(void)
{
        snprintf(dir, sizeof(dir), "/tmp/tidemark-store-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static void remove_dir(void)
{
        unlink(db_path(""));
        unlink(db_path("-wal"));
        unlink(db_path("-shm"));
        rmdir(dir);
}

static struct store *open_store(void)
{
        struct store *s = NULL;
        const char *why = NULL;

        CU_ASSERT_EQUAL_FATAL(store_open(dir, &s, &why), 0);
        return s;
}

struct seen {
        int n;
        char keys[256];
};

static int on_piece(struct bytes key, struct bytes blob, void *arg)
{
        struct seen *s = arg;

        (void)blob;
        s->n++;
        strncat(s->keys, (const char *)key.p, key.len);
        return 0;
}

static void test_pieces(void)
{
        struct store *s;
        struct seen seen = {0};
        struct bytes blob;
        struct stat st;

        fresh_dir();
        s = open_store();
        CU_ASSERT_EQUAL(store_put(s, 1, BYTES_LIT("b"), BYTES_LIT("two")), 0);
        CU_ASSERT_EQUAL(store_put(s, 1, BYTES_LIT("a"), BYTES_LIT("one")), 0);
        CU_ASSERT_EQUAL(store_put(s, 2, BYTES_LIT("a"), BYTES_LIT("other kind")), 0);
        CU_ASSERT_EQUAL(store_put(s, 1, BYTES_LIT("a"), BYTES_LIT("last word\0with a zero")), 0);
        CU_ASSERT_EQUAL(store_pending(s), 3);
        CU_ASSERT_EQUAL(store_get(s, 1, BYTES_LIT("a"), &blob), -ENOENT); /* only what is committed is shown */
        CU_ASSERT_EQUAL(store_commit(s, true), 0);
        CU_ASSERT_FALSE(store_dirty(s));
        CU_ASSERT_EQUAL(store_get(s, 1, BYTES_LIT("a"), &blob), 0);
        CU_ASSERT_TRUE(bytes_eq(blob, BYTES_LIT("last word\0with a zero")));
        CU_ASSERT_EQUAL(store_each(s, 1, on_piece, &seen), 0);
        CU_ASSERT_EQUAL(seen.n, 2);
        CU_ASSERT_STRING_EQUAL(seen.keys, "ab");
        CU_ASSERT_EQUAL(store_put(s, 1, BYTES_LIT("a"), bytes_of(NULL, 0)), 0);
        store_close(s); /* commits */
        s = open_store();
        CU_ASSERT_EQUAL(store_get(s, 1, BYTES_LIT("a"), &blob), -ENOENT);
        CU_ASSERT_EQUAL(store_get(s, 1, BYTES_LIT("b"), &blob), 0);
        CU_ASSERT_EQUAL(stat(db_path(""), &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
        store_close(s);
        remove_dir();
}

/*
 * A child commits pieces 1, 2, 3, … each replacing a counter as well, and says each number when it is committed. It is
 * killed in the midst. Whatever was said is there, and the counter is of the same transaction as the last piece.
 */
static void child(int fd)
{
        struct store *s = open_store();

        for (uint32_t i = 1;; i++) {
                if (store_put(s, 1, bytes_of(&i, sizeof(i)), bytes_of(&i, sizeof(i))) < 0 ||
                    store_put(s, 2, BYTES_LIT("counter"), bytes_of(&i, sizeof(i))) < 0 ||
                    store_commit(s, i % 16 == 0) < 0 || write(fd, &i, sizeof(i)) != sizeof(i))
                        _exit(1);
        }
}

static int count_piece(struct bytes key, struct bytes blob, void *arg)
{
        CU_ASSERT_TRUE(bytes_eq(key, blob));
        ++*(uint32_t *)arg;
        return 0;
}

static void test_kill(void)
{
        for (unsigned round = 0; round < 12; round++) {
                uint32_t said = 0, got, counter = 0, pieces = 0;
                struct bytes blob;
                struct store *s;
                int p[2];
                pid_t pid;

                fresh_dir();
                CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
                pid = fork();
                if (pid == 0)
                        child(p[1]);
                close(p[1]);
                while (said < 5 + round * 37 && read(p[0], &got, sizeof(got)) == sizeof(got))
                        said = got;
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                while (read(p[0], &got, sizeof(got)) == sizeof(got))
                        said = got;
                close(p[0]);
                s = open_store();
                CU_ASSERT_EQUAL(store_each(s, 1, count_piece, &pieces), 0);
                CU_ASSERT_EQUAL(store_get(s, 2, BYTES_LIT("counter"), &blob), 0);
                memcpy(&counter, blob.p, sizeof(counter));
                CU_ASSERT_TRUE(pieces >= said);
                CU_ASSERT_TRUE(pieces <= said + 1);
                CU_ASSERT_EQUAL(counter, pieces);
                store_close(s);
                remove_dir();
        }
}

static void expect_refusal(int want, const char *word)
{
        struct store *s = NULL;
        const char *why = NULL;
        int r = store_open(dir, &s, &why);

        CU_ASSERT_EQUAL(r, want);
        CU_ASSERT_PTR_NULL(s);
        CU_ASSERT_PTR_NOT_NULL_FATAL(why);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, word));
}

static void write_db(const void *p, size_t len)
{
        int fd = open(db_path(""), O_WRONLY | O_CREAT | O_TRUNC, 0600);

        CU_ASSERT_EQUAL(write(fd, p, len), (ssize_t)len);
        close(fd);
}

static void test_refused(void)
{
        static const char text[4096] = "this is no database, whatever its name";
        struct stat st;
        sqlite3 *db;

        fresh_dir();
        write_db(text, sizeof(text));
        expect_refusal(-EUCLEAN, "no database");
        CU_ASSERT_EQUAL(stat(db_path(""), &st), 0);
        CU_ASSERT_EQUAL(st.st_size, sizeof(text)); /* left as it was */
        unlink(db_path(""));
        CU_ASSERT_EQUAL(sqlite3_open(db_path(""), &db), SQLITE_OK);
        CU_ASSERT_EQUAL(sqlite3_exec(db, "CREATE TABLE x (y); PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        expect_refusal(ERR_SCHEMA, "newer version");
        remove_dir();
        expect_refusal(-EIO, "cannot be opened");
}

/* The file was cut behind our back: an error, not a crash, and nothing is deleted. */
static void test_truncated(void)
{
        struct store *s;
        struct seen seen = {0};
        char big[2000];
        struct stat st;
        const char *why;
        int r;

        fresh_dir();
        memset(big, 'x', sizeof(big));
        s = open_store();
        for (uint32_t i = 0; i < 200; i++)
                CU_ASSERT_EQUAL(store_put(s, 1, bytes_of(&i, sizeof(i)), bytes_of(big, sizeof(big))), 0);
        store_close(s);
        CU_ASSERT_EQUAL(stat(db_path(""), &st), 0);
        CU_ASSERT_EQUAL(truncate(db_path(""), st.st_size / 2), 0);
        s = NULL;
        r = store_open(dir, &s, &why);
        if (r == 0) {
                r = store_each(s, 1, on_piece, &seen);
                store_close(s);
        }
        CU_ASSERT_EQUAL(r, -EUCLEAN);
        CU_ASSERT_EQUAL(stat(db_path(""), &st), 0);
        remove_dir();
}

static const struct unit_case cases[] = {
        {"pieces are put, replaced, deleted and kept", test_pieces},
        {"what was acknowledged survives kill -9", test_kill},
        {"what is not ours is refused and left alone", test_refused},
        {"a cut database is told", test_truncated},
};
UNIT_MAIN("store", cases)
