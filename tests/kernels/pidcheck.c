/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pidcheck RECORDING N: does a recording of two containers that ran pidmix (ids of "a" run /bin/leaf-a, of "b"
 * /bin/leaf-b, N times each) mix any two processes? Whatever an execution is told with must be of one: container,
 * program, executable, caller, ancestors, arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tidemark/buf.h"
#include "tidemark/err.h"
#include "tidemark/event.h"
#include "tidemark/record.h"

struct count {
        unsigned long told, wrong, args, unseen, lost;
};

static bool is(struct bytes s, const char *text)
{
        return s.len == 0 || bytes_eq(s, bytes_str(text)); /* not known is not wrong */
}

static void complain(struct count *n, const struct tide_event *ev, const char *what, struct bytes found)
{
        char text[128];

        if (n->wrong++ < 20)
                printf("     pid %u in %.4s: %s: %s\n", ev->exec.actor.pid, ev->container.p, what,
                       str_print(found, text, sizeof(text)));
}

static struct bytes parent_of(const struct tide_actor *a)
{
        struct bytes exe = {NULL, 0};
        struct tide_ancestor t;
        struct rd r;

        rd_init(&r, a->lineage.p, a->lineage.len);
        while (tide_lineage_next(&r, &t) == 1)
                exe = t.exe;
        return exe;
}

static void on_exec(struct count *n, const struct tide_event *ev)
{
        const struct tide_exec *x = &ev->exec;
        char which = (char)(ev->container.len ? ev->container.p[0] : 0), leaf[16], mix[16], args[16];
        struct bytes of = x->program.len ? x->program : x->actor.exe;

        if (which != 'a' && which != 'b')
                return;
        snprintf(leaf, sizeof(leaf), "/bin/leaf-%c", which);
        snprintf(mix, sizeof(mix), "/bin/mix-%c", which);
        memcpy(args, "leaf-x\0x-", 9);
        args[5] = args[7] = which;
        if (bytes_eq(of, bytes_str(mix)) || bytes_eq(of, BYTES_LIT("/bin/busybox")) || ev->sources == SRC_PROCFS)
                return;
        if (of.len == 0) {
                n->unseen++;
                n->told++;
                return;
        }
        n->told++;
        if (!is(x->program, leaf))
                complain(n, ev, "program", x->program);
        if (!is(x->actor.exe, leaf))
                complain(n, ev, "executable", x->actor.exe);
        if (!is(x->caller, mix))
                complain(n, ev, "caller", x->caller);
        if (!is(parent_of(&x->actor), mix))
                complain(n, ev, "parent", parent_of(&x->actor));
        n->args += x->args.len > 0;
        if (x->args.len && (x->args.len < 9 || memcmp(x->args.p, args, 9)))
                complain(n, ev, "arguments", x->args);
}

int main(int argc, char **argv)
{
        _cleanup_(record_reader_freep) struct record_reader *r = NULL;
        _cleanup_close_ int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
        unsigned long truth = argc == 3 ? 2 * strtoul(argv[2], NULL, 10) : 0;
        struct count n = {0};
        struct tide_event ev;
        int err = fd < 0 ? -ENOENT : record_reader_new(fd, &r);

        while (err == 0 && (err = record_next(r, &ev)) == 1) {
                err = 0;
                if (ev.kind == TIDE_EXEC)
                        on_exec(&n, &ev);
                else if (ev.kind == TIDE_LOSS)
                        n.lost += ev.loss.count ? ev.loss.count : 1;
        }
        printf("     %lu executions of %lu told (%lu with arguments, %lu whose program was not seen), %lu lost\n",
               n.told, truth, n.args, n.unseen, n.lost);
        return n.wrong || n.told > truth || n.told + n.lost < truth || n.told - n.unseen < truth / 2;
}
