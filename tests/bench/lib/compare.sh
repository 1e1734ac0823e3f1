# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# For scripts that measure this server against Debian's redis-server: starts servers and compares how many requests a
# second redis-benchmark gets from them, in turn, pair by pair, so that a machine that gets slower or faster meanwhile
# changes both; what counts is the ratio. To be sourced; stops and removes everything when the script ends.
#
#   PAIRS=5   pairs of runs for each case      SECONDS_A_RUN=4   about how long one run takes
#   WORKERS=2
kvfenced=${KVFENCED:-build/kvfenced}
pairs=${PAIRS:-5}
run_seconds=${SECONDS_A_RUN:-4}
workers=${WORKERS:-2}
work=$(mktemp -d "${TMPDIR:-/tmp}/kvfence-bench-XXXXXX")
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

wait_for() { # port
    for _ in $(seq 200); do
        [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ] && return 0
        sleep 0.05
    done
    echo "the server on port $1 does not answer" >&2
    exit 1
}

start_redis() { # port, appendfsync
    mkdir -p "$work/redis-$1"
    redis-server --port "$1" --bind 127.0.0.1 --dir "$work/redis-$1" --save "" --appendonly yes --appendfsync "$2" \
        >"$work/redis-$1.log" &
    pids+=($!)
    wait_for "$1"
}

start_kvfence() { # port, sync
    mkdir -p "$work/kvfence-$1"
    "$kvfenced" -c /dev/null --port "$1" --bind 127.0.0.1 --dir "$work/kvfence-$1" --log-dir stdout \
        --workers "$workers" --rocksdb.write_options.sync "$2" >"$work/kvfence-$1.log" &
    pids+=($!)
    wait_for "$1"
}

# Requests a second of one run.
rate() { # port, pipeline, requests, what redis-benchmark shall send
    timeout 300 redis-benchmark -h 127.0.0.1 -p "$1" -c 50 -d 64 -r 1000000 -P "$2" -n "$3" --csv "${@:4}" 2>"$work/stderr" |
        awk -F'"' 'NR > 1 { print $4 }'
    if [ -s "$work/stderr" ]; then
        cat "$work/stderr" >&2
        exit 1
    fi
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { if (NR % 2) print v[(NR + 1) / 2]; else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

compare() { # title, kvfence port, redis port, wanted ratio, pipeline, what redis-benchmark shall send
    local probe requests
    probe=$(rate "$3" "$5" 20000 "${@:6}")
    requests=$(awk -v rate="$probe" -v seconds="$run_seconds" 'BEGIN { printf "%d", rate * seconds }')
    : >"$work/ours"
    : >"$work/theirs"
    : >"$work/ratios"
    for _ in $(seq "$pairs"); do
        local ours theirs
        ours=$(rate "$2" "$5" "$requests" "${@:6}")
        theirs=$(rate "$3" "$5" "$requests" "${@:6}")
        echo "$ours" >>"$work/ours"
        echo "$theirs" >>"$work/theirs"
        awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.3f\n", a / b }' >>"$work/ratios"
    done
    printf '%-28s %12.0f %12.0f %8.2f   %s..%s   wanted %s\n' "$1" "$(median <"$work/ours")" "$(median <"$work/theirs")" \
        "$(median <"$work/ratios")" "$(sort -n "$work/ratios" | head -1)" "$(sort -n "$work/ratios" | tail -1)" "$4"
}

compare_heading() {
    printf '%-28s %12s %12s %8s   %s\n' "requests a second, medians" kvfence redis ratio "(lowest..highest of $pairs pairs)"
}
