// SPDX-License-Identifier: Apache-2.0
//
// INCR DECR INCRBY DECRBY INCRBYFLOAT. Uses: arguments, number, string_value.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/string_value.h"

#include <math.h>

static void stage_sum(struct command_context *context, const struct store_value *old, int64_t increment) {
    int64_t value = 0;
    if (old->metadata.type != VALUE_NONE && !value_integer(context, old->payload, &value))
        return;
    if (__builtin_add_overflow(value, increment, &value)) {
        reply_error(context->reply, "ERR increment or decrement would overflow");
        return;
    }
    char text[NUMBER_INTEGER_SIZE];
    string_stage(context, context->arguments[1], old,
                 (struct bytes){text, number_write_integer(text, value)});
    reply_integer(context->reply, value);
}

static void increment_by(struct command_context *context, int64_t increment) {
    struct store_value old;
    if (string_read(context, context->arguments[1], &old) == VALUE_FAILED)
        return;
    stage_sum(context, &old, increment);
    store_value_release(&old);
}

void command_incr(struct command_context *context) {
    increment_by(context, 1);
}

void command_decr(struct command_context *context) {
    increment_by(context, -1);
}

void command_incrby(struct command_context *context) {
    int64_t increment = 0;
    if (argument_integer(context, 2, &increment))
        increment_by(context, increment);
}

void command_decrby(struct command_context *context) {
    int64_t decrement = 0;
    if (!argument_integer(context, 2, &decrement))
        return;
    if (decrement == INT64_MIN) {
        reply_error(context->reply, "ERR decrement would overflow");
        return;
    }
    increment_by(context, -decrement);
}

static void stage_float_sum(struct command_context *context, const struct store_value *old) {
    long double value = 0;
    long double increment = 0;
    if (old->metadata.type != VALUE_NONE && !value_float(context, old->payload, &value))
        return;
    if (!argument_float(context, 2, &increment))
        return;
    value += increment;
    if (isnan(value) || isinf(value)) {
        reply_error(context->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[NUMBER_FLOAT_SIZE];
    struct bytes sum = {text, number_write_float(text, value)};
    string_stage(context, context->arguments[1], old, sum);
    reply_bulk(context->reply, sum);
}

void command_incrbyfloat(struct command_context *context) {
    struct store_value old;
    if (string_read(context, context->arguments[1], &old) == VALUE_FAILED)
        return;
    stage_float_sum(context, &old);
    store_value_release(&old);
}
