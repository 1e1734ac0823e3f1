// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// The kernel's half of the fence: once the lease of a port has expired, packets that carry a write to it are
// dropped. One program for XDP and one for TC, which differ only in how a packet's bytes are read. The maps
// and what they mean are in fence_contract.h; the way of a packet is the body of fence_judge(). Needs
// Linux 6.1. Uses: the contract, the packet walk, the scanner.
#include <linux/bpf.h>

#include "fence_contract.h"
#include "fence_packet.h"
#include "fence_scanner.h"

#include "base/mutant.h"

#include <bpf/bpf_helpers.h>
#include <linux/pkt_cls.h>

// --- Maps ---

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

// A helper's call and its returns cost more than all else here: looking a name up in fence_commands is three
// times as dear as walking the command. So each CPU remembers the names that it met, for a second: as long as
// it may take until a change of fence_commands is noticed.
enum { FENCE_CACHE_BITS = 7 };
#define FENCE_CACHE_NS 1000000000ull

struct fence_cached_command {
    __u64 name[FENCE_NAME_SIZE / 8];
    __u64 until_ns;
    struct fence_command command;
};

// What is too big for the stack, and the cache. A program is not interrupted by another run of itself on its
// CPU.
struct fence_scratch {
    struct fence_scan scan; // the first: fence_scan_look_up() is handed no more
    enum fence_abi abi;     // nobody reads it; it puts the number into the object's BTF
    struct fence_event event;
    __u64 now_ns; // of the packet
    struct fence_cached_command cache[1 << FENCE_CACHE_BITS];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fence_scratch);
} fence_scratch SEC(".maps");

// --- What the hooks differ in; `hook` is a constant wherever it is asked ---

FENCE_INLINE long fence_load_bytes(void *context, int hook, __u32 offset, void *to, __u32 size) {
    return hook == FENCE_HOOK_XDP ? bpf_xdp_load_bytes(context, offset, to, size)
                                  : bpf_skb_load_bytes(context, offset, to, size);
}

FENCE_INLINE __u32 fence_frame_length(void *context, int hook) {
    return hook == FENCE_HOOK_XDP ? (__u32)bpf_xdp_get_buff_len(context) : ((struct __sk_buff *)context)->len;
}

FENCE_INLINE const void *fence_data(void *context, int hook) {
    return (void *)(long)(hook == FENCE_HOOK_XDP ? ((struct xdp_md *)context)->data
                                                 : ((struct __sk_buff *)context)->data);
}

FENCE_INLINE const void *fence_data_end(void *context, int hook) {
    return (void *)(long)(hook == FENCE_HOOK_XDP ? ((struct xdp_md *)context)->data_end
                                                 : ((struct __sk_buff *)context)->data_end);
}

FENCE_INLINE __u32 fence_ifindex(void *context, int hook) {
    return hook == FENCE_HOOK_XDP ? ((struct xdp_md *)context)->ingress_ifindex
                                  : ((struct __sk_buff *)context)->ifindex;
}

// --- The scanner's needs ---

FENCE_INLINE bool fence_scan_load(const struct fence_scan *scan, void *packet, int source, __u32 offset,
                                  void *to, __u32 size) {
    // The verifier must see the bounds, which the compiler knows and would drop; that of Linux 6.1 does not
    // learn from a comparison with 0.
    __u32 last = size - 1;
    asm volatile("" : "+r"(last));
    if (last >= FENCE_WINDOW)
        return false;
    return fence_load_bytes(packet, source, scan->payload_offset + offset, to, last + 1) == 0;
}

FENCE_INLINE struct fence_cached_command *fence_cache_place(struct fence_scratch *scratch,
                                                            const __u64 *name) {
    __u64 mixed = (name[0] ^ name[1] * 31) * 0x9e3779b97f4a7c15;
    return &scratch->cache[mixed >> (64 - FENCE_CACHE_BITS)];
}

FENCE_INLINE bool fence_cache_holds(const struct fence_cached_command *cached, const __u64 *name,
                                    __u64 now_ns) {
    __u64 difference = (cached->name[0] ^ name[0]) | (cached->name[1] ^ name[1]) |
                       (cached->name[2] ^ name[2]) | (cached->name[3] ^ name[3]);
    return difference == 0 && now_ns < cached->until_ns;
}

