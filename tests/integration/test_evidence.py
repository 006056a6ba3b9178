# SPDX-License-Identifier: GPL-2.0-or-later
"""Evidence: taken of a running attack, and what becomes of it."""
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import threading

from lab import check, run, wait
from net import Net


def trail(d, kind=None):
    """Records of the trail, of all its files."""
    found = []
    base = os.path.join(d.state, "trail")
    for name in sorted(os.listdir(base)):
        if name.startswith("trail") and ".jsonl" in name:
            for line in open(os.path.join(base, name), errors="replace"):
                if line.endswith("\n"):
                    found.append(json.loads(line))
    found.sort(key=lambda r: r["n"])
    return [r for r in found if kind in (None, r["kind"])]


def noted(d, kind, word):
    return wait("the trail to hold %s: %s" % (kind, word), lambda: next((r for r in trail(d, kind) if word in r["text"]), None))


def sha256(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()


def place(d):
    return os.path.join(d.state, "evidence")


def listed(d):
    return {e["name"]: e for e in d.json("evidence", "list")["evidence"]}


OLD = "E-20250101T000000Z-0123456789ab-1.tar.zst"
TORN = "E-20250102T000000Z-0123456789ab-2.tar.zst.partial"


def test_directory(lab):
    """What lies there is listed, let out and deleted, each with its record; what is too old goes by itself."""
    d = lab.daemon(config='evidence: { keep_age = "3650d"; };')
    st = os.stat(place(d))
    check(stat.S_IMODE(st.st_mode) == 0o700 and st.st_uid == 0, "root's own", oct(st.st_mode))
    with open(os.path.join(place(d), OLD), "wb") as out:
        out.write(b"evidence" * 1000)
    facts = {"name": OLD, "whole": True, "container": "0123456789ab" + 52 * "0", "container_name": "web", "finding": 12, "size": 8000,
             "sha256": sha256(os.path.join(place(d), OLD)), "signed": False}
    with open(os.path.join(place(d), OLD + ".json"), "w") as out:
        json.dump(facts, out)
    open(os.path.join(place(d), TORN), "w").close()
    got = listed(d)
    check(set(got) == {OLD, TORN} and got[OLD]["container_name"] == "web" and not got[TORN]["whole"], "the list", got)
    page = d.tidemark("evidence", "list").stdout
    check("F-12" in page and "broken off" in page and all(len(x) <= 100 for x in page.splitlines()), "a page to read", page)
    # Out: recorded before it is read, never over what is there.
    dest = os.path.join(d.dir, "out")
    os.mkdir(dest)
    r = d.tidemark("evidence", "copy", OLD, dest, "--dry-run")
    check(r.returncode == 0 and not os.listdir(dest) and not trail(d, "evidence-copied"), "only tried", r.stdout, r.stderr)
    r = d.tidemark("evidence", "copy", OLD, dest)
    copied = os.path.join(dest, OLD)
    check(r.returncode == 0 and facts["sha256"] in r.stdout and sha256(copied) == facts["sha256"], "copied", r.stdout, r.stderr)
    check(stat.S_IMODE(os.stat(copied).st_mode) == 0o600, "for root alone")
    record = noted(d, "evidence-copied", facts["sha256"])
    asked = next(r for r in trail(d, "asked") if "evidence.copy" in r["text"] and "dry_run\":false" in r["text"].replace(" ", ""))
    check(json.loads(record["text"])["to"] == copied and record["n"] > asked["n"] and record["command"] == asked["command"], "in the trail", record, asked)
    for argv, code, words in ((["copy", OLD, dest], 4, "never overwritten"),
                              (["copy", "E-20250101T000000Z-0123456789ab-9.tar.zst", dest], 4, "no evidence of this name"),
                              (["copy", "../trail/trail.jsonl", dest + "/x"], 4, "no evidence of this name"),
                              (["remove", OLD], 2, "--reason"),
                              (["remove", OLD[:-8], "--reason", "x"], 4, "no evidence of this name"),
                              (["remove", "/etc/passwd", "--reason", "x"], 4, "no evidence of this name")):
        r = d.tidemark("evidence", *argv)
        check(r.returncode == code and words in " ".join(r.stderr.split()), "a wrong word: %s" % argv, r.stderr, str(r.returncode))
    check(os.listdir(dest) == [OLD], "nothing is left of what failed", os.listdir(dest))
    # What was changed meanwhile does not pass for what was taken.
    with open(os.path.join(place(d), OLD), "r+b") as out:
        out.write(b"EVIDENCE")
    r = d.tidemark("evidence", "copy", OLD, dest + "/changed")
    check(r.returncode == 1 and "not what was written down" in r.stderr and not os.path.exists(dest + "/changed"), "changed", r.stderr)
    # Away.
    r = d.tidemark("evidence", "remove", OLD, "--reason", "handed over", "--dry-run")
    check(r.returncode == 0 and "would be deleted" in r.stdout and OLD in listed(d), "only tried", r.stdout)
    r = d.tidemark("evidence", "remove", OLD, "--reason", "handed over")
    check(r.returncode == 0 and not os.path.exists(os.path.join(place(d), OLD + ".json")) and set(listed(d)) == {TORN}, "deleted", r.stdout, r.stderr)
    record = noted(d, "evidence-removed", OLD)
    text = json.loads(record["text"])
    check(text["why"] == "handed over" and text["facts"]["sha256"] == facts["sha256"] and record["finding"] == "F-12" and record["uid"] == 0, "in the trail", record)
    # Too old.
    check(d.stop() == 0, "ended")
    d = lab.daemon(state=d.state, config='evidence: { keep_age = "1d"; };')
    noted(d, "evidence-removed", "keep_age")
    check(not os.path.exists(os.path.join(place(d), TORN)), "gone")
    s = wait("status to say so", lambda: (lambda e: e if e["known"] and e["removed"] == 1 else None)(d.json("status")["evidence"]))
    check(s["pieces"] == 0 and s["problem"] is None, "status", s)


def unpack(lab, path):
    """Somewhere else, by the tools that anybody has."""
    there = os.path.join(lab.dir, "unpacked-" + os.path.basename(path))
    shutil.rmtree(there, ignore_errors=True)
    os.mkdir(there)
    zstd = subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE)
    r = run(["tar", "-C", there, "--xattrs", "--xattrs-include=*", "-xpf", "-"], stdin=zstd.stdout)
    zstd.wait()
    check(r.returncode == 0 and zstd.returncode == 0, "unpacked by tar and zstd", r.stderr)
    return there


