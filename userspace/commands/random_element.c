// SPDX-License-Identifier: Apache-2.0
//
// HRANDFIELD SRANDMEMBER SPOP. Uses: arguments, collection_sample, collection_value.
#include "base/buffer.h"
#include "commands/arguments.h"
#include "commands/collection_sample.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"

// --- Showing ---

// Where the elements that are drawn go, and how.
struct draw_reply {
    struct reply *reply;
    bool with_values;
    uint64_t drawn;
};

static void show(void *context, struct bytes sub_key, struct bytes value) {
    struct draw_reply *draws = context;
    // RESP3 has a pair for each field, RESP2 one flat array.
    if (draws->with_values && draws->reply->protocol > 2)
        reply_array(draws->reply, 2);
    reply_bulk(draws->reply, sub_key);
    if (draws->with_values)
        reply_bulk(draws->reply, value);
    draws->drawn++;
}

static void show_one(struct command_context *context, enum value_type type) {
    struct collection collection;
    struct draw_reply draws = {.reply = context->reply};
    enum collection_status status = collection_read(context, 1, type, &collection);
    if (status == COLLECTION_FAILED)
        return;
    if (status == COLLECTION_FOUND) {
        enum store_status drawn = sample_distinct(&collection, 1, show, &draws);
        if (drawn != STORE_OK) {
            reply_store_error(context, drawn);
            return;
        }
    }
    if (draws.drawn == 0)
        reply_null(context->reply);
}

// A positive count: so many different ones at most. A negative one: so many, the same perhaps again.
static void show_many(struct command_context *context, enum value_type type, int64_t count,
                      bool with_values) {
    struct output_mark before = output_mark(&context->reply->output);
    struct collection collection;
    struct draw_reply draws = {.reply = context->reply, .with_values = with_values};
    enum collection_status found = collection_read(context, 1, type, &collection);
    if (found == COLLECTION_FAILED)
        return;
    struct output_block *header = reply_deferred_begin(context->reply);
    enum store_status status = STORE_OK;
    if (found == COLLECTION_FOUND && count >= 0)
        status = sample_distinct(&collection, (uint64_t)count, show, &draws);
    else if (found == COLLECTION_FOUND)
        status = sample_repeating(&collection, (uint64_t)-count, show, &draws);
    bool is_flat = with_values && context->reply->protocol == 2;
    reply_array_end(context->reply, header, is_flat ? draws.drawn * 2 : draws.drawn);
    if (status == STORE_OK)
        return;
    output_truncate(&context->reply->output, before);
    reply_store_error(context, status);
}

// As in Redis, half of the range, so that pairs can be counted.
static bool argument_count(struct command_context *context, int64_t *count) {
    if (!argument_integer(context, 2, count))
        return false;
    if (*count >= -INT64_MAX / 2 && *count <= INT64_MAX / 2)
        return true;
    reply_error(context->reply, "ERR value is out of range");
    return false;
}

void command_hrandfield(struct command_context *context) {
    int64_t count = 0;
    if (context->count == 2) {
        show_one(context, VALUE_HASH);
        return;
    }
    if (!argument_count(context, &count))
        return;
    bool with_values = argument_is(context, 3, "WITHVALUES");
    if (context->count > 4 || (context->count == 4 && !with_values))
        reply_syntax_error(context);
    else
        show_many(context, VALUE_HASH, count, with_values);
}

void command_srandmember(struct command_context *context) {
    int64_t count = 0;
    if (context->count == 2)
        show_one(context, VALUE_SET);
    else if (context->count > 3)
        reply_syntax_error(context);
    else if (argument_count(context, &count))
        show_many(context, VALUE_SET, count, false);
}

// --- Taking away ---

// Members behind one another, each behind its length.
static void remember(void *context, struct bytes member, struct bytes value) {
    (void)value;
    buffer_append_counted(context, member);
}

// They are kept until the walk is over, because nothing may be staged during one.
static void take_members(struct command_context *context, struct collection *set,
                         const struct buffer *members) {
    for (struct bytes rest = buffer_bytes(members); rest.length != 0;) {
        struct bytes member = bytes_take_counted(&rest);
        collection_delete(set, FAMILY_DEFAULT, member);
        set->metadata.size--;
        reply_bulk(context->reply, member);
    }
    collection_save(set);
}

static void pop(struct command_context *context, uint64_t count, bool as_set) {
    struct collection set;
    struct buffer members = {0};
    enum collection_status found = collection_read(context, 1, VALUE_SET, &set);
    if (found == COLLECTION_FAILED)
        return;
    if (found == COLLECTION_MISSING || count == 0) {
        if (as_set)
            reply_set(context->reply, 0);
        else
            reply_null(context->reply);
        return;
    }
    enum store_status status = sample_distinct(&set, count, remember, &members);
    if (status != STORE_OK) {
        reply_store_error(context, status);
    } else {
        if (as_set)
            reply_set(context->reply, count < set.metadata.size ? count : set.metadata.size);
        take_members(context, &set, &members);
    }
    buffer_release(&members);
}

void command_spop(struct command_context *context) {
    int64_t count = 0;
    if (context->count == 2) {
        pop(context, 1, false);
        return;
    }
    if (context->count > 3) {
        reply_syntax_error(context);
        return;
    }
    if (!argument_integer_or(context, 2, &count, "ERR value is out of range, must be positive"))
        return;
    if (count < 0)
        reply_error(context->reply, "ERR value is out of range, must be positive");
    else
        pop(context, (uint64_t)count, true);
}
