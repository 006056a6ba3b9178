#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""long.py MINUTES FOLDER [SITES] - hours of ordinary life, recorded: sites (services.py) of six kinds of service at light,
irregular work that never repeats, side by side, each with a seed and a pace of its own, while the agent records into
FOLDER/long.tide. The first third is for learning; after it each workload has a first weekly job, two image versions, a
new certificate, one more replica; addresses of the partners, logs and health checks go on all the time. What happened
when is written to FOLDER/long.json. FOLDER/stop, once it exists, ends it early and well.

long.py --cut FOLDER OUT SITE... [FACTS] - of what lies in FOLDER, the events of these sites' containers alone, to OUT,
thinned as tide.py says; also of a recording that is still written. FACTS: another agent's recording on the same
containers, of which what it has read of their images is taken: the first recorder may have begun before that was told.

BENCH_TREE: the image's root, if it exists already."""
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import services  # noqa: E402
import tide  # noqa: E402
import lab as lab_module  # noqa: E402
from lab import BUILD, Failure, check, wait  # noqa: E402
from services import KINDS, Outside, Site  # noqa: E402

CERTIFIED = {"nginx": True, "shell": True, "postgres": True}
UPKEEP = ("redis", "postgres")


class Diary:
    """What is to be done, by the clock; what was done, with its time."""

    def __init__(self, path):
        self.path, self.began, self.tasks, self.rows, self.n = path, time.monotonic(), [], [], 0

    def now(self):
        return time.monotonic() - self.began

    def at(self, seconds, what, act, *args):
        self.n += 1
        self.tasks.append((seconds, self.n, what, act, args))
        self.tasks.sort()

    def note(self, what, **more):
        self.rows.append(dict({"at": round(self.now(), 1), "wall": time.time(), "what": what}, **more))
        with open(self.path + ".new", "w") as out:
            json.dump(self.rows, out, indent=1)
        os.rename(self.path + ".new", self.path)

    def run(self, end, stop):
        while self.now() < end and not os.path.exists(stop):
            if self.tasks and self.tasks[0][0] <= self.now():
                _, _, what, act, args = self.tasks.pop(0)
                try:
                    act(*args)
                    if what:
                        self.note(what)
                except (Failure, OSError) as e:
                    self.note("failed: %s" % what, why=str(e)[:500])
                    print("failed: %s: %s" % (what, str(e)[:300]), flush=True)
            else:
                time.sleep(min(1.0, max(0.05, (self.tasks[0][0] - self.now()) if self.tasks else 1.0)))


class Life:
    """The schedule of one site."""

    def __init__(self, diary, site, total):
        self.d, self.site, self.total, self.random = diary, site, total, site.random

    def again(self, mean, what, act, *args):
        """Now and then, never at the same distance."""
        def once():
            act(*args)
            self.d.at(self.d.now() + mean * self.random.uniform(0.4, 1.6), what, once)
        self.d.at(self.d.now() + mean * self.random.uniform(0.4, 1.6), what, once)

    def between(self, a, b, what, act, *args):
        self.d.at(self.total * self.random.uniform(a, b), "%s: %s" % (self.site.name, what), act, *args)

    def begin(self):
        s, day = self.site, self.total / 7
        for kind in KINDS:
            self.again(150, None, self.check_health, kind)
            self.again(day, "%s: log of %s" % (s.name, kind), self.rotate, kind)
        for kind in UPKEEP:
            self.again(day * 0.7, "%s: upkeep of %s" % (s.name, kind), s.do, kind, "upkeep.sh")
        self.again(day, None, self.load)
        for at in (0.12, 0.25, 0.6, 0.88):
            self.between(at - 0.03, at + 0.03, "restart of shell", self.restart, "shell")
        for kind in KINDS:
            self.between(0.36, 0.45, "first weekly job of %s" % kind, self.weekly, kind)
            self.between(0.46, 0.56, "version 2 of %s" % kind, s.next_version, kind, 2)
            self.between(0.64, 0.71, "one more of %s" % kind, s.start, kind, 2)
            self.between(0.74, 0.85, "version 3 of %s" % kind, s.next_version, kind, 3)
            self.between(0.88, 0.95, "second weekly job of %s" % kind, self.weekly, kind)
            if kind in CERTIFIED:
                self.between(0.57, 0.63, "certificate of %s" % kind, s.do, kind, "cert.sh", *([s.name] if kind == "nginx" else []))

    def rotate(self, kind):
        if os.path.exists(os.path.join(HERE, "services", kind, "rotate.sh")):
            self.site.do(kind, "rotate.sh")

    def weekly(self, kind):
        self.site.do(kind, "weekly.sh", *([self.site.name] if kind == "app" else []))

    def check_health(self, kind):
        for c in self.site.of[kind]:
            self.site.healthy(c, kind)

    def load(self):
        self.site.under_load(self.random.uniform(0.1, 0.5) * 5 / self.site.pace)

    def restart(self, kind):
        for c in self.site.of[kind]:
            r = self.site.lab.podman("restart", "-t", "3", c.name)
            c.done = 0
            done = os.path.join(c.ctl, "done")
            if os.path.exists(done):
                os.unlink(done)
            check(r.returncode == 0, "podman restart", r.stderr)


