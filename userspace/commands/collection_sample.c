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
    struct random_sequence random = random_sequence_begin();
    uint64_t left = collection->metadata.size;
    struct bytes sub_key;
    struct bytes value;
    collection_iterator_seek(iterator, (struct bytes){0});
    for (; count != 0 && left != 0 && collection_iterator_next(iterator, &sub_key, &value); left--) {
        if (count != left && random_sequence_below(&random, left) >= count)
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
struct sample_drawn {
    struct buffer sub_keys[DIFFERENT_MOST];
    size_t count;
};

bool sample_is_cheaper_drawn(uint64_t size, uint64_t count) {
    return size > DRAWS_COST + count * DRAW_COST;
}

// The place of a sub-key; *found: it is there already.
static size_t place_of(const struct sample_drawn *drawn, struct bytes sub_key, bool *found) {
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
static bool draw_different(struct collection_iterator *iterator, uint64_t count, struct sample_drawn *drawn) {
    struct bytes sub_key;
    while (drawn->count < count) {
        bool found = false;
        if (!collection_iterator_draw(iterator, &sub_key, NULL))
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

struct sample_drawn *sample_draw(const struct collection *collection, uint64_t count) {
    if (count >= DIFFERENT_MOST || !sample_is_cheaper_drawn(collection->metadata.size, count))
        return NULL;
    struct sample_drawn *drawn = memory_allocate_zeroed(1, sizeof(*drawn));
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    if (!draw_different(iterator, count, drawn)) {
        sample_drawn_close(drawn);
        drawn = NULL;
    }
    collection_iterator_close(iterator);
    return drawn;
}

struct bytes sample_drawn_at(const struct sample_drawn *drawn, size_t index) {
    return buffer_bytes(&drawn->sub_keys[index]);
}

void sample_drawn_close(struct sample_drawn *drawn) {
    for (size_t i = 0; drawn != NULL && i < drawn->count; i++)
        buffer_release(&drawn->sub_keys[i]);
    free(drawn);
}

// --- Both ---

static enum store_status hand_out(const struct collection *collection, const struct sample_drawn *drawn,
                                  sample_function *function, void *context) {
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    struct bytes sub_key;
    struct bytes value;
    for (size_t i = 0; i < drawn->count; i++) {
        collection_iterator_seek(iterator, sample_drawn_at(drawn, i));
        if (collection_iterator_next(iterator, &sub_key, &value))
            function(context, sub_key, value);
    }
    enum store_status status = collection_iterator_status(iterator);
    collection_iterator_close(iterator);
    return status;
}

enum store_status sample_distinct(const struct collection *collection, uint64_t count,
                                  sample_function *function, void *context) {
    uint64_t size = collection->metadata.size;
    count = count < size ? count : size;
    struct sample_drawn *drawn = sample_draw(collection, count);
    if (drawn == NULL)
        return take_ranks(collection, count, function, context);
    enum store_status status = hand_out(collection, drawn, function, context);
    sample_drawn_close(drawn);
    return status;
}
