# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# container.sh - what scenarios source: a disk at /d, users, a daemon, and containers made by hand, as runtimes make them:
# a cgroup named by an id, mount and pid namespaces, an overlay for a root, pivot_root. There is no runtime and no
# metadata: all is found from /proc, cgroup and mountinfo.
#
#   image TOOL...                      busybox under these names, in /d/image
#   container DIR ID [ARGUMENT...]     runs /entry.sh ARGUMENT... of the image, with DIR/ctl as /ctl; in the network
#                                      namespace /run/netns/$space, with DIR/resolv.conf, if there are such
#   daemon DIR [OPTION...]             tidemarkd with what is its own in DIR, and the configuration DIR/conf
# Whoever waits, waits for a condition: wait_for WHAT COMMAND...
mkdir -p /etc /d /sys/fs/cgroup /var/lib /run
printf 'root:x:0:0::/:/bin/sh\ntidemark:x:990:990::/:/bin/false\n' >/etc/passwd
printf 'root:x:0:\ntidemark:x:990:\n' >/etc/group
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t ext4 /dev/vda /d || exit 1
space='' tries=400

cat >/inside.sh <<'EOI'
dir=$1
shift
mount --make-rprivate /
mount --bind $dir/ctl $dir/root/ctl
[ ! -e $dir/resolv.conf ] || mount --bind $dir/resolv.conf $dir/root/etc/resolv.conf
mount -t proc proc $dir/root/proc
cd $dir/root && pivot_root . old && cd / && exec chroot . /bin/sh -c "umount -l /old; exec /bin/sh /entry.sh $*"
EOI

image() {
        mkdir -p /d/image/bin /d/image/dev /d/image/etc /d/image/tmp /d/image/opt /d/image/proc /d/image/ctl /d/image/old
        mknod -m 666 /d/image/dev/null c 1 3
        touch /d/image/etc/resolv.conf
        cp /bin/busybox /d/image/bin/busybox
        for tool in umount "$@"; do ln -s busybox "/d/image/bin/$tool"; done
}

container() { # DIR ID [ARGUMENT...]
        home=$1 cg=/sys/fs/cgroup/libpod-$2
        shift 2
        mkdir -p "$home/upper" "$home/work" "$home/root" "$home/ctl" "$cg"
        mount -t overlay overlay -o "lowerdir=/d/image,upperdir=$home/upper,workdir=$home/work" "$home/root" # outside, as runtimes do
        sh -c "echo \$\$ >$cg/cgroup.procs; exec ${space:+nsenter --net=/run/netns/$space} \
                unshare -m -p -f /bin/sh /inside.sh $home $*" >"$home/out" 2>&1 &
}
# The whole of it, with whatever comes into being meanwhile.
container_end() { # ID
        until [ -z "$(cat "/sys/fs/cgroup/libpod-$1/cgroup.procs")" ]; do
                for pid in $(cat "/sys/fs/cgroup/libpod-$1/cgroup.procs"); do kill -9 "$pid" 2>/dev/null; done
        done
}
# 64 digits of two.
id_of() { printf "$1%.0s" $(seq 32); }

wait_for() { # WHAT COMMAND...
        local what=$1 n=0
        shift
        until "$@" >/dev/null 2>&1; do
                n=$((n + 1))
                [ $n -lt "$tries" ] || { echo "     waited in vain for: $what"; return 1; }
                sleep 0.1
        done
}

daemon() { # DIR [OPTION...]
        dir=$1
        shift
        mkdir -p "$dir/state"
        : >"$dir/log" # another life's is not read for this one's
        tidemarkd --foreground --config "$dir/conf" --state-dir "$dir/state" --runtime-dir "$dir/run" "$@" >>"$dir/log" 2>&1 &
        daemon=$!
        wait_for "tidemarkd to be ready" grep -q ready: "$dir/log"
}
daemon_end() {
        kill "$daemon"
        wait "$daemon" || { echo "     tidemarkd ended with $?"; return 1; }
}
tm() { tidemark --runtime-dir "$dir/run" --json "$@"; }
