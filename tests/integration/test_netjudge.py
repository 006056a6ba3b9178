# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom containers call, from the kernel to the queue: names, rotation of addresses, beacons, stories, what is not judged."""
from lab import check, run, wait
from net import Net

NEEDS = ("dnsmasq", "ip", "nsenter")


def network(finding):
    return [s for s in finding["signals"] if s["kind"] == "network"]


def called(w, c, address, **fields):
    """An outbound flow to the address, as watch tells it; waited for."""
    def find():
        for e in w.events("flow"):
            if e["direction"] == "outbound" and e["remote"] == address and all(e[k] == v for k, v in fields.items()):
                return e
        return None
    return wait("a flow to " + address, find)


def watched(d, w, c, name, address):
    """Calls until the first call is told: the container's namespace is watched."""
    def call():
        c.sh("busybox wget -q -O /dev/null http://%s/" % name)
        return [e for e in w.events("flow") if e["remote"] == address and e["names"]]
    d.covered(c.name)
    return wait("a flow to %s to be told" % name, call)


def end(d):
    status = d.stop()
    check(status == 0, "ends well, with status", str(status), d.text())


def beacons(d, workload):
    return [f for f in d.findings(workload) if network(f)]


def test_beacon(lab):
    """A name whose addresses rotate is no drift; a beacon that first calls after activation is, with process and name."""
    net = Net(lab)
    net.names({"api.example.test": ["198.51.100.1"], "evil.example.test": ["203.0.113.66"]})
    for a in ("198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.66", "203.0.113.77"):
        net.serve(a, 80)
    c = net.container("beacon")
    d = lab.daemon()
    w = d.watch()
    watched(d, w, c, "api.example.test", "198.51.100.1")
    d.activate("beacon")
    for a in ("198.51.100.2", "198.51.100.3"):
        net.names({"api.example.test": [a], "evil.example.test": ["203.0.113.66"]})
        c.sh("busybox wget -q -O /dev/null http://api.example.test/")
        e = called(w, c, a)
        check(e["names"] == ["api.example.test"] and e["verdict"].startswith("known"), "rotation is no drift", e)
    check(not beacons(d, "beacon"), "nothing is raised", d.findings("beacon", every=True))
    c.sh("busybox wget -q -O /dev/null http://evil.example.test/")
    f = wait("the beacon to be found", lambda: beacons(d, "beacon"))[0]
    s = network(f)[0]
    check(s["subject"] == "203.0.113.66:80/tcp" and s["operation"] == "connect", "subject", s)
    check(s["where"] == "evil.example.test (203.0.113.66):80/tcp", "as a person reads it", s)
    check((s["address"], s["port"], s["protocol"], s["names"], s["direction"]) == ("203.0.113.66", 80, "tcp", ["evil.example.test"], "outbound"), "fields", s)
    check(s["origin"] == "entrypoint" and "new_destination" in [x["name"] for x in f["factors"]], "factors", f["factors"])
    text = d.tidemark("show", f["id"]).stdout
    check("evil.example.test (203.0.113.66):80/tcp" in " ".join(text.split()), "show", text)
    # A raw address is another destination, and says so.
    c.sh("busybox wget -q -O /dev/null http://203.0.113.77/")
    wait("the raw address", lambda: [x for f in beacons(d, "beacon") for x in f["factors"] if x["name"] == "raw_address"])
    w.stop()


def test_drop_run_call(lab):
    """A new program that calls a new destination: one finding, what happened in its order."""
    net = Net(lab)
    net.names({"evil.example.test": ["203.0.113.66"], "api.example.test": ["198.51.100.1"]})
    net.serve("203.0.113.66", 80)
    net.serve("198.51.100.1", 80)
    c = net.container("dropped")
    d = lab.daemon()
    w = d.watch()
    watched(d, w, c, "api.example.test", "198.51.100.1")
    d.activate("dropped")
    c.sh("cp /bin/call /tmp/upd; chmod 755 /tmp/upd; /tmp/upd tcp evil.example.test 80 300")

    def story():
        for f in d.findings("dropped"):
            if {s["kind"] for s in f["signals"]} >= {"file", "process", "network"}:
                return f
        return None
    f = wait("one finding with all of it", story)
    check(len([f for f in d.findings("dropped") if f["type"] == "drift"]) == 1, "one finding", d.findings("dropped"))
    text = "\n".join(f["story"])
    check(text.index("ran /tmp/upd") < text.index("connected to evil.example.test"), "in order", text)
    check(f["confidence"] >= 95, "sure", f["factors"])
    w.stop()


