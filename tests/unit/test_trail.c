/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trail: its chain, its end after a crash, its damage, and the writer with its deadline. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tidemark/audit_log.h"
#include "tidemark/buf.h"
#include "tidemark/clock.h"
#include "tidemark/err.h"
#include "tidemark/loop.h"
#include "tidemark/trail.h"

static char dir[64];

static void fresh_dir(void)
{
        snprintf(dir, sizeof(dir), "/tmp/tidemark-trail-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static const char *file_path(void)
{
        static char path[96];

        snprintf(path, sizeof(path), "%s/trail.jsonl", dir);
        return path;
}

static void remove_dir(void)
{
        DIR *d = opendir(dir);
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.')
                        unlinkat(dirfd(d), e->d_name, 0);
        if (d)
                closedir(d);
        rmdir(dir);
}

/* 0: it is whole, with that many records; else -EUCLEAN and the first one that is wrong. */
static int verify(uint64_t *ret_n)
{
        struct trail_verdict v;
        int r = trail_verify(dir, NULL, NULL, NULL, &v);

        if (r < 0)
                return r;
        *ret_n = v.wrong ? v.n : v.last;
        return v.wrong ? -EUCLEAN : 0;
}

static struct trail_entry entry(const char *kind, const char *text)
{
        return (struct trail_entry){.kind = kind,
                                    .command = 1,
                                    .uid = 0,
                                    .login_uid = 1000,
                                    .pid = 42,
                                    .wall_ns = 1767323045678000000,
                                    .text = bytes_str(text)};
}

static void append(const char *text, uint64_t want_n)
{
        struct trail_entry e = entry("asked", text);
        struct trail_file *f;
        const char *why;
        uint64_t n = 0;

        CU_ASSERT_EQUAL_FATAL(trail_file_open(dir, NULL, &f, &why), 0);
        CU_ASSERT_EQUAL(trail_file_append(f, &e, &n), 0);
        CU_ASSERT_EQUAL(n, want_n);
        trail_file_close(f);
}

static off_t size_now(void)
{
        struct stat st;

        return stat(file_path(), &st) == 0 ? st.st_size : -1;
}

static void test_chain(void)
{
        uint64_t n;
        struct stat st;

        fresh_dir();
        append("one", 1);
        append("two \"quoted\"\nnot a new line", 2);
        append("\xff\xfe bytes", 3);
        CU_ASSERT_EQUAL(verify(&n), 0);
        CU_ASSERT_EQUAL(n, 3);
        CU_ASSERT_EQUAL(stat(file_path(), &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
        remove_dir();
}

/* Each single changed byte, and each removed line, breaks the chain at the right record or earlier. */
static void test_damage(void)
{
        char text[4096];
        int undetected = 0;
        uint64_t n;
        ssize_t len;
        int fd;

        fresh_dir();
        append("one", 1);
        append("two", 2);
        append("three", 3);
        fd = open(file_path(), O_RDWR);
        len = read(fd, text, sizeof(text));
        CU_ASSERT_FATAL(len > 0);
        for (ssize_t i = 0; i < len; i++) {
                char bad = (char)(text[i] ^ 1);

                CU_ASSERT_EQUAL(pwrite(fd, &bad, 1, i), 1);
                if (verify(&n) != -EUCLEAN)
                        undetected++;
                CU_ASSERT_EQUAL(pwrite(fd, &text[i], 1, i), 1);
        }
        CU_ASSERT_EQUAL(undetected, 0);
        CU_ASSERT_EQUAL(verify(&n), 0);
        /* Without its first line. */
        char *second = memchr(text, '\n', (size_t)len);
        second++;
        CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
        CU_ASSERT_EQUAL(pwrite(fd, second, (size_t)(text + len - second), 0), text + len - second);
        CU_ASSERT_EQUAL(verify(&n), -EUCLEAN);
        CU_ASSERT_EQUAL(n, 1);
        close(fd);
        remove_dir();
}

/* Cut at every byte of the last record: it goes, the ones before stay, and the cut is told. */
static void test_torn(void)
{
        off_t two, three;
        uint64_t n;

        fresh_dir();
        append("one", 1);
        append("two", 2);
        two = size_now();
        append("three", 3);
        three = size_now();
        for (off_t cut = two + 1; cut < three; cut += 7) {
                CU_ASSERT_EQUAL(truncate(file_path(), cut), 0);
                append("three again", 4); /* 3 tells of the cut */
                CU_ASSERT_EQUAL(verify(&n), 0);
                CU_ASSERT_EQUAL(n, 4);
                CU_ASSERT_EQUAL(truncate(file_path(), two), 0);
                append("three", 3);
                CU_ASSERT_EQUAL(size_now(), three);
        }
        remove_dir();
}

static void test_refused(void)
{
        struct trail_file *f;
        const char *why;
        int fd;

        fresh_dir();
        append("one", 1);
        fd = open(file_path(), O_WRONLY | O_APPEND);
        CU_ASSERT_EQUAL(write(fd, "garbage\n", 8), 8);
        close(fd);
        CU_ASSERT_EQUAL(trail_file_open(dir, NULL, &f, &why), -EUCLEAN);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, "damaged"));
        unlink(file_path());
        CU_ASSERT_EQUAL(symlink("/etc/passwd", file_path()), 0);
        CU_ASSERT_EQUAL(trail_file_open(dir, NULL, &f, &why), -ELOOP);
        remove_dir();
        CU_ASSERT_EQUAL(trail_file_open(dir, NULL, &f, &why), -ENOENT);
}

/* ---- tampering, each kind ---- */

#define RECORDS 9
#define TEXT_MAX 65536

static char whole[TEXT_MAX];
static size_t whole_len;
static const char *lines[RECORDS + 1]; /* and the end */

static void load(const char *path)
{
        FILE *in = fopen(path, "re");
        size_t n = 0;

        CU_ASSERT_PTR_NOT_NULL_FATAL(in);
        whole_len = fread(whole, 1, TEXT_MAX, in);
        fclose(in);
        for (size_t i = 0; i < whole_len && n <= RECORDS; i++)
                if (i == 0 || whole[i - 1] == '\n')
                        lines[n++] = whole + i;
        lines[n] = whole + whole_len;
}

static void save(const char *p, size_t len)
{
        int fd = open(file_path(), O_WRONLY | O_TRUNC);

        CU_ASSERT_EQUAL(write(fd, p, len), (ssize_t)len);
        close(fd);
}

static void make(void)
{
        struct trail_file *f;
        const char *why;
        uint64_t n;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(trail_file_open(dir, NULL, &f, &why), 0);
        for (int i = 0; i < RECORDS; i++) {
                struct trail_entry e = entry("asked", i % 2 ? "baseline.activate web" : "triage F-1");

                e.source = TRAIL_OPERATOR;
                CU_ASSERT_EQUAL(trail_file_append(f, &e, &n), 0);
        }
        trail_file_close(f);
        load(file_path());
}

/* Put the lines in this order (1-based; 0 ends it), and look at what is found. */
static void reorder(const int *order, enum trail_wrong want, uint64_t want_n, uint64_t want_line)
{
        static char text[TEXT_MAX];
        struct trail_verdict v;
        size_t len = 0;

        for (; *order; order++) {
                size_t n = (size_t)(lines[*order] - lines[*order - 1]);

                memcpy(text + len, lines[*order - 1], n);
                len += n;
        }
        save(text, len);
        CU_ASSERT_EQUAL_FATAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, want);
        CU_ASSERT_EQUAL(v.n, want_n);
        CU_ASSERT_EQUAL(v.line, want_line);
        CU_ASSERT(v.wrong == TRAIL_WHOLE || v.words[0]);
}

static void test_removed_and_moved(void)
{
        make();
        reorder((int[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 0}, TRAIL_WHOLE, 0, 0);
        reorder((int[]){2, 3, 4, 5, 6, 7, 8, 9, 0}, TRAIL_BEGINNING, 1, 0);
        reorder((int[]){1, 2, 3, 5, 6, 7, 8, 9, 0}, TRAIL_MISSING, 4, 4);
        reorder((int[]){1, 2, 3, 5, 4, 6, 7, 8, 9, 0}, TRAIL_MISSING, 4, 4);
        reorder((int[]){1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 0}, TRAIL_MISSING, 6, 6);
        reorder((int[]){1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0}, TRAIL_MISSING, 3, 3);
        remove_dir();
}

/* Change record i, and make its hash anew, as whoever knows the form would; the links of all behind it too, if asked.
 */
static size_t forge(int i, bool all, char *text)
{
        char hash[TRAIL_HASH + 1] = "", head[TRAIL_HASH + 1];
        size_t len = 0;

        for (int k = 1; k <= RECORDS; k++) {
                char *line = text + len, *mark, *prev;
                size_t n = (size_t)(lines[k] - lines[k - 1]);

                memcpy(line, lines[k - 1], n);
                line[n] = '\0';
                if (k == i)
                        memcpy(strstr(line, "\"uid\":0") + 6, "7", 1);
                mark = strstr(line, ",\"hash\":\"");
                prev = strstr(line, "\"prev\":\"") + 8;
                if (k > i && all)
                        memcpy(prev, hash, TRAIL_HASH);
                if (k == i || (k > i && all)) {
                        CU_ASSERT_EQUAL(trail_hash(bytes_of(line, (size_t)(mark - line)), head), 0);
                        memcpy(mark + 9, head, TRAIL_HASH);
                }
                memcpy(hash, mark + 9, TRAIL_HASH);
                hash[TRAIL_HASH] = '\0';
                len += n;
        }
        return len;
}

/* What the audit log would hold: hashes of records 3 and 7 as they were. */
static void checkpoints(struct trail_checkpoints *cs, uint64_t first, uint64_t second)
{
        const uint64_t at[2] = {first, second};

        cs->at = calloc(2, sizeof(*cs->at));
        cs->n = cs->cap = 2;
        for (int i = 0; i < 2; i++) {
                const char *line = lines[(at[i] < RECORDS ? at[i] : RECORDS) - 1];

                cs->at[i].n = at[i];
                cs->at[i].wall_ns = 1000 + i;
                memcpy(cs->at[i].hash, strstr(line, ",\"hash\":\"") + 9, TRAIL_HASH);
        }
}

static void test_hashed_anew(void)
{
        static char text[TEXT_MAX];
        struct trail_checkpoints cs = {0};
        struct trail_verdict v;

        make();
        save(text, forge(5, false, text));
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, TRAIL_UNLINKED);
        CU_ASSERT_EQUAL(v.n, 5);
        CU_ASSERT_EQUAL(v.line, 5);
        /* The whole chain behind it: only what stands elsewhere tells. */
        save(text, forge(5, true, text));
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, TRAIL_WHOLE);
        checkpoints(&cs, 3, 7);
        CU_ASSERT_EQUAL(trail_verify(dir, &cs, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, TRAIL_REWRITTEN);
        CU_ASSERT_EQUAL(v.n, 7);
        CU_ASSERT_EQUAL(v.checkpoints, 1);
        CU_ASSERT_EQUAL(v.last_checkpoint.n, 3);
        trail_checkpoints_release(&cs);
        remove_dir();
}

static void test_cut_tail(void)
{
        struct trail_checkpoints cs = {0};
        struct trail_verdict v;

        make();
        checkpoints(&cs, 3, 7);
        CU_ASSERT_EQUAL(trail_verify(dir, &cs, NULL, NULL, &v), 0);
        CU_ASSERT(v.wrong == TRAIL_WHOLE && v.checkpoints == 2 && v.last_checkpoint.n == 7 && v.last == 9);
        for (int keep = RECORDS; keep >= 1; keep--) {
                save(whole, (size_t)(lines[keep] - whole));
                CU_ASSERT_EQUAL(trail_verify(dir, &cs, NULL, NULL, &v), 0);
                CU_ASSERT_EQUAL(v.wrong, keep >= 7 ? TRAIL_WHOLE : TRAIL_CUT);
                if (keep < 7)
                        CU_ASSERT_EQUAL(v.n, (uint64_t)keep + 1);
        }
        save(whole, 0); /* all of it */
        CU_ASSERT_EQUAL(trail_verify(dir, &cs, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, TRAIL_CUT);
        save(whole, (size_t)(lines[8] - whole) + 20);
        CU_ASSERT_EQUAL(trail_verify(dir, &cs, NULL, NULL, &v), 0);
        CU_ASSERT(v.wrong == TRAIL_UNFINISHED && v.n == 9 && v.line == 9);
        save(whole, (size_t)(lines[5] - whole) + 20); /* no crash takes records that were there */
        CU_ASSERT_EQUAL(trail_verify(dir, &cs, NULL, NULL, &v), 0);
        CU_ASSERT(v.wrong == TRAIL_CUT && v.n == 6);
        trail_checkpoints_release(&cs);
        remove_dir();
}

/* As the agents before this one wrote them: fewer members, the same canonical bytes. */
static void test_older_form(void)
{
        char hash[TRAIL_HASH + 1] = "", text[4096], line[1024];
        size_t len = 0;
        uint64_t n;
        int fd;

        fresh_dir();
        for (int i = 1; i <= 2; i++) {
                snprintf(line, sizeof(line),
                         "{\"n\":%d,\"time\":\"2026-01-02T03:04:05.678Z\",\"kind\":\"asked\",\"command\":0,\"uid\":0,"
                         "\"login_uid\":4294967295,\"pid\":0,\"text\":\"tidemarkd 0.5\",\"prev\":\"%s\"",
                         i, hash);
                CU_ASSERT_EQUAL(trail_hash(bytes_str(line), hash), 0);
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s,\"hash\":\"%s\"}\n", line, hash);
        }
        fd = open(file_path(), O_WRONLY | O_CREAT, 0600);
        CU_ASSERT_EQUAL(write(fd, text, len), (ssize_t)len);
        close(fd);
        append("of this form", 3);
        CU_ASSERT_EQUAL(verify(&n), 0);
        CU_ASSERT_EQUAL(n, 3);
        remove_dir();
}

/* ---- many files ---- */

static size_t names(char ret[32][TRAIL_NAME])
{
        DIR *d = opendir(dir);
        struct dirent *e;
        size_t n = 0;

        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.' && n < 32)
                        snprintf(ret[n++], TRAIL_NAME, "%.39s", e->d_name);
        if (d)
                closedir(d);
        return n;
}

static void fill(const struct trail_limits *limits, int count, int64_t from_ns, int64_t step_ns)
{
        struct trail_file *f;
        const char *why;
        uint64_t n;

        CU_ASSERT_EQUAL_FATAL(trail_file_open(dir, limits, &f, &why), 0);
        for (int i = 0; i < count; i++) {
                struct trail_entry e = entry("asked", "something of some length, so that a file is full after a few");

                e.wall_ns = from_ns + i * step_ns;
                CU_ASSERT_EQUAL(trail_file_append(f, &e, &n), 0);
        }
        trail_file_close(f);
}

static int remember(const struct trail_record *r, void *arg)
{
        struct trail_record *last = arg;

        CU_ASSERT_EQUAL(r->n, last->n + 1);
        last->n = r->n;
        if (strcmp(r->kind, "removed") == 0)
                last->command++;
        return 0;
}

static void test_rotation(void)
{
        const struct trail_limits limits = {.segment = 1500};
        struct trail_record last = {.n = 0};
        char all[32][TRAIL_NAME], path[128];
        struct trail_verdict v;
        struct stat st;
        size_t n;

        fresh_dir();
        fill(&limits, 10, 1767323045000000000, 1000);
        fill(&limits, 10, 1767323045000000000, 1000); /* goes on after a start */
        n = names(all);
        CU_ASSERT(n >= 4);
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, remember, &last, &v), 0);
        CU_ASSERT(v.wrong == TRAIL_WHOLE && v.last == 20 && last.n == 20 && v.files == n);
        for (size_t i = 0; i < n; i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, all[i]);
                CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640 && st.st_size < 2500);
        }
        /* The one at hand may be gone: the chain goes on behind the newest of the others. */
        CU_ASSERT_EQUAL(unlink(file_path()), 0);
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, TRAIL_WHOLE);
        n = v.last;
        append("next", n + 1);
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
        CU_ASSERT(v.wrong == TRAIL_WHOLE && v.last == n + 1);
        remove_dir();
}

