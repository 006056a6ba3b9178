# SPDX-License-Identifier: GPL-2.0-or-later
"""Audit: what its records complete; our rules among a site's; with auditd, without it, and while it is restarted. The
kernel's audit is one for the whole host: each test puts back what it found."""
import contextlib
import errno
import os
import signal
import socket
import subprocess

from lab import TIDEMARK, check, run, wait
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
    def told():
        return [e for e in w.events("exec", c.id) if e["caller"] == "/bin/moment"]
    before = len(told())
    helper = d.children()["tidemark-args"]
    os.kill(helper, signal.SIGSTOP)
    c.sh("/bin/moment runs %d" % n)
    wait("all executions", lambda: len(told()) >= before + n)
    got = [e for e in told()[before:] if e["args"][1:2] == ["noop"]]
    check(len({e["args"][2] for e in got}) >= n * 0.99, "arguments, each its own", len(got), d.json("status")["audit"])
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
        rc = d.stop()
        check(rc == 0 and rules() == were, "our rules go with us", rc, rules())


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


@contextlib.contextmanager
def bulk(lab, n):
    """So many rules of a site; of messages that programs send, so that no system call is the slower for them."""
    path = os.path.join(lab.dir, "bulk.rules")

    def change(word, some):
        with open(path, "w") as out:
            out.write("".join("%s never,user -F uid=%d\n" % (word, 100000 + i) for i in some))
        r = run(["auditctl", "-R", path])
        check(r.returncode == 0, "auditctl -R", r.stderr)
    change("-a", range(n))
    try:
        yield
    finally:
        for i in range(0, n, 1000):  # the kernel takes more than 10 ms for each
            change("-d", range(i, min(i + 1000, n)))


def test_thousands_of_rules(lab):
    """Ours stand beside them, are looked at, and go."""
    with audit_on(), bulk(lab, 5000):
        d = lab.daemon(config=RULES % "exec")
        wait("our rules", lambda: len(ours()) == 2)
        run(["auditctl", "-D", "-k", ours()[0].split("key=")[1]])
        wait("our rules again", lambda: len(ours()) == 2)
        check(d.stop() == 0 and not ours() and "2 audit rules of ours are removed" in d.text(), "they go", ours(), d.text())


test_thousands_of_rules.long = True


def helper_of_rules(d):
    return d.children()["tidemark-audit"]


def test_rules_outlive_a_failure(lab):
    """Asked to look while it cannot answer, its helper is kept: at the end our rules go. Without it they stay, and that
    is said."""
    with audit_on():
        state_dir = os.path.join(lab.dir, "audit-kept")
        d = lab.daemon(config=RULES % "exec", state=state_dir)
        wait("the agent to know", lambda: sensor(d)["rules"] == 2)
        helper = helper_of_rules(d)
        os.kill(helper, signal.SIGSTOP)
        run(["auditctl", "-D", "-k", ours()[0].split("key=")[1]])
        wait("it to be late", lambda: "audit's rules cannot be looked at" in d.text())
        os.kill(helper, signal.SIGCONT)
        wait("our rules again", lambda: len(ours()) == 2)
        check(d.stop() == 0 and not ours() and "2 audit rules of ours are removed" in d.text(), "they go", ours(), d.text())
        d = lab.daemon(config=RULES % "exec", state=state_dir)
        wait("the agent to know", lambda: sensor(d)["rules"] == 2)
        os.kill(helper_of_rules(d), signal.SIGKILL)
        wait("it to be said", lambda: "the helper for audit rules is gone" in d.text())
        d.stop()
        check(len(ours()) == 2 and "may still stand" in d.text(), "they stay, and that is said", ours(), d.text())
        d = lab.daemon(state=state_dir)
        wait("the next start to remove them", lambda: not ours())


def test_set_again(lab):
    """A restart of auditd begins with removing all rules (augenrules --load): ours are set again, a site's are its own
    affair."""
    with audit_on("-w /etc/tidemark-none -p wa -k site"):
        d = lab.daemon(config=RULES % "exec")
        wait("our rules", lambda: len(ours()) == 2)
        wait("the agent to know", lambda: sensor(d)["rules"] == 2)
        key = ours()[0].split("key=")[1]
        run(["auditctl", "-D", "-k", key])
        check(not ours(), "they are gone")
        wait("our rules again", lambda: len(ours()) == 2)
        wait("it to be said", lambda: "2 audit rules of ours were removed by somebody" in d.text())
        check(sensor(d)["repaired"] == 2 and len(rules()) == 3, "and counted", sensor(d), rules())


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


