#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# style.sh - what can be held by a script: licence lines, width, names of files, words that do not belong here. Shows on a
# tree of its own that it can fail.
set -u
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}

# Each prints what is wrong in the tree $1.
no_licence() { (cd "$1" && find src include tests packaging conf docs -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.am' \) 2>/dev/null |
        while read -r f; do head -3 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || echo "$f: no SPDX line"; done); }
too_wide() { (cd "$1" && find src include tests -name '*.[ch]' 2>/dev/null | while read -r f; do
        awk -v f="$f" '{ n = $0; gsub(/[\200-\277]/, "", n); if (length(n) > 120) print f ":" NR ": " length(n) " columns, at most 120" }' "$f"; done); }
has_extern() { (cd "$1" && grep -rnE '^[[:space:]]*extern\b' --include='*.c' src tests 2>/dev/null | sed 's/$/: no extern in a .c file/'); }
bad_name() { (cd "$1" && find src include tests -type f 2>/dev/null | grep -iE '/(util|utils|common|misc|helpers?)\.[ch]$' | grep -vE '(include/tidemark|src/loop)/helper\.[ch]$' |
        sed 's/$/: a name that says nothing/'); }
has_tab() { (cd "$1" && grep -rnP '\t' --include='*.[ch]' src include 2>/dev/null | cut -d: -f1,2 | sed 's/$/: a tab/'); }
foreign_word() { (cd "$1" && grep -rnaE '/work/(main|shared)|\.library|/tmp/(s|wt)/' src include tests packaging conf docs .ci README.md configure.ac \
        Makefile.am 2>/dev/null | grep -v '^tests/tools/style.sh' | cut -d: -f1,2 | sed 's/$/: a path of somebody'"'"'s machine/'); }

# A buffer that is released at a return before it was set up: what is released then is whatever lay there.
unset_buf() { (cd "$1" && find src -name '*.c' 2>/dev/null | while read -r f; do awk -v f="$f" '
        /^}/ { split("", open) }
        { for (name in open) if (index($0, "&" name)) delete open[name]
          if ($0 ~ /(^|[^a-z_])(return|goto)([^a-z_]|$)/) for (name in open) { print f ":" NR ": returns before " name " is set up"; delete open[name] } }
        /_cleanup_buf_ struct buf [a-z0-9_, ]+;/ { line = $0; sub(/.*struct buf /, "", line); sub(/;.*/, "", line); n = split(line, names, /, */)
          for (i = 1; i <= n; i++) open[names[i]] = 1 }' "$f"; done); }

all() { unset_buf "$1"; no_licence "$1"; too_wide "$1"; has_extern "$1"; bad_name "$1"; has_tab "$1"; foreign_word "$1"; }

self_test() {
        local n=0 out expect
        tree=$(mktemp -d)
        trap 'rm -rf "$tree"' EXIT
        mkdir -p "$tree/src" "$tree/include"
        local ok='/* SPDX-License-Identifier: GPL-2.0-or-later */'
        echo 'int x;' >"$tree/src/a.c"
        printf '%s\n%0130d\n' "$ok" 0 >"$tree/src/b.c"
        printf '%s\nextern int x;\n' "$ok" >"$tree/src/c.c"
        echo "$ok" >"$tree/src/util.c"
        printf '%s\n\tint x;\n' "$ok" >"$tree/src/d.c"
        printf '%s\n/* /work/%s */\n' "$ok" main >"$tree/src/e.c"
        printf '%s\nint f(void)\n{\n        _cleanup_buf_ struct buf a, b;\n        buf_init(&a, 1);\n        if (x)\n                return 0;\n        buf_init(&b, 1);\n}\n' "$ok" >"$tree/src/f.c"
        out=$(all "$tree")
        for expect in 'a.c: no SPDX' 'b.c:2: 130' 'c.c:2' 'util.c: a name' 'd.c:2: a tab' 'e.c:2: a path' 'f.c:7: returns before b'; do
                grep -qF "$expect" <<<"$out" || { echo "self-test: not found: $expect"; n=1; }
        done
        return $n
}

self_test || exit 1
found=$(all "$top")
[ -z "$found" ] || { echo "$found"; exit 1; }
echo "style: nothing to mend"
