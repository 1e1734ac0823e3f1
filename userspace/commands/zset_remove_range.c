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
    if (removed == 0)
        return true;
    if (zset_keeps_rest(set, removed))
        return zset_keep_rest(context, set, &portion->range);
    return remove_portions(context, set, portion);
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
