// SPDX-License-Identifier: Apache-2.0
//
// Uses: crc64, number.
#include "commands/dump_writer.h"

#include "base/crc64.h"
#include "base/number.h"

static void write_byte(struct buffer *out, unsigned byte) {
    char text = (char)byte;
    buffer_append(out, (struct bytes){.data = &text, .length = 1});
}

static void write_little(struct buffer *out, uint64_t value, size_t size) {
    for (; size != 0; size--, value >>= 8)
        write_byte(out, (unsigned)(value & 0xff));
}

static void write_big(struct buffer *out, uint64_t value, size_t size) {
    for (; size != 0; size--)
        write_byte(out, (unsigned)(value >> (size - 1) * 8 & 0xff));
}

void dump_write_type(struct buffer *out, enum dump_type type) {
    write_byte(out, type);
}

void dump_write_count(struct buffer *out, uint64_t count) {
    enum { WITH_14_BITS = 0x40, WITH_32_BITS = 0x80, WITH_64_BITS = 0x81 };
    if (count < 1U << 6) {
        write_byte(out, (unsigned)count);
    } else if (count < 1U << 14) {
        write_big(out, (uint64_t)WITH_14_BITS << 8 | count, 2);
    } else if (count <= UINT32_MAX) {
        write_byte(out, WITH_32_BITS);
        write_big(out, count, 4);
    } else {
        write_byte(out, WITH_64_BITS);
        write_big(out, count, 8);
    }
}

// Texts of integers of up to four bytes are written as such.
static bool write_integer(struct buffer *out, struct bytes text) {
    enum { AS_8_BITS = 0xc0, AS_16_BITS = 0xc1, AS_32_BITS = 0xc2 };
    int64_t value = 0;
    if (!number_read_integer(text, &value) || value < INT32_MIN || value > INT32_MAX)
        return false;
    bool in_one = value >= INT8_MIN && value <= INT8_MAX;
    bool in_two = value >= INT16_MIN && value <= INT16_MAX;
    write_byte(out, in_one ? AS_8_BITS : in_two ? AS_16_BITS : AS_32_BITS);
    write_little(out, (uint64_t)value, in_one ? 1 : in_two ? 2 : 4);
    return true;
}

void dump_write_string(struct buffer *out, struct bytes text) {
    if (write_integer(out, text))
        return;
    dump_write_count(out, text.length);
    buffer_append(out, text);
}

void dump_write_score(struct buffer *out, double score) {
    uint64_t bits = 0;
    memcpy(&bits, &score, sizeof(bits));
    write_little(out, bits, sizeof(bits));
}

void dump_write_footer(struct buffer *out) {
    write_little(out, DUMP_VERSION, 2);
    write_little(out, crc64(0, buffer_bytes(out)), sizeof(uint64_t));
}
