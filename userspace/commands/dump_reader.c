// SPDX-License-Identifier: Apache-2.0
//
// Uses: crc64, lzf, number, dump_compact, dump_cursor.
#include "commands/dump_reader.h"

#include "base/crc64.h"
#include "base/lzf.h"
#include "base/number.h"
#include "commands/dump_compact.h"
#include "commands/dump_cursor.h"

#include <math.h>

// --- Lengths and strings ---

enum { FORM_BITS = 6, FORM_14_BITS = 1, FORM_WIDE = 2, FORM_SPECIAL = 3 };

// A length, or with *special what kind of string follows that has none.
static bool take_length_or_form(struct dump_cursor *cursor, uint64_t *length, bool *special) {
    unsigned char first = 0;
    unsigned char next = 0;
    if (!dump_take_byte(cursor, &first))
        return false;
    unsigned low = first & ((1U << FORM_BITS) - 1);
    *special = first >> FORM_BITS == FORM_SPECIAL;
    *length = low;
    if (first >> FORM_BITS == FORM_14_BITS) {
        bool taken = dump_take_byte(cursor, &next);
        *length = low << 8 | next;
        return taken;
    }
    if (first >> FORM_BITS == FORM_WIDE)
        return low <= 1 && dump_take_big(cursor, low == 0 ? 4 : 8, length);
    return true;
}

static bool take_length(struct dump_cursor *cursor, uint64_t *length) {
    bool special = false;
    return take_length_or_form(cursor, length, &special) && !special;
}

static bool read_compressed(struct dump_cursor *cursor, struct dump_value *out) {
    uint64_t compressed = 0;
    uint64_t length = 0;
    struct bytes input;
    if (!take_length(cursor, &compressed) || !take_length(cursor, &length) ||
        !dump_take(cursor, compressed, &input) || length / LZF_EXPANSION_MAX > compressed)
        return false;
    char *room = dump_value_add_room(out, length);
    return room != NULL && lzf_decompress(input, room, length);
}

// Adds the string as an element.
static bool read_string(struct dump_cursor *cursor, struct dump_value *out) {
    enum { INT8, INT16, INT32, COMPRESSED };
    uint64_t length = 0;
    uint64_t number = 0;
    bool special = false;
    struct bytes text;
    if (!take_length_or_form(cursor, &length, &special))
        return false;
    if (!special)
        return dump_take(cursor, length, &text) && dump_value_add(out, text);
    if (length == COMPRESSED)
        return read_compressed(cursor, out);
    if (length > INT32)
        return false;
    size_t size = (size_t)1 << length;
    return dump_take_little(cursor, size, &number) && dump_add_integer(out, dump_signed(number, size * 8));
}

// --- Values ---

static bool read_one_string(struct dump_cursor *cursor, struct dump_value *out) {
    return read_string(cursor, out);
}

// A count and so many strings, or twice as many.
static bool read_strings(struct dump_cursor *cursor, struct dump_value *out) {
    uint64_t count = 0;
    if (!take_length(cursor, &count))
        return false;
    for (; count != 0; count--) {
        if (!read_string(cursor, out) || (out->type == VALUE_HASH && !read_string(cursor, out)))
            return false;
    }
    return true;
}

static bool read_binary_score(struct dump_cursor *cursor, double *score) {
    uint64_t bits = 0;
    if (!dump_take_little(cursor, sizeof(bits), &bits))
        return false;
    memcpy(score, &bits, sizeof(*score));
    return true;
}

// In the old form: a byte that is the length of the text that follows, or stands for a number without one.
static bool read_text_score(struct dump_cursor *cursor, double *score) {
    enum { NOT_A_NUMBER = 253, POSITIVE_INFINITY, NEGATIVE_INFINITY };
    unsigned char length = 0;
    struct bytes text;
    if (!dump_take_byte(cursor, &length) || length == NOT_A_NUMBER)
        return false;
    if (length == POSITIVE_INFINITY || length == NEGATIVE_INFINITY) {
        *score = length == POSITIVE_INFINITY ? (double)INFINITY : (double)-INFINITY;
        return true;
    }
    return dump_take(cursor, length, &text) && number_read_double(text, score);
}

static bool read_members(struct dump_cursor *cursor, struct dump_value *out,
                         bool (*read_score)(struct dump_cursor *cursor, double *score)) {
    uint64_t count = 0;
    double score = 0;
    if (!take_length(cursor, &count))
        return false;
    for (; count != 0; count--) {
        if (!read_string(cursor, out) || !read_score(cursor, &score) || isnan(score))
            return false;
        dump_value_set_score(out, out->count - 1, score);
    }
    return true;
}

static bool read_zset(struct dump_cursor *cursor, struct dump_value *out) {
    return read_members(cursor, out, read_binary_score);
}

static bool read_old_zset(struct dump_cursor *cursor, struct dump_value *out) {
    return read_members(cursor, out, read_text_score);
}

typedef bool compact_function(struct bytes bytes, struct dump_value *out);

// The next string, which holds a compact encoding.
static bool read_compact(struct dump_cursor *cursor, compact_function *function, struct dump_value *out) {
    struct dump_value string = {0};
    bool read = read_string(cursor, &string) && function(dump_value_at(&string, 0), out);
    dump_value_release(&string);
    return read;
}

