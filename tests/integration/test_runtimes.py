# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers wherever they come from: CRI-O and Kubernetes laid out as those do it, cgroup trees of systemd's kind,
builds, many at once, one after the other, and their end at full speed."""
import json
import os
import subprocess
import tempfile

from engines import Bundle, remove_cgroup
from lab import SANITIZED, Shell, check, run, wait

LABELS = {"io.kubernetes.pod.name": "web-5d59d67564-2xkqp", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.container.name": "nginx"}
CRIO = {"io.kubernetes.cri-o.Labels": json.dumps(LABELS), "io.kubernetes.cri-o.ImageName": "registry.example/nginx:1", "io.kubernetes.cri-o.ContainerType": "container",
        "io.kubernetes.cri-o.Name": "k8s_nginx_web"}
# facts: cgroupfs and systemd drivers, as kubelet and CRI-O name them
CGROUPS = ("/tm-test/kubepods/burstable/pod1d2c/crio-%s", "/tm-test/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1d2c.slice/crio-%s.scope")


class Bundles:
    """Removed at the end, whatever happens; the agent goes first."""

    def __init__(self, lab):
        self.lab, self.base, self.all = lab, tempfile.mkdtemp(dir=lab.dir, prefix="bundles-"), []

    def add(self, cid, cgroup, **kw):
        self.all.append(Bundle(self.lab, self.base, cid, cgroup, **kw))
        return self.all[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for b in self.all:
            b.remove()
        remove_cgroup("tm-test")


def running(d, ids):
    """Of these containers, those that status shows; a host may have others."""
    return [c for c in d.json("status")["containers"] if c["id"] in ids]


def raised(d, ids):
    return [f for f in d.findings(every=True) if any(c["id"] in ids for c in f["containers"])]


DROP = "cp /bin/busybox /tmp/upd; chmod 755 /tmp/upd; /tmp/upd true"


def test_crio(lab):
    """Two replicas of one pod template, by the cgroupfs and the systemd driver's paths: one workload, one finding each."""
    d = lab.daemon()
    with Bundles(lab) as bundles:
        cids = ["%02d" % i * 32 for i in (11, 12)]
        for cid, path in zip(cids, CGROUPS):
            bundles.add(cid, path % cid, annotations=CRIO)
        for cid in cids:
            c = wait("it to be covered", lambda: next((c for c in d.json("status")["containers"] if c["id"] == cid and c["workload"] and "directories" in (c["coverage"] or "")), None))
            check(c["runtime"] == "crio" and c["workload"].startswith("shop/web/nginx@") and c["image"] == "registry.example/nginx:1", "what CRI-O says of it", c)
            check("unknown" in c["config_source"], "its image is in no store: said so", c)
        check(len([w for w in d.json("baseline", "list") if w["name"] == "shop/web/nginx"]) == 1, "replicas are one workload")
        bundles.all[0].shell.sh(DROP)
        f = d.both("shop/web/nginx")
        check(f["confidence"] >= 95 and {s["origin"] for s in f["signals"]} == {"entrypoint"}, "sure, and whose", f)
        lab.clean()


def test_nested_cgroups(lab):
    """What a systemd in a container does: units with cgroups of their own. They are the container's, at any depth."""
    d = lab.daemon()
    work = lab.container("units", "--privileged")
    d.covered("units")
    of_host = open("/proc/%d/cgroup" % work.init_pid()).read().split(":name=systemd:", 1)[1].split()[0]
    for top, path in [("/sys/fs/cgroup/systemd", of_host)]:
        unit = os.path.join(top, path.strip("/"), "system.slice", "nginx.service")
        os.makedirs(unit)
        with open(os.path.join(unit, "cgroup.procs"), "w") as procs:
            procs.write(str(work.init_pid()))
    work.sh(DROP)
    f = d.both("units")
    check([c["id"] for c in f["containers"]] == [work.id] and {s["origin"] for s in f["signals"]} == {"entrypoint"}, "whose it is", f)
    check([c for c in d.json("status")["containers"] if c["init_pid"] == work.init_pid()] == running(d, [work.id]), "no second container was made of it", d.containers())
    with open(os.path.join("/sys/fs/cgroup/systemd", of_host.strip("/"), "cgroup.procs"), "w") as procs:
        procs.write(str(work.init_pid()))


def test_podman_build(lab):
    """A build's steps carry no id of a container: they are nobody's, and neither watched nor hindered. One program of them
    lives long enough to be asked where it runs."""
    d = lab.daemon()
    where = os.path.join(lab.dir, "build-context")
    os.makedirs(where, exist_ok=True)
    with open(os.path.join(where, "Containerfile"), "w") as out:
        out.write("FROM localhost/work:1\nRUN cp /bin/busybox /opt/true; chmod 755 /opt/true; /opt/true; sleep 0.3\nRUN rm -r /var/lib; mkdir /var/lib\n")
    r = lab.podman("build", "--network", "none", "-q", "-t", "localhost/built:1", where)
    check(r.returncode == 0, "podman build", r.stderr)
    c = lab.container("after", image="localhost/built:1")
    d.covered("after")
    c.sh("/opt/true")
    wait("the program of the image to be learned", lambda: any(x["entries"] for x in d.workload("after")["dimensions"] if x["dimension"] == "process"))
    check(d.json("status")["not_identified"] >= 1, "status says that there was something that is not watched", d.json("status")["not_identified"])
    steps = [x for x in d.json("status")["containers"] if x["upper"].startswith(lab.dir) and x["id"] != c.id]
    check(not steps and not raised(d, [c.id]), "no step is a container, nothing is raised", steps, d.findings(every=True))
    c.remove()
    check(lab.podman("rmi", "localhost/built:1").returncode == 0, "the image can be removed")


