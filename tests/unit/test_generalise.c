/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names as real services write them, in pairs of two runs: both must have one key. And names that mean something each:
 * they must stay apart. From the sources and the directories of the programs that are named beside them.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tidemark/attr.h"
#include "tidemark/buf.h"
#include "tidemark/generalise.h"

static void key_of(const char *path, struct buf *out)
{
        buf_reset(out);
        generalise_path(bytes_str(path), GENERALISE_DATA, out);
}

static void test_same(void)
{
        static const char *const rows[][3] = {
                /* mktemp(1), mkstemp(3), tmpfile of languages */
                {"/tmp/tmp.gR5vKLbqpm", "/tmp/tmp.Wq8sX2hUeY", "/tmp/tmp.<rand>"},
                {"/tmp/tmp.ytrwgs", "/tmp/tmp.Ab3dEf", "/tmp/tmp.<rand>"},
                {"/tmp/jnaNCULEn", "/tmp/jnas9S7VX", "/tmp/<rand>"},
                {"/opt/my_jsonDXskLL", "/opt/my_jsonabCDef", "/opt/my_json<rand>"},
                {"/etc/sedabCDef", "/etc/sedXy9zQ1", NULL},
                {"/opt/state.json.ytrwgs", "/opt/state.json.Ab3dEf", "/opt/state.json.<rand>"},
                {"/opt/.save.XXIeGe01", "/opt/.save.XX1m4Qm1", "/opt/.save.<rand>"},
                {"/tmp/build.ytrwgs", "/tmp/build.Ab3dEf", "/tmp/build.<rand>"},
                {"/tmp/tmpo27_5kkg", "/tmp/tmpabcdefgh", "/tmp/tmp<rand>"},
                {"/tmp/phpA1b2C3", "/tmp/phpzYxWv9", NULL},
                {"/tmp/ssh-Ab3dEfGh1jKl/agent.1234", "/tmp/ssh-Zz9yXxWwVv8u/agent.77", NULL},
                {"/tmp/apt-dpkg-install-Ab3dEf", "/tmp/apt-dpkg-install-xY9zQ1", NULL},
                {"/tmp/pip-unpack-u4c8xjzr/wheel.whl", "/tmp/pip-unpack-ab_cdefg/wheel.whl",
                 "/tmp/pip-unpack-<rand>/wheel.whl"},
                {"/tmp/pymp-qwertyui/pym-12-x", "/tmp/pymp-u4c8xj_r/pym-9-x", NULL},
                {"/tmp/go-build123456789/b001/exe", "/tmp/go-build2468013579/b001/exe", NULL},
                {"/tmp/jna-3506402/jna1234567890123456789.tmp", "/tmp/jna-3506402/jna987654321.tmp", NULL},
                {"/tmp/libnetty_transport_native_epoll_x86_6412345678901.so",
                 "/tmp/libnetty_transport_native_epoll_x86_6498765432109.so", NULL},
                {"/tmp/snappy-1.1.8-123e4567-e89b-12d3-a456-426614174000-libsnappyjava.so",
                 "/tmp/snappy-1.1.8-923e4567-a89b-42d3-b456-426614174fff-libsnappyjava.so", NULL},
                {"/tmp/_MEI000012345/lib.so", "/tmp/_MEI0000987/lib.so", NULL},
                {"/tmp/.org.chromium.Chromium.Ab1dEf", "/tmp/.org.chromium.Chromium.zY9xWv", NULL},
                {"/tmp/yarn--1700000000000-0.123456789/node", "/tmp/yarn--1700000099999-0.98765/node", NULL},
                {"/tmp/hsperfdata_root/12", "/tmp/hsperfdata_root/34567", "/tmp/hsperfdata_root/<n>"},
                {"/tmp/dotnet-diagnostic-1-12345-socket", "/tmp/dotnet-diagnostic-7-999-socket", NULL},
                {"/tmp/systemd-private-0123456789abcdef0123456789abcdef-nginx.service-Ab3dEf/tmp",
                 "/tmp/systemd-private-fedcba98765432100123456789abcdef-nginx.service-Zy9xWv/tmp", NULL},
                /* Python's byte code, and what it is written as first */
                {"/srv/app/__pycache__/main.cpython-311.pyc", "/srv/app/__pycache__/main.cpython-312.pyc",
                 "/srv/app/__pycache__/main.cpython-<n>.pyc"},
                {"/srv/app/__pycache__/main.cpython-311.pyc.140234567890123",
                 "/srv/app/__pycache__/main.cpython-311.pyc.94012345678901", NULL},
                /* sessions */
                {"/var/lib/php/sessions/sess_0a1b2c3d4e5f6g7h8i9j0k1l2m",
                 "/var/lib/php/sessions/sess_vu98aq1tge7m2n4p5b6c0d3f1h", "/var/lib/php/sessions/sess_<rand>"},
                {"/srv/flask_session/0123456789abcdef0123456789abcdef",
                 "/srv/flask_session/aaaabbbbccccddddeeeeffff00001111", NULL},
                /* logs that rotate */
                {"/var/log/app.log.1", "/var/log/app.log.14", "/var/log/app.log.<n>"},
                {"/var/log/app.log.2.gz", "/var/log/app.log.3.gz", "/var/log/app.log.<n>.gz"},
                {"/var/log/app.log-20260102.gz", "/var/log/app.log-20261231.gz", NULL},
                {"/var/log/app-2026-01-02T03-04-05.678.log", "/var/log/app-2026-12-31T23-59-59.001.log", NULL},
                {"/root/.npm/_logs/2026-01-02T03_04_05_678Z-debug-0.log",
                 "/root/.npm/_logs/2027-11-12T13_14_15_016Z-debug-0.log", NULL},
                {"/backup/db-20260102T030405Z.sql", "/backup/db-20271112T131415Z.sql", "/backup/db-<n>.sql"},
                {"/backup/dump_20260102_030405.tar.zst", "/backup/dump_20271112_131415.tar.zst", NULL},
                {"/backup/app20260102.tar", "/backup/app20271112.tar", "/backup/app<n>.tar"},
                {"/var/lib/pgsql/data/log/postgresql-Fri.log", "/var/lib/pgsql/data/log/postgresql-Sat.log", NULL},
                {"/var/log/report-January-2026", "/var/log/report-December-2027", "/var/log/report-<month>-<n>"},
                /* package managers */
                {"/var/cache/apt/pkgcache.bin.aB3dEf", "/var/cache/apt/pkgcache.bin.Zy9xWv", NULL},
                {"/var/lib/dpkg/updates/0001", "/var/lib/dpkg/updates/0042", NULL},
                {"/tmp/fileutl.message.Ab3dEf", "/tmp/fileutl.message.zYxWvU", NULL},
                {"/root/.cache/pip/http-v2/0/1/2/3/4/01234567890123456789012345678901234567890123456789012345",
                 "/root/.cache/pip/http-v2/0/7/2/3/4/abcdef67890123456789012345678901234567890123456789012345", NULL},
                {"/var/cache/dnf/updates-0a1b2c3d4e5f6a7b/repodata/primary.xml.gz",
                 "/var/cache/dnf/updates-ffffeeee0000aaaa/repodata/primary.xml.gz", NULL},
                {"/var/tmp/rpm-tmp.Ab3dEf", "/var/tmp/rpm-tmp.zY9xWv", "/var/tmp/rpm-tmp.<rand>"},
                {"/var/lib/rpm/__db.001", "/var/lib/rpm/__db.003", NULL},
                {"/var/cache/apk/APKINDEX.0a1b2c3d.tar.gz", "/var/cache/apk/APKINDEX.7f6e5d4c.tar.gz", NULL},
                {"/lib/apk/db/.apk.0123456789abcdef01234567", "/lib/apk/db/.apk.fedcba9876543210fedcba98", NULL},
                {"/srv/repo/.git/objects/3f/0123456789abcdef0123456789abcdef012345",
                 "/srv/repo/.git/objects/3f/aaaabbbbccccddddeeeeffff00001111222233", NULL},
                {"/srv/repo/.git/objects/3f/tmp_obj_AbCdEf", "/srv/repo/.git/objects/3f/tmp_obj_z9YxWv", NULL},
                /* mail */
                {"/var/mail/u/new/1700000000.M12345P678.mx,S=1234", "/var/mail/u/new/1700099999.M98765P4321.mx,S=99",
                 NULL},
                {"/var/spool/postfix/deferred/A/A1B2C3D4E5", "/var/spool/postfix/deferred/A/A9F8E7D6C5", NULL},
                {"/var/spool/exim4/input/1pTsXg-0003rM-2p-D", "/var/spool/exim4/input/1qUtYh-0004sN-2p-D", NULL},
                {"/var/spool/cron/atjobs/a0000101a2b3c4", "/var/spool/cron/atjobs/a0000f01a2b3d9", NULL},
                /* data bases and servers */
                {"/var/lib/postgresql/15/main/base/16384/2619_vm", "/var/lib/postgresql/15/main/base/16385/2620_vm",
                 NULL},
                {"/var/lib/postgresql/data/pg_wal/000000010000000000000001",
                 "/var/lib/postgresql/data/pg_wal/00000001000000000000000A", NULL},
                {"/var/lib/postgresql/data/base/pgsql_tmp/pgsql_tmp1234.0",
                 "/var/lib/postgresql/data/base/pgsql_tmp/pgsql_tmp99.17", NULL},
                {"/data/temp-12345.rdb", "/data/temp-7.rdb", "/data/temp-<n>.rdb"},
                {"/data/appendonlydir/appendonly.aof.1.incr.aof", "/data/appendonlydir/appendonly.aof.23.incr.aof",
                 NULL},
                {"/var/cache/nginx/proxy_temp/5/00/0000000005", "/var/cache/nginx/proxy_temp/6/01/0000000016", NULL},
                {"/var/cache/nginx/c/29/b7f54b2df7773722d382f4809d65029c",
                 "/var/cache/nginx/c/31/00f54b2df7773722d382f4809d6502ff", NULL},
                {"/var/lib/nginx/body/0000000001", "/var/lib/nginx/body/0000012345", NULL},
                {"/var/lib/mysql/binlog.000012", "/var/lib/mysql/binlog.000123", NULL},
                {"/data/db/collection-7-1234567890123456789.wt", "/data/db/collection-12-987654321.wt", NULL},
                {"/data/db/journal/WiredTigerLog.0000000001", "/data/db/journal/WiredTigerLog.0000000042", NULL},
                {"/kafka/topic-0/00000000000000000000.log", "/kafka/topic-0/00000000000000123456.log", NULL},
                {"/prometheus/01ARZ3NDEKTSV4RRFFQ69G5FAV/chunks/000001",
                 "/prometheus/01HXYZ8K2M4N6P8Q0R2S4T6V8W/chunks/000002", NULL},
                {"/var/lib/etcd/member/wal/0000000000000001-0000000000000001.wal",
                 "/var/lib/etcd/member/wal/0000000000000002-0000000000012345.wal", NULL},
                {"/www/hls/segment00017.ts", "/www/hls/segment00018.ts", "/www/hls/segment<n>.ts"},
                {"/var/spool/squid/00/0A/00000A1F", "/var/spool/squid/00/0A/00000B2E", NULL},
                /* a browser's */
                {"/root/.cache/chromium/Default/Cache/Cache_Data/f_00012a",
                 "/root/.cache/chromium/Default/Cache/Cache_Data/f_0004bc", NULL},
                {"/root/.cache/chromium/Default/Cache/Cache_Data/0a1b2c3d4e5f6a7b_0",
                 "/root/.cache/chromium/Default/Cache/Cache_Data/ffeeddccbbaa0099_0", NULL},
                {"/root/.config/chromium/Default/Local Storage/leveldb/000123.ldb",
                 "/root/.config/chromium/Default/Local Storage/leveldb/000007.ldb", NULL},
                {"/root/.config/chromium/Default/Local Storage/leveldb/MANIFEST-000001",
                 "/root/.config/chromium/Default/Local Storage/leveldb/MANIFEST-000099", NULL},
                /* whose name is that of a container, a pod, a process */
                {"/var/log/app-3f4e5d6c7b8a.log", "/var/log/app-a1b2c3d4e5f6.log", "/var/log/app-<hex>.log"},
                {"/var/log/web-7d4b9c6f5d-x2x9z.log", "/var/log/web-5c8f7bdd9k-qwlmn.log", "/var/log/web-<pod>.log"},
                {"/var/log/agent-4k7fd.log", "/var/log/agent-x2x9z.log", "/var/log/agent-<pod>.log"},
                {"/run/app.12345.pid", "/run/app.7.pid", "/run/app.<n>.pid"},
                {"/run/celery/w1@a1b2c3d4e5f6.pid", "/run/celery/w1@3f4e5d6c7b8a.pid", NULL},
                {"/s/123e4567-e89b-12d3-a456-426614174000.json", "/s/00000000-0000-4000-8000-000000000000.json",
                 "/s/<uuid>.json"},
        };
        _cleanup_buf_ struct buf a, b, again;

        buf_init(&a, 2000);
        buf_init(&b, 2000);
        buf_init(&again, 2000);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                key_of(rows[i][0], &a);
                key_of(rows[i][1], &b);
                if (strcmp(buf_cstr(&a), buf_cstr(&b)) != 0)
                        printf("\n    %s\n    %s", buf_cstr(&a), buf_cstr(&b));
                CU_ASSERT_STRING_EQUAL(buf_cstr(&a), buf_cstr(&b));
                if (rows[i][2])
                        CU_ASSERT_STRING_EQUAL(buf_cstr(&a), rows[i][2]);
                key_of(buf_cstr(&a), &again); /* a key is its own key */
                CU_ASSERT_STRING_EQUAL(buf_cstr(&a), buf_cstr(&again));
                /* A program is what its whole name says. */
                buf_reset(&again);
                generalise_path(bytes_str(rows[i][0]), GENERALISE_EXECUTABLE, &again);
                CU_ASSERT_STRING_EQUAL(buf_cstr(&again), rows[i][0]);
        }
}

