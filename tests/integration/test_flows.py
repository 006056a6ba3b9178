# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows: our table in network namespaces, what conntrack tells there, and that nothing is left behind."""
import glob
import os
import signal
import socket
import struct
import subprocess

from lab import check, run, wait
from net import Net

NEEDS = ("dnsmasq", "ip", "nsenter", "nft", "iptables-save")
PORT = 7070
THERE, THERE6 = "198.51.100.1", "2606:2800:220:1::1"


def pair(lab, *options, **kw):
    """A container that answers on PORT, and one that can call it."""
    server = lab.container("server", *options, network="bridge")
    client = lab.container("client", *options, network="bridge", **kw)
    server.sh("nc -ll -p %d -e /bin/cat &" % PORT)
    wait("the server to listen", lambda: ":%d" % PORT in server.inside("ss", "-Hltn"))
    return server, client


def call(client, address, port=PORT):
    client.sh("echo x | nc -w 2 %s %d" % (address, port))


def network(d):
    return d.json("status")["network"]


def tables(d, c):
    """Those of this agent: others may watch this host too."""
    mine = d.table.split()[1]
    return [line.split()[2] for line in c.inside("nft", "list", "tables").splitlines() if line.split()[2] == mine]


def watched(d, *containers):
    d.table = network(d)["table"]
    wait("their namespaces to be watched", lambda: all(len(tables(d, c)) == 1 for c in containers))


def test_table_comes_and_goes(lab):
    d = lab.daemon()
    server, client = pair(lab)
    watched(d, server, client)
    call(client, server.address())
    wait("the flow on both sides", lambda: network(d)["outbound"] >= 1 and network(d)["inbound"] >= 1)
    d.stop()
    for c in (server, client):
        check(tables(d, c) == [], "a clean stop leaves nothing", tables(d, c))


def test_adopted_after_kill(lab):
    d = lab.daemon()
    server, client = pair(lab)
    watched(d, server, client)
    before = tables(d, client)
    d.stop(signal.SIGKILL)
    check(tables(d, client) == before and len(before) == 1, "a crash leaves it", before, tables(d, client))
    again = lab.daemon(state=d.state)
    watched(again, client)
    check(tables(again, client) == before, "the next life adopts it and makes no second one", before, tables(d, client))
    call(client, server.address())
    wait("the flow", lambda: network(again)["outbound"] >= 1)
    again.stop()
    check(tables(d, client) == [], "and takes it away in the end", tables(d, client))


def test_left_behind_and_off(lab):
    d = lab.daemon()
    _, client = pair(lab)
    watched(d, client)
    d.stop(signal.SIGKILL)
    check(len(tables(d, client)) == 1, "a crash leaves it", tables(d, client))
    off = lab.daemon(state=d.state, config='network = { scope = "off"; };\n')
    wait("what a life with another configuration left to be gone", lambda: tables(d, client) == [])
    check(network(off)["scope"] == "off", "status says off", network(off))
    wait("the client's flows to be told as not watched", lambda: off.container("client")["flows_watched"] is False)


def test_nothing_is_pinned(lab):
    """A namespace goes with its last task: no socket of ours keeps it, and `ip netns del` works meanwhile."""
    d = lab.daemon()
    c = lab.container("short", network="bridge")
    watched(d, c)
    pid = c.init_pid()
    link = os.readlink("/proc/%d/ns/net" % pid)
    veth = set(os.listdir("/sys/class/net"))
    c.remove()
    sensor = d.proc.pid
    wait("its sockets to be closed", lambda: not any(
        os.readlink("/proc/%d/fd/%s" % (sensor, f)) == link for f in os.listdir("/proc/%d/fd" % sensor)))
    wait("its other end to go from the host", lambda: len(set(os.listdir("/sys/class/net")) & veth) < len(veth))


