// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C twice: bit by bit through a small table, and eight bytes at a time by SSE 4.2. Uses: nothing.
#include "base/checksum.h"

enum { POLYNOMIAL = 0x82f63b78 };

static uint32_t remainder_of_nibble(uint32_t nibble) {
    for (int bit = 0; bit < 4; bit++)
        nibble = nibble >> 1 ^ ((nibble & 1) != 0 ? (uint32_t)POLYNOMIAL : 0);
    return nibble;
}

uint32_t checksum_extend_slowly(uint32_t sum, struct bytes bytes) {
    uint32_t remainders[16];
    for (uint32_t nibble = 0; nibble < 16; nibble++)
        remainders[nibble] = remainder_of_nibble(nibble);
    sum = ~sum;
    for (size_t i = 0; i < bytes.length; i++) {
        sum ^= (unsigned char)bytes.data[i];
        sum = sum >> 4 ^ remainders[sum & 15];
        sum = sum >> 4 ^ remainders[sum & 15];
    }
    return ~sum;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t extend_by_instruction(uint32_t sum, struct bytes bytes) {
    uint64_t wide = ~sum;
    while (bytes.length >= sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, bytes.data, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
        bytes.data += sizeof(word);
        bytes.length -= sizeof(word);
    }
    uint32_t narrow = (uint32_t)wide;
    for (size_t i = 0; i < bytes.length; i++)
        narrow = __builtin_ia32_crc32qi(narrow, (unsigned char)bytes.data[i]);
    return ~narrow;
}

uint32_t checksum_extend(uint32_t sum, struct bytes bytes) {
    return __builtin_cpu_supports("sse4.2") ? extend_by_instruction(sum, bytes)
                                            : checksum_extend_slowly(sum, bytes);
}
#else
uint32_t checksum_extend(uint32_t sum, struct bytes bytes) {
    return checksum_extend_slowly(sum, bytes);
}
#endif
