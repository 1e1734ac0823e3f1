// SPDX-License-Identifier: Apache-2.0
//
// Storing and removing many members. Uses: collection_value, zset_portion.
#include "commands/zset_store.h"

#include "commands/collection_value.h"
#include "commands/zset_portion.h"

#include <math.h>

void zset_store_open(struct command_context *context, size_t index, struct collection *made) {
    collection_open_anew(context->session, context->arguments[index], VALUE_ZSET, made);
}

void zset_store_put(struct collection *made, const struct zset_elements *elements) {
    for (size_t i = 0; i < elements->count; i++) {
        struct zset_element element = zset_elements_at(elements, i);
        zset_add(made, element.member, element.score);
    }
}

bool zset_store_put_range(struct command_context *context, const struct collection *set,
                          const struct zset_range *range, struct collection *made) {
    struct zset_portion portion;
    bool done = true;
    zset_portion_open(&portion, set, range);
    do {
        done = zset_portion_next(&portion, context);
        if (done)
            zset_store_put(made, &portion.elements);
    } while (done && portion.elements.count != 0);
    zset_portion_close(&portion);
    return done;
}

void zset_store_end(struct command_context *context, struct collection *made) {
    if (made->metadata.size != 0)
        collection_save(made);
    else if (!collection_stage_none(context, made->key))
        return;
    reply_integer(context->reply, (int64_t)made->metadata.size);
}

void zset_remove_each(struct collection *set, const struct zset_elements *elements) {
    for (size_t i = 0; i < elements->count; i++) {
        struct zset_element element = zset_elements_at(elements, i);
        zset_remove(set, element.member, element.score);
    }
}

// --- Removing ---

static struct zset_range part_below(const struct zset_range *range) {
    static const struct zset_range no_ranks = {.kind = ZSET_BY_RANK, .start = 1};
    struct zset_range part = *range;
    if (range->kind == ZSET_BY_RANK && range->start == 0)
        return no_ranks;
    part.start = 0;
    part.stop = range->start - 1;
    part.min = (struct zset_bound){.score = -(double)INFINITY, .place = ZSET_PLACE_LEAST};
    part.max = range->min;
    part.max.is_excluded = !range->min.is_excluded;
    return part;
}

static struct zset_range part_above(const struct zset_range *range) {
    struct zset_range part = *range;
    part.start = range->stop + 1;
    part.stop = INT64_MAX;
    part.min = range->max;
    part.min.is_excluded = !range->max.is_excluded;
    part.max = (struct zset_bound){.score = (double)INFINITY, .place = ZSET_PLACE_GREATEST};
    return part;
}

bool zset_keeps_rest(const struct collection *set, uint64_t removed) {
    enum { FEW = 64 }; // not worth the reading of the others
    uint64_t size = set->metadata.size;
    return removed >= size || removed > FEW + (size - removed);
}

bool zset_keep_rest(struct command_context *context, const struct collection *set,
                    const struct zset_range *range) {
    struct zset_range below = part_below(range);
    struct zset_range above = part_above(range);
    struct collection rest;
    stage_delete(context->session,
                 set->key); // for who reads the log: what stays is added to a set of its own
    collection_open_anew(context->session, set->key, VALUE_ZSET, &rest);
    rest.metadata.expire_ms = set->metadata.expire_ms;
    if (!zset_store_put_range(context, set, &below, &rest) ||
        !zset_store_put_range(context, set, &above, &rest))
        return false;
    collection_save(&rest);
    return true;
}
