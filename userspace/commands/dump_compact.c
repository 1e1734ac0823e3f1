// SPDX-License-Identifier: Apache-2.0
//
// Uses: number, dump_cursor.
#include "commands/dump_compact.h"

#include "base/number.h"
#include "commands/dump_cursor.h"

enum { END_MARK = 0xff, COUNT_UNKNOWN = 0xffff };

bool dump_add_integer(struct dump_value *out, int64_t value) {
    char text[NUMBER_INTEGER_SIZE];
    size_t length = number_write_integer(text, value);
    return dump_value_add(out, (struct bytes){.data = text, .length = length});
}

static bool add_string(struct dump_cursor *cursor, uint64_t length, struct dump_value *out) {
    struct bytes text;
    return dump_take(cursor, length, &text) && dump_value_add(out, text);
}

static bool add_little(struct dump_cursor *cursor, size_t size, struct dump_value *out) {
    uint64_t value = 0;
    return dump_take_little(cursor, size, &value) && dump_add_integer(out, dump_signed(value, size * 8));
}

// What the header's count says must be what was found, if it says anything.
static bool ends_well(const struct dump_cursor *cursor, uint64_t announced, size_t found) {
    return cursor->rest.length == 0 && (announced == COUNT_UNKNOWN || announced == found);
}

// --- Listpack: size(4) count(2), then for each element its encoding, itself, and its length for reading
// backwards; 0xff ends it.

// `low` are the first byte's bits that are the beginning of a longer string's length.
static bool add_listpack_string(struct dump_cursor *cursor, unsigned low, struct dump_value *out) {
    unsigned char next = 0;
    return dump_take_byte(cursor, &next) && add_string(cursor, (uint64_t)low << 8 | next, out);
}

static bool add_listpack_integer(struct dump_cursor *cursor, unsigned low, struct dump_value *out) {
    unsigned char next = 0;
    return dump_take_byte(cursor, &next) && dump_add_integer(out, dump_signed((uint64_t)low << 8 | next, 13));
}

// First bytes of 0xf0 to 0xf4 say how many bytes the integer has, or the string's length.
static bool add_listpack_wide(struct dump_cursor *cursor, unsigned char first, struct dump_value *out) {
    static const size_t sizes[] = {4, 2, 3, 4, 8};
    uint64_t length = 0;
    size_t form = (size_t)first - 0xf0;
    if (form >= sizeof(sizes) / sizeof(sizes[0]))
        return false;
    if (form != 0)
        return add_little(cursor, sizes[form], out);
    return dump_take_little(cursor, sizes[0], &length) && add_string(cursor, length, out);
}

static bool add_listpack_element(struct dump_cursor *cursor, unsigned char first, struct dump_value *out) {
    if (first < 0x80)
        return dump_add_integer(out, first);
    if (first < 0xc0)
        return add_string(cursor, first & 0x3fU, out);
    if (first < 0xe0)
        return add_listpack_integer(cursor, first & 0x1fU, out);
    if (first < 0xf0)
        return add_listpack_string(cursor, first & 0x0fU, out);
    return add_listpack_wide(cursor, first, out);
}

// How many bytes the length of an element behind it takes.
static size_t length_behind(size_t element) {
    static const size_t limits[] = {128, 16383, 2097151, 268435455};
    size_t size = 1;
    while (size <= sizeof(limits) / sizeof(limits[0]) && element >= limits[size - 1])
        size++;
    return size;
}

bool dump_read_listpack(struct bytes bytes, struct dump_value *out) {
    struct dump_cursor cursor = {bytes};
    uint64_t size = 0;
    uint64_t announced = 0;
    unsigned char first = 0;
    size_t before = out->count;
    if (!dump_take_little(&cursor, 4, &size) || !dump_take_little(&cursor, 2, &announced) ||
        size != bytes.length)
        return false;
    for (;;) {
        struct bytes skipped;
        size_t left = cursor.rest.length;
        if (!dump_take_byte(&cursor, &first))
            return false;
        if (first == END_MARK)
            return ends_well(&cursor, announced, out->count - before);
        if (!add_listpack_element(&cursor, first, out) ||
            !dump_take(&cursor, length_behind(left - cursor.rest.length), &skipped))
            return false;
    }
}

// --- Ziplist: size(4) offset of the last element(4) count(2), then for each element the length of the one
// before it, its encoding and itself; 0xff ends it.

static bool add_ziplist_integer(struct dump_cursor *cursor, unsigned char first, struct dump_value *out) {
    switch (first) {
    case 0xc0:
        return add_little(cursor, 2, out);
    case 0xd0:
        return add_little(cursor, 4, out);
    case 0xe0:
        return add_little(cursor, 8, out);
    case 0xf0:
        return add_little(cursor, 3, out);
    case 0xfe:
        return add_little(cursor, 1, out);
    default: // 0 to 12 are in the byte itself
        return first >= 0xf1 && first <= 0xfd && dump_add_integer(out, first - 0xf1);
    }
}

static bool add_ziplist_element(struct dump_cursor *cursor, struct dump_value *out) {
    unsigned char first = 0;
    unsigned char next = 0;
    uint64_t length = 0;
    if (!dump_take_byte(cursor, &first))
        return false;
    if (first < 0x40)
        return add_string(cursor, first, out);
    if (first < 0x80)
        return dump_take_byte(cursor, &next) && add_string(cursor, (first & 0x3fU) << 8 | next, out);
    if (first < 0xc0)
        return first == 0x80 && dump_take_big(cursor, 4, &length) && add_string(cursor, length, out);
    return add_ziplist_integer(cursor, first, out);
}

bool dump_read_ziplist(struct bytes bytes, struct dump_value *out) {
    struct dump_cursor cursor = {bytes};
    uint64_t size = 0;
    uint64_t last = 0;
    uint64_t announced = 0;
    size_t before = out->count;
    if (!dump_take_little(&cursor, 4, &size) || !dump_take_little(&cursor, 4, &last) ||
        !dump_take_little(&cursor, 2, &announced) || size != bytes.length)
        return false;
    for (;;) {
        unsigned char previous = 0;
        uint64_t long_previous = 0;
        if (!dump_take_byte(&cursor, &previous))
            return false;
        if (previous == END_MARK)
            return ends_well(&cursor, announced, out->count - before);
        if (previous == 0xfe && !dump_take_little(&cursor, 4, &long_previous))
            return false;
        if (!add_ziplist_element(&cursor, out))
            return false;
    }
}

// --- Set of integers: bytes of each(4) count(4), then the integers.

bool dump_read_intset(struct bytes bytes, struct dump_value *out) {
    struct dump_cursor cursor = {bytes};
    uint64_t size = 0;
    uint64_t count = 0;
    if (!dump_take_little(&cursor, 4, &size) || !dump_take_little(&cursor, 4, &count))
        return false;
    if ((size != 2 && size != 4 && size != 8) || cursor.rest.length != count * size)
        return false;
    for (; count != 0; count--) {
        if (!add_little(&cursor, size, out))
            return false;
    }
    return true;
}
