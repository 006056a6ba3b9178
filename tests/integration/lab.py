# SPDX-License-Identifier: GPL-2.0-or-later
"""lab - what the integration tests stand on: a podman of their own, images made here, daemons with directories of their
own, and waiting for conditions (never for time). Everything is asked through the command line's JSON."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SRC = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("TOP_BUILDDIR", os.path.join(SRC, "build")))  # daemons of others start ours from elsewhere
DAEMON = os.path.join(BUILD, "tidemarkd")
SANITIZED = os.environ.get("TIDEMARK_SANITIZED") == "1"  # what only its amount makes long is done in part, as the plain run does all of it
TIDEMARK = os.path.join(BUILD, "tidemark")
DEADLINE = 30.0


class Failure(AssertionError):
    pass


def wait(what, condition, seconds=DEADLINE):
    """The first true value of condition(), looked at again and again; Failure after the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure("waited %d s in vain for: %s" % (seconds, what))
        time.sleep(0.03)


def check(true, what, *shown):
    if not true:
        raise Failure(what + "".join("\n      " + (x if isinstance(x, str) else json.dumps(x))[:4000] for x in shown))


def run(argv, **kw):
    return subprocess.run(argv, capture_output=True, text=True, errors="surrogateescape", timeout=60, **kw)


class Shell:
    """An entrypoint that is a shell, and does what it is told through a pipe in a volume: so what it does is the
    workload's own act. Mount ctl as /ctl, and run ENTRY."""
    # Read and written by it: a pipe that is closed and opened again between two lines may lose the second one.
    ENTRY = ["/bin/sh", "-c", 'exec 3<>/ctl/in; while read -r l <&3; do eval "$l" 3<&-; echo $? >> /ctl/done; done']

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.ctl = os.path.join(lab.dir, "ctl-" + name)
        shutil.rmtree(self.ctl, ignore_errors=True)  # of an earlier one of that name
        os.makedirs(self.ctl)
        os.mkfifo(os.path.join(self.ctl, "in"))
        os.chmod(os.path.join(self.ctl, "in"), 0o666)  # whoever the entrypoint is
        self.done = 0

    def sh(self, line, seconds=DEADLINE):
        """Let the entrypoint do it; wait until it has (so long: what is to be done may take its time)."""
        with open(os.path.join(self.ctl, "in"), "w") as pipe:
            pipe.write(line + "\n")
        self.done += 1
        path = os.path.join(self.ctl, "done")
        wait("the entrypoint to do: " + line, lambda: os.path.exists(path) and open(path).read().count("\n") >= self.done, seconds)


class Container(Shell):
    """Podman's."""

    def exec(self, *argv):
        r = self.lab.podman("exec", self.name, *argv)
        check(r.returncode == 0, "podman exec failed", r.stderr)

    def upper(self):
        return self.lab.inspect(self.name)["GraphDriver"]["Data"]["UpperDir"]

    def init_pid(self):
        return self.lab.inspect(self.name)["State"]["Pid"]

    def address(self):
        return self.lab.inspect(self.name)["NetworkSettings"]["IPAddress"]

    def inside(self, *argv):
        """A program of the host in the container's network namespace."""
        r = run(["nsenter", "-t", str(self.init_pid()), "-n", *argv])
        check(r.returncode == 0, " ".join(argv), r.stdout, r.stderr)
        return r.stdout

    def stop(self):
        self.lab.podman("stop", "-t", "0", self.name)

    def start(self):
        self.done = 0
        done = os.path.join(self.ctl, "done")
        if os.path.exists(done):
            os.unlink(done)
        r = self.lab.podman("start", self.name)
        check(r.returncode == 0, "podman start failed", r.stderr)

    def remove(self):
        self.lab.podman("rm", "-f", "-t", "0", self.name)


