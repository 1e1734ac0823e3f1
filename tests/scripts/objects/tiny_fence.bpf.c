// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// Stands in for the fence where the scripts are tested: its maps and programs by name, and programs that let
// everything pass. The verifier takes seconds for the real ones, and these tests load some hundred times.
#include <linux/bpf.h>

#include "bpf/fence_contract.h"

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, FENCE_PORTS);
    __type(key, __u32);
    __type(value, struct fence_lease);
} fence_lease SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, FENCE_COMMANDS_MAX);
    __type(key, struct fence_command_name);
    __type(value, struct fence_command);
} fence_commands SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, FENCE_STATS_PORTS);
    __type(key, __u32);
    __type(value, struct fence_stats);
} fence_stats SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} fence_events SEC(".maps");

// What `bpftool btf dump` is to show must be used by something.
enum fence_abi *fence_abi_in_use;

static __u32 touch_maps(void) {
    __u32 port = 0;
    struct fence_command_name name = {};
    struct fence_lease *lease = bpf_map_lookup_elem(&fence_lease, &port);
    struct fence_stats *stats = bpf_map_lookup_elem(&fence_stats, &port);
    struct fence_command *command = bpf_map_lookup_elem(&fence_commands, &name);
    return lease && stats && command;
}

SEC("xdp.frags") int fence_xdp(struct xdp_md *context) {
    if (touch_maps())
        bpf_perf_event_output(context, &fence_events, BPF_F_CURRENT_CPU, &fence_abi_in_use,
                              sizeof(fence_abi_in_use));
    return XDP_PASS;
}

SEC("tc") int fence_tc(struct __sk_buff *context) {
    if (touch_maps())
        bpf_perf_event_output(context, &fence_events, BPF_F_CURRENT_CPU, &fence_abi_in_use,
                              sizeof(fence_abi_in_use));
    return -1; // TC_ACT_UNSPEC
}

char _license[] SEC("license") = "Dual BSD/GPL";