static void test_removed_file(void)
{
        const struct trail_limits limits = {.segment = 1500};
        char all[32][TRAIL_NAME], path[128];
        struct trail_verdict v;
        unsigned long long first;
        size_t n;

        fresh_dir();
        fill(&limits, 20, 1767323045000000000, 1000);
        n = names(all);
        for (size_t i = 0; i < n; i++) {
                char kept[TEXT_MAX];
                ssize_t len;
                int fd;

                if (sscanf(all[i], "trail-%llu.jsonl", &first) != 1)
                        continue;
                snprintf(path, sizeof(path), "%s/%s", dir, all[i]);
                fd = open(path, O_RDONLY);
                len = read(fd, kept, sizeof(kept));
                close(fd);
                CU_ASSERT_EQUAL(unlink(path), 0);
                CU_ASSERT_EQUAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
                CU_ASSERT_EQUAL(v.wrong, first == 1 ? TRAIL_BEGINNING : TRAIL_MISSING);
                CU_ASSERT_EQUAL(v.n, first);
                fd = open(path, O_WRONLY | O_CREAT, 0640);
                CU_ASSERT_EQUAL(write(fd, kept, (size_t)len), len);
                close(fd);
        }
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, TRAIL_WHOLE);
        remove_dir();
}

/* What is too old goes by the file, and is named before; the chain then begins behind it. */
static void test_retention(void)
{
        const int64_t day = 86400 * (int64_t)NSEC_PER_SEC, now = clock_wall_ns();
        const struct trail_limits full = {.segment = 1500}, limits = {.segment = 1500, .keep_ns = 10 * (uint64_t)day};
        struct trail_record last = {.n = 0};
        char all[32][TRAIL_NAME];
        struct trail_verdict v;
        size_t before;
        int fd;

        fresh_dir();
        fill(&full, 12, now - 40 * day, day); /* 40 to 29 days ago */
        fill(&full, 12, now - 8 * day, day / 4);
        before = names(all);
        fill(&limits, 1, now, 0);
        CU_ASSERT(names(all) < before);
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, TRAIL_WHOLE);
        CU_ASSERT(v.first > 8 && v.first <= 13 && v.removed == v.first - 1);
        last.n = v.first - 1;
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, remember, &last, &v), 0);
        CU_ASSERT(last.command >= 2); /* each file by its own record */
        /* Without the record that names it, it is a hole: here the last file, which has it, is emptied. */
        fd = open(file_path(), O_WRONLY | O_TRUNC);
        close(fd);
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, NULL, NULL, &v), 0);
        CU_ASSERT_EQUAL(v.wrong, TRAIL_BEGINNING);
        remove_dir();
}

