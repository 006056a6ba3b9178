# SPDX-License-Identifier: GPL-2.0-or-later
"""net - a small internet for containers, in network namespaces of its own: nothing of the host's is touched.

    net = Net(lab)                                    one namespace with a bridge: "the others", and their resolver
    net.names({"www.test": ["93.184.216.34"]})        what the resolver (dnsmasq) says from now on; again, to change it
    net.alias("cdn.test", "www.test")                 a CNAME
    server = net.serve("93.184.216.34", 80)           somebody there; how: tcp, hold, udp (peer.py)
    net = Net(lab, ttl=5, local="test")               how long names live; below this nobody else has any: what has no AAAA
                                                      has none, instead of being refused
    c = net.container("web")                          a lab.Container on the bridge, with that resolver in its resolv.conf
    c.sh("busybox wget -q -O - http://www.test/")     or "call udp www.test 7" (helpers/call.c)
    server.took()                                     [(address, port, bytes), …] of whoever called

A container's namespace is made before it (podman's --network ns:), with eth0, an IPv4 and an IPv6 address, and a route to
everywhere by the bridge; c.space is its name, for `ip netns exec`. Everything ends in lab.clean(), by pid."""
import os
import re
import shutil
import signal
import subprocess
import sys

from lab import HERE, check, run, wait

NEEDS = ("dnsmasq", "ip", "nsenter")
RESOLVER, RESOLVER6 = "10.77.0.53", "fd77::53"
UNCONFIGURED = "10.77.0.1"  # answers too
SILENT = "silent.test"  # queries for names below it are never answered, once silence() was called


def ip(*argv):
    r = run(["ip", *argv])
    check(r.returncode == 0, "ip " + " ".join(argv), r.stderr)
    return r.stdout


def spaces():
    return [line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines() if line]


def space_end(name):
    for pid in run(["ip", "netns", "pids", name]).stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    run(["ip", "netns", "del", name])


