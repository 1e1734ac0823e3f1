// SPDX-License-Identifier: Apache-2.0
//
// Numbers to and from text. Uses: bytes.
#include "base/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool number_read_unsigned(struct bytes text, uint64_t *out) {
    if (text.length == 0 || text.length > 20 || (text.data[0] == '0' && text.length > 1))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool number_read_integer(struct bytes text, int64_t *out) {
    bool negative = text.length > 1 && text.data[0] == '-';
    uint64_t magnitude = 0;
    struct bytes digits = {.data = text.data + negative, .length = text.length - negative};
    if (text.length == 0 || !number_read_unsigned(digits, &magnitude))
        return false;
    if (negative) {
        if (magnitude == 0 || magnitude > (uint64_t)INT64_MAX + 1)
            return false;
        *out = (int64_t)(0 - magnitude);
        return true;
    }
    if (magnitude > INT64_MAX)
        return false;
    *out = (int64_t)magnitude;
    return true;
}

// A copy that ends in NUL, as the C library wants it. False if it cannot be a number.
static bool copy_text(struct bytes text, char copy[NUMBER_FLOAT_SIZE]) {
    if (text.length == 0 || text.length >= NUMBER_FLOAT_SIZE || strchr(" \t\n\v\f\r", text.data[0]) != NULL)
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return true;
}

bool number_read_float(struct bytes text, long double *out) {
    char copy[NUMBER_FLOAT_SIZE];
    char *end = NULL;
    if (!copy_text(text, copy))
        return false;
    errno = 0;
    long double value = strtold(copy, &end);
    if (end != copy + text.length || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || value == 0))
        return false;
    *out = value;
    return true;
}

// Most scores are short integers, which need no library.
static bool read_short_integer(struct bytes text, double *out) {
    enum { EXACT_DIGITS = 15 };
    int64_t value = 0;
    if (text.length > EXACT_DIGITS || !number_read_integer(text, &value))
        return false;
    *out = (double)value;
    return true;
}

bool number_read_double(struct bytes text, double *out) {
    char copy[NUMBER_FLOAT_SIZE];
    char *end = NULL;
    if (read_short_integer(text, out))
        return true;
    if (!copy_text(text, copy))
        return false;
    errno = 0;
    double value = strtod(copy, &end);
    if (end != copy + text.length || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || value == 0))
        return false;
    *out = value;
    return true;
}

size_t number_write_integer(char out[NUMBER_INTEGER_SIZE], int64_t value) {
    char reversed[NUMBER_INTEGER_SIZE];
    size_t count = 0;
    size_t length = 0;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        reversed[count++] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude != 0);
    if (value < 0)
        out[length++] = '-';
    while (count != 0)
        out[length++] = reversed[--count];
    return length;
}

size_t number_write_float(char out[NUMBER_FLOAT_SIZE], long double value) {
    if (isinf(value))
        return (size_t)snprintf(out, NUMBER_FLOAT_SIZE, "%s", value > 0 ? "inf" : "-inf");
    int written = snprintf(out, NUMBER_FLOAT_SIZE, "%.17Lf", value);
    size_t length = (size_t)written;
    while (length > 0 && out[length - 1] == '0')
        length--;
    if (length > 0 && out[length - 1] == '.')
        length--;
    if (length == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        length = 1;
    }
    return length;
}

size_t number_write_double(char out[NUMBER_FLOAT_SIZE], double value) {
    const double most = 1e17; // with as many digits as are written
    if (isinf(value))
        return (size_t)snprintf(out, NUMBER_FLOAT_SIZE, "%s", value > 0 ? "inf" : "-inf");
    if (isnan(value))
        return (size_t)snprintf(out, NUMBER_FLOAT_SIZE, "nan");
    bool is_integer = value > -most && value < most && value == (double)(int64_t)value;
    if (is_integer && (value != 0 || !signbit(value)))
        return number_write_integer(out, (int64_t)value);
    return (size_t)snprintf(out, NUMBER_FLOAT_SIZE, "%.17g", value);
}
