/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the database file, its schema, and what waits for the next transaction. Must not: know what a piece means, or
 * delete a file that it does not understand. The only user of SQLite. Hands over: blobs, as they were put.
 */
#include "tidemark/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/map.h"

#define SCHEMA 1
#define PENDING_MAX 200000u
#define OPEN_BUSY_MS 2000    /* somebody looks into the database with sqlite3(1) */
#define BUSY_MS 100          /* the same, in a loop that others wait for: the commit is tried again later */
#define CHECK_MAX (64 << 20) /* bytes: about a tenth of a second */

static const char schema_sql[] =
        "BEGIN;"
        "CREATE TABLE piece (what INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (what, key));"
        "PRAGMA user_version = 1;"
        "COMMIT;";

enum statement { ST_PUT, ST_DEL, ST_GET, ST_EACH, ST__MAX };
static const char *const statement_sql[ST__MAX] = {
        [ST_PUT] = "INSERT OR REPLACE INTO piece (what, key, value) VALUES (?1, ?2, ?3)",
        [ST_DEL] = "DELETE FROM piece WHERE what = ?1 AND key = ?2",
        [ST_GET] = "SELECT value FROM piece WHERE what = ?1 AND key = ?2",
        [ST_EACH] = "SELECT key, value FROM piece WHERE what = ?1 ORDER BY key",
};

struct store {
        sqlite3 *db;
        sqlite3_stmt *st[ST__MAX];
        struct map *pending; /* u32 what · key → struct piece */
};

struct piece {
        int what;
        uint32_t key_len, len; /* len 0: to be deleted */
        uint8_t data[];        /* key, then blob */
};

static int error_of(int sqlite)
{
        switch (sqlite & 0xff) {
        case SQLITE_OK:
        case SQLITE_DONE:
        case SQLITE_ROW:
                return 0;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        default:
                return -EIO;
        }
}

static int run(struct store *s, const char *sql)
{
        return error_of(sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

/* First column of the first row. */
static int query_int(struct store *s, const char *sql, int64_t *ret)
{
        sqlite3_stmt *st = NULL;
        int r = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_step(st);
        if (r == SQLITE_ROW)
                *ret = sqlite3_column_int64(st, 0);
        sqlite3_finalize(st);
        return error_of(r);
}

static const char damaged[] = "it is damaged or no database: keep it as evidence, move it away, and start again";

/* First column of the first row is "ok". A database beyond the bound is read whole by nobody while the host waits. */
static int check_whole(struct store *s, off_t size)
{
        sqlite3_stmt *st = NULL;
        int r, err;

        if (size > CHECK_MAX)
                return 0;
        r = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL);
        if (r == SQLITE_OK)
                r = sqlite3_step(st);
        err = r == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(st, 0), "ok") ? -EUCLEAN : error_of(r);
        sqlite3_finalize(st);
        return err;
}

/* Whose it is, before anything in it is changed. *ret_new: it is to be made. */
static int check_schema(struct store *s, off_t size, bool *ret_new, const char **ret_why)
{
        int64_t version = 0, tables = 0;
        int r = query_int(s, "PRAGMA user_version", &version);

        *ret_why = damaged;
        if (r == 0)
                r = query_int(s, "SELECT count(*) FROM sqlite_master", &tables);
        if (r < 0)
                return r;
        *ret_why = "it was written by a newer version: update tidemark, or move the file away";
        if (version > SCHEMA)
                return ERR_SCHEMA;
        *ret_why = "it is another program's database: move the file away";
        if (version < 1 && tables > 0)
                return ERR_FOREIGN;
        *ret_new = version < 1;
        *ret_why = damaged;
        return check_whole(s, size);
}

/* Only a file that nobody else could have written is believed. */
static int check_file(const char *dir, const char *path, off_t *ret_size, const char **ret_why)
{
        struct stat st;

        *ret_why = "its directory is not there, or may not be entered";
        if (stat(dir, &st) < 0)
                return -errno;
        *ret_why = "its directory cannot be written";
        if (access(dir, W_OK | X_OK) < 0)
                return -errno;
        *ret_size = 0;
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        *ret_size = st.st_size;
        *ret_why = "it is no regular file: move it away";
        if (!S_ISREG(st.st_mode))
                return ERR_UNTRUSTED;
        *ret_why = "it belongs to another user than the one that tidemarkd's engine runs as: chown it, or move it away";
        if (st.st_uid != geteuid())
                return ERR_UNTRUSTED;
        *ret_why = "others may write it: see who did, then chmod 600 it, or move it away";
        return st.st_mode & 022 ? ERR_UNTRUSTED : 0;
}

static int set_up(struct store *s, const char *path, off_t size, const char **ret_why)
{
        bool fresh = false;
        int r;

        *ret_why = "it cannot be opened";
        r = error_of(sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                     NULL));
        if (r < 0)
                return r;
        *ret_why = "it cannot be written"; /* SQLite is content with reading then */
        if (sqlite3_db_readonly(s->db, "main") == 1)
                return -EACCES;
        sqlite3_busy_timeout(s->db, OPEN_BUSY_MS);
        r = check_schema(s, size, &fresh, ret_why);
        if (r < 0)
                return r;
        *ret_why = "it cannot be written";
        /* Checkpoints by size keep the log small; a smaller cache than the default suits small pieces. */
        r = run(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -1024;"
                   "PRAGMA wal_autocheckpoint = 256");
        if (r == 0 && fresh)
                r = run(s, schema_sql);
        for (int i = 0; i < ST__MAX && r == 0; i++) {
                *ret_why = "its tables are not as expected: move it away, and start again";
                r = error_of(sqlite3_prepare_v2(s->db, statement_sql[i], -1, &s->st[i], NULL));
        }
        sqlite3_busy_timeout(s->db, BUSY_MS);
        return r;
}

