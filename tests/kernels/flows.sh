#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# flows.sh - inside the other kernel: whom containers call, from conntrack and packets of the name service to the queue.
# Each scenario has a container made by hand, in a network namespace with a veth to the others', who have a name server
# (answers.c) and serve what they are asked for at all their addresses.
set -u
. /bin/container.sh
API=198.51.100.1 API2=198.51.100.2 API3=198.51.100.3 EVIL=203.0.113.66 SIX=2606:2800:220:1::1
RESOLVER=10.77.0.53 RESOLVER6=fd77::53 UNCONFIGURED=10.77.0.1

# The container does what it is told through a pipe: so what it does is its own act.
image sh chmod cp httpd nc nslookup sleep true
cat >/d/image/entry.sh <<'EOI'
while :; do while read -r l; do eval "$l"; echo $? >>/ctl/done; done </ctl/in; done
EOI
inside() { # LINE
        echo "$1" >"$dir/ctl/in"
        asked=$((asked + 1))
        wait_for "the container to do: $1" has_done && [ "$(tail -n 1 "$dir/ctl/done")" = 0 ]
}
has_done() { [ "$(wc -l <"$dir/ctl/done")" -ge "$asked" ]; }

# ---- networks ----

in_space() { # NAME COMMAND...
        local name=$1
        shift
        nsenter "--net=/run/netns/$name" "$@"
}
space_new() { # NAME
        touch "/run/netns/$1"
        unshare -n mount --bind /proc/self/ns/net "/run/netns/$1"
        in_space "$1" ip link set lo up
        in_space "$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad' # an address can be used at once
}
records() { printf '%s\n' "$@" >/d/records.new && mv /d/records.new /d/records; }
listens() { in_space others netstat -ltn | grep -q ':80 '; }
others() {
        mkdir -p /run/netns /www
        echo hello >/www/index.html
        space_new others
        for a in $API $API2 $API3 $EVIL $RESOLVER $UNCONFIGURED; do in_space others ip addr add $a/32 dev lo; done
        for a in $SIX $RESOLVER6; do in_space others ip addr add $a/128 dev lo; done
        in_space others httpd -f -p 80 -h /www &
        records "api.example.test A $API"
        nsenter --net=/run/netns/others answers /d/records $RESOLVER $UNCONFIGURED $RESOLVER6 >/d/answers 2>&1 &
        answerer=$!
        wait_for "the name server" grep -q ready /d/answers && wait_for "the others to serve" listens
}
space_joined() { # NUMBER: a namespace of a container, with a way to the others and everywhere they are
        space=c$1
        space_new $space
        in_space $space ip link add eth0 type veth # and veth0, its other end
        in_space $space ip link set veth0 name v$1
        in_space $space ip link set v$1 netns $answerer
        for end in "$space eth0 2" "others v$1 1"; do
                set -- "$1" $end
                in_space $2 ip addr add 10.77.$1.$4/24 dev $3
                in_space $2 ip addr add fd77:0:0:$1::$4/64 dev $3
                in_space $2 ip link set $3 up
        done
        in_space $space ip route add default via 10.77.$1.1
        in_space $space ip -6 route add default via fd77:0:0:$1::1
}

# ---- what is told ----

watch() {
        tm watch >"$dir/watch" 2>&1 &
        watcher=$!
        wait_for "the watcher to be heard" is_heard
}
is_heard() { tm status | grep -q '"clients": [2-9]'; }
# One of the events has all of these words, and that one has not.
event() { # WORD... [!WORD]
        local found word
        found=$(cat "$dir/watch")
        for word in "$@"; do
                case $word in
                !*) found=$(printf '%s\n' "$found" | grep -vF -e "${word#!}") ;;
                *) found=$(printf '%s\n' "$found" | grep -F -e "$word") ;;
                esac || return 1
        done
}
flow() { # NAME ADDRESS WORD...: an outbound flow there, led to by this name, of a process that is known
        local name=$1 address=$2
        shift 2
        event '"kind":"flow"' '"direction":"outbound"' "\"names\":[\"$name\"]" "\"remote\":\"$address\"" '"remote_port":80' \
                '"executable":"/bin/busybox"' "$@" '!"pid":null'
}
# It lasts a while: whose it is can be asked for even by a reader that has not much of a processor.
request="(sleep 0.5; echo GET / HTTP/1.0; echo)"
drop="cp /bin/busybox /opt/busybox-upd; chmod 755 /opt/busybox-upd"
call() { inside "$request | nc $1 80 >/dev/null"; }
calls() { call "$1" && flow "$1" "$2"; } # NAME ADDRESS
is_covered() { tm status | grep -q '"coverage": "content: '; }
workload() { echo "unknown-$(echo "$id" | cut -c1-12)"; }
activate() { tm baseline activate "$(workload)" >/dev/null; }
learned() { tm baseline show "$(workload)" | grep -qF "\"key\": \"$1\""; }
# In the container's namespace: one table, ours and whole; or none at all.
tables() { in_space $space tables >"$dir/tables"; }
has_table() { tables && [ "$(wc -l <"$dir/tables")" = 1 ] && grep -q '^1 tidemark-[0-9a-z]* 7$' "$dir/tables"; }
has_none() { tables && [ ! -s "$dir/tables" ]; }
network() { tm findings --all >"$dir/findings" && grep -q '"kind": "network"' "$dir/findings"; }
check() { # WHAT COMMAND...
        local what=$1
        shift
        "$@" >/dev/null 2>&1 || { echo "     not so: $what"; return 1; }
}
not() { ! "$@"; }

