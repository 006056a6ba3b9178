# SPDX-License-Identifier: GPL-2.0-or-later
"""Containment by the daemon: real containers with real servers on the other side, cut, put back, adopted, restarted,
released; and what a policy may do."""
import os
import re
import time

from engines import Docker
from lab import check, run, wait
from net import NEEDS as NET_NEEDS
from net import Net

NEEDS = NET_NEEDS + ("nft",)
SERVER = "93.184.216.34"


def contained(d):
    return {c["name"]: c for c in d.json("contain", "list")}


def result(d, *argv):
    """Of one container: what became of it."""
    r = d.json("contain", *argv)["results"]
    check(len(r) == 1, "one result", r)
    return r[0]


def isolate(d, name, *argv):
    r = result(d, "isolate", name, *argv)
    check(r["state"] == "done" and r["words"].startswith("isolated: ") and r["facts"]["seen"], "isolated, read back and seen to drop", r, d.text()[-3000:])
    return r


def rules(c):
    """All of its namespace, without what is counted, and without what agents watch by (others may be on this host)."""
    return re.sub(r"table inet tidemark-[0-9a-f]{8} \{.*?\n\}\n", "", c.inside("nft", "-s", "list", "ruleset"), flags=re.S)


def reaches(c, port=8080):
    """Does a new connection of the container get an answer?"""
    inside = ["nsenter", "-t", str(c.init_pid()), "-n", "timeout", "0.5", "busybox", "wget", "-q", "-O", "-", "http://%s:%d/" % (SERVER, port)]
    return run(inside).returncode == 0


def rate(server, c, seconds=0.6):
    """Bytes a second that the server could send to it, measured."""
    def poured():
        return max([int(n) for a, n in server.did("poured") if a == c.ipv4] or [0])
    at, began = poured(), time.monotonic()
    time.sleep(seconds)
    return (poured() - at) / (time.monotonic() - began)


def download(server, c):
    c.sh("nc %s 80 > /dev/null &" % SERVER)
    wait("a download to run", lambda: any(a == c.ipv4 and int(n) > 1 << 20 for a, n in server.did("poured")))


def trail(d, kind):
    return [x for x in d.json("trail", "show", "--state-dir", d.state) if x["kind"] == kind]


def pings(net, address):
    return run(net.inside() + ["busybox", "ping", "-c", "1", "-W", "1", address]).returncode == 0


# ---- cut, and nothing else is ----

def dry(d, web, mate):
    before = rules(web)
    r = result(d, "isolate", "web", "--dry-run")
    said = " ".join(r["facts"]["foresight"])
    check(r["state"] == "planned" and "inside and on the host side" in r["words"], "what would be", r)
    check("Restart policy no" in said and "out of the reach" in said and "cut off with it: mate" in said and "is not isolated" in said, "said before", said)
    check(rules(web) == before and reaches(web) and not contained(d), "a dry run changes nothing")
    page = d.tidemark("contain", "isolate", mate.id[:12], "--dry-run").stdout
    check("cut off with it: web" in page and all(len(x) <= 100 for x in page.splitlines()), "for people", page)


def cut(net, d, server, web, near):
    download(server, web)
    download(server, near)
    flood = net.flood(web.ipv4)

    def answered():
        return int(flood.did("flooded")[-1][1])
    wait("the flood to be answered", lambda: flood.did("flooded") and answered() > 100)
    was, beside = rate(server, web), rate(server, near)
    isolate(d, "web", "--reason", "a test")
    time.sleep(0.5)  # what the server's socket still takes is no way through; what the flood has said is of before
    echoes = answered()
    now, then = rate(server, web), rate(server, near)
    check(was > 1e6 and now == 0, "its download is cut", [was, now])
    check(then > beside / 2, "the neighbour's goes on at its speed", [beside, then])
    check(answered() == echoes, "no ping is answered", [echoes, answered()])
    wait("the flood to be counted as dropped", lambda: contained(d)["web"]["dropped_on_host"] > 100)
    flood.end()
    check(not pings(net, web.ipv4) and pings(net, near.ipv4) and not reaches(web) and reaches(near), "new ones too, and only its own")
    c = contained(d)["web"]
    check(c["by"].startswith("uid 0") and c["stands_now"] and "left_s" not in c and c["age_s"] >= 0, "the list", c)
    check("isolated already" in result(d, "isolate", "web")["words"], "twice is once")
    check(len(trail(d, "isolated")) == 1 and "a test" in trail(d, "isolated")[0]["text"], "in the trail", trail(d, "isolated"))
    for kind in ("isolated", "contain-foresight", "evidence-began"):
        check(trail(d, kind)[0].get("comm") == "tidemark" and trail(d, kind)[0]["pid"], "who asked for " + kind, trail(d, kind))