def lines(path):
    return [json.loads(x) for x in open(path, errors="replace")]


def verify(d, path, *argv, status=0):
    r = d.tidemark("--json", "evidence", "verify", path, *argv)
    check(r.returncode == status, "evidence verify gave %d" % r.returncode, r.stdout, r.stderr)
    return json.loads(r.stdout) if r.stdout else r.stderr


def attack(lab, d, name):
    """A program that was deleted and one in memory run, one talks with a real server, a setuid file lies in the write layer."""
    net = Net(lab)
    server = net.serve("93.184.216.34", 4444, "hold")
    c = net.container(name)
    d.covered(name)
    d.activate(name)
    # sleep by the deleted program; nc by the one in memory: it holds its connection open.
    c.sh("cp /bin/busybox /opt/.x; chmod 4755 /opt/.x; /opt/.x true; PASSWORD=hunter2 /bin/delexec sleep 600 & "
         "(sleep 600 | /bin/memexec nc 93.184.216.34 4444) >/dev/null 2>&1 &")
    wait("the connection", lambda: server.text().count("took") or server.text().count("began") or "4444" in c.inside("ss", "-tn"))
    f = wait("the finding", lambda: next((f for f in d.findings(name) if any(s["subject"] == "/opt/.x" for s in f["signals"])), None))
    return c, f


