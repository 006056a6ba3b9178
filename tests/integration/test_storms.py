# SPDX-License-Identifier: GPL-2.0-or-later
"""Storms on all cores, by a load program that counts what it really did (helpers/storm.c); what was told is counted from
the recording (told.c). Told + counted as lost is never less than the truth; and each row of the table holds its floors."""
import json
import os
import signal
import time

from lab import BUILD, SANITIZED, check, run, wait
from net import Net

NEEDS = ("dnsmasq", "ip", "nsenter")
DIR = "/opt/storm"

# Least share of: execs told with their program; files that stay, told by events or a walk; files that pass, if no queue
# overflowed; directories that stay, before the next round of walks.
VARIANTS = (
    # name                    probe.disable             execs  stay   pass   directories
    ("everything",            "",                       0.999, 0.999, 0.999, 0.999),
    ("no filesystem mark",    "filesystem-mark",        0.995, 0.999, 0.999, 0.999),
    ("no names: inotify",     "names",                  0.999, 0.999, 0.90,  0),
    ("no names, no inotify",  "names inotify",          0.999, 0.999, 0.999, 0),
    ("no open-exec",          "open-exec",              0.70,  0.999, 0.999, 0.999),
    ("no NSpid",              "nspid",                  0.999, 0.999, 0.999, 0.999),
    # names alone: what is made in a new directory before that is marked, and is gone again, is nobody's
    ("no content",            "content",                0.70,  0.999, 0.99,  0.999),
    ("no content: inotify",   "content names",          0.70,  0.999, 0.90,  0.999),
)

# The directories last: with the names of so many the marks are used up.
SHORT = (("exec", 2, 1000), ("keep", 2, 2000), ("pass", 2, 2000), ("dirs", 2, 300))
FULL = (("exec", 2, 20000), ("keep", 2, 50000), ("pass", 2, 50000), ("mixed", 2, 30000), ("dirs", 2, 5000))


def quiet(d):
    """To answer, the sensor empties its queues. Then what is left to do is a repair, and walks: then the numbers stand."""
    def look():
        s = d.json("status")
        walk = next(x for x in s["sensors"] if x["name"] == "walk")
        return not s["repair"]["pending"] and walk["queued"] == 0 and s["pair"]["queued_bytes"] == 0
    wait("the agent to come to rest after the storm", lambda: look() and look(), 120)


def memory(d):
    m = d.json("status")["memory"]
    return m["sensor_pss_kib"] + m["helpers_pss_kib"] + m["engine_pss_kib"]


def storm(lab, variant, disable, work):
    """One storm of each kind in one container: what was true, what was told, what was counted as lost."""
    record = os.path.join(lab.dir, "storm-%d" % time.monotonic_ns())
    d = lab.daemon(config='probe: { disable = [%s]; };\n' % ", ".join('"%s"' % x for x in disable.split()), record=record)
    c = lab.container()
    wait("its first walk to be over", lambda: (lambda x: x and x["workload"] and x["gap_ms"] is not None)(d.containers().get(c.name)))
    before = memory(d)
    truth = dict.fromkeys(("execs", "keep", "pass", "dirs", "seconds"), 0)
    for n, (kind, processes, count) in enumerate(work):
        c.sh("/bin/storm %s %d %d %s%d > /ctl/truth" % (kind, processes, count, DIR, n), 30 + processes * count / 500)
        for k, v in json.load(open(os.path.join(c.ctl, "truth"))).items():
            truth[k] = truth.get(k, 0) + v
    check(truth["failed"] == 0, "the load program did what it should", truth)
    quiet(d)
    status = d.json("status")
    after = memory(d)
    check(d.stop() == 0, "it ends as asked", d.text()[-2000:])
    told = {}
    for n in range(len(work)):
        r = run([os.path.join(BUILD, "tests/integration/told"), record, c.id, DIR + str(n)])
        check(r.returncode == 0, "the recording is whole", r.stderr)
        for k, v in json.loads(r.stdout).items():
            told[k] = told.get(k, 0) + v if k in ("keep", "pass", "dirs", "dir_files") or k.endswith("_by_walk") else v
    os.unlink(record)
    c.remove()
    return truth, told, status, (before, after)


def lost(status, *sensors):
    return sum(s["lost"] for s in status["sensors"] if s["name"] in sensors)


def verify(row, truth, told, status, mem, bounded):
    name, _, execs, stay, passing, dirs = row
    shown = [name, truth, told, status["sensors"], status["processes"], status["pair"], mem]
    refused = sum(status["pair"]["refused"].values())
    unknown = told["lost_unknown"]  # of some losses the kernel tells no number: then no sum can be held against it
    check(told["execs"] + lost(status, "process") + refused >= truth["execs"], "execs: told + lost >= truth", *shown)
    check(told["execs"] <= truth["execs"], "no exec is told twice", *shown)
    check(told["with_program"] >= execs * truth["execs"], "execs with their program", *shown)
    check(told["keep"] >= stay * truth["keep"], "files that stay, by events or a walk", *shown)
    check(unknown or told["pass"] + refused >= passing * truth["pass"], "files that pass: told + lost >= truth", *shown)
    check(min(told["dirs"], told["dir_files"]) >= dirs * truth["dirs"], "directories that stay, and the file in each", *shown)
    check(not bounded or mem[1] - mem[0] < bounded, "memory stays bounded", *shown)


