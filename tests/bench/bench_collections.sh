#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Throughput on hashes, lists, sets and sorted sets against Debian's redis-server with appendonly yes, as bench_server.sh
# measures that on strings: a hash, a set and a sorted set of up to a million elements, and ranges of 100 of a list and
# a sorted set of 1000.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/bench/lib/compare.sh
. tests/bench/lib/compare.sh

fill_ranges() { # port
    for i in $(seq 1000); do
        echo "RPUSH short-list element:$i"
        echo "ZADD short-zset $i element:$i"
    done | redis-cli -p "$1" >/dev/null
}

redis_port=$(free_port)
start_redis "$redis_port" everysec
kvfence_port=$(free_port)
start_kvfence "$kvfence_port" no
fill_ranges "$redis_port"
fill_ranges "$kvfence_port"
both=("$kvfence_port" "$redis_port")
compare_heading
for pipeline in 1 16; do
    compare "LRANGE of 100 -P $pipeline" "${both[@]}" 0.5 "$pipeline" LRANGE short-list 0 99
    compare "ZRANGE of 100 -P $pipeline" "${both[@]}" 0.5 "$pipeline" ZRANGE short-zset 0 99
done
compare "HSET -P 16" "${both[@]}" 0.3 16 HSET hash __rand_int__ value-of-a-field
compare "LPUSH -P 16" "${both[@]}" 0.3 16 LPUSH list element
compare "SADD -P 16" "${both[@]}" 0.3 16 SADD set __rand_int__
compare "ZADD -P 16" "${both[@]}" 0.3 16 ZADD zset __rand_int__ __rand_int__
