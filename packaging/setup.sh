#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# setup.sh - from a clean clone to a running agent, a demonstration, or a full check. Root; Debian-like or RHEL-like hosts.
#
#   setup.sh run             install what is missing, build, run tidemarkd in the foreground
#   setup.sh demo            the same with a throw-away container that drifts: shows the one finding, and cleans up
#   setup.sh check [--long]  install what the tests need and run them all; ends with "N passed, N failed"
#   setup.sh deps WHAT       only install what run or check needs
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${TIDEMARK_BUILD:-$here/build}
jobs=$(nproc)

say() { printf '%s\n' "setup: $*"; }
die() { printf '%s\n' "setup: $*" >&2; exit 1; }

# ---- packages: one line a family and purpose ----
apt_run="autoconf automake make gcc pkg-config libmnl-dev libnftnl-dev libaudit-dev libconfig-dev libsqlite3-dev libjansson-dev libssl-dev zlib1g-dev
  libcap-ng-dev libseccomp-dev librpm-dev libarchive-dev"
apt_demo="podman runc busybox-static jq"
apt_check="e2fsprogs openssl clang libclang-rt-14-dev libcunit1-dev python3 xz-utils sqlite3 man-db qemu-system-x86 cpio kmod zstd
  docker.io containerd fuse-overlayfs uidmap slirp4netns dnsmasq-base iproute2 nftables auditd rpm db5.3-util"
dnf_run="autoconf automake make gcc pkgconf-pkg-config libmnl-devel libnftnl-devel audit-libs-devel libconfig-devel sqlite-devel jansson-devel openssl-devel
  zlib-devel libcap-ng-devel libseccomp-devel rpm-devel libarchive-devel"
dnf_demo="podman runc busybox jq"
dnf_check="e2fsprogs openssl clang compiler-rt CUnit-devel python3 xz sqlite man-db qemu-kvm-core cpio kmod zstd dnsmasq iproute nftables audit rpm-build libdb-utils"

family() {
        if command -v apt-get >/dev/null; then echo apt; elif command -v dnf >/dev/null; then echo dnf
        else die "neither apt-get nor dnf is here: install by hand what the table in this script names"; fi
}

# Only what is missing is asked for: so where all is there, no network is needed.
install_deps() {
        local f want=() missing=() p set
        f=$(family)
        for set in "$@"; do
                local name=${f}_$set
                read -ra more <<<"$(tr '\n' ' ' <<<"${!name}")"
                want+=("${more[@]}")
        done
        for p in "${want[@]}"; do
                case $f in
                apt) dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || missing+=("$p") ;;
                dnf) rpm -q "$p" >/dev/null 2>&1 || missing+=("$p") ;;
                esac
        done
        [ ${#missing[@]} -eq 0 ] && return
        say "installing: ${missing[*]}"
        case $f in
        apt) DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
                DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ;;
        dnf) dnf install -y -q "${missing[@]}" ;;
        esac
}

need_user() {
        getent passwd tidemark >/dev/null && return
        say "making the system user 'tidemark', which the engine runs as"
        useradd --system --shell "$(command -v nologin || echo /sbin/nologin)" --no-create-home --user-group tidemark
}

# configure_in DIR OPTION...: out of tree, again only when something changed
configure_in() {
        local dir=$1
        shift
        [ -x "$here/configure" ] && [ "$here/configure" -nt "$here/configure.ac" ] || (cd "$here" && autoreconf -fi >/dev/null 2>&1) ||
                die "autoreconf failed in $here: run it there to see why"
        mkdir -p "$dir"
        [ -f "$dir/config.status" ] && [ "$(cat "$dir/.options" 2>/dev/null)" = "$*" ] && return
        (cd "$dir" && "$here/configure" -q "$@" >configure.log 2>&1) || { tail -20 "$dir/configure.log" >&2; die "configure failed: see $dir/configure.log"; }
        printf '%s' "$*" >"$dir/.options"
}

# V=1 with -s: not a word but warnings.
build_in() { make -s -C "$1" -j"$jobs" V=1 "${@:2}"; }

build_plain() {
        say "building in $build"
        configure_in "$build" --enable-werror --sysconfdir=/etc --localstatedir=/var
        build_in "$build"
}

need_root() { [ "$(id -u)" = 0 ] || die "this needs root: sudo $0 $*"; }

# ---- run ----
cmd_run() {
        need_root run
        install_deps run
        need_user
        build_plain
        say "running tidemarkd; ask it from another terminal: $build/tidemark status (^C ends it)"
        exec "$build/tidemarkd" --foreground "$@"
}

