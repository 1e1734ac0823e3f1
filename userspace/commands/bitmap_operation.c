// SPDX-License-Identifier: Apache-2.0
//
// BITOP. Uses: arguments, bitmap_bits, string_value.
#include "commands/arguments.h"
#include "commands/bitmap_bits.h"
#include "commands/handlers.h"
#include "commands/string_value.h"

static bool read_operation(struct command_context *context, enum bits_operation *operation) {
    static const char *const names[] = {
        [BITS_AND] = "AND", [BITS_OR] = "OR", [BITS_XOR] = "XOR", [BITS_NOT] = "NOT"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (argument_is(context, 1, names[i])) {
            *operation = (enum bits_operation)i;
            return true;
        }
    }
    reply_syntax_error(context);
    return false;
}

// Takes in the sources one after the other, so that no more than one is held in memory beside the result.
static bool combine_sources(struct command_context *context, enum bits_operation operation,
                            struct buffer *result) {
    for (size_t i = 3; i < context->count; i++) {
        struct store_value source;
        if (string_read_bits(context, context->arguments[i], &source) == VALUE_FAILED)
            return false;
        bool is_first = i == 3 && operation != BITS_NOT;
        bool combined = bits_combine(result, is_first ? BITS_OR : operation, source.payload);
        store_value_release(&source);
        if (!combined) {
            reply_error(context->reply, "ERR not enough memory for the result");
            return false;
        }
    }
    return true;
}

void command_bitop(struct command_context *context) {
    enum bits_operation operation = BITS_AND;
    if (!read_operation(context, &operation))
        return;
    if (operation == BITS_NOT && context->count != 4) {
        reply_error(context->reply, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    struct bytes destination = context->arguments[2];
    struct buffer result = {0};
    if (combine_sources(context, operation, &result)) {
        struct bytes text = buffer_bytes(&result);
        if (text.length == 0)
            stage_delete(context->session, destination);
        else
            stage_string(context->session, destination, 0, &text, 1);
        reply_integer(context->reply, (int64_t)text.length);
    }
    buffer_release(&result);
}
