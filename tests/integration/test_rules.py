# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on real containers: what is allowed is quiet and counted, what is suppressed is listed and broken through, and
nothing wide hides what is never learned silently."""
import json
import time

from lab import check, wait


def ready(lab, name, config=None):
    d = lab.daemon(config=config)
    c = lab.container(name)
    d.covered(name)
    d.activate(name)
    return d, c


def rule(d, *argv, code=0):
    r = d.tidemark("--json", *argv)
    check(r.returncode == code, "tidemark " + " ".join(argv), r.stdout, r.stderr)
    return json.loads(r.stdout) if code == 0 else r.stderr


def added(answer):
    return answer["outcome"]["rule"][0]


def rules(d, kind, every=False):
    return {r["id"]: r for r in d.json(kind, "list", *(["--all"] if every else []))}


def subjects(findings):
    return [s["subject"] for f in findings for s in f["signals"]]


def test_allow_by_path(lab):
    d, c = ready(lab, "keeper")
    w = d.watch()
    tried = rule(d, "allow", "add", "--workload", "keeper", "--path", "/opt/spool/**", "--reason", "its spool", "--dry-run")
    check(added(tried) == "R-1" and not rules(d, "allow"), "a dry run says all and changes nothing", tried)
    r1 = added(rule(d, "allow", "add", "--workload", "keeper", "--path", "/opt/spool/**", "--reason", "its spool"))
    c.sh("mkdir -p /opt/spool/a; echo x > /opt/spool/a/one; echo y > /opt/other")
    wait("the deviation beside it", lambda: "/opt/other" in subjects(d.findings("keeper", every=True)))
    wait("the rule's count", lambda: rules(d, "allow")[r1]["hidden"] >= 1)
    check(not any(s.startswith("/opt/spool/") for s in subjects(d.findings("keeper", every=True))), "nothing of the spool", d.findings("keeper", every=True))
    e = w.file("/opt/spool/a/one", "write")
    check(e["verdict"] == "allowed by " + r1, "watch names the rule", e)
    check(all("/opt/spool/" not in x["key"] for x in d.json("baseline", "show", "keeper")["entries"]), "not learned", d.json("baseline", "show", "keeper"))
    # A wide one hides no program that is written and run.
    c.sh("cp /bin/busybox /opt/spool/a/upd; chmod 755 /opt/spool/a/upd; /opt/spool/a/upd true")
    f = wait("what was written and run", lambda: next((f for f in d.findings("keeper") if "/opt/spool/a/upd" in subjects([f]) and f["confidence"] >= 95), None))
    check({"file", "process"} <= {s["kind"] for s in f["signals"]}, "both signals", f)
    text = d.tidemark("allow", "list").stdout
    check(all(len(line) <= 100 for line in text.splitlines()) and "its spool" in text, "allow list in 100 columns", text)
    rule(d, "allow", "remove", r1)
    c.sh("echo z > /opt/spool/late")
    wait("it to be raised again", lambda: "/opt/spool/late" in subjects(d.findings("keeper", every=True)))
    check(rules(d, "allow", every=True)[r1]["state"] == "removed", "listed as removed", rules(d, "allow", every=True))
    w.stop()

