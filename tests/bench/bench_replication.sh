#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Replication: whether a replica keeps up with a master under load, and how fast it copies everything. Master and replica
# are joined by a veth between namespaces, which end with the script, also when it is killed. Needs root, and is left out
# without it.
#
#   SECONDS_OF_LOAD=10   redis-benchmark with 50 clients and -P 16 writes to the master for so long
#   MEGABYTES=1024       of data in values of VALUE_BYTES=1024 for the full copy
#   PAIRS=3              of full copies and of cp, in turn. cp is what it does, with a network in the middle: on one side
#                        cat reads the files into a connection, on the other side cat writes them, without syncing them.
#                        The full copy begins with REPLICAOF and ends when the replica has everything on its disk, has
#                        put it in place, and follows the log.
#   ONLY=lag, ONLY=copy  one part
#
# Fails if the replica falls behind, or if full copies are slower than half of cp's speed (in the median).
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
load_seconds=${SECONDS_OF_LOAD:-10} megabytes=${MEGABYTES:-1024} value_bytes=${VALUE_BYTES:-1024} pairs=${PAIRS:-3}
readonly master=10.99.0.1 replica=10.99.0.2 port=6666 cp_port=7777
kvfenced='' work='' replica_side='' master_pid='' replica_pid=''

fail() {
    echo "bench-replication: $*" >&2
    exit 1
}

wait_for() { # COMMAND...
    local limit=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < limit)) || fail "waited in vain for: $*"
        sleep 0.01
    done
}
answers() { [[ $(redis-cli -h "$1" -p "$port" ping) == PONG ]]; }
in_other_namespace() { ! [ "$replica_side" -ef /proc/self/ns/net ]; }
at_replica() { nsenter --net="$replica_side" "$@"; }
offset() { redis-cli -h "$1" -p "$port" info replication | sed -n 's/^master_repl_offset:\([0-9]*\).*/\1/p'; }
link_is_up() { redis-cli -h "$replica" -p "$port" info replication | grep -q '^master_link_status:up'; }
in_step() { link_is_up && [[ $(offset "$master") == "$(offset "$replica")" ]]; }

build_network() {
    unshare --net sleep infinity &
    replica_side=/proc/$!/ns/net
    wait_for in_other_namespace
    ip link set lo up
    ip link add master0 type veth peer name replica0 netns "$!"
    ip address add "$master/24" dev master0
    ip link set master0 up
    at_replica ip link set lo up
    at_replica ip address add "$replica/24" dev replica0
    at_replica ip link set replica0 up
}

options() { # DIRECTORY
    mkdir -p "$work/$1"
    printf '%s\n' -c /dev/null --dir "$work/$1" --log-dir stdout --bind 0.0.0.0 --port "$port" --workers 2 \
        --fence-bpf-path '' --max-replication-mb 0
}

start_master() { # MORE-OPTIONS...
    mapfile -t words < <(options master)
    "$kvfenced" "${words[@]}" "$@" >"$work/master.log" &
    master_pid=$!
    wait_for answers "$master"
}

start_replica() {
    mapfile -t words < <(options replica)
    nsenter --net="$replica_side" "$kvfenced" "${words[@]}" >"$work/replica.log" & # not by a function: its pid is wanted
    replica_pid=$!
    wait_for answers "$replica"
}

stop() { # PID DIRECTORY
    kill "$1"
    wait "$1" || true
    rm -rf "${work:?}/$2"
}

# --- Keeping up ---

measure_lag() {
    local status=0
    printf 'A replica of a master under load: redis-benchmark -t set -P 16 -c 50 -d 64, %s s\n' "$load_seconds"
    start_master
    start_replica
    redis-cli -h "$replica" -p "$port" replicaof "$master" "$port" >/dev/null
    wait_for in_step
    python3 "$root/tests/bench/lib/replication_lag.py" "$load_seconds" "$master" "$port" "$replica" "$port" || status=1
    stop "$replica_pid" replica
    stop "$master_pid" master
    return "$status"
}

