#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_contain.py [TIMES] - from the command line's start to the first packet that is dropped: tidemark contain isolate
--now, and without it, so with the volatile part of the evidence taken before. A sender in the container's namespace sends
some ten thousand packets a second to somebody on the other side, who says when the last one came. Root."""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from lab import TIDEMARK, check, run, wait  # noqa: E402
from net import Net  # noqa: E402

THERE = "198.51.100.1"
SEND = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("%s", 9))
while True:
    try:
        s.send(b"x")
    except OSError:
        pass
    time.sleep(0.00005)
""" % THERE
TAKE = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("%s", 9))
s.settimeout(0.1)
last = 0
while True:
    try:
        s.recv(10)
        if not last:
            print("began", flush=True)
        last = time.monotonic()
    except socket.timeout:
        if last:
            print("ended", last, flush=True)
        last = 0
""" % THERE


def line(taker, word):
    while True:
        words = taker.stdout.readline().split()
        if words and words[0] == word:
            return words


def one(d, taker, *argv):
    """Milliseconds: from the start of the command to the last packet that came through; and as the agent says."""
    began = time.monotonic()
    r = run([TIDEMARK, "--runtime-dir", d.runtime, "--json", "contain", "isolate", "cut", *argv])
    took = time.monotonic() - began
    check(r.returncode == 0, "isolated", r.stdout, r.stderr)
    last = float(line(taker, "ended")[1])
    check(d.tidemark("contain", "release", "cut").returncode == 0, "released")
    line(taker, "began")
    return 1000 * max(0.0, last - began), 1000 * took


def said(what, values):
    values = sorted(values)
    print("%-52s median %7.1f ms, worst %7.1f ms" % (what, values[len(values) // 2], values[-1]), flush=True)


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    lab = lab_module.Lab()
    print("load average at the beginning: %.2f %.2f %.2f; %d processors; %d times each" % (os.getloadavg() + (os.cpu_count(), times)))
    procs = []
    try:
        net = Net(lab)
        net.address(THERE)
        c = net.container("cut")
        d = lab.daemon(config="evidence = { keep_size = \"1G\"; };\n")
        d.covered("cut")
        taker = subprocess.Popen(net.inside() + [sys.executable, "-c", TAKE], stdout=subprocess.PIPE, text=True)
        procs.append(taker)
        procs.append(subprocess.Popen(["nsenter", "-t", str(c.init_pid()), "-n", sys.executable, "-c", SEND]))
        line(taker, "began")
        for what, argv in (("isolate --now", ("--now",)), ("isolate, the volatile part taken before", ())):
            dropped, answered = [], []
            for _ in range(times):
                a, b = one(d, taker, *argv)
                dropped.append(a)
                answered.append(b)
                wait("evidence to be done", lambda: not d.json("status")["evidence"]["under_way"])
            said(what + ": to the first dropped packet", dropped)
            said(what + ": to the answer", answered)
        print("load average at the end: %.2f %.2f %.2f" % os.getloadavg())
    finally:
        for p in procs:
            p.kill()
            p.wait()
        lab.close()


if __name__ == "__main__":
    main()
