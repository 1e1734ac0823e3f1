// SPDX-License-Identifier: Apache-2.0
//
// Sets, but for their algebra (set_algebra.c) and random members (random_element.c). A member is a sub-key
// without a value. Uses: collection_value, collection_scan, reply_walk.
#include "commands/collection_scan.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/reply_walk.h"

void command_sadd(struct command_context *context) {
    struct collection set;
    int64_t added = 0;
    if (collection_write(context, 1, VALUE_SET, &set) == COLLECTION_FAILED)
        return;
    if (context->count > 3) // the same member may be named twice
        collection_read_own_writes(context->session);
    for (size_t i = 2; i < context->count; i++) {
        bool found = false;
        if (!collection_look_for(context, &set, context->arguments[i], &found))
            return;
        if (found)
            continue;
        collection_put(&set, FAMILY_DEFAULT, context->arguments[i], (struct bytes){0});
        set.metadata.size++;
        added++;
    }
    if (added != 0)
        collection_save(&set);
    reply_integer(context->reply, added);
}

void command_srem(struct command_context *context) {
    struct collection set;
    int64_t removed = 0;
    enum collection_status status = collection_read(context, 1, VALUE_SET, &set);
    if (status == COLLECTION_FAILED)
        return;
    if (context->count > 3) // the same member may be named twice
        collection_read_own_writes(context->session);
    for (size_t i = 2; status == COLLECTION_FOUND && i < context->count; i++) {
        bool found = false;
        if (!collection_look_for(context, &set, context->arguments[i], &found))
            return;
        if (!found)
            continue;
        collection_delete(&set, FAMILY_DEFAULT, context->arguments[i]);
        set.metadata.size--;
        removed++;
    }
    if (removed != 0)
        collection_save(&set);
    reply_integer(context->reply, removed);
}

void command_smove(struct command_context *context) {
    struct collection from;
    struct collection to;
    struct bytes member = context->arguments[3];
    bool found = false;
    bool is_there = false;
    enum collection_status status = collection_read(context, 1, VALUE_SET, &from);
    if (status == COLLECTION_MISSING)
        reply_integer(context->reply, 0);
    if (status != COLLECTION_FOUND || collection_write(context, 2, VALUE_SET, &to) == COLLECTION_FAILED ||
        !collection_look_for(context, &from, member, &found))
        return;
    bool same = bytes_equal(context->arguments[1], context->arguments[2]);
    if (found && !same && !collection_look_for(context, &to, member, &is_there))
        return;
    if (found && !same) {
        collection_delete(&from, FAMILY_DEFAULT, member);
        from.metadata.size--;
        collection_save(&from);
    }
    if (found && !same && !is_there) {
        collection_put(&to, FAMILY_DEFAULT, member, (struct bytes){0});
        to.metadata.size++;
        collection_save(&to);
    }
    reply_integer(context->reply, found);
}

void command_scard(struct command_context *context) {
    struct collection set;
    if (collection_read(context, 1, VALUE_SET, &set) != COLLECTION_FAILED)
        reply_integer(context->reply, (int64_t)set.metadata.size);
}

static const char *write_presence(struct command_context *context, struct bytes member,
                                  struct store_value *value) {
    (void)member;
    reply_integer(context->reply, value != NULL);
    return NULL;
}

void command_sismember(struct command_context *context) {
    collection_reply_one(context, VALUE_SET, write_presence);
}

void command_smismember(struct command_context *context) {
    collection_reply_each(context, VALUE_SET, write_presence);
}

void command_smembers(struct command_context *context) {
    struct output_mark before = output_mark(&context->reply->output);
    struct collection set;
    enum collection_status status = collection_read(context, 1, VALUE_SET, &set);
    if (status == COLLECTION_FAILED)
        return;
    reply_set(context->reply, set.metadata.size);
    if (status == COLLECTION_MISSING)
        return;
    struct collection_iterator *iterator = collection_iterator_open(&set, FAMILY_DEFAULT);
    collection_iterator_seek(iterator, (struct bytes){0});
    reply_walk_entries(context, iterator, ENTRY_SUB_KEY, set.metadata.size, before);
}

static size_t reply_member(struct reply *reply, struct bytes member, struct bytes value) {
    (void)value;
    reply_bulk(reply, member);
    return 1;
}

void command_sscan(struct command_context *context) {
    collection_scan(context, VALUE_SET, reply_member);
}
