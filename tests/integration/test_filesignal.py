# SPDX-License-Identifier: GPL-2.0-or-later
"""The write layer, whole: what only overlay file systems have, what gives rights, and what was there for a moment only.
Each is told by what happens, and found by the walk alone."""
import json
import os
import re
import shutil
import subprocess

from lab import Container, check, run, wait
from test_files import by_entrypoint, marked, ready

LONG = 120  # rounds are of all containers of the host: some may be large
WALK_ALONE = 'probe: { disable = ["content", "names", "inotify"]; };\nfiles: { round = "2s"; };\n'


def covered(d, name):
    return wait("container %s to be covered" % name, lambda: (lambda s: s and s["workload"] and "not yet" not in (s["coverage"] or "not yet"))(d.containers().get(name)))


def learning(lab, name, config=WALK_ALONE):
    """A daemon that still learns; with the walk alone."""
    d = lab.daemon(config=config)
    c = lab.container(name)
    covered(d, name)
    return d, c, d.watch()


def subject(d, name, path, kind="file"):
    return next(((f, s) for f in d.findings(name, every=True) for s in f["signals"] if s["kind"] == kind and s["subject"] == path), None)


def found(w, c, path):
    return wait("the walk to find " + path, lambda: next((e for e in w.events("file", c.id) if e["path"] == path and e["operation"] == "found"), None), LONG)


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
    f, s = wait("a finding of " + path, lambda: subject(d, name, path), LONG)
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


def by_host(e):
    check(e["pid"] and e["origin"] == "foreign", "by a process of the host", e)


def from_outside(lab, name, config, sees_merged):
    """podman cp, a host process by the merged directory, one by /proc/PID/root: told, and as foreign."""
    d = lab.daemon(config=config)
    c = lab.container(name)
    d.covered(name)
    w = d.watch()
    c.sh("mkdir /opt/dir")
    marked(c, w, "/opt/dir")
    marked(c, w, "/opt")
    d.activate(name)
    source = os.path.join(lab.dir, "dropped")
    shutil.copy(shutil.which("busybox"), source)
    r = lab.podman("cp", source, name + ":/opt/dir/copied")
    check(r.returncode == 0, "podman cp", r.stderr)
    by_host(wait("the copy", lambda: next((e for e in w.events("file", c.id) if e["path"] == "/opt/dir/copied" and e["origin"]), None)))
    merged = lab.inspect(name)["GraphDriver"]["Data"]["MergedDir"]
    with open(merged + "/opt/dir/merged", "w") as out:
        out.write("x")
    by_host(w.file("/opt/dir/merged", "write" if sees_merged else "create", c.id))
    with open(merged + "/etc/two.conf", "a") as out:
        out.write("x")
    if sees_merged:
        by_host(w.file("/etc/two.conf", "write", c.id))
    else:
        wait("it to be told, or found", lambda: [e for e in w.events("file", c.id) if e["path"] == "/etc/two.conf" and e["change"] == "modified"], LONG)
    with open("/proc/%d/root/opt/dir/reached" % c.init_pid(), "w") as out:
        out.write("x")
    by_host(w.file("/opt/dir/reached", "write", c.id))
    f, s = wait("a finding", lambda: subject(d, name, "/opt/dir/copied"))
    check(s["origin"] == "foreign" and any(x["name"] == "origin_foreign" for x in f["factors"]), "the factor", f)
    check(any("foreign" in x for x in f["story"]), "in words", f["story"])
    w.stop()


def test_from_outside(lab):
    from_outside(lab, "outside", "", True)


def test_from_outside_with_mount_marks(lab):
    from_outside(lab, "outside-mm", MOUNT_MARKS + 'files: { round = "2s"; };\n', False)


def started(c, *what):
    r = c.lab.podman("run", "-d", "--name", c.name, "--network", "none", "-v", c.ctl + ":/ctl", *what, *Container.ENTRY)
    check(r.returncode == 0, "podman run", r.stderr)
    c.id = r.stdout.strip()
    return c


