# SPDX-License-Identifier: GPL-2.0-or-later
"""Names: what the name service answers containers, as the agent tells it; and what is no answer."""
import contextlib
import json
import os
import socket
import struct
import subprocess

import engines
from lab import check, run, wait
from net import RESOLVER, RESOLVER6, SILENT, UNCONFIGURED, Net, ip

NEEDS = ("dnsmasq", "ip", "nsenter", "nft", "dockerd")
ONE, TWO, SIX = "198.51.100.1", "198.51.100.2", "2606:2800:220:1::1"


def told(w, c, name, operation="answered", **fields):
    return [e for e in w.events("name", c.id) if e["name"] == name and e["operation"] == operation and all(e[k] == v for k, v in fields.items())]


def answer(w, c, name, operation="answered", **fields):
    """The event of an answer; waited for."""
    return wait("%s to be told %s" % (name, operation), lambda: told(w, c, name, operation, **fields))[-1]


def flow(w, c, address, port=80):
    return wait("a flow to " + address, lambda: next((e for e in w.events("flow", c.id) if e["remote"] == address and e["remote_port"] == port
                                                      and e["operation"] == "began"), None))


def watched(d, w, c):
    """Asks until the first answer is told: then its namespace is watched, and its name servers are known."""
    def ask():
        c.sh("busybox nslookup -type=a ready.test > /dev/null")
        return told(w, c, "ready.test") and [e for e in w.events("flow", c.id) if e["resolver"]]
    d.covered(c.name)
    wait("names to be told of " + c.name, ask)


def begin(lab, records, *names):
    net = Net(lab)
    net.names(dict(records, **{"ready.test": ["10.9.9.9"]}))
    d = lab.daemon()
    return net, d, d.watch()


def test_answers(lab):
    """Rotation behind a name, aliases, AAAA, NXDOMAIN, mixed case: each answer is told, and a flow has its name."""
    net, d, w = begin(lab, {"www.test": [ONE], "six.test": [SIX]})
    net.alias("b.test", "www.test")
    net.alias("a.test", "b.test")
    for a in (ONE, TWO, SIX):
        net.serve(a, 80)
    c = net.container("answers")
    watched(d, w, c)
    c.sh("busybox wget -q -O - http://wWw.TEST/")
    e = answer(w, c, "www.test", addresses=[ONE])
    check(e["server"] == RESOLVER and e["server_port"] == 53 and e["protocol"] == "udp" and e["chain"] == [] and not e["reason"], "the answer", e)
    check(flow(w, c, ONE)["names"] == ["www.test"], "the flow has its name", flow(w, c, ONE))
    net.names({"www.test": [TWO], "six.test": [SIX]})
    c.sh("busybox wget -q -O - http://a.test/")
    e = answer(w, c, "a.test", addresses=[TWO])
    check(e["chain"] == ["b.test", "www.test"], "aliases in the order in which they lead", e)
    check("a.test" in flow(w, c, TWO)["names"], "another address, and the name that was asked for", flow(w, c, TWO))
    c.sh("busybox wget -q -O - http://six.test/")
    answer(w, c, "six.test", addresses=[SIX])
    check(flow(w, c, SIX)["names"] == ["six.test"], "by IPv6", flow(w, c, SIX))
    c.sh("busybox nslookup -type=a nowhere.test")
    answer(w, c, "nowhere.test", addresses=[])
    check({e["operation"] for e in w.events("name", c.id)} == {"answered"}, "nothing else was told", w.events("name", c.id))
    w.stop()


def test_by_tcp(lab):
    """All by TCP, as configured; an answer too long for UDP; a resolver with an IPv6 address."""
    many = ["203.0.113.%d" % i for i in range(1, 101)]
    net, d, w = begin(lab, {"www.test": [ONE], "big.test": many})
    net.serve(ONE, 80)
    tcp = net.container("tcp", "--dns-option", "use-vc", "--dns-option", "timeout:20")
    six = net.container("six", dns=RESOLVER6)
    watched(d, w, tcp)
    watched(d, w, six)
    tcp.sh("busybox wget -q -O - http://www.test/")
    check(answer(w, tcp, "www.test", addresses=[ONE])["protocol"] == "tcp", "by TCP")
    check(flow(w, tcp, ONE)["names"] == ["www.test"], "the flow has its name")
    six.sh("call tcp big.test 9")
    e = wait("the long answer", lambda: [e for e in told(w, six, "big.test", protocol="tcp") if sorted(e["addresses"]) == sorted(many)])[0]
    check(e["server"] == RESOLVER6, "the server", e)
    check(told(w, six, "big.test", protocol="udp"), "and before, what of it came by UDP")
    check(not [e for e in w.events("name") if e["operation"] != "answered"], "nothing else was told", w.events("name"))
    w.stop()


