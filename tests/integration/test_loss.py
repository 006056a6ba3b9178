# SPDX-License-Identifier: GPL-2.0-or-later
"""Every queue made to overflow: counted, told in status and on the findings of that time, repaired; and what was done
inside the blind moment is found all the same."""
import contextlib
import os
import signal
import time

from datetime import datetime

from lab import check, wait

QUEUE = int(open("/proc/sys/fs/fanotify/max_queued_events").read())


@contextlib.contextmanager
def stopped(pid):
    """One of our daemon's own processes does not turn meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def sensor(d, name):
    return next(s for s in d.json("status")["sensors"] if s["name"] == name)


def when(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def overflow(d, name, words, began, ended):
    """The loss of this burst, as status tells it: its window holds the blind moment."""
    def told():
        return [x for x in d.json("status")["losses"] if words in x["what"] and when(x["from"]) <= began + 0.001 and when(x["to"]) >= ended - 0.001]
    loss = wait("status to tell the loss, with a window that holds the blind moment %f to %f: %s" % (began, ended, words), told)[-1]
    check(words in d.tidemark("status").stdout, "people are told too")
    if name:
        wait("%s: counted and repaired" % name, lambda: (lambda s: s["lost"] and s["repaired"])(sensor(d, name)))
    return loss


def found(d, c, subject, kind=None, operation=None):
    """A signal of this very path, on a finding that tells of the loss."""
    def look():
        for f in d.findings(c.name, every=True):
            for s in f["signals"]:
                if s["subject"] == subject and kind in (None, s["kind"]) and (not operation or operation in s["operation"]):
                    return f, s
    f, s = wait("a finding of %s" % subject, look, 60)
    wait("the loss on the finding of %s" % subject, lambda: "overflowed" in (look()[0]["loss"] or "") or "full" in (look()[0]["loss"] or ""))
    return f, s


def ready(lab, name, config=None, mounts=()):
    d = lab.daemon(config=config)
    c = lab.container(name, *mounts)
    d.covered(name)
    c.sh("mkdir -p /opt/w /opt/drop; echo x > /opt/w/first")
    d.activate(name)
    wait("the directory to be marked", lambda: d.covered(name))
    return d, c


def act(c):
    """What an intruder does in the blind moment: one program that stays, one that runs and ends, one image file gone."""
    c.sh("cp /bin/busybox /opt/drop/sleep; /opt/drop/sleep 1000 & cp /bin/busybox /opt/drop/true; /opt/drop/true; rm /etc/two.conf;"
         " echo changed > /etc/three.conf")


def check_drift(d, c, ran_known):
    f, s = found(d, c, "/opt/drop/true", kind="file")
    check(ran_known or s["pid"] is None, "a walk knows no process", s)
    f, s = found(d, c, "/opt/drop/sleep", kind="process")
    found(d, c, "/etc/two.conf")
    found(d, c, "/etc/three.conf")


def test_names_and_content(lab):
    """More names and contents than the queues hold, while the sensor does not turn: the drop comes when they are full."""
    d, c = ready(lab, "blindfiles")
    with stopped(d.proc.pid):
        c.sh("/bin/storm keep 2 %d /opt/w" % (QUEUE // 2 + 500))
        began = time.time()
        act(c)
        ended = time.time()
    overflow(d, "names", "the queue of names overflowed", began, ended)
    overflow(d, "content", "the queue of file contents overflowed", began, ended)
    check_drift(d, c, ran_known=False)
    c.sh("cp /bin/busybox /opt/drop/after")
    wait("names are told again", lambda: any(s["subject"] == "/opt/drop/after" and s["pid"] for f in d.findings(c.name, every=True) for s in f["signals"]))


def test_processes(lab):
    """More processes than the proc connector's buffer holds."""
    d, c = ready(lab, "blindprocs", config="sensor: { proc_rcvbuf = 65536; };\n")
    with stopped(d.proc.pid):
        c.sh("/bin/storm exec 2 300")
        began = time.time()
        act(c)
        ended = time.time()
    loss = overflow(d, "process", "the proc connector's queue overflowed", began, ended)
    found(d, c, "/opt/drop/true", kind="file")
    f, s = found(d, c, "/opt/drop/sleep", kind="process")
    # The kernel numbers its messages: the loss has a number as soon as the next one has come.
    check(loss["count"] is None or loss["count"] > 0, "the number is the kernel's", loss)
    check(sensor(d, "process")["lost"] > 0, "and is in the totals")


def test_pair(lab):
    """The engine does not turn, and what the sensor has to say is more than the queue between them holds."""
    d, c = ready(lab, "blindpair", config="sensor: { queue = 65536; };\n")
    with stopped(d.engine()):
        c.sh("/bin/storm mixed 2 900 /opt/w")
        began = time.time()
        act(c)
    loss = overflow(d, None, "the queue between the two processes was full", began, began)
    check(loss["count"], "each refused record is counted", loss)
    check(sum(d.json("status")["pair"]["refused"].values()) >= loss["count"], "by class", d.json("status")["pair"])
    check_drift(d, c, ran_known=True)


def test_container_in_the_blind_moment(lab):
    """A container that comes, and one that goes, while the engine does not turn and the queue is full."""
    d, c = ready(lab, "before", config="sensor: { queue = 65536; };\n")
    gone = lab.container("gone")
    d.covered("gone")
    with stopped(d.engine()):
        c.sh("/bin/storm mixed 2 900 /opt/w")
        late = lab.container("late")
        late.sh("mkdir /opt/d; cp /bin/busybox /opt/d/sleep; /opt/d/sleep 1000 &")
        gone.stop()
    d.covered("late")
    wait("the one that went to be known as gone", lambda: d.containers().get("gone", {}).get("state") != "running")
    wait("the program that runs in the new one",
         lambda: any(s["subject"] == "/opt/d/sleep" and s["kind"] == "process" for f in d.findings("late", every=True) for s in f["signals"]))
