// SPDX-License-Identifier: Apache-2.0
//
// MEMORY, and DISK USAGE, which is the same as MEMORY USAGE because values live on disk. Uses: arguments,
// collection_value, server/{memory_use,server}, store/session.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "server/client.h"
#include "server/memory_use.h"
#include "server/server.h"

// RocksDB keeps eight bytes of sequence number and type with each key.
enum { INTERNAL_KEY_BYTES = 8, SUB_KEY_LENGTH_BYTES = 4, SUB_KEY_VERSION_BYTES = 8 };

// How much of a collection is looked at if SAMPLES does not say it, as in Redis.
enum { DEFAULT_SAMPLES = 5 };

// What the elements' keys and values take: of the first ones exactly, of all by their average. 0 samples are
// all elements. A sorted set has its elements twice. False: the error reply has been written.
static bool sample_elements(struct command_context *context, enum value_type type, uint64_t samples,
                            uint64_t prefix, uint64_t *bytes) {
    struct collection collection;
    struct bytes sub_key;
    struct bytes value;
    uint64_t seen = 0;
    uint64_t sum = 0;
    struct output_mark before = output_mark(&context->reply->output);
    if (collection_read(context, 2, type, &collection) != COLLECTION_FOUND)
        return false;
    struct collection_iterator *iterator = collection_iterator_open(&collection, FAMILY_DEFAULT);
    collection_iterator_seek(iterator, (struct bytes){0});
    while ((samples == 0 || seen < samples) && collection_iterator_next(iterator, &sub_key, &value)) {
        sum += prefix + sub_key.length + value.length;
        seen++;
    }
    if (type == VALUE_ZSET)
        sum *= 2;
    *bytes = seen == 0 ? 0 : (uint64_t)((double)sum / (double)seen * (double)collection.metadata.size);
    return collection_end_walk(context, iterator, before, 0);
}

// What an entry's key takes, and its value; a bitmap's size is its bytes. False: the error reply has been
// written.
static bool estimate_usage(struct command_context *context, const struct store_value *value, uint64_t samples,
                           uint64_t *bytes) {
    const struct key_layout *layout = store_layout(session_store(context->session));
    uint64_t prefix =
        1 + layout->name_space.length + (layout->with_slot ? 2U : 0U) + context->arguments[2].length;
    uint64_t sub_key = prefix + SUB_KEY_LENGTH_BYTES + SUB_KEY_VERSION_BYTES + INTERNAL_KEY_BYTES;
    uint64_t elements = 0;
    enum value_type type = value->metadata.type;
    if (type == VALUE_BITMAP)
        elements = value->metadata.size;
    else if (value_type_has_sub_keys(type) && !sample_elements(context, type, samples, sub_key, &elements))
        return false;
    *bytes = prefix + INTERNAL_KEY_BYTES + value->raw.length + elements;
    return true;
}

static bool read_samples(struct command_context *context, uint64_t *samples) {
    int64_t given = DEFAULT_SAMPLES;
    bool is_option = context->count == 5 && argument_is(context, 3, "samples");
    if (is_option && !argument_integer(context, 4, &given))
        return false;
    if ((!is_option && context->count != 3) || given < 0) {
        reply_syntax_error(context);
        return false;
    }
    *samples = (uint64_t)given;
    return true;
}

void command_memory_usage(struct command_context *context) {
    struct store_value value;
    uint64_t samples = 0;
    uint64_t bytes = 0;
    if (!read_samples(context, &samples))
        return;
    enum store_status status = store_read(context->session, context->arguments[2], context->now, &value);
    if (status == STORE_NOT_FOUND)
        reply_null(context->reply);
    else if (status != STORE_OK)
        reply_store_error(context, status);
    if (status != STORE_OK)
        return;
    if (estimate_usage(context, &value, samples, &bytes))
        reply_integer(context->reply, (int64_t)bytes);
    store_value_release(&value);
}

