#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long does the volatile part of evidence take? bench_capture.py [BUILDDIR] [ROUNDS], as root.

A pid, mount and network namespace with 1, 50 and 500 processes stands for the container. Prints per size the median and
the worst of ROUNDS (default 11): until all of it is in memory or open, until the archive is on the disk, and what that took of a processor (on a busy host the
first two say little).
"""
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

build = sys.argv[1] if len(sys.argv) > 1 else "build"
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 11
takes = os.path.join(build, "tests/integration/takes")


def crowd(n):
    """A namespace with n processes: its init is a shell, the others sleep."""
    script = f"i=1; while [ $i -lt {n} ]; do sleep 1000 & i=$((i + 1)); done; echo ready; wait; sleep 1000"
    p = subprocess.Popen(["unshare", "-fpmn", "--mount-proc", "--kill-child", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    with open(f"/proc/{p.pid}/task/{p.pid}/children") as f:
        return p, int(f.read().split()[0])


def cpu():
    """Of children that have ended, and theirs."""
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def one(pid, directory, ms):
    begin = time.monotonic()
    out = subprocess.run([takes, "take", "id=" + "ab" * 32, f"pid={pid}", f"dir={directory}", "file=bench", f"volatile_ms={ms}"],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    os.unlink(os.path.join(directory, json.loads(out)["file"]))
    return json.loads(out), time.monotonic() - begin


def main():
    with tempfile.TemporaryDirectory() as directory:
        for n in (1, 50, 500):
            p, pid = crowd(n)
            used = cpu()
            try:
                got = [one(pid, directory, 5000) for _ in range(rounds)]
                used = (cpu() - used) / rounds * 1e3
                short, _ = one(pid, directory, 200)
            finally:
                p.send_signal(signal.SIGKILL)
                p.wait()
            ms = sorted(s["volatile_ns"] / 1e6 for s, _ in got)
            whole = sorted(t * 1e3 for _, t in got)
            print(f"{n:4} processes: volatile part {statistics.median(ms):.0f} ms (worst {ms[-1]:.0f}), {got[0][0]['processes']} read, "
                  f"{got[0][0]['members']} members; archive on the disk after {statistics.median(whole):.0f} ms (worst {whole[-1]:.0f}); "
                  f"{used:.0f} ms of a processor in all; with 200 ms: {short['volatile_missed']} parts missed")


main()
