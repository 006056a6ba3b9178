# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents of the supply chain: imported, verified offline, shown; each way of being wrong is told apart."""
import hashlib
import json
import os

from lab import SANITIZED, check, wait
from supplychain import (Key, Peak, bundle, cyclonedx, envelope, large, line, memory, pae, pod_event, signed, slsa02, slsa1, spdx, standard, statement, url_safe, write)


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def imported(d, path, *more):
    return d.json("record", "import", path, *more)[0]


def trail(d):
    with open(os.path.join(d.state, "trail", "trail.jsonl"), encoding="utf-8") as f:
        return [json.loads(x) for x in f if x.endswith("\n")]


def one(d, path, *more):
    answer = imported(d, path, *more)
    check(len(answer["records"]) == 1 and not answer["refused"], "one record", answer)
    return answer["records"][0]


def said(d, of, lists=False):
    return d.json("record", "show", of, *(["--packages"] if lists else []))


def refused(d, path, words, *more):
    r = d.tidemark("record", "import", path, *more)
    check(r.returncode == 4 and all(w in " ".join(r.stderr.split()) for w in words), "refused, saying: %s" % (words,), r.stdout, r.stderr)


def test_record_signatures(lab):
    keys = os.path.join(lab.dir, "keys")
    os.mkdir(keys)
    ours, other, p384, rsa = Key(keys, "release"), Key(lab.dir, "stranger"), Key(keys, "p384", "secp384r1"), Key(keys, "rsa", "rsa")
    d = lab.daemon(config='records: { keys: ["%s"]; };' % keys)
    at = lambda name: os.path.join(lab.dir, name)
    body = slsa1(digest("a"))
    good = ours.sign(pae(body))
    flipped = bytes([*good[:-1], good[-1] ^ 1])
    cases = [
        ("verified", signed(ours, body), "verified", "release.pem"),
        ("of P-384", signed(p384, body), "verified", "p384.pem"),
        ("P-384 with its own hash", envelope(body, (p384.sign(pae(body), "-sha384"), "")), "verified", "p384.pem"),
        ("of RSA", signed(rsa, body), "verified", "rsa.pem"),
        ("of RSA, PSS", envelope(body, (rsa.sign(pae(body), "-sigopt", "rsa_padding_mode:pss"), "")), "verified", "rsa.pem"),
        ("URL-safe base64", signed(ours, body, encode=url_safe), "verified", "release.pem"),
        ("a bundle", bundle(signed(ours, body), ours), "verified", "release.pem"),
        ("two signatures, one fits", envelope(body, (other.sign(pae(body)), "x"), (good, "")), "verified", "release.pem"),
        ("another's id, ours all the same", envelope(body, (good, "somebody")), "verified", "release.pem"),
        ("unsigned", envelope(body), "unsigned", "no signature"),
        ("flipped", envelope(body, (flipped, ours.id)), "bad", "release.pem"),
        ("flipped in a bundle", bundle(envelope(body, (flipped, "")), ours), "bad", "release.pem"),
        ("changed afterwards", {**signed(ours, body, keyid="release"), "payload": standard(slsa1(digest("a"), "https://evil.example"))}, "bad", "release.pem"),
        ("without PAE", envelope(body, (ours.sign(body), "")), "bad", "PAE"),
        ("PAE of another type", envelope(body, (ours.sign(pae(body, "application/json")), ours.id)), "bad", "does not fit"),
        ("no base64", {**envelope(body), "signatures": [{"sig": "!!"}]}, "bad", "base64"),
        ("another's key", signed(other, body), "unknown-key", "none of the 3 keys"),
        ("another's key by its id", signed(other, body, keyid=other.id), "unknown-key", "none of the 3 keys"),
    ]
    for n, (what, document, state, words) in enumerate(cases):
        k = one(d, write(at("doc.json"), document))
        check(k["signature"] == state and words in (k["key"] or k["why_not"]), what, k)
        check(k["digest"] == digest("a") and k["named_by"] == "subject" and k["kind"] == "provenance", what, k)
        if SANITIZED and n % 4:
            continue
        r = d.tidemark("record", "verify", at("doc.json"), "--key", keys)
        check(r.returncode == (0 if state == "verified" else 1), what + ": offline", r.stdout, r.stderr)
    shown = said(d, digest("a"))["provenance"]
    check(len(shown) == 2, "of the same bytes one is kept, and the changed one", shown)
    k = one(d, write(at("doc.json"), signed(ours, body)))
    check(k["builder"] == "https://ci.example/builder@v1" and k["repository"] == "https://git.example/team/app" and k["commit"].startswith("0123") and k["began"][:19] == "2026-03-01T10:00:00" and k["ended"][:21] == "2026-03-01T10:05:30.5" and k["build_type"].endswith("workflow/v1"), "what it says", k)
    k = one(d, write(at("old.json"), signed(rsa, slsa02(digest("a")))))
    check(k["builder"] == "https://ci.example/old" and k["repository"] == "git+https://git.example/team/old" and k["commit"].startswith("89ab") and k["format"] == "SLSA 0.2", "SLSA 0.2", k)
    refused(d, write(at("doc.json"), signed(ours, b"hello", kind="text/plain")), ["wrong payload type", "text/plain"])
    refused(d, write(at("doc.json"), signed(ours, json.dumps({"a": 1}).encode())), ["neither an in-toto statement"])
    refused(d, write(at("doc.json"), signed(ours, b'{"_type":' + b"[" * 10000)), ["nested deeper"])
    refused(d, write(at("doc.json"), signed(ours, statement(digest("a"), "https://slsa.dev/verification_summary/v1", {}))), ["nothing is known of predicates"])
    lines = imported(d, write(at("lines.json"), signed(ours, slsa1(digest("b"))), envelope(slsa1(digest("c"))), signed(ours, b"{}", kind="x")))
    check([k["signature"] for k in lines["records"]] == ["verified", "unsigned"] and "wrong payload type" in lines["refused"][0]["why"], "several in one file", lines)
    k = one(d, write(at("doc.json"), signed(ours, body)), "--image", digest("z"))
    check(k["elsewhere"] and "another image" in k["words"], "wrong digest: kept, and said", k)
    for image, status in ((digest("a"), 0), (digest("z"), 1)):
        r = d.tidemark("record", "verify", at("doc.json"), "--key", ours.public, "--image", image)
        check(r.returncode == status and ("WRONG DIGEST" in r.stdout) == bool(status), "of that image", r.stdout, r.stderr)
    text = d.tidemark("record", "show", digest("a")).stdout
    check("verified, by" in text and "no SBOM was imported" in text and "Never seen on this host" in text and all(len(x) <= 100 for x in text.splitlines()), "for people", text)
    check(any(t["kind"] == "asked" and t["source"] == "operator" and "record.import" in json.dumps(t) for t in trail(d)), "asked is in the trail", trail(d)[-3:])
    s = d.json("status")["record_worker"]
    check(s["keys"] == 3 and s["verified"] >= 11 and s["bad"] >= 6 and s["unknown-key"] >= 2 and s["failed"] >= 4, "counted", s)


