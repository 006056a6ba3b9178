# SPDX-License-Identifier: GPL-2.0-or-later
"""The write layer, whole: what only overlay file systems have, what gives rights, and what was there for a moment only.
Each is told by what happens, and found by the walk alone."""
from lab import check, wait
from test_files import by_entrypoint, marked, ready

WALK_ALONE = 'probe: { disable = ["content", "names", "inotify"]; };\nfiles: { round = "10s"; };\n'


def covered(d, name):
    return wait("container %s to be covered" % name, lambda: (lambda s: s and s["workload"] and s["coverage"])(d.containers().get(name)))


def learning(lab, name, config=WALK_ALONE):
    """A daemon that still learns; with the walk alone."""
    d = lab.daemon(config=config)
    c = lab.container(name)
    covered(d, name)
    return d, c, d.watch()


def subject(d, name, path, kind="file"):
    return next(((f, s) for f in d.findings(name, every=True) for s in f["signals"] if s["kind"] == kind and s["subject"] == path), None)


def found(w, c, path):
    return wait("the walk to find " + path, lambda: next((e for e in w.events("file", c.id) if e["path"] == path and e["operation"] == "found"), None), 40)


def test_opaque_directory(lab):
    d, c, w = ready(lab, "opaque")
    c.sh("touch /srv/first")
    marked(c, w, "/srv")
    c.sh("rm -r /srv/site")
    e = w.file("/srv/site", "delete", c.id)
    check(e["change"] == "removed" and e["type"] == "dir", "a directory of the image, removed", e)
    by_entrypoint(e)
    c.sh("mkdir /srv/site")
    e = w.file("/srv/site", "create", c.id)
    check(e["change"] == "modified" and e["opaque"], "another directory in its place: what the image holds below it is hidden", e)
    by_entrypoint(e)
    marked(c, w, "/srv/site")
    c.sh("echo x > /srv/site/new; echo y > /srv/site/page")
    check(w.file("/srv/site/new", "write", c.id)["change"] == "added", "added by the container")
    check(w.file("/srv/site/page", "write", c.id)["change"] == "modified", "in place of the image's")
    w.stop()


def test_opaque_directory_by_walk(lab):
    d, c, w = learning(lab, "opaque-walk")
    c.sh("rm -r /srv/site; mkdir /srv/site; echo x > /srv/site/new; echo y > /srv/site/page; rm /etc/one.conf")
    e = found(w, c, "/srv/site")
    check(e["change"] == "modified" and e["opaque"], "another directory in its place", e)
    check(found(w, c, "/srv/site/new")["change"] == "added", "added")
    check(found(w, c, "/srv/site/page")["change"] == "modified", "in place of the image's")
    check(found(w, c, "/etc/one.conf")["change"] == "removed", "a whiteout")
    w.stop()


def test_hard_links(lab):
    d, c, w = ready(lab, "links")
    marked(c, w, "/opt")
    c.sh("echo x > /opt/own; ln /opt/own /opt/second")
    e = w.file("/opt/second", "create", c.id)
    by_entrypoint(e)
    check(e["change"] == "added", "a second name of a file of the write layer", e)
    c.sh("ln /etc/two.conf /opt/of-image")
    e = w.file("/opt/of-image", "create", c.id)
    by_entrypoint(e)
    check(e["change"] == "added", "a new name of a file of the image", e)
    c.sh("ln /bin/busybox /opt/busybox-2; /opt/busybox-2 sleep 0.2")
    w.file("/opt/busybox-2", "create", c.id)
    wait("what runs by its new name", lambda: subject(d, "links", "/opt/busybox-2", "process"))
    check(not [x for x in w.events("file", c.id) if x["path"] in ("/etc/two.conf", "/bin/busybox") and "write" in x["operation"]], "nobody wrote them",
          [x for x in w.events("file", c.id) if x["path"] in ("/etc/two.conf", "/bin/busybox")])
    w.stop()


def gives_rights(d, name, path, words):
    """Raised although it is still learning; the finding names it and says what it gives."""
    f, s = wait("a finding of " + path, lambda: subject(d, name, path), 40)
    check(any(x["name"] == "setuid_file" for x in f["factors"]), "the factor", f["factors"])
    check(f["confidence"] >= 50, "shown", f)
    check(any(path in x and words in x for x in f["story"]), "in words", f["story"])
    return s


