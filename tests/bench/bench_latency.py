#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_latency.py [ACTS] - from the act to the finding in the queue: a container's process makes a program in the write
layer and runs it, each time another one; the act's time is the program's own, taken by it as its first deed; the
finding's is that of the arrival, at a watcher on control.sock, of the act's line with the finding that it belongs to (it
is committed by then). Prints p50, p90, p99."""
import json
import os
import socket
import statistics
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from lab import wait  # noqa: E402


def watch(path, arrived):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(b'{"cmd": "watch"}\n')

    def read():
        rest = b""
        while True:
            got = s.recv(1 << 16)
            now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            if not got:
                return
            *lines, rest = (rest + got).split(b"\n")
            for line in lines:
                o = json.loads(line)
                e = o.get("event") or {}
                if e.get("kind") == "exec" and e.get("finding"):
                    arrived.setdefault(e["program"], now)
    threading.Thread(target=read, daemon=True).start()


def main():
    acts = int(sys.argv[1]) if len(sys.argv) > 1 else 250
    lab = lab_module.Lab()
    try:
        d = lab.daemon(config=os.environ.get("CONF", ""))
        c = lab.container("latency")
        d.covered("latency")
        d.activate("latency")
        arrived = {}
        watch(os.path.join(d.runtime, "control.sock"), arrived)
        wait("the watcher to be heard", lambda: d.json("status")["engine"]["clients"] >= 2)
        c.sh("/bin/drops %d /opt /ctl/acted" % acts)
        acted = dict(line.split() for line in open(os.path.join(c.ctl, "acted")))
        try:
            wait("every finding", lambda: all(p in arrived for p in acted), 20)
        except lab_module.Failure:
            print("told: %d of %d" % (sum(p in arrived for p in acted), len(acted)), [p for p in acted if p not in arrived][:10])
        ms = sorted((arrived[p] - int(t)) / 1e6 for p, t in acted.items() if p in arrived)
        q = statistics.quantiles(ms, n=100)
        print("%d acts, load %.2f: p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, most %.1f ms" % (len(ms), os.getloadavg()[0], q[49], q[89], q[98], ms[-1]))
    finally:
        lab.close()


if __name__ == "__main__":
    main()
