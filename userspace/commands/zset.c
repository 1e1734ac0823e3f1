// SPDX-License-Identifier: Apache-2.0
//
// Single members of sorted sets, and all that takes no range or rank of them: ZREM ZCARD ZSCORE ZMSCORE
// ZSCAN. Uses: collection_value, collection_scan, zset_value.
#include "base/number.h"
#include "commands/collection_scan.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/zset_value.h"

void command_zrem(struct command_context *context) {
    struct collection set;
    int64_t removed = 0;
    enum collection_status status = collection_read(context, 1, VALUE_ZSET, &set);
    if (status == COLLECTION_FAILED)
        return;
    if (context->count > 3) // the same member may be named twice
        collection_read_own_writes(context->session);
    for (size_t i = 2; status == COLLECTION_FOUND && i < context->count; i++) {
        bool found = false;
        double score = 0;
        if (!zset_look_up(context, &set, context->arguments[i], &found, &score))
            return;
        if (!found)
            continue;
        zset_remove(&set, context->arguments[i], score);
        removed++;
    }
    if (removed != 0)
        collection_save(&set);
    reply_integer(context->reply, removed);
}

void command_zcard(struct command_context *context) {
    struct collection set;
    if (collection_read(context, 1, VALUE_ZSET, &set) != COLLECTION_FAILED)
        reply_integer(context->reply, (int64_t)set.metadata.size);
}

// --- Scores ---

static const char *write_score(struct command_context *context, struct bytes member,
                               struct store_value *value) {
    struct zset_element element;
    if (value != NULL && !zset_decode_member(member, value->payload, &element))
        return zset_damaged_error();
    if (value == NULL)
        reply_null(context->reply);
    else
        reply_double(context->reply, element.score);
    return NULL;
}

void command_zscore(struct command_context *context) {
    collection_reply_one(context, VALUE_ZSET, write_score);
}

void command_zmscore(struct command_context *context) {
    collection_reply_each(context, VALUE_ZSET, write_score);
}

// --- Scanning ---

static size_t reply_scanned(struct reply *reply, struct bytes member, struct bytes value) {
    struct zset_element element;
    char text[NUMBER_FLOAT_SIZE];
    reply_bulk(reply, member);
    if (zset_decode_member(member, value, &element))
        reply_bulk(reply, (struct bytes){text, number_write_double(text, element.score)});
    else
        reply_bulk_text(reply, "nan"); // damaged; a scan goes on all the same
    return 2;
}

void command_zscan(struct command_context *context) {
    collection_scan(context, VALUE_ZSET, reply_scanned);
}
