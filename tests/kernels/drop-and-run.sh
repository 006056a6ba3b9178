#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# drop-and-run.sh - inside the other kernel: a container made by hand, as runtimes make them, drops a program and runs it.
# There is no runtime and no metadata: it is found from /proc, cgroup and mountinfo alone.
set -u
mkdir -p /etc /d /sys/fs/cgroup /var/lib /run
printf 'root:x:0:0::/:/bin/sh\ntidemark:x:990:990::/:/bin/false\n' >/etc/passwd
printf 'root:x:0:\ntidemark:x:990:\n' >/etc/group
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t ext4 /dev/vda /d || exit 1

# the image, and what the container does
mkdir -p /d/image/bin /d/image/tmp /d/image/opt /d/image/proc /d/image/ctl /d/image/old
cp /bin/busybox /d/image/bin/busybox
for tool in sh cp chmod sleep touch true mount umount; do ln -s busybox /d/image/bin/$tool; done
cat >/d/image/entry.sh <<'EOF'
while [ ! -e /ctl/go ]; do sleep 0.1; done
cp /bin/busybox /opt/upd
chmod 755 /opt/upd
/opt/upd true
touch /ctl/done
sleep 1000
EOF
cat >/inside.sh <<'EOF'
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=/d/image,upperdir=$1/upper,workdir=$1/work $1/root || exit 1
mount --bind $1/ctl $1/root/ctl
mount -t proc proc $1/root/proc
cd $1/root && pivot_root . old && cd / && exec chroot . /bin/sh -c 'umount -l /old; exec /bin/sh /entry.sh'
EOF

wait_for() { # WHAT COMMAND...
        what=$1 n=0
        shift
        until "$@" >/dev/null 2>&1; do
                n=$((n + 1))
                [ $n -lt 400 ] || { echo "     waited in vain for: $what"; return 1; }
                sleep 0.1
        done
}
tm() { tidemark --runtime-dir "$dir/run" --json "$@"; }
is_ready() { grep -q ready: "$dir/log"; }
is_covered() { tm status | grep -q '"coverage": "content: [a-z]* mark; names: \([1-9][0-9]* directories\|walks only\)"'; }
found_both() { tm findings >"$dir/findings" && grep -q '"kind": "file"' "$dir/findings" && grep -q '"kind": "process"' "$dir/findings"; }

# What must be true of the findings: one, sure, with a file signal that names the process.
judge() {
        [ "$(grep -c '"schema"' "$dir/findings")" = 1 ] || { echo "     expected one finding"; return 1; }
        sure=$(sed -n 's/^ *"confidence": \([0-9]*\),/\1/p' "$dir/findings")
        [ "$sure" -ge 95 ] || { echo "     only $sure% sure"; return 1; }
        awk '/"kind": "file"/ { f = 1 } f && /"pid":/ { print; f = 0 }' "$dir/findings" | grep -q '[0-9]' || { echo "     no process of the file signal"; return 1; }
        grep -q '"subject": "/opt/upd"' "$dir/findings" && grep -q '"layer": "write-layer"' "$dir/findings" || { echo "     not /opt/upd of the write layer"; return 1; }
        grep -q '"name": "unknown-' "$dir/findings" || { echo "     not the workload without metadata"; return 1; }
}

scenario() { # NAME HEX CONFIGURATION
        name=$1 id=$(printf "$2%.0s" $(seq 32)) dir=/d/$2
        cg=/sys/fs/cgroup/libpod-$id
        mkdir -p "$dir/upper" "$dir/work" "$dir/root" "$dir/ctl" "$dir/state" "$cg"
        echo "$3" >"$dir/conf"
        tidemarkd --foreground --config "$dir/conf" --state-dir "$dir/state" --runtime-dir "$dir/run" >"$dir/log" 2>&1 &
        daemon=$!
        good=1
        wait_for "tidemarkd to be ready" is_ready || good=0
        sh -c "echo \$\$ >$cg/cgroup.procs; exec unshare -m -p -f /bin/sh /inside.sh $dir" >"$dir/out" 2>&1 &
        if [ $good = 1 ] && wait_for "the container to be covered" is_covered; then
                touch "$dir/ctl/go"
                wait_for "a finding with both signals" found_both && judge || good=0
        else
                good=0
        fi
        for pid in $(cat "$cg/cgroup.procs"); do kill -9 "$pid"; done
        kill $daemon
        wait $daemon || { echo "     tidemarkd ended with $?"; good=0; }
        if [ $good = 1 ]; then echo "ok   $name"; else echo "FAIL $name"; cat "$dir/log" "$dir/out"; head -c 3000 "$dir/findings"; echo; fi
}

scenario "drop-and-run, all facilities" ab ""
scenario "drop-and-run without filesystem marks" cd 'probe: { disable = ["filesystem-mark"]; };'
scenario "drop-and-run without names" ef 'probe: { disable = ["names"]; };'
echo "all scenarios done"
