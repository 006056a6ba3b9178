#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quiet.sh [--long] - the recorded hours of ordinary services are judged: nobody has to look at anything. One site of three,
# data/life.tide.zst; --long: the other two as well.
set -eu
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
recordings=(life)
[ "${1:-}" != --long ] || recordings+=(life-more)
for name in "${recordings[@]}"; do
        zstd -q -d --long=27 "$top/tests/replay/data/$name.tide.zst" -o "$work/$name.tide"
done
for how in "" --timer; do
        "${TOP_BUILDDIR:-.}/tests/bench/bench_life" $how "$work"/*.tide
done
