#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_slowdown.py [ROUNDS] - how much slower work in a container is for being watched: by nobody, by a bare listener of
the same kernel interfaces (listener.c), by Tidemark, and by what else is installed here (auditd with an execve rule,
inotifywait on the upper directory). All of them in turn in every round, in an order that changes; medians of the ratios
to "nobody" of the same round, with quartiles. Root. Alone on the machine, or the spread says so."""
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from lab import BUILD, check, run, wait  # noqa: E402

# work, processes, count of each: one process leaves the second core to the watcher, two leave it none.
WORKS = tuple(w for w in (("exec", 1, 2000), ("pass", 1, 20000), ("exec", 2, 1000), ("pass", 2, 10000)) if str(w[1]) in os.environ.get("BENCH_PROCESSES", "1 2"))


def cpu(pids):
    total = 0
    for pid in pids:
        fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Nobody:
    name = "nobody"

    def __init__(self, lab, c):
        self.pids = []

    def stop(self):
        return ""


class Listener:
    name = "bare listener"

    def __init__(self, lab, c):
        upper = c.upper()
        dirs = [d for d, _, _ in os.walk(upper)]
        self.proc = subprocess.Popen([os.path.join(BUILD, "tests/bench/listener"), str(c.init_pid())] + dirs, stdout=subprocess.PIPE, text=True)
        check(self.proc.stdout.readline() == "ready\n", "the listener is ready")
        self.pids = [self.proc.pid]

    def stop(self):
        self.proc.terminate()
        return self.proc.communicate()[0].strip()


class Tidemark:
    name = "tidemark"
    config = ""

    def __init__(self, lab, c):
        self.d = lab.daemon(config=self.config)
        self.d.covered(c.name)
        self.pids = [self.d.proc.pid] + list(self.d.children().values())

    def stop(self):
        s = self.d.json("status")
        said = "%s lost, %d refused" % ("+".join(str(x["lost"]) for x in s["sensors"]), sum(s["pair"]["refused"].values()))
        self.d.stop()
        return said


class Inotifywait:
    name = "inotifywait"

    def __init__(self, lab, c):
        self.proc = subprocess.Popen(["inotifywait", "-m", "-r", "-q", "-e", "create,delete,close_write,move", c.upper()], stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        self.pids = [self.proc.pid]

    def stop(self):
        self.proc.terminate()
        self.proc.wait()
        return ""


class Auditd:
    name = "auditd execve"

    def __init__(self, lab, c):
        self.dir = os.path.join(lab.dir, "auditd")
        os.makedirs(self.dir, exist_ok=True)
        with open(os.path.join(self.dir, "auditd.conf"), "w") as out:
            out.write("log_file = %s/audit.log\nlog_format = RAW\nflush = INCREMENTAL_ASYNC\nfreq = 50\nnum_logs = 2\nmax_log_file = 64\nmax_log_file_action = ROTATE\n"
                      "space_left = 75\nspace_left_action = SYSLOG\nadmin_space_left = 50\nadmin_space_left_action = SUSPEND\ndisk_full_action = SUSPEND\ndisk_error_action = SUSPEND\n" % self.dir)
        os.chmod(os.path.join(self.dir, "auditd.conf"), 0o640)
        self.enabled = "enabled 1" in run(["auditctl", "-s"]).stdout
        self.proc = subprocess.Popen(["auditd", "-n", "-c", self.dir], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait("auditd to run", lambda: "enabled 1" in run(["auditctl", "-s"]).stdout)
        check(run(["auditctl", "-a", "always,exit", "-F", "arch=b64", "-S", "execve", "-k", "tidemark-bench"]).returncode == 0, "auditctl adds the rule")
        self.pids = [self.proc.pid]

    def stop(self):
        run(["auditctl", "-d", "always,exit", "-F", "arch=b64", "-S", "execve", "-k", "tidemark-bench"])
        self.proc.terminate()
        self.proc.wait()
        if not self.enabled:
            run(["auditctl", "-e", "0"])
        return ""


def installed():
    yield Nobody
    yield Listener
    yield Tidemark
    if shutil.which("inotifywait"):
        yield Inotifywait
    if shutil.which("auditd") and shutil.which("auditctl"):
        yield Auditd


def measure(lab, watcher, works):
    c = lab.container()
    c.sh("mkdir /opt/s")
    w = watcher(lab, c)
    out = {}
    for work in works:
        before = cpu(w.pids)
        c.sh("/bin/storm %s %d %d /opt/s > /ctl/truth" % work)
        truth = json.load(open(os.path.join(c.ctl, "truth")))
        time.sleep(0.5)
        out[work] = truth["seconds"], cpu(w.pids) - before
    said = w.stop()
    c.remove()
    return out, said


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    watchers = list(installed())
    got = {(w.name, work): [] for w in watchers for work in WORKS}
    lab = lab_module.Lab()
    print("load average at the beginning: %.2f %.2f %.2f; %d processors" % (os.getloadavg() + (os.cpu_count(),)))
    try:
        for n in range(rounds):
            order = watchers[:]
            random.Random(n).shuffle(order)
            for w in order:
                out, said = measure(lab, w, WORKS)
                for work, value in out.items():
                    got[w.name, work].append(value)
            print("round %d of %d (load %.2f)" % (n + 1, rounds, os.getloadavg()[0]), flush=True)
    finally:
        lab.close()
    print("\n%-14s %-16s %8s %9s %17s %14s" % ("work", "watcher", "seconds", "slow-down", "quartiles", "CPU us an act"))
    for work in WORKS:
        base = [x[0] for x in got["nobody", work]]
        for w in watchers:
            mine = got[w.name, work]
            ratios = sorted(m[0] / b for m, b in zip(mine, base))
            q = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
            print("%-14s %-16s %8.3f %9.3f %8.3f %8.3f %14.1f" % ("%s %dx%d" % work, w.name, statistics.median(m[0] for m in mine), statistics.median(ratios), q[0], q[2],
                                                               statistics.median(m[1] for m in mine) * 1e6 / work[1] / work[2]))
    print("load average at the end: %.2f %.2f %.2f" % os.getloadavg())


if __name__ == "__main__":
    main()