# --- Copying everything ---

microseconds() { echo "${EPOCHREALTIME/./}"; }

full_copy() { # `took` becomes the microseconds that it took
    local begun
    start_replica
    sync
    begun=$(microseconds)
    redis-cli -h "$replica" -p "$port" replicaof "$master" "$port" >/dev/null
    timeout 60 grep -q -m 1 'following master' <(tail -f --pid "$replica_pid" "$work/replica.log" 2>/dev/null)
    took=$(($(microseconds) - begun))
    grep -q 'everything was copied' "$work/replica.log" || fail "the replica has not copied everything"
    wait_for in_step
    stop "$replica_pid" replica
}

# Takes one connection, which becomes cat's standard input.
readonly receiver='
import os, socket, sys
listener = socket.create_server(("", int(sys.argv[1])))
connection, _ = listener.accept()
os.dup2(connection.fileno(), 0)
os.execvp("cat", ["cat"])'

listens() { at_replica ss -Hltn "sport = :$cp_port" | grep -q .; }

cp_over_veth() { # `took` becomes the microseconds that it took
    local begun receiving
    nsenter --net="$replica_side" python3 -c "$receiver" "$cp_port" >"$work/copied" &
    receiving=$!
    wait_for listens
    sync
    begun=$(microseconds)
    cat "$work/master/backup"/* >"/dev/tcp/$replica/$cp_port"
    wait "$receiving"
    took=$(($(microseconds) - begun))
    rm "$work/copied"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
is_idle() { [[ $(redis-cli -h "$master" -p "$port" info | sed -n 's/^num_running_\(compactions\|flushes\):\([0-9]*\).*/\2/p' | sort -u) == 0 ]]; }

measure_copy() {
    local pair ours theirs bytes ratio took=0
    # Without old log: a replica could begin with that.
    start_master --rocksdb.wal_ttl_seconds 0 --rocksdb.wal_size_limit_mb 0
    python3 "$root/tests/bench/lib/random_values.py" "$master" "$port" "$megabytes" "$value_bytes"
    redis-cli -h "$master" -p "$port" save >/dev/null
    wait_for is_idle
    bytes=$(du -sb --apparent-size "$work/master/backup" | cut -f1)
    printf 'A full copy of %s MB in %s files, and cp (cat | veth | cat) of the same\n' $((bytes / 1000000)) \
        "$(find "$work/master/backup" -type f | wc -l)"
    : >"$work/ratios"
    for ((pair = 0; pair < pairs; pair++)); do
        if ((pair % 2)); then
            cp_over_veth
            theirs=$took
            full_copy
            ours=$took
        else
            full_copy
            ours=$took
            cp_over_veth
            theirs=$took
        fi
        awk -v ours="$ours" -v theirs="$theirs" 'BEGIN { printf "%.3f\n", theirs / ours }' >>"$work/ratios"
        awk -v ours="$ours" -v theirs="$theirs" -v bytes="$bytes" 'BEGIN { printf "  full copy %.2f s, %.0f MB/s; " \
            "cp %.2f s, %.0f MB/s\n", ours / 1e6, bytes / ours, theirs / 1e6, bytes / theirs }'
    done
    stop "$master_pid" master
    ratio=$(median <"$work/ratios")
    printf '  the full copy has %s of the speed of cp, in the median of %d pairs; wanted 0.5\n' "$ratio" "$pairs"
    awk -v ratio="$ratio" 'BEGIN { exit !(ratio >= 0.5) }' || fail "full copies are too slow"
}

# --- ---

if [[ ${1:-} != inside ]]; then
    if ((EUID != 0)); then
        echo "left out: it needs root"
        exit 0
    fi
    exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private "$0" inside \
        "$(readlink -f "${KVFENCED:-$root/build/kvfenced}")"
fi
kvfenced=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/kvfence-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
build_network
status=0
[[ ${ONLY:-lag} != lag ]] || measure_lag || status=1
[[ ${ONLY:-copy} != copy ]] || measure_copy || status=1
((status == 0))
