#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_connects.py [ROUNDS] - how much slower TCP connections in a container are for being watched: by nobody, by the
kernel alone (a rule that switches conntrack on, and nobody listens), by conntrack -E beside the same rule, by our table
with a program that only prints what its sockets bring (listens), and by Tidemark. All of them in turn in every round, in
an order that changes, each in a container of its own; medians of the ratios to "nobody" of the same round, with
quartiles: of the time by the clock, and of the processor time of the work itself, which includes what the kernel does for
watching it but not the wait for a processor. Root. Alone on the machine, or the spread says so."""
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from lab import BUILD, check, run, wait  # noqa: E402
from bench_slowdown import cpu  # noqa: E402

WORKS = (("refused", 10000), ("accepted", 10000))
TIMES = 3  # each, in one container: the median of them
RULE = """table inet bench {
    chain output { type filter hook output priority -150; ct state new counter; }
}"""


def inside(c, *argv, **kw):
    return run(["nsenter", "-t", str(c.init_pid()), "-n", *argv], **kw)


class Nobody:
    name = "nobody"

    def __init__(self, lab, c):
        self.pids = []

    def stop(self):
        return ""


class Rule(Nobody):
    name = "the rule alone"

    def __init__(self, lab, c):
        r = inside(c, "nft", "-f", "-", input=RULE)
        check(r.returncode == 0, "nft", r.stderr)
        self.pids = []


class Conntrack(Rule):
    name = "conntrack -E"

    def __init__(self, lab, c):
        super().__init__(lab, c)
        self.path = os.path.join(lab.dir, "conntrack.out")
        with open(self.path, "w") as out:
            self.proc = subprocess.Popen(["nsenter", "-t", str(c.init_pid()), "-n", "stdbuf", "-oL", "conntrack", "-E"], stdout=out, stderr=subprocess.DEVNULL)
        self.pids = [self.proc.pid]
        wait("conntrack -E to listen", lambda: "NETLINK" in self._sockets())

    def _sockets(self):
        links = [os.readlink("/proc/%d/fd/%s" % (self.proc.pid, f)) for f in os.listdir("/proc/%d/fd" % self.proc.pid)]
        return "NETLINK" if any(x.startswith("socket:") for x in links) else ""

    def stop(self):
        self.proc.terminate()
        self.proc.wait()
        with open(self.path) as f:
            return "%d new" % sum("[NEW]" in line for line in f)


class Listens:
    name = "our table, printing"

    def __init__(self, lab, c):
        self.path = os.path.join(lab.dir, "listens.out")
        with open(self.path, "w") as out:
            self.proc = subprocess.Popen([os.path.join(BUILD, "tests/integration/listens"), "bench", "900", "/proc/%d/ns/net" % c.init_pid()],
                                         stdin=subprocess.PIPE, stdout=out)
        wait("our table", lambda: open(self.path).read().startswith("stands"))
        self.pids = [self.proc.pid]

    def stop(self):
        self.proc.stdin.close()
        self.proc.wait()
        with open(self.path) as f:
            return "%d new" % sum(line == "flow\n" for line in f)


class Tidemark:
    name = "tidemark"

    def __init__(self, lab, c):
        self.d = lab.daemon()
        self.d.covered(c.name)
        wait("the table", lambda: "tidemark-" in inside(c, "nft", "list", "tables").stdout)
        self.pids = [self.d.proc.pid] + list(self.d.children().values())

    def stop(self):
        s = self.d.json("status")
        said = "%s lost, %d refused" % ("+".join(str(x["lost"]) for x in s["sensors"]), sum(s["pair"]["refused"].values()))
        self.d.stop()
        return said


def watchers():
    yield Nobody
    yield Rule
    if shutil.which("conntrack"):
        yield Conntrack
    yield Listens
    if os.environ.get("BENCH_TIDEMARK", "1") == "1":
        yield Tidemark


def measure(lab, program, watcher):
    c = lab.container()
    shutil.copy(program, os.path.join(c.ctl, "connects"))
    w = watcher(lab, c)
    out = {}
    for work in WORKS:
        before, seconds, used = cpu(w.pids), [], []
        for _ in range(TIMES):
            c.sh("/ctl/connects %s %d > /ctl/truth" % work)
            truth = json.load(open(os.path.join(c.ctl, "truth")))
            check(truth["done"] == work[1], "each was as it should be", truth)
            seconds.append(truth["seconds"])
            used.append(truth["cpu"])
        time.sleep(0.5)  # what is left to be read belongs to the work
        out[work] = statistics.median(seconds), statistics.median(used), (cpu(w.pids) - before) / TIMES
    said = w.stop()
    c.remove()
    return out, said


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    all_of_them = list(watchers())
    got = {(w.name, work): [] for w in all_of_them for work in WORKS}
    said = {}
    lab = lab_module.Lab()
    program = os.path.join(lab.dir, "connects")
    check(run(["gcc", "-O1", "-static", "-D_GNU_SOURCE", "-std=gnu99", "-o", program, os.path.join(HERE, "connects.c")]).returncode == 0, "connects.c compiles")
    print("load average at the beginning: %.2f %.2f %.2f; %d processors" % (os.getloadavg() + (os.cpu_count(),)))
    try:
        for n in range(rounds):
            order = all_of_them[:]
            random.Random(n).shuffle(order)
            for w in order:
                out, said[w.name] = measure(lab, program, w)
                for work, value in out.items():
                    got[w.name, work].append(value)
            print("round %d of %d (load %.2f) %s" % (n + 1, rounds, os.getloadavg()[0], said), flush=True)
    finally:
        lab.close()
    print("\n%-16s %-20s %8s %9s %15s %9s %15s %12s" % ("work", "watcher", "seconds", "slow-down", "quartiles", "work's", "quartiles", "watcher's"))
    for work in WORKS:
        for w in all_of_them:
            mine = got[w.name, work]
            cells = []
            for k in (0, 1):
                ratios = [m[k] / b[k] for m, b in zip(mine, got["nobody", work])]
                q = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
                cells += [statistics.median(ratios), q[0], q[2]]
            print("%-16s %-20s %8.3f %9.3f %7.3f %7.3f %9.3f %7.3f %7.3f %9.1f us" %
                  ("%s %d" % work, w.name, statistics.median(m[0] for m in mine), *cells, statistics.median(m[2] for m in mine) * 1e6 / work[1]))
    print("load average at the end: %.2f %.2f %.2f" % os.getloadavg())


if __name__ == "__main__":
    main()