FENCE_ON_ITS_OWN int fence_fill_cache(struct fence_cached_command *cached,
                                      const struct fence_command_name *name, __u64 now_ns) {
    if (cached == NULL || name == NULL)
        return 0;
    const struct fence_command_name key = *name; // Linux 6.1 takes keys from the stack only
    const struct fence_command *found = bpf_map_lookup_elem(&fence_commands, &key);
    cached->command.kind = found == NULL ? FENCE_COMMAND_UNKNOWN : found->kind;
    cached->command.reads_up_to = found == NULL ? 0 : found->reads_up_to;
    __builtin_memcpy(cached->name, &key, sizeof(cached->name));
    cached->until_ns = now_ns + FENCE_CACHE_NS;
    return 0;
}

FENCE_INLINE struct fence_command fence_scan_look_up(const struct fence_scan *scan) {
    const __u64 *name = scan->name.words;
    struct fence_scratch *scratch = (struct fence_scratch *)scan;
    struct fence_cached_command *cached = fence_cache_place(scratch, name);
    if (!fence_cache_holds(cached, name, scratch->now_ns))
        (void)fence_fill_cache(cached, &scan->name.key, scratch->now_ns);
    return cached->command;
}

// Several tokens in one call, because each call costs as much as a token. What the steps know lies in a map:
// of what lies there the verifier knows nothing, so one step looks to it like the other and it is done soon.
enum { FENCE_STEPS_IN_ONE = 8 };

struct fence_walk_context {
    void *packet;
    struct fence_scan *scan;
};

FENCE_INLINE long fence_some_steps(struct fence_walk_context *walk, int hook) {
    for (int i = 0; i < FENCE_STEPS_IN_ONE; i++) {
        if (fence_scan_step(walk->scan, walk->packet, hook) == FENCE_STOP)
            return 1;
    }
    return 0;
}

static long fence_steps_xdp(__u32 index, void *walk) {
    (void)index;
    return fence_some_steps(walk, FENCE_HOOK_XDP);
}

static long fence_steps_tc(__u32 index, void *walk) {
    (void)index;
    return fence_some_steps(walk, FENCE_HOOK_TC);
}

// The first command decides most packets that will be dropped: it is read where the packet lies, if it does,
// and taken without a call.
FENCE_INLINE __u32 fence_load_near(struct fence_scan *scan, const void *data, const void *data_end,
                                   __u32 length) {
    const __u8 *from = (const __u8 *)data + (scan->payload_offset & FENCE_HEADERS_MASK);
    __u8 *to = scan->window.bytes + FENCE_LINE_END;
    if (length < FENCE_NEAR || from + FENCE_NEAR > (const __u8 *)data_end)
        return 0;
    for (int i = 0; i < FENCE_NEAR; i += 8)
        *(__u64 *)(to + i) = fence_read_8(from + i);
    return FENCE_NEAR;
}

FENCE_INLINE void fence_walk_commands(struct fence_scan *scan, void *packet, int hook, __u32 length,
                                      __u32 loaded) {
    struct fence_walk_context walk = {.packet = packet, .scan = scan};
    fence_scan_begin(scan, length, loaded);
    if (fence_scan_step(scan, packet, hook) == FENCE_GO_ON) {
        if (hook == FENCE_HOOK_XDP)
            bpf_loop(FENCE_STEPS_MAX / FENCE_STEPS_IN_ONE, fence_steps_xdp, &walk, 0);
        else
            bpf_loop(FENCE_STEPS_MAX / FENCE_STEPS_IN_ONE, fence_steps_tc, &walk, 0);
    }
    fence_scan_end(scan);
}

// --- Counters and events ---

FENCE_ON_ITS_OWN int fence_add_stats(__u32 port) {
    struct fence_stats none = {0};
    return (int)bpf_map_update_elem(&fence_stats, &port, &none, BPF_NOEXIST);
}

FENCE_INLINE struct fence_stats *fence_stats_of(__u32 port) {
    struct fence_stats *stats = bpf_map_lookup_elem(&fence_stats, &port);
    if (stats == NULL) {
        (void)fence_add_stats(port);
        stats = bpf_map_lookup_elem(&fence_stats, &port);
    }
    return stats;
}