def flushed(net, d, web):
    """Whoever has CAP_NET_ADMIN in its namespace takes the rules away; so does somebody on the host's side."""
    for n in range(1, 4):
        web.inside("nft", "flush", "ruleset")
        wait("the rules to be put back", lambda: contained(d)["web"]["reasserted"] >= n and contained(d)["web"]["stands_now"])
    f = wait("an item of it", lambda: next((f for f in d.findings("web", every=True) if f["type"] == "containment"), None))
    check("removed again and again" in " ".join(f["story"]), "which says so", f["story"])
    run(net.inside() + ["nft", "flush", "ruleset"])
    wait("the host's side to be put back", lambda: contained(d)["web"]["reasserted"] >= 4 and contained(d)["web"]["stands_now"])
    check("drop" in run(net.inside() + ["nft", "list", "ruleset"]).stdout and not reaches(web), "its rules stand, and it is cut as before")
    check(trail(d, "contain-reasserted") and trail(d, "contain-tampered"), "in the trail")


def devices(net, d, web):
    """More devices than anybody looks at are made in it: what leads out is cut on the host's side all the same."""
    for n in range(5):
        web.inside("ip", "link", "add", "many%d" % n, "type", "veth", "peer", "name", "mate%d" % n)
    wait("them to be seen", lambda: contained(d)["web"]["way"] == "inside its namespace alone")
    check("drop" in run(net.inside() + ["nft", "list", "ruleset"]).stdout and not pings(net, web.ipv4), "cut there as before")
    for n in range(5):
        web.inside("ip", "link", "del", "many%d" % n)
    wait("them to be gone", lambda: contained(d)["web"]["way"] == "inside and on the host side" and contained(d)["web"]["stands_now"])


def replaced(lab, d):
    """Of the workload another container comes, while the one is isolated."""
    isolate(d, "gone")
    lab.podman("rm", "-f", "-t", "0", "gone")
    new = lab.container("gone")
    f = wait("an item", lambda: next((f for f in d.findings("gone", every=True) if f["type"] == "containment"), None))
    check("in its place and not isolated: gone (%s)" % new.id[:12] in " ".join(f["story"]), "one item, in words", f["story"])


def test_cut(lab):
    net = Net(lab)
    server, http = net.serve(SERVER, 80, "pour"), net.serve(SERVER, 8080)
    d = lab.daemon()
    web, near = net.container("web"), net.container("near")
    mate = lab.container("mate", network="container:web")
    lab.container("gone")
    for name in ("web", "near", "mate", "gone"):
        d.covered(name)
    whole, outside = rules(web), run(net.inside() + ["nft", "-s", "list", "ruleset"]).stdout
    dry(d, web, mate)
    cut(net, d, server, web, near)
    flushed(net, d, web)
    devices(net, d, web)
    r = result(d, "release", "web")
    check(r["state"] == "done" and not contained(d), "released", r)
    wait("its way as before, rule for rule", lambda: rules(web) == whole and run(net.inside() + ["nft", "-s", "list", "ruleset"]).stdout == outside)
    check(reaches(web) and pings(net, web.ipv4), "its packets go their way")
    r = d.tidemark("contain", "release", "web")
    check(r.returncode == 4 and "not isolated" in r.stdout, "once", r.stdout)
    replaced(lab, d)
    wait("it to have ended", lambda: not contained(d)["gone"]["running"])
    r = result(d, "release", "gone")
    check(r["state"] == "done" and not contained(d), "of one that is gone, by its name", r)
    check(http.took(), "the server was asked")
    shared(lab, d, web, mate)
    killed(d, near)


