# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read out of a process's memory: by a helper, which a container can make hang, and nobody else."""
import os
import signal
import time

from lab import Failure, Stall, check, wait


def args_of(d):
    return d.json("status")["processes"]["arguments"]


def hang_helper(d, c, stall):
    """The reader is held for a moment, so that what it reads is what the process has made of it since."""
    for n in range(20):
        made = os.path.join(c.ctl, "made%d" % n)
        helper = d.children()["tidemark-args"]
        os.kill(helper, signal.SIGSTOP)
        try:
            c.sh("(/bin/hangargs /vol/busybox /ctl/made%d) & true" % n)
            wait("its files to be open", lambda: os.path.exists(made), 10)
            stall.stall()
            open(made + ".go", "w").close()
            wait("the server to be asked", lambda: stall.asked() > 0)
            time.sleep(0.1)  # what it then waits in cannot be seen; too early is tried again
        finally:
            if os.path.exists("/proc/%d" % helper):
                os.kill(helper, signal.SIGCONT)
        try:
            wait("the reader to hang", lambda: args_of(d)["hung"] > 0, 2)
            return
        except Failure:  # this host was too busy: the reader was replaced before it was let go
            stall.proc.send_signal(signal.SIGUSR2)
    raise Failure("the reader was never made to hang")


def test_arguments_that_never_come(lab):
    """A process's memory is locked while a FUSE server answers nothing: nothing but the helper hangs, and that not for
    long."""
    stall = Stall(lab)
    d = lab.daemon()
    other = lab.container("reads")
    c = lab.container("hangs", "-v", stall.path + ":/vol")
    d.covered("reads")
    d.covered("hangs")
    w = d.watch()
    hang_helper(d, c, stall)
    check("does not answer" in d.text(), "it is said which container", d.text())
    began = time.monotonic()
    other.sh("cp /bin/busybox /opt/late; /opt/late true")
    wait("the drift of another container", lambda: any(s["subject"] == "/opt/late" for f in d.findings("reads") for s in f["signals"]))
    check(time.monotonic() - began < 10, "in time", time.monotonic() - began)
    e = wait("arguments of another container", lambda: next((e for e in w.events("exec", other.id) if e["program"] == "/opt/late"), None))
    check(e["args"] == ["/opt/late", "true"] or "no-arguments" in e["flags"], "they are its own", e)
    c.sh("/bin/sleep 0.3")
    wait("a program of the container itself, without arguments, and so said", lambda: any(e["program"] == "/bin/busybox" and not e["args"] and "no-arguments" in e["flags"] for e in w.events("exec", c.id)))
    w.stop()
    d.stop()
    again = lab.daemon(state=d.state)
    again.covered("reads")
    wait("the process to be met at the start, once", lambda: args_of(again)["hung"] == 1)
    other.sh("cp /bin/busybox /opt/later; /opt/later true")
    wait("drift after a start beside it", lambda: any(s["subject"] == "/opt/later" for f in again.findings("reads") for s in f["signals"]))
    stall.end()
    wait("the killed helper to be gone", lambda: args_of(again)["stuck"] == 0)
