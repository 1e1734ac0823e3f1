// SPDX-License-Identifier: Apache-2.0
//
// Reading and rewriting keys that hold strings. Bit commands work on strings too; a key of Kvrocks' separate
// bitmap type is read as the string that it stands for, and becomes one when it is written. Functions that
// fail have written the error reply. May use: base, store, server/command, commands/arguments.
#ifndef KVFENCE_COMMANDS_STRING_VALUE_H
#define KVFENCE_COMMANDS_STRING_VALUE_H

#include "commands/bitmap_segments.h"
#include "server/command.h"

#include <stdint.h>

enum value_status {
    VALUE_FOUND,   // to be released with store_value_release()
    VALUE_MISSING, // an empty value of VALUE_NONE that may be released
    VALUE_FAILED   // the error reply has been written; nothing to release
};

// `value->payload` is the string. A Kvrocks bitmap may be as long as max-bitmap-to-string-mb says.
enum value_status string_read(struct command_context *context, struct bytes key, struct store_value *value);
// The same with an error text of the command's own for a key of another type. NULL: it counts as missing.
enum value_status string_read_or(struct command_context *context, struct bytes key, const char *wrong_type,
                                 struct store_value *value);
// Where strings are read, in the command or for a reply that goes on after it: as string_read() does.
struct string_source {
    struct entry_source entries;
    wall_ms_t now;
    struct bitmap_limit limit;
};
struct string_source string_source_of(const struct command_context *context);
// The same without a reply: NULL, or what is wrong, as an error reply. VALUE_FAILED has nothing to release.
const char *string_read_from(const struct string_source *source, struct bytes key, const char *wrong_type,
                             struct store_value *value, enum value_status *status);
// As string_read() for the bit commands, to which a Kvrocks bitmap may be as long as any string.
enum value_status string_read_bits(struct command_context *context, struct bytes key,
                                   struct store_value *value);
// A key of any type: only its metadata is of use.
enum value_status string_read_any(struct command_context *context, struct bytes key,
                                  struct store_value *value);

// Longest string that a command may make: proto-max-bulk-len.
uint64_t string_length_limit(const struct command_context *context);
bool string_check_length(struct command_context *context, uint64_t length);

// Replies with the value and gives it up, copying nothing if it is big.
void string_reply(struct reply *reply, struct store_value *value);

// Stages `text` as the value of the key, in place of the one read before, whose expiry stays.
void string_stage(struct command_context *context, struct bytes key, const struct store_value *old,
                  struct bytes text);
// Stages the old value with `piece` written over it from `offset`, filled up with zero bytes where it was
// shorter, and sets *length to its new length. The expiry stays. False: the error reply is written.
bool string_stage_overwritten(struct command_context *context, struct bytes key,
                              const struct store_value *old, uint64_t offset, struct bytes piece,
                              uint64_t *length);

#endif
