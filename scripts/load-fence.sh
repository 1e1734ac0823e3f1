#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Loads the kernel's fence, pins its maps and programs, and attaches it to network interfaces.
#
#   load-fence.sh --iface IF [--iface IF ...] [options]
#
#   --iface IF            an interface through which clients reach the server; name each of them, and lo, because
#                         clients on the same host never cross the network card
#   --hook xdp|tc         where a packet is looked at; without it XDP in native mode, and TC where the driver has
#                         none and on lo
#   --xdp-mode native|generic   only this mode of XDP; without it native, and generic where the driver refuses that
#   --group GROUP         lets this group's processes use the maps: a server that does not run as root needs it
#   --pin-dir DIR         where to pin (default /sys/fs/bpf/kvfence); the server's fence-bpf-path must name it too
#   --object FILE         the compiled fence
#   --replace             replaces maps of another contract (abi) though a server is using them; that server is
#                         without the kernel's fence until it has attached to the new maps
#
# Running it again changes nothing, adds interfaces, or brings in a newer object without a gap: leases and counters
# stay, and so does a server that is attached. If a step fails, everything is as it was before.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
# shellcheck source=scripts/fence-common.sh
. "$here/fence-common.sh"

interfaces=()
hook='' xdp_mode='' group='' object='' replace=no
stage=''    # the directory where everything is prepared
plan=''     # keep, renew or fresh: see prepare()
digest=''   # of the object
abi=''      # the contract that the object follows
attached='' # what was attached at the start, as attached_programs prints it
said=''     # what bpftool or tc printed last
undo=()     # commands that take back what was done
report=()   # what to say at the end
marks=()    # directories to make in the pin directory

