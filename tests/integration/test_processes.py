# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs: every one, short-lived ones included; from where they ran; how they came into the container."""
from lab import check, run, wait


def execs(w, c, program=None):
    return [e for e in w.events("exec", c.id) if not program or e["program"] == program]


def ready(lab, name):
    d = lab.daemon()
    c = lab.container(name)
    d.covered(name)
    return d, c, d.watch()


def test_every_exec(lab):
    """300 processes that live for less than a millisecond: each is told, or counted as lost."""
    d, c, w = ready(lab, "many")
    c.sh("/bin/many 300")

    def told():
        return {e["args"][1] for e in execs(w, c) if len(e["args"]) == 2 and e["args"][0] == "true"}

    def count():
        return len([e for e in execs(w, c) if e["program"] == "/bin/busybox" and e["caller"] == "/bin/many"])
    wait("all executions", lambda: count() >= 300)
    check(count() == 300, "each once", count())
    check(all(e["origin"] == "entrypoint" for e in execs(w, c)), "origin")
    status = d.json("status")
    check(all(s["lost"] == 0 for s in status["sensors"] if s["name"] == "process"), "nothing was lost", status["sensors"])
    check(status["processes"]["executable_unknown"] == 0, "the executable of each is known", status["processes"])
    check(len(told()) >= 1, "arguments where the process lived long enough", len(told()))
    w.stop()


def test_facts(lab):
    d, c, w = ready(lab, "facts")
    c.sh("/bin/sleep 0.2")
    e = wait("the execution", lambda: next((e for e in execs(w, c) if e["args"][:1] == ["/bin/sleep"]), None))
    check(e["args"] == ["/bin/sleep", "0.2"] and e["uid"] == 0 and e["executable"] == "/bin/busybox" and e["origin"] == "entrypoint" and e["layer"] == "image", "facts", e)
    w.stop()


def test_origins(lab):
    d, c, w = ready(lab, "from")
    c.exec("/bin/sleep", "0.11")
    run(["nsenter", "-t", str(c.init_pid()), "-m", "-p", "/bin/sleep", "0.12"])
    c.sh("/bin/sleep 0.13")
    for arg, origin in (("0.11", "exec"), ("0.12", "foreign"), ("0.13", "entrypoint")):
        e = wait("the execution of sleep " + arg, lambda: next((e for e in w.events("exec") if arg in e["args"] and e["container"] == c.id), None))
        check(e["origin"] == origin, "origin %s" % origin, e)
    w.stop()


def test_layers(lab):
    """From the write layer, from memory, from a deleted file: raised although nothing is learned yet."""
    d, c, w = ready(lab, "layers")
    c.sh("cp /bin/busybox /opt/dropped; /opt/dropped true")
    c.sh("/bin/memexec sleep 0.2")
    c.sh("/bin/delexec sleep 0.2")
    for layer in ("write-layer", "memfd", "deleted"):
        wait("an execution from: " + layer, lambda: any(e["layer"] == layer for e in execs(w, c)))
    check(d.workload("layers")["dimensions"][1]["state"] == "learning", "it still learns", d.workload("layers"))

    def signals():
        return [s for f in d.findings("layers") for s in f["signals"] if s["kind"] == "process"]
    wait("all three to be raised", lambda: {"write-layer", "memfd", "deleted"} <= {s["layer"] for s in signals()})
    check(all(f["confidence"] >= 95 for f in d.findings("layers") if any(s["layer"] == "write-layer" for s in f["signals"])), "worth waking somebody", d.findings("layers"))
    w.stop()


def test_tmpfs_and_volume(lab):
    """From a tmpfs: no image holds that, it is raised at once. From a volume: learned like a program of the image, and a
    question where it is new to an active baseline; nobody is woken by it alone."""
    d = lab.daemon()
    c = lab.container("mounts", "--tmpfs", "/vol:rw,exec,mode=1777")
    d.covered("mounts")
    w = d.watch()
    c.sh("cp /bin/busybox /ctl/sleep; /ctl/sleep 0.1")
    e = wait("the program of the volume", lambda: next(iter(execs(w, c, "/ctl/sleep")), None))
    check(e["layer"] == "mount" and e["origin"] == "entrypoint" and e["verdict"] == "learned", "learned", e)
    c.sh("cp /bin/busybox /vol/sleep; /vol/sleep 0.1")
    e = wait("the program of the tmpfs", lambda: next(iter(execs(w, c, "/vol/sleep")), None))
    check(e["layer"] == "tmpfs" and e["origin"] == "entrypoint", "where it ran", e)
    f = wait("it to be raised", lambda: [f for f in d.findings("mounts") if any(s["subject"] == "/vol/sleep" for s in f["signals"])])
    check(any(x["name"] == "ran_tmpfs" for x in f[0]["factors"]) and f[0]["severity"] == "medium", "as such, while it learns", f)
    check(not any(s["subject"] == "/ctl/sleep" for f in d.findings("mounts", every=True) for s in f["signals"]), "the volume's is not", d.findings("mounts", every=True))
    d.activate("mounts")
    c.sh("cp /bin/busybox /ctl/busybox; /ctl/busybox sleep 0.1")
    f = wait("a new one of the volume", lambda: [f for f in d.findings("mounts", every=True) if any(s["subject"] == "/ctl/busybox" for s in f["signals"])])
    check(any(x["name"] == "ran_mount" for x in f[0]["factors"]), "as such", f)
    w.stop()


def test_script_and_changed_image_file(lab):
    d, c, w = ready(lab, "script")
    c.sh("echo '#!/bin/sh' > /opt/job; echo true >> /opt/job; chmod 755 /opt/job; /opt/job")
    e = wait("the script", lambda: next(iter(execs(w, c, "/opt/job")), None))
    check(e["executable"] == "/bin/busybox" and e["layer"] == "write-layer", "the script is what was called, the shell is what runs", e)
    c.sh("cp /bin/busybox /tmp/b; cat /tmp/b > /bin/memexec; /bin/memexec sleep 0.2")
    f = wait("the changed program to be raised", lambda: [f for f in d.findings("script") if any(s["subject"] == "/bin/memexec" and s["kind"] == "process" for s in f["signals"])])
    check(any(x["name"] == "ran_changed_image_file" for x in f[0]["factors"]) and f[0]["severity"] == "critical", "as a changed file of the image", f)
    w.stop()


def test_ancestors(lab):
    d, c, w = ready(lab, "tree")
    c.sh("cp /bin/busybox /opt/x; /bin/sh -c '/bin/sh -c \"/opt/x sleep 0.2; true\"; true'")
    f = wait("the finding", lambda: d.findings("tree"))
    line = f[0]["lineage"]
    check(len(line) >= 3 and line[0]["pid"] == c.init_pid() and line[-1]["executable"] == "/opt/x", "from the container's init down", line)
    w.stop()


def test_runtime_is_not_the_container(lab):
    """The runtime's own steps on the way in are not the container's acts."""
    d = lab.daemon()
    w = d.watch()
    c = lab.container("clean")
    d.covered("clean")
    c.exec("/bin/true")
    wait("the session's program", lambda: any(e["origin"] == "exec" for e in execs(w, c)))
    programs = {e["program"] for e in execs(w, c)}
    check(programs == {"/bin/busybox"}, "only the container's own programs", sorted(map(str, programs)))
    w.stop()
