// SPDX-License-Identifier: Apache-2.0
//
// Kvrocks' segmented bitmaps as strings. Uses: arguments, memory, number, store/entry_view.
#include "commands/bitmap_segments.h"

#include "base/memory.h"
#include "base/number.h"
#include "commands/arguments.h"

#include <stdlib.h>

static unsigned char reversed(unsigned char byte) {
    unsigned bits = byte;
    bits = (bits & 0x0fU) << 4 | (bits & 0xf0U) >> 4;
    bits = (bits & 0x33U) << 2 | (bits & 0xccU) >> 2;
    bits = (bits & 0x55U) << 1 | (bits & 0xaaU) >> 1;
    return (unsigned char)bits;
}

void bitmap_segment_copy(char *to, size_t room, struct bytes segment) {
    for (size_t i = 0; i < room && i < segment.length; i++)
        to[i] = (char)reversed((unsigned char)segment.data[i]);
}

// STORE_OK also for a segment that is not there, which is empty.
static enum store_status read_segment(struct entry_source source, struct bytes key, uint64_t version,
                                      uint64_t offset, struct store_value *segment) {
    char text[NUMBER_INTEGER_SIZE];
    struct bytes sub_key = {text, number_write_integer(text, (int64_t)offset)};
    *segment = (struct store_value){0};
    enum store_status status = entry_source_read_sub_key(source, key, version, sub_key, segment);
    if (status != STORE_NOT_FOUND)
        return status;
    *segment = (struct store_value){0};
    return STORE_OK;
}

static enum store_status fill(struct entry_source source, struct bytes key, const struct metadata *metadata,
                              char *text) {
    memset(text, 0, metadata->size);
    for (uint64_t offset = 0; offset < metadata->size; offset += BITMAP_SEGMENT_BYTES) {
        uint64_t rest = metadata->size - offset;
        struct store_value segment;
        enum store_status status = read_segment(source, key, metadata->version, offset, &segment);
        if (status != STORE_OK)
            return status;
        bitmap_segment_copy(text + offset, rest < BITMAP_SEGMENT_BYTES ? rest : BITMAP_SEGMENT_BYTES,
                            segment.payload);
        store_value_release(&segment);
    }
    return STORE_OK;
}

const char *bitmap_segments_join(struct entry_source source, struct bytes key, struct bitmap_limit limit,
                                 struct store_value *value) {
    struct metadata metadata = value->metadata;
    store_value_release(value);
    *value = (struct store_value){0};
    if (metadata.size > limit.bytes)
        return limit.error;
    char *text = memory_try_allocate(metadata.size);
    if (text == NULL)
        return "ERR not enough memory to read the bitmap";
    enum store_status status = fill(source, key, &metadata, text);
    if (status != STORE_OK) {
        free(text);
        return session_error(source.session, status);
    }
    value->metadata = (struct metadata){.type = VALUE_STRING, .wide = true, .expire_ms = metadata.expire_ms};
    value->raw = value->payload = (struct bytes){text, metadata.size};
    value->pin = text;
    return NULL;
}

bool bitmap_segments_bit(struct command_context *context, struct bytes key, const struct metadata *metadata,
                         uint64_t offset, bool *bit) {
    uint64_t byte = offset / 8;
    size_t within = byte % BITMAP_SEGMENT_BYTES;
    struct store_value segment;
    struct entry_source source = {.session = context->session};
    enum store_status status = read_segment(source, key, metadata->version, byte - within, &segment);
    if (status != STORE_OK) {
        reply_store_error(context, status);
        return false;
    }
    struct bytes stored = segment.payload;
    *bit = byte < metadata->size && within < stored.length &&
           ((unsigned char)stored.data[within] >> offset % 8 & 1U) != 0;
    store_value_release(&segment);
    return true;
}
