# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that cannot be run by themselves and are: an interpreter of the image runs them."""
import os
import shutil

from lab import check, wait
from test_mapped import image as dynamic_image
from test_mapped import libraries


def ready(lab, name, *options, image="localhost/work:1"):
    d = lab.daemon()
    c = lab.container(name, *options, image=image)
    d.covered(name)
    return d, c


def script(d, name, path):
    return next(((f, s) for f in d.findings(name) for s in f["signals"] if s["operation"] == "script" and s["subject"] == path), None)


def raised(d, c, name, path, line):
    """The entrypoint runs it, again and again: a busy host may lose the arguments of what ends at once."""
    def once():
        c.sh(line)
        return script(d, name, path)
    return wait("the script %s to be raised" % path, once)


def told(d, c, w, line):
    """The entrypoint does it, and all of it was judged: what came behind it is told."""
    c.sh(line + "; : > /opt/behind; rm /opt/behind")
    w.file("/opt/behind", "delete", c.id)
    w.lines.clear()


def test_dropped_script(lab):
    """Written while learning as any data file, and run without the bit that says it may be."""
    d, c = ready(lab, "life-drop")
    c.sh("echo 'echo done > /opt/done' > /tmp/x.sh")
    f, s = raised(d, c, "life-drop", "/tmp/x.sh", "/bin/busybox sh /tmp/x.sh")
    check(f["confidence"] >= 90 and f["severity"] == "high" and f["workload"]["baseline_state"] == "learning", "raised while learning", f)
    check(s["layer"] == "write-layer" and s["origin"] == "entrypoint" and s["pid"], "who", s)
    check({"ran_script", "wrote_then_ran"} & {x["name"] for x in f["factors"]}, "why", f["factors"])
    check(any("ran the script /tmp/x.sh, from the write layer" in x for x in f["story"]), "in words", f["story"])
    for line in ("cd /tmp; sh ./x.sh", "cd /tmp; sh x.sh", "sh -e /tmp/../tmp/x.sh"):
        count = script(d, "life-drop", "/tmp/x.sh")[1]["count"]
        wait("it to be counted: " + line, lambda: c.sh(line) or script(d, "life-drop", "/tmp/x.sh")[1]["count"] > count)
    check(len(d.findings("life-drop")) == 1, "one finding", d.findings("life-drop"))
    check(d.json("status")["index"]["scripts"] >= 4, "counted", d.json("status")["index"])


def test_what_is_no_script_of_the_write_layer(lab):
    """The image's, a volume's, one that was mounted over a file, a command; until the image's is changed."""
    one = os.path.join(lab.dir, "mounted.sh")
    with open(one, "w") as out:
        out.write("true\n")
    d, c = ready(lab, "life-innocent", "-v", one + ":/entry.sh:ro")
    w = d.watch()
    told(d, c, w, "echo true > /ctl/s.sh; sh /ctl/s.sh; sh /etc/one.conf; sh /entry.sh; sh -c /bin/true; echo true > /opt/data; sh -c true /opt/data; true | sh")
    check(not d.findings("life-innocent", every=True), "nothing", d.findings("life-innocent", every=True))
    c.sh("echo true > /etc/one.conf")
    f, s = raised(d, c, "life-innocent", "/etc/one.conf", "sh /etc/one.conf")
    check(s["change"] == "modified" and any(x["name"] == "ran_changed_image_file" for x in f["factors"]), "in place of the image's", f)
    w.stop()


def test_under_a_pattern(lab):
    """A directory in which names come and go is known as a whole; what is run from it is not."""
    d, c = ready(lab, "life-spool")
    w = d.watch()
    c.sh("mkdir -p /var/cache/app; for i in a b c d e f g h i j k l; do echo x > /var/cache/app/it$i; echo x > /tmp/it$i; done")
    told(d, c, w, "for i in m n o p q r s t; do echo x > /var/cache/app/it$i; echo x > /tmp/it$i; done")
    keys = [e["key"] for e in d.json("baseline", "show", "life-spool")["entries"]]
    check("/var/cache/app/*" in keys and "/tmp/*" in keys, "patterns", keys)
    d.activate("life-spool")
    told(d, c, w, "echo 'id > /tmp/out' > /tmp/ordinary; echo true > /var/cache/app/ordinary")
    check(not d.findings("life-spool"), "data are known by the pattern", d.findings("life-spool"))
    raised(d, c, "life-spool", "/tmp/ordinary", "sh /tmp/ordinary")
    c.sh("cp /bin/busybox /tmp/prog; chmod 4755 /tmp/prog; /tmp/prog true; cp /bin/busybox /var/cache/app/plain; chmod 755 /var/cache/app/plain")

    def found(path, word):
        return any(s["subject"] == path and word in s["operation"] for f in d.findings("life-spool") for s in f["signals"])
    wait("the program that runs", lambda: found("/tmp/prog", "exec"))
    wait("the setuid file", lambda: any(x["name"] == "setuid_file" for f in d.findings("life-spool") for x in f["factors"]))
    wait("the executable that only lies there", lambda: any(s["subject"] == "/var/cache/app/plain" for f in d.findings("life-spool", every=True) for s in f["signals"]))
    w.stop()


def test_by_the_loader(lab):
    """A program without the bit that says it may be run, handed to the dynamic loader."""
    d, c = ready(lab, "life-loader", image=dynamic_image(lab))
    loader = next(p for p in libraries(os.path.join(lab.dir, "dynamic/bin/loads")) if "/ld-" in p)
    shutil.copy(os.path.join(lab.dir, "dynamic/bin/loads"), c.ctl)
    c.sh("cat /ctl/loads > /tmp/prog")
    f, s = raised(d, c, "life-loader", "/tmp/prog", "(%s /tmp/prog) & true" % loader)
    check(f["confidence"] >= 90, "as a program of the write layer", f)


def test_builtins(lab):
    """A shell that does all by itself: no program runs, and what it changes and calls is found."""
    d, c = ready(lab, "life-builtin")
    w = d.watch()
    told(d, c, w, "cd /opt; echo x > /opt/data")
    d.activate("life-builtin")
    c.sh("umask 077; echo '* * * * * root /tmp/x' > /etc/cron.d-x; echo key > /opt/authorized_keys; read a < /etc/one.conf; echo \"$a\" >> /etc/two.conf")
    for path in ("/etc/cron.d-x", "/opt/authorized_keys", "/etc/two.conf"):
        wait("the file " + path, lambda: any(s["subject"] == path for f in d.findings("life-builtin", every=True) for s in f["signals"]))
    check(not [e for e in w.events("exec", c.id)], "no program ran", w.events("exec", c.id))
    w.stop()
