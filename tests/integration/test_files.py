# SPDX-License-Identifier: GPL-2.0-or-later
"""The write layer: every change with path, operation, process and origin; what is no drift is not told."""
import os

from lab import check, wait


def marked(c, w, directory):
    """A directory that has just been made is marked a moment later: names are tried until one is told by its creation."""
    n = [0]

    def told():
        n[0] += 1
        c.sh("touch %s/try%d" % (directory, n[0]))
        return any(e["path"].startswith(directory + "/try") and "create" in e["operation"] for e in w.events("file"))
    wait("names in %s to be told" % directory, told)


def ready(lab, name, *options):
    d = lab.daemon()
    c = lab.container(name, *options)
    d.covered(name)
    w = d.watch()
    c.sh("mkdir /opt/dir")
    marked(c, w, "/opt/dir")
    return d, c, w


def by_entrypoint(e, exe="/bin/busybox"):
    check(e["pid"] and e["executable"] == exe and e["origin"] == "entrypoint", "process, executable and origin of the act", e)


def test_operations(lab):
    d, c, w = ready(lab, "ops")
    c.sh("echo hello > /opt/new")
    by_entrypoint(w.file("/opt/new", "create"))
    e = w.file("/opt/new", "write")
    by_entrypoint(e)
    check(e["change"] == "added", "added by the container", e)
    c.sh("echo more >> /etc/one.conf")
    e = w.file("/etc/one.conf", "write")
    by_entrypoint(e)
    check(e["change"] == "modified", "a file of the image", e)
    marked(c, w, "/etc")  # it was copied up just now
    c.sh("rm /etc/two.conf")
    e = w.file("/etc/two.conf", "delete")
    check(e["change"] == "removed", "a file of the image, removed", e)
    c.sh("rm /opt/new")
    w.file("/opt/new", "delete")
    c.sh("touch /opt/from; mv /opt/from /opt/to")
    e = w.file("/opt/to", "rename")
    check(e["old_path"] == "/opt/from", "both names of a rename", e)
    c.sh("chmod 600 /opt/to")
    by_entrypoint(w.file("/opt/to", "attribute"))
    c.sh("chmod 700 /etc/three.conf")
    e = w.file("/etc/three.conf", "attribute")
    check(e["change"] == "modified", "attributes of a file of the image", e)
    c.sh("mkdir /opt/a; mkdir /opt/a/b; echo x > /opt/a/b/c")
    by_entrypoint(w.file("/opt/a/b/c", "write"))
    c.sh("ln -s /etc/shadow /opt/link")
    w.file("/opt/link", "create")
    w.stop()


def test_moved_directory(lab):
    d, c, w = ready(lab, "moved")
    c.sh("mkdir /opt/old")
    marked(c, w, "/opt/old")
    c.sh("mv /opt/old /opt/new; touch /opt/new/y")
    w.file("/opt/new", "rename")
    w.file("/opt/new/y", "create")
    w.stop()


def test_rotated(lab):
    """A log is moved away and made again at once, and stays open: the kernel makes one event of both."""
    d, c, w = ready(lab, "rotated")
    for how in ("one", "two"):
        path = "/opt/dir/log-" + how
        c.sh("rotate %s %s > /ctl/said-%s &" % (path, how, how))
        wait("it to be rotated", lambda: os.path.exists(c.ctl + "/said-" + how) and "rotated" in open(c.ctl + "/said-" + how).read())
        wait("where it went", lambda: [e for e in w.events("file", c.id) if e["path"] == path + ".1" and ("rename" in e["operation"] or how == "two")])
        again = wait("the name to be told again", lambda: [e for e in w.events("file", c.id) if e["path"] == path and "create" in e["operation"]][1:])[0]
        by_entrypoint(again, "/bin/rotate")
        check(not [e for e in w.events("file", c.id) if e["path"] == path and "delete" in e["operation"]], "it was not deleted")
    w.stop()


