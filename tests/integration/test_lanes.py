# SPDX-License-Identifier: GPL-2.0-or-later
"""The queue's lanes: verdicts and what becomes of findings, lines to syslog, sessions apart, the report."""
import json
import os
import pty
import socket
import threading

from lab import check, wait


class Syslog:
    """The host's syslog, as a datagram socket of the test's own."""

    def __init__(self, lab, name="dev-log"):
        self.path = os.path.join(lab.dir, name)
        self.lines, self.raw = [], []
        self.open()

    def open(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.settimeout(0.2)
        self.reading = True
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        while self.reading:
            try:
                self.raw.append(self.socket.recv(65536))
            except OSError:
                pass

    def read(self):
        """All lines so far, as (priority, data)."""
        while len(self.lines) < len(self.raw):
            line = self.raw[len(self.lines)]
            check(len(line) < 8192 and b"\n" not in line, "one bounded line", repr(line))
            head, _, text = line.partition(b": ")
            check(b" tidemarkd[" in head, "whose it is", repr(line))
            self.lines.append((int(head[1:head.index(b">")]), json.loads(text)))
        return self.lines

    def of(self, fid):
        return [x["event"] for p, x in self.read() if x["id"] == fid]

    def close(self):
        self.reading = False
        self.thread.join()
        self.socket.close()
        os.unlink(self.path)

    def config(self):
        return 'sink: { syslog_socket = "%s"; };\n' % self.path


def drop(c, name):
    c.sh("cp /bin/busybox /opt/%s; /opt/%s true" % (name, name))


def finding_of(d, workload, path, *states):
    def look():
        found = []
        for state in states or ("open",):
            found += d.json("findings", "--all", "--state", state, "--workload", workload)
        return next((f for f in reversed(found) if any(s["subject"] == path and s["operation"] == "exec" for s in f["signals"])), None)
    return wait("a finding of " + path, look)


def test_triage(lab):
    """Open, triaged, closed, seen again, opened again: each a decision in the trail."""
    d = lab.daemon()
    c = lab.container("judged")
    d.covered("judged")
    drop(c, "once")
    f = finding_of(d, "judged", "/opt/once")
    r = d.tidemark("triage", f["id"], "--verdict", "perhaps")
    check(r.returncode == 4 and "malicious, misconfigured, benign, unsure" in r.stderr, "an unknown verdict", r.stderr)
    r = d.tidemark("triage", f["id"], "--close")
    check(r.returncode == 4 and "verdict" in r.stderr, "closing without a verdict", r.stderr)
    r = d.tidemark("triage", "F-9999", f["id"], "--verdict", "benign", "--dry-run")
    check(r.returncode == 4 and "F-9999" in r.stderr and f["id"] + ": triaged" in r.stdout, "one of two", r.stdout, r.stderr)
    check(d.json("show", f["id"])["state"] == "open", "tried only")
    r = d.tidemark("triage", f["id"], "--verdict", "benign", "--note", "an updater of ours")
    check(r.returncode == 0 and "a verdict alone silences nothing" in r.stdout and "allow add --workload judged" in r.stdout, "what was done", r.stdout)
    check(all(len(line) <= 100 for line in r.stdout.splitlines()), "fits 100 columns", r.stdout)
    now = d.json("show", f["id"])
    check(now["state"] == "triaged" and now["verdict"] == "benign" and now["note"] == "an updater of ours" and now["verdict_by"].startswith("operator uid 0"), "triaged", now)
    check("an updater of ours" in d.tidemark("show", f["id"]).stdout, "and shown")
    check(d.json("triage", f["id"], "--verdict", "benign", "--close")[0]["outcome"]["state"] == ["closed"], "closed")
    check(f["id"] not in [x["id"] for x in d.findings("judged", every=True)], "closed ones are not in the queue")
    check(d.json("show", f["id"])["state"] == "closed", "but kept")
    d.stop()
    d = lab.daemon(state=d.state)  # over a restart
    d.covered("judged")
    check(d.json("show", f["id"])["state"] == "closed", "still kept")
    drop(c, "once")
    again = finding_of(d, "judged", "/opt/once")
    check(again["id"] != f["id"] and again["past"] == f["id"], "it comes again as another one", again)
    check(any("Seen before: %s, closed as benign by operator uid 0" % f["id"] in s for s in again["story"]), "and says so", again["story"])
    r = d.tidemark("triage", f["id"], "--reopen")
    check(r.returncode == 0 and d.json("show", f["id"])["state"] == "open", "opened again", r.stdout, r.stderr)
    trail = "".join(open(os.path.join(d.state, "trail", n), errors="replace").read() for n in os.listdir(os.path.join(d.state, "trail")))
    check(trail.count("triage") >= 5, "the trail has it", trail[-2000:])


def test_syslog(lab):
    """Once each, also over a restart; a daemon that is not there is counted, and said once."""
    log = Syslog(lab)
    d = lab.daemon(config=log.config())
    c = lab.container("loud")
    d.covered("loud")
    drop(c, "loud")
    f = finding_of(d, "loud", "/opt/loud")
    wait("the lines of its opening", lambda: log.of(f["id"])[:2] == ["opened", "page"])
    for p, line in [x for x in log.read() if x[1]["id"] == f["id"]]:
        check(p == (10 << 3 | (1 if line["event"] == "page" else 5)), "authpriv, alert or notice", line)
        check(line["workload"] == "loud" and line["what"] == "/opt/loud" and line["containers"] == ["loud"] and line["confidence"] >= 95, "what it says", line)
    c.sh("for i in 1 2 3 4 5 6 7 8 9 10; do /opt/loud true; done")
    wait("its count to be told", lambda: log.of(f["id"]) == ["opened", "page", "count"])
    d.stop()
    d = lab.daemon(state=d.state, config=log.config())
    d.covered("loud")
    c.sh("/opt/loud true")
    wait("one more act", lambda: d.json("show", f["id"])["count"] > 12)
    check(log.of(f["id"]) == ["opened", "page", "count"], "not told again", log.of(f["id"]))
    check(d.json("status")["syslog"]["on"] is True and d.json("status")["syslog"]["lost"] == 0, "in status", d.json("status")["syslog"])
    log.close()
    check(d.tidemark("triage", f["id"], "--verdict", "malicious", "--close").returncode == 0, "closed while nobody listens")
    drop(c, "more")
    wait("lost lines to be counted", lambda: d.json("status")["syslog"]["lost"] >= 3)
    check(d.text().count("to syslog") == 1, "said once", d.text())
    log.open()
    g = finding_of(d, "loud", "/opt/more")
    check(d.tidemark("triage", g["id"], "--verdict", "benign", "--close").returncode == 0, "closed")
    wait("the line of its closing", lambda: log.of(g["id"]) == ["closed"])
    log.close()


def sessions(d, workload, *argv):
    return d.json("findings", "--sessions", "--workload", workload, *argv)


def of_command(d, workload, *words):
    def look():
        return next((f for f in sessions(d, workload) if all(w in f["session"]["command"] for w in words)), None)
    return wait("the session " + " ".join(words), look)


def exec_on_terminal(argv, env=None):
    """Under a terminal of our own, as somebody at one would; what it said."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, env or os.environ)
    said = b""
    while True:
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        if not part:
            break
        said += part
    os.close(fd)
    status = os.waitpid(pid, 0)[1]
    check(os.waitstatus_to_exitcode(status) == 0, " ".join(argv), said.decode(errors="replace"))
    return said


def test_session(lab):
    """Without a terminal and with one: one item each, who, when, what ran; below show, and apart."""
    d = lab.daemon()
    c = lab.container("visited")
    d.covered("visited")
    c.exec("/bin/sh", "-c", "/bin/sleep 0.2; /bin/ls / > /dev/null; /bin/cat /etc/one.conf > /tmp/copy; /bin/sleep 0.1; true mark-a")
    f = of_command(d, "visited", "-c")
    f = wait("its end and what it wrote", lambda: (lambda f: f["session"]["ended"] and any(s["subject"] == "/tmp/copy" for s in f["signals"]) and f)(d.json("show", f["id"])))
    ran = {s["args"][0] for s in f["signals"] if s["args"]}  # what is too short for its arguments to be read on a busy host has none
    check("/bin/sleep" in ran and all(s["subject"] == "/bin/busybox" for s in f["signals"] if s["operation"] == "exec"), "what ran", f["signals"])
    check(f["type"] == "session" and f["session"]["terminal"] == "no" and f["below_show"], "what it is", f)
    check(f["session"]["exit_status"] == 0 and f["session"]["programs_run"] >= 3 and f["session"]["started"] < f["session"]["ended"], "when, and how much", f["session"])
    check(f["actor"]["uid"] == 0 and all(s["origin"] == "exec" for s in f["signals"]), "who", f["actor"])
    check("A session without a terminal" in f["story"][0] and "sleep 0.2" in f["story"][0], "in words", f["story"])
    env = dict(os.environ, CONTAINERS_CONF=lab.conf)
    exec_on_terminal([*lab.engine, "exec", "-it", c.name, "/bin/sh", "-c", "/bin/sleep 0.2; /bin/ls / > /dev/null; true mark-b"], env)
    g = wait("the session at a terminal", lambda: next((f for f in sessions(d, "visited") if any("mark-b" in w for w in f["session"]["command"])), None))
    check(g["id"] != f["id"] and g["session"]["terminal"] == "yes" and "A session with a terminal" in g["story"][0], "another item", g)
    check(not d.findings("visited", every=True), "none of it is in the queue", d.findings("visited", every=True))
    r = d.tidemark("findings", "--workload", "visited")
    check("exec session" in r.stdout and "--sessions" in r.stdout, "the queue says where they are", r.stdout)
    r = d.tidemark("findings", "--sessions", "--workload", "visited")
    check("session at a terminal" in r.stdout and all(len(line) <= 100 for line in r.stdout.splitlines()), "their page", r.stdout)
    page = d.tidemark("show", g["id"]).stdout
    check("terminal" in page and all(len(line) <= 100 for line in page.splitlines()), "its page", page)
    check(all(dim["entries"] == 0 for dim in d.workload("visited")["dimensions"]) or not any("/tmp/copy" in e["key"] for e in d.json("baseline", "show", "visited")["entries"]), "nothing of it was learned")


def test_session_that_drops(lab):
    """What nobody should do by hand is in the queue, as one item with all of it."""
    d = lab.daemon()
    c = lab.container("broken")
    d.covered("broken")
    c.exec("/bin/sh", "-c", "cp /bin/busybox /opt/theirs; /opt/theirs true; true mark-c")
    f = wait("the session in the queue", lambda: next((f for f in d.findings("broken") if any(s["subject"] == "/opt/theirs" and s["operation"] == "exec" for s in f["signals"])), None))
    check(f["type"] == "session" and f["confidence"] >= 95, "a page", f)
    f = wait("the writing too", lambda: (lambda f: any(s["subject"] == "/opt/theirs" and s["kind"] == "file" for s in f["signals"]) and f)(d.json("show", f["id"])))
    check(any(x["name"] == "session_ran_foreign" for x in f["factors"]) and f["prior_bits"] == -8.0, "by a table of its own", f["factors"])
    check(len([x for x in d.findings("broken")]) == 1, "one item", d.findings("broken"))
    drop(c, "theirs")  # the workload itself: nobody has got used to it
    wait("the workload's own finding", lambda: any(f["type"] == "drift" and any(s["subject"] == "/opt/theirs" for s in f["signals"]) for f in d.findings("broken")))


def test_report(lab):
    """What had to be looked at, and what of it was nothing, apart; with the time in which it was judged."""
    d = lab.daemon()
    c = lab.container("reported")
    d.covered("reported")
    drop(c, "early")  # while it is learned: in no rate
    early = finding_of(d, "reported", "/opt/early")
    c.exec("/bin/true")
    d.activate("reported")
    # a path of its own, so that it is another finding: the same shell at another time of its work
    c.sh("mkdir -p /srv/other; echo x > /srv/other/y; cp /bin/busybox /srv/other/late; (/srv/other/late sleep 1)")
    late = finding_of(d, "reported", "/srv/other/late")

    def numbers():
        r = d.json("report", "--workload", "reported")
        return next((w for w in r["workloads"] if w["workload"] == "reported"), None)
    w = wait("time to be counted", lambda: (lambda w: w and w["observed_hours"] > 0 and w)(numbers()), 40)
    apart = early["id"] != late["id"]
    check(w["while_learning"] == 1 and w["findings"] == (1 if apart else 0), "findings, before and after it was judged", w)
    check(w["sessions"] == 1 and w["sessions_shown"] == 0 and w["less_than_a_week"], "sessions, and how long", w)
    check(w["not_judged_hours"] >= 0 and 0 <= w["not_watched_hours"] < 1, "what was not watched is said", w)
    check(d.tidemark("triage", late["id"], "--verdict", "benign").returncode == 0, "a verdict")
    w = numbers()
    check(w["false_positives"] == w["findings"] and w["verdicts"]["benign"] == w["findings"], "judged false positives", w)
    check(d.tidemark("triage", late["id"], "--verdict", "misconfigured").returncode == 0, "another verdict")
    check(numbers()["false_positives"] == 0, "true drift is none", numbers())
    page = d.tidemark("report").stdout
    check("reported" in page and "too early" in page and all(len(line) <= 100 for line in page.splitlines()), "for people", page)
    r = d.tidemark("report", "--weeks", "99")
    check(r.returncode == 2 and "13" in r.stderr, "more than is kept", r.stderr)


def test_check(lab):
    """One line, and a status that a timer can act on."""
    d = lab.daemon()
    c = lab.container("checked")
    d.covered("checked")

    def status():
        r = d.tidemark("status", "--check")
        return r if "repaired" not in r.stdout else None  # a busy host may lose, and repairs
    r = wait("losses to be repaired", status)
    check(len(r.stdout.splitlines()) == 1 and r.returncode == (0 if r.stdout == "ok\n" else 1), "one line", r.stdout, r.stderr)
    check("checked" not in r.stdout and "sensor" not in r.stdout, "nothing of ours is wrong", r.stdout)
    d.stop()
    r = d.tidemark("status", "--check")
    check(r.returncode == 3, "no daemon", r.stderr)
    d = lab.daemon(config='probe: { disable = ["content", "names", "inotify"]; };\n')
    r = d.tidemark("status", "--check")
    check(r.returncode == 1 and len(r.stdout.splitlines()) == 1, "degraded", r.stdout, r.stderr)
    check("sensor content is degraded" in r.stdout and "sensor names is degraded" in r.stdout, "which", r.stdout)
    o = json.loads(d.tidemark("status", "--check", "--json").stdout)
    check(o["ok"] is False and len(o["problems"]) >= 2, "in data", o)


def test_hundred_drops(lab):
    """A script drops and runs a hundred programs under names of chance: one finding, counted. Another cause beside it in
    the same minute: another one."""
    d = lab.daemon()
    # two services that have the same parent and run from the start
    entry = ["/bin/sh", "-c", "(while :; do while read -r l; do eval \"$l\"; echo $? >> /ctl/done; done < /ctl/in; done) & "
             "(while [ ! -e /ctl/go ]; do /bin/sleep 1; done; cp /bin/busybox /srv/other; /srv/other true; /bin/sleep 1000) & wait"]
    c = lab.container("crowd", entry=entry)
    d.covered("crowd")
    c.sh("echo 'i=0; while [ $i -lt 100 ]; do i=$((i+1)); f=/tmp/drop$RANDOM$i; cp /bin/busybox $f; $f true; done' > /tmp/script; sh /tmp/script", 120)
    open(os.path.join(c.ctl, "go"), "w").close()

    def findings():
        found = [f for f in d.findings("crowd") if f["type"] == "drift"]
        ran = [f for f in found if any(s["operation"] == "exec" for s in f["signals"])]
        return ran if sum(f["count"] for f in ran) >= 103 and any(s["subject"] == "/srv/other" for f in ran for s in f["signals"]) else None
    ran = wait("both causes to be found", findings, 60)
    other = [f for f in ran if any(s["subject"] == "/srv/other" for s in f["signals"])]
    drops = [f for f in ran if f not in other]
    check(len(other) == 1 and len(drops) == 1, "two findings", [[f["id"], f["count"], [s["subject"] for s in f["signals"]]] for f in ran])
    check(not any("/tmp/drop" in s["subject"] for s in other[0]["signals"]), "and nothing of the one in the other", other[0]["signals"])
    f = drops[0]
    check(f["count"] >= 100 and f["rate"] and f["first_seen"] < f["last_seen"], "with a count and a rate", [f["count"], f["rate"]])
    check("/min)" in d.tidemark("findings", "--workload", "crowd").stdout, "shown", d.tidemark("findings", "--workload", "crowd").stdout)
