# SPDX-License-Identifier: GPL-2.0-or-later
"""A baseline as a file: exported from one host, read by people."""
import json
import os

from lab import check, wait


def learned(lab, name):
    """A container whose ways are known."""
    d = lab.daemon()
    c = lab.container(name)
    d.covered(name)
    c.sh("echo x > /opt/known; /bin/ls /opt")
    wait("it to be learned", lambda: d.workload(name)["dimensions"][0]["entries"] >= 1)
    return d, c


def export(d, name, path):
    r = d.tidemark("baseline", "export", name, "--output", path)
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
    r = d.tidemark("baseline", "export", "giver", "--output", os.path.join(lab.dir, "no", "such"))
    check(r.returncode == 4 and "No such file" in r.stderr, "where nothing can be written", r.stderr)
    check(d.tidemark("baseline", "export", "nobody").returncode == 4, "a workload that is not there")
    check(d.tidemark("baseline", "export").returncode == 2, "none named")
