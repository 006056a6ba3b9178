#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_named.py [FLOWS] - of connections that end soon, the share that is told with its process, without audit rules: by
how long they live, 20 a second, opened by one process or by one each. Root."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from lab import wait  # noqa: E402
from net import Net  # noqa: E402

THERE = "198.51.100.1"
# What, its command for one connection of so many ms after the other, and who should be named.
WORKS = (
    ("one process, 50 ms", "connects tcp %s 80 %d 50000", "/bin/connects"),
    ("one process, 1 ms", "connects tcp %s 80 %d 1000 49000", "/bin/connects"),
    ("one process, closed at once", "connects tcp %s 80 %d 0 50000", "/bin/connects"),
    ("a process each, 50 ms", "n=0; while [ $n -lt %d ]; do connects tcp %s 80 1 50000 > /dev/null; n=$((n + 1)); done", "/bin/connects"),
    ("a process each, 1 ms", "n=0; while [ $n -lt %d ]; do connects tcp %s 80 1 1000 49000 > /dev/null; n=$((n + 1)); done", "/bin/connects"),
)


def main():
    flows = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    lab = lab_module.Lab()
    print("load average at the beginning: %.2f %.2f %.2f; %d processors" % (os.getloadavg() + (os.cpu_count(),)))
    try:
        net = Net(lab)
        net.serve(THERE, 80)
        c = net.container("named")
        d = lab.daemon()
        d.covered("named")
        wait("its namespace to be watched", lambda: d.json("status")["network"]["namespaces"]["watched"] >= 1)
        w = d.watch()
        seen = 0
        for what, command, who in WORKS:
            c.sh(command % ((THERE, flows) if command.startswith("connects") else (flows, THERE)), 60 + flows)

            def told():
                return [e for e in w.events("flow", c.id) if e["remote"] == THERE and e["direction"] == "outbound"]
            wait("all to be told", lambda: len(told()) >= seen + flows)
            mine = told()[seen:]
            seen = len(told())
            print("%-28s %4d told, with process %5.1f%%" % (what, len(mine), 100 * sum(e["executable"] == who for e in mine) / len(mine)), flush=True)
        print("load average at the end: %.2f %.2f %.2f; %s" % (os.getloadavg() + (d.json("status")["network"]["sockets"],)))
        w.stop()
    finally:
        lab.close()


if __name__ == "__main__":
    main()
