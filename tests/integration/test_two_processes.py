# SPDX-License-Identifier: GPL-2.0-or-later
"""Sensor and engine: what each may, what happens when one dies, and what the service manager is told."""
import glob
import json
import os
import pwd
import signal
import socket
import stat
import time

from lab import check, run, wait

CAPS = {"SYS_ADMIN": 21, "SYS_PTRACE": 19, "DAC_READ_SEARCH": 2, "NET_ADMIN": 12}


def status(pid):
    return dict(line.split(":\t", 1) for line in open("/proc/%d/status" % pid).read().splitlines() if ":\t" in line)


def test_privileges(lab):
    d = lab.daemon()
    want = sum(1 << n for n in CAPS.values())
    s = status(d.proc.pid)
    for which in ("CapEff", "CapPrm", "CapBnd"):
        check(int(s[which], 16) == want, "sensor's %s is exactly what it needs" % which, s[which], hex(want))
    check(int(s["CapInh"], 16) == 0 and int(s["CapAmb"], 16) == 0, "nothing to inherit", s)
    e = status(d.engine())
    uid = pwd.getpwnam("tidemark").pw_uid
    check(set(e["Uid"].split()) == {str(uid)} and e["Groups"].strip() == "", "engine's user", e["Uid"], e["Groups"])
    for which in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
        check(int(e[which], 16) == 0, "engine has no " + which, e[which])
    check(e["NoNewPrivs"] == "1", "engine has no new privileges", e["NoNewPrivs"])
    trail = d.children()["tidemark-trail"]
    t = status(trail)
    check(int(t["CapEff"], 16) == 0 and t["NoNewPrivs"] == "1", "the trail's writer has no capability", t["CapEff"])
    r = status(d.children()["tidemark-args"])
    check(int(r["CapEff"], 16) == 1 << 21 | 1 << 19 and r["CapPrm"] == r["CapEff"] and r["NoNewPrivs"] == "1", "the reader of arguments has only what reading needs", r["CapEff"])


def test_failed_drop_ends_the_start(lab):
    """Without one of the capabilities that it needs, it does not run on with less."""
    d = lab.daemon(wait_ready=False, preexec=drop_ptrace)
    check(d.proc.wait(20) == 4, "exit status", d.text())
    check("privileges could not be reduced" in d.text() and "sys_ptrace" in d.text(), "it says which is missing", d.text())


