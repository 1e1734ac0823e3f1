# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the tests of the fence's scripts share; sourced by them. A test is a function test_..., named as a sentence about
# behaviour, run in a subshell of its own; it has failed when it calls `fail`, by itself or through an expect_ function.
#
# The whole file runs in mount, network and process namespaces of its own, with a bpffs of its own, which end with it:
# the machine is left as it was, also when the tests are killed. What is printed is in cmocka's form, for tests/run.sh.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scripts=$root/scripts pins=/sys/fs/bpf/kvfence
KVFENCED=${KVFENCED:-$root/build/kvfenced}
# shellcheck disable=SC2034 # used by the tests
real_object=${KVFENCED%/*}/bpf/fence.bpf.o
tiny_object= # stands in for the real one, which takes the kernel seconds to check

fail() {
    printf '    %s\n' "$@"
    printf '    output: %s\n' "${output:-}"
    exit 1
}

# Runs a command; what it prints on either stream is in `output`, its exit status in `status`.
run() {
    output=$("$@" 2>&1 </dev/null)
    status=$?
}

expect_success() { ((status == 0)) || fail "expected success, not exit status $status"; }
expect_failure() { ((status != 0)) || fail "expected a failure"; }
expect_line() { grep -qE -- "$1" <<<"$output" || fail "expected a line like: $1"; }
expect_one_line() {
    [[ $(wc -l <<<"$output") == 1 ]] || fail "expected one line"
    expect_line "$1"
}
expect_same() { [[ $1 == "$2" ]] || fail "expected: $1" "got:      $2"; }

load() { run "$scripts/load-fence.sh" --object "${object:-$tiny_object}" "$@"; }
loaded() {
    load "$@"
    expect_success
}
# shellcheck disable=SC2120 # some want arguments
unload() { run "$scripts/unload-fence.sh" "$@"; }

id_of() { bpftool prog show pinned "$1" 2>/dev/null | sed -n '1s/:.*//p'; }
xdp_id() { id_of "$pins/fence_xdp"; }
tc_id() { id_of "$pins/fence_tc"; }
map_id_of() { bpftool map show pinned "$1" 2>/dev/null | sed -n '1s/:.*//p'; }

# "HOOK MODE ID" of every program on the interface, one a line.
on() {
    bpftool net show dev "$1" | sed -n \
        -e 's/^[^ ]*([0-9]*) \(driver\|generic\) id \([0-9]*\).*/xdp \1 \2/p' -e 's/.*clsact\/ingress .* id \([0-9]*\)$/tc \1/p'
}
expect_on() { expect_same "$2" "$(on "$1")"; }

# Everything that loading changes, in words to compare.
snapshot() {
    local pin
    find /sys/fs/bpf -mindepth 1 ! -name '*.debug' -printf '%p %m %u %g\n' | sort
    for pin in "$pins"/fence_{xdp,tc}; do
        id_of "$pin"
    done
    bpftool net show
    tc qdisc show
}

make_tiny_object() {
    tiny_object=$TMPDIR/tiny.bpf.o
    clang -O2 -g -target bpf -I"$root" "-I/usr/include/$(gcc -print-multiarch)" \
        -c -o "$tiny_object" "$root/tests/scripts/objects/tiny_fence.bpf.c"
}

# Another object of the same contract: bytes behind its end do not change what it does.
other_object() {
    { cat "$tiny_object" && printf '%s' "${1:-another}"; } >"$TMPDIR/other.bpf.o"
    echo "$TMPDIR/other.bpf.o"
}

# A program for XDP that is not the fence.
stranger() {
    printf '%s\n' '#define SEC(n) __attribute__((section(n), used))' \
        'SEC("xdp") int stranger(void *context) { return 2; }' 'char _license[] SEC("license") = "GPL";' >"$TMPDIR/stranger.c"
    clang -O2 -target bpf -c -o "$TMPDIR/stranger.o" "$TMPDIR/stranger.c" || fail "cannot compile"
    bpftool prog load "$TMPDIR/stranger.o" /sys/fs/bpf/stranger type xdp >/dev/null 2>&1 || fail "cannot load"
    bpftool net attach "$2" pinned /sys/fs/bpf/stranger dev "$1"
}

# Little-endian bytes of the number $1, $2 of them, as bpftool takes them.
le() {
    local i
    for ((i = 0; i < $2; i++)); do
        printf '%d ' $(($1 >> (8 * i) & 255))
    done
}

# Writes an entry of fence_lease as a server does: PORT DEADLINE_NS OWNER ABI MODE POLICY.
write_lease() {
    # shellcheck disable=SC2046 # words are wanted
    bpftool map update pinned "$pins/fence_lease" key $(le "$1" 4) \
        value $(le "$2" 8) $(le "$3" 4) $(le "$4" 2) $(le "$5" 1) $(le "$6" 1) || fail "cannot write the lease"
}
lease_field() {
    # shellcheck disable=SC2046
    bpftool map lookup pinned "$pins/fence_lease" key $(le "$1" 4) | sed -n "s/.*\"$2\": \([0-9]*\).*/\1/p"
}

# Puts a command into fence_commands: NAME KIND.
know_command() {
    # shellcheck disable=SC2046
    bpftool map update pinned "$pins/fence_commands" \
        key $(printf '%s' "$1" | od -An -v -tu1) $(le 0 $((32 - ${#1}))) value $(le "$2" 4) $(le 0 4)
}

bytes() { printf '%b' "$(printf '\\x%02x' "$@")"; }

# Writes a packet into $TMPDIR/packet, from port 50000 of 10.1.2.3 or 2001:db8::7: IP-VERSION PORT PAYLOAD.
make_packet() {
    local length=$((20 + ${#3}))
    {
        bytes 2 0 0 0 0 1 2 0 0 0 0 2
        if (($1 == 4)); then
            bytes 8 0 0x45 0 $(((length + 20) >> 8)) $(((length + 20) & 255)) 0 0 0x40 0 64 6 0 0 10 1 2 3 10 1 2 4
        else
            bytes 0x86 0xdd 0x60 0 0 0 $((length >> 8)) $((length & 255)) 6 64
            bytes 0x20 1 0x0d 0xb8 0 0 0 0 0 0 0 0 0 0 0 7 0x20 1 0x0d 0xb8 0 0 0 0 0 0 0 0 0 0 0 8
        fi
        bytes $((50000 >> 8)) $((50000 & 255)) $(($2 >> 8)) $(($2 & 255)) 0 0 0 1 0 0 0 1 0x50 0x18 255 255 0 0 0 0
        printf '%s' "$3"
    } >"$TMPDIR/packet"
}

# Waits until a command succeeds.
wait_for() {
    local deadline=$((SECONDS + 20))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "waited in vain for: $*"
        sleep 0.02
    done
}

# A PATH where the named tools are missing.
path_without() {
    local directory=$TMPDIR/path tool
    mkdir -p "$directory"
    find /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin -maxdepth 1 -executable ! -type d 2>/dev/null |
        while read -r tool; do
            ln -sf "$tool" "$directory/"
        done
    for tool in "$@"; do
        rm -f "$directory/$tool"
    done
    echo "$directory"
}

fresh_world() {
    while umount -l /sys/fs/bpf 2>/dev/null; do :; done
    mount -t bpf bpf /sys/fs/bpf
    ip link del veth0 2>/dev/null
    ip link del plain0 2>/dev/null
    ip link del tunnel0 2>/dev/null
    tc qdisc del dev lo clsact 2>/dev/null
    ip link set dev lo xdpgeneric off 2>/dev/null
    ip link set lo up
    ip link add veth0 type veth peer name veth1
    ip link set veth0 up
    ip link set veth1 up
    # A veth has XDP in native mode, but not if its peer can send through more queues than it can receive with.
    ip link add plain0 numrxqueues 1 numtxqueues 1 type veth peer name plain1 numrxqueues 2 numtxqueues 2
    ip link set plain0 up
}

skip_all() {
    printf '[ RUN      ] all\n[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] all: %s\n' "$1"
    [[ -z ${CI:-} ]] && exit 0
    exit 1
}

# Runs the tests of the file that sources this one, after its first start has put it into its namespaces.
run_tests() {
    local name failed=()
    if [[ ${1:-} != inside ]]; then
        ((EUID == 0)) || skip_all "needs root"
        unshare --mount --net --pid --fork true 2>/dev/null || skip_all "namespaces are not allowed here"
        exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private bash "$0" inside
    fi
    mount -t tmpfs -o mode=0755 tmpfs /run && mkdir -m 1777 /run/lock
    TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/kvfence-scripts.XXXXXX") && export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
    make_tiny_object || exit 1
    while read -r name; do
        printf '[ RUN      ] %s\n' "$name"
        fresh_world
        if (trap - EXIT && "$name"); then
            printf '[       OK ] %s\n' "$name"
        else
            printf '[  FAILED  ] %s\n' "$name"
            failed+=("$name")
        fi
    done < <(grep -o '^test_[a-z0-9_]*' "$0")
    ((${#failed[@]} > 0)) || exit 0
    printf '[  FAILED  ] %d test(s), listed below:\n' "${#failed[@]}"
    printf '[  FAILED  ] %s\n' "${failed[@]}"
    exit 1
}
