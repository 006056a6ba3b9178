# SPDX-License-Identifier: GPL-2.0-or-later
"""From events to the queue: learning, activation, scores in words, one finding for one cause."""
from lab import check, wait


def ready(lab, name):
    d = lab.daemon()
    c = lab.container(name)
    d.covered(name)
    return d, c


def drop(c, path="/opt/upd"):
    c.sh("cp /bin/busybox %s; chmod 755 %s; %s true" % (path, path, path))


def both(d, name):
    return [f for f in d.findings(name) if {"file", "process"} <= {s["kind"] for s in f["signals"]}]


def test_drop_and_run(lab):
    d, c = ready(lab, "shop")
    c.sh("/bin/sleep 0.01")
    wait("something to be learned", lambda: d.workload("shop")["dimensions"][1]["entries"] >= 2)
    d.activate("shop")
    drop(c)
    f = wait("the finding", lambda: both(d, "shop"))
    check(len(d.findings("shop")) == 1, "one finding", d.findings("shop"))
    f = f[0]
    check(f["confidence"] >= 95 and f["severity"] == "high" and f["state"] == "open", "worth waking somebody", f)
    check(abs(f["prior_bits"] + sum(x["bits"] for x in f["factors"]) - f["sum_bits"]) < 1e-9, "prior and factors make the sum", f["factors"])
    check(all(x["text"] for x in f["factors"]) and len(f["story"]) >= 2, "in words", f)
    check(f["workload"]["name"] == "shop" and f["workload"]["baseline_state"] == "active" and f["workload"]["digest"].startswith("sha256:"), "workload", f["workload"])
    check(f["containers"][0]["id"] == c.id and f["lineage"] and f["actor"]["uid"] == 0, "who", f)
    for _ in range(20):
        drop(c)
    f = wait("the count to grow", lambda: next((x for x in both(d, "shop") if x["count"] >= 60), None))
    check(len(d.findings("shop")) == 1, "still one", d.findings("shop"))


def test_replicas_are_one_workload(lab):
    """The same image under the same label of an orchestrator: what both do is one finding with two containers."""
    d = lab.daemon()
    labels = ["--label", "com.docker.compose.project=p", "--label", "com.docker.compose.service=api"]
    a, b = lab.container("p_api_1", *labels), lab.container("p_api_2", *labels)
    d.covered("p_api_1"), d.covered("p_api_2")
    d.activate("p/api")
    drop(a)
    wait("the finding", lambda: both(d, "p/api"))
    drop(b)
    f = wait("both containers", lambda: next((x for x in both(d, "p/api") if len(x["containers"]) == 2), None))
    check(len(d.findings("p/api")) == 1, "one finding", f)


def test_learning(lab):
    d, c = ready(lab, "pupil")
    c.sh("echo x > /opt/data; /bin/ls /opt")
    wait("it to be learned", lambda: d.workload("pupil")["dimensions"][0]["entries"] >= 1)
    check(not d.findings("pupil", every=True), "nothing is raised while learning", d.findings("pupil", every=True))
    entries = d.json("baseline", "show", "pupil")["entries"]
    check(any(e["key"] == "/opt/data" and e["dimension"] == "file" for e in entries), "the entry", entries)
    d.activate("pupil")
    check(all(x["state"] == "active" and "operator" in x["by"] for x in d.workload("pupil")["dimensions"] if x["state"] != "off"), "active", d.workload("pupil"))
    c.sh("echo y > /opt/data; /bin/ls /opt")
    c.sh("echo z > /etc/one.conf")
    wait("a deviation", lambda: d.findings("pupil", every=True))
    check(all(s["subject"] != "/opt/data" for f in d.findings("pupil", every=True) for s in f["signals"]), "what is known is not raised", d.findings("pupil", every=True))
    check(d.tidemark("baseline", "learn", "pupil").returncode == 0, "baseline learn")
    check(d.workload("pupil")["dimensions"][0]["state"] == "learning", "learning again", d.workload("pupil"))


def test_sessions_teach_nothing(lab):
    d, c = ready(lab, "guest")
    w = d.watch()
    c.exec("/bin/sh", "-c", "echo x > /opt/by-hand; /bin/date")
    w.file("/opt/by-hand", "write")
    check(all(e["key"] != "/opt/by-hand" for e in d.json("baseline", "show", "guest")["entries"]), "not learned", d.json("baseline", "show", "guest"))
    w.stop()


def test_never_silent_while_learning(lab):
    d, c = ready(lab, "poisoned")
    drop(c)
    f = wait("the finding, although it learns", lambda: both(d, "poisoned"))
    check(f[0]["workload"]["baseline_state"] == "learning" and f[0]["confidence"] >= 95, "learning, and worth waking somebody", f)
    c.sh("cp /bin/busybox /opt/su; chmod 4755 /opt/su")
    wait("the setuid file", lambda: [x for x in d.findings("poisoned") if any(y["name"] == "setuid_file" for y in x["factors"])])
    entries = d.json("baseline", "show", "poisoned")["entries"]
    check(all(e["candidate"] for e in entries if "/opt/upd [write-layer]" in e["key"]), "a candidate, not a part of the baseline", entries)


def test_dimension_and_dry_run(lab):
    d, c = ready(lab, "half")
    r = d.tidemark("--json", "baseline", "activate", "half", "--dry-run")
    check(r.returncode == 0 and "half@sha256:" in r.stdout, "says what it resolved to", r.stdout, r.stderr)
    check(d.workload("half")["dimensions"][0]["state"] == "learning", "and changes nothing")
    check(d.tidemark("baseline", "activate", "half", "--dimension", "file").returncode == 0, "one dimension")
    states = {x["dimension"]: x["state"] for x in d.workload("half")["dimensions"]}
    check(states["file"] == "active" and states["process"] == "learning", "only that one", states)


def test_first_sight(lab):
    c = lab.container("old")
    c.sh("echo x > /opt/data; cp /bin/busybox /opt/sleep; chmod 755 /opt/sleep; rm /etc/one.conf; (/opt/sleep 1000 &)")
    d = lab.daemon()
    f = wait("the item", lambda: [x for x in d.findings("old") if x["type"] == "first-sight"])
    check(len(f) == 1, "one item per workload", f)
    f = f[0]
    check(f["inventory"]["executables"] == 1 and f["inventory"]["running"] == 1, "counts", f["inventory"])
    check("/opt/sleep" in f["inventory"]["executable_names"], "executables by name", f["inventory"])
    check(any(s["subject"] == "/opt/sleep" and s["kind"] == "process" for s in f["signals"]), "what runs from the write layer", f["signals"])
    check(f["confidence"] >= 90, "a running program that the image lacks is serious", f)
    check(d.workload("old")["dimensions"][0]["entries"] == 0, "nothing of it was learned", d.workload("old"))
    d.stop()
    d = lab.daemon(state=d.state)
    d.covered("old")
    check(len([x for x in d.findings("old") if x["type"] == "first-sight"]) == 1, "once, not at each start", d.findings("old"))
