# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on real containers: what is allowed is quiet and counted, what is suppressed is listed and broken through, and
nothing wide hides what is never learned silently."""
import json
import os

from lab import TIDEMARK, check, run, wait
from net import Net


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



def suppressed(d, workload):
    return d.json("findings", "--suppressed", "--workload", workload)


def test_update_in_a_window(lab):
    """A package manager's job in a declared window: nobody is told, all is counted and listed, nothing is learned."""
    d, c = ready(lab, "updater")
    r1 = added(rule(d, "suppress", "add", "--workload", "updater", "--until", "2h", "--reason", "update of packages, CHG-17"))
    c.sh("mkdir -p /var/lib/pkg /usr/share/doc/tool; echo 'tool 2' > /var/lib/pkg/db; echo new > /usr/share/doc/tool/README; echo more >> /etc/one.conf")
    c.sh("cp /bin/busybox /bin/tool.new; mv /bin/tool.new /bin/tool; /bin/ls / > /dev/null; touch /opt/done")
    wait("what was suppressed", lambda: "/opt/done" in subjects(suppressed(d, "updater")))
    check(not d.findings("updater"), "nobody is told", d.findings("updater"))
    check(all(f["suppressed"] and f["suppressed_by"] == r1 and not f["broke_through"] for f in suppressed(d, "updater")), "by the rule", suppressed(d, "updater"))
    got = rules(d, "suppress")[r1]
    check(got["hidden"] >= 5 and got["last_hidden"] and got["by"].startswith("operator uid 0") and got["reason"] == "update of packages, CHG-17", "counted, by whom and why", got)
    text = d.tidemark("findings").stdout
    check("suppressed (tidemark findings --suppressed)" in text, "findings says how many", text)
    text = d.tidemark("findings", "--suppressed").stdout
    check(r1 in text and all(len(x) <= 100 for x in text.splitlines()), "listed with the rule", text)
    check("suppress (acts hidden:" in d.tidemark("status").stdout, "status counts", d.tidemark("status").stdout)
    check("new finding" not in "".join(x for x in d.text().splitlines() if "updater" in x), "nor in the log", d.text())
    entries = d.json("baseline", "show", "updater")["entries"]
    check(all("/var/lib/pkg" not in e["key"] and "/bin/tool" not in e["key"] for e in entries), "nothing of it is learned", entries)
    # Written and run is what an attack does: it breaks through.
    c.sh("cp /bin/busybox /opt/upd; chmod 755 /opt/upd; /opt/upd true")
    f = wait("it to break through", lambda: next((f for f in d.findings("updater") if "/opt/upd" in subjects([f])), None))
    check(f["broke_through"] and not f["suppressed"] and f["suppressed_by"] == r1 and f["confidence"] >= 99, "and says so", f)
    check("new finding %s" % f["id"] in d.text(), "in the log, too", d.text()[-2000:])
    check(rules(d, "suppress")[r1]["broke_through"] >= 1, "counted", rules(d, "suppress"))
    text = d.tidemark("explain", f["id"]).stdout
    check("suppressed by %s: shown all the same" % r1 in " ".join(text.split()), "explain", text)


def test_update_that_runs_what_it_brings(lab):
    """Of an update that replaces programs and runs them it must be said that nothing breaks through; and outside of the
    window the same act shows what was kept back."""
    d, c = ready(lab, "upgrade")
    r1 = added(rule(d, "suppress", "add", "--workload", "upgrade", "--until", "1h", "--break-through", "100", "--reason", "it replaces programs"))
    c.sh("cp /bin/busybox /bin/tool; chmod 755 /bin/tool; /bin/tool true")
    f = wait("it to be kept back", lambda: next((f for f in suppressed(d, "upgrade") if {"file", "process"} <= {s["kind"] for s in f["signals"]}), None))
    check(f["confidence"] >= 99 and not d.findings("upgrade"), "however sure", f)
    rule(d, "suppress", "remove", r1)
    c.sh("/bin/tool true")
    shown = wait("it to be shown", lambda: d.findings("upgrade"))
    check([x["id"] for x in shown] == [f["id"]], "whole, the same one", shown)


