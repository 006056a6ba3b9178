# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations with every kind of mistake, and clients that do not behave."""
import json
import os
import socket
import time

from lab import BUILD, check, run, wait

EVERY_MISTAKE = """# line 1
queue: { show = 150; page = "high"; };
learn: { period = "72"; window = 5; perid = "1h"; };
probe: { disable = ["names", "everything"]; };
scoring: { prior = 0.1; nonsense = 1.0; };
paths: { state = ""; };
log: { level = "loud"; };
limits: { containers = -1; };
unknown = 3;
sensor = 7;
"""
EXPECTED = {2: ["queue.show", "queue.page"], 3: ["learn.period", "learn.window", "learn.perid; did you mean learn.period"], 4: ["everything"],
            5: ["scoring.prior", "scoring.nonsense"], 6: ["paths.state"], 7: ["log.level"], 8: ["limits.containers"], 9: ["unknown option unknown"], 10: ["sensor"]}


def check_config(lab, text, name="tidemark.conf"):
    path = os.path.join(lab.dir, "conf-" + name)
    with open(path, "wb") as out:
        out.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, 0o644)
    return path, run([os.path.join(BUILD, "tidemarkd"), "--check-config", "--config", path])


def test_all_mistakes_at_once(lab):
    path, r = check_config(lab, EVERY_MISTAKE)
    check(r.returncode == 1, "status 1", str(r.returncode), r.stderr)
    for line, words in EXPECTED.items():
        told = [x for x in r.stderr.splitlines() if x.startswith("%s:%d: " % (path, line))]
        for word in words:
            check(any(word in x for x in told), "line %d names %s" % (line, word), r.stderr)


def test_other_mistakes(lab):
    for text, words in (("queue: { show = ; };", ["syntax error", ":1:"]), (b"\0\1\2", ["zero byte"]), ("@include \"/etc/passwd\"\n", ["@include is not taken"]),
                        ("queue: { show = 50; show = 60; };", ["duplicate"]), ("queue: { show = 90; page = 60; };", ["above queue.page"]), ("x" * 2000000, ["larger than"])):
        path, r = check_config(lab, text)
        check(r.returncode == 1 and all(w in r.stderr for w in words), "told: %s" % words, r.stderr[:1000])
    r = run([os.path.join(BUILD, "tidemarkd"), "--check-config", "--config", os.path.join(lab.dir, "none")])
    check(r.returncode == 1 and "No such file" in r.stderr, "a file that is not there", r.stderr)
    path, r = check_config(lab, "")
    check(r.returncode == 0, "an empty file is the defaults", r.stderr)
    os.chmod(path, 0o666)
    r = run([os.path.join(BUILD, "tidemarkd"), "--check-config", "--config", path])
    check(r.returncode == 1 and "written by anybody" in r.stderr, "a file that anybody may write", r.stderr)


def test_printed_defaults_are_a_configuration(lab):
    text = run([os.path.join(BUILD, "tidemarkd"), "--print-defaults"]).stdout
    path, r = check_config(lab, text)
    check(r.returncode == 0, "as printed", r.stderr)
    taken, in_list = [], False
    for x in text.splitlines():
        if x.lstrip().startswith("#") and (" = " in x or in_list):
            x = x.replace("# ", "", 1)
            in_list = x.rstrip().endswith("[") or (in_list and not x.rstrip().endswith("];"))
        taken.append(x)
    path, r = check_config(lab, "\n".join(taken))
    check(r.returncode == 0, "with every line switched on", r.stderr)


def connect(d, name="control.sock"):
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.path.join(d.runtime, name))
    s.settimeout(10)
    return s


def answer(s):
    data = b""
    while not data.endswith(b"\n"):
        more = s.recv(65536)
        if not more:
            return None
        data += more
    return json.loads(data)


GARBAGE = [b"\n", b"garbage\n", b"{}\n", b"[]\n", b"\0\0\0\n", b"\xff\xfe{\n", b'{"cmd":5}\n', b'{"cmd":"nonsense"}\n', b'{"cmd":"show"}\n', b'{"cmd":"show","id":{}}\n',
           b'{"cmd":"findings","state":[]}\n', b'{"cmd":"baseline.show","workload":"\\u0000"}\n', b'{"cmd":"status","cmd":"status"}\n', b"[" * 60000 + b"\n",
           b'{"cmd":"baseline.activate","workload":"x"}\n']


def test_garbage(lab):
    d = lab.daemon()
    for name in ("control.sock", "admin.sock"):
        for line in GARBAGE:
            s = connect(d, name)
            s.sendall(line)
            a = answer(s)
            check(a is not None and a["ok"] is False and a["error"] and a["code"] in (2, 4), "%s answers %r with an error" % (name, line[:40]), a)
            s.close()
    d.json("status")


def test_long_and_half_lines(lab):
    d = lab.daemon()
    s = connect(d)
    s.sendall(b"x" * 70000)
    a = answer(s)
    check(a and "too long" in a["error"], "a line without end is ended", a)
    half = connect(d)
    half.sendall(b'{"cmd":"sta')
    whole = connect(d)
    whole.sendall(b'{"cmd":"status"}\n')
    check(answer(whole)["ok"], "a half line holds nobody up")
    half.sendall(b'tus"}\n')
    check(answer(half)["ok"], "and may be finished")
    half.sendall(b"never finished")
    half.settimeout(20)
    check(half.recv(10) == b"", "a half line that stays so is closed")


def test_never_reads(lab):
    d = lab.daemon()
    slow = connect(d)
    slow.setblocking(False)
    closed = False
    for _ in range(60000):
        try:
            slow.send(b'{"cmd":"status"}\n')
        except BlockingIOError:
            break
        except (BrokenPipeError, ConnectionResetError):
            closed = True
            break
    began = time.monotonic()
    d.json("status")
    check(time.monotonic() - began < 5, "others are served meanwhile")
    watcher = connect(d)
    watcher.sendall(b'{"cmd":"watch"}\n')
    c = lab.container("loud")
    d.covered("loud")
    c.sh("/bin/many 200")
    check(d.json("status")["engine"]["received"] > 200 or closed, "a watcher that does not read is not waited for")


def test_many_clients(lab):
    d = lab.daemon()
    crowd = [connect(d) for _ in range(60)]
    refused = 0
    for s in crowd:
        s.settimeout(2)
        try:
            s.sendall(b'{"cmd":"findings"}\n')
            a = answer(s)
        except (BrokenPipeError, ConnectionResetError):
            a = None
        refused += a is None or not a["ok"]
    check(0 < refused < 60, "some are refused, the others are served", str(refused))
    for s in crowd:
        s.close()
    wait("the daemon to serve again", lambda: d.tidemark("status").returncode == 0)
