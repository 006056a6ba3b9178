# SPDX-License-Identifier: GPL-2.0-or-later
"""Candidates and an operator's word on them; learning again; a new image of a known workload."""
import os
import shutil
import subprocess

from lab import check, run, wait

REASON = ("--reason", "it is ours")


def learned(lab, name, *lines, config=None):
    """A container that has done these things, and whose baseline is declared complete."""
    d = lab.daemon(config=config)
    c = lab.container(name)
    d.covered(name)
    for line in lines or ("/bin/date",):
        c.sh(line)
    wait("a program to be learned", lambda: any(e["key"] == "/bin/date" or "busybox" in e["key"] for e in entries(d, name, "process")))
    d.activate(name)
    return d, c


def entries(d, name, dimension=None):
    return [e for e in d.json("baseline", "show", name)["entries"] if dimension in (None, e["dimension"])]


def full(d, name):
    return d.workload(name)["id"]


def groups(d, name):
    found = d.json("baseline", "review", name)
    return found[0]["groups"] if found else []


def group(d, name, what):
    return next((g for g in groups(d, name) if what in g["subject"] or what in g["key"]), None)


def raised(d, name, subject):
    return [(f["id"], s["count"]) for f in d.findings(name, every=True) for s in f["signals"] if s["subject"] == subject]


def word(d, verb, name, *argv):
    r = d.tidemark("baseline", verb, full(d, name), *argv, *(REASON if verb != "refresh" else ()))
    check(r.returncode == 0, "baseline %s: %s" % (verb, r.stderr))
    return r.stdout


def test_approve_and_reject(lab):
    d, c = learned(lab, "desk")
    c.sh("echo x > /etc/desk.conf")
    g = wait("a candidate", lambda: group(d, "desk", "/etc/desk.conf"))
    check(g["why"] == "new" and g["containers"] == ["desk"] and g["count"] >= 1 and g["who"]["origin"] == "entrypoint" and g["who"]["uid"] == 0 and g["first_seen"], "who, when, why", g)
    page = d.tidemark("baseline", "review", "desk").stdout
    check(len(page.splitlines()) <= 30 and all(len(x) <= 100 for x in page.splitlines()) and "not seen while learning" in page, "a page to read", page)
    # Wrong words change nothing, and say what was expected.
    for argv, code, words in ((["approve", full(d, "desk"), g["items"][0]], 2, "--reason"),
                              (["approve", full(d, "desk"), "B-9999", *REASON], 4, "no candidate B-9999"),
                              (["approve", full(d, "desk"), *REASON], 4, "Name items"),
                              (["reject", full(d, "desk"), "--pattern", "/nowhere/*", *REASON], 4, "nothing fits"),
                              (["refresh", full(d, "desk"), "--for", "soon"], 2, "12h or 2d"),
                              (["approve", "des", g["items"][0], *REASON], 4, "full name")):
        r = d.tidemark("baseline", *argv)
        check(r.returncode == code and words in r.stderr, "a wrong word: %s" % argv, r.stderr, str(r.returncode))
    before = d.json("baseline", "show", "desk")["entries"]
    said = word(d, "approve", "desk", g["items"][0], "--dry-run")
    check("would be approved" in said and d.json("baseline", "show", "desk")["entries"] == before, "only tried", said)
    said = word(d, "approve", "desk", g["items"][0])
    check("approved: " + g["items"][0] in said, "approved", said)
    n = raised(d, "desk", "/etc/desk.conf")
    c.sh("echo y >> /etc/desk.conf")
    w = d.watch()
    c.sh("echo z >> /etc/desk.conf")
    wait("it to be known", lambda: any(e.get("path") == "/etc/desk.conf" and e["verdict"] == "known" for e in w.events("file")))
    check(raised(d, "desk", "/etc/desk.conf") == n, "quiet", d.findings("desk", every=True))
    e = next(e for e in entries(d, "desk", "file") if e["key"] == "/etc/desk.conf")
    check(e["approved_by"].startswith("operator uid 0") and e["approved_reason"] == "it is ours", "who and why", e)
    # What an operator does not want stays out, whatever is learned later.
    c.sh("echo x > /etc/bad.conf")
    g = wait("another candidate", lambda: group(d, "desk", "/etc/bad.conf"))
    word(d, "reject", "desk", g["items"][0])
    word(d, "refresh", "desk", "--for", "1h")
    check(d.workload("desk")["dimensions"][0]["state"] == "learning", "it learns again", d.workload("desk"))
    c.sh("echo y >> /etc/bad.conf; echo x > /etc/good.conf")
    wait("what is new to be learned", lambda: any(e["key"] == "/etc/good.conf" and not e["candidate"] for e in entries(d, "desk", "file")))
    check(group(d, "desk", "/etc/bad.conf")["rejected"], "still rejected", groups(d, "desk"))


