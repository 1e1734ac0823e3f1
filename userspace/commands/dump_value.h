// SPDX-License-Identifier: Apache-2.0
//
// A whole value between a dump and the store. Not thread-safe. May use: base, store/encoding.
#ifndef KVFENCE_COMMANDS_DUMP_VALUE_H
#define KVFENCE_COMMANDS_DUMP_VALUE_H

#include "base/buffer.h"
#include "store/encoding.h"

struct dump_element;

// Zero-initialised is empty and valid.
struct dump_value {
    enum value_type type;
    struct buffer text;
    struct dump_element *elements;
    size_t count, room; // a string has one element; a hash fields and values in turn
};

// False, with nothing added, if the value would become bigger than one command can store.
bool dump_value_add(struct dump_value *value, struct bytes element);
// Makes room for an element of this length that is about to be written; NULL as above.
char *dump_value_add_room(struct dump_value *value, size_t length);
// Borrowed: valid until one is added.
struct bytes dump_value_at(const struct dump_value *value, size_t index);
// A sorted set's: each element's own.
void dump_value_set_score(struct dump_value *value, size_t index, double score);
double dump_value_score(const struct dump_value *value, size_t index);
void dump_value_release(struct dump_value *value);

// True if an element that must be there once is there more often: a hash's field, a member.
bool dump_value_has_duplicates(const struct dump_value *value);

#endif