def test_forged(lab):
    """Answers from another server, with another id, to another question: none is a name."""
    net, d, w = begin(lab, {})
    name = "x." + SILENT
    net.silence()
    net.serve("203.0.113.66", 80)
    forger = net.forge(name, "203.0.113.66", "server", "id", "question")
    c = net.container("forged", "--dns-option", "timeout:1", "--dns-option", "attempts:1")
    watched(d, w, c)

    def forged():
        c.sh("busybox nslookup -type=a " + name, 60)
        return {e["reason"] for e in w.events("name", c.id) if e["operation"] == "unasked"}
    # Only once it has been watched for so long as a resolver waits is it sure that nobody asked.
    wait("all forgeries to be told", lambda: len(forged()) == 3, 60)
    check(forged() == {"another server was asked", "it was asked with another id", "something else was asked"}, "why", forged())
    check(all(e["addresses"] == ["203.0.113.66"] for e in w.events("name", c.id) if e["operation"] == "unasked"), "where it leads")
    check({e["server"] for e in told(w, c, name, "unasked", reason="another server was asked")} == {"10.77.0.66"}, "who said so")
    check(not told(w, c, name), "it is no answer")
    c.sh("busybox wget -q -O - http://203.0.113.66/")
    e = flow(w, c, "203.0.113.66")
    check(e["names"] == [], "a forgery is no name", e)
    check(forger.did("forged"), "it was forged")
    w.stop()


def test_self_made(lab):
    """A container that may send raw packets answers its own query: that is no name, and the server's answer is one."""
    net, d, w = begin(lab, {"www.test": [ONE]})
    net.serve("203.0.113.66", 80)
    c = net.container("selfmade", "--cap-add", "NET_RAW")
    watched(d, w, c)
    d.activate("selfmade")
    c.sh("selfname %s www.test 203.0.113.66" % RESOLVER)
    e = answer(w, c, "www.test", "unasked")
    check(e["addresses"] == ["203.0.113.66"] and e["reason"] == "it came by the loopback interface, where its server is not", "why", e)
    answer(w, c, "www.test", addresses=[ONE])
    check({e["operation"] for e in w.events("name", c.id) if e["addresses"] == [ONE]} == {"answered"}, "the server's counts", w.events("name", c.id))
    c.sh("busybox wget -q -O - http://203.0.113.66/")
    check(flow(w, c, "203.0.113.66")["names"] == [], "a forgery is no name", flow(w, c, "203.0.113.66"))
    f = wait("the finding", lambda: [f for f in d.findings("selfmade") if "forged_name" in [x["name"] for x in f["factors"]]])[0]
    check([s["names"] for s in f["signals"] if s["kind"] == "network" and s["address"] == "203.0.113.66"] == [[]], "what it is called", f)
    w.stop()


def test_unconfigured(lab):
    """A server that the container asks by itself is told apart from the ones that it is configured with."""
    net, d, w = begin(lab, {"www.test": [ONE], "other.test": [TWO]})
    net.serve(ONE, 80)
    net.serve(TWO, 80)
    c = net.container("foreign")
    watched(d, w, c)
    d.activate("foreign")
    c.sh("busybox nslookup -type=a other.test " + UNCONFIGURED)
    e = answer(w, c, "other.test", "foreign")
    check(e["server"] == UNCONFIGURED and e["addresses"] == [TWO], "the answer", e)
    c.sh("busybox wget -q -O - http://%s/" % TWO)
    check(flow(w, c, TWO)["names"] == [], "what it says is no name", flow(w, c, TWO))
    f = wait("the finding", lambda: [f for f in d.findings("foreign") if any(s["subject"] == TWO + ":80/tcp" for s in f["signals"])])[0]
    factors = [x["name"] for x in f["factors"]]
    check("foreign_name" in factors and "forged_name" not in factors, "no forgery", f["factors"])
    resolver = [e["resolver"] for e in w.events("flow", c.id) if e["remote"] == UNCONFIGURED]
    check(resolver == [False], "a flow to it is one like any other", w.events("flow", c.id))
    c.sh("busybox wget -q -O - http://www.test/")
    answer(w, c, "www.test", addresses=[ONE])
    check(flow(w, c, ONE)["names"] == ["www.test"], "the configured one is believed")
    w.stop()


