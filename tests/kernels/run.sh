#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh BUILDDIR [SUITE...] - drop-and-run, flows and names, few pids, and our table in network namespaces, inside other
# kernels: bookworm (6.1), and bullseye (5.10) where asked for.
# Those kernels, like all of RHEL's, do not show content writes on upper directories: what passes on the newest only is wrong.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?the directory of the build}" && pwd)
shift
[ $# -gt 0 ] || set -- bookworm
cache=$build/kernels
modules="overlay ext4 virtio_pci virtio_blk nf_conntrack nf_conntrack_netlink nfnetlink_log nf_tables nft_ct nft_log nft_limit
  nft_counter nft_socket inet_diag tcp_diag udp_diag veth"
table_tests="tests/unit/test_nl tests/unit/test_nettable tests/unit/test_nsworker"

left_out() {
        echo "left out: $1"
        [ "${TIDEMARK_REQUIRE_KERNEL:-0}" = 1 ] && { echo "0 passed, 1 failed"; exit 1; }
        exit 77
}
for tool in qemu-system-x86_64 cpio depmod xz busybox mkfs.ext4 python3; do
        PATH=$PATH:/sbin:/usr/sbin command -v $tool >/dev/null || left_out "$tool is not installed"
done
export PATH=$PATH:/sbin:/usr/sbin

# The kernel's package is fetched once and kept beside the build.
fetch() { # SUITE
        [ -f "$cache/$1/vmlinux" ] && [ "$(cat "$cache/$1/modules" 2>/dev/null)" = "$modules" ] && return
        mkdir -p "$cache/$1"
        "$here/getdeb.sh" "$1" "$cache/$1/root" "$cache/$1/work" META:linux-image-amd64 >"$cache/$1/log" 2>&1 ||
                { tail -5 "$cache/$1/log"; return 1; }
        local kver
        kver=$(basename "$(ls -d "$cache/$1"/root/lib/modules/* "$cache/$1"/root/usr/lib/modules/* 2>/dev/null | head -1)")
        # shellcheck disable=SC2086
        "$here/mkbase.sh" "$cache/$1/base.cpio.gz" "$cache/$1/root" "$kver" $modules
        python3 "$here/unpack-kernel.py" "$cache/$1/root/boot/vmlinuz-$kver" "$cache/$1/vmlinux.new"
        echo "$modules" >"$cache/$1/modules"
        mv "$cache/$1/vmlinux.new" "$cache/$1/vmlinux"
}

mkdir -p "$cache"
for helper in answers pidmix; do gcc -O1 -static -o "$cache/$helper" "$here/$helper.c"; done
# shellcheck disable=SC2086
make -s -C "$build" tidemarkd tidemark tests/kernels/pidcheck tests/kernels/tables tests/integration/cuts $table_tests
passed=0 failed=0
for suite in "$@"; do
        fetch "$suite" || left_out "the kernel of $suite cannot be fetched"
        for scenario in drop-and-run flows pids table; do
                disk=$(mktemp "$cache/disk-XXXXXX")
                truncate -s 128M "$disk"
                mkfs.ext4 -q -F "$disk"
                out=$("$here/vmrun.sh" -k "$cache/$suite/vmlinux" -b "$cache/$suite/base.cpio.gz" -m 1024 -c 2 -t 400 -d "$disk" \
                        "$here/$scenario.sh" "$build/tidemarkd:/bin/tidemarkd" "$build/tidemark:/bin/tidemark" \
                        "$here/container.sh:/bin/container.sh" "$cache/answers:/bin/answers" "$cache/pidmix:/bin/pidmix" \
                        "$build/tests/kernels/pidcheck:/bin/pidcheck" "$build/tests/kernels/tables:/bin/tables" \
                        "$build/tests/integration/cuts:/bin/cuts" \
                        $(printf "$build/%s " $table_tests) 2>&1) || true
                rm -f "$disk"
                echo "$out"
                p=$(grep -c '^ok ' <<<"$out" || true)
                f=$(grep -c '^FAIL ' <<<"$out" || true)
                grep -q '^all scenarios done' <<<"$out" || f=$((f + 1))
                passed=$((passed + p)) failed=$((failed + f))
        done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
