#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints a line for each packet that the kernel's fence drops, or would drop in log-only mode, until it is stopped.
#
#   watch-fence.sh [--json] [--port N] [--pin-dir DIR]
#
#   --json                one JSON object a line
#   --port N              only this server's port
#   --pin-dir DIR         where the fence is pinned (default /sys/fs/bpf/kvfence)
#
# The kernel writes at most 100 events a second for each port and processor, and counts the rest: "and N more". Events
# go to one reader: while this runs, start no second one and no `bpftool map event_pipe`.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=scripts/fence-common.sh
. "$here/fence-common.sh"

# struct fence_event of bpf/fence_contract.h, as this script reads it: where each field begins, and how big all is.
readonly known_abi=1 event_size=104
readonly at_time=0 at_deadline=8 at_source=16 at_source_port=48 at_port=50 at_version=52 at_hook=53 at_verdict=54
readonly at_reason=55 at_interface=56 at_suppressed=60 at_length=64 at_command=72 command_size=32
readonly hooks=('' xdp tc) verdicts=('' 'would drop' dropped)
readonly reasons=('' 'a write' 'may write' 'unknown command' 'not RESP' 'incomplete command' 'malformed command'
    'too many commands' 'unreadable')

form=text
port=
reader= # process id of bpftool
bytes=()
clock_distance_ms=0
declare -A interface_names=()

parse_options() {
    while (($# > 0)); do
        case $1 in
            --json) form=json && shift && continue ;;
            -h | --help) usage && exit 0 ;;
        esac
        [[ $1 == @(--port|--pin-dir) ]] || unknown_option "$1"
        need_value "$1" $#
        case $1 in
            --port) set_port "$2" ;;
            --pin-dir) set_pin_dir "$2" ;;
        esac
        shift 2
    done
}

