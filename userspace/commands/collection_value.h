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

// It has fewer elements than its metadata says.
void collection_reply_damaged(struct command_context *context);

// Ends a walk of which `missing` more elements were announced: closes the iterator. False if it ended by an
// error, or because the collection is damaged and has fewer elements than it says: then everything replied
// since `before` is replaced by the error.
bool collection_end_walk(struct command_context *context, struct collection_iterator *iterator,
                         struct output_mark before, uint64_t missing);

#endif