class Store:
    """Another podman, with a storage of its own kind; as the lab's where a Container asks it."""

    def __init__(self, lab, word, *options):
        self.lab, self.dir, self.count = lab, os.path.join(lab.dir, word), 0
        os.makedirs(self.dir)
        self.engine = ["podman"] + ["--%s=%s" % (o, os.path.join(self.dir, d)) for o, d in (("root", "storage"), ("runroot", "rr"), ("tmpdir", "pt"))] + list(options)
        tar = subprocess.Popen(["tar", "-C", os.path.join(lab.dir, "image"), "-c", "."], stdout=subprocess.PIPE)
        r = self.podman("import", "-q", "-", "localhost/work:1", stdin=tar.stdout)
        check(r.returncode == 0, "podman import", r.stderr)

    def podman(self, *argv, **kw):
        return run(self.engine + list(argv), env=dict(os.environ, CONTAINERS_CONF=self.lab.conf), **kw)

    def inspect(self, name):
        return json.loads(self.podman("inspect", name).stdout)[0]

    def container(self, name, *options):
        return started(Container(self, name), *options, "localhost/work:1")

    def close(self):
        self.podman("rm", "-fa", "-t", "0")
        self.podman("system", "reset", "-f")
        for line in sorted(open("/proc/self/mountinfo"), reverse=True):
            point = line.split()[4]
            if point.startswith(self.dir + "/"):
                run(["umount", "-l", point])


def by_id(d, c):
    return wait("container %s in status" % c.name, lambda: next((x for x in d.containers().values() if x["id"] == c.id and x["coverage"]), None))


def fan_marks(d):
    """Mounts that have a fanotify mark of the daemon's."""
    text = ""
    for fd in os.listdir("/proc/%d/fdinfo" % d.proc.pid):
        try:
            text += open("/proc/%d/fdinfo/%s" % (d.proc.pid, fd)).read()
        except OSError:
            continue
    return [x for x in text.splitlines() if x.startswith("fanotify mnt_id")]


def uncovered(lab, word, options, why, marked_root):
    store = Store(lab, word, *options)
    try:
        d = lab.daemon()
        marks = len(fan_marks(d))
        c = store.container("no-" + word)
        check(by_id(d, c)["coverage"] == "files: not covered: " + why, "said so, and why", by_id(d, c))
        check((len(fan_marks(d)) > marks) == marked_root, "marks", fan_marks(d))
        page = d.tidemark("status").stdout
        check("files: not covered" in page, "in words", page)
        w = d.watch()
        c.sh("cp /bin/busybox /opt/busybox-x; /opt/busybox-x sleep 0.2")
        wait("what it runs, all the same", lambda: [e for e in w.events("exec", c.id) if e["program"] == "/opt/busybox-x"])
        check(not w.events("file", c.id), "no guesses", w.events("file", c.id))
        w.stop()
        check(store.podman("rm", "-f", "-t", "0", c.name).returncode == 0, "nothing is pinned")
    finally:
        store.close()


def test_vfs(lab):
    uncovered(lab, "vfs", ["--storage-driver=vfs"], "ext4, no upper directory", True)


def test_fuse_overlayfs(lab):
    uncovered(lab, "fuse", ["--storage-driver=overlay", "--storage-opt=overlay.mount_program=/usr/bin/fuse-overlayfs"], "fuse.fuse-overlayfs root", False)


def test_rootfs(lab):
    root = os.path.join(lab.dir, "plain-root")
    shutil.copytree(os.path.join(lab.dir, "image"), root, symlinks=True)
    d = lab.daemon()
    c = started(Container(lab, "plain-root"), "--rootfs", root)
    try:
        check(by_id(d, c)["coverage"].startswith("files: not covered: "), "said so", by_id(d, c))
    finally:
        check(lab.podman("rm", "-f", "-t", "0", "plain-root").returncode == 0, "nothing is pinned")
        shutil.rmtree(root)
        shutil.rmtree(c.ctl)