RIGHTS = "cp /bin/busybox /opt/mine; chmod 4755 /opt/mine; cp /bin/busybox /opt/capable; filecap /opt/capable; chmod 2755 /bin/many; filecap /bin/storm"


def test_setuid_and_capabilities(lab):
    d, c, w = ready(lab, "rights")
    marked(c, w, "/opt")
    c.sh(RIGHTS)
    by_entrypoint(w.file("/opt/mine", "attribute", c.id))
    e = wait("the capability", lambda: next((e for e in w.events("file", c.id) if e["path"] == "/opt/capable" and e["capabilities"]), None))
    check(e["pid"] and e["origin"] == "entrypoint", "by whom", e)
    gives_rights(d, "rights", "/opt/mine", "setuid")
    gives_rights(d, "rights", "/opt/capable", "capabilities")
    gives_rights(d, "rights", "/bin/many", "setuid or setgid")
    gives_rights(d, "rights", "/bin/storm", "capabilities")
    w.stop()


def test_setuid_and_capabilities_by_walk(lab):
    d, c, w = learning(lab, "rights-walk")
    c.sh(RIGHTS)
    for path, words in (("/opt/mine", "setuid"), ("/opt/capable", "capabilities"), ("/bin/many", "setuid or setgid"), ("/bin/storm", "capabilities")):
        gives_rights(d, "rights-walk", path, words)
    w.stop()


def test_setuid_and_capabilities_while_away(lab):
    c = lab.container("rights-away")
    d = lab.daemon()
    d.covered("rights-away")
    d.stop()
    c.sh(RIGHTS)
    d = lab.daemon(state=d.state)
    for path, words in (("/opt/mine", "setuid"), ("/opt/capable", "capabilities"), ("/bin/many", "setuid or setgid"), ("/bin/storm", "capabilities")):
        gives_rights(d, "rights-away", path, words)


def test_metadata_only(lab):
    """Copied up for its attributes alone: that, and no write; whether its directory was marked before or not."""
    d, c, w = ready(lab, "metadata")
    c.sh("chmod 600 /srv/site/page; chown 33:33 /srv/site/index")
    marked(c, w, "/etc")
    c.sh("chmod 600 /etc/one.conf; chown 33:33 /etc/two.conf; touch /etc/last")
    w.file("/etc/last", "create", c.id)
    for path in ("/etc/one.conf", "/etc/two.conf"):
        e = w.file(path, "attribute", c.id)
        by_entrypoint(e)
        check(e["change"] == "modified" and e["operation"] == "attribute", "attributes of a file of the image, and nothing else", e)
    for path in ("/srv/site/page", "/srv/site/index"):
        e = wait(path, lambda: next((e for e in w.events("file", c.id) if e["path"] == path), None))
        check(e["change"] == "modified" and e["operation"] in ("attribute", "found"), "attributes of a file of the image, or found so", e)
    told = [e for e in w.events("file", c.id) if "write" in e["operation"] and "/try" not in e["path"] and e["path"] != "/etc/last"]
    check(not told, "nothing was written", told)
    w.stop()


def test_rename_over_image_file(lab):
    d, c, w = ready(lab, "over")
    marked(c, w, "/etc")
    c.sh("echo mine > /etc/new; mv -f /etc/new /etc/one.conf")
    e = w.file("/etc/one.conf", "rename", c.id)
    by_entrypoint(e)
    check(e["change"] == "modified" and e["old_path"] == "/etc/new", "another file in place of the image's", e)
    w.stop()


def test_transient(lab):
    """Written, run and unlinked: each is told, and the finding names it."""
    d, c, w = ready(lab, "transient")
    marked(c, w, "/opt")
    c.sh("cp /bin/busybox /opt/busybox-t; /opt/busybox-t true; rm /opt/busybox-t")
    for word in ("write", "delete"):
        by_entrypoint(w.file("/opt/busybox-t", word, c.id))
    wait("that it ran", lambda: [e for e in w.events("exec", c.id) if e["program"] == "/opt/busybox-t"])
    f, s = wait("the finding", lambda: subject(d, "transient", "/opt/busybox-t", "process"))
    check(any("/opt/busybox-t" in x for x in f["story"]), "named", f["story"])
    check(f["confidence"] >= 95, "worth waking somebody", f)
    w.stop()