// One packet, and what came of it.
struct fence_case {
    void *context;
    struct fence_packet packet;
    __u64 now_ns;
    __u64 deadline_ns;
    __u32 payload_length;
    __u8 mode;
    __u8 policy;
};

FENCE_INLINE bool fence_may_send_event(struct fence_stats *stats, __u64 now_ns) {
    if (now_ns - stats->window_start_ns >= FENCE_EVENT_WINDOW_NS) {
        stats->window_start_ns = now_ns;
        stats->window_events = 0;
    }
    if (stats->window_events < FENCE_EVENTS_PER_WINDOW) {
        stats->window_events++;
        return true;
    }
    stats->events_suppressed++;
    stats->suppressed_since++;
    return false;
}

FENCE_INLINE void fence_copy_addresses(const struct fence_case *this, int hook, struct fence_event *event) {
    void *source = event->source_address, *destination = event->destination_address;
    __u32 network = this->packet.network;
    __builtin_memset(source, 0, FENCE_ADDRESS_SIZE);
    __builtin_memset(destination, 0, FENCE_ADDRESS_SIZE);
    if (this->packet.ip_version == 4) {
        (void)fence_load_bytes(this->context, hook, network + offsetof(struct iphdr, saddr), source, 4);
        (void)fence_load_bytes(this->context, hook, network + offsetof(struct iphdr, daddr), destination, 4);
    } else {
        (void)fence_load_bytes(this->context, hook, network + offsetof(struct ipv6hdr, saddr), source, 16);
        (void)fence_load_bytes(this->context, hook, network + offsetof(struct ipv6hdr, daddr), destination,
                               16);
    }
}

FENCE_INLINE void fence_send_event(const struct fence_case *this, int hook, const struct fence_scan *scan,
                                   struct fence_stats *stats, struct fence_event *event) {
    bool is_write = scan->reason == FENCE_REASON_WRITE;
    fence_copy_addresses(this, hook, event);
    event->time_ns = this->now_ns;
    event->deadline_ns = this->deadline_ns;
    event->source_port = this->packet.source_port;
    event->destination_port = this->packet.destination_port;
    event->ip_version = this->packet.ip_version;
    event->hook = (__u8)hook;
    event->verdict = this->mode == FENCE_MODE_BLOCK_WRITE ? FENCE_VERDICT_DROP : FENCE_VERDICT_WOULD_DROP;
    event->reason = (__u8)scan->reason;
    event->ifindex = fence_ifindex(this->context, hook);
    event->suppressed = stats->suppressed_since;
    event->payload_length = this->payload_length;
    event->command_offset = fence_scan_decided_at(scan);
    event->command = is_write ? scan->name.key : scan->doubted;
    // Fails if nobody listens on this CPU.
    if (bpf_perf_event_output(this->context, &fence_events, BPF_F_CURRENT_CPU, event, sizeof(*event)) == 0) {
        stats->events++;
        stats->suppressed_since = 0;
    }
}

// --- The verdict ---

enum fence_fate { FENCE_PASS, FENCE_DROP };

FENCE_INLINE enum fence_fate fence_decide(const struct fence_case *this, int hook,
                                          struct fence_scratch *scratch) {
    const struct fence_scan *scan = &scratch->scan;
    struct fence_stats *stats = fence_stats_of(this->packet.destination_port);
    bool blocks = this->mode == FENCE_MODE_BLOCK_WRITE;
    bool is_write = scan->reason == FENCE_REASON_WRITE;
    bool stops = is_write || (this->policy == FENCE_POLICY_STRICT && scan->reason != FENCE_REASON_NONE);
    if (MUTANT(kernel_verdict))
        stops = false;
    if (stats != NULL) {
        stats->inspected++;
        if (stops) {
            if (blocks)
                stats->dropped++;
            else
                stats->would_drop++;
            stats->undecided += !is_write;
            if (fence_may_send_event(stats, this->now_ns))
                fence_send_event(this, hook, scan, stats, &scratch->event);
        } else if (scan->reason != FENCE_REASON_NONE) {
            stats->unparsed++;
        }
    }
    return stops && blocks ? FENCE_DROP : FENCE_PASS;
}