def test_metacopy(lab):
    """Only the attributes are copied up: told as that; what then runs is the image's; what is written then is told."""
    store = Store(lab, "meta", "--storage-driver=overlay", "--storage-opt=overlay.mountopt=nodev,metacopy=on")
    try:
        d = lab.daemon()
        c = store.container("metacopy")
        wait("its marks", lambda: "directories" in by_id(d, c)["coverage"])
        w = d.watch()
        c.sh("mkdir /opt/dir")
        marked(c, w, "/opt/dir")
        c.sh("touch /bin/here; rm /bin/here")
        marked(c, w, "/bin")
        d.activate(d.json("status")["containers"] and by_id(d, c)["workload"])
        c.sh("chmod 700 /bin/many; chown 33:33 /etc/one.conf; chmod 4755 /bin/rights")
        upper = c.upper()
        check("trusted.overlay.metacopy" in os.listxattr(upper + "/bin/many"), "this kernel copied up the attributes alone", os.listxattr(upper + "/bin/many"))
        e = w.file("/bin/many", "attribute", c.id)
        check(e["change"] == "modified" and e["operation"] == "attribute", "attributes of a file of the image", e)
        e = wait("the other", lambda: next((e for e in w.events("file", c.id) if e["path"] == "/etc/one.conf"), None))
        check("write" not in e["operation"] and e["change"] == "modified", "no write", e)
        c.sh("/bin/many 1")
        wait("that it runs", lambda: [e for e in w.events("exec", c.id) if e["program"] == "/bin/many"])
        check(all(e["layer"] == "image" for e in w.events("exec", c.id) if e["program"] == "/bin/many"), "it is the image's", w.events("exec", c.id))
        name = by_id(d, c)["workload"]
        gives_rights(d, name, "/bin/rights", "setuid")
        c.sh("echo x >> /bin/many; /bin/many 1")
        w.file("/bin/many", "write", c.id)
        wait("that it is no longer the image's", lambda: [e for e in w.events("exec", c.id) if e["program"] == "/bin/many" and e["layer"] == "write-layer"])
        w.stop()
    finally:
        store.close()


def limited(lab, name, options, more=""):
    d = lab.daemon(config="files: { round = \"2s\"; %s };\n" % options + more)
    c = lab.container(name)
    return d, c, d.watch()


def capped(lab, name, more):
    """Above the cap: status says how many directories are covered by walks only, and what happens there is found."""
    d, c, w = limited(lab, name, "dirs_per_container = 8;", more)
    d.covered(name)
    c.sh("for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do mkdir -p /opt/d$n/deep; done")
    there = len(list(os.walk(c.upper())))
    wait("status to count each directory, by what covers it",
         lambda: [int(n) for n in re.findall(r"(\d+) (?:directories|more)", by_id(d, c)["coverage"])] == [8, there - 8], LONG)
    c.sh("for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do mkdir /opt/d$n/deep/made; rm /etc/two.conf; done; chmod 600 /etc/one.conf")
    for n in range(1, 21):
        wait("a name in d%d" % n, lambda: next((e for e in w.events("file", c.id) if e["path"] == "/opt/d%d/deep/made" % n), None), LONG)
    wait("the rest", lambda: {"/etc/one.conf", "/etc/two.conf"} <= {e["path"] for e in w.events("file", c.id)}, LONG)
    c.sh("rm -r /opt/d*")
    wait("status to say that all are watched again", lambda: "by walks only" not in by_id(d, c)["coverage"], LONG)
    w.stop()


def test_marks_are_capped(lab):
    capped(lab, "capped", "")


def test_watches_are_capped(lab):
    capped(lab, "capped-ino", 'probe: { disable = ["names"]; };\n')


def test_marks_of_the_host_are_capped(lab):
    d = lab.daemon(config="files: { round = \"2s\"; dirs_total = 12; };\n")
    one, two = lab.container("capped-one"), lab.container("capped-two")
    for c in (one, two):
        d.covered(c.name)
        c.sh("for n in 1 2 3 4 5 6 7 8 9 10; do mkdir -p /opt/d$n; done")
    wait("status to say so", lambda: any("by walks only" in (x["coverage"] or "") for x in d.containers().values()))
    names = next(s for s in d.json("status")["sensors"] if s["name"] == "names")
    check(names["directories"] <= 12, "no more than that", names)


