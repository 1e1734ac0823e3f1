// SPDX-License-Identifier: Apache-2.0
//
// Watched keys, in shards by the key's hash, each with a lock of its own: a writer that holds its keys' locks
// waits at most for one short look-up. A watch lies in two lists: its key's (under the shard's lock) and its
// transaction's (its worker's alone). Uses: memory, hash_map.
#include "server/watch_table.h"

#include "base/assert.h"
#include "server/hash_map.h"

#include <pthread.h>
#include <sys/random.h>
#include <utlist.h>

enum { SHARD_COUNT = 64 };

struct watch {
    struct transaction *transaction;
    struct watched_key *watched;
    bool existed;
    struct watch *prev, *next;      // the key's watches: names that utlist expects
    struct watch *transaction_next; // the transaction's watches
};

struct watched_key {
    UT_hash_handle hh;
    struct watch *watches; // never NULL: a key that nobody watches is not in the table
    size_t watch_count;
    uint64_t hash;
    size_t length;
    char key[];
};

struct shard {
    _Alignas(64) pthread_mutex_t lock; // on a cache line of its own
    struct watched_key *keys;
};

struct watch_table {
    struct shard shards[SHARD_COUNT];
    uint64_t hash_secret;
    _Atomic size_t watch_count;
};

// Keyed, so that a client cannot choose keys that all fall into one chain: multiply and fold, eight bytes at
// a time.
static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const struct watch_table *table, struct bytes key) {
    uint64_t hash = table->hash_secret ^ key.length;
    for (size_t at = 0; at < key.length; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = key.length - at;
        memcpy(&word, key.data + at, left < sizeof(word) ? left : sizeof(word));
        hash = mix(hash ^ word, 0x9e3779b97f4a7c15ULL) + table->hash_secret;
    }
    return mix(hash, 0xd6e8feb86659fd93ULL);
}

static struct shard *shard_of(struct watch_table *table, uint64_t hash) {
    return &table->shards[(hash >> 32) % SHARD_COUNT];
}

static void lock_shard(struct shard *shard) {
    always_assert(pthread_mutex_lock(&shard->lock) == 0, "a watch shard can be locked");
}

static void unlock_shard(struct shard *shard) {
    always_assert(pthread_mutex_unlock(&shard->lock) == 0, "a watch shard can be unlocked");
}

struct watch_table *watch_table_open(void) {
    struct watch_table *table = aligned_alloc(_Alignof(struct watch_table), sizeof(*table));
    always_assert(table != NULL, "there is memory for the table of watched keys");
    memset(table, 0, sizeof(*table));
    always_assert(getrandom(&table->hash_secret, sizeof(table->hash_secret), 0) == sizeof(table->hash_secret),
                  "the kernel gives random bytes");
    for (size_t i = 0; i < SHARD_COUNT; i++)
        always_assert(pthread_mutex_init(&table->shards[i].lock, NULL) == 0,
                      "a watch shard's lock can be made");
    return table;
}

void watch_table_close(struct watch_table *table) {
    if (table == NULL)
        return;
    always_assert(!watch_table_in_use(table), "nobody watches when the table of watched keys is closed");
    for (size_t i = 0; i < SHARD_COUNT; i++)
        pthread_mutex_destroy(&table->shards[i].lock);
    free(table);
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct watched_key *find_key(const struct shard *shard, struct bytes key, uint64_t hash) {
    struct watched_key *watched = NULL;
    const char *data = key.length == 0 ? "" : key.data; // memcmp() wants an address even to compare nothing
    HASH_FIND_BYHASHVALUE(hh, shard->keys, data, key.length, (unsigned)hash, watched);
    return watched;
}

// NULL: out of memory.
// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct watched_key *add_key(struct shard *shard, struct bytes key, uint64_t hash) {
    struct watched_key *watched = memory_try_allocate(sizeof(*watched) + key.length);
    if (watched == NULL)
        return NULL;
    memset(watched, 0, sizeof(*watched));
    watched->hash = hash;
    watched->length = key.length;
    if (key.length != 0)
        memcpy(watched->key, key.data, key.length);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, shard->keys, watched->key, watched->length, (unsigned)hash, watched);
    return watched;
}

// Looks through the shorter of the two lists, so neither a key that thousands watch nor a client that watches
// thousands of keys makes this slow.
static bool watches_already(const struct transaction *transaction, const struct watched_key *watched) {
    if (transaction->watch_count < watched->watch_count) {
        for (const struct watch *watch = transaction->watches; watch != NULL; watch = watch->transaction_next)
            if (watch->watched == watched)
                return true;
        return false;
    }
    for (const struct watch *watch = watched->watches; watch != NULL; watch = watch->next)
        if (watch->transaction == transaction)
            return true;
    return false;
}