def test_flushed(lab):
    """nft flush ruleset, in the container and by it again and again: made anew, each removal said."""
    d = lab.daemon()
    server, client = pair(lab)
    watched(d, server, client)
    for n in range(1, 4):
        client.inside("nft", "flush", "ruleset")
        wait("the table to stand again", lambda: network(d)["table_removed"] == n and len(tables(d, client)) == 1)
    before = network(d)["outbound"]
    call(client, server.address())
    wait("flows to come as before", lambda: network(d)["outbound"] > before)
    check(len(tables(d, server)) == 1, "the other's is untouched", tables(d, server))


def test_blinded(lab):
    """The same by a process of the container itself: that is a finding, and counted when it comes again."""
    c = lab.container("blinds", "--cap-add", "NET_ADMIN", "-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v",
                      "/lib64:/lib64:ro", network="bridge")
    d = lab.daemon()
    watched(d, c)
    d.activate("blinds")
    for n in range(1, 4):
        c.sh("/usr/sbin/nft flush ruleset")
        wait("the table to stand again", lambda: network(d)["table_removed"] == n and len(tables(d, c)) == 1)

    def found():
        return [f for f in d.findings("blinds") for s in f["signals"] if s["operation"] == "blinded" and s["count"] == 3]
    f = wait("one finding of three times", found)
    check(len(f) == 1 and f[0]["severity"] == "high", "one finding", f)
    check(any("took away the nftables table" in x for x in f[0]["story"]), "in words", f[0]["story"])


def test_inbound_load(lab):
    """Started, and started again, while others call without a pause: nothing of that is outbound."""
    server, client = pair(lab)
    address = server.address()
    client.sh("while :; do echo x | nc -w 2 %s %d; done > /dev/null 2>&1 & echo $! > /tmp/loop" % (address, PORT))
    d = lab.daemon()
    wait("inbound flows", lambda: network(d)["inbound"] > 50)
    d.stop()
    d = lab.daemon(state=d.state)
    wait("inbound flows again", lambda: network(d)["inbound"] > 50)
    d.stop(signal.SIGKILL)
    d = lab.daemon(state=d.state)
    wait("and after a crash", lambda: network(d)["inbound"] > 50)
    client.sh("kill $(cat /tmp/loop)")
    mine = [e for e in d.json("findings", "--all") if e["workload"]["name"] == "server" and
            any(s["kind"] == "network" for s in e["signals"])]
    check(mine == [], "the server has called nobody", mine)


def test_guard(lab):
    """Long before conntrack's table is full ours is taken out of the namespace, and that is said."""
    server, client = pair(lab)
    most = open("/proc/sys/net/netfilter/nf_conntrack_max").read()
    try:
        with open("/proc/sys/net/netfilter/nf_conntrack_max", "w") as out:
            out.write("400\n")
        d = lab.daemon(config="network = { guard = 50; };\n")
        watched(d, server, client)
        wait("its flows to be told as watched", lambda: d.container("client")["flows_watched"] is True)
        client.sh("connects udp-range %s 1000 390" % server.address())
        wait("the guard to take it away", lambda: network(d)["withdrawn"] >= 1)
        wait("its flows to be told as not watched", lambda: d.container("client")["flows_watched"] is False)
        wait("it to be gone", lambda: tables(d, client) == [])
        check(network(d)["namespaces"]["withdrawn"] >= 1, "status says so", network(d))
        check("conntrack are in use" in d.text(), "and the log", d.text())
        entries = int(client.inside("cat", "/proc/sys/net/netfilter/nf_conntrack_count"))
        check(entries < 400, "it was never full", str(entries))
    finally:
        with open("/proc/sys/net/netfilter/nf_conntrack_max", "w") as out:
            out.write(most)


def test_host_network(lab):
    """A container in the host's own namespace: told by its process, and the host's own flows are nobody's."""
    server, _ = pair(lab)
    hosted = lab.container("hosted", network="host")
    d = lab.daemon()
    watched(d, server)
    mine = network(d)["table"].split()[1]
    wait("the host's to be watched", lambda: mine in run(["nft", "list", "tables"]).stdout)
    hosted.sh("echo x | nc -w 2 %s %d" % (server.address(), PORT))
    wait("the flow", lambda: network(d)["process_known"] >= 1)
    before = network(d)["host_own"]
    subprocess.run(["busybox", "nc", "-w", "1", server.address(), str(PORT)], input=b"x", stdout=subprocess.DEVNULL, timeout=20)
    wait("the host's own to be passed over", lambda: network(d)["host_own"] > before)
    d.stop()
    check(mine not in run(["nft", "list", "tables"]).stdout, "nothing is left in the host's namespace")