/* Names that people gave are kept as they are. */
static void test_kept(void)
{
        static const char *const rows[] = {
                "/etc/nginx/nginx.conf",
                "/etc/cron.d/backup",
                "/etc/ssl/certs/ca-certificates.crt",
                "/root/.ssh/authorized_keys",
                "/etc/ld.so.preload",
                "/usr/lib/foo-linux-gnu/libssl.so",
                "/usr/share/zoneinfo/Europe/Berlin",
                "/opt/app/config/database.yml",
                "/var/lib/app/sha256.sum",
                "/var/lib/app/README.md",
                "/tmp/hello",
                "/tmp/myFile.txt",
                "/tmp/dropper.sh",
                "/tmp/app.config",
                "/tmp/report.summary",
                "/tmp/x.properties",
                "/tmp/a.backup",
                "/var/cache/debconf/config.dat-old",
                "/var/cache/apt/archives/lock",
                "/opt/amd64/tool",
                "/opt/a.BACKUP2",
                "/opt/a.backup12",
                "/srv/www/wp-content/index.php",
                "/srv/i18n/de.json",
                "/var/spool/postfix/active",
                "/srv/mp3/x",
                "/etc/ssl/cert12.pem",
                "/var/decade/facade",
                "/opt/march/may.txt",
                "/srv/data-store/file",
                "/etc/pam.d/su-l",
                "/usr/lib/libpthread-stubs.pc",
                "/opt/Dockerfile",
                "/opt/libFooBar.so",
                "/opt/parseURL.js",
                "/opt/app.config",
                "/opt/app.manifest",
                "/opt/a.parquet",
                "/srv/myFile.txt",
        };
        _cleanup_buf_ struct buf b;

        buf_init(&b, 2000);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                key_of(rows[i], &b);
                CU_ASSERT_STRING_EQUAL(buf_cstr(&b), rows[i]);
                if (strcmp(buf_cstr(&b), rows[i]) != 0)
                        printf("\n    %s", buf_cstr(&b));
        }
}

