# SPDX-License-Identifier: GPL-2.0-or-later
"""Docker, run for real: found, named, its digests and labels told with their source, classes, its exec sessions and
health checks told from the workload, and the same drift found as with podman."""
from engines import Docker
from lab import check, wait

NEEDS = ("dockerd", "docker")

def with_docker(lab, test):
    docker = Docker(lab)
    try:
        test(docker, lab.daemon())
        lab.clean()  # the agent goes first: it must leave while containers run
    finally:
        docker.end()


def metadata(docker, d):
    docker.worker("dk-web", "-l", "own=1")
    c = d.covered("dk-web")
    image = docker.inspect("dk-web")["Image"]
    check(c["runtime"] == "docker", "its runtime", c)
    check(c["config_digest"] == image and "/containers/" in c["config_source"], "its image's digest and where that is from", c)
    check(not c["manifest_digest"] and "repositories.json does not have it" in c["manifest_source"], "an imported image has no manifest", c)
    check(c["labels"] == {"own": "1"} and c["image_labels"] == {"of.image": "yes"}, "labels of the container and of the image", c)
    check(c["workload"].startswith("dk-web@"), "its workload", c)


def test_metadata(lab):
    with_docker(lab, metadata)


def drop_and_run(docker, d):
    work = docker.worker("dk-web")
    c = d.covered("dk-web")
    work.sh("date > /dev/null")
    wait("something to be learned", lambda: any(x["entries"] for x in d.workload("dk-web")["dimensions"]))
    d.activate("dk-web")
    work.sh("cp /bin/busybox /tmp/upd; chmod 755 /tmp/upd; /tmp/upd true")
    f = d.both("dk-web")
    check(len(d.findings("dk-web")) == 1 and f["confidence"] >= 95, "one finding, sure", f)
    check(all(s["origin"] == "entrypoint" for s in f["signals"]), "by the entrypoint's own processes", f)
    check(f["containers"][0]["runtime"] == "docker" and f["workload"]["image"] == "work:1", "whose", f)
    check(c["id"] == docker.inspect("dk-web")["Id"], "its id", c)


def test_drop_and_run(lab):
    with_docker(lab, drop_and_run)


def origins(docker, d):
    """What is asked for lives long enough for its arguments to be read: of what is gone within a moment they may not be."""
    docker.worker("dk-web", "--health-cmd", "/bin/sleep 0.15", "--health-interval", "1s")
    watch = d.watch()
    d.covered("dk-web")
    docker.run("exec", "dk-web", "/bin/sleep", "0.25")
    session = wait("the exec session's program", lambda: [e for e in watch.events("exec") if e["args"][-1:] == ["0.25"]])
    check({e["origin"] for e in session} == {"exec"}, "docker exec is a session", session)
    probe = wait("the health check", lambda: [e for e in watch.events("exec") if e["args"][-1:] == ["0.15"]])
    wait("its runs to be told as a probe's", lambda: any(e["origin"] == "probe" for e in watch.events("exec") if e["args"][-1:] == ["0.15"]))
    check({e["origin"] for e in probe} <= {"probe", "exec"}, "no run of it is the entrypoint's", probe)
    runtime = [e for e in watch.events("exec") if "runc" in (e["program"] or "") or "memfd" in (e["program"] or "")]
    check(not runtime, "the runtime's own acts are not the container's", runtime)
    watch.stop()


def test_origins(lab):
    with_docker(lab, origins)


def classes(docker, d):
    """A person's container: a terminal, somebody before it. It is not learned; what is never silent is raised all the same."""
    person = docker.terminal("run", "--rm", "-it", "--name", "dk-mine", "--network", "none", "work:1", "/bin/sh")
    d.covered("dk-mine")
    check(d.workload("dk-mine")["class"] == "session", "its class", d.workload("dk-mine"))
    person.type("date > /opt/note; cp /bin/busybox /opt/upd; chmod 755 /opt/upd; /opt/upd true\n")
    f = wait("what is never silent to be raised", lambda: d.findings("dk-mine"))
    check(len(f) == 1 and f[0]["workload"]["class"] == "session", "one finding, of a session", f)
    check(not any(x["entries"] for x in d.workload("dk-mine")["dimensions"] if x["dimension"] == "file"), "nothing of it is learned", d.workload("dk-mine"))
    check(d.tidemark("baseline", "activate", "dk-mine").returncode != 0, "it cannot be activated")
    person.type("exit\n")
    person.end()


def test_session(lab):
    with_docker(lab, classes)


def lanes(docker, d):
    """docker exec, without and with a terminal: items of their own; who is behind them Docker does not say."""
    docker.worker("dk-web")
    d.covered("dk-web")

    def session(word):
        return wait("the session " + word, lambda: next((f for f in d.json("findings", "--sessions", "--workload", "dk-web") if any(word in w for w in f["session"]["command"])), None))
    docker.run("exec", "dk-web", "/bin/sh", "-c", "/bin/sleep 0.25; true plain")
    f = session("plain")
    check(f["type"] == "session" and f["session"]["terminal"] == "no" and f["below_show"], "without a terminal", f)
    check(f["actor"]["login_uid"] is None and "who is behind it is not known" in f["story"][0], "who", f["story"])
    person = docker.terminal("exec", "-it", "dk-web", "/bin/sh", "-c", "/bin/sleep 0.25; read x; true typed")
    g = session("typed")
    check(g["id"] != f["id"] and g["session"]["terminal"] == "yes", "with one", g)
    check(g["session"]["ended"] is None, "it is not over", g["session"])
    person.type("\n")
    person.end()
    wait("its end", lambda: d.json("show", g["id"])["session"]["ended"])
    check(not d.findings("dk-web", every=True), "none of it is in the queue", d.findings("dk-web", every=True))
    docker.run("exec", "dk-web", "/bin/sh", "-c", "cp /bin/busybox /opt/dk; /opt/dk true")
    wait("what it drops and runs", lambda: any(f["type"] == "session" and any(s["subject"] == "/opt/dk" for s in f["signals"]) for f in d.findings("dk-web")))


def test_exec_sessions(lab):
    with_docker(lab, lanes)
