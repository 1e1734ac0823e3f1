#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/demo.sh and scripts/run-server.sh: the stories that they tell come true, and they clean up.
# shellcheck disable=SC2317 # the tests are called by their names
set -uo pipefail
# shellcheck source=tests/scripts/fence_fixture.sh
. "$(dirname "$0")/fence_fixture.sh"

# A stand-in for the installed tree, so that the scripts find the object of this build.
installed() {
    mkdir -p "$TMPDIR/installed"
    cp "$scripts"/*.sh "$scripts/kvfence.conf" "$TMPDIR/installed/"
    cp "$real_object" "$TMPDIR/installed/fence.bpf.o"
}

test_the_story_of_the_fence_goes_as_it_is_told_and_leaves_nothing() {
    local before
    installed
    before=$(snapshot)
    DEMO_PAUSE=0 run timeout 120 "$TMPDIR/installed/demo.sh" "$KVFENCED"
    expect_success
    expect_line 'READONLY master lease expired'
    expect_line 'SET: dropped, [0-9]+\.[0-9]{3} s after the deadline \(xdp on to_client\)'
    expect_line 'That was the story'
    expect_same "$before" "$(snapshot)"
    expect_same '' "$(find "$TMPDIR" -maxdepth 1 -name 'kvfence-demo.*')"
}

test_the_demo_needs_root_and_says_so() {
    run setpriv --reuid nobody --regid nogroup --clear-groups "$scripts/demo.sh"
    expect_failure
    expect_one_line 'must be run as root'
}

# Runs run-server.sh in the background on a port that nobody else has here; its process id is `runner`.
start_server() {
    "$TMPDIR/installed/run-server.sh" "$KVFENCED" "$TMPDIR/run" 6666 --workers 1 >"$TMPDIR/said" 2>&1 &
    runner=$!
    wait_for redis-cli -p 6666 --raw -e ping
}

test_running_a_server_fences_lo_and_tells_what_to_type() {
    local before
    installed
    before=$(snapshot)
    start_server
    output=$(<"$TMPDIR/said")
    expect_on lo "tc $(tc_id)"
    expect_line 'redis-cli -p 6666 clusterx heartbeat 1 10000'
    expect_line 'redis-cli -p 6666 set greeting hello'
    expect_line 'fence-status.sh --port 6666'
    run redis-cli -p 6666 clusterx heartbeat 1 300
    wait_for lease_has_expired
    run timeout 1 redis-cli -p 6666 set greeting hello
    expect_same 124 "$status"
    run redis-cli -p 6666 get greeting
    expect_same '' "$output"
    kill "$runner"
    wait "$runner" || fail "it ended with status $?"
    expect_same "$before" "$(snapshot)"
}
lease_has_expired() { redis-cli -p 6666 info lease | grep -q state:expired; }

test_a_server_that_runs_where_lo_is_fenced_leaves_the_fence() {
    installed
    object=$real_object loaded --iface lo
    start_server
    kill "$runner"
    wait "$runner" || fail "it ended with status $?"
    expect_on lo "tc $(tc_id)"
}

run_tests "$@"
