#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pids.sh - inside the other kernel, which has 400 pids: two containers run thousands of short processes; each pid is
# soon another's. No execution is told with anything of another process (pidcheck.c).
set -u
runs=2000
. /bin/container.sh
tries=1200

image sh sleep touch
for which in a b; do
        cp /bin/pidmix /d/image/bin/mix-$which
        cp /bin/pidmix /d/image/bin/leaf-$which
done
cat >/d/image/entry.sh <<'EOF'
while [ ! -e /ctl/go ]; do sleep 0.1; done
/bin/mix-$1 $1 $2
touch /ctl/done
sleep 1000
EOF
are_covered() { [ "$(tm status | grep -c '"coverage": "content: ')" = 2 ]; }
are_done() { [ -e /d/a/ctl/done ] && [ -e /d/b/ctl/done ]; }

scenario() { # NAME CONFIGURATION
        good=1
        echo "$2" >/d/conf
        daemon /d --record /d/rec || good=0
        for which in a b; do container /d/$which "$(id_of $which$which)" $which $runs; done
        wait_for "both containers to be covered" are_covered || good=0
        touch /d/a/ctl/go /d/b/ctl/go
        wait_for "all processes to have run" are_done || good=0
        tm status >/d/status || good=0
        sed -n 's/^ *"pids_reused": \([0-9]*\).*/     pids reused before their end was told: \1/p' /d/status
        for which in a b; do container_end "$(id_of $which$which)"; done
        daemon_end || good=0
        pidcheck /d/rec $runs || good=0
        if [ $good = 1 ]; then echo "ok   $1"; else echo "FAIL $1"; cat /d/log /d/a/out /d/b/out; fi
}

echo 400 >/proc/sys/kernel/pid_max
scenario "few pids: no two processes are mixed" ""
echo "all scenarios done"