// In a compact encoding, members and scores are elements in turn.
static bool read_compact_zset(struct dump_cursor *cursor, compact_function *function,
                              struct dump_value *out) {
    struct dump_value pairs = {0};
    bool read = read_compact(cursor, function, &pairs) && pairs.count % 2 == 0;
    for (size_t i = 0; i < pairs.count && read; i += 2) {
        double score = 0;
        read = number_read_double(dump_value_at(&pairs, i + 1), &score) && !isnan(score) &&
               dump_value_add(out, dump_value_at(&pairs, i));
        if (read)
            dump_value_set_score(out, out->count - 1, score);
    }
    dump_value_release(&pairs);
    return read;
}

static bool read_listpack(struct dump_cursor *cursor, struct dump_value *out) {
    return read_compact(cursor, dump_read_listpack, out);
}

static bool read_ziplist(struct dump_cursor *cursor, struct dump_value *out) {
    return read_compact(cursor, dump_read_ziplist, out);
}

static bool read_intset(struct dump_cursor *cursor, struct dump_value *out) {
    return read_compact(cursor, dump_read_intset, out);
}

static bool read_zset_listpack(struct dump_cursor *cursor, struct dump_value *out) {
    return read_compact_zset(cursor, dump_read_listpack, out);
}

static bool read_zset_ziplist(struct dump_cursor *cursor, struct dump_value *out) {
    return read_compact_zset(cursor, dump_read_ziplist, out);
}

// Ziplists, one behind the other.
static bool read_quicklist(struct dump_cursor *cursor, struct dump_value *out) {
    uint64_t nodes = 0;
    if (!take_length(cursor, &nodes))
        return false;
    for (; nodes != 0; nodes--) {
        if (!read_ziplist(cursor, out))
            return false;
    }
    return true;
}

// Listpacks, and elements that are too long for one.
static bool read_quicklist2(struct dump_cursor *cursor, struct dump_value *out) {
    enum { PLAIN = 1, PACKED = 2 };
    uint64_t nodes = 0;
    uint64_t form = 0;
    if (!take_length(cursor, &nodes))
        return false;
    for (; nodes != 0; nodes--) {
        if (!take_length(cursor, &form) || (form != PLAIN && form != PACKED))
            return false;
        if (!(form == PLAIN ? read_string(cursor, out) : read_listpack(cursor, out)))
            return false;
    }
    return true;
}

static const struct form {
    unsigned char type;
    enum value_type value;
    bool (*read)(struct dump_cursor *cursor, struct dump_value *out);
} forms[] = {
    {DUMP_STRING, VALUE_STRING, read_one_string},
    {DUMP_LIST, VALUE_LIST, read_strings},
    {DUMP_SET, VALUE_SET, read_strings},
    {3, VALUE_ZSET, read_old_zset},
    {DUMP_HASH, VALUE_HASH, read_strings},
    {DUMP_ZSET, VALUE_ZSET, read_zset},
    {10, VALUE_LIST, read_ziplist},
    {11, VALUE_SET, read_intset},
    {12, VALUE_ZSET, read_zset_ziplist},
    {13, VALUE_HASH, read_ziplist},
    {14, VALUE_LIST, read_quicklist},
    {16, VALUE_HASH, read_listpack},
    {17, VALUE_ZSET, read_zset_listpack},
    {18, VALUE_LIST, read_quicklist2},
};

// --- The whole ---

static bool read_value(struct dump_cursor *cursor, struct dump_value *out) {
    unsigned char type = 0;
    size_t at = 0;
    if (!dump_take_byte(cursor, &type))
        return false;
    while (at < sizeof(forms) / sizeof(forms[0]) && forms[at].type != type)
        at++;
    if (at == sizeof(forms) / sizeof(forms[0]))
        return false;
    out->type = forms[at].value;
    return forms[at].read(cursor, out) && cursor->rest.length == 0 && out->count != 0 &&
           (out->type != VALUE_HASH || out->count % 2 == 0) && !dump_value_has_duplicates(out);
}

// Takes the version and the checksum off the end.
static bool take_footer(struct dump_cursor *cursor) {
    if (cursor->rest.length < DUMP_FOOTER_SIZE)
        return false;
    struct bytes all = cursor->rest;
    struct dump_cursor footer = {{all.data + all.length - DUMP_FOOTER_SIZE, DUMP_FOOTER_SIZE}};
    uint64_t version = 0;
    uint64_t checksum = 0;
    (void)dump_take_little(&footer, 2, &version);
    (void)dump_take_little(&footer, sizeof(checksum), &checksum);
    cursor->rest.length -= DUMP_FOOTER_SIZE;
    struct bytes covered = {all.data, all.length - sizeof(checksum)};
    return version <= DUMP_VERSION && checksum == crc64(0, covered);
}

const char *dump_read(struct bytes payload, struct dump_value *out) {
    struct dump_cursor cursor = {payload};
    *out = (struct dump_value){0};
    if (!take_footer(&cursor))
        return "ERR DUMP payload version or checksum are wrong";
    if (read_value(&cursor, out))
        return NULL;
    dump_value_release(out);
    return "ERR Bad data format";
}
