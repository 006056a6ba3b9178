# SPDX-License-Identifier: GPL-2.0-or-later
"""tidemark report --audit: what an auditor reads, from the trail of a host on which something happened."""
import json

from lab import check, wait
from test_audit import audit_on, auditd

NEEDS = ("auditctl", "auditd")

SECTIONS = ("1. The records", "2. What was watched", "3. What was not watched", "4. Findings", "5. Exceptions", "6. Acts",
            "7. Changes of the agent's configuration", "8. Attempts", "9. Controls")


def report(d, a, *argv):
    return d.tidemark("report", "--audit", "1d", "now", "--state-dir", d.state, "--audit-log", a.log, *argv)


def of(d, a):
    r = report(d, a, "--json")
    check(r.returncode == 0, "report", r.stdout, r.stderr)
    return json.loads(r.stdout)


def records(d, numbers):
    with open(d.state + "/trail/trail.jsonl") as f:
        by = {r["n"]: r for r in map(json.loads, f)}
    return [by[n]["kind"] for n in numbers]


def test_a_period(lab):
    with audit_on(), auditd(lab) as a:
        d = lab.daemon(config="files: { walk_entries = 150000; };\n")
        c = lab.container("audited")
        d.covered("audited")
        d.activate("audited")
        c.sh("cp /bin/busybox /tmp/dropped; /tmp/dropped true")
        f = d.both("audited")
        check(d.tidemark("triage", f["id"], "--verdict", "misconfigured", "--note", "a build in the wrong place", "--close").returncode == 0, "triage")
        check(d.tidemark("suppress", "add", "--path", "/tmp/*", "--until", "7d", "--reason", "until it is mended").returncode == 0, "suppress")
        check(d.tidemark("allow", "add", "--path", "/tmp/*").returncode != 0, "an exception without a reason")
        o = wait("the container's coverage", lambda: (lambda o: o["trail"]["checkpoints"] and [w for w in o["coverage"]["workloads"] if w["workload"] == "audited"] and o)(of(d, a)))
        mine = next(x for x in o["findings"]["list"] if x["id"] == f["id"])
        check(mine["verdict"] == "misconfigured" and mine["decided_by"]["uid"] == 0 and 0 <= mine["hours_to_decision"] < 1 and mine["note"].startswith("a build")
              and mine["closed"] and mine["subject"] == "/tmp/dropped", "the finding, who decided, and when", mine)
        check(o["exceptions"]["list"][0]["reason"] == "until it is mended" and o["exceptions"]["list"][0]["outcome"] == "done" and o["rules_now"], "exceptions", o["exceptions"])
        check(o["approvals"]["list"][0]["command"] == "baseline.activate", "approvals", o["approvals"])
        check(any(x["option"] == "files.walk_entries" and x["new"] == "150000" for x in o["configuration"]["list"]), "configuration", o["configuration"])
        check(o["trail"]["verifies"] and o["coverage"]["total"]["hours"] > 0, "trail and coverage", o["trail"], o["coverage"])
        by = {(x["control"], x["shown_by"]): x for x in o["controls"]}
        ran = by[("4.4", "findings of programs that ran")]
        check(ran["records"] >= 1 and set(records(d, ran["first"])) == {"finding"}, "a control has its records", ran)
        none = by[("4.4", "findings of connections")]
        check(none["records"] == 0 and none["says"] == "no record: not shown by this trail", "or says that it has none", none)
        text = report(d, a).stdout
        check(all(s in text for s in SECTIONS) and all(len(x) <= 100 for x in text.splitlines()), "for people",
              [x for x in text.splitlines() if len(x) > 100], text)
        check("The trail verifies" in text and "From outside it is vouched for by" in text and "no record: not shown by this trail" in text and f["id"] in text, "said", text)
        check(report(d, a, "--weeks", "3").returncode == 2 and d.tidemark("report", "--audit", "now", "1d").returncode == 2, "wrong words")
        # A second life, with what lies between; and a record that somebody has changed.
        d.stop()
        again = lab.daemon(state=d.state)
        o = of(again, a)
        check(len(o["gaps"]["list"]) == 1 and any(x["option"] == "files.walk_entries" for x in o["configuration"]["list"][1:]), "gap and change", o["gaps"], o["configuration"])
        again.stop()
        path = again.state + "/trail/trail.jsonl"
        lines = open(path).read().splitlines(True)
        k = next(i for i, x in enumerate(lines) if "misconfigured" in x and '"asked"' in x)
        lines[k] = lines[k].replace("misconfigured", "benign")
        with open(path, "w") as out:
            out.writelines(lines)
        r = report(again, a)
        check(r.returncode == 1 and "THE TRAIL DOES NOT VERIFY" in r.stdout and "prove nothing" in r.stdout, "it is not believed", r.stdout)
