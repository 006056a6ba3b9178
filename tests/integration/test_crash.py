# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of both processes at any moment: nothing acknowledged is lost, nothing is doubled."""
import os
import signal
import threading
import time

from lab import SANITIZED, check, wait


def kill_both(d):
    engine = d.children().get("tidemark-engine"[:15])
    for pid in ([engine] if engine else []) + [d.proc.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    d.proc.wait()
    if engine:
        wait("the engine to be gone", lambda: not os.path.exists("/proc/%d" % engine))


def essence(findings):
    """What must stay: which finding of what; counts only grow."""
    return {f["id"]: (f["workload"]["name"], f["type"]) for f in findings}


def test_kill_loop(lab):
    c = lab.container("victim")
    d = lab.daemon()
    d.covered("victim")
    shown, states, counts = {}, {}, {}
    for round_number in range(4 if SANITIZED else 8):
        box = {"stop": False}

        def work():
            n = 0
            while not box["stop"]:
                n += 1
                c.sh("cp /bin/busybox /opt/r%d_%d; /opt/r%d_%d true" % (round_number, n, round_number, n))
        worker = threading.Thread(target=work)
        worker.start()
        end = time.monotonic() + 0.15 + 0.11 * round_number
        want = "activate" if round_number % 2 == 0 else "learn"
        try:
            while time.monotonic() < end:
                f = d.findings(every=True)
                shown.update(essence(f))
                counts.update({x["id"]: max(counts.get(x["id"], 0), x["count"]) for x in f})
            if d.tidemark("baseline", want, "victim").returncode == 0:
                states["victim"] = "active" if want == "activate" else "learning"
        finally:
            kill_both(d)
            box["stop"] = True
            worker.join()
        d = lab.daemon(state=d.state)
        now = d.findings(every=True)
        got = essence(now)
        missing = {k: v for k, v in shown.items() if got.get(k) != v}
        check(not missing, "every finding that was shown is there", missing, got)
        check(len({f["id"] for f in now}) == len(now), "none twice", sorted(got))
        check(all(f["count"] >= counts.get(f["id"], 0) for f in now), "counts do not go back", counts)
        if states:
            check(d.workload("victim")["dimensions"][0]["state"] == states["victim"], "an acknowledged decision is kept", states, d.workload("victim"))
        d.covered("victim")
    check(shown, "there was something to lose")
    subjects = [s["subject"] for f in d.findings("victim") for s in f["signals"] if s["kind"] == "process"]
    check(len(subjects) == len(set(subjects)), "no program is raised in two findings", subjects)


def test_kill_each_alone(lab):
    d = lab.daemon()
    c = lab.container("alone")
    d.covered("alone")
    c.sh("cp /bin/busybox /opt/x; /opt/x true")
    before = essence(wait("a finding", lambda: d.findings("alone")))
    os.kill(d.engine(), signal.SIGKILL)
    d.proc.wait(20)
    d = lab.daemon(state=d.state)
    check(essence(d.findings("alone")) == before, "after the engine's death", before)
    d.proc.kill()
    d.proc.wait()
    d = lab.daemon(state=d.state)
    check(essence(d.findings("alone")) == before, "after the sensor's death", before)
