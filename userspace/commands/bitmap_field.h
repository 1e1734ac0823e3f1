// SPDX-License-Identifier: Apache-2.0
//
// Integers of any width within byte strings, as BITFIELD has them: most significant bit first, two's
// complement, at any bit. May use: base.
#ifndef KVFENCE_COMMANDS_BITMAP_FIELD_H
#define KVFENCE_COMMANDS_BITMAP_FIELD_H

#include "base/bytes.h"

#include <stdint.h>

struct field_type {
    bool is_signed;
    unsigned bits; // 1 to 64, unsigned ones to 63: so every value fits an int64_t
};

// Reads "i8" or "u63". False: no such type.
bool field_type_read(struct bytes text, struct field_type *type);

// Bits after the end are 0.
int64_t field_get(struct bytes bytes, struct field_type type, uint64_t offset);
// The field must lie within the data. Bits of the value above the field's width are dropped.
void field_set(char *data, struct field_type type, uint64_t offset, int64_t value);

// What happens to a value that a field cannot hold.
enum field_overflow { FIELD_WRAP, FIELD_SATURATE, FIELD_FAIL };

// What a field that is set to `value` holds then. A negative value for an unsigned field counts as the large
// one with the same bits. False: it does not fit and the rule is FIELD_FAIL. Redis 7.0 mistakes values close
// to INT64_MIN for too large ones in signed fields, and saturates to the largest value; here it is the
// smallest.
bool field_fit(struct field_type type, int64_t value, enum field_overflow overflow, int64_t *out);
// The same for the sum of what the field holds and an increment of either sign.
bool field_add(struct field_type type, int64_t value, int64_t increment, enum field_overflow overflow,
               int64_t *out);

#endif
