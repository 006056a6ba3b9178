# SPDX-License-Identifier: GPL-2.0-or-later
"""The same drift with each facility of the kernel switched off: found by the next best way, and said which that is."""
import json
import os

from lab import TIDEMARK, check, run, wait

# what is off → what status then says of contents, executions and names
VARIANTS = {
    "everything": ([], "fanotify", "fanotify"),
    "no filesystem marks": (["filesystem-mark"], "fanotify", "fanotify"),
    "no fanotify names": (["names"], "fanotify", "inotify"),
    "no open-exec": (["open-exec"], "fanotify", "fanotify"),
    "inotify and walks": (["names", "content"], "off", "inotify"),
    "walks alone": (["names", "content", "inotify"], "off", "off"),
    "no NSpid": (["nspid"], "fanotify", "fanotify"),
}
# The program must live for a moment, else /proc alone may come too late; busybox runs under names that begin with its own.
ACTS = ("mkdir /opt/d; cp /bin/busybox /opt/d/busybox-upd; chmod 755 /opt/d/busybox-upd; /opt/d/busybox-upd sleep 0.3; chmod 600 /etc/one.conf; rm /etc/two.conf;"
        " mv /etc/three.conf /etc/moved.conf; mv /opt/d /opt/e; echo x > /opt/e/late; echo y >> /etc/four.conf")


def configuration(off):
    return 'probe: { disable = [%s]; };\nfiles: { round = "2s"; };\n' % ", ".join('"%s"' % w for w in off)


def subjects(d, name, kind):
    return {s["subject"]: s for f in d.findings(name, every=True) for s in f["signals"] if s["kind"] == kind}


def drift(lab, name, off, content, names):
    d = lab.daemon(config=configuration(off))
    c = lab.container(name)
    wait("container %s to be covered" % name, lambda: (lambda s: s and s["workload"] and "not yet" not in (s["coverage"] or "not yet"))(d.containers().get(name)))
    state = {s["name"]: s["state"] for s in d.json("status")["sensors"]}
    check(state["content"].startswith(content) and state["names"].startswith(names), "status says what is used", state)
    check(d.containers()[name]["init_pid"] == c.init_pid(), "its init", d.containers()[name])
    d.activate(name)
    c.sh(ACTS)
    expected = {"/opt/d/busybox-upd" if names != "off" else "/opt/e/busybox-upd", "/etc/one.conf", "/etc/two.conf", "/etc/moved.conf", "/etc/four.conf", "/opt/e/late"}
    wait("the program in the queue", lambda: "/opt/d/busybox-upd" in subjects(d, name, "process"))
    wait("each file to be found", lambda: expected <= set(subjects(d, name, "file")), 60)
    got = subjects(d, name, "file")
    check("deleted" in json.dumps(got["/etc/two.conf"]["operation"]) or "delete" in got["/etc/two.conf"]["operation"] or got["/etc/two.conf"]["operation"] == "found",
          "what happened to it", got["/etc/two.conf"])
    check(any(f["confidence"] >= 95 for f in d.findings(name) if any(s["subject"] == "/opt/d/busybox-upd" for s in f["signals"])), "worth waking somebody", d.findings(name))
    return d, c


def test_everything(lab):
    drift(lab, "fac-all", *VARIANTS["everything"])


def test_without_filesystem_marks(lab):
    d, _ = drift(lab, "fac-mount", *VARIANTS["no filesystem marks"])
    check("mount mark" in d.containers()["fac-mount"]["coverage"], "by what", d.containers()["fac-mount"])


def test_without_fanotify_names(lab):
    """inotify tells the name and no process; the write that came with it tells the process."""
    d, c = drift(lab, "fac-ino", *VARIANTS["no fanotify names"])
    check("by inotify" in d.containers()["fac-ino"]["coverage"], "by what", d.containers()["fac-ino"])
    got = subjects(d, "fac-ino", "file")
    check(got["/opt/d/busybox-upd"]["executable"] == "/bin/busybox" and got["/opt/d/busybox-upd"]["pid"], "the writer is known", got["/opt/d/busybox-upd"])
    check(got["/etc/one.conf"]["pid"] is None, "who changed the mode is not known, and not guessed", got["/etc/one.conf"])
    page = d.tidemark("show", next(f["id"] for f in d.findings("fac-ino", every=True) if any(s["subject"] == "/etc/one.conf" for s in f["signals"]))).stdout
    check("not known" in page and "auditctl" in page, "and that is said, with what would tell", page)
    w = d.watch()
    c.sh("mkdir -p /opt/a/b/c; echo 1 > /opt/a/b/c/deep; sleep 0.1; echo 2 > /opt/a/b/c/deeper; mv /opt/a/b /opt/b; rm /opt/b/c/deep")
    w.file("/opt/b/c/deep", "delete", c.id)
    check(all(s["lost"] == 0 for s in d.json("status")["sensors"]), "nothing was lost", d.json("status")["sensors"])
    w.stop()
    inodes = {os.stat(path).st_ino for path, _, _ in os.walk(c.upper())}
    check(inodes <= d.marked("inotify"), "each of its directories is watched", len(inodes), len(d.marked("inotify")))
    c.stop()
    wait("its watches to be gone", lambda: not inodes & d.marked("inotify"))


def test_without_open_exec(lab):
    drift(lab, "fac-exec", *VARIANTS["no open-exec"])


def test_inotify_and_walks(lab):
    drift(lab, "fac-old", *VARIANTS["inotify and walks"])


def test_walks_alone(lab):
    drift(lab, "fac-walk", *VARIANTS["walks alone"])


def test_without_nspid(lab):
    d, c = drift(lab, "fac-ns", *VARIANTS["no NSpid"])
    c.stop()
    wait("its end", lambda: "fac-ns" not in d.containers())


def test_probe_says_what_is_used(lab):
    path = os.path.join(lab.dir, "probe.conf")
    with open(path, "w") as out:
        out.write(configuration(["names", "open-exec"]))
    items = {i["facility"]: i for i in json.loads(run([TIDEMARK, "--json", "probe", "--config", path]).stdout)}
    check(items["fanotify names"]["disabled"] and not items["fanotify names"]["in_use"] and items["inotify"]["in_use"], "inotify instead", items)
    check("instead" in items["fanotify open-exec"]["used"], "what instead", items["fanotify open-exec"])
    r = run([TIDEMARK, "probe", "--config", "/nonexistent"])
    check(r.returncode == 4 and "/nonexistent" in r.stderr, "no such file", r.stderr)
