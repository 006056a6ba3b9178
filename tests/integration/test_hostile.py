# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers that fight back: the agent neither stalls, nor lies, nor grows, nor opens a file outside the container."""
import ctypes
import os
import shutil
import struct
import subprocess
import time

from lab import Shell, Stall, check, run, wait


def answers(d, what, seconds=5):
    """status comes while somebody hangs; the bound is generous for a busy host, a stall would last for ever."""
    began = time.monotonic()
    d.json("status")
    check(time.monotonic() - began < seconds, "status answers while " + what, "%.1f s" % (time.monotonic() - began))


def drifts(d, c, name):
    """Another container's drift is found meanwhile."""
    c.sh("cp /bin/busybox /opt/%s; /opt/%s true" % (name, name))
    wait("the drift /opt/%s of another container" % name,
         lambda: any(s["subject"] == "/opt/" + name and "exec" in s["operation"] for f in d.findings(c.name) for s in f["signals"]))


def hang(argv):
    """A host process that does something in the container and may hang for ever; ended by the FUSE server's end."""
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_fuse_that_stops_answering(lab):
    """A process runs from it, stands in it, another execs from it, while its server answers nothing; an agent that
    starts only then is no worse off."""
    stall = Stall(lab)
    d = lab.daemon()
    other = lab.container("bystander")
    c = lab.container("onfuse", "-v", stall.path + ":/vol")
    d.covered("bystander")
    d.covered("onfuse")
    w = d.watch()
    c.sh("(cd /vol; exec /vol/busybox sleep 600) & true")
    wait("the program on FUSE to be told", lambda: any(e["program"] == "/vol/busybox" for e in w.events("exec", c.id)))
    runs = next(e["pid"] for e in w.events("exec", c.id) if e["program"] == "/vol/busybox")
    c.sh("(cd /vol; exec /bin/sleep 601) & true")
    stall.stall()
    check(os.path.exists("/proc/%d" % runs), "it runs from there when the server stops")
    c.sh("(/vol/busybox true) & (cat /vol/busybox) & (ls /vol) & (cd /vol; /bin/true) & true")
    wait("the server to be asked", lambda: stall.asked() > 0)
    answers(d, "a FUSE server does not")
    drifts(d, other, "while-fuse")
    c.sh("cp /bin/busybox /opt/own; /opt/own true")
    wait("the drift of the container itself", lambda: any(e["program"] == "/opt/own" for e in w.events("exec", c.id)))
    w.stop()
    d.stop()
    again = lab.daemon(state=d.state)
    again.covered("bystander")
    answers(again, "a FUSE server does not, met at the start")
    drifts(again, other, "while-fuse2")
    stall.end()


# ---- bounds ----

class Bounds:
    """What the agent's processes hold; looked at again behind the attack."""

    def __init__(self, d):
        self.d = d
        d.json("status")
        self.began = {pid: (self.rss(pid), self.fds(pid)) for pid in self.pids()}

    def pids(self):
        return [self.d.proc.pid, *self.d.children().values()]

    def rss(self, pid):
        return next(int(line.split()[1]) for line in open("/proc/%d/status" % pid) if line.startswith("VmRSS"))

    def fds(self, pid):
        return len(os.listdir("/proc/%d/fd" % pid))

    def hold(self, kib, fds=4):
        """No process has grown by more than so much; descriptors are back to what they were."""
        asan = "asan" in self.d.proc.args[0]
        for pid, (rss, n) in self.began.items():
            check(os.path.exists("/proc/%d" % pid), "process %d of the agent lives" % pid, self.d.text()[-2000:])
            wait("the descriptors of %d to be what they were: %d, now %d" % (pid, n, self.fds(pid)), lambda: self.fds(pid) <= n + fds)
            check(asan or self.rss(pid) - rss < kib, "memory of process %d" % pid, "from %d to %d KiB" % (rss, self.rss(pid)))


def raised(d, c, subject, operation="exec"):
    return next((f for f in d.findings(c.name) for s in f["signals"] if s["subject"] == subject and operation in s["operation"]), None)


