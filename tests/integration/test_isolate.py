# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers cut off the network, as they and their neighbours feel it, and as nft sees it; the program cuts stands for
the sensor. Who asks for it, and what the daemon keeps of it: test_contain."""
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from engines import Docker
from lab import BUILD, SANITIZED, check, run, wait
from net import Net, ip

NEEDS = ("ip", "nft", "nsenter", "dnsmasq")
MB = 1 << 20
MUCH = (64 if SANITIZED else 256) * MB
# Sends for as long as somebody takes it, and says how much went to whom: a line "ADDRESS BYTES" each, in a file.
STREAM = r"""
import os, socket, sys, threading, time
sent, lock = {}, threading.Lock()
def send(c, a):
    data = b"x" * 65536
    try:
        while True:
            n = c.send(data)
            with lock: sent[a] = sent.get(a, 0) + n
    except OSError: pass
def tell(path):
    while True:
        with lock: text = "".join("%s %d\n" % x for x in sent.items())
        open(path + ".new", "w").write(text)
        os.rename(path + ".new", path)
        time.sleep(0.02)
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2])))
s.listen(16)
threading.Thread(target=tell, args=(sys.argv[3],), daemon=True).start()
while True:
    c, a = s.accept()
    threading.Thread(target=send, args=(c, a[0]), daemon=True).start()
"""


class Answer(dict):
    """What cuts said: of each word the rest of its line; of some there are several."""

    def __init__(self, text):
        super().__init__()
        self.lists = {"device": [], "mate": []}
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word in self.lists:
                self.lists[word].append(rest)
            self[word] = rest


def cuts(*argv, fails=False):
    r = run([os.path.join(BUILD, "tests/integration/cuts"), *[str(a) for a in argv]])
    check((r.returncode != 0) == fails, "cuts " + " ".join(str(a) for a in argv), r.stdout + r.stderr)
    return Answer(r.stdout)


def pid_of(lab, c):
    return lab.inspect(c.name)["State"]["Pid"]


def rules(pid=None):
    """Without what counters counted, and without tables by which another agent on this host watches."""
    text = run((["nsenter", "-t", str(pid), "-n"] if pid else []) + ["nft", "-s", "list", "ruleset"]).stdout
    return re.sub(r"(?ms)^table inet tidemark-[0-9a-z]+ \{\n.*?^\}\n*", "", text)


def table_of(c):
    return "tidemark-%s-0000cafe" % c.id[:12]


class Streams:
    """A server of endless downloads in the others' namespace, or behind this prefix; took(address): bytes so far."""

    def __init__(self, lab, inside, address):
        self.path = os.path.join(lab.dir, "streams")
        self.proc = subprocess.Popen(inside + [sys.executable, "-c", STREAM, address, "9000", self.path])
        wait("the streams' server", lambda: os.path.exists(self.path))

    def took(self, address):
        for line in open(self.path):
            if line.split()[0] == address:
                return int(line.split()[1])
        return 0

    def pass_by(self, address, n):
        """Until so many more went there: in seconds."""
        first, began = self.took(address), time.monotonic()
        wait("%s to take %d more" % (address, n), lambda: self.took(address) >= first + n)
        return time.monotonic() - began

    def end(self):
        self.proc.kill()
        self.proc.wait()
        os.unlink(self.path)


def pongs(c):
    try:
        return open(os.path.join(c.ctl, "ping")).read().count(" bytes from ")
    except FileNotFoundError:
        return 0


def test_established_and_flood(lab):
    """A download and a flood of pings are cut, also for one with CAP_NET_ADMIN that flushes its rules; the neighbour's go
    on as fast; release gives all back, and leaves nothing."""
    net = Net(lab)
    a, b = net.container("iso-a", "--cap-add", "NET_ADMIN"), net.container("iso-b")
    s = Streams(lab, net.inside(), "10.77.0.1")
    try:
        pid = pid_of(lab, a)
        before = rules(pid), rules(run(["ip", "netns", "pids", net.space]).stdout.split()[0])
        for c in (a, b):
            c.sh("nc 10.77.0.1 9000 >/dev/null & ping -i 0.01 10.77.0.1 >/ctl/ping &")
        for c in (a, b):
            wait("both to flow", lambda: s.took(c.ipv4) > MB and pongs(c) > 5)
        alone = s.pass_by(b.ipv4, MUCH)
        r = cuts("cut", a.id, pid)
        check(r["way"] == "inside and on the host side" and r["stands"] == r["seen"] == "1", "it is cut, and seen to be", r)
        check(r.lists["device"] == ["eth0 veth v1 elsewhere ingress egress up"], "its device", r)
        check("has-net-admin" in r["facts"], "it could undo what is inside", r)
        check(int(r["cut-us"]) < 50000, "within 50 ms", r)
        s.pass_by(b.ipv4, 16 * MB)
        had, ponged = s.took(a.ipv4), pongs(a)
        beside = s.pass_by(b.ipv4, MUCH)
        wait("the neighbour's pings", lambda n=pongs(b): pongs(b) > n + 20)
        check((s.took(a.ipv4), pongs(a)) == (had, ponged), "nothing flows", "%d %d %d %d" % (had, s.took(a.ipv4), ponged, pongs(a)))
        check(beside < 4 * alone + 1, "the neighbour is as fast", "%.2f s, and %.2f s before" % (beside, alone))
        check(run(["nsenter", "-t", str(pid), "-n", "nft", "flush", "ruleset"]).returncode == 0, "the container flushes")
        a.sh("ping -c 1 -W 1 10.77.0.1 >/ctl/o; [ $? = 1 ]")
        s.pass_by(b.ipv4, 64 * MB)
        check((s.took(a.ipv4), pongs(a)) == (had, ponged), "nor after its rules are flushed")
        check("table" not in rules(pid), "it has none", rules(pid))
        cuts("release", a.id, pid, "places=" + r["places"])
        a.sh("nc 10.77.0.1 9000 >/dev/null & ping -i 0.01 10.77.0.1 >>/ctl/ping &")
        wait("pings again", lambda: pongs(a) > ponged + 5)
        wait("a download again", lambda: s.took(a.ipv4) > had + MB)
        r = cuts("cut", a.id, pid, "sockets")
        check(int(r["sockets"]) >= 1 and "destroy" in cuts("look", a.id, pid)["facts"], "connections are ended, if asked", r)
        cuts("release", a.id, pid, "places=" + r["places"])
        check((rules(pid), rules(run(["ip", "netns", "pids", net.space]).stdout.split()[0])) == before, "nothing is left", rules(pid))
    finally:
        s.end()


