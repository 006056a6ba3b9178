# SPDX-License-Identifier: GPL-2.0-or-later
"""Audit: what its records complete; our rules among a site's; with auditd, without it, and while it is restarted. The
kernel's audit is one for the whole host: each test puts back what it found."""
import contextlib
import os
import signal

from lab import check, run, wait
from net import Net

NEEDS = ("auditctl", "auditd", "dnsmasq", "ip", "nsenter")
RULES = 'audit: { rules = "%s"; };\n'


def rules():
    return [r for r in run(["auditctl", "-l"]).stdout.splitlines() if r != "No rules"]


def ours():
    return [r for r in rules() if "key=tidemark-" in r]


def state():
    return dict(line.split(None, 1) for line in run(["auditctl", "-s"]).stdout.splitlines())


@contextlib.contextmanager
def audit_on(*site):
    """Audit is switched on, with these rules of a site; afterwards all is as it was."""
    before, were = state(), rules()
    check(before["enabled"] != "2", "audit is locked on this host until its next boot: nothing can be tested")
    added = []
    try:
        run(["auditctl", "-e", "1"])
        run(["auditctl", "-b", "8192"])
        for rule in site:
            r = run(["auditctl"] + rule.split())
            check(r.returncode == 0, "auditctl " + rule, r.stderr)
            added.append(rule)
        yield
    finally:
        for rule in added:
            run(["auditctl"] + ["-d" if w == "-a" else "-W" if w == "-w" else w for w in rule.split()])
        for rule in [r for r in rules() if r not in were]:
            run(["auditctl"] + ["-d" if w == "-a" else w for w in rule.split()])
        run(["auditctl", "-b", before["backlog_limit"]])
        run(["auditctl", "-e", before["enabled"]])
    check(rules() == were, "rules that a test has left", rules(), were)


def moments(w, c, word="noop"):
    return [e for e in w.events("exec", c.id) if e["args"][1:2] == [word]]


def run_moments(d, c, w, n=200):
    """Each of n programs that end at once is told with its program and its own arguments; at most 1 % is not. The
    reader of arguments is held meanwhile, so that it can read none of them in time."""
    helper = d.children()["tidemark-args"]
    os.kill(helper, signal.SIGSTOP)
    c.sh("/bin/moment runs %d" % n)
    wait("all executions", lambda: len([e for e in w.events("exec", c.id) if e["caller"] == "/bin/moment"]) >= n)
    got = moments(w, c)
    check(len({e["args"][2] for e in got}) >= n * 0.99, "arguments, each its own", len(got))
    check(len([e for e in got if e["executable"] == e["program"] == "/bin/moment"]) >= n * 0.99, "programs", len(got))


def completed(d):
    return d.json("status")["audit"]["executions_completed"]


def test_moments_without_auditd(lab):
    """Nobody but us listens. Without openings by fanotify, program and arguments of what is gone come by audit alone."""
    with audit_on():
        were = rules()
        d = lab.daemon(config=RULES % "exec" + 'probe: { disable = ["open-exec"]; };\n')
        c = lab.container("moments")
        d.covered("moments")
        w = d.watch()
        wait("our rules", lambda: len(ours()) == 2)
        run_moments(d, c, w)
        check(completed(d) >= 100, "audit made the difference", d.json("status")["audit"])
        w.stop()
        check(d.stop() == 0 and rules() == were, "our rules go with us", rules())