def drift(d, c):
    return [f for f in d.findings(c.name, every=True) if f["type"] == "drift"]


def pair(lab, name, *options, **kw):
    """An agent, a bystander, the hostile one."""
    d = lab.daemon(**{k: v for k, v in kw.items() if k == "config"})
    other = lab.container("bystander-" + name)
    c = lab.container(name, *options, **{k: v for k, v in kw.items() if k != "config"})
    d.covered(other.name)
    d.covered(name)
    return d, other, c


# ---- frozen ----

def test_frozen(lab):
    """Frozen while the agent watches, and when it starts: nothing waits for it, and what it does later is found."""
    d, other, c = pair(lab, "frozen")
    c.sh("cp /bin/busybox /opt/busybox-ran; (/opt/busybox-ran sleep 600) & true")
    wait("it to be raised", lambda: raised(d, c, "/opt/busybox-ran"))
    r = lab.podman("pause", c.name)
    check(r.returncode == 0, "podman pause", r.stderr)
    try:
        answers(d, "a container is frozen")
        drifts(d, other, "while-frozen")
        with open(os.path.join("/proc", str(c.init_pid()), "root/opt/from-outside"), "w") as out:
            out.write("x")
        d.stop()
        d = lab.daemon(state=d.state)
        d.covered(other.name)
        d.covered(c.name)
        answers(d, "a container is frozen, met at the start")
        drifts(d, other, "while-frozen2")
    finally:
        lab.podman("unpause", c.name)
    c.sh("cp /bin/busybox /opt/thawed; /opt/thawed true")
    wait("what it does when it is let go", lambda: raised(d, c, "/opt/thawed"))


# ---- links ----

class Opened:
    """Opens and reads in a directory of the host, by inotify; and with strace, where it is installed, by names alone."""

    def __init__(self, lab, directory):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        for path in (directory, os.path.join(directory, "etc")):
            check(libc.inotify_add_watch(self.fd, path.encode(), 0x1 | 0x20) > 0, "inotify_add_watch " + path)
        self.directory, self.traces = directory, []

    def daemon(self, lab, **kw):
        """A tidemarkd whose openings are written down; strace is its child, and only looks at what is asked for."""
        if not shutil.which("strace"):
            print("     strace is not installed: openings by O_PATH are not looked at")
            return lab.daemon(**kw)
        self.traces.append(os.path.join(lab.dir, "strace-%d" % len(self.traces)))
        calls = "trace=open,openat,openat2,creat,name_to_handle_at,open_by_handle_at,inotify_add_watch,fanotify_mark,chdir,readlink"
        return lab.daemon(under=("strace", "-D", "-f", "--seccomp-bpf", "-y", "-qq", "-e", calls, "-o", self.traces[-1]), **kw)

    def none(self):
        """What the host's directory had done to it by daemons that have ended: nothing."""
        try:
            got = os.read(self.fd, 65536)
        except BlockingIOError:
            got = b""
        masks = []
        while got:
            _, mask, _, n = struct.unpack("iIII", got[:16])
            masks.append((hex(mask), got[16:16 + n].rstrip(b"\0").decode()))
            got = got[16 + n:]
        check(not masks, "nothing of the host's is opened", masks)
        for path in self.traces:
            lines = open(path, errors="replace").read().split("\n")
            check(any("/diff" in line for line in lines), "strace has seen the write layer", lines[:20])
            # a name that was only handed to the kernel is in quotes; where it led to is in <>
            led = [line for line in lines if any(part.split(">")[0].startswith(self.directory) for part in line.split("<")[1:])]
            check(not led, "no descriptor leads there", led[:20])
            followed = [line for line in lines if '"%s' % self.directory in line and "readlink" not in line]
            check(not followed, "nor was it asked for by name", followed[:20])
        os.close(self.fd)