def test_walks_and_index_are_bounded(lab):
    """A walk that lists no more says that it is incomplete; an index that remembers no more counts, and tells again rather than never."""
    d, c, w = limited(lab, "bounded", "walk_entries = 50; index = 60;")
    d.covered("bounded")
    c.sh("mkdir /opt/many; n=0; while [ $n -lt 120 ]; do echo $n > /opt/many/f$n; n=$((n+1)); done")
    wait("every file", lambda: len({e["path"] for e in w.events("file", c.id) if e["path"].startswith("/opt/many/f")}) == 120, LONG)
    wait("an incomplete walk", lambda: [e for e in w.events("walk", c.id) if e["ended"] and not e["complete"]], LONG)
    wait("status to count", lambda: (lambda s: s["repair"]["walks_incomplete"] and s["index"]["refused"] and s["index"]["names"] <= 60 * len(s["containers"]))(d.json("status")))
    check("incomplete" in d.tidemark("status").stdout, "in words", d.tidemark("status").stdout)
    w.stop()


def test_marks_end_with_the_container(lab):
    """Stopped and not removed: no mark is left on its directories; started again they are marked again."""
    d = lab.daemon()
    c = lab.container("ended")
    d.covered("ended")
    c.sh("mkdir -p /opt/a/b/c")
    inodes = lambda: {os.stat(path).st_ino for path, _, _ in os.walk(c.upper())}
    wait("each directory to be marked", lambda: len(inodes()) >= 5 and inodes() <= d.marked("fanotify"))
    was = inodes()
    c.stop()
    wait("its marks to be gone", lambda: not was & d.marked("fanotify"))
    names = next(s for s in d.json("status")["sensors"] if s["name"] == "names")
    check(names["lost"] == 0, "and nothing was lost by it", names)
    c.start()
    d.covered("ended")
    wait("its marks again", lambda: inodes() <= d.marked("fanotify"))
    w = d.watch()
    c.sh("touch /opt/a/b/c/again")
    by_entrypoint(w.file("/opt/a/b/c/again", "create", c.id))
    w.stop()


def changed_program(d, name, path):
    f, s = wait("a finding of " + path, lambda: subject(d, name, path), LONG)
    check(any(x["name"] == "image_program_changed" for x in f["factors"]), "the factor", f["factors"])
    check(f["confidence"] >= 50, "shown", f)
    check(any(path in x and "no longer the image's" in x for x in f["story"]), "in words", f["story"])
    return s


FORGED = "forge /bin/many; cp -p /bin/storm /tmp/new; forge /tmp/new; mv -f /tmp/new /bin/storm; forge /etc/one.conf"


def test_forged_times_while_away(lab):
    """Changed while no agent ran, size and time put back: the content tells, although it is still learning."""
    c = lab.container("forged-away")
    d = lab.daemon()
    d.covered("forged-away")
    d.stop()
    c.sh(FORGED)
    d = lab.daemon(state=d.state)
    w = d.watch()
    for path in ("/bin/many", "/bin/storm"):
        s = changed_program(d, "forged-away", path)
        check("found" in s["operation"] and s["pid"] is None, "found, by nobody known", s)
    check(not subject(d, "forged-away", "/etc/one.conf"), "data is learned, or a candidate, as ever")
    w.stop()


def test_forged_times_by_walk(lab):
    d, c, w = learning(lab, "forged-walk")
    c.sh(FORGED)
    for path in ("/bin/many", "/bin/storm"):
        changed_program(d, "forged-walk", path)
    found(w, c, "/etc/one.conf")
    w.stop()


