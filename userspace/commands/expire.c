// SPDX-License-Identifier: Apache-2.0
//
// When keys die: EXPIRE and its kin, PERSIST, TTL and its kin. Uses: arguments, session.
#include "commands/arguments.h"
#include "commands/handlers.h"

enum expire_condition {
    EXPIRE_NX = 1, // only if it never dies
    EXPIRE_XX = 2, // only if it dies some time
    EXPIRE_GT = 4, // only if it would die later than now; never counts as latest
    EXPIRE_LT = 8  // only if it would die earlier
};

static unsigned condition_of(const struct command_context *context, size_t index) {
    static const struct {
        const char *word;
        enum expire_condition condition;
    } words[] = {{"NX", EXPIRE_NX}, {"XX", EXPIRE_XX}, {"GT", EXPIRE_GT}, {"LT", EXPIRE_LT}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (argument_is(context, index, words[i].word))
            return words[i].condition;
    return 0;
}

static bool read_conditions(struct command_context *context, unsigned *conditions) {
    *conditions = 0;
    for (size_t i = 3; i < context->count; i++) {
        unsigned condition = condition_of(context, i);
        if (condition == 0) {
            struct bytes option = context->arguments[i];
            reply_error_format(context->reply, "ERR Unsupported option %.*s", bytes_shown_length(option),
                               option.data);
            return false;
        }
        *conditions |= condition;
    }
    const char *error = NULL;
    if ((*conditions & EXPIRE_NX) != 0 && *conditions != EXPIRE_NX)
        error = "ERR NX and XX, GT or LT options at the same time are not compatible";
    else if ((*conditions & EXPIRE_GT) != 0 && (*conditions & EXPIRE_LT) != 0)
        error = "ERR GT and LT options at the same time are not compatible";
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

// `current` is 0 for a key that never dies.
static bool conditions_hold(unsigned conditions, wall_ms_t current, wall_ms_t wanted) {
    bool never = current == 0;
    if ((conditions & EXPIRE_NX) != 0 && !never)
        return false;
    if ((conditions & EXPIRE_XX) != 0 && never)
        return false;
    if ((conditions & EXPIRE_GT) != 0 && (never || wanted <= current))
        return false;
    return (conditions & EXPIRE_LT) == 0 || never || wanted < current;
}

static void stage_time(struct command_context *context, const struct store_value *value,
                       wall_ms_t expire_ms) {
    struct metadata metadata = value->metadata;
    metadata.expire_ms = expire_ms;
    stage_expiry(context->session, context->arguments[1], &metadata, value->payload);
}

// Reads the command's key. False if it is not there or could not be read: the reply has been written, with
// `missing` for a key that is not there.
static bool read_key(struct command_context *context, int64_t missing, struct store_value *value) {
    enum store_status status = store_read(context->session, context->arguments[1], context->now, value);
    if (status == STORE_OK)
        return true;
    if (status == STORE_NOT_FOUND)
        reply_integer(context->reply, missing);
    else
        reply_store_error(context, status);
    return false;
}

static void expire_key(struct command_context *context, enum expiry_option option) {
    unsigned conditions = 0;
    wall_ms_t wanted = 0;
    struct store_value value;
    if (!read_conditions(context, &conditions) || !expiry_argument_time(context, 2, option, false, &wanted) ||
        !read_key(context, 0, &value))
        return;
    bool applies = conditions_hold(conditions, value.metadata.expire_ms, wanted);
    if (applies && wanted <= context->now)
        stage_delete(context->session, context->arguments[1]);
    else if (applies)
        stage_time(context, &value, wanted);
    store_value_release(&value);
    reply_integer(context->reply, applies);
}

void command_expire(struct command_context *context) {
    expire_key(context, EXPIRY_EX);
}

void command_pexpire(struct command_context *context) {
    expire_key(context, EXPIRY_PX);
}

void command_expireat(struct command_context *context) {
    expire_key(context, EXPIRY_EXAT);
}

void command_pexpireat(struct command_context *context) {
    expire_key(context, EXPIRY_PXAT);
}

void command_persist(struct command_context *context) {
    struct store_value value;
    if (!read_key(context, 0, &value))
        return;
    bool dies = value.metadata.expire_ms != 0;
    if (dies)
        stage_time(context, &value, 0);
    store_value_release(&value);
    reply_integer(context->reply, dies);
}

// Replies with the key's time of death less `since`, in units of so many milliseconds, rounded to the
// nearest.
static void reply_expiry(struct command_context *context, wall_ms_t since, int64_t unit_ms) {
    enum { MISSING = -2, NEVER = -1 };
    struct store_value value;
    if (!read_key(context, MISSING, &value))
        return;
    wall_ms_t expire_ms = value.metadata.expire_ms;
    store_value_release(&value);
    if (expire_ms == 0) {
        reply_integer(context->reply, NEVER);
        return;
    }
    int64_t left = expire_ms > since ? expire_ms - since : 0;
    reply_integer(context->reply, left / unit_ms + (left % unit_ms * 2 >= unit_ms && unit_ms > 1));
}

void command_ttl(struct command_context *context) {
    reply_expiry(context, context->now, 1000);
}

void command_pttl(struct command_context *context) {
    reply_expiry(context, context->now, 1);
}

void command_expiretime(struct command_context *context) {
    reply_expiry(context, 0, 1000);
}

void command_pexpiretime(struct command_context *context) {
    reply_expiry(context, 0, 1);
}
