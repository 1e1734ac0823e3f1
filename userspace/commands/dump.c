// SPDX-License-Identifier: Apache-2.0
//
// DUMP: a whole value as bytes that RESTORE takes, here or at a Redis. Uses: arguments, collection_value,
// dump_writer, string_value, zset_value.
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/dump_writer.h"
#include "commands/handlers.h"
#include "commands/string_value.h"
#include "commands/zset_value.h"

#include <stdlib.h>

// False: the entry is damaged.
typedef bool write_entry_function(struct buffer *out, struct bytes sub_key, struct bytes value);

static bool write_field(struct buffer *out, struct bytes sub_key, struct bytes value) {
    dump_write_string(out, sub_key);
    dump_write_string(out, value);
    return true;
}

// A list's sub-keys are its elements' positions, in their order.
static bool write_element(struct buffer *out, struct bytes sub_key, struct bytes value) {
    (void)sub_key;
    dump_write_string(out, value);
    return true;
}

static bool write_member(struct buffer *out, struct bytes sub_key, struct bytes value) {
    (void)value;
    dump_write_string(out, sub_key);
    return true;
}

static bool write_scored_member(struct buffer *out, struct bytes sub_key, struct bytes value) {
    struct zset_element element;
    if (!zset_decode_member(sub_key, value, &element))
        return false;
    dump_write_string(out, element.member);
    dump_write_score(out, element.score);
    return true;
}

static const struct collection_dump {
    enum value_type type;
    enum dump_type written;
    write_entry_function *write;
} collection_dumps[] = {
    {VALUE_HASH, DUMP_HASH, write_field},
    {VALUE_LIST, DUMP_LIST, write_element},
    {VALUE_SET, DUMP_SET, write_member},
    {VALUE_ZSET, DUMP_ZSET, write_scored_member},
};

static bool has_room(struct command_context *context, const struct buffer *out) {
    return string_check_length(context, out->length + DUMP_FOOTER_SIZE);
}

// Nobody could send a dump back that is longer than an argument may be.
static bool write_collection(struct command_context *context, const struct collection_dump *dump,
                             struct buffer *out) {
    struct collection collection;
    struct bytes sub_key;
    struct bytes value;
    if (collection_read(context, 1, dump->type, &collection) != COLLECTION_FOUND)
        return false;
    struct output_mark before = output_mark(&context->reply->output);
    uint64_t missing = collection.metadata.size;
    dump_write_type(out, dump->written);
    dump_write_count(out, collection.metadata.size);
    struct collection_iterator *iterator = collection_iterator_open(&collection, FAMILY_DEFAULT);
    collection_iterator_seek(iterator, (struct bytes){0});
    while (missing != 0 && collection_iterator_next(iterator, &sub_key, &value)) {
        if (!dump->write(out, sub_key, value))
            break;
        missing--;
        if (!has_room(context, out)) {
            collection_iterator_close(iterator);
            return false;
        }
    }
    return collection_end_walk(context, iterator, before, missing);
}

static bool write_string(struct command_context *context, struct buffer *out) {
    struct store_value value;
    if (string_read(context, context->arguments[1], &value) != VALUE_FOUND)
        return false;
    dump_write_type(out, DUMP_STRING);
    dump_write_string(out, value.payload);
    store_value_release(&value);
    return has_room(context, out);
}

// False: the error reply has been written.
static bool write_value(struct command_context *context, enum value_type type, struct buffer *out) {
    if (type == VALUE_STRING || type == VALUE_BITMAP)
        return write_string(context, out);
    for (size_t i = 0; i < sizeof(collection_dumps) / sizeof(collection_dumps[0]); i++) {
        if (collection_dumps[i].type == type)
            return write_collection(context, &collection_dumps[i], out);
    }
    reply_error_format(context->reply, "ERR values of type %s cannot be dumped", value_type_name(type));
    return false;
}

void command_dump(struct command_context *context) {
    struct store_value value;
    struct buffer out = {0};
    enum value_status status = string_read_any(context, context->arguments[1], &value);
    if (status == VALUE_MISSING)
        reply_null(context->reply);
    if (status != VALUE_FOUND)
        return;
    enum value_type type = value.metadata.type;
    store_value_release(&value);
    if (!write_value(context, type, &out)) {
        buffer_release(&out);
        return;
    }
    dump_write_footer(&out);
    reply_bulk_owned(context->reply, buffer_bytes(&out), free, out.data);
}