// The deadline has passed: looks into the payload. Meanwhile the server may have written another deadline, a
// renewal or one that belongs to another mode than the one that was read with it: then nothing is dropped.
FENCE_INLINE enum fence_fate fence_inspect(struct fence_case *this, int hook,
                                           const volatile struct fence_lease *lease) {
    __u32 zero = 0;
    __u32 frame_length = fence_frame_length(this->context, hook);
    __u32 end = this->packet.end == 0 ? frame_length : this->packet.end;
    if (end > frame_length || end <= this->packet.payload)
        return FENCE_PASS;
    struct fence_scratch *scratch = bpf_map_lookup_elem(&fence_scratch, &zero);
    if (scratch == NULL)
        return FENCE_PASS;
    this->payload_length = end - this->packet.payload;
    scratch->now_ns = this->now_ns;
    struct fence_scan *scan = &scratch->scan;
    scan->payload_offset = this->packet.payload;
    __u32 loaded = fence_load_near(scan, fence_data(this->context, hook), fence_data_end(this->context, hook),
                                   this->payload_length);
    fence_walk_commands(scan, this->context, hook, this->payload_length, loaded);
    if (lease->deadline_ns != this->deadline_ns)
        return FENCE_PASS;
    return fence_decide(this, hook, scratch);
}

// The way of a packet. Most leave it early: other ports without a look at the clock, and the fenced port
// after one.
FENCE_INLINE enum fence_fate fence_judge(struct fence_case *this, int hook) {
    __u32 port = this->packet.destination_port;
    const volatile struct fence_lease *lease = bpf_map_lookup_elem(&fence_lease, &port);
    if (lease == NULL)
        return FENCE_PASS;
    this->deadline_ns = lease->deadline_ns;
    if (this->deadline_ns == 0)
        return FENCE_PASS;
    this->mode = lease->mode;
    this->policy = lease->policy;
    if (lease->abi != FENCE_ABI ||
        (this->mode != FENCE_MODE_BLOCK_WRITE && this->mode != FENCE_MODE_LOG_ONLY))
        return FENCE_PASS;
    this->now_ns = bpf_ktime_get_boot_ns();
    if (this->now_ns <= this->deadline_ns)
        return FENCE_PASS;
    return fence_inspect(this, hook, lease);
}

// --- The programs ---

SEC("xdp.frags")
int fence_xdp(struct xdp_md *context) {
    struct fence_case this = {.context = context};
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    const void *data = (void *)(long)context->data, *data_end = (void *)(long)context->data_end;
    if (fence_walk_frame(data, data_end, &this.packet) != FENCE_WALK_SEGMENT)
        return XDP_PASS;
    return fence_judge(&this, FENCE_HOOK_XDP) == FENCE_DROP ? XDP_DROP : XDP_PASS;
}

// A driver may hand over a packet whose headers lie in page fragments: have them brought to where they can be
// read.
FENCE_INLINE enum fence_walk fence_walk_again(struct __sk_buff *context, struct fence_packet *packet) {
    __u32 size = context->len < FENCE_HEADERS_MAX ? context->len : FENCE_HEADERS_MAX;
    if (context->len <= context->data_end - context->data || bpf_skb_pull_data(context, size) != 0)
        return FENCE_WALK_OTHER;
    return fence_walk_frame((void *)(long)context->data, (void *)(long)context->data_end, packet);
}

SEC("tc")
int fence_tc(struct __sk_buff *context) {
    struct fence_case this = {.context = context};
    enum fence_walk walk =
        fence_walk_frame((void *)(long)context->data, (void *)(long)context->data_end, &this.packet);
    if (walk == FENCE_WALK_CUT_SHORT)
        walk = fence_walk_again(context, &this.packet);
    if (walk != FENCE_WALK_SEGMENT)
        return TC_ACT_UNSPEC;
    return fence_judge(&this, FENCE_HOOK_TC) == FENCE_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

// bpf_perf_event_output() is for programs that may be used under the GPL, as these may.
const char fence_license[] SEC("license") = "Dual BSD/GPL";
