// SPDX-License-Identifier: Apache-2.0
//
// Compaction filters. RocksDB makes one for each compaction, on a thread of its own, and asks it about every
// entry that the compaction moves; what it says to drop is not copied. May use: base, store/encoding.
#include "store/compaction_filter.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/write_ahead_log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

// A command that has read a key just before its expiry may still be about to give it a later one. Its
// sub-keys must be there then.
// By so much may the clocks of nodes that follow one another differ, and the news of a key come late.
enum { COLLECTION_GRACE_MS = 5 * 60 * 1000 };

struct compaction_filters {
    bool with_slot;
    _Atomic uint64_t dropped;
    _Atomic int64_t keeps_expired_ms;
    _Atomic wall_ms_t trusted_until; // the clock, about collections
    _Atomic wall_ms_t fenced_since;  // the same, for another reason
    // Held for reading by a look-up, for writing when anything below changes. So whoever detaches the
    // database has waited for all look-ups and has no new ones.
    pthread_rwlock_t lock;
    rocksdb_t *database; // NULL: not attached
    rocksdb_column_family_handle_t *metadata_family;
    struct write_ahead_log *log;
    struct compaction *compactions; // those that have a snapshot
};

struct compaction;
typedef bool drop_function(struct compaction *compaction, struct bytes key, struct bytes value);

struct filter_kind {
    const char *name;
    drop_function *drops;
    bool looks_up; // needs a snapshot of the database
};

// One compaction, or the part of it that one thread does.
struct compaction {
    struct compaction_filters *filters;
    const struct filter_kind *kind;
    wall_ms_t now;       // when it began; a later time would only drop more
    wall_ms_t long_past; // a collection that was dead then is dead for good
    // The rest is for sub-keys. A sub-key is dropped for what the metadata says, and is then gone for good,
    // while a deletion of metadata may still be lost in a crash if it is not on disk yet: the key would come
    // back as a collection that has lost its elements. So metadata is read as of a moment up to which the
    // write-ahead log is known to be on disk.
    const rocksdb_snapshot_t *snapshot; // NULL: nothing can be looked up
    rocksdb_readoptions_t *read;
    struct compaction *next;
    // The last metadata looked up: sub-keys of one key come one after the other.
    struct buffer key;
    struct buffer wanted;
    enum { LOOKED_UP_NOTHING, LOOKED_UP_MISSING, LOOKED_UP_FOUND } state;
    bool has_warned; // of a look-up that failed: once a compaction, not once a sub-key
    struct metadata metadata;
};

// --- The database ---

static void lock_for_change(struct compaction_filters *filters) {
    always_assert(pthread_rwlock_wrlock(&filters->lock) == 0, "the compaction filters can be locked");
}

static void unlock(struct compaction_filters *filters) {
    always_assert(pthread_rwlock_unlock(&filters->lock) == 0, "the compaction filters can be unlocked");
}

struct compaction_filters *compaction_filters_open(bool with_slot) {
    struct compaction_filters *filters = memory_allocate_zeroed(1, sizeof(*filters));
    filters->with_slot = with_slot;
    filters->trusted_until = CLOCK_TRUSTED;
    filters->fenced_since = CLOCK_TRUSTED;
    pthread_rwlockattr_t attributes;
    bool made =
        pthread_rwlockattr_init(&attributes) == 0 &&
        // Else whoever closes the database could wait for as long as look-ups overlap.
        pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0 &&
        pthread_rwlock_init(&filters->lock, &attributes) == 0;
    always_assert(made, "a lock can be made");
    (void)pthread_rwlockattr_destroy(&attributes);
    return filters;
}

void compaction_filters_close(struct compaction_filters *filters) {
    always_assert(filters->compactions == NULL, "no compaction runs when its filters are closed");
    (void)pthread_rwlock_destroy(&filters->lock);
    free(filters);
}

static void release_snapshot(struct compaction *compaction) {
    rocksdb_release_snapshot(compaction->filters->database, compaction->snapshot);
    compaction->snapshot = NULL;
}

void compaction_filters_attach(struct compaction_filters *filters, rocksdb_t *database,
                               rocksdb_column_family_handle_t *metadata_family, struct write_ahead_log *log) {
    lock_for_change(filters);
    for (; filters->compactions != NULL; filters->compactions = filters->compactions->next)
        release_snapshot(filters->compactions);
    filters->database = database;
    filters->metadata_family = metadata_family;
    filters->log = log;
    unlock(filters);
}

void compaction_filters_keep_expired(struct compaction_filters *filters, int64_t for_ms) {
    atomic_store_explicit(&filters->keeps_expired_ms, for_ms, memory_order_relaxed);
}

uint64_t compaction_filters_dropped(const struct compaction_filters *filters) {
    return atomic_load_explicit(&filters->dropped, memory_order_relaxed);
}

