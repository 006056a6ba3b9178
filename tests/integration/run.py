#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py [--long] [WORD...] - every function test_* of every test_*.py here whose name holds one of the words. Root."""
import glob
import importlib
import os
import shutil
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def missing():
    if os.geteuid() != 0:
        return "not root"
    for tool in ("podman", "runc", "busybox", "gcc"):
        if not shutil.which(tool):
            return tool + " is not installed"
    return None


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    why = missing()
    if why:
        print("left out: the integration tests need root, podman, runc, busybox and gcc: " + why)
        return 1 if os.environ.get("TIDEMARK_REQUIRE_KERNEL") == "1" else 77
    import lab as lab_module
    tests = []
    for path in sorted(glob.glob(os.path.join(lab_module.HERE, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        without = [t for t in getattr(module, "NEEDS", ()) if not shutil.which(t)]
        for name in [n for n in vars(module) if n.startswith("test_")]:
            function = getattr(module, name)
            full = module.__name__ + "." + name
            if getattr(function, "long", False) and "--long" not in sys.argv:
                continue
            if words and not any(w in full for w in words):
                continue
            if without and os.environ.get("TIDEMARK_REQUIRE_KERNEL") != "1":
                print("left out: %s: %s is not installed" % (full, ", ".join(without)))
                continue
            tests.append((full, function))
    lab = lab_module.Lab()
    passed = failed = 0
    try:
        for full, function in tests:
            began, error, logs = time.monotonic(), None, ""
            try:
                function(lab)
            except Exception as e:  # a test's own mistake is a failure like any other
                error = str(e) if isinstance(e, lab_module.Failure) else traceback.format_exc()
                logs = "".join("    --- %s\n%s" % (d.log_path, d.text()[-3000:]) for d in lab.daemons)
            try:
                lab.clean()
            except Exception as e:
                error = (error + "\n" if error else "") + str(e)
            passed, failed = passed + (not error), failed + bool(error)
            lab_module.say("%-4s %-64s %5.1f s\n" % ("FAIL" if error else "ok", full, time.monotonic() - began))
            if error:
                lab_module.say("    " + error.replace("\n", "\n    ") + "\n" + logs)
    finally:
        lab.close()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
