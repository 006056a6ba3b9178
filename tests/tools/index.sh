#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# index.sh - every numbered clause has its tests, and every test that tests/INDEX names exists. Shows that it can fail.
set -u
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
# The clauses that must be there: one line per piece of work, "number clauses".
clauses=(2.1 2.2 2.3 2.4 2.5 2.6 2.7 2.8 2.9 2.10 3.1 3.2 3.3 3.4 3.5 3.6 3.7 3.8 4.1 4.2 4.3 4.4 4.5 4.6 4.7 4.8 4.9)

exists() { # TREE TEST: "file" or "file:function" (python) or "file:words of a case" (C)
        local file=${2%%:*} what=
        case $2 in *:*) what=${2#*:} ;; esac
        [ -f "$1/$file" ] || return 1
        [ -z "$what" ] || grep -qF "$what" "$1/$file"
}

check_index() { # TREE
        local bad=0 clause line n test
        for clause in "${clauses[@]}"; do
                n=$(grep -cE "^${clause//./\\.}[[:space:]]" "$1/tests/INDEX")
                [ "$n" -gt 0 ] || { echo "clause $clause has no test in tests/INDEX"; bad=1; }
        done
        while IFS= read -r line; do
                case $line in '#'* | '') continue ;; esac
                test=$(sed -E 's/^[0-9.]+[[:space:]]+//' <<<"$line")
                exists "$1" "$test" || { echo "tests/INDEX names a test that does not exist: $line"; bad=1; }
        done <"$1/tests/INDEX"
        return $bad
}

self_test() {
        local n=0 out
        tree=$(mktemp -d)
        trap 'rm -rf "$tree"' EXIT
        mkdir -p "$tree/tests"
        grep -v '^2\.4[[:space:]]' "$top/tests/INDEX" >"$tree/tests/INDEX"
        echo '2.3   tests/nothing.py:test_x' >>"$tree/tests/INDEX"
        out=$(check_index "$tree") && { echo "self-test: a bad index passed"; n=1; }
        grep -q 'clause 2.4 has no test' <<<"$out" || { echo "self-test: the missing clause was not found"; n=1; }
        grep -q 'does not exist: 2.3   tests/nothing.py:test_x' <<<"$out" || { echo "self-test: the missing test was not found"; n=1; }
        return $n
}

self_test || exit 1
check_index "$top" && echo "index: every clause has its tests"
