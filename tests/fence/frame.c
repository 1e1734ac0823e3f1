// SPDX-License-Identifier: Apache-2.0
//
// Writes frames from the outside in; lengths and types of what follows are filled in as soon as they are
// known. Uses: nothing.
#include "tests/fence/frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>

enum { HOP_BY_HOP = 1, AUTHENTICATION = 51, MORE_FRAGMENTS = 0x2000, ACK_AND_PUSH = 0x18 };

static void *append(struct frame *frame, size_t size) {
    if (frame->length + size > sizeof(frame->bytes))
        abort();
    uint8_t *place = frame->bytes + frame->length;
    memset(place, 0, size);
    frame->length += size;
    return place;
}

static void append_16(struct frame *frame, uint16_t value) {
    value = htons(value);
    memcpy(append(frame, sizeof(value)), &value, sizeof(value));
}

static void append_ethernet(struct frame *frame, const struct frame_shape *shape) {
    static const uint8_t addresses[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    memcpy(append(frame, sizeof(addresses)), addresses, sizeof(addresses));
    for (unsigned i = 0; i < shape->tags; i++) {
        append_16(frame, i == 0 && shape->provider_tag ? ETH_P_8021AD : ETH_P_8021Q);
        append_16(frame, (uint16_t)(100 + i));
    }
    uint16_t type = shape->ip == 6 ? ETH_P_IPV6 : ETH_P_IP;
    append_16(frame, shape->ethertype != 0 ? shape->ethertype : type);
}

static uint16_t claimed_length(const struct frame_shape *shape, size_t length) {
    return shape->no_total_length ? 0 : htons((uint16_t)((int)length + shape->total_length_off));
}

static uint8_t protocol_of(const struct frame_shape *shape) {
    return shape->protocol != 0 ? shape->protocol : IPPROTO_TCP;
}

static void append_ipv4(struct frame *frame, const struct frame_shape *shape, size_t tcp_length) {
    size_t header = sizeof(struct iphdr) + shape->ip_options;
    struct iphdr ip = {.version = 4,
                       .ttl = 64,
                       .protocol = protocol_of(shape),
                       .tot_len = claimed_length(shape, header + tcp_length),
                       .frag_off = htons((uint16_t)(shape->fragment_offset / 8)),
                       .saddr = htonl(0xc0000201),
                       .daddr = htonl(0xc0000202)};
    if (shape->more_fragments)
        ip.frag_off |= htons(MORE_FRAGMENTS);
    if (shape->version != 0)
        ip.version = shape->version & 15u;
    ip.ihl = (shape->header_words != 0 ? shape->header_words : header / 4) & 15u;
    memcpy(append(frame, sizeof(ip)), &ip, sizeof(ip));
    memset(append(frame, shape->ip_options), 1, shape->ip_options);
}

// One header, whose first byte the header before it has announced. Returns where its own announcement goes.
static uint8_t *append_extension(struct frame *frame, const struct frame_shape *shape, uint8_t kind) {
    bool fragment = kind == IPPROTO_FRAGMENT;
    size_t size = fragment ? 8 : 8 + (size_t)8 * shape->extension_size;
    uint8_t *header = append(frame, size);
    if (fragment) {
        uint16_t offset = htons((uint16_t)(shape->fragment_offset | shape->more_fragments));
        memcpy(header + 2, &offset, sizeof(offset));
    } else {
        header[1] = (uint8_t)(kind == AUTHENTICATION ? size / 4 - 2 : size / 8 - 1);
    }
    return header;
}

static void append_ipv6(struct frame *frame, const struct frame_shape *shape, size_t tcp_length) {
    struct ipv6hdr ip = {.version = shape->version != 0 ? shape->version & 15u : 6u, .hop_limit = 64};
    memset(&ip.saddr, 0x20, sizeof(ip.saddr));
    memset(&ip.daddr, 0x30, sizeof(ip.daddr));
    size_t start = frame->length;
    memcpy(append(frame, sizeof(ip)), &ip, sizeof(ip));
    uint8_t *next = frame->bytes + start + offsetof(struct ipv6hdr, nexthdr);
    for (size_t i = 0; i < sizeof(shape->extensions) && shape->extensions[i] != 0; i++) {
        *next = shape->extensions[i] == HOP_BY_HOP ? IPPROTO_HOPOPTS : shape->extensions[i];
        next = append_extension(frame, shape, shape->extensions[i]);
    }
    *next = protocol_of(shape);
    uint16_t length = claimed_length(shape, frame->length - start - sizeof(ip) + tcp_length);
    memcpy(frame->bytes + start + offsetof(struct ipv6hdr, payload_len), &length, sizeof(length));
}

static void append_tcp(struct frame *frame, const struct frame_shape *shape) {
    size_t header = sizeof(struct tcphdr) + shape->tcp_options;
    struct tcphdr tcp = {.source = htons(FRAME_SOURCE_PORT),
                         .dest = htons(shape->port != 0 ? shape->port : FRAME_PORT),
                         .doff = (shape->data_offset != 0 ? shape->data_offset : header / 4) & 15u,
                         .window = htons(1000)};
    ((uint8_t *)&tcp)[13] = shape->flags != 0 ? shape->flags : ACK_AND_PUSH;
    memcpy(append(frame, sizeof(tcp)), &tcp, sizeof(tcp));
    memset(append(frame, shape->tcp_options), 1, shape->tcp_options);
}

void frame_build(struct frame *frame, const struct frame_shape *shape, const void *payload, size_t length) {
    size_t tcp_length = sizeof(struct tcphdr) + shape->tcp_options + length;
    frame->length = 0;
    append_ethernet(frame, shape);
    if (shape->ip == 6)
        append_ipv6(frame, shape, tcp_length);
    else
        append_ipv4(frame, shape, tcp_length);
    append_tcp(frame, shape);
    frame->payload = frame->length;
    memcpy(append(frame, length), payload, length);
    (void)append(frame, shape->padding);
    frame->length -= shape->cut;
}
