// SPDX-License-Identifier: Apache-2.0
//
// SET SETNX SETEX PSETEX GETSET MSET MSETNX APPEND SETRANGE. Uses: arguments, string_value.
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/string_value.h"

enum set_condition { SET_ALWAYS, SET_IF_MISSING, SET_IF_EXISTS };

struct set_request {
    struct bytes value;
    enum set_condition condition;
    bool get; // the old value is the reply
    struct expiry expiry;
};

static bool take_condition(const struct command_context *context, size_t index, struct set_request *request) {
    enum set_condition condition = SET_ALWAYS;
    if (argument_is(context, index, "NX"))
        condition = SET_IF_MISSING;
    else if (argument_is(context, index, "XX"))
        condition = SET_IF_EXISTS;
    else
        return false;
    if (request->condition != SET_ALWAYS && request->condition != condition)
        return false;
    request->condition = condition;
    return true;
}

static bool parse_set_options(struct command_context *context, struct set_request *request) {
    for (size_t i = 3; i < context->count; i++) {
        if (argument_is(context, i, "GET")) {
            request->get = true;
        } else if (!take_condition(context, i, request) &&
                   !expiry_take_option(context, &i, EXPIRY_ALLOW_KEEPTTL, &request->expiry)) {
            reply_syntax_error(context);
            return false;
        }
    }
    return true;
}

// A plain SET reads nothing: what was there does not matter to it.
static enum value_status read_old(struct command_context *context, const struct set_request *request,
                                  struct store_value *old) {
    if (request->get)
        return string_read(context, context->arguments[1], old);
    if (request->condition != SET_ALWAYS || request->expiry.option == EXPIRY_KEEPTTL)
        return string_read_any(context, context->arguments[1], old);
    *old = (struct store_value){0};
    return VALUE_MISSING;
}

// What a SET has come to: everything its reply depends on. `old` is to be released.
struct set_outcome {
    bool done;   // false: the error reply has been written
    bool stored; // false: the condition did not hold
    enum value_status old_status;
    struct store_value old;
};

static struct set_outcome set(struct command_context *context, const struct set_request *request) {
    struct set_outcome outcome = {0};
    wall_ms_t expire_ms = 0;
    if (!expiry_time(context, &request->expiry, &expire_ms))
        return outcome;
    outcome.old_status = read_old(context, request, &outcome.old);
    outcome.done = outcome.old_status != VALUE_FAILED;
    if (!outcome.done)
        return outcome;
    bool exists = outcome.old_status == VALUE_FOUND;
    outcome.stored = request->condition == SET_ALWAYS || exists == (request->condition == SET_IF_EXISTS);
    if (!outcome.stored)
        return outcome;
    if (request->expiry.option == EXPIRY_KEEPTTL)
        expire_ms = outcome.old.metadata.expire_ms;
    stage_string(context->session, context->arguments[1], expire_ms, &request->value, 1);
    return outcome;
}

static void reply_to_set(struct command_context *context, const struct set_request *request) {
    struct set_outcome outcome = set(context, request);
    if (!outcome.done)
        return;
    if (request->get && outcome.old_status == VALUE_FOUND) {
        string_reply(context->reply, &outcome.old);
        return;
    }
    store_value_release(&outcome.old);
    if (request->get || !outcome.stored)
        reply_null(context->reply);
    else
        reply_ok(context->reply);
}

void command_set(struct command_context *context) {
    struct set_request request = {.value = context->arguments[2]};
    if (parse_set_options(context, &request))
        reply_to_set(context, &request);
}

void command_setex(struct command_context *context) {
    struct set_request request = {.value = context->arguments[3],
                                  .expiry = {.option = EXPIRY_EX, .amount_index = 2}};
    reply_to_set(context, &request);
}

void command_psetex(struct command_context *context) {
    struct set_request request = {.value = context->arguments[3],
                                  .expiry = {.option = EXPIRY_PX, .amount_index = 2}};
    reply_to_set(context, &request);
}

void command_getset(struct command_context *context) {
    struct set_request request = {.value = context->arguments[2], .get = true};
    reply_to_set(context, &request);
}

void command_setnx(struct command_context *context) {
    struct set_request request = {.value = context->arguments[2], .condition = SET_IF_MISSING};
    struct set_outcome outcome = set(context, &request);
    if (!outcome.done)
        return;
    store_value_release(&outcome.old);
    reply_integer(context->reply, outcome.stored);
}

static void stage_pairs(struct command_context *context) {
    for (size_t i = 1; i < context->count; i += 2)
        stage_string(context->session, context->arguments[i], 0, &context->arguments[i + 1], 1);
}

void command_mset(struct command_context *context) {
    if (context->count % 2 == 0) {
        reply_arity_error(context);
        return;
    }
    stage_pairs(context);
    reply_ok(context->reply);
}

void command_msetnx(struct command_context *context) {
    if (context->count % 2 == 0) {
        reply_arity_error(context);
        return;
    }
    for (size_t i = 1; i < context->count; i += 2) {
        enum store_status status = store_exists(context->session, context->arguments[i], context->now);
        if (status == STORE_OK) {
            reply_integer(context->reply, 0);
            return;
        }
        if (status != STORE_NOT_FOUND) {
            reply_store_error(context, status);
            return;
        }
    }
    stage_pairs(context);
    reply_integer(context->reply, 1);
}

void command_append(struct command_context *context) {
    struct bytes key = context->arguments[1];
    struct bytes piece = context->arguments[2];
    struct store_value old;
    if (string_read(context, key, &old) == VALUE_FAILED)
        return;
    uint64_t length = old.payload.length;
    if (string_check_length(context, length + piece.length) &&
        string_stage_overwritten(context, key, &old, length, piece, &length))
        reply_integer(context->reply, (int64_t)length);
    store_value_release(&old);
}

static void overwrite(struct command_context *context, uint64_t offset, const struct store_value *old) {
    struct bytes piece = context->arguments[3];
    uint64_t length = old->payload.length;
    // An empty piece changes nothing, not even a missing key.
    if (piece.length != 0 &&
        (!string_check_length(context, offset + piece.length) ||
         !string_stage_overwritten(context, context->arguments[1], old, offset, piece, &length)))
        return;
    reply_integer(context->reply, (int64_t)length);
}

void command_setrange(struct command_context *context) {
    int64_t offset = 0;
    if (!argument_integer(context, 2, &offset))
        return;
    if (offset < 0) {
        reply_error(context->reply, "ERR offset is out of range");
        return;
    }
    struct store_value old;
    if (string_read(context, context->arguments[1], &old) == VALUE_FAILED)
        return;
    overwrite(context, (uint64_t)offset, &old);
    store_value_release(&old);
}
