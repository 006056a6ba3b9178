/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines to syslog: what they hold, that they are bounded and escaped, and that nobody waits for who does not read. */
#include "unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/finding.h"
#include "tidemark/syslog.h"

#define WALL 1767323045000000000 /* 2026-01-02T03:04:05Z */

static struct finding *hostile(void)
{
        static char junk[20000];
        struct finding *f = finding_new();

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        for (size_t i = 0; i < sizeof(junk); i++)
                junk[i] = (char)(i * 7 + 1);
        f->id = 12;
        f->confidence = 97;
        f->count = UINT64_MAX;
        f->first_ns = f->last_ns = WALL;
        f->ncontainers = FINDING_CONTAINERS;
        for (uint32_t i = 0; i < FINDING_CONTAINERS; i++)
                CU_ASSERT_EQUAL(str_set(&f->containers[i].name, bytes_of(junk, sizeof(junk))), 0);
        CU_ASSERT_EQUAL(str_set(&f->workload, BYTES_LIT("web\"}\n\x1b[2J\xff")), 0);
        CU_ASSERT_EQUAL(str_set(&f->image, bytes_of(junk, sizeof(junk))), 0);
        CU_ASSERT_EQUAL(str_set(&f->host, bytes_of(junk, sizeof(junk))), 0);
        CU_ASSERT_EQUAL(str_set(&f->digest, bytes_of(junk, sizeof(junk))), 0);
        CU_ASSERT_EQUAL(str_set(&f->closed_by, bytes_of(junk, sizeof(junk))), 0);
        f->nsignals = 2;
        f->signals[0].kind = DIM_FILE;
        f->signals[1].kind = DIM_PROCESS;
        CU_ASSERT_EQUAL(str_set(&f->signals[0].subject, BYTES_LIT("/opt/file")), 0);
        CU_ASSERT_EQUAL(str_set(&f->signals[1].subject, bytes_of(junk, sizeof(junk))), 0);
        return f;
}

static void test_text(void)
{
        struct finding *f = hostile();
        _cleanup_buf_ struct buf b;
        json_t *o;

        buf_init(&b, 1 << 20);
        CU_ASSERT_EQUAL(syslog_text(f, NEWS_PAGED, &b), 0);
        CU_ASSERT_TRUE(b.len < SYSLOG_LINE_MAX - 100);
        for (size_t i = 0; i < b.len; i++)
                CU_ASSERT_TRUE(b.p[i] >= 0x20 && b.p[i] < 0x7f);
        o = json_loadb((const char *)b.p, b.len, 0, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(o);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(o, "event")), "page");
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(o, "id")), "F-12");
        CU_ASSERT_EQUAL(json_array_size(json_object_get(o, "containers")), 3);
        CU_ASSERT_TRUE(json_is_null(json_object_get(o, "verdict")) && json_is_null(json_object_get(o, "past")));
        CU_ASSERT_PTR_NULL(strchr(json_string_value(json_object_get(o, "workload")), '\n'));
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(o, "confidence")), 97);
        json_decref(o);
        finding_free(f);
}

static int listen_at(const char *path)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

        snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
        unlink(path);
        CU_ASSERT_TRUE_FATAL(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
        return fd;
}

static void test_send(void)
{
        char path[64], got[SYSLOG_LINE_MAX + 1];
        struct syslog_stats st;
        struct syslog_sink *s;
        bool first;
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/tmp/tm-syslog-%d", (int)getpid());
        CU_ASSERT_EQUAL(syslog_sink_new(path, "nonsense", &s), -EINVAL);
        CU_ASSERT_EQUAL_FATAL(syslog_sink_new(path, "authpriv", &s), 0);
        /* Nobody there: lost, counted, said once. */
        CU_ASSERT_TRUE(syslog_send(s, false, BYTES_LIT("{}"), WALL, &first) < 0 && first);
        CU_ASSERT_TRUE(syslog_send(s, false, BYTES_LIT("{}"), WALL, &first) < 0 && !first);
        fd = listen_at(path);
        CU_ASSERT_EQUAL(syslog_send(s, true, BYTES_LIT("{\"a\":1}"), WALL, &first), 0);
        n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
        CU_ASSERT_TRUE_FATAL(n > 0);
        got[n] = '\0';
        CU_ASSERT_EQUAL(strncmp(got, "<81>Jan  ", 9), 0); /* authpriv, alert */
        CU_ASSERT_PTR_NOT_NULL(strstr(got, " tidemarkd["));
        CU_ASSERT_PTR_NOT_NULL(strstr(got, "]: {\"a\":1}"));
        /* The daemon is started anew. */
        close(fd);
        fd = listen_at(path);
        CU_ASSERT_EQUAL(syslog_send(s, false, BYTES_LIT("{}"), WALL, &first), 0);
        CU_ASSERT_TRUE(recv(fd, got, sizeof(got), MSG_DONTWAIT) > 0);
        /* It does not read: nobody waits. */
        for (int i = 0; i < 10000; i++)
                if (syslog_send(s, false, BYTES_LIT("{}"), WALL, &first) == -EAGAIN)
                        n = -1;
        CU_ASSERT_TRUE(n == -1 && !first);
        CU_ASSERT_EQUAL(syslog_send(s, false, bytes_of(got, SYSLOG_LINE_MAX), WALL, &first), -EMSGSIZE);
        syslog_stats(s, &st);
        CU_ASSERT_TRUE(st.sent > 2 && st.lost == 3);
        syslog_sink_free(s);
        close(fd);
        unlink(path);
}

static const struct unit_case cases[] = {
        {"a line is bounded and escaped", test_text},
        {"lines are sent, or lost and counted", test_send},
};

UNIT_MAIN("syslog", cases)