class Peer:
    """A process of peer.py in the others' namespace."""

    def __init__(self, net, *argv):
        self.path = os.path.join(net.dir, "peer-%d" % len(net.peers))
        with open(self.path, "w") as out:
            self.proc = subprocess.Popen(net.inside() + [sys.executable, os.path.join(HERE, "peer.py"), *argv], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        net.peers.append(self)
        wait("peer %s to be ready" % " ".join(argv), self._ready)

    def _ready(self):
        check(self.proc.poll() is None, "a peer ended", self.text())
        return "ready" in self.text()

    def text(self):
        with open(self.path) as f:
            return f.read()

    def did(self, word):
        """What it did, as far as the line is written: the words behind this one."""
        return [line.split()[1:] for line in self.text().splitlines(True) if line.startswith(word + " ") and line.endswith("\n")]

    def took(self):
        return [(a, int(port), int(n)) for a, port, n in self.did("took")]

    def end(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()


class Net:
    def __init__(self, lab, ttl=60, local=None):
        self.lab, self.prefix, self.ttl, self.local = lab, "tm%d-" % os.getpid(), ttl, local
        for name in spaces():  # of a run that was killed
            old = re.fullmatch(r"tm(\d+)-\w+", name)
            if old and not os.path.exists("/proc/" + old.group(1)):
                space_end(name)
        self.number = len(lab.nets)
        self.space = self.prefix + "others%d" % self.number
        self.dir = os.path.join(lab.dir, "net%d" % self.number)
        self.peers, self.dnsmasq, self.count, self.free, self.joined, self.aliases, self.own = [], None, 0, [], 0, {}, []
        lab.nets.append(self)
        os.makedirs(self.dir)
        self.hosts, self.log = os.path.join(self.dir, "hosts"), os.path.join(self.dir, "dnsmasq.log")
        self.records = {}
        self._space(self.space)
        ip("-n", self.space, "link", "add", "br0", "type", "bridge")
        for address in ("10.77.0.1/24", RESOLVER + "/24"):
            ip("-n", self.space, "addr", "add", address, "dev", "br0")
        for address in ("fd77::1/64", RESOLVER6 + "/64"):
            ip("-n", self.space, "addr", "add", address, "dev", "br0", "nodad")
        ip("-n", self.space, "link", "set", "br0", "up")
        self.names({})

    def _space(self, name):
        ip("netns", "add", name)
        self.own.append(name)
        ip("-n", name, "link", "set", "lo", "up")

    def inside(self, space=None):
        """Put before a command it runs in the namespace of the others, or in this one."""
        return ["nsenter", "--net=/run/netns/" + (space or self.space)]

    # ---- names ----

    def _said(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def _resolver_start(self):
        read = self._said().count("read " + self.hosts)
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--addn-hosts=" + self.hosts, "--user=root",
                "--pid-file=", "--log-queries", "--log-facility=" + self.log, "--local-ttl=%d" % self.ttl, "--bind-dynamic", "--except-interface=lo",
                "--server=/%s/127.0.0.1#5399" % SILENT]
        argv += ["--local=/%s/" % self.local] if self.local else []
        argv += ["--cname=%s,%s" % pair for pair in self.aliases.items()]
        with open(os.path.join(self.dir, "dnsmasq.err"), "ab") as err:
            self.dnsmasq = subprocess.Popen(self.inside() + argv, stdout=err, stderr=err, stdin=subprocess.DEVNULL)
        wait("dnsmasq to have read its names", lambda: self._resolver_lives() and self._said().count("read " + self.hosts) > read)

    def _resolver_lives(self):
        check(self.dnsmasq.poll() is None, "dnsmasq ended", open(os.path.join(self.dir, "dnsmasq.err")).read(), self._said()[-2000:])
        return True

    def _resolver_end(self):
        if self.dnsmasq and self.dnsmasq.poll() is None:
            self.dnsmasq.kill()
            self.dnsmasq.wait()

    def names(self, records):
        """Name → addresses, all of them: what was said before is forgotten."""
        self.records = dict(records)
        with open(self.hosts + ".new", "w") as out:
            for name, addresses in records.items():
                for address in addresses:
                    out.write("%s %s\n" % (address, name))
        os.rename(self.hosts + ".new", self.hosts)
        if not self.dnsmasq:
            return self._resolver_start()
        read = self._said().count("read " + self.hosts)
        self.dnsmasq.send_signal(signal.SIGHUP)
        wait("dnsmasq to have read its names again", lambda: self._resolver_lives() and self._said().count("read " + self.hosts) > read)

    def alias(self, name, target):
        """name is a CNAME for target, which is a name or another alias. The resolver is started anew."""
        self.aliases[name] = target
        self._resolver_end()
        self._resolver_start()

    def asked(self, name, kind="A"):
        """How often the resolver was asked for it, by UDP and by TCP (dnsmasq has a process for each connection)."""
        pids = re.findall(r"dnsmasq\[(\d+)\]: query\[%s\] %s from" % (kind, re.escape(name)), self._said())
        udp = sum(int(p) == self.dnsmasq.pid for p in pids)
        return udp, len(pids) - udp

    def silence(self):
        """From now on nobody answers queries for names below SILENT: they wait until the client gives up."""
        return Peer(self, "silent", "127.0.0.1", "5399")

    # ---- the others ----

    def address(self, *addresses):
        """The others have these too, wherever in the world they are."""
        for a in addresses:
            if a in ("0.0.0.0", "::"):
                continue
            run(["ip", "-n", self.space, "addr", "add", a + ("/128" if ":" in a else "/32"), "dev", "lo"])
            check(a in ip("-n", self.space, "addr", "show"), "the others have " + a)

    def network(self, prefix):
        """The others have every address of it: "198.18.0.0/16"."""
        ip("-n", self.space, "route", "add", "local", prefix, "dev", "lo")

    def serve(self, address, port, how="tcp"):
        self.address(address)
        return Peer(self, how, address, str(port))

    def load(self, address, port, rate, *paths):
        """Somebody who asks a server of HTTP for these, so many times a second: see peer.py."""
        return Peer(self, "load", address, str(port), str(rate), *paths)

    def flood(self, address):
        """Somebody who pings it without an end: see peer.py."""
        return Peer(self, "flood", address)

    def forge(self, name, address, *hows):
        """Whoever asks for name is answered by somebody else too: see peer.py."""
        return Peer(self, "forge", name, address, *hows)

    def join(self, bridge, *addresses):
        """The others are on this bridge of the host too, with these addresses ("10.78.0.53/24")."""
        self.joined += 1
        name = "j%dx%d" % (self.number, self.joined)
        ip("link", "add", self.prefix + name, "type", "veth", "peer", "name", name, "netns", self.space)
        ip("link", "set", self.prefix + name, "master", bridge, "up")
        for a in addresses:
            ip("-n", self.space, "addr", "add", a, "dev", name)
        ip("-n", self.space, "link", "set", name, "up")

    def reach(self, *addresses):
        """This host's own namespace, and the containers behind it, reach the others at these addresses; by nothing but a
        pair of interfaces that ends here. The address of the other end, where the resolver is too."""
        self.joined += 1
        name, n = "r%dx%d" % (self.number, self.joined), 4 * (self.joined - 1)
        mine = "10.79.%d." % (os.getpid() % 251)  # other runs may be on this host
        ip("link", "add", self.prefix + name, "type", "veth", "peer", "name", name, "netns", self.space)
        ip("addr", "add", mine + "%d/30" % (n + 1), "dev", self.prefix + name)
        ip("link", "set", self.prefix + name, "up")
        ip("-n", self.space, "addr", "add", mine + "%d/30" % (n + 2), "dev", name)
        ip("-n", self.space, "link", "set", name, "up")
        self.address(*addresses)
        for a in addresses:
            ip("route", "add", a + "/32", "via", mine + "%d" % (n + 2))
        return mine + "%d" % (n + 2)

    # ---- containers ----

    def space_new(self):
        """A namespace on the bridge: its name, its IPv4 and IPv6 address."""
        if self.free:
            n = self.free.pop(0)
        else:
            n = self.count = self.count + 1
        name = self.prefix + "c%dx%d" % (self.number, n)
        self._space(name)
        ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "v%d" % n, "netns", self.space)
        ip("-n", self.space, "link", "set", "v%d" % n, "master", "br0", "up")
        v4, v6 = "10.77.0.%d" % (100 + n), "fd77::%x" % (0x100 + n)
        ip("-n", name, "addr", "add", v4 + "/24", "dev", "eth0")
        ip("-n", name, "addr", "add", v6 + "/64", "dev", "eth0", "nodad")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", "10.77.0.1")
        ip("-n", name, "-6", "route", "add", "default", "via", "fd77::1")
        return name, v4, v6

    def container(self, name=None, *options, dns=RESOLVER, **kw):
        """As lab.container(), in a namespace of its own; dns: what is written into its resolv.conf."""
        space, v4, v6 = self.space_new()
        servers = [x for d in ([dns] if isinstance(dns, str) else dns) for x in ("--dns", d)]
        c = self.lab.container(name, *servers, *options, network="ns:/run/netns/" + space, **kw)
        c.space, c.ipv4, c.ipv6 = space, v4, v6
        return c

    def forget(self, c):
        """It is gone: its namespace goes, and its addresses may be given to another."""
        space_end(c.space)
        self.own.remove(c.space)
        self.free.append(int(c.space.rsplit("x", 1)[1]))

    def end(self):
        for p in self.peers:
            p.end()
        self._resolver_end()
        for name in self.own:
            space_end(name)
        shutil.rmtree(self.dir, ignore_errors=True)