class Daemon:
    """A tidemarkd with a state and a runtime directory of its own."""

    def __init__(self, lab, config=None, record=None, state=None, env=None, wait_ready=True, preexec=None, under=()):
        self.lab = lab
        self.dir = tempfile.mkdtemp(dir=lab.dir, prefix="d-")
        os.chmod(self.dir, 0o755)
        self.state = state or os.path.join(self.dir, "state")
        self.runtime = os.path.join(self.dir, "run")
        self.log_path = os.path.join(self.dir, "log")
        conf = os.path.join(self.dir, "tidemark.conf")
        with open(conf, "w") as out:
            out.write(config or "")
        argv = [*under, DAEMON, "--foreground", "--config", conf, "--state-dir", self.state, "--runtime-dir", self.runtime]
        if record:
            argv += ["--record", record]
        self.log = open(self.log_path, "wb")
        full = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=1", UBSAN_OPTIONS="print_stacktrace=1")
        full.update(env or {})
        self.proc = subprocess.Popen(argv, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env=full, preexec_fn=preexec, start_new_session=True)
        lab.daemons.append(self)
        if wait_ready:
            wait("tidemarkd to be ready", self._is_ready)

    def _is_ready(self):
        check(self.proc.poll() is None, "tidemarkd ended at its start", self.text())
        return "ready:" in self.text()

    def text(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def tidemark(self, *argv):
        return run([TIDEMARK, "--runtime-dir", self.runtime, *argv])

    def json(self, *argv):
        r = self.tidemark("--json", *argv)
        check(r.returncode == 0, "tidemark %s gave status %d" % (" ".join(argv), r.returncode), r.stderr, self.text()[-2000:])
        return json.loads(r.stdout)

    def findings(self, workload=None, every=False):
        argv = ["findings"] + (["--all"] if every else []) + (["--workload", workload] if workload else [])
        return self.json(*argv)

    def containers(self):
        return {c["name"] or c["id"]: c for c in self.json("status")["containers"]}

    def container(self, name):
        return wait("status to show container " + name, lambda: self.containers().get(name))

    def covered(self, name):
        """Its marks stand and its first walk is over."""
        return wait("container %s to be covered" % name,
                    lambda: (lambda c: c and c["workload"] and "directories" in (c["coverage"] or "") and c)(self.containers().get(name)))

    def workload(self, name):
        return next((w for w in self.json("baseline", "list") if w["name"] == name), None)

    def activate(self, name):
        check(self.tidemark("baseline", "activate", name).returncode == 0, "baseline activate " + name)

    def marked(self, by):
        """Numbers of the inodes that its groups of fanotify or inotify have marks on."""
        found = set()
        for path in glob.glob("/proc/%d/fdinfo/*" % self.proc.pid):
            try:
                text = open(path).read()
            except OSError:
                continue
            found |= {int(x, 16) for x in re.findall(r"^%s (?:wd:\S+ )?ino:(\S+)" % by, text, re.M)}
        return found

    def both(self, workload):
        """The finding of what was written and then run; waited for."""
        return wait("a finding with both signals",
                    lambda: next((f for f in self.findings(workload) if {s["kind"] for s in f["signals"]} >= {"file", "process"}), None))

    def watch(self):
        return Watch(self)

    def children(self):
        """Those that last: not the one that opens an image's files while it is read, nor those of evidence and of dropped records."""
        out = {}
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                text = open(path).read()
            except OSError:
                continue
            if text.rsplit(")", 1)[1].split()[1] == str(self.proc.pid):
                out[text.split("(", 1)[1].rsplit(")", 1)[0]] = int(path.split("/")[2])
        for name in ("tidemark-open", "tidemark-evid", "tidemark-take", "tidemark-drop"):
            out.pop(name, None)
        return out

    def engine(self):
        return wait("the engine's process", lambda: self.children().get("tidemark-engine"[:15]))

    def stop(self, sig=signal.SIGTERM):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(20)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise Failure("tidemarkd did not end within 20 s of signal %d:\n%s" % (sig, self.text()))
        self.log.close()
        text = self.text()
        check("AddressSanitizer" not in text and "runtime error" not in text, "a sanitizer has spoken", text[-6000:])
        return self.proc.returncode


class Stall:
    """A FUSE file system of the host that can be told to answer nothing any more (helpers/stallfs.c): path holds one
    program, busybox. Mount it into a container with "-v", s.path + ":/vol"."""

    def __init__(self, lab):
        self.path = tempfile.mkdtemp(dir=lab.dir, prefix="stall-")
        self.out = os.path.join(lab.dir, os.path.basename(self.path) + ".out")
        self.proc = subprocess.Popen([os.path.join(lab.dir, "image/bin/stallfs"), self.path, shutil.which("busybox")], stdout=open(self.out, "w"))
        lab.stalls.append(self)
        wait("the FUSE server to be mounted", lambda: "mounted" in open(self.out).read())

    def stall(self):
        self.proc.send_signal(signal.SIGUSR1)
        wait("the FUSE server to stall", lambda: "stalled" in open(self.out).read())

    def asked(self):
        """So many requests came while nothing was answered."""
        return open(self.out).read().count("unanswered")

    def end(self):
        """The server dies: the kernel fails whatever waits for it."""
        if self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(20)
            run(["umount", "-l", self.path])


class Watch:
    """tidemark watch --json, collected."""

    def __init__(self, daemon):
        self.lines = []
        self.proc = subprocess.Popen([TIDEMARK, "--runtime-dir", daemon.runtime, "--json", "watch"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        wait("the watcher to be heard", lambda: daemon.json("status")["engine"]["clients"] >= 2)

    def _read(self):
        for line in self.proc.stdout:
            self.lines.append(json.loads(line))

    def events(self, kind=None, container=None):
        got = [x["event"] for x in list(self.lines) if "event" in x]
        return [e for e in got if (not kind or e["kind"] == kind) and (not container or e["container"] == container)]

    def file(self, path, word, container=None):
        """The file event of a path whose operation holds the word; waited for."""
        return wait("a file event %s of %s" % (word, path),
                    lambda: next((e for e in self.events("file", container) if e["path"] == path and word in e["operation"]), None))

    def stop(self):
        self.proc.terminate()
        self.proc.wait()
        self.thread.join()


class Lab:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tidemark-it-", dir=os.environ.get("TIDEMARK_LAB_DIR", "/tmp"))
        os.chmod(self.dir, 0o755)
        self.daemons, self.watches, self.containers, self.count = [], [], [], 0
        self.stalls, self.nets = [], []
        self.conf = os.path.join(self.dir, "containers.conf")
        with open(self.conf, "w") as out:
            out.write('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n'
                      '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nlock_type = "file"\n')
        # Nothing is shared with another podman of this host: storage, state, locks.
        self.engine = ["podman"] + ["--%s=%s" % (o, os.path.join(self.dir, d)) for o, d in (("root", "storage"), ("runroot", "rr"), ("tmpdir", "pt"))]
        self._image()

    def podman(self, *argv, **kw):
        env = dict(os.environ, CONTAINERS_CONF=self.conf)
        return run(self.engine + list(argv), env=env, **kw)

    def _image(self):
        root = os.path.join(self.dir, "image")
        for d in ("bin", "tmp", "etc", "ctl", "opt", "vol", "var/lib", "proc", "srv/site/deep"):
            os.makedirs(os.path.join(root, d))
        shutil.copy(shutil.which("busybox"), os.path.join(root, "bin/busybox"))
        for tool in "sh cp mkdir chmod rm mv cat touch sleep true ln date dd chown ls rmdir unshare mount umount kill su nc wget nslookup ping".split():
            os.symlink("busybox", os.path.join(root, "bin", tool))
        for name in ("one", "two", "three", "four", "five"):
            with open(os.path.join(root, "etc", name + ".conf"), "w") as out:
                out.write("as the image has it\n")
        for name in ("index", "page", "deep/leaf"):
            with open(os.path.join(root, "srv/site", name), "w") as out:
                out.write("as the image has it\n")
        os.chmod(os.path.join(root, "tmp"), 0o1777)
        for source in glob.glob(os.path.join(HERE, "helpers", "*.c")):
            target = os.path.join(root, "bin", os.path.basename(source)[:-2])
            r = run(["gcc", "-O1", "-static", "-D_GNU_SOURCE", "-o", target, source])
            check(r.returncode == 0, "a helper does not compile", r.stderr)
        shutil.copy(os.path.join(root, "bin/rights"), os.path.join(root, "bin/asroot"))  # as su is in many images
        os.chmod(os.path.join(root, "bin/asroot"), 0o4755)
        tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        r = subprocess.run(self.engine + ["import", "-q", "--change", "LABEL of.image=yes", "-", "localhost/work:1"], stdin=tar.stdout, capture_output=True, text=True,
                           env=dict(os.environ, CONTAINERS_CONF=self.conf))
        check(r.returncode == 0, "podman import", r.stderr)
        self.image_id = self.podman("image", "inspect", "localhost/work:1", "--format", "{{.Id}}").stdout.strip()

    def inspect(self, name):
        return json.loads(self.podman("inspect", name).stdout)[0]

    def container(self, name=None, *options, entry=None, image="localhost/work:1", network="none"):
        self.count += 1
        name = name or "w%d" % self.count
        c = Container(self, name)
        c.image = image
        r = self.podman("run", "-d", "--name", name, "--network", network, "-v", c.ctl + ":/ctl", *options, image, *(entry or Shell.ENTRY))
        check(r.returncode == 0, "podman run", r.stderr)
        c.id = r.stdout.strip()
        self.containers.append(c)
        return c

    def daemon(self, **kw):
        return Daemon(self, **kw)

    def clean(self):
        """Between tests: no daemon, no watcher, no container is left. A daemon that a test left must end well."""
        errors = []
        for d in self.daemons:
            try:
                d.stop()
            except Failure as e:
                errors.append(str(e))
        self.daemons = []
        for s in self.stalls:  # before the containers: what hangs on one cannot be killed else
            s.end()
        self.stalls = []
        if self.containers:
            self.podman("rm", "-f", "-i", "-t", "0", *[c.name for c in self.containers])
        for c in self.containers:
            shutil.rmtree(c.ctl, ignore_errors=True)
        self.containers = []
        for n in self.nets:
            n.end()
        self.nets = []
        if errors:
            raise Failure("\n".join(errors))

    def close(self):
        try:
            self.clean()
        finally:
            self.podman("rm", "-fa", "-t", "0")
            self.podman("system", "reset", "-f")
            for line in sorted(open("/proc/self/mountinfo"), reverse=True):
                point = line.split()[4]
                if point.startswith(self.dir + "/"):
                    run(["umount", point])
            shutil.rmtree(self.dir, ignore_errors=True)


def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()