def test_kept(lab):
    """What an address was called is known after the agent was started anew."""
    net, d, w = begin(lab, {"www.test": [ONE]})
    net.serve(ONE, 80)
    c = net.container("kept")
    watched(d, w, c)
    c.sh("busybox nslookup -type=a www.test")
    answer(w, c, "www.test")
    w.stop()
    d.stop()
    d = lab.daemon(state=d.state)
    w = d.watch()
    watched(d, w, c)
    c.sh("busybox wget -q -O - http://%s/" % ONE)
    check(flow(w, c, ONE)["names"] == ["www.test"], "the name is known", flow(w, c, ONE))
    check(not told(w, c, "www.test"), "and was not asked for again")
    w.stop()


def test_shared(lab):
    """Two containers in one network namespace: what one asks for is the name of where it calls."""
    net, d, w = begin(lab, {"www.test": [ONE]})
    net.serve(ONE, 80)
    a = net.container("owner")
    watched(d, w, a)
    b = lab.container("guest", network="container:owner")
    d.covered("guest")
    b.sh("busybox wget -q -O - http://www.test/")
    e = wait("the guest's flow", lambda: next((e for e in w.events("flow") if e["remote"] == ONE), None))
    check(e["container"] == b.id and e["names"] == ["www.test"], "whose, and its name", e)
    w.stop()


def name_servers(d):
    return d.json("status")["name_servers"]


def test_shared_servers(lab):
    """Two containers in one network namespace, each with servers of its own: those of both count."""
    net, d, w = begin(lab, {"www.test": [ONE]})
    a = net.container("owner2")
    watched(d, w, a)
    path = os.path.join(lab.dir, "guests-resolv.conf")
    with open(path, "w") as out:
        out.write("nameserver %s\n" % UNCONFIGURED)
    b = lab.container("guest2", "-v", path + ":/etc/resolv.conf", network="container:owner2")
    d.covered("guest2")
    b.sh("busybox nslookup -type=a www.test")
    e = wait("the guest's answer", lambda: [e for e in w.events("name") if e["name"] == "www.test"])[0]
    check(e["operation"] == "answered" and e["server"] == UNCONFIGURED, "its own server", e)
    a.sh("busybox nslookup -type=a www.test")
    wait("the owner's answer", lambda: told(w, a, "www.test", server=RESOLVER))
    check({e["operation"] for e in w.events("name")} == {"answered"}, "none is foreign", w.events("name"))
    w.stop()


def test_servers_changed(lab):
    """A container that writes its own /etc/resolv.conf names no server by that, and it is said; what the host names counts."""
    net, d, w = begin(lab, {"www.test": [ONE]})
    c = net.container("changes")
    watched(d, w, c)
    c.sh("echo nameserver %s > /etc/resolv.conf" % UNCONFIGURED)
    c.sh("busybox nslookup -type=a www.test")
    e = answer(w, c, "www.test", "foreign")
    check(e["server"] == UNCONFIGURED, "who answered", e)
    wait("status to say so", lambda: c.id in name_servers(d)["changed_containers"])
    check("vouches" in " ".join(d.tidemark("status").stdout.split()), "in words", d.tidemark("status").stdout)
    # Once an address of the host itself, it is nobody's but the host's: what podman's server has.
    with own_address(UNCONFIGURED):
        c.sh("echo nameserver %s >> /etc/resolv.conf" % UNCONFIGURED)
        c.sh("busybox nslookup -type=a www.test")
        answer(w, c, "www.test", server=UNCONFIGURED)
    wait("status to say no more", lambda: c.id not in name_servers(d)["changed_containers"])
    w.stop()


@contextlib.contextmanager
def own_address(address):
    """The host has this one too, where it says nothing to anybody."""
    ip("addr", "add", address + "/32", "dev", "lo")
    try:
        yield
    finally:
        ip("addr", "del", address + "/32", "dev", "lo")


def test_no_servers(lab):
    """Where no resolv.conf is mounted any server counts, and status says so."""
    net, d, w = begin(lab, {"www.test": [ONE]})
    c = net.container("none", dns="none")
    d.covered("none")

    def ask():
        c.sh("busybox nslookup -type=a www.test " + UNCONFIGURED)
        return told(w, c, "www.test")
    wait("the answer", ask)
    servers = name_servers(d)
    check(servers["unknown"] >= 1 and c.id in servers["unknown_containers"], "status", servers)
    check("no /etc/resolv.conf of the runtime was found" in " ".join(d.tidemark("status").stdout.split()), "in words", d.tidemark("status").stdout)
    w.stop()