# ---- scenarios ----

start() { daemon "$dir" && container "$dir" "$id"; }
begin() { start && watched; }
# Covered, its namespace too, and it has called once by a name.
watched() {
        watch && wait_for "the container to be covered" is_covered && wait_for "its table" has_table &&
                wait_for "a call to be told with its name and process" calls api.example.test $API
}

scenario() { # NAME HEX FUNCTION [CONFIGURATION [RESOLV-CONF]]
        id=$(id_of "$2") dir=/d/$2 asked=0 number=$((number + 1)) watcher='' daemon='' good=1
        mkdir -p "$dir/ctl"
        mkfifo "$dir/ctl/in"
        touch "$dir/ctl/done" "$dir/watch" "$dir/tables" "$dir/findings"
        printf '%b\n' "${5:-nameserver $RESOLVER}" >"$dir/resolv.conf"
        echo "${4:-}" >"$dir/conf"
        records "api.example.test A $API" "evil.example.test A $EVIL"
        space_joined $number
        $3 || good=0
        [ -z "$watcher" ] || kill "$watcher"
        daemon_end || good=0
        container_end "$id"
        umount "/run/netns/$space"
        [ $good = 1 ] && echo "ok   $1" && return
        echo "FAIL $1"
        cat "$dir/log" "$dir/out" "$dir/tables"
        grep '"kind":"flow"\|"kind":"name"' "$dir/watch" | tail -n 12
        head -c 3000 "$dir/findings"
        echo
}

rotation() {
        begin && wait_for "the name to be learned" learned "api.example.test:80/tcp" && activate || return 1
        for address in $API2 $API3; do
                records "api.example.test A $address"
                call api.example.test && wait_for "the call of $address" flow api.example.test $address '"verdict":"known' || return 1
        done
        check "none is a finding" not network
}

# One finding, shown, with the connection as a signal of it.
found() {
        tm findings >"$dir/findings" && [ "$(grep -c '"schema"' "$dir/findings")" = 1 ] &&
                signal '"where": "evil.example.test (203.0.113.66):80/tcp"'
}
# A signal of kind network has this line.
signal() { awk -v line="$1" '/"kind":/ { f = /"network"/ } f && index($0, line) { n++ } END { exit !n }' "$dir/findings"; }
# It ran before us: so its start is over, and nothing of that makes the call less of a surprise.
beacon() {
        container "$dir" "$id" && inside true && daemon "$dir" && watched && activate && call evil.example.test &&
                wait_for "the beacon to be one finding" found &&
                check "its program" signal '"executable": "/bin/busybox"' &&
                check "its process" not signal '"pid": null' &&
                check "its operation" signal '"operation": "connect"' &&
                check "nothing else is found" [ "$(grep -c '"kind": "network"' "$dir/findings")" = 1 ]
}

story() {
        begin && activate && inside "$drop; $request | /opt/busybox-upd nc evil.example.test 80 >/dev/null" &&
                wait_for "one finding" found &&
                check "its file" grep -q '"kind": "file"' "$dir/findings" &&
                check "its program" grep -q '"subject": "/opt/busybox-upd"' "$dir/findings" &&
                check "who called" signal '"executable": "/opt/busybox-upd"'
}

