#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quiet.sh - the recorded hours of ordinary services (data/life.tide.zst) are judged: nobody has to look at anything.
set -eu
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
zstd -q -d --long=27 "$top/tests/replay/data/life.tide.zst" -o "$work/life.tide"
for how in "" --timer; do
        "${TOP_BUILDDIR:-.}/tests/bench/bench_life" $how "$work/life.tide"
done
