# SPDX-License-Identifier: GPL-2.0-or-later
"""Static analysis of images, on real ones: what their layers hold, whose it is, what it does to the score, what is told where
something is missing or wrong; and what programs hold that ran from a write layer."""
import hashlib
import os
import shutil
import sqlite3
import stat
import struct
import subprocess
import tempfile

from lab import check, run, wait


def tree(lab):
    """A root with a busybox shell."""
    root = tempfile.mkdtemp(dir=lab.dir, prefix="tree-")
    os.chmod(root, 0o755)
    for d in ("usr/bin", "usr/lib", "tmp", "etc", "ctl", "opt", "var/lib", "proc"):
        os.makedirs(os.path.join(root, d))
    os.symlink("usr/bin", os.path.join(root, "bin"))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "usr/bin/busybox"))
    for tool in "sh cp mkdir chmod rm mv cat touch sleep true ln dd".split():
        os.symlink("busybox", os.path.join(root, "bin", tool))
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    return root


def put(root, path, text, mode=0o644):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as out:
        out.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(full, mode)


def program(number):
    """A small program of its own content: busybox with a tail."""
    with open(shutil.which("busybox"), "rb") as f:
        return f.read() + b"%d" % number


def make_image(lab, name, root, *changes):
    tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    r = subprocess.run(lab.engine + ["import", "-q", *[a for c in changes for a in ("--change", c)], "-", name], stdin=tar.stdout, capture_output=True, text=True,
                       env=dict(os.environ, CONTAINERS_CONF=lab.conf))
    check(r.returncode == 0, "podman import", r.stderr)


def image_of(d, workload):
    """What image.list has of the image that this workload runs, once it was read."""
    return wait("the image of %s to be read" % workload,
                lambda: next((i for i in d.json("image", "list") if any(w.startswith(workload + "@") for w in i["workloads"])), None), 120)


def files_of(d, workload):
    data = d.json("image", "show", workload)
    return {f["path"]: f for f in data["file_list"]}, data


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


DPKG = """Package: tools
Status: install ok installed
Version: 1.2-3
Description: x

Package: gone
Status: deinstall ok config-files
Version: 9
"""


def dpkg_tree(lab):
    root = tree(lab)
    put(root, "var/lib/dpkg/status", DPKG)
    put(root, "var/lib/dpkg/info/tools.list", "/.\n/bin\n/bin/busybox\n/usr/lib/libtool.so.1\n/usr/bin/script\n")
    put(root, "usr/lib/libtool.so.1", elf_library())
    put(root, "usr/bin/script", "#!/bin/sh -e\n:\n", 0o755)
    put(root, "app/own", program(1), 0o755)
    put(root, "usr/bin/su", program(2), 0o4755)
    return root


def elf_library():
    """The header of a shared object without an interpreter."""
    head = bytearray(64)
    head[:7] = b"\x7fELF\x02\x01\x01"
    head[16] = 3  # ET_DYN
    return bytes(head)


def shell(lab, name, image, *options):
    """A container of the image whose entrypoint is our shell, whatever the image's is."""
    return lab.container(name, "--entrypoint", "", "-u", "0", *options, image=image)


def test_dpkg(lab):
    root = dpkg_tree(lab)
    make_image(lab, "localhost/dpkg:1", root, 'ENTRYPOINT ["/app/own", "sleep"]', 'CMD ["1000"]', "EXPOSE 80/tcp", "EXPOSE 53/udp", "VOLUME /data", "USER 7:8")
    d = lab.daemon()
    shell(lab, "im-dpkg", "localhost/dpkg:1")
    im = image_of(d, "im-dpkg")
    check(im["state"] == "complete" and im["words"] == "", "it is read whole", im)
    check(im["packages"] == 1, "one package is installed", im)
    check(im["entrypoint"] == ["/app/own", "sleep"] and im["command"] == ["1000"], "what it starts", im)
    check(sorted(im["ports"]) == ["53/udp", "80/tcp"] and im["volumes"] == ["/data"] and im["user"] == "7:8", "what it declares", im)
    files, data = files_of(d, "im-dpkg")
    b = files["/usr/bin/busybox"]  # dpkg calls it /bin/busybox: /bin is a link
    check((b["package"], b["version"], b["kind"]) == ("tools", "1.2-3", "program"), "whose busybox is", b)
    check(b["sha256"] == sha256(shutil.which("busybox")), "its hash", b)
    check(files["/usr/lib/libtool.so.1"]["kind"] == "library" and files["/usr/lib/libtool.so.1"]["package"] == "tools", "the library", files)
    check(files["/usr/bin/script"]["kind"] == "script" and files["/usr/bin/script"]["interpreter"] == "/bin/sh", "the script", files)
    check(files["/app/own"]["package"] is None and files["/usr/bin/su"]["gives_rights"], "nobody's, and what gives rights", files)
    text = d.tidemark("image", "show", "im-dpkg").stdout
    check("/app/own" in text and "Owned by no package" in text and "80/tcp" in text, "image show in words", text)
    check(all(len(line) <= 100 for line in text.split("\n")), "within 100 columns", text)
    status = d.json("status")
    check(status["images"]["complete"] >= 1 and status["image_worker"]["on"], "status", status["images"], status["image_worker"])


