#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# mkbase.sh OUT.cpio.gz [MODROOT KVER MODULE...]   base initramfs: static busybox + modules (with dependencies) + /init
set -eu
out=$(realpath -m "$1"); shift
t=$(mktemp -d); trap 'rm -rf "$t"' EXIT
mkdir -p "$t/bin" "$t/mods"
cp "${BUSYBOX:-/bin/busybox}" "$t/bin/busybox"
if [ $# -gt 2 ]; then
  root=$1 kver=$2; shift 2
  [ -f "$root/lib/modules/$kver/modules.dep" ] || depmod -b "$root" "$kver"
  n=100
  for m in "$@"; do
    modprobe -d "$root" -S "$kver" -q --show-depends "$m" 2>/dev/null || echo "# no $m" >&2
  done | awk '$1=="insmod" && !seen[$2]++ {print $2}' > "$t/order"
  while read -r f; do
    b=$(basename "$f"); b=${b%%.ko*}; n=$((n+1))
    case $f in *.xz) xz -dc "$f";; *.zst) zstd -dc "$f";; *.gz) gzip -dc "$f";; *) cat "$f";; esac > "$t/mods/$n-$b.ko"
    strip -g "$t/mods/$n-$b.ko" 2>/dev/null || true
  done < "$t/order"
  rm "$t/order"
fi
cat > "$t/init" <<'EOI'
#!/bin/busybox sh
# stage 1: load modules, then move to a tmpfs root (pivot_root(2) cannot leave the initramfs)
B=/bin/busybox
$B mkdir -p /proc /sys /dev /newroot
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
for m in /mods/*.ko; do [ -e "$m" ] && { $B insmod "$m" 2>/dev/null || echo "insmod $m failed"; }; done
$B rm -rf /mods
$B mount -t tmpfs -o mode=755 root /newroot
$B mkdir /newroot/bin; $B cp $B /newroot/bin/busybox; B=/newroot/bin/busybox
for f in /bin/*; do [ "$f" = /bin/busybox ] || $B mv "$f" /newroot/bin/; done
cd /; for f in *; do case $f in newroot|proc|sys|dev|bin|init) ;; *) $B mv "$f" /newroot/;; esac; done
$B mkdir -p /newroot/proc /newroot/sys /newroot/dev /newroot/tmp /newroot/root /newroot/mnt /newroot/run /newroot/etc
for d in proc sys dev; do $B mount --move /$d /newroot/$d; done
exec /newroot/bin/busybox switch_root /newroot /init2
EOI
cat > "$t/init2" <<'EOI'
#!/bin/busybox sh
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mkdir -p /dev/pts /sys/fs/cgroup /share; mount -t devpts devpts /dev/pts 2>/dev/null
mount -t tmpfs tmp /tmp
ln -sf /proc/self/fd /dev/fd
ip link set lo up 2>/dev/null
grep -q vmtest.share /proc/cmdline && { mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144 host /share || mount -t virtiofs host /share; }
echo "VMTEST-BEGIN $(uname -r) $(cut -d' ' -f1 /proc/uptime)"
( cd /; exec /bin/sh /test.sh ) </dev/null 2>&1
rc=$?
echo; echo "VMTEST-EXIT $rc $(cut -d' ' -f1 /proc/uptime)"
sync
reboot -f
EOI
chmod +x "$t/init" "$t/init2"
(cd "$t" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -${GZ:-1} > "$out")
