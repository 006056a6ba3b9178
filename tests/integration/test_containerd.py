# SPDX-License-Identifier: GPL-2.0-or-later
"""containerd, run for real, with its own database and content store: ids as nerdctl and Kubernetes' CRI give them."""
from engines import Containerd
from lab import check, wait

NEEDS = ("containerd", "ctr")

ID = "c1" * 32


def with_containerd(lab, test):
    ctrd = Containerd(lab)
    try:
        test(ctrd, lab.daemon())
        lab.clean()
    finally:
        ctrd.end()


def whole(ctrd, d):
    work = ctrd.worker(ID, "one")
    c = d.covered(ID)
    manifest = ctrd.run("images", "ls").stdout.split("localhost/work:1", 1)[1].split()[1]
    check(c["runtime"] == "containerd" and c["image"] == "localhost/work:1", "runtime and image", c)
    check(c["manifest_digest"] == manifest and c["manifest_source"].endswith("meta.db"), "the manifest's digest, as containerd tells it", c, manifest)
    check(c["config_digest"].startswith("sha256:") and c["config_digest"] != manifest and "/blobs/sha256/" in c["config_source"], "the configuration's digest", c)
    check(c["image_labels"] == {"of.image": "yes"}, "labels of the image", c)
    name = "localhost/work"
    check(c["workload"].startswith(name + "@sha256:"), "its workload", c)
    work.sh("date > /dev/null")
    wait("something to be learned", lambda: any(x["entries"] for x in d.workload(name)["dimensions"]))
    d.activate(name)
    watch = d.watch()
    r = ctrd.run("tasks", "exec", "--exec-id", "e1", ID, "/bin/sleep", "0.25")
    check(r.returncode == 0, "ctr tasks exec", r.stderr)
    session = wait("the exec session's program", lambda: [e for e in watch.events("exec") if e["args"][-1:] == ["0.25"]])
    check({e["origin"] for e in session} == {"exec"}, "ctr tasks exec is a session", session)
    work.sh("cp /bin/busybox /tmp/upd; chmod 755 /tmp/upd; /tmp/upd true")
    f = d.both(name)
    check(f["confidence"] >= 95 and all(s["origin"] == "entrypoint" for s in f["signals"]), "sure, and by the entrypoint", f)
    watch.stop()


def test_whole(lab):
    with_containerd(lab, whole)


def same_id(ctrd, d):
    """The same image in a namespace of its own: its metadata is that namespace's."""
    r = ctrd.run("images", "import", ctrd.archive, namespace="other")
    check(r.returncode == 0, "ctr images import", r.stderr)
    ctrd.run("images", "tag", "localhost/work:1", "localhost/else:2", namespace="other")
    ctrd.worker("c2" * 32, "two", namespace="other")
    c = d.covered("c2" * 32)
    check(c["image"] == "localhost/work:1" and c["config_digest"], "its image", c)


def test_namespaces(lab):
    with_containerd(lab, same_id)