def test_scope_by_workload(lab):
    """Off for one, and never touched; on for the others."""
    d = lab.daemon(config='network = { off = ["quiet*"]; };\n')
    server, client = pair(lab)
    quiet = lab.container("quiet-one", network="bridge")
    watched(d, server, client)
    d.covered("quiet-one")
    call(quiet, server.address())
    check(tables(d, quiet) == [], "its namespace has no table", tables(d, quiet))
    wait("what is watched to be told", lambda: [d.container(n)["flows_watched"] for n in ("client", "quiet-one")] == [True, False])
    before = network(d)["outbound"]
    call(client, server.address())
    wait("the other's flow", lambda: network(d)["outbound"] > before)
    d.stop()
    on = lab.daemon(config='network = { scope = "off"; namespace = ["cli*"]; };\n', state=d.state)
    watched(on, client)
    on.covered("server")
    check(tables(on, server) == [], "only who was named is watched", tables(on, server))


def test_scope_host(lab):
    """All from the host's namespace: containers by their addresses, and no table of ours in any of them."""
    Net(lab).reach(THERE)
    lab.container("server", network="bridge")
    client = lab.container("client", network="bridge")
    d = lab.daemon(config='network = { scope = "host"; };\n')
    d.table = network(d)["table"]
    mine = d.table.split()[1]
    wait("the host's to be watched", lambda: mine in run(["nft", "list", "tables"]).stdout)
    d.covered("client")
    check(tables(d, client) == [], "none in the container's", tables(d, client))
    wait("what is seen from there to be told", lambda: d.container("client")["flows_watched"] is True)
    w = d.watch()
    client.sh("connects udp %s 9 1 20000" % THERE)  # out of the bridge: it passes through the host
    told(w, client, THERE, executable="/bin/connects")
    d.stop()
    check(mine not in run(["nft", "list", "tables"]).stdout, "nothing is left in the host's namespace")


def test_shared_namespace(lab):
    """Two containers in one namespace have one table, and it stands until the last of them ends."""
    d = lab.daemon()
    first = lab.container("first", network="bridge")
    second = lab.container("second", network="container:first")
    watched(d, first, second)
    check(len(tables(d, first)) == 1, "one table", tables(d, first))
    d.covered("second")
    second.remove()
    first.sh("true")
    check(len(tables(d, first)) == 1, "it stands for the one that is left", tables(d, first))


def test_vanishing_namespaces(lab):
    """Containers that come and go at once: no failure, nothing left."""
    d = lab.daemon()
    for n in range(6):
        c = lab.container("gone%d" % n, network="bridge", entry=["/bin/true"])
        c.remove()

    def held():
        links = [os.readlink("/proc/%d/fd/%s" % (d.proc.pid, f)) for f in os.listdir("/proc/%d/fd" % d.proc.pid)]
        living = set()
        for p in glob.glob("/proc/[0-9]*/ns/net"):
            try:
                living.add(os.readlink(p))
            except OSError:  # gone meanwhile, or not ours to see
                pass
        return [x for x in links if x.startswith("net:") and x not in living]
    wait("no namespace to be held that nobody lives in", lambda: not held())
    check(network(d)["namespaces"]["refused"] == 0, "none was refused", network(d))


def began(w, c, remote, **fields):
    """Flows of the container to that address, as watch tells them."""
    return [e for e in w.events("flow", c.id) if e["remote"] == remote and e["operation"] == "began" and all(e[k] == v for k, v in fields.items())]


def told(w, c, remote, **fields):
    return wait("a flow to " + remote, lambda: began(w, c, remote, **fields))[0]


