# SPDX-License-Identifier: GPL-2.0-or-later
"""Rights: ids gained, other processes traced, names taken, crashes. What somebody would want to be woken by is raised;
what every server does is not."""
import json
import os
import signal
import subprocess

from lab import TIDEMARK, check, run, wait


def activate(d, name):
    """Of this dimension alone: that a program is new is not what is asked here."""
    r = d.tidemark("baseline", "activate", name, "--dimension", "privilege")
    check(r.returncode == 0, "baseline activate", r.stderr)


def ready(lab, name, *options, active=False):
    d = lab.daemon()
    c = lab.container(name, *options)
    os.chmod(c.ctl, 0o777)  # for a container that is not root of the host
    d.covered(name)
    if active:
        activate(d, name)
    return d, c, d.watch()


def acts(w, c, operation=None):
    return [e for e in w.events("privilege", c.id) if e["operation"] != "mapped" and (not operation or e["operation"] == operation)]


def behind(w, c, mark):
    """A program that is told after everything that came before it: what is not there then never comes."""
    def seen():
        c.sh("/bin/sh -c '/bin/sleep 0.1; true' " + mark)
        return any(mark in e["args"] for e in w.events("exec", c.id))
    wait("the mark behind it", seen)


def told(w, c, operation, **facts):
    def those():
        return next((e for e in acts(w, c, operation) if all(e[k] == v for k, v in facts.items())), None)
    return wait("a privilege event %s with %s; there are: %s" % (operation, facts, acts(w, c)), those)


def raised(d, name, factor, every=False):
    """The findings that have this factor."""
    return [f for f in d.findings(name, every=every) if any(x["name"] == factor for x in f["factors"])]


def one(d, name, factor, every=False):
    return wait("a finding with %s; there are: %s" % (factor, d.findings(name, every=True)), lambda: raised(d, name, factor, every))[0]


def operations(d, name, every=True):
    return {s["operation"] for f in d.findings(name, every=every) for s in f["signals"] if s["kind"] == "privilege"}


# ---- ids ----

def test_setuid_copy(lab):
    """A shell made setuid by somebody who was root once, and used later: woken for, while still learning."""
    d, c, w = ready(lab, "copied")
    c.sh("cp /bin/rights /opt/su; chmod 4755 /opt/su; /bin/rights as 1000 /opt/su gain /bin/sleep 0.2")
    e = told(w, c, "uid", **{"from": 1000, "to": 0})
    check(e["origin"] == "entrypoint" and e["pid"] and e["verdict"] != "learned", "by whom", e)
    f = one(d, "copied", "root_gained")
    s = next(s for s in f["signals"] if s["kind"] == "privilege")
    check(s["subject"] == "/opt/su" and s["operation"] == "uid", "by which program", s)
    check(f["severity"] == "high" and f["confidence"] >= 95, "worth waking somebody", f)
    check(any("1000" in line and "root" in line for line in f["story"]), "in words", f["story"])
    check(d.workload("copied")["dimensions"][3]["state"] == "learning", "while it learns", d.workload("copied"))
    check(f["lineage"][0]["pid"] == c.init_pid(), "from the init down", f["lineage"])
    w.stop()


def test_setuid_program_of_the_image(lab):
    """su and its like: normal while learning, a question afterwards; nobody is woken."""
    d, c, w = ready(lab, "lent")
    c.sh("/bin/rights as 1000 /bin/asroot gain /bin/sleep 0.1")
    told(w, c, "uid", **{"from": 1000, "to": 0})
    check(not d.findings("lent", every=True), "learned", d.findings("lent", every=True))
    activate(d, "lent")
    c.sh("/bin/rights as 1000 /bin/asroot gain /bin/sleep 0.1")
    behind(w, c, "known")
    check("uid" not in operations(d, "lent"), "known now", d.findings("lent", every=True))
    w.stop()
    d.stop()

    d, c, w = ready(lab, "lent2", active=True)
    c.sh("/bin/rights as 1000 /bin/asroot gain")
    f = one(d, "lent2", "setuid_program")
    check(50 <= f["confidence"] < 95, "shown, nobody is woken", f)
    w.stop()


def test_capability(lab):
    """Another user, but with CAP_SETUID kept: root again by no program at all."""
    d, c, w = ready(lab, "capable")
    c.sh("/bin/rights capable")
    e = told(w, c, "uid", **{"from": 1000, "to": 0})
    check(e["executable"] == "/bin/rights", "who", e)
    f = one(d, "capable", "root_gained")
    check(f["severity"] == "high" and f["confidence"] >= 95, "worth waking somebody", f)
    w.stop()