static void test_members(void)
{
        struct trail_entry e = entry("asked", "{\"cmd\":\"x\",\"a\":\"\\u001b\"}");
        char text[4096];
        struct trail_file *f;
        const char *why;
        uint64_t n;
        ssize_t len;
        int fd;

        fresh_dir();
        e.source = TRAIL_OPERATOR;
        e.comm = BYTES_LIT("a\x1b\"b");
        e.container = BYTES_LIT("0123456789abcdef");
        e.finding = 12;
        e.boot_ns = 99;
        e.late = true;
        CU_ASSERT_EQUAL_FATAL(trail_file_open(dir, NULL, &f, &why), 0);
        CU_ASSERT_EQUAL(trail_file_append(f, &e, &n), 0);
        CU_ASSERT_EQUAL(trail_file_append(f, &e, &n), 0);
        trail_file_close(f);
        fd = open(file_path(), O_RDONLY);
        len = read(fd, text, sizeof(text) - 1);
        close(fd);
        text[len > 0 ? len : 0] = '\0';
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"boot_ns\":99,\"boot_id\":\""));
        CU_ASSERT_PTR_NULL(strstr(strchr(text, '\n'), "boot_id")); /* once is enough */
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"source\":\"operator\",\"command\":1,\"uid\":0,\"login_uid\":1000,"
                                            "\"pid\":42,\"comm\":\"a\\\\x1b\\\"b\",\"container\":\"0123456789abcdef\","
                                            "\"finding\":\"F-12\",\"late\":true,\"text\":"));
        CU_ASSERT_EQUAL(verify(&n), 0);
        remove_dir();
}

