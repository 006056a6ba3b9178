#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# table.sh - inside the other kernel: our table in network namespaces, and what comes by the sockets opened there; and a
# container that is cut off: as far as this kernel has what that takes, and said so.
set -u
export TIDEMARK_REQUIRE_KERNEL=1
. /bin/container.sh
for t in test_nl test_nettable test_nsworker; do
        if /bin/$t >/tmp/out 2>&1; then echo "ok   $t"; else echo "FAIL $t"; cat /tmp/out; fi
done

id=$(id_of ab) cg=/sys/fs/cgroup/libpod-$id
mkdir -p /run/netns "$cg"
touch /run/netns/c1
unshare -n mount --bind /proc/self/ns/net /run/netns/c1
in_space() { nsenter --net=/run/netns/c1 "$@"; }
in_space ip link add eth0 type veth # and veth0, its other end
in_space ip link set veth0 netns 1
for end in "in_space lo" "in_space eth0" "env veth0" "env lo"; do ${end% *} ip link set "${end#* }" up; done
in_space ip addr add 10.77.1.2/24 dev eth0
ip addr add 10.77.1.1/24 dev veth0
sh -c "echo \$\$ >$cg/cgroup.procs; exec nsenter --net=/run/netns/c1 sleep 1000" &
joined() { [ "$(readlink "/proc/$pid/ns/net")" = "$(in_space readlink /proc/self/ns/net)" ]; }
pid=$!
wait_for "the container" joined
said() { # WORD: the rest of its line
        sed -n "s/^$1 //p" /tmp/cuts
}
say() { # OK WHAT
        if [ "$1" = 0 ]; then echo "ok   $2"; else echo "FAIL $2"; cat /tmp/cuts; fi
}
does() { cuts "$@" >/tmp/cuts 2>&1; }
talks() { in_space ping -c 1 -W 2 10.77.1.1 >/dev/null; }
is_cut() { ! in_space ping -c 1 -W 1 10.77.1.1 >/dev/null 2>&1; }

does look "$id" "$pid" && talks
say $? "a look changes nothing"
case $(said facts) in
*ingress*egress*) way="inside and on the host side" ;;
*ingress*) way="inside, and what it sends on the host side too" ;;
*) way="inside its namespace alone" ;;
esac
case $(uname -r) in
5.10*) [ "$way" = "inside, and what it sends on the host side too" ] ;;
*) [ "$way" = "inside and on the host side" ] ;;
esac
say $? "what this kernel has: $way"
[ "$(said way)" = "$way" ] && does cut "$id" "$pid" && [ "$(said way)" = "$way" ] && [ "$(said seen)" = 1 ] && is_cut
say $? "a container is cut off, and that is seen"
does cut "$id" "$pid" 10.77.1.1 && [ "$(said stands)" = 1 ] && talks
say $? "what is allowed passes"
does check "$id" "$pid" && [ "$(said stands)" = 1 ]
say $? "what was made is what is read back"
does release "$id" "$pid" && talks && [ -z "$(tables)$(in_space tables)" ]
say $? "release leaves nothing"
does freeze "$id" "$pid" && grep -q "frozen 1" $cg/cgroup.events && does thaw "$id" "$pid" && grep -q "frozen 0" $cg/cgroup.events
say $? "frozen and thawed"
does cut "$id" "$pid" && does kill "$id" "$pid" && [ "$(said left)" = 0 ] && [ -z "$(cat $cg/cgroup.procs)" ]
say $? "killed"
umount /run/netns/c1
gone() { ! ip link show veth0 >/dev/null 2>&1; }
wait_for "its device to go" gone
does release "$id" 0 && [ -z "$(tables)" ]
say $? "nothing is left of one that has ended"
echo "all scenarios done"
