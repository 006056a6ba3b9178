# SPDX-License-Identifier: GPL-2.0-or-later
"""The ring of recordings for tune: each segment replays to what was live, is the engine's alone, survives kill -9, and
a full disk ends it and nothing else."""
import glob
import json
import os
import signal
import stat

from lab import TIDEMARK, check, run, wait


def segments(d):
    return sorted(glob.glob(os.path.join(d.state, "engine", "ring", "*.tide.gz")))


def ring(d):
    return d.json("status")["ring"]


def replay(path, *options):
    return run([TIDEMARK, "--json", "replay", *options, path])


def of(workload, text):
    """Its findings, whole; the host has other containers."""
    return [f for f in json.loads(text) if f["workload"]["name"] == workload]


def test_segments(lab):
    """With a recording beside it, too; a segment that begins in the midst gives the findings of its time."""
    path = os.path.join(lab.dir, "beside-%d" % lab.count)
    c = lab.container("ring")
    d = lab.daemon(record=path, config='record: { segment_time = "1s"; }; files: { round = "1h"; };')
    d.covered("ring")
    d.activate("ring")
    c.sh("cp /bin/busybox /opt/x; /opt/x true")
    d.both("ring")
    before = ring(d)["segments"]
    wait("the next segment, at a tick", lambda: ring(d)["segments"] > before, 40)
    mid = len(segments(d)) - 1
    c.sh("cp /bin/busybox /opt/y; /opt/y true")
    wait("what comes later", lambda: {"/opt/y"} <= {s["subject"] for f in d.findings("ring") for s in f["signals"] if s["kind"] == "process"})
    w = d.watch()
    c.sh("touch /opt/last")
    w.file("/opt/last", "create")
    w.stop()
    live = of("ring", d.tidemark("--json", "findings", "--all").stdout)
    status = ring(d)
    check(status["state"] == "recording" and status["errors"] == 0 and status["records"] > 20, "status of the ring", status)
    check(d.stop() == 0, "ends well", d.text())
    for s in segments(d):
        st = os.stat(s)
        check(stat.S_IMODE(st.st_mode) == 0o600 and st.st_uid == os.stat(os.path.dirname(s)).st_uid != 0, "the engine's alone", oct(st.st_mode))
        r = replay(s)
        check(r.returncode == 0, "each is whole", s, r.stderr)
    last, earlier = replay(segments(d)[-1]).stdout, replay(segments(d)[mid - 1]).stdout
    check(of("ring", last) == live, "the last one knows all that is open, whenever it was raised", of("ring", last), live)
    check("/opt/x" in earlier and "/opt/y" not in earlier, "one before it knows less")
    r = replay(path)
    check(r.returncode == 0 and of("ring", r.stdout) == live, "the recording beside it is as live", r.stderr)


def test_killed(lab):
    c = lab.container("cut")
    d = lab.daemon(config='record: { segment_time = "1d"; };')
    d.covered("cut")
    d.activate("cut")
    c.sh("cp /bin/busybox /opt/x; /opt/x true")
    d.both("cut")
    wait("it to be flushed", lambda: segments(d) and "cut" in replay(segments(d)[0], "--partial").stdout, 40)
    os.kill(d.engine(), signal.SIGKILL)
    d.proc.wait(20)
    r = replay(segments(d)[0])
    check(r.returncode == 4 and "--partial" in r.stderr, "it was cut, and says how to read it", r.stderr)
    r = replay(segments(d)[0], "--partial")
    check(r.returncode == 0 and "/opt/x" in r.stdout, "up to its last whole record", r.stderr)
    again = lab.daemon(state=d.state)
    check(len(segments(again)) == 2 and ring(again)["state"] == "recording", "the next life goes on with another one")


def test_full_disk(lab):
    state = os.path.join(lab.dir, "full-%d" % lab.count)
    os.makedirs(os.path.join(state, "engine", "ring"))
    c = lab.container("full")
    first = lab.daemon(state=state)  # so that directories have their owners
    check(first.stop() == 0, "ends well")
    owner = os.stat(os.path.join(state, "engine"))
    for s in segments(first):
        os.unlink(s)
    r = run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700,uid=%d,gid=%d" % (owner.st_uid, owner.st_gid), "tmpfs", os.path.join(state, "engine", "ring")])
    check(r.returncode == 0, "mount", r.stderr)
    d = lab.daemon(state=state)
    d.covered("full")
    d.activate("full")
    c.sh("i=0; while [ $i -lt 3000 ]; do /bin/busybox true $i$i$i$i$i$i; i=$((i+1)); done")
    wait("the ring to end", lambda: ring(d)["state"] == "ended", 60)
    s = ring(d)
    check(s["errors"] == 1 and "space" in s["error"], "counted, with its reason", s)
    c.sh("cp /bin/busybox /opt/x; /opt/x true")
    d.both("full")
    check("Recordings for tidemark tune have ended" in d.tidemark("status").stdout, "said to people", d.tidemark("status").stdout)
    check(d.text().count("recordings for tune end here") == 1, "one line", d.text()[-3000:])
    check(d.stop() == 0, "ends well", d.text())
    run(["umount", os.path.join(state, "engine", "ring")])


def test_off(lab):
    d = lab.daemon(config='record: { ring_size = "0"; };')
    check(ring(d)["state"] == "off" and not os.path.exists(os.path.join(d.state, "engine", "ring")), "nothing is made", ring(d))