/* ---- checkpoints ---- */

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_checkpoint_lines(void)
{
        static const struct {
                const char *line;
                bool good;
        } rows[] = {
                {"type=TRUSTED_APP msg=audit(1364481363.243:24287): pid=7 uid=0 auid=4294967295 ses=1 "
                 "msg='op=trail-checkpoint reason=trail-i1 n=12 hash=sha256:" HASH_A " exe=\"/x\" res=success'",
                 true},
                {"node=h type=TRUSTED_APP msg=audit(1364481363.243:24287): pid=7 uid=0 "
                 "msg='op=trail-checkpoint n=12 hash=" HASH_A " reason=trail-i1'",
                 true},
                {"type=USER_CMD msg=audit(1.243:2): pid=7 uid=0 msg='op=trail-checkpoint reason=trail-i1 n=12 "
                 "hash=" HASH_A "'",
                 false}, /* not what we write */
                {"type=TRUSTED_APP msg=audit(1.243:2): pid=7 uid=1000 msg='op=trail-checkpoint reason=trail-i1 n=12 "
                 "hash=" HASH_A "'",
                 false}, /* not root */
                {"type=TRUSTED_APP msg=audit(1.243:2): pid=7 uid=0 msg='op=trail-checkpoint reason=trail-i2 n=12 "
                 "hash=" HASH_A "'",
                 false}, /* of another trail */
                {"type=TRUSTED_APP msg=audit(1.243:2): pid=7 uid=0 msg='op=other comm=op=trail-checkpoint "
                 "reason=trail-i1 "
                 "n=12 hash=" HASH_A "'",
                 false},
                {"type=TRUSTED_APP msg=audit(1.243:2): pid=7 uid=0 msg='op=trail-checkpoint reason=trail-i1 n=0 "
                 "hash=" HASH_A "'",
                 false},
                {"type=TRUSTED_APP msg=audit(1.243:2): pid=7 uid=0 msg='op=trail-checkpoint reason=trail-i1 n=12 "
                 "hash=abc'",
                 false},
                {"type=TRUSTED_APP msg=audit(1.243:2): pid=7 uid=0 msg='op=trail-checkpoint reason=trail-i1 n=12",
                 false},
                {"type=TRUSTED_APP op=trail-checkpoint", false},
                {"op=trail-checkpoint", false},
                {"", false},
        };
        struct trail_checkpoint c;

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                bool good = trail_checkpoint_parse(bytes_str(rows[i].line), "i1", &c);

                CU_ASSERT_EQUAL(good, rows[i].good);
                if (good && rows[i].good)
                        CU_ASSERT(c.n == 12 && c.wall_ns == 1364481363243000000 && strcmp(c.hash, HASH_A) == 0);
        }
}

