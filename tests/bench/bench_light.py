#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_light.py [SECONDS [CONTAINERS]] - what the agent takes of a core on an ordinary host: containers (20) that each write
a file every two seconds and have a health check (runc exec of a shell that runs one program) every ten. Each of its
processes apart, and how many records came: other containers of this host are watched too, and count."""
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from bench_slowdown import cpu  # noqa: E402
from engines import Bundle, remove_cgroup  # noqa: E402
from lab import wait  # noqa: E402

CHECK_EVERY = 10.0
WORK = "n=0; while sleep 2; do n=$((n + 1)); echo $n > /opt/state-$((n % 5)); done"
CHECK = "test -e /opt/state-0 || sleep 0.01; ls /etc > /dev/null; cat /etc/one.conf"


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 150.0
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    lab = lab_module.Lab()
    base = os.path.join(lab.dir, "cheap")
    cheap, checks = [], []
    try:
        d = lab.daemon(config=os.environ.get("CONF", ""))
        for n in range(count):
            cid = "%064x" % (0x7e << 200 | os.getpid() << 32 | n)
            cheap.append(Bundle(lab, base, cid, "/tidemark-light/" + cid, args=["/bin/sh", "-c", WORK]))
        ids = {c.id for c in cheap}
        wait("all to be covered", lambda: ids <= {c["id"] for c in d.json("status")["containers"] if c["coverage"]}, 60)
        children = {p: name for name, p in d.children().items()}
        children[d.proc.pid] = "sensor"
        time.sleep(3)  # its start is over
        before, status, load = {p: cpu([p]) for p in children}, d.json("status"), os.getloadavg()[0]
        began = time.monotonic()
        made = 0
        while time.monotonic() - began < seconds:
            due = began + made * CHECK_EVERY / count
            time.sleep(max(0, due - time.monotonic()))
            checks.append(subprocess.Popen([*cheap[made % count].runc, "exec", cheap[made % count].id, "/bin/sh", "-c", CHECK], stdout=subprocess.DEVNULL))
            checks = [c for c in checks if c.poll() is None]
            made += 1
        span = time.monotonic() - began
        after = d.json("status")
        used = {name: cpu([p]) - before[p] for p, name in children.items()}
        records = {s["name"]: s["delivered"] - b["delivered"] for s, b in zip(after["sensors"], status["sensors"])}
        print("%d containers, %d health checks in %.0f s; load average %.2f to %.2f" % (count, made, span, load, os.getloadavg()[0]))
        print("records: " + ", ".join("%s %d" % r for r in records.items()) + "; wake-ups %d" % (after["wakeups"] - status["wakeups"]))
        print("of one processor: %.2f %% (%s)" % (100 * sum(used.values()) / span, ", ".join("%s %.2f %%" % (n, 100 * u / span) for n, u in sorted(used.items()))))
    finally:
        for c in checks:
            c.wait()
        for c in cheap:
            c.remove()
        shutil.rmtree(base, ignore_errors=True)
        remove_cgroup("tidemark-light")
        lab.close()


if __name__ == "__main__":
    main()
