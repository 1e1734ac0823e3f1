// SPDX-License-Identifier: Apache-2.0
//
// Lists of elements. Uses: memory.
#include "commands/zset_elements.h"

#include "base/memory.h"

#include <stdlib.h>

// Where a member lies in the buffer of all members.
struct zset_held {
    double score;
    size_t at, length;
};

void zset_elements_add(struct zset_elements *elements, const struct zset_element *element) {
    enum { FIRST_ROOM = 16 };
    if (elements->count == elements->room) {
        elements->room = elements->room == 0 ? FIRST_ROOM : elements->room * 2;
        elements->held = memory_reallocate(elements->held, elements->room * sizeof(*elements->held));
    }
    elements->held[elements->count++] = (struct zset_held){
        .score = element->score, .at = elements->members.length, .length = element->member.length};
    buffer_append(&elements->members, element->member);
}

static struct bytes member_of(const struct zset_elements *elements, const struct zset_held *held) {
    return (struct bytes){held->length == 0 ? NULL : elements->members.data + held->at, held->length};
}

struct zset_element zset_elements_at(const struct zset_elements *elements, size_t index) {
    const struct zset_held *held = &elements->held[index];
    return (struct zset_element){.member = member_of(elements, held), .score = held->score};
}

static int compare(const void *a, const void *b, void *elements) {
    const struct zset_held *first = a;
    const struct zset_held *second = b;
    if (first->score != second->score)
        return first->score < second->score ? -1 : 1;
    return bytes_compare(member_of(elements, first), member_of(elements, second));
}

void zset_elements_sort(struct zset_elements *elements) {
    if (elements->count != 0)
        qsort_r(elements->held, elements->count, sizeof(*elements->held), compare, elements);
}

size_t zset_elements_size(const struct zset_elements *elements) {
    return elements->members.length + elements->count * sizeof(*elements->held);
}

void zset_elements_clear(struct zset_elements *elements) {
    buffer_clear(&elements->members);
    elements->count = 0;
}

void zset_elements_release(struct zset_elements *elements) {
    free(elements->held);
    buffer_release(&elements->members);
    *elements = (struct zset_elements){0};
}