def test_cached(lab):
    """Not read twice: not for another container of it, not over a restart."""
    make_image(lab, "localhost/dpkg:1", dpkg_tree(lab))
    d = lab.daemon()
    one = shell(lab, "im-cached", "localhost/dpkg:1")
    im = image_of(d, "im-cached")
    d.stop()
    again = lab.daemon(state=d.state)
    two = shell(lab, "im-second", "localhost/dpkg:1")
    same = image_of(again, "im-second")
    check(same["digest"] == im["digest"] and same["analysed"] == im["analysed"], "as it was read before", im, same)
    wait("both to be known", lambda: {one.name, two.name} <= set(again.containers()))
    check(im["digest"][:19] not in "".join(line for line in again.text().split("\n") if "images:" in line), "nothing is read again", again.text()[-2000:])
    files, _ = files_of(again, "im-second")
    check(files["/usr/bin/busybox"]["package"] == "tools", "its facts are there", files)


def test_layers(lab):
    """What an upper layer takes away is not there, what it brings counts, and a directory that replaces one hides it."""
    root = dpkg_tree(lab)
    for name in ("gone", "changed", "dir/below", "kept"):
        put(root, "opt/" + name, program(10), 0o755)
    make_image(lab, "localhost/layers:1", root)
    c = shell(lab, "im-base", "localhost/layers:1")
    c.sh("rm /opt/gone; rm -r /opt/dir; mkdir /opt/dir; cp /usr/bin/busybox /opt/dir/new; cp /usr/bin/busybox /opt/changed; rm /usr/bin/su")
    r = lab.podman("commit", "-q", "im-base", "localhost/layers:2")
    check(r.returncode == 0, "podman commit", r.stderr)
    d = lab.daemon()
    shell(lab, "im-layers", "localhost/layers:2")
    im = image_of(d, "im-layers")
    check(im["state"] == "complete", "it is read whole", im)
    files, _ = files_of(d, "im-layers")
    there = {p for p in files if p.startswith("/opt/") or p == "/usr/bin/su"}
    check(there == {"/opt/changed", "/opt/dir/new", "/opt/kept"}, "the merged view", sorted(there))
    check(files["/opt/changed"]["sha256"] == sha256(shutil.which("busybox")), "as the upper layer has it", files["/opt/changed"])


def factors(f):
    return {x["name"]: x for x in f["factors"]}


def finding_of(d, workload, subject):
    return wait("a finding of %s" % subject,
                lambda: next((f for f in d.findings(workload, every=True) if any(x["subject"] == subject for x in f["signals"])), None))