/* What the sensor's records are is what is looked for. */
static void test_checkpoint_as_written(void)
{
        const struct audit_note note = {.type = AUDIT_NOTE_CHECKPOINT,
                                        .ok = true,
                                        .reason = BYTES_LIT("trail-i1"),
                                        .n = 77,
                                        .hash = BYTES_LIT(HASH_A)};
        char line[2048];
        struct trail_checkpoint c;
        struct buf text;
        uint16_t type;

        buf_init(&text, 2048);
        CU_ASSERT_EQUAL_FATAL(audit_log_format(&note, &type, &text), 0);
        snprintf(line, sizeof(line),
                 "type=TRUSTED_APP msg=audit(1764251234.567:89): pid=99 uid=0 auid=4294967295 ses=4294967295 "
                 "subj=unconfined msg='%s exe=\"/usr/sbin/tidemarkd\" hostname=? addr=? terminal=? res=success'",
                 buf_cstr(&text));
        CU_ASSERT_EQUAL(type, 1121); /* AUDIT_TRUSTED_APP */
        CU_ASSERT_TRUE(trail_checkpoint_parse(bytes_str(line), "i1", &c));
        CU_ASSERT(c.n == 77 && strcmp(c.hash, HASH_A) == 0 && c.wall_ns == 1764251234567000000);
        buf_release(&text);
}

