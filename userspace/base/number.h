// SPDX-License-Identifier: Apache-2.0
//
// Numbers as Redis writes and reads them. May use: base/bytes.
#ifndef KVFENCE_BASE_NUMBER_H
#define KVFENCE_BASE_NUMBER_H

#include "base/bytes.h"

#include <stdint.h>

// Reads a whole decimal integer: an optional '-', no blanks, no '+', no leading zeros but "0" itself.
// False, with *out untouched, if it is anything else or does not fit.
bool number_read_integer(struct bytes text, int64_t *out);
bool number_read_unsigned(struct bytes text, uint64_t *out);

// Reads a whole floating-point number as strtold() does (inf allowed, nan, blanks and empty text not).
bool number_read_float(struct bytes text, long double *out);
// The same as strtod() does: what a double cannot hold is refused.
bool number_read_double(struct bytes text, double *out);

// Writes in decimal; returns the length. No NUL is added.
enum { NUMBER_INTEGER_SIZE = 21, NUMBER_FLOAT_SIZE = 5 * 1024 };
size_t number_write_integer(char out[NUMBER_INTEGER_SIZE], int64_t value);

// Writes with 17 digits after the point, trailing zeros removed and never an exponent, as INCRBYFLOAT prints.
size_t number_write_float(char out[NUMBER_FLOAT_SIZE], long double value);

// Writes up to 17 digits, with an exponent where they do not suffice, as Redis 7.0 prints scores and RESP3's
// doubles: "3", "0.10000000000000001", "1e+17". It reads back as the same double.
size_t number_write_double(char out[NUMBER_FLOAT_SIZE], double value);

#endif