def test_ends(lab):
    d, c = ready(lab, "shortly")
    w = d.watch()
    r1 = added(rule(d, "allow", "add", "--workload", "shortly", "--path", "/opt/**", "--until", "3s", "--reason", "for a moment"))
    check(any(r["id"] == r1 for r in rules(d, "allow", every=True).values()), "added")
    wait("its end", lambda: rules(d, "allow", every=True)[r1]["state"] == "ended")
    check("rule %s has ended" % r1 in d.text(), "in the log", d.text()[-1500:])
    wait("watch to tell", lambda: any(r1 in x["note"]["text"] for x in list(w.lines) if "note" in x))
    check(not rules(d, "allow"), "no longer among those in force", rules(d, "allow"))
    c.sh("echo x > /opt/late")
    wait("it to be raised", lambda: "/opt/late" in subjects(d.findings("shortly", every=True)))
    rule(d, "suppress", "add", "--workload", "shortly", "--until", "1h", "--reason", "ends soon")
    wait("it to be told beforehand", lambda: "suppress rule R-2 ends at" in d.text())
    check("R-2 ends at" in d.tidemark("status").stdout, "and by status", d.tidemark("status").stdout)
    w.stop()


def test_destinations(lab):
    """By network, by address, by name; and no other name hides behind one that is allowed."""
    net = Net(lab)
    net.names({"api.example.test": ["198.51.100.1"], "db.example.test": ["10.9.8.7"], "evil.example.test": ["203.0.113.66"]})
    for a in ("198.51.100.1", "10.9.8.7", "203.0.113.66", "203.0.113.77"):
        net.serve(a, 80)
    c = net.container("caller")
    d = lab.daemon()
    d.covered("caller")
    w = d.watch()

    def get(host, address):
        c.sh("busybox wget -q -O /dev/null http://%s/" % host)
        return [e for e in w.events("flow") if e["remote"] == address and e["direction"] == "outbound"]
    wait("flows to be told", lambda: get("api.example.test", "198.51.100.1"))
    d.activate("caller")
    r1 = added(rule(d, "allow", "add", "--workload", "caller", "--destination", "10.9.0.0/16:80/tcp", "--reason", "the site's own"))
    r2 = added(rule(d, "allow", "add", "--workload", "caller", "--destination", "203.0.113.0/24", "--reason", "a partner's network"))
    e = get("10.9.8.7", "10.9.8.7")
    e = wait("the flow", lambda: [x for x in w.events("flow") if x["remote"] == "10.9.8.7" and x["verdict"]])
    check(e[0]["verdict"] == "allowed by " + r1, "by its network", e)
    get("203.0.113.77", "203.0.113.77")
    f = wait("the raw address", lambda: [f for f in d.findings("caller", every=True) if "203.0.113.77:80/tcp" in subjects([f])])
    text = " ".join(d.tidemark("explain", f[0]["id"]).stdout.split())
    check("rule %s (allow, workload caller, destination 203.0.113.0/24): no name led to this public address" % r2 in text, "explain says why not", text)
    check("tidemark allow add --workload caller --destination 203.0.113.77:80/tcp" in text, "and the line that would", text)
    line = next(q for s in d.json("explain", f[0]["id"])["signals"] for q in s["quiet"] if "203.0.113.77" in q)
    argv = line.split()[1:-1] + ["one address"]
    rule(d, *argv)
    before = len(w.events("flow"))
    get("203.0.113.77", "203.0.113.77")
    wait("it to be quiet", lambda: any(x["remote"] == "203.0.113.77" and (x["verdict"] or "").startswith("allowed by R-3") for x in w.events("flow")[before:]))
    get("evil.example.test", "203.0.113.66")
    wait("a name in the partner's network", lambda: rules(d, "allow")[r2]["hidden"] >= 1)
    w.stop()