def test_never_silent_by_its_content(lab):
    """Raised once; after a word quiet for that content alone."""
    d, c = learned(lab, "tool", config='learn: { startup = "0s"; };')  # what is written at start-up is known by its writer
    c.sh("cp /bin/busybox /opt/tool; chmod 755 /opt/tool; /opt/tool true")
    f = wait("the finding", lambda: [f for f in d.findings("tool") if any(s["kind"] == "process" for s in f["signals"])])
    check(f[0]["confidence"] >= 95, "worth waking somebody", f)
    g = wait("its candidate", lambda: next((g for g in groups(d, "tool") if g["why"] == "never-silent" and g["dimension"] == "process"), None))
    r = d.tidemark("baseline", "approve", full(d, "tool"), "--all", *REASON)
    check(r.returncode == 0 and "skipped: " + g["items"][0] in r.stdout and "never learned in bulk" in " ".join(r.stdout.split()), "never in bulk", r.stdout, r.stderr)
    said = wait("its content to be known", lambda: (lambda r: r.stdout if r.returncode == 0 else None)(d.tidemark("baseline", "approve", full(d, "tool"), g["items"][0], *REASON)))
    check("its content, sha256 " in " ".join(said.split()), "by what", said)
    n = [(f["id"], f["count"]) for f in d.findings("tool", every=True)]
    w = d.watch()
    c.sh("/opt/tool true")
    wait("it to be known", lambda: any(e["program"] == "/opt/tool" and e["verdict"] == "known" for e in w.events("exec")))
    check([(f["id"], f["count"]) for f in d.findings("tool", every=True)] == n, "quiet", d.findings("tool", every=True))
    # Another content at the same place.
    c.sh("cp /bin/rights /opt/tool.new; chmod 755 /opt/tool.new; mv /opt/tool.new /opt/tool; /opt/tool")
    wait("another content to be raised", lambda: any(x["name"] == "changed_approved" for f in d.findings("tool", every=True) for x in f["factors"]))


def test_poisoned_calibration(lab):
    """An attack while learning: raised, and flagged at the head of the review."""
    d = lab.daemon()
    c = lab.container("poisoned")
    d.covered("poisoned")
    c.sh("/bin/date; echo x > /opt/data; cp /bin/busybox /tmp/.x; chmod 755 /tmp/.x; /tmp/.x true")
    f = wait("the finding", lambda: d.findings("poisoned"))
    check(f[0]["workload"]["baseline_state"] == "learning", "while learning", f)
    d.activate("poisoned")
    g = wait("its candidate", lambda: groups(d, "poisoned"))
    check(g[0]["why"] == "never-silent" and "/tmp/.x" in g[0]["key"] and not g[0]["bulk"], "first of all", g)
    check("never learned silently" in d.tidemark("baseline", "review", "poisoned").stdout, "in words")


def second_image(lab, extra, tag="localhost/work:2"):
    """The first image's tree with one more file."""
    root = os.path.join(lab.dir, "image-" + tag.rsplit(":", 1)[1])
    shutil.copytree(os.path.join(lab.dir, "image"), root, symlinks=True)
    for path, source in extra.items():
        shutil.copy(source, root + path)
    tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    r = subprocess.run(lab.engine + ["import", "-q", "-", tag], stdin=tar.stdout, capture_output=True, text=True, env=dict(os.environ, CONTAINERS_CONF=lab.conf))
    check(r.returncode == 0, "podman import", r.stderr)
    return tag


def test_new_image(lab):
    """The baseline is inherited; a poisoned release is found on its first run; one item at the end."""
    d, c = learned(lab, "boutique", "/bin/date; echo x > /opt/data", config="rollout: { least = \"2s\"; };")
    old = full(d, "boutique")
    c.remove()
    wait("it to be gone", lambda: d.workload("boutique")["containers"] == 0)
    image = second_image(lab, {"/bin/extra": "/bin/busybox"})
    c = lab.container("boutique", image=image)
    new = wait("the new one", lambda: next((w for w in d.json("baseline", "list") if w["name"] == "boutique" and w["id"] != old), None))
    check(all(x["state"] == "active" and x["by"].startswith("inherited from sha256:") for x in new["dimensions"] if x["dimension"] in ("file", "process")), "inherited", new)
    check(new["rollout"]["open"] and new["rollout"]["from"] == old, "a roll-out", new)
    d.covered("boutique")
    c.sh("/bin/date; echo y > /opt/data")
    wait("an entry to be confirmed", lambda: any(not e["inherited"] for e in d.json("baseline", "show", new["id"])["entries"] if e["key"] == "/opt/data"))
    check(not [f for f in d.findings("boutique", every=True)], "quiet", d.findings("boutique", every=True))
    c.sh("cp /bin/extra /tmp/.m; chmod 755 /tmp/.m; /tmp/.m true")  # poisoned
    wait("it to be found", lambda: [f for f in d.findings("boutique") if f["confidence"] >= 95])
    item = wait("the item of the roll-out", lambda: next((f for f in d.findings("boutique") if f["type"] == "roll-out"), None), 60)
    check("A new image of this workload" in item["story"][0] and any("/tmp/.m" in s["subject"] for s in item["signals"]), "what it did that the old one did not", item)
    w = next(w for w in d.json("baseline", "list") if w["id"] == old)
    check(all(x["state"] == "stale" for x in w["dimensions"] if x["dimension"] in ("file", "process")), "the old one is stale", w)
    trail = open(os.path.join(d.state, "trail", "trail.jsonl")).read()
    check("a roll-out begins" in trail and "the roll-out is over" in trail, "in the trail", trail)


def test_waits_for_review(lab):
    """learn.review: what was learned is not judged before somebody has looked at it."""
    d = lab.daemon(config='learn: { review = true; period = "1s"; network_period = "1s"; converge_min = "1s"; window = "1s"; };')
    c = lab.container("calm")
    d.covered("calm")
    c.sh("/bin/date; echo x > /opt/data")

    def waits():
        c.sh("/bin/date; echo x > /opt/data")
        return {x["dimension"] for x in d.workload("calm")["dimensions"] if x["state"] == "review"} >= {"file", "process"}

    wait("it to wait for review", waits)
    c.sh("dd if=/dev/null of=/opt/new")
    g = wait("a candidate", lambda: group(d, "calm", "/opt/new"))
    check(not g["raised"], "not raised", g)
    check(not d.findings("calm", every=True), "nothing is raised", d.findings("calm", every=True))
    trail = wait("the trail to say so", lambda: (lambda t: t if "no reviewer" in t else None)(open(os.path.join(d.state, "trail", "trail.jsonl")).read()))
    check("waits for review" in trail, "no reviewer", trail)
