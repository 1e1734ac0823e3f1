// SPDX-License-Identifier: Apache-2.0
//
// Opening collections for commands, with the error replies that this can end in. May use: base,
// store/collection, server/command, commands/arguments.
#ifndef KVFENCE_COMMANDS_COLLECTION_VALUE_H
#define KVFENCE_COMMANDS_COLLECTION_VALUE_H

#include "server/command.h"
#include "store/collection.h"

enum collection_status {
    COLLECTION_FOUND,
    COLLECTION_MISSING, // of size 0, and must not be read from
    COLLECTION_FAILED   // the error reply has been written
};

// The collection whose key is argument `index`, for reading.
enum collection_status collection_read(struct command_context *context, size_t index, enum value_type type,
                                       struct collection *out);
// The same for writing: an absent one is a new one, also COLLECTION_FOUND.
enum collection_status collection_write(struct command_context *context, size_t index, enum value_type type,
                                        struct collection *out);

// One sub-key's value. *found false: there is none. False: the error reply has been written. Release the
// value if it was found.
bool collection_look_up(struct command_context *context, const struct collection *collection,
                        struct bytes sub_key, bool *found, struct store_value *value);
// The same without the value.
bool collection_look_for(struct command_context *context, const struct collection *collection,
                         struct bytes sub_key, bool *found);

// Replies with what the writer makes of the sub-key in argument 2 of the collection in argument 1; *value is
// NULL if there is none. It returns NULL, or if the value is damaged the error reply, a constant.
typedef const char *sub_key_writer(struct command_context *context, struct bytes sub_key,
                                   struct store_value *value);
void collection_reply_one(struct command_context *context, enum value_type type, sub_key_writer *writer);
// The same for all arguments from 2 on, as an array. An error takes the place of the whole.
void collection_reply_each(struct command_context *context, enum value_type type, sub_key_writer *writer);

// There is nothing to be stored under this name: the key goes, whatever it holds. False: the error reply has
// been written.
bool collection_stage_none(struct command_context *context, struct bytes key);

// It has fewer elements than its metadata says.
void collection_reply_damaged(struct command_context *context);

// Ends a walk of which `missing` more elements were announced: closes the iterator. False if it ended by an
// error, or because the collection is damaged and has fewer elements than it says: then everything replied
// since `before` is replaced by the error.
bool collection_end_walk(struct command_context *context, struct collection_iterator *iterator,
                         struct output_mark before, uint64_t missing);

#endif