def test_kinds(lab):
    """TCP, UDP and ICMP, IPv4 and IPv6, by the workload and by an exec session: each once, outbound, with its process."""
    net = Net(lab)
    for a in (THERE, THERE6):
        net.serve(a, 80)
        net.serve(a, 7, "udp")
    c = net.container("kinds")
    d = lab.daemon()
    watched(d, c)
    w = d.watch()
    for a in (THERE, THERE6):
        c.sh("call tcp %s 80 50; call udp %s 7 50; ping -c 1 %s" % (a, a, a))
        for protocol, port in (("tcp", 80), ("udp", 7)):
            e = told(w, c, a, protocol=protocol)
            check((e["remote_port"], e["direction"], e["executable"], e["origin"]) == (port, "outbound", "/bin/call", "entrypoint"), "the flow", e)
            check(e["local"] == (c.ipv6 if ":" in a else c.ipv4) and e["local_port"] >= 1024 and e["pid"], "this side of it", e)
        e = told(w, c, a, protocol="icmp6" if ":" in a else "icmp")
        check(e["direction"] == "outbound" and e["executable"] is None, "whose an echo is no socket tells", e)
    c.exec("/bin/call", "tcp", THERE, "80", "50")
    e = told(w, c, THERE, origin="exec")
    check(e["executable"] == "/bin/call", "by a session", e)
    check(len([e for e in w.events("flow", c.id) if e["direction"] == "outbound" and e["operation"] == "began"]) == 7, "each is told once", w.events("flow", c.id))
    w.stop()


def test_short_ones(lab):
    """Connections from a shell's loop, each by a process of its own and gone at once: each names its container; and those that
    live 50 ms their process."""
    net = Net(lab)
    net.serve(THERE, 80)
    c = net.container("short")
    d = lab.daemon()
    watched(d, c)
    w = d.watch()
    c.sh("n=0; while [ $n -lt 60 ]; do echo | nc -w 1 %s 80 > /dev/null; n=$((n + 1)); done" % THERE, 60)
    wait("each to be told", lambda: len(began(w, c, THERE, remote_port=80)) == 60)
    c.sh("connects tcp %s 80 60 50000" % THERE, 60)
    wait("each to be told", lambda: len(began(w, c, THERE, remote_port=80)) == 120)
    lived = began(w, c, THERE)[60:]
    check(sum(e["executable"] == "/bin/connects" for e in lived) >= 59, "by whom", [e["executable"] for e in lived])
    known = network(d)
    check(known["process_known"] + known["process_unknown"] == known["outbound"] >= 120, "what is not known is counted", known)
    w.stop()


def test_told_apart(lab):
    """Two containers in one namespace: whose a flow is, is told by its process."""
    net = Net(lab)
    net.serve(THERE, 80)
    first = net.container("first")
    second = lab.container("second", network="container:first")
    d = lab.daemon()
    watched(d, first, second)
    w = d.watch()
    for c, port in ((first, 81), (second, 82), (second, 83), (first, 84)):
        net.serve(THERE, port)
        c.sh("call tcp %s %d 50" % (THERE, port))
        e = told(w, c, THERE, remote_port=port)
        check(e["executable"] == "/bin/call", "by its process", e)
    check(len(began(w, first, THERE)) == len(began(w, second, THERE)) == 2, "each one's own", w.events("flow"))
    w.stop()


def frozen(d, act):
    """While the sensor is stopped, as it is for a moment on a host that is out of breath."""
    os.kill(d.proc.pid, signal.SIGSTOP)
    try:
        act()
    finally:
        os.kill(d.proc.pid, signal.SIGCONT)


