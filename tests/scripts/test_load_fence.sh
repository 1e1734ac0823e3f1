#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/load-fence.sh: what it attaches where, what it refuses, and that it is all or nothing.
# shellcheck disable=SC2317 # the tests are called by their names
set -uo pipefail
# shellcheck source=tests/scripts/fence_fixture.sh
. "$(dirname "$0")/fence_fixture.sh"

test_loading_attaches_native_xdp_to_an_interface_and_tc_to_lo() {
    loaded --iface veth0 --iface lo
    expect_on veth0 "xdp driver $(xdp_id)"
    expect_on lo "tc $(tc_id)"
    expect_line '^veth0: fenced by XDP in native mode$'
    expect_line '^lo: fenced by TC$'
}

test_the_fence_as_it_is_built_can_be_loaded() {
    object=$real_object loaded --iface veth0 --iface lo
    expect_on veth0 "xdp driver $(xdp_id)"
    expect_on lo "tc $(tc_id)"
}

test_loading_marks_the_maps_with_the_contract_that_they_follow() {
    loaded --iface lo
    expect_same "$(sed -n 's/.*FENCE_ABI = \([0-9]*\).*/\1/p' "$root/bpf/fence_contract.h")" "$(lease_field 0 abi)"
}

test_loading_again_changes_nothing() {
    local before
    loaded --iface veth0 --iface lo
    before=$(snapshot)
    loaded --iface veth0 --iface lo
    expect_same "$before" "$(snapshot)"
    expect_line 'loaded already'
}

test_loading_again_adds_an_interface() {
    loaded --iface lo
    loaded --iface veth0
    expect_on veth0 "xdp driver $(xdp_id)"
    expect_on lo "tc $(tc_id)"
}

test_an_interface_without_native_xdp_is_fenced_by_tc_and_that_is_said() {
    loaded --iface plain0
    expect_on plain0 "tc $(tc_id)"
    expect_line '^plain0: no XDP in native mode .*TC is used instead'
}

test_an_interface_without_native_xdp_gets_generic_xdp_when_xdp_is_demanded() {
    loaded --iface plain0 --hook xdp
    expect_on plain0 "xdp generic $(xdp_id)"
    expect_line '^plain0: no XDP in native mode .*generic mode is used instead'
}

test_native_mode_that_is_demanded_and_impossible_fails_and_the_others_are_taken_back() {
    local before
    before=$(snapshot)
    load --iface veth0 --iface lo --iface plain0 --xdp-mode native
    expect_failure
    expect_one_line 'cannot attach to lo by XDP in native mode: Underlying driver does not support'
    expect_same "$before" "$(snapshot)"
}

test_another_hook_takes_the_place_of_the_first() {
    loaded --iface veth0
    loaded --iface veth0 --hook tc
    expect_on veth0 "tc $(tc_id)"
    loaded --iface veth0
    expect_on veth0 "tc $(tc_id)"
    loaded --iface veth0 --xdp-mode generic
    expect_on veth0 "xdp generic $(xdp_id)"
    loaded --iface veth0 --xdp-mode native
    expect_on veth0 "xdp driver $(xdp_id)"
}

test_an_unknown_interface_among_others_is_named_and_nothing_is_attached() {
    local before
    before=$(snapshot)
    load --iface veth0 --iface nosuch0 --iface lo
    expect_failure
    expect_one_line "there is no interface 'nosuch0'"
    expect_same "$before" "$(snapshot)"
}

test_an_interface_without_ethernet_headers_is_refused_as_it_would_not_be_fenced() {
    local before
    ip tuntap add dev tunnel0 mode tun
    before=$(snapshot)
    load --iface lo --iface tunnel0
    expect_failure
    expect_one_line 'tunnel0 carries no Ethernet frames'
    expect_same "$before" "$(snapshot)"
}

test_an_interface_may_be_called_by_its_other_name() {
    local before
    before=$(snapshot)
    ip link property add dev veth0 altname other0
    loaded --iface other0
    loaded --iface other0
    expect_line '^veth0: fenced by XDP in native mode$'
    expect_on veth0 "xdp driver $(xdp_id)"
    unload --iface other0
    expect_success
    expect_same "$before" "$(snapshot)"
}

