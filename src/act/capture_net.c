/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: which tables of a network namespace are read. Must not: enter it: a process's /proc/PID/net shows its own.
 * Hands over: the kernel's text as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "act/capture-priv.h"

#define TABLE_MAX (16u * 1024 * 1024)

static const char *const tables[] = {
        "tcp",   "tcp6",       "udp",      "udp6",   "udplite",  "udplite6",     "raw",         "raw6",
        "icmp",  "icmp6",      "unix",     "packet", "netlink",  "sctp/eps",     "sctp/assocs", "arp",
        "route", "ipv6_route", "if_inet6", "dev",    "fib_trie", "nf_conntrack",
};

bool capture_net(struct capture_run *r, struct capture_hoard *h, const struct capture_proc *p)
{
        char path[64];

        for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
                char name[32];
                struct buf *b;
                int result;

                if (capture_volatile_late(r)) {
                        snprintf(path, sizeof(path), "volatile/net/%llu/%s", (unsigned long long)p->netns, tables[i]);
                        capture_note(r->notes, CAPTURE_MISSED, bytes_str(path), "the time was over", 0);
                        continue;
                }
                snprintf(name, sizeof(name), "%s", tables[i]);
                for (char *c = name; *c; c++)
                        *c = *c == '/' ? '_' : *c;
                b = capture_hoard_add(h, "volatile/net/%llu/%s", (unsigned long long)p->netns, name);
                if (!b) {
                        capture_note(r->notes, CAPTURE_CUT, bytes_str(tables[i]), "no room for the volatile part", 0);
                        return true;
                }
                snprintf(path, sizeof(path), "/proc/%u/net/%s", p->pid, tables[i]);
                result = capture_read(path, TABLE_MAX, b);
                if (result > 0)
                        capture_note(r->notes, CAPTURE_CUT, bytes_str(path), "it is longer", 0);
                if (result < 0)
                        capture_hoard_back(h, capture_hoard_count(h) - 1);
                if (result < 0 && i == 0)
                        return false; /* every kernel has this one: the process is gone */
        }
        return true;
}