def test_links_to_the_host(lab):
    """Links to a directory of the host, and "..", wherever the agent opens what a container has named: programs, scripts,
    working directories, the health check, files, directories that are walked and marked; exchanged meanwhile too."""
    canary = os.path.join(lab.dir, "canary")
    os.makedirs(os.path.join(canary, "etc"))
    for name in ("passwd", "busybox-tool", "config.json"):
        with open(os.path.join(canary, "etc", name), "w") as out:
            out.write("#!/bin/sh\ncanary content\n")
        os.chmod(os.path.join(canary, "etc", name), 0o4755)
    o = Opened(lab, canary)
    d = o.daemon(lab)
    other = lab.container("bystander-links")
    c = lab.container("links", "--health-cmd", "/bin/sh /opt/check/tool", "--health-interval", "disable")
    d.covered(other.name)
    d.covered(c.name)
    up = "/.." * 40
    # the same names lead to something in the container, so that what is called runs; by itself it has another name there
    c.sh("mkdir -p %s /opt/real/etc; ln -s /opt/real/etc %s/etc; cp /bin/busybox /opt/real/etc/busybox-tool; echo true > /opt/real/etc/passwd" % (canary, canary))
    c.sh("ln -s %s/etc /opt/host; ln -s ..%s%s/etc /opt/up; ln -s /proc/1/root%s/etc /opt/magic; ln -s %s/etc /opt/check" % (canary, up, canary, canary, canary))
    c.sh("ln -s %s/etc/passwd /etc/one; mv /etc/one /etc/one.conf; rm -r /var/lib; ln -s %s/etc /var/lib" % (canary, canary))
    for way in ("host", "up", "magic"):
        c.sh("/opt/%s/busybox-tool sleep 0.05; cd /opt/%s; ./busybox-tool sleep 0.05; cd /; /bin/sh /opt/%s/passwd; cat /opt/%s/passwd; echo x > /opt/%s/written; chmod 755 /opt/%s/written; true" % ((way,) * 6))
    c.sh("/opt/real%s%s/etc/busybox-tool sleep 0.05; cd /opt/real%s; .%s/etc/busybox-tool sleep 0.05; cd /; true" % (up, canary, up, canary))
    c.sh("mkdir '/opt/..x' '/opt/...' '/opt/.. '; cp /bin/busybox '/opt/.. /busybox-tool'; '/opt/.. /busybox-tool' sleep 0.05; touch '/opt/.../file' '/opt/..x/file'")
    lab.podman("healthcheck", "run", c.name)
    # a directory that is written into and a link to the host change places
    c.sh("mkdir /opt/dir; ln -s %s/etc /opt/link; /bin/hostile swap /opt/dir /opt/link 300 & for i in 1 2 3 4 5 6 7 8 9; do for f in a b c d e f; do cp /bin/true /opt/dir/$f; /opt/dir/$f; done; done 2> /dev/null; wait" % canary)
    f = wait("a program called by a link", lambda: raised(d, c, "/opt/real/etc/busybox-tool"))
    check(all(s["layer"] == "write-layer" for s in f["signals"] if s["kind"] == "process"), "told where it lies in the container", f["signals"])
    wait("one behind a name with dots", lambda: raised(d, c, "/opt/.. /busybox-tool"))
    drifts(d, other, "beside-links")
    check("canary content" not in str(d.findings(every=True)) + d.text() + str(d.json("status")), "nothing of its content is told")
    d.stop()
    # and at the start of an agent: walks, and what runs
    c.sh("/opt/host/busybox-tool sleep 600 & cd /opt/up && /opt/magic/busybox-tool sleep 601 & true")
    d = o.daemon(lab)
    d.covered(c.name)
    wait("what runs to be found; there are %s" % d.findings(c.name, every=True), lambda: any(s["subject"] == "/opt/real/etc/busybox-tool" for f in d.findings(c.name, every=True) for s in f["signals"]))
    d.stop()
    o.none()


# ---- names ----

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\xad"


