// SPDX-License-Identifier: Apache-2.0
//
// GET GETDEL GETEX STRLEN GETRANGE SUBSTR. Uses: arguments, string_value.
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/string_value.h"

void command_get(struct command_context *context) {
    struct store_value value;
    enum value_status status = string_read(context, context->arguments[1], &value);
    if (status == VALUE_FOUND)
        string_reply(context->reply, &value);
    else if (status == VALUE_MISSING)
        reply_null(context->reply);
}

void command_getdel(struct command_context *context) {
    struct store_value value;
    enum value_status status = string_read(context, context->arguments[1], &value);
    if (status == VALUE_MISSING)
        reply_null(context->reply);
    if (status != VALUE_FOUND)
        return;
    stage_delete(context->session, context->arguments[1]);
    string_reply(context->reply, &value);
}

static void change_expiry(struct command_context *context, const struct expiry *expiry, wall_ms_t expire_ms,
                          const struct store_value *value) {
    struct bytes key = context->arguments[1];
    bool stays = expiry->option == EXPIRY_UNCHANGED ||
                 (expiry->option == EXPIRY_PERSIST && value->metadata.expire_ms == 0);
    if (stays)
        return;
    if (expiry_has_time(expiry) && expire_ms <= context->now)
        stage_delete(context->session, key);
    else
        stage_string(context->session, key, expire_ms, &value->payload, 1);
}

void command_getex(struct command_context *context) {
    struct expiry expiry = {0};
    for (size_t i = 2; i < context->count; i++) {
        if (!expiry_take_option(context, &i, EXPIRY_ALLOW_PERSIST, &expiry)) {
            reply_syntax_error(context);
            return;
        }
    }
    struct store_value value;
    enum value_status status = string_read(context, context->arguments[1], &value);
    if (status == VALUE_MISSING)
        reply_null(context->reply);
    if (status != VALUE_FOUND)
        return;
    wall_ms_t expire_ms = 0;
    if (!expiry_time(context, &expiry, &expire_ms)) {
        store_value_release(&value);
        return;
    }
    change_expiry(context, &expiry, expire_ms, &value);
    string_reply(context->reply, &value);
}

void command_strlen(struct command_context *context) {
    struct store_value value;
    if (string_read(context, context->arguments[1], &value) == VALUE_FAILED)
        return;
    reply_integer(context->reply, (int64_t)value.payload.length);
    store_value_release(&value);
}

// The part of `text` from `first` to `last`, both counted from the end if negative.
static struct bytes slice(struct bytes text, int64_t first, int64_t last) {
    int64_t length = (int64_t)text.length;
    struct bytes none = {0};
    if (first < 0 && last < 0 && first > last)
        return none;
    if (first < 0)
        first = first + length < 0 ? 0 : first + length;
    if (last < 0)
        last = last + length < 0 ? 0 : last + length;
    if (last >= length)
        last = length - 1;
    if (first > last)
        return none;
    return (struct bytes){text.data + first, (size_t)(last - first + 1)};
}

void command_getrange(struct command_context *context) {
    int64_t first = 0;
    int64_t last = 0;
    if (!argument_integer(context, 2, &first) || !argument_integer(context, 3, &last))
        return;
    struct store_value value;
    if (string_read(context, context->arguments[1], &value) == VALUE_FAILED)
        return;
    value.payload = slice(value.payload, first, last);
    string_reply(context->reply, &value);
}
