# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording gives the same findings every time, and the same as live; a damaged one says where."""
import os
import stat

from lab import TIDEMARK, check, run, wait


def record(lab):
    path = os.path.join(lab.dir, "recording-%d" % lab.count)
    c = lab.container("rec")
    c.sh("cp /bin/busybox /opt/before; chmod 755 /opt/before")
    d = lab.daemon(record=path)
    d.covered("rec")
    d.activate("rec")
    c.sh("cp /bin/busybox /opt/x; /opt/x true; rm /etc/one.conf; echo y >> /etc/two.conf; chmod 4755 /opt/x")
    c.exec("/bin/sh", "-c", "echo z > /opt/by-hand")
    wait("the findings", lambda: len([f for f in d.findings("rec") if f["type"] == "drift"]) >= 1)
    w = d.watch()
    c.sh("touch /opt/last")
    w.file("/opt/last", "create")
    w.stop()
    live = d.tidemark("--json", "findings", "--all").stdout
    check(d.stop() == 0, "ends well", d.text())
    return path, live


def replay(path, *argv):
    return run([TIDEMARK, "--json", "replay", path, *argv])


def test_same_as_live(lab):
    path, live = record(lab)
    check(stat.S_IMODE(os.stat(path).st_mode) == 0o600, "a recording is root's alone", oct(os.stat(path).st_mode))
    first, second = replay(path), replay(path)
    check(first.returncode == 0, "replay", first.stderr)
    check(first.stdout == second.stdout, "the same twice, to the byte")
    check(first.stdout == live, "the same as live, to the byte", first.stdout[:3000], live[:3000])
    r = run([TIDEMARK, "replay", path])
    check(r.returncode == 0 and "/opt/x" in r.stdout, "for people", r.stdout, r.stderr)
    r = run([TIDEMARK, "replay", path, "show", "F-2"])
    check(r.returncode == 0 and "Why it is here" in r.stdout, "one of them", r.stderr)


def test_damage(lab):
    path, _ = record(lab)
    data = open(path, "rb").read()
    bad = os.path.join(lab.dir, "bad")
    step = max(1, len(data) // 60)

    def expect(content, what):
        with open(bad, "wb") as out:
            out.write(content)
        r = replay(bad)
        check(r.returncode == 4 and bad in r.stderr, "refused: " + what, str(r.returncode), r.stderr)
        return r.stderr
    for cut in range(0, len(data), step):
        text = expect(data[:cut], "cut at %d" % cut)
        check("at byte" in text, "with the offset", text)
    for at in range(0, len(data), step):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        text = expect(bytes(flipped), "bit flipped in byte %d" % at)
        offset = int(text.split("at byte ")[1].split(":")[0])
        check(offset <= at, "names the place of the damage or one before it", text, str(at))
    expect(b"\x7fELF" + os.urandom(500), "a foreign file")
    expect(b"", "an empty file")


def test_never_overwritten(lab):
    path = os.path.join(lab.dir, "kept")
    with open(path, "w") as out:
        out.write("precious")
    d = lab.daemon(record=path, wait_ready=False)
    check(d.proc.wait(20) == 4 and "never overwritten" in d.text(), "refused", d.text())
    check(open(path).read() == "precious", "and left alone")


def test_killed_while_recording(lab):
    path = os.path.join(lab.dir, "killed")
    d = lab.daemon(record=path)
    c = lab.container("cutoff")
    d.covered("cutoff")
    d.proc.kill()
    d.proc.wait()
    wait("the engine to close the recording", lambda: "the sensor has ended" in d.text())
    r = wait("the recording to be whole", lambda: (lambda x: x if x.returncode == 0 else None)(replay(path)))
    check("cutoff" not in r.stderr, "the engine closed it when the sensor died")
