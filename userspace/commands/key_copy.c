// SPDX-License-Identifier: Apache-2.0
//
// Commands that put a key's value under another name: RENAME, RENAMENX, COPY, MOVE. There is one database, as
// in Redis with "databases 1". Uses: arguments, session, collection.
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "store/collection.h"

#include <limits.h>

// The value under the first key goes to the second, but for what a client is told before.
struct transfer {
    struct bytes source, destination;
    bool keep_source;
    bool replace; // what lives under the destination; otherwise the reply is 0
};

// Stages the value under the destination.
static enum store_status stage_value(struct command_context *context, const struct transfer *transfer,
                                     const struct store_value *value) {
    if (!value_type_has_sub_keys(value->metadata.type)) {
        stage_entry(context->session, transfer->destination, &value->metadata, value->payload);
        return STORE_OK;
    }
    struct collection from;
    enum store_status status =
        collection_open(context->session, transfer->source, value->metadata.type, context->now, &from);
    return status == STORE_OK ? collection_copy(&from, transfer->destination) : status;
}

// Stages the transfer of what was read. STORE_OK if it is staged or the reply has been written, as *replied
// tells.
static enum store_status stage_transfer(struct command_context *context, const struct transfer *transfer,
                                        const struct store_value *value, bool *replied) {
    *replied = true;
    if (!transfer->replace) {
        enum store_status there = store_exists(context->session, transfer->destination, context->now);
        if (there == STORE_OK)
            reply_integer(context->reply, 0);
        if (there != STORE_NOT_FOUND)
            return there;
    }
    enum store_status status = stage_value(context, transfer, value);
    if (status != STORE_OK)
        return status;
    if (!transfer->keep_source)
        stage_delete(context->session, transfer->source);
    *replied = false;
    return STORE_OK;
}

// True if the reply is still to be written.
static bool transfer_value(struct command_context *context, const struct transfer *transfer,
                           struct store_value *value) {
    bool replied = false;
    enum store_status status = stage_transfer(context, transfer, value, &replied);
    // Before the release: the error's text lives until the session's next call.
    if (status != STORE_OK)
        reply_store_error(context, status);
    store_value_release(value);
    return status == STORE_OK && !replied;
}

// True if the source was read; otherwise the reply has been written: `missing` says it, or the read failed.
static bool read_source(struct command_context *context, struct store_value *value,
                        void (*missing)(struct reply *reply)) {
    enum store_status status = store_read(context->session, context->arguments[1], context->now, value);
    if (status == STORE_OK)
        return true;
    if (status == STORE_NOT_FOUND)
        missing(context->reply);
    else
        reply_store_error(context, status);
    return false;
}

static void reply_no_such_key(struct reply *reply) {
    reply_error(reply, "ERR no such key");
}

static void reply_zero(struct reply *reply) {
    reply_integer(reply, 0);
}

static void reply_one(struct reply *reply) {
    reply_integer(reply, 1);
}

static void rename_key(struct command_context *context, bool replace, void (*same)(struct reply *reply),
                       void (*done)(struct reply *reply)) {
    struct transfer transfer = {
        .source = context->arguments[1], .destination = context->arguments[2], .replace = replace};
    struct store_value value;
    if (!read_source(context, &value, reply_no_such_key))
        return;
    if (bytes_equal(transfer.source, transfer.destination)) {
        store_value_release(&value);
        same(context->reply);
        return;
    }
    if (transfer_value(context, &transfer, &value))
        done(context->reply);
}

void command_rename(struct command_context *context) {
    rename_key(context, true, reply_ok, reply_ok);
}

void command_renamenx(struct command_context *context) {
    rename_key(context, false, reply_zero, reply_one);
}

static bool argument_database(struct command_context *context, size_t index, int64_t *database) {
    if (!argument_integer(context, index, database))
        return false;
    if (*database >= INT_MIN && *database <= INT_MAX)
        return true;
    reply_error_format(context->reply, "ERR value is out of range, value must between %d and %d", INT_MIN,
                       INT_MAX);
    return false;
}

static void reply_no_such_database(struct command_context *context) {
    reply_error(context->reply, "ERR DB index is out of range");
}

static void reply_same_object(struct command_context *context) {
    reply_error(context->reply, "ERR source and destination objects are the same");
}

// True if the option at *index is DB and names the database that there is; *index is moved to the number.
static bool copy_database_option(struct command_context *context, size_t *index) {
    if (!argument_is(context, *index, "DB") || *index + 1 >= context->count) {
        reply_syntax_error(context);
        return false;
    }
    int64_t database = 0;
    if (!argument_database(context, ++*index, &database))
        return false;
    if (database != 0)
        reply_no_such_database(context);
    return database == 0;
}

void command_copy(struct command_context *context) {
    struct transfer transfer = {
        .source = context->arguments[1], .destination = context->arguments[2], .keep_source = true};
    for (size_t i = 3; i < context->count; i++) {
        if (argument_is(context, i, "REPLACE"))
            transfer.replace = true;
        else if (!copy_database_option(context, &i))
            return;
    }
    if (bytes_equal(transfer.source, transfer.destination)) {
        reply_same_object(context);
        return;
    }
    struct store_value value;
    if (read_source(context, &value, reply_zero) && transfer_value(context, &transfer, &value))
        reply_integer(context->reply, 1);
}

// There is no other database to move a key to: what is left are the errors.
void command_move(struct command_context *context) {
    int64_t database = 0;
    if (store_layout(session_store(context->session))->with_slot)
        reply_error(context->reply, "ERR MOVE is not allowed in cluster mode");
    else if (!argument_database(context, 2, &database))
        return;
    else if (database != 0)
        reply_no_such_database(context);
    else
        reply_same_object(context);
}