def test_moments_in_the_hosts_namespace(lab):
    """The same in the host's own network namespace, where a flow of nobody known is not even its container's."""
    with audit_on():
        net = Net(lab)
        net.serve("93.184.216.34", 80)
        net.reach("93.184.216.34")
        d = lab.daemon(config=RULES % "exec+connect")
        c = lab.container("hosted", network="host")
        d.covered("hosted")
        w = d.watch()
        wait("our rules", lambda: len(ours()) >= 4)
        wait("the host's to be watched", lambda: d.json("status")["network"]["table"].split()[1] in run(["nft", "list", "tables"]).stdout)
        c.sh("/bin/moment calls 400 93.184.216.34 80")
        wait("nearly all", lambda: len(calls(w, c)) >= 396)
        got = calls(w, c)
        check(all(e["executable"] == "/bin/moment" and e["pid"] and e["origin"] == "entrypoint" for e in got), "by whom", [e for e in got if not e["pid"]][:3])
        check(d.json("status")["audit"]["flows_completed"] > 0, "audit made a difference: most are found while they live", d.json("status")["audit"])
        r = run(["busybox", "nc", "-w", "1", "93.184.216.34", "80"])
        wait("the host's own to be passed over", lambda: d.json("status")["network"]["host_own"] > 0)
        check(all(e["executable"] == "/bin/moment" for e in w.events("flow", c.id) if e["remote"] == "93.184.216.34"), "which is nobody's", r.stderr)
        w.stop()


