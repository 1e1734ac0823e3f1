// SPDX-License-Identifier: Apache-2.0
//
// MGET. What is more than fits into a reply at once is sent as the client reads it, one value at a time, so
// that naming a big value many times costs no more than naming it once. Uses: bitmap_segments,
// kept_arguments, reply_walk, string_value, store/entry_view.
#include "commands/bitmap_segments.h"
#include "commands/handlers.h"
#include "commands/kept_arguments.h"
#include "commands/reply_walk.h"
#include "commands/string_value.h"
#include "store/entry_view.h"

struct values_walk {
    struct command_context *context; // while the command runs
    struct kept_arguments keys;
    wall_ms_t now;
    struct bitmap_limit limit;
    struct entry_view *view; // after that
};

static void reply_value(struct command_context *context, struct bytes key) {
    struct store_value value;
    enum value_status status = string_read_or(context, key, NULL, &value);
    if (status == VALUE_FOUND)
        string_reply(context, &value);
    else if (status == VALUE_MISSING)
        reply_null(context->reply);
}

static void reply_bitmap(struct values_walk *walk, struct bytes key, struct store_value *value,
                         struct reply *reply) {
    const char *error =
        bitmap_segments_join_in(entry_view_session(walk->view), walk->view, key, walk->limit, value);
    if (error != NULL)
        reply_error(reply, error);
    else
        reply_bulk(reply, value->payload);
    store_value_release(value);
}

static void reply_later(struct values_walk *walk, struct bytes key, struct reply *reply) {
    struct store_value value;
    enum store_status status = entry_view_read(walk->view, key, walk->now, &value);
    if (status == STORE_FAILED)
        reply_error(reply, session_error(entry_view_session(walk->view), status));
    else if (status == STORE_OK && value.metadata.type == VALUE_STRING)
        reply_bulk(reply, value.payload);
    else if (status == STORE_OK && value.metadata.type == VALUE_BITMAP)
        reply_bitmap(walk, key, &value, reply);
    else
        reply_null(reply);
}

// A value that cannot be read is answered by an error in its place of the array.
static enum walk_step value_step(void *state, struct reply *reply) {
    struct values_walk *walk = state;
    if (walk->keys.left == 0)
        return WALK_END;
    struct bytes key = kept_arguments_take(&walk->keys);
    if (walk->view == NULL)
        reply_value(walk->context, key);
    else
        reply_later(walk, key, reply);
    return WALK_ELEMENT;
}

static void keep(void *state) {
    struct values_walk *walk = state;
    walk->view = entry_view_open(walk->context->session);
    walk->context = NULL;
    kept_arguments_keep(&walk->keys);
}

static void close_walk(void *state) {
    struct values_walk *walk = state;
    kept_arguments_release(&walk->keys);
    entry_view_close(walk->view);
}

void command_mget(struct command_context *context) {
    static const struct walk_kind values = {.size = sizeof(struct values_walk),
                                            .at_once = WALK_LOOK_UPS_AT_ONCE,
                                            .step = value_step,
                                            .keep = keep,
                                            .close = close_walk};
    struct output_mark before = output_mark(&context->reply->output);
    size_t count = context->count - 1;
    struct values_walk walk = {.context = context,
                               .keys = {.next = context->arguments + 1, .left = count},
                               .now = context->now,
                               .limit = string_bitmap_limit(context)};
    reply_array(context->reply, count);
    reply_walk_counted(context, &values, &walk, count, before);
}
