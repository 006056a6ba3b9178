#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench_record.py [MIB] - what it takes to import an SBOM of MIB (100) MiB: CycloneDX, SPDX, and CycloneDX signed in a DSSE
envelope. Prints the time, the most memory that the worker has had (VmHWM), and by how much the engine's has grown. Root."""
import hashlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import lab as lab_module  # noqa: E402
from supplychain import Key, Peak, large, memory, sign_large  # noqa: E402


def measure(d, path, what):
    before, peak, began = memory(d.engine(), "VmRSS"), Peak(d.engine()), time.monotonic()
    k = d.json("record", "import", path)[0]["records"][0]
    seconds, kib = time.monotonic() - began, peak.stop()
    print("%-28s %6.1f MiB  %5.1f s  worker %5.1f MiB  engine +%.1f MiB (peak %.1f)  %s, %d packages, %d files, %d left out" % (
        what, os.path.getsize(path) / (1 << 20), seconds, kib / 1024, (memory(d.engine(), "VmRSS") - before) / 1024, memory(d.engine()) / 1024,
        k["signature"], k["packages"], k["files"], k["left_out"]), flush=True)


def main():
    size = int(sys.argv[1] if len(sys.argv) > 1 else 100) << 20
    lab = lab_module.Lab()
    try:
        key = Key(lab.dir, "key")
        d = lab.daemon(config='records: { keys: ["%s"]; drop: "none"; };' % key.public)
        path, envelope = os.path.join(lab.dir, "bom.json"), os.path.join(lab.dir, "envelope.json")
        for form in ("cyclonedx", "spdx"):
            large(path, form, size, "sha256:" + hashlib.sha256(form.encode()).hexdigest())
            measure(d, path, form)
            if form == "cyclonedx":
                sign_large(key, path, envelope, "sha256:" + hashlib.sha256(b"signed").hexdigest())
        measure(d, envelope, "cyclonedx, in an envelope")
    finally:
        lab.close()


if __name__ == "__main__":
    main()