def test_overrun(lab):
    """The kernel's queue overflows: counted and said, since when; what still lives is asked for and told, each once."""
    net = Net(lab)
    net.address(THERE)
    c = net.container("overrun")
    d = lab.daemon(config='network = { rcvbuf = "64K"; };\n')
    watched(d, c)
    c.sh("connects udp %s 9 1 50000" % THERE)
    told = lambda: d.workload("overrun")["network"]["outbound"]
    wait("the first", lambda: told() == 1)
    frozen(d, lambda: c.sh("connects udp-range %s 10000 3000 > /ctl/begun" % THERE, 60))
    check(open(c.ctl + "/begun").read().split()[0] == "3000", "all were sent")
    wait("all of them", lambda: told() >= 3001, 60)
    status = d.json("status")
    check(told() == 3001, "none twice", told(), status["network"])
    s = next(x for x in status["sensors"] if x["name"] == "flows")
    check(s["overruns"] >= 1 and s["repaired"] >= 1, "counted, and asked for", s)
    loss = wait("it to be said", lambda: [x for x in d.json("status")["losses"] if "queue of flows" in x["what"]])[0]
    check(loss["from"] < loss["to"], "since when", loss)


def test_full_table(lab):
    """conntrack's table is more than half full already, of another's rules: ours does not come on top of it."""
    net = Net(lab)
    net.address(THERE)
    c = net.container("full")
    most = open("/proc/sys/net/netfilter/nf_conntrack_max").read()
    rules = "table ip mine { chain out { type filter hook output priority 0; ct state new counter; }; }"
    check(run(net.inside(c.space) + ["nft", rules]).returncode == 0, "a rule of the container's own")
    c.sh("connects udp-range %s 1000 500" % THERE)
    check(int(c.inside("cat", "/proc/sys/net/netfilter/nf_conntrack_count")) >= 500, "there are entries")
    try:
        with open("/proc/sys/net/netfilter/nf_conntrack_max", "w") as out:
            out.write("500\n")
        d = lab.daemon()
        wait("it to be said", lambda: network(d)["withdrawn"] >= 1)
        d.table = network(d)["table"]
        wait("ours to be gone", lambda: tables(d, c) == [])
        check("conntrack are in use" in d.text(), "the log", d.text())
    finally:
        with open("/proc/sys/net/netfilter/nf_conntrack_max", "w") as out:
            out.write(most)
    check("table ip mine" in c.inside("nft", "list", "tables"), "the container's own rules stay")


def test_flushed_on_host(lab):
    """nft flush ruleset on the host, under a container that lives in its namespace: made anew. What else was there comes
    back by whoever saved it, as firewalls do."""
    Net(lab).reach(THERE)
    hosted = lab.container("hosted", network="host")
    d = lab.daemon()
    d.covered("hosted")
    mine = network(d)["table"].split()[1]
    wait("the host's to be watched", lambda: mine in run(["nft", "list", "tables"]).stdout)
    saved = {tool: run([tool + "-save"]).stdout for tool in ("iptables", "ip6tables")}
    check(run(["nft", "flush", "ruleset"]).returncode == 0, "flushed")
    for tool, rules in saved.items():
        check(run([tool + "-restore"], input=rules).returncode == 0, "restored", rules)
    wait("the table to stand again", lambda: network(d)["table_removed"] >= 1 and mine in run(["nft", "list", "tables"]).stdout)
    w = d.watch()
    hosted.sh("connects udp 127.0.0.1 9 1; connects udp %s 9 1 50000" % THERE)
    check(told(w, hosted, THERE)["executable"] == "/bin/connects", "and flows come as before")
    w.stop()


def forge(space, address):
    """To every socket of netfilter in the namespace, as its root can send them: a new flow, as the kernel tells it."""
    def attr(kind, data):
        return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)

    def tuple_(src, dst, sport, dport):
        ip = attr(1, socket.inet_aton(src)) + attr(2, socket.inet_aton(dst))
        ports = attr(1, b"\x06") + attr(2, struct.pack(">H", sport)) + attr(3, struct.pack(">H", dport))
        return attr(1 | 0x8000, ip) + attr(2 | 0x8000, ports)
    data = attr(1 | 0x8000, tuple_(address, "203.0.113.66", 40000, 80)) + attr(2 | 0x8000, tuple_("203.0.113.66", address, 80, 40000))
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + data
    text = struct.pack("=IHHII", 16 + len(body), 1 << 8, 0x600, 0, 0) + body  # NFNL_SUBSYS_CTNETLINK, NLM_F_CREATE | NLM_F_EXCL
    program = """
import socket, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
sent = 0
for line in open("/proc/net/netlink").read().splitlines()[1:]:
    if line.split()[1] == "12" and int(line.split()[2]) not in (0, s.getsockname()[0]):
        s.sendto(bytes.fromhex(sys.argv[1]), (int(line.split()[2]), 0))
        sent += 1
print(sent)
"""
    return run(space + ["python3", "-c", program, text.hex()])


