# SPDX-License-Identifier: GPL-2.0-or-later
"""engines - container engines beside podman, each with directories and sockets of its own, ended by pid: dockerd with
the containerd that it starts, and a containerd alone. Their images are made of the lab's image tree."""
import glob
import json
import os
import pty
import resource
import shutil
import subprocess
import tarfile

from lab import Shell, check, run, wait


def few_files():
    """These daemons raise the limit of open files as far as it goes, and a host may not let them: they end then."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))


def unmount(below):
    for line in sorted(open("/proc/self/mountinfo"), reverse=True):
        point = line.split()[4]
        if point.startswith(below + "/"):
            run(["umount", "-l", point])


class Server:
    """A daemon with a directory; log() is what it said."""

    def __init__(self, lab, word):
        self.lab, self.dir = lab, os.path.join(lab.dir, word)
        os.makedirs(self.dir)
        self.log_path = os.path.join(self.dir, "log")
        self.proc, self.workers = None, []

    def start(self, argv, ready, env=None):
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                         preexec_fn=few_files, env=dict(os.environ, **(env or {})))
        wait(argv[0] + " to be ready", lambda: self._alive(argv[0]) and ready())

    def _alive(self, name):
        check(self.proc.poll() is None, name + " ended at its start", self.log()[-3000:])
        return True

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def end(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(30)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        unmount(self.dir)
        for path in [self.dir] + [w.ctl for w in self.workers]:
            shutil.rmtree(path, ignore_errors=True)


class Docker(Server):
    def __init__(self, lab, bridge="none"):
        super().__init__(lab, "docker")
        self.socket = "unix://" + os.path.join(self.dir, "s")
        conf = os.path.join(self.dir, "daemon.json")
        with open(conf, "w") as out:
            out.write("{}")
        try:
            self.start(["dockerd", "--config-file", conf, "--data-root", os.path.join(self.dir, "data"), "--exec-root", os.path.join(self.dir, "x"),
                        "--pidfile", os.path.join(self.dir, "pid"), "--host", self.socket, "--bridge", bridge, "--iptables=false"],
                       lambda: self.run("version").returncode == 0)
            self.root = os.path.join(self.dir, "data")
            tar = subprocess.Popen(["tar", "-C", os.path.join(lab.dir, "image"), "-c", "."], stdout=subprocess.PIPE)
            r = self.run("import", "--change", "LABEL of.image=yes", "-", "work:1", stdin=tar.stdout)
            check(r.returncode == 0, "docker import", r.stderr)
        except BaseException:
            self.end()
            raise

    def run(self, *argv, **kw):
        return run(["/usr/bin/docker", "--host", self.socket, *argv], **kw)

    def inspect(self, name):
        return json.loads(self.run("inspect", name).stdout)[0]

    def worker(self, name, *options, network="none"):
        w = Shell(self.lab, name)
        self.workers.append(w)
        r = self.run("run", "-d", "--name", name, "--network", network, "-v", w.ctl + ":/ctl", *options, "work:1", *Shell.ENTRY)
        check(r.returncode == 0, "docker run", r.stderr)
        return w

    def terminal(self, *argv):
        return Terminal(["/usr/bin/docker", "--host", self.socket, *argv])

    def end(self):
        if self.proc and self.proc.poll() is None:
            ids = self.run("ps", "-aq").stdout.split()
            if ids:
                self.run("rm", "-f", *ids)
            self.run("network", "prune", "-f")  # their bridges are the host's
        super().end()


class Bundle:
    """A container of runc alone, laid out as some other runtime does it: cheap, or where that runtime is not to be had.
    cgroup: its path in every hierarchy. With annotations the bundle lies where containers/storage keeps it, and conmon
    starts it, as CRI-O would."""

    def __init__(self, lab, base, cid, cgroup, args=None, annotations=None, lower=None):
        self.id, self.base, self.cgroup = cid, base, cgroup
        layer = os.path.join(base, "overlay", cid[::-1])
        self.upper, self.root = os.path.join(layer, "diff"), os.path.join(layer, "merged")
        for d in ("diff", "work", "merged"):
            os.makedirs(os.path.join(layer, d))
        self.bundle = os.path.join(base, "overlay-containers", cid, "userdata")
        os.makedirs(self.bundle)
        self.shell = Shell(lab, "b" + cid[:12]) if args is None else None
        lower = lower or os.path.join(lab.dir, "image")
        r = run(["mount", "-t", "overlay", "overlay", "-o", "lowerdir=%s,upperdir=%s,workdir=%s/work" % (lower, self.upper, layer), self.root])
        check(r.returncode == 0, "mount", r.stderr)
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}]
        if self.shell:
            mounts.append({"destination": "/ctl", "type": "bind", "source": self.shell.ctl, "options": ["rbind", "rw"]})
        spec = {"ociVersion": "1.0.2", "process": {"user": {"uid": 0, "gid": 0}, "args": args or Shell.ENTRY, "env": ["PATH=/bin"], "cwd": "/"},
                "root": {"path": self.root}, "hostname": "c", "mounts": mounts, "annotations": annotations or {},
                "linux": {"cgroupsPath": cgroup, "namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts", "network")]}}
        with open(os.path.join(self.bundle, "config.json"), "w") as out:
            json.dump(spec, out)
        self.runc = ["runc", "--root", os.path.join(base, "runc")]
        self._conmon() if annotations else self._plain()

    def _plain(self):
        with open(os.path.join(self.bundle, "log"), "w+") as log:  # a pipe would stay open as long as the container
            r = subprocess.run([*self.runc, "run", "-d", "--bundle", self.bundle, self.id], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60)
            log.seek(0)
            check(r.returncode == 0, "runc run", log.read())

    def _conmon(self):
        pid = os.path.join(self.bundle, "pidfile")
        argv = ["conmon", "-b", self.bundle, "-c", self.id, "-u", self.id, "-n", "k8s_x", "-p", pid, "-r", shutil.which("runc"), "--runtime-arg", "--root=" + self.runc[2],
                "-l", "k8s-file:" + os.path.join(self.bundle, "ctr.log"), "--exit-dir", self.bundle, "--socket-dir-path", self.bundle]
        r = run(argv)
        check(r.returncode == 0, "conmon", r.stderr)
        wait("runc to have made it", lambda: os.path.exists(pid) and open(pid).read())
        r = run([*self.runc, "start", self.id])
        check(r.returncode == 0, "runc start", r.stderr)

    def remove(self):
        run([*self.runc, "delete", "-f", self.id])
        r = run(["umount", self.root])
        if self.shell:
            shutil.rmtree(self.shell.ctl, ignore_errors=True)
        return r


def remove_cgroup(path):
    """An empty cgroup of the tests, and what is in it, in every hierarchy."""
    for top in glob.glob("/sys/fs/cgroup/*/") + ["/sys/fs/cgroup/"]:
        for at, _, _ in os.walk(os.path.join(top, path.strip("/")), topdown=False):
            try:
                os.rmdir(at)
            except OSError:
                pass


class Terminal:
    """A command before which somebody sits."""

    def __init__(self, argv, env=None):
        self.master, slave = pty.openpty()
        self.proc = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=env)
        os.close(slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        self.proc.wait(30)
        os.close(self.master)


class Containerd(Server):
    """Containers are made by ctr, with ids as nerdctl and the CRI give them: 64 hex digits."""

    def __init__(self, lab):
        super().__init__(lab, "ctrd")
        self.socket = os.path.join(self.dir, "s")
        conf = os.path.join(self.dir, "config.toml")
        with open(conf, "w") as out:
            out.write('version = 2\nroot = "%s/root"\nstate = "%s/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                      '[grpc]\naddress = "%s"\n[ttrpc]\naddress = "%s.t"\n' % (self.dir, self.dir, self.socket, self.socket))
        try:
            self.start(["containerd", "--config", conf], lambda: self.run("version").returncode == 0)
            self.archive = self._archive()
            r = self.run("images", "import", self.archive)
            check(r.returncode == 0, "ctr images import", r.stderr)
        except BaseException:
            self.end()
            raise

    def _archive(self):
        path = os.path.join(self.dir, "work.tar")
        r = self.lab.podman("save", "-q", "--format", "oci-archive", "-o", path, "localhost/work:1")
        check(r.returncode == 0, "podman save", r.stderr)
        return path

    def worker(self, cid, name, *options, namespace="default"):
        w = Shell(self.lab, name)
        self.workers.append(w)
        w.id = cid
        r = self.run("run", "-d", "--mount", "type=bind,src=%s,dst=/ctl,options=rbind:rw" % w.ctl, *options, "localhost/work:1", cid, *Shell.ENTRY, namespace=namespace)
        check(r.returncode == 0, "ctr run", r.stderr)
        return w

    def run(self, *argv, namespace="default", **kw):
        return run(["ctr", "--address", self.socket, "--namespace", namespace, *argv], **kw)

    def end(self):
        if self.proc and self.proc.poll() is None:
            for line in self.run("namespaces", "ls", "-q").stdout.split():
                for cid in self.run("tasks", "ls", "-q", namespace=line).stdout.split():
                    self.run("tasks", "kill", "-s", "KILL", cid, namespace=line)
                    self.run("tasks", "delete", "-f", cid, namespace=line)
                for cid in self.run("containers", "ls", "-q", namespace=line).stdout.split():
                    self.run("containers", "delete", cid, namespace=line)
        super().end()
