// SPDX-License-Identifier: Apache-2.0
//
// The last changes of an indexed set. Uses: base.
#include "store/rank_past.h"

#include "base/memory.h"

#include <stdlib.h>

// However long members are.
enum { MEMORY_MOST = 64 << 10 };

struct rank_past_change {
    uint64_t sequence;
    char *sub_key;
    uint32_t length;
    bool has_come;
};

// Counted from the oldest.
static struct rank_past_change *change_at(const struct rank_past *past, size_t place) {
    return &past->changes[(past->first + place) % past->room];
}

static void forget_oldest(struct rank_past *past) {
    struct rank_past_change *oldest = change_at(past, 0);
    past->begin = oldest->sequence;
    past->memory -= oldest->length;
    free(oldest->sub_key);
    past->first = (past->first + 1) % past->room;
    past->count--;
}

void rank_past_begin(struct rank_past *past, uint64_t sequence) {
    while (past->count != 0)
        forget_oldest(past);
    past->begin = sequence;
}

void rank_past_release(struct rank_past *past) {
    rank_past_begin(past, 0);
    free(past->changes);
    *past = (struct rank_past){0};
}

static void make_room(struct rank_past *past, size_t length, size_t most) {
    if (past->room == 0) {
        past->changes = memory_allocate_zeroed(most, sizeof(*past->changes));
        past->room = most;
        past->memory = most * sizeof(*past->changes);
    }
    while (past->count != 0 && (past->count == past->room || past->memory + length > MEMORY_MOST))
        forget_oldest(past);
}

void rank_past_add(struct rank_past *past, uint64_t sequence, struct bytes sub_key, bool has_come,
                   size_t most) {
    make_room(past, sub_key.length, most);
    if (past->memory + sub_key.length > MEMORY_MOST) {
        past->begin = sequence;
        return;
    }
    past->count++;
    *change_at(past, past->count - 1) =
        (struct rank_past_change){.sequence = sequence,
                                  .sub_key = memory_copy(sub_key.data, sub_key.length),
                                  .length = (uint32_t)sub_key.length,
                                  .has_come = has_come};
    past->memory += sub_key.length;
}

// Of a write that became visible just then it is not known whether the moment has it.
bool rank_past_reaches(const struct rank_past *past, const struct rank_moment *moment) {
    if (past->begin > moment->has)
        return false;
    for (size_t place = past->count; place-- != 0;) {
        uint64_t sequence = change_at(past, place)->sequence;
        if (sequence <= moment->has)
            return true;
        if (sequence <= moment->may_have)
            return false;
    }
    return true;
}

int64_t rank_past_growth(const struct rank_past *past, const struct rank_moment *moment,
                         const struct bytes *below) {
    int64_t growth = 0;
    for (size_t place = past->count; place-- != 0;) {
        const struct rank_past_change *change = change_at(past, place);
        if (change->sequence <= moment->has)
            break;
        if (below == NULL || bytes_compare((struct bytes){change->sub_key, change->length}, *below) < 0)
            growth += change->has_come ? 1 : -1;
    }
    return growth;
}
