# SPDX-License-Identifier: GPL-2.0-or-later
"""services - six kinds of service as real containers of one Debian image, for recordings: nginx, redis, postgres, an
application of Python, a batch job, and one that is mostly shell. A site is one of each, which work together; a small
internet (net.py) holds partners whose addresses change.

    tree(folder)                         the image's root by mmdebstrap, made once
    images(lab, root, versions)          localhost/KIND:VERSION of each kind: what services/KIND holds, on that root
    Outside(lab, sites, seed)            names, and who answers there
    Site(lab, outside, name, seed, pace) .start(kind), .another(kind, version), .stop(container), .healthy(kind)"""
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from lab import Failure, Shell, check, wait  # noqa: E402
from net import Net  # noqa: E402

NEEDS = {"mmdebstrap": "mmdebstrap", "podman": "podman", "runc": "runc", "dnsmasq": "dnsmasq-base", "ip": "iproute2", "nsenter": "util-linux", "busybox": "busybox-static",
         "gcc": "gcc", "zstd": "zstd"}
KINDS = ("postgres", "redis", "app", "nginx", "batch", "shell")
SUITE = "bookworm"
PACKAGES = "nginx-light redis-server postgresql busybox curl openssl python3 python3-psycopg2 python3-redis cron logrotate gzip".split()
LEFT_OUT = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/i18n/*", "/usr/lib/*/bitcode/*"]
FOLDERS = {"nginx": ["var/cache/nginx", "etc/nginx/tls"], "redis": [], "postgres": ["var/lib/postgresql/data", "run/postgresql"], "app": [], "batch": [], "shell": []}
USERS = {"redis": "redis", "postgres": "postgres"}
HEALTH = {"postgres": "pg_isready -q -U app", "redis": "redis-cli ping", "app": "curl -fsS -m 5 -o /dev/null http://127.0.0.1:8080/health",
          "nginx": "curl -fsS -m 5 -o /dev/null http://127.0.0.1/health", "batch": "test -d /var/lib/batch/out", "shell": "test -s /run/worker/started"}
NAME_OF = {"postgres": "db", "redis": "cache", "app": "app"}  # by which the site's others call it


def tree(root):
    """The root of the image, made once."""
    if os.path.isdir(root):
        return root
    print("making the image's tree in %s, once" % root, flush=True)
    os.makedirs(os.path.dirname(root), exist_ok=True)
    shutil.rmtree(root + ".new", ignore_errors=True)
    r = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(PACKAGES), *["--dpkgopt=path-exclude=" + x for x in LEFT_OUT], SUITE,
                        root + ".new"])
    check(r.returncode == 0, "mmdebstrap made no tree")
    os.rename(root + ".new", root)
    return root


def clean(root):
    """What would only make the image bigger; made anew where it is run."""
    for folder in ("var/lib/postgresql/15", "var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(os.path.join(root, folder), ignore_errors=True)


def user(root, name):
    for line in open(os.path.join(root, "etc/passwd")):
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    raise Failure("the image has no user " + name)


def version_of(root, more, version):
    """What a later version has that the first has not: rebuilt programs (other bytes, the same work), another module,
    another file of settings."""
    if version == 1:
        return
    for program in ("usr/bin/curl", "usr/bin/openssl", "usr/bin/psql", "usr/bin/redis-cli", "usr/sbin/nginx", "usr/bin/redis-check-rdb"):
        source, target = os.path.join(root, program), os.path.join(more, program)
        if os.path.islink(source) or not os.path.exists(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)
        with open(target, "ab") as out:
            out.write(b"rebuilt %d" % version)
    with open(os.path.join(more, "opt/svc/VERSION"), "w") as out:
        out.write("%d\n" % version)
    os.makedirs(os.path.join(more, "usr/share/svc"), exist_ok=True)
    with open(os.path.join(more, "usr/share/svc/feature-%d" % version), "w") as out:
        out.write("on\n")
    shop = os.path.join(more, "opt/svc/shop.py")
    if os.path.exists(shop):
        with open(shop, "a") as out:
            out.write("\n\nVERSION = %d\n" % version)


def podman_ok(lab, *argv):
    env = dict(os.environ, CONTAINERS_CONF=lab.conf)
    r = subprocess.run(lab.engine + list(argv), capture_output=True, text=True, env=env, timeout=600)
    check(r.returncode == 0, "podman " + " ".join(argv), r.stderr)
    return r.stdout


def base(lab, root):
    clean(root)
    tar = os.path.join(lab.dir, "base.tar")
    check(subprocess.run(["tar", "-C", root, "--exclude=./dev/*", "-cf", tar, "."]).returncode == 0, "tar")
    podman_ok(lab, "import", "-q", tar, "localhost/base:1")
    os.unlink(tar)


def image(lab, root, kind, version=1, change=None):
    """localhost/KIND:VERSION; change(folder) may put more into it."""
    folder = os.path.join(lab.dir, "image-%s-%s" % (kind, version))
    more = os.path.join(folder, "root")
    for x in ["opt/svc", "ctl"] + FOLDERS[kind]:
        os.makedirs(os.path.join(more, x))
    for source in ("common", kind):
        for name in os.listdir(os.path.join(HERE, "services", source)):
            shutil.copy(os.path.join(HERE, "services", source, name), os.path.join(more, "opt/svc", name))
    version_of(root, more, version if isinstance(version, int) else 2)
    if kind == "postgres":
        uid, gid = user(root, "postgres")
        for x in FOLDERS[kind] + ["var/lib/postgresql"]:
            os.chown(os.path.join(more, x), uid, gid)
        os.chmod(os.path.join(more, "var/lib/postgresql/data"), 0o700)
    if change:
        change(more)
    layer = os.path.join(folder, "layer.tar")
    check(subprocess.run(["tar", "-C", more, "-cf", layer, "."]).returncode == 0, "tar")
    with open(os.path.join(folder, "Containerfile"), "w") as out:
        out.write("FROM localhost/base:1\nADD layer.tar /\n")
    podman_ok(lab, "build", "-q", "-t", "localhost/%s:%s" % (kind, version), folder)
    shutil.rmtree(folder)


class Outside:
    """Partners of each site by name; their addresses change at every rotate()."""
    EVERYWHERE = ("198.18.0.0/16", "192.0.2.0/24", "2606:2800:220:1::/64")

    def __init__(self, lab, sites, seed, ttl=10):
        self.net, self.own, self.turn, self.sites = Net(lab, ttl=ttl, local="test"), {}, 0, sites
        for prefix in self.EVERYWHERE:
            self.net.network(prefix)
        self.net.serve("::", 80)  # IPv4's too
        self.random = random.Random(seed)
        self.rotate()
        for site in sites:
            self.net.alias("api.%s.test" % site, "api-%s.edge.test" % site)
            self.net.alias("origin.%s.test" % site, "origin-%s.pop.test" % site)

    def place(self, name, *addresses):
        self.own[name] = list(addresses)
        self.say()

    def some(self, shared):
        r = self.random
        v4 = ["198.18.%d.%d" % (r.randrange(256), r.randrange(1, 255)) for _ in range(r.randint(2, 4))] + r.sample(shared, 1)
        return v4 + (["2606:2800:220:1::%x" % r.randrange(1, 65536)] if self.turn % 3 == 0 else [])

    def rotate(self):
        self.turn += 1
        shared = ["192.0.2.%d" % self.random.randrange(1, 255) for _ in range(2)]
        self.theirs = {name % site: self.some(shared) for site in self.sites for name in ("api-%s.edge.test", "origin-%s.pop.test", "hooks.%s.test")}
        self.say()

    def say(self):
        self.net.names(dict(self.theirs, **self.own))


class Site:
    """One of each kind; workloads are SITE/KIND, as compose names them."""

    def __init__(self, lab, outside, name, seed, pace):
        self.lab, self.outside, self.name, self.random, self.pace = lab, outside, name, random.Random(seed), pace
        self.of, self.count, self.load = {k: [] for k in KINDS}, 0, None

    def workload(self, kind):
        return "%s/%s" % (self.name, kind)

    def entry(self, kind):
        words = {"nginx": [self.name], "app": [self.name, str(self.pace)], "batch": [self.name, str(self.pace * 10), str(self.random.randrange(10**6))],
                 "shell": [self.name, str(self.pace * 5), str(self.random.randrange(10**6))]}
        return ["/bin/sh", "/opt/svc/start.sh"] + words.get(kind, [])

    def start(self, kind, version=1, *options):
        """One more container of the workload."""
        self.count += 1
        name = "%s-%s-%d" % (self.name, kind, self.count)
        opts = ["--health-cmd", HEALTH[kind], "--health-interval", "disable", "--label", "com.docker.compose.project=" + self.name, "--label",
                "com.docker.compose.service=" + kind, *options]
        if kind in USERS:
            opts += ["--user", USERS[kind]]
        if kind == "postgres":
            opts += ["--shm-size", "64m"]
        c = self.outside.net.container(name, *opts, entry=self.entry(kind), image="localhost/%s:%s" % (kind, version))
        os.chmod(c.ctl, 0o777)  # not all are root inside
        self.of[kind].append(c)
        self.say_names(kind)
        return c

    def say_names(self, kind):
        if kind in NAME_OF and self.of[kind]:
            self.outside.place("%s.%s.test" % (NAME_OF[kind], self.name), *[c.ipv4 for c in self.of[kind]][:1])

    def all(self):
        for kind in KINDS:
            self.start(kind)

    def stop(self, c):
        for kind, cs in self.of.items():
            if c in cs:
                cs.remove(c)
                self.say_names(kind)
        r = self.lab.podman("stop", "-t", "5", c.name)
        check(r.returncode == 0, "podman stop", r.stderr)
        c.remove()
        self.lab.containers.remove(c)

    def next_version(self, kind, version):
        """As a roll-out does: the new one beside the old one, then the old one goes."""
        old = list(self.of[kind])
        new = [self.start(kind, version) for _ in old]
        if kind == "postgres":
            wait("the new database to answer", lambda: self.healthy(new[0], kind), 60)
        self.of[kind] = new
        self.say_names(kind)
        for c in old:
            self.of[kind].append(c)
            self.stop(c)
        self.of[kind] = new

    def healthy(self, c, kind):
        return self.lab.podman("healthcheck", "run", c.name).returncode == 0

    def under_load(self, rate):
        if self.load:
            self.load.end()
        web = self.of["nginx"][0]
        self.load = self.outside.net.load(web.ipv4, 80, rate, "/", "/", "/nowhere", "/app/orders", "/app/orders", "/app/orders", "/assets/%d.png", "/assets/%d.png", "~/app/big",
                                          "+/app/upload")

    def do(self, kind, script, *argv):
        """The workload itself runs one of its scripts."""
        for c in self.of[kind]:
            c.sh(" ".join(["/bin/sh /opt/svc/" + script, *argv]), 90)
