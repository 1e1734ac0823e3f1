// SPDX-License-Identifier: Apache-2.0
//
// ZUNION ZINTER ZDIFF, their STORE forms, ZINTERCARD. Uses: arguments, zset_algebra, zset_store.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/reply_walk.h"
#include "commands/working_set.h"
#include "commands/zset_algebra.h"
#include "commands/zset_portion.h"
#include "commands/zset_store.h"

// --- Arguments ---

// Which options a command knows.
enum { KNOWS_WEIGHTS = 1, KNOWS_SCORES = 2, KNOWS_LIMIT = 4 };

struct combination {
    struct zset_algebra algebra;
    unsigned known;
    size_t number; // argument: how many keys follow it
    bool with_scores;
    uint64_t limit; // 0: none
};

static bool count_keys(struct command_context *context, size_t number, size_t *count) {
    int64_t keys = 0;
    if (!argument_integer(context, number, &keys))
        return false;
    if (keys < 1) {
        reply_error_format(context->reply, "ERR at least 1 input key is needed for '%s' command",
                           context->command->name);
        return false;
    }
    *count = (size_t)keys;
    if (*count <= context->count - number - 1)
        return true;
    reply_syntax_error(context);
    return false;
}

static bool read_weights(struct command_context *context, size_t first, struct combination *combination) {
    for (size_t i = 0; i < combination->algebra.count; i++) {
        double weight = 0;
        if (!number_read_double(context->arguments[first + i], &weight)) {
            reply_error(context->reply, "ERR weight value is not a float");
            return false;
        }
        zset_algebra_weigh(&combination->algebra, i, weight);
    }
    return true;
}

static bool read_aggregate(struct command_context *context, size_t index, struct combination *combination) {
    static const char *const words[] = {[ZSET_SUM] = "SUM", [ZSET_MINIMUM] = "MIN", [ZSET_MAXIMUM] = "MAX"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (argument_is(context, index, words[i])) {
            combination->algebra.aggregate = (enum zset_aggregate)i;
            return true;
        }
    }
    reply_syntax_error(context);
    return false;
}

static bool read_limit(struct command_context *context, size_t index, struct combination *combination) {
    int64_t limit = 0;
    if (!argument_not_negative(context, index, &limit, "ERR LIMIT can't be negative"))
        return false;
    combination->limit = (uint64_t)limit;
    return true;
}

// The option at *index, which is moved behind it. False: the error reply has been written.
static bool read_option(struct command_context *context, size_t *index, struct combination *combination) {
    unsigned known = combination->known;
    size_t at = *index;
    size_t behind = context->count - at - 1;
    size_t weights = combination->algebra.count;
    *index += 2;
    if ((known & KNOWS_WEIGHTS) != 0 && behind >= weights && argument_is(context, at, "WEIGHTS")) {
        *index = at + 1 + weights;
        return read_weights(context, at + 1, combination);
    }
    if ((known & KNOWS_WEIGHTS) != 0 && behind >= 1 && argument_is(context, at, "AGGREGATE"))
        return read_aggregate(context, at + 1, combination);
    if ((known & KNOWS_LIMIT) != 0 && behind >= 1 && argument_is(context, at, "LIMIT"))
        return read_limit(context, at + 1, combination);
    *index = at + 1;
    combination->with_scores = (known & KNOWS_SCORES) != 0 && argument_is(context, at, "WITHSCORES");
    if (!combination->with_scores)
        reply_syntax_error(context);
    return combination->with_scores;
}

// End it with end() if it returns true.
static bool begin(struct command_context *context, size_t number, unsigned known,
                  struct combination *combination) {
    size_t count = 0;
    *combination = (struct combination){.known = known, .number = number};
    if (!count_keys(context, number, &count))
        return false;
    bool is_read = zset_algebra_open(&combination->algebra, context, number + 1, count);
    for (size_t i = number + 1 + count; is_read && i < context->count;)
        is_read = read_option(context, &i, combination);
    if (!is_read)
        zset_algebra_close(&combination->algebra);
    return is_read;
}

// --- Results ---

// All of it, as it has to be put in order. One more than may be held ends the walk.
static bool hold(void *context, const struct zset_element *element) {
    struct zset_elements *found = context;
    zset_elements_add(found, element);
    return zset_elements_size(found) <= WORKING_SET_MAX;
}

