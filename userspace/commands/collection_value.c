// SPDX-License-Identifier: Apache-2.0
//
// Collections and the error replies that they can end in. Uses: arguments, store/collection.
#include "commands/collection_value.h"

#include "commands/arguments.h"

static enum collection_status status_of(struct command_context *context, enum store_status status,
                                        struct collection *out) {
    if (status == STORE_OK)
        return COLLECTION_FOUND;
    *out = (struct collection){0};
    if (status == STORE_NOT_FOUND)
        return COLLECTION_MISSING;
    reply_store_error(context, status);
    return COLLECTION_FAILED;
}

enum collection_status collection_read(struct command_context *context, size_t index, enum value_type type,
                                       struct collection *out) {
    return status_of(
        context, collection_open(context->session, context->arguments[index], type, context->now, out), out);
}

enum collection_status collection_write(struct command_context *context, size_t index, enum value_type type,
                                        struct collection *out) {
    return status_of(
        context,
        collection_open_for_write(context->session, context->arguments[index], type, context->now, out), out);
}

bool collection_look_up(struct command_context *context, const struct collection *collection,
                        struct bytes sub_key, bool *found, struct store_value *value) {
    enum store_status status = collection_get(collection, sub_key, value);
    *found = status == STORE_OK;
    if (status == STORE_OK || status == STORE_NOT_FOUND)
        return true;
    reply_store_error(context, status);
    return false;
}

bool collection_look_for(struct command_context *context, const struct collection *collection,
                         struct bytes sub_key, bool *found) {
    struct store_value value;
    if (!collection_look_up(context, collection, sub_key, found, &value))
        return false;
    if (*found)
        store_value_release(&value);
    return true;
}

static const char *write_one(struct command_context *context, const struct collection *collection,
                             struct bytes sub_key, sub_key_writer *writer) {
    struct store_value value;
    bool is_empty = collection->metadata.size == 0;
    enum store_status status = is_empty ? STORE_NOT_FOUND : collection_get(collection, sub_key, &value);
    if (status == STORE_NOT_FOUND)
        return writer(context, sub_key, NULL);
    if (status != STORE_OK)
        return session_error(context->session, status);
    const char *error = writer(context, sub_key, &value);
    store_value_release(&value);
    // cppcheck-suppress returnDanglingLifetime ; it is not made of the value
    return error;
}

void collection_reply_one(struct command_context *context, enum value_type type, sub_key_writer *writer) {
    struct collection collection;
    if (collection_read(context, 1, type, &collection) == COLLECTION_FAILED)
        return;
    const char *error = write_one(context, &collection, context->arguments[2], writer);
    if (error != NULL)
        reply_error(context->reply, error);
}

void collection_reply_each(struct command_context *context, enum value_type type, sub_key_writer *writer) {
    struct output_mark before = output_mark(&context->reply->output);
    struct collection collection;
    const char *error = NULL;
    if (collection_read(context, 1, type, &collection) == COLLECTION_FAILED)
        return;
    reply_array(context->reply, context->count - 2);
    for (size_t i = 2; i < context->count && error == NULL; i++)
        error = write_one(context, &collection, context->arguments[i], writer);
    if (error == NULL)
        return;
    output_truncate(&context->reply->output, before);
    reply_error(context->reply, error);
}

bool collection_stage_none(struct command_context *context, struct bytes key) {
    enum store_status status = store_exists(context->session, key, context->now);
    if (status == STORE_OK)
        stage_delete(context->session, key);
    if (status == STORE_OK || status == STORE_NOT_FOUND)
        return true;
    reply_store_error(context, status);
    return false;
}

void collection_reply_damaged(struct command_context *context) {
    reply_error(context->reply, "ERR the stored collection is damaged: it has fewer elements than it says");
}

bool collection_end_walk(struct command_context *context, struct collection_iterator *iterator,
                         struct output_mark before, uint64_t missing) {
    enum store_status status = collection_iterator_status(iterator);
    collection_iterator_close(iterator);
    if (status == STORE_OK && missing == 0)
        return true;
    output_truncate(&context->reply->output, before);
    if (status == STORE_OK)
        collection_reply_damaged(context);
    else
        reply_store_error(context, status);
    return false;
}
