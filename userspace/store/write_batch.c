// SPDX-License-Identifier: Apache-2.0
//
// Reading write batches. Uses: base.
#include "store/write_batch.h"

// RocksDB's numbers for the kinds of records, which are part of its files' format.
enum {
    TAG_DELETION = 0x0,
    TAG_VALUE = 0x1,
    TAG_LOG_DATA = 0x3,
    TAG_FAMILY_DELETION = 0x4,
    TAG_FAMILY_VALUE = 0x5,
    TAG_SINGLE_DELETION = 0x7,
    TAG_FAMILY_SINGLE_DELETION = 0x8,
    TAG_NOOP = 0xd,
    TAG_FAMILY_RANGE_DELETION = 0xe,
    TAG_RANGE_DELETION = 0xf,
    TAG_COUNT
};

struct tag_shape {
    bool is_known, has_family, has_key, has_value;
    enum write_batch_kind kind;
};

static const struct tag_shape shapes[TAG_COUNT] = {
    [TAG_DELETION] = {true, false, true, false, WRITE_BATCH_DELETE},
    [TAG_VALUE] = {true, false, true, true, WRITE_BATCH_PUT},
    [TAG_LOG_DATA] = {true, false, true, false, WRITE_BATCH_LOG_DATA},
    [TAG_FAMILY_DELETION] = {true, true, true, false, WRITE_BATCH_DELETE},
    [TAG_FAMILY_VALUE] = {true, true, true, true, WRITE_BATCH_PUT},
    [TAG_SINGLE_DELETION] = {true, false, true, false, WRITE_BATCH_DELETE},
    [TAG_FAMILY_SINGLE_DELETION] = {true, true, true, false, WRITE_BATCH_DELETE},
    [TAG_NOOP] = {true, false, false, false, WRITE_BATCH_LOG_DATA},
    [TAG_FAMILY_RANGE_DELETION] = {true, true, true, true, WRITE_BATCH_DELETE_RANGE},
    [TAG_RANGE_DELETION] = {true, false, true, true, WRITE_BATCH_DELETE_RANGE},
};

static uint64_t read_little_endian(const char *data, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | (unsigned char)data[i];
    return value;
}

bool write_batch_header(struct bytes batch, struct write_batch_header *out) {
    if (batch.length < WRITE_BATCH_HEADER_SIZE)
        return false;
    out->sequence = read_little_endian(batch.data, 8);
    out->count = (uint32_t)read_little_endian(batch.data + 8, 4);
    return true;
}

static bool read_varint(struct bytes batch, size_t *at, uint32_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift <= 28 && *at < batch.length; shift += 7) {
        unsigned char byte = (unsigned char)batch.data[(*at)++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *out = (uint32_t)value;
            return value <= UINT32_MAX;
        }
    }
    return false;
}

static bool read_slice(struct bytes batch, size_t *at, struct bytes *out) {
    uint32_t length = 0;
    if (!read_varint(batch, at, &length) || length > batch.length - *at)
        return false;
    *out = (struct bytes){.data = batch.data + *at, .length = length};
    *at += length;
    return true;
}

bool write_batch_next(struct bytes batch, size_t *at, struct write_batch_record *out) {
    size_t position = *at;
    if (position >= batch.length)
        return false;
    unsigned char tag = (unsigned char)batch.data[position++];
    if (tag >= TAG_COUNT || !shapes[tag].is_known)
        return false;
    const struct tag_shape *shape = &shapes[tag];
    *out = (struct write_batch_record){.kind = shape->kind};
    if ((shape->has_family && !read_varint(batch, &position, &out->family)) ||
        (shape->has_key && !read_slice(batch, &position, &out->key)) ||
        (shape->has_value && !read_slice(batch, &position, &out->value)))
        return false;
    *at = position;
    return true;
}

bool write_batch_is_sound(struct bytes batch, uint32_t families) {
    struct write_batch_header header;
    struct write_batch_record record;
    if (!write_batch_header(batch, &header))
        return false;
    size_t at = WRITE_BATCH_HEADER_SIZE;
    uint64_t changes = 0;
    while (write_batch_next(batch, &at, &record)) {
        changes += record.kind != WRITE_BATCH_LOG_DATA;
        if (record.family >= families)
            return false;
    }
    return at == batch.length && changes == header.count;
}
