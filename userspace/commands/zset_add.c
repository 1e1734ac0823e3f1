// SPDX-License-Identifier: Apache-2.0
//
// ZADD ZINCRBY. Uses: arguments, collection_value, zset_value.
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/zset_value.h"

#include <math.h>

enum add_option { ADD_NX = 1, ADD_XX = 2, ADD_GT = 4, ADD_LT = 8, ADD_CH = 16, ADD_INCR = 32 };

static const struct {
    const char *word;
    enum add_option option;
} add_options[] = {{"NX", ADD_NX}, {"XX", ADD_XX}, {"GT", ADD_GT},
                   {"LT", ADD_LT}, {"CH", ADD_CH}, {"INCR", ADD_INCR}};

// What is to be done, and what has been.
struct addition {
    struct collection set;
    unsigned options;
    size_t first; // argument: the first score
    int64_t added, changed;
    bool was_done; // of the last member: it was not kept back by an option
    double score;  // and this is its score
};

static unsigned option_at(const struct command_context *context, size_t index) {
    for (size_t i = 0; i < sizeof(add_options) / sizeof(add_options[0]); i++) {
        if (argument_is(context, index, add_options[i].word))
            return add_options[i].option;
    }
    return 0;
}

static const char *conflict(unsigned options, size_t pairs) {
    bool nx = (options & ADD_NX) != 0;
    bool gt = (options & ADD_GT) != 0;
    bool lt = (options & ADD_LT) != 0;
    if (nx && (options & ADD_XX) != 0)
        return "ERR XX and NX options at the same time are not compatible";
    if ((gt && nx) || (lt && nx) || (gt && lt))
        return "ERR GT, LT, and/or NX options at the same time are not compatible";
    if ((options & ADD_INCR) != 0 && pairs > 1)
        return "ERR INCR option supports a single increment-element pair";
    return NULL;
}

// Options and scores, all of them, as no member is added before all is understood.
static bool read_arguments(struct command_context *context, struct addition *addition) {
    unsigned option = 0;
    double score = 0;
    for (addition->first = 2; (option = option_at(context, addition->first)) != 0; addition->first++)
        addition->options |= option;
    size_t rest = context->count - addition->first;
    if (rest == 0 || rest % 2 != 0) {
        reply_syntax_error(context);
        return false;
    }
    const char *error = conflict(addition->options, rest / 2);
    if (error != NULL) {
        reply_error(context->reply, error);
        return false;
    }
    for (size_t i = addition->first; i < context->count; i += 2) {
        if (!zset_argument_score(context, i, &score))
            return false;
    }
    return true;
}

// False: the member's score stays as it is.
static bool is_wanted(unsigned options, bool found, double from, double to) {
    if (!found)
        return (options & ADD_XX) == 0;
    return (options & ADD_NX) == 0 && !((options & ADD_LT) != 0 && to >= from) &&
           !((options & ADD_GT) != 0 && to <= from);
}

// One pair of a score and a member. False: the error reply has been written.
static bool add_pair(struct command_context *context, struct addition *addition, size_t index) {
    struct bytes member = context->arguments[index + 1];
    bool found = false;
    double from = 0;
    double to = 0;
    if (!zset_look_up(context, &addition->set, member, &found, &from) ||
        !zset_argument_score(context, index, &to))
        return false;
    if (found && (addition->options & ADD_NX) == 0 && (addition->options & ADD_INCR) != 0)
        to += from;
    if (isnan(to)) {
        reply_error(context->reply, "ERR resulting score is not a number (NaN)");
        return false;
    }
    addition->was_done = is_wanted(addition->options, found, from, to);
    addition->score = to;
    if (!addition->was_done)
        return true;
    if (!found) {
        zset_add(&addition->set, member, to);
        addition->added++;
    } else if (to != from) {
        zset_move(&addition->set, member, from, to);
        addition->changed++;
    }
    return true;
}

static bool add_all(struct command_context *context, struct addition *addition) {
    enum collection_status status = collection_read(context, 1, VALUE_ZSET, &addition->set);
    if (status == COLLECTION_FAILED)
        return false;
    if (status == COLLECTION_MISSING && (addition->options & ADD_XX) != 0)
        return true;
    if (status == COLLECTION_MISSING)
        collection_open_anew(context->session, context->arguments[1], VALUE_ZSET, &addition->set);
    if (context->count - addition->first > 2) // the same member may be named twice
        collection_read_own_writes(context->session);
    for (size_t i = addition->first; i < context->count; i += 2) {
        if (!add_pair(context, addition, i))
            return false;
    }
    if (addition->added != 0)
        collection_save(&addition->set);
    return true;
}

static void add(struct command_context *context, unsigned options) {
    struct addition addition = {.options = options};
    if (!read_arguments(context, &addition) || !add_all(context, &addition))
        return;
    if ((addition.options & ADD_INCR) == 0)
        reply_integer(context->reply,
                      addition.added + ((addition.options & ADD_CH) != 0 ? addition.changed : 0));
    else if (addition.was_done)
        reply_double(context->reply, addition.score);
    else
        reply_null(context->reply);
}

void command_zadd(struct command_context *context) {
    add(context, 0);
}

void command_zincrby(struct command_context *context) {
    add(context, ADD_INCR);
}
