// SPDX-License-Identifier: Apache-2.0
//
// SINTER SUNION SDIFF, their STORE forms, SINTERCARD. Uses: base, arguments, collection_value, reply_walk,
// set_algebra.
#include "base/buffer.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/set_algebra.h"

// --- Replying ---

static enum walk_step reply_step(void *state, struct reply *reply) {
    struct set_algebra *algebra = state;
    struct bytes member;
    enum walk_step taken = set_algebra_step(algebra, &member);
    if (taken == WALK_ELEMENT && reply != NULL)
        reply_bulk(reply, member);
    return taken;
}

static void reply_rewind(void *state) {
    set_algebra_rewind(state);
}

static void reply_keep(void *state) {
    set_algebra_keep(state);
}

static const char *reply_fault(void *state) {
    return set_algebra_error(state);
}

static void reply_close(void *state) {
    set_algebra_close(state);
}

static void reply_result(struct command_context *context, enum set_operation operation) {
    static const struct walk_kind result = {.size = sizeof(struct set_algebra),
                                            .is_set = true,
                                            .step = reply_step,
                                            .rewind = reply_rewind,
                                            .keep = reply_keep,
                                            .error = reply_fault,
                                            .close = reply_close};
    struct set_algebra algebra;
    if (set_algebra_open(&algebra, context, operation, 1, context->count - 1, true))
        reply_walk_all(context, &result, &algebra, 1);
}

void command_sinter(struct command_context *context) {
    reply_result(context, SET_INTERSECTION);
}

void command_sunion(struct command_context *context) {
    reply_result(context, SET_UNION);
}

void command_sdiff(struct command_context *context) {
    reply_result(context, SET_DIFFERENCE);
}

// --- Storing ---

// Walks on to the end of the result, or until `limit` members of it have been counted; 0: no limit. False:
// the error reply has been written.
static bool walk_through(struct command_context *context, struct set_algebra *algebra, uint64_t limit,
                         uint64_t *count) {
    struct bytes member;
    enum walk_step taken = WALK_PASSED;
    *count = 0;
    while (taken != WALK_END && (limit == 0 || *count != limit)) {
        taken = set_algebra_step(algebra, &member);
        *count += taken == WALK_ELEMENT;
    }
    const char *error = set_algebra_error(algebra);
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

// A portion of the result, each member behind its length. False: the error reply has been written.
static bool hold_portion(struct command_context *context, struct set_algebra *algebra, struct buffer *portion,
                         bool *is_last) {
    enum { PORTION_SIZE = 1 << 20 };
    struct bytes member;
    while (!*is_last && portion->length < PORTION_SIZE) {
        enum walk_step taken = set_algebra_step(algebra, &member);
        *is_last = taken == WALK_END;
        if (taken == WALK_ELEMENT)
            buffer_append_counted(portion, member);
    }
    const char *error = set_algebra_error(algebra);
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

static struct bytes stage_members(struct collection *set, const struct buffer *members) {
    struct bytes member = {0};
    for (struct bytes rest = buffer_bytes(members); rest.length != 0;) {
        member = bytes_take_counted(&rest);
        collection_put(set, FAMILY_DEFAULT, member, (struct bytes){0});
        set->metadata.size++;
    }
    return member;
}

// Nothing may be staged while a walk is open. False: the error reply has been written.
static bool stage_portions(struct command_context *context, struct set_algebra *algebra,
                           struct collection *set) {
    struct buffer portion = {0};
    bool is_last = false;
    bool done = true;
    while (done && !is_last && !session_is_overfull(context->session)) {
        buffer_clear(&portion);
        done = hold_portion(context, algebra, &portion, &is_last);
        set_algebra_pause(algebra);
        struct bytes last = stage_members(set, &portion);
        if (!is_last)
            set_algebra_go_on_behind(algebra, last);
    }
    buffer_release(&portion);
    return done;
}

static void store_result(struct command_context *context, enum set_operation operation) {
    struct set_algebra algebra;
    struct collection set;
    if (!set_algebra_open(&algebra, context, operation, 2, context->count - 2, false))
        return;
    collection_open_anew(context->session, context->arguments[1], VALUE_SET, &set);
    bool done = stage_portions(context, &algebra, &set);
    if (done && set.metadata.size != 0)
        collection_save(&set);
    else if (done)
        done = collection_stage_none(context, context->arguments[1]);
    if (done)
        reply_integer(context->reply, (int64_t)set.metadata.size);
    set_algebra_close(&algebra);
}

void command_sinterstore(struct command_context *context) {
    store_result(context, SET_INTERSECTION);
}

void command_sunionstore(struct command_context *context) {
    store_result(context, SET_UNION);
}

void command_sdiffstore(struct command_context *context) {
    store_result(context, SET_DIFFERENCE);
}

// --- Counting ---

// SINTERCARD numkeys key [key ...] [LIMIT limit]
void command_sintercard(struct command_context *context) {
    struct set_algebra algebra;
    size_t keys = 0;
    int64_t limit = 0;
    if (!argument_key_count(context, 1, &keys))
        return;
    if (keys > context->count - 2) {
        reply_error(context->reply, "ERR Number of keys can't be greater than number of args");
        return;
    }
    size_t at = 2 + keys;
    for (; at + 1 < context->count && argument_is(context, at, "LIMIT"); at += 2) {
        if (!argument_not_negative(context, at + 1, &limit, "ERR LIMIT can't be negative"))
            return;
    }
    if (at != context->count) {
        reply_syntax_error(context);
        return;
    }
    uint64_t count = 0;
    if (!set_algebra_open(&algebra, context, SET_INTERSECTION, 2, keys, false))
        return;
    if (walk_through(context, &algebra, (uint64_t)limit, &count))
        reply_integer(context->reply, (int64_t)count);
    set_algebra_close(&algebra);
}