def test_short(lab):
    for row in VARIANTS[SANITIZED::2]:  # each in one of the two builds; --long has all in both
        verify(row, *storm(lab, row[0], row[1], SHORT), bounded=0)


def test_end_amid_a_storm(lab):
    """Whoever is asked to end tells first what it knows, arguments or not."""
    record = os.path.join(lab.dir, "end")
    d = lab.daemon(record=record)
    c = lab.container()
    d.covered(c.name)
    os.kill(d.children()["tidemark-args"], signal.SIGSTOP)  # arguments are waited for
    c.sh("/bin/storm exec 1 20 %s0 > /ctl/truth" % DIR)
    check(d.stop() == 0, "it ends as asked", d.text()[-2000:])
    told = json.loads(run([os.path.join(BUILD, "tests/integration/told"), record, c.id, DIR + "0"]).stdout)
    check(told["execs"] == 20, "each is told", told)


def test_sessions_amid_a_storm(lab):
    """Programs are gathered: those that an exec session starts are not, for a runtime was seen at work."""
    d = lab.daemon(config="sensor: { cpu_max = 1; };")
    storming, visited = lab.container(), lab.container()
    d.covered(storming.name), d.covered(visited.name)
    w = d.watch()
    with open(os.path.join(storming.ctl, "in"), "w") as pipe:
        pipe.write("while [ ! -e /ctl/enough ]; do /bin/storm exec 1 1000 > /ctl/truth; done\n")
    wait("programs to be gathered", lambda: d.json("status")["pace"]["gathering_ms"] > 0, 60)
    for n in range(4):  # a busy host's runtimes draw on the same credit
        visited.exec("/bin/sleep", "0.0100%d" % n)  # less than what is gathered waits
    open(os.path.join(storming.ctl, "enough"), "w").close()
    wait("each session's program", lambda: sum(e["program"] == "/bin/busybox" for e in w.events("exec", visited.id)) >= 4)
    missed = [n for n in range(4) if not any("0.0100%d" % n in e["args"] for e in w.events("exec", visited.id))]
    check(not missed, "each with its arguments", missed, d.json("status")["pace"])
    w.stop()


def test_full(lab):
    """Hundreds of thousands of acts; the numbers are printed."""
    for row in VARIANTS:
        truth, told, status, mem = storm(lab, row[0], row[1], FULL)
        print("%-20s %5.1f s  execs %d of %d, with program %d; keep %d of %d (%d by walk); pass %d of %d; dirs %d of %d; losses %d (%d of unknown size); KiB %d -> %d"
              % (row[0], truth["seconds"], told["execs"], truth["execs"], told["with_program"], told["keep"], truth["keep"], told["keep_by_walk"],
                 told["pass"], truth["pass"], told["dirs"] + told["dir_files"], 2 * truth["dirs"], told["losses"], told["lost_unknown"], mem[0], mem[1]))
        verify(row, truth, told, status, mem, bounded=65536)


test_full.long = True

# Connections of two processes at once: what, of each; the receive buffer; the least share that is told. Refused ones are gone from
# conntrack in 10 s, datagrams' entries stay for 30 s.
CONNECTS = (
    ("refused", "tcp %s 9", 10000, "1M", 0.99),
    ("datagrams, to a port each", "udp-range %s", 10000, "1M", 0.99),
    ("datagrams, and a queue that overflows", "udp-range %s", 10000, "64K", 1),
)


def connects(lab, work, each, rcvbuf):
    """What was true, what the engine was told of, and status when the agent has come to rest."""
    net = Net(lab)
    net.address("198.51.100.1", "198.51.100.2")
    c = net.container()
    d = lab.daemon(config='network = { rcvbuf = "%s"; };\n' % rcvbuf)
    wait("its namespace to be watched", lambda: d.covered(c.name) and d.json("status")["network"]["namespaces"]["watched"] >= 1)
    argv = ["/bin/connects %s %s %d > /ctl/truth%d" % (work % a, "" if "9" in work else 1024 + 20000 * n, each, n)
            for n, a in enumerate(("198.51.100.1", "198.51.100.2"))]
    c.sh("%s & %s; wait" % tuple(argv), 120)
    truth = sum(int(open(os.path.join(c.ctl, "truth%d" % n)).read().split()[0]) for n in range(2))
    quiet(d)
    return truth, d.workload(c.name)["network"]["outbound"], d.json("status")


def test_connects(lab):
    """Every connection is told; or its loss is counted and said, and what still lives is found by asking for it."""
    for name, work, each, rcvbuf, share in CONNECTS:
        truth, told, status = connects(lab, work, each, rcvbuf)
        refused = status["pair"]["refused"]["flow"]
        flows = next(x for x in status["sensors"] if x["name"] == "flows")
        shown = [name, truth, told, flows, status["network"], status["pair"], status["losses"]]
        print("     %-40s %d of %d told, %d refused by the pair, %d overruns" % (name, told, truth, refused, flows["overruns"]))
        check(truth == 2 * each, "the load program did what it should", *shown)
        check(told <= truth, "none is told twice", *shown)
        check(told + refused >= truth or flows["overruns"], "told + counted as lost >= truth", *shown)
        check(told >= share * truth, "told", *shown)
        check(not flows["overruns"] or flows["repaired"], "what still lives was asked for", *shown)
        check((flows["overruns"] > 0) >= (rcvbuf == "64K"), "the small queue does overflow", *shown)
        lab.clean()
