// SPDX-License-Identifier: Apache-2.0
//
// Kvrocks' CAS and CAD: a string is set or deleted if it is what the client thinks it is. Uses: arguments,
// string_value.
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/string_value.h"

enum comparison { COMPARED_MISSING = -1, COMPARED_DIFFERENT = 0, COMPARED_EQUAL = 1, COMPARE_FAILED };

static enum comparison compare(struct command_context *context) {
    struct store_value value;
    enum value_status status = string_read(context, context->arguments[1], &value);
    if (status == VALUE_FAILED)
        return COMPARE_FAILED;
    if (status == VALUE_MISSING)
        return COMPARED_MISSING;
    bool equal = bytes_equal(value.payload, context->arguments[2]);
    store_value_release(&value);
    return equal ? COMPARED_EQUAL : COMPARED_DIFFERENT;
}

// Without an expiry option the key does not expire any more.
void command_cas(struct command_context *context) {
    struct expiry expiry = {0};
    for (size_t i = 4; i < context->count; i++) {
        if (!expiry_take_option(context, &i, 0, &expiry)) {
            reply_syntax_error(context);
            return;
        }
    }
    wall_ms_t expire_ms = 0;
    if (!expiry_time(context, &expiry, &expire_ms))
        return;
    enum comparison result = compare(context);
    if (result == COMPARED_EQUAL)
        stage_string(context->session, context->arguments[1], expire_ms, &context->arguments[3], 1);
    if (result != COMPARE_FAILED)
        reply_integer(context->reply, result);
}

void command_cad(struct command_context *context) {
    enum comparison result = compare(context);
    if (result == COMPARED_EQUAL)
        stage_delete(context->session, context->arguments[1]);
    if (result != COMPARE_FAILED)
        reply_integer(context->reply, result);
}
