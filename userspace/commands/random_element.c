// SPDX-License-Identifier: Apache-2.0
//
// HRANDFIELD SRANDMEMBER SPOP. Uses: arguments, collection_sample, collection_value, sample_reply.
#include "base/buffer.h"
#include "commands/arguments.h"
#include "commands/collection_sample.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/sample_reply.h"
#include "commands/working_set.h"

// --- Showing ---

// RESP3 has a pair for each field, RESP2 one flat array.
static const char *show(struct reply *reply, struct bytes sub_key, struct bytes value, bool with_value) {
    if (with_value && reply->protocol > 2)
        reply_array(reply, 2);
    reply_bulk(reply, sub_key);
    if (with_value)
        reply_bulk(reply, value);
    return NULL;
}

static void show_drawn(void *context, struct bytes sub_key, struct bytes value) {
    (void)show(context, sub_key, value, false);
}

static void show_one(struct command_context *context, enum value_type type) {
    size_t before = context->reply->output.pending;
    struct collection collection;
    enum store_status drawn = STORE_OK;
    enum collection_status status = collection_read(context, 1, type, &collection);
    if (status == COLLECTION_FAILED)
        return;
    if (status == COLLECTION_FOUND)
        drawn = sample_distinct(&collection, 1, show_drawn, context->reply);
    if (drawn != STORE_OK)
        reply_store_error(context, drawn);
    else if (context->reply->output.pending == before)
        reply_null(context->reply);
}

static void show_many(struct command_context *context, enum value_type type, int64_t count,
                      bool with_values) {
    struct collection collection;
    enum collection_status found = collection_read(context, 1, type, &collection);
    bool is_flat = with_values && context->reply->protocol == 2;
    if (found == COLLECTION_MISSING)
        reply_array(context->reply, 0);
    if (found == COLLECTION_FOUND)
        sample_reply(context, &collection, count, show, with_values, is_flat ? 2 : 1);
}

void command_hrandfield(struct command_context *context) {
    int64_t count = 0;
    bool with_values = false;
    if (context->count == 2)
        show_one(context, VALUE_HASH);
    else if (sample_read_arguments(context, "WITHVALUES", &count, &with_values))
        show_many(context, VALUE_HASH, count, with_values);
}

void command_srandmember(struct command_context *context) {
    int64_t count = 0;
    bool with_values = false;
    if (context->count == 2)
        show_one(context, VALUE_SET);
    else if (context->count > 3)
        reply_syntax_error(context);
    else if (sample_read_arguments(context, NULL, &count, &with_values))
        show_many(context, VALUE_SET, count, false);
}

// --- Taking away ---

// Members behind one another, each behind its length. They are kept until the walk is over, because nothing
// may be staged during one.
struct taken {
    struct buffer members;
    uint64_t count;
};

static void remember(void *context, struct bytes member, struct bytes value) {
    struct taken *taken = context;
    (void)value;
    if (taken->members.length <= WORKING_SET_MAX)
        buffer_append_counted(&taken->members, member);
    taken->count++;
}

// Of all of them only the metadata need go.
static void take_members(struct command_context *context, struct collection *set, const struct taken *taken) {
    bool takes_all = taken->count == set->metadata.size;
    for (struct bytes rest = buffer_bytes(&taken->members); rest.length != 0;) {
        struct bytes member = bytes_take_counted(&rest);
        if (!takes_all)
            collection_delete(set, FAMILY_DEFAULT, member);
        reply_bulk(context->reply, member);
    }
    set->metadata.size -= taken->count;
    collection_save(set);
}

static void pop_from(struct command_context *context, struct collection *set, uint64_t count, bool as_set) {
    struct taken taken = {0};
    count = count < set->metadata.size ? count : set->metadata.size;
    enum store_status status = sample_distinct(set, count, remember, &taken);
    if (status != STORE_OK) {
        reply_store_error(context, status);
    } else if (taken.count != count) {
        collection_reply_damaged(context);
    } else if (working_set_fits(context, taken.members.length)) {
        if (as_set)
            reply_set(context->reply, count);
        take_members(context, set, &taken);
    }
    buffer_release(&taken.members);
}

static void pop(struct command_context *context, uint64_t count, bool as_set) {
    struct collection set;
    enum collection_status found = collection_read(context, 1, VALUE_SET, &set);
    if (found == COLLECTION_FAILED)
        return;
    if (found == COLLECTION_FOUND && count != 0)
        pop_from(context, &set, count, as_set);
    else if (as_set)
        reply_set(context->reply, 0);
    else
        reply_null(context->reply);
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
