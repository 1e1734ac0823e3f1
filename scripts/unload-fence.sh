#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Detaches the kernel's fence from network interfaces, and removes its pins when no interface is left that has it.
#
#   unload-fence.sh [--iface IF ...] [--pin-dir DIR]
#
#   --iface IF            only from this interface; without it from all of them
#   --pin-dir DIR         where the fence is pinned (default /sys/fs/bpf/kvfence)
#
# What is not there is not an error. It sees the interfaces of the network namespace it runs in; another fence, pinned
# elsewhere, is left alone. Servers go on with their own fence.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=scripts/fence-common.sh
. "$here/fence-common.sh"

interfaces=()
left=0 # programs that stay attached

parse_options() {
    while (($# > 0)); do
        [[ $1 != -h && $1 != --help ]] || { usage && exit 0; }
        [[ $1 == @(--iface|--pin-dir) ]] || unknown_option "$1"
        need_value "$1" $#
        case $1 in
            --iface) interfaces+=("$2") ;;
            --pin-dir) set_pin_dir "$2" ;;
        esac
        shift 2
    done
}

chosen() { ((${#interfaces[@]} == 0)) || [[ " ${interfaces[*]} " == *" $1 "* ]]; }

# Takes the queueing disciplines away that the load script has added, unless somebody else has come to use them. Also
# those of a run that was killed.
remove_qdiscs() {
    local interface directory mark
    compgen -G "$pin_dir*/qdisc_*" >/dev/null || return 0
    while read -r interface; do
        chosen "$interface" || continue
        mark=$(qdisc_mark "$interface")
        for directory in "$pin_dir" "$pin_dir-loading" "$pin_dir-old"; do
            [[ -e $directory/$mark ]] || continue
            remove_empty_qdisc "$interface"
            rmdir "$directory/$mark"
        done
    done < <(ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/')
}

# Detaches one program, as attached_programs describes it.
detach() { # INTERFACE HOOK MODE ID
    local owner said
    owner=$(owner_of "$4")
    if [[ $owner == /* ]]; then
        chosen "$1" && say "$1: left alone, this fence is pinned as $owner"
    elif ! chosen "$1"; then
        left=$((left + 1))
    elif said=$(detach_program "$@"); then
        say "$1: detached ($2 $3)"
    else
        left=$((left + 1)) failed=yes
        warn "cannot detach from $1: ${said##*$'\n'}"
    fi
}

main() {
    local interface program failed=no i
    parse_options "$@"
    trap 'die "interrupted: run it again to finish"' INT TERM HUP
    need_root
    need_tools bpftool ip tc flock stat
    take_lock
    for i in "${!interfaces[@]}"; do
        interface=${interfaces[i]}
        if interface_exists "$interface"; then
            interfaces[i]=$(real_name "$interface")
        else
            say "$interface: there is no such interface, so nothing is attached to it"
        fi
    done
    while read -r -a program; do
        detach "${program[@]}"
    done < <(attached_programs)
    remove_qdiscs
    rm -rf "$pin_dir-loading" "$pin_dir-old"
    if ((left > 0)); then
        say "the fence stays pinned in $pin_dir: other interfaces have it"
    elif [[ -e $pin_dir ]]; then
        rm -rf "$pin_dir" || die "cannot remove $pin_dir"
        say "the fence is unloaded, and unpinned from $pin_dir"
    else
        say "no fence is loaded"
    fi
    [[ $failed == no ]]
}

main "$@"
