// SPDX-License-Identifier: Apache-2.0
//
// MGET. What is more than fits into a reply at once is sent as the client reads it, one value at a time, so
// that naming a big value many times costs no more than naming it once. Uses: kept_arguments, reply_walk,
// string_value.
#include "commands/handlers.h"
#include "commands/kept_arguments.h"
#include "commands/reply_walk.h"
#include "commands/string_value.h"

struct values_walk {
    struct kept_arguments keys;
    struct string_source source;
};

// A value that cannot be read is answered by an error in its place of the array.
static enum walk_step value_step(void *state, struct reply *reply) {
    struct values_walk *walk = state;
    if (walk->keys.left == 0)
        return WALK_END;
    struct store_value value;
    enum value_status status = VALUE_MISSING;
    const char *error =
        string_read_from(&walk->source, kept_arguments_take(&walk->keys), NULL, &value, &status);
    if (error != NULL)
        reply_error(reply, error);
    else if (status == VALUE_FOUND)
        string_reply(reply, &value);
    else
        reply_null(reply);
    return WALK_ELEMENT;
}

static void keep(void *state) {
    struct values_walk *walk = state;
    walk->source.entries.view = entry_view_open(walk->source.entries.session);
    kept_arguments_keep(&walk->keys);
}

static void close_walk(void *state) {
    struct values_walk *walk = state;
    kept_arguments_release(&walk->keys);
    entry_view_close(walk->source.entries.view);
}

void command_mget(struct command_context *context) {
    static const struct walk_kind values = {.size = sizeof(struct values_walk),
                                            .at_once = WALK_LOOK_UPS_AT_ONCE,
                                            .step = value_step,
                                            .keep = keep,
                                            .close = close_walk};
    struct output_mark before = output_mark(&context->reply->output);
    size_t count = context->count - 1;
    struct values_walk walk = {.keys = {.next = context->arguments + 1, .left = count},
                               .source = string_source_of(context)};
    reply_array(context->reply, count);
    reply_walk_counted(context, &values, &walk, count, before);
}
