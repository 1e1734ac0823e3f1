#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Throughput against Debian's redis-server with appendonly yes, on this machine, in one run: redis-benchmark with 50
# clients, 64-byte values and a million keys. With rocksdb.write_options.sync the opponent is appendfsync always. For
# PAIRS and SECONDS_A_RUN see lib/compare.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/lib/compare.sh
. tests/bench/lib/compare.sh

fill() { # port
    timeout 300 redis-benchmark -h 127.0.0.1 -p "$1" -c 50 -d 64 -r 1000000 -t set -P 16 -n 2000000 --csv >/dev/null
}

redis_port=$(free_port)
start_redis "$redis_port" everysec
kvfence_port=$(free_port)
start_kvfence "$kvfence_port" no
fill "$redis_port"
fill "$kvfence_port"
compare_heading
compare "SET -P 1" "$kvfence_port" "$redis_port" 0.9 1 -t set
compare "GET -P 1" "$kvfence_port" "$redis_port" 0.9 1 -t get
compare "SET -P 16" "$kvfence_port" "$redis_port" 0.6 16 -t set
compare "GET -P 16" "$kvfence_port" "$redis_port" 0.6 16 -t get

synced_redis=$(free_port)
start_redis "$synced_redis" always
synced_kvfence=$(free_port)
start_kvfence "$synced_kvfence" yes
compare "SET -P 1, every write synced" "$synced_kvfence" "$synced_redis" 2 1 -t set