def test_explain(lab):
    d, c = ready(lab, "asked")
    w = d.watch()
    c.sh("mkdir /opt/d; echo x > /opt/d/one; echo y >> /etc/one.conf")
    e = w.file("/opt/d/one", "write")
    check(e["seq"] > 0, "events have numbers", e)
    f = wait("the finding", lambda: [f for f in d.findings("asked", every=True) if "/opt/d/one" in subjects([f])])[0]
    x = d.json("explain", f["id"])
    s = next(s for s in x["signals"] if s["subject"] == "/opt/d/one")
    check(x["of"] == "finding" and abs(x["prior_bits"] + sum(y["bits"] for y in x["factors"]) - x["sum_bits"]) < 1e-9, "the score", x)
    check(s["decided"] == "raised" and s["baseline"]["near"][0]["candidate"] and s["rules"] == [], "why", s)
    check(s["quiet"][0].startswith("tidemark baseline approve asked B-") and "tidemark allow add --workload asked --path /opt/d/one --reason TEXT" in s["quiet"], "the lines", s["quiet"])
    x = d.json("explain", "E-%d" % e["seq"])
    check(x["of"] == "event" and x["event"]["path"] == "/opt/d/one" and x["decided"].startswith(("deviation", "raised already")), "an event", x)
    text = d.tidemark("explain", "E-%d" % e["seq"]).stdout
    check("decided: " in text and all(len(y) <= 100 for y in text.splitlines()), "for people", text)
    # The line that it gives is taken, and does what it says.
    item = s["quiet"][0].split()
    rule(d, *item[1:5], "--reason", "it is its own")
    c.sh("echo z > /opt/d/one")
    e = wait("it to be known", lambda: next((y for y in w.events("file") if y["path"] == "/opt/d/one" and y["verdict"] == "known"), None))
    x = d.json("explain", "E-%d" % e["seq"])
    check(x["decided"] == "known" and x["now"]["baseline"]["entry"] == "/opt/d/one" and x["now"]["quiet"] is None, "the entry that decides", x)
    x = d.json("explain", "--workload", "asked", "--path", "/opt/d/one", "--executable", "/bin/busybox")
    check(x["of"] == "question" and x["decided"] == "known", "an act that is thought of", x)
    x = d.json("explain", "--workload", "asked", "--destination", "api.example.com:443")
    check(x["kind"] == "network" and x["decided"] == "raised", "a connection", x)
    for argv, code, words in ((["F-9999"], 4, "no finding"), (["E-999999999"], 4, "is not kept"), (["E-x"], 2, "no event's id"), (["nonsense"], 2, "neither a finding"),
                              ([], 2, "explain takes"), (["--workload", "asked"], 2, "a path or a destination"), (["--workload", "nobody", "--path", "/x"], 4, "nobody"),
                              (["--workload", "asked", "--path", "x"], 2, "begins with a slash"), (["--workload", "asked", "--destination", "h:0"], 2, "port from 1"),
                              (["--workload", "asked", "--path", "/x", "--origin", "mars"], 2, "entrypoint, exec")):
        r = d.tidemark("explain", *argv)
        check(r.returncode == code and words in " ".join(r.stderr.split()), "explain " + " ".join(argv), str(r.returncode), r.stderr)
    w.stop()


def test_replayed(lab):
    """What rules keep back is the same in a replay, by the events' own time."""
    path = os.path.join(lab.dir, "rules-recording")
    c = lab.container("again")
    d = lab.daemon(record=path)
    d.covered("again")
    c.sh("mkdir /opt/a /opt/b")
    w = d.watch()
    c.sh("touch /opt/first")
    w.file("/opt/first", "create")
    w.stop()
    d.activate("again")
    rule(d, "allow", "add", "--path", "/opt/a/**", "--reason", "normal")
    rule(d, "suppress", "add", "--workload", "again", "--path", "/opt/b/**", "--until", "1h", "--zone", "Europe/Berlin", "--reason", "not now")
    c.sh("echo x > /opt/a/1; echo y > /opt/b/1; echo z > /opt/c")
    wait("all of it", lambda: {"/opt/b/1", "/opt/c"} <= set(subjects(d.findings("again", every=True))))
    live = d.tidemark("--json", "findings", "--all").stdout
    check(d.stop() == 0, "ends well", d.text())
    r = run([TIDEMARK, "--json", "replay", path])
    check(r.returncode == 0 and r.stdout == live, "the same as live, to the byte", r.stdout[:2000], live[:2000], r.stderr)
    f = next(f for f in json.loads(live) if f["suppressed"] and f["type"] == "drift")
    r = run([TIDEMARK, "replay", path, "explain", f["id"]])
    check(r.returncode == 0 and "suppressed by R-2: kept out of the queue" in r.stdout, "explained", r.stdout, r.stderr)