def test_mapped_root(lab):
    """Root of a container whose users are mapped is another number of the host."""
    d, c, w = ready(lab, "mapped-users", "--uidmap", "0:200000:65536", "--gidmap", "0:200000:65536")
    c.sh("/bin/rights keep")
    c.sh("/bin/rights as 1000 /bin/true")
    behind(w, c, "before")
    check(not acts(w, c), "dropping and taking back", acts(w, c))
    c.sh("/bin/rights capable")
    told(w, c, "uid", **{"from": 201000, "to": 200000})
    one(d, "mapped-users", "root_gained")
    w.stop()


def test_kept_ids(lab):
    """What a process gives up for a moment and takes back it never lost: in each of the ways, at full speed."""
    d, c, w = ready(lab, "kept", active=True)
    for way in ("keep", "keep-saved", "keep-real"):
        c.sh("/bin/rights " + way)
    behind(w, c, "kept")
    check(not acts(w, c), "nothing was gained", acts(w, c))
    w.stop()


# ---- servers ----

def test_servers_are_quiet(lab):
    """Root master, workers that drop, take names and come and go: nothing is raised, active from the start or not."""
    d, c, w = ready(lab, "server")
    c.sh("/bin/rights serve 20")
    behind(w, c, "first")
    check(not acts(w, c, "uid") and not acts(w, c, "gid"), "dropping is no gain", acts(w, c))
    check(acts(w, c, "comm"), "names are told", w.events(container=c.id))
    check(not d.findings("server", every=True), "learned", d.findings("server", every=True))
    activate(d, "server")
    c.sh("/bin/rights serve 20")
    behind(w, c, "second")
    check(not operations(d, "server"), "known", d.findings("server", every=True))
    w.stop()
    d.stop()

    d, c, w = ready(lab, "server2", active=True)
    c.sh("/bin/rights serve 20")
    behind(w, c, "third")
    check(not operations(d, "server2", every=False), "nothing in the queue, learned or not", d.findings("server2"))
    w.stop()


def test_sessions_of_users(lab):
    """podman run --user, podman exec --user root into it: the runtime gives ids, the container gains none."""
    d, c, w = ready(lab, "plain", "--user", "1000", active=True)
    r = lab.podman("exec", "--user", "0", c.name, "/bin/sh", "-c", "/bin/sleep 0.05; /bin/rights as 33 /bin/true")
    check(r.returncode == 0, "podman exec --user 0", r.stderr)
    run(["nsenter", "-t", str(c.init_pid()), "-m", "-p", "-S", "0", "/bin/sleep", "0.01"])
    behind(w, c, "users")
    check(not acts(w, c, "uid") and not acts(w, c, "gid"), "nothing was gained", acts(w, c))
    w.stop()


# ---- ptrace ----

def test_ptrace(lab):
    """A stranger is more than a child; both are told, neither wakes anybody; each target once."""
    d, c, w = ready(lab, "debugged", active=True)
    c.sh("/bin/rights trace")
    e = told(w, c, "ptrace")
    check(e["executable"] == "/bin/rights" and e["target_where"] == "same-container" and e["target_pid"] and e["target"] == "/bin/rights", "who and whom", e)
    f = one(d, "debugged", "ptrace")
    check(50 <= f["confidence"] < 95 and f["severity"] == "medium", "shown", f)
    c.sh("/bin/rights trace-child")
    behind(w, c, "traced")
    check(len(acts(w, c, "ptrace")) == 2, "each once", acts(w, c))
    check(len(raised(d, "debugged", "ptrace_child", every=True)) == 1, "the child's as such", d.findings("debugged", every=True))
    w.stop()


def test_ptrace_of_the_host(lab):
    """A container that may reach out, and does: woken for, whatever was learned."""
    d, c, w = ready(lab, "reaching", "--pid", "host", "--cap-add", "SYS_PTRACE")
    victim = subprocess.Popen(["sleep", "600"])
    try:
        c.sh("/bin/rights trace-pid %d" % victim.pid)
        e = told(w, c, "ptrace")
        check(e["target_where"] == "host" and e["target_pid"] == victim.pid, "whom", e)
        f = one(d, "reaching", "ptrace_outside")
        check(f["severity"] == "critical" and f["confidence"] >= 95, "worth waking somebody", f)
    finally:
        victim.kill()
        victim.wait()
    w.stop()