test_another_xdp_program_is_named_and_left_alone() {
    local before
    stranger veth0 xdpdrv
    before=$(snapshot)
    load --iface lo --iface veth0
    expect_failure
    expect_one_line 'another XDP program is attached to veth0 \(stranger, id [0-9]+\).*--hook tc'
    expect_same "$before" "$(snapshot)"
}

test_tc_works_beside_another_xdp_program() {
    stranger veth0 xdpgeneric
    loaded --iface veth0 --hook tc
    expect_on veth0 "xdp generic $(id_of /sys/fs/bpf/stranger)
tc $(tc_id)"
}

test_a_fence_that_is_pinned_elsewhere_is_named_and_left_alone() {
    local before
    loaded --iface veth0 --pin-dir /sys/fs/bpf/other
    before=$(snapshot)
    load --iface veth0
    expect_failure
    expect_one_line 'veth0 carries another fence, pinned as /sys/fs/bpf/other/fence_xdp'
    expect_same "$before" "$(snapshot)"
}

test_a_newer_object_takes_over_maps_and_leases_on_all_interfaces() {
    local maps old
    loaded --iface veth0 --iface lo
    write_lease 7777 12345 1 1 2 0
    maps=$(map_id_of "$pins/fence_lease")
    old=$(tc_id)
    object=$(other_object) loaded --iface veth0
    expect_same "$maps" "$(map_id_of "$pins/fence_lease")"
    expect_same 12345 "$(lease_field 7777 deadline_ns)"
    expect_on veth0 "xdp driver $(xdp_id)"
    expect_on lo "tc $(tc_id)"
    [[ $old != "$(tc_id)" ]] || fail "the old program is still there"
}

test_a_newer_object_that_cannot_be_attached_everywhere_leaves_the_old_one() {
    local before
    loaded --iface veth0 --iface lo
    before=$(snapshot)
    object=$(other_object) load --iface veth0 --iface plain0 --xdp-mode native
    expect_failure
    expect_same "$before" "$(snapshot)"
}

test_maps_of_another_contract_are_kept_while_a_server_uses_them() {
    local before
    loaded --iface lo
    write_lease 0 0 0 99 0 0
    write_lease 7777 12345 1 99 2 0
    before=$(snapshot)
    object=$(other_object x) load --iface lo
    expect_failure
    expect_one_line 'follow abi 99, .* follows 1, and the server on port 7777 uses them: .*--replace'
    expect_same "$before" "$(snapshot)"
}

test_maps_of_another_contract_are_replaced_when_that_is_demanded() {
    loaded --iface lo --iface veth0 --group daemon
    write_lease 0 0 0 99 0 0
    write_lease 7777 12345 1 99 2 0
    object=$(other_object) loaded --iface lo --replace
    expect_same 1 "$(lease_field 0 abi)"
    expect_same 0 "$(lease_field 7777 deadline_ns)"
    expect_on lo "tc $(tc_id)"
    expect_on veth0 "xdp driver $(xdp_id)"
    expect_same '660 daemon' "$(stat -c '%a %G' "$pins/fence_lease")"
    [[ ! -e $pins-old && ! -e $pins-loading ]] || fail "something is left"
}

test_maps_of_another_contract_that_nobody_uses_are_replaced() {
    loaded --iface lo
    write_lease 0 0 0 99 0 0
    object=$(other_object) loaded --iface lo
    expect_same 1 "$(lease_field 0 abi)"
}

test_a_pin_that_somebody_removed_is_brought_back() {
    loaded --iface lo
    rm "$pins/fence_tc"
    loaded --iface lo
    expect_on lo "tc $(tc_id)"
}

test_a_program_whose_pins_are_gone_is_replaced() {
    loaded --iface lo --iface veth0
    rm -rf "$pins"
    loaded --iface lo
    expect_on lo "tc $(tc_id)"
    expect_on veth0 "xdp driver $(xdp_id)"
}

test_the_group_can_use_the_maps_without_any_privilege_and_others_cannot() {
    chmod 0700 /sys/fs/bpf
    loaded --iface lo --group daemon
    expect_line '^/sys/fs/bpf: others may pass through it'
    expect_same '660 root daemon' "$(stat -c '%a %U %G' "$pins/fence_commands")"
    expect_same '600 root root' "$(stat -c '%a %U %G' "$pins/fence_events")"
    run setpriv --reuid nobody --regid daemon --clear-groups --bounding-set -all --no-new-privs \
        bpftool map update pinned "$pins/fence_lease" key 1 0 0 0 value 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
    expect_success
    expect_same 9 "$(lease_field 1 deadline_ns)"
    run setpriv --reuid nobody --regid nogroup --clear-groups \
        bpftool map update pinned "$pins/fence_lease" key 1 0 0 0 value 8 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
    expect_line 'Permission denied'
    expect_same 9 "$(lease_field 1 deadline_ns)"
}

