#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/fence-status.sh: what it says of a fence and of the leases in it.
# shellcheck disable=SC2317 # the tests are called by their names
set -uo pipefail
# shellcheck source=tests/scripts/fence_fixture.sh
. "$(dirname "$0")/fence_fixture.sh"

status() { run "$scripts/fence-status.sh" "$@"; }
expect_status() { expect_same "$1" "$status"; }

now_ns() { awk '{ printf "%.0f", $1 * 1e9 }' /proc/uptime; }

test_no_fence_is_one_line_and_exit_status_3() {
    status
    expect_status 3
    expect_one_line '^no fence is loaded: nothing is pinned in /sys/fs/bpf/kvfence$'
    umount /sys/fs/bpf
    status
    expect_status 3
    expect_one_line 'no bpffs is mounted there'
}

test_what_is_attached_where_is_said_the_same_each_time() {
    local first
    loaded --iface veth0 --iface lo
    status
    expect_success
    expect_line '^attached: veth0, xdp native$'
    expect_line '^attached: lo, tc at ingress$'
    expect_line '^no server has a lease here$'
    first=$output
    status
    expect_same "$first" "$output"
}

test_a_fence_without_an_interface_is_exit_status_3() {
    loaded --iface veth0
    ip link del veth0
    status
    expect_status 3
    expect_line '^attached: to no interface'
}

test_a_program_that_no_server_can_reach_is_pointed_out() {
    loaded --iface veth0
    rm -rf "$pins"
    status
    expect_status 3
    expect_line '^attached: veth0, xdp native, but it is not pinned'
}

test_a_lease_is_told_with_the_time_that_is_left() {
    loaded --iface lo
    write_lease 6666 $(($(now_ns) + 100000000000)) $$ 1 2 1
    status --port 6666
    expect_success
    expect_line '^port 6666$'
    expect_line 'lease: held for another (99|100)\.[0-9]{3} s$'
    expect_line "mode: block-write, policy: strict, server process: $$\$"
}

test_an_expired_lease_is_told_with_the_time_since_and_whether_its_server_lives() {
    loaded --iface lo
    write_lease 6666 $(($(now_ns) - 5000000000)) 4194300 1 1 0
    status
    expect_line 'lease: expired [5-9]\.[0-9]{3} s ago$'
    expect_line 'mode: log-only, policy: writes, server process: 4194300 \(not running\)$'
}

test_an_entry_of_another_contract_is_pointed_out() {
    loaded --iface lo
    write_lease 6666 1 $$ 2 2 0
    status --port 06666
    expect_line 'the entry follows abi 2 and the programs 1, so they ignore it'
}

test_a_port_without_a_lease_is_said_to_have_none() {
    loaded --iface lo
    status --port 7
    expect_success
    expect_line 'lease: none'
    expect_line 'packets: none has come'
}

test_counters_are_added_up_over_processors() {
    local cpu processors=0
    object=$real_object loaded --iface lo
    write_lease 6666 1 $$ 1 2 0
    know_command SET 2
    make_packet 4 6666 $'*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n'
    for cpu in 0 1; do
        taskset --cpu-list "$cpu" true 2>/dev/null || continue
        expect_same 1 "$(taskset --cpu-list "$cpu" bpftool prog run pinned "$pins/fence_xdp" data_in "$TMPDIR/packet" |
            sed -n 's/^Return value: \([0-9]*\),.*/\1/p')"
        processors=$((processors + 1))
    done
    status
    expect_line "packets: inspected $processors, unparsed 0, dropped $processors, would_drop 0,"
}

test_words_that_make_no_sense_are_named() {
    status --port 70000
    expect_one_line "--port must be a number from 1 to 65535, not '70000'"
    status --port x
    expect_one_line "not 'x'"
    status --verbose 1
    expect_one_line "unknown option '--verbose'"
    expect_status 1
}

test_without_root_or_bpftool_one_line_says_so() {
    run setpriv --reuid nobody --regid nogroup --clear-groups "$scripts/fence-status.sh"
    expect_status 1
    expect_one_line 'must be run as root'
    PATH=$(path_without bpftool) status
    expect_status 1
    expect_one_line "'bpftool' is not in PATH"
}

run_tests "$@"
