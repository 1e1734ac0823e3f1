#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows the kernel's fence: where it is attached, each port's lease as the kernel sees it, and its counters.
#
#   fence-status.sh [--port N] [--pin-dir DIR]
#
#   --port N              only this server's port; without it every port that has a lease or has been counted
#   --pin-dir DIR         where the fence is pinned (default /sys/fs/bpf/kvfence)
#
# Exit status: 0 if the fence is loaded and attached somewhere, 3 if it is not, 1 if that could not be found out.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=scripts/fence-common.sh
. "$here/fence-common.sh"

port=

parse_options() {
    while (($# > 0)); do
        [[ $1 != -h && $1 != --help ]] || { usage && exit 0; }
        [[ $1 == @(--port|--pin-dir) ]] || unknown_option "$1"
        need_value "$1" $#
        case $1 in
            --port) set_port "$2" ;;
            --pin-dir) set_pin_dir "$2" ;;
        esac
        shift 2
    done
}

# Which programs are on which interfaces; also those that do no good, because they are not the pinned ones.
show_attached() {
    local interface hook mode id owner count=0
    while read -r interface hook mode id; do
        owner=$(owner_of "$id")
        case $owner in
            ours)
                say "attached: $interface, $hook ${mode/ingress/at ingress}"
                count=$((count + 1))
                ;;
            orphan) say "attached: $interface, $hook $mode, but it is not pinned and no server can reach it: load again" ;;
            *) say "attached: $interface, $hook $mode, another fence, pinned as $owner" ;;
        esac
    done < <(attached_programs)
    ((count > 0)) || say "attached: to no interface of this network namespace, so it drops nothing here"
    ((count > 0))
}

# 1500000000 nanoseconds are "1.500 s".
seconds() { printf '%d.%03d s' $(($1 / 1000000000)) $(($1 / 1000000 % 1000)); }

show_lease() { # DEADLINE_NS OWNER ABI MODE POLICY, and our ABI
    local modes=(disabled log-only block-write) policies=(writes strict) now
    now=$(boot_now_ns)
    if (($1 == 0)); then
        say "    lease: none, so nothing is looked at"
        (($2 > 0)) || return
    elif (($1 >= now)); then
        say "    lease: held for another $(seconds $(($1 - now)))"
    else
        say "    lease: expired $(seconds $((now - $1))) ago"
    fi
    say "    mode: ${modes[$4]:-$4}, policy: ${policies[$5]:-$5}, server process: $2$([[ -d /proc/$2 ]] || echo ' (not running)')"
    [[ $3 == "$6" || $1 == 0 ]] || say "    the entry follows abi $3 and the programs $6, so they ignore it"
}

# A port's counters, added up over the processors: "name value" a line. Windows of the rate limit are no counters.
counters() {
    local key
    read -r -a key <<<"$(key_bytes "$1")"
    bpftool map lookup pinned "$pin_dir/fence_stats" key "${key[@]}" 2>/dev/null | awk '
        { gsub(/[",:]/, "") }
        NF == 2 && $2 ~ /^[0-9]+$/ && $1 !~ /^(key|cpu)$|window|_since/ {
            if (!($1 in sum)) names[count++] = $1
            sum[$1] += $2
        }
        END { for (i = 0; i < count; i++) printf "%s %.0f\n", names[i], sum[names[i]] }'
}

show_port() { # PORT DEADLINE_NS OWNER ABI MODE POLICY
    local name value line='' abi
    abi=$(pinned_abi "$pin_dir/fence_lease")
    say "port $1"
    show_lease "${@:2}" "$abi"
    while read -r name value; do
        line+="${line:+, }$name $value"
    done < <(counters "$1")
    say "    packets: ${line:-none has come after the deadline}"
}

# The entry of one port, like a line of leases(), whatever is in it.
entry_of() {
    local key text name value line=$1
    read -r -a key <<<"$(key_bytes "$1")"
    text=$(bpftool map lookup pinned "$pin_dir/fence_lease" key "${key[@]}" 2>/dev/null)
    for name in deadline_ns owner abi mode policy; do
        value=$(field "$name" <<<"$text")
        line+=" ${value:-0}"
    done
    echo "$line"
}

counted_ports() {
    bpftool map dump pinned "$pin_dir/fence_stats" 2>/dev/null | sed -n 's/.*"key": \([0-9]*\),.*/\1/p'
}

show_ports() {
    local known entry counted
    known=$(leases)
    counted=$(comm -13 <(cut -d ' ' -f 1 <<<"$known" | sort -u) <(counted_ports | sort -u))
    for entry in $counted; do
        known+=$'\n'$(entry_of "$entry")
    done
    known=$(sort -n <<<"$known" | sed '/^$/d')
    [[ -n $known ]] || say "no server has a lease here"
    while read -r -a entry; do
        ((${#entry[@]} == 0)) || show_port "${entry[@]}"
    done <<<"$known"
}

main() {
    local status=0 program
    parse_options "$@"
    need_root
    need_tools bpftool stat
    if [[ ! -e $pin_dir/fence_lease ]]; then
        say "no fence is loaded: nothing is pinned in $pin_dir$([[ -n $(bpffs_of "$pin_dir") ]] || echo ', and no bpffs is mounted there')"
        [[ -z $(attached_programs) ]] || show_attached
        exit 3
    fi
    say "the fence is loaded, pinned in $pin_dir, abi $(pinned_abi "$pin_dir/fence_lease")"
    for program in "${fence_maps[@]}" "${fence_programs[@]}"; do
        [[ -e $pin_dir/$program ]] || say "$program is missing there: load again"
    done
    show_attached || status=3
    if [[ -n $port ]]; then
        read -r -a program <<<"$(entry_of "$port")"
        show_port "${program[@]}"
    else
        show_ports
    fi
    exit "$status"
}

main "$@"
