// SPDX-License-Identifier: Apache-2.0
//
// Queues of waiters, in shards by the key's hash, each with a lock of its own. Uses: assert, memory,
// hash_map.
#include "server/key_waits.h"

#include "base/assert.h"
#include "server/hash_map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>

enum { SHARD_COUNT = 64 };

// A wake that comes while the waiter is on its way must not be lost when it finds nothing: what it comes for
// may have happened after the waiter looked.
enum wake_state { ASLEEP, WOKEN, WOKEN_AGAIN };

struct place {
    struct key_wait *wait;
    struct key_queue *queue;
    struct place *prev, *next; // names that utlist expects
};

struct key_wait {
    struct worker *worker;
    uint64_t client_id;
    _Atomic int wake_state;
    size_t count;
    struct place places[];
};

struct key_queue {
    UT_hash_handle hh;
    struct place *places; // never NULL: a key that nobody waits for is not in the table
    bool is_ready;        // has been written since its first one has looked
    size_t kind;          // the type's place among the waited_types
    uint64_t hash;
    size_t length;
    char key[];
};

// The types that somebody may wait for.
static const enum value_type waited_types[] = {VALUE_LIST, VALUE_ZSET};
enum { KINDS = sizeof(waited_types) / sizeof(waited_types[0]) };

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    struct key_queue *queues[KINDS];
};

struct key_waits {
    struct shard shards[SHARD_COUNT];
    uint64_t hash_secret;
    key_wake_function *wake;
    _Atomic size_t count;
};

static size_t kind_of(enum value_type type) {
    size_t kind = 0;
    while (kind < KINDS && waited_types[kind] != type)
        kind++;
    always_assert(kind < KINDS, "somebody may wait for this type");
    return kind;
}

static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// Keyed, so that a client cannot choose keys that all fall into one chain.
static uint64_t hash_of(const struct key_waits *waits, struct bytes key) {
    uint64_t hash = waits->hash_secret ^ key.length;
    for (size_t at = 0; at < key.length; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = key.length - at;
        memcpy(&word, key.data + at, left < sizeof(word) ? left : sizeof(word));
        hash = mix(hash ^ word, 0x9e3779b97f4a7c15ULL) + waits->hash_secret;
    }
    return mix(hash, 0xd6e8feb86659fd93ULL);
}

static struct shard *lock_shard(struct key_waits *waits, uint64_t hash) {
    struct shard *shard = &waits->shards[(hash >> 32) % SHARD_COUNT];
    always_assert(pthread_mutex_lock(&shard->lock) == 0, "a shard of the waits can be locked");
    return shard;
}

static void unlock_shard(struct shard *shard) {
    always_assert(pthread_mutex_unlock(&shard->lock) == 0, "a shard of the waits can be unlocked");
}

struct key_waits *key_waits_open(key_wake_function *wake) {
    struct key_waits *waits = aligned_alloc(_Alignof(struct key_waits), sizeof(*waits));
    always_assert(waits != NULL, "there is memory for the table of waits");
    memset(waits, 0, sizeof(*waits));
    always_assert(getrandom(&waits->hash_secret, sizeof(waits->hash_secret), 0) == sizeof(waits->hash_secret),
                  "the kernel gives random bytes");
    waits->wake = wake;
    for (size_t i = 0; i < SHARD_COUNT; i++)
        always_assert(pthread_mutex_init(&waits->shards[i].lock, NULL) == 0, "a lock can be made");
    return waits;
}

void key_waits_close(struct key_waits *waits) {
    if (waits == NULL)
        return;
    always_assert(!key_waits_in_use(waits), "nobody waits when the table of waits is closed");
    for (size_t i = 0; i < SHARD_COUNT; i++)
        pthread_mutex_destroy(&waits->shards[i].lock);
    free(waits);
}

bool key_waits_in_use(const struct key_waits *waits) {
    return key_waits_count(waits) != 0;
}

size_t key_waits_count(const struct key_waits *waits) {
    return atomic_load(&waits->count);
}

// --- Queues, with their shard's lock held ---

