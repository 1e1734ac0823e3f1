// SPDX-License-Identifier: Apache-2.0
//
// Apache Kvrocks' on-disk encoding of keys and metadata, byte for byte, so that either server can open the
// other's data directory. Integers are big-endian. May use: base.
//
//   metadata key: namespace length(1) namespace [slot(2)] user key
//   sub-key:      namespace length(1) namespace [slot(2)] key length(4) user key version(8) sub-key
//   metadata:     flags(1) expire(8 ms, or 4 s in the old form) then, but for strings and JSON,
//                 version(8) size(8, or 4 in the old form), then what the type adds; for strings the value
//
// The slot is there only when the server runs in cluster mode.
#ifndef KVFENCE_STORE_ENCODING_H
#define KVFENCE_STORE_ENCODING_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/clock.h"

#include <stdint.h>

// The column families by their Kvrocks ids, which are part of replicated batches.
enum column_family {
    FAMILY_DEFAULT, // sub-keys of all collections
    FAMILY_METADATA,
    FAMILY_ZSET_SCORE,
    FAMILY_PUBSUB,
    FAMILY_PROPAGATE,
    FAMILY_STREAM,
    FAMILY_SEARCH,
    FAMILY_COUNT
};
const char *column_family_name(enum column_family family);

enum value_type {
    VALUE_NONE,
    VALUE_STRING,
    VALUE_HASH,
    VALUE_LIST,
    VALUE_SET,
    VALUE_ZSET,
    VALUE_BITMAP,
    VALUE_SORTEDINT,
    VALUE_STREAM,
    VALUE_BLOOM,
    VALUE_JSON,
    VALUE_HYPERLOGLOG,
    VALUE_TYPE_COUNT
};
// What TYPE prints; "none" for VALUE_NONE.
const char *value_type_name(enum value_type type);

// How this server's keys are laid out; fixed for the life of a data directory.
struct key_layout {
    struct bytes name_space; // 1 to 255 bytes; DEFAULT_NAMESPACE unless namespaces are in use
    bool with_slot;          // cluster mode
};
#define DEFAULT_NAMESPACE BYTES_LITERAL("__namespace")

// CRC16/XMODEM of the key or of its {hash tag}, modulo 16384: Redis Cluster's rule.
uint16_t key_slot(struct bytes user_key);

void encode_metadata_key(struct buffer *out, const struct key_layout *layout, struct bytes user_key);
void encode_sub_key(struct buffer *out, const struct key_layout *layout, struct bytes user_key,
                    uint64_t version, struct bytes sub_key);
// The first key behind all that start with the prefix. Appends nothing if there is none, as the prefix is all
// ones; those of collections and namespaces never are: they start with a namespace's length, below 255.
void encode_prefix_end(struct buffer *out, struct bytes prefix);
// What all metadata keys of the layout's namespace start with (any slot).
void encode_namespace_prefix(struct buffer *out, const struct key_layout *layout);

// Both return false if the bytes are no such key. Results point into `raw`.
bool decode_metadata_key(struct bytes raw, bool with_slot, struct bytes *name_space, struct bytes *user_key);
bool decode_sub_key(struct bytes raw, bool with_slot, struct bytes *name_space, struct bytes *user_key,
                    uint64_t *version, struct bytes *sub_key);

struct metadata {
    enum value_type type;
    bool wide;            // 64-bit form: the one written; the other is only read
    wall_ms_t expire_ms;  // 0: never
    uint64_t version;     // 0 for types without sub-keys
    uint64_t size;        // 0 for types without sub-keys
    size_t header_length; // bytes before the value, or before what the type adds
};
enum { METADATA_HEADER_MAX = 25 };

// True if the type keeps its elements in sub-keys, so that version and size are stored.
bool value_type_has_sub_keys(enum value_type type);

// False if the bytes are too short or the type is unknown.
bool decode_metadata(struct bytes raw, struct metadata *out);
// Writes the header in the 64-bit form; returns its length.
size_t encode_metadata(char out[METADATA_HEADER_MAX], const struct metadata *metadata);

// Dead: expired before `now`, or an emptied collection. Readers see dead keys as absent.
bool metadata_is_dead(const struct metadata *metadata, wall_ms_t now);

// Dead because its time is over, and not because it is empty.
bool metadata_has_expired(const struct metadata *metadata, wall_ms_t now);

// A version for a key made now: microseconds shifted left by 11, plus a counter. Never 0; thread-safe.
uint64_t metadata_new_version(void);

// Doubles so that byte order is numeric order (sorted sets).
enum { ENCODED_DOUBLE_SIZE = 8 };
void encode_double(char out[ENCODED_DOUBLE_SIZE], double value);
double decode_double(const char in[ENCODED_DOUBLE_SIZE]);

#endif
