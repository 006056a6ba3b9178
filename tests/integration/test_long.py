# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes longer (check --long): storms, in which everything is told or counted as lost, and quiet that stays quiet."""
import time

from lab import check, wait


def lost(d):
    s = d.json("status")
    return sum(x["lost"] for x in s["sensors"]) + sum(s["pair"]["refused"].values()) + s["processes"]["executable_unknown"]


def test_storm_of_programs(lab):
    """20 000 programs as fast as they come: told + counted as lost is never less than what ran."""
    d = lab.daemon()
    c = lab.container("storm")
    d.covered("storm")
    before = d.json("status")["processes"]["execs"]
    c.sh("/bin/many 20000")
    told = wait("all to be told or counted", lambda: (lambda s: s if s["processes"]["execs"] - before + lost(d) >= 20001 else None)(d.json("status")), 120)
    check(told["processes"]["execs"] - before >= 0.999 * 20001, "nearly all with their program", told["processes"], told["sensors"])


def test_storm_of_files(lab):
    """20 000 files made and removed: the agent lives, loses by counting, and still finds what drifts afterwards."""
    d = lab.daemon()
    c = lab.container("flood")
    d.covered("flood")
    c.sh("mkdir /opt/f; i=0; while [ $i -lt 20000 ]; do : > /opt/f/$i; i=$((i+1)); done; rm -r /opt/f")
    c.sh("cp /bin/busybox /opt/x; /opt/x true")
    wait("the finding behind the flood", lambda: any(s["subject"] == "/opt/x" for f in d.findings("flood") for s in f["signals"]), 120)
    memory = d.json("status")["memory"]
    check(memory["engine_pss_kib"] + memory["sensor_pss_kib"] < 65536 or "asan" in d.proc.args[0], "memory stays bounded", memory)


def test_quiet(lab):
    """Three minutes of an ordinary workload after its baseline was activated: not one finding to look at."""
    work = ("while :; do date > /dev/null; /bin/ls /opt > /dev/null; echo line >> /opt/log; echo x > /tmp/$$-tmp; rm /tmp/$$-tmp;"
            " /bin/sleep 0.5; done")
    d = lab.daemon()
    lab.container("calm", entry=["/bin/sh", "-c", work])
    d.covered("calm")
    wait("its programs and files to be learned", lambda: all(x["entries"] >= 2 for x in d.workload("calm")["dimensions"] if x["state"] != "off"), 60)
    settled = time.monotonic() + 20
    wait("twenty seconds of learning", lambda: time.monotonic() > settled, 60)
    d.activate("calm")
    end = time.monotonic() + 180
    while time.monotonic() < end:
        check(not d.findings("calm"), "no finding to look at", d.findings("calm"))
        time.sleep(1)


for function in (test_storm_of_programs, test_storm_of_files, test_quiet):
    function.long = True