def test_record_boms(lab):
    d = lab.daemon()
    at = lambda name: os.path.join(lab.dir, name)
    h = hashlib.sha256(b"x").hexdigest()
    files = [("/bin/busybox", h), ("/etc/passwd", h)]
    for make, form in ((cyclonedx, "CycloneDX 1.5"), (spdx, "SPDX 2.3")):
        k = one(d, write(at("b.json"), make(digest(form), files)))
        check(k["kind"] == "sbom" and k["format"] == form and k["tool"].startswith("syft") and k["packages"] == 1 and k["files"] == 2 and k["signature"] == "unsigned" and k["named_by"] == "component", form, k)
        shown = said(d, digest(form), lists=True)
        check(shown["package_list"] == [{"database": "apk", "name": "busybox", "version": "1.36"}], "packages", shown)
        check([(f["path"], f["sha256"]) for f in shown["file_list"]] == files, "files", shown)
        check(shown["file_list"][0]["package"] == (0 if make is spdx else None), "whose they are, where it is said", shown)
        check(shown["missing"] == ["no provenance was imported", "no admission was imported"], "what is not there", shown)
        refused(d, write(at("b.json"), make(None, files)), ["names no image", "--image"])
        k = one(d, write(at("b.json"), make(None, files)), "--image", digest("by hand"), "--dry-run")
        check(k["named_by"] == "operator" and k["digest"] == digest("by hand"), "by the operator's word", k)
        k = one(d, write(at("b.json"), envelope(statement(digest("signed"), "https://cyclonedx.org/bom" if make is cyclonedx else "https://spdx.dev/Document", make(None, files)))))
        check(k["digest"] == digest("signed") and k["packages"] == 1 and k["files"] == 2, "as a predicate", k)
    check(d.tidemark("record", "show", digest("by hand")).stdout.startswith(digest("by hand")) and not said(d, digest("by hand"))["sbom"], "a dry run keeps nothing")
    many = os.path.join(lab.dir, "many")
    os.makedirs(os.path.join(many, "deeper"))
    write(os.path.join(many, "1.json"), cyclonedx(digest("one"), files))
    write(os.path.join(many, "2.json"), "{")
    write(os.path.join(many, "3.json"), spdx(digest("three"), files))
    r = d.tidemark("--json", "record", "import", many)
    check(r.returncode == 4 and "2.json" in r.stderr and [a["file"] for a in json.loads(r.stdout)] == ["1.json", "3.json"], "a directory: what is wrong with one holds up no other", r.stdout, r.stderr)
    good = json.dumps(cyclonedx(digest("q"), files))
    for what, text, words in (("truncated", good[:-20], "in the midst"), ("empty", "", "holds nothing"), ("names twice", good.replace('"bomFormat"', '"specVersion": "1.5", "bomFormat"'), "twice"), ("no UTF-8", good.replace("busybox", "\udcff"), "no UTF-8"),
                              ("depth", '{"bomFormat":"CycloneDX","x":' + "[" * 10000, "nested deeper"), ("version", good.replace('"1.5"', '"1.3"'), "1.4 to 1.6"), ("nothing known", '{"a": 1}', "neither a DSSE envelope"), ("no JSON", "hello", "an object was expected")):
        with open(at("bad.json"), "w", encoding="utf-8", errors="surrogateescape") as f:
            f.write(text)
        refused(d, at("bad.json"), [words])
        check(d.tidemark("record", "verify", at("bad.json")).returncode in (1, 4), what)
    twice = json.loads(good)
    twice["components"].append({"type": "file", "name": "/big", "x": "y" * (2 << 20)})
    text = json.dumps(twice).replace('{"type": "file", "name": "/etc/passwd"', '{"type": "file", "type": "file", "name": "/etc/passwd"')
    k = one(d, write(at("b.json"), text))
    check(k["files"] == 1 and k["left_out"] == 2, "an entry that is too large, one with a name twice: counted", k)
    document = k["document"]
    check(d.json("record", "remove", document[:12], "--dry-run")["dry_run"] and said(d, digest("q"))["sbom"], "to be removed")
    check(d.tidemark("record", "remove", document[:11]).returncode == 2, "too little of its name")
    d.json("record", "remove", document)
    check(not said(d, digest("q"))["sbom"] and document not in json.dumps(d.json("record", "list")), "removed")


