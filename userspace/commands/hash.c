// SPDX-License-Identifier: Apache-2.0
//
// Hashes, but for HMGET (hmget.c), the numbers in them (hash_number.c) and their random fields
// (random_element.c). A field is a sub-key. Uses: arguments, collection_value, collection_scan, reply_walk,
// string_value.
#include "commands/arguments.h"
#include "commands/collection_scan.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/reply_walk.h"
#include "commands/string_value.h"

// --- Writing ---

// Stages one field. False: the error reply has been written.
static bool put_field(struct command_context *context, struct collection *hash, struct bytes field,
                      struct bytes value, bool *is_new) {
    bool found = false;
    if (!collection_look_for(context, hash, field, &found))
        return false;
    collection_put(hash, FAMILY_DEFAULT, field, value);
    hash->metadata.size += !found;
    *is_new = !found;
    return true;
}

// HSET and HMSET: -1 if the error reply has been written, else how many fields are new.
static int64_t set_fields(struct command_context *context) {
    enum { FIRST_FIELD = 2, ONE_FIELD = 4 };
    struct collection hash;
    int64_t created = 0;
    if (context->count % 2 != 0) {
        reply_arity_error(context);
        return -1;
    }
    if (collection_write(context, 1, VALUE_HASH, &hash) == COLLECTION_FAILED)
        return -1;
    if (context->count > ONE_FIELD) // the same field may be named twice
        collection_read_own_writes(context->session);
    for (size_t i = FIRST_FIELD; i < context->count; i += 2) {
        bool is_new = false;
        if (!put_field(context, &hash, context->arguments[i], context->arguments[i + 1], &is_new))
            return -1;
        created += is_new;
    }
    if (created != 0)
        collection_save(&hash);
    return created;
}

void command_hset(struct command_context *context) {
    int64_t created = set_fields(context);
    if (created >= 0)
        reply_integer(context->reply, created);
}

void command_hmset(struct command_context *context) {
    if (set_fields(context) >= 0)
        reply_ok(context->reply);
}

void command_hsetnx(struct command_context *context) {
    struct collection hash;
    bool found = false;
    if (collection_write(context, 1, VALUE_HASH, &hash) == COLLECTION_FAILED ||
        !collection_look_for(context, &hash, context->arguments[2], &found))
        return;
    if (!found) {
        collection_put(&hash, FAMILY_DEFAULT, context->arguments[2], context->arguments[3]);
        hash.metadata.size++;
        collection_save(&hash);
    }
    reply_integer(context->reply, !found);
}

void command_hdel(struct command_context *context) {
    struct collection hash;
    int64_t removed = 0;
    enum collection_status status = collection_read(context, 1, VALUE_HASH, &hash);
    if (status == COLLECTION_FAILED)
        return;
    if (context->count > 3) // the same field may be named twice
        collection_read_own_writes(context->session);
    for (size_t i = 2; status == COLLECTION_FOUND && i < context->count; i++) {
        bool found = false;
        if (!collection_look_for(context, &hash, context->arguments[i], &found))
            return;
        if (!found)
            continue;
        collection_delete(&hash, FAMILY_DEFAULT, context->arguments[i]);
        hash.metadata.size--;
        removed++;
    }
    if (removed != 0)
        collection_save(&hash);
    reply_integer(context->reply, removed);
}

// --- Reading single fields ---

static const char *write_value(struct command_context *context, struct bytes field,
                               struct store_value *value) {
    (void)field;
    if (value == NULL)
        reply_null(context->reply);
    else
        string_reply(context->reply, value);
    return NULL;
}

static const char *write_presence(struct command_context *context, struct bytes field,
                                  struct store_value *value) {
    (void)field;
    reply_integer(context->reply, value != NULL);
    return NULL;
}

static const char *write_length(struct command_context *context, struct bytes field,
                                struct store_value *value) {
    (void)field;
    reply_integer(context->reply, value == NULL ? 0 : (int64_t)value->payload.length);
    return NULL;
}

void command_hget(struct command_context *context) {
    collection_reply_one(context, VALUE_HASH, write_value);
}

void command_hexists(struct command_context *context) {
    collection_reply_one(context, VALUE_HASH, write_presence);
}

void command_hstrlen(struct command_context *context) {
    collection_reply_one(context, VALUE_HASH, write_length);
}

void command_hlen(struct command_context *context) {
    struct collection hash;
    if (collection_read(context, 1, VALUE_HASH, &hash) != COLLECTION_FAILED)
        reply_integer(context->reply, (int64_t)hash.metadata.size);
}

// --- Reading all fields ---

static void begin_all(struct reply *reply, unsigned parts, size_t size) {
    if (parts == (ENTRY_SUB_KEY | ENTRY_VALUE))
        reply_map(reply, size);
    else
        reply_array(reply, size);
}

static void reply_all(struct command_context *context, unsigned parts) {
    struct output_mark before = output_mark(&context->reply->output);
    struct collection hash;
    enum collection_status status = collection_read(context, 1, VALUE_HASH, &hash);
    if (status == COLLECTION_FAILED)
        return;
    begin_all(context->reply, parts, hash.metadata.size);
    if (status == COLLECTION_MISSING)
        return;
    struct collection_iterator *iterator = collection_iterator_open(&hash, FAMILY_DEFAULT);
    collection_iterator_seek(iterator, (struct bytes){0});
    reply_walk_entries(context, iterator, parts, hash.metadata.size, before);
}

void command_hgetall(struct command_context *context) {
    reply_all(context, ENTRY_SUB_KEY | ENTRY_VALUE);
}

void command_hkeys(struct command_context *context) {
    reply_all(context, ENTRY_SUB_KEY);
}

void command_hvals(struct command_context *context) {
    reply_all(context, ENTRY_VALUE);
}

static size_t reply_element(struct reply *reply, struct bytes field, struct bytes value) {
    reply_bulk(reply, field);
    reply_bulk(reply, value);
    return 2;
}

void command_hscan(struct command_context *context) {
    collection_scan(context, VALUE_HASH, reply_element);
}