static void test_checkpoint_files(void)
{
        struct trail_checkpoints cs = {0};
        char path[96], line[256];
        FILE *out;

        fresh_dir();
        snprintf(path, sizeof(path), "%s/audit.log", dir);
        out = fopen(path, "we");
        CU_ASSERT_PTR_NOT_NULL_FATAL(out);
        for (int n = 5; n >= 1; n--)
                fprintf(out,
                        "type=TRUSTED_APP msg=audit(%d.000:1): uid=0 msg='op=trail-checkpoint n=%d reason=trail-i1 "
                        "hash=sha256:" HASH_A "'\ntype=CWD msg=audit(1.0:2): cwd=\"/\"\n",
                        n, n);
        memset(line, 'x', sizeof(line) - 1);
        line[sizeof(line) - 1] = '\0';
        for (int n = 0; n < 1000; n++) /* one very long line */
                fputs(line, out);
        fputs("\ntype=TRUSTED_APP msg=audit(9.000:1): uid=0 msg='op=trail-checkpoint n=9 reason=trail-i1 hash=" HASH_A,
              out);
        fclose(out);
        CU_ASSERT_EQUAL(trail_checkpoints_read(path, "i1", &cs), 0);
        CU_ASSERT_EQUAL(cs.n, 5); /* the last has no end: it is just being written */
        for (size_t i = 0; i < cs.n; i++)
                CU_ASSERT_EQUAL(cs.at[i].n, i + 1);
        trail_checkpoints_release(&cs);
        CU_ASSERT_EQUAL(trail_checkpoints_read("/nowhere/audit.log", "i1", &cs), -ENOENT);
        CU_ASSERT_EQUAL(trail_checkpoints_read(dir, "i1", &cs), -EINVAL);
        remove_dir();
}

static void test_kept(void)
{
        struct buf b;

        fresh_dir();
        buf_init(&b, 4096);
        CU_ASSERT_EQUAL(trail_kept_read(dir, "configuration", &b), -ENOENT);
        CU_ASSERT_EQUAL(trail_kept_write(dir, "configuration", BYTES_LIT("a = 1\n")), 0);
        CU_ASSERT_EQUAL(trail_kept_write(dir, "configuration", BYTES_LIT("a = 2\n")), 0);
        CU_ASSERT_EQUAL(trail_kept_read(dir, "configuration", &b), 0);
        CU_ASSERT_STRING_EQUAL(buf_cstr(&b), "a = 2\n");
        buf_release(&b);
        remove_dir();
}

/* ---- the writer ---- */

struct seen {
        struct loop *loop;
        uint64_t cookie[100], n[100];
        int err[100];
        size_t count, want;
        int states[8];
        size_t nstates;
};

static void on_done(uint64_t cookie, uint64_t n, int err, void *arg)
{
        struct seen *s = arg;

        s->cookie[s->count] = cookie;
        s->n[s->count] = n;
        s->err[s->count++] = err;
        if (s->count == s->want)
                loop_stop(s->loop, 0);
}
static const struct trail_ops ops = {.done = on_done};

static void test_writer(void)
{
        struct trail_entry e = entry("asked", "baseline.activate web");
        struct seen s = {.want = 10};
        char why[TRAIL_WHY];
        struct trail *t;
        uint64_t n;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 10 * NSEC_PER_SEC, &ops, &s, &t, why), 0);
        for (uint64_t i = 0; i < 10; i++)
                CU_ASSERT_EQUAL(trail_append(t, 100 + i, &e), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        for (uint64_t i = 0; i < 10; i++) {
                CU_ASSERT_EQUAL(s.cookie[i], 100 + i);
                CU_ASSERT_EQUAL(s.n[i], i + 1);
                CU_ASSERT_EQUAL(s.err[i], 0);
        }
        trail_stop(t);
        loop_free(s.loop);
        CU_ASSERT_EQUAL(verify(&n), 0);
        CU_ASSERT_EQUAL(n, 10);
        remove_dir();
}

/* A writer that hangs costs its entries, not the loop; a killed one too; the next entry gets a new writer. */
static void test_writer_lost(void)
{
        struct trail_entry e = entry("asked", "x");
        struct seen s = {.want = 2};
        char why[TRAIL_WHY];
        struct trail *t;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 500 * NSEC_PER_MSEC, &ops, &s, &t, why), 0);
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGSTOP), 0);
        CU_ASSERT_EQUAL(trail_append(t, 1, &e), 0);
        CU_ASSERT_EQUAL(trail_append(t, 2, &e), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT_EQUAL(s.err[0], -ETIMEDOUT);
        CU_ASSERT_EQUAL(s.err[1], -ETIMEDOUT);
        s.want = 3;
        CU_ASSERT_EQUAL(trail_append(t, 3, &e), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT_EQUAL(s.err[2], 0);
        s.want = 4;
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGSTOP), 0);
        CU_ASSERT_EQUAL(trail_append(t, 4, &e), 0);
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGKILL), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT_NOT_EQUAL(s.err[3], 0);
        trail_stop(t);
        loop_free(s.loop);
        remove_dir();
}

static int find_missing(const struct trail_record *r, void *arg)
{
        char *text = arg;

        if (strcmp(r->kind, "missing") == 0)
                snprintf(text, 200, "%.*s", (int)r->text.len, (const char *)r->text.p);
        return 0;
}