def test_record_seen(lab):
    """Admissions, what this host saw itself, the directory, and all of it after a restart."""
    drop = os.path.join(lab.dir, "drop")
    os.mkdir(drop, 0o755)
    d = lab.daemon(config='records: { drop: "%s"; };' % drop)
    lab.container("ran")
    c = wait("its digests", lambda: next((c for c in d.json("status")["containers"] if c["name"] == "ran" and c["manifest_digest"]), None))
    config, manifest = c["config_digest"], c["manifest_digest"]
    at = lambda name: os.path.join(lab.dir, name)
    answer = imported(d, write(at("audit"), pod_event("r.example/app@" + manifest), pod_event("r.example/app@" + manifest, code=403, name="web-2"), pod_event("r.example/app:1"), pod_event("x", verb="get"), pod_event("x", stage="RequestReceived")))
    check(len(answer["records"]) == 2 and answer["lines_without_digest"] == 1 and answer["lines_passed"] == 2, "audit events", answer)
    answer = imported(d, write(at("lines"), line(config), line(config, "denied", reason="no ticket"), {"decision": "perhaps"}))
    check(len(answer["records"]) == 2 and answer["lines_refused"] == 1, "lines", answer)
    answer = imported(d, write(at("gate.jsonl"), *[line(digest("many"), by="gate-%d %s" % (i, "x" * 200), reason="y" * 200) for i in range(300)]))
    check(0 < len(answer["records"]) < 300 and len(answer["records"]) + answer["more"] == 300 and answer["admissions"] == 300, "more than an answer holds: it is an answer all the same", len(answer["records"]), answer["more"])
    with open(os.path.join(drop, ".half"), "w", encoding="utf-8") as f:
        f.write(json.dumps(cyclonedx(manifest)))
    os.rename(os.path.join(drop, ".half"), os.path.join(drop, "app.cdx.json"))
    write(os.path.join(drop, "bad.json"), "{")
    wait("what was put there", lambda: said(d, "ran")["sbom"])
    wait("them to be put aside", lambda: os.path.exists(os.path.join(drop, "imported", "app.cdx.json")) and os.path.exists(os.path.join(drop, "refused", "bad.json")))
    own = [(t["kind"], t["source"]) for t in trail(d) if "app.cdx.json" in json.dumps(t)]
    check(("asked", "agent") in own and any(k == "outcome" for k, _ in own), "both are in the trail, as the agent's own", own)
    write(os.path.join(drop, "later.json"), line(config, by="later"))
    wait("a later one", lambda: len(said(d, config)["admissions"]) == 5)
    d.stop()
    write(os.path.join(drop, "asleep.json"), line(config, by="asleep"))
    d = lab.daemon(config='records: { drop: "%s"; };' % drop, state=d.state)
    wait("what was put there meanwhile", lambda: len(said(d, config)["admissions"]) == 6)
    for of in ("ran", config, manifest, manifest[7:15]):
        shown = said(d, of)
        check({x["digest"]: x["of"] for x in shown["digests"]} == {config: "config", manifest: "manifest"}, "both digests, and what each is", shown)
        check(shown["first_seen"] and [x["name"] for x in shown["containers"]] == ["ran"] and len(shown["admissions"]) == 6 and len(shown["sbom"]) == 1, "what is known of it", shown)
    by = {(a["by"], a["decision"], a["format"]) for a in said(d, "ran")["admissions"]}
    check(("alice", "refused", "line") in by and ("system:serviceaccount:argocd:deployer", "refused", "Kubernetes audit") in by, "who decided what", list(by))
    text = d.tidemark("record", "show", "ran").stdout
    check("First seen on this host" in text and "no provenance was imported" in text and "no ticket" in text, "for people", text)
    listed = d.tidemark("record", "list").stdout
    check("sbom" in listed and "yes" in listed and all(len(x) <= 100 for x in listed.splitlines()), "the list", listed)


def test_record_large(lab):
    """Neither the worker's nor the engine's memory grows with the document."""
    d = lab.daemon()
    path, size = os.path.join(lab.dir, "large.json"), (4 if SANITIZED else 24) << 20
    d.json("record", "import", write(os.path.join(lab.dir, "small.json"), cyclonedx(digest("small"))))
    before = memory(d.engine())
    for form in ("cyclonedx", "spdx"):
        n = large(path, form, size, digest(form))
        peak = Peak(d.engine())
        try:
            k = one(d, path)
        finally:
            kib = peak.stop()
        check(k["files"] == min(n, 50000) and k["left_out"] == n - k["files"], form, k)
        check(kib > 0 and (SANITIZED or kib < 64 << 10), "the worker's memory, %d KiB" % kib)
    check(SANITIZED or memory(d.engine()) - before < 64 << 10, "the engine's memory, from %d KiB to %d" % (before, memory(d.engine())))
