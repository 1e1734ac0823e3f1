#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian 12 packages that building, testing and running kvfence need, and nothing when all are
# there. Needs root only if a package is missing.
set -euo pipefail

build=(gcc make pkg-config libc6-dev libbpf-dev libevent-dev libjemalloc-dev librocksdb-dev uthash-dev)
bpf=(clang llvm bpftool)
check=(clang-format clang-tidy cppcheck libclang-rt-14-dev shellcheck)
tests=(iproute2 libcmocka-dev libhiredis-dev linux-perf procps python3 redis-server redis-tools)
packages=("${build[@]}" "${bpf[@]}" "${check[@]}" "${tests[@]}")

fail() {
    echo "install-deps: $*" >&2
    exit 1
}

missing_packages() {
    local installed package
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
    for package in "${packages[@]}"; do
        grep -qx "installed $package" <<<"$installed" || echo "$package"
    done
}

command -v dpkg-query >/dev/null || fail "this is not a Debian system; needed are: ${packages[*]}"
mapfile -t missing < <(missing_packages)
((${#missing[@]} > 0)) || exit 0
((EUID == 0)) || fail "run as root (sudo) to install: ${missing[*]}"

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

echo "installing ${missing[*]}"
apt update
apt install --no-install-recommends "${missing[@]}"

# ... nor when the machine boots.
if [[ " ${missing[*]} " == *' redis-server '* && -d /run/systemd/system ]]; then
    systemctl --quiet disable redis-server.service || fail "the service redis-server could not be disabled"
fi
