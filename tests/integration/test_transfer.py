# SPDX-License-Identifier: GPL-2.0-or-later
"""A baseline as a file: exported from one host, read by people, signed, imported on another."""
import glob
import json
import os
import shutil
import sqlite3

from lab import check, run, wait


def learned(lab, name):
    """A container whose ways are known."""
    d = lab.daemon()
    c = lab.container(name)
    d.covered(name)
    c.sh("echo x > /opt/known; /bin/ls /opt")
    wait("it to be learned", lambda: d.workload(name)["dimensions"][0]["entries"] >= 1)
    return d, c


def export(d, name, path, *more):
    r = d.tidemark("baseline", "export", name, "--output", path, *more)
    check(r.returncode == 0, "exported", r.stdout, r.stderr)
    with open(path, encoding="utf-8") as f:
        return f.read()


def test_export(lab):
    d, c = learned(lab, "giver")
    hostile = "/opt/" + "".join(chr(x) for x in (1, 9, 10, 27, 34, 92)) + "\u202ea"
    c.sh("printf y > \"$(printf '/opt/\\001\\011\\012\\033\\042\\134\\342\\200\\256a')\"")
    wait("the strange name", lambda: any("\\x01" in e["key"] for e in d.json("baseline", "show", "giver")["entries"]))
    c.sh("cp /bin/busybox /opt/upd; chmod 755 /opt/upd; /opt/upd true")
    wait("what is never learned silently", lambda: d.findings("giver"))
    d.activate("giver")
    path = os.path.join(lab.dir, "giver.json")
    text = export(d, "giver", path)
    doc = json.loads(text)
    check(doc["schema"] == "tidemark-baseline" and doc["version"] == 1 and doc["workload"] == "giver", "what it is", text[:400])
    check(doc["image"]["digest"].startswith("sha256:"), "whose it is", doc["image"])
    check(all("operator uid 0" in v["by"] and v["state"] == "active" for v in doc["dimensions"].values()), "who activated it", doc["dimensions"])
    keys = [(e["dimension"], e["key"]) for e in doc["entries"]]
    escaped = hostile.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\x01", "\\x01").replace("\x1b", "\\x1b").replace("\u202e", "\\xe2\\x80\\xae")
    check(("file", escaped) in keys, "any bytes", keys)
    check(("file", "/opt/known") in keys and ("process", "/bin/busybox") in keys, "what is known", keys)
    check(not any("write-layer" in k for _, k in keys), "what is never learned silently is not known", keys)
    check(any("/opt/upd [write-layer]" == e["key"] and e["why"] == "never-silent" for e in doc["candidates"]), "but a candidate", doc["candidates"])
    for line in (json.dumps(e, ensure_ascii=False) for e in doc["entries"] + doc["candidates"]):
        check(line in text, "an entry a line", line, text)
    order = [(["file", "process", "network", "privilege"].index(e["dimension"]), e["key"].encode()) for e in doc["entries"]]
    check(order == sorted(order), "sorted", order)
    check(export(d, "giver", path) == text == d.tidemark("baseline", "export", "giver").stdout, "the same again")
    bare = json.loads(d.tidemark("baseline", "export", "giver", "--no-counts").stdout)
    check([e["key"] for e in bare["entries"]] == [e["key"] for e in doc["entries"]] and not any("count" in e for e in bare["entries"] + bare["candidates"]), "without counts", bare["entries"])
    r = d.tidemark("baseline", "export", "giver", "--output", os.path.join(lab.dir, "no", "such"))
    check(r.returncode == 4 and "No such file" in r.stderr, "where nothing can be written", r.stderr)
    check(d.tidemark("baseline", "export", "nobody").returncode == 4, "a workload that is not there")
    check(d.tidemark("baseline", "export").returncode == 2, "none named")