# ---- demo ----
demo_dir=
demo_cleanup() {
        local rc=$?
        trap - EXIT INT TERM
        set +e
        [ -n "$demo_dir" ] || exit "$rc"
        exec 9>&-
        demo_podman rm -f -t 0 tidemark-demo >/dev/null 2>&1
        if [ -f "$demo_dir/pid" ]; then
                kill "$(cat "$demo_dir/pid")" 2>/dev/null
                wait "$(cat "$demo_dir/pid")" 2>/dev/null
        fi
        demo_podman system reset -f >/dev/null 2>&1
        findmnt -rno TARGET | grep "^$demo_dir/" | sort -r | while read -r m; do umount "$m" 2>/dev/null; done
        rm -rf "$demo_dir"
        exit "$rc"
}
demo_podman() { CONTAINERS_CONF=$demo_dir/containers.conf podman --root "$demo_dir/storage" --runroot "$demo_dir/run-storage" --tmpdir "$demo_dir/podman" "$@"; }
demo_tm() { "$build/tidemark" --runtime-dir "$demo_dir/run" "$@"; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds
wait_for() {
        local end=$((SECONDS + $1)) what=$2
        shift 2
        until "$@"; do
                [ $SECONDS -lt $end ] || { cat "$demo_dir/log" >&2; die "waited in vain for: $what"; }
                sleep 0.1
        done
}
demo_ready() { grep -q 'ready:' "$demo_dir/log" || { kill -0 "$(cat "$demo_dir/pid")" 2>/dev/null || { cat "$demo_dir/log" >&2; die "tidemarkd did not start"; }; false; }; }
demo_learned() {
        [ "$(demo_tm --json baseline list 2>/dev/null | jq '[.[] | select(.name == "tidemark-demo") | .dimensions[] | select(.dimension == "process") | .entries] | add // 0')" -ge 1 ]
}
demo_found() {
        [ "$(demo_tm --json findings --workload tidemark-demo 2>/dev/null | jq '[.[] | select([.signals[].kind] | (index("file") != null and index("process") != null))] | length')" -ge 1 ]
}

demo_image() {
        local root=$demo_dir/image tool
        mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/ctl"
        cp "$(command -v busybox)" "$root/bin/busybox"
        for tool in sh date sleep cp chmod mkdir true cat; do ln -s busybox "$root/bin/$tool"; done
        tar -C "$root" -c . | demo_podman import -q - localhost/tidemark-demo:1 >/dev/null
}

cmd_demo() {
        need_root demo
        install_deps run demo
        need_user
        build_plain
        demo_dir=$(mktemp -d /tmp/tidemark-demo-XXXXXX)
        trap demo_cleanup EXIT
        trap 'exit 130' INT TERM
        printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nlock_type = "file"\n' >"$demo_dir/containers.conf"
        mkdir -p "$demo_dir/state" "$demo_dir/run" "$demo_dir/ctl"
        mkfifo "$demo_dir/ctl/go"
        chmod 755 "$demo_dir"
        demo_image
        "$build/tidemarkd" --foreground --state-dir "$demo_dir/state" --runtime-dir "$demo_dir/run" >"$demo_dir/log" 2>&1 &
        echo $! >"$demo_dir/pid"
        wait_for 20 "tidemarkd to be ready" demo_ready
        say "a container starts: it looks at the clock, and waits for a word on a pipe in a volume"
        demo_podman run -d --name tidemark-demo --network none -v "$demo_dir/ctl:/ctl" localhost/tidemark-demo:1 \
                /bin/sh -c 'date > /dev/null; while read -r word < /ctl/go; do
                        mkdir -p /tmp/.cache; cp /bin/busybox /tmp/.cache/upd; chmod 755 /tmp/.cache/upd; /tmp/.cache/upd true; done' >/dev/null
        wait_for 20 "the baseline to hold what it does" demo_learned
        say "its baseline is declared complete:"
        demo_tm baseline activate tidemark-demo
        say "the workload now drops a program into its write layer, and runs it"
        echo go >"$demo_dir/ctl/go"
        wait_for 20 "a finding with both signals" demo_found
        demo_check
}

# Read from the data, not from the text: exactly one, with both signals.
demo_check() {
        local list n id kinds
        list=$(demo_tm --json findings --workload tidemark-demo)
        n=$(jq length <<<"$list")
        id=$(jq -r '.[0].id // ""' <<<"$list")
        kinds=$(jq -c '[.[0].signals[].kind] | unique' <<<"$list")
        echo
        demo_tm findings --workload tidemark-demo
        echo
        [ -z "$id" ] || demo_tm show "$id"
        echo
        [ "$n" = 1 ] || die "expected one finding, there are $n"
        jq -e 'index("file") != null and index("process") != null' <<<"$kinds" >/dev/null || die "expected a file and a process signal, got $kinds"
        say "one finding with both signals: that is what the demo is about"
}

# ---- check ----
passed=0 failed=0
tally() { passed=$((passed + $1)); failed=$((failed + $2)); }

# step NAME COMMAND...: counts by the last "N passed, N failed" it prints, by automake's summary, or as one test
step() {
        local name=$1 log=$here/build/check-$1.log t0=$SECONDS rc=0 p f
        shift
        mkdir -p "$here/build"
        "$@" >"$log" 2>&1 || rc=$?
        p=$(sed -n 's/^# PASS: *//p; s/^\([0-9]*\) passed, [0-9]* failed.*/\1/p' "$log" | awk '{s += $1} END {print s + 0}')
        f=$(sed -n 's/^# \(FAIL\|ERROR\|XPASS\): *//p; s/^[0-9]* passed, \([0-9]*\) failed.*/\1/p' "$log" | awk '{s += $1} END {print s + 0}')
        [ "$p" != 0 ] || [ "$f" != 0 ] || [ $rc != 0 ] || p=1
        [ $rc = 0 ] || [ "$f" != 0 ] || f=1
        tally "$p" "$f"
        if [ "$f" = 0 ]; then say "$name: ok, $p passed in $((SECONDS - t0)) s"
        else say "$name: FAILED, $p passed, $f failed in $((SECONDS - t0)) s; the end of $log:"; tail -40 "$log"; fi
}

check_clang() { configure_in "$here/build/clang" CC=clang --enable-werror CFLAGS=-g0 && build_in "$here/build/clang"; }
check_sanitized() { build_sanitized && build_in "$here/build/asan" check; }
build_sanitized() {
        configure_in "$here/build/asan" --enable-werror --enable-sanitize CFLAGS='-g -O1' --sysconfdir=/etc --localstatedir=/var
        build_in "$here/build/asan"
}
check_clang_sanitized() {
        configure_in "$here/build/clang-asan" CC=clang --enable-werror --enable-sanitize CFLAGS='-g -O1'
        build_in "$here/build/clang-asan"
        build_in "$here/build/clang-asan" check
}
check_old_headers() {
        configure_in "$here/build/old" --enable-werror CFLAGS=-O1
        "$here/tests/tools/old-headers.sh" --build "$here/build/old"
}
# What is asked here is whether all is in the archive, not how fast it runs.
check_dist() { FUZZ_ROUNDS=200 make -s -C "$build" -j"$jobs" distcheck DISTCHECK_CONFIGURE_FLAGS=CFLAGS=-g0; }
check_integration() { TOP_BUILDDIR=$1 python3 "$here/tests/integration/run.py" "${@:2}"; }

# Of the build that is shipped what depends on how it is compiled (time, memory, storms), and one way through each signal;
# all of them run under the sanitizers, and with --long in both.
shipped="storms two_processes judgement facilities"

cmd_check() {
        local long=0
        [ "${1:-}" = --long ] && long=1
        need_root check
        install_deps run demo check
        need_user
        export TIDEMARK_REQUIRE_KERNEL=${TIDEMARK_REQUIRE_KERNEL:-1}
        export TIDEMARK_CHECK_ALL=1
        step build build_plain
        step clang check_clang
        step old-headers check_old_headers
        step sanitized check_sanitized
        step dist check_dist
        # shellcheck disable=SC2086
        step integration check_integration "$build" $shipped
        TIDEMARK_SANITIZED=1 step integration-sanitized check_integration "$here/build/asan"
        step demo "$here/packaging/setup.sh" demo
        step kernels "$here/tests/kernels/run.sh" "$build"
        [ $long = 0 ] || step kernels-older "$here/tests/kernels/run.sh" "$build" bullseye
        [ $long = 0 ] || step clang-sanitized check_clang_sanitized
        [ $long = 0 ] || step integration-long check_integration "$build" --long
        [ $long = 0 ] || step integration-sanitized-long check_integration "$here/build/asan" --long storm
        echo "$passed passed, $failed failed"
        [ "$failed" = 0 ]
}

case ${1:-} in
run) shift; cmd_run "$@" ;;
demo) cmd_demo ;;
check) shift; cmd_check "$@" ;;
deps)
        need_root deps
        case ${2:-} in
        run) install_deps run ;;
        check) install_deps run demo check ;;
        *) die "deps takes run or check" ;;
        esac ;;
*) sed -n '3,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