def test_names_like_lines(lab):
    """Names of files, programs, processes and arguments made to look like lines of the log, JSON or terminal commands."""
    d, other, c = pair(lab, "lines")
    line = "x\ntidemarkd[engine] info: engine: new finding F-99 (99%, high) in other: /forged"
    js = '","kind":"exec","forged":true,"x":"'
    names = [line, js, ESCAPES, "\udcff\udcfe\udc80", "a\r\nb\tc", "-n", "$(reboot)", "%s%n%s", "'; DROP TABLE piece; --", "\u2028\u2029", "x" * 255]
    for n, name in enumerate(names):
        with open(os.path.join(c.ctl, "n"), "wb") as out:
            out.write(name.replace("/", "|").encode("utf-8", "surrogateescape")[:255])
        c.sh("n=$(cat /ctl/n; echo .); n=${n%.}; cp /bin/busybox \"/opt/$n\"; /bin/hostile call \"$n\" \"/opt/$n\" sleep 0.05; /bin/rights name \"$n\"; \"/opt/$n\" true")
        after = "/opt/after-" + "abcdefghijklmnop"[n] * 3  # numbers are one name, of what is written while the container starts
        c.sh("cp /bin/busybox %s; %s true" % (after, after))
        wait("what comes behind name %d" % n, lambda: raised(d, c, after))
    subjects = [s["subject"] for f in d.findings(c.name, every=True) for s in f["signals"]]
    check("/opt/" + js in subjects and "/opt/a\\x0d\\nb\\tc" in subjects, "each as it is, escaped", subjects)
    check("/opt/\\xff\\xfe\\x80" in subjects, "bytes that are no text", subjects)
    for what in (["findings", "--all"], ["status"], ["baseline", "list"], ["baseline", "show", c.name], ["trail", "show", "--state-dir", d.state]) + tuple(["show", f["id"]] for f in d.findings(c.name)):
        r = d.tidemark(*what)
        if r.returncode == 2:
            continue  # no such command yet
        check(r.returncode == 0 and not any(ch in r.stdout for ch in "\x1b\x07\u202e\u2028\r"), "nothing for the terminal in: " + " ".join(what), repr(r.stdout))
        check(not any(x.startswith("tidemarkd[engine]") for x in r.stdout.split("\n")), "no line of its own", r.stdout)
    check("\x1b" not in d.text() and not any("F-99" in x and x.startswith("tidemarkd[engine] info: engine: new") for x in d.text().split("\n")), "nor in the log", d.text())
    r = run(["python3", "-c", "import json,sys\nfor l in open(sys.argv[1], encoding='utf-8'): json.loads(l)", os.path.join(d.state, "trail/trail.jsonl")])
    check(r.returncode == 0, "the trail is JSON, line by line", r.stderr)
    drifts(d, other, "beside-lines")


# ---- sizes ----

def test_deep_paths(lab):
    """3 800 bytes of path, and 25 000: what runs at the end of them is told; two that begin alike are two."""
    d, other, c = pair(lab, "deep")
    b = Bounds(d)
    w = d.watch()
    c.sh("mkdir /opt/s /opt/l; /bin/hostile deep /opt/s 15")
    wait("the file at the end of 3 770 bytes", lambda: any(e["path"].endswith("d/bottom") for e in w.events("file", c.id)))
    wait("the program; there are: %s" % [(s["subject"][-30:], len(s["subject"]), s["kind"], s["layer"]) for f in d.findings(c.name) for s in f["signals"]], lambda: any(s["subject"].endswith("d/busybox") and s["layer"] == "write-layer" for f in d.findings(c.name) for s in f["signals"] if s["kind"] == "process"))
    before = len(w.events("exec", c.id))
    c.sh("/bin/hostile deep /opt/l 100")
    wait("the program at the end of 25 000 bytes", lambda: any(e["program"] != "/bin/hostile" for e in w.events("exec", c.id)[before:]))
    e = [e for e in w.events("exec", c.id)[before:] if e["program"] != "/bin/hostile"][0]
    check(e["layer"] != "image" and e["verdict"] != "learned", "not taken for one of the image", e)
    drifts(d, other, "beside-deep")
    w.stop()
    b.hold(16384)
    d.stop()
    again = lab.daemon(state=d.state)
    again.covered(c.name)
    drifts(again, other, "beside-deep2")