class Auditd:
    """An auditd of our own, with a directory of its own: configuration, log, plugins."""

    def __init__(self, lab, plugin=None):
        self.dir = os.path.join(lab.dir, "auditd")
        self.log = os.path.join(self.dir, "log", "audit.log")
        os.makedirs(os.path.join(self.dir, "plugins.d"), mode=0o750, exist_ok=True)
        os.makedirs(os.path.dirname(self.log), mode=0o750, exist_ok=True)
        self._write("auditd.conf", "log_file = %s\nplugin_dir = %s/plugins.d\nlog_format = ENRICHED\nflush = NONE\nmax_log_file = 8\nmax_log_file_action = IGNORE\n"
                    "space_left = 2\nspace_left_action = IGNORE\nadmin_space_left = 1\nadmin_space_left_action = IGNORE\n"
                    "disk_full_action = IGNORE\ndisk_error_action = IGNORE\n" % (self.log, self.dir))
        if plugin:
            self._write("plugin", "#!/bin/sh\nexec %s\n" % " ".join(plugin), 0o750)
            self._write("plugins.d/tidemark.conf", "active = yes\ndirection = out\npath = %s/plugin\ntype = always\nformat = string\n" % self.dir)
        self.start()

    def _write(self, name, text, mode=0o640):
        path = os.path.join(self.dir, name)
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)

    def start(self):
        out = open(os.path.join(self.dir, "out"), "ab")
        self.proc = subprocess.Popen(["auditd", "-n", "-s", "nochange", "-c", self.dir], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        wait("auditd to be the kernel's", self._serves)

    def _serves(self):
        check(self.proc.poll() is None, "auditd ended", open(os.path.join(self.dir, "out")).read())
        return state()["pid"] == str(self.proc.pid)

    def stop(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(20)
        wait("the kernel to have no auditd", lambda: state()["pid"] == "0")

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()


@contextlib.contextmanager
def auditd(lab, plugin=None):
    check(state()["pid"] == "0", "an auditd runs on this host: it is not touched, so nothing can be tested", state())
    a = Auditd(lab, plugin)
    try:
        yield a
    finally:
        a.stop()


def test_beside_auditd(lab):
    """auditd is the kernel's, before, during and after; it is restarted while we listen; it has all that we have."""
    with audit_on(), auditd(lab) as a:
        d = lab.daemon(config=RULES % "exec")
        c = lab.container("beside")
        d.covered("beside")
        w = d.watch()
        wait("our rules", lambda: len(ours()) == 2)
        run_moments(d, c, w, 100)
        check(state()["pid"] == str(a.proc.pid), "auditd is still the kernel's", state())
        wait("auditd to have it too", lambda: a.text().count('a1="noop"') >= 100)
        a.stop()
        run_moments(d, c, w, 100)
        a.start()
        before = a.text().count('a1="noop"')
        run_moments(d, c, w, 100)
        wait("auditd to have it again", lambda: a.text().count('a1="noop"') >= before + 100)
        check(state()["pid"] == str(a.proc.pid), "and is the kernel's", state())
        check(completed(d) >= 200, "audit made the difference", d.json("status")["audit"])
        w.stop()


def test_plugin_of_auditd(lab):
    """Where there is no group to listen to: auditd runs our plugin, which passes on what completes the executions."""
    with audit_on():
        d = lab.daemon(config='audit: { rules = "exec"; source = "plugin"; };\n')
        with auditd(lab, [TIDEMARK, "--runtime-dir", d.runtime, "audit-plugin"]):
            c = lab.container("plugged")
            d.covered("plugged")
            w = d.watch()
            wait("our rules", lambda: len(ours()) == 2)
            wait("the plugin to pass on what comes", lambda: c.sh("/bin/moment runs 1") or d.json("status")["audit"]["records"] > 0)
            run_moments(d, c, w, 100)
            check(completed(d) >= 50, "audit made the difference", d.json("status")["audit"])
            w.stop()


RECORD = ('type=%s msg=audit(1795628557.113:%d): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=4000000 auid=0 uid=0 gid=0 euid=0 egid=0 ses=1 comm="x" exe="/x" key="k"\n'
          'type=%s msg=audit(1795628557.113:%d): argc=1 a0="x"\ntype=EOE msg=audit(1795628557.113:%d): \n')


def event(n, node=""):
    return (RECORD % ("SYSCALL", n, "EXECVE", n, n)).replace("type=", node + "type=").encode()


class Plugin:
    def __init__(self, runtime):
        self.proc = subprocess.Popen([TIDEMARK, "--runtime-dir", runtime, "audit-plugin"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)

    def feed(self, data):
        self.proc.stdin.write(data)
        self.proc.stdin.flush()

    def end(self):
        """Its exit status, and what it said."""
        _, said = self.proc.communicate(timeout=20)
        return self.proc.returncode, said.decode()


def nobody_connects(path):
    """What connecting says to a user who is not root: 0 or an errno."""
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        os._exit(socket.socket(socket.AF_UNIX).connect_ex(path))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def acts(d):
    return d.json("status")["audit"]["acts"]


def sensor(d):
    return next(s for s in d.json("status")["sensors"] if s["name"] == "audit")


def test_plugin(lab):
    """By a pipe, as auditd has it: it outlives the agent, waits for nobody, says what it dropped, and ends as it should."""
    state_dir, config = os.path.join(lab.dir, "plugin-state"), 'audit: { source = "plugin"; };\n'
    d = lab.daemon(config=config, state=state_dir)
    sock = os.path.join(d.runtime, "audit.sock")
    check(os.stat(sock).st_mode & 0o777 == 0o600 and os.stat(sock).st_uid == 0, "root's alone", oct(os.stat(sock).st_mode))
    check(nobody_connects(sock) == errno.EACCES, "nobody else gets in")
    there = os.path.join(lab.dir, "plugin-run")  # the same place, whichever agent serves it
    os.symlink(d.runtime, there)
    p = Plugin(there)
    p.feed(event(1) + b"type=PROCTITLE msg=audit(1.0:1): proctitle=00\nno record\n" + b"type=SYSCALL " + b"x" * 40000 + b"\n" + event(2, "node=h.example "))
    wait("what it was given", lambda: acts(d) == 2)
    check(sensor(d)["delivered"] == 6, "what nobody reads is not passed on", sensor(d))
    wait("the record that was too long to be said", lambda: sensor(d)["lost"] in (0, 1))
    os.kill(d.proc.pid, signal.SIGSTOP)  # an agent that takes nothing: its plugin takes everything
    try:
        p.feed(b"".join(event(n) for n in range(3, 20003)))
    finally:
        os.kill(d.proc.pid, signal.SIGCONT)
    p.feed(event(30000))
    wait("what was dropped to be said", lambda: p.feed(event(30001)) or sensor(d)["lost"] > 1000)
    wait("the log to say so too", lambda: "audit records came faster than they are read" in d.text())
    d.stop()
    check(not os.path.exists(sock), "the socket goes with the agent")
    for n in range(100):
        p.feed(event(n))
    os.unlink(there)
    d = lab.daemon(config=config, state=state_dir)
    os.symlink(d.runtime, there)
    wait("the plugin to be back", lambda: p.feed(event(40000)) or acts(d) > 0)
    wait("what was dropped meanwhile to be said", lambda: sensor(d)["lost"] >= 100)
    before, p2 = acts(d), Plugin(d.runtime)
    p2.feed(event(5))
    wait("another plugin's", lambda: acts(d) == before + 1)
    p2.proc.terminate()
    check(p2.end() == (0, ""), "SIGTERM ends it")
    rc, said = p.end()
    check(rc == 0 and "could not be given to the agent" in said, "so does the end of its input, and it says what it dropped", rc, said)