void command_memory_purge(struct command_context *context) {
    memory_use_purge();
    reply_ok(context->reply);
}

void command_memory_malloc_stats(struct command_context *context) {
    struct buffer report = {0};
    memory_use_report(&report);
    reply_verbatim(context->reply, "txt", buffer_bytes(&report));
    buffer_release(&report);
}

// --- STATS ---

static uint64_t client_memory(struct server *server) {
    uint64_t total = 0;
    pthread_mutex_lock(&server->registry_lock);
    for (struct client *client = server->registry; client != NULL; client = client->registry_next)
        total += sizeof(*client) + atomic_load(&client->query_memory) + atomic_load(&client->output_memory);
    pthread_mutex_unlock(&server->registry_lock);
    return total;
}

static uint64_t sum_property(const struct store *store, const char *name) {
    uint64_t sum = 0;
    for (int i = 0; i < FAMILY_COUNT; i++)
        sum += store_property(store, (enum column_family)i, name);
    return sum;
}

static void reply_amount(struct reply *reply, const char *name, uint64_t value) {
    reply_bulk_text(reply, name);
    reply_integer(reply, (int64_t)value);
}

static double ratio(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : (double)part / (double)whole;
}

void command_memory_stats(struct command_context *context) {
    struct reply *reply = context->reply;
    struct store *store = context->server->store;
    struct memory_use use = memory_use_now();
    uint64_t cache = store_read_cache_usage(store);
    reply_map(reply, 14);
    reply_amount(reply, "peak.allocated", use.peak);
    reply_amount(reply, "total.allocated", use.allocated + cache);
    reply_amount(reply, "startup.allocated", context->server->started_memory);
    reply_amount(reply, "clients.normal", client_memory(context->server));
    reply_amount(reply, "keys.count", store_property(store, FAMILY_METADATA, "rocksdb.estimate-num-keys"));
    reply_amount(reply, "read-cache", cache);
    reply_amount(reply, "rocksdb.block-cache", store_block_cache_usage(store));
    reply_amount(reply, "rocksdb.memtables", sum_property(store, "rocksdb.cur-size-all-mem-tables"));
    reply_amount(reply, "rocksdb.table-readers", sum_property(store, "rocksdb.estimate-table-readers-mem"));
    reply_amount(reply, "allocator.allocated", use.allocated);
    reply_amount(reply, "allocator.active", use.active);
    reply_amount(reply, "allocator.resident", use.mapped);
    reply_bulk_text(reply, "allocator-fragmentation.ratio");
    reply_double(reply, ratio(use.active, use.allocated));
    reply_bulk_text(reply, "fragmentation");
    reply_double(reply, ratio(use.resident, use.allocated + cache));
}

// --- DOCTOR ---

void command_memory_doctor(struct command_context *context) {
    struct memory_use use = memory_use_now();
    struct buffer text = {0};
    if (use.system != 0 && use.resident > use.system / 10 * 9)
        buffer_append_text(&text,
                           "The process has more than nine tenths of the machine's memory. Make the "
                           "block caches smaller (rocksdb.block_cache_size) or write buffers fewer.\n");
    if (use.active > use.allocated / 2 * 3 && use.active - use.allocated > 64U << 20)
        buffer_append_text(&text, "Memory is fragmented: much of what the allocator holds is not in use. "
                                  "MEMORY PURGE gives back what it can.\n");
    uint64_t clients = client_memory(context->server);
    if (clients > 256U << 20)
        buffer_append_text(&text, "Connections' buffers take more than 256 MB. CLIENT LIST shows whose "
                                  "(tot-mem), client-output-buffer-limit limits them.\n");
    if (text.length == 0)
        buffer_append_text(&text, "Nothing about the memory in use looks unusual.\n");
    reply_verbatim(context->reply, "txt", buffer_bytes(&text));
    buffer_release(&text);
}
