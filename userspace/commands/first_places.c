// SPDX-License-Identifier: Apache-2.0
//
// Equal keys are found by sorting. Uses: base.
#include "commands/first_places.h"

#include "base/memory.h"

#include <stdlib.h>

struct placed_key {
    struct bytes key;
    size_t place;
};

static int by_key_and_place(const void *a, const void *b) {
    const struct placed_key *one = a;
    const struct placed_key *other = b;
    int order = bytes_compare(one->key, other->key);
    if (order != 0)
        return order;
    return one->place < other->place ? -1 : one->place > other->place;
}

size_t *first_places(const struct bytes *keys, size_t count) {
    struct placed_key *sorted = memory_allocate_zeroed(count, sizeof(*sorted));
    size_t *places = memory_allocate_zeroed(count, sizeof(*places));
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct placed_key){keys[i], i};
    qsort(sorted, count, sizeof(*sorted), by_key_and_place);
    for (size_t i = 0; i < count; i++) {
        bool repeats = i != 0 && bytes_equal(sorted[i].key, sorted[i - 1].key);
        places[sorted[i].place] = repeats ? places[sorted[i - 1].place] : sorted[i].place;
    }
    free(sorted);
    return places;
}
