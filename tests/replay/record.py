#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""record.py [--raw FOLDER] [--only KIND/ID,...] [--split] - the labelled recordings of this folder, made anew from real
containers: six services work together and are learned, then everything of cases.py is done, each in a fresh container
of its workload. One agent records all; what belongs to a case is told by its containers.

    data/KIND.tar.zst    learn.tide: what the workload did while it was learned; ID.tide: what happened in the case's
                         containers
    data/cases.tsv       id, half, label, what is expected, in words

Takes about half an hour, root, and the packages of services.NEEDS. --only: these cases alone, beside the learning that
is there. --split: cut what lies in FOLDER (default: the build's directory) once more, and record nothing."""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import cases  # noqa: E402
import services  # noqa: E402
import tide  # noqa: E402
import lab as lab_module  # noqa: E402
from lab import BUILD, Failure, check, run, wait  # noqa: E402
from net import Peer  # noqa: E402
from services import KINDS, Outside, Site  # noqa: E402

SITE = "shop"
PACE = 1.0
LEARN = 440.0    # seconds; cases.conf has windows of 5 s for it
STARTING = 7.0   # of a case's container: longer than cases.conf's learn.startup
AT_ONCE = 2
CLUSTER = b"/var/lib/postgresql/data/base/"


def say(text):
    print(text, flush=True)


class World:
    """The site, the others, the agent, and what all cases share."""

    def __init__(self, lab, raw):
        self.lab, self.raw, self.lock = lab, raw, threading.RLock()
        self.payloads()
        self.tree = services.tree(os.environ.get("BENCH_TREE") or os.path.join(BUILD, "tests/replay/tree"))
        services.base(lab, self.tree)
        for kind in KINDS:
            for version in (1, 2, 3):
                services.image(lab, self.tree, kind, version)
        say("images made")
        self.agent = lab.daemon(record=os.path.join(raw, "raw.tide"), config="files: { round = \"6h\"; };\n")
        self.outside = Outside(lab, [SITE], 11, ttl=5)
        net = self.outside.net
        net.address(*{a for x in cases.NAMES.values() for a in x}, cases.H, cases.R)
        for address, port, how in ((cases.R, 4444, "hold"), ("203.0.113.90", 3333, "hold")):
            Peer(net, how, address, str(port))
        for name, addresses in cases.NAMES.items():
            self.outside.place(name, *addresses)
        self.outside.place("search.%s.test" % SITE, "10.77.0.1")
        self.web = subprocess.Popen(net.inside() + [sys.executable, "-m", "http.server", "8080", "-d", os.path.join(lab.dir, "payloads")], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        self.site = Site(lab, self.outside, SITE, 11, PACE)

    def payloads(self):
        folder = os.path.join(self.lab.dir, "payloads")
        os.makedirs(folder)
        for name in os.listdir(os.path.join(HERE, "payloads")):
            source = os.path.join(HERE, "payloads", name)
            if not name.endswith(".c"):
                shutil.copy(source, folder)
                continue
            shared = name == "hook.c"
            r = run(["gcc", "-O1", "-o", os.path.join(folder, name[:-2] + (".so" if shared else ""))] + (["-shared", "-fPIC"] if shared else ["-static"]) + [source])
            check(r.returncode == 0, "a payload does not compile", r.stderr)

    def start(self, kind, version=1, *options):
        with self.lock:
            c = self.site.start(kind, version, *options)
            if len(self.site.of[kind]) > 1:  # the site's own goes on to answer for the name
                self.site.of[kind].remove(c)
        self.agent.covered(c.name)
        wait(c.name + " to be healthy", lambda: self.site.healthy(c, kind), 60)
        return c

    def end(self, c):
        self.lab.podman("stop", "-t", "2", c.name)
        c.remove()
        self.lab.containers.remove(c)
        with self.lock:
            self.outside.net.forget(c)

    def traffic(self, c, n):
        port = {"nginx": 80, "app": 8080}.get(c.kind)
        if port:
            peer = Peer(self.outside.net, "load", c.ipv4, str(port), "8", "/", "/app/orders", "/assets/%d.png", "+/app/upload")
            time.sleep(n / 8.0)
            peer.end()


# ---- learning ----

class Learning:
    """So that all is learned that an ordinary day of it has: restarts, replicas that come and go, upkeep."""

    def __init__(self, world):
        self.w, self.tasks, self.ids, self.began = world, [], {k: [] for k in KINDS}, time.time()

    def again(self, seconds, act, *args):
        r = self.w.site.random

        def once():
            act(*args)
            self.tasks.append((time.monotonic() + seconds * r.uniform(0.5, 1.5), once))
        self.tasks.append((time.monotonic() + seconds * r.uniform(0.3, 1.0), once))

    def replica(self, kind):
        c = self.w.start(kind)
        self.ids[kind].append(c.id)
        self.w.traffic_of(c)
        time.sleep(6)
        self.w.end(c)

    def health(self, kind):
        for c in self.w.site.of[kind]:
            self.w.site.healthy(c, kind)

    def restart(self, kind):
        c = self.w.site.of[kind][0]
        self.w.lab.podman("restart", "-t", "3", c.name)
        forget(c)
        wait("its health", lambda: self.w.site.healthy(c, kind), 60)

    def run(self):
        site, w = self.w.site, self.w
        for kind in KINDS:
            c = site.start(kind)
            c.kind = kind
            self.ids[kind].append(c.id)
        site.under_load(2.0)
        for kind in KINDS:
            w.agent.covered(site.of[kind][0].name)
            self.again(20, self.health, kind)
            self.again(130, self.replica, kind)
            if os.path.exists(os.path.join(HERE, "services", kind, "rotate.sh")):
                self.again(45, site.do, kind, "rotate.sh")
        for kind in ("redis", "postgres"):
            self.again(40, site.do, kind, "upkeep.sh")
        for kind in ("shell", "app", "batch", "nginx"):
            self.again(200, self.restart, kind)
        self.again(25, w.outside.rotate)
        end = time.monotonic() + LEARN
        while time.monotonic() < end:
            self.tasks.sort(key=lambda t: t[0])
            if self.tasks[0][0] > time.monotonic():
                time.sleep(0.1)
                continue
            self.tasks.pop(0)[1]()
        return {"from": self.began, "to": time.time(), "containers": self.ids}


def forget(c):
    """What was counted of a container that begins anew."""
    c.done = 0
    done = os.path.join(c.ctl, "done")
    if os.path.exists(done):
        os.unlink(done)


# ---- a case ----

class Stage:
    """A fresh container of the workload, and what a case may do with it."""

    def __init__(self, world, kind, ident):
        self.w, self.kind, self.ident, self.containers = world, kind, ident, []

    def fill(self, line):
        return line.replace("@H", cases.H).replace("@R", cases.R).replace("@S", SITE)

    def another(self, version=1, health=None):
        options = ["--health-cmd", health] if health else []
        c = self.w.start(self.kind, version, *options)
        c.kind = self.kind
        self.containers.append(c)
        self.w.traffic(c, 6)
        time.sleep(STARTING)
        return c

    def sh(self, line):
        self.containers[0].sh(self.fill(line), 60)

    def session(self, *argv):
        self.w.lab.podman("exec", self.containers[0].name, *argv)

    def traffic(self, n):
        self.w.traffic(self.containers[0], n)

    def rotate(self):
        with self.w.lock:
            self.w.outside.rotate()

    def rest(self, seconds):
        time.sleep(seconds)

    def restart(self):
        c = self.containers[0]
        self.w.lab.podman("restart", "-t", "3", c.name)
        forget(c)
        wait("its health", lambda: self.w.site.healthy(c, self.kind), 60)
        time.sleep(STARTING)

    def release(self, program, start=None, patch=None):
        def change(more):
            target = os.path.join(more, program)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.join(self.w.lab.dir, "payloads/agent"), target)
            os.chmod(target, 0o755)
            if start:
                path = os.path.join(more, "opt/svc/start.sh")
                text = open(path).read().replace(". /opt/svc/ctl.sh", start + "\n. /opt/svc/ctl.sh")
                open(path, "w").write(text)
            if patch:
                open(os.path.join(more, "opt/svc/shop.py"), "a").write("\n\n" + patch)
        with self.w.lock:
            services.image(self.w.lab, self.w.tree, self.kind, "bad", change)
        self.another("bad")

    def package(self):
        """A package of a later version is brought by dpkg, as a job for that does."""
        c = self.containers[0]
        root = os.path.join(self.w.lab.dir, "deb-" + c.name)
        os.makedirs(os.path.join(root, "DEBIAN"))
        os.makedirs(os.path.join(root, "usr/bin"))
        shutil.copy(shutil.which("busybox"), os.path.join(root, "usr/bin/svc-tool"))
        with open(os.path.join(root, "DEBIAN/control"), "w") as out:
            out.write("Package: svc-tool\nVersion: 2.0\nArchitecture: amd64\nMaintainer: none <none@example.org>\nDescription: a tool\n")
        r = run(["dpkg-deb", "--root-owner-group", "-b", root, os.path.join(c.ctl, "tool.deb")])
        check(r.returncode == 0, "dpkg-deb", r.stderr)
        self.sh("dpkg -i /ctl/tool.deb >/dev/null 2>&1; svc-tool true")

    def play(self, act):
        began = acted = time.time()
        try:
            self.another()
            acted = time.time()
            if callable(act):
                act(self)
            else:
                self.sh(act)
            time.sleep(2)
        finally:
            for c in self.containers:
                self.w.end(c)
        time.sleep(0.5)
        return {"kind": self.kind, "id": self.ident, "from": began, "act": acted, "to": time.time(), "containers": [c.id for c in self.containers]}


def record(raw, only):
    os.makedirs(raw, exist_ok=True)
    for name in ("raw.tide", "raw.json"):
        if os.path.exists(os.path.join(raw, name)):
            os.unlink(os.path.join(raw, name))
    lab = lab_module.Lab()
    rows = {"learn": None, "cases": []}
    try:
        w = World(lab, raw)
        w.traffic_of = lambda c: None
        learning = Learning(w)
        if only:
            for kind in KINDS:
                w.site.start(kind).kind = kind
            w.site.under_load(2.0)
        else:
            rows["learn"] = learning.run()
            say("learned")
        w.lab.podman("rm", "-f", "-i", "none")
        chosen = [x for x in cases.CASES if not only or "%s/%s" % (x[0], x[1]) in only]

        def one(case):
            kind, ident, _, _, _, act = case
            try:
                row = Stage(w, kind, ident).play(act)
                say("%s/%s" % (kind, ident))
                return row
            except (Failure, OSError, subprocess.SubprocessError) as e:
                say("FAILED %s/%s: %s" % (kind, ident, str(e)[:600]))
                return None
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for row in pool.map(one, chosen):
                if row:
                    rows["cases"].append(row)
                    with open(os.path.join(raw, "raw.json"), "w") as out:
                        json.dump(rows, out, indent=1)
        check(w.agent.stop() == 0, "the agent ends well", w.agent.text()[-2000:])
        w.web.kill()
    finally:
        lab.close()
    return len(rows["cases"]) == len(chosen)


# ---- cutting ----

def is_new_cluster(kind, at, frame, act):
    """Of the seven thousand files that initdb makes before the act, in every container anew: they are in learn.tide, where
    they stay; of a case they would be nearly all, and say nothing. The only events that are left out."""
    if not act or kind != tide.FILE or CLUSTER not in frame:
        return False
    return at < act or b"initdb" in frame or tide.FIXED.unpack_from(frame, 8)[6] == tide.SRC_WALK


def merged(chosen, facts, begin):
    """Facts of an image come once, with its first container: where they came, if that was in this case, else before it."""
    early = [frame for wall, frame in facts if wall / 1e9 < begin]
    late = [(wall, frame) for wall, frame in facts if wall / 1e9 >= begin]
    out = []
    for frame in chosen:
        wall = tide.FIXED.unpack_from(frame, 8)[5]
        while late and late[0][0] <= wall:
            out.append(late.pop(0)[1])
        out.append(frame)
    return early + out + [frame for _, frame in late]


def split(raw, data):
    rows = json.load(open(os.path.join(raw, "raw.json")))
    of, spans, acts, held = {}, {}, {}, {}
    if rows["learn"]:
        for kind, ids in rows["learn"]["containers"].items():
            for i in ids:
                of[i] = kind + "/learn"
            spans[kind + "/learn"] = (rows["learn"]["from"], rows["learn"]["to"])
    known = {(x[0], x[1]) for x in cases.CASES}
    for row in [r for r in rows["cases"] if (r["kind"], r["id"]) in known]:
        name = "%s/%s" % (row["kind"], row["id"])
        for i in row["containers"]:
            of[i] = name
        spans[name] = (row["from"], row["to"])
        acts[name] = row.get("act")
    parts = {name: [] for name in set(of.values())}
    snapshot, facts, images = None, {}, {name: set() for name in parts}
    for kind, wall, container, frame in tide.thinned(tide.frames(os.path.join(raw, "raw.tide"))):
        if kind == tide.SNAPSHOT:
            snapshot = frame
        name = of.get(container)
        if kind == tide.PRIOR:
            facts.setdefault(tide.digest_of(frame), []).append((wall, frame))
        elif name and kind == tide.CONTENT:
            images[name].add(tide.image_of(frame, container))
        if name and kind not in (tide.STATE, tide.END) and spans[name][0] - 5 <= wall / 1e9 <= spans[name][1]:
            if not is_new_cluster(kind, wall / 1e9, frame, acts.get(name)):
                parts[name].append(frame)
        elif kind in (tide.LOSS, tide.TICK) and not container:
            for other, (begin, end) in spans.items():
                if begin <= wall / 1e9 <= end:
                    parts[other].append(frame)
    for name, chosen in parts.items():
        learned = images.get(name.split("/")[0] + "/learn", set())
        known = [x for digest in sorted(images[name] - (learned if not name.endswith("/learn") else set())) for x in facts.get(digest, ())]
        parts[name] = merged(chosen, known, spans[name][0])
    total = 0
    for kind in KINDS:
        archive = tide.Archive(os.path.join(data, kind + ".tar.zst"))
        for name, chosen in parts.items():
            if name.split("/")[0] == kind:
                archive.members[name.split("/")[1] + ".tide"] = tide.whole([snapshot] + chosen)
        archive.write()
        total += os.path.getsize(archive.path)
        held[kind] = archive.members
    with open(os.path.join(data, "cases.tsv"), "w") as out:
        out.write("# id\thalf\tlabel\texpected\twords\n")
        for kind, ident, label, expected, words, _ in cases.CASES:
            if ident + ".tide" in held[kind]:
                out.write("%s/%s\t%s\t%s\t%s\t%s\n" % (kind, ident, cases.HALF[kind], label, expected, words))
    say("%d recordings, %d KiB in all" % (len(parts), total >> 10))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--raw", default=os.path.join(BUILD, "tests/replay/raw"))
    p.add_argument("--only", default="")
    p.add_argument("--split", action="store_true")
    a = p.parse_args()
    missing = [package for tool, package in services.NEEDS.items() if not shutil.which(tool)]
    if not a.split and (os.geteuid() != 0 or missing):
        print("left out: this needs root" + ("" if not missing else ", and these packages: " + " ".join(missing)))
        return 77
    good = a.split or record(a.raw, set(filter(None, a.only.split(","))))
    split(a.raw, os.path.join(HERE, "data"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
