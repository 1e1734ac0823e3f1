// SPDX-License-Identifier: Apache-2.0
//
// OBJECT: how a value is kept. Nothing of it is kept as Redis keeps it, so the answers are those that Redis
// would give for the same value. Uses: arguments, collection, number.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "store/collection.h"

static const char *string_encoding(struct bytes value) {
    enum { EMBEDDED_MAX = 44 };
    int64_t number = 0;
    if (number_read_integer(value, &number))
        return "int";
    return value.length <= EMBEDDED_MAX ? "embstr" : "raw";
}

// The compact encodings that Redis has for small collections, with its default limits.
enum { LISTPACK_ENTRIES_MAX = 128, LISTPACK_BYTES_MAX = 64, INTSET_ENTRIES_MAX = 512 };

static bool fits_listpack(struct bytes sub_key, struct bytes value) {
    return sub_key.length <= LISTPACK_BYTES_MAX && value.length <= LISTPACK_BYTES_MAX;
}

static bool fits_intset(struct bytes sub_key, struct bytes value) {
    int64_t number = 0;
    (void)value;
    return number_read_integer(sub_key, &number);
}

static const struct collection_encoding {
    enum value_type type;
    const char *small, *big;
    uint64_t entries_max;
    bool (*fits)(struct bytes sub_key, struct bytes value);
} collection_encodings[] = {
    {VALUE_HASH, "listpack", "hashtable", LISTPACK_ENTRIES_MAX, fits_listpack},
    {VALUE_SET, "intset", "hashtable", INTSET_ENTRIES_MAX, fits_intset},
    {VALUE_ZSET, "listpack", "skiplist", LISTPACK_ENTRIES_MAX, fits_listpack},
};

static bool all_fit(const struct collection *collection, const struct collection_encoding *encoding) {
    struct bytes sub_key;
    struct bytes value;
    bool fit = true;
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    collection_iterator_seek(iterator, (struct bytes){0});
    while (fit && collection_iterator_next(iterator, &sub_key, &value))
        fit = encoding->fits(sub_key, value);
    collection_iterator_close(iterator);
    return fit;
}

// Redis never goes back to a compact encoding when a collection shrinks; what it has been is not known here.
static const char *collection_encoding(struct command_context *context,
                                       const struct collection_encoding *encoding) {
    struct collection collection;
    enum store_status status =
        collection_open(context->session, context->arguments[2], encoding->type, context->now, &collection);
    bool is_small = status == STORE_OK && collection.metadata.size <= encoding->entries_max &&
                    all_fit(&collection, encoding);
    return is_small ? encoding->small : encoding->big;
}

static const char *value_encoding(struct command_context *context, const struct store_value *value) {
    static const char *const others[VALUE_TYPE_COUNT] = {
        [VALUE_LIST] = "quicklist",
        [VALUE_STREAM] = "stream",
    };
    enum value_type type = value->metadata.type;
    if (type == VALUE_STRING)
        return string_encoding(value->payload);
    for (size_t i = 0; i < sizeof(collection_encodings) / sizeof(collection_encodings[0]); i++) {
        if (collection_encodings[i].type == type)
            return collection_encoding(context, &collection_encodings[i]);
    }
    return others[type] != NULL ? others[type] : "raw"; // what Redis says of modules' types
}

// Reads the key. False if it is not there or could not be read: the reply has been written.
static bool read_object(struct command_context *context, struct store_value *value) {
    enum store_status status = store_read(context->session, context->arguments[2], context->now, value);
    if (status == STORE_OK)
        return true;
    if (status == STORE_NOT_FOUND)
        reply_null(context->reply);
    else
        reply_store_error(context, status);
    return false;
}

void command_object_encoding(struct command_context *context) {
    struct store_value value;
    if (!read_object(context, &value))
        return;
    reply_bulk_text(context->reply, value_encoding(context, &value));
    store_value_release(&value);
}

void command_object_freq(struct command_context *context) {
    struct store_value value;
    if (!read_object(context, &value))
        return;
    store_value_release(&value);
    reply_error(context->reply, "ERR An LFU maxmemory policy is not selected, access frequency not tracked.");
}

static void reply_if_present(struct command_context *context, int64_t answer) {
    struct store_value value;
    if (!read_object(context, &value))
        return;
    store_value_release(&value);
    reply_integer(context->reply, answer);
}

void command_object_idletime(struct command_context *context) {
    reply_if_present(context, 0);
}

void command_object_refcount(struct command_context *context) {
    reply_if_present(context, 1);
}
