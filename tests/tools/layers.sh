#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# layers.sh - holds the rooms' order of src/README.md: who may include whom, and which room alone may use a library.
# With --self-test: shows on a tree with violations that each of them is found.
set -u
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}

declare -A layer side room_of
read_table() {
        local room number which owns headers h
        while IFS='|' read -r _ room number which owns headers _; do
                room=${room// /} number=${number// /} which=${which// /}
                case $number in [0-9]) ;; *) continue ;; esac
                layer[$room]=$number side[$room]=$which
                for h in $headers; do room_of[$h]=$room; done
        done <"$1/src/README.md"
}

bad=0
wrong() { printf '%s\n' "$1"; bad=$((bad + 1)); }

# may ROOM OTHER: empty if it may, else why not
why_not() {
        [ "$1" = "$2" ] && return
        if [ "${layer[$2]}" -ge "${layer[$1]}" ]; then echo "room $1 (${layer[$1]}) may not use room $2 (${layer[$2]}): lower numbers only"
        elif [ "${side[$1]}" != both ] && [ "${side[$2]}" != both ] && [ "${side[$1]}" != "${side[$2]}" ]; then
                echo "room $1 (${side[$1]}) may not use room $2 (${side[$2]}): the sides share base, loop, nl and tide"
        fi
}

# library include -> rooms that may
declare -A only=([sqlite3.h]=store [libconfig.h]=config [cap-ng.h]=priv [libmnl/libmnl.h]="act nl sense" [openssl/]="act image parse"
        [libnftnl/]=act [archive.h]=act [archive_entry.h]=act [libaudit.h]=act [seccomp.h]=priv [rpm/]=image)
pure='^src/(fuse|judge)/|_decode\.c$'
impure='tidemark/clock\.h|tidemark/log\.h|<time\.h>|<unistd\.h>|<fcntl\.h>|<sys/socket\.h>'

# One way to open below a directory what somebody else has named: beneath.h. Others open fixed names of the kernel's and our own.
opens='^src/base/beneath\.c$|^src/case/ring\.c$|^src/trace/peek_worker\.c$|^src/act/(isolate_list|trail_(file|kept|line|read))\.c$|^src/priv/probe\.c$'

check_file() { # TREE FILE
        local file=$2 room inc lib other why
        room=${file#src/} room=${room%%/*}
        [ -n "${layer[$room]:-}" ] || { wrong "$file: room $room is not in src/README.md"; return; }
        while read -r inc; do
                case $inc in
                tidemark/*)
                        other=${inc#tidemark/} other=${room_of[${other%.h}]:-}
                        [ -n "$other" ] || { wrong "$file: $inc belongs to no room in src/README.md"; continue; }
                        why=$(why_not "$room" "$other")
                        [ -z "$why" ] || wrong "$file: $inc: $why" ;;
                */*)
                        other=${inc%%/*}
                        [ -n "${layer[$other]:-}" ] && [ "$other" != "$room" ] && wrong "$file: $inc is room $other's own" ;;
                esac
                lib=$inc
                case $inc in libnftnl/* | openssl/* | rpm/*) lib=${inc%%/*}/ ;; esac # they have many headers
                if [ -n "${only[$lib]:-}" ]; then
                        case " ${only[$lib]} " in *" $room "*) ;; *) wrong "$file: $inc is for room ${only[$lib]} alone" ;; esac
                fi
        done < <(sed -nE 's/^#include [<"]([^>"]+)[>"].*/\1/p' "$1/$file")
        if ! [[ $file =~ $opens ]] && grep -qE '\bopenat2?\(|SYS_openat' "$1/$file"; then
                wrong "$file: opens below a directory, not by beneath.h"
        fi
        if [[ $file =~ $pure ]] && grep -qE "#include.*($impure)" "$1/$file"; then
                wrong "$file: pure, but sees $(grep -oE "$impure" "$1/$file" | head -1)"
        fi
}

check_tree() {
        local file
        read_table "$1"
        [ ${#layer[@]} -gt 0 ] || wrong "src/README.md has no table of rooms"
        while read -r file; do check_file "$1" "$file"; done < <(cd "$1" && find src -name '*.[ch]' | sort)
}

self_test() {
        local expect n=0 out
        tree=$(mktemp -d)
        trap 'rm -rf "$tree"' EXIT
        mkdir -p "$tree/src/judge" "$tree/src/base" "$tree/src/sense" "$tree/src/nowhere"
        cp "$top/src/README.md" "$tree/src/"
        echo '#include "tidemark/store.h"' >"$tree/src/judge/a.c"
        echo 'int f(void) { return openat(3, "x", 0); }' >"$tree/src/sense/i.c"
        echo '#include "tidemark/clock.h"' >"$tree/src/judge/b.c"
        echo '#include "tidemark/loop.h"' >"$tree/src/base/c.c"
        echo '#include "tidemark/judge.h"' >"$tree/src/sense/d.c"
        echo '#include "judge/judge-priv.h"' >"$tree/src/sense/e.c"
        echo '#include <sqlite3.h>' >"$tree/src/sense/f.c"
        echo '#include "tidemark/nobody.h"' >"$tree/src/base/g.c"
        echo >"$tree/src/nowhere/h.c"
        echo '#include <libnftnl/rule.h>' >"$tree/src/sense/j.c"
        out=$(check_tree "$tree")
        for expect in a.c b.c c.c d.c e.c f.c g.c h.c i.c j.c; do
                if ! grep -q "/$expect: " <<<"$out"; then echo "self-test: the violation in $expect was not found"; n=1; fi
        done
        return $n
}

self_test || exit 1
layer=() side=() room_of=()
check_tree "$top"
[ $bad = 0 ] && echo "layers: ${#layer[@]} rooms in order"
[ $bad = 0 ]
