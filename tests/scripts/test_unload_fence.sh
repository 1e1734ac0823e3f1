#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/unload-fence.sh: it takes away what load-fence.sh brought, and nothing else.
# shellcheck disable=SC2317 # the tests are called by their names
set -uo pipefail
# shellcheck source=tests/scripts/fence_fixture.sh
. "$(dirname "$0")/fence_fixture.sh"

unloaded() {
    unload "$@"
    expect_success
}

test_unloading_leaves_everything_as_it_was_before_loading() {
    local before
    before=$(snapshot)
    loaded --iface veth0 --iface lo --iface plain0
    unloaded
    expect_line '^veth0: detached \(xdp native\)$'
    expect_line '^lo: detached \(tc ingress\)$'
    expect_line 'unloaded, and unpinned'
    expect_same "$before" "$(snapshot)"
}

test_unloading_twice_is_no_error() {
    loaded --iface veth0
    unloaded
    unloaded
    expect_one_line '^no fence is loaded$'
}

test_unloading_one_interface_leaves_the_others_and_the_pins() {
    loaded --iface veth0 --iface lo
    unloaded --iface lo
    expect_on lo ''
    expect_on veth0 "xdp driver $(xdp_id)"
    expect_line 'stays pinned'
    unloaded --iface veth0
    expect_on veth0 ''
    [[ ! -e $pins ]] || fail "the pins are still there"
}

test_an_interface_that_is_not_there_is_no_error() {
    loaded --iface veth0
    unloaded --iface nosuch0 --iface veth0
    expect_line 'nosuch0: there is no such interface'
    expect_on veth0 ''
}

test_a_fence_whose_pins_are_gone_is_detached() {
    loaded --iface veth0 --iface lo
    umount -l /sys/fs/bpf
    unloaded
    expect_on lo ''
    expect_on veth0 ''
}

test_what_others_attached_stays() {
    loaded --iface plain0 --pin-dir /sys/fs/bpf/other
    stranger veth0 xdpdrv
    tc qdisc add dev lo clsact
    tc filter add dev lo ingress pref 5 bpf direct-action object-pinned "/sys/fs/bpf/other/fence_tc"
    loaded --iface veth1
    unloaded
    expect_line '^plain0: left alone, this fence is pinned as /sys/fs/bpf/other/fence_tc$'
    expect_on veth0 "xdp driver $(id_of /sys/fs/bpf/stranger)"
    expect_on lo "tc $(id_of /sys/fs/bpf/other/fence_tc)"
    expect_on veth1 ''
}

test_a_queueing_discipline_that_was_there_or_came_to_use_stays() {
    tc qdisc add dev veth0 clsact
    loaded --iface veth0 --iface lo --hook tc
    bpftool prog loadall "$tiny_object" /sys/fs/bpf/someone >/dev/null 2>&1
    tc filter add dev lo egress pref 7 bpf direct-action object-pinned /sys/fs/bpf/someone/fence_tc
    unloaded
    tc qdisc show dev veth0 | grep -q clsact || fail "the discipline of veth0 is gone"
    [[ -n $(tc filter show dev lo egress) ]] || fail "somebody's filter is gone"
}

test_without_root_one_line_says_so() {
    run setpriv --reuid nobody --regid nogroup --clear-groups "$scripts/unload-fence.sh"
    expect_failure
    expect_one_line 'must be run as root'
}

test_without_bpftool_one_line_says_how_to_get_it() {
    loaded --iface lo
    PATH=$(path_without bpftool) unload
    expect_failure
    expect_one_line "'bpftool' is not in PATH"
    expect_on lo "tc $(tc_id)"
}

test_without_bpffs_there_is_nothing_to_unload() {
    umount /sys/fs/bpf
    unloaded
    expect_one_line '^no fence is loaded$'
}

run_tests "$@"
