#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# options.sh - the shipped configuration is what the table of options prints, and the manual names each option.
set -u
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)} build=${TOP_BUILDDIR:?}
bad=0
ASAN_OPTIONS=detect_leaks=0 "$build/tidemarkd" --print-defaults >"$build/printed.conf" || exit 1
if ! diff -u "$top/conf/tidemark.conf" <(sed -E 's,"[^"]*/lib/tidemark","/var/lib/tidemark",' "$build/printed.conf"); then
        echo "conf/tidemark.conf is not what tidemarkd --print-defaults prints: make it anew"
        bad=1
fi
group=
while read -r word rest; do
        case $word in
        *:) group=${word%:} ;;
        '#') name=${rest%% = *}
                case $rest in *' = '*';') grep -qF "$group.$name" "$top/docs/tidemark.conf.5" || { echo "docs/tidemark.conf.5 does not name $group.$name"; bad=1; } ;; esac ;;
        esac
done <"$build/printed.conf"
for page in tidemark.1 tidemarkd.8; do
        case $page in
        tidemark.1) words=$("$build/tidemark" --help | sed -nE 's/^  ([a-z]+).*/\1/p; s/^  (--[a-z-]+).*/\1/p') ;;
        *) words=$("$build/tidemarkd" --help | sed -nE 's/^  (--[a-z-]+).*/\1/p') ;;
        esac
        for word in $words; do
                sed 's/\\//g; s/Fl Fl /--/g' "$top/docs/$page" | grep -qF -- "$word" || { echo "docs/$page does not name $word"; bad=1; }
        done
done
rm -f "$build/printed.conf"
[ $bad = 0 ] && echo "options: configuration and manuals are complete"
[ $bad = 0 ]