# An answer that counts, with these addresses.
answered() { # NAME ADDRESS WORD...
        local name=$1 address=${2:+\"$2\"}
        shift 2
        event '"kind":"name"' '"operation":"answered"' "\"name\":\"$name\"" "\"addresses\":[$address]" "$@"
}
names() {
        begin || return 1
        records "a.test CNAME b.test" "b.test CNAME www.test" "www.test A $API2" "six.test AAAA $SIX" "tcp.test A $API3"
        call a.test && wait_for "aliases" answered a.test $API2 '"chain":["b.test","www.test"]' '"protocol":"udp"' &&
                wait_for "the flow by an alias" flow a.test $API2 &&
                call six.test && wait_for "an address of IPv6" answered six.test $SIX '"protocol":"udp"' &&
                wait_for "the flow by IPv6" flow six.test $SIX &&
                inside "nslookup -type=a nowhere.test || true" && wait_for "no such name" answered nowhere.test '' || return 1
        printf 'nameserver %s\noptions use-vc\n' $RESOLVER >"$dir/resolv.conf"
        call tcp.test && wait_for "an answer by TCP" answered tcp.test $API3 '"protocol":"tcp"' &&
                wait_for "the flow by that name" flow tcp.test $API3 &&
                check "nothing else was told" [ "$(grep '"kind":"name"' "$dir/watch" | grep -vc '"operation":"answered"')" = 0 ]
}
by_six() {
        begin && wait_for "the server" answered api.example.test $API "\"server\":\"$RESOLVER6\"" '"protocol":"tcp"'
}
foreign() {
        begin || return 1
        records "other.test A $API2"
        inside "nslookup -type=a other.test $UNCONFIGURED" &&
                wait_for "the answer" event '"kind":"name"' '"operation":"foreign"' '"name":"other.test"' "\"server\":\"$UNCONFIGURED\"" &&
                call $API2 && wait_for "a flow without a name" event '"kind":"flow"' "\"remote\":\"$API2\"" '"names":[]'
}

inbound_count() { tm status | sed -n '/^  "network": {/,/^  }/s/^    "inbound": \([0-9]*\),/\1/p'; }
# Calls once; there were so many by now.
comes_in() { # NUMBER
        in_space others wget -q -O /dev/null "http://10.77.$number.2:8080/entry.sh"
        [ "$(inbound_count)" -ge "$1" ]
}
inbound() {
        start && inside "httpd -p 8080 -h /" && watched && wait_for "calls from outside" comes_in 5 &&
                wait_for "the server to be learned" learned "listen 8080/tcp" &&
                activate && wait_for "more of them" comes_in $(($(inbound_count) + 5)) &&
                wait_for "one to be told" event '"kind":"flow"' '"direction":"inbound"' '"local_port":8080' "\"remote\":\"10.77.$number.1\"" &&
                check "none is a finding" not network
}

is_watched() { tm status | grep -q '"watched": 1'; }
known_still() { call api.example.test && flow api.example.test $API '"verdict":"known'; }
table() {
        begin && activate && kill "$watcher" && watcher='' && daemon_end && check "a clean stop leaves no table" has_none &&
                daemon "$dir" && check "the next life makes it" has_table && kill -9 $daemon || return 1
        wait $daemon 2>/dev/null
        check "a crash leaves it" has_table && daemon "$dir" &&
                check "it is adopted, and there is no second one" has_table && check "the namespace is watched" is_watched &&
                watch && wait_for "calls to be told as before" known_still &&
                check "nothing is raised" not network && check "there is still one" has_table &&
                kill "$watcher" && watcher='' && daemon_end && check "and then none" has_none && daemon "$dir"
}

flows_are() { tm status | grep -A 1 '"name": "flows"' | grep -qF "\"state\": \"$1\""; } # STATE
# The rest works as always.
dropped() { tm findings >"$dir/findings" && grep -q '"subject": "/opt/busybox-upd"' "$dir/findings"; }
the_rest() {
        start && watch && wait_for "the container to be covered" is_covered && call api.example.test &&
                inside "$drop; /opt/busybox-upd sleep 0.3" && wait_for "a dropped program to be found" dropped &&
                check "no flow is told" not event '"kind":"flow"' && check "there is no table" has_none
}
without() { the_rest && check "status says so" flows_are off; }
says() { tidemark --runtime-dir "$dir/run" status | tr -s '\n ' ' ' | grep -qF "$1"; }
is_refused() { tm status | sed -n '/^    "namespaces": {/,/}/p' | grep -q '"refused": 1,'; }
# The last: the modules do not come back.
no_conntrack() {
        rmmod nf_conntrack_netlink && rmmod nft_ct && rmmod nf_conntrack || return 1
        the_rest && wait_for "status to say so" is_refused &&
                check "the log says so" grep -q "the flows of its network namespace cannot be watched" "$dir/log" &&
                check "and status for people" says "1 could not be watched (see the log)"
}

number=0
others || echo "FAIL the others"
scenario "flows: a name is learned, and its addresses may change" b1 rotation
scenario "flows: a beacon is one finding, with its process" b2 beacon
scenario "flows: dropped, ran and called is one finding" b3 story
scenario "names: aliases, IPv6, none, by TCP" b4 names
scenario "names: a server by IPv6 and TCP" b5 by_six '' "nameserver $RESOLVER6\noptions use-vc"
scenario "names: a server that is not configured" b6 foreign
scenario "flows: who is called raises nothing" b7 inbound
scenario "flows: the table goes, and is adopted after a crash" b8 table
scenario "flows switched off" b9 without 'probe: { disable = ["flows"]; };'
scenario "flows: a kernel without conntrack" ba no_conntrack
echo "all scenarios done"
