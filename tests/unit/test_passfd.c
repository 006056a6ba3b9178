/* SPDX-License-Identifier: GPL-2.0-or-later */
/* passfd: descriptors arrive as what they were, and none is left open that nobody gets. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tidemark/passfd.h"

static unsigned open_now(void)
{
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (d && readdir(d))
                n++;
        if (d)
                closedir(d);
        return n;
}

struct ends {
        int sv[2], pipe[2];
};

static struct ends ends(void)
{
        struct ends e;

        CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, e.sv) == 0 && pipe(e.pipe) == 0);
        return e;
}

static void close_ends(struct ends *e)
{
        for (unsigned i = 0; i < 2; i++) {
                close(e->sv[i]);
                close(e->pipe[i]);
        }
}

static void test_pass(void)
{
        struct ends e = ends();
        char text[8], ch;
        size_t n = 9;
        int got[PASSFD_MAX];

        CU_ASSERT_EQUAL(passfd_send(e.sv[0], "abc", 3, e.pipe, 2, 0), 0);
        CU_ASSERT_EQUAL(passfd_recv(e.sv[1], text, sizeof(text), got, 2, &n, 0), 3);
        CU_ASSERT(n == 2 && memcmp(text, "abc", 3) == 0);
        CU_ASSERT(write(got[1], "x", 1) == 1 && read(e.pipe[0], &ch, 1) == 1 && ch == 'x');
        close(got[0]);
        close(got[1]);
        CU_ASSERT_EQUAL(passfd_send(e.sv[0], "d", 1, NULL, 0, 0), 0);
        CU_ASSERT_EQUAL(passfd_recv(e.sv[1], text, sizeof(text), got, 2, &n, 0), 1);
        CU_ASSERT_EQUAL(n, 0);
        CU_ASSERT_EQUAL(passfd_recv(e.sv[1], text, sizeof(text), got, 2, &n, MSG_DONTWAIT), -EAGAIN);
        close_ends(&e);
}

static void test_refused(void)
{
        unsigned before = open_now(), held;
        struct ends e = ends();
        const int five[5] = {e.pipe[0], e.pipe[0], e.pipe[0], e.pipe[0], e.pipe[0]};
        int got[PASSFD_MAX];
        char text[8];
        size_t n = 9;

        held = open_now();
        CU_ASSERT_EQUAL(passfd_send(e.sv[0], "abc", 3, five, 5, 0), -EINVAL);
        CU_ASSERT_EQUAL(passfd_send(e.sv[0], "abc", 3, five, PASSFD_MAX, 0), 0);
        CU_ASSERT_EQUAL(passfd_recv(e.sv[1], text, sizeof(text), got, 1, &n, 0), -EMSGSIZE);
        CU_ASSERT_EQUAL(passfd_send(e.sv[0], "abcdefghi", 9, five, 1, 0), 0);
        CU_ASSERT_EQUAL(passfd_recv(e.sv[1], text, sizeof(text), got, 1, &n, 0), -EMSGSIZE);
        CU_ASSERT(n == 9 && open_now() == held);
        close_ends(&e);
        CU_ASSERT_EQUAL(open_now(), before);
}

static const struct unit_case cases[] = {
        {"what is passed arrives", test_pass},
        {"what is too much is refused, and closed", test_refused},
};
UNIT_MAIN("passfd", cases)
