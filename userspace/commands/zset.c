// SPDX-License-Identifier: Apache-2.0
//
// Single members of sorted sets, and all that takes no range of them: ZREM ZCARD ZSCORE ZMSCORE ZRANK
// ZREVRANK ZSCAN. Uses: arguments, collection_value, collection_scan, zset_value.
#include "base/buffer.h"
#include "base/number.h"
#include "commands/arguments.h"
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

// --- Ranks ---

// From one end towards a member.
struct approach {
    const struct collection *set;
    struct bytes target; // in the order of the scores
    bool is_backwards;
    struct collection_iterator *iterator; // opened by the first step
    uint64_t steps;                       // elements before the member
    bool has_arrived, is_over;
};

static void advance(struct approach *approach, unsigned steps) {
    struct bytes sub_key;
    if (approach->iterator == NULL) {
        approach->iterator = collection_iterator_open(approach->set, FAMILY_ZSET_SCORE);
        if (approach->is_backwards)
            collection_iterator_seek_last(approach->iterator);
        else
            collection_iterator_seek(approach->iterator, (struct bytes){0});
    }
    for (; steps != 0 && !approach->has_arrived && !approach->is_over; steps--) {
        approach->is_over =
            !(approach->is_backwards ? collection_iterator_previous(approach->iterator, &sub_key, NULL)
                                     : collection_iterator_next(approach->iterator, &sub_key, NULL));
        approach->has_arrived = !approach->is_over && bytes_equal(sub_key, approach->target);
        approach->steps += !approach->has_arrived;
    }
}

static enum store_status end_approach(struct approach *approach) {
    if (approach->iterator == NULL)
        return STORE_OK;
    enum store_status status = collection_iterator_status(approach->iterator);
    collection_iterator_close(approach->iterator);
    return status;
}

// Comes from both ends in turns, as nothing tells which is the nearer one. RocksDB goes backwards several
// times slower than forwards.
static void reply_rank_of(struct command_context *context, const struct collection *set, struct bytes target,
                          bool from_last) {
    enum { STEPS_UP = 256, STEPS_DOWN = 64 };
    struct approach up = {.set = set, .target = target};
    struct approach down = {.set = set, .target = target, .is_backwards = true};
    uint64_t behind = set->metadata.size - 1;
    while (!up.has_arrived && !up.is_over && !down.has_arrived) {
        advance(&up, STEPS_UP);
        if (!up.has_arrived)
            advance(&down, STEPS_DOWN);
    }
    enum store_status status = end_approach(&up);
    enum store_status other = end_approach(&down);
    uint64_t rank = up.has_arrived ? up.steps : behind - down.steps;
    if (status != STORE_OK || other != STORE_OK)
        reply_store_error(context, STORE_FAILED);
    else if (!up.has_arrived && !down.has_arrived)
        zset_reply_damaged(context);
    else
        reply_integer(context->reply, (int64_t)(from_last ? behind - rank : rank));
}

static void reply_rank(struct command_context *context, bool from_last) {
    struct collection set;
    bool found = false;
    double score = 0;
    char encoded[ENCODED_DOUBLE_SIZE];
    struct buffer target = {0};
    enum collection_status status = collection_read(context, 1, VALUE_ZSET, &set);
    if (status == COLLECTION_FAILED ||
        (status == COLLECTION_FOUND && !zset_look_up(context, &set, context->arguments[2], &found, &score)))
        return;
    if (!found) {
        reply_null(context->reply);
        return;
    }
    encode_double(encoded, score);
    buffer_append(&target, (struct bytes){encoded, sizeof(encoded)});
    buffer_append(&target, context->arguments[2]);
    reply_rank_of(context, &set, buffer_bytes(&target), from_last);
    buffer_release(&target);
}

void command_zrank(struct command_context *context) {
    reply_rank(context, false);
}

void command_zrevrank(struct command_context *context) {
    reply_rank(context, true);
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
