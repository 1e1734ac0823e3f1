// SPDX-License-Identifier: Apache-2.0
//
// Builds Ethernet frames with a TCP segment in them, right or wrong in one detail each. Uses: nothing.
#ifndef KVFENCE_FENCE_FRAME_H
#define KVFENCE_FENCE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_MAX = 70000, FRAME_PORT = 6666, FRAME_SOURCE_PORT = 40000 };

struct frame {
    size_t length;
    size_t payload; // offset
    uint8_t bytes[FRAME_MAX];
};

// All zero: untagged IPv4 without options, TCP without options, to FRAME_PORT.
struct frame_shape {
    int ip;                  // 4 (or 0) or 6
    unsigned tags;           // 802.1Q tags
    bool provider_tag;       // the outermost is 802.1ad
    unsigned ip_options;     // bytes of IPv4 options, a multiple of four
    unsigned tcp_options;    // bytes of TCP options, a multiple of four
    uint8_t extensions[10];  // IPv6 extension headers in order, 0 ends (hop-by-hop is written as 1)
    unsigned extension_size; // extra eights of bytes in each of them
    unsigned
        fragment_offset; // in bytes, a multiple of eight; IPv6: with a fragment header among the extensions
    bool more_fragments;
    uint16_t port;        // of the destination; 0: FRAME_PORT
    uint8_t protocol;     // 0: TCP
    uint16_t ethertype;   // 0: the right one
    unsigned padding;     // bytes behind the IP packet
    unsigned cut;         // bytes missing at the end of the frame
    int total_length_off; // what the IP header claims too much
    bool no_total_length; // 0, as in segments of more than 64 KiB
    uint8_t data_offset;  // of TCP in words, 0: the right one
    uint8_t header_words; // of IPv4, 0: the right one
    uint8_t version;      // of IP, 0: the right one
    uint8_t flags;        // of TCP, 0: ACK and PSH
};

void frame_build(struct frame *frame, const struct frame_shape *shape, const void *payload, size_t length);

#endif
