# SPDX-License-Identifier: GPL-2.0-or-later
"""tidemark tune: noise becomes one proposal with its measured effect, and quiet when it is applied; what would have
hidden something malicious is not to be had."""
import glob
import os
import shutil

from lab import TIDEMARK, check, run, wait

CONFIG = 'group: { join = "0s"; }; queue: { show = 10; };'  # one finding for each, whoever did it; data files are shown


def noisy(lab, name, files, config=CONFIG):
    c = lab.container(name)
    c.sh("mkdir -p /opt/reports")
    d = lab.daemon(config=config)
    d.covered(name)
    d.activate(name)
    for f in files:
        c.sh("echo %s > /opt/reports/%s" % (f, f))
        finding(d, name, f)
    return c, d


def finding(d, name, file):
    return wait("a finding of " + file, lambda: next((f for f in d.findings(name, every=True) for s in f["signals"] if s["subject"].endswith("/" + file)), None))


def flushed(d, *options):
    """tune, once the ring's segment that is written now has been flushed: at a tick."""
    return wait("the ring to hold it", lambda: (lambda t: t if t["about"]["recordings"] and any(p["removed_by_replay"] for p in t["proposals"]) else None)(d.json("tune", *options)), 40)


def proposal(t, part):
    return next((p for p in t["proposals"] if part in p["command"]), None)


def test_noise_and_quiet(lab):
    c, d = noisy(lab, "noise", ["daily-alpha.csv", "daily-beta.csv", "daily-gamma.csv"])
    t = flushed(d, "--attacks", "/nowhere")
    p = proposal(t, "/opt/reports/daily-*.csv")
    check(p is not None, "one rule for three findings", t)
    check(p["removed"] == 3 and p["removed_by_replay"] == 3, "measured by replay", p)
    check(p["proof"] == "none" and p["malicious"]["findings"] == 0 and p["disqualified"] is None, "nothing malicious to prove it on", p)
    text = d.tidemark("tune", "--attacks", "/nowhere").stdout
    check("no proof" in text and "removes 3 of" in text and "--path '/opt/reports/daily-*.csv'" in text and max(map(len, text.split("\n"))) <= 100, "for people", text)
    r = d.tidemark("tune", "--apply", p["id"], "--attacks", "/nowhere")
    check(r.returncode == 2 and "--reason" in r.stderr, "a reason is needed", r.stderr)
    r = d.tidemark("tune", "--apply", p["id"], "--reason", "the daily report", "--dry-run", "--attacks", "/nowhere")
    check(r.returncode == 0 and "would be added" in r.stdout and d.json("allow", "list") == [], "tried", r.stdout, r.stderr)
    r = d.tidemark("tune", "--apply", p["id"], "--reason", "the daily report", "--attacks", "/nowhere")
    check(r.returncode == 0 and "added allow rule" in r.stdout, "added", r.stdout, r.stderr)
    rules = d.json("allow", "list")
    check(len(rules) == 1 and rules[0]["path"] == "/opt/reports/daily-*.csv" and rules[0]["reason"] == "the daily report", "as allow add does", rules)
    trail = open(os.path.join(d.state, "trail", "trail.jsonl")).read()
    check("allow.add" in trail and "the daily report" in trail, "it is in the trail", trail[-2000:])
    before = len(d.findings("noise", every=True))
    c.sh("echo x > /opt/reports/daily-delta.csv")
    wait("the rule to have hidden it", lambda: d.json("allow", "list")[0]["hidden"] >= 1)
    check(len(d.findings("noise", every=True)) == before, "quiet now")
    c.sh("cp /bin/busybox /opt/reports/daily-evil.csv; chmod 755 /opt/reports/daily-evil.csv; /opt/reports/daily-evil.csv true")
    finding(d, "noise", "daily-evil.csv")


def test_malicious_disqualifies(lab):
    c, d = noisy(lab, "bait", ["job-alpha.csv", "job-beta.csv", "job-evil.csv"])
    evil = finding(d, "bait", "job-evil.csv")["id"]
    check(d.tidemark("triage", evil, "--verdict", "malicious").returncode == 0, "triage")
    t = wait("the ring to hold it", lambda: (lambda x: x if x["about"]["recordings"] and proposal(x, "job-*") and proposal(x, "job-*")["malicious"]["findings_replayed"] else None)(d.json("tune", "--attacks", "/nowhere")), 40)
    p = proposal(t, "/opt/reports/job-*.csv")
    check(p["malicious"]["hidden"] == 1 and p["malicious"]["hidden_cases"] == [evil] and evil in p["disqualified"], "it would have hidden it", p)
    check(evil not in p["findings"], "which is none of those that it is for", p)
    check("NOT TO BE ADDED" in d.tidemark("tune", "--attacks", "/nowhere").stdout, "said")
    r = d.tidemark("tune", "--apply", p["id"], "--reason", "noise", "--attacks", "/nowhere")
    check(r.returncode == 4 and "would have hidden" in r.stderr and d.json("allow", "list") == [], "and not to be had", r.stderr)


def test_shipped_attacks(lab):
    """An attack recording of another workload, whose only finding is such a file: the rule would hide that, too."""
    c, d = noisy(lab, "attack", ["lot-evil.csv"])
    wait("its segment", lambda: "lot-evil" in open_all(d), 40)
    check(d.stop() == 0, "ends well")
    attacks = os.path.join(lab.dir, "attacks-%d" % lab.count)
    for path in ("one.tide.gz", "kind/learned.tide.gz", "kind/two.tide.gz", "kind/three.tide.gz"):
        os.makedirs(os.path.dirname(os.path.join(attacks, path)), 0o755, exist_ok=True)
        shutil.copy(segments(d)[-1], os.path.join(attacks, path))
        os.chmod(os.path.join(attacks, path), 0o644)
    os.chmod(attacks, 0o755)
    c2, d2 = noisy(lab, "victim", ["lot-alpha.csv", "lot-beta.csv", "other.conf"])
    t = flushed(d2, "--attacks", attacks)
    check(t["about"]["attacks"] == 3 and t["about"]["errors"] == [], "replayed: one alone, two that go on from what was learned", t["about"])
    p = proposal(t, "/opt/reports/lot-*.csv")
    check(p["malicious"]["attacks"] == 3 and p["malicious"]["hidden_cases"] == ["one.tide.gz", "kind/three.tide.gz", "kind/two.tide.gz"] and p["disqualified"], "it would have hidden the attack", p)


def segments(d):
    return sorted(glob.glob(os.path.join(d.state, "engine", "ring", "*.tide.gz")))


def open_all(d):
    return "".join(run([TIDEMARK, "--json", "replay", "--partial", s]).stdout for s in segments(d))


def test_without_ring(lab):
    """By stored findings, and said so."""
    c, d = noisy(lab, "stored", ["log-alpha.csv", "log-beta.csv"], CONFIG + ' record: { ring_size = "0"; };')
    p = proposal(d.json("tune", "--attacks", "/nowhere"), "/opt/reports/log-*.csv")
    check(p["removed"] == 2 and p["removed_by_stored"] == 2 and p["removed_by_replay"] == 0, "by what is stored", p)
    check("by stored findings" in d.tidemark("tune", "--attacks", "/nowhere").stdout, "and said so")
