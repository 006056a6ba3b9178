#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# old-headers.sh - old-headers.h hides what RHEL 7 does not have: every system header of the source is in it (one that is
# not would bring its new names back), what is newer is an error, what compat.h names is there all the same, and nowhere
# else is such a name defined.
# old-headers.sh --build BUILDDIR: make all and run the unit tests of a configured build with it.
set -u
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
header=$top/tests/tools/old-headers.h

missing() { # TREE: headers that the source takes and old-headers.h does not
        (cd "$1" && grep -rhoE '^ *#include <[^>]+>' src include tests/unit tests/fuzz --include='*.[ch]' | sed 's/^ *//' | sort -u |
                grep -vxFf <(grep -oE '#include <[^>]+>' "$header"))
}

scattered() { # TREE: what belongs into compat.h and stands elsewhere
        (cd "$1" && grep -rnE '^ *#(ifndef|ifdef|if !?defined) *\(?(FAN|IN|SYS|PR|STATX|AT|MFD|GRND|O|F|SO|CLONE|CLOCK)_[A-Za-z]' src include --include='*.[ch]' |
                grep -v '^include/tidemark/compat.h:')
}

compiles() { # TEXT
        printf '%s\n' "$1" | ${CC:-cc} -std=gnu99 -D_GNU_SOURCE -I"$top/include" -include "$header" -Wall -Wundef -Werror -fsyntax-only -xc - 2>"$log"
}

self_test() {
        local n=0 text
        tree=$(mktemp -d) log=$tree/log
        trap 'rm -rf "$tree"' EXIT
        mkdir -p "$tree/src" "$tree/include" "$tree/tests/unit" "$tree/tests/fuzz"
        echo '#include <sys/newer.h>' >"$tree/src/a.c"
        [ "$(missing "$tree")" = '#include <sys/newer.h>' ] || { echo "self-test: a header that is not in the list was not found"; n=1; }
        echo '#ifndef SYS_openat2' >"$tree/src/b.c"
        [ "$(scattered "$tree")" = 'src/b.c:1:#ifndef SYS_openat2' ] || { echo "self-test: a definition beside compat.h was not found"; n=1; }
        for text in 'int x = FAN_MARK_FILESYSTEM;' 'struct statx x;' 'long f(void); long f(void) { return SYS_openat2; }' \
                'int f(void); int f(void) { return memfd_create("a", 0); }' '#define f(x) _Generic(x, default: 1)' 'unsigned x = PR_CAP_AMBIENT;' \
                '#include <stdatomic.h>' 'void *f(void *p); void *f(void *p) { return reallocarray(p, 1, 1); }'; do
                ! compiles "$text" || { echo "self-test: it is not hidden: $text"; n=1; }
        done
        for text in 'int x = 1;' '#include "tidemark/compat.h"
int x = FAN_MARK_FILESYSTEM + SYS_openat2 + SYS_statx + PR_CAP_AMBIENT; struct compat_statx y;'; do
                compiles "$text" || { echo "self-test: it should compile: $text"; cat "$log"; n=1; }
        done
        return $n
}

if [ "${1:-}" = --build ]; then
        cd "$2" || exit
        for goal in all check; do # both at once would compile the same things side by side
                make -s -j"$(nproc)" CPPFLAGS="-include $header" $goal TOOL_TESTS= FUZZ_TESTS= || exit
        done
        exit
fi
self_test || exit 1
found=$(missing "$top")
[ -z "$found" ] || { echo "tests/tools/old-headers.h lacks:"; echo "$found"; exit 1; }
found=$(scattered "$top")
[ -z "$found" ] || { echo "newer names are brought by include/tidemark/compat.h alone:"; echo "$found"; exit 1; }
echo "old-headers: every header of the source is in the list, what is new is hidden"
