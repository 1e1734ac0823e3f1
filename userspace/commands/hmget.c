// SPDX-License-Identifier: Apache-2.0
//
// HMGET. What is more than fits into a reply at once is sent as the client reads it, one value at a time.
// Uses: collection_value, entry_view, kept_arguments, reply_walk, string_value.
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/kept_arguments.h"
#include "commands/reply_walk.h"
#include "commands/string_value.h"
#include "store/entry_view.h"

struct values_walk {
    struct store_session *session;
    struct collection hash;
    struct kept_arguments fields;
    struct entry_view *view; // once the command is over
    struct buffer key;       // and the hash's name
    enum store_status status;
};

static enum store_status reply_value(struct values_walk *walk, struct bytes field, struct reply *reply) {
    struct store_value value;
    struct entry_source source = {walk->session, walk->view};
    enum store_status status =
        entry_source_read_sub_key(source, walk->hash.key, walk->hash.metadata.version, field, &value);
    if (status == STORE_OK)
        string_reply(reply, &value);
    else if (status == STORE_NOT_FOUND)
        reply_null(reply);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum walk_step value_step(void *state, struct reply *reply) {
    struct values_walk *walk = state;
    if (walk->fields.left == 0)
        return WALK_END;
    struct bytes field = kept_arguments_take(&walk->fields);
    walk->status = reply_value(walk, field, reply);
    return walk->status == STORE_OK ? WALK_ELEMENT : WALK_END;
}

static void keep(void *state) {
    struct values_walk *walk = state;
    walk->view = entry_view_open(walk->session);
    buffer_append(&walk->key, walk->hash.key);
    walk->hash.key = buffer_bytes(&walk->key);
    kept_arguments_keep(&walk->fields);
}

static const char *error_of(void *state) {
    const struct values_walk *walk = state;
    return walk->status == STORE_OK ? NULL : session_error(walk->session, walk->status);
}

static void close_walk(void *state) {
    struct values_walk *walk = state;
    kept_arguments_release(&walk->fields);
    buffer_release(&walk->key);
    entry_view_close(walk->view);
}

static const struct walk_kind values = {.size = sizeof(struct values_walk),
                                        .at_once = WALK_LOOK_UPS_AT_ONCE,
                                        .step = value_step,
                                        .keep = keep,
                                        .error = error_of,
                                        .close = close_walk};

void command_hmget(struct command_context *context) {
    struct output_mark before = output_mark(&context->reply->output);
    size_t count = context->count - 2;
    struct values_walk walk = {.session = context->session,
                               .fields = {.next = context->arguments + 2, .left = count}};
    enum collection_status status = collection_read(context, 1, VALUE_HASH, &walk.hash);
    if (status == COLLECTION_FAILED)
        return;
    reply_array(context->reply, count);
    if (status == COLLECTION_FOUND)
        reply_walk_counted(context, &values, &walk, count, before);
    for (size_t i = 0; status == COLLECTION_MISSING && i < count; i++)
        reply_null(context->reply);
}
