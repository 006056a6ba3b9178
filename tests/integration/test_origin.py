# SPDX-License-Identifier: GPL-2.0-or-later
"""How a process came into its container: sessions, health checks, schedules, strangers, orphans; and who is behind it."""
import os
import subprocess
import time

from lab import check, run, wait


def ready(lab, name, *options, image=None):
    d = lab.daemon()
    c = lab.container(name, *options)
    d.covered(name)
    return d, c, d.watch()


def told(w, c, arg):
    """The execution that has this argument."""
    return wait("the execution with " + arg, lambda: next((e for e in w.events("exec", c.id) if arg in e["args"]), None))


HEALTH = ("--health-cmd", "/bin/sh -c '/bin/true checked; /bin/sleep 0.05; /bin/cp /etc/one.conf /tmp/healthy'", "--health-interval", "disable")


def check_health(lab, c, status=0):
    r = lab.podman("healthcheck", "run", c.name)
    check(r.returncode == status, "podman healthcheck run", r.stdout, r.stderr)


def until(w, c, arg, origin, act):
    """Do it again while a busy host keeps the reader of arguments from being in time: then it counts as a session, or
    has no arguments to be found by."""
    def once():
        act()
        time.sleep(0.2)
        return next((e for e in w.events("exec", c.id) if arg in e["args"] and e["origin"] == origin), None)
    return wait("an execution with %s of origin %s" % (arg, origin), once, 120)


def test_health_check(lab):
    """The configured check and what it starts is a probe; the same person's session is none; neither makes findings."""
    d, c, w = ready(lab, "health", *HEALTH)
    until(w, c, "0.05", "probe", lambda: check_health(lab, c))
    check(any(e["origin"] == "probe" for e in w.events("exec", c.id) if any("checked" in a for a in e["args"])), "the check itself", w.events("exec", c.id))
    until(w, c, "0.06", "exec", lambda: c.exec("/bin/sh", "-c", "/bin/sleep 0.06"))
    d.activate("health")
    before = len(d.findings("health", every=True))
    for _ in range(3):
        check_health(lab, c)
    c.sh("cp /bin/busybox /opt/mark; /opt/mark true")
    wait("what came behind them", lambda: any(s["subject"] == "/opt/mark" for f in d.findings("health") for s in f["signals"]))
    check(not any(s["origin"] == "probe" for f in d.findings("health", every=True)[before:] for s in f["signals"]), "a probe makes no noise", d.findings("health", every=True))
    w.stop()


def test_changed_health_check(lab):
    """Its script is replaced in the write layer: no probe any more, and the finding says so."""
    d, c, w = ready(lab, "scripted", "--health-cmd", "/bin/sh /etc/one.conf", "--health-interval", "disable")
    c.sh("echo '/bin/sleep 0.07' > /etc/one.conf")

    def said():
        check_health(lab, c)  # again and again: a busy host may lose its arguments
        return next((f for f in d.findings("scripted") if any(x["name"] == "changed_probe" for x in f["factors"])), None)
    f = wait("a finding that says so", said, 120)
    check(all(e["origin"] == "exec" for e in w.events("exec", c.id) if "0.07" in e["args"]), "what a changed check starts", w.events("exec", c.id))
    check(any("health check" in x["text"] for x in f["factors"]), "in words", f["factors"])
    w.stop()


def test_dropped_program_of_a_probe(lab):
    """What is never learned silently is raised for a probe as for anybody."""
    d, c, w = ready(lab, "dropping", "--health-cmd", "/bin/sh -c '/opt/own || true'", "--health-interval", "disable")
    c.sh("cp /bin/busybox /opt/own")
    check_health(lab, c)
    wait("the dropped program to be raised", lambda: any(s["subject"] == "/opt/own" and s["operation"] == "exec" for f in d.findings("dropping") for s in f["signals"]))
    w.stop()


