#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# left-out.sh - says what make check does not run: it needs root and changes the machine (packages, containers). As a step
# of setup.sh check there is nothing left out: that runs each as a step of its own, and fails where one cannot run.
[ "${TIDEMARK_CHECK_ALL:-0}" = 1 ] && { echo "left-out: nothing"; exit 0; }
echo "left out: tests/integration (real containers), tests/kernels (other kernels) and the demo"
echo "run them with: sudo packaging/setup.sh check"
[ "$(id -u)" = 0 ] || echo "left out, as this is no root shell: giving up privileges in tests/unit/test_priv"
exit 77
