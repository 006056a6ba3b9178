#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_image.py TREE [PAIRS] - what it takes to read an image: TREE is a root file system, such as mmdebstrap makes one. Root.
Prints how long, the processor time of the worker and of the helper that opens files, memory of the judge's table, and by how
much work on all processors is slower meanwhile (PAIRS pairs, with and without, in turn)."""
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import lab as lab_module  # noqa: E402
from lab import wait  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
WORK = "import hashlib\nfor i in range(40): hashlib.sha256(bytes(8 << 20)).digest()"


def make_image(lab, name, tree, number):
    """Each of another digest, so that each is read."""
    tar = subprocess.Popen(["tar", "-C", tree, "--exclude=./dev/*", "-c", "."], stdout=subprocess.PIPE)
    r = subprocess.run(lab.engine + ["import", "-q", "--change", "LABEL n=%d" % number, "-", name], stdin=tar.stdout, capture_output=True, text=True,
                       env=dict(os.environ, CONTAINERS_CONF=lab.conf))
    lab_module.check(r.returncode == 0, "podman import", r.stderr)


def used(pids):
    """Processor seconds of each process that still runs, by name."""
    out = {}
    for pid in pids:
        try:
            text = open("/proc/%s/stat" % pid).read()
        except OSError:
            continue
        fields = text.rsplit(")", 1)[1].split()
        out[pid] = (text.split("(", 1)[1].rsplit(")", 1)[0], (int(fields[11]) + int(fields[12])) / TICK)
    return out


def parent(pid):
    return int(open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[1])


def helpers(d):
    """Of this daemon alone: the worker, its process for rpm, and the helper that opens files."""
    ours, found = {d.proc.pid, d.engine()}, []
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and open("/proc/%s/comm" % pid).read().strip() in ("tidemark-image", "tidemark-open") and \
                    {parent(pid), parent(parent(pid))} & ours:
                found.append(pid)
        except OSError:
            pass
    return found


def read_one(lab, d, name):
    """(seconds, processor seconds by process, what image.list says)"""
    image = lab.podman("image", "inspect", name, "--format", "{{.Id}}").stdout.strip()
    cpu, began = {}, time.monotonic()
    lab.container(None, "--entrypoint", "", image=name, entry=["/bin/sleep", "1000"])

    def look():
        cpu.update(used(helpers(d)))
        return next((i for i in d.json("image", "list") if image in i["digest"]), None)

    im = wait("the image to be read", look, 600)
    took = next(float(line.rsplit(" read in ", 1)[1].split()[0]) for line in d.text().split("\n") if image[:12] in line and " read in " in line)
    by = {}
    for name_of, seconds in cpu.values():
        by[name_of] = by.get(name_of, 0) + seconds
    return took, by, im, time.monotonic() - began


def work():
    began = time.monotonic()
    for p in [subprocess.Popen([sys.executable, "-c", WORK]) for _ in range(os.cpu_count())]:
        p.wait()
    return time.monotonic() - began


def main():
    tree, pairs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    lab = lab_module.Lab()
    try:
        for i in range(pairs + 1):
            make_image(lab, "localhost/bench%d:1" % i, tree, i)
        d = lab.daemon()
        took, cpu, im, _ = read_one(lab, d, "localhost/bench0:1")
        print("%d packages, %d files (%d programs, %d libraries, %d scripts), %.0f MiB read" %
              (im["packages"], im["files"], im["program"], im["library"], im["script"], im["read_bytes"] / 2**20))
        print("read in %.1f s; processor time seen last: %s" % (took, ", ".join("%s %.2f s" % x for x in sorted(cpu.items()))))
        print("the judge's table: %.0f KiB, %.1f bytes a file" % (im["memory"] / 1024, im["memory"] / max(im["files"], 1)))
        slower = []
        for i in range(pairs):
            alone = work()
            lab.container(None, "--entrypoint", "", image="localhost/bench%d:1" % (i + 1), entry=["/bin/sleep", "1000"])
            slower.append(work() / alone)
        print("work on all processors while one is read, to the same alone: median %.3f (%s)" %
              (statistics.median(slower), ", ".join("%.3f" % x for x in sorted(slower))))
    finally:
        lab.close()


if __name__ == "__main__":
    main()
