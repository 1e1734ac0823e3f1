#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Loads the kernel's fence on lo, runs a server in the foreground whose master holds a lease, and unloads the fence at
# the end. `make run` calls it.
#
#   run-server.sh KVFENCED DIRECTORY PORT [--directive value ...]
#
# Without root, or where the fence cannot be loaded, it says so, and the server's own fence stands alone.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=scripts/fence-common.sh
. "$here/fence-common.sh"

server='' # process id
is_ours=no # whether it was this script that fenced lo

load_fence() {
    if ((EUID != 0)); then
        say 'The kernel does not fence: that needs root (sudo make run). The server fences by itself.'
        return
    fi
    attached_programs 2>/dev/null | grep -q '^lo ' || is_ours=yes
    "$here/load-fence.sh" --iface lo || {
        is_ours=no
        say 'The kernel does not fence, for the reason above. The server fences by itself.'
    }
}

explain() { # DIRECTORY PORT
    cat <<TEXT

kvfenced keeps its data and kvfence.conf in $1 and listens on port $2; Ctrl-C stops it. In another terminal type:

    redis-cli -p $2 clusterx heartbeat 1 10000
        This master may write for ten seconds. A controller says so again and again.
    redis-cli -p $2 set greeting hello
        OK. Type it again after ten seconds: the kernel drops it, and redis-cli waits in vain (Ctrl-C ends it). Reads pass.
    sudo ${0%/*}/fence-status.sh --port $2
        What the kernel knows of the lease, and how much it has dropped. watch-fence.sh beside it shows each drop.

TEXT
}

main() {
    local program=$1 directory=$2 port=$3 status
    shift 3
    mkdir -p "$directory" || exit 1
    [[ -e $directory/kvfence.conf ]] || cp "$here/kvfence.conf" "$directory/kvfence.conf" || exit 1
    trap '[[ $is_ours == no ]] || "$here/unload-fence.sh" --iface lo' EXIT
    # Ctrl-C reaches the server by itself; both signals only end the wait for it.
    trap '[[ -z $server ]] || kill -TERM "$server" 2>/dev/null' TERM HUP
    trap : INT
    load_fence
    explain "$directory" "$port"
    "$program" -c "$directory/kvfence.conf" --dir "$directory" --port "$port" --log-dir stdout \
        --master-lease-mode block-write "$@" &
    server=$!
    while wait "$server"; status=$?; ((status > 128)) && kill -0 "$server" 2>/dev/null; do :; done
    exit "$status"
}

(($# >= 3)) || { usage >&2 && exit 2; }
main "$@"
