/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proctab_stop - when a container is told to end: a runtime runs "runc … kill … ID [SIGNAL]" for it.
 *
 * Owns: what the arguments of a runtime say. Never: reads those of a process that is not root's (what is in its memory
 * could make the reader wait; runc(8) run by others ends containers of their own, whose shutdown is then told by their
 * end alone). Hands over: the container, by proctab_ops.stopping.
 */
#include "proctab-priv.h"

#include <string.h>

static struct bytes next_arg(struct bytes *args)
{
        const uint8_t *end = args->len ? memchr(args->p, '\0', args->len) : NULL;
        struct bytes one = bytes_of(args->p, end ? (size_t)(end - args->p) : args->len);

        if (args->len == 0)
                return one;
        *args = bytes_of(args->p + one.len, args->len - one.len);
        if (args->len)
                *args = bytes_of(args->p + 1, args->len - 1);
        return one;
}

/* Signals that ask for the end, by name and number: others (a reload) are not the end. signal(7). */
static bool asks_to_end(struct bytes signal)
{
        static const char *const names[] = {"", "TERM", "15", "KILL", "9", "INT", "2", "QUIT", "3", "RTMIN+3", "37"};

        if (bytes_has_prefix(signal, BYTES_LIT("SIG")))
                signal = bytes_of(signal.p + 3, signal.len - 3);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (bytes_eq(signal, bytes_str(names[i])))
                        return true;
        return false;
}

bool proctab_stop_args(struct bytes args, struct bytes *ret_id)
{
        struct bytes id = {0}, signal = {0};
        bool kill = false;

        next_arg(&args);
        while (args.len) {
                struct bytes one = next_arg(&args);

                if (one.len && one.p[0] == '-')
                        continue;
                if (!kill)
                        kill = bytes_eq(one, BYTES_LIT("kill"));
                else if (id.len == 0)
                        id = one;
                else if (signal.len == 0)
                        signal = one;
        }
        if (!kill || id.len == 0 || !asks_to_end(signal))
                return false;
        *ret_id = id;
        return true;
}

void proctab_stop(struct proctab *pt, const struct proc *p)
{
        struct procfs_status st;
        struct container *c;
        struct bytes id;

        if (!pt->ops->stopping || pt->sys.status(p->pid, &st, pt->sys.arg) < 0 || st.uid != 0 || st.euid != 0 ||
            pt->sys.read(p->pid, "cmdline", &pt->text, pt->sys.arg) < 0)
                return;
        if (!proctab_stop_args(buf_bytes(&pt->text), &id))
                return;
        c = containers_by_id(pt->cs, id);
        if (c)
                pt->ops->stopping(c, pt->arg);
}
