// SPDX-License-Identifier: Apache-2.0
//
// Counting, finding and combining bits. Uses: memory.
#include "commands/bitmap_bits.h"

#include "base/memory.h"

#include <endian.h>

// Bits `from` to `to` of a byte, 0 being the most significant.
static unsigned mask(unsigned from, unsigned to) {
    return (0xffU >> from) & (0xffU << (7 - to)) & 0xffU;
}

static unsigned byte_at(struct bytes bytes, uint64_t index) {
    return (unsigned char)bytes.data[index];
}

// Eight bytes with the first one most significant.
static uint64_t word_at(struct bytes bytes, uint64_t index) {
    uint64_t word = 0;
    memcpy(&word, bytes.data + index, sizeof(word));
    return be64toh(word);
}

bool bits_get(struct bytes bytes, uint64_t offset) {
    uint64_t index = offset / 8;
    return index < bytes.length && (byte_at(bytes, index) >> (7 - offset % 8) & 1U) != 0;
}

static uint64_t count_bytes(struct bytes bytes, uint64_t index, uint64_t end) {
    uint64_t count = 0;
    for (; index + sizeof(uint64_t) <= end; index += sizeof(uint64_t))
        count += (uint64_t)__builtin_popcountll(word_at(bytes, index));
    for (; index < end; index++)
        count += (uint64_t)__builtin_popcount(byte_at(bytes, index));
    return count;
}

uint64_t bits_count(struct bytes bytes, struct bit_range range) {
    uint64_t first = range.first / 8;
    uint64_t last = range.last / 8;
    unsigned head = mask((unsigned)(range.first % 8), 7);
    unsigned tail = mask(0, (unsigned)(range.last % 8));
    if (first == last)
        return (uint64_t)__builtin_popcount(byte_at(bytes, first) & head & tail);
    return (uint64_t)__builtin_popcount(byte_at(bytes, first) & head) + count_bytes(bytes, first + 1, last) +
           (uint64_t)__builtin_popcount(byte_at(bytes, last) & tail);
}

// The byte with the bits that are wanted set, and no others.
static unsigned wanted_bits(struct bytes bytes, uint64_t index, bool wanted) {
    unsigned byte = byte_at(bytes, index);
    return wanted ? byte : ~byte & 0xffU;
}

static int64_t position(uint64_t index, unsigned byte) {
    return (int64_t)(index * 8) + __builtin_clz(byte) - (int)(8 * sizeof(unsigned) - 8);
}

// The first byte in [index, end) that has a wanted bit; `end` if there is none.
static uint64_t find_byte(struct bytes bytes, uint64_t index, uint64_t end, bool wanted) {
    uint64_t without = wanted ? 0 : UINT64_MAX;
    while (index + sizeof(uint64_t) <= end && word_at(bytes, index) == without)
        index += sizeof(uint64_t);
    while (index < end && wanted_bits(bytes, index, wanted) == 0)
        index++;
    return index;
}

int64_t bits_find(struct bytes bytes, struct bit_range range, bool wanted) {
    uint64_t first = range.first / 8;
    uint64_t last = range.last / 8;
    unsigned head = mask((unsigned)(range.first % 8), first == last ? (unsigned)(range.last % 8) : 7);
    unsigned found = wanted_bits(bytes, first, wanted) & head;
    if (found != 0)
        return position(first, found);
    if (first == last)
        return -1;
    uint64_t index = find_byte(bytes, first + 1, last, wanted);
    found = wanted_bits(bytes, index, wanted);
    if (index == last)
        found &= mask(0, (unsigned)(range.last % 8));
    return found != 0 ? position(index, found) : -1;
}

// Lengthens the result with zeros.
static bool lengthen(struct buffer *result, size_t length) {
    if (length <= result->length)
        return true;
    if (length > result->capacity) {
        char *data = memory_try_reallocate(result->data, length);
        if (data == NULL)
            return false;
        result->data = data;
        result->capacity = length;
    }
    memset(result->data + result->length, 0, length - result->length);
    result->length = length;
    return true;
}

bool bits_combine(struct buffer *result, enum bits_operation operation, struct bytes operand) {
    if (!lengthen(result, operand.length))
        return false;
    char *data = result->data;
    const char *other = operand.data;
    switch (operation) {
    case BITS_AND:
        for (size_t i = 0; i < operand.length; i++)
            data[i] &= other[i];
        if (operand.length < result->length)
            memset(data + operand.length, 0, result->length - operand.length);
        break;
    case BITS_OR:
        for (size_t i = 0; i < operand.length; i++)
            data[i] |= other[i];
        break;
    case BITS_XOR:
        for (size_t i = 0; i < operand.length; i++)
            data[i] ^= other[i];
        break;
    case BITS_NOT:
        for (size_t i = 0; i < operand.length; i++)
            data[i] = (char)~other[i];
        break;
    }
    return true;
}