def test_forged_sender(lab):
    """A message that looks like the kernel's, of somebody else in the namespace: counted, and believed by nobody."""
    net = Net(lab)
    net.serve(THERE, 80)
    c = net.container("forges")
    d = lab.daemon()
    watched(d, c)
    w = d.watch()
    r = forge(net.inside(c.space), c.ipv4)
    check(r.returncode == 0 and int(r.stdout) >= 1, "it was sent", r.stdout, r.stderr)
    wait("it to be counted", lambda: network(d)["forged"] >= 1)
    c.sh("call tcp %s 80 50" % THERE)
    told(w, c, THERE)
    check(not began(w, c, "203.0.113.66"), "it is no flow", w.events("flow"))
    w.stop()


def test_comes_back(lab):
    """What the guard took away stands again when there is room; flows come as before, with their names; what was connected
    meanwhile is told."""
    net = Net(lab)
    net.names({"late.example.test": [THERE], "long.example.test": ["198.51.100.2"]})
    net.serve(THERE, 80)
    net.serve("198.51.100.2", 80, "hold")
    c = net.container("back")
    most = open("/proc/sys/net/netfilter/nf_conntrack_max").read()
    with open("/proc/sys/net/netfilter/nf_conntrack_max", "w") as out:
        out.write("400\n")
    try:
        d = lab.daemon(config='files = { round = "2s"; };\n')
        watched(d, c)
        c.sh("connects udp-range %s 1000 300" % THERE)
        wait("the guard to take it away", lambda: network(d)["withdrawn"] >= 1)
        wait("it to be gone", lambda: tables(d, c) == [])
        w = d.watch()
        c.sh("call tcp 198.51.100.2 80 30000 > /dev/null & echo $! > /tmp/pid")
        wait("it to be connected", lambda: "198.51.100.2:80" in c.inside("ss", "-Htn"))
    finally:
        with open("/proc/sys/net/netfilter/nf_conntrack_max", "w") as out:
            out.write(most)
    wait("it to stand again", lambda: len(tables(d, c)) == 1)
    e = wait("what was connected meanwhile", lambda: [e for e in w.events("flow", c.id) if e["remote"] == "198.51.100.2"])[0]
    check(e["executable"] == "/bin/call" and "before-watch" not in e["flags"], "it is no inventory", e)
    c.sh("busybox wget -q -O /dev/null http://late.example.test/")
    check(told(w, c, THERE, remote_port=80)["names"] == ["late.example.test"], "with its name", w.events("flow", c.id))
    w.stop()


def test_connected_while_away(lab):
    """Whoever takes our table away and connects before it stands again is told all the same."""
    net = Net(lab)
    net.serve(THERE, 80, "hold")
    c = net.container("away")
    d = lab.daemon()
    watched(d, c)
    w = d.watch()
    n = 0
    while network(d)["table_removed"] <= 6:  # more often than it is made anew at once
        before = network(d)["table_removed"]
        c.inside("nft", "flush", "ruleset")
        wait("it to be seen", lambda: network(d)["table_removed"] > before)
        n += 1
        check(n < 20, "each is seen")
        if network(d)["table_removed"] <= 6:
            wait("the table to stand again", lambda: len(tables(d, c)) == 1)
    check(tables(d, c) == [], "now it is away for a while")
    c.sh("call tcp %s 80 30000 > /dev/null & true" % THERE)
    wait("it to be connected", lambda: THERE + ":80" in c.inside("ss", "-Htn"))
    e = wait("it to be told", lambda: [e for e in w.events("flow", c.id) if e["remote"] == THERE])[0]
    check(e["executable"] == "/bin/call", "by whom", e)
    w.stop()


