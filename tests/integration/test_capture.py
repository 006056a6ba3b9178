# SPDX-License-Identifier: GPL-2.0-or-later
"""Evidence of real containers, taken without a daemon: unpacked elsewhere by tar and compared byte by byte; a container
that is killed meanwhile; a full disk; files whose content is in the image; the freezer."""
import glob
import json
import os
import shutil
import signal
import stat
import subprocess

from lab import Stall, check, run, wait

TAKES = os.path.join(os.environ.get("TOP_BUILDDIR", "build"), "tests/integration/takes")
PATTERNS = ["pattern=(password|token)[\"'\\\\]*[[:space:]]*[=:][[:space:]]*", "pattern=-(password|token)(=|[[:space:]]+)"]


def arguments(lab, c, directory, *more):
    return [TAKES, "take", "id=" + c.id, "pid=%d" % c.init_pid(), "dir=" + directory, "file=E", "upper=" + c.upper(), "runtime=podman", *PATTERNS, *more]


def out(lab, name):
    path = os.path.join(lab.dir, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def take(lab, c, directory, *more):
    r = run(arguments(lab, c, directory, *more))
    check(r.returncode == 0 and not r.stderr, "a capture", r.stdout, r.stderr)
    return json.loads(r.stdout)


def archive(directory):
    found = os.listdir(directory)
    check(len(found) == 1 and not found[0].endswith(".partial"), "one archive, and nothing beside", found)
    return os.path.join(directory, found[0])


def verified(directory):
    path = archive(directory)
    r = run([TAKES, "verify", path])
    check(r.returncode == 0, "it is as it was written", r.stdout, r.stderr)
    check(stat.S_IMODE(os.stat(path).st_mode) == 0o600, "for root alone")
    return json.loads(r.stdout)


def unpack(lab, directory):
    into = out(lab, "unpacked")
    r = run(["tar", "--xattrs", "--xattrs-include=*", "-C", into, "-xpf", archive(directory)])
    check(r.returncode == 0, "tar unpacks it", r.stderr)
    with open(os.path.join(into, "manifest.json")) as f:
        return into, json.load(f)


def attributes(path):
    return {k: os.getxattr(path, k, follow_symlinks=False) for k in os.listxattr(path, follow_symlinks=False)}


def same(one, two):
    """Two trees: kinds, modes, owners, times, attributes, content, which names are one file. How many entries."""
    n, links = 0, {}
    for at, dirs, files in os.walk(os.fsencode(one)):
        for name in dirs + files:
            a = os.path.join(at, name)
            b = os.path.join(os.fsencode(two), os.path.relpath(a, os.fsencode(one)))
            s, t = os.lstat(a), os.lstat(b)
            check((s.st_mode, s.st_uid, s.st_gid, s.st_rdev, s.st_mtime_ns) == (t.st_mode, t.st_uid, t.st_gid, t.st_rdev, t.st_mtime_ns), "the same entry", repr(a), str(s), str(t))
            check(attributes(a) == attributes(b), "the same attributes", repr(a), str(attributes(a)), str(attributes(b)))
            if stat.S_ISREG(s.st_mode):
                check(s.st_size == t.st_size and (s.st_size > 1 << 30 or open(a, "rb").read() == open(b, "rb").read()), "the same content", repr(a))
                check(links.setdefault(s.st_ino, t.st_ino) == t.st_ino, "one file by all its names", repr(a))
            if stat.S_ISLNK(s.st_mode):
                check(os.readlink(a) == os.readlink(b), "the same link", repr(a))
            n += 1
    return n


def lines(path):
    with open(path) as f:
        return [json.loads(x) for x in f]


def content(path):
    with open(path, "rb") as f:
        return f.read()


def secrets(top, word):
    return [p for p in glob.glob(top + "/**", recursive=True) if os.path.isfile(p) and not os.path.islink(p) and word in content(p)]


def test_attack(lab):
    """A deleted program and one without a name run, sockets are open, files were dropped, changed and removed."""
    c = lab.container("seized", "-e", "DB_PASSWORD=hunter2", "--log-driver", "k8s-file")
    c.sh("/bin/delexec sleep 1001 & /bin/memexec sleep 1002 & sh -c 'sleep 1003; true' x --token=hunter2 & nc -l -p 4444 >/tmp/loot & true")
    c.sh("cp /bin/rights /opt/suid; chmod 4755 /opt/suid; ln /opt/suid /opt/again; rm /etc/one.conf; rm -r /srv/site; mkdir /srv/site; echo said >&2")
    c.sh("echo x > \"/tmp/$(printf 'a\\nb')\"; echo y > /tmp/-rf; dd if=/dev/zero of=/tmp/sparse bs=1 count=1 seek=9999999 2>/dev/null; ln -s ../../../etc/shadow /tmp/link")
    pid = c.init_pid()

    def running():
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return {os.readlink("/proc/%s/exe" % p): int(p) for p in f.read().split()}
    wait("the attack to run", lambda: "/tmp/gone (deleted)" in running() and "/memfd:payload (deleted)" in running())
    wait("its socket", lambda: b":115C " in content("/proc/%d/net/tcp" % pid) + content("/proc/%d/net/tcp6" % pid))
    before, directory = running(), out(lab, "out")
    s = take(lab, c, directory, "flags=mlwf", "text=finding.json:{}", 'caller={"finding":"F-1"}')
    check(running() == before, "nobody noticed")
    check(s["missed"] == 0 and s["cut"] == 0 and s["vanished"] == 0 and not s["died"] and s["processes"] >= 5 and s["masked"] >= 3, "all of it", s)
    v = verified(directory)
    check(v["sha256"] == s["sha256"] and v["manifest"] == s["manifest"] and v["members"] == s["members"], "what was told is what is there", s, v)
    top, manifest = unpack(lab, directory)
    check(same(c.upper(), os.path.join(top, "layer")) >= 12, "the layer")
    gone = os.lstat(os.path.join(top, "layer/etc/one.conf"))
    check(stat.S_ISCHR(gone.st_mode) and gone.st_rdev == 0, "a whiteout")
    check(attributes(os.path.join(top, "layer/srv/site")).get("trusted.overlay.opaque") == b"y", "an opaque directory")
    check(os.stat(os.path.join(top, "layer/tmp/sparse")).st_blocks < 100, "holes stay holes")
    # What ran is there although no file has it any more.
    processes = {p["pid"]: p for p in lines(os.path.join(top, "volatile/processes.jsonl"))}
    busybox = content(os.path.join(lab.dir, "image/bin/busybox"))
    for exe in ("/tmp/gone (deleted)", "/memfd:payload (deleted)"):
        p = processes[before[exe]]
        check(content(os.path.join(top, p["program"])) == busybox, "its program", p)
        links = {x.get("link"): x["to"] for x in lines(os.path.join(top, "volatile/processes/%d/links.jsonl" % p["pid"]))}
        check(links["exe"] == exe and links["cwd"] == "/", "where its links lead", links)
    check(len({processes[before[x]]["program"] for x in before}) >= 3, "each once")
    check(any("--token=[masked]" in p["args"] for p in processes.values()), "masked in arguments", list(processes.values()))
    sockets = glob.glob(os.path.join(top, "volatile/net/*/tcp"))
    check(len(sockets) == 1 and b":115C " in content(sockets[0]) + content(sockets[0] + "6"), "its sockets")
    check(os.path.exists(os.path.join(os.path.dirname(sockets[0]), "conntrack")) or any(x["what"] == "conntrack" for x in manifest["told"]), "conntrack", manifest["told"])
    # Secrets: names stay.
    check(b"DB_PASSWORD=[masked]" in content(os.path.join(top, "volatile/processes/%d/environ" % pid)), "masked in its environment")
    check(not secrets(os.path.join(top, "volatile"), b"hunter2") and not secrets(os.path.join(top, "meta"), b"hunter2"), "and nowhere else",
          secrets(os.path.join(top, "volatile"), b"hunter2") + secrets(os.path.join(top, "meta"), b"hunter2"))
    config = glob.glob(os.path.join(top, "meta/runtime/**/config.json"), recursive=True)
    check(config and "DB_PASSWORD=[masked]" in json.load(open(config[0]))["process"]["env"], "what its runtime wrote")
    log = glob.glob(os.path.join(top, "logs/**/ctr.log"), recursive=True)
    check(log and b"said" in content(log[0]), "its log")
    check([p["part"] for p in manifest["parts"]] == ["volatile", "meta", "logs", "layer"] and manifest["caller"] == {"finding": "F-1"}, "the manifest", manifest)
    check(any(x["why"] == "frozen for the volatile part" for x in manifest["told"]), "it was frozen", manifest["told"])


def freezer(c):
    """The file that freezes it, and what it says when it is not frozen."""
    with open("/proc/%d/cgroup" % c.init_pid()) as f:
        for line in f.read().splitlines():
            number, controller, path = line.split(":", 2)
            for top, name, thawed in (("/sys/fs/cgroup/freezer", "freezer.state", "THAWED"), ("/sys/fs/cgroup", "cgroup.freeze", "0"), ("/sys/fs/cgroup/unified", "cgroup.freeze", "0")):
                if (controller == "freezer") == (name == "freezer.state") and controller in ("freezer", "") and os.path.exists(os.path.join(top + path, name)):
                    return os.path.join(top + path, name), thawed
    check(False, "there is a freezer")


def below(pid):
    try:
        return [int(x) for x in content("/proc/%d/task/%d/children" % (pid, pid)).split()]
    except OSError:  # it has ended: too late, the next attempt
        return []


def test_freezer(lab):
    c = lab.container("cold")
    c.sh("i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i + 1)); done")
    path, thawed = freezer(c)
    state = lambda: content(path).decode().strip()  # noqa: E731
    # The helper is killed while they stand still: somebody else thaws them.
    for attempt in range(20):
        directory = out(lab, "out")
        p = subprocess.Popen(arguments(lab, c, directory, "flags=f"), stdout=subprocess.PIPE, text=True)
        while p.poll() is None and state() == thawed:
            pass
        caught = state() != thawed
        for child in below(p.pid):
            os.kill(child, signal.SIGKILL)
        text = p.communicate(timeout=30)[0]
        if caught and json.loads(text)["error"]:
            break
    check(caught, "it was killed while they were frozen")
    wait("them to be thawed", lambda: state() == thawed)
    check(json.loads(text)["error"] and not os.listdir(directory), "no file is left", text, os.listdir(directory))
    # All of it is killed at once, as a service manager does: by the mark that is left they are thawed at the next start.
    for attempt in range(20):
        os.makedirs(os.path.join(out(lab, "thaw"), "evidence"), 0o700)
        directory = os.path.join(lab.dir, "thaw", "evidence")
        p = subprocess.Popen(arguments(lab, c, directory, "flags=f"), stdout=subprocess.DEVNULL)
        while p.poll() is None and state() == thawed:
            pass
        for helper in below(p.pid):
            os.kill(helper, signal.SIGSTOP)
            for child in below(helper):
                os.kill(child, signal.SIGKILL)
        p.kill()
        p.wait(timeout=30)
        if state() != thawed:
            break
    check(state() != thawed and "E.frozen" in os.listdir(directory), "it stands still, and that is written down", state(), os.listdir(directory))
    d = lab.daemon(state=os.path.dirname(directory))
    check(state() == thawed and "E.frozen" not in os.listdir(directory) and "go on now" in d.text(), "thawed at the start", state(), d.text())
    d.stop()
    # What was frozen stays so.
    if lab.podman("pause", c.name).returncode == 0:
        directory = out(lab, "out")
        take(lab, c, directory, "flags=f")
        check(state() != thawed, "it is paused still")
        lab.podman("unpause", c.name)


def test_killed_in_the_middle(lab):
    c = lab.container("dying")
    c.sh("i=0; while [ $i -lt 40 ]; do dd if=/dev/urandom of=/opt/f$i bs=64k count=1 2>/dev/null; i=$((i + 1)); done")
    directory = out(lab, "out")
    p = subprocess.Popen(arguments(lab, c, directory, "flags=w", "rate=2000000", "say=1"), stdout=subprocess.PIPE, text=True)
    check(p.stdout.readline().startswith("volatile "), "the volatile part is had")
    c.remove()
    s = json.loads(p.communicate(timeout=60)[0])
    check(s["error"] == 0 and s["died"] and s["processes"] >= 1, "what was read of it", s)
    verified(directory)
    check(s["vanished"] >= 1 or s["members"] > 60, "what had vanished is named", s)


def test_full_disk(lab):
    c = lab.container("large")
    c.sh("dd if=/dev/urandom of=/opt/large bs=64k count=64 2>/dev/null")
    directory = out(lab, "out")
    check(run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", directory]).returncode == 0, "a small disk")
    try:
        pid = c.init_pid()
        r = run(arguments(lab, c, directory, "flags=w"))
        s = json.loads(r.stdout)
        check(r.returncode == 4 and s["error"] == -28 and "No space left" in s["words"], "it says so", s)
        check(os.listdir(directory) == [], "nothing is left", os.listdir(directory))
        check(c.init_pid() == pid and os.path.exists("/proc/%d" % pid), "the container goes on")
        c.sh("true")
    finally:
        run(["umount", directory])


class Plain:
    """A process with an overlay for its root, mounted with these options; no runtime."""

    def __init__(self, lab, options):
        self.dir, self.id = out(lab, "plain"), "cd" * 32
        for d in ("upper", "work", "merged"):
            os.makedirs(os.path.join(self.dir, d))
        r = run(["mount", "-t", "overlay", "none", "-o", "lowerdir=%s/image,upperdir=%s/upper,workdir=%s/work,%s" % (lab.dir, self.dir, self.dir, options), self.dir + "/merged"])
        check(r.returncode == 0, "an overlay", r.stderr)
        self.proc = subprocess.Popen(["unshare", "-pfm", "--kill-child", "chroot", self.dir + "/merged", "/bin/sleep", "1000"])
        children = "/proc/%d/task/%d/children" % (self.proc.pid, self.proc.pid)
        wait("it to run", lambda: content(children) and os.readlink("/proc/%s/exe" % content(children).decode().split()[0]).endswith("/bin/busybox"))
        self.pid = int(content(children).split()[0])

    def init_pid(self):
        return self.pid

    def upper(self):
        return self.dir + "/upper"

    def end(self):
        self.proc.kill()
        self.proc.wait()
        wait("its overlay to be free", lambda: run(["umount", self.dir + "/merged"]).returncode == 0)
        shutil.rmtree(self.dir)


def test_content_in_the_image(lab):
    c = Plain(lab, "metacopy=on,redirect_dir=on")
    try:
        os.chmod(c.dir + "/merged/etc/two.conf", 0o640)
        os.rename(c.dir + "/merged/etc/three.conf", c.dir + "/merged/etc/moved.conf")
        os.rename(c.dir + "/merged/srv/site", c.dir + "/merged/srv/elsewhere")
        check(attributes(c.upper() + "/etc/two.conf").get("trusted.overlay.metacopy") is not None, "it is without content on the disk")
        directory = out(lab, "out")
        take(lab, c, directory, "flags=w")
        verified(directory)
        top, manifest = unpack(lab, directory)
        for name in ("two", "moved"):
            check(content(top + "/layer/etc/%s.conf" % name) == b"as the image has it\n", "its content is there", name)
            check("trusted.overlay.metacopy" not in attributes(top + "/layer/etc/%s.conf" % name), "and it does not say that the image has it")
        check(stat.S_IMODE(os.stat(top + "/layer/etc/two.conf").st_mode) == 0o640, "what was changed of it")
        check(any(x["what"] == "etc/moved.conf" and "redirect=" in x["why"] for x in manifest["told"]), "what was left out of the header is told", manifest["told"])
        check(attributes(top + "/layer/srv/elsewhere").get("trusted.overlay.redirect") == b"site", "a directory's redirect stays")
    finally:
        c.end()


def test_process_that_never_answers(lab):
    """Its memory is locked while a FUSE server answers nothing, and a program lies on that server: both are named, and all
    else is there in time."""
    stall = Stall(lab)
    c = lab.container("hangs", "-v", stall.path + ":/vol")
    c.sh("/vol/busybox sleep 1000 & /bin/sleep 1001 & true")
    made = os.path.join(c.ctl, "made")
    c.sh("(/bin/hangargs /vol/busybox /ctl/made) & true")
    wait("its files to be open", lambda: os.path.exists(made))
    stall.stall()
    open(made + ".go", "w").close()
    wait("the server to be asked", lambda: stall.asked() > 0)

    def locked():
        for path in glob.glob("/proc/[0-9]*/cgroup"):
            pid = path.split("/")[2]
            try:
                if c.id in open(path).read() and open("/proc/%s/comm" % pid).read() == "hangargs\n" and "D" == open("/proc/%s/stat" % pid).read().split(") ")[1][0]:
                    return pid
            except OSError:
                pass
        return None
    wait("it to hang in mmap", locked)
    directory = out(lab, "out")
    s = take(lab, c, directory, "flags=m", "volatile_ms=2000")
    check(s["volatile_ns"] < 4e9 and s["missed"] >= 1 and s["processes"] >= 5, "in time, and what was missed is counted", s)
    verified(directory)
    top, manifest = unpack(lab, directory)
    check(any("Connection timed out" in x["why"] for x in manifest["missed"]), "it is named", manifest["missed"])
    check(any("sleep 1001" in p["args"] for p in lines(os.path.join(top, "volatile/processes.jsonl"))), "others are read")
    stall.end()
