#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# drop-and-run.sh - inside the other kernel: a container made by hand, as runtimes make them, drops a program and runs it.
# There is no runtime and no metadata: it is found from /proc, cgroup and mountinfo alone. The same with each of the
# kernel's facilities switched off: status says what is used instead, and the drift is found by that.
set -u
. /bin/container.sh

# the image, and what the container does
image sh cp chmod sleep touch true mount unshare
cat >/d/image/entry.sh <<'EOF'
if [ -e /ctl/apart ]; then unshare -m /bin/sh /drop.sh; else /bin/sh /drop.sh; fi
sleep 1000
EOF
cat >/d/image/drop.sh <<'EOF'
while [ ! -e /ctl/go ]; do sleep 0.1; done
cp /bin/busybox /opt/busybox-upd
chmod 755 /opt/busybox-upd
/opt/busybox-upd sleep 0.3
touch /ctl/done
EOF
is_covered() { tm status | grep -q "\"coverage\": \"$covered\""; }
# A walk comes after the run: what it finds is a part of the finding only if the baseline is said to be complete.
activate() { tidemark --runtime-dir "$dir/run" baseline activate "unknown-$(echo "$id" | cut -c1-12)" >/dev/null; }
# Whoever drops and runs is in a mount namespace of its own, which is marked by now.
is_apart() { tm status | grep -A 3 '"namespaces": {' | grep -q '"known": 1'; }
apart() { wait_for "the other mount namespace to be known" is_apart; }
found_both() { tm findings >"$dir/findings" && grep -q '"kind": "file"' "$dir/findings" && grep -q '"kind": "process"' "$dir/findings"; }

# What must be true of the findings: one, sure, with a file signal that names the process (unless nothing tells it).
judge() { # WRITER
        [ "$(grep -c '"schema"' "$dir/findings")" = 1 ] || { echo "     expected one finding"; return 1; }
        sure=$(sed -n 's/^ *"confidence": \([0-9]*\),/\1/p' "$dir/findings")
        [ "$sure" -ge 95 ] || { echo "     only $sure% sure"; return 1; }
        writer=$(awk '/"kind": "file"/ { f = 1 } f && /"pid":/ { print; f = 0 }' "$dir/findings" | grep -q '[0-9]' && echo known || echo unknown)
        [ "$writer" = "$1" ] || { echo "     the process of the file signal is $writer"; return 1; }
        grep -q '"subject": "/opt/busybox-upd"' "$dir/findings" && grep -q '"layer": "write-layer"' "$dir/findings" || { echo "     not /opt/busybox-upd of the write layer"; return 1; }
        grep -q '"name": "unknown-' "$dir/findings" || { echo "     not the workload without metadata"; return 1; }
}

scenario() { # NAME HEX FACILITIES-OFF COVERAGE WRITER [BEFORE]
        name=$1 covered=$4 id=$(id_of "$2") dir=/d/$2 good=1
        mkdir -p "$dir/ctl"
        [ "${6:-}" != apart ] || touch "$dir/ctl/apart"
        echo "probe: { disable = [$3]; }; files: { round = \"10s\"; };" >"$dir/conf"
        daemon "$dir" || good=0
        container "$dir" "$id"
        if [ $good = 1 ] && wait_for "the container to be covered" is_covered && ${6:-true}; then
                touch "$dir/ctl/go"
                wait_for "a finding with both signals" found_both && judge "$5" || good=0
        else
                good=0
        fi
        container_end "$id"
        daemon_end || good=0
        if [ $good = 1 ]; then echo "ok   $name"; else echo "FAIL $name"; cat "$dir/log" "$dir/out"; head -c 3000 "$dir/findings"; echo; fi
}

by_names="names: [1-9][0-9]* directories"
scenario "drop-and-run, all facilities" a1 '' "content: filesystem mark; $by_names" known
scenario "drop-and-run without filesystem marks" a2 '"filesystem-mark"' "content: mount mark; $by_names" known
scenario "drop-and-run without names: inotify" a3 '"names"' "content: filesystem mark; $by_names by inotify" known
scenario "drop-and-run without open-exec" a4 '"open-exec"' "content: filesystem mark; $by_names" known
scenario "drop-and-run without names and inotify: walks" a5 '"names", "inotify"' "content: filesystem mark; names: walks only" known
scenario "drop-and-run without nspid" a6 '"nspid"' "content: filesystem mark; $by_names" known
scenario "drop-and-run as on 3.10" a7 '"filesystem-mark", "open-exec", "names", "nspid"' "content: mount mark; $by_names by inotify" known
scenario "drop-and-run, inotify and walks" a8 '"content", "names"' "content: not watched; $by_names by inotify" unknown
scenario "drop-and-run, walks alone" a9 '"content", "names", "inotify"' "content: not watched; names: walks only" unknown activate
scenario "drop-and-run in another mount namespace" aa '"filesystem-mark", "names"' "content: mount mark; $by_names by inotify.*" known apart
echo "all scenarios done"