void compaction_filters_trust_clock(struct compaction_filters *filters, wall_ms_t until) {
    atomic_store_explicit(&filters->trusted_until, until, memory_order_relaxed);
}

// --- The life of a compaction ---

void compaction_filters_fence(struct compaction_filters *filters, wall_ms_t since) {
    wall_ms_t known = atomic_load_explicit(&filters->fenced_since, memory_order_relaxed);
    if (since == CLOCK_TRUSTED || since < known)
        atomic_store_explicit(&filters->fenced_since, since, memory_order_relaxed);
}

static wall_ms_t earlier(wall_ms_t one, wall_ms_t other) {
    return one < other ? one : other;
}

static wall_ms_t long_past(struct compaction_filters *filters, wall_ms_t now) {
    wall_ms_t until = atomic_load_explicit(&filters->trusted_until, memory_order_relaxed);
    wall_ms_t fenced = atomic_load_explicit(&filters->fenced_since, memory_order_relaxed);
    wall_ms_t trusted = earlier(earlier(until, fenced), now);
    return trusted > COLLECTION_GRACE_MS ? trusted - COLLECTION_GRACE_MS : 0;
}

// With the lock held for change.
static void take_snapshot(struct compaction *compaction) {
    struct compaction_filters *filters = compaction->filters;
    compaction->snapshot = rocksdb_create_snapshot(filters->database);
    char *error = write_ahead_log_sync(filters->log);
    if (error != NULL) {
        log_warning("a compaction reclaims nothing, because the write-ahead log could not be synced: %s",
                    error);
        free(error);
        release_snapshot(compaction);
        return;
    }
    compaction->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(compaction->read, compaction->snapshot);
    compaction->next = filters->compactions;
    filters->compactions = compaction;
}

static struct compaction *compaction_begin(struct compaction_filters *filters,
                                           const struct filter_kind *kind) {
    struct compaction *compaction = memory_allocate_zeroed(1, sizeof(*compaction));
    compaction->filters = filters;
    compaction->kind = kind;
    compaction->now = clock_wall_ms();
    compaction->long_past = long_past(filters, compaction->now);
    if (!kind->looks_up)
        return compaction;
    lock_for_change(filters);
    if (filters->database != NULL)
        take_snapshot(compaction);
    unlock(filters);
    return compaction;
}

static void compaction_end(void *state) {
    struct compaction *compaction = state;
    struct compaction_filters *filters = compaction->filters;
    lock_for_change(filters);
    if (compaction->snapshot != NULL) {
        struct compaction **link = &filters->compactions;
        while (*link != compaction)
            link = &(*link)->next;
        *link = compaction->next;
        release_snapshot(compaction);
    }
    unlock(filters);
    if (compaction->read != NULL)
        rocksdb_readoptions_destroy(compaction->read);
    buffer_release(&compaction->key);
    buffer_release(&compaction->wanted);
    free(compaction);
}

// --- What is dropped ---

// Reads the metadata of compaction->key. With the lock held for reading and a snapshot.
static void read_metadata(struct compaction *compaction) {
    struct compaction_filters *filters = compaction->filters;
    char *error = NULL;
    rocksdb_pinnableslice_t *pin =
        rocksdb_get_pinned_cf(filters->database, compaction->read, filters->metadata_family,
                              compaction->key.data, compaction->key.length, &error);
    compaction->state = LOOKED_UP_NOTHING;
    if (error != NULL) {
        if (!compaction->has_warned)
            log_warning("a compaction keeps sub-keys whose metadata could not be read: %s", error);
        compaction->has_warned = true;
        free(error);
    } else if (pin == NULL) {
        compaction->state = LOOKED_UP_MISSING;
    } else {
        struct bytes raw;
        raw.data = rocksdb_pinnableslice_value(pin, &raw.length);
        if (decode_metadata(raw, &compaction->metadata))
            compaction->state = LOOKED_UP_FOUND;
        rocksdb_pinnableslice_destroy(pin);
    }
}

// Brings the metadata of `user_key` into the compaction; `prefix` is what both kinds of keys start with.
static void look_up(struct compaction *compaction, struct bytes prefix, struct bytes user_key) {
    buffer_clear(&compaction->wanted);
    buffer_append(&compaction->wanted, prefix);
    buffer_append(&compaction->wanted, user_key);
    if (compaction->state != LOOKED_UP_NOTHING &&
        bytes_equal(buffer_bytes(&compaction->key), buffer_bytes(&compaction->wanted)))
        return;
    struct buffer last = compaction->key;
    compaction->key = compaction->wanted;
    compaction->wanted = last;
    always_assert(pthread_rwlock_rdlock(&compaction->filters->lock) == 0, "the filters can be locked");
    compaction->state = LOOKED_UP_NOTHING;
    if (compaction->snapshot != NULL)
        read_metadata(compaction);
    unlock(compaction->filters);
}

