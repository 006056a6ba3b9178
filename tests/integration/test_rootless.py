# SPDX-License-Identifier: GPL-2.0-or-later
"""Rootless podman, of a user with ids of their own, by the kernel's overlay and by fuse-overlayfs. Where cgroups are of
version 1, as here, such containers have none of their own, and nothing tells them apart: the tests put them into one
of the name that they have on version 2 (user.slice/…/libpod-ID.scope)."""
import json
import os
import shutil
import subprocess

from engines import remove_cgroup, unmount
from lab import Shell, check, run, wait

NEEDS = ("newuidmap", "fuse-overlayfs", "podman")
USER = "tidemark-rootless"
SLICE = "/tm-rootless/user.slice/user-1000.slice/user@1000.service/user.slice"
DROP = "cp /bin/busybox /tmp/upd; chmod 755 /tmp/upd; /tmp/upd true"


class Rootless:
    def __init__(self, lab, *options):
        self.lab, self.dir = lab, os.path.join(lab.dir, "rootless")
        for d in ("", "run"):
            os.makedirs(os.path.join(self.dir, d), exist_ok=True)
        if run(["id", USER]).returncode:
            r = run(["useradd", "--no-create-home", "--home-dir", self.dir, USER])
            check(r.returncode == 0, "useradd", r.stderr)
        shutil.copy(lab.conf, os.path.join(self.dir, "containers.conf"))
        # Its root is a group of its own: /dev/fuse is everybody's on hosts that have a udev, and need not be here.
        os.mknod(os.path.join(self.dir, "fuse"), 0o20666, os.makedev(10, 229))
        os.chmod(os.path.join(self.dir, "fuse"), 0o666)
        for d in ("", "run", "containers.conf"):
            shutil.chown(os.path.join(self.dir, d), USER, USER)
        self.podman_argv = ["podman", "--root", self.dir + "/storage", "--storage-driver", "overlay", *options]
        tar = subprocess.Popen(["tar", "-C", os.path.join(lab.dir, "image"), "-c", "."], stdout=subprocess.PIPE)
        r = self.podman("import", "-q", "-", "localhost/work:1", stdin=tar.stdout)
        check(r.returncode == 0, "podman import", r.stderr)

    def podman(self, *argv, **kw):
        env = {"PATH": os.environ["PATH"], "HOME": self.dir, "XDG_RUNTIME_DIR": self.dir + "/run", "CONTAINERS_CONF": self.dir + "/containers.conf"}
        script = 'mount --bind "$0" /dev/fuse && exec setpriv --reuid %s --regid %s --init-groups -- "$@"' % (USER, USER)
        return run(["unshare", "-m", "--propagation", "slave", "sh", "-c", script, self.dir + "/fuse", *self.podman_argv, *argv], env=env, cwd=self.dir, **kw)

    def worker(self, name):
        w = Shell(self.lab, name)
        os.chmod(w.ctl, 0o777)
        os.chmod(os.path.join(w.ctl, "in"), 0o666)
        self.ctl = w.ctl
        r = self.podman("run", "-d", "--name", name, "--network", "none", "-v", w.ctl + ":/ctl", "localhost/work:1", *Shell.ENTRY)
        check(r.returncode == 0, "rootless podman run", r.stderr)
        w.id = r.stdout.strip()
        state = json.loads(self.podman("inspect", name).stdout)[0]
        w.pid = state["State"]["Pid"]
        scope = "/sys/fs/cgroup/systemd" + SLICE + "/libpod-%s.scope" % w.id
        os.makedirs(scope)
        with open(scope + "/cgroup.procs", "w") as procs:
            procs.write(str(w.pid))
        return w

    def end(self):
        self.podman("rm", "-fa", "-t", "0")
        self.podman("system", "reset", "-f")
        remove_cgroup("tm-rootless")
        unmount(self.dir)
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.ctl, ignore_errors=True)
        run(["userdel", USER])


def rootless(lab, test, *options):
    them = Rootless(lab, *options)
    try:
        test(lab, them)
        lab.clean()
    finally:
        them.end()


def native(lab, them):
    work = them.worker("rl-native")
    d = lab.daemon()
    c = d.covered("rl-native")
    check(c["runtime"] == "podman" and c["image"] == "localhost/work:1" and c["config_digest"].startswith("sha256:"), "its metadata, of the user's own storage", c)
    work.sh(DROP)
    f = d.both("rl-native")
    check(f["confidence"] >= 95 and {s["origin"] for s in f["signals"]} == {"entrypoint"}, "sure, and whose", f)


def test_native_overlay(lab):
    rootless(lab, native)


def fuse(lab, them):
    work = them.worker("rl-fuse")
    d = lab.daemon()
    c = wait("it to be shown", lambda: (lambda c: c and c["workload"] and c["coverage"] and c)(d.containers().get("rl-fuse") or next((c for c in d.json("status")["containers"] if c["id"] == work.id), None)))
    check("not covered" in c["coverage"], "status says what is not covered", c["coverage"])
    name = c["workload"].split("@")[0]
    work.sh("/bin/sleep 0.3")
    wait("something to be learned", lambda: any(x["entries"] for x in d.workload(name)["dimensions"]))
    d.activate(name)
    work.sh("cp /bin/busybox /tmp/sleep; chmod 755 /tmp/sleep; /tmp/sleep 1")  # no opening is told of FUSE: what is gone at once is not known
    f = wait("the new program to be raised", lambda: next((f for f in d.findings(name, every=True) if any(s["subject"] == "/tmp/sleep" for s in f["signals"])), None))
    check(not any(s["kind"] == "file" for s in f["signals"]), "by its execution: what is written is not seen there", f)


def test_fuse_overlayfs(lab):
    rootless(lab, fuse, "--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs")