def keys(lab, kind="ec"):
    """A key of its own: its private and its public file."""
    private, public = os.path.join(lab.dir, kind + ".key"), os.path.join(lab.dir, kind + ".pem")
    if kind == "rsa":
        run(["openssl", "genrsa", "-out", private, "2048"])
    else:
        run(["openssl", "ecparam", "-name", "secp384r1" if kind == "ec384" else "prime256v1", "-genkey", "-noout", "-out", private])
    r = run(["openssl", "pkey", "-in", private, "-pubout", "-out", public])
    check(r.returncode == 0, "a key", r.stderr)
    os.chmod(public, 0o644)
    return private, public


def sign(private, path, to=None):
    r = run(["openssl", "dgst", "-sha256", "-sign", private, "-out", to or path + ".sig", path])
    check(r.returncode == 0, "signed", r.stderr)


def imports(d, path, *more):
    return d.tidemark("baseline", "import", path, "--reason", "seeded by the test", *more)


def refused(d, r, *words):
    told = " ".join(r.stderr.split())
    check(r.returncode == 4 and all(w in told for w in words), "refused with %s" % (words,), str(r.returncode), r.stdout, r.stderr)


def shown(d, name):
    """What the baseline holds, without what changes as time goes by."""
    return sorted((e["dimension"], e["key"], e["executable"] or "") for e in d.json("baseline", "show", name)["entries"] if not e["candidate"])


def trail(d):
    path, = glob.glob(os.path.join(d.state, "trail", "trail*"))
    with open(path, encoding="utf-8") as f:
        return f.read()


def giver(lab, name, *how):
    """A document of a container that was learned and activated; the host that made it is gone."""
    d, c = learned(lab, name)
    d.activate(name)
    path = os.path.join(lab.dir, name + ".json")
    export(d, name, path, *how)
    known = shown(d, name)
    d.stop()
    c.remove()
    shutil.rmtree(c.ctl)
    return path, known


def test_import_before_it_runs(lab):
    path, known = giver(lab, "seed", "--no-counts")
    private, public = keys(lab)
    recording = os.path.join(lab.dir, "import.rec")
    d = lab.daemon(config='import: { keys = ["%s"]; };' % public, record=recording)
    refused(d, imports(d, path), "import.keys names 1 key", "without a signature")
    check(d.workload("seed") is None, "nothing is known of it", d.workload("seed"))
    sign(private, path)
    r = imports(d, path, "--dry-run")
    check(r.returncode == 0 and "would be imported: seed@sha256:" in r.stdout and d.workload("seed") is None, "tried", r.stdout, r.stderr)
    answer = d.json("baseline", "import", path, "--reason", "seeded by the test")
    check(answer["signed_by"] == public and len(answer["sha256"]) == 64 and int(answer["outcome"]["new"][0]) == len(known), "what was done", answer)
    w = d.workload("seed")
    check(all(x["state"] == "active" and x["by"].startswith("import by operator uid 0") and public.rsplit("/", 1)[-1] in x["by"] for x in w["dimensions"]), "who activated it", w)
    check(shown(d, "seed") == known, "the same is known", shown(d, "seed"), known)
    text = trail(d)
    check(answer["sha256"] in text and "seeded by the test" in text and "seed.json" in text and public in text, "the trail", text[-3000:])
    c = lab.container("seed")
    d.covered("seed")
    c.sh("echo x > /opt/known; /bin/ls /opt")
    c.sh("echo x > /etc/unknown.conf")
    f = wait("what is unknown", lambda: [f for f in d.findings("seed", every=True) if any(s["subject"] == "/etc/unknown.conf" for s in f["signals"])])
    check(not any(s["subject"] == "/opt/known" for x in d.findings("seed", every=True) for s in x["signals"]), "what is known is quiet", d.findings("seed", every=True))
    c.sh("cp /bin/busybox /opt/upd; chmod 755 /opt/upd; /opt/upd true")
    d.both("seed")
    live = d.findings("seed", every=True)
    d.stop()
    r = run([os.path.join(os.path.dirname(os.path.abspath(d.proc.args[0])), "tidemark"), "--json", "replay", recording])
    check(r.returncode == 0, "replayed", r.stderr)
    again = [x for x in json.loads(r.stdout) if x["workload"]["name"] == "seed"]
    check([(x["id"], x["confidence"], x["count"]) for x in again] == [(x["id"], x["confidence"], x["count"]) for x in live], "a replay finds the same", again, live)