int store_open(const char *dir, struct store **ret, const char **ret_why)
{
        _cleanup_(store_closep) struct store *s = calloc(1, sizeof(*s));
        const char *why = "out of memory";
        char path[4096];
        off_t size = 0;
        mode_t mask;
        int r = s ? map_new(PENDING_MAX, map_seed_random(), free, &s->pending) : -ENOMEM;

        if (r == 0 && (size_t)snprintf(path, sizeof(path), "%s/tidemark.db", dir) >= sizeof(path)) {
                why = "the path is too long";
                r = -ENAMETOOLONG;
        }
        if (r == 0)
                r = check_file(dir, path, &size, &why);
        if (r == 0) {
                mask = umask(077);
                r = set_up(s, path, size, &why);
                umask(mask);
        }
        if (ret_why)
                *ret_why = r < 0 ? why : NULL;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

struct store *store_close(struct store *s)
{
        if (!s)
                return NULL;
        if (s->db && s->st[ST_EACH] && store_commit(s, false) < 0)
                sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* what was committed before stays as it is */
        for (int i = 0; i < ST__MAX; i++)
                sqlite3_finalize(s->st[i]);
        sqlite3_close(s->db);
        map_free(s->pending);
        free(s);
        return NULL;
}

/* ---- what waits ---- */

static int pending_key(int what, struct bytes key, struct buf *out)
{
        buf_reset(out);
        buf_put_u32(out, (uint32_t)what);
        buf_put(out, key.p, key.len);
        return out->err;
}

int store_put(struct store *s, int what, struct bytes key, struct bytes blob)
{
        _cleanup_buf_ struct buf full;
        struct piece *p;
        int r;

        buf_init(&full, 4 + (size_t)key.len);
        r = pending_key(what, key, &full);
        if (r < 0)
                return r;
        p = malloc(sizeof(*p) + key.len + blob.len);
        if (!p)
                return -ENOMEM;
        *p = (struct piece){.what = what, .key_len = key.len, .len = blob.len};
        if (key.len)
                memcpy(p->data, key.p, key.len);
        if (blob.len)
                memcpy(p->data + key.len, blob.p, blob.len);
        r = map_put(s->pending, buf_bytes(&full), p);
        if (r < 0)
                free(p);
        return r;
}

bool store_dirty(const struct store *s)
{
        return map_count(s->pending) > 0;
}

size_t store_pending(const struct store *s)
{
        return map_count(s->pending);
}

static int write_piece(struct store *s, const struct piece *p)
{
        sqlite3_stmt *st = s->st[p->len ? ST_PUT : ST_DEL];
        int r;

        sqlite3_bind_int(st, 1, p->what);
        /* A key of no bytes is bound as one of no bytes, not as NULL. */
        sqlite3_bind_blob(st, 2, p->key_len ? p->data : (const void *)"", (int)p->key_len, SQLITE_STATIC);
        if (p->len)
                sqlite3_bind_blob(st, 3, p->data + p->key_len, (int)p->len, SQLITE_STATIC);
        r = sqlite3_step(st);
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
        return error_of(r);
}

int store_commit(struct store *s, bool sync)
{
        void *value;
        int r;

        if (!store_dirty(s) && !sync)
                return 0;
        sqlite3_reset(s->st[ST_GET]); /* a blob that was borrowed would keep a transaction open */
        /* In WAL mode NORMAL never waits for the disk at a commit, FULL always does:
         * sqlite.org/pragma.html#pragma_synchronous */
        r = sync ? run(s, "PRAGMA synchronous = FULL") : 0;
        if (r == 0)
                r = run(s, "BEGIN IMMEDIATE");
        if (r == 0) {
                for (size_t i = 0; r == 0 && map_next(s->pending, &i, NULL, &value);)
                        r = write_piece(s, value);
                if (r == 0)
                        r = run(s, "COMMIT");
                if (r < 0 && !sqlite3_get_autocommit(s->db))
                        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        }
        if (sync && run(s, "PRAGMA synchronous = NORMAL") < 0 && r == 0)
                r = -EIO;
        if (r == 0) {
                struct bytes key;

                for (size_t i = 0; map_next(s->pending, &i, &key, NULL);)
                        if (map_del(s->pending, key) < 0)
                                break;
        }
        return r;
}

int store_each(struct store *s, int what, int (*cb)(struct bytes key, struct bytes blob, void *arg), void *arg)
{
        sqlite3_stmt *st = s->st[ST_EACH];
        int r = SQLITE_DONE, err = 0;

        sqlite3_bind_int(st, 1, what);
        while (err >= 0 && (r = sqlite3_step(st)) == SQLITE_ROW)
                err = cb(bytes_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)),
                         bytes_of(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1)), arg);
        sqlite3_reset(st);
        return err < 0 ? err : error_of(r);
}

int store_get(struct store *s, int what, struct bytes key, struct bytes *ret_blob)
{
        sqlite3_stmt *st = s->st[ST_GET];
        int r;

        sqlite3_reset(st); /* of the last call, whose blob was borrowed until now */
        sqlite3_bind_int(st, 1, what);
        sqlite3_bind_blob(st, 2, key.len ? key.p : (const void *)"", (int)key.len, SQLITE_TRANSIENT);
        r = sqlite3_step(st);
        if (r == SQLITE_DONE)
                return -ENOENT;
        if (r != SQLITE_ROW)
                return error_of(r);
        *ret_blob = bytes_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
        return 0;
}