class Joined:
    """A namespace with eth0, joined to this host's own by a pair of interfaces."""

    def __init__(self, word):
        n = os.getpid() % 20000
        self.name, self.peer = "tmi%s-%d" % (word, os.getpid()), "tmi%s%d" % (word, n)
        self.host, self.inside = "10.85.%d.1" % (n % 250), "10.85.%d.2" % (n % 250)
        ip("netns", "add", self.name)
        ip("link", "add", self.peer, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("addr", "add", self.host + "/30", "dev", self.peer)
        ip("link", "set", self.peer, "up")
        ip("-n", self.name, "addr", "add", self.inside + "/30", "dev", "eth0")
        for dev in ("lo", "eth0"):
            ip("-n", self.name, "link", "set", dev, "up")
        ip("-n", self.name, "route", "add", "default", "via", self.host)

    def end(self):
        run(["ip", "netns", "del", self.name])


class Door:
    """Whoever connects is let in, and sent away."""

    def __init__(self, address, port):
        self.socket = socket.create_server((address, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                self.socket.accept()[0].close()
        except OSError:
            pass

    def end(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def reaches(address, port):
    return run(["busybox", "nc", "-w", "2", address, str(port)], stdin=subprocess.DEVNULL).returncode == 0


def test_host_side(lab):
    """On the host's own: what is taken away there or inside is noticed, and made again; --keep-probes lets the host in, and
    the container not out; what is allowed passes; one that ended leaves nothing."""
    j = Joined("h")
    c, watch = lab.container("iso-h", network="ns:/run/netns/" + j.name), None
    try:
        pid = pid_of(lab, c)
        c.sh("nc -l -p 8080 -e true & nc -l -p 8081 -e true &")
        r = cuts("look", c.id, pid)
        check(r["way"] == "inside and on the host side" and "ingress egress cgroup" in r["facts"], "what would be", r)
        check(r.lists["device"] == ["eth0 veth %s host ingress egress up" % j.peer], "its device", r)
        check(set(r["ports"].split()) == {"8080", "8081"}, "who listens", r)
        check(table_of(c) not in rules() + rules(pid), "a look changes nothing")
        r = cuts("cut", c.id, pid, "probes")
        check(r["seen"] == r["stands"] == "1", "cut", r)
        check(reaches(j.inside, 8080), "the host's probe comes in")
        server = Door(j.host, 8090)
        c.sh("! nc -w 1 %s 8090 </dev/null" % j.host)
        c.sh("ping -c 1 -W 1 %s >/ctl/o; [ $? = 1 ]" % j.host)
        cuts("cut", c.id, pid, j.host + ":8090")
        check(not reaches(j.inside, 8081), "without, no probe does")
        c.sh("nc -w 2 %s 8090 </dev/null" % j.host)
        server.end()
        watch = subprocess.Popen([os.path.join(BUILD, "tests/integration/cuts"), "watch", c.id, str(pid), "60"], stdout=subprocess.PIPE, text=True)
        lines = iter(watch.stdout.readline, "")
        check(any(x.startswith("seen-us") for x in lines), "the watcher has cut")
        for where, argv in (("host", []), ("inside", ["nsenter", "-t", str(pid), "-n"])):
            families = ["netdev"] if where == "host" else ["inet"]
            for f in families:
                began = time.monotonic()
                check(run(argv + ["nft", "delete", "table", f, table_of(c)]).returncode == 0, "taken away " + where)
                check(next(x for x in lines if x.startswith("changed")).split()[1] == where, "it is noticed")
                check(next(x for x in lines if x.startswith("again")).split()[1:] == ["0", "1"], "and stands again")
                took = time.monotonic() - began
                check(took < 1, "within a second", "%.2f s" % took)
        watch.send_signal(signal.SIGKILL)
        watch.wait()
        check(table_of(c) in rules() and table_of(c) in rules(pid), "they outlive who made them")
        r = cuts("kill", c.id, pid)
        check(r["tasks"] != "0" and r["left"] == "0", "killed", r)
        wait("it to be gone", lambda: not os.path.exists("/proc/%d" % pid))
        j.end()
        cuts("release", c.id, 0)
        check(table_of(c) not in rules(), "nothing of one that has ended is left", rules())
    finally:
        if watch and watch.poll() is None:
            watch.kill()
        j.end()
        run(["nft", "delete", "table", "netdev", table_of(c)])  # of a test that failed


def test_shared_and_host_network(lab):
    """Who shares the namespace is told, and cut too; a container with the host's network is cut by its cgroup, and the host
    is not; the freezer."""
    net = Net(lab)
    net.reach("93.184.216.34")
    s = net.serve("93.184.216.34", 80)
    try:
        a = net.container("iso-p")
        b = lab.container("iso-q", network="container:iso-p")
        r = cuts("look", a.id, pid_of(lab, a))
        check(r.lists["mate"] == [b.id] and r["tasks"] == "1", "who shares it", r)
        r = cuts("cut", a.id, pid_of(lab, a))
        check(r["seen"] == "1", "cut", r)
        b.sh("ping -c 1 -W 1 10.77.0.1 >/ctl/o; [ $? = 1 ]")
        b.sh("ping -c 1 -W 1 127.0.0.1 >/dev/null")
        cuts("cut", b.id, pid_of(lab, b))
        cuts("release", a.id, pid_of(lab, a), "places=" + r["places"])
        b.sh("ping -c 1 -W 1 10.77.0.1 >/ctl/o; [ $? = 1 ]")  # its own holds
        cuts("release", b.id, pid_of(lab, b), "places=" + r["places"])
        b.sh("ping -c 1 -W 2 10.77.0.1 >/dev/null")

        h = lab.container("iso-host", network="host")
        pid = pid_of(lab, h)
        call = "nc -w 2 93.184.216.34 80 </dev/null"
        h.sh(call)
        r = cuts("cut", h.id, pid)
        check(r["way"] == "by its cgroup, on the host's network" and r["seen"] == "1", "cut by its cgroup", r)
        h.sh("! " + call)
        check(reaches("93.184.216.34", 80), "the host is not cut")
        cuts("release", h.id, pid)
        h.sh(call)
        check(table_of(h) not in rules(), "nothing is left")

        r = cuts("freeze", h.id, pid)
        check("freezer-v" in r["facts"], "frozen", r)
        went = os.path.join(h.ctl, "went")
        with open(os.path.join(h.ctl, "in"), "w") as pipe:
            pipe.write("touch /ctl/went\n")
        b.sh("sleep 0.3")  # another one does much meanwhile
        check(not os.path.exists(went), "it does nothing")
        cuts("thaw", h.id, pid)
        wait("it to go on", lambda: os.path.exists(went))
        h.done += 1
    finally:
        s.end()


def test_docker(lab):
    """On a network of Docker's, whose name server asks the world for the container: that way is shut too."""
    bridge = "tmdi%d" % (os.getpid() % 100000)
    docker = Docker(lab)
    try:
        r = docker.run("network", "create", "--subnet", "10.86.0.0/24", "-o", "com.docker.network.bridge.name=" + bridge, "iso")
        check(r.returncode == 0, "docker network create", r.stderr)
        c, n = docker.worker("dk-iso", network="iso"), docker.worker("dk-beside", network="iso")
        c.id, pid = docker.inspect("dk-iso")["Id"], docker.inspect("dk-iso")["State"]["Pid"]
        for w in (c, n):
            w.sh("nslookup dk-beside >/dev/null && ping -c 1 -W 2 10.86.0.1 >/dev/null")
        r = cuts("cut", c.id, pid)
        check(r["way"] == "inside and on the host side" and r["stands"] == r["seen"] == "1", "cut", r)
        check("has-net-raw" in r["facts"] and "has-net-admin" not in r["facts"], "what it may", r)
        c.sh("ping -c 1 -W 1 10.86.0.1 >/dev/null; [ $? = 1 ]")
        c.sh("! timeout 2 nslookup dk-beside >/dev/null")
        c.sh("ping -c 1 -W 1 127.0.0.1 >/dev/null")
        n.sh("nslookup dk-beside >/dev/null && ping -c 1 -W 2 10.86.0.1 >/dev/null")
        cuts("release", c.id, pid)
        c.sh("nslookup dk-beside >/dev/null && ping -c 1 -W 2 10.86.0.1 >/dev/null")
        check(table_of(c) not in rules() + rules(pid), "nothing is left")
    finally:
        docker.end()
        run(["ip", "link", "del", bridge])
