# SPDX-License-Identifier: GPL-2.0-or-later
"""The small internet that the tests of flows and names stand on (net.py): does it do what it says?"""
from lab import check, run, wait
from net import RESOLVER, RESOLVER6, SILENT, Net, spaces

NEEDS = ("dnsmasq", "ip", "nsenter")
WWW, WWW6 = "93.184.216.34", "2606:2800:220:1::1"


def said(c, line):
    """What the container's entrypoint says to it."""
    c.sh("(%s) > /ctl/said 2>&1" % line)
    with open(c.ctl + "/said") as f:
        return f.read()


def test_lab(lab):
    net = Net(lab)
    net.names({"www.test": [WWW], "six.test": [WWW6], "big.test": ["10.9.0.%d" % i for i in range(1, 101)]})
    net.alias("b.test", "www.test")
    net.alias("a.test", "b.test")
    servers = [net.serve(WWW, 80), net.serve(WWW6, 80)]
    echo = net.serve("198.51.100.7", 7, "udp")
    c = net.container("one")
    check("nameserver " + RESOLVER in said(c, "cat /etc/resolv.conf"), "the resolver is the one that is configured")
    check(WWW in said(c, "busybox nslookup www.test"), "a name is resolved")
    text = said(c, "busybox nslookup a.test")
    check("b.test" in text and "www.test" in text and WWW in text, "aliases lead on", text)
    for name, server in (("www.test", servers[0]), ("a.test", servers[0]), ("six.test", servers[1])):
        before = len(server.took())
        check(said(c, "busybox wget -q -O - http://%s/" % name) == "ok\n", "a server is reached by name: " + name)
        wait("the server to have seen it", lambda: len(server.took()) == before + 1)
    check({t[0] for t in servers[0].took()} == {c.ipv4} and {t[0] for t in servers[1].took()} == {c.ipv6}, "who called", servers[0].took())
    check("GET /" in said(c, "call udp 198.51.100.7 7"), "by UDP")
    check("ok\n" in said(c, "call tcp six.test 80"), "by IPv6")
    check("failed" in said(c, "call tcp 198.51.100.7 7"), "nobody is there")
    wait("the datagram to be seen", lambda: [t[0] for t in echo.took()] == [c.ipv4])
    # The names change while containers run.
    net.names({"www.test": ["198.51.100.7"]})
    text = said(c, "busybox nslookup www.test")
    check("198.51.100.7" in text and WWW not in text, "names change", text)


def test_lab_tcp(lab):
    """What does not fit into a datagram comes by TCP, or all does, if so configured; the resolver has IPv6 too."""
    net = Net(lab)
    many = ["203.0.113.%d" % i for i in range(1, 101)]
    net.names({"big.test": many, "www.test": [WWW]})
    net.serve(WWW, 80)
    for a in many:
        net.address(a)
    server = net.serve("0.0.0.0", 81)
    c = net.container("many")
    check(said(c, "busybox wget -q -O - http://big.test:81/") == "ok\n", "one of many")
    udp, tcp = net.asked("big.test")
    check(udp == tcp and tcp > 0, "each time again, by TCP", [udp, tcp])
    wait("the server to be called", server.took)
    only = net.container("only", "--dns-option", "use-vc", "--dns-option", "timeout:20")
    check(said(only, "busybox wget -q -O - http://www.test/") == "ok\n", "by TCP alone")
    check(net.asked("www.test") == (0, 1), "by TCP alone", net.asked("www.test"))
    six = net.container("six", dns=RESOLVER6)
    check(said(six, "busybox wget -q -O - http://www.test/") == "ok\n", "by IPv6")
    check(net.asked("www.test") == (1, 1), "and UDP", net.asked("www.test"))


def test_lab_forger(lab):
    net = Net(lab)
    net.names({})
    net.silence()
    forger = net.forge("x." + SILENT, "203.0.113.66", "server", "id", "question", "right")
    c = net.container("asks", "--dns-option", "timeout:20")
    text = said(c, "busybox nslookup -type=a x." + SILENT)
    check("203.0.113.66" in text, "the right forgery is believed by who asks", text)
    hows = [f[0] for f in forger.did("forged")]
    check(hows == ["server", "id", "question", "right"], "each was sent once", forger.text())


def test_lab_leaves_nothing(lab):
    net = Net(lab)
    peer = net.serve(WWW, 80)
    net.container("gone")
    pids = [peer.proc.pid, net.dnsmasq.pid]
    lab.clean()
    check(not [s for s in spaces() if s.startswith(net.prefix)], "no namespace is left", spaces())
    check(all(p.poll() is not None for p in (peer.proc, net.dnsmasq)), "no process is left", str(pids))
    check(not run(["ip", "netns", "pids", net.space]).stdout, "in none of them")