def test_factors(lab):
    """Whose a program is that was never run is said with what it weighs; the same of one that was changed. Replay says the same."""
    root = dpkg_tree(lab)
    put(root, "usr/bin/owned", program(3), 0o755)
    put(root, "var/lib/dpkg/info/tools.list", "/usr/bin/owned\n/usr/bin/busybox\n")
    make_image(lab, "localhost/dpkg:1", root)
    record = os.path.join(lab.dir, "image.record")
    d = lab.daemon(record=record)
    c = shell(lab, "im-factors", "localhost/dpkg:1")
    image_of(d, "im-factors")
    d.covered("im-factors")
    c.sh("/usr/bin/busybox true")
    d.activate("im-factors")
    c.sh("/usr/bin/owned true")
    f = finding_of(d, "im-factors", "/usr/bin/owned")
    check("package tools 1.2-3" in factors(f)["image_packaged"]["text"], "whose it is", f["factors"])
    check(f["sum_bits"] == f["prior_bits"] + sum(x["bits"] for x in f["factors"]), "the sum", f)
    c.sh("/app/own true")
    f = finding_of(d, "im-factors", "/app/own")
    check("image_unpackaged" in factors(f), "nobody's", f["factors"])
    c.sh("cp /usr/bin/busybox /tmp/b; cat /tmp/b > /usr/bin/owned; echo >> /usr/bin/owned; /usr/bin/owned true")
    f = wait("the changed program", lambda: next((f for f in d.findings("im-factors") if "ran_changed_image_file" in factors(f)), None))
    check("package tools 1.2-3" in factors(f)["ran_changed_image_file"]["text"], "whose it was", f["factors"])
    live = {f["id"]: f["factors"] for f in d.findings("im-factors", every=True)}
    d.stop()
    r = d.tidemark("--json", "replay", record)
    check(r.returncode == 0, "replay", r.stderr)
    check("package tools 1.2-3" in r.stdout, "replay says the same", r.stdout[:2000])
    check(len(live) > 0, "findings", live)


def test_apk(lab):
    root = tree(lab)
    put(root, "lib/apk/db/installed", "C:Q1\nP:busybox\nV:1.36.1-r29\nA:x86_64\nF:bin\nR:busybox\na:0:0:755\nZ:Q1\n\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl.so.1\n\n")
    put(root, "lib/ld-musl.so.1", elf_library(), 0o755)
    make_image(lab, "localhost/apk:1", root)
    d = lab.daemon()
    shell(lab, "im-apk", "localhost/apk:1")
    im = image_of(d, "im-apk")
    check(im["state"] == "complete" and im["packages"] == 2, "two packages", im)
    files, data = files_of(d, "im-apk")
    check(files["/usr/bin/busybox"]["version"] == "1.36.1-r29", "busybox", files["/usr/bin/busybox"])
    check(files["/lib/ld-musl.so.1"]["package"] == "musl" and data["package_list"][0]["database"] == "apk", "musl", files)


def rpm_tree(lab):
    """A package of our own, built and installed by rpm into a tree."""
    top = tempfile.mkdtemp(dir=lab.dir, prefix="rpm-")
    root = tree(lab)
    spec = os.path.join(top, "own.spec")
    with open(spec, "w") as out:
        out.write("Name: own\nVersion: 4.5\nRelease: 6\nEpoch: 2\nSummary: x\nLicense: x\n%description\nx\n%install\n"
                  "mkdir -p %{buildroot}/opt/own\ncp " + shutil.which("busybox") + " %{buildroot}/opt/own/tool\n%files\n/opt/own/tool\n")
    r = run(["rpmbuild", "-bb", "--define", "_topdir " + top, "--define", "__os_install_post %{nil}", "--define", "_build_id_links none", spec])
    check(r.returncode == 0, "rpmbuild", r.stderr)
    package = next(os.path.join(p, f) for p, _, fs in os.walk(top) for f in fs if f.endswith(".rpm"))
    for argv in (["--initdb"], ["-i", "--nodeps", "--noscripts", "--ignorearch", package]):
        r = run(["rpm", "--root", root, "--dbpath", "/usr/lib/sysimage/rpm", *argv])
        check(r.returncode == 0, "rpm " + argv[0], r.stderr)
    return root


def test_rpm(lab):
    if not shutil.which("rpmbuild"):
        raise Exception("rpmbuild is not installed (package rpm)")
    root = rpm_tree(lab)
    make_image(lab, "localhost/rpm:1", root)
    d = lab.daemon()
    shell(lab, "im-rpm", "localhost/rpm:1")
    im = image_of(d, "im-rpm")
    check(im["packages"] == 1, "one package", im)
    files, data = files_of(d, "im-rpm")
    check(data["package_list"][0] == {"database": "rpm", "name": "own", "version": "2:4.5-6"}, "as rpm says it", data["package_list"])
    check(files["/opt/own/tool"]["package"] == "own", "its file", files)
    check(im["state"] == "complete", "it is read whole", im)
    check(os.listdir(os.path.join(d.state, "engine/scratch")) == [], "no copy is left", os.listdir(os.path.join(d.state, "engine/scratch")))