def facts_of(path):
    """Digest → what was read of the image."""
    facts = {}
    for kind, _, _, frame in tide.frames(path):
        if kind == tide.PRIOR:
            facts.setdefault(tide.digest_of(frame), []).append(frame)
    return facts


def cut(folder, out, words):
    """The containers are ours whose write layers lie in the recorder's own storage; others of the host are left out."""
    lab = json.load(open(os.path.join(folder, "where.json")))["lab"].encode()
    sites, facts = [w for w in words if not os.path.exists(w)], {}
    for w in words:
        facts.update(facts_of(w) if os.path.exists(w) else {})
    path, ours, sited = os.path.join(folder, "long.tide"), set(), set()
    for kind, _, container, frame in tide.frames(path):
        if kind == tide.CTR_START and lab in frame:
            ours.add(container)
        if kind == tide.CONTENT and any(b"%s-%s-" % (s.encode(), k.encode()) in frame for s in sites for k in KINDS):
            sited.add(container)
    chosen, told = [], set()
    for kind, _, container, frame in tide.thinned(tide.frames(path)):
        if container in ours & sited or (not container and kind not in (tide.STATE, tide.END, tide.PRIOR)):
            chosen.append(frame)
        image = tide.image_of(frame, container) if container in ours & sited and kind == tide.CONTENT else None
        if image and image not in told:
            told.add(image)
            chosen += [tide.retimed(f, frame) for f in facts.get(image, ())]
    whole = tide.whole(chosen)
    with open(out, "wb") as f:
        f.write(whole)
    print("%d containers, %d images (of %d nothing was read), %d bytes" % (len(ours & sited), len(told), len(told - set(facts)), len(whole)))


def main():
    if len(sys.argv) > 4 and sys.argv[1] == "--cut":
        return cut(sys.argv[2], sys.argv[3], sys.argv[4:])
    total, folder = 60 * float(sys.argv[1]), os.path.abspath(sys.argv[2])
    names = ["s%d" % (i + 1) for i in range(int(sys.argv[3]) if len(sys.argv) > 3 else 3)]
    os.makedirs(folder, exist_ok=True)
    lab = lab_module.Lab()
    try:
        root = services.tree(os.environ.get("BENCH_TREE") or os.path.join(BUILD, "tests/replay/tree"))
        services.base(lab, root)
        for kind in KINDS:
            for version in (1, 2, 3):
                services.image(lab, root, kind, version)
        third = total / 3
        config = ("learn: { period = \"%ds\"; network_period = \"%ds\"; window = \"60s\"; converge_min = \"1440s\"; };\n" % (third, third))
        daemon = lab.daemon(config=config, record=os.path.join(folder, "long.tide"))
        with open(os.path.join(folder, "where.json"), "w") as out:
            json.dump({"lab": lab.dir, "runtime": daemon.runtime, "pid": os.getpid()}, out)
        diary = Diary(os.path.join(folder, "long.json"))
        diary.note("began", total=total, sites=names, config=config)
        outside = Outside(lab, names, random.randrange(10**6))
        lives = []
        for i, name in enumerate(names):
            site = Site(lab, outside, name, random.randrange(10**6), (6.0, 9.0, 13.0)[i % 3])
            for kind in KINDS:
                c = site.start(kind)
                os.chmod(c.ctl, 0o777)
            lives.append(Life(diary, site, total))
            diary.note(name + ": started")
        for life in lives:
            life.begin()
            life.load()
        r = random.Random()

        def rotate():
            outside.rotate()
            diary.at(diary.now() + r.uniform(40, 160), "addresses", rotate)
        diary.at(60, "addresses", rotate)
        diary.run(total, os.path.join(folder, "stop"))
        diary.note("ended")
        check(daemon.stop() == 0, "the agent ends well", daemon.text()[-2000:])
        print("recorded: %d bytes" % os.path.getsize(os.path.join(folder, "long.tide")))
    finally:
        lab.close()


if __name__ == "__main__":
    main()
