// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// Bytes of packets as numbers, for the kernel's half and its tests: up to eight are compared at once.
#ifndef KVFENCE_BPF_FENCE_BYTES_H
#define KVFENCE_BPF_FENCE_BYTES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "eight bytes at a time are compared in the little-endian order only"
#endif

#define FENCE_INLINE static inline __attribute__((always_inline))

// A function that the kernel's verifier checks once, for all values of its arguments, instead of once for
// each state in which it is called. For that it must be global.
#ifdef __bpf__
#define FENCE_ON_ITS_OWN __attribute__((noinline))
#else
#define FENCE_ON_ITS_OWN static inline
#endif

FENCE_INLINE __u16 fence_from_network_16(__be16 value) {
    return __builtin_bswap16(value);
}

// Compilers for BPF would make eight loads of a memcpy() from an address of unknown alignment.
FENCE_INLINE __u64 fence_read_8(const __u8 *from) {
#ifdef __bpf__
    return *(const __u64 *)from;
#else
    __u64 value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
#endif
}

// The first bytes, up to eight, of a text as a number that can be compared with fence_read_8().
#define FENCE_TEXT(a, b, c, d, e, f, g, h)                                                                   \
    ((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |                 \
     (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

FENCE_INLINE bool fence_is_line_end(__u64 text) {
    return (text & 0xffff) == FENCE_TEXT('\r', '\n', 0, 0, 0, 0, 0, 0);
}

FENCE_INLINE __u32 fence_digit(__u64 text, __u32 index) {
    return (__u8)((__u8)(text >> (8 * index)) - '0');
}

// Eight letters at once: 0x20 is taken from each byte between 'a' and 'z'.
FENCE_INLINE __u64 fence_upper_case(__u64 text) {
    const __u64 ones = 0x0101010101010101;
    __u64 low_bits = text & (0x7f * ones);
    __u64 from_a = low_bits + (0x80 - 'a') * ones;
    __u64 above_z = low_bits + (0x7f - 'z') * ones;
    __u64 letters = (from_a & ~above_z & ~text) & (0x80 * ones);
    return text ^ (letters >> 2);
}

#endif
