// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The fence itself, which counts besides what it does in packets that are not linear. For tests that must
// know that a packet was one.
#include <linux/bpf.h>

#include "tests/integration/objects/counted_fence.h"

#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, COUNTED_CALLS);
    __type(key, __u32);
    __type(value, __u64);
} fence_calls SEC(".maps");

#define COUNTED_INLINE static inline __attribute__((always_inline))
// Checked once by the kernel's verifier, like the fence's own: it must not find more ways through the fence.
#define COUNTED_ON_ITS_OWN __attribute__((noinline))

COUNTED_INLINE void count_call(__u32 call) {
    __u64 *count = bpf_map_lookup_elem(&fence_calls, &call);
    if (count != NULL)
        __sync_fetch_and_add(count, 1);
}

COUNTED_ON_ITS_OWN int count_skb_read(struct __sk_buff *packet, __u32 end) {
    if (end > packet->data_end - packet->data)
        count_call(COUNTED_TC_READS_BEHIND_HEAD);
    return 0;
}

COUNTED_ON_ITS_OWN int count_xdp_read(struct xdp_md *packet, __u32 end) {
    if (end > packet->data_end - packet->data)
        count_call(COUNTED_XDP_READS_BEHIND_HEAD);
    return 0;
}

COUNTED_ON_ITS_OWN int count_pull(struct __sk_buff *packet) {
    if (packet != NULL)
        count_call(COUNTED_TC_PULLS);
    return 0;
}

COUNTED_INLINE long counted_skb_load_bytes(struct __sk_buff *packet, __u32 offset, void *to, __u32 size) {
    count_skb_read(packet, offset + size);
    return bpf_skb_load_bytes(packet, offset, to, size);
}

COUNTED_INLINE long counted_skb_pull_data(struct __sk_buff *packet, __u32 size) {
    count_pull(packet);
    return bpf_skb_pull_data(packet, size);
}

COUNTED_INLINE long counted_xdp_load_bytes(struct xdp_md *packet, __u32 offset, void *to, __u32 size) {
    count_xdp_read(packet, offset + size);
    return bpf_xdp_load_bytes(packet, offset, to, size);
}

#define bpf_skb_load_bytes counted_skb_load_bytes
#define bpf_skb_pull_data  counted_skb_pull_data
#define bpf_xdp_load_bytes counted_xdp_load_bytes

#include "bpf/fence.bpf.c"