def berkeley(path, rows):
    """As RHEL 7 and 8 have it: Packages, a hash of number and header."""
    tool = shutil.which("db5.3_load") or shutil.which("db_load")
    if not tool:
        raise Exception("db5.3_load is not installed (package db5.3-util, libdb-utils)")
    pairs = [(0, struct.pack("<I", max(n for n, _ in rows) + 1)), *rows]
    lines = ["VERSION=3", "format=bytevalue", "type=hash", "db_pagesize=4096", "HEADER=END"]
    lines += [" " + x.hex() for n, blob in pairs for x in (struct.pack("<I", n), blob)] + ["DATA=END", ""]
    os.makedirs(os.path.dirname(path))
    r = subprocess.run([tool, path], input="\n".join(lines), capture_output=True, text=True)
    check(r.returncode == 0, "db_load", r.stderr)


def test_rpm_berkeley(lab):
    made = rpm_tree(lab)
    rows = sqlite3.connect(os.path.join(made, "usr/lib/sysimage/rpm/rpmdb.sqlite")).execute("select hnum, blob from Packages").fetchall()
    root = tree(lab)
    berkeley(os.path.join(root, "var/lib/rpm/Packages"), rows)
    put(root, "opt/own/tool", program(1), 0o755)
    make_image(lab, "localhost/bdb:1", root)
    d = lab.daemon()
    shell(lab, "im-bdb", "localhost/bdb:1")
    im = image_of(d, "im-bdb")
    files, _ = files_of(d, "im-bdb")
    check(files["/opt/own/tool"]["version"] == "2:4.5-6" and im["state"] == "complete", "its file", im, files["/opt/own/tool"])


def test_rpm_damaged(lab):
    root = tree(lab)
    put(root, "var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0" + b"\xff" * 8000)
    make_image(lab, "localhost/rpm:2", root)
    d = lab.daemon()
    shell(lab, "im-rpm2", "localhost/rpm:2")
    im = image_of(d, "im-rpm2")
    check(im["state"] == "partial" and "rpm's database" in im["words"], "that it cannot be read is said", im)
    check(im["program"] >= 1, "the rest is known", im)


def test_damaged_databases(lab):
    """Not understood: said, and what is understood is taken."""
    root = tree(lab)
    put(root, "var/lib/dpkg/status", os.urandom(5000).replace(b"\n", b"x") + b"\n" + DPKG.encode())
    put(root, "lib/apk/db/installed", b"\0\1\2\n")
    make_image(lab, "localhost/damaged:1", root)
    d = lab.daemon()
    shell(lab, "im-damaged", "localhost/damaged:1")
    im = image_of(d, "im-damaged")
    check(im["state"] == "partial" and "var/lib/dpkg/status" in im["words"] and "apk/db/installed" in im["words"], "said", im)


def test_odd_files(lab):
    """FIFOs, devices, loops of links, a large file without a block: nothing hangs, nothing is opened but files."""
    root = dpkg_tree(lab)
    os.mkfifo(os.path.join(root, "opt/fifo"), 0o755)
    os.mknod(os.path.join(root, "opt/null.so"), 0o755 | stat.S_IFCHR, os.makedev(1, 3))
    os.symlink("loop2", os.path.join(root, "opt/loop1"))
    os.symlink("loop1", os.path.join(root, "opt/loop2"))
    os.symlink("..", os.path.join(root, "opt/up"))
    os.makedirs(os.path.join(root, "opt/" + "/".join(["deep" * 10] * 30)))
    with open(os.path.join(root, "opt/sparse"), "wb") as out:
        out.truncate(300 << 20)
    os.chmod(os.path.join(root, "opt/sparse"), 0o755)
    put(root, "var/lib/dpkg/info/loop.list", "/opt/loop1/x\n/opt/up/up/up/usr/bin/busybox\n" * 100)
    make_image(lab, "localhost/odd:1", root)
    d = lab.daemon()
    shell(lab, "im-odd", "localhost/odd:1")
    im = image_of(d, "im-odd")
    files, _ = files_of(d, "im-odd")
    check("/opt/fifo" not in files and "/opt/null.so" not in files, "only files", sorted(files))
    check(files["/opt/sparse"]["sha256"] is None and "not hashed" in im["words"], "too large to be hashed, and said", files["/opt/sparse"], im["words"])
    check(im["state"] == "complete", "what is there is known all the same", im)


