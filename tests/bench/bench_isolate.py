#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_isolate.py [TIMES] - how long it takes to cut a container off, from the request on, with the helper running: until
the first place stands (from there on the next packet is dropped), until all do, until a packet of ours was seen to be
dropped at each, and until the answer (connections in conntrack's table are ended by then); and until a container that
sends a datagram every 0.2 ms to this host is heard for the last time. Median and worst. The program cuts does it."""
import os
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from lab import BUILD, wait  # noqa: E402
from test_isolate import Joined, cuts, pid_of  # noqa: E402

SEND = "import socket,sys,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nwhile True:\n try: s.sendto(b'x',(sys.argv[1],9001))\n except OSError: pass\n time.sleep(0.0002)\n"


class Ear:
    """When the last datagram came, by CLOCK_BOOTTIME."""

    def __init__(self, address):
        self.socket, self.last, self.count = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0, 0
        self.socket.bind((address, 9001))
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        while True:
            self.socket.recv(64)
            self.last = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            self.count += 1


def row(name, values):
    print("%-44s median %6d us, worst %6d us" % (name, statistics.median(values), max(values)))


def last_heard(lab, j, c, pid, times):
    """From the start of a program that asks (its own start included) to the last datagram."""
    ear = Ear(j.host)
    sender = subprocess.Popen(["nsenter", "--net=/run/netns/" + j.name, sys.executable, "-c", SEND, j.host])
    took = []
    try:
        for _ in range(times):
            n = ear.count
            wait("it to send", lambda: ear.count > n + 20)
            began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            cuts("cut", c.id, pid)
            took.append(max(0, ear.last - began) // 1000)
            cuts("release", c.id, pid)
    finally:
        sender.kill()
        sender.wait()
    return took


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    lab = lab_module.Lab()
    j = Joined("b")
    try:
        c = lab.container("bench-iso", network="ns:/run/netns/" + j.name)
        pid = pid_of(lab, c)
        r = lab_module.run([os.path.join(BUILD, "tests/integration/cuts"), "times", str(times), c.id, str(pid)])
        rows = [[int(x) for x in line.split()] for line in r.stdout.splitlines()]
        print("%d cuts, %d seen to drop at each place; load %s" % (len(rows), sum(x[4] for x in rows), open("/proc/loadavg").read().strip()))
        for i, name in enumerate(("request to the first place that stands", "the helper: all stand", "the helper: seen to drop", "request to the answer")):
            row(name, [x[i] for x in rows])
        row("start of a program that asks, to last heard", last_heard(lab, j, c, pid, times))
    finally:
        j.end()
        lab.close()


if __name__ == "__main__":
    main()