def entries(lab, n, seconds):
    d, other, c = pair(lab, "full", config="files: { index = 20000; };")
    b = Bounds(d)
    c.sh("mkdir /opt/full")
    with open(os.path.join(c.ctl, "in"), "w") as pipe:  # and nobody waits for it
        pipe.write("/bin/hostile entries /opt/full %d\n" % n)
    c.done += 1
    for k in range(3):
        drifts(d, other, "beside-full%d" % k)
        answers(d, "a directory is filled")
    done = os.path.join(c.ctl, "done")
    wait("the directory to be full", lambda: open(done).read().count("\n") >= c.done, seconds)
    c.sh("cp /bin/busybox /opt/full/dropped; /opt/full/dropped true")
    wait("what was dropped among them", lambda: raised(d, c, "/opt/full/dropped"), seconds)
    d.stop()
    d = lab.daemon(state=d.state, config="files: { index = 20000; };")
    b2 = Bounds(d)
    d.container(c.name)
    drifts(d, other, "beside-walk")
    answers(d, "it is walked")
    wait("the walk to end", lambda: d.json("status")["sensors"][3]["queued"] == 0, seconds)
    b2.hold(65536)
    check(len(d.findings(c.name, every=True)) < 10, "not a finding for each", len(d.findings(c.name, every=True)))


def test_many_entries(lab):
    """A directory of a hundred thousand files, made while the agent watches and met at its start."""
    entries(lab, 100000, 120)


def test_million_entries(lab):
    entries(lab, 1000000, 1800)


test_million_entries.long = True


def test_forks(lab):
    """Thirty thousand processes that do nothing: the table stays within its limit, others are told meanwhile."""
    d, other, c = pair(lab, "forking", config="limits: { processes = 4096; };")
    b = Bounds(d)
    with open(os.path.join(c.ctl, "in"), "w") as pipe:
        pipe.write("/bin/hostile forks 30000\n")
    c.done += 1
    drifts(d, other, "beside-forks")
    answers(d, "it forks")
    done = os.path.join(c.ctl, "done")
    wait("the forks to end", lambda: os.path.exists(done) and open(done).read().count("\n") >= c.done, 120)
    c.sh("cp /bin/busybox /opt/behind; /opt/behind true")
    wait("what it does behind them", lambda: raised(d, c, "/opt/behind"))
    s = d.json("status")["processes"]
    check(s["known"] <= 4096, "the limit", s)
    b.hold(32768)


def test_many_living(lab):
    """A thousand processes that live, where there is room for a thousand with all others: another one's are told all the same."""
    d, other, c = pair(lab, "crowd", config="limits: { processes = 1000; };")
    b = Bounds(d)
    c.sh("for n in 1 2 3 4 5 6 7 8 9 10; do /bin/hostile crowd 100 & done; /bin/sleep 0.5; true")
    known = d.json("status")["processes"]
    check(known["known"] >= 900 and known["known"] <= 1000, "the table is full", known)
    drifts(d, other, "beside-crowd")
    c.sh("cp /bin/busybox /opt/own; /opt/own true")
    f = wait("its own drift", lambda: raised(d, c, "/opt/own"))
    check(all(s["origin"] == "entrypoint" for s in f["signals"]), "by whom", f["signals"])
    n = d.json("status")["processes"]
    check(n["crowded_out"] > 0 and n["known"] <= 1000, "who is many makes room", n)
    b.hold(16384)


def test_two_mebibytes_of_arguments(lab):
    d, other, c = pair(lab, "wordy")
    w = d.watch()
    c.sh("/bin/hostile args 1000")
    b = Bounds(d)
    for _ in range(5):
        c.sh("/bin/hostile args 1900000")
    those = wait("all five", lambda: (lambda x: x if len(x) >= 6 else None)([e for e in w.events("exec", c.id) if e["caller"] == "/bin/hostile"]))
    for e in those[1:]:
        check(sum(len(a) + 1 for a in e["args"]) <= 65536, "bounded", len(str(e)))
        check(not e["args"] or e["args"][:2] == ["sleep", "0.1"], "its beginning", e["args"][:2])
    check(any(e["args"] for e in those[1:]), "told", [len(str(e)) for e in those])
    drifts(d, other, "beside-words")
    w.stop()
    b.hold(16384)