def many(lab, count):
    """More than the limit: programs first, the rest is left out and said."""
    root = tree(lab)
    os.makedirs(os.path.join(root, "opt/many"))
    for i in range(count):
        with open(os.path.join(root, "opt/many/%d" % i), "w"):
            pass
    for i in range(300):
        put(root, "opt/scripts/%d.py" % i, "pass\n")
    make_image(lab, "localhost/many:1", root)
    d = lab.daemon(config="limits: { image_files = 100; };")
    shell(lab, "im-many", "localhost/many:1")
    im = image_of(d, "im-many")
    check(im["state"] == "partial" and "left out" in im["words"] and im["files"] == 100, "said", im)
    check(im["entries"] > count and im["program"] == 1, "all is looked at, programs are told", im)


def test_many_files(lab):
    many(lab, 3000)


def test_100000_files(lab):
    many(lab, 100000)


test_100000_files.long = True


def test_vanished(lab):
    """Layers that are gone before they are read: failed, with the reason; read when a container of it starts again."""
    make_image(lab, "localhost/dpkg:1", dpkg_tree(lab))
    d = lab.daemon()
    c = shell(lab, "im-vanished", "localhost/dpkg:1")
    image_of(d, "im-vanished")
    lower = [x for x in lab.inspect("im-vanished")["GraphDriver"]["Data"]["LowerDir"].split(":")]
    d.stop()
    c.remove()
    moved = [(x, x + ".away") for x in lower]
    d = lab.daemon()
    c = shell(lab, "im-vanished", "localhost/dpkg:1")  # the overlay is mounted: its layers can be renamed under it
    d.stop()
    d = lab.daemon(wait_ready=False)
    for a, b in moved:
        os.rename(a, b)
    try:
        wait("tidemarkd to be ready", d._is_ready)
        im = image_of(d, "im-vanished")
        if im["state"] == "complete":  # it was quicker than we
            return
        check(im["state"] == "failed" and im["words"], "failed, and why", im)
        check(im["digest"] in [x["digest"] for x in d.json("status")["images"]["not_complete"]], "in status", d.json("status")["images"])
    finally:
        for a, b in moved:
            os.rename(b, a)
    shell(lab, "im-back", "localhost/dpkg:1")
    wait("the image to be read after all", lambda: image_of(d, "im-back")["state"] == "complete")


def worker_of(d, name):
    """The process that reads this image: a child of the engine."""
    image = d.lab.podman("image", "inspect", name, "--format", "{{.Id}}").stdout.strip()
    if image not in (d.json("status")["image_worker"]["image"] or ""):
        return None
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and "tidemark-image\0facts" in open("/proc/%s/cmdline" % pid).read() and \
                    int(open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[1]) == d.engine():
                return int(pid)
        except (OSError, IndexError):
            pass
    return None


def test_confined(lab):
    """The worker has nothing: another user, no capability, no new privileges, a filter, the lowest priority; and whoever kills it
    is told of as a failure."""
    root = dpkg_tree(lab)
    for i in range(12):
        put(root, "opt/big%d" % i, program(i) * 8, 0o755)
    make_image(lab, "localhost/big:1", root)
    d = lab.daemon(config="image: { cpu_max = 1; };")
    shell(lab, "im-big", "localhost/big:1")
    pid = wait("the worker to read", lambda: (lambda p: p and "Seccomp:\t2" in open("/proc/%d/status" % p).read() and p)(worker_of(d, "localhost/big:1")), 120)
    status = dict(line.split(":\t", 1) for line in open("/proc/%d/status" % pid).read().split("\n") if ":\t" in line)
    check(status["CapEff"].strip("0") == "" and status["CapPrm"].strip("0") == "" and status["NoNewPrivs"] == "1", "no capability", status)
    check(status["Uid"].split()[0] != "0", "no root", status["Uid"])
    check(os.getpriority(os.PRIO_PROCESS, pid) == 19, "priority", os.getpriority(os.PRIO_PROCESS, pid))
    os.kill(pid, 9)
    im = image_of(d, "im-big")
    check(im["state"] == "failed" and "signal 9" in im["words"], "failed, and why", im)


