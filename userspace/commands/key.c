// SPDX-License-Identifier: Apache-2.0
//
// Commands on keys whatever their type: DEL, UNLINK, EXISTS, TOUCH, TYPE. Uses: arguments, first_places.
#include "commands/arguments.h"
#include "commands/first_places.h"
#include "commands/handlers.h"

#include <stdlib.h>

// Stages the deletion of the keys that live, each once: what a command stages it cannot read back, so a key
// that is named twice would be seen alive twice.
static enum store_status stage_deletes(struct command_context *context, int64_t *deleted) {
    const struct bytes *keys = context->arguments + 1;
    size_t count = context->count - 1;
    size_t *places = first_places(keys, count);
    enum store_status status = STORE_OK;
    for (size_t i = 0; i < count && status != STORE_FAILED; i++) {
        if (places[i] != i)
            continue;
        status = store_exists(context->session, keys[i], context->now);
        if (status != STORE_OK)
            continue;
        stage_delete(context->session, keys[i]);
        ++*deleted;
    }
    free(places);
    return status == STORE_FAILED ? status : STORE_OK;
}

// Also UNLINK: the sub-keys of a deleted key are left to compaction, so nothing here takes long.
void command_del(struct command_context *context) {
    int64_t deleted = 0;
    enum store_status status = stage_deletes(context, &deleted);
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
