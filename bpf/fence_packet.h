// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// Finds the payload of a TCP segment in an Ethernet frame: 802.1Q and 802.1ad tags, IPv4 with options, IPv6
// with extension headers, TCP with options. Plain C, for the BPF programs and, natively, for tests. Only the
// headers need to be between `data` and `data_end`; the payload may lie elsewhere, so its length comes from
// the headers. Uses: bytes, Linux' own headers.
#ifndef KVFENCE_BPF_FENCE_PACKET_H
#define KVFENCE_BPF_FENCE_PACKET_H

#include "fence_bytes.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

enum {
    FENCE_TAGS_MAX = 4,
    FENCE_EXTENSIONS_MAX = 8,
    FENCE_FRAGMENT_OFFSET = 0x1fff, // IPv4
    FENCE_FRAGMENT_OFFSET_IPV6 = 0xfff8,
    FENCE_AUTHENTICATION_HEADER = 51,
    FENCE_HEADERS_MASK = 0x7fff, // headers of all kinds are shorter
    FENCE_HEADERS_MAX = 256,     // pulled to where they can be read if they are not there
};

// All in the packet's own byte order becomes the host's here.
struct fence_packet {
    __u32 network; // offset of the IP header
    __u32 payload; // offset
    __u32 end; // offset behind the payload by the IP header; 0: it goes to the frame's end (more than 64 KiB)
    __u16 source_port;
    __u16 destination_port;
    __u8 ip_version;
};

enum fence_walk {
    FENCE_WALK_SEGMENT,  // a TCP segment that has payload, by its headers
    FENCE_WALK_OTHER,    // nothing to judge
    FENCE_WALK_CUT_SHORT // the headers go on behind data_end
};

struct fence_vlan_tag {
    __be16 control;
    __be16 type;
};

struct fence_extension {
    __u8 next;
    __u8 length;
    __be16 fragment_offset; // of a fragment header
};

// Takes `size` bytes at the cursor; NULL: they are not there.
FENCE_INLINE const void *fence_take(const void **cursor, const void *data_end, __u32 size) {
    const __u8 *at = *cursor;
    if (at + size > (const __u8 *)data_end)
        return NULL;
    *cursor = at + size;
    return at;
}

FENCE_INLINE enum fence_walk fence_walk_tcp(const void *data, const void *cursor, const void *data_end,
                                            struct fence_packet *packet) {
    const struct tcphdr *tcp = fence_take(&cursor, data_end, sizeof(*tcp));
    if (tcp == NULL)
        return FENCE_WALK_CUT_SHORT;
    __u32 header = tcp->doff * 4u;
    if (header < sizeof(*tcp))
        return FENCE_WALK_OTHER;
    packet->source_port = fence_from_network_16(tcp->source);
    packet->destination_port = fence_from_network_16(tcp->dest);
    packet->payload = (__u32)((const __u8 *)tcp - (const __u8 *)data) + header;
    return packet->end == 0 || packet->end > packet->payload ? FENCE_WALK_SEGMENT : FENCE_WALK_OTHER;
}

FENCE_INLINE enum fence_walk fence_walk_ipv4(const void *data, const void *cursor, const void *data_end,
                                             struct fence_packet *packet) {
    const struct iphdr *ip = fence_take(&cursor, data_end, sizeof(*ip));
    if (ip == NULL)
        return FENCE_WALK_CUT_SHORT;
    __u32 header = ip->ihl * 4u;
    if (ip->version != 4 || header < sizeof(*ip) || ip->protocol != IPPROTO_TCP ||
        (fence_from_network_16(ip->frag_off) & FENCE_FRAGMENT_OFFSET) != 0)
        return FENCE_WALK_OTHER;
    __u32 total = fence_from_network_16(ip->tot_len);
    packet->ip_version = 4;
    packet->end = total == 0 ? 0 : packet->network + total;
    return fence_walk_tcp(data, (const __u8 *)ip + header, data_end, packet);
}

// The length of an extension header that TCP may follow; 0: it may not, or not here.
FENCE_INLINE __u32 fence_extension_length(__u8 kind, const struct fence_extension *extension) {
    switch (kind) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
        return (extension->length + 1u) * 8;
    case FENCE_AUTHENTICATION_HEADER:
        return (extension->length + 2u) * 4;
    case IPPROTO_FRAGMENT:
        return (fence_from_network_16(extension->fragment_offset) & FENCE_FRAGMENT_OFFSET_IPV6) == 0 ? 8 : 0;
    default:
        return 0;
    }
}

FENCE_INLINE enum fence_walk fence_walk_ipv6(const void *data, const void *cursor, const void *data_end,
                                             struct fence_packet *packet) {
    const struct ipv6hdr *ip = fence_take(&cursor, data_end, sizeof(*ip));
    if (ip == NULL)
        return FENCE_WALK_CUT_SHORT;
    if (ip->version != 6)
        return FENCE_WALK_OTHER;
    __u32 length = fence_from_network_16(ip->payload_len);
    __u8 next = ip->nexthdr;
    packet->ip_version = 6;
    packet->end = length == 0 ? 0 : packet->network + (__u32)sizeof(*ip) + length;
    for (int i = 0; i < FENCE_EXTENSIONS_MAX && next != IPPROTO_TCP; i++) {
        const struct fence_extension *extension = cursor;
        if ((const __u8 *)(extension + 1) > (const __u8 *)data_end)
            return FENCE_WALK_CUT_SHORT;
        __u32 size = fence_extension_length(next, extension);
        if (size == 0)
            return FENCE_WALK_OTHER;
        next = extension->next;
        cursor = (const __u8 *)cursor + size;
    }
    return next == IPPROTO_TCP ? fence_walk_tcp(data, cursor, data_end, packet) : FENCE_WALK_OTHER;
}

FENCE_INLINE enum fence_walk fence_walk_frame(const void *data, const void *data_end,
                                              struct fence_packet *packet) {
    const void *cursor = data;
    const struct ethhdr *ethernet = fence_take(&cursor, data_end, sizeof(*ethernet));
    if (ethernet == NULL)
        return FENCE_WALK_CUT_SHORT;
    __be16 type = ethernet->h_proto;
    for (int i = 0; i < FENCE_TAGS_MAX; i++) {
        if (type != __builtin_bswap16(ETH_P_8021Q) && type != __builtin_bswap16(ETH_P_8021AD))
            break;
        const struct fence_vlan_tag *tag = fence_take(&cursor, data_end, sizeof(*tag));
        if (tag == NULL)
            return FENCE_WALK_CUT_SHORT;
        type = tag->type;
    }
    packet->network = (__u32)((const __u8 *)cursor - (const __u8 *)data);
    if (type == __builtin_bswap16(ETH_P_IP))
        return fence_walk_ipv4(data, cursor, data_end, packet);
    if (type == __builtin_bswap16(ETH_P_IPV6))
        return fence_walk_ipv6(data, cursor, data_end, packet);
    return FENCE_WALK_OTHER;
}

#endif