// False: the error reply has been written.
static bool run(struct command_context *context, struct combination *combination, zset_operation *operation,
                zset_element_function *function, void *result) {
    if (operation != zset_subtract)
        zset_algebra_order(&combination->algebra);
    enum store_status status = operation(&combination->algebra, function, result);
    if (status != STORE_OK)
        reply_store_error(context, status);
    else if (combination->algebra.is_damaged)
        zset_reply_damaged(context);
    else if (combination->algebra.is_too_big)
        reply_error(context->reply, WORKING_SET_TOO_BIG);
    return status == STORE_OK && !combination->algebra.is_damaged && !combination->algebra.is_too_big;
}

// What was found, as the client reads it.
struct found_walk {
    struct zset_elements found;
    size_t next;
    bool with_scores;
};

static enum walk_step found_step(void *state, struct reply *reply) {
    struct found_walk *walk = state;
    if (walk->next == walk->found.count)
        return WALK_END;
    struct zset_element element = zset_elements_at(&walk->found, walk->next++);
    zset_reply_element(reply, &element, walk->with_scores);
    return WALK_ELEMENT;
}

static void close_found(void *state) {
    struct found_walk *walk = state;
    zset_elements_release(&walk->found);
}

static const struct walk_kind found_elements = {
    .size = sizeof(struct found_walk), .step = found_step, .close = close_found};

static void reply_combined(struct command_context *context, unsigned known, zset_operation *operation) {
    struct output_mark before = output_mark(&context->reply->output);
    struct combination combination;
    struct found_walk walk = {0};
    if (!begin(context, 1, known, &combination))
        return;
    bool is_found = run(context, &combination, operation, hold, &walk.found) &&
                    working_set_fits(context, zset_elements_size(&walk.found));
    walk.with_scores = combination.with_scores;
    zset_algebra_close(&combination.algebra);
    if (!is_found) {
        zset_elements_release(&walk.found);
        return;
    }
    zset_elements_sort(&walk.found);
    reply_array(context->reply, walk.found.count * zset_reply_width(context->reply, walk.with_scores));
    reply_walk_counted(context, &found_elements, &walk, walk.found.count, before);
}

// A portion of the result, which is staged when its walks are over, because nothing may be during one.
static bool hold_portion(void *context, const struct zset_element *element) {
    struct zset_elements *portion = context;
    zset_elements_add(portion, element);
    return zset_elements_size(portion) < ZSET_PORTION_SIZE;
}

static bool store_portions(struct command_context *context, struct combination *combination,
                           zset_operation *operation, struct collection *made) {
    struct zset_elements portion = {0};
    bool done = true;
    do {
        zset_elements_clear(&portion);
        done = run(context, combination, operation, hold_portion, &portion);
        if (done)
            zset_store_put(made, &portion);
        if (done && portion.count != 0)
            zset_algebra_go_on_behind(&combination->algebra,
                                      zset_elements_at(&portion, portion.count - 1).member);
    } while (done && zset_elements_size(&portion) >= ZSET_PORTION_SIZE &&
             !session_is_overfull(context->session));
    zset_elements_release(&portion);
    return done;
}

static void store_combined(struct command_context *context, unsigned known, zset_operation *operation) {
    struct combination combination;
    struct collection made;
    if (!begin(context, 2, known, &combination))
        return;
    zset_store_open(context, 1, &made);
    if (store_portions(context, &combination, operation, &made))
        zset_store_end(context, &made);
    zset_algebra_close(&combination.algebra);
}

void command_zunion(struct command_context *context) {
    reply_combined(context, KNOWS_WEIGHTS | KNOWS_SCORES, zset_unite);
}

void command_zinter(struct command_context *context) {
    reply_combined(context, KNOWS_WEIGHTS | KNOWS_SCORES, zset_intersect);
}

void command_zdiff(struct command_context *context) {
    reply_combined(context, KNOWS_SCORES, zset_subtract);
}

void command_zunionstore(struct command_context *context) {
    store_combined(context, KNOWS_WEIGHTS, zset_unite);
}

void command_zinterstore(struct command_context *context) {
    store_combined(context, KNOWS_WEIGHTS, zset_intersect);
}

void command_zdiffstore(struct command_context *context) {
    store_combined(context, 0, zset_subtract);
}

// --- Counting ---

struct member_count {
    uint64_t count, limit;
};

static bool count_one(void *context, const struct zset_element *element) {
    (void)element;
    struct member_count *members = context;
    members->count++;
    return members->count != members->limit;
}

void command_zintercard(struct command_context *context) {
    struct combination combination;
    if (!begin(context, 1, KNOWS_LIMIT, &combination))
        return;
    struct member_count members = {.limit = combination.limit};
    if (run(context, &combination, zset_intersect, count_one, &members))
        reply_integer(context->reply, (int64_t)members.count);
    zset_algebra_close(&combination.algebra);
}
