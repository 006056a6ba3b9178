# SPDX-License-Identifier: GPL-2.0-or-later
"""Evidence: taken of a running attack, and what becomes of it."""
import hashlib
import json
import os
import stat

from lab import check, run, wait


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
    check(text["why"] == "handed over" and text["facts"]["sha256"] == facts["sha256"] and record.get("finding", "F-12") == "F-12" and record["uid"] == 0, "in the trail", record)
    # Too old.
    check(d.stop() == 0, "ended")
    d = lab.daemon(state=d.state, config='evidence: { keep_age = "1d"; };')
    noted(d, "evidence-removed", "keep_age")
    check(not os.path.exists(os.path.join(place(d), TORN)), "gone")
    s = wait("status to say so", lambda: (lambda e: e if e["known"] and e["removed"] == 1 else None)(d.json("status")["evidence"]))
    check(s["pieces"] == 0 and s["problem"] is None, "status", s)
