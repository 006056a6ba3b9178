# SPDX-License-Identifier: GPL-2.0-or-later
"""Our table in network namespaces, as nft and ip see it: made, adopted, taken away, and in nobody's way. The program
listens stands for the sensor: what it prints came by the sockets that the helper opened there."""
import json
import os
import re
import subprocess
import threading

from engines import Docker
from lab import BUILD, TIDEMARK, check, run, wait

NEEDS = ("ip", "nft")
INSTANCE = "it%d" % os.getpid()
TABLE = "tidemark-" + INSTANCE


class Listens:
    def __init__(self, namespace, group=900, instance=INSTANCE):
        self.lines = []
        self.proc = subprocess.Popen([os.path.join(BUILD, "tests/integration/listens"), instance, str(group), namespace],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        self.first = wait("the table to stand", lambda: self.lines[:1])[0]
        check(self.first.startswith("stands "), "the first line", self.first)

    def _read(self):
        for line in self.proc.stdout:
            self.lines.append(line.rstrip("\n"))

    def heard(self, *words):
        return [x for x in list(self.lines) if all(w in x for w in words)]

    def leave(self):
        self.proc.stdin.close()
        wait("it to end", lambda: self.proc.poll() is not None)
        self.thread.join()
        check(self.proc.returncode == 0 and self.lines[-1] == "away", "a clean end", self.lines[-3:])

    def kill(self):
        self.proc.kill()
        self.proc.wait()
        self.thread.join()
        self.proc.stdin.close()


class Net:
    """A namespace of ip netns, joined to the host's by a veth; all of ours is named by this process."""

    def __init__(self, word):
        self.name = "%s-%s" % (word, INSTANCE)
        self.path = "/run/netns/" + self.name
        self.peer = "v%s%d" % (word[0], os.getpid() % 100000)
        self.listening = []
        for argv in (["netns", "add", self.name], ["link", "add", self.peer, "type", "veth", "peer", "name", "eth0", "netns", self.name],
                     ["-n", self.name, "link", "set", "lo", "up"], ["-n", self.name, "link", "set", "eth0", "up"]):
            r = run(["ip", *argv])
            check(r.returncode == 0, "ip " + " ".join(argv), r.stderr)

    def run(self, *argv, **kw):
        return run(["ip", "netns", "exec", self.name, *argv], **kw)

    def listens(self):
        self.listening.append(Listens(self.path))
        return self.listening[-1]

    def tables(self):
        return [x for x in self.run("nft", "list", "tables").stdout.split("\n") if "tidemark-" in x]

    def rules(self):
        r = self.run("nft", "-y", "list", "table", "inet", TABLE)
        check(r.returncode == 0, "nft reads our table", r.stderr)
        return r.stdout

    def python(self, text):
        r = self.run("python3", "-c", "import socket\n" + text)
        check(r.returncode == 0, "the workload in the namespace", r.stderr)

    def connect(self):
        self.python("s = socket.socket(); s.connect_ex(('127.0.0.1', 9))")

    def end(self):
        for x in self.listening:
            if x.proc.poll() is None:
                x.kill()
        run(["ip", "netns", "del", self.name])
        run(["ip", "link", "del", self.peer])


def with_net(test):
    net = Net("n")
    try:
        test(net)
    finally:
        net.end()


ASK = """
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind(('%s', %d))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); client.settimeout(10)
client.sendto(b'%s', ('%s', 53))
text, asker = server.recvfrom(100); server.sendto(b'answer' + text, asker)
text, answerer = client.recvfrom(100)
assert answerer == ('%s', 53), answerer
"""


def stands(net):
    listens = net.listens()
    text = net.rules()
    for part in ("ct state new counter", "priority -150", "priority 300", "udp dport 53", "tcp sport 53", "log group 900", "limit rate 2000/second",
                 'comment "tidemark: switches connection tracking on"'):
        check(part in text, "nft shows: " + part, text)
    check("drop" not in text and "reject" not in text and " accept" not in text.replace("policy accept", ""), "no verdict that ends a packet's way", text)
    net.connect()
    wait("the flow", lambda: listens.heard("flow"))
    net.python(ASK % ("127.0.0.1", 53, "whoiscalled", "127.0.0.1", "127.0.0.1"))
    wait("the query", lambda: listens.heard("packet out", "whoiscalled"))
    wait("its answer", lambda: listens.heard("packet in", "answerwhoiscalled"))
    listens.leave()
    check(net.tables() == [], "no trace is left", net.tables())


def test_stands(lab):
    with_net(stands)


def adopted(net):
    """kill -9 leaves the table; the next start takes it over in one transaction: a socket that listens since before sees
    each flow, and there is one table."""
    net.listens().kill()
    check(len(net.tables()) == 1, "the table stayed", net.tables())
    listens = net.listens()
    check(listens.first == "stands 900 adopted", "it is taken over", listens.first)
    check(net.tables() == ["table inet " + TABLE], "one table", net.tables())
    net.connect()
    wait("the flow", lambda: listens.heard("flow"))
    listens.leave()
    check(net.tables() == [], "no trace is left")


def test_adopted(lab):
    with_net(adopted)


def flushed(net):
    listens = net.listens()
    net.run("nft", "flush", "ruleset")
    wait("the flush to be told", lambda: listens.heard("table gone"))
    listens.leave()  # none stands: no error


def test_flushed(lab):
    with_net(flushed)


def beside(net):
    """A table of the administrator's stays as it is, and another agent's too."""
    rules = """table inet mine {
        chain output { type filter hook output priority 0; tcp dport 9 counter; }
    }
    table inet tidemark-other {
    }"""
    r = net.run("nft", "-f", "-", input=rules)
    check(r.returncode == 0, "nft", r.stderr)
    listens = net.listens()
    net.connect()
    mine = net.run("nft", "list", "table", "inet", "mine").stdout
    check("counter packets 1 " in mine, "its rules work on", mine)
    listens.leave()
    check(net.tables() == ["table inet tidemark-other"] and net.run("nft", "list", "table", "inet", "mine").returncode == 0, "only ours is gone", net.tables())


def test_beside_others(lab):
    with_net(beside)


def embedded_resolver(net):
    """Docker's name server answers at 127.0.0.11 on a port of its own, by nat in the container's namespace: asked and
    answered is seen with port 53."""
    nat = """table ip docker {
        chain out { type nat hook output priority -100; ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:40553; }
        chain post { type nat hook postrouting priority 100; ip saddr 127.0.0.11 udp sport 40553 snat to :53; }
        chain in { type nat hook input priority 100; }
    }"""
    r = net.run("nft", "-f", "-", input=nat)
    check(r.returncode == 0, "nft", r.stderr)
    listens = net.listens()
    net.python(ASK % ("127.0.0.11", 40553, "dockersname", "127.0.0.11", "127.0.0.11"))
    wait("the query", lambda: listens.heard("packet out", "dockersname"))
    wait("its answer", lambda: listens.heard("packet in", "answerdockersname"))
    check(len(listens.heard("packet")) == 2, "each once", listens.heard("packet"))
    listens.leave()


def test_embedded_resolver(lab):
    with_net(embedded_resolver)


def pinned(net):
    """ip netns del works as if we were not there; the namespace goes with our sockets (its veth with it), and the table
    with the namespace."""
    listens = net.listens()
    r = run(["ip", "netns", "del", net.name])
    check(r.returncode == 0 and not os.path.exists(net.path), "ip netns del", r.stderr)
    helper = run(["pgrep", "-P", str(listens.proc.pid)]).stdout.split()
    check(len(helper) == 1, "the helper", helper)
    inode = os.stat("/proc/%s/ns/net" % helper[0]).st_ino
    check(inode == os.stat("/proc/self/ns/net").st_ino, "the helper is at home")
    check(run(["ip", "link", "show", net.peer]).returncode == 0, "our sockets keep it")
    listens.kill()
    wait("the namespace to go", lambda: run(["ip", "link", "show", net.peer]).returncode != 0)


def test_not_pinned(lab):
    with_net(pinned)


def docker_resolver(lab, docker):
    r = docker.run("network", "create", "named")
    check(r.returncode == 0, "docker network create", r.stderr)
    work = docker.worker("dk-asks", network="named")
    pid = docker.inspect("dk-asks")["State"]["Pid"]
    listens = Listens("/proc/%d/ns/net" % pid)
    try:
        work.sh("busybox nslookup dk-asks")
        wait("the query", lambda: listens.heard("packet out", "asks"))
        wait("its answer", lambda: listens.heard("packet in", "asks"))
        listens.leave()
    finally:
        listens.kill()


def test_docker_resolver(lab):
    docker = Docker(lab)
    try:
        docker_resolver(lab, docker)
    finally:
        docker.end()


def remove_everywhere(lab, net):
    """What tidemark probe prints, typed into a shell: a table in a named namespace, and one that only a process holds."""
    state = os.path.join(lab.dir, "state-of-another")
    rows = {x["facility"]: x for x in json.loads(run([TIDEMARK, "--json", "probe", "--state-dir", state]).stdout)}
    command = rows["traces"]["remove"]
    check(command in run([TIDEMARK, "probe", "--state-dir", state]).stdout, "people are told the same")
    instance = re.search(r"inet tidemark-(\w+)", command).group(1)
    other = run([TIDEMARK, "probe", "--state-dir", lab.dir]).stdout
    check(instance not in other, "another agent's is another", other)
    sleeper = subprocess.Popen(["unshare", "-n", "sleep", "1000"])
    try:
        path = "/proc/%d/ns/net" % sleeper.pid
        wait("its namespace", lambda: os.stat(path).st_ino != os.stat("/proc/self/ns/net").st_ino)
        Listens(net.path, instance=instance).kill()
        Listens(path, instance=instance).kill()
        net.listens().kill()
        inside = ["nsenter", "--net=" + path, "nft", "list", "tables"]
        check("tidemark-" + instance in run(inside).stdout and len(net.tables()) == 2, "the tables stand", net.tables())
        r = run(["sh", "-c", command])
        check(run(inside).stdout == "" and net.tables() == ["table inet " + TABLE], "ours are gone, another's is not", run(inside).stdout, net.tables(), r.stderr)
    finally:
        sleeper.kill()
        sleeper.wait()


def test_remove_everywhere(lab):
    with_net(lambda net: remove_everywhere(lab, net))


CHANGES = ("add table inet {t} {{ flags dormant; }}", "insert rule inet {t} output accept", "flush chain inet {t} names", "flush table inet {t}",
           "add chain inet {t} mine {{ type filter hook output priority -200; policy drop; }}")


def test_changed(lab):
    """A table that stands but is not ours any more (dormant, a rule in front, rules gone) is made anew like one that was
    taken away, and what was wrong with it is gone."""
    d = lab.daemon()
    c = lab.container("changes", network="bridge")
    table = d.json("status")["network"]["table"].split()[1]
    wait("its namespace to be watched", lambda: table in c.inside("nft", "list", "tables"))
    whole = c.inside("nft", "-s", "list", "table", "inet", table)
    for n, change in enumerate(CHANGES, 1):
        c.inside("nft", change.format(t=table))
        wait("it to be told: " + change, lambda: d.json("status")["network"]["table_removed"] == n)
        wait("the table as it was: " + change, lambda: c.inside("nft", "-s", "list", "table", "inet", table) == whole)
    flows = d.json("status")["network"]["outbound"]
    c.sh("echo x | nc -w 1 10.255.255.1 9")
    wait("flows to come as before", lambda: d.json("status")["network"]["outbound"] > flows)
