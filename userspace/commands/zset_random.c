// SPDX-License-Identifier: Apache-2.0
//
// ZRANDMEMBER. Uses: arguments, collection_sample, collection_value, zset_value.
#include "commands/arguments.h"
#include "commands/collection_sample.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/zset_value.h"

// Where the members that are drawn go, and how.
struct draw_reply {
    struct reply *reply;
    bool with_scores;
    bool is_damaged;
    uint64_t drawn;
};

static void show(void *context, struct bytes member, struct bytes value) {
    struct draw_reply *draws = context;
    struct zset_element element = {.member = member};
    draws->is_damaged = !zset_decode_member(member, value, &element) || draws->is_damaged;
    zset_reply_element(draws->reply, &element, draws->with_scores);
    draws->drawn++;
}

// False: everything that was replied since `before` is replaced by the error.
static bool end_draws(struct command_context *context, const struct draw_reply *draws,
                      enum store_status status, struct output_mark before) {
    if (status == STORE_OK && !draws->is_damaged)
        return true;
    output_truncate(&context->reply->output, before);
    if (status == STORE_OK)
        zset_reply_damaged(context);
    else
        reply_store_error(context, status);
    return false;
}

static void show_one(struct command_context *context) {
    struct output_mark before = output_mark(&context->reply->output);
    struct collection set;
    struct draw_reply draws = {.reply = context->reply};
    enum store_status status = STORE_OK;
    enum collection_status found = collection_read(context, 1, VALUE_ZSET, &set);
    if (found == COLLECTION_FAILED)
        return;
    if (found == COLLECTION_FOUND)
        status = sample_distinct(&set, 1, show, &draws);
    if (end_draws(context, &draws, status, before) && draws.drawn == 0)
        reply_null(context->reply);
}

// A positive count: so many different ones at most. A negative one: so many, the same perhaps again.
static void show_many(struct command_context *context, int64_t count, bool with_scores) {
    struct output_mark before = output_mark(&context->reply->output);
    struct collection set;
    struct draw_reply draws = {.reply = context->reply, .with_scores = with_scores};
    enum store_status status = STORE_OK;
    enum collection_status found = collection_read(context, 1, VALUE_ZSET, &set);
    if (found == COLLECTION_FAILED)
        return;
    struct output_block *header = reply_deferred_begin(context->reply);
    if (found == COLLECTION_FOUND && count >= 0)
        status = sample_distinct(&set, (uint64_t)count, show, &draws);
    else if (found == COLLECTION_FOUND)
        status = sample_repeating(&set, (uint64_t)-count, show, &draws);
    reply_array_end(context->reply, header, draws.drawn * zset_reply_width(context->reply, with_scores));
    (void)end_draws(context, &draws, status, before);
}

void command_zrandmember(struct command_context *context) {
    int64_t count = 0;
    bool with_scores = argument_is(context, 3, "WITHSCORES");
    if (context->count == 2) {
        show_one(context);
        return;
    }
    if (!argument_integer(context, 2, &count))
        return;
    if (count == INT64_MIN)
        reply_error(context->reply, "ERR value is out of range, value must between -9223372036854775807 and "
                                    "9223372036854775807");
    else if (context->count > 4 || (context->count == 4 && !with_scores))
        reply_syntax_error(context);
    // With scores the reply has twice as many elements, whose number must be told.
    else if (with_scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2))
        reply_error(context->reply, "ERR value is out of range");
    else
        show_many(context, count, with_scores);
}
