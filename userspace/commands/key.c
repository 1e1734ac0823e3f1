// SPDX-License-Identifier: Apache-2.0
//
// Commands on keys whatever their type: DEL, UNLINK, EXISTS, TOUCH, TYPE. Uses: arguments, session.
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/handlers.h"

#include <stdlib.h>

static int compare_places(const void *a, const void *b) {
    const struct bytes *one = *(const struct bytes *const *)a;
    const struct bytes *other = *(const struct bytes *const *)b;
    return one < other ? -1 : one > other;
}

static int compare_keys(const void *a, const void *b) {
    int order = bytes_compare(**(const struct bytes *const *)a, **(const struct bytes *const *)b);
    return order != 0 ? order : compare_places(a, b);
}

// The command's keys as they were given, each once; malloc'ed. What a command stages it cannot read back, so
// a key that is named twice would be seen alive twice.
static const struct bytes **distinct_keys(const struct command_context *context, size_t *count) {
    size_t given = context->count - 1;
    const struct bytes **keys = memory_allocate(given * sizeof(const struct bytes *));
    for (size_t i = 0; i < given; i++)
        keys[i] = &context->arguments[i + 1];
    qsort(keys, given, sizeof(const struct bytes *), compare_keys);
    *count = 1;
    for (size_t i = 1; i < given; i++)
        if (!bytes_equal(*keys[i], *keys[*count - 1]))
            keys[(*count)++] = keys[i];
    qsort(keys, *count, sizeof(const struct bytes *), compare_places);
    return keys;
}

// Stages the deletion of those that live. Returns how many they are; *status says whether all went well.
static int64_t stage_deletes(struct command_context *context, const struct bytes *const *keys, size_t count,
                             enum store_status *status) {
    int64_t deleted = 0;
    for (size_t i = 0; i < count; i++) {
        *status = store_exists(context->session, *keys[i], context->now);
        if (*status == STORE_NOT_FOUND)
            continue;
        if (*status != STORE_OK)
            return deleted;
        stage_delete(context->session, *keys[i]);
        deleted++;
    }
    *status = STORE_OK;
    return deleted;
}

// Also UNLINK: the sub-keys of a deleted key are left to compaction, so nothing here takes long.
void command_del(struct command_context *context) {
    size_t count = 0;
    const struct bytes **keys = distinct_keys(context, &count);
    enum store_status status = STORE_OK;
    int64_t deleted = stage_deletes(context, keys, count, &status);
    free(keys);
    if (status == STORE_OK)
        reply_integer(context->reply, deleted);
    else
        reply_store_error(context, status);
}

// Also TOUCH: no access times are kept, so there is nothing to touch.
void command_exists(struct command_context *context) {
    int64_t found = 0;
    for (size_t i = 1; i < context->count; i++) {
        struct store_value value;
        enum store_status status = store_read(context->session, context->arguments[i], context->now, &value);
        if (status == STORE_NOT_FOUND)
            continue;
        if (status != STORE_OK) {
            reply_store_error(context, status);
            return;
        }
        store_value_release(&value);
        found++;
    }
    reply_integer(context->reply, found);
}

void command_type(struct command_context *context) {
    struct store_value value;
    enum store_status status = store_read(context->session, context->arguments[1], context->now, &value);
    if (status == STORE_OK) {
        reply_status(context->reply, value_type_name(value.metadata.type));
        store_value_release(&value);
    } else if (status == STORE_NOT_FOUND) {
        reply_status(context->reply, value_type_name(VALUE_NONE));
    } else {
        reply_store_error(context, status);
    }
}
