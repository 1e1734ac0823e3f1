// SPDX-License-Identifier: Apache-2.0
//
// RESTORE: makes a key of what DUMP has said, here or at a Redis. The payload is read as a whole before
// anything is staged. Uses: arguments, dump_reader, list_value, string_value, zset_value.
#include "commands/arguments.h"
#include "commands/dump_reader.h"
#include "commands/handlers.h"
#include "commands/list_value.h"
#include "commands/string_value.h"
#include "commands/zset_value.h"

enum { KEY = 1, TIME, PAYLOAD, OPTIONS };

struct restore {
    bool replace;
    bool is_absolute; // the time is a Unix time
    bool has_idle, has_frequency;
    wall_ms_t expire_ms; // 0: never
};

// The number behind option `index`, which nothing is done with: times and frequencies of access are not kept.
static bool check_number(struct command_context *context, size_t index, int64_t most, const char *error) {
    int64_t number = 0;
    if (!argument_integer(context, index, &number))
        return false;
    if (number >= 0 && number <= most)
        return true;
    reply_error(context->reply, error);
    return false;
}

static bool read_option(struct command_context *context, size_t *index, struct restore *restore) {
    bool has_more = *index + 1 < context->count;
    if (argument_is(context, *index, "REPLACE")) {
        restore->replace = true;
    } else if (argument_is(context, *index, "ABSTTL")) {
        restore->is_absolute = true;
    } else if (argument_is(context, *index, "IDLETIME") && has_more && !restore->has_frequency) {
        restore->has_idle = true;
        return check_number(context, ++*index, INT64_MAX, "ERR Invalid IDLETIME value, must be >= 0");
    } else if (argument_is(context, *index, "FREQ") && has_more && !restore->has_idle) {
        restore->has_frequency = true;
        return check_number(context, ++*index, UINT8_MAX, "ERR Invalid FREQ value, must be >= 0 and <= 255");
    } else {
        reply_syntax_error(context);
        return false;
    }
    return true;
}

static bool read_options(struct command_context *context, struct restore *restore) {
    for (size_t i = OPTIONS; i < context->count; i++) {
        if (!read_option(context, &i, restore))
            return false;
    }
    return true;
}

static bool read_time(struct command_context *context, struct restore *restore) {
    int64_t time = 0;
    if (!argument_integer(context, TIME, &time))
        return false;
    if (time < 0 || (!restore->is_absolute && time > INT64_MAX - context->now)) {
        reply_error(context->reply, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    restore->expire_ms = time == 0 || restore->is_absolute ? time : context->now + time;
    return true;
}

// *exists tells whether the key has a value. False: there is one that must stay, or it could not be told.
static bool check_key(struct command_context *context, const struct restore *restore, bool *exists) {
    enum store_status status = store_exists(context->session, context->arguments[KEY], context->now);
    *exists = status == STORE_OK;
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        reply_store_error(context, status);
    else if (*exists && !restore->replace)
        reply_error(context->reply, "BUSYKEY Target key name already exists.");
    else
        return true;
    return false;
}

// --- Staging ---

static void stage_list(struct command_context *context, const struct dump_value *value, wall_ms_t expire_ms) {
    struct list list;
    list_open_anew(context, KEY, &list);
    list.collection.metadata.expire_ms = expire_ms;
    for (size_t i = 0; i < value->count; i++)
        list_push(&list, LIST_RIGHT, dump_value_at(value, i));
    list_save(&list);
}

static void stage_collection(struct command_context *context, const struct dump_value *value,
                             wall_ms_t expire_ms) {
    struct collection collection;
    size_t step = value->type == VALUE_HASH ? 2 : 1;
    collection_open_anew(context->session, context->arguments[KEY], value->type, &collection);
    collection.metadata.expire_ms = expire_ms;
    for (size_t i = 0; i < value->count; i += step) {
        struct bytes content = step == 2 ? dump_value_at(value, i + 1) : (struct bytes){0};
        if (value->type == VALUE_ZSET)
            zset_add(&collection, dump_value_at(value, i), dump_value_score(value, i));
        else
            collection_put(&collection, FAMILY_DEFAULT, dump_value_at(value, i), content);
    }
    collection.metadata.size = value->count / step;
    collection_save(&collection);
}

static void stage_value(struct command_context *context, const struct dump_value *value,
                        wall_ms_t expire_ms) {
    if (value->type == VALUE_STRING) {
        struct bytes text = dump_value_at(value, 0);
        stage_string(context->session, context->arguments[KEY], expire_ms, &text, 1);
    } else if (value->type == VALUE_LIST) {
        stage_list(context, value, expire_ms);
    } else {
        stage_collection(context, value, expire_ms);
    }
}

// A payload may be a thousandth of what it stands for. False: the error reply has been written.
static bool check_lengths(struct command_context *context, const struct dump_value *value) {
    for (size_t i = 0; i < value->count; i++) {
        if (!string_check_length(context, dump_value_at(value, i).length))
            return false;
    }
    return true;
}

void command_restore(struct command_context *context) {
    struct restore restore = {0};
    struct dump_value value;
    bool exists = false;
    if (!read_options(context, &restore) || !check_key(context, &restore, &exists) ||
        !read_time(context, &restore))
        return;
    const char *error = dump_read(context->arguments[PAYLOAD], &value);
    if (error != NULL) {
        reply_error(context->reply, error);
        return;
    }
    if (!check_lengths(context, &value)) {
        dump_value_release(&value);
        return;
    }
    if (restore.expire_ms == 0 || restore.expire_ms > context->now)
        stage_value(context, &value, restore.expire_ms);
    else if (exists) // what has expired already takes the old value's place
        stage_delete(context->session, context->arguments[KEY]);
    dump_value_release(&value);
    reply_ok(context->reply);
}
