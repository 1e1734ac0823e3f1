// SPDX-License-Identifier: Apache-2.0
//
// ZPOPMIN ZPOPMAX ZMPOP. Uses: arguments, working_set, zset_store.
#include "commands/zset_pop.h"

#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/working_set.h"
#include "commands/zset_store.h"

static void begin_reply(struct reply *reply, const struct zset_pop *pop, struct bytes key, size_t elements) {
    switch (pop->form) {
    case ZSET_POP_FLAT:
        reply_array(reply, elements * 2);
        break;
    case ZSET_POP_PAIRS:
        reply_array(reply, elements * zset_reply_width(reply, true));
        break;
    case ZSET_POP_KEY_AND_FLAT:
        reply_array(reply, 1 + elements * 2);
        reply_bulk(reply, key);
        break;
    case ZSET_POP_KEY_AND_PAIRS:
        reply_array(reply, 2);
        reply_bulk(reply, key);
        reply_array(reply, elements);
        break;
    }
}

static void reply_popped(struct command_context *context, const struct zset_pop *pop, struct bytes key,
                         const struct zset_elements *taken) {
    bool in_pairs =
        pop->form == ZSET_POP_KEY_AND_PAIRS || (pop->form == ZSET_POP_PAIRS && context->reply->protocol != 2);
    begin_reply(context->reply, pop, key, taken->count);
    for (size_t i = 0; i < taken->count; i++) {
        struct zset_element element = zset_elements_at(taken, i);
        if (in_pairs)
            reply_array(context->reply, 2);
        reply_bulk(context->reply, element.member);
        reply_double(context->reply, element.score);
    }
}

// What is to be taken away. False: the error reply has been written.
static bool collect(struct command_context *context, const struct collection *set,
                    const struct zset_range *range, struct zset_elements *out) {
    struct output_mark before = output_mark(&context->reply->output);
    struct zset_walk walk;
    struct zset_element element;
    zset_walk_open(&walk, set, range);
    while (zset_elements_size(out) <= WORKING_SET_MAX && zset_walk_next(&walk, &element))
        zset_elements_add(out, &element);
    return zset_walk_end(&walk, context, before) && working_set_fits(context, zset_elements_size(out));
}

static bool stage_pop(struct command_context *context, struct collection *set, const struct zset_range *range,
                      const struct zset_elements *taken) {
    if (zset_keeps_rest(set, taken->count))
        return zset_keep_rest(context, set, range);
    zset_remove_each(set, taken);
    collection_save(set);
    return true;
}

static enum collection_status pop_from(struct command_context *context, struct collection *set,
                                       const struct zset_pop *pop) {
    struct zset_range range = {.kind = ZSET_BY_RANK,
                               .is_reverse = pop->takes_greatest,
                               .stop = pop->count > INT64_MAX ? INT64_MAX : (int64_t)pop->count - 1,
                               .limit = -1,
                               .is_locked = true,
                               .may_use_index = true};
    struct zset_elements taken = {0};
    (void)zset_range_resolve_ranks(&range, set->metadata.size);
    bool is_popped = collect(context, set, &range, &taken) && stage_pop(context, set, &range, &taken);
    if (is_popped)
        reply_popped(context, pop, set->key, &taken);
    zset_elements_release(&taken);
    return is_popped ? COLLECTION_FOUND : COLLECTION_FAILED;
}

enum collection_status zset_pop(struct command_context *context, const struct zset_pop *pop) {
    struct collection set;
    for (size_t i = 0; i < pop->keys; i++) {
        enum collection_status status = collection_read(context, pop->first_key + i, VALUE_ZSET, &set);
        if (status == COLLECTION_FOUND)
            return pop_from(context, &set, pop);
        if (status == COLLECTION_FAILED)
            return status;
    }
    return COLLECTION_MISSING;
}

// --- ZPOPMIN, ZPOPMAX ---

static void pop_from_one(struct command_context *context, bool takes_greatest) {
    struct zset_pop pop = {.first_key = 1, .keys = 1, .takes_greatest = takes_greatest, .count = 1};
    int64_t count = 1;
    if (context->count > 3) {
        reply_syntax_error(context);
        return;
    }
    if (context->count == 3) {
        if (!argument_not_negative(context, 2, &count, "ERR value is out of range, must be positive"))
            return;
        pop.form = ZSET_POP_PAIRS;
    }
    pop.count = (uint64_t)count;
    struct collection set;
    enum collection_status status =
        count == 0 ? collection_read(context, 1, VALUE_ZSET, &set) : zset_pop(context, &pop);
    if (status == COLLECTION_MISSING || (status == COLLECTION_FOUND && count == 0))
        reply_array(context->reply, 0);
}

void command_zpopmin(struct command_context *context) {
    pop_from_one(context, false);
}

void command_zpopmax(struct command_context *context) {
    pop_from_one(context, true);
}

// --- ZMPOP ---

static bool read_end(struct command_context *context, size_t index, struct zset_pop *pop) {
    pop->takes_greatest = argument_is(context, index, "MAX");
    return pop->takes_greatest || argument_is(context, index, "MIN");
}

bool zset_pop_read(struct command_context *context, size_t index, struct zset_pop *pop) {
    size_t keys = 0;
    int64_t count = 1;
    if (!argument_key_count(context, index, &keys))
        return false;
    *pop = (struct zset_pop){.first_key = index + 1, .keys = keys, .form = ZSET_POP_KEY_AND_PAIRS};
    size_t end = pop->first_key + pop->keys; // past the last argument if there are fewer keys
    bool is_known = end < context->count && read_end(context, end, pop);
    if (is_known && argument_is(context, end + 1, "COUNT") && end + 2 < context->count) {
        if (!argument_positive(context, end + 2, &count, "ERR count should be greater than 0"))
            return false;
        end += 2;
    }
    pop->count = (uint64_t)count;
    if (is_known && end + 1 == context->count)
        return true;
    reply_syntax_error(context);
    return false;
}

void command_zmpop(struct command_context *context) {
    struct zset_pop pop;
    if (zset_pop_read(context, 1, &pop) && zset_pop(context, &pop) == COLLECTION_MISSING)
        reply_null_array(context->reply);
}
