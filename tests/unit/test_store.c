/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store: what is put is got, transactions, kill -9 at any moment, damage, and databases that are not ours. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
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

/* Any moment: some after so many acknowledgements, some after so many microseconds. */
static uint32_t kill_child(unsigned round)
{
        struct timespec moment = {.tv_nsec = (long)(round * 2654435761u % 25000) * 1000};
        uint32_t said = 0, got;
        int p[2];
        pid_t pid;

        CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
        pid = fork();
        if (pid == 0)
                child(p[1]);
        close(p[1]);
        if (round % 2)
                nanosleep(&moment, NULL); /* not to wait for anything: to be anywhere in what it does */
        while (round % 2 == 0 && said < 5 + round * 37 && read(p[0], &got, sizeof(got)) == sizeof(got))
                said = got;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(p[0], &got, sizeof(got)) == sizeof(got))
                said = got;
        close(p[0]);
        return said;
}

static void test_kill(void)
{
        for (unsigned round = 0; round < 40; round++) {
                uint32_t said, counter = 0, pieces = 0;
                struct bytes blob;
                struct store *s;

                fresh_dir();
                said = kill_child(round);
                s = open_store();
                CU_ASSERT_EQUAL(store_each(s, 1, count_piece, &pieces), 0);
                if (store_get(s, 2, BYTES_LIT("counter"), &blob) == 0)
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

static void make_db(const char *sql)
{
        sqlite3 *db;

        unlink(db_path(""));
        CU_ASSERT_EQUAL(sqlite3_open(db_path(""), &db), SQLITE_OK);
        CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void test_refused(void)
{
        static char text[4096] = "this is no database, whatever its name", back[sizeof(text)];
        struct stat before, after;
        int fd;

        fresh_dir();
        write_db(text, sizeof(text));
        expect_refusal(-EUCLEAN, "no database");
        fd = open(db_path(""), O_RDONLY);
        CU_ASSERT_EQUAL(read(fd, back, sizeof(back)), (ssize_t)sizeof(back));
        CU_ASSERT_EQUAL(memcmp(text, back, sizeof(back)), 0); /* left as it was */
        close(fd);
        make_db("CREATE TABLE x (y); PRAGMA user_version = 2");
        CU_ASSERT_EQUAL(stat(db_path(""), &before), 0);
        expect_refusal(ERR_SCHEMA, "newer version");
        CU_ASSERT_EQUAL(stat(db_path(""), &after), 0);
        CU_ASSERT_EQUAL(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
        make_db("CREATE TABLE browser_history (y)");
        expect_refusal(ERR_FOREIGN, "another program");
        make_db("CREATE TABLE x (y); PRAGMA user_version = 1");
        expect_refusal(-EIO, "not as expected");
        remove_dir();
        expect_refusal(-ENOENT, "directory");
}

static void test_untrusted(void)
{
        fresh_dir();
        store_close(open_store());
        CU_ASSERT_EQUAL(chmod(db_path(""), 0620), 0);
        expect_refusal(ERR_UNTRUSTED, "others may write");
        CU_ASSERT_EQUAL(chmod(db_path(""), 0600), 0);
        if (geteuid() == 0) {
                CU_ASSERT_EQUAL(chown(db_path(""), 65534, 65534), 0);
                expect_refusal(ERR_UNTRUSTED, "another user");
        }
        unlink(db_path(""));
        CU_ASSERT_EQUAL(symlink("/etc/passwd", db_path("")), 0);
        expect_refusal(ERR_UNTRUSTED, "no regular file");
        unlink(db_path(""));
        CU_ASSERT_EQUAL(mkdir(db_path(""), 0700), 0);
        expect_refusal(ERR_UNTRUSTED, "no regular file");
        rmdir(db_path(""));
        remove_dir();
}

/* As an ordinary user, whom permission bits hold. */
static int as_user(int (*what)(void))
{
        int status = -1;
        pid_t pid;

        CU_ASSERT_EQUAL(chmod(dir, 0700), 0);
        if (geteuid() == 0)
                CU_ASSERT_EQUAL(chown(dir, 65534, 65534), 0);
        pid = fork();
        if (pid == 0) {
                if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
                        _exit(99);
                _exit(what());
        }
        waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int try_unwritable(void)
{
        struct store *s = NULL;
        const char *why = "";

        if (store_open(dir, &s, &why) < 0)
                return 1;
        store_close(s);
        if (chmod(db_path(""), 0400) < 0 || store_open(dir, &s, &why) != -EACCES || !strstr(why, "cannot be written"))
                return 2;
        if (chmod(dir, 0500) < 0 || store_open(dir, &s, &why) != -EACCES || !strstr(why, "directory cannot be written"))
                return 3;
        return chmod(dir, 0700) < 0 ? 4 : 0;
}

static void test_unwritable(void)
{
        fresh_dir();
        CU_ASSERT_EQUAL(as_user(try_unwritable), 0);
        remove_dir();
}

/* No room: nothing of the transaction is stored, all of it waits, and is stored when there is room again. */
static int try_no_room(void)
{
        struct rlimit none = {.rlim_cur = 100 * 1024, .rlim_max = RLIM_INFINITY}, all = none;
        static char big[3000];
        struct bytes blob;
        struct store *s;
        const char *why;

        signal(SIGXFSZ, SIG_IGN);
        all.rlim_cur = RLIM_INFINITY;
        if (store_open(dir, &s, &why) < 0 || store_put(s, 1, BYTES_LIT("first"), BYTES_LIT("x")) < 0 ||
            store_commit(s, false) < 0 || setrlimit(RLIMIT_FSIZE, &none) < 0)
                return 1;
        for (uint32_t i = 0; i < 200; i++)
                if (store_put(s, 2, bytes_of(&i, sizeof(i)), bytes_of(big, sizeof(big))) < 0)
                        return 2;
        for (int i = 0; i < 3; i++)
                if (store_commit(s, i == 1) >= 0 || store_pending(s) != 200)
                        return 3;
        if (store_get(s, 1, BYTES_LIT("first"), &blob) < 0 || blob.len != 1 ||
            store_get(s, 2, bytes_of("\0\0\0", 4), &blob) != -ENOENT)
                return 4;
        if (setrlimit(RLIMIT_FSIZE, &all) < 0 || store_commit(s, true) < 0 || store_dirty(s))
                return 5;
        store_close(s);
        if (store_open(dir, &s, &why) < 0 || store_get(s, 2, bytes_of("\307\0\0", 4), &blob) < 0 || blob.len != 3000)
                return 6;
        store_close(s);
        return 0;
}

static void test_no_room(void)
{
        fresh_dir();
        CU_ASSERT_EQUAL(as_user(try_no_room), 0);
        remove_dir();
}

/* Somebody else holds the database: the commit says so soon, and is done later. */
static void test_busy(void)
{
        struct store *s;
        sqlite3 *db;

        fresh_dir();
        s = open_store();
        CU_ASSERT_EQUAL(sqlite3_open(db_path(""), &db), SQLITE_OK);
        CU_ASSERT_EQUAL(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        CU_ASSERT_EQUAL(store_put(s, 1, BYTES_LIT("a"), BYTES_LIT("x")), 0);
        CU_ASSERT_EQUAL(store_commit(s, false), -EBUSY);
        CU_ASSERT_EQUAL(store_pending(s), 1);
        CU_ASSERT_EQUAL(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        CU_ASSERT_EQUAL(store_commit(s, false), 0);
        sqlite3_close(db);
        store_close(s);
        remove_dir();
}

static off_t fill(void)
{
        struct store *s;
        char big[2000];
        struct stat st;

        fresh_dir();
        memset(big, 'x', sizeof(big));
        s = open_store();
        for (uint32_t i = 0; i < 200; i++)
                CU_ASSERT_EQUAL(store_put(s, 1, bytes_of(&i, sizeof(i)), bytes_of(big, sizeof(big))), 0);
        store_close(s);
        CU_ASSERT_EQUAL(stat(db_path(""), &st), 0);
        return st.st_size;
}

/* The file was cut behind our back: an error, not a crash, and nothing is deleted. */
static void test_truncated(void)
{
        off_t size = fill();
        struct stat st;

        for (off_t cut = size - 4096; cut > 0; cut -= 15000) {
                CU_ASSERT_EQUAL(truncate(db_path(""), cut), 0);
                expect_refusal(-EUCLEAN, "damaged");
                CU_ASSERT_EQUAL(stat(db_path(""), &st), 0);
                CU_ASSERT_EQUAL(st.st_size, cut);
        }
        remove_dir();
}

/* A page of it is not what it was. Inside a blob that shows only to who knows the blob; elsewhere it is told. */
static void test_overwritten(void)
{
        static const char junk[4096] = {0x55};
        off_t size = fill();
        unsigned told = 0;

        for (off_t page = 4096; page < size; page += 4096) {
                struct store *s = NULL;
                const char *why = NULL;
                char kept[4096];
                int fd = open(db_path(""), O_RDWR), r;

                CU_ASSERT_EQUAL(pread(fd, kept, sizeof(kept), page), (ssize_t)sizeof(kept));
                CU_ASSERT_EQUAL(pwrite(fd, junk, sizeof(junk), page), (ssize_t)sizeof(junk));
                r = store_open(dir, &s, &why);
                CU_ASSERT_TRUE(r == 0 || r == -EUCLEAN);
                told += r == -EUCLEAN;
                store_close(s);
                CU_ASSERT_EQUAL(pwrite(fd, kept, sizeof(kept), page), (ssize_t)sizeof(kept));
                close(fd);
        }
        CU_ASSERT_TRUE(told > size / 4096 / 2);
        store_close(open_store());
        remove_dir();
}

static const struct unit_case cases[] = {
        {"pieces are put, replaced, deleted and kept", test_pieces},
        {"what was acknowledged survives kill -9", test_kill},
        {"what is not ours is refused and left alone", test_refused},
        {"what others could have written is not believed", test_untrusted},
        {"what cannot be written is told", test_unwritable},
        {"no room: all waits until there is", test_no_room},
        {"somebody looks into it", test_busy},
        {"a cut database is told", test_truncated},
        {"an overwritten page is told", test_overwritten},
};
UNIT_MAIN("store", cases)