def test_a_sites_rules(lab):
    """Beside ours: an equal one, a watch, one for something else. Each stays as it is, also over a crash of the agent
    and its next start, and one that asks for none then removes what the crash has left."""
    site = ("-a always,exit -F arch=b64 -S execve,execveat -F key=site", "-w /etc/tidemark-none -p wa -k site",
            "-a never,exit -F arch=b64 -S getpid -F uid=4242 -F key=tidemark")
    with audit_on(*site):
        were = rules()
        check(len(were) == 3, "the site's rules", were)
        state_dir = os.path.join(lab.dir, "audit-state")
        d = lab.daemon(config=RULES % "exec+connect", state=state_dir)
        wait("our rules", lambda: len(ours()) >= 4)
        check([r for r in rules() if r in were] == were, "the site's stay, in their order", rules())
        lab.daemon(config=RULES % "exec")  # of another state: another's
        wait("both agents' rules", lambda: len({r.split("key=")[1] for r in ours()}) == 2)
        left = [r for r in ours()]
        os.killpg(d.proc.pid, signal.SIGKILL)
        d.proc.wait()
        lab.daemons.remove(d)
        check(ours() == left, "a crash leaves them", rules())
        d = lab.daemon(config=RULES % "exec", state=state_dir)
        wait("what was left to be replaced", lambda: len(ours()) == 4)
        wait("it to be said", lambda: "that an earlier life of the agent had left" in d.text())
        os.killpg(d.proc.pid, signal.SIGKILL)
        d.proc.wait()
        lab.daemons.remove(d)
        d = lab.daemon(state=state_dir)
        wait("what was left to go", lambda: len(ours()) == 2)
        check([r for r in rules() if "key=tidemark-" not in r] == were, "the site's rules", rules())
        lab.clean()
        check(rules() == were, "as before", rules())


def test_said(lab):
    """What makes the rules useless is said: a rule that no task is audited, audit switched off."""
    with audit_on("-a never,task"):
        run(["auditctl", "-e", "0"])
        d = lab.daemon(config=RULES % "exec")
        wait("our rules", lambda: len(ours()) == 2)
        wait("it to be said", lambda: "'-a never,task'" in d.text() and "switched off" in d.text())
        check(d.json("status")["sensors"][-1]["enabled"] == 0, "status", d.json("status")["sensors"])


def test_nothing_unasked(lab):
    """By default no rule, no state and no socket is touched, and nobody listens."""
    were, before = rules(), state()
    d = lab.daemon()
    sensor = [s for s in d.json("status")["sensors"] if s["name"] == "audit"][0]
    check(sensor["state"] == "off" and sensor["delivered"] == 0, "off", sensor)
    check(not os.path.exists(os.path.join(d.runtime, "audit.sock")), "no socket")
    check(rules() == were and state()["enabled"] == before["enabled"] and state()["pid"] == before["pid"], "audit is as it was")


def calls(w, c):
    return [e for e in w.events("flow", c.id) if e["operation"] == "began" and e["direction"] == "outbound"]


def test_moments_that_call(lab):
    """Each of 200 processes that do nothing but connect(2), to an IPv4 and an IPv6 address, is named with its program and
    its origin."""
    with audit_on():
        net = Net(lab)
        net.serve("93.184.216.34", 80)
        net.serve("2606:2800:220:1::1", 80)
        d = lab.daemon(config=RULES % "exec+connect")
        c = net.container("calls")
        d.covered("calls")
        w = d.watch()
        wait("our rules", lambda: len(ours()) >= 4)
        c.sh("/bin/moment calls 100 93.184.216.34 80; /bin/moment calls 100 2606:2800:220:1::1 80")
        wait("all flows", lambda: len(calls(w, c)) >= 200)
        got = calls(w, c)
        named = [e for e in got if e["executable"] == "/bin/moment" and e["pid"] and e["origin"] == "entrypoint"]
        check(len(named) >= len(got) * 0.99, "process, program and origin", len(named), len(got), [e for e in got if e not in named][:3], d.json("status")["audit"])
        truth = [e["pid"] for e in sorted(moments(w, c, "call"), key=lambda e: e["time"])]
        told = [e["pid"] for e in sorted(got, key=lambda e: e["time"])]
        check(len(truth) >= 198 and sum(a == b for a, b in zip(truth, told)) >= 195, "each its own", truth, told)
        check(d.json("status")["audit"]["flows_completed"] >= 10, "audit made the difference", d.json("status")["audit"])
        w.stop()