def test_new_address(lab):
    """The first connection from an address that the namespace got later."""
    net = Net(lab)
    net.serve(THERE, 80, "hold")
    c = net.container("moves")
    d = lab.daemon()
    watched(d, c)
    w = d.watch()
    run(["ip", "-n", c.space, "addr", "flush", "dev", "eth0", "scope", "global"])
    run(["ip", "-n", c.space, "addr", "add", "10.77.0.250/24", "dev", "eth0"])
    run(["ip", "-n", c.space, "route", "add", "default", "via", "10.77.0.1"])
    c.sh("call tcp %s 80 20000 > /dev/null & true" % THERE)
    e = told(w, c, THERE)
    check(e["local"] == "10.77.0.250" and e["executable"] == "/bin/call", "from there", e)
    w.stop()


def test_late_answers(lab):
    """A server of datagrams that answers when conntrack has forgotten who asked: it calls nobody."""
    net = Net(lab)
    c = net.container("udpserver")
    c.sh("late 7000 /ctl/answer & true")
    wait("it to wait", lambda: ":7000" in c.inside("ss", "-Hlun"))
    d = lab.daemon()
    watched(d, c)
    w = d.watch()
    with open("/proc/sys/net/netfilter/nf_conntrack_udp_timeout") as f:
        check(f.read(), "conntrack is there")
    c.inside("sh", "-c", "echo 1 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout")
    send = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5555)); s.sendto(b'x', ('%s', 7000))" % c.ipv4
    check(run(net.inside() + ["python3", "-c", send]).returncode == 0, "it is asked")
    wait("it to have been asked", lambda: [e for e in w.events("flow", c.id) if e["direction"] == "inbound"])
    wait("conntrack to have forgotten it", lambda: "5555" not in c.inside("cat", "/proc/net/nf_conntrack"))
    c.sh("touch /ctl/answer")
    wait("the answer to be passed over", lambda: network(d)["resumed"] >= 1)
    check(not [e for e in w.events("flow", c.id) if e["direction"] == "outbound"], "no call", w.events("flow", c.id))
    w.stop()


def test_scope_host_calls(lab):
    """Seen from the host's namespace: a container that calls the host itself; who calls the container; names."""
    server = lab.container("server", network="bridge")
    server.sh("nc -ll -p %d -e /bin/cat &" % PORT)
    client = lab.container("client", network="bridge")
    gateway = client.inside("ip", "route", "show", "default").split()[2]
    d = lab.daemon(config='network = { scope = "host"; };\n')
    mine = network(d)["table"].split()[1]
    wait("the host's to be watched", lambda: mine in run(["nft", "list", "tables"]).stdout)
    d.covered("client"), d.covered("server")
    w = d.watch()
    client.sh("connects udp %s 9 1 50000" % gateway)
    e = told(w, client, gateway)
    check(e["direction"] == "outbound" and e["executable"] == "/bin/connects", "to the host", e)
    subprocess.run(["busybox", "nc", "-w", "1", server.address(), str(PORT)], input=b"x", stdout=subprocess.DEVNULL, timeout=20)
    e = wait("from the host", lambda: [e for e in w.events("flow", server.id) if e["direction"] == "inbound"])[0]
    check(e["local_port"] == PORT, "from the host", e)
    w.stop()


def test_scope_changes(lab):
    """Two workloads in the host's namespace that ask for different things; one that comes later."""
    Net(lab).reach(THERE, "198.51.100.2")
    d = lab.daemon(config='network = { off = ["none*"]; host = ["behind*"]; };\n')
    mine = network(d)["table"].split()[1]
    lab.container("none", network="host")
    hosted = lab.container("hosted", network="host")
    wait("the host's to be watched", lambda: mine in run(["nft", "list", "tables"]).stdout)
    behind = lab.container("behind", network="bridge")
    wait("that it passes through to be watched too", lambda: "hook prerouting" in run(["nft", "list", "table", "inet", mine]).stdout)
    d.covered("behind"), d.covered("hosted")
    w = d.watch()
    behind.sh("connects udp %s 9 1 50000" % THERE)
    told(w, behind, THERE)
    hosted.sh("connects udp 198.51.100.2 9 1 50000")
    told(w, hosted, "198.51.100.2")
    w.stop()


