# SPDX-License-Identifier: GPL-2.0-or-later
"""The trail: what stands in it, that every kind of tampering is found, and what is done when it cannot be written."""
import json
import os
import pwd
import grp
import hashlib
import shutil
import signal
import subprocess
import time

from lab import TIDEMARK, check, run, wait
from test_audit import audit_on, auditd

NEEDS = ("auditctl", "auditd")


def records(d, kind=None, container=None):
    """The host may have containers of others."""
    r = run([TIDEMARK, "--json", "trail", "show", "--state-dir", d.state] + (["--kind", kind] if kind else []) + (["--container", container.id] if container else []))
    check(r.returncode == 0, "trail show", r.stderr)
    return json.loads(r.stdout)


def texts(d, kind, container=None):
    return [json.loads(x["text"].replace("\\\\", "\\")) for x in records(d, kind, container)]


def verify(state, log="/nowhere"):
    r = run([TIDEMARK, "--json", "trail", "verify", "--state-dir", state, "--audit-log", log])
    check(r.returncode in (0, 1), "trail verify", r.stderr)
    v = json.loads(r.stdout)
    check(v["whole"] == (r.returncode == 0), "status and word agree", r.stdout)
    return v


def member():
    """Become one of the group that may read, and of nothing else."""
    os.setgroups([grp.getgrnam("tidemark").gr_gid])
    os.setgid(pwd.getpwnam("nobody").pw_gid)
    os.setuid(pwd.getpwnam("nobody").pw_uid)


ASK = """
import socket, sys
for line in sys.argv[2:]:
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(line.encode() + b"\\n")
    print(s.makefile().readline().strip())
"""


HOLD = """
import socket, sys
all = [socket.socket(socket.AF_UNIX) for _ in range(6)]
for s in all:
    s.connect(sys.argv[1])
for s in all[4:]:
    print(s.makefile().readline().strip())
print("held", flush=True)
sys.stdin.read()
"""


def ask(path, *lines, preexec=None):
    r = run(["python3", "-c", ASK, path, *lines], preexec_fn=preexec)
    check(r.returncode == 0, "asking " + path, r.stderr)
    return [json.loads(x) for x in r.stdout.splitlines()]


CHANGE = '{"cmd":"baseline.activate","workload":"x\\u001b[31m"}'