static struct bytes key_of(const struct key_queue *queue) {
    return (struct bytes){queue->key, queue->length};
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct key_queue *find_queue(const struct shard *shard, size_t kind, struct bytes key, uint64_t hash) {
    struct key_queue *queue = NULL;
    const char *data = key.length == 0 ? "" : key.data; // memcmp() wants an address even to compare nothing
    HASH_FIND_BYHASHVALUE(hh, shard->queues[kind], data, key.length, (unsigned)hash, queue);
    return queue;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct key_queue *add_queue(struct shard *shard, size_t kind, struct bytes key, uint64_t hash) {
    struct key_queue *queue = memory_allocate(sizeof(*queue) + key.length);
    memset(queue, 0, sizeof(*queue));
    queue->kind = kind;
    queue->hash = hash;
    queue->length = key.length;
    if (key.length != 0)
        memcpy(queue->key, key.data, key.length);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, shard->queues[kind], queue->key, queue->length, (unsigned)hash, queue);
    return queue;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void remove_queue(struct shard *shard, struct key_queue *queue) {
    HASH_DEL(shard->queues[queue->kind], queue);
    free(queue);
}

static void wake_first(const struct key_waits *waits, const struct key_queue *queue) {
    struct key_wait *wait = queue->places->wait;
    int asleep = ASLEEP;
    if (atomic_compare_exchange_strong(&wait->wake_state, &asleep, WOKEN))
        waits->wake(wait->worker, wait->client_id, key_of(queue));
}

// --- Waiting ---

static void take_place(struct key_waits *waits, struct key_wait *wait, size_t kind, struct bytes key) {
    uint64_t hash = hash_of(waits, key);
    struct shard *shard = lock_shard(waits, hash);
    struct key_queue *queue = find_queue(shard, kind, key, hash);
    if (queue == NULL)
        queue = add_queue(shard, kind, key, hash);
    // A key that is named twice: its lock keeps everybody else from having come between.
    if (queue->places == NULL || queue->places->prev->wait != wait) {
        struct place *place = &wait->places[wait->count++];
        *place = (struct place){.wait = wait, .queue = queue};
        DL_APPEND(queue->places, place);
    }
    unlock_shard(shard);
}

struct key_wait *key_wait_begin(struct key_waits *waits, struct worker *worker, uint64_t client_id,
                                enum value_type type, const struct bytes *keys, size_t count) {
    struct key_wait *wait = memory_allocate_zeroed(1, sizeof(*wait) + count * sizeof(wait->places[0]));
    wait->worker = worker;
    wait->client_id = client_id;
    (void)atomic_fetch_add(&waits->count, 1);
    for (size_t i = 0; i < count; i++)
        take_place(waits, wait, kind_of(type), keys[i]);
    return wait;
}

void key_wait_go_on(struct key_waits *waits, struct key_wait *wait) {
    for (size_t i = 0; i < wait->count; i++) {
        struct key_queue *queue = wait->places[i].queue;
        struct shard *shard = lock_shard(waits, queue->hash);
        if (queue->places == &wait->places[i])
            queue->is_ready = false;
        unlock_shard(shard);
    }
    int woken = WOKEN;
    if (atomic_compare_exchange_strong(&wait->wake_state, &woken, ASLEEP) || woken == ASLEEP)
        return;
    atomic_store(&wait->wake_state, WOKEN);
    waits->wake(wait->worker, wait->client_id, key_of(wait->places[0].queue));
}

static void leave_place(struct key_waits *waits, struct place *place) {
    struct key_queue *queue = place->queue;
    struct shard *shard = lock_shard(waits, queue->hash);
    bool was_first = queue->places == place;
    DL_DELETE(queue->places, place);
    if (queue->places == NULL)
        remove_queue(shard, queue);
    else if (was_first && queue->is_ready)
        wake_first(waits, queue);
    unlock_shard(shard);
}

void key_wait_end(struct key_waits *waits, struct key_wait *wait) {
    for (size_t i = 0; i < wait->count; i++)
        leave_place(waits, &wait->places[i]);
    (void)atomic_fetch_sub(&waits->count, 1);
    free(wait);
}

bool key_wait_is_first(struct key_waits *waits, const struct key_wait *wait, struct bytes key,
                       enum value_type type) {
    if (!key_waits_in_use(waits))
        return true;
    uint64_t hash = hash_of(waits, key);
    struct shard *shard = lock_shard(waits, hash);
    const struct key_queue *queue = find_queue(shard, kind_of(type), key, hash);
    bool is_first = queue == NULL || queue->places->wait == wait;
    unlock_shard(shard);
    return is_first;
}

// --- Waking ---

void key_waits_touch(struct key_waits *waits, struct bytes key) {
    uint64_t hash = hash_of(waits, key);
    struct shard *shard = lock_shard(waits, hash);
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct key_queue *queue = find_queue(shard, kind, key, hash);
        if (queue == NULL)
            continue;
        queue->is_ready = true;
        wake_first(waits, queue);
    }
    unlock_shard(shard);
}

static void wake_in_any_case(const struct key_waits *waits, struct key_wait *wait, struct bytes key) {
    if (atomic_exchange(&wait->wake_state, WOKEN_AGAIN) != ASLEEP)
        return;
    atomic_store(&wait->wake_state, WOKEN);
    waits->wake(wait->worker, wait->client_id, key);
}

static void wake_queues(const struct key_waits *waits, const struct key_queue *queues) {
    for (const struct key_queue *queue = queues; queue != NULL; queue = queue->hh.next)
        for (const struct place *place = queue->places; place != NULL; place = place->next)
            wake_in_any_case(waits, place->wait, key_of(queue));
}

void key_waits_wake_all(struct key_waits *waits) {
    if (!key_waits_in_use(waits))
        return;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = lock_shard(waits, (uint64_t)i << 32);
        for (size_t kind = 0; kind < KINDS; kind++)
            wake_queues(waits, shard->queues[kind]);
        unlock_shard(shard);
    }
}
