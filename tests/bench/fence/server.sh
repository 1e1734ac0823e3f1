#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the kernel's fence costs a server whose lease is valid, and what it saves one whose lease has run out. Needs root;
# everything happens in namespaces of its own, which end with it, also when it is killed.
#
#   server.sh KVFENCED WRITE_STORM PROGRAM_TIME
#
#   PAIRS=15         pairs of runs of redis-benchmark for each case, with the fence and without in turn, so that a machine
#                    that gets slower or faster meanwhile changes both; what counts is the median of the ratios
#   RUN_SECONDS=1    about how long one run takes
#   STORM_SECONDS=5, STORM_RATE=20000, STORM_CLIENTS=50   the storm of writes, once refused and once dropped
#
#   ONLY=throughput, ONLY=share, ONLY=storm   one part of it
#
# Fails if the storm costs the fenced server too much, or if the program itself takes too much of the processor time that
# its traffic needs, by the kernel's own measure, which is what the 99 % of the throughput come to. Throughput depends on what else the machine does, so its ratios are
# only shown, and beside them how many requests client and server do with the same processor time.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/../../.." && pwd)
pairs=${PAIRS:-15} run_seconds=${RUN_SECONDS:-1}
storm_seconds=${STORM_SECONDS:-5} storm_rate=${STORM_RATE:-20000} storm_clients=${STORM_CLIENTS:-50}
readonly node=10.99.0.1 client=10.99.0.2 port=6666 pins=/sys/fs/bpf/kvfence
kvfenced='' write_storm='' program_time='' work='' server='' client_side=''

fail() {
    echo "bench-fence: $*" >&2
    exit 1
}

wait_for() { # COMMAND...
    local limit=$((SECONDS + 30))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < limit)) || fail "waited in vain for: $*"
        sleep 0.05
    done
}
answers() { [[ $(redis-cli -p "$port" ping) == PONG ]]; }
is_attached() { redis-cli -p "$port" info lease | grep -q 'lease_kernel_fence:attached'; }
has_expired() { redis-cli -p "$port" info lease | grep -q 'lease_state:expired'; }
in_other_namespace() { ! [ "$client_side" -ef /proc/self/ns/net ]; }

build_network() {
    unshare --net sleep infinity &
    client_side=/proc/$!/ns/net
    wait_for in_other_namespace
    ip link set lo up
    ip link add node0 type veth peer name client0 netns "$!"
    ip address add "$node/24" dev node0
    ip link set node0 up
    at_client ip address add "$client/24" dev client0
    at_client ip link set client0 up
    tc qdisc add dev lo clsact
    tc qdisc add dev node0 clsact
}
at_client() { nsenter --net="$client_side" "$@"; }

start_server() {
    "$kvfenced" -c /dev/null --dir "$work/data" --log-dir stdout --bind 0.0.0.0 --port "$port" --workers 2 \
        --master-lease-mode block-write --fence-bpf-path "$pins" >"$work/log" &
    server=$!
    wait_for answers
}

# Pins the fence by its own script, and leaves the interfaces free: lo's program goes by hand.
load_fence() {
    export FENCE_LOCK_FILE=$work/lock
    "$root/scripts/load-fence.sh" --iface lo --object "${kvfenced%/*}/bpf/fence.bpf.o" >/dev/null
    tc filter del dev lo ingress
    printf '%s\n' '#include <linux/bpf.h>' '__attribute__((section("xdp.frags"), used)) int pass(struct xdp_md *packet) {' \
        '    return XDP_PASS;' '}' >"$work/pass.c"
    clang -O2 -target bpf "-I/usr/include/$(gcc -print-multiarch)" -c -o "$work/pass.o" "$work/pass.c"
    bpftool prog load "$work/pass.o" /sys/fs/bpf/pass 2>/dev/null
}

# --- Throughput ---

# The ways to be fenced, and what to compare each with.
attach() { # WAY
    case $1 in
        nothing) ;;
        tc_lo) tc filter add dev lo ingress pref 1 handle 1 bpf direct-action object-pinned "$pins/fence_tc" ;;
        tc_veth) tc filter add dev node0 ingress pref 1 handle 1 bpf direct-action object-pinned "$pins/fence_tc" ;;
        xdp_veth) bpftool net attach xdpdrv pinned "$pins/fence_xdp" dev node0 ;;
        pass_veth) bpftool net attach xdpdrv pinned /sys/fs/bpf/pass dev node0 ;;
    esac
}