def test_network_connected(lab):
    """docker network connect: from then on the container asks Docker's own server, which counts at once."""
    net, d, w = begin(lab, {"www.test": ["10.78.0.80"]})
    plain, bridge = "tmdb%d" % os.getpid(), "tmdk%d" % os.getpid()
    ip("link", "add", plain, "type", "bridge")
    ip("addr", "add", "10.76.0.1/24", "dev", plain)
    docker = None
    try:
        docker = engines.Docker(lab, bridge=plain)
        r = docker.run("network", "create", "--subnet", "10.78.0.0/24", "-o", "com.docker.network.bridge.name=" + bridge, "names")
        check(r.returncode == 0, "docker network create", r.stderr)
        net.join(bridge, "10.78.0.53/24", "10.78.0.80/24")
        c = docker.worker("dk-later", "--dns", "10.78.0.53", network="bridge")
        c.id = docker.inspect("dk-later")["Id"]
        d.covered("dk-later")
        wait("its servers to be known", lambda: name_servers(d)["known"] >= 1)
        check("127.0.0.11" not in docker.run("exec", "dk-later", "cat", "/etc/resolv.conf").stdout, "not yet")
        r = docker.run("network", "connect", "names", "dk-later")
        check(r.returncode == 0, "docker network connect", r.stderr)
        c.sh("busybox nslookup -type=a www.test")
        e = answer(w, c, "www.test", server="127.0.0.11")
        check(e["addresses"] == ["10.78.0.80"], "the answer", e)
        check({e["operation"] for e in w.events("name", c.id)} == {"answered"}, "nothing is foreign", w.events("name", c.id))
    finally:
        if docker:
            docker.end()
        ip("link", "del", plain)
    w.stop()