# number OFFSET SIZE: sets REPLY to the number in these bytes, the least byte first.
number() {
    local i hex=
    for ((i = $1 + $2 - 1; i >= $1; i--)); do
        hex+=${bytes[i]}
    done
    REPLY=$((16#$hex))
}

# Sets REPLY to the IPv6 address at the offset, with the longest run of zeros left out.
ipv6_address() {
    local i group groups=() run=0 best=0 best_at=-1 text=
    for ((i = 0; i < 8; i++)); do
        group=$((16#${bytes[$1 + 2 * i]}${bytes[$1 + 2 * i + 1]}))
        printf -v 'groups[i]' '%x' "$group"
        run=$((group == 0 ? run + 1 : 0))
        ((run > best)) && best=$run best_at=$((i - run + 1))
    done
    for ((i = 0; i < 8; i++)); do
        if ((best > 1 && i == best_at)); then
            text+=:: i=$((i + best - 1))
        else
            [[ -z $text || $text == *: ]] || text+=:
            text+=${groups[i]}
        fi
    done
    REPLY=$text
}

address() {
    number $at_version 1
    if ((REPLY == 4)); then
        printf -v REPLY '%d.%d.%d.%d' "0x${bytes[$1]}" "0x${bytes[$1 + 1]}" "0x${bytes[$1 + 2]}" "0x${bytes[$1 + 3]}"
    else
        ipv6_address "$1"
    fi
}

# The command's name. A client may send any bytes there: what is no plain character is spelled out.
command_name() {
    local i hex text=
    for ((i = at_command; i < at_command + command_size; i++)); do
        hex=${bytes[i]}
        [[ $hex != 00 ]] || break
        if ((16#$hex > 32 && 16#$hex < 127 && 16#$hex != 34 && 16#$hex != 92)); then
            printf -v hex '%b' "\\x$hex"
        elif [[ $form == json ]]; then
            hex="\\u00$hex"
        else
            hex="\\x$hex"
        fi
        text+=$hex
    done
    REPLY=$text
}

interface_name() {
    local index name
    if [[ -z ${interface_names[$1]:-} ]]; then
        while IFS=': @' read -r index name _; do
            interface_names[$index]=$name
        done < <(ip -o link show)
    fi
    REPLY=${interface_names[$1]:-interface $1}
}

# Sets REPLY to the wall clock's time of the moment at which CLOCK_BOOTTIME was $1. The distance of the two clocks is
# known to a hundredth of a second; it is taken anew only when the wall clock was stepped, so that events keep order.
wall_time() {
    local up distance now format='%(%Y-%m-%d %H:%M:%S)T.%03d'
    [[ $form != json ]] || format='%(%Y-%m-%dT%H:%M:%S)T.%03dZ'
    read -r up _ </proc/uptime
    distance=$((${EPOCHREALTIME/[^0-9]/} / 1000 - 10#${up/./} * 10 + boot_shift_ms))
    ((distance - clock_distance_ms < 20 && clock_distance_ms - distance < 20)) || clock_distance_ms=$distance
    now=$((clock_distance_ms + $1 / 1000000))
    # shellcheck disable=SC2059 # one of two constants
    printf -v REPLY "$format" $((now / 1000)) $((now % 1000))
}

print_event() {
    local time late client client_port to hook verdict reason interface suppressed length name
    number $at_port 2 && to=$REPLY
    [[ -z $port ]] || ((to == port)) || return 0
    number $at_time 8 && time=$REPLY
    number $at_deadline 8 && late=$(((time - REPLY) / 1000))
    number $at_source_port 2 && client_port=$REPLY
    number $at_hook 1 && hook=${hooks[REPLY]:-$REPLY}
    number $at_verdict 1 && verdict=${verdicts[REPLY]:-$REPLY}
    number $at_reason 1 && reason=${reasons[REPLY]:-$REPLY}
    number $at_suppressed 4 && suppressed=$REPLY
    number $at_length 4 && length=$REPLY
    number $at_interface 4 && interface_name "$REPLY" && interface=$REPLY
    wall_time "$time" && time=$REPLY
    command_name && name=$REPLY
    address $at_source && client=$REPLY
    if [[ $form == json ]]; then
        printf '{"time":"%s","client":"%s","client_port":%d,"port":%d,"command":"%s","verdict":"%s","reason":"%s",' \
            "$time" "$client" "$client_port" "$to" "$name" "$verdict" "$reason"
        printf '"late_us":%d,"hook":"%s","interface":"%s","payload_length":%d,"suppressed":%d}\n' \
            "$late" "$hook" "$interface" "$length" "$suppressed"
        return
    fi
    [[ $client != *:* ]] || client="[$client]"
    printf '%s  %s:%d to port %d  %s: %s%s, %d.%03d s after the deadline (%s on %s)%s\n' \
        "$time" "$client" "$client_port" "$to" "${name:-?}" "$verdict" \
        "$([[ $reason == 'a write' ]] || echo " ($reason)")" $((late / 1000000)) $((late / 1000 % 1000)) \
        "$hook" "$interface" "$( ((suppressed == 0)) || echo ", and $suppressed more before it")"
}

# The events as bpftool prints them: a line "== @seconds CPU: n index: n =====", then lines of bytes in hexadecimal.
# Every few seconds without one it looks whether the map it reads is still the pinned one.
read_events() {
    local line status words
    while true; do
        IFS= read -r -t 5 -u "$events" line
        status=$?
        if ((status > 128)); then
            [[ $(stat -c %i "$pin_dir/fence_events" 2>/dev/null) == "$map_inode" ]] ||
                die "the fence was unloaded or replaced: start again to see the new one's events"
            continue
        fi
        ((status == 0)) || return
        if [[ $line =~ ^([0-9a-f]{2}(\ +|$))+$ ]]; then
            read -r -a words <<<"$line"
            bytes+=("${words[@]}")
            ((${#bytes[@]} < event_size)) || { ((${#bytes[@]} - ${#words[@]} >= event_size)) || print_event; }
        elif [[ $line == '== @'* ]]; then
            bytes=()
        elif [[ $line =~ ^lost\ ([0-9]+)\ events ]]; then
            print_lost "${BASH_REMATCH[1]}"
        elif [[ $line != Stopping* ]]; then
            last_words=$line
        fi
    done
}

print_lost() {
    if [[ $form == json ]]; then
        printf '{"lost":%d}\n' "$1"
    else
        say "$1 events were lost: they came faster than they could be read"
    fi
}

main() {
    local abi last_words='' boot_shift_ms map_inode events turn
    parse_options "$@"
    need_root
    need_tools bpftool ip flock stat stdbuf setpriv
    [[ -e $pin_dir/fence_events ]] || die "no fence is loaded: nothing is pinned in $pin_dir (load-fence.sh does that)"
    abi=$(pinned_abi "$pin_dir/fence_lease")
    [[ $abi == "$known_abi" ]] || die "the loaded fence follows abi ${abi:-unknown}, this script reads events of abi $known_abi"
    # Not the pin directory itself: servers lock that while they attach.
    mkdir -p "$pin_dir/watched" || die "cannot make $pin_dir/watched"
    exec {turn}<"$pin_dir/watched"
    flock --nonblock "$turn" || die "another watch-fence.sh is running, and the events go to one reader only"
    boot_shift_ms=$(boot_shift_ns)
    boot_shift_ms=$((boot_shift_ms / 1000000))
    map_inode=$(stat -c %i "$pin_dir/fence_events")
    [[ $form != json ]] || export TZ=UTC
    trap 'kill $reader 2>/dev/null; exit 0' INT TERM HUP
    exec {events}< <(exec setpriv --pdeathsig TERM stdbuf -oL bpftool map event_pipe pinned "$pin_dir/fence_events" 2>&1)
    reader=$!
    read_events
    die "bpftool stopped: ${last_words:-no reason given}"
}

main "$@"
