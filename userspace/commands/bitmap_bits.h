// SPDX-License-Identifier: Apache-2.0
//
// Bits of byte strings, numbered from the most significant bit of the first byte. May use: base.
#ifndef KVFENCE_COMMANDS_BITMAP_BITS_H
#define KVFENCE_COMMANDS_BITMAP_BITS_H

#include "base/buffer.h"
#include "base/bytes.h"

#include <stdint.h>

// Bits `first` to `last`, both included.
struct bit_range {
    uint64_t first, last;
};

// Bits after the end are 0.
bool bits_get(struct bytes bytes, uint64_t offset);

// Both want a range that lies within the bytes.
uint64_t bits_count(struct bytes bytes, struct bit_range range); // bits that are 1
// Position of the first bit that is `wanted`; -1 if there is none.
int64_t bits_find(struct bytes bytes, struct bit_range range, bool wanted);

enum bits_operation { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };
// Combines `operand` into `result`, the shorter of the two counting as filled up with zeros. BITS_NOT puts
// the operand's complement into an empty result. False: no memory.
bool bits_combine(struct buffer *result, enum bits_operation operation, struct bytes operand);

#endif