test_a_group_that_is_not_there_is_named() {
    load --iface lo --group nosuchgroup
    expect_failure
    expect_one_line "there is no group 'nosuchgroup'"
}

test_without_root_one_line_says_so() {
    run setpriv --reuid nobody --regid nogroup --clear-groups "$scripts/load-fence.sh" --iface lo
    expect_failure
    expect_one_line 'must be run as root'
}

test_without_bpftool_one_line_says_how_to_get_it() {
    PATH=$(path_without bpftool) load --iface lo
    expect_failure
    expect_one_line "'bpftool' is not in PATH: .*apt-get install bpftool"
    PATH=$(path_without tc) load --iface lo
    expect_one_line "'tc' is not in PATH: .*apt-get install iproute2"
}

test_without_bpffs_one_is_mounted() {
    umount /sys/fs/bpf
    loaded --iface lo
    expect_same bpf_fs "$(stat -f -c %T /sys/fs/bpf)"
    expect_on lo "tc $(tc_id)"
}

test_a_bpffs_that_was_mounted_for_a_load_that_failed_is_unmounted() {
    umount /sys/fs/bpf
    load --iface lo --xdp-mode native
    expect_failure
    expect_same sysfs "$(stat -f -c %T /sys/fs/bpf)"
}

test_a_pin_directory_outside_of_a_bpffs_is_refused() {
    load --iface lo --pin-dir "$TMPDIR/pins"
    expect_failure
    expect_one_line 'is not on a bpffs'
    load --iface lo --pin-dir /sys/fs/bpf/with.dot
    expect_failure
    expect_one_line 'must not have a dot'
}

test_an_object_that_is_not_there_or_not_the_fence_is_named() {
    object=/nowhere.o load --iface lo
    expect_failure
    expect_one_line 'cannot read the compiled fence, /nowhere.o'
    object=/bin/true load --iface lo
    expect_failure
    expect_one_line '/bin/true does not say which contract it follows'
}

test_words_that_make_no_sense_are_named() {
    load
    expect_one_line 'name the interfaces'
    load --iface
    expect_one_line '--iface needs a value'
    load --iface lo --hook udp
    expect_one_line "--hook must be xdp or tc, not 'udp'"
    load --iface lo --xdp-mode fast
    expect_one_line "--xdp-mode must be native or generic, not 'fast'"
    load --iface lo --hook tc --xdp-mode native
    expect_one_line 'does not go together'
    load --iface lo --speed
    expect_one_line "unknown option '--speed'"
    expect_failure
}

test_two_loads_at_once_do_not_interleave() {
    local first
    "$scripts/load-fence.sh" --object "$tiny_object" --iface veth0 >/dev/null 2>&1 &
    first=$!
    loaded --iface lo
    wait "$first" || fail "the first one failed"
    expect_on veth0 "xdp driver $(xdp_id)"
    expect_on lo "tc $(tc_id)"
}

test_a_load_that_waits_too_long_for_another_says_so() {
    exec 8>/run/kvfence-fence.lock
    flock 8
    FENCE_LOCK_SECONDS=0 load --iface lo
    expect_failure
    expect_one_line 'another load or unload of the fence has been running'
    [[ ! -e $pins ]] || fail "something was pinned"
}

test_an_ordinary_user_can_neither_hold_the_lock_nor_lead_it_to_another_file() {
    local file
    echo precious >"$TMPDIR/precious"
    for file in /run/lock /run; do
        setpriv --reuid nobody --regid nogroup --clear-groups ln -s "$TMPDIR/precious" "$file/kvfence-fence.lock" 2>/dev/null
    done
    FENCE_LOCK_SECONDS=0 loaded --iface lo
    expect_same precious "$(<"$TMPDIR/precious")"
    for file in /run/lock /run; do
        run setpriv --reuid nobody --regid nogroup --clear-groups flock --nonblock "$file/kvfence-fence.lock" true
        expect_failure
    done
}

run_tests "$@"
