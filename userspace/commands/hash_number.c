// SPDX-License-Identifier: Apache-2.0
//
// HINCRBY HINCRBYFLOAT. Uses: arguments, collection_value, number.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"

#include <math.h>

// A hash and one of its fields, to be changed.
struct target {
    struct collection hash;
    struct store_value old;
    bool found;
};

static bool open_target(struct command_context *context, struct target *target) {
    return collection_write(context, 1, VALUE_HASH, &target->hash) != COLLECTION_FAILED &&
           collection_look_up(context, &target->hash, context->arguments[2], &target->found, &target->old);
}

static void close_target(struct target *target) {
    if (target->found)
        store_value_release(&target->old);
}

static void stage_number(struct command_context *context, struct target *target, struct bytes text) {
    collection_put(&target->hash, FAMILY_DEFAULT, context->arguments[2], text);
    if (target->found)
        return;
    target->hash.metadata.size++;
    collection_save(&target->hash);
}

static void add_integer(struct command_context *context, struct target *target, int64_t increment) {
    int64_t value = 0;
    char text[NUMBER_INTEGER_SIZE];
    if (target->found && !number_read_integer(target->old.payload, &value)) {
        reply_error(context->reply, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(value, increment, &value)) {
        reply_error(context->reply, "ERR increment or decrement would overflow");
        return;
    }
    stage_number(context, target, (struct bytes){text, number_write_integer(text, value)});
    reply_integer(context->reply, value);
}

void command_hincrby(struct command_context *context) {
    struct target target;
    int64_t increment = 0;
    if (!argument_integer(context, 3, &increment) || !open_target(context, &target))
        return;
    add_integer(context, &target, increment);
    close_target(&target);
}

static void add_float(struct command_context *context, struct target *target, long double increment) {
    long double value = 0;
    char text[NUMBER_FLOAT_SIZE];
    if (target->found && !number_read_float(target->old.payload, &value)) {
        reply_error(context->reply, "ERR hash value is not a float");
        return;
    }
    value += increment;
    if (isnan(value) || isinf(value)) {
        reply_error(context->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct bytes sum = {text, number_write_float(text, value)};
    stage_number(context, target, sum);
    reply_bulk(context->reply, sum);
}

void command_hincrbyfloat(struct command_context *context) {
    struct target target;
    long double increment = 0;
    if (!argument_float(context, 3, &increment))
        return;
    if (isnan(increment) || isinf(increment)) {
        reply_error(context->reply, "ERR value is NaN or Infinity");
        return;
    }
    if (!open_target(context, &target))
        return;
    add_float(context, &target, increment);
    close_target(&target);
}