def drop_ptrace():
    """Take CAP_SYS_PTRACE out of the bounding set before the daemon is executed."""
    import ctypes
    if ctypes.CDLL(None, use_errno=True).prctl(24, 19, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
        raise OSError("prctl")


def test_files_and_sockets(lab):
    d = lab.daemon()
    for name, mode, group in (("control.sock", 0o660, "tidemark"), ("admin.sock", 0o660, "tidemark")):
        st = os.stat(os.path.join(d.runtime, name))
        check(stat.S_IMODE(st.st_mode) == mode and st.st_uid == 0 and st.st_gid == (pwd.getpwnam("tidemark").pw_gid if group == "tidemark" else 0), name, oct(st.st_mode), str(st.st_gid))
    for path, mode in ((d.state, 0o750), (d.state + "/engine", 0o700), (d.state + "/trail", 0o2750), (d.state + "/engine/tidemark.db", 0o600), (d.state + "/trail/trail.jsonl", 0o640)):
        check(stat.S_IMODE(os.stat(path).st_mode) == mode, "mode of " + path, oct(os.stat(path).st_mode))
    check(d.stop() == 0, "ends as asked", d.text())
    check(not glob.glob(d.runtime + "/*.sock"), "no socket is left")


def test_engine_dies(lab):
    d = lab.daemon()
    helpers = d.children()
    os.kill(d.engine(), signal.SIGKILL)
    check(d.proc.wait(20) == 4, "the sensor ends, with a failure", d.text())
    check("the engine was ended by signal 9" in d.text(), "and says why", d.text())
    wait("its helpers to be gone", lambda: not any(os.path.exists("/proc/%d" % p) for p in helpers.values()))


def test_sensor_dies(lab):
    d = lab.daemon()
    pids = d.children()
    names = "engine walk trail args maps netns audit auditl isolate kill".split()
    check(sorted(pids) == sorted(("tidemark-" + n)[:15] for n in names), "these and no others", pids)
    d.proc.kill()
    d.proc.wait()
    wait("engine and helpers to be gone", lambda: not any(os.path.exists("/proc/%d" % p) for p in pids.values()))
    check("the sensor has ended" in d.text(), "the engine says why it ends", d.text())
    again = lab.daemon(state=d.state)
    again.json("status")


def tables(containers, name):
    return [t for c in containers for t in c.inside("nft", "list", "tables").splitlines() if t == "table " + name]


def test_all_are_asked_to_end(lab):
    """Every process is asked to end at the same moment, as a service manager may do it: what is to be done at the end
    is done, nothing of ours is left, and the trail says so."""
    containers = [lab.container("asked%d" % n, network="bridge") for n in range(3)]
    d = lab.daemon()
    name = d.json("status")["network"]["table"]
    wait("their namespaces to be watched", lambda: len(tables(containers, name)) == 3)
    pids = d.children()
    os.kill(d.proc.pid, signal.SIGSTOP)  # it makes nobody anew meanwhile
    for pid in [d.proc.pid, *pids.values()]:
        os.kill(pid, signal.SIGTERM)
    os.kill(d.proc.pid, signal.SIGCONT)
    check(d.proc.wait(20) == 0, "ends as asked", d.text())
    check(tables(containers, name) == [], "no table is left", tables(containers, name), d.text())
    lines = [json.loads(x) for x in open(d.state + "/trail/trail.jsonl")]
    check((lines[-1]["kind"], lines[-1]["text"]) == ("ended", "as asked"), "the trail's last record", lines)
    wait("all to be gone", lambda: not any(os.path.exists("/proc/%d" % p) for p in pids.values()))


def test_only_the_sensor_ends_the_agent(lab):
    """Whoever asks another process of it to end asks in vain, so that nothing is missing at the end."""
    d = lab.daemon()
    pids = d.children()
    for pid in pids.values():
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    d.json("status")
    check(d.children() == pids, "all of them live", d.children(), pids)
    check(d.stop() == 0, "the sensor ends them", d.text())


class Manager:
    """The service manager's side of sd_notify(3)."""

    def __init__(self, lab):
        self.path = os.path.join(lab.dir, "notify-%d" % time.monotonic_ns())
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.setblocking(False)
        self.heard = []

    def poll(self):
        try:
            while True:
                self.heard += self.sock.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.heard


def test_readiness_and_watchdog(lab):
    m = Manager(lab)
    d = lab.daemon(env={"NOTIFY_SOCKET": m.path, "WATCHDOG_USEC": "400000"})
    wait("READY=1", lambda: "READY=1" in m.poll())
    wait("the watchdog to be fed", lambda: m.poll().count("WATCHDOG=1") >= 4)
    engine = d.engine()
    os.kill(engine, signal.SIGSTOP)
    try:
        # Let what was under way arrive; then nothing may come, although the sensor turns: the dog is fed by both.
        wait("silence", lambda: quiet(m, 1.0))
    finally:
        os.kill(engine, signal.SIGCONT)
    n = m.poll().count("WATCHDOG=1")
    wait("the watchdog to be fed again", lambda: m.poll().count("WATCHDOG=1") > n)
    d.stop()
    wait("STOPPING=1", lambda: "STOPPING=1" in m.poll())


def quiet(m, seconds):
    """No word for so long: silence itself is what is waited for here."""
    n, end = len(m.poll()), time.monotonic() + seconds
    while time.monotonic() < end:
        if len(m.poll()) != n:
            return False
        time.sleep(0.02)
    return True


def test_second_agent(lab):
    d = lab.daemon()
    conf = os.path.join(d.dir, "tidemark.conf")
    r = run([os.path.join(os.path.dirname(d.proc.args[0]), "tidemarkd"), "--foreground", "--config", conf, "--state-dir", d.state + "2", "--runtime-dir", d.runtime])
    check(r.returncode == 4 and "another tidemarkd serves it" in r.stderr, "a second agent with the same sockets is refused", r.stderr)
    d.json("status")
    other = lab.daemon()
    other.json("status")
    d.json("status")


def test_trail(lab):
    c = lab.container("said")
    d = lab.daemon()
    d.covered("said")
    d.activate("said")
    lines = [json.loads(x) for x in open(d.state + "/trail/trail.jsonl")]
    asked = [x for x in lines if x["kind"] == "asked"]
    outcome = [x for x in lines if x["kind"] == "outcome"]
    check(len(asked) == 1 and len(outcome) == 1 and asked[0]["command"] == outcome[0]["command"], "asked and outcome", lines)
    check("baseline.activate" in asked[0]["text"] and asked[0]["uid"] == 0, "who asked what", asked)
    check(all(b["prev"] == a["hash"] for a, b in zip(lines, lines[1:])), "a chain", lines)


def test_idle(lab):
    """With nothing to tell, the sensor sleeps. The host may have other containers: records, and the answers of helpers, are
    causes of wake-ups; time alone is one for what ends, waits or is gathered, some hundred times a second at most."""
    d = lab.daemon()

    def look():
        s = d.json("status")
        p = s["processes"]
        causes = sum(x["delivered"] for x in s["sensors"]) + sum(p["arguments"][k] for k in ("read", "gone")) + p["mapped"]["looks"]
        return {"wakeups": s["wakeups"], "by_time": s["wakeups_by_time"], "causes": causes}
    before = look()
    quiet(Manager(lab), 3.0)
    after = look()
    grew = {k: after[k] - before[k] for k in before}
    check(grew["wakeups"] <= 2 * grew["causes"] + 30, "wake-ups without a cause", grew)
    check(grew["by_time"] <= 3 + min(grew["causes"], 3 * 300), "woken by time alone", grew)
