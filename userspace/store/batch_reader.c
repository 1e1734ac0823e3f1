// SPDX-License-Identifier: Apache-2.0
//
// RocksDB's batches, read record by record. Uses: base.
#include "store/batch_reader.h"

enum { HEADER_SIZE = 12 };

// RocksDB's tags of the records that its stable format has.
enum {
    TAG_DELETION = 0x0,
    TAG_VALUE = 0x1,
    TAG_LOG_DATA = 0x3,
    TAG_FAMILY_DELETION = 0x4,
    TAG_FAMILY_VALUE = 0x5,
    TAG_SINGLE_DELETION = 0x7,
    TAG_FAMILY_SINGLE_DELETION = 0x8,
    TAG_NOTHING = 0xD,
    TAG_FAMILY_RANGE_DELETION = 0xE,
    TAG_RANGE_DELETION = 0xF,
    TAG_COUNT
};

struct tag {
    bool is_known, is_change;
    enum batch_change change;
    bool has_family;
    int parts; // key and value
};

static const struct tag tags[TAG_COUNT] = {
    [TAG_DELETION] = {true, true, BATCH_DELETE, false, 1},
    [TAG_VALUE] = {true, true, BATCH_PUT, false, 2},
    [TAG_LOG_DATA] = {true, false, BATCH_PUT, false, 1},
    [TAG_FAMILY_DELETION] = {true, true, BATCH_DELETE, true, 1},
    [TAG_FAMILY_VALUE] = {true, true, BATCH_PUT, true, 2},
    [TAG_SINGLE_DELETION] = {true, true, BATCH_DELETE, false, 1},
    [TAG_FAMILY_SINGLE_DELETION] = {true, true, BATCH_DELETE, true, 1},
    [TAG_NOTHING] = {true, false, BATCH_PUT, false, 0},
    [TAG_FAMILY_RANGE_DELETION] = {true, true, BATCH_DELETE_RANGE, true, 2},
    [TAG_RANGE_DELETION] = {true, true, BATCH_DELETE_RANGE, false, 2},
};

void batch_reader_begin(struct batch_reader *reader, struct bytes batch) {
    *reader = (struct batch_reader){.rest = batch, .is_damaged = batch.length < HEADER_SIZE};
    if (reader->is_damaged)
        return;
    reader->rest.data += HEADER_SIZE;
    reader->rest.length -= HEADER_SIZE;
}

static bool take_byte(struct bytes *rest, uint8_t *byte) {
    if (rest->length == 0)
        return false;
    *byte = (uint8_t)rest->data[0];
    rest->data++;
    rest->length--;
    return true;
}

// Seven bits a byte, the lowest first; the highest bit says that there are more.
static bool take_number(struct bytes *rest, uint32_t *number) {
    uint8_t byte = 0;
    *number = 0;
    for (unsigned shift = 0; shift < 32; shift += 7) {
        if (!take_byte(rest, &byte))
            return false;
        *number |= (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static bool take_bytes(struct bytes *rest, struct bytes *out) {
    uint32_t length = 0;
    if (!take_number(rest, &length) || length > rest->length)
        return false;
    *out = (struct bytes){rest->data, length};
    rest->data += length;
    rest->length -= length;
    return true;
}

// *is_change: false if the record changes nothing.
static bool take_record(struct bytes *rest, struct batch_record *record, bool *is_change) {
    uint8_t byte = 0;
    *record = (struct batch_record){0};
    if (!take_byte(rest, &byte) || byte >= TAG_COUNT || !tags[byte].is_known)
        return false;
    const struct tag *tag = &tags[byte];
    record->change = tag->change;
    *is_change = tag->is_change;
    return (!tag->has_family || take_number(rest, &record->family)) &&
           (tag->parts < 1 || take_bytes(rest, &record->key)) &&
           (tag->parts < 2 || take_bytes(rest, &record->value));
}

bool batch_reader_next(struct batch_reader *reader, struct batch_record *record) {
    bool is_change = false;
    while (!reader->is_damaged && !is_change) {
        if (reader->rest.length == 0)
            return false;
        reader->is_damaged = !take_record(&reader->rest, record, &is_change);
    }
    return !reader->is_damaged;
}
