// SPDX-License-Identifier: Apache-2.0
//
// Kvrocks' encoding of keys and metadata. Nothing here allocates but for the buffers that keys are appended
// to, and no decoder reads outside of the bytes it was given. May use: base.
#include "store/encoding.h"

#include "base/assert.h"

#include <limits.h>
#include <stdatomic.h>

static const char *const family_names[FAMILY_COUNT] = {
    [FAMILY_DEFAULT] = "default", [FAMILY_METADATA] = "metadata",   [FAMILY_ZSET_SCORE] = "zset_score",
    [FAMILY_PUBSUB] = "pubsub",   [FAMILY_PROPAGATE] = "propagate", [FAMILY_STREAM] = "stream",
    [FAMILY_SEARCH] = "search",
};

const char *column_family_name(enum column_family family) {
    always_assert((unsigned)family < FAMILY_COUNT, "no such column family");
    return family_names[family];
}

struct value_type_row {
    const char *name;
    bool has_sub_keys; // version and size are stored
    bool may_be_empty; // a size of 0 does not mean that the key is gone
};

static const struct value_type_row value_types[VALUE_TYPE_COUNT] = {
    [VALUE_NONE] = {"none", false, true},      [VALUE_STRING] = {"string", false, true},
    [VALUE_HASH] = {"hash", true, false},      [VALUE_LIST] = {"list", true, false},
    [VALUE_SET] = {"set", true, false},        [VALUE_ZSET] = {"zset", true, false},
    [VALUE_BITMAP] = {"bitmap", true, false},  [VALUE_SORTEDINT] = {"sortedint", true, false},
    [VALUE_STREAM] = {"stream", true, true},   [VALUE_BLOOM] = {"MBbloom--", true, true},
    [VALUE_JSON] = {"ReJSON-RL", false, true}, [VALUE_HYPERLOGLOG] = {"hyperloglog", true, true},
};

static const struct value_type_row *value_type_find(enum value_type type) {
    always_assert((unsigned)type < VALUE_TYPE_COUNT, "no such value type");
    return &value_types[type];
}

const char *value_type_name(enum value_type type) {
    return value_type_find(type)->name;
}

bool value_type_has_sub_keys(enum value_type type) {
    return value_type_find(type)->has_sub_keys;
}

// --- Integers ---

static char *put_byte(char *out, uint8_t value) {
    *out = (char)value;
    return out + 1;
}

static char *put_16(char *out, uint16_t value) {
    uint16_t big = __builtin_bswap16(value);
    memcpy(out, &big, sizeof big);
    return out + sizeof big;
}

static char *put_32(char *out, uint32_t value) {
    uint32_t big = __builtin_bswap32(value);
    memcpy(out, &big, sizeof big);
    return out + sizeof big;
}

static char *put_64(char *out, uint64_t value) {
    uint64_t big = __builtin_bswap64(value);
    memcpy(out, &big, sizeof big);
    return out + sizeof big;
}

