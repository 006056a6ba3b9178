#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# getdeb.sh SUITE OUTDIR WORKDIR PACKAGE|META:METAPACKAGE...
# Download and unpack Debian packages of another suite into OUTDIR without touching this host's apt configuration. The archive's
# address is the one that this host already uses; signatures are checked against the installed Debian keyring.
# META:linux-image-amd64 stands for the newest kernel image that the meta package depends on.
set -eu
suite=$1 out=$2 work=$3; shift 3
key=/usr/share/keyrings/debian-archive-keyring.gpg
uris=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
       grep -oE 'https?://[^ ]*debian(-security)?/?( |$)' | sed 's,/* *$,,' | sort -u)
main=$(echo "$uris" | grep -v -- '-security$' | head -1)
sec=$(echo "$uris" | grep -- '-security$' | head -1)
[ -n "$main" ] || { echo "getdeb: no Debian archive in this host's apt sources" >&2; exit 1; }
mkdir -p "$out" "$work/lists/partial" "$work/cache/archives/partial" "$work/etc/preferences.d" "$work/etc/parts"
work=$(cd "$work" && pwd) out=$(cd "$out" && pwd)
: > "$work/status"
{
        echo "deb [signed-by=$key arch=amd64] $main $suite main"
        [ -z "$sec" ] || echo "deb [signed-by=$key arch=amd64] $sec $suite-security main"
} > "$work/etc/sources.list"
apt() {
        cmd=$1; shift
        "$cmd" -o Dir::Etc::SourceList="$work/etc/sources.list" -o Dir::Etc::SourceParts="$work/etc/parts" \
                -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$work/etc/preferences.d" \
                -o Dir::State="$work" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" \
                -o Dir::Cache="$work/cache" -o APT::Architecture=amd64 -o APT::Architectures=amd64 \
                -o Acquire::Languages=none -o APT::Sandbox::User=root -qq "$@"
}
apt apt-get update
for p in "$@"; do
        case $p in
        META:*) p=$(apt apt-cache depends --important "${p#META:}" | sed -n 's/^  *Depends: \(linux-image-[0-9].*\)/\1/p' | head -1) ;;
        esac
        (cd "$work/cache" && apt apt-get download "$p" && dpkg -x "$p"_*.deb "$out")
        echo "$p"
done
