// SPDX-License-Identifier: Apache-2.0
//
// Ranges answered, counted and stored: ZRANGE and the commands of one kind of range each, ZRANGESTORE, ZCOUNT
// ZLEXCOUNT. Uses: arguments, collection_value, reply_walk, zset_jump, zset_range, zset_store.
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/zset_jump.h"
#include "commands/zset_range.h"
#include "commands/zset_store.h"

// --- Arguments ---

enum { DIRECTION_IS_GIVEN = 1, KIND_IS_GIVEN = 2, IS_STORED = 4 };

// A command of this family: which key, and what its name has decided already.
struct request {
    size_t key; // argument; the bounds follow it
    unsigned given;
    struct zset_range range;
    bool with_scores;
};

static bool read_kind(const struct command_context *context, size_t index, struct request *request) {
    if (argument_is(context, index, "BYLEX"))
        request->range.kind = ZSET_BY_LEX;
    else if (argument_is(context, index, "BYSCORE"))
        request->range.kind = ZSET_BY_SCORE;
    else
        return false;
    request->given |= KIND_IS_GIVEN;
    return true;
}

static bool read_limit(struct command_context *context, size_t index, struct request *request) {
    return argument_integer(context, index + 1, &request->range.offset) &&
           argument_integer(context, index + 2, &request->range.limit);
}

static bool read_options(struct command_context *context, struct request *request) {
    for (size_t i = request->key + 3; i < context->count; i++) {
        if ((request->given & IS_STORED) == 0 && argument_is(context, i, "WITHSCORES")) {
            request->with_scores = true;
        } else if (argument_is(context, i, "LIMIT") && i + 2 < context->count) {
            if (!read_limit(context, i, request))
                return false;
            i += 2;
        } else if ((request->given & DIRECTION_IS_GIVEN) == 0 && argument_is(context, i, "REV")) {
            request->range.is_reverse = true;
            request->given |= DIRECTION_IS_GIVEN;
        } else if ((request->given & KIND_IS_GIVEN) != 0 || !read_kind(context, i, request)) {
            reply_syntax_error(context);
            return false;
        }
    }
    return true;
}

static bool read_request(struct command_context *context, struct request *request) {
    const char *error = NULL;
    struct zset_range *range = &request->range;
    range->limit = -1;
    if (!read_options(context, request))
        return false;
    if (range->limit != -1 && range->kind == ZSET_BY_RANK)
        error = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    else if (request->with_scores && range->kind == ZSET_BY_LEX)
        error = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    if (error != NULL) {
        reply_error(context->reply, error);
        return false;
    }
    if (range->kind == ZSET_BY_RANK)
        range->offset = 0;
    bool upper_first = range->is_reverse && range->kind != ZSET_BY_RANK;
    return zset_range_read(context, request->key + 1 + upper_first, request->key + 2 - upper_first, range);
}

// --- Answering ---

struct shown_walk {
    struct zset_walk walk;
    bool with_scores;
};

static enum walk_step show_step(void *state, struct reply *reply) {
    struct shown_walk *shown = state;
    struct zset_element element;
    enum walk_step taken = zset_walk_step(&shown->walk, &element);
    if (taken == WALK_ELEMENT && reply != NULL)
        zset_reply_element(reply, &element, shown->with_scores);
    return taken;
}

static void show_again(void *state) {
    struct shown_walk *shown = state;
    zset_walk_rewind(&shown->walk);
}

static void keep_shown(void *state) {
    struct shown_walk *shown = state;
    zset_walk_keep(&shown->walk);
}

static const char *shown_error(void *state) {
    const struct shown_walk *shown = state;
    return zset_walk_error(&shown->walk);
}

static void close_shown(void *state) {
    struct shown_walk *shown = state;
    zset_walk_close(&shown->walk);
}

static const struct walk_kind shown_elements = {.size = sizeof(struct shown_walk),
                                                .step = show_step,
                                                .rewind = show_again,
                                                .keep = keep_shown,
                                                .error = shown_error,
                                                .close = close_shown};

// How many there are is known beforehand.
static void reply_ranks(struct command_context *context, struct shown_walk *shown) {
    struct output_mark before = output_mark(&context->reply->output);
    const struct zset_range *range = &shown->walk.range;
    uint64_t count = (uint64_t)(range->stop - range->start) + 1;
    reply_array(context->reply, count * zset_reply_width(context->reply, shown->with_scores));
    reply_walk_counted(context, &shown_elements, shown, count, before);
}

// False: there has to be another attempt.
static bool reply_elements(struct command_context *context, const struct collection *set,
                           const struct request *request, bool may_use_index) {
    struct shown_walk shown = {.with_scores = request->with_scores};
    struct zset_range range = request->range;
    range.may_use_index = may_use_index;
    zset_walk_open(&shown.walk, set, &range);
    if (shown.walk.is_outdated) {
        zset_walk_close(&shown.walk);
        return false;
    }
    if (shown.walk.iterator == NULL)
        reply_array(context->reply, 0);
    else if (range.kind == ZSET_BY_RANK)
        reply_ranks(context, &shown);
    else
        reply_walk_all(context, &shown_elements, &shown,
                       zset_reply_width(context->reply, request->with_scores));
    return true;
}