def test_inbound_is_quiet(lab):
    """A server under load by others: counted, no finding; and the same after a restart of the agent."""
    net = Net(lab)
    c = net.container("serves")
    c.sh("(while true; do echo hello | busybox nc -l -p 8080; done) >/dev/null 2>&1 &")
    state = lab.dir + "/serves-state"
    for again in (False, True):
        d = lab.daemon(state=state)
        d.covered("serves")

        def load():
            for _ in range(5):
                run(net.inside() + ["busybox", "nc", "-w", "1", c.ipv4, "8080"])
            return d.json("status")["flows"]["inbound"] >= 10
        wait("inbound flows to be counted", load)
        if not again:
            wait("the listener to be learned", lambda: "listen 8080/tcp" in [e["key"] for e in d.json("baseline", "show", "serves")["entries"]])
            d.activate("serves")
            wait("more of them", load)
        check(not [f for f in d.findings("serves", every=True) if network(f)], "no finding", d.findings("serves", every=True))
        end(d)


def test_new_listener(lab):
    net = Net(lab)
    net.names({"api.example.test": ["198.51.100.1"]})
    net.serve("198.51.100.1", 80)
    c = net.container("opens")
    d = lab.daemon()
    w = d.watch()
    watched(d, w, c, "api.example.test", "198.51.100.1")
    d.activate("opens")
    c.sh("(busybox nc -l -p 4444) >/dev/null 2>&1 &")
    f = wait("the listener to be found", lambda: [f for f in d.findings("opens") if any(s["operation"] == "listen" for s in f["signals"])])[0]
    s = next(s for s in f["signals"] if s["operation"] == "listen")
    check(s["port"] == 4444 and s["protocol"] == "tcp", "which", s)
    w.stop()


def test_names_survive(lab):
    """A name that was resolved before the agent was restarted still leads there."""
    net = Net(lab)
    net.names({"api.example.test": ["198.51.100.1"]})
    net.serve("198.51.100.1", 80)
    c = net.container("keeps")
    state = lab.dir + "/keeps-state"
    d = lab.daemon(state=state)
    w = d.watch()
    watched(d, w, c, "api.example.test", "198.51.100.1")
    d.activate("keeps")
    w.stop()
    end(d)
    d = lab.daemon(state=state)
    check(d.json("status")["flows"]["names"]["kept"] >= 1, "names are kept", d.json("status")["flows"])
    w = d.watch()

    def call():
        c.sh("busybox wget -q -O /dev/null http://198.51.100.1/")
        return [e for e in w.events("flow") if e["remote"] == "198.51.100.1"]
    e = wait("a flow", call)[0]
    check(e["names"] == ["api.example.test"] and e["verdict"].startswith("known"), "by its name", e)
    check(not beacons(d, "keeps"), "no finding")
    w.stop()


def test_replayed(lab):
    """A recording with flows gives the same findings as live."""
    net = Net(lab)
    net.names({"api.example.test": ["198.51.100.1"], "evil.example.test": ["203.0.113.66"]})
    net.serve("198.51.100.1", 80)
    net.serve("203.0.113.66", 80)
    path = lab.dir + "/net-recording"
    c = net.container("taped")
    d = lab.daemon(record=path)
    w = d.watch()
    watched(d, w, c, "api.example.test", "198.51.100.1")
    d.activate("taped")
    c.sh("busybox wget -q -O /dev/null http://evil.example.test/")
    wait("the finding", lambda: beacons(d, "taped"))
    w.stop()
    live = d.json("findings", "--all")
    end(d)
    again = d.tidemark("--json", "replay", path)
    check(again.returncode == 0, "replay", again.stderr)
    check('"evil.example.test"' in again.stdout and len(live) > 0, "the same findings", again.stdout[:2000])


def test_mirror_in_steady_state(lab):
    """A package mirror that is called while starting only, and then at work: a deviation, with a factor of its own. How sure that
    is depends on how long the baseline has stood: test_judge_net.c."""
    net = Net(lab)
    net.names({"mirror.example.test": ["198.51.100.1"], "api.example.test": ["198.51.100.2"]})
    net.serve("198.51.100.1", 80)
    net.serve("198.51.100.2", 80)
    d = lab.daemon(config='learn: { startup = "4s"; };\n')
    c = net.container("starts")

    def phases(name):
        """In which it was called, as the baseline has it."""
        c.sh("busybox wget -q -O /dev/null http://%s/" % name)
        entries = d.json("baseline", "show", "starts")["entries"] if d.workload("starts") else []
        return next((e["phases"] for e in entries if e["key"] == name + ":80/tcp"), [])
    wait("the mirror to be known", lambda: phases("mirror.example.test"))
    check(phases("mirror.example.test") == ["start-up"], "while starting")
    wait("the other to be called at work", lambda: "steady" in phases("api.example.test"))
    d.activate("starts")
    c.sh("busybox wget -q -O /dev/null http://mirror.example.test/")
    f = wait("the mirror to be found", lambda: [f for f in d.findings("starts", every=True) if network(f)])[0]
    s = network(f)[0]
    check("mirror.example.test" in s["subject"] + str(s["names"]) and s["phase"] == "steady" and s["novelty"] == "new-phase", "what is new of it", s)
    check("new_phase" in [x["name"] for x in f["factors"]] and "new_destination" not in [x["name"] for x in f["factors"]], "why", f["factors"])
