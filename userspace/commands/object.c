// SPDX-License-Identifier: Apache-2.0
//
// OBJECT: how a value is kept. Nothing of it is kept as Redis keeps it, so the answers are those that Redis
// would give for the same value. Uses: arguments, session, number.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"

static const char *string_encoding(struct bytes value) {
    enum { EMBEDDED_MAX = 44 };
    int64_t number = 0;
    if (number_read_integer(value, &number))
        return "int";
    return value.length <= EMBEDDED_MAX ? "embstr" : "raw";
}

static const char *value_encoding(const struct store_value *value) {
    static const char *const encodings[VALUE_TYPE_COUNT] = {
        [VALUE_HASH] = "hashtable", [VALUE_LIST] = "quicklist", [VALUE_SET] = "hashtable",
        [VALUE_ZSET] = "skiplist",  [VALUE_STREAM] = "stream",
    };
    if (value->metadata.type == VALUE_STRING)
        return string_encoding(value->payload);
    const char *encoding = encodings[value->metadata.type];
    return encoding != NULL ? encoding : "raw"; // what Redis says of modules' types
}

// Reads the key. False if it is not there or could not be read: the reply has been written.
static bool read_object(struct command_context *context, struct store_value *value) {
    enum store_status status = store_read(context->session, context->arguments[2], context->now, value);
    if (status == STORE_OK)
        return true;
    if (status == STORE_NOT_FOUND)
        reply_null(context->reply);
    else
        reply_store_error(context, status);
    return false;
}

void command_object_encoding(struct command_context *context) {
    struct store_value value;
    if (!read_object(context, &value))
        return;
    reply_bulk_text(context->reply, value_encoding(&value));
    store_value_release(&value);
}

void command_object_freq(struct command_context *context) {
    struct store_value value;
    if (!read_object(context, &value))
        return;
    store_value_release(&value);
    reply_error(context->reply, "ERR An LFU maxmemory policy is not selected, access frequency not tracked.");
}

static void reply_if_present(struct command_context *context, int64_t answer) {
    struct store_value value;
    if (!read_object(context, &value))
        return;
    store_value_release(&value);
    reply_integer(context->reply, answer);
}

void command_object_idletime(struct command_context *context) {
    reply_if_present(context, 0);
}

void command_object_refcount(struct command_context *context) {
    reply_if_present(context, 1);
}
