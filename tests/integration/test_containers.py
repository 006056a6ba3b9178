# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers are found without asking anybody: which, of what image, and what covers them."""
import json
import os
import shutil
import subprocess

from lab import check, run, wait


def looks_right(lab, c, shown, before):
    check(shown["id"] == c.id, "id", shown)
    check(shown["runtime"] == "podman" and shown["image"] == c.image, "runtime and image", shown)
    check(shown["config_digest"] == "sha256:" + lab.image_id, "config digest", shown, lab.image_id)
    check(shown["config_source"] and shown["manifest_source"], "digests come with their source", shown)
    check(shown["manifest_digest"] == "" or shown["manifest_digest"].startswith("sha256:"), "manifest digest", shown)
    check(shown["init_pid"] == c.init_pid(), "init pid", shown)
    check(shown["upper"] == c.upper(), "upper directory", shown, c.upper())
    check(shown["labels"].get("team") == "blue" and "of.image" not in shown["labels"], "the container's own labels", shown)
    check(shown["image_labels"].get("of.image") == "yes", "the image's labels", shown)
    check(shown["running_before"] == before and shown["state"] == "running", "running before", shown)


def test_running_and_started_later(lab):
    first = lab.container("first", "--label", "team=blue")
    d = lab.daemon()
    looks_right(lab, first, d.covered("first"), True)
    later = lab.container("later", "--label", "team=blue")
    shown = d.covered("later")
    looks_right(lab, later, shown, False)
    check(isinstance(shown["gap_ms"], (int, float)) and shown["gap_ms"] < 5000, "the unobserved interval is measured", shown)


def test_stopped(lab):
    c = lab.container("short")
    d = lab.daemon()
    d.covered("short")
    c.stop()
    wait("the stopped container to end its record", lambda: "short" not in d.containers())
    c.start()
    d.covered("short")
    c.remove()
    wait("the removed container to end its record", lambda: "short" not in d.containers())


def test_restarted_at_once(lab):
    """`podman restart`: the same id again before the old one is forgotten, with namespaces that may have the old ones'
    numbers. What it then does is its entrypoint's."""
    c = lab.container("again")
    d = lab.daemon()
    d.covered("again")
    w = d.watch()
    for i in range(12):
        before = c.init_pid()
        check(lab.podman("restart", "-t", "0", "again").returncode == 0, "podman restart")
        c.done = open(os.path.join(c.ctl, "done")).read().count("\n") if os.path.exists(os.path.join(c.ctl, "done")) else 0
        c.sh("/bin/call")
        e = wait("its program", lambda: [e for e in w.events("exec", c.id) if e["executable"] == "/bin/call"][i:])[0]
        check(e["origin"] == "entrypoint", "whose it is, after restart %d" % i, e)
        check(c.init_pid() != before and wait("its new init", lambda: d.containers()["again"]["init_pid"] == c.init_pid()), "its init")
    w.stop()


def test_stopped_while_we_were_away(lab):
    c = lab.container("away")
    d = lab.daemon()
    d.covered("away")
    d.stop()
    c.remove()
    again = lab.daemon(state=d.state)
    check("away" not in again.containers(), "a container that ended while nobody watched is not shown as running", again.containers())


def test_nothing_is_pinned(lab):
    d = lab.daemon()
    c = lab.container("pin")
    d.covered("pin")
    c.sh("mkdir /tmp/d; echo x > /tmp/d/f")
    r = lab.podman("rm", "-f", "-t", "0", "pin")
    check(r.returncode == 0, "podman rm works as if we were not there", r.stderr)
    check(lab.podman("mount").returncode == 0 and c.id[:12] not in open("/proc/mounts").read(), "no mount is left")
    d.json("status")


def test_unknown_runtime(lab):
    """Not podman, nobody's metadata: a root of overlay, a cgroup named by an id, made by runc alone."""
    base = os.path.join(lab.dir, "bare")
    for sub in ("upper", "work", "root"):
        os.makedirs(os.path.join(base, sub))
    lower = os.path.join(lab.dir, "image")
    r = run(["mount", "-t", "overlay", "overlay", "-o", "lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (lower, base, base), base + "/root"])
    check(r.returncode == 0, "mount", r.stderr)
    cid = "ab" * 32
    try:
        run(["runc", "spec"], cwd=base)
        spec = json.load(open(base + "/config.json"))
        spec["root"] = {"path": base + "/root", "readonly": False}
        spec["process"].update(terminal=False, args=["/bin/sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.05; done; cp /bin/busybox /opt/x; /opt/x true; sleep 100"], rlimits=[])
        spec["linux"]["cgroupsPath"] = "/" + cid
        json.dump(spec, open(base + "/config.json", "w"))
        d = lab.daemon()
        with open(base + "/out", "wb") as out:
            proc = subprocess.Popen(["runc", "--root", base + "/state", "run", "--bundle", base, cid], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        shown = wait("the container to be found by its cgroup", lambda: d.containers().get(cid) or (
            check(proc.poll() is None, "runc ended", open(base + "/out").read()) and None))
        check(shown["upper"] == base + "/upper", "upper directory", shown)
        d.covered(cid)
        open(base + "/root/tmp/go", "w").close()
        name = "unknown-" + cid[:12]
        f = wait("a finding of what it ran", lambda: d.findings(name))
        check(any(s["subject"] == "/opt/x" and s["kind"] == "process" for s in f[0]["signals"]), "what ran", f)
        run(["runc", "--root", base + "/state", "kill", cid, "KILL"])
        proc.wait(20)
        wait("its end", lambda: cid not in d.containers())
    finally:
        run(["runc", "--root", base + "/state", "delete", "-f", cid])
        run(["umount", base + "/root"])
        shutil.rmtree(base, ignore_errors=True)


def test_removed_at_once(lab):
    """`podman rm -f` takes the write layer away while its marks stand: that is no drift of anybody's."""
    d = lab.daemon()
    watch = d.watch()
    for i in range(6):
        c = lab.container("gone%d" % i)
        c.sh("for i in 1 2 3 4 5 6; do mkdir -p /opt/a$i/b /var/lib/c$i; echo x > /opt/a$i/b/f; echo x > /var/lib/c$i/f; done; rm -r /etc; sleep 0.05")
        d.covered(c.name)
        watch.file("/var/lib/c6/f", "", c.id)  # written, or found by a walk
        d.activate(c.name)
        seen = len(watch.events("file", c.id))
        c.remove()
        wait("its end to be known", lambda: c.name not in d.containers())
        after = [e for e in watch.events("file", c.id)[seen:] if "delete" in e["operation"] or e["origin"] == "foreign"]
        check(not after, "what the runtime removes is not told", after[:5])
        raised = [s for f in d.findings(c.name, every=True) for s in f["signals"] if "delete" in s["operation"]]
        check(not raised, "nor raised", raised[:5])
    watch.stop()