def test_bad_input(lab):
    """Each names the option, what was expected, and an example; nothing is changed."""
    d = lab.daemon()
    reason = ["--reason", "because"]
    for argv, code, words in (
            (["allow"], 2, "add, list or remove"), (["allow", "add"], 2, "--reason"), (["allow", "add", *reason], 4, "--path, --executable or --destination"),
            (["allow", "add", "--path", "/**", *reason], 4, "the first directory"), (["allow", "add", "--path", "opt", *reason], 4, "begin with a slash"),
            (["allow", "add", "--destination", "*.com", *reason], 4, "*.example.com"), (["allow", "add", "--path", "/x", "--origin", "mars", *reason], 4, "entrypoint"),
            (["allow", "add", "--path", "/x", "--signal", "noise", *reason], 4, "network"), (["allow", "add", "--path", "/x", "--until", "soon", *reason], 2, "2026-12-24"),
            (["allow", "add", "--path", "/x", "--on", "mon", *reason], 2, "unknown option"), (["allow", "add", "/x"], 2, "options only"), (["allow", "remove"], 2, "R-3"),
            (["allow", "remove", "R-7"], 4, "allow list"), (["allow", "list", "x"], 2, "options only"),
            (["suppress", "add", *reason], 2, "--until 2d"), (["suppress", "add", "--until", "2000-01-01", *reason], 4, "over already"),
            (["suppress", "add", "--until", "500d", *reason], 4, "suppress.max"), (["suppress", "add", "--until", "2d", "--at", "2:00", "--for", "1h", *reason], 4, "HH:MM"),
            (["suppress", "add", "--until", "2d", "--at", "02:00", *reason], 4, "--for 2h"), (["suppress", "add", "--until", "2d", "--at", "02:00", "--for", "long", *reason], 2, "90m"),
            (["suppress", "add", "--until", "2d", "--at", "02:00", "--for", "1h", "--on", "someday", *reason], 4, "mon"),
            (["suppress", "add", "--until", "2d", "--zone", "Mars/Olympus", *reason], 2, "Europe/Berlin"),
            (["suppress", "add", "--until", "2d", "--break-through", "much", *reason], 2, "50 to 100"), (["suppress", "remove", "x"], 4, "R-3")):
        r = d.tidemark(*argv)
        check(r.returncode == code and words in " ".join(r.stderr.split()), " ".join(argv), str(r.returncode), r.stderr)
    check(not rules(d, "allow", every=True) and not rules(d, "suppress", every=True), "nothing was added")
    # What the daemon is asked is checked by the daemon, too.
    r = d.tidemark("--json", "suppress", "add", "--until", "8d", "--on", "mon,sun", "--at", "23:30", "--for", "90m", "--zone", "Europe/Berlin", "--workload", "*", *reason, "--dry-run")
    check(r.returncode == 0 and "every mon,sun at 23:30 for 90 min Europe/Berlin" in r.stdout, "a dry run says what it would be", r.stdout, r.stderr)
    check(not rules(d, "suppress"), "and changes nothing")
    r = d.tidemark("suppress", "add", "--until", "8d", "--workload", "w*", *reason)
    check(r.returncode == 0 and r.stdout.startswith("added suppress rule R-1: workload w*") and all(len(x) <= 100 for x in r.stdout.splitlines()), "in words", r.stdout)
    check(d.stop() == 0, "ends well", d.text())
    again = lab.daemon(state=d.state)
    check(set(rules(again, "suppress")) == {"R-1"}, "kept over a restart", rules(again, "suppress"))

