// SPDX-License-Identifier: Apache-2.0
//
// ZRANK ZREVRANK, and counting what is in front of a place. Uses: collection_value, zset_value,
// store/zset_ranks.
#include "commands/zset_rank.h"

#include "base/buffer.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/zset_value.h"

enum zset_ranks_answer zset_rank_of(const struct collection *set, struct bytes sub_key, uint64_t *rank) {
    struct zset_rank_place place;
    struct bytes found;
    enum zset_ranks_answer answer = zset_ranks_of_sub_key(set, sub_key, &place);
    if (answer != ZSET_RANKS_KNOWN)
        return answer;
    struct collection_iterator *iterator = collection_iterator_open(set, FAMILY_ZSET_SCORE);
    collection_iterator_use_ends(iterator, set, false);
    *rank = place.rank;
    collection_iterator_seek(iterator, buffer_bytes(&place.first));
    while (collection_iterator_next(iterator, &found, NULL) && bytes_compare(found, sub_key) < 0)
        ++*rank;
    // What cannot be read is for the plain walk to find out.
    if (collection_iterator_status(iterator) != STORE_OK)
        answer = ZSET_RANKS_UNKNOWN;
    collection_iterator_close(iterator);
    buffer_release(&place.first);
    return answer;
}

void zset_rank_begin_anew(struct command_context *context) {
    session_snapshot_end(context->session);
    session_snapshot_begin(context->session);
}

// --- Without the index ---

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
        collection_iterator_use_ends(approach->iterator, approach->set, false);
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

// From both ends in turns, as nothing tells which is the nearer one.
struct search {
    struct approach up, down;
};

static bool is_over(const struct search *search) {
    return search->up.has_arrived || search->up.is_over || search->down.has_arrived;
}

static uint64_t steps_of(const struct search *search) {
    return search->up.steps + search->down.steps;
}

// RocksDB goes backwards several times slower than forwards.
static void search_on(struct search *search, uint64_t most) {
    enum { STEPS_UP = 256, STEPS_DOWN = 64 };
    while (!is_over(search) && steps_of(search) < most) {
        advance(&search->up, STEPS_UP);
        if (!search->up.has_arrived)
            advance(&search->down, STEPS_DOWN);
    }
}

// After some steps another rank may be worth an index; then the rest of the way need not be walked.
static enum zset_ranks_answer search_for(struct search *search, const struct collection *set,
                                         bool may_use_index, uint64_t *rank) {
    enum zset_ranks_answer answer = ZSET_RANKS_UNKNOWN;
    search_on(search, may_use_index ? zset_ranks_steps_worth(set->metadata.size) : UINT64_MAX);
    if (may_use_index && steps_of(search) > ZSET_WALK_SHORT && zset_ranks_note_walk(set, steps_of(search)) &&
        !is_over(search))
        answer = zset_rank_of(set, search->up.target, rank);
    if (answer == ZSET_RANKS_UNKNOWN)
        search_on(search, UINT64_MAX);
    return answer;
}

// False: the error reply has been written.
static bool end_search(struct command_context *context, struct search *search, uint64_t behind,
                       enum zset_ranks_answer answer, uint64_t *rank) {
    bool is_found = search->up.has_arrived || search->down.has_arrived;
    enum store_status status = end_approach(&search->up);
    enum store_status other = end_approach(&search->down);
    if (answer != ZSET_RANKS_UNKNOWN)
        return true;
    if (status != STORE_OK || other != STORE_OK)
        reply_store_error(context, STORE_FAILED);
    else if (!is_found)
        zset_reply_damaged(context);
    *rank = search->up.has_arrived ? search->up.steps : behind - search->down.steps;
    return status == STORE_OK && other == STORE_OK && is_found;
}

// --- Commands ---

// False: there has to be another attempt.
static bool reply_rank_of(struct command_context *context, const struct collection *set, struct bytes target,
                          bool from_last, bool may_use_index) {
    uint64_t behind = set->metadata.size - 1;
    uint64_t rank = 0;
    bool is_replied = false;
    enum zset_ranks_answer answer = may_use_index ? zset_rank_of(set, target, &rank) : ZSET_RANKS_UNKNOWN;
    if (answer == ZSET_RANKS_UNKNOWN) {
        struct search search = {.up = {.set = set, .target = target},
                                .down = {.set = set, .target = target, .is_backwards = true}};
        answer = search_for(&search, set, may_use_index, &rank);
        is_replied = !end_search(context, &search, behind, answer, &rank);
    }
    if (answer == ZSET_RANKS_NEWER)
        return false;
    if (!is_replied)
        reply_integer(context->reply, (int64_t)(from_last ? behind - rank : rank));
    return true;
}

static bool attempt_rank(struct command_context *context, bool from_last, bool may_use_index) {
    struct collection set;
    double score = 0;
    bool found = false;
    char encoded[ENCODED_DOUBLE_SIZE];
    struct buffer target = {0};
    if (collection_read(context, 1, VALUE_ZSET, &set) == COLLECTION_FAILED ||
        (set.metadata.size != 0 && !zset_look_up(context, &set, context->arguments[2], &found, &score)))
        return true;
    if (!found) {
        reply_null(context->reply);
        return true;
    }
    encode_double(encoded, score);
    buffer_append(&target, (struct bytes){encoded, sizeof(encoded)});
    buffer_append(&target, context->arguments[2]);
    bool is_done = reply_rank_of(context, &set, buffer_bytes(&target), from_last, may_use_index);
    buffer_release(&target);
    return is_done;
}

static void reply_rank(struct command_context *context, bool from_last) {
    for (unsigned attempts = 0; !attempt_rank(context, from_last, zset_rank_may_use_index(attempts));
         attempts++)
        zset_rank_begin_anew(context);
}

void command_zrank(struct command_context *context) {
    reply_rank(context, false);
}

void command_zrevrank(struct command_context *context) {
    reply_rank(context, true);
}
