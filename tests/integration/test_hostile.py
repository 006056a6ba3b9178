# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers that fight back: the agent neither stalls, nor lies, nor grows, nor opens a file outside the container."""
import os
import signal
import time

from lab import Stall, check, run, wait


def answers(d, what, seconds=5):
    """status comes while somebody hangs; the bound is generous for a busy host, a stall would last for ever."""
    began = time.monotonic()
    d.json("status")
    check(time.monotonic() - began < seconds, "status answers while " + what, "%.1f s" % (time.monotonic() - began))


def drifts(d, c, name):
    """Another container's drift is found meanwhile."""
    c.sh("cp /bin/busybox /opt/%s; /opt/%s true" % (name, name))
    wait("the drift /opt/%s of another container" % name,
         lambda: any(s["subject"] == "/opt/" + name and "exec" in s["operation"] for f in d.findings(c.name) for s in f["signals"]))


def hang(argv):
    """A host process that does something in the container and may hang for ever; ended by the FUSE server's end."""
    import subprocess
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_fuse_that_stops_answering(lab):
    """A process runs from it, stands in it, another execs from it, while its server answers nothing; an agent that
    starts only then is no worse off."""
    stall = Stall(lab)
    d = lab.daemon()
    other = lab.container("bystander")
    c = lab.container("onfuse", "-v", stall.path + ":/vol")
    d.covered("bystander")
    d.covered("onfuse")
    w = d.watch()
    c.sh("(cd /vol; exec /vol/busybox sleep 600) & true")
    wait("the program on FUSE to be told", lambda: any(e["program"] == "/vol/busybox" for e in w.events("exec", c.id)))
    runs = next(e["pid"] for e in w.events("exec", c.id) if e["program"] == "/vol/busybox")
    c.sh("(cd /vol; exec /bin/sleep 601) & true")
    stall.stall()
    check(os.path.exists("/proc/%d" % runs), "it runs from there when the server stops")
    c.sh("(/vol/busybox true) & (cat /vol/busybox) & (ls /vol) & (cd /vol; /bin/true) & true")
    wait("the server to be asked", lambda: stall.asked() > 0)
    answers(d, "a FUSE server does not")
    drifts(d, other, "while-fuse")
    c.sh("cp /bin/busybox /opt/own; /opt/own true")
    wait("the drift of the container itself", lambda: any(e["program"] == "/opt/own" for e in w.events("exec", c.id)))
    w.stop()
    d.stop()
    again = lab.daemon(state=d.state)
    again.covered("bystander")
    answers(again, "a FUSE server does not, met at the start")
    drifts(again, other, "while-fuse2")
    stall.end()
