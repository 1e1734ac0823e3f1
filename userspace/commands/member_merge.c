// SPDX-License-Identifier: Apache-2.0
//
// A binary heap of members. Uses: base.
#include "commands/member_merge.h"

#include "base/memory.h"

#include <stdlib.h>

void member_merge_open(struct member_merge *merge, size_t walks) {
    merge->entries = memory_allocate_zeroed(walks, sizeof(*merge->entries));
    merge->count = 0;
}

void member_merge_close(struct member_merge *merge) {
    free(merge->entries);
    *merge = (struct member_merge){0};
}

void member_merge_clear(struct member_merge *merge) {
    merge->count = 0;
}

static bool is_before(const struct merge_entry *a, const struct merge_entry *b) {
    int order = bytes_compare(a->member, b->member);
    return order != 0 ? order < 0 : a->source < b->source;
}

void member_merge_add(struct member_merge *merge, struct bytes member, size_t source) {
    struct merge_entry added = {member, source};
    size_t at = merge->count++;
    for (; at != 0 && is_before(&added, &merge->entries[(at - 1) / 2]); at = (at - 1) / 2)
        merge->entries[at] = merge->entries[(at - 1) / 2];
    merge->entries[at] = added;
}

// The entry may have to go down from the top.
static void sink(struct member_merge *merge, struct merge_entry entry) {
    size_t at = 0;
    for (size_t below = 1; below < merge->count; below = 2 * at + 1) {
        if (below + 1 < merge->count && is_before(&merge->entries[below + 1], &merge->entries[below]))
            below++;
        if (!is_before(&merge->entries[below], &entry))
            break;
        merge->entries[at] = merge->entries[below];
        at = below;
    }
    merge->entries[at] = entry;
}

bool member_merge_take(struct member_merge *merge, struct merge_entry *least) {
    if (merge->count == 0)
        return false;
    *least = merge->entries[0];
    merge->count--;
    if (merge->count != 0)
        sink(merge, merge->entries[merge->count]);
    return true;
}

bool member_merge_take_equal(struct member_merge *merge, struct bytes member, struct merge_entry *least) {
    return merge->count != 0 && bytes_equal(merge->entries[0].member, member) &&
           member_merge_take(merge, least);
}