def shared(lab, d, web, mate):
    """The one that is isolated is removed, but others live in its network namespace: they are not forgotten, cut off."""
    isolate(d, "mate")
    check(not reaches(web), "whoever shares it is cut off with it")
    lab.podman("rm", "-f", "-t", "0", "mate")
    wait("it to be away, and what it shared still cut", lambda: "others in its network namespace are cut off" in contained(d)["mate"]["stands"])
    check(not reaches(web), "its rules stand in what it shared")
    r = result(d, "release", mate.id)
    check(r["state"] == "done" and not contained(d) and reaches(web), "and are gone when it is released", r)


def killed(d, near):
    r = d.tidemark("contain", "kill", "near", "--yes-lose-state", "nea")
    check(r.returncode == 4 and "not killed" in r.stdout and near.init_pid(), "not without its name", r.stdout)
    check("Restart policy no" not in r.stdout and "write layer stays" in r.stdout, "what is lost", r.stdout)
    r = result(d, "kill", "near", "--yes-lose-state", "near")
    check(r["state"] == "done" and "killed" in r["words"], "killed", r)
    wait("it to have ended", lambda: near.init_pid() == 0)
    check(trail(d, "killed"), "in the trail")


# ---- held ----

def test_held(lab):
    """Over kill -9 of the agent, its clean end, and restarts of the container; until its time is over."""
    d = lab.daemon()
    c = lab.container("kept", network="bridge")
    d.covered("kept")
    whole = rules(c)
    isolate(d, "kept")
    table = [x for x in c.inside("nft", "list", "tables").splitlines() if c.id[:12] in x]
    check(len(table) == 1, "its table", table)
    d.proc.kill()
    d.proc.wait()
    check(table[0] in c.inside("nft", "list", "tables"), "the rules stay when the agent is killed")
    d = lab.daemon(state=d.state)
    wait("it to be adopted", lambda: "found so when it started" in d.text())
    check(contained(d)["kept"]["stands_now"] and trail(d, "contain-adopted"), "told", contained(d))

    c.stop()
    wait("it to be away", lambda: not contained(d)["kept"]["running"])
    c.start()
    said = wait("the restart to be told", lambda: trail(d, "contain-restarted"))[-1]["text"]
    check("held by the freezer" in said and ("before any program of it ran" in said or "that is the gap" in said), "frozen until it was cut, and the gap measured", said)
    check(table[0].split()[-1] in c.inside("nft", "list", "tables") and contained(d)["kept"]["stands_now"], "cut again")
    c.sh("true")  # it was thawed

    d.stop()
    check(table[0] in c.inside("nft", "list", "tables"), "a clean end undoes nothing")
    c.stop()
    c.start()  # nobody holds it
    d = lab.daemon(state=d.state)
    wait("its restart to be found", lambda: trail(d, "contain-restarted") and contained(d)["kept"]["stands_now"])
    result(d, "isolate", "kept", "--for", "2s")
    check(contained(d)["kept"]["left_s"] <= 2, "an end")
    wait("its end", lambda: not contained(d))
    wait("nothing of it to be left", lambda: c.id[:12] not in c.inside("nft", "list", "tables"))
    check(trail(d, "contain-expired") and rules(c) == whole, "as before", rules(c), whole)
    unlisted(lab, d, c, whole)


def unlisted(lab, d, c, whole):
    """It is cut off by a life of the agent whose list is lost: nobody need take rules away by hand."""
    isolate(d, "kept")
    d.proc.kill()
    d.proc.wait()
    os.unlink(os.path.join(d.state, "trail", "isolated"))
    d = lab.daemon(state=d.state)
    d.covered("kept")
    check(not contained(d), "it is in no list", contained(d))
    r = result(d, "release", "kept")
    check(r["state"] == "done" and "not in the list" in r["words"] and rules(c) == whole, "released", r, rules(c))


def test_docker(lab):
    docker = Docker(lab)
    try:
        of_docker(lab, docker)
    finally:
        docker.end()