detach() { # WAY
    case $1 in
        nothing) ;;
        tc_lo) tc filter del dev lo ingress ;;
        tc_veth) tc filter del dev node0 ingress ;;
        xdp_veth | pass_veth) bpftool net detach xdpdrv dev node0 ;;
    esac
}

# The server's clock ticks, of a hundredth of a second.
ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }

# One run: requests a second, and the processor time that client and server took, in milliseconds.
measure() { # WAY ADDRESS COMMAND REQUESTS [WRAPPER...]
    local place=() before after TIMEFORMAT='%U %S'
    [[ $2 != "$node" ]] || place=(nsenter "--net=$client_side")
    attach "$1"
    before=$(ticks)
    { time timeout 120 "${@:5}" "${place[@]}" redis-benchmark -h "$2" -p "$port" -c 50 -d 64 -r 100000 -t "$3" -n "$4" --csv \
        >"$work/csv" 2>"$work/complaints"; } 2>"$work/client"
    after=$(ticks)
    detach "$1"
    awk -F'"' -v server=$((10 * (after - before))) 'NR == FNR { split($0, client, " "); next }
        FNR > 1 { print $4, server + 1000 * (client[1] + client[2]) }' "$work/client" "$work/csv"
}

quartiles() { # of the numbers that come in: the median, and the two others
    sort -n | awk '{ v[NR] = $1 }
        function at(p, i) { i = 1 + (NR - 1) * p; return v[int(i)] + (i - int(i)) * (v[int(i) + (i > int(i))] - v[int(i)]) }
        END { printf "x%.3f (%.3f..%.3f)", at(0.5), at(0.25), at(0.75) }'
}

compare() { # TITLE WAY OTHER-WAY ADDRESS COMMAND
    local requests with without pair
    redis-cli -p "$port" clusterx heartbeat 1 86400000 >/dev/null
    requests=$(measure "$3" "$4" "$5" 20000 | awk -v seconds="$run_seconds" '{ printf "%d", $1 * seconds + 1 }')
    : >"$work/both"
    for ((pair = 0; pair < pairs; pair++)); do
        if ((pair % 2)); then
            without=$(measure "$3" "$4" "$5" "$requests")
            with=$(measure "$2" "$4" "$5" "$requests")
        else
            with=$(measure "$2" "$4" "$5" "$requests")
            without=$(measure "$3" "$4" "$5" "$requests")
        fi
        echo "$with $without" >>"$work/both"
    done
    printf '  %-4s%-54s %s   %s\n' "${5^^}" "$1" "$(awk '{ print $1 / $3 }' "$work/both" | quartiles)" \
        "$(awk '{ print $4 / $2 }' "$work/both" | quartiles)"
}

measure_throughput() {
    local command
    printf '\nLease valid: with the fence over without it, medians and quartiles of %d pairs; wanted: x0.99 at least\n' "$pairs"
    printf '  %-58s %-22s   %s\n' '' throughput 'requests for one unit of processor time'
    for command in set get; do
        compare 'on lo, TC, over nothing' tc_lo nothing 127.0.0.1 "$command"
        compare 'on veth, TC, over nothing' tc_veth nothing "$node" "$command"
        compare 'on veth, native XDP, over a program that only passes' xdp_veth pass_veth "$node" "$command"
        compare 'on veth, native XDP, over nothing' xdp_veth nothing "$node" "$command"
    done
}

# --- The program's own time ---

# Runs and nanoseconds of a pinned program over about five runs' time, and what measure() tells of them.
measure_program() { # PINNED_PROGRAM WAY ADDRESS COMMAND
    local requests runs nanoseconds _
    requests=$(measure nothing "$3" "$4" 20000 | awk -v seconds="$run_seconds" '{ printf "%d", 5 * $1 * seconds + 1 }')
    measure "$2" "$3" "$4" "$requests" "$program_time" "$1" "$work/time" >"$work/cost"
    read -r _ runs _ nanoseconds <"$work/time"
    ((runs > 0)) || fail "no packet has passed $1"
    echo "$runs $nanoseconds $(cat "$work/cost")"
}

