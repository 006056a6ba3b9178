#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmrun.sh [-k KERNEL] [-b BASE.cpio.gz] [-c CPUS] [-m MIB] [-t SECONDS] [-d DISKIMG]... [-s SHAREDIR] [-a CMDLINE] [-v] TEST.sh [FILE[:DEST]]...
# Boots KERNEL in qemu (TCG), runs TEST.sh as root in it, prints its output, exits with its exit code (124 time-out, 125 no exit mark seen).
# FILE is put at /bin/NAME (or DEST); a dynamic ELF brings its libraries along.
set -euo pipefail
k= b= c=1 m=768 t=120 s= a= v=0; d=()
while getopts k:b:c:m:t:d:s:a:v o; do case $o in k)k=$OPTARG;;b)b=$OPTARG;;c)c=$OPTARG;;m)m=$OPTARG;;t)t=$OPTARG;;d)d+=("$OPTARG");;s)s=$OPTARG;;a)a=$OPTARG;;v)v=1;;*)exit 2;; esac; done
shift $((OPTIND-1)); test=$1; shift
w=$(mktemp -d); trap 'rm -rf "$w"' EXIT; mkdir -p "$w/r/bin"
install -m755 "$test" "$w/r/test.sh"
for f in "$@"; do
  src=${f%%:*}; dst=/bin/$(basename "$src"); [ "$f" != "$src" ] && dst=${f#*:}
  install -D -m755 "$src" "$w/r$dst"
  if ldd "$src" >/dev/null 2>&1; then ldd "$src" | grep -oE '/[^ ]+' | while read -r l; do [ -e "$w/r$l" ] || install -D -m755 "$(readlink -f "$l")" "$w/r$l"; done; fi
done
(cd "$w/r" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) > "$w/x.cpio"
cp "$b" "$w/initrd"; truncate -s %512 "$w/initrd"; cat "$w/x.cpio" >> "$w/initrd"
q=(-nodefaults -no-user-config -no-reboot -display none -machine pc,accel=tcg -cpu "${VMCPU:-max}" -smp "$c" -m "$m"
   -kernel "$k" -initrd "$w/initrd" -serial "file:$w/out" -net none)
i=0; for x in "${d[@]+"${d[@]}"}"; do q+=(-drive "file=$x,if=none,id=d$i,format=raw,snapshot=on" -device "virtio-blk-pci,drive=d$i"); i=$((i+1)); done
sh=; [ -n "$s" ] && { q+=(-fsdev "local,id=fs0,path=$s,security_model=none,readonly=on" -device virtio-9p-pci,fsdev=fs0,mount_tag=host); sh=vmtest.share; }
t0=$(date +%s.%N)
timeout "$t" qemu-system-x86_64 "${q[@]}" -append "console=ttyS0 quiet loglevel=${LL:-3} panic=-1 reboot=t nokaslr mitigations=off nopti tsc=reliable no_timer_check audit=1 random.trust_cpu=on net.ifnames=0 $sh $a" || rc=$?
t1=$(date +%s.%N)
tr -d '\r' < "$w/out" > "$w/o2"
if [ $v = 1 ]; then cat "$w/o2"; else sed -e '0,/VMTEST-BEGIN/d' -e '/^VMTEST-EXIT/,$d' "$w/o2"; fi
beg=$(sed -n 's/^.*VMTEST-BEGIN \([^ ]*\) \([^ ]*\).*/\1 up \2 s/p' "$w/o2"); ex=$(sed -n 's/^VMTEST-EXIT \([0-9]*\) \(.*\)/\1 \2/p' "$w/o2")
echo "vmrun: kernel $beg, wall $(awk "BEGIN{printf \"%.1f\", $t1-$t0}") s, exit ${ex%% *} at up ${ex#* } s" >&2
[ "${rc:-0}" = 124 ] && { tail -5 "$w/o2" >&2; exit 124; }
[ -n "$ex" ] || { tail -15 "$w/o2" >&2; exit 125; }
exit "${ex%% *}"