static bool sub_key_is_dead(struct compaction *compaction, struct bytes key, struct bytes value) {
    (void)value;
    struct bytes name_space, user_key, sub_key;
    uint64_t version;
    if (!decode_sub_key(key, compaction->filters->with_slot, &name_space, &user_key, &version, &sub_key))
        return false;
    size_t prefix_length = 1 + name_space.length + (compaction->filters->with_slot ? sizeof(uint16_t) : 0);
    look_up(compaction, (struct bytes){.data = key.data, .length = prefix_length}, user_key);
    if (compaction->state != LOOKED_UP_FOUND)
        return compaction->state == LOOKED_UP_MISSING;
    const struct metadata *metadata = &compaction->metadata;
    return !value_type_has_sub_keys(metadata->type) || metadata->version != version ||
           metadata_is_dead(metadata, compaction->long_past);
}

// Keys that had expired then are left to nobody.
static wall_ms_t keeps_none_before(const struct compaction *compaction) {
    int64_t for_ms = atomic_load_explicit(&compaction->filters->keeps_expired_ms, memory_order_relaxed);
    return for_ms < compaction->now ? compaction->now - for_ms : 0;
}

// Whoever gives a string more time writes it anew; of a collection only the metadata are written, and the
// elements must still be there. Without metadata they go.
static bool key_is_dead(struct compaction *compaction, struct bytes key, struct bytes value) {
    (void)key;
    struct metadata metadata;
    if (!decode_metadata(value, &metadata))
        return false;
    wall_ms_t moment = value_type_has_sub_keys(metadata.type) ? compaction->long_past : compaction->now;
    return metadata_is_dead(&metadata, earlier(moment, keeps_none_before(compaction)));
}

// Published messages are written for the replicas to find in the write-ahead log, and never read.
static bool is_of_no_use(struct compaction *compaction, struct bytes key, struct bytes value) {
    (void)compaction, (void)key, (void)value;
    return true;
}

// A script command is written for the same reason, unlike the script's text.
static bool is_script_command(struct compaction *compaction, struct bytes key, struct bytes value) {
    (void)compaction, (void)value;
    return bytes_equal(key, BYTES_LITERAL("script"));
}

// --- RocksDB's side ---

static const struct filter_kind sub_key_kind = {"kvfence.sub_key", sub_key_is_dead, true};
static const struct filter_kind metadata_kind = {"kvfence.metadata", key_is_dead, false};
static const struct filter_kind pubsub_kind = {"kvfence.pubsub", is_of_no_use, false};
static const struct filter_kind propagate_kind = {"kvfence.propagate", is_script_command, false};

static const struct filter_kind *const kinds[FAMILY_COUNT] = {
    [FAMILY_DEFAULT] = &sub_key_kind,     [FAMILY_METADATA] = &metadata_kind,
    [FAMILY_ZSET_SCORE] = &sub_key_kind,  [FAMILY_PUBSUB] = &pubsub_kind,
    [FAMILY_PROPAGATE] = &propagate_kind, [FAMILY_STREAM] = &sub_key_kind,
};

struct factory {
    struct compaction_filters *filters;
    const struct filter_kind *kind;
};

// The signature is RocksDB's.
// NOLINTBEGIN(readability-function-size,readability-non-const-parameter)
static unsigned char ask_filter(void *state, int level, const char *key, size_t key_length, const char *value,
                                size_t value_length, char **new_value, size_t *new_value_length,
                                unsigned char *value_changed) {
    (void)level, (void)new_value, (void)new_value_length, (void)value_changed;
    struct compaction *compaction = state;
    if (!compaction->kind->drops(compaction, (struct bytes){.data = key, .length = key_length},
                                 (struct bytes){.data = value, .length = value_length}))
        return 0;
    atomic_fetch_add_explicit(&compaction->filters->dropped, 1, memory_order_relaxed);
    return 1;
}
// NOLINTEND(readability-function-size,readability-non-const-parameter)

static const char *filter_name(void *state) {
    const struct compaction *compaction = state;
    return compaction->kind->name;
}

static rocksdb_compactionfilter_t *make_filter(void *state, rocksdb_compactionfiltercontext_t *context) {
    (void)context;
    const struct factory *factory = state;
    return rocksdb_compactionfilter_create(compaction_begin(factory->filters, factory->kind), compaction_end,
                                           ask_filter, filter_name);
}

static const char *factory_name(void *state) {
    const struct factory *factory = state;
    return factory->kind->name;
}

rocksdb_compactionfilterfactory_t *compaction_filters_factory(struct compaction_filters *filters,
                                                              enum column_family family) {
    always_assert((unsigned)family < FAMILY_COUNT, "no such column family");
    if (kinds[family] == NULL)
        return NULL;
    struct factory *factory = memory_allocate(sizeof(*factory));
    *factory = (struct factory){.filters = filters, .kind = kinds[family]};
    return rocksdb_compactionfilterfactory_create(factory, free, make_filter, factory_name);
}