/* What is drawn is found however it is drawn: one in a hundred may look like a word. */
static void test_drawn(void)
{
        static const struct {
                const char *prefix, *letters, *key;
                unsigned n, percent;
        } rows[] = {
                {"/tmp/tmp", "abcdefghijklmnopqrstuvwxyz0123456789_", "/tmp/tmp<rand>", 8, 100},
                {"/tmp/tmp.", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "/tmp/tmp.<rand>", 10,
                 99},
                {"/var/lib/php/sessions/sess_", "0123456789abcdefghijklmnopqrstuv", "/var/lib/php/sessions/sess_<rand>",
                 26, 97},
                {"/var/tmp/rpm-tmp.", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
                 "/var/tmp/rpm-tmp.<rand>", 6, 98},
                {"/tmp/pip-build-env-", "abcdefghijklmnopqrstuvwxyz0123456789_", "/tmp/pip-build-env-<rand>", 8, 100},
                {"/cache/", "0123456789abcdef", "/cache/<hex>", 40, 100},
                {"/tmp/id-", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "/tmp/id-<rand>", 26, 80},
        };
        uint64_t x = 88172645463325252u;
        _cleanup_buf_ struct buf b;

        buf_init(&b, 2000);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                unsigned same = 0, all = 2000;

                for (unsigned k = 0; k < all; k++) {
                        char path[200];
                        size_t at = (size_t)snprintf(path, sizeof(path), "%s", rows[i].prefix);

                        for (unsigned c = 0; c < rows[i].n; c++) {
                                x ^= x << 13;
                                x ^= x >> 7;
                                x ^= x << 17;
                                path[at++] = rows[i].letters[x % strlen(rows[i].letters)];
                        }
                        path[at] = '\0';
                        key_of(path, &b);
                        same += strcmp(buf_cstr(&b), rows[i].key) == 0;
                }
                if (same * 100 < rows[i].percent * all)
                        printf("\n    %s: %u of %u", rows[i].key, same, all);
                CU_ASSERT_TRUE(same * 100 >= rows[i].percent * all);
        }
}

static const struct unit_case cases[] = {
        {"names of two runs of real services have one key", test_same},
        {"names that people gave are kept", test_kept},
        {"what is drawn by chance is found", test_drawn},
};
UNIT_MAIN("generalise", cases)
