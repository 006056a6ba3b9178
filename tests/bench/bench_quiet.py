#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_quiet.py [MINUTES] - what the agent says of ordinary services that do nothing but their work (60 minutes): nginx,
redis, postgres and an application of them, each a container of one Debian image (made once by mmdebstrap, kept below the
build's directory), under load from others, with health checks, log rotation, upkeep, a restart of the application and one
of the agent, and names outside whose addresses change every 20 seconds. A quarter of the time is for learning; everything
that is told of after a dimension was activated is counted, and told whole. Nothing may be in the queue.

At the end the same services do what they never did: a new name is called, and a raw address. Both must be found.

Baselines are declared complete by `baseline activate`: then something new counts as rare (2 %) however little was
learned, which is the harder test. BENCH_ACTIVATE=0 leaves them to end by themselves, by convergence or time.
BENCH_RECORD=FOLDER: what the agent was told is recorded there, to be replayed."""
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import lab as lab_module  # noqa: E402
from bench_slowdown import cpu  # noqa: E402
from lab import BUILD, Failure, check, wait  # noqa: E402
from net import RESOLVER, Net  # noqa: E402

NEEDS = {"mmdebstrap": "mmdebstrap", "podman": "podman", "runc": "runc", "dnsmasq": "dnsmasq-base", "ip": "iproute2", "nsenter": "util-linux", "busybox": "busybox-static",
         "gcc": "gcc"}
SUITE = "bookworm"
PACKAGES = "nginx-light redis-server postgresql busybox curl python3 python3-psycopg2 python3-redis".split()
LEFT_OUT = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/i18n/*", "/usr/lib/*/bitcode/*"]
IMAGE = "localhost/quiet:1"
QUIET = os.path.join(HERE, "quiet")
PREFIX = os.environ.get("BENCH_PREFIX", "quiet")  # of the workloads: two of these may run on one host
NAMES = tuple(PREFIX + "-" + x for x in ("postgres", "redis", "app", "nginx"))
KINDS = ("file", "process", "network", "privilege")
WINDOWS = 30  # of learning: the shipped day of least learning is 24 of them
ROTATION, CHECKS, PROGRESS = 20.0, 20.0, 60.0
LOAD = 15.0  # requests a second
NEW_NAME, NEW_ADDRESS, RAW = "update.drift.test", "203.0.113.77", "203.0.113.66"


def say(text):
    print(text, flush=True)


# ---- the image ----

def tree():
    """The root of the image, made once."""
    said = " ".join([SUITE] + PACKAGES + LEFT_OUT)
    root = os.path.join(BUILD, "tests/bench/quiet-" + hashlib.sha256(said.encode()).hexdigest()[:8])
    if os.path.isdir(root):
        return root
    say("making the image's tree in %s, once" % root)
    os.makedirs(os.path.dirname(root), exist_ok=True)
    shutil.rmtree(root + ".new", ignore_errors=True)
    r = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(PACKAGES), *["--dpkgopt=path-exclude=" + x for x in LEFT_OUT], SUITE,
                                   root + ".new"])
    check(r.returncode == 0, "mmdebstrap made no tree")
    shutil.rmtree(root + ".new/var/lib/postgresql/15", ignore_errors=True)  # made anew where it is run
    for folder in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(os.path.join(root + ".new", folder), ignore_errors=True)
    os.rename(root + ".new", root)
    return root


def user(root, name):
    for line in open(os.path.join(root, "etc/passwd")):
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    raise Failure("the image has no user " + name)


def image(lab):
    """The tree, with our configuration beside it, as an image of the lab's podman."""
    root, more = tree(), os.path.join(lab.dir, "quiet")
    for folder in ("opt/app", "etc/nginx", "var/lib/postgresql/data", "run/postgresql", "var/cache/nginx", "ctl"):
        os.makedirs(os.path.join(more, folder))
    for name, place in (("app.py", "opt/app"), ("nightly.sh", "opt/app"), ("nginx.sh", "opt"), ("rotate.sh", "opt"), ("postgres.sh", "opt")):
        shutil.copy(os.path.join(QUIET, name), os.path.join(more, place, name))
    with open(os.path.join(QUIET, "nginx.conf")) as f, open(os.path.join(more, "etc/nginx/nginx.conf"), "w") as out:
        out.write(f.read().replace("@RESOLVER@", RESOLVER))
    uid, gid = user(root, "postgres")
    for folder in ("var/lib/postgresql/data", "run/postgresql"):
        os.chown(os.path.join(more, folder), uid, gid)
    os.chmod(os.path.join(more, "var/lib/postgresql/data"), 0o700)
    ours = [os.path.relpath(os.path.join(at, name), more) for at, folders, files in os.walk(more) for name in folders + files]
    both = [x for x in ours if not os.path.isdir(os.path.join(more, x))]
    new = [x for x in ours if x in both or not os.path.exists(os.path.join(root, x))]
    tar = os.path.join(lab.dir, "quiet.tar")
    for argv in (["tar", "-C", root, *["--exclude=./" + x for x in both], "-cf", tar, "."], ["tar", "-C", more, "--no-recursion", "-rf", tar, *["./" + x for x in new]]):
        check(subprocess.run(argv).returncode == 0, " ".join(argv))
    r = subprocess.run(lab.engine + ["import", "-q", tar, IMAGE], capture_output=True, text=True, env=dict(os.environ, CONTAINERS_CONF=lab.conf))
    check(r.returncode == 0, "podman import", r.stderr)
    os.unlink(tar)


# ---- the outside ----

class Outside:
    """Names of a partner whose addresses change; two of them have some in common, as customers of one network do."""
    EVERYWHERE = ("198.18.0.0/16", "192.0.2.0/24", "2606:2800:220:1::/64")

    def __init__(self, lab):
        self.net, self.own, self.turn = Net(lab, ttl=10, local="test"), {}, 0
        for prefix in self.EVERYWHERE:
            self.net.network(prefix)
        self.net.serve("::", 80)  # IPv4's too
        self.random = random.Random(7)
        self.rotate()
        self.net.alias("api.partner.test", "api.edge.test")
        self.net.alias("origin.edge.test", "origin.pop.test")
        self.net.alias("origin.partner.test", "origin.edge.test")

    def place(self, name, address):
        self.own[name] = [address]
        self.rotate()

    def some(self, shared):
        r = self.random
        v4 = ["198.18.%d.%d" % (r.randrange(256), r.randrange(1, 255)) for _ in range(r.randint(2, 5))] + r.sample(shared, 1)
        six = self.turn % 3 == 0
        return v4 + (["2606:2800:220:1::%x" % r.randrange(1, 65536) for _ in range(2)] if six else [])

    def rotate(self):
        self.turn += 1
        shared = ["192.0.2.%d" % self.random.randrange(1, 255) for _ in range(2)]
        out = {name: self.some(shared) for name in ("api.edge.test", "origin.pop.test", "hooks.partner.test")}
        self.net.names(dict(out, **self.own))


# ---- the agent ----

class Agent:
    """The agent over its restart: what its processes took, and what it counted, summed since begin()."""

    def __init__(self, lab, config):
        self.lab, self.config, self.lives = lab, config, 0
        self.used, self.base, self.counts, self.losses, self.span, self.state = {}, {}, {}, [], 0.0, None
        self.counting, self.ours = False, []
        self.start()

    def start(self):
        self.lives += 1
        folder = os.environ.get("BENCH_RECORD")
        self.d = self.lab.daemon(config=self.config, state=self.state, record=folder and os.path.join(folder, "life-%d" % self.lives))
        self.state, self.before, self.began = self.d.state, {}, time.monotonic()

    def look(self):
        """What its processes took so far: helpers come and go."""
        for pid in [self.d.proc.pid] + list(self.d.children().values()):
            try:
                self.used[pid] = cpu([pid])
            except OSError:
                continue
            self.base.setdefault(pid, 0.0)

    def begin(self):
        self.look()
        self.base, self.counting, self.began = dict(self.used), True, time.monotonic()
        self.before = self.numbers()

    def numbers(self):
        """workload → counts of its flows, "" → of all."""
        status = self.d.json("status")
        out = {w["name"]: {k: v for k, v in w["network"].items() if isinstance(v, int)} for w in status["workloads"]}
        out[""] = {"sensor losses: " + s["name"]: s["lost"] for s in status["sensors"]}
        out[""].update({"refused by the pair: " + k: v for k, v in status["pair"]["refused"].items()})
        out[""].update({"names " + k: v for k, v in status["flows"]["names"].items() if isinstance(v, int) and k != "kept"})
        out[""].update({"acts judged": status["judge"]["observations"], "of them known": status["judge"]["known"], "events": status["judge"]["events"]})
        self.losses += [x for x in status["losses"] if x not in self.losses and x["container"] in [None] + self.ours]
        return out

    def gather(self):
        self.look()
        if not self.counting:
            return
        self.span += time.monotonic() - self.began
        for workload, counts in self.numbers().items():
            mine, before = self.counts.setdefault(workload, {}), self.before.get(workload, {})
            for k, v in counts.items():
                mine[k] = mine.get(k, 0) + v - before.get(k, 0)

    def restart(self):
        self.gather()
        check(self.d.stop() == 0, "the agent ends well", self.d.text()[-2000:])
        self.start()
        for name in NAMES:
            self.d.covered(name)

    def cpu(self):
        return sum(self.used[pid] - self.base[pid] for pid in self.used) / self.span


# ---- the services ----

class Services:
    def __init__(self, lab, outside, cron):
        net, self.lab, self.outside, self.checks = outside.net, lab, outside, {n: [0, 0] for n in NAMES}

        def one(name, entry, health, *options):
            c = net.container(name, "--health-cmd", health, "--health-interval", "disable", *options, entry=entry, image=IMAGE)
            setattr(self, name.split("-")[1], c)
            return c
        outside.place("db.svc.test", one(PREFIX + "-postgres", ["/bin/sh", "/opt/postgres.sh"], "pg_isready -q -U app", "--user", "postgres", "--shm-size", "128m").ipv4)
        outside.place("cache.svc.test", one(PREFIX + "-redis", ["redis-server", "--dir", "/var/lib/redis", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "60", "500",
                                                            "--appendonly", "yes", "--auto-aof-rewrite-min-size", "32kb"], "redis-cli ping", "--user", "redis").ipv4)
        outside.place("app.svc.test", one(PREFIX + "-app", ["python3", "/opt/app/app.py", str(cron)], "curl -fsS -m 5 -o /dev/null http://127.0.0.1:8080/health").ipv4)
        one(PREFIX + "-nginx", ["/bin/sh", "/opt/nginx.sh"], "curl -fsS -m 5 -o /dev/null http://127.0.0.1/health")
        wait("the application to be at work", lambda: self.did().get("query", 0) > 0 and self.did().get("api", 0) > 0, 60)
        self.load = net.load(self.nginx.ipv4, 80, LOAD, "/", "/", "/", "/nowhere", "/app/orders", "/app/orders", "/app/orders", "/assets/%d.png", "/assets/%d.png", "/assets/%d.png",
                             "~/app/big", "+/app/upload")

    def did(self):
        try:
            with open(os.path.join(self.app.ctl, "app.json")) as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def loaded(self):
        return [int(x) for x in (self.load.did("load") or [[0, 0]])[-1]]

    def healthy(self):
        for name in NAMES:
            good = self.lab.podman("healthcheck", "run", name).returncode == 0
            self.checks[name][0 if good else 1] += 1

    def rotate_log(self):
        self.nginx.sh("/bin/sh /opt/rotate.sh")

    def restart_app(self):
        r = self.lab.podman("restart", "-t", "10", PREFIX + "-app")
        check(r.returncode == 0, "podman restart", r.stderr)


class Schedule:
    """What is to be done every so often."""

    def __init__(self):
        self.tasks = []

    def every(self, seconds, act):
        self.tasks.append([time.monotonic() + seconds, seconds, act])

    def until(self, end, true=lambda: False):
        """Until then, or as soon as it is true, which is looked at every few seconds."""
        while time.monotonic() < end and not true():
            stop = min(end, time.monotonic() + 3)
            while True:
                task = min(self.tasks, key=lambda t: t[0])
                if task[0] > stop:
                    break
                time.sleep(max(0, task[0] - time.monotonic()))
                task[0] = max(task[0] + task[1], time.monotonic())
                task[2]()
            time.sleep(max(0, stop - time.monotonic()))


# ---- what was said ----

def dimensions(d):
    """(workload, dimension) → its state, of ours."""
    return {(w["name"], x["dimension"]): x for w in d.json("baseline", "list") if w["name"] in NAMES for x in w["dimensions"]}


def is_active(d):
    return all(x["state"] == "active" or x["windows"] == 0 for x in dimensions(d).values())


def after(d, findings):
    """Those that hold a signal of after its dimension was activated."""
    since = {k: x["since"] for k, x in dimensions(d).items() if x["state"] == "active"}

    def late(f, s):
        return s["last_seen"] >= since.get((f["workload"]["name"], s["kind"]), "9")
    return [f for f in findings if any(late(f, s) for s in f["signals"])]


def of_ours(d):
    return [f for f in d.findings(every=True) if f["workload"]["name"] in NAMES]


def split(d, findings):
    queue = {f["id"] for f in d.findings()}
    return [f for f in findings if f["id"] in queue], [f for f in findings if f["id"] not in queue]


def story(d, f, title):
    say("\n---- %s ----" % title)
    say(d.tidemark("show", f["id"]).stdout.rstrip())


def table(d, counts, findings):
    queue, below = split(d, findings)
    say("\n%-15s %6s %6s  %-29s %9s %9s %9s %8s %7s" % ("workload", "queue", "below", "signals " + "/".join(k[:4] for k in KINDS), "inbound", "outbound", "judged", "named", "unknown"))
    for name in NAMES + ("",):
        mine = [f for f in findings if name in ("", f["workload"]["name"])]
        kinds = [sum(s["kind"] == k for f in mine for s in f["signals"]) for k in KINDS]
        rows = [counts[n] for n in NAMES if name in ("", n) and n in counts]
        n = {k: sum(r.get(k, 0) for r in rows) for k in ("inbound", "outbound", "resolver", "local", "named", "process_unknown")}
        judged = n["outbound"] - n["resolver"] - n["local"]
        share = ["%.2f %%" % (100.0 * n[k] / judged) if judged else "-" for k in ("named", "process_unknown")]
        say("%-15s %6d %6d  %-29s %9d %9d %9d %8s %7s" % (name or "all", sum(f in queue for f in mine), sum(f in below for f in mine), "/".join(map(str, kinds)), n["inbound"],
                                                         n["outbound"], judged, *share))
    return queue, below


def learned(d):
    say("\n%-15s %-10s %-9s %-28s %8s %5s %8s %7s" % ("workload", "dimension", "state", "by", "entries", "once", "windows", "p"))
    for (name, dim), x in sorted(dimensions(d).items()):
        say("%-15s %-10s %-9s %-28s %8d %5d %8d %6.1f%%" % (name, dim, x["state"], x["by"], x["entries"], x["once"], x["windows"], 100 * x["p_new"]))


# ---- the end: what must be found ----

def drift(services, d):
    net = services.outside.net
    net.serve(NEW_ADDRESS, 8080)
    net.serve(RAW, 8443)
    services.outside.place(NEW_NAME, NEW_ADDRESS)
    with open(os.path.join(services.app.ctl, "call.new"), "w") as out:
        out.write("http://%s:8080/" % NEW_NAME)
    os.rename(out.name, os.path.join(services.app.ctl, "call"))
    services.nginx.sh("curl -s -m 5 -o /dev/null http://%s:8443/" % RAW)

    def goes_to(s, words):
        return s["kind"] == "network" and (words in s["subject"] or words in s["names"])

    def found(workload, words):
        return next((f for f in d.findings(workload) for s in f["signals"] if goes_to(s, words)), None)
    good = True
    for workload, words in ((PREFIX + "-app", NEW_NAME), (PREFIX + "-nginx", RAW)):
        try:
            f = wait("%s to be found" % words, lambda: found(workload, words))
            say("found: %s %s, %d%% sure, severity %s" % (f["id"], words, f["confidence"], f["severity"]))
        except Failure as e:
            good = False
            say("NOT found: %s (%s)" % (words, e))
            for f in d.findings(workload, every=True):
                if any(goes_to(s, words) for s in f["signals"]):
                    story(d, f, "it is below queue.show")
    return good


def measure(lab, minutes):
    total = 60 * minutes
    learning = total / 4
    window = max(1, int(learning / WINDOWS))
    config = "learn: { period = \"%ds\"; network_period = \"%ds\"; window = \"%ds\"; converge_min = \"%ds\";" % (learning, learning, window, 24 * window)
    if learning < 480:
        config += " startup = \"%ds\";" % (learning / 8)
    config += " };\n"
    declare = os.environ.get("BENCH_ACTIVATE") != "0"
    say("%g minutes, %d s of them for learning; %s\nconfiguration: %s" % (minutes, learning, "then baseline activate" if declare else "dimensions activate by themselves", config.strip()))
    cron = min(120, max(12, total / 30))
    image(lab)
    outside = Outside(lab)
    agent = Agent(lab, config)
    began = time.monotonic()
    services = Services(lab, outside, cron)
    agent.ours = [agent.d.covered(name)["id"] for name in NAMES]

    def progress():
        agent.look()
        agent.numbers()  # losses are kept for a while only
        mine = after(agent.d, of_ours(agent.d))
        queue, below = split(agent.d, mine)
        say("%5.1f min: %d in the queue, %d below; %s; load %s; checks %s; load average %.1f" %
            ((time.monotonic() - began) / 60, len(queue), len(below), json.dumps(services.did()), services.loaded(), list(services.checks.values()), os.getloadavg()[0]))
    s = Schedule()
    s.every(ROTATION, outside.rotate)
    s.every(min(CHECKS, total / 60), services.healthy)
    s.every(min(180, max(15, total / 20)), services.rotate_log)
    s.every(min(PROGRESS, total / 10), progress)
    s.until(began + learning)
    if not declare:
        s.until(began + learning + 3 * window, lambda: is_active(agent.d))
    for (name, dim), x in sorted(dimensions(agent.d).items()):
        if x["state"] != "active":
            r = agent.d.tidemark("baseline", "activate", "--dimension", dim, name)
            check(r.returncode == 0, "baseline activate %s %s" % (name, dim), r.stderr)
            if not declare:
                say("declared complete, as it saw nothing: %s %s" % (name, dim))
    agent.begin()
    learned(agent.d)
    since = {f["id"] for f in of_ours(agent.d)}
    say("\nactive; %d findings of learning, %d of them in the queue" % (len(since), len(split(agent.d, of_ours(agent.d))[0])))
    s.until(began + total * 0.5)
    say("the application is restarted")
    services.restart_app()
    s.until(began + total * 0.65)
    say("the agent is restarted")
    agent.restart()
    s.until(began + total)
    progress()
    agent.gather()
    mine = after(agent.d, of_ours(agent.d))
    learned(agent.d)
    for f in of_ours(agent.d):
        if f not in mine and f in split(agent.d, [f])[0]:
            story(agent.d, f, "of the time of learning, not counted")
    queue, below = split(agent.d, mine)
    for f in queue:
        story(agent.d, f, "IN THE QUEUE")
    for f in below:
        story(agent.d, f, "below queue.show")
    table(agent.d, agent.counts, mine)
    say("\nof one processor: %.2f %% in %.0f s; " % (100 * agent.cpu(), agent.span) + ", ".join("%s %d" % x for x in sorted(agent.counts[""].items()) if x[1]))
    kinds = [x["what"].split(" between ")[0] for x in agent.losses]
    say("losses told: %s" % ("; ".join("%d times: %s" % (kinds.count(k), k) for k in sorted(set(kinds))) or "none"))
    say("(of all containers of this host: ours are %d of %d)" % (len(NAMES), len(agent.d.containers())))
    say("the application did %s; load answered, not answered: %s; checks passed, failed: %s; rotations of addresses: %d" %
        (json.dumps(services.did()), services.loaded(), services.checks, outside.turn))
    say("\nthe same services drift:")
    good = drift(services, agent.d)
    say("\n%d findings in the queue after activation, %d below it; what drifted was %s" % (len(queue), len(below), "found" if good else "NOT FOUND"))
    return 0 if good and not queue else 1


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    missing = [package for tool, package in NEEDS.items() if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        print("left out: this needs root" + ("" if not missing else ", and these packages: " + " ".join(missing)))
        return 77
    if os.environ.get("BENCH_RECORD"):
        os.makedirs(os.environ["BENCH_RECORD"], exist_ok=True)
    lab = lab_module.Lab()
    try:
        return measure(lab, minutes)
    except Failure:
        for c in lab.containers:
            r = lab.podman("logs", "--tail", "20", c.name)
            say("---- said by %s ----\n%s%s" % (c.name, r.stdout, r.stderr))
        raise
    finally:
        lab.close()


if __name__ == "__main__":
    sys.exit(main())
