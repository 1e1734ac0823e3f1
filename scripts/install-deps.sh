#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian 12 packages that building, testing and running kvfence need, and nothing when all are
# there. Needs root only if a package is missing.
#
#   install-deps.sh [--test-kernel]
#
#   --test-kernel   also what `make test-kernel` needs: an emulator, and apt's lists, from which it downloads the
#                   kernel, Debian's linux-image-amd64, into the build directory
set -euo pipefail

build=(gcc make pkg-config libc6-dev libbpf-dev libevent-dev libjemalloc-dev librocksdb-dev uthash-dev)
bpf=(clang llvm bpftool)
check=(clang-format clang-tidy cppcheck libclang-rt-14-dev shellcheck)
tests=(iproute2 libcmocka-dev libhiredis-dev linux-perf procps python3 redis-server redis-tools)
test_kernel=(qemu-system-x86 cpio)
packages=("${build[@]}" "${bpf[@]}" "${check[@]}" "${tests[@]}")

fail() {
    echo "install-deps: $*" >&2
    exit 1
}

wants_kernel=no
case ${1:-} in
    '') ;;
    -h | --help)
        sed -n '4,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"
        exit
        ;;
    --test-kernel) wants_kernel=yes packages+=("${test_kernel[@]}") ;;
    *) fail "unknown option '$1': there are --test-kernel and --help" ;;
esac

# True if apt knows a kernel that can be downloaded.
knows_kernel() { [[ -n $(apt-cache depends linux-image-amd64 2>/dev/null) ]]; }

missing_packages() {
    local installed package
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
    for package in "${packages[@]}"; do
        grep -qx "installed $package" <<<"$installed" || echo "$package"
    done
}

command -v dpkg-query >/dev/null || fail "this is not a Debian system; needed are: ${packages[*]}"
mapfile -t missing < <(missing_packages)
task="install ${missing[*]}"
if ((${#missing[@]} == 0)); then
    [[ $wants_kernel == yes ]] && ! knows_kernel || exit 0
    task='update the lists of packages'
fi
((EUID == 0)) || fail "run as root (sudo) to $task"

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=
cleanup() {
    rm -f "$log"
    [[ -z $made_policy ]] || rm -f "$policy"
}
trap cleanup EXIT

# The tests start Redis themselves to compare with: the package's own service must neither start now ...
if [[ ! -e $policy ]]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1 || {
        cat "$log" >&2
        fail "apt-get $1 failed (its output is above)"
    }
}

echo "going to $task"
apt update
((${#missing[@]} > 0)) || exit 0
apt install --no-install-recommends "${missing[@]}"

# ... nor when the machine boots.
if [[ " ${missing[*]} " == *' redis-server '* && -d /run/systemd/system ]]; then
    systemctl --quiet disable redis-server.service || fail "the service redis-server could not be disabled"
fi