def of_docker(lab, docker):
    check(docker.run("network", "create", "apart").returncode == 0, "docker network create")
    d = lab.daemon()
    docker.worker("dk", "--restart", "always", "--health-cmd", "true", network="apart")
    d.covered("dk")
    said = " ".join(result(d, "isolate", "dk", "--dry-run")["facts"]["foresight"])
    check("Restart policy always" in said and "health check" in said and "out of the reach" in said, "what Docker's record says", said)
    isolate(d, "dk", "--now")
    pid = docker.inspect("dk")["State"]["Pid"]
    r = result(d, "kill", "dk", "--yes-lose-state", "dk")
    check(r["state"] == "done" and "start it again" in " ".join(r["facts"]["foresight"]), "killed", r)
    wait("Docker to start it again", lambda: docker.inspect("dk")["State"]["Pid"] not in (0, pid))
    said = wait("it to be held", lambda: trail(d, "contain-restarted"))[-1]["text"]
    check("held by the freezer" in said and contained(d)["dk"]["stands_now"], "frozen until it was cut", said)
    check(result(d, "release", "dk")["state"] == "done", "released")


# ---- by itself ----

FLEET = 10
POLICY = 'queue = { show = 1; page = 1; };\ncontain = { auto = "on"; workloads = ["fleet-*"]; confidence = 50; per_hour = 2; };\n'


def drops(c):
    c.sh("cp /bin/busybox /srv/dropped; /srv/dropped true")


def paged(d, name):
    return next((f for f in d.findings(name, every=True) if f["containment"]), None)


def test_policy(lab):
    """A rule that pages for ten workloads at once isolates contain.per_hour of them; the others are a person's to decide."""
    d = lab.daemon(config=POLICY)
    fleet = [lab.container("fleet-%d" % n) for n in range(FLEET)] + [lab.container("other")]
    for c in fleet:
        d.covered(c.name)
    for c in fleet:
        drops(c)
    found = {c.name: wait("a word on " + c.name, lambda: paged(d, c.name)) for c in fleet[:FLEET]}
    states = wait("every word", lambda: (lambda s: s if "none" not in s else None)([paged(d, n)["containment"]["state"] for n in found]))
    check(states.count("isolated") == 2 and states.count("refused") == FLEET - 2, "as many as may be", states)
    check(sorted(contained(d)) == sorted(n for n in found if paged(d, n)["containment"]["state"] == "isolated"), "the list", contained(d))
    check(all(c["by"] == "policy" and c["finding"] for c in contained(d).values()), "who", contained(d))
    refused = next(paged(d, n) for n in found if paged(d, n)["containment"]["state"] == "refused")
    check("contain.per_hour" in refused["containment"]["acts"][-1]["words"], "why not", refused["containment"])
    check(paged(d, "other") is None, "nothing of a workload that is not named")
    # An operator's word goes by the finding; a release is not overruled.
    check(result(d, "isolate", refused["id"])["state"] == "done", "by its finding's number")
    name = sorted(contained(d))[0]
    result(d, "release", name)
    next(c for c in fleet if c.name == name).sh("cp /bin/busybox /srv/more; /srv/more true")
    wait("it to be counted", lambda: paged(d, name)["count"] > found[name]["count"])
    check(name not in contained(d), "not isolated again by itself")
    for name in contained(d):
        result(d, "release", name)
    d.stop()
    counted(lab, d)
    dry_run(lab, d, fleet[0])


def counted(lab, d):
    """A next life of the agent counts what this one isolated, though all of it was released."""
    d = lab.daemon(state=d.state, config=POLICY)
    late = lab.container("fleet-late")
    d.covered("fleet-late")
    drops(late)
    f = wait("a word on it", lambda: (lambda f: f if f and f["containment"]["state"] != "none" else None)(paged(d, "fleet-late")))
    check(f["containment"]["state"] == "refused" and "contain.per_hour" in f["containment"]["acts"][-1]["words"], "as many as may be", f["containment"])
    d.stop()


def dry_run(lab, d, c):
    d = lab.daemon(config='queue = { show = 1; page = 1; };\ncontain = { auto = "dry-run"; workloads = ["*"]; confidence = 50; };\n')
    d.covered(c.name)
    drops(c)
    f = wait("what it would do", lambda: paged(d, c.name))
    check(f["containment"]["state"] == "refused" and "would be isolated now" in f["containment"]["acts"][-1]["words"], "only said", f["containment"])
    check(not contained(d), "nothing done")