static bool attempt_show(struct command_context *context, const struct request *request, bool may_use_index) {
    struct collection set;
    enum collection_status status = collection_read(context, request->key, VALUE_ZSET, &set);
    if (status == COLLECTION_MISSING)
        reply_array(context->reply, 0);
    return status != COLLECTION_FOUND || reply_elements(context, &set, request, may_use_index);
}

static void show(struct command_context *context, unsigned given, enum zset_range_kind kind, bool reverse) {
    struct request request = {.key = 1, .given = given, .range = {.kind = kind, .is_reverse = reverse}};
    if (!read_request(context, &request))
        return;
    for (unsigned attempts = 0; !attempt_show(context, &request, zset_rank_may_use_index(attempts));
         attempts++)
        zset_rank_begin_anew(context);
}

void command_zrange(struct command_context *context) {
    show(context, 0, ZSET_BY_RANK, false);
}

void command_zrevrange(struct command_context *context) {
    show(context, DIRECTION_IS_GIVEN | KIND_IS_GIVEN, ZSET_BY_RANK, true);
}

void command_zrangebyscore(struct command_context *context) {
    show(context, DIRECTION_IS_GIVEN | KIND_IS_GIVEN, ZSET_BY_SCORE, false);
}

void command_zrevrangebyscore(struct command_context *context) {
    show(context, DIRECTION_IS_GIVEN | KIND_IS_GIVEN, ZSET_BY_SCORE, true);
}

void command_zrangebylex(struct command_context *context) {
    show(context, DIRECTION_IS_GIVEN | KIND_IS_GIVEN, ZSET_BY_LEX, false);
}

void command_zrevrangebylex(struct command_context *context) {
    show(context, DIRECTION_IS_GIVEN | KIND_IS_GIVEN, ZSET_BY_LEX, true);
}

// --- Storing ---

void command_zrangestore(struct command_context *context) {
    struct collection set;
    struct collection made;
    struct request request = {.key = 2, .given = IS_STORED, .range = {.kind = ZSET_BY_RANK}};
    if (!read_request(context, &request))
        return;
    enum collection_status status = collection_read(context, request.key, VALUE_ZSET, &set);
    zset_store_open(context, 1, &made);
    if (status == COLLECTION_MISSING ||
        (status == COLLECTION_FOUND && zset_store_put_range(context, &set, &request.range, &made)))
        zset_store_end(context, &made);
}

// --- Counting ---

// Up to so many, all in all. False: there are more.
static bool count_on(struct zset_walk *walk, uint64_t most, uint64_t *count) {
    struct zset_element element;
    while (*count < most && zset_walk_next(walk, &element))
        ++*count;
    return *count < most;
}

// A few are counted one by one; when there are many it is worth while to ask for ranks, and when there are a
// good part of all, to have them indexed.
static enum zset_ranks_answer count_all(struct zset_walk *walk, const struct collection *set,
                                        uint64_t *count) {
    uint64_t worth = zset_ranks_steps_worth(set->metadata.size);
    enum zset_ranks_answer answer = ZSET_RANKS_UNKNOWN;
    if (walk->range.may_use_index && count_on(walk, ZSET_WALK_SHORT, count))
        return ZSET_RANKS_UNKNOWN;
    if (walk->range.may_use_index && zset_range_has_ranks(set, &walk->range)) {
        answer = zset_range_count(set, &walk->range, count);
        if (answer != ZSET_RANKS_UNKNOWN)
            return answer;
        bool is_all = count_on(walk, worth > ZSET_WALK_SHORT ? worth : ZSET_WALK_SHORT, count);
        if (zset_ranks_note_walk(set, *count) && !is_all)
            answer = zset_range_count(set, &walk->range, count);
    }
    if (answer == ZSET_RANKS_UNKNOWN)
        (void)count_on(walk, UINT64_MAX, count);
    return answer;
}

// False: there has to be another attempt.
static bool attempt_count(struct command_context *context, struct zset_range *range) {
    struct output_mark before = output_mark(&context->reply->output);
    struct collection set;
    struct zset_walk walk;
    uint64_t count = 0;
    enum zset_ranks_answer answer = ZSET_RANKS_UNKNOWN;
    enum collection_status status = collection_read(context, 1, VALUE_ZSET, &set);
    if (status == COLLECTION_FOUND) {
        zset_walk_open(&walk, &set, range);
        answer = count_all(&walk, &set, &count);
        if (!zset_walk_end(&walk, context, before))
            return true;
    }
    if (status != COLLECTION_FAILED && answer != ZSET_RANKS_NEWER)
        reply_integer(context->reply, (int64_t)count);
    return answer != ZSET_RANKS_NEWER;
}

static void reply_count(struct command_context *context, enum zset_range_kind kind) {
    struct zset_range range = {.kind = kind, .limit = -1};
    if (!zset_range_read(context, 2, 3, &range))
        return;
    for (unsigned attempts = 0;; attempts++) {
        range.may_use_index = zset_rank_may_use_index(attempts);
        if (attempt_count(context, &range))
            return;
        zset_rank_begin_anew(context);
    }
}

void command_zcount(struct command_context *context) {
    reply_count(context, ZSET_BY_SCORE);
}

void command_zlexcount(struct command_context *context) {
    reply_count(context, ZSET_BY_LEX);
}