MOUNT_MARKS = 'probe: { disable = ["filesystem-mark"]; };\n'
# In the background, so that the namespace lives on; a shell's own writes, by no further exec.
ELSEWHERE = ("unshare %s /bin/sh -c 'cp /bin/busybox /opt/busybox-un; while [ ! -e /ctl/go ]; do sleep 0.05; done; echo x > /opt/dir/later; echo y >> /etc/one.conf;"
             " /opt/busybox-un sleep 0.3; mkdir -p /mnt/at; mount --bind /opt /mnt/at; echo z > /mnt/at/bound; while [ ! -e /ctl/end ]; do sleep 0.05; done' & sleep 0.2")


def elsewhere(lab, name, how, config, marks):
    d = lab.daemon(config=config)
    c = lab.container(name, "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined")
    check(marks in d.covered(name)["coverage"], "by what", d.containers())
    w = d.watch()
    c.sh("mkdir /opt/dir")
    marked(c, w, "/opt/dir")
    d.activate(name)
    c.sh(ELSEWHERE % how)
    e = wait("the other mount namespace", lambda: next((e for e in w.events("privilege", c.id) if e["operation"] == "mount-namespace"), None))
    by_entrypoint(e)
    check(e["from"] and e["to"] and e["from"] != e["to"], "from one to another", e)
    wait("what it did at once", lambda: [x for x in w.events("file", c.id) if x["path"] == "/opt/busybox-un"])
    if marks == "mount mark":
        wait("its root to be marked", lambda: d.json("status")["processes"]["namespaces"]["marked"] == 1)
        wait("a walk for it", lambda: [x for x in w.events("walk", c.id) if x["reason"] == "namespace" and x["ended"]])
    check(d.json("status")["processes"]["namespaces"]["known"] == 1, "one such namespace", d.json("status")["processes"])
    open(c.ctl + "/go", "w").close()
    for path in ("/opt/dir/later", "/etc/one.conf"):
        by_entrypoint(w.file(path, "write", c.id))
    by_entrypoint(w.file("/opt/bound", "create" if marks == "mount mark" else "write", c.id))  # through a mount that has no mark
    wait("that it ran", lambda: [x for x in w.events("exec", c.id) if x["program"] == "/opt/busybox-un" and x["layer"] == "write-layer"])
    f, _ = wait("a finding", lambda: subject(d, name, "/opt/busybox-un", "process"))
    named = [x for f in d.findings(name, every=True) for x in f["factors"] if x["name"] == "new_namespace"]
    check(named, "the factor", d.findings(name, every=True))
    open(c.ctl + "/end", "w").close()
    wait("the namespace to be forgotten", lambda: d.json("status")["processes"]["namespaces"]["known"] == 0)
    w.stop()
    c.sh("true")
    r = lab.podman("rm", "-f", "-t", "0", name)
    check(r.returncode == 0 and c.id[:12] not in open("/proc/mounts").read(), "nothing is pinned", r.stderr)


def test_mount_namespace(lab):
    elsewhere(lab, "unshared", "-m", "", "filesystem mark")


def test_mount_namespace_with_mount_marks(lab):
    elsewhere(lab, "unshared-mm", "-m", MOUNT_MARKS, "mount mark")


def test_user_namespace(lab):
    elsewhere(lab, "unshared-u", "-U -r -m", "", "filesystem mark")


def test_user_namespace_with_mount_marks(lab):
    elsewhere(lab, "unshared-umm", "-U -r -m", MOUNT_MARKS, "mount mark")


def test_many_namespaces(lab):
    """More than are marked: each is told of, what is done there is found by names and walks, and status says so."""
    d = lab.daemon(config=MOUNT_MARKS)
    c = lab.container("unshared-many", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined")
    d.covered("unshared-many")
    w = d.watch()
    c.sh("for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do unshare -m /bin/sh -c \"echo x > /opt/f$n; while [ ! -e /ctl/end ]; do sleep 0.2; done\" & done")
    wait("the namespaces that are too many", lambda: (lambda n: n["known"] == 16 and n["refused"] >= 4)(d.json("status")["processes"]["namespaces"]))
    wait("every file", lambda: {"/opt/f%d" % n for n in range(1, 21)} <= {e["path"] for e in w.events("file", c.id)})
    check("mount namespaces" in wait("coverage to say so", lambda: (lambda s: s if "namespaces" in s else None)(d.containers()["unshared-many"]["coverage"])), "said")
    open(c.ctl + "/end", "w").close()
    wait("all to be forgotten", lambda: d.json("status")["processes"]["namespaces"]["known"] == 0)
    w.stop()
