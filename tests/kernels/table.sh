#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# table.sh - inside the other kernel: our table in network namespaces, and what comes by the sockets opened there.
set -u
export TIDEMARK_REQUIRE_KERNEL=1
for t in test_nl test_nettable test_nsworker; do
        if /bin/$t >/tmp/out 2>&1; then echo "ok   $t"; else echo "FAIL $t"; cat /tmp/out; fi
done
echo "all scenarios done"
