// SPDX-License-Identifier: Apache-2.0
//
// Uses: arguments, collection_value, sort_pattern, zset_value.
#include "commands/sort_items.h"

#include "base/assert.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/sort_pattern.h"
#include "commands/working_set.h"
#include "commands/zset_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

// A piece of the text: texts move while they grow.
struct piece {
    size_t offset, length;
};

struct sort_item {
    struct piece element;
    struct piece weight; // what it is compared by if not by itself
    bool has_weight;
    double number;
    size_t place; // as gathered: what is equal stays in this order
};

static struct bytes bytes_of(const struct sort_items *items, struct piece piece) {
    return (struct bytes){.data = items->text.data + piece.offset, .length = piece.length};
}

struct bytes sort_items_at(const struct sort_items *items, size_t index) {
    always_assert(index < items->count, "an element that is there is looked at");
    return bytes_of(items, items->items[index].element);
}

static void add(struct sort_items *items, struct bytes element) {
    enum { FIRST_ROOM = 16 };
    if (items->count == items->room) {
        items->room = items->room == 0 ? FIRST_ROOM : 2 * items->room;
        items->items = memory_reallocate(items->items, items->room * sizeof(*items->items));
    }
    items->items[items->count] = (struct sort_item){
        .element = {.offset = items->text.length, .length = element.length}, .place = items->count};
    items->count++;
    buffer_append(&items->text, element);
}

size_t sort_items_size(const struct sort_items *items) {
    return items->text.length + items->count * sizeof(*items->items);
}

void sort_items_release(struct sort_items *items) {
    buffer_release(&items->text);
    free(items->items);
    *items = (struct sort_items){0};
}

// --- Gathering ---

// An entry's element; for a sorted set's in the order of its scores.
static struct bytes element_of(enum value_type type, enum column_family family, struct bytes sub_key,
                               struct bytes value) {
    struct zset_element element = {.member = sub_key};
    if (type == VALUE_LIST)
        return value;
    if (family == FAMILY_ZSET_SCORE)
        (void)zset_decode_score(sub_key, &element);
    return element.member;
}

bool sort_items_gather(struct command_context *context, enum value_type type, const struct sort_order *order,
                       struct sort_window window, struct sort_items *out) {
    struct collection collection;
    struct bytes sub_key;
    struct bytes value;
    if (collection_read(context, 1, type, &collection) != COLLECTION_FOUND)
        return false;
    bool is_backwards = order->as_stored && order->is_descending && type != VALUE_SET;
    enum column_family family = type == VALUE_ZSET && order->as_stored ? FAMILY_ZSET_SCORE : FAMILY_DEFAULT;
    uint64_t place = 0;
    struct output_mark before = output_mark(&context->reply->output);
    struct collection_iterator *iterator = collection_iterator_open(&collection, family);
    if (is_backwards)
        collection_iterator_seek_last(iterator);
    else
        collection_iterator_seek(iterator, (struct bytes){0});
    while (place < window.end && sort_items_size(out) <= WORKING_SET_MAX &&
           (is_backwards ? collection_iterator_previous(iterator, &sub_key, &value)
                         : collection_iterator_next(iterator, &sub_key, &value))) {
        if (place >= window.first)
            add(out, element_of(type, family, sub_key, value));
        place++;
    }
    bool is_small = sort_items_size(out) <= WORKING_SET_MAX;
    return collection_end_walk(context, iterator, before, is_small ? window.end - place : 0) &&
           working_set_fits(context, sort_items_size(out));
}

// --- What they are compared by ---

// As strtod() reads it: blanks in front, hexadecimal numbers and nothing at all are numbers too.
static bool read_number(struct command_context *context, struct bytes text, struct buffer *scratch,
                        double *number) {
    char *end = NULL;
    buffer_clear(scratch);
    buffer_append(scratch, text);
    buffer_append(scratch, (struct bytes){.data = "", .length = 1});
    errno = 0;
    *number = strtod(scratch->data, &end);
    if (*end == '\0' && errno != ERANGE && !isnan(*number))
        return true;
    reply_error(context->reply, "ERR One or more scores can't be converted into double");
    return false;
}

static bool weigh(struct command_context *context, const struct sort_order *order, struct sort_items *items,
                  struct sort_item *item, struct buffer *scratch) {
    struct bytes element = bytes_of(items, item->element);
    buffer_clear(scratch);
    if (order->by_pattern) {
        const struct string_source source = string_source_of(context);
        const char *error = sort_pattern_look_up(&source, order->by, element, scratch, &item->has_weight);
        if (error != NULL) {
            reply_error(context->reply, error);
            return false;
        }
        item->weight = (struct piece){.offset = items->text.length, .length = scratch->length};
        buffer_append(&items->text, buffer_bytes(scratch));
        if (!item->has_weight)
            return true; // counts as 0, or comes first
        element = bytes_of(items, item->weight);
    }
    return order->is_alphabetic || read_number(context, element, scratch, &item->number);
}

static bool weigh_all(struct command_context *context, const struct sort_order *order,
                      struct sort_items *items) {
    struct buffer scratch = {0};
    bool weighed = true;
    for (size_t i = 0; i < items->count && weighed; i++)
        weighed = weigh(context, order, items, &items->items[i], &scratch) &&
                  working_set_fits(context, sort_items_size(items));
    buffer_release(&scratch);
    return weighed;
}

// --- Order ---

struct comparison {
    const struct sort_items *items;
    const struct sort_order *order;
};

static int compare_weights(const struct sort_items *items, const struct sort_item *a,
                           const struct sort_item *b) {
    if (!a->has_weight || !b->has_weight)
        return a->has_weight - b->has_weight;
    return bytes_compare(bytes_of(items, a->weight), bytes_of(items, b->weight));
}

static int compare_up(const struct comparison *comparison, const struct sort_item *a,
                      const struct sort_item *b) {
    const struct sort_items *items = comparison->items;
    if (comparison->order->is_alphabetic && comparison->order->by_pattern)
        return compare_weights(items, a, b);
    if (!comparison->order->is_alphabetic && a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return bytes_compare(bytes_of(items, a->element), bytes_of(items, b->element));
}

static int compare(const void *left, const void *right, void *context) {
    const struct comparison *comparison = context;
    const struct sort_item *a = left;
    const struct sort_item *b = right;
    int result = compare_up(comparison, a, b);
    if (result != 0)
        return comparison->order->is_descending ? -result : result;
    return (a->place > b->place) - (a->place < b->place);
}

bool sort_items_order(struct command_context *context, const struct sort_order *order,
                      struct sort_items *items) {
    struct comparison comparison = {items, order};
    if (order->as_stored)
        return true;
    if (!weigh_all(context, order, items))
        return false;
    if (items->count != 0)
        qsort_r(items->items, items->count, sizeof(*items->items), compare, &comparison);
    return true;
}
