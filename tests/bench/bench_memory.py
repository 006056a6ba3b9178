#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_memory.py [N...] - proportional memory (PSS) of all of Tidemark's processes and what its kernel queues and marks
hold, with 0, 20 and 200 containers (cheap ones of runc over one shared lower directory, each with an overlay, a cgroup
and namespaces of its own, a shell that sleeps, and a file it wrote).

Kernel: the bytes that wait in the proc connector's socket (/proc/net/netlink, Rmem) and the pair's, and the marks
(fdinfo of the groups: inodes that are marked, at 0.8 KiB each for mark and pinned inode: an estimate). Queues that are
empty hold nothing; what they may hold at most is printed too."""
import glob
import os
import re
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from engines import Bundle, remove_cgroup  # noqa: E402
from lab import wait  # noqa: E402

MARK_KIB = 0.8


def pss(pid):
    for line in open("/proc/%d/smaps_rollup" % pid):
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def kernel(pids):
    """KiB in netlink queues of these processes, and marks that their groups hold."""
    rmem = 0
    for line in open("/proc/net/netlink").read().splitlines()[1:]:
        f = line.split()
        if f[1] == "11" and int(f[2]) in pids:
            rmem += int(f[4])
    marks = 0
    for pid in pids[:1]:
        for info in glob.glob("/proc/%d/fdinfo/*" % pid):
            try:
                marks += len(re.findall(r"^(?:fanotify ino|inotify wd)", open(info).read(), re.M))
            except OSError:
                pass
    return rmem / 1024, marks


def main():
    steps = [int(a) for a in sys.argv[1:]] or [0, 20, 200]
    lab = lab_module.Lab()
    base = os.path.join(lab.dir, "cheap")
    cheap = []
    work = ["/bin/sh", "-c", "mkdir -p /opt/a/b; echo x > /opt/a/b/file; exec sleep 100000"]
    try:
        d = lab.daemon()
        print("%10s %10s %10s %10s %10s %8s %10s %12s" % ("containers", "sensor", "engine", "helpers", "sum KiB", "marks", "kernel KiB", "KiB each more"))
        first = None
        for n in steps:
            while len(cheap) < n:
                cid = "%064x" % (0x7d << 200 | os.getpid() << 32 | len(cheap))
                cheap.append(Bundle(lab, base, cid, "/tidemark-bench/" + cid, args=work))
            ids = {c.id for c in cheap}
            wait("all to be covered", lambda: ids <= {c["id"] for c in d.json("status")["containers"] if c["gap_ms"] is not None or c["running_before"]}, 120)
            time.sleep(3)
            children = d.children()
            engine = d.engine()
            helpers = sum(pss(p) for p in children.values() if p != engine)
            queued, marks = kernel([d.proc.pid] + list(children.values()))
            total = pss(d.proc.pid) + pss(engine) + helpers
            whole = total + queued + marks * MARK_KIB
            first = (n, whole) if first is None or n <= 20 else first
            print("%10d %10d %10d %10d %10d %8d %10.0f %12.1f" % (n, pss(d.proc.pid), pss(engine), helpers, total, marks, queued + marks * MARK_KIB, (whole - first[1]) / (n - first[0]) if n > first[0] else 0), flush=True)
        print("at most, while they are full: proc connector 4096 KiB, pair 4096 KiB, each fanotify group %s events" % open("/proc/sys/fs/fanotify/max_queued_events").read().strip())
    finally:
        for c in cheap:
            c.remove()
        shutil.rmtree(base, ignore_errors=True)
        remove_cgroup("tidemark-bench")
        lab.close()


if __name__ == "__main__":
    main()
