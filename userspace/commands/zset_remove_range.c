// SPDX-License-Identifier: Apache-2.0
//
// ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX. Neither what goes nor what stays is held in memory, beyond
// the changes that are staged for the smaller of the two. Uses: arguments, collection_value, zset_portion,
// zset_store.
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/zset_portion.h"
#include "commands/zset_store.h"

#include <math.h>

// --- What stays ---

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

// With a new version, so that what goes need not be deleted one by one.
static bool keep_rest(struct command_context *context, const struct collection *set,
                      const struct zset_range *range) {
    struct zset_range below = part_below(range);
    struct zset_range above = part_above(range);
    struct collection made;
    stage_delete(context->session,
                 set->key); // for who reads the log: elements are added to a set of their own
    zset_store_open(context, 1, &made);
    made.metadata.expire_ms = set->metadata.expire_ms;
    if (!zset_store_put_range(context, set, &below, &made) ||
        !zset_store_put_range(context, set, &above, &made))
        return false;
    collection_save(&made);
    return true;
}

// --- What goes ---

static bool remove_portions(struct command_context *context, struct collection *set,
                            struct zset_portion *portion) {
    bool done = true;
    while (done && portion->elements.count != 0) {
        zset_remove_each(set, &portion->elements);
        done = zset_portion_next(portion, context);
    }
    if (done)
        collection_save(set);
    return done;
}

// --- Which of them ---

// `removed` is their number; the first of them are in the portion.
static bool stage_smaller(struct command_context *context, struct collection *set,
                          struct zset_portion *portion, uint64_t removed) {
    enum { FEW = 64 }; // not worth the reading of the others
    uint64_t size = set->metadata.size;
    if (removed == 0)
        return true;
    if (removed < size && removed > FEW + (size - removed))
        return keep_rest(context, set, &portion->range);
    if (removed < size)
        return remove_portions(context, set, portion);
    set->metadata.size = 0; // the members go with the set's version
    collection_save(set);
    return true;
}

static bool stage_removal(struct command_context *context, struct collection *set,
                          struct zset_portion *portion, uint64_t *removed) {
    uint64_t rest = 0;
    if (!zset_portion_next(portion, context) || !zset_portion_count_rest(portion, context, &rest))
        return false;
    *removed = portion->elements.count + rest;
    return stage_smaller(context, set, portion, *removed);
}

static bool remove_from(struct command_context *context, struct collection *set, struct zset_range *range,
                        uint64_t *removed) {
    struct zset_portion portion;
    if (range->kind == ZSET_BY_RANK && !zset_range_resolve_ranks(range, set->metadata.size))
        return true;
    zset_portion_open(&portion, set, range);
    bool done = stage_removal(context, set, &portion, removed);
    zset_portion_close(&portion);
    return done;
}

static void remove_range(struct command_context *context, enum zset_range_kind kind) {
    struct collection set;
    struct zset_range range = {.kind = kind, .limit = -1};
    uint64_t removed = 0;
    if (!zset_range_read(context, 2, 3, &range))
        return;
    enum collection_status status = collection_read(context, 1, VALUE_ZSET, &set);
    if (status == COLLECTION_MISSING ||
        (status == COLLECTION_FOUND && remove_from(context, &set, &range, &removed)))
        reply_integer(context->reply, (int64_t)removed);
}

void command_zremrangebyrank(struct command_context *context) {
    remove_range(context, ZSET_BY_RANK);
}

void command_zremrangebyscore(struct command_context *context) {
    remove_range(context, ZSET_BY_SCORE);
}

void command_zremrangebylex(struct command_context *context) {
    remove_range(context, ZSET_BY_LEX);
}
