// SPDX-License-Identifier: Apache-2.0
//
// What SORT puts in order: the elements of a list, set or sorted set, with what they are compared by. All are
// held in memory, up to working_set.h's limit. Functions that return false have
// written the error reply. May use: base, server/command.
#ifndef KVFENCE_COMMANDS_SORT_ITEMS_H
#define KVFENCE_COMMANDS_SORT_ITEMS_H

#include "base/buffer.h"
#include "server/command.h"

struct sort_item;

// Zero-initialised is empty and valid.
struct sort_items {
    struct buffer text;
    struct sort_item *items;
    size_t count, room;
};

struct sort_order {
    struct bytes by; // the pattern of the key to compare by; empty: the elements themselves are compared
    bool by_pattern;
    bool as_stored; // no order is asked for
    bool is_alphabetic;
    bool is_descending;
};

// The elements from place `first` up to but without `end`: in the order in which they are stored, or its
// reverse, if order->as_stored.
struct sort_window {
    uint64_t first, end;
};

// Gathers the elements of the value under argument 1, which is of this type.
bool sort_items_gather(struct command_context *context, enum value_type type, const struct sort_order *order,
                       struct sort_window window, struct sort_items *out);
// Looks up what they are compared by, and puts them in order.
bool sort_items_order(struct command_context *context, const struct sort_order *order,
                      struct sort_items *items);
// Borrowed.
struct bytes sort_items_at(const struct sort_items *items, size_t index);
// Bytes of memory that they take.
size_t sort_items_size(const struct sort_items *items);
void sort_items_release(struct sort_items *items);

#endif
