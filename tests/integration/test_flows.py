# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows: our table in network namespaces, what conntrack tells there, and that nothing is left behind."""
import glob
import os
import signal
import subprocess

from lab import check, run, wait

PORT = 7070


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
        client.sh("connects udp-range %s 1000 390" % server.address())
        wait("the guard to take it away", lambda: network(d)["withdrawn"] >= 1)
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
    lab.container("server", network="bridge")
    client = lab.container("client", network="bridge")
    d = lab.daemon(config='network = { scope = "host"; };\n')
    d.table = network(d)["table"]
    mine = d.table.split()[1]
    wait("the host's to be watched", lambda: mine in run(["nft", "list", "tables"]).stdout)
    d.covered("client")
    check(tables(d, client) == [], "none in the container's", tables(d, client))
    w = d.watch()
    client.sh("connects udp 192.0.2.1 9 1 20000")  # out of the bridge: it passes through the host
    wait("the flow, by its process", lambda: [
        e for e in w.events("flow", client.id) if e["remote"] == "192.0.2.1" and e["executable"] == "/bin/connects"])
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
