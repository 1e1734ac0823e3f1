// SPDX-License-Identifier: Apache-2.0
//
// MEMORY, and DISK USAGE, which is the same as MEMORY USAGE because values live on disk. Uses: arguments,
// server/{memory_use,server}, store/session.
#include "base/number.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "server/client.h"
#include "server/memory_use.h"
#include "server/server.h"

// RocksDB keeps eight bytes of sequence number and type with each key.
enum { INTERNAL_KEY_BYTES = 8, SUB_KEY_LENGTH_BYTES = 4, SUB_KEY_VERSION_BYTES = 8 };

// What an entry's key takes, and its value. Of a collection's elements only the number is known here, so each
// is counted with what its key takes before the element's own name; a bitmap's size is its bytes.
static uint64_t estimate_usage(const struct store_session *session, struct bytes key,
                               const struct store_value *value) {
    const struct key_layout *layout = store_layout(session_store(session));
    uint64_t prefix = 1 + layout->name_space.length + (layout->with_slot ? 2U : 0U) + key.length;
    uint64_t bytes = prefix + INTERNAL_KEY_BYTES + value->raw.length;
    uint64_t sub_key = prefix + SUB_KEY_LENGTH_BYTES + SUB_KEY_VERSION_BYTES + INTERNAL_KEY_BYTES;
    if (value->metadata.type == VALUE_BITMAP)
        return bytes + value->metadata.size;
    return bytes + value->metadata.size * sub_key;
}

// SAMPLES is checked and has no effect: nothing is sampled.
static bool check_samples(struct command_context *context) {
    int64_t samples = 0;
    if (context->count == 3)
        return true;
    if (context->count != 5 || !argument_is(context, 3, "samples")) {
        reply_syntax_error(context);
        return false;
    }
    if (!argument_integer(context, 4, &samples))
        return false;
    if (samples < 0)
        reply_syntax_error(context);
    return samples >= 0;
}

void command_memory_usage(struct command_context *context) {
    struct store_value value;
    if (!check_samples(context))
        return;
    struct bytes key = context->arguments[2];
    enum store_status status = store_read(context->session, key, context->now, &value);
    if (status == STORE_OK) {
        reply_integer(context->reply, (int64_t)estimate_usage(context->session, key, &value));
        store_value_release(&value);
    } else if (status == STORE_NOT_FOUND) {
        reply_null(context->reply);
    } else {
        reply_store_error(context, status);
    }
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
    reply_map(reply, 13);
    reply_amount(reply, "peak.allocated", use.peak);
    reply_amount(reply, "total.allocated", use.allocated);
    reply_amount(reply, "startup.allocated", context->server->started_memory);
    reply_amount(reply, "clients.normal", client_memory(context->server));
    reply_amount(reply, "keys.count", store_property(store, FAMILY_METADATA, "rocksdb.estimate-num-keys"));
    reply_amount(reply, "rocksdb.block-cache", store_block_cache_usage(store));
    reply_amount(reply, "rocksdb.memtables", sum_property(store, "rocksdb.cur-size-all-mem-tables"));
    reply_amount(reply, "rocksdb.table-readers", sum_property(store, "rocksdb.estimate-table-readers-mem"));
    reply_amount(reply, "allocator.allocated", use.allocated);
    reply_amount(reply, "allocator.active", use.active);
    reply_amount(reply, "allocator.resident", use.mapped);
    reply_bulk_text(reply, "allocator-fragmentation.ratio");
    reply_double(reply, ratio(use.active, use.allocated));
    reply_bulk_text(reply, "fragmentation");
    reply_double(reply, ratio(use.resident, use.allocated));
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
