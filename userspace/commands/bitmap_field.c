// SPDX-License-Identifier: Apache-2.0
//
// BITFIELD's integers. Uses: number.
#include "commands/bitmap_field.h"

#include "base/number.h"

// Holds every sum of two 64-bit integers, so that overflow is a comparison.
typedef __int128 wide;

bool field_type_read(struct bytes text, struct field_type *type) {
    if (text.length < 2 || (text.data[0] != 'i' && text.data[0] != 'u'))
        return false;
    bool is_signed = text.data[0] == 'i';
    uint64_t bits = 0;
    if (!number_read_unsigned((struct bytes){text.data + 1, text.length - 1}, &bits))
        return false;
    if (bits < 1 || bits > (is_signed ? 64 : 63))
        return false;
    *type = (struct field_type){.is_signed = is_signed, .bits = (unsigned)bits};
    return true;
}

// The low bits of `raw` as a value of the type.
static int64_t interpret(struct field_type type, uint64_t raw) {
    unsigned unused = 64 - type.bits;
    uint64_t shifted = raw << unused;
    return type.is_signed ? (int64_t)shifted >> unused : (int64_t)(shifted >> unused);
}

int64_t field_get(struct bytes bytes, struct field_type type, uint64_t offset) {
    uint64_t raw = 0;
    for (unsigned i = 0; i < type.bits; i++) {
        uint64_t index = (offset + i) / 8;
        unsigned byte = index < bytes.length ? (unsigned char)bytes.data[index] : 0;
        raw = raw << 1 | (byte >> (7 - (offset + i) % 8) & 1U);
    }
    return interpret(type, raw);
}

void field_set(char *data, struct field_type type, uint64_t offset, int64_t value) {
    for (unsigned i = 0; i < type.bits; i++) {
        uint64_t at = offset + i;
        unsigned bit = 1U << (7 - at % 8);
        unsigned byte = (unsigned char)data[at / 8];
        bool on = ((uint64_t)value >> (type.bits - 1 - i) & 1U) != 0;
        data[at / 8] = (char)(on ? byte | bit : byte & ~bit);
    }
}

static wide largest(struct field_type type) {
    return ((wide)1 << (type.is_signed ? type.bits - 1 : type.bits)) - 1;
}

static wide smallest(struct field_type type) {
    return type.is_signed ? -((wide)1 << (type.bits - 1)) : 0;
}

static bool fit(struct field_type type, wide value, enum field_overflow overflow, int64_t *out) {
    bool too_large = value > largest(type);
    bool fits = !too_large && value >= smallest(type);
    if (!fits && overflow == FIELD_FAIL)
        return false;
    if (!fits && overflow == FIELD_SATURATE)
        *out = (int64_t)(too_large ? largest(type) : smallest(type));
    else
        *out = interpret(type, (uint64_t)value);
    return true;
}

bool field_fit(struct field_type type, int64_t value, enum field_overflow overflow, int64_t *out) {
    return fit(type, type.is_signed ? (wide)value : (wide)(uint64_t)value, overflow, out);
}

bool field_add(struct field_type type, int64_t value, int64_t increment, enum field_overflow overflow,
               int64_t *out) {
    return fit(type, (wide)value + increment, overflow, out);
}
