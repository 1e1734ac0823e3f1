#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/watch-fence.sh: the events of the fence as it is built, in words and as JSON.
# shellcheck disable=SC2317 # the tests are called by their names
set -uo pipefail
# shellcheck source=tests/scripts/fence_fixture.sh
. "$(dirname "$0")/fence_fixture.sh"

readonly set_command=$'*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n'

watch() { run timeout 60 "$scripts/watch-fence.sh"; }

# Starts watching; its process id is `watcher`, and its lines go to $TMPDIR/seen. It is ready when bpftool is at work.
start_watching() {
    "$scripts/watch-fence.sh" "$@" >"$TMPDIR/seen" 2>&1 &
    watcher=$!
    wait_for bpftool_reads
}
bpftool_reads() { grep -qz event_pipe "/proc/$(pgrep -P "$watcher" -x bpftool)/cmdline" && has_perf_event; }
has_perf_event() { find "/proc/$(pgrep -P "$watcher" -x bpftool)/fd" -lname '*perf_event*' | grep -q .; }

# Sends the packet in $TMPDIR/packet through the program of the hook.
send() { bpftool prog run pinned "$pins/fence_$1" data_in "$TMPDIR/packet" >/dev/null 2>&1 || fail "cannot run fence_$1"; }

seen() { grep -E -- "$1" "$TMPDIR/seen"; }

# A fence on lo whose port 6666 has been late for five seconds.
fenced() { # MODE POLICY
    object=$real_object loaded --iface lo
    know_command SET 2
    write_lease 6666 "$(awk '{ printf "%.0f", ($1 - 5) * 1e9 }' /proc/uptime)" $$ 1 "$1" "$2"
}

stop_watching() {
    kill "$watcher"
    wait "$watcher" || fail "the watcher ended with status $?"
}

test_a_dropped_write_is_a_line_with_client_command_and_lateness() {
    fenced 2 0
    start_watching
    make_packet 4 6666 "$set_command"
    send tc
    wait_for seen ' 10\.1\.2\.3:50000 to port 6666  SET: dropped, [5-9][0-9]?\.[0-9]{3} s after the deadline \(tc on '
    output=$(<"$TMPDIR/seen")
    expect_one_line "^$(date +%Y-%m)-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}  10"
    stop_watching
}

test_a_write_over_ipv6_in_log_only_mode_would_have_been_dropped() {
    fenced 1 0
    start_watching
    make_packet 6 6666 "$set_command"
    send xdp
    wait_for seen ' \[2001:db8::7\]:50000 to port 6666  SET: would drop, .*\(xdp on '
    stop_watching
}

test_json_has_an_object_a_line_with_every_field() {
    fenced 2 0
    start_watching --json
    make_packet 6 6666 "$set_command"
    send xdp
    send xdp
    wait_for two_lines
    stop_watching
    output=$(python3 -c '
import json, sys
for line in open(sys.argv[1]):
    event = json.loads(line)
    print(event["client"], event["client_port"], event["port"], event["command"], event["verdict"], event["reason"],
          event["hook"], event["payload_length"], 5000000 < event["late_us"] < 60000000, event["time"][-1])
' "$TMPDIR/seen" 2>&1)
    expect_same "$(printf '%s\n' "2001:db8::7 50000 6666 SET dropped a write xdp ${#set_command} True Z"{,})" "$output"
}
two_lines() { [[ $(wc -l <"$TMPDIR/seen") == 2 ]]; }

test_what_a_client_sends_cannot_break_a_line_or_a_terminal() {
    fenced 2 1
    start_watching --json
    make_packet 4 6666 $'*1\r\n$7\r\n\e"\\a\r\nb\r\n'
    send xdp
    wait_for seen '"command":"\\u001b\\u0022\\u005cA\\u000d\\u000aB"'
    stop_watching
    start_watching
    send xdp
    wait_for seen '  \\x1b\\x22\\x5cA\\x0d\\x0aB: dropped \(unknown command\), '
    stop_watching
}

test_only_the_port_that_was_asked_for_is_shown() {
    fenced 2 0
    write_lease 7777 1 $$ 1 2 0
    start_watching --port 7777
    make_packet 4 6666 "$set_command"
    send xdp
    make_packet 4 7777 "$set_command"
    send xdp
    wait_for seen 'to port 7777'
    ! seen 'to port 6666' || fail "the other port is shown"
    stop_watching
}

test_a_port_may_begin_with_zeros_and_must_be_one() {
    local wrong
    fenced 2 0
    start_watching --port 06666
    make_packet 4 6666 "$set_command"
    send xdp
    wait_for seen 'to port 6666'
    stop_watching
    for wrong in 0 65536 http 6666x; do
        run timeout 60 "$scripts/watch-fence.sh" --port "$wrong"
        expect_failure
        expect_one_line "--port must be a number from 1 to 65535, not '$wrong'"
    done
}

test_a_second_watcher_is_refused() {
    loaded --iface lo
    start_watching
    watch
    expect_failure
    expect_one_line 'another watch-fence.sh is running'
    stop_watching
    start_watching
    stop_watching
}

# Servers lock the pin directory while they put their commands into the maps.
test_a_watcher_does_not_keep_servers_from_attaching() {
    loaded --iface lo
    start_watching
    run flock --nonblock "$pins" true
    expect_success
    loaded --iface veth0
    unload
    expect_success
    [[ ! -e $pins ]] || fail "something is left"
    ! wait "$watcher" || fail "the watcher ended with success"
}

test_a_watcher_that_is_stopped_or_killed_leaves_no_bpftool() {
    local bpftool signal
    loaded --iface lo
    for signal in HUP TERM KILL; do
        start_watching
        bpftool=$(pgrep -P "$watcher" -x bpftool)
        kill "-$signal" "$watcher"
        wait "$watcher" 2>/dev/null
        wait_for test ! -d "/proc/$bpftool"
    done
}

test_a_watcher_ends_when_its_fence_is_gone() {
    loaded --iface lo
    start_watching
    unload
    wait "$watcher" && fail "the watcher ended with success"
    output=$(<"$TMPDIR/seen")
    expect_one_line 'the fence was unloaded or replaced'
}

test_without_a_fence_one_line_says_so() {
    watch
    expect_failure
    expect_one_line 'no fence is loaded: nothing is pinned in /sys/fs/bpf/kvfence'
    umount /sys/fs/bpf
    watch
    expect_one_line 'no fence is loaded'
}

test_a_fence_of_another_contract_is_not_misread() {
    loaded --iface lo
    write_lease 0 0 0 2 0 0
    watch
    expect_failure
    expect_one_line 'the loaded fence follows abi 2, this script reads events of abi 1'
}

test_without_root_or_bpftool_one_line_says_so() {
    run setpriv --reuid nobody --regid nogroup --clear-groups "$scripts/watch-fence.sh"
    expect_failure
    expect_one_line 'must be run as root'
    PATH=$(path_without bpftool) watch
    expect_failure
    expect_one_line "'bpftool' is not in PATH"
}

run_tests "$@"