def query(name, ident=7):
    """As a resolver asks for an address."""
    return struct.pack(">6H", ident, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0\0\1\0\1"


def test_host_network(lab):
    """A container in the host's namespace: what it asks for itself is its name, what others there ask for is nobody's."""
    net = Net(lab)
    net.names({"www.test": [ONE], "hosts.test": [ONE, TWO]})
    resolver = net.reach(ONE, TWO)
    net.serve(ONE, 80)
    c = lab.container("hosted", "--dns", resolver, network="host")
    d = lab.daemon()
    w = d.watch()
    d.covered("hosted")
    mine = d.json("status")["network"]["table"].split()[1]
    wait("the host's namespace to be watched", lambda: mine in run(["nft", "list", "tables"]).stdout)

    def asked():
        c.sh("asks %s www.test 50" % resolver)
        return told(w, c, "www.test", addresses=[ONE])
    wait("the container's own name", asked)
    before = d.json("status")["network"]["packets_host"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((resolver, 53))
        s.settimeout(10)
        for ident in range(5):
            s.send(query("hosts.test", ident))
            check(len(s.recv(1000)) > 40, "an answer")
        wait("the host's own to be passed over", lambda: d.json("status")["network"]["packets_host"] >= before + 5)
    wait("its answers to be passed over", lambda: d.json("status")["name_packets"]["others"] >= 5)
    c.sh("busybox wget -q -O - http://%s/" % ONE)
    e = flow(w, c, ONE)
    check(e["names"] == ["www.test"], "the name that it asked for", e)
    check(not [e for e in w.events("name", c.id) if e["name"] == "hosts.test"], "the host's is nobody's", w.events("name", c.id))
    check({e["operation"] for e in w.events("name", c.id)} <= {"answered", "unowned"}, "nothing is forged or foreign", w.events("name", c.id))
    w.stop()


def test_docker(lab):
    """Docker's own resolver in the container's namespace: 127.0.0.11, which asks another one from there in its turn."""
    net, d, w = begin(lab, {"www.test": ["10.78.0.80"]})
    docker = engines.Docker(lab)
    try:
        bridge = "tmdk%d" % os.getpid()
        r = docker.run("network", "create", "--subnet", "10.78.0.0/24", "-o", "com.docker.network.bridge.name=" + bridge, "names")
        check(r.returncode == 0, "docker network create", r.stderr)
        net.join(bridge, "10.78.0.53/24", "10.78.0.80/24")
        net.serve("0.0.0.0", 80)
        c = docker.worker("dk-names", "--dns", "10.78.0.53", network="names")
        c.id = docker.inspect("dk-names")["Id"]
        watched(d, w, c)
        c.sh("busybox wget -q -O - http://www.test/")
        e = answer(w, c, "www.test", addresses=["10.78.0.80"])
        check(e["server"] == "127.0.0.11", "who answered", e)
        check(flow(w, c, "10.78.0.80")["names"] == ["www.test"], "the flow has its name")
        check(not [e for e in w.events("name", c.id) if e["operation"] != "answered"], "nothing is foreign", w.events("name", c.id))
        # It asks the one that `--dns` names, in the container's namespace: configured too, as is the flow there.
        check({e["server"] for e in w.events("name", c.id)} == {"127.0.0.11", "10.78.0.53"}, "both are its servers", w.events("name", c.id))
        flows = [e for e in w.events("flow", c.id) if e["remote"] == "10.78.0.53"]
        check(flows and all(e["resolver"] for e in flows), "flows to it are to a name server", flows)
    finally:
        docker.end()
    w.stop()


def host_scope(lab, nat):
    """Asked: a resolver on the host's own bridge, and one at an address that is rewritten, as Kubernetes has it. Each
    answer is told, of the server that the container knows."""
    gateway = json.loads(lab.podman("network", "inspect", "podman").stdout)[0]["subnets"][0]["gateway"]
    service = "198.18.0.53"
    r = run(["nft", "-f", "-"], input="table ip %s { chain pre { type nat hook prerouting priority -110; ip daddr %s udp dport 53 dnat to %s:5399; }; }"
            % (nat, service, gateway))
    check(r.returncode == 0, "nft", r.stderr)
    d = lab.daemon(config='network = { scope = "host"; };\n')
    w = d.watch()
    lab.container("bridged", network="bridge")  # with it there is a bridge
    resolvers = [Resolver(lab, gateway, 53), Resolver(lab, gateway, 5399)]
    try:
        for server in (gateway, service):
            c = lab.container(None, "--dns", server, network="bridge")
            d.covered(c.name)

            def asked():
                c.sh("busybox nslookup -type=a www.test > /dev/null")
                return told(w, c, "www.test")
            e = wait("an answer of " + server, asked)[-1]
            check(e["server"] == server and e["addresses"] == [ONE], "the answer", e)
            c.sh("nc -w 1 %s 80 < /dev/null" % ONE)
            check(flow(w, c, ONE)["names"] == ["www.test"], "the flow has its name", flow(w, c, ONE))
            others = [e for e in w.events("name", c.id) if e["operation"] != "answered" or e["server"] != server]
            check(not others, "nothing else was told", others)
    finally:
        for x in resolvers:
            x.end()
    w.stop()


class Resolver:
    """A dnsmasq of the host's that knows www.test."""

    def __init__(self, lab, address, port):
        self.log = os.path.join(lab.dir, "resolver-%s-%d.log" % (address, port))
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--address=/www.test/" + ONE, "--user=root", "--pid-file=",
                "--log-facility=" + self.log, "--bind-interfaces", "--listen-address=" + address, "--port=%d" % port, "--except-interface=lo"]
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        wait("dnsmasq at " + address, self._ready)

    def _ready(self):
        check(self.proc.poll() is None, "dnsmasq ended")
        return os.path.exists(self.log) and "started" in open(self.log).read()

    def end(self):
        self.proc.kill()
        self.proc.wait()


def test_scope_host(lab):
    nat = "tmnat%d" % os.getpid()
    try:
        host_scope(lab, nat)
    finally:
        run(["nft", "delete", "table", "ip", nat])


def test_flood(lab):
    """More queries than are followed: their loss is told, what is answered to them is not called forged, and names come
    again when it is over."""
    net, d, w = begin(lab, {"calm.test": [ONE], "flood.test": [TWO]})
    c = net.container("flood")
    watched(d, w, c)
    c.sh("sleep 6; asks %s flood.test 20000" % RESOLVER, 60)  # longer than a resolver waits: from then on it is sure
    wait("the loss to be told", lambda: sum(x["count"] for x in d.json("status")["losses"] if "name service" in x["what"]) > 10000)
    status = d.json("status")["name_packets"]
    check(status["unsure"] > 0 and status["queries"] > 500, "answers of queries that were not seen", status)
    check(not [e for e in w.events("name", c.id) if e["operation"] != "answered"], "none is called forged", status)
    check(told(w, c, "flood.test", addresses=[TWO]), "what was followed was told")
    c.sh("busybox nslookup -type=a calm.test")
    answer(w, c, "calm.test", addresses=[ONE])
    w.stop()
