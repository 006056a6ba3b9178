# SPDX-License-Identifier: GPL-2.0-or-later
"""Hours of six kinds of service, recorded and judged (check --long): nobody has to look at anything. Three sites side by
side, TIDEMARK_LIFE_MINUTES each (120, so that there are six hours of each kind), no stretch of them like another."""
import os
import shutil
import subprocess
import sys
import tempfile

from lab import BUILD, SRC, check

NEEDS = ("mmdebstrap", "dnsmasq", "ip", "nsenter")


def test_recorded_hours(lab):
    """What was recorded once, of all three sites."""
    r = subprocess.run(["bash", os.path.join(SRC, "tests/replay/quiet.sh"), "--long"], env=dict(os.environ, TOP_SRCDIR=SRC, TOP_BUILDDIR=BUILD))
    check(r.returncode == 0, "less than one finding for each workload and week")


def test_hours(lab):
    folder = tempfile.mkdtemp(prefix="tidemark-life-", dir=os.environ.get("TIDEMARK_LAB_DIR", "/tmp"))
    try:
        r = subprocess.run([sys.executable, os.path.join(SRC, "tests/replay/long.py"), os.environ.get("TIDEMARK_LIFE_MINUTES", "120"), folder, "3"])
        check(r.returncode == 0, "the recording ends well")
        for how in ([], ["--timer"]):
            r = subprocess.run([os.path.join(BUILD, "tests/bench/bench_life"), *how, os.path.join(folder, "long.tide")])
            check(r.returncode == 0, "less than one finding for each workload and week")
    finally:
        shutil.rmtree(folder)


test_recorded_hours.long = test_hours.long = True