def fds(d):
    return len(os.listdir("/proc/%d/fd" % d.proc.pid))


def rss(pid):
    return int(next(x for x in open("/proc/%d/status" % pid) if x.startswith("VmRSS")).split()[1])


def test_hundred_short(lab):
    """Many containers of 200 ms in a row: each is seen, with its program; the unobserved interval is reported."""
    n = 40 if SANITIZED else 100
    d = lab.daemon()
    watch = d.watch()
    ids = []
    with Bundles(lab) as bundles:
        for i in range(n):
            cid = "%064x" % (0xabc << 240 | i)
            b = Bundle(lab, bundles.base, cid, "/tm-test/docker/" + cid, args=["/bin/sh", "-c", "/bin/date > /opt/f; /bin/sleep 0.2"])
            bundles.all.append(b)
            wait("it to have ended", lambda: json.loads(run([*b.runc, "state", cid]).stdout)["status"] == "stopped")
            check(b.remove().returncode == 0, "its root can be unmounted at once")
            bundles.all.remove(b)
            ids.append(cid)
        wait("all to be seen", lambda: {e["container"] for e in watch.events("container-start")} >= set(ids))
        wait("all to be seen to end", lambda: {e["container"] for e in watch.events("container-stop")} >= set(ids))
    told = {i: [e for e in watch.events(container=i) if e["kind"] in ("exec", "file")] for i in ids}
    first = [i for i in ids if not any(e["kind"] == "exec" and e["program"] == "/bin/busybox" for e in told[i])]
    written = [i for i in ids if any(e["kind"] == "file" and e["path"] == "/opt/f" for e in told[i])]
    u = d.json("status")["unobserved"]
    print("     %d short containers: %d with their programs, %d with the file they wrote; unobserved %.1f ms on average, %.1f ms at most, %d ended before marks"
          % (n, n - len(first), len(written), u["mean_ms"] or 0, u["longest_ms"] or 0, u["ended_before_marks"]))
    check(not first, "each container's programs are told", first)
    check(len(written) >= n * 4 // 5, "and what they wrote, but for the unobserved interval", len(written))
    check(u["started"] >= n and u["measured"] + u["ended_before_marks"] >= n and 0 < u["mean_ms"] <= u["longest_ms"], "the unobserved interval is reported", u)
    check(not running(d, ids) and not raised(d, ids), "nothing is left, nothing is raised", d.findings(every=True))
    watch.stop()


MANY = 60 if SANITIZED else 200


def test_many_at_once(lab):
    """Many at once: all are covered, the drift of one is found, and nothing grows when they are gone."""
    d = lab.daemon()
    with Bundles(lab) as bundles:
        before = fds(d)
        ids = ["%064x" % (0xdef << 240 | i) for i in range(MANY)]
        for i in ids[1:]:
            bundles.add(i, "/tm-test/docker/" + i, args=["/bin/sh", "-c", "exec /bin/sleep 100000"])
        bundles.add(ids[0], "/tm-test/docker/" + ids[0])
        wait("all to be covered", lambda: sum("directories" in (c["coverage"] or "") and bool(c["workload"]) for c in running(d, ids)) == MANY, 90)
        name = d.containers()[ids[0]]["workload"].split("@")[0]
        bundles.all[-1].shell.sh(DROP)
        d.both(name)
        watched = d.json("status")["network"]["namespaces"]["watched"]  # each by two sockets, and one to come back by
        check(fds(d) <= before + 8 + 3 * watched, "nothing else is kept open of each container", before, watched, fds(d))
        for b in bundles.all:
            check(b.remove().returncode == 0, "its root can be unmounted while the agent runs", b.id)
        bundles.all = []
        wait("all to be gone", lambda: not running(d, ids))
        wait("no descriptor to be left", lambda: fds(d) <= before + 8)


def test_churn(lab):
    """Start, stop, rm, umount and ip netns del at full speed: nothing is busy because of us, nothing grows."""
    # a sanitizer keeps what was freed for a while, which is no growth of ours
    d = lab.daemon(env={"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"})
    engine = d.engine()
    marks, ids = [], []
    with Bundles(lab) as bundles:
        for i in range(120):
            cid, ns = "%064x" % (0xfed << 240 | i), "tm%d" % i
            check(run(["ip", "netns", "add", ns]).returncode == 0, "ip netns add")
            b = Bundle(lab, bundles.base, cid, "/tm-test/docker/" + cid, args=["/bin/sh", "-c", "echo x > /opt/f; exec /bin/sleep 1000"])
            bundles.all.append(b)
            ids.append(cid)
            run([*b.runc, "kill", cid, "KILL"])
            r = b.remove()
            bundles.all.remove(b)
            check(r.returncode == 0, "umount: nothing is busy", r.stderr)
            r = run(["ip", "netns", "del", ns])
            check(r.returncode == 0, "ip netns del", r.stderr)
            if i % 40 == 39:
                wait("all to be gone", lambda: not running(d, ids))
                marks.append((fds(d), rss(d.proc.pid), rss(engine)))
    print("     churn, after 40, 80 and 120: descriptors, KiB of sensor and engine: %s" % marks)
    check(marks[-1][0] <= marks[0][0] + 2, "descriptors", marks)
    check(marks[-1][1] <= marks[0][1] * 1.2 + 2048 and marks[-1][2] <= marks[0][2] * 1.2 + 2048, "memory", marks)
    check(not raised(d, ids), "nothing is raised", d.findings(every=True))
