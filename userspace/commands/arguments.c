// SPDX-License-Identifier: Apache-2.0
//
// Reading arguments. Uses: number.
#include "commands/arguments.h"

#include "base/number.h"

void reply_syntax_error(struct command_context *context) {
    reply_error(context->reply, "ERR syntax error");
}

void reply_wrong_type(struct command_context *context) {
    reply_error(context->reply, WRONG_TYPE_ERROR);
}

void reply_arity_error(struct command_context *context) {
    reply_error_format(context->reply, "ERR wrong number of arguments for '%s' command",
                       context->command->name);
}

void reply_store_error(struct command_context *context, enum store_status status) {
    reply_error(context->reply, session_error(context->session, status));
}

bool argument_is(const struct command_context *context, size_t index, const char *word) {
    return index < context->count && bytes_equal_text_nocase(context->arguments[index], word);
}

static bool read_integer(struct command_context *context, struct bytes text, int64_t *out,
                         const char *error) {
    if (number_read_integer(text, out))
        return true;
    reply_error(context->reply, error);
    return false;
}

bool argument_integer_or(struct command_context *context, size_t index, int64_t *out, const char *error) {
    return read_integer(context, context->arguments[index], out, error);
}

static bool argument_at_least(struct command_context *context, size_t index, int64_t least, int64_t *out,
                              const char *error) {
    if (!argument_integer_or(context, index, out, error))
        return false;
    if (*out >= least)
        return true;
    reply_error(context->reply, error);
    return false;
}

bool argument_positive(struct command_context *context, size_t index, int64_t *out, const char *error) {
    return argument_at_least(context, index, 1, out, error);
}

bool argument_not_negative(struct command_context *context, size_t index, int64_t *out, const char *error) {
    return argument_at_least(context, index, 0, out, error);
}

bool argument_key_count(struct command_context *context, size_t index, size_t *out) {
    int64_t count = 0;
    bool is_right = argument_positive(context, index, &count, "ERR numkeys should be greater than 0");
    *out = (size_t)count;
    return is_right;
}

bool value_integer(struct command_context *context, struct bytes text, int64_t *out) {
    return read_integer(context, text, out, "ERR value is not an integer or out of range");
}

bool argument_integer(struct command_context *context, size_t index, int64_t *out) {
    return value_integer(context, context->arguments[index], out);
}

bool value_float(struct command_context *context, struct bytes text, long double *out) {
    if (number_read_float(text, out))
        return true;
    reply_error(context->reply, "ERR value is not a valid float");
    return false;
}

bool argument_float(struct command_context *context, size_t index, long double *out) {
    return value_float(context, context->arguments[index], out);
}

static const struct {
    const char *word;
    enum expiry_option option;
    bool has_time;
    unsigned allowed_by; // 0: always
} expiry_options[] = {
    {"EX", EXPIRY_EX, true, 0},
    {"PX", EXPIRY_PX, true, 0},
    {"EXAT", EXPIRY_EXAT, true, 0},
    {"PXAT", EXPIRY_PXAT, true, 0},
    {"KEEPTTL", EXPIRY_KEEPTTL, false, EXPIRY_ALLOW_KEEPTTL},
    {"PERSIST", EXPIRY_PERSIST, false, EXPIRY_ALLOW_PERSIST},
};
enum { EXPIRY_OPTION_COUNT = sizeof(expiry_options) / sizeof(expiry_options[0]) };

bool expiry_has_time(const struct expiry *expiry) {
    return expiry->amount_index != 0;
}

bool expiry_take_option(const struct command_context *context, size_t *index, unsigned allowed,
                        struct expiry *expiry) {
    size_t row = 0;
    while (row < EXPIRY_OPTION_COUNT && !argument_is(context, *index, expiry_options[row].word))
        row++;
    if (row == EXPIRY_OPTION_COUNT)
        return false;
    // The same option twice is allowed, the later one counting: so does Redis.
    if (expiry->option != EXPIRY_UNCHANGED && expiry->option != expiry_options[row].option)
        return false;
    if (expiry_options[row].allowed_by != 0 && (expiry_options[row].allowed_by & allowed) == 0)
        return false;
    if (expiry_options[row].has_time && *index + 1 >= context->count)
        return false;
    *index += expiry_options[row].has_time;
    expiry->option = expiry_options[row].option;
    expiry->amount_index = expiry_options[row].has_time ? *index : 0;
    return true;
}

static bool add_time(int64_t amount, enum expiry_option option, wall_ms_t now, wall_ms_t *expire_ms) {
    bool in_seconds = option == EXPIRY_EX || option == EXPIRY_EXAT;
    bool from_now = option == EXPIRY_EX || option == EXPIRY_PX;
    if (in_seconds && __builtin_mul_overflow(amount, 1000, &amount))
        return false;
    return !__builtin_add_overflow(amount, from_now ? now : 0, expire_ms);
}

bool expiry_argument_time(struct command_context *context, size_t index, enum expiry_option option,
                          bool must_be_positive, wall_ms_t *expire_ms) {
    int64_t amount = 0;
    if (!argument_integer(context, index, &amount))
        return false;
    if ((!must_be_positive || amount > 0) && add_time(amount, option, context->now, expire_ms))
        return true;
    reply_error_format(context->reply, "ERR invalid expire time in '%s' command", context->command->name);
    return false;
}

bool expiry_time(struct command_context *context, const struct expiry *expiry, wall_ms_t *expire_ms) {
    if (!expiry_has_time(expiry))
        return true;
    return expiry_argument_time(context, expiry->amount_index, expiry->option, true, expire_ms);
}