def test_forged_times(lab):
    """With everything on: who wrote it, and who put another in its place."""
    d, c, w = ready(lab, "forged")
    c.sh(FORGED)
    s = changed_program(d, "forged", "/bin/many")
    check("write" in s["operation"] and s["executable"] == "/bin/forge" and s["origin"] == "entrypoint", "by whom", s)
    changed_program(d, "forged", "/bin/storm")
    w.stop()


def test_copied_up_unchanged(lab):
    """Copied up by an opening, a new owner, a link: the image's program has not changed, and nobody is told so."""
    d, c, w = learning(lab, "unchanged", WALK_ALONE)
    c.sh("forge open /bin/many; chown 33:33 /bin/storm; ln /bin/drops /opt/drops-2; chmod 700 /bin/memexec; forge open /etc/two.conf; touch /opt/last")
    found(w, c, "/opt/last")
    check(found(w, c, "/bin/storm")["change"] == "modified", "its owner is another")
    found(w, c, "/bin/memexec")
    wait("them to be compared", lambda: next(s for s in d.json("status")["sensors"] if s["name"] == "walk")["compared"] >= 5)
    told = {e["path"] for e in w.events("file", c.id)}
    check(not told & {"/bin/many", "/bin/drops", "/etc/two.conf"}, "nothing to tell", told)
    check(not d.findings("unchanged", every=True), "nothing is raised", d.findings("unchanged", every=True))
    again = next(s for s in d.json("status")["sensors"] if s["name"] == "walk")["compared"]
    walks = len([x for x in w.events("walk", c.id) if x["ended"]])
    wait("the next round", lambda: len([x for x in w.events("walk", c.id) if x["ended"]]) > walks)
    check(next(s for s in d.json("status")["sensors"] if s["name"] == "walk")["compared"] == again, "each is compared once")
    w.stop()


def test_metadata_only_without_content_marks(lab):
    d = lab.daemon(config='probe: { disable = ["content"]; };\n')
    c = lab.container("metadata-names")
    d.covered("metadata-names")
    w = d.watch()
    c.sh("touch /etc/here")
    marked(c, w, "/etc")
    c.sh("chmod 600 /etc/one.conf; chown 33:33 /etc/two.conf; echo x >> /etc/three.conf; touch /etc/last")
    w.file("/etc/last", "create", c.id)
    for path in ("/etc/one.conf", "/etc/two.conf"):
        e = w.file(path, "attribute", c.id)
        check("write" not in e["operation"] and e["change"] == "modified", "attributes, and no write", e)
    w.file("/etc/three.conf", "write", c.id)
    w.stop()


def test_opened_and_not_written(lab):
    """With everything on: a program of the image that is opened for writing, or put back as it was, has not changed."""
    d, c, w = ready(lab, "opened")
    c.sh("forge open /bin/many; cp -p /bin/storm /tmp/same; mv -f /tmp/same /bin/storm; touch /opt/last")
    w.file("/opt/last", "write", c.id)
    w.file("/bin/many", "write", c.id)
    wait("them to be compared", lambda: next(s for s in d.json("status")["sensors"] if s["name"] == "walk")["compared"] >= 1)
    c.sh("forge /bin/many; touch /opt/last2")  # and now it has
    changed_program(d, "opened", "/bin/many")
    check(not subject(d, "opened", "/bin/storm"), "nothing is said of the other", d.findings("opened", every=True))
    w.stop()


def test_owner_changed_at_start(lab):
    """chown -R over programs of the image, as many an entrypoint does: they are the image's all the same when they run."""
    d, c, w = learning(lab, "owners", "")
    c.sh("chown -R 33:33 /bin; /bin/many 1; date > /dev/null")
    w.file("/bin/many", "attribute", c.id)
    ran = wait("the program to be told", lambda: next((e for e in w.events("exec", c.id) if e["program"] == "/bin/many"), None))
    check(ran["layer"] == "image", "the image's", ran)
    raised = [s for f in d.findings("owners", every=True) for s in f["signals"] if s["kind"] == "process"]
    check(not raised, "no program of it is raised", raised[:3])
    w.stop()
