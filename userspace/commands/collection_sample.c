// SPDX-License-Identifier: Apache-2.0
//
// Drawing elements of collections. Uses: base, store/collection.
#include "commands/collection_sample.h"

#include "base/buffer.h"
#include "base/random.h"

#include <stdlib.h>

// --- By rank ---

// Goes through all elements and takes each with the probability that is needed to have `count` at the end:
// Knuth, The Art of Computer Programming, volume 2, 3.4.2, algorithm S.
static enum store_status take_ranks(const struct collection *collection, uint64_t count,
                                    sample_function *function, void *context) {
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    uint64_t left = collection->metadata.size;
    struct bytes sub_key;
    struct bytes value;
    collection_iterator_seek(iterator, (struct bytes){0});
    for (; count != 0 && left != 0 && collection_iterator_next(iterator, &sub_key, &value); left--) {
        if (count != left && random_below(left) >= count)
            continue;
        function(context, sub_key, value);
        count--;
    }
    enum store_status status = collection_iterator_status(iterator);
    collection_iterator_close(iterator);
    return status;
}

// --- By place ---

// The first element again after the last one. False if there is none at all, or on an error.
static bool next_round(struct collection_iterator *iterator, struct bytes *sub_key, struct bytes *value) {
    if (collection_iterator_next(iterator, sub_key, value))
        return true;
    collection_iterator_seek(iterator, (struct bytes){0});
    return collection_iterator_next(iterator, sub_key, value);
}

static enum store_status take_place(const struct collection *collection, sample_function *function,
                                    void *context) {
    enum { STEPS_MAX = 32 };
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    struct bytes sub_key = {0};
    struct bytes value = {0};
    bool found = true;
    collection_iterator_seek_random(iterator);
    for (uint64_t steps = random_below(STEPS_MAX) + 1; found && steps != 0; steps--)
        found = next_round(iterator, &sub_key, &value);
    if (found)
        function(context, sub_key, value);
    enum store_status status = collection_iterator_status(iterator);
    collection_iterator_close(iterator);
    return status;
}

// --- Both ---

enum store_status sample_distinct(const struct collection *collection, uint64_t count,
                                  sample_function *function, void *context) {
    uint64_t size = collection->metadata.size;
    if (count == 1 && size > SAMPLE_EXACT_MAX)
        return take_place(collection, function, context);
    return take_ranks(collection, count < size ? count : size, function, context);
}

// One of many draws: which rank it is for, and where in the order of the draws its element goes.
struct draw {
    uint64_t rank;
    size_t element, sub_key_length, value_length; // `element`: where it begins in the buffer of elements
};

static int by_rank(const void *a, const void *b) {
    const struct draw *const *first = a;
    const struct draw *const *second = b;
    return ((*first)->rank > (*second)->rank) - ((*first)->rank < (*second)->rank);
}

// One walk finds the elements of all draws, whose ranks are in order.
static enum store_status find_draws(const struct collection *collection, struct draw *const *in_order,
                                    size_t count, struct buffer *elements) {
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    struct bytes sub_key;
    struct bytes value;
    size_t found = 0;
    collection_iterator_seek(iterator, (struct bytes){0});
    for (uint64_t rank = 0; found < count && collection_iterator_next(iterator, &sub_key, &value); rank++) {
        size_t element = elements->length;
        if (in_order[found]->rank != rank)
            continue;
        buffer_append(elements, sub_key);
        buffer_append(elements, value);
        for (; found < count && in_order[found]->rank == rank; found++) {
            in_order[found]->element = element;
            in_order[found]->sub_key_length = sub_key.length;
            in_order[found]->value_length = value.length;
        }
    }
    enum store_status status = collection_iterator_status(iterator);
    collection_iterator_close(iterator);
    return status;
}

enum { DRAWS_AT_ONCE = 1024 };

static enum store_status draw_some(const struct collection *collection, size_t count,
                                   sample_function *function, void *context) {
    struct draw draws[DRAWS_AT_ONCE];
    struct draw *in_order[DRAWS_AT_ONCE] = {NULL};
    struct buffer elements = {0};
    for (size_t i = 0; i < count; i++) {
        draws[i] = (struct draw){.rank = random_below(collection->metadata.size)};
        in_order[i] = &draws[i];
    }
    qsort(in_order, count, sizeof(in_order[0]), by_rank);
    enum store_status status = find_draws(collection, in_order, count, &elements);
    for (size_t i = 0; status == STORE_OK && i < count; i++) {
        const char *element = elements.data + draws[i].element;
        function(context, (struct bytes){element, draws[i].sub_key_length},
                 (struct bytes){element + draws[i].sub_key_length, draws[i].value_length});
    }
    buffer_release(&elements);
    return status;
}

enum store_status sample_repeating(const struct collection *collection, uint64_t count,
                                   sample_function *function, void *context) {
    bool by_place = collection->metadata.size > SAMPLE_EXACT_MAX;
    enum store_status status = STORE_OK;
    while (status == STORE_OK && count != 0) {
        size_t some = by_place ? 1 : count < DRAWS_AT_ONCE ? count : DRAWS_AT_ONCE;
        status = by_place ? take_place(collection, function, context)
                          : draw_some(collection, some, function, context);
        count -= some;
    }
    return status;
}
