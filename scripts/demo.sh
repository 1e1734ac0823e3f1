#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Plays the story of the fence by itself, in less than a minute, on a network of two namespaces that ends with it.
#
#   demo.sh [KVFENCED]
#
#   KVFENCED              the server's program (default: kvfenced beside this script, or in build/ or sbin/ above it)
#
# Needs root. Nothing of this machine is touched: the server, its data, the network, the pinned maps and the programs
# are all the demo's own. DEMO_PAUSE=0 leaves the pauses for reading out. Fails if the story does not go as it is told.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=scripts/fence-common.sh
. "$here/fence-common.sh"

readonly node=10.77.0.1 client=10.77.0.2 port=6666 lease_ms=2000
program='' work='' server='' client_side='' heart='' watcher=''

find_program() {
    local candidate
    for candidate in "$@" "$here/../build/kvfenced" "$here/../../sbin/kvfenced" "$(command -v kvfenced)"; do
        [[ -x $candidate ]] && readlink -f "$candidate" && return
    done
    die "there is no kvfenced: build it with 'make'"
}

title() {
    printf '\n%s\n' "$1"
    sleep "${DEMO_PAUSE:-1}"
}

stop_story() { die "the story does not go as told: $1 (got: ${answer:-nothing})"; }

# Words as they would be typed, with quotes where there are blanks.
shown() {
    local word
    for word in "$@"; do
        [[ $word != *' '* ]] || word="'$word'"
        printf ' %s' "$word"
    done
}

# What somebody types at the client's side, and what comes back within a second and a half; that is in `answer`.
types() {
    printf '    client$ redis-cli -h %s%s\n' "$node" "$(shown "$@")"
    answer=$(timeout 1.5 nsenter --net="$client_side" redis-cli -h "$node" -p "$port" "$@" 2>&1)
    printf '    %s\n' "${answer:-(no answer)}"
}

types_at_node() {
    printf '    node$ redis-cli%s\n' "$(shown "$@")"
    answer=$(timeout 5 redis-cli -p "$port" "$@" 2>&1)
    printf '    %s\n' "$answer"
}

expect() { # PATTERN, and what it means
    # shellcheck disable=SC2053
    [[ $answer == $1 ]] || stop_story "expected $2"
}

# A controller: a heartbeat every half second, each good for $lease_ms.
beat() {
    while nsenter --net="$client_side" redis-cli -h "$node" -p "$port" clusterx heartbeat 1 "$lease_ms" >/dev/null; do
        sleep 0.5
    done
}
start_heart() {
    beat 2>/dev/null &
    heart=$!
}
stop_heart() {
    kill "$heart" 2>/dev/null
    wait "$heart" 2>/dev/null
}

dropped() { "$here/fence-status.sh" --port "$port" | sed -n 's/.*dropped \([0-9]*\),.*/\1/p' | grep . || echo 0; }

wait_until() { # SECONDS WHAT COMMAND...
    local limit=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < limit)) || die "waited in vain for $what"
        sleep 0.05
    done
}
answers() { [[ $(redis-cli -p "$port" ping 2>/dev/null) == PONG ]]; }
has_lease() { redis-cli -p "$port" info lease | grep -q 'state:held'; }
has_expired() { redis-cli -p "$port" info lease | grep -q 'state:expired'; }
is_stopped() { grep -q '^State:[[:space:]]*T' "/proc/$server/status"; }
has_events() { [[ -s $work/events ]]; }

build_network() {
    unshare --net sleep infinity &
    client_side=/proc/$!/ns/net
    wait_until 5 "the client's namespace" test ! "$client_side" -ef /proc/self/ns/net
    ip link set lo up
    ip link add to_client type veth peer name to_node
    ip link set to_node netns "${client_side//[^0-9]/}"
    ip address add "$node/24" dev to_client
    ip link set to_client up
    nsenter --net="$client_side" ip address add "$client/24" dev to_node
    nsenter --net="$client_side" ip link set to_node up
}

start_server() {
    "$program" --dir "$work" --log-dir "$work" --bind 0.0.0.0 --port "$port" --workers 2 \
        --master-lease-mode block-write >"$work/output" 2>&1 &
    server=$!
    wait_until 20 "the server (see $work/output)" answers
}

tell() {
    local before after
    title 'A node with a key-value server, a client on another machine, and the fence in the node'\''s kernel:'
    printf '    node$ load-fence.sh --iface to_client\n'
    "$here/load-fence.sh" --iface to_client | sed 's/^/    /'
    [[ ${PIPESTATUS[0]} == 0 ]] || die "the fence could not be loaded"
    start_server
    "$here/watch-fence.sh" >"$work/events" 2>&1 &
    watcher=$!

    title "1. A controller sends heartbeats: each lets this master write for $((lease_ms / 1000)) more seconds. Writes flow."
    start_heart
    wait_until 10 'the first heartbeat' has_lease
    types set greeting hello
    expect OK 'the write to be done'
    types get greeting
    expect hello 'the value'

    title '2. The heartbeats stop. Perhaps the controller is cut off, and gives the master'\''s place to another node.'
    stop_heart
    wait_until 10 'the end of the lease' has_expired
    printf '    The lease has run out: from now on this node must not write.\n'

    title '3. The server refuses. (At the node itself; lo is not fenced in this demo, to see what the server says.)'
    types_at_node set greeting 'two masters?'
    expect '*master lease expired*' 'a refusal'

    title '4. The kernel does not even let the write come to the server. Reads pass as before.'
    types set greeting 'two masters?'
    expect '' 'no answer'
    types get greeting
    expect hello 'the old value'

    title '5. bpftool reads the kernel'\''s events, and watch-fence.sh puts them into words:'
    wait_until 5 'an event' has_events
    head -n 3 "$work/events" | sed 's/^/    /'

    title '6. The server is stopped dead (SIGSTOP). It can refuse nothing now, but the fence still stands:'
    kill -STOP "$server"
    wait_until 5 'the server to stop' is_stopped
    before=$(dropped)
    types set greeting 'is anybody there?'
    expect '' 'no answer'
    after=$(dropped)
    printf '    dropped by the kernel: %s before, %s now\n' "$before" "$after"
    ((after > before)) || stop_story 'expected that the kernel drops more'

    title '7. The server goes on, the heartbeats return. Writes flow again.'
    kill -CONT "$server"
    wait_until 10 'the server' answers
    start_heart
    wait_until 10 'the lease' has_lease
    types set greeting 'hello again'
    expect OK 'the write to be done'

    title "That was the story. README.md tells how to fence a server of your own."
}

finish() {
    local status=$? pid
    stop_heart
    for pid in "$watcher" "$server"; do
        [[ -z $pid ]] || { kill -CONT "$pid"; kill "$pid"; wait "$pid"; } 2>/dev/null
    done
    rm -rf "$work"
    exit "$status"
}

main() {
    case ${1:-} in
        -h | --help) usage && exit 0 ;;
        inside) shift ;;
        *)
            need_root
            need_tools bpftool ip tc unshare nsenter redis-cli timeout
            # Namespaces of its own: all that is in them ends with the first process.
            exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private "$0" inside "$@"
            ;;
    esac
    program=$(find_program "$@") || exit 1
    work=$(mktemp -d "${TMPDIR:-/tmp}/kvfence-demo.XXXXXX") || exit 1
    trap finish EXIT
    trap 'exit 130' INT TERM HUP
    export FENCE_LOCK_FILE=$work/lock
    mount -t bpf bpf /sys/fs/bpf || die "cannot mount a bpffs on /sys/fs/bpf"
    build_network
    tell
}

main "$@"