# ---- beside system calls ----

def test_not_by_write(lab):
    """What no tracer of system calls sees being written: by io_uring, and through a mapping of a closed file."""
    d, other, c = pair(lab, "quiet", "--security-opt", "seccomp=unconfined")
    w = d.watch()
    c.sh("echo as it was > /opt/mapped; /bin/sleep 0.2")
    before = len(w.events("file", c.id))
    c.sh("/bin/hostile mapped /opt/mapped")
    e = wait("the mapped file", lambda: next((e for e in w.events("file", c.id)[before:] if e["path"] == "/opt/mapped" and "write" in e["operation"]), None))
    check(e["executable"] == "/bin/hostile" and e["pid"], "by whom", e)
    if os.path.exists("/proc/sys/kernel/io_uring_disabled") and open("/proc/sys/kernel/io_uring_disabled").read() != "0\n":
        print("     io_uring is switched off on this host: it is not tried")
    else:
        c.sh("/bin/hostile uring /opt/ring")
        e = w.file("/opt/ring", "write", c.id)
        check(e["executable"] == "/bin/hostile" and e["pid"] and e["origin"] == "entrypoint", "by whom", e)
    w.stop()


# ---- who is who ----

def test_named_like_a_runtime(lab):
    """Its own /bin/runc, conmon and containerd-shim are no runtimes: what they start is the entrypoint's, and told."""
    d, other, c = pair(lab, "disguised")
    w = d.watch()
    for name in ("runc", "crun", "conmon", "containerd-shim-runc-v2", "podman", "dockerd"):
        c.sh("mkdir -p /opt/%s; cp /bin/hostile /opt/%s/%s" % ((name,) * 3))
        c.sh("/opt/%s/%s runtime 'runc:[2:INIT]' /bin/sh -c '/bin/sleep 0.05; cp /bin/busybox /opt/by-%s; /opt/by-%s true'" % ((name,) * 4))
        wait("what %s started" % name, lambda: raised(d, c, "/opt/by-" + name))
    c.sh("/bin/memexec sleep 0.1; /bin/delexec sleep 0.1")
    wait("a program in memory, and a deleted one", lambda: {"memfd", "deleted"} <= {e["layer"] for e in w.events("exec", c.id)})
    check({e["origin"] for e in w.events("exec", c.id)} == {"entrypoint"}, "all the entrypoint's", [e for e in w.events("exec", c.id) if e["origin"] != "entrypoint"])
    c.exec("/bin/sleep", "0.11")
    wait("a session of the real one", lambda: any(e["origin"] == "exec" for e in w.events("exec", c.id)))
    w.stop()


def test_init_named_like_a_runtime(lab):
    """An image whose first program is called runc and names itself as runc does on its way in, met at the agent's start."""
    tools = os.path.join(lab.dir, "tools")
    os.makedirs(tools)
    shutil.copy(os.path.join(lab.dir, "image/bin/hostile"), os.path.join(tools, "runc"))
    c = lab.container("runclike", "-v", tools + ":/rt", entry=["/rt/runc", "runtime", "runc:[2:INIT]", *Shell.ENTRY])
    d = lab.daemon()
    d.covered("runclike")
    w = d.watch()
    c.sh("cp /bin/busybox /opt/one; /opt/one sleep 0.1")
    f = wait("its drift", lambda: raised(d, c, "/opt/one"))
    check(all(s["origin"] == "entrypoint" for s in f["signals"]), "the entrypoint's", f["signals"])
    check(f["lineage"] and f["lineage"][0]["pid"] == c.init_pid(), "from the init down", f["lineage"])
    w.stop()


def freezer():
    """Where this host keeps a hierarchy of cgroups that a container may be given: (path, options of its mount)."""
    for line in open("/proc/self/mountinfo"):
        left, right = line.split(" - ")
        if right.split()[0] in ("cgroup", "cgroup2"):
            if right.split()[0] == "cgroup2" or "freezer" in right.split()[2].split(","):
                return left.split()[4]
    return None