def test_schedule(lab):
    """A session with the same command at equal distances becomes a probe; one beside it does not."""
    d, c, w = ready(lab, "kubelet")
    began = time.monotonic()

    def runs():
        return [e["origin"] for e in w.events("exec", c.id) if "0.08" in e["args"]]
    for n in range(25):  # five are enough, where the host is not too busy to be regular
        time.sleep(max(0, began + 1.5 * n - time.monotonic()))  # the schedule is what is tested
        c.exec("/bin/sleep", "0.08")
        if n >= 5 and "probe" in runs():
            break
    wait("a run to be a probe", lambda: "probe" in runs())
    check(runs()[:4] == ["exec"] * 4, "the first ones are sessions", runs())
    until(w, c, "0.09", "exec", lambda: c.exec("/bin/sleep", "0.09"))
    w.stop()


def test_strangers_and_orphans(lab):
    """nsenter is foreign; what a session leaves behind keeps its origin and lineage, in a session of its own too."""
    d, c, w = ready(lab, "guests")
    until(w, c, "0.14", "foreign", lambda: run(["nsenter", "-t", str(c.init_pid()), "-m", "-p", "/bin/sleep", "0.14"]))
    c.exec("/bin/sh", "-c", "(/bin/sleep 0.3; /bin/sleep 0.15) > /dev/null 2>&1 &")
    check(told(w, c, "0.15")["origin"] == "exec", "an orphan", told(w, c, "0.15"))
    c.exec("/bin/busybox", "setsid", "/bin/sh", "-c", "(/bin/sleep 0.3; /bin/sleep 0.16; cp /bin/busybox /opt/left; /opt/left true) > /dev/null 2>&1 &")
    check(told(w, c, "0.16")["origin"] == "exec", "an orphan with a session of its own", told(w, c, "0.16"))
    s = wait("what the orphan dropped and ran", lambda: next((s for f in d.findings("guests") for s in f["signals"] if s["subject"] == "/opt/left" and s["operation"] == "exec"), None))
    check(s["origin"] == "exec", "its finding", s)
    w.stop()


def test_login(lab):
    """The login of the person behind a session is told where the runtime hands it on."""
    d, c, w = ready(lab, "person")
    code = "open('/proc/self/loginuid', 'w').write('4711')\nimport os, sys\nos.execvp(sys.argv[1], sys.argv[1:])\n"
    argv = ["python3", "-c", code, *lab.engine, "exec", c.name, "/bin/sh", "-c", "cp /bin/busybox /opt/theirs; /opt/theirs true; true"]
    r = subprocess.run(argv, capture_output=True, text=True, env=dict(os.environ, CONTAINERS_CONF=lab.conf), timeout=60)
    check(r.returncode == 0, "podman exec with a login", r.stderr)
    f = wait("the finding", lambda: next((f for f in d.findings("person") if any(s["subject"] == "/opt/theirs" for s in f["signals"])), None))
    check(f["actor"]["login_uid"] == 4711 and f["actor"]["session"] is not None and f["actor"]["uid"] == 0, "who", f["actor"])
    shown = d.tidemark("show", f["id"]).stdout
    check("4711" in shown, "and shown", shown)
    c.sh("cp /bin/busybox /opt/ours; /opt/ours true")
    f = wait("the entrypoint's", lambda: next((f for f in d.findings("person") if any(s["subject"] == "/opt/ours" for s in f["signals"])), None))
    check(f["actor"]["login_uid"] is None, "nobody's login", f["actor"])
    w.stop()


def test_runtime_helpers(lab):
    """An init that the runtime puts into the container is found as what it is; starting and entering make no findings."""
    if not any(os.path.exists(p) for p in ("/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/lib/podman/catatonit")):
        print("     catatonit is not installed: --init is not tried")
        options = ()
    else:
        options = ("--init",)
    d, c, w = ready(lab, "helped", *options)
    until(w, c, "0.17", "exec", lambda: c.exec("/bin/sleep", "0.17"))
    check(not d.findings("helped", every=True), "nothing of the runtime's is a finding", d.findings("helped", every=True))
    check(not any(e["layer"] in ("memfd", "deleted") for e in w.events("exec", c.id)), "nor an act of the container", w.events("exec", c.id))
    w.stop()
