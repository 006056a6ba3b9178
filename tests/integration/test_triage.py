# SPDX-License-Identifier: GPL-2.0-or-later
"""Triage: the page for somebody who was just woken, verdicts by the criteria of a playbook, and its review."""
import os

from lab import DAEMON, check, run, wait

BOOK = """version = "2026-11";
owner = "platform security";
review = "%s";
criteria = (
  { name = "brought in"; verdict = "malicious"; text = "a program of somebody's own"; any = [ "ran_write_layer" ]; },
  { name = "debugger"; verdict = "unsure"; text = "ask"; factors = [ "ptrace" ]; }
);
"""


def book(lab, name, review):
    path = os.path.join(lab.dir, name)
    with open(path, "w") as f:
        f.write(BOOK % review)
    return path


def test_triage(lab):
    d = lab.daemon(config='playbook: { file = "%s"; };\n' % book(lab, "book.conf", "2099-12-31"))
    c = lab.container("queue")
    d.covered("queue")
    c.sh("cp /bin/busybox /opt/x; /opt/x true")
    f = wait("a finding", lambda: d.findings("queue"))[0]

    page = d.tidemark("show", f["id"]).stdout
    for words in ("What it may be", "IF BENIGN", "IF MALICIOUS", "An intruder made the workload", "playbook 2026-11, \"brought in\" (malicious)",
                  "The image", "What was seen, and what not", "was watched by", "tidemark evidence capture " + f["id"],
                  "tidemark contain isolate " + f["id"], "tidemark triage " + f["id"]):
        check(words in page, "the page holds: " + words, page)
    check(not [line for line in page.splitlines() if len(line) > 100], "the page fits 100 columns", page)
    shown = d.json("show", f["id"])
    check([x["name"] for x in shown["criteria"]] == ["brought in"], "the criteria that fit", shown["criteria"])
    check(any("/opt/x" in t for t in shown["explanations"]["malicious"]["facts"]), "an explanation rests on facts", shown["explanations"])
    check(shown["watched"][0]["state"] == "running", "how it was watched", shown["watched"])

    r = d.tidemark("triage", f["id"], "F-999", "--verdict", "malicious", "--note", "a test's own")
    check(r.returncode == 4 and "F-999" in r.stderr, "one that is not there keeps the other not back", r.stdout, r.stderr)
    shown = d.json("show", f["id"])
    check(shown["verdict"] == "malicious" and shown["criteria_version"] == "2026-11" and shown["state"] == "triaged", "the version is kept", shown)
    check("by playbook 2026-11" in d.tidemark("show", f["id"]).stdout, "and shown")
    check(d.tidemark("triage", f["id"], "--close").returncode == 0, "closed")
    check(d.tidemark("triage", f["id"], "--reopen", "--note", "not over").returncode == 0, "opened again")
    check(d.json("show", f["id"])["criteria_version"] == "2026-11", "it stays over closing and opening")

    status = d.json("status")["playbook"]
    check(status["version"] == "2026-11" and status["days"] > 20000, "status says when the review is due", status)
    check("its review is due on 2099-12-31" in d.tidemark("status").stdout, "in words")
    q = d.json("report", "--quarter", "now", "--state-dir", d.state)
    new = {x["option"]: x["new"] for r in q["revisions"] for x in r["changes"]}
    check(new["playbook.version"] == "2026-11" and "ran_write_layer" in new["playbook.criteria[brought in]"], "revisions by the trail", q["revisions"])
    hits = {x["name"]: x["findings"] for x in q["criteria"]}
    check(hits["brought in"] >= 1 and hits["debugger"] == 0, "criteria hit", q["criteria"])
    check(q["judged_by"][0]["version"] == "2026-11", "revisions", q["judged_by"])
    text = d.tidemark("report", "--quarter", "now", "--state-dir", d.state).stdout
    check("Playbook version 2026-11" in text and "version is new: 2026-11" in text, "for people", text)
    check(not [line for line in text.splitlines() if len(line) > 100], "fits 100 columns", text)
    check(d.tidemark("report", "--quarter", "2026Q9", "--state-dir", d.state).returncode == 2, "no such quarter")
    check(d.json("report", "--quarter", "now", "--state-dir", d.state + "-none")["revisions"] is None, "no trail: nothing is claimed")


def test_playbook_mistakes(lab):
    """Named with file and line, by --check-config and at the start; the one beside the configuration is found."""
    config = os.path.join(lab.dir, "tidemark.conf")
    with open(config, "w") as f:
        f.write("queue: { show = 50; };\n")
    with open(os.path.join(lab.dir, "playbook.conf"), "w") as f:
        f.write((BOOK % "2027-02-30").replace("ran_write_layer", "ran_write_lair"))
    r = run([DAEMON, "--check-config", "--config", config])
    check(r.returncode == 1, "--check-config finds it", r.returncode, r.stderr)
    check("playbook.conf:3: review is \"2027-02-30\"" in r.stderr, "the date's line", r.stderr)
    check("playbook.conf:5: there is no factor \"ran_write_lair\"" in r.stderr, "the factor's line", r.stderr)