def cgroups_of(pid):
    return open("/proc/%d/cgroup" % pid).read()


def test_cgroups_named_like_containers(lab):
    """A privileged one makes cgroups with another container's id, and with one of nobody's, beside its own and below it,
    and moves what it runs there: it stays its own act, and no container is made up."""
    top = freezer()
    check(top, "this host has cgroups")
    d, other, c = pair(lab, "mover", "--privileged", "--cgroupns=host", "-v", top + ":/cg")
    own = next(line.split(":", 2)[2] for line in cgroups_of(c.init_pid()).split("\n") if line and (line.split(":")[1] in ("", "freezer") or "freezer" in line.split(":")[1].split(",")))
    nobody = "ab" * 32
    places = {"below": "/cg%s/%s" % (own, other.id), "unknown-below": "/cg%s/%s" % (own, nobody), "beside": "/cg/%s" % other.id, "unknown-beside": "/cg/libpod-%s" % nobody}
    made = [top + p[3:] for p in places.values()]

    def honest(when):
        ids = [x["id"] for x in d.json("status")["containers"]]
        check(nobody not in ids and ids.count(other.id) == 1 and ids.count(c.id) == 1, "no container is made up " + when, ids)
        check(not drift(d, other), "nothing is laid at another's door " + when, d.findings(other.name, every=True))
    try:
        for n, place in places.items():
            c.sh("/bin/hostile cgroup %s /bin/sh -c 'cp /bin/busybox /opt/busybox-%s; /opt/busybox-%s sleep 0.2; (/opt/busybox-%s sleep 600 &)'; true" % (place, n, n, n))
            wait("what ran in the cgroup " + n, lambda: raised(d, c, "/opt/busybox-" + n))
        honest("while it is watched")
        d.stop()
        d = lab.daemon()  # and met at the start
        d.covered(other.name), d.covered(c.name)
        c.sh("cp /bin/busybox /opt/late; /opt/late true")
        wait("what it does then", lambda: raised(d, c, "/opt/late"))
        honest("at the start")
        drifts(d, other, "its-own")
    finally:
        c.remove()
        for path in made:
            if os.path.isdir(path):
                os.rmdir(path)


def test_overlay_of_its_own(lab):
    """One that may mount makes an overlay whose upper directory has the name of a directory of the host, goes to live in
    it and replaces its init: that directory is not taken for its write layer."""
    canary = os.path.join(lab.dir, "canary2")
    os.makedirs(os.path.join(canary, "etc/overlay/x/diff"))
    name = os.path.join(canary, "etc/overlay/x/diff")
    open(os.path.join(name, "secret-of-the-host"), "w").close()
    script = ("mkdir -p /vol/m {0} /vol/work && mount -t tmpfs none /vol && mkdir -p /vol/u /vol/w /vol/m && mount -t tmpfs none {1} && mkdir -p {0} {1}/work && "
              "busybox mount -t overlay -o lowerdir=/,upperdir={0},workdir={1}/work none /vol/m && busybox mount -t proc none /vol/m/proc && busybox mount --bind /ctl /vol/m/ctl && "
              "exec /bin/hostile pivot /vol/m /bin/sh -c '{2}'").format(name, canary, Shell.ENTRY[2].replace("'", "'\\''"))
    c = lab.container("mounter", "--privileged", entry=["/bin/sh", "-c", "mount() { busybox mount \"$@\"; }; " + script])
    c.sh("true")
    check(name in open("/proc/%d/mountinfo" % c.init_pid()).read(), "it lives there", open("/proc/%d/mountinfo" % c.init_pid()).read())
    other = lab.container("bystander-mounter")
    d = lab.daemon()
    d.covered(other.name)
    d.container(c.name)
    drifts(d, other, "beside-mounter")
    told = str(d.findings(every=True)) + str(d.json("status"))
    check("secret-of-the-host" not in told, "the host's directory is not listed", told)
    check("not covered" in (d.containers()[c.name]["coverage"] or ""), "and status says so", d.containers()[c.name])
