// SPDX-License-Identifier: Apache-2.0
//
// Lists in Kvrocks' encoding: each element is a sub-key that is its position, eight bytes big-endian; the
// positions of a list have no gaps and lie from head to tail, which is one behind the last. The first element
// of a new list lies in the middle of the range, so that it can grow at both ends. Functions that return
// false have written the error reply. May use: base, store/collection, server/command,
// commands/collection_value.
#ifndef KVFENCE_COMMANDS_LIST_VALUE_H
#define KVFENCE_COMMANDS_LIST_VALUE_H

#include "commands/collection_value.h"

enum list_end { LIST_LEFT, LIST_RIGHT };

struct list {
    struct collection collection;
    uint64_t head, tail;
    bool is_named; // list_name() has said which command the changes belong to
};

// The list whose key is argument `index`; see collection_read() and collection_write().
enum collection_status list_read(struct command_context *context, size_t index, struct list *out);
enum collection_status list_write(struct command_context *context, size_t index, struct list *out);
// Opens an empty new one in place of whatever the key holds: for ...STORE commands.
void list_open_anew(struct command_context *context, size_t index, struct list *out);
uint64_t list_length(const struct list *list);

// The element so many places from the head, which must be there. Release the value.
bool list_get(struct command_context *context, const struct list *list, uint64_t place,
              struct store_value *out);

// Stage changes; end with list_save(). For who reads the log (stage_name()) they are pushes and pops at the
// ends if their command has not been named before.
void list_name(struct list *list, enum log_command command, const struct bytes *words, size_t count);
void list_set(struct list *list, uint64_t place, struct bytes element);
void list_push(struct list *list, enum list_end end, struct bytes element);
// Takes `count` elements, which must be there, away from an end.
void list_drop(struct list *list, enum list_end end, uint64_t count);
// Takes all of them away at once, however many: nothing may be put into this list any more.
void list_clear(struct list *list);
void list_save(struct list *list);

// Walks from a place on, in either direction: elements by list_walk_next() until it returns false.
struct list_walk {
    struct collection_iterator *iterator;
    bool backwards;
};
void list_walk_begin(const struct list *list, uint64_t place, bool backwards, struct list_walk *walk);
bool list_walk_next(struct list_walk *walk, struct bytes *element);
// Back to the first element of all in its direction.
void list_walk_rewind(struct list_walk *walk);
enum store_status list_walk_status(const struct list_walk *walk);
void list_walk_close(struct list_walk *walk);
// Closes a walk of which so many of the elements that were expected are missing. False if there are any, or
// the walk ended by an error: everything replied since `before` is replaced by it.
bool list_walk_end(struct command_context *context, struct list_walk *walk, struct output_mark before,
                   uint64_t missing);

// The place that an index means, which counts from the end if it is negative. False if there is none; nothing
// is written.
bool list_place(const struct list *list, int64_t index, uint64_t *place);
// "LEFT" or "RIGHT" in any case.
bool list_argument_end(struct command_context *context, size_t index, enum list_end *end);

#endif
