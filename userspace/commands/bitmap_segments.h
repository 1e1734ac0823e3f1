// SPDX-License-Identifier: Apache-2.0
//
// Kvrocks' bitmap type: a bitmap cut into segments of 1024 bytes, each under a sub-key that is the decimal
// text of its byte offset. A segment that is missing, or shorter than it could be, stands for zeros. The bits
// of a byte are stored least significant first, while a Redis string has them most significant first. This
// server only reads the type. May use: base, store, server/command, commands/arguments.
#ifndef KVFENCE_COMMANDS_BITMAP_SEGMENTS_H
#define KVFENCE_COMMANDS_BITMAP_SEGMENTS_H

#include "server/command.h"
#include "store/entry_view.h"

#include <stdint.h>

enum { BITMAP_SEGMENT_BYTES = 1024 };

// Copies a stored segment to where it belongs in the string, its bits turned round.
void bitmap_segment_copy(char *to, size_t room, struct bytes segment);

// How long a bitmap may be to be read as a string, and the error reply for one that is longer.
struct bitmap_limit {
    uint64_t bytes;
    const char *error;
};

// Replaces a bitmap's metadata entry, just read into `value`, by the string that the bitmap stands for, with
// the same expiry. NULL, or what is wrong (too long, no memory, damaged data), as an error reply; then
// `value` is released.
const char *bitmap_segments_join(struct entry_source source, struct bytes key, struct bitmap_limit limit,
                                 struct store_value *value);
// One bit of a bitmap with this metadata. False: the error reply is written.
bool bitmap_segments_bit(struct command_context *context, struct bytes key, const struct metadata *metadata,
                         uint64_t offset, bool *bit);

#endif
