// SPDX-License-Identifier: Apache-2.0
//
// Takes bytes from the front of a dump, never more than there are. May use: base/bytes.
#ifndef KVFENCE_COMMANDS_DUMP_CURSOR_H
#define KVFENCE_COMMANDS_DUMP_CURSOR_H

#include "base/bytes.h"

#include <stdint.h>

// What is left to be read.
struct dump_cursor {
    struct bytes rest;
};

static inline bool dump_take(struct dump_cursor *cursor, size_t length, struct bytes *out) {
    if (length > cursor->rest.length)
        return false;
    *out = (struct bytes){.data = cursor->rest.data, .length = length};
    if (length != 0)
        cursor->rest.data += length;
    cursor->rest.length -= length;
    return true;
}

static inline bool dump_take_byte(struct dump_cursor *cursor, unsigned char *out) {
    struct bytes byte;
    if (!dump_take(cursor, 1, &byte))
        return false;
    *out = (unsigned char)byte.data[0];
    return true;
}

// An unsigned number of 1 to 8 bytes, the lowest byte first.
static inline bool dump_take_little(struct dump_cursor *cursor, size_t size, uint64_t *out) {
    struct bytes bytes;
    if (!dump_take(cursor, size, &bytes))
        return false;
    *out = 0;
    for (size_t i = size; i > 0; i--)
        *out = *out << 8 | (unsigned char)bytes.data[i - 1];
    return true;
}

// The same, the highest byte first.
static inline bool dump_take_big(struct dump_cursor *cursor, size_t size, uint64_t *out) {
    struct bytes bytes;
    if (!dump_take(cursor, size, &bytes))
        return false;
    *out = 0;
    for (size_t i = 0; i < size; i++)
        *out = *out << 8 | (unsigned char)bytes.data[i];
    return true;
}

// A signed number of so many bytes that was taken as an unsigned one.
static inline int64_t dump_signed(uint64_t value, size_t bits) {
    uint64_t sign = (uint64_t)1 << (bits - 1);
    return (int64_t)((value ^ sign) - sign);
}

#endif
