// SPDX-License-Identifier: Apache-2.0
//
// Commands on all keys at once: RANDOMKEY, DBSIZE, FLUSHDB, FLUSHALL. Uses: arguments, reply_walk, session,
// background, node, cluster.
#include "cluster/cluster.h"
#include "cluster/migration.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/node.h"
#include "commands/reply_walk.h"
#include "server/background.h"
#include "server/server.h"

// --- RANDOMKEY ---

struct random_walk {
    struct store_session *session;
    struct random_key *random;
    bool has_failed;
};

static enum walk_step random_step(void *state, struct reply *reply) {
    struct random_walk *walk = state;
    struct bytes key;
    switch (random_key_look(walk->random, &key)) {
    case RANDOM_KEY_FOUND:
        reply_bulk(reply, key);
        return WALK_ELEMENT;
    case RANDOM_KEY_MISSING:
        reply_null(reply);
        return WALK_ELEMENT;
    case RANDOM_KEY_GOES_ON:
        return WALK_PASSED;
    case RANDOM_KEY_FAILED:
        walk->has_failed = true;
        break;
    }
    return WALK_END;
}

static const char *random_error(void *state) {
    const struct random_walk *walk = state;
    return walk->has_failed ? session_error(walk->session, STORE_FAILED) : NULL;
}

static void random_close(void *state) {
    const struct random_walk *walk = state;
    random_key_close(walk->random);
}

// Its one element is the key, or null. Where nearly all keys are dead it may have to look at very many.
void command_randomkey(struct command_context *context) {
    static const struct walk_kind kind = {.size = sizeof(struct random_walk),
                                          .step = random_step,
                                          .error = random_error,
                                          .close = random_close};
    struct random_walk walk = {.session = context->session,
                               .random = random_key_open(context->session, context->now)};
    reply_walk_counted(context, &kind, &walk, 1, output_mark(&context->reply->output));
}

// --- FLUSHDB and FLUSHALL ---

// The sender of slots would go on with changes, hand them over and delete its own keys.
static void end_import(const struct server *server) {
    const struct node *node = node_of(server);
    struct cluster *cluster = node == NULL ? NULL : node_cluster(node);
    if (cluster != NULL && cluster_import_flushed(cluster))
        migration_wake(node_migration(node));
}

// One namespace and one database: FLUSHDB and FLUSHALL are the same. ASYNC and SYNC as well: a range
// tombstone is written at once and its space is reclaimed by compaction.
void command_flush(struct command_context *context) {
    bool understood =
        context->count == 1 ||
        (context->count == 2 && (argument_is(context, 1, "ASYNC") || argument_is(context, 1, "SYNC")));
    if (!understood) {
        reply_syntax_error(context);
        return;
    }
    enum store_status status = stage_delete_all(context->session);
    if (status == STORE_OK)
        end_import(context->server);
    if (status == STORE_OK)
        reply_ok(context->reply);
    else
        reply_store_error(context, status);
}

// --- DBSIZE ---

// How many keys there are about, at once: as in Kvrocks what the last DBSIZE SCAN has found, and before there
// was one, what RocksDB guesses.
static int64_t roughly_how_many(const struct server *server) {
    if (atomic_load(&server->scanned_at_ms) != 0)
        return (int64_t)atomic_load(&server->scanned_keys);
    return (int64_t)store_property(server->store, FAMILY_METADATA, "rocksdb.estimate-num-keys");
}

// Exact as long as counting takes no longer than other commands do: the worker's other clients wait for it.
static void count_keys(struct command_context *context) {
    enum { COUNTED_MAX = 10000 };
    struct key_iterator *iterator = key_iterator_open(context->session, context->now);
    key_iterator_seek(iterator, (struct bytes){0}, false);
    key_iterator_limit(iterator, COUNTED_MAX);
    struct bytes key;
    struct metadata metadata;
    int64_t count = 0;
    while (key_iterator_next(iterator, &key, &metadata, NULL))
        count++;
    enum store_status status = key_iterator_status(iterator);
    if (status != STORE_OK)
        reply_store_error(context, status);
    else if (key_iterator_stopped(iterator, &key))
        reply_integer(context->reply, roughly_how_many(context->server));
    else
        reply_integer(context->reply, count);
    key_iterator_close(iterator);
}

// What DBSIZE SCAN finds out, for INFO keyspace.
struct key_census {
    uint64_t keys, expires;
    size_t examined;
    double ttl_sum_ms; // a double: millions of keys that live for years would overflow
};

// False if it did not get to the end: the server stops, or the store failed.
static bool take_census(struct server *server, wall_ms_t now, struct key_census *census) {
    struct key_iterator *iterator = key_iterator_open(server_background_session(server), now);
    key_iterator_seek(iterator, (struct bytes){0}, false);
    struct bytes key;
    struct metadata metadata;
    bool stopping = false;
    while (!stopping && key_iterator_next(iterator, &key, &metadata, &census->examined)) {
        census->keys++;
        if (metadata.expire_ms != 0) {
            census->expires++;
            census->ttl_sum_ms += (double)(metadata.expire_ms - now);
        }
        stopping = background_stopping(server->background) || store_is_wanted(server->store);
    }
    bool complete = !stopping && key_iterator_status(iterator) == STORE_OK;
    key_iterator_close(iterator);
    return complete;
}

static void publish_census(struct server *server, wall_ms_t now, const struct key_census *census) {
    double average_ttl_ms = census->expires == 0 ? 0 : census->ttl_sum_ms / (double)census->expires;
    atomic_store(&server->scanned_keys, census->keys);
    atomic_store(&server->scanned_expires, census->expires);
    atomic_store(&server->scanned_expired, census->examined - census->keys);
    atomic_store(&server->scanned_average_ttl_ms, (int64_t)average_ttl_ms);
    atomic_store(&server->scanned_at_ms, now);
}

static void census_job(void *argument, bool cancelled) {
    struct server *server = argument;
    struct key_census census = {0};
    wall_ms_t now = clock_wall_ms();
    store_hold(server->store);
    if (!cancelled && take_census(server, now, &census))
        publish_census(server, now, &census);
    store_let_go(server->store);
    atomic_store(&server->dbsize_scan_in_progress, false);
}

void command_dbsize(struct command_context *context) {
    if (context->count == 1) {
        count_keys(context);
        return;
    }
    if (context->count > 2 || !argument_is(context, 1, "SCAN")) {
        reply_arity_error(context);
        return;
    }
    if (atomic_exchange(&context->server->dbsize_scan_in_progress, true)) {
        reply_error(context->reply, "ERR scanning the db now");
        return;
    }
    background_run(context->server->background, census_job, context->server);
    reply_ok(context->reply);
}
