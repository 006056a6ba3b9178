# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: every command, in data and for people, and its exit statuses."""
import json
import os

from lab import BUILD, TIDEMARK, check, run, wait


def with_finding(lab):
    d = lab.daemon()
    c = lab.container("queue")
    d.covered("queue")
    c.sh("cp /bin/busybox /opt/x; /opt/x true")
    wait("a finding", lambda: d.findings("queue"))
    return d, c


SHAPE = {"schema": str, "id": str, "host": str, "state": str, "confidence": int, "severity": str, "count": int, "first_seen": str, "last_seen": str,
         "suppressed": bool, "workload": dict, "containers": list, "signals": list, "lineage": list, "actor": dict, "prior_bits": float,
         "sum_bits": float, "factors": list, "story": list}


def test_shape(lab):
    """DESIGN section 6: add, never rename."""
    d, c = with_finding(lab)
    for f in d.findings():
        for key, kind in SHAPE.items():
            check(isinstance(f.get(key), kind), "%s is %s" % (key, kind.__name__), f.get(key))
        for key in ("verdict", "loss", "containment", "evidence", "provenance", "sbom", "admissions"):
            check(key in f, key + " is there", f)
        for key in ("name", "image", "digest", "class", "baseline_state"):
            check(key in f["workload"], "workload." + key, f["workload"])
        for s in f["signals"]:
            check(s["kind"] in ("file", "process", "network", "privilege"), "kind", s)
            for key in ("subject", "operation", "executable", "pid", "origin", "phase", "first_seen", "last_seen", "count"):
                check(key in s, "signal." + key, s)


def test_every_command(lab):
    d, c = with_finding(lab)
    fid = d.findings("queue")[0]["id"]
    commands = (["probe"], ["status"], ["findings"], ["findings", "--all"], ["findings", "--state", "open", "--workload", "queue"], ["show", fid],
                ["baseline", "list"], ["baseline", "show", "queue"])
    for argv in commands:
        r = d.tidemark(*argv)
        check(r.returncode == 0 and r.stdout.strip() and not r.stderr, "tidemark " + " ".join(argv), r.stdout, r.stderr)
        wide = [line for line in r.stdout.splitlines() if len(line) > 100]
        check(not wide, "fits 100 columns: " + " ".join(argv), wide)
        check("\033" not in r.stdout, "no colour but on a terminal", r.stdout)
        for place in range(len(argv) + 1):
            r = d.tidemark(*argv[:place], "--json", *argv[place:])
            check(r.returncode == 0 and json.loads(r.stdout) is not None, "--json at any place: " + " ".join(argv), r.stderr)
    page = d.tidemark("show", fid).stdout
    for word in ("queue", "localhost/work:1", "sha256:", "What happened", "Who did it", "Why it is here", "What it may be", "IF BENIGN", "The image", "What was seen, and what not",
                 "Next", "in sum"):
        check(word in page, "the page holds: " + word, page)


def test_probe(lab):
    r = run([TIDEMARK, "--json", "probe"])
    items = {i["facility"]: i for i in json.loads(r.stdout)}
    for name in ("proc connector", "fanotify", "fanotify filesystem mark", "fanotify open-exec", "fanotify names"):
        check(items[name]["available"] and items[name]["used"], name, items)


def test_exit_statuses(lab):
    d = lab.daemon()
    for argv, status, words in (
            (["findings", "--wat"], 2, "unknown option"), (["nonsense"], 2, "unknown command"), ([], 2, "Usage"), (["show"], 2, "takes one"),
            (["show", "F-99999"], None, "F-99999"), (["baseline"], 2, "list, show, learn"), (["baseline", "activate"], 2, "takes one workload"),
            (["baseline", "activate", "nobody"], None, "nobody"), (["replay", "/nonexistent"], 4, "No such file"), (["--help"], 0, ""), (["--version"], 0, "")):
        r = d.tidemark(*argv)
        check(r.returncode == status if status is not None else r.returncode in (2, 4), "status of tidemark " + " ".join(argv), str(r.returncode), r.stderr)
        check(words in r.stderr, "says why: " + " ".join(argv), r.stderr)
    r = run([TIDEMARK, "--runtime-dir", os.path.join(lab.dir, "nowhere"), "status"])
    check(r.returncode == 3 and "not running" in r.stderr and "nowhere/control.sock" in r.stderr, "no daemon", r.stderr)
    r = run([os.path.join(BUILD, "tidemarkd"), "--wat"])
    check(r.returncode == 2, "tidemarkd --wat", r.stderr)


def test_watch(lab):
    d = lab.daemon()
    w = d.watch()
    c = lab.container("seen")
    d.covered("seen")
    c.sh("cp /bin/busybox /opt/x; /opt/x true")
    wait("the start", lambda: w.events("container-start", c.id))
    wait("the program", lambda: any(e["program"] == "/opt/x" for e in w.events("exec", c.id)))
    wait("the finding", lambda: any("finding" in line for line in list(w.lines)))
    c.remove()
    wait("the stop", lambda: w.events("container-stop", c.id))
    w.stop()


def test_readers_and_changers(lab):
    """A member of the group reads and cannot change; another user can do neither."""
    d, c = with_finding(lab)
    os.chmod(lab.dir, 0o755)
    for group, may in (("tidemark", True), (None, False)):
        ids = ["--reuid=nobody", "--regid=nogroup"] + (["--groups=" + group] if group else ["--clear-groups"])
        r = run(["setpriv", *ids, TIDEMARK, "--runtime-dir", d.runtime, "--json", "findings"])
        check((r.returncode == 0) == may, "reading as %s" % (group or "nobody"), r.stderr)
        if not may:
            check("permission denied" in r.stderr and "group" in r.stderr, "says what is needed", r.stderr)
        r = run(["setpriv", *ids, TIDEMARK, "--runtime-dir", d.runtime, "baseline", "activate", "queue"])
        why = "only root may change something" if may else "permission denied"
        check(r.returncode == 4 and why in r.stderr, "changing as %s" % (group or "nobody"), r.stderr)
    check(d.workload("queue")["dimensions"][0]["state"] == "learning", "nothing was changed", d.workload("queue"))