static void link_watch(struct watch_table *table, struct watched_key *watched, struct watch *watch) {
    watch->watched = watched;
    DL_APPEND(watched->watches, watch);
    watched->watch_count++;
    watch->transaction_next = watch->transaction->watches;
    watch->transaction->watches = watch;
    watch->transaction->watch_count++;
    atomic_fetch_add(&table->watch_count, 1);
}

// Under the shard's lock. False: out of memory.
static bool add_locked(struct watch_table *table, struct shard *shard, struct bytes key, uint64_t hash,
                       struct transaction *transaction, bool existed) {
    struct watched_key *watched = find_key(shard, key, hash);
    if (watched != NULL && watches_already(transaction, watched))
        return true;
    struct watch *watch = memory_try_allocate(sizeof(*watch));
    if (watch == NULL)
        return false;
    *watch = (struct watch){.transaction = transaction, .existed = existed};
    if (watched == NULL)
        watched = add_key(shard, key, hash);
    if (watched == NULL) {
        free(watch);
        return false;
    }
    link_watch(table, watched, watch);
    return true;
}

void watch_add(struct watch_table *table, struct transaction *transaction, struct bytes key, bool existed) {
    uint64_t hash = hash_of(table, key);
    struct shard *shard = shard_of(table, hash);
    lock_shard(shard);
    bool added = add_locked(table, shard, key, hash, transaction, existed);
    unlock_shard(shard);
    if (!added) // a key that cannot be watched counts as changed: EXEC must not run
        atomic_store_explicit(&transaction->dirty, true, memory_order_release);
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void unlink_key(struct shard *shard, struct watched_key *watched) {
    HASH_DEL(shard->keys, watched);
}

static void remove_watch(struct watch_table *table, struct watch *watch) {
    struct watched_key *watched = watch->watched;
    struct shard *shard = shard_of(table, watched->hash);
    lock_shard(shard);
    DL_DELETE(watched->watches, watch);
    bool is_last = --watched->watch_count == 0;
    if (is_last)
        unlink_key(shard, watched);
    unlock_shard(shard);
    if (is_last)
        free(watched);
    free(watch);
    atomic_fetch_sub(&table->watch_count, 1);
}

void watch_remove_all(struct watch_table *table, struct transaction *transaction) {
    struct watch *watch = transaction->watches;
    while (watch != NULL) {
        struct watch *next = watch->transaction_next;
        remove_watch(table, watch);
        watch = next;
    }
    transaction->watches = NULL;
    transaction->watch_count = 0;
    // No writer can reach the transaction any more.
    atomic_store_explicit(&transaction->dirty, false, memory_order_relaxed);
}

bool watch_table_in_use(const struct watch_table *table) {
    // Sequentially consistent costs a reader nothing on x86, and lets a writer whose change a watcher has not
    // read yet see that watcher.
    return atomic_load(&table->watch_count) != 0;
}

static void touch_key(struct watch_table *table, struct bytes key) {
    uint64_t hash = hash_of(table, key);
    struct shard *shard = shard_of(table, hash);
    lock_shard(shard);
    struct watched_key *watched = find_key(shard, key, hash);
    if (watched != NULL)
        for (struct watch *watch = watched->watches; watch != NULL; watch = watch->next)
            atomic_store_explicit(&watch->transaction->dirty, true, memory_order_release);
    unlock_shard(shard);
}

void watch_touch(struct watch_table *table, const struct bytes *keys, size_t count) {
    if (!watch_table_in_use(table))
        return;
    for (size_t i = 0; i < count; i++)
        touch_key(table, keys[i]);
}

// A key that was absent when it was watched and is still absent is not changed by deleting everything; had it
// been made since, its watchers would be dirty already.
static void touch_existing(struct shard *shard) {
    for (struct watched_key *watched = shard->keys; watched != NULL; watched = watched->hh.next)
        for (struct watch *watch = watched->watches; watch != NULL; watch = watch->next)
            if (watch->existed)
                atomic_store_explicit(&watch->transaction->dirty, true, memory_order_release);
}

void watch_touch_all(struct watch_table *table) {
    if (!watch_table_in_use(table))
        return;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        lock_shard(&table->shards[i]);
        touch_existing(&table->shards[i]);
        unlock_shard(&table->shards[i]);
    }
}

void watch_each(const struct transaction *transaction,
                void (*each)(void *context, struct bytes key, bool existed), void *context) {
    for (const struct watch *watch = transaction->watches; watch != NULL; watch = watch->transaction_next)
        each(context, (struct bytes){.data = watch->watched->key, .length = watch->watched->length},
             watch->existed);
}
