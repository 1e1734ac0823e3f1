// SPDX-License-Identifier: Apache-2.0
//
// Taking elements away from lists and moving them to others, as LPOP, LMPOP, LMOVE and their blocking forms
// do. May use: commands/list_value.
#ifndef KVFENCE_COMMANDS_LIST_POP_H
#define KVFENCE_COMMANDS_LIST_POP_H

#include "commands/list_value.h"

// Takes up to `count` elements from an end of a list that exists; replies with them as an array. False: the
// reply is an error, in place of all that was replied since `before`.
bool list_pop(struct command_context *context, struct list *list, enum list_end end, uint64_t count,
              struct output_mark before);

// What LMPOP and BLMPOP are told: numkeys key [key ...] <LEFT | RIGHT> [COUNT count].
struct list_pop_arguments {
    size_t first_key, keys;
    enum list_end end;
    uint64_t count;
};
// Reads them from argument `at` on. False: the error is replied.
bool list_read_pop_arguments(struct command_context *context, size_t at, struct list_pop_arguments *out);
// Pops from the first of the keys that has elements, and replies with the key and them. False: none has any,
// and nothing is replied.
bool list_pop_first(struct command_context *context, const struct list_pop_arguments *asked);

// Replies with the element that it moves from argument 1 to argument 2, or with null if there is none.
void list_move(struct command_context *context, enum list_end from, enum list_end to);

#endif