def test_of_an_attack(lab):
    """By the finding's number; unpacked elsewhere, every byte is there; what is changed in it is found."""
    key = os.path.join(lab.dir, "evidence.pem")
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])
    os.chmod(key, 0o600)
    run(["openssl", "pkey", "-in", key, "-pubout", "-out", key + ".pub"])
    d = lab.daemon(config='evidence: { sign_key = "%s"; };' % key)
    c, f = attack(lab, d, "prey")
    r = d.tidemark("evidence", "capture", f["id"], "--dry-run")
    check(r.returncode == 0 and "would be taken" in r.stdout and not os.listdir(place(d)), "only tried", r.stdout, r.stderr)
    r = d.tidemark("evidence", "capture", f["id"], "--reason", "looks bad")
    check(r.returncode == 0 and "taken: " in r.stdout and "signed" in r.stdout and all(len(x) <= 100 for x in r.stdout.splitlines()), "taken", r.stdout, r.stderr, d.text()[-3000:])
    name = next(n for n in os.listdir(place(d)) if n.endswith(".tar.zst"))
    path = os.path.join(place(d), name)
    check(name.startswith("E-2") and c.id[:12] in name and stat.S_IMODE(os.stat(path).st_mode) == 0o600, "its name", name)
    piece = listed(d)[name]
    print("     evidence: volatile part %.1f ms, %d members, %d bytes" % (piece["volatile_ms"], piece["members"], piece["size"]))
    check(piece["whole"] and piece["signed"] and piece["container_name"] == "prey" and "F-%d" % piece["finding"] == f["id"] and piece["volatile_ms"] < 1000 and piece["missed"] == 0, "what is known of it", piece)
    # Its fact: one, with the file's name.
    facts = d.json("show", f["id"])["evidence"]
    check(len(facts) == 1 and facts[0]["name"] == name and facts[0]["state"] == "done" and facts[0]["act"] == "capture", "a fact of the finding", facts)
    record = noted(d, "captured", name)
    check(json.loads(record["text"])["sha256"] == sha256(path) and record["finding"] == f["id"] and record["container"] == c.id, "in the trail", record)
    # Unpacked elsewhere.
    there = unpack(lab, path)
    upper = c.upper()
    r = run(["diff", "-r", "--no-dereference", upper, os.path.join(there, "layer")])
    check(r.returncode == 0 and not r.stdout, "the write layer, byte by byte", r.stdout)
    check(os.stat(there + "/layer/opt/.x").st_mode == os.stat(upper + "/opt/.x").st_mode & ~0 and os.stat(there + "/layer/opt/.x").st_mode & stat.S_ISUID, "setuid")
    busybox = sha256("/bin/busybox" if os.path.exists("/bin/busybox") else shutil.which("busybox"))
    programs = [os.path.join(dp, x) for dp, _, fs in os.walk(there + "/volatile/executables") for x in fs]
    check(any(sha256(p) == busybox for p in programs), "the deleted program and the one in memory", programs)
    processes = lines(there + "/volatile/processes.jsonl")
    text = json.dumps(processes)
    check("memfd" in text and "deleted" in text or "memfd" in json.dumps([open(os.path.join(dp, x), errors="replace").read() for dp, _, fs in os.walk(there + "/volatile/processes") for x in fs if x == "links.jsonl"]), "both are named", text)
    everything = "".join(open(os.path.join(dp, x), errors="replace").read() for dp, _, fs in os.walk(there + "/volatile/processes") for x in fs)
    check("hunter2" not in everything and "PASSWORD=" in everything, "secrets are masked")
    sockets = "".join(open(os.path.join(dp, x), errors="replace").read() for dp, _, fs in os.walk(there + "/volatile/net") for x in fs)
    check("22D8B85D:115C" in sockets.upper() or "93.184.216.34" in sockets, "the connection", sockets[:3000])
    manifest = json.load(open(there + "/manifest.json"))
    check(manifest["caller"]["reason"] == "looks bad" and manifest["caller"]["asked_by"]["uid"] == 0 and manifest["caller"]["engine"]["workload"]["name"] == "prey" and manifest["host"]["boot_id"] and manifest["masked_values"] >= 1, "its manifest", manifest)
    check(json.load(open(there + "/meta/finding.json"))["id"] == f["id"] and "evidence" in open(there + "/meta/configuration.conf").read(), "the engine's word")
    # Verified: here, elsewhere, changed.
    v = verify(d, path, "--key", key + ".pub")
    check(v["fits"] and v["trail"]["state"] == "fits" and v["trail"]["record"] == record["n"] and v["signature"]["state"] == "fits" and not v["problems"], "it fits", v)
    page = d.tidemark("evidence", "verify", path).stdout
    check(all(len(x) <= 100 for x in page.splitlines()) and "fits" in page, "a page to read", page)
    r = run(["openssl", "dgst", "-sha256", "-verify", key + ".pub", "-signature", path + ".sig", path])
    check(r.returncode == 0, "and openssl says so", r.stdout, r.stderr)
    away = os.path.join(lab.dir, "away")
    os.makedirs(away)
    r = d.tidemark("evidence", "copy", name, away)
    check(r.returncode == 0, "copied", r.stderr)
    out = os.path.join(away, name)
    check(verify(d, out, "--trail", os.path.join(d.state, "trail"), "--key", key + ".pub")["fits"], "a copy fits")
    v = verify(d, out)
    check(v["trail"]["state"] in ("not looked at", "not in this trail") and v["signature"]["state"] == "not checked", "without trail and key", v)
    data = bytearray(open(out, "rb").read())
    data[len(data) // 2] ^= 1
    open(out, "wb").write(data)
    v = verify(d, out, "--trail", os.path.join(d.state, "trail"), "--key", key + ".pub", status=1)
    check(not v["fits"] and v["trail"]["state"] == "another hash" and v["signature"]["state"] == "does not fit this key" and v["problems"], "a byte flipped", v)
    open(out + "x", "wb").close()
    os.rename(path + ".sig", path + ".gone")
    check(verify(d, path, "--key", key + ".pub", status=1)["signature"]["state"] == "unsigned", "a signature that is gone")
    os.rename(path + ".gone", path + ".sig")
    # A member taken out, and all hashes made anew by whoever did it: the trail knows.
    os.unlink(there + "/layer/opt/.x")
    forged = os.path.join(away, "forged.tar.zst")
    p = subprocess.Popen(["tar", "-C", there, "-c", "."], stdout=subprocess.PIPE)
    with open(forged, "wb") as o:
        check(subprocess.run(["zstd", "-qc"], stdin=p.stdout, stdout=o).returncode == 0, "zstd")
    v = verify(d, forged, "--trail", os.path.join(d.state, "trail"), status=1)
    check(v["problems_count"] >= 1 and v["trail"]["state"] == "not in this trail", "a member is missing", v)
    # Hostile files end it in words.
    for content, what in ((b"", "empty"), (b"hello", "no archive"), (os.urandom(100000), "noise"), (bytes(data[:len(data) // 3]), "torn")):
        with open(away + "/bad.tar.zst", "wb") as o:
            o.write(content)
        r = d.tidemark("evidence", "verify", away + "/bad.tar.zst", "--trail", os.path.join(d.state, "trail"))
        check(r.returncode == 1 and "does not fit" in r.stdout, "a bad file: " + what, r.stdout, r.stderr, str(r.returncode))
    check(d.tidemark("evidence", "verify", away + "/none").returncode == 4, "no file")
    check(d.tidemark("evidence", "verify", away).returncode == 4, "a directory")
    # While a finding needs it, it goes only by hand.
    check(d.tidemark("evidence", "remove", name, "--reason", "done").returncode == 0 and not os.path.exists(path + ".sig"), "removed")
    wait("the finding to hear of it", lambda: [x["act"] for x in d.json("show", f["id"])["evidence"]] == ["capture", "remove"])


def evidence_of(d, c):
    return [e for e in listed(d).values() if e.get("container") == c.id]


def captured(d, target, *argv):
    r = d.tidemark("--json", "evidence", "capture", target, *argv)
    check(r.returncode == 0, "evidence capture %s gave %d" % (target, r.returncode), r.stdout, r.stderr, d.text()[-3000:])
    return json.loads(r.stdout)["results"]


def test_ways_of_asking(lab):
    """By name, by id, of several, stopped for it, without waiting; a layer that changes meanwhile; names that are hostile."""
    d = lab.daemon(config='evidence: { auto = "page"; workloads = [ "no-such-*" ]; };')
    c = lab.container("first")
    other = lab.container("second")
    for x in (c, other):
        d.covered(x.name)
    # Names that would lead elsewhere or spoil a terminal are bytes like others.
    c.sh("mkdir -p '/opt/ - evil' /opt/deep/deep/deep; echo x > \"/opt/ - evil/$(printf 'new\\nline')\"; echo y > \"/opt/$(printf '\\033[2Jclear\\377')\"; "
         "ln -s /etc/passwd /opt/link; ln -s ../../../../../../etc/shadow /opt/deep/out; mknod /opt/dev b 7 0 2>/dev/null; mkfifo /opt/pipe 2>/dev/null; "
         "dd if=/dev/zero of=/opt/sparse bs=1 count=1 seek=3000000000 2>/dev/null; rm /etc/one.conf; ln /opt/link /opt/hard 2>/dev/null; true")
    # It is written to all the time while it is read.
    c.sh("(while :; do for i in 0 1 2 3 4 5 6 7 8 9; do echo $i >> /opt/grows; echo $i > /opt/comes-$i; rm -f /opt/comes-$i; done; done) & echo $! > /ctl/pid")
    got = captured(d, c.id[:12], "--freeze")
    done = got[-1]
    check(done["state"] == "done" and got[0]["state"] == "began" and done["container"] == c.id and done["name"] == "first", "by its id", got)
    check(open("/proc/%d/stat" % c.init_pid()).read().rsplit(")", 1)[1].split()[0] in "RS", "thawed")
    path = os.path.join(place(d), done["file"])
    c.sh("kill $(cat /ctl/pid)")
    check(verify(d, path)["fits"], "it fits, whatever was written meanwhile")
    there = unpack(lab, path)
    manifest = json.load(open(there + "/manifest.json"))
    names = os.listdir(os.fsencode(there + "/layer/opt"))
    check(b"\033[2Jclear\xff" in names and b" - evil" in names and os.readlink(there + "/layer/opt/link") == "/etc/passwd" and os.path.exists(there + "/layer/opt/ - evil/new\nline"), "names", repr(names))
    check(os.stat(there + "/layer/opt/sparse").st_size == 3000000001 and os.stat(there + "/layer/opt/sparse").st_blocks < 1000, "holes are holes")
    gone = os.lstat(there + "/layer/etc/one.conf")
    check(stat.S_ISCHR(gone.st_mode) and gone.st_rdev == 0, "a whiteout", oct(gone.st_mode))
    check(manifest["container"]["id"] == c.id, "of it", manifest["container"])
    page = d.tidemark("evidence", "verify", path).stdout
    check("\033" not in page, "nothing for the terminal", repr(page))
    # Two at once, in one word; without waiting.
    for x in (c, other):
        x.sh("cp /bin/busybox /opt/.y; chmod 755 /opt/.y; /opt/.y true")
    f = wait("the findings", lambda: (lambda a, b: (a, b) if a and b else None)(*[[x for x in d.findings(n) if any(s["subject"] == "/opt/.y" for s in x["signals"])] for n in ("first", "second")]))
    r = d.tidemark("evidence", "capture", f[0][0]["id"], "--no-wait")
    check(r.returncode == 0 and "volatile part taken in" in r.stdout and "is being taken" in r.stdout, "not waited for", r.stdout, r.stderr)
    wait("it to be whole", lambda: len(evidence_of(d, c)) == 2)
    # Refused, in words: nobody of that name; one that does not run.
    other.stop()
    wait("it to be gone", lambda: (lambda x: not x or x["state"] == "stopped")(d.containers().get("second")))
    for target, words in (("nobody", "no container is called"), ("F-999", "no finding F-999"), (other.id, "does not run")):
        r = d.tidemark("evidence", "capture", target)
        check(r.returncode == 4 and words in " ".join((r.stderr + r.stdout).split()), "refused: " + target, r.stdout, r.stderr)
    # What policy says of other workloads is not done.
    s = d.json("status")["evidence"]
    check(s["taken"] == 2 and s["policy"] == {"on": True, "granted": 0, "refused": 0} and not s["under_way"] and s["problem"] is None, "status", s)
    check("Evidence: 2 pieces" in d.tidemark("status").stdout, "and its page")
    check(d.json("status")["check"]["ok"] or "evidence" not in json.dumps(d.json("status")["check"]), "no problem of ours")


def test_dies_meanwhile(lab):
    """A container that ends while it is read leaves what was read, valid, and said to have ended."""
    d = lab.daemon()
    c = lab.container("mayfly")
    d.covered("mayfly")
    c.sh("i=0; while [ $i -lt 16 ]; do dd if=/dev/urandom of=/opt/big-$i bs=1M count=4 2>/dev/null; i=$((i+1)); done")
    init = c.init_pid()
    r = d.tidemark("evidence", "capture", "mayfly", "--no-wait")
    os.kill(init, signal.SIGKILL)
    check(r.returncode == 0, "begun", r.stdout, r.stderr)
    c.remove()
    piece = wait("it to be told", lambda: (evidence_of(d, c) or [None])[0] or trail(d, "evidence-failed") or None, 60)
    check(isinstance(piece, dict), "it is whole", trail(d, "evidence-failed"), d.text()[-2000:])
    path = os.path.join(place(d), piece["name"])
    check(piece["died"] and piece["processes"] >= 1 and verify(d, path)["fits"], "what was read of it", piece)
    check(d.stop() == 0, "ended")


def fill(path):
    """Whatever the disk has left."""
    with open(path, "wb") as out:
        size = 1 << 22
        while size:
            try:
                os.posix_fallocate(out.fileno(), os.fstat(out.fileno()).st_size, size)
            except OSError:
                size //= 2


def test_full_disk(lab):
    """The disk fills while it is written: a clean failure. No room: refused in words beforehand. The container feels nothing."""
    state = os.path.join(lab.dir, "small-evidence")
    os.mkdir(state)
    check(run(["mount", "-t", "tmpfs", "-o", "size=70m", "none", state]).returncode == 0, "mount")
    try:
        d = lab.daemon(state=state + "/state", config='evidence: { min_free = 0; }; record: { ring_size = 0; };')
        c = lab.container("crowded")
        d.covered("crowded")
        c.sh("dd if=/dev/urandom of=/opt/big bs=1M count=40 2>/dev/null")
        before = open("/proc/%d/stat" % c.init_pid()).read().split()[21]
        asked = threading.Thread(target=d.tidemark, args=("evidence", "capture", "crowded", "--no-wait"))
        asked.start()
        wait("it to be begun", lambda: any(n.endswith(".partial") for n in os.listdir(place(d))))
        fill(state + "/fill")
        asked.join()
        wait("it to fail", lambda: d.json("status")["evidence"]["failed"] == 1)
        s = d.json("status")["evidence"]
        check("No space left" in s["last_failure"]["words"] and not os.listdir(place(d)), "nothing is left of it", s, os.listdir(place(d)))
        os.unlink(state + "/fill")
        record = noted(d, "evidence-failed", "No space left")
        check(record["container"] == c.id, "the trail says so", record)
        c.sh("echo still here > /opt/here")
        check(open("/proc/%d/stat" % c.init_pid()).read().split()[21] == before, "untouched")
        # With less room than it needs it takes what has room, and says what was cut.
        with open(state + "/half", "wb") as out:
            os.posix_fallocate(out.fileno(), 0, 40 << 20)
        done = captured(d, "crowded")[-1]
        check(done["facts"]["cut"] >= 1 and "named in its manifest" in done["words"] and verify(d, os.path.join(place(d), done["file"]))["fits"], "cut", done)
        # With none nothing is begun.
        fill(state + "/fill")
        os.truncate(state + "/half", 39 << 20)  # room for the trail
        r = d.tidemark("evidence", "capture", "crowded")
        check(r.returncode == 4 and "evidence.min_free" in r.stdout, "refused", r.stdout, r.stderr)
        check(d.tidemark("status", "--check").returncode == 1 and any("no evidence can be taken" in p for p in d.json("status")["check"]["problems"]), "status --check", d.json("status")["check"])
        os.unlink(state + "/fill")
        noted(d, "evidence-refused", "min_free")
        check(d.stop() == 0, "ended")
    finally:
        lab.clean()
        run(["umount", state])


def test_by_policy(lab):
    """A finding that crosses queue.page has its containers' evidence taken, within limits; what is refused is told."""
    d = lab.daemon(config='evidence: { auto = "page"; auto_per_hour = 1; };')
    c, other = lab.container("bait"), lab.container("again")
    for x in (c, other):
        d.covered(x.name)
        d.activate(x.name)
    c.sh("cp /bin/busybox /opt/.z; chmod 755 /opt/.z; /opt/.z true")
    record = noted(d, "captured", c.id[:12])
    check(record["command"] == 0 if "command" in record else True, "nobody asked", record)
    f = wait("its fact", lambda: next((f for f in d.findings("bait") if [x for x in f["evidence"] if x["state"] == "done"]), None))
    check(f["confidence"] >= 95 and len(f["evidence"]) == 1 and f["evidence"][0]["command"] is None, "by policy", f["evidence"])
    other.sh("cp /bin/busybox /opt/.z; chmod 755 /opt/.z; /opt/.z true")
    record = noted(d, "evidence-refused", "auto_per_hour")
    check(record["container"] == other.id, "refused", record)
    s = d.json("status")["evidence"]
    check(s["policy"]["granted"] == 1 and s["policy"]["refused"] >= 1 and s["taken"] == 1, "status", s)
    # An open finding needs it: nothing of it goes by itself; and one that is younger than an hour never makes room.
    check(d.stop() == 0, "ended")
    d = lab.daemon(state=d.state, config='evidence: { keep_size = "1M"; };')
    wait("the directory to be looked at", lambda: d.json("status")["evidence"]["known"])
    r = d.tidemark("evidence", "capture", "bait")
    check(r.returncode == 4 and "too new to go" in " ".join(r.stdout.split()), "no room", r.stdout, r.stderr)
    check(len(evidence_of(d, c)) == 1, "nothing went")