def test_debugger_of_the_host(lab):
    """An administrator's debugger at a process of the container: told, as a stranger's; nobody is woken."""
    d, c, w = ready(lab, "examined", active=True)
    r = run([os.path.join(lab.dir, "image/bin/rights"), "trace-pid", str(c.init_pid())])
    check(r.returncode == 0, "ptrace from outside", r.stderr)
    e = told(w, c, "ptrace")
    check(e["origin"] == "foreign" and e["target_pid"] == c.init_pid(), "by whom", e)
    behind(w, c, "examined")
    check(all(f["confidence"] < 95 for f in d.findings("examined", every=True)), "nobody is woken", d.findings("examined", every=True))
    w.stop()


# ---- out of the container ----

def test_out_of_the_container(lab):
    """One that may goes to where the host lives, by another process's namespace: woken for, whatever was learned."""
    d, c, w = ready(lab, "leaving", "--privileged", "--pid", "host")
    victim = subprocess.Popen(["sleep", "600"])
    try:
        c.sh("busybox nsenter -t %d -m /bin/sleep 0.2" % victim.pid)
        e = told(w, c, "mount-namespace", target_where="host")
        check(e["origin"] == "entrypoint" and e["verdict"] != "learned", "by whom", e)
        f = one(d, "leaving", "namespace_outside")
        check(f["severity"] == "critical" and f["confidence"] >= 95, "worth waking somebody", f)
        check(any("the host" in line for line in f["story"]), "in words", f["story"])
        c.sh("busybox unshare -m /bin/sleep 0.1")
        told(w, c, "mount-namespace", target_where="same-container")
        check(len(raised(d, "leaving", "namespace_outside")) == 1, "one of its own is not out of it", d.findings("leaving"))
    finally:
        victim.kill()
        victim.wait()
    w.stop()


# ---- names ----

def test_names(lab):
    """A name of its own is a note, a kernel thread's is a question; ten thousand are a number."""
    d, c, w = ready(lab, "named", active=True)
    c.sh("/bin/rights name 'worker: 1'")
    e = told(w, c, "comm", comm="worker: 1")
    check(e["old_comm"] == "rights", "what it was", e)
    behind(w, c, "noted")
    check(not operations(d, "named", every=False) and "comm" in operations(d, "named"), "below show", d.findings("named", every=True))
    c.sh("/bin/rights name kworker/0:1")
    f = one(d, "named", "kernel_name")
    check(50 <= f["confidence"] < 95, "shown", f)
    before = len(acts(w, c, "comm"))
    c.sh("/bin/rights names 10000")
    behind(w, c, "many")
    those = acts(w, c, "comm")[before:]
    check(4 <= len(those) <= 40, "few are told", len(those))
    n = d.json("status")["processes"]
    check(n["privilege_events_passed_over"] + len(those) >= 9990 and sum(e["repeats"] for e in those) >= 8000, "the others are counted", n, those[-1])
    w.stop()


# ---- crashes ----

def test_crash(lab):
    d, c, w = ready(lab, "crashing", active=True)
    c.sh("/bin/rights crash; true")
    e = told(w, c, "core-dump")
    check(e["signal"] == signal.SIGABRT and e["executable"] == "/bin/rights", "who and by what", e)
    for _ in range(3):
        c.sh("/bin/rights crash; true")
    behind(w, c, "crashed")
    check(not operations(d, "crashing", every=False), "nobody is shown a crash alone", d.findings("crashing"))
    f = raised(d, "crashing", "crashed", every=True)
    check(len(f) == 1 and any(s["operation"] == "core-dump" and s["count"] == 4 for s in f[0]["signals"]), "counted in one place", f)
    c.sh("(/bin/sleep 60 & echo $! > /tmp/pid; wait) & true")
    c.sh("/bin/sleep 0.1; kill -9 $(cat /tmp/pid)")
    behind(w, c, "killed")
    check(len(acts(w, c, "core-dump")) == 4, "being killed is no crash", acts(w, c))
    w.stop()


# ---- over a restart of the agent ----

def test_replayed(lab):
    """What rights were gained is the same in a replay."""
    record = os.path.join(lab.dir, "rights.rec")
    d = lab.daemon(record=record)
    c = lab.container("rec")
    d.covered("rec")
    c.sh("/bin/rights capable; /bin/rights trace; /bin/rights crash; true")
    one(d, "rec", "root_gained")
    w = d.watch()
    behind(w, c, "end")
    w.stop()
    live = d.findings("rec", every=True)
    d.stop()
    r = run([TIDEMARK, "--json", "replay", record])
    check(r.returncode == 0, "replay", r.stderr)
    again = [f for f in json.loads(r.stdout) if f["workload"]["name"] == "rec"]
    check(again == live, "the same findings", again, live)