parse_options() {
    while (($# > 0)); do
        case $1 in
            --replace) replace=yes && shift && continue ;;
            -h | --help) usage && exit 0 ;;
        esac
        [[ $1 == @(--iface|--hook|--xdp-mode|--group|--pin-dir|--object) ]] || unknown_option "$1"
        need_value "$1" $#
        case $1 in
            --iface) interfaces+=("$2") ;;
            --hook) hook=$2 ;;
            --xdp-mode) xdp_mode=$2 ;;
            --group) group=$2 ;;
            --pin-dir) set_pin_dir "$2" ;;
            --object) object=$2 ;;
        esac
        shift 2
    done
    ((${#interfaces[@]} > 0)) || die "name the interfaces that clients come through, as in: --iface eth0 --iface lo"
    [[ $hook =~ ^(xdp|tc|)$ ]] || die "--hook must be xdp or tc, not '$hook'"
    [[ $xdp_mode =~ ^(native|generic|)$ ]] || die "--xdp-mode must be native or generic, not '$xdp_mode'"
    [[ -z $xdp_mode || $hook != tc ]] || die "--xdp-mode does not go together with --hook tc"
    [[ -z $xdp_mode ]] || hook=xdp
}

check_system() {
    local interface i
    need_root
    need_tools bpftool ip tc flock stat sha256sum
    if [[ -z $object ]]; then
        object=$here/fence.bpf.o
        [[ -e $object ]] || object=$here/../build/bpf/fence.bpf.o
    fi
    [[ -r $object ]] || die "cannot read the compiled fence, $object: build it with 'make', or name it with --object"
    abi=$(object_abi "$object")
    [[ -n $abi ]] || die "$object does not say which contract it follows: it is not the fence, or was built without BTF"
    digest=$(sha256sum <"$object" | cut -d ' ' -f 1)
    [[ -z $group ]] || getent group "$group" >/dev/null || die "there is no group '$group': 'groupadd --system $group' makes it"
    for i in "${!interfaces[@]}"; do
        interface=${interfaces[i]}
        interface_exists "$interface" || die "there is no interface '$interface': 'ip -brief link' lists them"
        # The programs would not find the packets' headers, and let everything pass.
        [[ $(link_type "$interface") == @(ether|loopback) ]] ||
            die "$interface carries no Ethernet frames (link/$(link_type "$interface")), which are all that the fence can read"
        interfaces[i]=$(real_name "$interface")
    done
}

# --- Taking back ---

# Remembers a command that takes back what comes next.
will_undo() { undo+=("$(printf '%q ' "$@")"); }

# Runs at the end, also after a signal: takes back, last step first, what was done, unless all of it was.
take_back() {
    local status=$? step
    trap '' INT TERM HUP
    for ((step = ${#undo[@]} - 1; step >= 0; step--)); do
        eval "${undo[step]}" >/dev/null 2>&1
    done
    exit "$status"
}

# --- Preparing, beside what is in use ---

mount_bpffs() {
    local base=/sys/fs/bpf
    [[ -z $(bpffs_of "$pin_dir") ]] || return 0
    [[ $pin_dir == "$base"/* ]] || die "$pin_dir is not on a bpffs: 'mount -t bpf bpf DIRECTORY' makes one"
    mount -t bpf -o nosuid,nodev,noexec,mode=0711 bpf "$base" 2>/dev/null ||
        die "cannot mount a bpffs on $base: /sys must be mounted, and the kernel needs CONFIG_BPF_SYSCALL"
    will_undo umount "$base"
}

keep_marks() { # DIRECTORY
    local mark
    for mark in "$1"/qdisc_*; do
        [[ ! -e $mark ]] || marks+=("${mark##*/}")
    done
}

# What a run left behind that was killed. Servers look only into the pin directory.
clear_leftovers() {
    keep_marks "$stage"
    keep_marks "$pin_dir-old"
    rm -rf "$stage" "$pin_dir-old"
}

# Turns what bpftool printed when it could not load the object into a reason.
explain_refusal() {
    local release
    release=$(uname -r)
    printf '%s\n' 6.1 "${release%%-*}" | sort -CV ||
        die "this kernel, $release, is too old: the fence needs Linux 6.1 or later"
    die "the kernel refused $object: $(grep -v '^libbpf: Error in bpf_create_map' <<<"$1" | tail -n 1)"
}

# Loads the object into the staging directory; further arguments are bpftool's, to use maps that are there already.
stage_object() {
    local output name pin
    output=$(bpftool prog loadall "$object" "$stage" "$@" pinmaps "$stage" 2>&1) || explain_refusal "$output"
    for name in "${fence_programs[@]}"; do
        [[ -e $stage/$name ]] || die "$object has no program $name: it is not the fence"
    done
    for pin in "$stage"/*; do
        name=${pin##*/}
        # Constants of the programs are maps too; nobody needs to find them.
        [[ " ${fence_maps[*]} ${fence_programs[*]} " == *" $name "* ]] || rm -f "$pin"
    done
}

# New maps are marked with the contract they follow: the server reads it there before it attaches.
stage_new_maps() {
    local name bytes
    stage_object
    for name in "${fence_maps[@]}"; do
        [[ -e $stage/$name ]] || die "$object has no map $name: it is not the fence"
    done
    read -r -a bytes <<<"$(key_bytes "$abi")"
    bpftool map update pinned "$stage/fence_lease" key 0 0 0 0 \
        value 0 0 0 0 0 0 0 0 0 0 0 0 "${bytes[0]}" "${bytes[1]}" 0 0 2>/dev/null ||
        die "cannot write the number of the contract into fence_lease"
}

all_pinned() {
    local name
    for name in "${fence_maps[@]}" "${fence_programs[@]}"; do
        [[ -e $pin_dir/$name ]] || return 1
    done
}

refuse_used_maps() {
    local ports
    ports=$(leases | cut -d ' ' -f 1 | paste -sd ' ')
    [[ -z $ports ]] ||
        die "the maps in $pin_dir follow abi $(pinned_abi "$pin_dir/fence_lease"), $object follows $abi, and the server" \
            "on port ${ports// /, } uses them: stop it and run unload-fence.sh first, or add --replace"
}

# Decides what is to be done with what is pinned, and prepares it in the staging directory:
#   keep      this very object is loaded
#   renew     another object of the same contract: new programs that work on the maps that are there
#   fresh     nothing is loaded, or maps that nobody uses
prepare() {
    local name maps=()
    will_undo rm -rf "$stage"
    if [[ -e $pin_dir/object_$digest ]] && all_pinned; then
        plan=keep
        mkdir "$stage" || die "cannot make $stage"
    elif all_pinned && [[ $(pinned_abi "$pin_dir/fence_lease") == "$abi" ]]; then
        plan=renew
        for name in "${fence_maps[@]}"; do
            maps+=(map name "$name" pinned "$pin_dir/$name")
        done
        stage_object "${maps[@]}"
    else
        plan=fresh
        [[ ! -e $pin_dir/fence_lease || $replace == yes ]] || refuse_used_maps
        stage_new_maps
    fi
}

# --- Interfaces ---

# "MODE ID" of the fence's program that was at the interface's hook at the start, if there was one.
attached_on() { awk -v interface="$1" -v hook="$2" '$1 == interface && $2 == hook { print $3, $4 }' <<<"$attached"; }

# The id of whatever XDP program the interface has now.
any_xdp_on() {
    bpftool net show dev "$1" 2>/dev/null |
        sed -n 's/^[^ ]*([0-9]*) \(driver\|generic\|offload\|multi\) id \([0-9]*\).*/\2/p' | head -n 1
}

# The hook that an interface is to have: as demanded, else as it has it, else what suits it best.
wanted_hook() {
    if [[ -n $hook ]]; then
        echo "$hook"
    elif [[ -n $(attached_on "$1" xdp) ]]; then
        echo xdp
    elif [[ $1 == lo || -n $(attached_on "$1" tc) ]]; then
        echo tc
    else
        echo xdp
    fi
}

# Refuses, before anything is touched, an interface that carries what must not be replaced.
check_interface() {
    local interface=$1 at id owner
    for at in xdp tc; do
        read -r _ id <<<"$(attached_on "$interface" "$at")"
        [[ -n $id ]] || continue
        owner=$(owner_of "$id")
        [[ $owner != /* ]] ||
            die "$interface carries another fence, pinned as $owner: add --pin-dir ${owner%/*}, or unload that one first"
    done
    [[ $(wanted_hook "$interface") == xdp && -z $(attached_on "$interface" xdp) ]] || return 0
    id=$(any_xdp_on "$interface")
    [[ -z $id ]] ||
        die "another XDP program is attached to $interface ($(program_name "$id"), id $id):" \
            "detach it with 'ip link set dev $interface xdp off', or add --hook tc"
}

# Why the last command failed, from what it printed.
reason() { sed -n 's/^.*Kernel error message: //p; s/^Error: //p; s/^RTNETLINK answers: //p' <<<"$said" | head -n 1; }

attach_pin() { # INTERFACE HOOK MODE PIN
    if [[ $2 == xdp ]]; then
        bpftool net attach "$(xdp_type "$3")" pinned "$4" dev "$1" overwrite 2>&1
    else
        tc filter replace dev "$1" ingress pref "$tc_preference" handle "$tc_handle" protocol all \
            bpf direct-action object-pinned "$4" 2>&1
    fi
}

detach_pin() { # INTERFACE HOOK MODE PIN
    local id
    id=$(program_id "$4")
    [[ $2 == xdp && $(any_xdp_on "$1") != "$id" ]] || detach_program "$1" "$2" "$3" "$id"
}

# Keeps a program that is about to go, and prepares to attach it again to where it was.
keep_for_undo() { # INTERFACE HOOK MODE ID
    local pin=$stage/before_$4/fence_$2
    if [[ ! -e $pin ]]; then
        mkdir -p "${pin%/*}" || die "cannot make directories in $stage"
        bpftool prog pin id "$4" "$pin" >/dev/null 2>&1 || die "cannot keep the program that is on $1"
    fi
    will_undo attach_pin "$1" "$2" "$3" "$pin"
}

add_qdisc() {
    ! has_qdisc "$1" || return 0
    marks+=("$(qdisc_mark "$1")")
    # The mark comes first: if this run is killed now, the next one finds it and knows whose discipline that is.
    mkdir -p "$stage/${marks[-1]}" || die "cannot make a directory in $stage"
    will_undo remove_empty_qdisc "$1"
    said=$(tc qdisc add dev "$1" clsact 2>&1)
}

# Attaches the fence to the interface's hook, in place of an older one.
attach() { # INTERFACE HOOK MODE
    local old_mode old_id pin=$stage/fence_$2
    [[ $plan != keep ]] || pin=$pin_dir/fence_$2
    read -r old_mode old_id <<<"$(attached_on "$1" "$2")"
    [[ "$old_mode $old_id" != "$3 $(program_id "$pin")" ]] || return 0
    if [[ -n $old_id ]]; then
        keep_for_undo "$1" "$2" "$old_mode" "$old_id"
        # The two modes of XDP exclude each other, so the older program must go first.
        [[ $old_mode == "$3" ]] || detach_program "$1" "$2" "$old_mode" "$old_id" >/dev/null
    else
        [[ $2 == xdp ]] || add_qdisc "$1" || return
        will_undo detach_pin "$1" "$2" "$3" "$pin"
    fi
    said=$(attach_pin "$1" "$2" "$3" "$pin") || return
    # A filter that somebody added by hand, elsewhere in the list, has not been replaced.
    [[ $2 == xdp || -z $old_id ]] || detach_program "$1" tc ingress "$old_id" >/dev/null
}

# An interface has the fence once: what it had at the other hook goes when the new one stands.
leave_hook() { # INTERFACE HOOK
    local mode id
    read -r mode id <<<"$(attached_on "$1" "$2")"
    [[ -n $id ]] || return 0
    keep_for_undo "$1" "$2" "$mode" "$id"
    detach_program "$1" "$2" "$mode" "$id" >/dev/null
}

attach_tc() {
    attach "$1" tc ingress || die "cannot attach to $1 by TC: $(reason)"
    leave_hook "$1" xdp
    report+=("$1: fenced by TC")
}

attach_xdp() {
    local mode old_mode instead=TC
    read -r old_mode _ <<<"$(attached_on "$1" xdp)"
    mode=${xdp_mode:-${old_mode:-native}}
    if ! attach "$1" xdp "$mode"; then
        [[ -z $xdp_mode && $mode == native ]] || die "cannot attach to $1 by XDP in $mode mode: $(reason)"
        [[ -z $hook ]] || instead='generic mode'
        report+=("$1: no XDP in native mode ($(reason)), so $instead is used instead")
        if [[ -z $hook ]]; then
            attach_tc "$1"
            return
        fi
        mode=generic
        attach "$1" xdp generic || die "cannot attach to $1 by XDP in any mode: $(reason)"
    fi
    leave_hook "$1" tc
    report+=("$1: fenced by XDP in $mode mode")
}

# Interfaces that were not named now but carry an older program must not stay behind: their maps would be dead.
attach_others() {
    local interface at mode id
    while read -r interface at mode id; do
        [[ -n $interface && " ${interfaces[*]} " != *" $interface "* && $(owner_of "$id") != /* ]] || continue
        attach "$interface" "$at" "$mode" || die "cannot renew the fence on $interface: $(reason)"
    done <<<"$attached"
}

# --- Rights, and the last step ---

# Lets the group's processes reach the maps. They need no privilege to open a pin, but the rights of its file.
let_group_in() { # DIRECTORY
    local name base mode
    base=$(bpffs_of "$pin_dir")
    mode=$(stat -c %a "$base")
    if ((8#$mode % 2 == 0)); then
        will_undo chmod "$mode" "$base"
        chmod o+x "$base" || die "cannot let others pass through $base"
        report+=("$base: others may pass through it from now on, so that group $group reaches $pin_dir")
    fi
    { chgrp "$group" "$1" && chmod 0750 "$1"; } || die "cannot give $1 to group $group"
    for name in fence_lease fence_commands fence_stats; do
        { chgrp "$group" "$1/$name" && chmod 0660 "$1/$name"; } || die "cannot give $name to group $group"
    done
}

# Who may use the maps that are replaced may use the new ones.
let_in_as_before() {
    local name
    for name in . "${fence_maps[@]}"; do
        [[ -e $pin_dir/$name ]] || continue
        chgrp --reference="$pin_dir/$name" "$stage/$name" && chmod --reference="$pin_dir/$name" "$stage/$name"
    done
}

set_rights() {
    if [[ -n $group && $plan == fresh ]]; then
        let_group_in "$stage"
    elif [[ -n $group ]]; then
        let_group_in "$pin_dir"
    elif [[ $plan == fresh && -e $pin_dir ]]; then
        let_in_as_before
    fi
}

# A new directory appears whole: servers look for it by its name.
put_in_place() {
    keep_marks "$pin_dir"
    rm -rf "$stage"/before_*
    mkdir -p "$stage/object_$digest" "${marks[@]/#/$stage/}" || die "cannot make directories in $stage"
    [[ ! -e $pin_dir ]] || mv -T "$pin_dir" "$pin_dir-old" || die "cannot move $pin_dir away"
    mv -T "$stage" "$pin_dir" || die "cannot rename $stage to $pin_dir"
}

put_programs_in_place() {
    local name
    for name in "${fence_programs[@]}"; do
        mv "$stage/$name" "$pin_dir/$name" || die "cannot replace $pin_dir/$name"
    done
    rm -rf "$pin_dir"/object_*
}

# The last step, which no signal interrupts.
finish() {
    trap '' INT TERM HUP
    case $plan in
        fresh) put_in_place ;;
        renew) put_programs_in_place ;;
    esac
    mkdir -p "$pin_dir/object_$digest" "${marks[@]/#/$pin_dir/}" || warn "cannot make directories in $pin_dir"
    undo=()
    rm -rf "$stage" "$pin_dir-old"
}

say_what_was_done() {
    printf '%s\n' "${report[@]}"
    case $plan in
        keep) say "the fence was loaded already, pinned in $pin_dir" ;;
        renew) say "the fence has new programs; its maps in $pin_dir are those that were there" ;;
        fresh) say "the fence is loaded, pinned in $pin_dir" ;;
    esac
}

main() {
    local interface
    parse_options "$@"
    trap take_back EXIT
    trap 'die "interrupted: everything is as it was before"' INT TERM HUP
    check_system
    stage=$pin_dir-loading
    take_lock
    mount_bpffs
    clear_leftovers
    attached=$(attached_programs)
    for interface in "${interfaces[@]}"; do
        check_interface "$interface"
    done
    prepare
    for interface in "${interfaces[@]}"; do
        "attach_$(wanted_hook "$interface")" "$interface"
    done
    attach_others
    set_rights
    finish
    say_what_was_done
}

main "$@"
