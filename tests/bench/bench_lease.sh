#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the lease's checks cost: one server, whose master-lease-mode is block-write and disabled in turn, with a lease
# that is held all the time. redis-benchmark with 50 clients writes; the ratio is block-write over disabled. Throughput
# shows what the machine's noise leaves of it; the processor's time for a request is steadier.
#
#   PAIRS=10   pairs of runs for each case      SECONDS_A_RUN=3   about how long one run takes
set -euo pipefail
cd "$(dirname "$0")/../.."
kvfenced=${KVFENCED:-build/kvfenced}
pairs=${PAIRS:-10}
run_seconds=${SECONDS_A_RUN:-3}
work=$(mktemp -d "${TMPDIR:-/tmp}/kvfence-bench-XXXXXX")
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$kvfenced" -c /dev/null --port "$port" --bind 127.0.0.1 --dir "$work/data" --log-dir stdout --workers 2 >"$work/log" &
server=$!
for _ in $(seq 200); do
    [ "$(redis-cli -p "$port" ping 2>/dev/null)" = PONG ] && break
    sleep 0.05
done

# Clock ticks that the server has run for.
ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }

run() { # pipeline, requests, mode: appends "requests-a-second ticks" to the mode's file
    local before after rate
    redis-cli -p "$port" config set master-lease-mode "$3" >/dev/null
    redis-cli -p "$port" clusterx heartbeat 1 86400000 >/dev/null
    before=$(ticks)
    rate=$(redis-benchmark -h 127.0.0.1 -p "$port" -c 50 -d 64 -r 1000000 -t set -P "$1" -n "$2" --csv |
        awk -F'"' 'NR > 1 { print $4 }')
    after=$(ticks)
    echo "$rate $((after - before))" >>"$work/$3"
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { if (NR % 2) print v[(NR + 1) / 2]; else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

compare() { # title, pipeline
    local requests
    : >"$work/disabled"
    run "$2" 50000 disabled
    requests=$(awk -v seconds="$run_seconds" '{ printf "%d", $1 * seconds }' "$work/disabled")
    : >"$work/disabled"
    : >"$work/block-write"
    for pair in $(seq "$pairs"); do
        if ((pair % 2)); then
            run "$2" "$requests" disabled
            run "$2" "$requests" block-write
        else
            run "$2" "$requests" block-write
            run "$2" "$requests" disabled
        fi
    done
    paste -d' ' "$work/block-write" "$work/disabled" >"$work/both"
    printf '%-22s throughput x%.4f   processor time x%.4f\n' "$1" \
        "$(awk '{ print $1 / $3 }' "$work/both" | median)" "$(awk '{ print $2 / $4 }' "$work/both" | median)"
}

compare 'SET' 1
compare 'SET, 16 in a pipeline' 16
