#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The fence as it is built on real links: at each hook and in each mode a write is dropped and reads come through, in
# small packets, in jumbo frames, in segments that were merged, and behind tags of virtual networks.
# shellcheck disable=SC2317 # the tests are called by their names
set -uo pipefail
# shellcheck source=tests/scripts/fence_fixture.sh
. "$(dirname "$0")/fence_fixture.sh"

readonly port=6666 here=10.78.0.1 there=10.78.0.2
readonly set_command=$'*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n'

at_client() { nsenter --net="/proc/$client/ns/net" "$@"; }
is_elsewhere() { [[ ! /proc/$client/ns/net -ef /proc/self/ns/net ]]; }

# veth0 leads to a client in a network of its own; its process id is `client`.
make_link() { # MTU
    unshare --net sleep infinity &
    client=$!
    wait_for is_elsewhere
    ip link set veth1 netns "$client"
    ip link set veth0 mtu "$1"
    at_client ip link set veth1 mtu "$1" up
}

give_addresses() { # INTERFACE-HERE INTERFACE-THERE
    ip address add "$here/24" dev "$1"
    at_client ip address add "$there/24" dev "$2"
}

# Sends the packet in $TMPDIR/packet, with the tags in front of its type, as it is.
client_sends_tagged() { # TAG-BYTES
    # shellcheck disable=SC2016
    at_client python3 -c '
import socket, sys
packet = open(sys.argv[1], "rb").read()
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("veth1", 0))
link.send(packet[:12] + bytes.fromhex(sys.argv[2]) + packet[12:])
' "$TMPDIR/packet" "$1"
}

# Takes connections to the port and writes down how many bytes came of each.
start_server() {
    : >"$TMPDIR/received"
    python3 -c '
import socket, sys, threading
listener = socket.create_server(("", int(sys.argv[1])), backlog=16)
def serve(connection):
    with open(sys.argv[2], "ab", 0) as received:
        while data := connection.recv(1 << 20):
            received.write(data)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
' "$port" "$TMPDIR/received" &
    # shellcheck disable=SC2064 # now
    trap "kill $!" EXIT
    wait_for is_listening
}
is_listening() { ss -Hltn "sport = :$port" | grep -q .; }

# Sends that many reads in one go, and behind them what else is named; keeps the connection open.
client_sends() { # ADDRESS READS [TEXT]
    # shellcheck disable=SC2016 # a dollar of the protocol's
    python3 -c '
import socket, sys, time
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
connection.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" * int(sys.argv[3]) + sys.argv[4].encode())
time.sleep(60)
' "$1" "$port" "$2" "${3:-}" &
}

dropped() {
    # shellcheck disable=SC2046
    bpftool map lookup pinned "$pins/fence_stats" key $(le "$port" 4) 2>/dev/null |
        awk -F '[:,]' '/"dropped"/ { sum += $2 } END { print sum + 0 }'
}
has_dropped() { (($(dropped) > 0)); }
has_received() { [[ $(stat -c %s "$TMPDIR/received") == "$1" ]]; }

# Loads the fence with an expired lease.
fenced() { # LOAD-OPTIONS...
    object=$real_object loaded "$@"
    know_command GET 1
    know_command SET 2
    write_lease "$port" 1 $$ 1 2 0
}

# Reads come through, and a write behind as many of them in one packet is dropped.
expect_drop() { # CLIENT ADDRESS READS LOAD-OPTIONS...
    fenced "${@:4}"
    start_server
    "$1" client_sends "$2" "$3"
    wait_for has_received $(($3 * 20))
    expect_same 0 "$(dropped)"
    "$1" client_sends "$2" "$3" "$set_command"
    wait_for has_dropped
}
expect_fence() {
    expect_drop "$@"
    expect_same $(($3 * 20)) "$(stat -c %s "$TMPDIR/received")"
}

expect_tagged_drop() { # TAG-BYTES LOAD-OPTIONS...
    make_link 1500
    fenced --iface veth0 "${@:2}"
    make_packet 4 "$port" $'*2\r\n$3\r\nGET\r\n$1\r\nk\r\n'
    client_sends_tagged "$1"
    make_packet 4 "$port" "$set_command"
    client_sends_tagged "$1"
    wait_for has_dropped
    expect_same 1 "$(dropped)"
}

from_client() { at_client bash -c "$(declare -f client_sends); port=$port; $(printf '%q ' "$@")"; }
from_here() { "$@"; }

test_xdp_in_native_mode_on_veth() {
    make_link 1500
    give_addresses veth0 veth1
    expect_fence from_client "$here" 60 --iface veth0 --xdp-mode native
    expect_line 'fenced by XDP in native mode'
}

test_xdp_in_native_mode_on_jumbo_frames() {
    make_link 9000
    give_addresses veth0 veth1
    expect_fence from_client "$here" 440 --iface veth0 --xdp-mode native
}

test_xdp_in_generic_mode_on_jumbo_frames() {
    make_link 9000
    give_addresses veth0 veth1
    expect_fence from_client "$here" 440 --iface veth0 --xdp-mode generic
}

test_xdp_in_generic_mode_on_lo() { expect_fence from_here 127.0.0.1 1500 --iface lo --xdp-mode generic; }

test_tc_on_lo() { expect_fence from_here 127.0.0.1 1500 --iface lo --hook tc; }

test_tc_on_merged_segments() {
    make_link 1500
    give_addresses veth0 veth1
    # What is sent again comes in single segments, of which the later ones begin within a command and pass.
    expect_drop from_client "$here" 600 --iface veth0 --hook tc
}

test_tc_on_jumbo_frames() {
    make_link 9000
    give_addresses veth0 veth1
    expect_fence from_client "$here" 440 --iface veth0 --hook tc
}

test_tc_behind_a_tag() { expect_tagged_drop 81000005 --hook tc; }
test_tc_behind_two_tags() { expect_tagged_drop 88a8000781000005 --hook tc; }
test_xdp_behind_a_tag() { expect_tagged_drop 81000005 --xdp-mode native; }
test_xdp_behind_two_tags() { expect_tagged_drop 88a8000781000005 --xdp-mode native; }
test_generic_xdp_behind_two_tags() { expect_tagged_drop 88a8000781000005 --xdp-mode generic; }

run_tests "$@"