/* Its file is removed, or moved, under it: nothing more is said to be written there; another begins, and says so. */
static void test_taken_away(void)
{
        struct trail_entry e = entry("asked", "x");
        char why[TRAIL_WHY], aside[120], text[200] = "", want[200];
        struct trail_verdict v;
        struct trail_stats st;
        struct trail *t;

        for (int moved = 0; moved < 2; moved++) {
                struct seen s = {.want = 1};

                fresh_dir();
                snprintf(aside, sizeof(aside), "%s/aside", dir);
                CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
                CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 10 * NSEC_PER_SEC, &ops, &s, &t, why), 0);
                CU_ASSERT_EQUAL(trail_append(t, 1, &e), 0);
                CU_ASSERT(loop_run(s.loop) == 0 && s.err[0] == 0);
                trail_stats(t, &st);
                CU_ASSERT_EQUAL(moved ? rename(file_path(), aside) : unlink(file_path()), 0);
                s.want = 2;
                CU_ASSERT_EQUAL(trail_append(t, 2, &e), 0);
                CU_ASSERT(loop_run(s.loop) == 0 && s.err[1] == -ESTALE);
                s.want = 3;
                CU_ASSERT_EQUAL(trail_append(t, 3, &e), 0); /* it tries at once */
                CU_ASSERT(loop_run(s.loop) == 0 && s.err[2] == 0);
                trail_stop(t);
                loop_free(s.loop);
                CU_ASSERT_EQUAL(trail_verify(dir, NULL, find_missing, text, &v), 0);
                snprintf(want, sizeof(want), "{\"last\":1,\"hash\":\"%s\",\"found\":0}", st.hash);
                CU_ASSERT(v.wrong == TRAIL_WHOLE && v.last == 2);
                CU_ASSERT_STRING_EQUAL(text, want);
                remove_dir();
        }
}

/* It is gone when the next entry comes, and nobody has noticed: that entry is written all the same. */
static void test_writer_gone(void)
{
        struct trail_entry e = entry("ended", "as asked");
        struct seen s = {.want = 1};
        char why[TRAIL_WHY];
        struct trail *t;
        siginfo_t si;
        uint64_t n;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 10 * NSEC_PER_SEC, &ops, &s, &t, why), 0);
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGKILL), 0);
        CU_ASSERT_EQUAL(waitid(P_PID, trail_pid(t), &si, WEXITED | WNOWAIT), 0);
        CU_ASSERT_EQUAL(trail_append(t, 1, &e), 0);
        trail_stop(t);
        CU_ASSERT(s.count == 1 && s.err[0] == 0 && s.n[0] == 1);
        loop_free(s.loop);
        CU_ASSERT_EQUAL(verify(&n), 0);
        CU_ASSERT_EQUAL(n, 1);
        remove_dir();
}

/* Make the place as full as a disk: a limit of this process, which the writer inherits. */
static void limit_files(rlim_t size)
{
        struct rlimit lim;

        getrlimit(RLIMIT_FSIZE, &lim);
        lim.rlim_cur = size;
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

static void on_state(int err, void *arg)
{
        struct seen *s = arg;

        s->states[s->nstates++] = err;
        if (err == 0)
                loop_stop(s->loop, 0);
}
static const struct trail_ops stateful = {.done = on_done, .state = on_state};

static int note_late(const struct trail_record *r, void *arg)
{
        char *order = arg;

        if (r->late)
                strncat(order, (const char *)r->text.p, 1);
        return 0;
}

static void keep(struct trail *t, uint64_t cookie, const char *text)
{
        struct trail_entry e = entry("note", text);

        CU_ASSERT_EQUAL(trail_keep(t, cookie, &e), 0);
}

/* A full disk: what somebody waits for fails and is gone, what is kept is written late and in order. */
static void test_late(void)
{
        struct trail_entry e = entry("asked", "x");
        struct seen s = {.want = 1};
        struct trail_verdict v;
        struct trail_stats st;
        char why[TRAIL_WHY], order[16] = "";
        struct trail *t;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 10 * NSEC_PER_SEC, &stateful, &s, &t, why), 0);
        CU_ASSERT_EQUAL(trail_append(t, 1, &e), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT_EQUAL(s.err[0], 0);
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGKILL), 0); /* the next has the limit */
        limit_files((rlim_t)size_now() + 40);
        s.want = 3;
        keep(t, 0, "a");
        CU_ASSERT_EQUAL(trail_append(t, 2, &e), 0);
        keep(t, 3, "b");
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT(s.err[1] < 0 && s.err[2] < 0);
        CU_ASSERT(s.nstates == 1 && s.states[0] < 0);
        trail_stats(t, &st);
        CU_ASSERT(st.waiting == 2 && st.late == 2 && st.err < 0 && st.dropped == 0);
        keep(t, 0, "c");
        limit_files(RLIM_INFINITY);
        s.want = 99;
        CU_ASSERT_EQUAL(trail_append(t, 4, &e), 0); /* tries at once, and stands behind what waits */
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);       /* until it can be written again */
        trail_flush(t, NULL);
        trail_stats(t, &st);
        CU_ASSERT(st.waiting == 0 && st.late == 0 && st.written_late == 3 && st.err == 0);
        CU_ASSERT(s.count == 4 && s.cookie[3] == 4 && s.err[3] == 0 && s.n[3] == 5);
        trail_stop(t);
        loop_free(s.loop);
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, note_late, order, &v), 0);
        CU_ASSERT(v.wrong == TRAIL_WHOLE && v.last == 5);
        CU_ASSERT_STRING_EQUAL(order, "abc");
        remove_dir();
}

