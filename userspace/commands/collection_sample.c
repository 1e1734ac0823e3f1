// SPDX-License-Identifier: Apache-2.0
//
// Drawing elements of collections. Uses: base, store/collection.
#include "commands/collection_sample.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

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

// --- One by one ---

// What draws take, in steps of a walk: the first, and each. Those of one command that must differ are so many
// at most.
enum { DRAWS_COST = 8192, DRAW_COST = 128, DIFFERENT_MOST = 4096 };

// Different elements that have been drawn, in order.
struct drawn {
    struct collection_iterator *iterator;
    struct buffer sub_keys[DIFFERENT_MOST];
    size_t count;
};

// The place of a sub-key; *found: it is there already.
static size_t place_of(const struct drawn *drawn, struct bytes sub_key, bool *found) {
    size_t low = 0;
    size_t high = drawn->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(buffer_bytes(&drawn->sub_keys[middle]), sub_key);
        *found = *found || order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// False: they cannot be drawn one by one.
static bool draw_different(struct drawn *drawn, uint64_t count) {
    struct bytes sub_key;
    while (drawn->count < count) {
        bool found = false;
        if (!collection_iterator_draw(drawn->iterator, &sub_key, NULL))
            return false;
        struct buffer *place = &drawn->sub_keys[place_of(drawn, sub_key, &found)];
        if (found)
            continue;
        memmove(place + 1, place, (size_t)(&drawn->sub_keys[drawn->count] - place) * sizeof(*place));
        *place = (struct buffer){0};
        buffer_append(place, sub_key);
        drawn->count++;
    }
    return true;
}

static void hand_out(const struct drawn *drawn, sample_function *function, void *context) {
    struct bytes sub_key;
    struct bytes value;
    for (size_t i = 0; i < drawn->count; i++) {
        collection_iterator_seek(drawn->iterator, buffer_bytes(&drawn->sub_keys[i]));
        if (collection_iterator_next(drawn->iterator, &sub_key, &value))
            function(context, sub_key, value);
    }
}

// *done is false, and nothing has been handed out, if it needs a walk.
static enum store_status take_draws(const struct collection *collection, uint64_t count,
                                    sample_function *function, void *context, bool *done) {
    struct drawn *drawn = memory_allocate_zeroed(1, sizeof(*drawn));
    drawn->iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    *done = draw_different(drawn, count);
    if (*done)
        hand_out(drawn, function, context);
    enum store_status status = collection_iterator_status(drawn->iterator);
    collection_iterator_close(drawn->iterator);
    for (size_t i = 0; i < drawn->count; i++)
        buffer_release(&drawn->sub_keys[i]);
    free(drawn);
    return status;
}

enum store_status sample_distinct(const struct collection *collection, uint64_t count,
                                  sample_function *function, void *context) {
    uint64_t size = collection->metadata.size;
    bool done = false;
    count = count < size ? count : size;
    if (count < DIFFERENT_MOST && size > DRAWS_COST + count * DRAW_COST) {
        enum store_status status = take_draws(collection, count, function, context, &done);
        if (status != STORE_OK || done)
            return status;
    }
    return take_ranks(collection, count, function, context);
}

// --- Again and again ---

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

// Draws one by one as long as that can be done; *count is how many are left.
static enum store_status draw_each(const struct collection *collection, uint64_t *count,
                                   sample_function *function, void *context) {
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    struct bytes sub_key;
    struct bytes value;
    for (; *count != 0 && collection_iterator_draw(iterator, &sub_key, &value); (*count)--)
        function(context, sub_key, value);
    enum store_status status = collection_iterator_status(iterator);
    collection_iterator_close(iterator);
    return status;
}

enum store_status sample_repeating(const struct collection *collection, uint64_t count,
                                   sample_function *function, void *context) {
    enum store_status status = STORE_OK;
    uint64_t for_one_walk = count < DRAWS_AT_ONCE ? count : DRAWS_AT_ONCE;
    if (collection->metadata.size > DRAWS_COST + for_one_walk * DRAW_COST)
        status = draw_each(collection, &count, function, context);
    while (status == STORE_OK && count != 0) {
        size_t some = count < DRAWS_AT_ONCE ? count : DRAWS_AT_ONCE;
        status = draw_some(collection, some, function, context);
        count -= some;
    }
    return status;
}
