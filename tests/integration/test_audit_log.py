# SPDX-License-Identifier: GPL-2.0-or-later
"""Our records in the kernel's audit log, as ausearch and aureport read them; and what is said where they are not kept."""
import os
import signal

from lab import DAEMON, check, run, wait
from test_audit import audit_on, auditd

NEEDS = ("auditctl", "auditd", "ausearch", "aureport")
# A space, both quotes, a letter beyond ASCII, and a newline.
NAME = "$(printf '/tmp/a b\"c\\047 \\303\\251\\n.sh')"
SHOWN = "path=/tmp/a b\"c' \u00e9\\012.sh "


def log_of(d):
    return d.json("status")["audit_log"]


def records(a, f, types, *argv):
    """Of the finding's container, by this build's daemon: one log serves all tests, and all agents of a host."""
    out = run(["ausearch", "-if", a.log, "-m", types, *argv]).stdout
    return [line for line in out.splitlines() if " ctr-id=%s " % f["containers"][0]["id"][:12] in line and DAEMON in line]


def drift(d, c):
    d.covered(c.name)
    d.activate(c.name)
    c.sh('cp /bin/busybox "%s"; "%s" true' % (NAME, NAME))
    return d.both(c.name)


def test_read_by_an_auditor(lab):
    """A finding is a record of the type that says what it is, with its path as it was, whatever bytes that has; a page
    and its end are records, too. What was written is known to be kept."""
    with audit_on(), auditd(lab) as a:
        d = lab.daemon(config="audit: { log_containers = true; };\n")
        f = drift(d, lab.container("watched"))
        wait("our record", lambda: records(a, f, "ANOM_EXEC"))
        lines = records(a, f, "ANOM_EXEC", "-i")
        check(len(lines) == 1 and SHOWN in lines[0] and "finding=%s " % f["id"] in lines[0] and " vm=watched " in lines[0]
              and "op=drift-exec" in lines[0] and " res=success" in lines[0] and lines[0].count(" exe=") == 1,
              "what ran, readable", lines)
        raw = records(a, f, "ANOM_EXEC")
        check(" path=2F746D702F61206222632720C3A90A2E7368 " in raw[0] and len(raw[0]) < 1024, "and encoded", raw)
        lines = records(a, f, "VIRT_INTEGRITY_CHECK", "-i")
        check(len(lines) == 1 and "op=compare-image" in lines[0] and "res=success" in lines[0], "it was compared", lines)
        lines = records(a, f, "VIRT_CONTROL", "-i")
        check(len(lines) == 1 and "op=start" in lines[0], "it was started", lines)
        for word, types in (("isolate", "RESP_ORIGIN_BLOCK"), ("release", "RESP_ORIGIN_UNBLOCK_TIMED")):
            r = d.tidemark("contain", word, f["id"], "--reason", "a test")
            check(r.returncode == 0, "contain " + word, r.stdout, r.stderr)
            lines = wait("a record of " + word, lambda: records(a, f, types, "-i"))
            check("op=%s " % word in lines[0] and " id=root " in lines[0] and " vm=watched " in lines[0] and "res=success" in lines[0], word, lines)
        check("ANOM_EXEC" in run(["aureport", "-if", a.log, "--anomaly"]).stdout, "a report of anomalies")
        check("RESP_ALERT" in run(["aureport", "-if", a.log, "--response"]).stdout, "and of responses")
        check(d.tidemark("triage", f["id"], "--verdict", "benign", "--close").returncode == 0, "triage")
        wait("its end", lambda: records(a, f, "RESP_ANOMALY"))
        check("op=finding-closed finding=%s " % f["id"] in records(a, f, "RESP_ANOMALY")[-1] and " reason=benign " in records(a, f, "RESP_ANOMALY")[-1],
              "how it ended", records(a, f, "RESP_ANOMALY"))
        wait("to be known as kept", lambda: (lambda s: s["state"] == "on" and s["written"] >= 2 and not s["unconfirmed"])(log_of(d)))
        check(log_of(d)["failed"] == log_of(d)["not_kept"] == 0, "nothing is missing", log_of(d))
        check("records for the audit log" not in d.tidemark("status", "--check").stdout, "no problem")


def test_where_it_is_not_kept(lab):
    """Audit is switched off: counted and said, and no failure of ours. The helper dies: that is one."""
    with audit_on():
        run(["auditctl", "-e", "0"])
        d = lab.daemon()
        f = drift(d, lab.container("unkept"))
        wait("to be known as not kept", lambda: log_of(d)["not_kept"] >= 2)
        check("switched off" in log_of(d)["state"] and log_of(d)["written"] == 0, "said", log_of(d))
        page = d.tidemark("status").stdout
        check("audit is switched off" in page and "no checkpoint of it is known to be in the audit log" in page,
              "to people, too", page)
        run(["auditctl", "-e", "1"])
        check(d.tidemark("triage", f["id"], "--verdict", "benign", "--close").returncode == 0, "triage, which is a record")
        wait("a checkpoint, as soon as it is switched on", lambda: d.json("status")["trail"]["checkpoint"])
        run(["auditctl", "-e", "0"])
        check("audit log" not in d.tidemark("status", "--check").stdout, "but it is nobody's failure")
        for name, cap in (("tidemark-auditl", 29), ("tidemark-audit", 30)):  # AUDIT_WRITE, AUDIT_CONTROL
            caps = [x.split()[1] for x in open("/proc/%d/status" % d.children()[name]) if x.startswith(("CapPrm", "CapEff", "CapBnd"))]
            check([int(x, 16) for x in caps] == 3 * [1 << cap], name + " has one capability", caps)
        os.kill(d.children()["tidemark-auditl"], signal.SIGKILL)
        wait("its end to be seen", lambda: log_of(d)["state"].startswith("off: its helper is gone"))
        r = d.tidemark("status", "--check")
        check(r.returncode == 1 and "records for the audit log are not written" in r.stdout, "a problem", r.stdout)
