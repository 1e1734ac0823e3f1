// SPDX-License-Identifier: Apache-2.0
//
// HRANGEBYLEX, a command of Kvrocks: the fields of a hash that are in a range by their bytes, with their
// values. Its bounds look like those of ZRANGEBYLEX, but what is wrong with them is told as Kvrocks does; and
// other than there, an offset below 0 passes over nothing. Uses: arguments, collection_value, reply_walk,
// zset_range.
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/reply_walk.h"
#include "commands/zset_range.h"

// --- Arguments ---

static bool read_options(struct command_context *context, struct zset_range *range) {
    for (size_t i = 4; i < context->count; i++) {
        if (argument_is(context, i, "REV")) {
            range->is_reverse = true;
        } else if (argument_is(context, i, "LIMIT") && i + 2 < context->count) {
            if (!argument_integer(context, i + 1, &range->offset) ||
                !argument_integer(context, i + 2, &range->limit))
                return false;
            i += 2;
        } else {
            reply_syntax_error(context);
            return false;
        }
    }
    if (range->offset < 0)
        range->offset = 0;
    return true;
}

static bool read_bounds(struct command_context *context, struct zset_range *range) {
    const char *error = NULL;
    bool has_min = zset_range_read_member(context->arguments[2 + range->is_reverse], &range->min);
    bool has_max = zset_range_read_member(context->arguments[3 - range->is_reverse], &range->max);
    if ((has_min && range->min.place == ZSET_PLACE_GREATEST) ||
        (has_max && range->max.place == ZSET_PLACE_LEAST))
        error = "ERR min > max";
    else if (!has_min)
        error = "ERR the min is illegal";
    else if (!has_max)
        error = "ERR the max is illegal";
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

// --- Answering ---

static enum walk_step show_step(void *state, struct reply *reply) {
    struct zset_walk *walk = state;
    struct zset_element field;
    enum walk_step taken = zset_walk_step(walk, &field);
    if (taken == WALK_ELEMENT && reply != NULL) {
        reply_bulk(reply, field.member);
        reply_bulk(reply, walk->field_value);
    }
    return taken;
}

static void show_again(void *state) {
    zset_walk_rewind(state);
}

static void keep_shown(void *state) {
    zset_walk_keep(state);
}

static const char *shown_error(void *state) {
    return zset_walk_error(state);
}

static void close_shown(void *state) {
    zset_walk_close(state);
}

static const struct walk_kind shown_fields = {.size = sizeof(struct zset_walk),
                                              .step = show_step,
                                              .rewind = show_again,
                                              .keep = keep_shown,
                                              .error = shown_error,
                                              .close = close_shown};

void command_hrangebylex(struct command_context *context) {
    enum { FIELD_AND_VALUE = 2 };
    struct collection hash;
    struct zset_walk walk;
    struct zset_range range = {.kind = ZSET_BY_LEX, .limit = -1};
    if (!read_options(context, &range) || !read_bounds(context, &range))
        return;
    enum collection_status status = collection_read(context, 1, VALUE_HASH, &hash);
    if (status == COLLECTION_MISSING)
        reply_array(context->reply, 0);
    if (status != COLLECTION_FOUND)
        return;
    zset_walk_open(&walk, &hash, &range);
    reply_walk_all(context, &shown_fields, &walk, FIELD_AND_VALUE);
}
