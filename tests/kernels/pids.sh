#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pids.sh - inside the other kernel, which has 400 pids: two containers run thousands of short processes; each pid is
# soon another's. No execution is told with anything of another process (pidcheck.c).
set -u
runs=2000
mkdir -p /etc /d /sys/fs/cgroup /var/lib /run
printf 'root:x:0:0::/:/bin/sh\ntidemark:x:990:990::/:/bin/false\n' >/etc/passwd
printf 'root:x:0:\ntidemark:x:990:\n' >/etc/group
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t ext4 /dev/vda /d || exit 1

mkdir -p /d/image/bin /d/image/tmp /d/image/proc /d/image/ctl /d/image/old
cp /bin/busybox /d/image/bin/busybox
for tool in sh sleep touch umount; do ln -s busybox /d/image/bin/$tool; done
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
cat >/inside.sh <<'EOF'
mount --make-rprivate /
mount --bind $1/ctl $1/root/ctl
mount -t proc proc $1/root/proc
cd $1/root && pivot_root . old && cd / && exec chroot . /bin/sh -c "umount -l /old; exec /bin/sh /entry.sh $2 $3"
EOF

wait_for() { # WHAT COMMAND...
        what=$1 n=0
        shift
        until "$@" >/dev/null 2>&1; do
                n=$((n + 1))
                [ $n -lt 1200 ] || { echo "     waited in vain for: $what"; return 1; }
                sleep 0.1
        done
}
is_ready() { grep -q ready: /d/log; }
are_covered() { [ "$(tidemark --runtime-dir /d/run --json status | grep -c '"coverage": "content: ')" = 2 ]; }
are_done() { [ -e /d/a/ctl/done ] && [ -e /d/b/ctl/done ]; }

start() { # NAME
        cg=/sys/fs/cgroup/libpod-$(printf "$1$1%.0s" $(seq 32))
        mkdir -p /d/$1/upper /d/$1/work /d/$1/root /d/$1/ctl "$cg"
        mount -t overlay overlay -o lowerdir=/d/image,upperdir=/d/$1/upper,workdir=/d/$1/work /d/$1/root # outside, as runtimes do
        sh -c "echo \$\$ >$cg/cgroup.procs; exec unshare -m -p -f /bin/sh /inside.sh /d/$1 $1 $runs" >/d/$1/out 2>&1 &
}

scenario() { # NAME CONFIGURATION
        umount -l /d/a/root /d/b/root 2>/dev/null
        rm -rf /d/state /d/run /d/rec /d/a /d/b
        mkdir -p /d/state
        echo "$2" >/d/conf
        tidemarkd --foreground --config /d/conf --state-dir /d/state --runtime-dir /d/run --record /d/rec >/d/log 2>&1 &
        daemon=$!
        good=1
        wait_for "tidemarkd to be ready" is_ready || good=0
        start a
        start b
        wait_for "both containers to be covered" are_covered || good=0
        touch /d/a/ctl/go /d/b/ctl/go
        wait_for "all processes to have run" are_done || good=0
        tidemark --runtime-dir /d/run --json status >/d/status || good=0
        sed -n 's/^ *"pids_reused": \([0-9]*\).*/     pids reused before their end was told: \1/p' /d/status
        for pid in $(cat /sys/fs/cgroup/libpod-*/cgroup.procs); do kill -9 "$pid"; done
        kill $daemon
        wait $daemon || { echo "     tidemarkd ended with $?"; good=0; }
        pidcheck /d/rec $runs || good=0
        if [ $good = 1 ]; then echo "ok   $1"; else echo "FAIL $1"; cat /d/log /d/a/out /d/b/out; fi
}

echo 400 >/proc/sys/kernel/pid_max
scenario "few pids: no two processes are mixed" ""
echo "all scenarios done"
