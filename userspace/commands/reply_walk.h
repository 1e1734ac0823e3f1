// SPDX-License-Identifier: Apache-2.0
//
// Replies that are what a walk over the database finds, one element after the other, however many there are.
// A short one is written at once. The rest of a long one is streamed (server/reply_stream.h): the walk stays
// open and goes on as the client reads. Inside EXEC all is written at once, up to 512 MB. May use: base,
// store/collection, server/{command,reply_stream}.
#ifndef KVFENCE_COMMANDS_REPLY_WALK_H
#define KVFENCE_COMMANDS_REPLY_WALK_H

#include "server/command.h"
#include "store/collection.h"

enum walk_step {
    WALK_END,    // nothing more, or an error
    WALK_PASSED, // something that is no element
    WALK_ELEMENT
};

// A kind of walk. Its state is a struct that may be moved by copying its bytes.
struct walk_kind {
    size_t size;    // of the state
    size_t at_once; // bytes that the command writes itself, however long it takes: going on later costs more.
                    // 0: as server/reply_stream.h has it
    bool is_set;    // RESP3 has a type for those
    // Takes one step, which must not take long. An element is written, unless `reply` is NULL, as it is while
    // elements are counted: only for kinds with `rewind`. Within the command it is the context's.
    enum walk_step (*step)(void *state, struct reply *reply);
    void (*rewind)(
        void *state);          // goes back to the beginning; NULL: cannot, so its elements are counted before
    void (*keep)(void *state); // copies what is borrowed from the command, which ends; NULL: nothing is
    // What is wrong with the walk so far, as an error reply; NULL: nothing. A kind that cannot fail has none.
    const char *(*error)(void *state);
    void (*close)(void *state); // the state itself is the caller's
};

// For walks that look up one entry after the other.
enum { WALK_LOOK_UPS_AT_ONCE = 1 << 20 };

// Replies with the next `count` elements behind the header, which has been written since `before`. If there
// are fewer all since then is replaced by an error, or if part of it is on its way, the client is closed.
// These functions take over what the state holds.
void reply_walk_counted(struct command_context *context, const struct walk_kind *kind, void *state,
                        uint64_t count, struct output_mark before);
// Replies with all elements as one array or set, in which each takes `width` places. If there are many they
// are counted by a walk of its own, as their number goes before them.
void reply_walk_all(struct command_context *context, const struct walk_kind *kind, void *state, size_t width);

// reply_walk_counted() for the entries of a collection from the iterator's position on, of which it shows the
// sub-keys, the values or both.
enum entry_part { ENTRY_SUB_KEY = 1, ENTRY_VALUE = 2 };
void reply_walk_entries(struct command_context *context, struct collection_iterator *iterator, unsigned parts,
                        uint64_t count, struct output_mark before);

#endif