def test_deadline(lab):
    root = dpkg_tree(lab)
    for i in range(6):
        put(root, "opt/big%d" % i, program(i) * 8, 0o755)
    make_image(lab, "localhost/big:1", root)
    d = lab.daemon(config='image: { cpu_max = 1; deadline = "2s"; };')
    shell(lab, "im-late", "localhost/big:1")
    im = image_of(d, "im-late")
    check(im["state"] == "failed" and "image.deadline" in im["words"], "failed, and why", im)


def test_switched_off(lab):
    make_image(lab, "localhost/dpkg:1", dpkg_tree(lab))
    d = lab.daemon(config="image: { analyse = false; };")
    c = shell(lab, "im-off", "localhost/dpkg:1")
    d.covered("im-off")
    check(d.json("image", "list") == [] and not d.json("status")["image_worker"]["on"], "nothing is read", d.json("status")["image_worker"])
    r = d.tidemark("image", "show", "im-off")
    check(r.returncode == 4 and "is not analysed" in r.stderr, "in words", r.stderr)
    c.sh("cp /usr/bin/busybox /tmp/x; /tmp/x true")


# ---- programs of write layers ----

def test_hash(lab):
    """What ran from a write layer, by its content; the same one again, another one at its place."""
    make_image(lab, "localhost/dpkg:1", dpkg_tree(lab))
    d = lab.daemon()
    c = shell(lab, "im-hash", "localhost/dpkg:1")
    d.covered("im-hash")
    w = d.watch()
    c.sh("cp /usr/bin/busybox /tmp/x; /tmp/x true")
    e = wait("its hash", lambda: next(iter(w.events("hash", c.id)), None))
    check(e["path"] == "/tmp/x" and e["state"] == "known" and e["sha256"] == sha256(shutil.which("busybox")), "told", e)
    c.sh("/tmp/x true; /tmp/x true")
    wait("each exec has one", lambda: len(w.events("hash", c.id)) == 3)
    check(d.json("status")["hash_worker"]["from_cache"] >= 2, "read once", d.json("status")["hash_worker"])
    c.sh("cp /tmp/x /tmp/y; echo >> /tmp/y; mv /tmp/y /tmp/x; /tmp/x true")
    e = wait("the other one's", lambda: w.events("hash", c.id)[3:] and w.events("hash", c.id)[3])
    check(e["state"] == "known" and e["sha256"] != sha256(shutil.which("busybox")), "another content", e)
    c.sh("cp /usr/bin/busybox /tmp/z; dd if=/dev/zero of=/tmp/z bs=1M seek=300 count=1 2>/dev/null; /tmp/z true; cp /usr/bin/busybox /tmp/g; /tmp/g rm /tmp/g")
    states = wait("the large one and the one that removes itself",
                  lambda: (lambda s: s if {"/tmp/z", "/tmp/g"} <= set(s) else None)({x["path"]: x["state"] for x in w.events("hash", c.id)}))
    check(states["/tmp/z"] == "too-large", "too large", states)
    check(states["/tmp/g"] in ("gone", "known"), "it was quick, or we were", states)
    w.stop()


def test_hash_without_worker(lab):
    """Killed: what waits is told to be late, and the next one is read again."""
    make_image(lab, "localhost/dpkg:1", dpkg_tree(lab))
    d = lab.daemon()
    c = shell(lab, "im-hash2", "localhost/dpkg:1")
    d.covered("im-hash2")
    w = d.watch()
    c.sh("cp /usr/bin/busybox /tmp/x; /tmp/x true")
    wait("its hash", lambda: w.events("hash", c.id))
    pid = wait("the worker", lambda: next((int(p) for p in os.listdir("/proc") if p.isdigit() and os.path.exists("/proc/%s/cmdline" % p) and
                                           "tidemark-image\0hash" in open("/proc/%s/cmdline" % p).read() and
                                           int(open("/proc/%s/stat" % p).read().rsplit(")", 1)[1].split()[1]) == d.engine()), None))
    os.kill(pid, 9)
    wait("that it has ended", lambda: d.json("status")["hash_worker"]["restarts"] == 1)
    c.sh("cp /usr/bin/busybox /tmp/y; echo >> /tmp/y; /tmp/y true")
    wait("the next one's hash", lambda: any(e["path"] == "/tmp/y" and e["state"] == "known" for e in w.events("hash", c.id)))
    w.stop()
