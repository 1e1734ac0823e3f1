// SPDX-License-Identifier: Apache-2.0
//
// What is read from the database's files: keys, sub-keys and metadata of any bytes are decoded within their
// bounds or refused, and what was decoded encodes to the same bytes again. The first byte of an input chooses
// whether keys have a slot; the rest is what was read.
#include "fuzz.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "store/encoding.h"

#include <stdlib.h>
#include <string.h>

static bool lies_within(struct bytes part, struct bytes whole) {
    return part.length == 0 || (part.data >= whole.data && part.length <= whole.length &&
                                (size_t)(part.data - whole.data) <= whole.length - part.length);
}

// The bytes of the slot are not looked at when decoding; so that keys can be compared they are set right.
static void set_slot(char *raw, const struct key_layout *layout, struct bytes user_key) {
    if (!layout->with_slot)
        return;
    uint16_t slot = key_slot(user_key);
    raw[1 + layout->name_space.length] = (char)(slot >> 8);
    raw[2 + layout->name_space.length] = (char)slot;
}

static void check_metadata_key(char *data, size_t size, bool with_slot) {
    struct bytes raw = {.data = data, .length = size}, name_space, user_key;
    if (!decode_metadata_key(raw, with_slot, &name_space, &user_key))
        return;
    always_assert(lies_within(name_space, raw) && lies_within(user_key, raw), "a key's parts lie within it");
    struct key_layout layout = {.name_space = name_space, .with_slot = with_slot};
    set_slot(data, &layout, user_key);
    struct buffer again = {0};
    encode_metadata_key(&again, &layout, user_key);
    always_assert(bytes_equal(buffer_bytes(&again), raw), "a metadata key encodes to what it was read from");
    buffer_release(&again);
}

static void check_sub_key(char *data, size_t size, bool with_slot) {
    struct bytes raw = {.data = data, .length = size}, name_space, user_key, sub_key;
    uint64_t version;
    if (!decode_sub_key(raw, with_slot, &name_space, &user_key, &version, &sub_key))
        return;
    always_assert(lies_within(name_space, raw) && lies_within(user_key, raw) && lies_within(sub_key, raw),
                  "a sub-key's parts lie within it");
    struct key_layout layout = {.name_space = name_space, .with_slot = with_slot};
    set_slot(data, &layout, user_key);
    struct buffer again = {0};
    encode_sub_key(&again, &layout, user_key, version, sub_key);
    always_assert(bytes_equal(buffer_bytes(&again), raw), "a sub-key encodes to what it was read from");
    buffer_release(&again);
}

static bool same_metadata(const struct metadata *a, const struct metadata *b) {
    return a->type == b->type && a->expire_ms == b->expire_ms && a->version == b->version &&
           a->size == b->size;
}

static void check_metadata(struct bytes raw) {
    struct metadata metadata, again;
    if (!decode_metadata(raw, &metadata))
        return;
    always_assert(metadata.header_length <= raw.length, "a header lies within its entry");
    (void)metadata_is_dead(&metadata, 0);
    char header[METADATA_HEADER_MAX];
    size_t length = encode_metadata(header, &metadata);
    always_assert(decode_metadata((struct bytes){.data = header, .length = length}, &again) &&
                      same_metadata(&metadata, &again) && again.header_length == length,
                  "metadata reads back as it was");
    // The old form is written anew, reserved flags are dropped, and an expiry can be too far away.
    bool reserved_flags = (raw.data[0] & 0x70) != 0;
    if (metadata.wide && !reserved_flags && metadata.expire_ms != INT64_MAX)
        always_assert(length == metadata.header_length && memcmp(header, raw.data, length) == 0,
                      "metadata encodes to what it was read from");
}

static void check_double(struct bytes raw) {
    if (raw.length < ENCODED_DOUBLE_SIZE)
        return;
    char again[ENCODED_DOUBLE_SIZE];
    encode_double(again, decode_double(raw.data));
    always_assert(memcmp(again, raw.data, sizeof(again)) == 0, "a double encodes to what it was read from");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    bool with_slot = (data[0] & 1) != 0;
    // Of exactly this size, so that a read beyond it is seen.
    size_t length = size - 1;
    char *copy = malloc(length == 0 ? 1 : length);
    always_assert(copy != NULL, "there is memory for an input");
    memcpy(copy, data + 1, length);
    struct bytes raw = {.data = copy, .length = length};
    check_metadata(raw);
    check_double(raw);
    (void)key_slot(raw);
    check_metadata_key(copy, length, with_slot);
    memcpy(copy, data + 1, length);
    check_sub_key(copy, length, with_slot);
    free(copy);
    return 0;
}