def test_left_by_another_scope(lab):
    """What was left in a container's namespace by a life that watched there, when the next one watches from the host's."""
    d = lab.daemon()
    _, client = pair(lab)
    watched(d, client)
    d.stop(signal.SIGKILL)
    host = lab.daemon(state=d.state, config='network = { scope = "host"; };\n')
    mine = network(host)["table"].split()[1]
    wait("the container's to be gone", lambda: tables(d, client) == [])
    host.stop(signal.SIGKILL)
    check(mine in run(["nft", "list", "tables"]).stdout, "left in the host's")
    off = lab.daemon(state=d.state, config='network = { scope = "off"; };\n')
    wait("the host's to be gone", lambda: mine not in run(["nft", "list", "tables"]).stdout)
    check(network(off)["scope"] == "off", "status says off", network(off))


def test_pair_refuses(lab):
    """The queue between the two processes is full for a while: flows that it has no room for are told when it has."""
    net = Net(lab)
    net.address(THERE)
    c = net.container("crowded")
    d = lab.daemon(config='sensor: { queue = "64K"; };\n')
    watched(d, c)
    c.sh("connects udp %s 9 1 50000" % THERE)
    wait("the first", lambda: d.workload("crowded")["network"]["outbound"] == 1)
    engine = d.engine()
    os.kill(engine, signal.SIGSTOP)
    try:
        c.sh("connects udp-range %s 10000 3000" % THERE, 60)
        wait("the sensor to have read them", lambda: not [x for x in c.inside("cat", "/proc/net/netlink").splitlines()[1:] if x.split()[1] == "12" and int(x.split()[4])])
    finally:
        os.kill(engine, signal.SIGCONT)
    wait("all to be told", lambda: d.workload("crowded")["network"]["outbound"] >= 3001)
    status = d.json("status")
    check(status["pair"]["refused"]["flow"] > 0, "some were refused", status["pair"])
    check(d.workload("crowded")["network"]["outbound"] == 3001, "none twice", d.workload("crowded")["network"])


def test_spoken_to_first(lab):
    """A connection of ours that stands when the table is made, and of which the other end's packet is the first that is seen: it
    is found open, outbound; nobody has called, and nobody listens. By a container that was there before, and after a flush."""
    net = Net(lab)
    net.serve(THERE, 80, "push")
    net.serve("198.51.100.2", 80, "push")
    c = net.container("spoken")
    c.sh("call tcp %s 80 60000 > /dev/null & true" % THERE)
    wait("it to be connected", lambda: THERE + ":80" in c.inside("ss", "-Htn"))
    d = lab.daemon()
    watched(d, c)
    own = lambda: d.workload("spoken")["network"]
    wait("it to be found", lambda: [f for f in d.findings("spoken", every=True) if f["inventory"] and f["inventory"]["network"] == ["to " + THERE + ":80/tcp"]])
    w = d.watch()
    removed = network(d)["table_removed"]
    while network(d)["table_removed"] <= removed + 6:  # more often than it is made anew at once
        before = network(d)["table_removed"]
        c.inside("nft", "flush", "ruleset")
        wait("it to be seen", lambda: network(d)["table_removed"] > before)
        if network(d)["table_removed"] <= removed + 6:
            wait("the table to stand again", lambda: len(tables(d, c)) == 1)
    c.sh("call tcp 198.51.100.2 80 60000 > /dev/null & true")
    wait("it to be connected", lambda: "198.51.100.2:80" in c.inside("ss", "-Htn"))
    e = wait("it to be told", lambda: [e for e in w.events("flow", c.id) if "198.51.100.2" in (e["remote"], e["local"])])[0]
    check((e["direction"], e["remote_port"], e["executable"]) == ("outbound", 80, "/bin/call"), "outbound", e)
    check(own()["inbound"] == own()["listeners"] == 0, "nobody calls here, and nobody waits", own())
    w.stop()