def test_volumes_and_tmpfs(lab):
    vol = os.path.join(lab.dir, "volume")
    os.makedirs(vol, exist_ok=True)
    d, c, w = ready(lab, "vols", "-v", vol + ":/vol", "--tmpfs", "/scratch")
    c.sh("echo x > /vol/file; echo x > /scratch/file; echo x > /dev/shm/file; echo x > /opt/last")
    w.file("/opt/last", "write")
    told = [e["path"] for e in w.events("file") if "/vol" in e["path"] or "/scratch" in e["path"] or "/dev" in e["path"]]
    check(not told, "no file drift in volumes and tmpfs", told)
    w.stop()


def test_origins(lab):
    d, c, w = ready(lab, "origins")
    c.exec("/bin/sh", "-c", "echo x > /opt/by-exec")
    e = w.file("/opt/by-exec", "write")
    check(e["origin"] == "exec" and e["pid"], "a session's file", e)
    with open(os.path.join("/proc", str(c.init_pid()), "root/opt/by-host"), "w") as out:
        out.write("x")
    e = w.file("/opt/by-host", "write")
    check(e["origin"] == "foreign", "a host process that reaches in", e)
    w.stop()


def test_hostile_names(lab):
    d, c, w = ready(lab, "names")
    c.sh("touch $'/opt/new\\nline'")
    w.file("/opt/new\\nline", "create")
    c.sh("touch $'/opt/\\377\\376'")
    w.file("/opt/\\xff\\xfe", "create")
    c.sh("touch '/opt/{\"kind\":\"exec\"}'")
    w.file('/opt/{"kind":"exec"}', "create")
    c.sh("ln -s / /opt/root; touch /opt/root/tmp/through")
    wait("the file to be told where it is", lambda: any(e["path"] == "/tmp/through" for e in w.events("file")))
    check(not any(e["path"] == "/opt/root/tmp/through" for e in w.events("file")), "not under the link's name")
    w.stop()


def test_found_by_walk_at_start(lab):
    """Changed while no agent ran: the walk at the agent's start finds it, once."""
    c = lab.container("walked")
    d = lab.daemon()
    d.covered("walked")
    d.stop()
    c.sh("mkdir /opt/sub; cp /bin/busybox /opt/sub/tool; chmod 755 /opt/sub/tool; rm /etc/one.conf")
    d = lab.daemon(state=d.state)
    d.covered("walked")
    d.activate("walked")
    d.stop()
    c.sh("cp /bin/busybox /opt/sub/tool2; chmod 4755 /opt/sub/tool2")
    d = lab.daemon(state=d.state)
    def drift():
        return [f for f in d.findings("walked") if f["type"] == "drift"]
    f = wait("a finding of what was found", drift)
    check(any(s["subject"] == "/opt/sub/tool2" and "found" in s["operation"] and s["pid"] is None for s in f[0]["signals"]), "the setuid file, process not known", f)
    count = f[0]["count"]
    d.stop()
    d = lab.daemon(state=d.state)
    d.covered("walked")
    f = drift()
    check(len(f) == 1 and f[0]["count"] == count, "found once, not again at each start", f)


def test_found_by_walk_at_container_start(lab):
    """What an entrypoint writes in its first moments is told, by events or by the walk."""
    d = lab.daemon()
    w = d.watch()
    c = lab.container("early", entry=["/bin/sh", "-c", "mkdir -p /opt/deep/er; echo x > /opt/deep/er/file; cp /bin/busybox /opt/deep/bin; sleep 100"])
    for path in ("/opt/deep/er/file", "/opt/deep/bin"):
        wait("the early file " + path, lambda: any(e["path"] == path for e in w.events("file", c.id)))
    check(not any(e["path"] in ("/etc/hosts", "/etc/hostname", "/run/.containerenv") for e in w.events("file", c.id)), "the runtime's preparation is not told")
    w.stop()