static char *put_bytes(char *out, struct bytes bytes) {
    if (bytes.length != 0)
        memcpy(out, bytes.data, bytes.length);
    return out + bytes.length;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the byte swaps here assume a little-endian host");

static uint32_t get_32(const char *in) {
    uint32_t big;
    memcpy(&big, in, sizeof big);
    return __builtin_bswap32(big);
}

static uint64_t get_64(const char *in) {
    uint64_t big;
    memcpy(&big, in, sizeof big);
    return __builtin_bswap64(big);
}

// Takes `length` bytes from the front of `*rest`, or returns false if there are fewer.
static bool take(struct bytes *rest, size_t length, struct bytes *out) {
    if (rest->length < length)
        return false;
    *out = (struct bytes){.data = rest->data, .length = length};
    if (length != 0)
        rest->data += length;
    rest->length -= length;
    return true;
}

// --- Slots ---

// CRC-16/XMODEM (polynomial 0x1021, start 0) of each value of four bits. Going by half bytes is as fast as a
// table of 256 for keys of usual length, and the table stays in one cache line.
static const uint16_t crc16_of_nibble[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

static uint16_t crc16(struct bytes bytes) {
    uint32_t crc = 0;
    for (size_t i = 0; i < bytes.length; i++) {
        uint32_t byte = (unsigned char)bytes.data[i];
        crc = ((crc << 4) ^ crc16_of_nibble[((crc >> 12) ^ (byte >> 4)) & 15]) & 0xffff;
        crc = ((crc << 4) ^ crc16_of_nibble[((crc >> 12) ^ byte) & 15]) & 0xffff;
    }
    return (uint16_t)crc;
}

// What is between the first '{' and the first '}' after it, if that is at least one byte; else the whole key.
static struct bytes hash_tag(struct bytes key) {
    const char *open = key.length == 0 ? NULL : memchr(key.data, '{', key.length);
    if (open == NULL)
        return key;
    const char *tag = open + 1;
    const char *close = memchr(tag, '}', (size_t)(key.data + key.length - tag));
    if (close == NULL || close == tag)
        return key;
    return (struct bytes){.data = tag, .length = (size_t)(close - tag)};
}

enum { SLOT_COUNT = 16384 };

uint16_t key_slot(struct bytes user_key) {
    return crc16(hash_tag(user_key)) % SLOT_COUNT;
}

// --- Keys ---

enum { SLOT_SIZE = 2, KEY_LENGTH_SIZE = 4, VERSION_SIZE = 8 };

static size_t prefix_size(const struct key_layout *layout) {
    always_assert(layout->name_space.length >= 1 && layout->name_space.length <= UINT8_MAX,
                  "a namespace name has 1 to 255 bytes");
    return 1 + layout->name_space.length + (layout->with_slot ? SLOT_SIZE : 0);
}

static char *put_prefix(char *out, const struct key_layout *layout, struct bytes user_key) {
    out = put_byte(out, (uint8_t)layout->name_space.length);
    out = put_bytes(out, layout->name_space);
    return layout->with_slot ? put_16(out, key_slot(user_key)) : out;
}

void encode_metadata_key(struct buffer *out, const struct key_layout *layout, struct bytes user_key) {
    size_t length = prefix_size(layout) + user_key.length;
    char *at = buffer_reserve(out, length);
    at = put_prefix(at, layout, user_key);
    put_bytes(at, user_key);
    out->length += length;
}

void encode_sub_key(struct buffer *out, const struct key_layout *layout, struct bytes user_key,
                    uint64_t version, struct bytes sub_key) {
    always_assert(user_key.length <= UINT32_MAX, "a key's length is stored in 32 bits");
    size_t length = prefix_size(layout) + KEY_LENGTH_SIZE + user_key.length + VERSION_SIZE + sub_key.length;
    char *at = buffer_reserve(out, length);
    at = put_prefix(at, layout, user_key);
    at = put_32(at, (uint32_t)user_key.length);
    at = put_bytes(at, user_key);
    at = put_64(at, version);
    put_bytes(at, sub_key);
    out->length += length;
}

void encode_prefix_end(struct buffer *out, struct bytes prefix) {
    size_t at = prefix.length;
    while (at != 0 && (unsigned char)prefix.data[at - 1] == UCHAR_MAX)
        at--;
    if (at == 0)
        return;
    buffer_append(out, (struct bytes){prefix.data, at});
    out->data[out->length - 1] = (char)(out->data[out->length - 1] + 1);
}

void encode_namespace_prefix(struct buffer *out, const struct key_layout *layout) {
    struct key_layout without_slot = {.name_space = layout->name_space, .with_slot = false};
    encode_metadata_key(out, &without_slot, (struct bytes){.data = NULL, .length = 0});
}

// Takes what all keys start with off `*rest`.
static bool take_prefix(struct bytes *rest, bool with_slot, struct bytes *name_space) {
    struct bytes length, slot;
    if (!take(rest, 1, &length) || length.data[0] == 0)
        return false;
    return take(rest, (unsigned char)length.data[0], name_space) &&
           (!with_slot || take(rest, SLOT_SIZE, &slot));
}

bool decode_metadata_key(struct bytes raw, bool with_slot, struct bytes *name_space, struct bytes *user_key) {
    struct bytes rest = raw;
    if (!take_prefix(&rest, with_slot, name_space))
        return false;
    *user_key = rest;
    return true;
}

bool decode_sub_key(struct bytes raw, bool with_slot, struct bytes *name_space, struct bytes *user_key,
                    uint64_t *version, struct bytes *sub_key) {
    struct bytes rest = raw, key_length, version_bytes;
    if (!take_prefix(&rest, with_slot, name_space) || !take(&rest, KEY_LENGTH_SIZE, &key_length) ||
        !take(&rest, get_32(key_length.data), user_key) || !take(&rest, VERSION_SIZE, &version_bytes))
        return false;
    *version = get_64(version_bytes.data);
    *sub_key = rest;
    return true;
}

// --- Metadata ---

// The first byte. Bits 4 to 6 are written as 0 and ignored when read, as Kvrocks does.
enum { FLAG_WIDE = 0x80, FLAG_TYPE_MASK = 0x0f };

// Kvrocks holds the expiry as an unsigned number. One beyond our signed one is some 292 million years ahead
// and can only mean "practically never".
static wall_ms_t expiry_from_stored(uint64_t stored) {
    return stored > INT64_MAX ? INT64_MAX : (wall_ms_t)stored;
}

// Of the old form: seconds.
static bool decode_narrow(struct bytes raw, bool has_sub_keys, struct metadata *out) {
    size_t length = has_sub_keys ? 1 + 4 + 8 + 4 : 1 + 4;
    if (raw.length < length)
        return false;
    out->expire_ms = (wall_ms_t)get_32(raw.data + 1) * 1000;
    out->version = has_sub_keys ? get_64(raw.data + 5) : 0;
    out->size = has_sub_keys ? get_32(raw.data + 13) : 0;
    out->header_length = length;
    return true;
}

static bool decode_wide(struct bytes raw, bool has_sub_keys, struct metadata *out) {
    size_t length = has_sub_keys ? 1 + 8 + 8 + 8 : 1 + 8;
    if (raw.length < length)
        return false;
    out->expire_ms = expiry_from_stored(get_64(raw.data + 1));
    out->version = has_sub_keys ? get_64(raw.data + 9) : 0;
    out->size = has_sub_keys ? get_64(raw.data + 17) : 0;
    out->header_length = length;
    return true;
}

bool decode_metadata(struct bytes raw, struct metadata *out) {
    if (raw.length == 0)
        return false;
    unsigned flags = (unsigned char)raw.data[0];
    unsigned type = flags & FLAG_TYPE_MASK;
    if (type == VALUE_NONE || type >= VALUE_TYPE_COUNT)
        return false;
    out->type = (enum value_type)type;
    out->wide = (flags & FLAG_WIDE) != 0;
    bool has_sub_keys = value_types[type].has_sub_keys;
    return out->wide ? decode_wide(raw, has_sub_keys, out) : decode_narrow(raw, has_sub_keys, out);
}

size_t encode_metadata(char out[METADATA_HEADER_MAX], const struct metadata *metadata) {
    always_assert(metadata->type > VALUE_NONE && metadata->type < VALUE_TYPE_COUNT,
                  "metadata is stored for real types only");
    always_assert(metadata->expire_ms >= 0, "a key cannot be stored as expired before 1970");
    char *at = put_byte(out, (uint8_t)(FLAG_WIDE | (unsigned)metadata->type));
    at = put_64(at, (uint64_t)metadata->expire_ms);
    if (value_types[metadata->type].has_sub_keys) {
        at = put_64(at, metadata->version);
        at = put_64(at, metadata->size);
    }
    return (size_t)(at - out);
}

static bool is_emptied(const struct metadata *metadata) {
    return metadata->size == 0 && !value_type_find(metadata->type)->may_be_empty;
}

bool metadata_is_dead(const struct metadata *metadata, wall_ms_t now) {
    return is_emptied(metadata) || (metadata->expire_ms != 0 && metadata->expire_ms < now);
}

bool metadata_has_expired(const struct metadata *metadata, wall_ms_t now) {
    return metadata_is_dead(metadata, now) && !is_emptied(metadata);
}

// --- Versions ---

enum { VERSION_COUNTER_BITS = 11 };

// The one piece of state in this file. Two databases in one process may share it: all that matters is that no
// key gets the same version twice, or it would see the sub-keys of its predecessor again. Kvrocks adds a
// counter modulo 2048 to the time, which repeats when the clock is stepped back; going on from the last
// version does not, and leaves the form of the number the same.
static _Atomic uint64_t last_version;

uint64_t metadata_new_version(void) {
    uint64_t by_clock = (uint64_t)clock_wall_us() << VERSION_COUNTER_BITS;
    uint64_t last = atomic_load_explicit(&last_version, memory_order_relaxed);
    uint64_t next;
    do
        next = by_clock > last ? by_clock : last + 1;
    while (!atomic_compare_exchange_weak_explicit(&last_version, &last, next, memory_order_relaxed,
                                                  memory_order_relaxed));
    return next;
}

// --- Doubles ---

static const uint64_t sign_bit = UINT64_C(1) << 63;

// Numbers from 0 up get the sign bit set; of negative ones all bits are turned over, so that they come first
// and the most negative one before all others.
void encode_double(char out[ENCODED_DOUBLE_SIZE], double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_64(out, (bits & sign_bit) != 0 ? ~bits : bits | sign_bit);
}

double decode_double(const char in[ENCODED_DOUBLE_SIZE]) {
    uint64_t bits = get_64(in);
    bits = (bits & sign_bit) != 0 ? bits & ~sign_bit : ~bits;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
