# SPDX-License-Identifier: GPL-2.0-or-later
"""Code that is loaded from the write layer without being run: a library dropped there."""
import os
import shutil
import subprocess

from lab import check, run, wait

PROGRAM = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)  /* loads [LIBRARY GO]: wait; and load the library once the file GO is there */
{
        while (argc > 2 && access(argv[2], F_OK) < 0)
                usleep(10000);
        if (argc > 2 && !dlopen(argv[1], RTLD_NOW))
                return 1;
        if (argc > 2)
                fclose(fopen("/ctl/loaded", "w"));
        for (;;)
                pause();
}
"""
LIBRARY = "int dropped(void) { return 42; }\n"


def libraries(path):
    """What the host's dynamic loader loads for a program."""
    out = run(["ldd", path]).stdout
    return [w for line in out.splitlines() for w in line.split() if w.startswith("/")]


def image(lab):
    """The image of the tests, with a dynamically linked program, the host's loader and libc."""
    root = os.path.join(lab.dir, "dynamic")
    if os.path.exists(root):
        return "localhost/dynamic:1"
    shutil.copytree(os.path.join(lab.dir, "image"), root, symlinks=True)
    for source, argv in ((PROGRAM, ["-o", root + "/bin/loads", "-x", "c", "-", "-ldl"]), (LIBRARY, ["-shared", "-fPIC", "-o", lab.dir + "/dropped.so", "-x", "c", "-"])):
        r = run(["gcc", "-O1", *argv], input=source)
        check(r.returncode == 0, "gcc", r.stderr)
    for path in libraries(root + "/bin/loads"):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(os.path.realpath(path), root + path)
    tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    r = subprocess.run(lab.engine + ["import", "-q", "-", "localhost/dynamic:1"], stdin=tar.stdout, capture_output=True, text=True, env=dict(os.environ, CONTAINERS_CONF=lab.conf))
    check(r.returncode == 0, "podman import", r.stderr)
    return "localhost/dynamic:1"


def ready(lab, name):
    d = lab.daemon()
    c = lab.container(name, image=image(lab))
    shutil.copy(lab.dir + "/dropped.so", c.ctl)
    d.covered(name)
    return d, c


def mapped(d, name, path):
    return next((s for f in d.findings(name) for s in f["signals"] if s["operation"] == "map" and s["subject"] == path), None)


def test_preload(lab):
    """A program of the image, with a library of the write layer put before it."""
    d, c = ready(lab, "preload")
    c.sh("cp /ctl/dropped.so /opt/pre.so; (LD_PRELOAD=/opt/pre.so /bin/loads) & true")
    s = wait("the library to be told", lambda: mapped(d, "preload", "/opt/pre.so"))
    check(s["executable"] == "/bin/loads" and s["layer"] == "write-layer" and s["origin"] == "entrypoint" and s["pid"], "who loaded it", s)
    check(s["count"] == 1, "once", s)
    check(not any(x["operation"] == "map" and x["layer"] == "image" for f in d.findings("preload") for x in f["signals"]), "nothing of the image is told", d.findings("preload"))


def test_dlopen_later(lab):
    """A process that has been running for a while loads a library which was dropped meanwhile; found by who opens it."""
    d, c = ready(lab, "dlopen")
    c.sh("(/bin/loads /opt/late.bin /ctl/go) & true")
    w = d.watch()
    wait("the look after its start to be over", lambda: d.json("status")["processes"]["mapped"]["looks"] > 0)
    c.sh("cp /ctl/dropped.so /opt/late.bin")
    wait("the dropped library to have a mark", lambda: d.json("status")["processes"]["mapped"]["marks"] > 0)
    c.sh("touch /ctl/go")
    wait("it to be loaded", lambda: os.path.exists(c.ctl + "/loaded"))
    s = wait("the library to be told", lambda: mapped(d, "dlopen", "/opt/late.bin"))
    check(s["executable"] == "/bin/loads", "who loaded it", s)
    w.stop()
    c.remove()  # a mark on one of its files holds nothing
    check(not any(c.id in line for line in open("/proc/self/mountinfo")), "its mount is gone")


def test_loaded_before(lab):
    """Loaded before the agent was there."""
    c = lab.container("before", image=image(lab))
    shutil.copy(lab.dir + "/dropped.so", c.ctl)
    c.sh("cat /ctl/dropped.so > /opt/mine.so; (LD_PRELOAD=/opt/mine.so /bin/loads) & true")
    d = lab.daemon()
    d.covered("before")
    wait("the library to be told", lambda: mapped(d, "before", "/opt/mine.so"))
