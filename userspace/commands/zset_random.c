// SPDX-License-Identifier: Apache-2.0
//
// ZRANDMEMBER. Uses: arguments, collection_sample, collection_value, sample_reply, zset_value.
#include "commands/arguments.h"
#include "commands/collection_sample.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/sample_reply.h"
#include "commands/zset_value.h"

static const char *show(struct reply *reply, struct bytes member, struct bytes value, bool with_score) {
    struct zset_element element = {.member = member};
    if (!zset_decode_member(member, value, &element))
        return zset_damaged_error();
    zset_reply_element(reply, &element, with_score);
    return NULL;
}

static void show_drawn(void *context, struct bytes member, struct bytes value) {
    (void)value;
    reply_bulk(context, member);
}

static void show_one(struct command_context *context) {
    size_t before = context->reply->output.pending;
    struct collection set;
    enum store_status status = STORE_OK;
    enum collection_status found = collection_read(context, 1, VALUE_ZSET, &set);
    if (found == COLLECTION_FAILED)
        return;
    if (found == COLLECTION_FOUND)
        status = sample_distinct(&set, 1, show_drawn, context->reply);
    if (status != STORE_OK)
        reply_store_error(context, status);
    else if (context->reply->output.pending == before)
        reply_null(context->reply);
}

static void show_many(struct command_context *context, int64_t count, bool with_scores) {
    struct collection set;
    enum collection_status found = collection_read(context, 1, VALUE_ZSET, &set);
    if (found == COLLECTION_MISSING)
        reply_array(context->reply, 0);
    if (found == COLLECTION_FOUND)
        sample_reply(context, &set, count, show, with_scores, zset_reply_width(context->reply, with_scores));
}

void command_zrandmember(struct command_context *context) {
    int64_t count = 0;
    bool with_scores = false;
    if (context->count == 2)
        show_one(context);
    else if (sample_read_arguments(context, "WITHSCORES", &count, &with_scores))
        show_many(context, count, with_scores);
}
