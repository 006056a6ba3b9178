#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fuzzed.sh - whatever takes foreign bytes is called by a fuzz harness, and every harness has seeds and is run by check.
# A decoder or parser is what is called so (X_decode, X_parse_Y, X_restore) in a header. Shows that it can fail.
set -u
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}

# Called by another one that a harness calls: "name by-whom".
through='base64_decode supply_read
index_decode fuse_restore
prior_restore judge_restore
records_restore judge_restore
supply_restore judge_restore
weeks_restore judge_restore'

decoders() { grep -rhoE '\b[a-z_0-9]+_(decode|restore|parse_[a-z_]+)\(' --include='*.h' "$1/include" "$1/src" | tr -d '(' | sort -u; }

check_tree() { # TREE
        local bad=0 f by name
        for f in $(decoders "$1"); do
                by=$(awk -v f="$f" '$1 == f { print $2 }' <<<"$through")
                grep -qw "${by:-$f}" "$1"/tests/fuzz/fuzz_*.c || { echo "$f: no harness in tests/fuzz calls it"; bad=1; }
        done
        for f in "$1"/tests/fuzz/fuzz_*.c; do
                name=$(basename "$f" .c)
                [ -n "$(ls "$1/tests/fuzz/corpus/${name#fuzz_}" 2>/dev/null)" ] || { echo "$name: no seeds in tests/fuzz/corpus"; bad=1; }
                grep -rqE "^FUZZ_TESTS.*$name|^[[:space:]]+.*tests/fuzz/$name" --include='*.am' "$1/tests" "$1/src" || { echo "$name: not run by check"; bad=1; }
        done
        for f in $(find "$1/tests/fuzz/corpus" -type f); do
                grep -rqF "${f#"$1"/}" --include='*.am' "$1/tests" "$1/src" || { echo "${f#"$1"/}: not in EXTRA_DIST"; bad=1; }
        done
        return $bad
}

self_test() {
        local n=0 out expect
        tree=$(mktemp -d)
        trap 'rm -rf "$tree"' EXIT
        mkdir -p "$tree/include" "$tree/src" "$tree/tests/fuzz/corpus/b"
        echo 'int a_decode(const void *p);' >"$tree/include/a.h"
        echo 'int b_parse_line(const void *p);' >"$tree/src/b.h"
        echo 'b_parse_line(data);' >"$tree/tests/fuzz/fuzz_b.c"
        echo 'nothing();' >"$tree/tests/fuzz/fuzz_c.c"
        echo x >"$tree/tests/fuzz/corpus/b/seed"
        echo 'FUZZ_TESTS += tests/fuzz/fuzz_b' >"$tree/tests/tests.am"
        out=$(check_tree "$tree") && { echo "self-test: a bad tree passed"; n=1; }
        for expect in 'a_decode: no harness' 'fuzz_c: no seeds' 'fuzz_c: not run' 'corpus/b/seed: not in EXTRA_DIST'; do
                grep -qF "$expect" <<<"$out" || { echo "self-test: not found: $expect"; n=1; }
        done
        grep -q 'b_parse_line\|fuzz_b:' <<<"$out" && { echo "self-test: found what is right: $out"; n=1; }
        return $n
}

self_test || exit 1
check_tree "$top" && echo "fuzzed: every decoder and parser has its harness"