def test_import_survives(lab):
    """What was acknowledged is there after kill -9, and the same again changes nothing."""
    path, known = giver(lab, "kept")
    d = lab.daemon()
    r = imports(d, path)
    check(r.returncode == 0 and "unsigned" in r.stdout, "without keys", r.stdout, r.stderr)
    d.stop(9)
    d = lab.daemon(state=d.state)
    check(shown(d, "kept") == known, "still known", shown(d, "kept"))
    before = d.json("baseline", "show", "kept")["entries"]
    answer = d.json("baseline", "import", path, "--reason", "again")
    check(answer["outcome"]["new"] == ["0"] and int(answer["outcome"]["known_before"][0]) == len(known), "nothing new", answer)
    check(d.json("baseline", "show", "kept")["entries"] == before, "nothing changed")
    out = os.path.join(lab.dir, "again.json")
    with open(path, encoding="utf-8") as f:
        first = json.load(f)
    second = json.loads(export(d, "kept", out))
    check(first["entries"] == second["entries"], "exported again it is the same", first["entries"], second["entries"])


def test_signatures(lab):
    path, _ = giver(lab, "signed")
    all_keys = {kind: keys(lab, kind) for kind in ("ec", "ec384", "rsa")}
    stranger = keys(lab, "other")
    missing = os.path.join(lab.dir, "missing.pem")
    d = lab.daemon(config="import: { keys = [%s]; };" % ", ".join('"%s"' % p for p in [missing] + [x[1] for x in all_keys.values()]))
    check("missing.pem" in d.text() and "No such file" in d.text(), "a missing key is said", d.text()[-1500:])
    for kind, (private, public) in all_keys.items():
        sign(private, path)
        check(d.json("baseline", "import", path, "--reason", kind, "--dry-run")["signed_by"] == public, "signed with " + kind)
    sign(stranger[0], path)
    refused(d, imports(d, path), "fits none of the keys", "missing.pem: No such file")
    private = all_keys["ec"][0]
    sign(private, path)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    changed = os.path.join(lab.dir, "changed.json")
    with open(changed, "w", encoding="utf-8") as f:
        f.write(text.replace("/opt/known", "/opt/knowm"))
    refused(d, imports(d, changed, "--signature", path + ".sig"), "fits none of the keys")
    refused(d, imports(d, path, "--signature", missing), "missing.pem")
    check(d.workload("signed") is None, "nothing was changed", d.workload("signed"))
    check(imports(d, path).returncode == 0 and d.workload("signed"), "as it was signed")
    conf = os.path.join(lab.dir, "check.conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write('import: { keys = ["%s", "%s", "%s"]; };' % (missing, private, all_keys["rsa"][1]))
    r = run([d.proc.args[0], "--check-config", "--config", conf])
    check(r.returncode == 1 and "missing.pem: No such file" in r.stderr and "holds a private key" in r.stderr and "2 mistakes" in r.stderr, "checked", r.stderr)


def test_bad_documents(lab):
    """Each refused with its place, and the old state kept."""
    d, c = learned(lab, "stays")
    d.activate("stays")
    path = os.path.join(lab.dir, "stays.json")
    text = export(d, "stays", path)
    doc = json.loads(text)
    before = d.json("baseline", "show", "stays")
    line = next(x for x in text.splitlines() if "/opt/known" in x)

    def bad(changed, *words, more=()):
        other = os.path.join(lab.dir, "bad.json")
        with open(other, "w", encoding="utf-8") as f:
            f.write(changed)
        refused(d, imports(d, other, *more), *words)

    bad(text.replace("tidemark-baseline", "another"), "line 2", "\"schema\" is \"another\"")
    bad(text.replace("\"version\": 1", "\"version\": 7"), "line 3", "this Tidemark reads 1")
    bad(text[:len(text) // 2], "line", "it is no JSON")
    bad(text.replace(line, line + "\n" + line), "line %d: entries[" % (text.splitlines().index(line) + 2), "is there twice")
    bad(text.replace("\"key\": \"/opt/known\"", "\"key\": \"/opt/upd [setuid]\""), "/opt/upd [setuid] is never learned silently")
    bad(text.replace("\"key\": \"/opt/known\"", "\"key\": \"/*/x\""), "a pattern of the root")
    other = "sha256:" + "ab" * 32
    bad(text.replace(doc["image"]["digest"], other), other, doc["image"]["digest"], "--inherit")
    r = imports(d, path, "--for-digest", "sha256:zz")
    check(r.returncode == 2 and "is no digest" in r.stderr, "a digest that is none", r.stderr)
    bad("x" * (9 << 20), "more than 8388608 bytes")
    many = json.dumps(dict(doc, entries=[dict(doc["entries"][0], key="/many/%d" % i) for i in range(2500)]))
    bad(many, "limits.entries")
    now = d.json("baseline", "show", "stays")
    keep = lambda e: (e["dimension"], e["key"], e["executable"], e["candidate"])
    check([keep(e) for e in now["entries"]] == [keep(e) for e in before["entries"]], "the old state is kept", now)
    check([x["by"] for x in now["dimensions"]] == [x["by"] for x in before["dimensions"]], "and who activated it", now)
    r = imports(d, path, "--inherit", "--for-digest", other)
    check(r.returncode == 2, "both", r.stderr)
    check(d.tidemark("baseline", "import", path).returncode == 2, "without a reason")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(doc["image"]["digest"], other))
    answer = d.json("baseline", "import", path, "--reason", "the version before", "--inherit")
    check(answer["inherited"] and answer["digest"] == doc["image"]["digest"] and answer["document_digest"] == other, "inherited", answer)


def test_replace(lab):
    d, c = learned(lab, "swap")
    d.activate("swap")
    path = os.path.join(lab.dir, "swap.json")
    export(d, "swap", path)
    d.tidemark("baseline", "learn", "swap")
    c.sh("echo x > /opt/later")
    wait("more to be learned", lambda: any(k == "/opt/later" for _, k, _ in shown(d, "swap")))
    d.json("baseline", "import", path, "--reason", "merged")
    check(any(k == "/opt/later" for _, k, _ in shown(d, "swap")), "merging keeps what was learned", shown(d, "swap"))
    answer = d.json("baseline", "import", path, "--reason", "replaced", "--replace")
    check(int(answer["outcome"]["forgotten"][0]) > 0 and not any(k == "/opt/later" for _, k, _ in shown(d, "swap")), "replacing forgets it", answer, shown(d, "swap"))
    with sqlite3.connect("file:%s/engine/tidemark.db?mode=ro" % d.state, uri=True) as db:
        check(not any(b"/opt/later" in k for (k,) in db.execute("select key from piece")), "on the disk, too")
    c.sh("echo x > /opt/later")
    wait("it to be raised", lambda: d.findings("swap", every=True))


def test_without_a_document(lab):
    """What comes on the socket without one, or with another one, is refused."""
    import array
    import socket
    import tempfile
    d = lab.daemon()

    def ask(fds):
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.join(d.runtime, "admin.sock"))
        s.settimeout(10)
        line = b'{"cmd": "baseline.import", "file": "x", "reason": "y"}\n'
        s.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        data = b""
        try:
            while not data.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    break
                data += more
        except ConnectionResetError:
            pass
        return data.decode()

    check("no document came" in ask([]), "none")
    with tempfile.TemporaryFile(dir=lab.dir) as f, open("/dev/null", "rb") as null, open(d.log_path, "rb") as log:
        def held():
            """Descriptors of the two processes that are of what was passed."""
            n = 0
            for fd in glob.glob("/proc/%d/fd/*" % d.proc.pid) + glob.glob("/proc/%d/fd/*" % d.engine()):
                try:
                    n += os.readlink(fd) in (d.log_path, "/dev/null", "/proc/self/fd/0") or os.readlink(fd).startswith("pipe:")
                except OSError:
                    pass
            return n
        before = held()
        for _ in range(20):
            check("must be a file in memory" in ask([null.fileno()]), "a device")
            ask([log.fileno(), null.fileno(), f.fileno(), 0])
        a, b = os.pipe()
        check("must be a file in memory" in ask([a]), "a pipe")
        os.close(a), os.close(b)
        wait("no descriptor to be left behind", lambda: held() == before)


def test_approved_content(lab):
    """What is never learned silently, and was approved by its content on one host, is quiet on another: that content."""
    d, c = learned(lab, "vendor")
    c.sh("cp /bin/busybox /opt/agent; chmod 755 /opt/agent; /opt/agent true")

    def candidate():
        entries = d.json("baseline", "show", "vendor")["entries"]
        return next((e for e in entries if e["key"] == "/opt/agent [write-layer]" and e.get("sha256", True)), None)
    wait("the candidate", candidate)
    path = os.path.join(lab.dir, "vendor.json")

    def hashed():
        doc = json.loads(export(d, "vendor", path))
        return next((e for e in doc["candidates"] if e["key"] == "/opt/agent [write-layer]" and "sha256" in e), None)
    seen = wait("its content to be told", hashed)
    d.activate("vendor")
    items = [i for g in d.json("baseline", "review", "vendor")[0]["groups"] if g["key"] == "/opt/agent [write-layer]" for i in g["items"]]
    r = d.tidemark("baseline", "approve", "vendor", *items, "--reason", "the vendor's agent")
    check(r.returncode == 0, "approved", r.stdout, r.stderr)
    doc = json.loads(export(d, "vendor", path))
    e = next((e for e in doc["entries"] if e["key"] == "/opt/agent [write-layer]"), None)
    check(e and e["sha256"] == seen["sha256"] and e["approved"]["reason"] == "the vendor's agent", "known by its content", doc["entries"])
    with open(path, encoding="utf-8") as f:
        text = f.read()
    d.stop()
    c.remove()
    shutil.rmtree(c.ctl)
    d = lab.daemon()
    bare = os.path.join(lab.dir, "bare.json")
    with open(bare, "w", encoding="utf-8") as f:
        f.write(text.replace(', "sha256": "%s"' % seen["sha256"], ""))
    refused(d, imports(d, bare), "is never learned silently")
    check(imports(d, path).returncode == 0, "imported")
    c = lab.container("vendor")
    d.covered("vendor")
    w = d.watch()
    c.sh("cp /bin/busybox /opt/agent; chmod 755 /opt/agent; /opt/agent true")
    wait("it to have run", lambda: [e for e in w.events("exec") if e["program"] == "/opt/agent"])
    c.sh("echo '#!/bin/sh' > /opt/other; chmod 755 /opt/other; /opt/other")
    wait("something else to be found", lambda: [f for f in d.findings("vendor", every=True) if any(s["subject"] == "/opt/other" for s in f["signals"])])
    ran = [s for f in d.findings("vendor", every=True) for s in f["signals"] if s["kind"] == "process" and s["subject"] == "/opt/agent"]
    check(not ran, "the approved content is quiet", d.findings("vendor", every=True))
    c.sh("echo more >> /opt/agent; /opt/agent true")
    wait("another content", lambda: [f for f in d.findings("vendor", every=True) if any(s["kind"] == "process" and s["subject"] == "/opt/agent" for s in f["signals"])])
    w.stop()