# What the program took of all that client and server needed, without what the measurement itself takes.
share() { # NANOSECONDS_OF_MEASURING TITLE WAY HOOK ADDRESS COMMAND
    local cost
    cost=$(measure_program "$pins/fence_$4" "$3" "$5" "$6")
    awk -v title="${6^^} $2" -v measuring="$1" '{ ns = $2 - $1 * measuring
        printf "  %-58s %9d %8.1f %8.2f %%\n", title, $1, ns / $1, 1e-4 * ns / $4
        exit !(ns < 1e4 * $4) }' <<<"$cost"
}

measure_shares() {
    local command measuring within=1
    redis-cli -p "$port" clusterx heartbeat 1 86400000 >/dev/null
    measuring=$(measure_program /sys/fs/bpf/pass pass_veth "$node" get | awk '{ printf "%.1f", $2 / $1 }')
    printf '\nLease valid: what the program takes of the processor time of client and server; limit 1 %%\n'
    printf '  %-58s %9s %8s %8s\n' "(without the $measuring ns that a program which only passes shows)" packets 'ns each' share
    for command in set get; do
        share "$measuring" 'on lo, TC' tc_lo tc 127.0.0.1 "$command" || within=0
        share "$measuring" 'on veth, TC' tc_veth tc "$node" "$command" || within=0
        share "$measuring" 'on veth, native XDP' xdp_veth xdp "$node" "$command" || within=0
    done
    ((within)) || fail "the program takes too much of the processor time"
}

# --- The storm ---

storm() { # WAY: what write_storm prints
    attach "$1"
    at_client timeout $((storm_seconds + 30)) "$write_storm" "$node" "$port" "$storm_clients" "$storm_rate" \
        "$storm_seconds" "$server"
    detach "$1"
}

lease_number() { redis-cli -p "$port" info lease | sed -n "s/^$1:\([0-9]*\).*/\1/p"; }

measure_storm() {
    local refused dropped share
    redis-cli -p "$port" clusterx heartbeat 1 1 >/dev/null
    wait_for has_expired
    printf '\nA storm of %d writes a second for %d s from %d clients; a client that waits for a second connects anew\n' \
        "$storm_rate" "$storm_seconds" "$storm_clients"
    read -r -a refused <<<"$(storm nothing)"
    read -r -a dropped <<<"$(storm xdp_veth)"
    ((${refused[5]:-0} > 0)) || fail "the server answered nothing to the storm"
    ((${dropped[5]:-1} == 0)) || fail "${dropped[5]} writes were answered although the kernel fences"
    share=$(awk -v a="${dropped[9]}" -v b="${refused[9]}" 'BEGIN { printf "%.2f", 100 * a / b }')
    printf '  refused by the server: %d of %d writes sent, %d answered; the server used %d ms\n' \
        "${refused[3]}" "${refused[1]}" "${refused[5]}" $((refused[9] / 1000))
    printf '  dropped by the kernel: %d packets, %d new connections; the server used %d ms\n' \
        "$(lease_number lease_kernel_dropped)" "${dropped[7]}" $((dropped[9] / 1000))
    printf '  the server uses %s %% of the processor time; limit 5 %%\n' "$share"
    awk -v share="$share" 'BEGIN { exit !(share < 5) }' || fail "the storm costs the fenced server too much"
}

# --- ---

finish() {
    local status=$?
    [[ -z $server ]] || { kill "$server" && wait "$server"; } 2>/dev/null
    exit "$status"
}

if [[ ${1:-} != inside ]]; then
    (($# == 3)) || fail "usage: server.sh KVFENCED WRITE_STORM PROGRAM_TIME"
    ((EUID == 0)) || fail "must be run as root"
    exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private "$0" inside \
        "$(readlink -f "$1")" "$(readlink -f "$2")" "$(readlink -f "$3")"
fi
kvfenced=$2 write_storm=$3 program_time=$4
trap finish EXIT
trap 'exit 130' INT TERM HUP
mount -t bpf bpf /sys/fs/bpf
# Files are in memory, of this namespace: they end with it as well.
mkdir -p /run/lock
mount -t tmpfs tmpfs /run/lock
work=/run/lock/kvfence-bench
mkdir -p "$work/data"
build_network
load_fence
start_server
wait_for is_attached
[[ ${ONLY:-throughput} != throughput ]] || measure_throughput
[[ ${ONLY:-share} != share ]] || measure_shares
[[ ${ONLY:-storm} != storm ]] || measure_storm