def test_records(lab):
    """Starts, configuration, coverage, who asked for what, and who may not."""
    c = lab.container("fade", network="bridge")  # a name whose letters are all digits of an id
    d = lab.daemon(config='trail: { checkpoint = "1h"; };')
    d.covered("fade")
    started, = texts(d, "started")
    configured, = texts(d, "configured")
    check("tidemarkd" in started["version"] and len(started["configuration"]) == 71, "the start", started)
    check(configured["since"] == "defaults" and {"option": "trail.checkpoint", "old": '"10m"', "new": '"1h"'} in configured["changes"], "what is configured", configured)
    named = wait("its name", lambda: [x for x in texts(d, "identified") if x["name"] == "fade"])[0]
    check(named["workload"].startswith("fade") and named["baselines"]["file"] == "learning", "who it is", named)
    began = wait("its coverage", lambda: texts(d, "watching", c))[0]
    check(began["running_before"] and began["means"]["processes"].startswith("proc connector") and began["means"]["names"] == "fanotify", "how it is watched", began)
    d.activate("fade")
    asked, = records(d, "asked")
    check(asked["source"] == "operator" and asked["comm"] == "tidemark" and asked["uid"] == 0 and asked["pid"] > 0, "who asked", asked)
    check(records(d, "outcome")[0]["command"] == asked["command"], "the outcome")
    # A member of the group reads, and changes nothing.
    r = run(["cat", d.state + "/trail/trail.jsonl"], preexec_fn=member)
    check(r.returncode == 0 and "started" in r.stdout, "a member reads it", r.stderr)
    check(run(["sh", "-c", "echo >>%s/trail/trail.jsonl || touch %s/trail/x" % (d.state, d.state)], preexec_fn=member).returncode != 0, "and cannot write it")
    answers = ask(d.runtime + "/admin.sock", *[CHANGE] * 12, preexec=member)
    check(all(not a["ok"] and "only root" in a["error"] for a in answers), "what a member is told", answers)
    answer, = ask(d.runtime + "/control.sock", CHANGE, preexec=member)
    check(not answer["ok"] and "only reads" in answer["error"], "and on the other socket", answer)
    held = subprocess.Popen(["python3", "-c", HOLD, d.runtime + "/admin.sock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=member)
    said = [held.stdout.readline() for _ in range(3)]
    check(all("other than root" in x for x in said[:2]) and said[2] == "held\n", "a member has four connections", said)
    d.activate("fade")  # root has room
    held.communicate("")
    refused = wait("ten of them", lambda: (lambda x: x if len(x) == 10 else None)(records(d, "refused")))
    nobody = pwd.getpwnam("nobody").pw_uid
    check(all(x["uid"] == nobody and x["comm"] and "admin.sock" in x["text"] and "\x1b" not in x["text"] for x in refused), "who was refused", refused)
    status = d.json("status")["trail"]
    check(status["refused"] == 13 and status["writing"] and status["late"] == 0, "status", status)
    c.stop()
    ended = wait("its end", lambda: texts(d, "watched", c))[0]
    check(ended["why"] == "the container has ended" and ended["from"] < ended["to"] and ended["losses"] == 0 and ended["means"]["flows"] == "conntrack", "from when to when", ended)
    check(d.stop() == 0, "it ends", d.text())
    withheld, = texts(d, "withheld")
    check(withheld == {"of": "refused", "records": 3}, "how many were not recorded", withheld)
    again = lab.daemon(state=d.state, config='trail: { checkpoint = "1h"; }; secrets: { more = ["token="]; };')
    changes = texts(again, "configured")[1]
    check(changes["since"] == "last start" and [x["option"] for x in changes["changes"]] == ["secrets.more"] and "token" not in json.dumps(changes), "what has changed", changes)
    check(again.stop() == 0, "it ends", again.text())
    v = verify(d.state)
    check(v["whole"] and v["records"] == v["last"] and v["files"] == 1 and not v["audit_log"]["read"], "whole", v)
    check(len({x["boot_id"] for x in records(d) if "boot_id" in x}) == 1 and records(d)[0]["n"] == 1, "which boot", records(d)[0])
    page = run([TIDEMARK, "trail", "show", "--state-dir", d.state, "--container", "fade"]).stdout
    check("watching" in page and "watched" in page and "started" not in page and all(len(x) <= 100 for x in page.splitlines() if not "  container " in x), "a page", page)
    tamper(lab, d.state)


def tamper(lab, state):
    """Each in a copy: what was done, what verify says, and where."""
    lines = open(state + "/trail/trail.jsonl").read().splitlines(True)
    mid = len(lines) // 2
    swapped = lines[:mid] + [lines[mid + 1], lines[mid]] + lines[mid + 2:]
    cases = {"changed": (lines[:mid] + [lines[mid].replace('"kind":"', '"kind":"x', 1)] + lines[mid + 1:], "changed", mid + 1),
             "removed": (lines[:mid] + lines[mid + 1:], "missing", mid + 1),
             "first removed": (lines[1:], "beginning", 1),
             "swapped": (swapped, "missing", mid + 1),
             "twice": (lines[:mid] + [lines[mid - 1]] + lines[mid:], "missing", mid + 1),
             "torn": (lines[:-1] + [lines[-1][:50]], "unfinished", len(lines)),
             "garbage": (lines[:mid] + ["garbage\n"] + lines[mid:], "changed", mid + 1)}
    copy = os.path.join(lab.dir, "tampered")
    for what, (text, result, n) in cases.items():
        shutil.rmtree(copy, ignore_errors=True)
        os.makedirs(copy + "/trail")
        open(copy + "/trail/trail.jsonl", "w").write("".join(text))
        v = verify(copy)
        check(v["result"] == result and v["wrong"]["n"] == n and v["wrong"]["words"], what, v)
    shutil.rmtree(copy)


def anew(lines, n):
    """Record n is changed, and the chain behind it made anew, by somebody who knows how."""
    out, prev = [], ""
    for line in lines:
        r = json.loads(line)
        body = line.rsplit(',"hash":"', 1)[0]
        if r["n"] == n:
            body = body.replace('"uid":0', '"uid":7', 1)
        if r["n"] > n:
            body = body.rsplit(',"prev":"', 1)[0] + ',"prev":"%s"' % prev
        prev = hashlib.sha256(body.encode()).hexdigest()
        out.append(body + ',"hash":"%s"}\n' % prev)
    return out


def test_checkpoints(lab):
    """What the audit log holds of the trail tells a cut end, and a chain that was made anew."""
    with audit_on(), auditd(lab) as a:
        d = lab.daemon(config="trail: { checkpoint_records = 4; };\n")
        first = verify(d.state, a.log)
        check(first["whole"], "whole", first)
        wait("a first checkpoint", lambda: verify(d.state, a.log)["audit_log"]["checkpoints"] >= 1)
        for _ in range(3):
            d.tidemark("baseline", "activate", "nobody")
        wait("some more, known to be kept", lambda: d.json("status")["trail"]["checkpoint"] >= 4)
        check("Trail: record " in d.tidemark("status").stdout, "and in words", d.tidemark("status").stdout)
        check(d.stop() == 0, "it ends", d.text())
        v = wait("the last one", lambda: (lambda v: v if v["audit_log"].get("last", {}).get("n") == v["last"] else None)(verify(d.state, a.log)))
        check(v["whole"] and v["audit_log"]["records_after"] == 0 and v["audit_log"]["checkpoints"] >= 3, "all of it is known outside", v)
        page = run([TIDEMARK, "trail", "verify", "--state-dir", d.state, "--audit-log", a.log])
        check(page.returncode == 0 and "0 records behind it are only as safe as this host" in " ".join(page.stdout.split()), "in words", page.stdout)
        lines = open(d.state + "/trail/trail.jsonl").read().splitlines(True)
        for what, text, n in (("cut", lines[:-2], len(lines) - 1), ("rewritten", anew(lines, 3), None)):
            open(d.state + "/trail/trail.jsonl", "w").write("".join(text))
            v = verify(d.state, a.log)
            check(v["result"] == what and (n is None or v["wrong"]["n"] == n), what, v)
            v = verify(d.state)
            check(v["whole"], "and by the chain alone it would not be seen", v)


def test_full_disk(lab):
    """What changes something is refused, what cuts a container off goes on; what happened is written late, in order."""
    c = lab.container("full", network="bridge")
    state = os.path.join(lab.dir, "small-trail")
    os.mkdir(state)
    check(run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", state]).returncode == 0, "a small file system")
    try:
        d = lab.daemon(state=state)
        d.covered("full")
        wait("its name", lambda: texts(d, "identified", c))
        run(["dd", "if=/dev/zero", "of=" + state + "/filler", "bs=4k"])
        def refused():  # the last block of the file may have room for a few records
            r = d.tidemark("baseline", "activate", "full")
            check(r.returncode == 4, "not done", r.stderr)
            return "the trail cannot be written" in r.stderr
        wait("a change to be refused", refused)
        status = d.json("status")["trail"]
        check(not status["writing"] and status["late"] >= 1 and status["why"], "status", status)
        check(d.tidemark("status", "--check").returncode == 1, "status --check finds it")
        answer, = ask(d.runtime + "/admin.sock", json.dumps({"cmd": "contain.isolate", "target": c.id, "now": True}))
        check(answer["ok"] and answer["data"]["results"][0]["state"] == "done", "isolate goes on", answer)
        os.unlink(state + "/filler")
        late = wait("the trail to be written again", lambda: d.json("status")["trail"]["late"] == 0 and [x for x in records(d) if x.get("late")])
        asked = next((x for x in late if x["kind"] == "asked" and "contain.isolate" in x["text"]), None)
        check(asked and any(x["kind"] == "outcome" and x["command"] == asked["command"] and x["n"] > asked["n"] for x in late), "isolate, and what came of it", late)
        check(any(x["kind"] == "refused" and x["n"] < asked["n"] for x in late), "what was refused before", late)
        check([x["boot_ns"] for x in late] == sorted(x["boot_ns"] for x in late), "in order", late)
        d.activate("full")
        # The disk does not answer at all: a second for each of its two records, and not the ten that others wait.
        os.kill(d.children()["tidemark-trail"], signal.SIGSTOP)
        began = time.monotonic()
        answer, = ask(d.runtime + "/admin.sock", json.dumps({"cmd": "contain.isolate", "target": c.id, "dry_run": True}))
        check(answer["ok"] and time.monotonic() - began < 8, "isolate does not wait for it", answer)
        os.kill(d.children()["tidemark-trail"], signal.SIGCONT)
        answer, = ask(d.runtime + "/admin.sock", json.dumps({"cmd": "contain.release", "target": c.id}))
        check(answer["ok"] and answer["data"]["results"][0]["state"] == "done", "and lets it go", answer)
        check(d.json("status")["trail"]["late"] == 0, "nothing waits")
        check(d.stop() == 0, "it ends", d.text())
        check(verify(state)["whole"], "whole")
    finally:
        for x in lab.daemons:
            x.stop()
        run(["umount", "-l", state])
