#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_arguments.py [SECONDS [CPU_MAX...]] - of programs that end at once (a dynamic /bin/true, started by one process at
50 and 200 a second, in bursts of 300 at once, and as fast as it can), the share that is told with its arguments; and what
the agent's processes take of a core meanwhile. For each ceiling (sensor.cpu_max, default: the default and 100)."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from lab import BUILD, check, run  # noqa: E402
from bench_slowdown import cpu  # noqa: E402
from test_storms import quiet  # noqa: E402

IMAGE = "localhost/arguments:1"
FLAT_OUT = 2000  # about so many a second


def image(lab):
    """The lab's image, and a program that the dynamic loader starts."""
    root = os.path.join(lab.dir, "image")
    shutil.copy(shutil.which("true"), os.path.join(root, "bin/dynamic-true"))
    for lib in re.findall(r"/\S+", run(["ldd", shutil.which("true")]).stdout):
        os.makedirs(root + os.path.dirname(lib), exist_ok=True)
        shutil.copy(os.path.realpath(lib), root + lib)
    tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    r = lab.podman("import", "-q", "-", IMAGE, stdin=tar.stdout)
    check(r.returncode == 0, "podman import", r.stderr)


def measure(lab, cpu_max, works):
    record = os.path.join(lab.dir, "arguments-%d" % time.monotonic_ns())
    d = lab.daemon(config="sensor: { cpu_max = %d; };" % cpu_max if cpu_max else "", record=record)
    c = lab.container(image=IMAGE)
    d.covered(c.name)
    pids = [d.proc.pid] + list(d.children().values())
    before, truth = cpu(pids), 0
    began = time.monotonic()
    for count, rate in works:
        c.sh("/bin/storm exec 1 %d /opt/s %d /bin/dynamic-true > /ctl/truth" % (count, rate))
        truth += json.load(open(os.path.join(c.ctl, "truth")))["execs"]
        if len(works) > 1:
            time.sleep(1)  # a pause is part of this load
    seconds = time.monotonic() - began
    used = cpu(pids) - before
    quiet(d)
    check(d.stop() == 0, "it ends as asked", d.text()[-2000:])
    told = json.loads(run([os.path.join(BUILD, "tests/integration/told"), record, c.id, "/opt/s"]).stdout)
    os.unlink(record)
    c.remove()
    return truth, told, seconds, used


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    ceilings = [int(a) for a in sys.argv[2:]] or [0, 100]
    loads = (("50/s", [(50 * seconds, 50)]), ("200/s", [(200 * seconds, 200)]), ("bursts of 300", [(300, 0)] * (seconds // 2)), ("flat out", [(FLAT_OUT * seconds, 0)]))
    lab = lab_module.Lab()
    print("load average %.2f\n%-14s %8s %8s %8s %8s %10s %10s" % (os.getloadavg()[0], "load", "cpu_max", "execs", "execs/s", "told", "arguments", "CPU of one"))
    try:
        image(lab)
        for name, works in loads:
            for ceiling in ceilings:
                truth, told, took, used = measure(lab, ceiling, works)
                print("%-14s %8s %8d %8.0f %8d %9.1f%% %9.1f%%" % (name, "%d" % ceiling if ceiling else "default", truth, truth / took, told["execs"],
                                                                 100 * told["with_args"] / truth, 100 * used / took), flush=True)
    finally:
        lab.close()


if __name__ == "__main__":
    main()