static int count_unwritten(const struct trail_record *r, void *arg)
{
        if (strcmp(r->kind, "unwritten") == 0)
                snprintf(arg, 64, "%.*s", (int)r->text.len, (const char *)r->text.p);
        return 0;
}

/* So many at once that they have no room: none is lost without a word. */
static void no_room(struct bytes said)
{
        struct seen s = {.want = 1};
        struct trail_entry e = entry("note", "");
        char why[TRAIL_WHY], text[64] = "";
        struct trail_verdict v;
        struct trail_stats st;
        struct trail *t;
        int refused = 0;

        e.text = said;
        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL_FATAL(trail_start(s.loop, dir, NULL, 20 * NSEC_PER_SEC, &ops, &s, &t, why), 0);
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGSTOP), 0);
        for (int i = 0; i < 5000; i++)
                refused += trail_keep(t, 0, &e) == -ENOBUFS;
        CU_ASSERT(refused > 0 && refused < 5000);
        CU_ASSERT_EQUAL(trail_append(t, 1, &e), 0); /* there is always room for some that somebody waits for */
        CU_ASSERT_EQUAL(kill((pid_t)trail_pid(t), SIGCONT), 0);
        CU_ASSERT_EQUAL(loop_run(s.loop), 0);
        CU_ASSERT_EQUAL(s.err[0], 0);
        trail_flush(t, NULL);
        trail_stats(t, &st);
        CU_ASSERT_EQUAL(st.dropped, (uint64_t)refused);
        CU_ASSERT_EQUAL(st.waiting, 0);
        trail_stop(t);
        loop_free(s.loop);
        CU_ASSERT_EQUAL(trail_verify(dir, NULL, count_unwritten, text, &v), 0);
        CU_ASSERT(v.wrong == TRAIL_WHOLE && v.last == 5002 - (uint64_t)refused);
        snprintf(why, sizeof(why), "{\"records\":%d}", refused);
        CU_ASSERT_STRING_EQUAL(text, why);
        remove_dir();
}

static void test_no_room(void)
{
        static uint8_t big[TRAIL_TEXT_MAX - 4];

        memset(big, 'n', sizeof(big));
        no_room(bytes_of(big, 1));
        no_room(bytes_of(big, sizeof(big)));
}

/* Two writers at one place: the second is refused, and says why. */
static void test_locked(void)
{
        struct trail_file *a, *b;
        const char *why;

        fresh_dir();
        CU_ASSERT_EQUAL_FATAL(trail_file_open(dir, NULL, &a, &why), 0);
        CU_ASSERT_EQUAL(trail_file_open(dir, NULL, &b, &why), -EBUSY);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, "another process"));
        trail_file_close(a);
        remove_dir();
}

static void test_writer_refused(void)
{
        struct seen s = {.want = 1};
        char why[TRAIL_WHY];
        struct trail *t;

        fresh_dir();
        append("one", 1);
        int fd = open(file_path(), O_WRONLY | O_APPEND);
        CU_ASSERT_EQUAL(write(fd, "garbage\n", 8), 8);
        close(fd);
        CU_ASSERT_EQUAL_FATAL(loop_new(&s.loop), 0);
        CU_ASSERT_EQUAL(trail_start(s.loop, dir, NULL, 10 * NSEC_PER_SEC, &ops, &s, &t, why), -EUCLEAN);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, "damaged"));
        loop_free(s.loop);
        remove_dir();
}

static const struct unit_case cases[] = {
        {"records are numbered and chained", test_chain},
        {"every changed byte and a removed record are found", test_damage},
        {"an unfinished record is cut and told", test_torn},
        {"a damaged end, a link and a missing directory are refused", test_refused},
        {"records that are removed or moved are found", test_removed_and_moved},
        {"hashes made anew are found, with what stands elsewhere", test_hashed_anew},
        {"a cut end is found by what stands elsewhere", test_cut_tail},
        {"records of the older form verify", test_older_form},
        {"who, where, and since which boot", test_members},
        {"the chain goes on over files", test_rotation},
        {"a file that is removed is missed", test_removed_file},
        {"what is too old goes, and is named", test_retention},
        {"lines of the audit log", test_checkpoint_lines},
        {"a checkpoint as it is written is one as it is read", test_checkpoint_as_written},
        {"checkpoints of a file", test_checkpoint_files},
        {"files beside it are whole", test_kept},
        {"a second writer is refused", test_locked},
        {"what cannot be written waits, and is late", test_late},
        {"what has no room is counted", test_no_room},
        {"the writer answers in order", test_writer},
        {"a hanging or killed writer costs its entries only", test_writer_lost},
        {"a file that is taken away", test_taken_away},
        {"a writer that is gone is replaced for the next entry", test_writer_gone},
        {"the writer's refusal reaches the caller in words", test_writer_refused},
};
UNIT_MAIN("trail", cases)
