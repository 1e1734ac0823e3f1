// SPDX-License-Identifier: Apache-2.0
//
// Opening, closing and watching over the database. Uses: base, the other files of store/.
#include "store/store.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "store/history.h"
#include "store/layout_check.h"
#include "store/store_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

// The names of all families to open: ours, and whatever else the database has, which RocksDB insists on.
struct family_list {
    const char **names;
    const rocksdb_options_t **options;
    size_t count;
};

static bool is_ours(const char *name) {
    for (int family = 0; family < FAMILY_COUNT; family++) {
        if (strcmp(name, column_family_name((enum column_family)family)) == 0)
            return true;
    }
    return false;
}

static void list_families(const struct store *store, char **existing, size_t existing_count,
                          struct family_list *list) {
    list->names = memory_allocate((FAMILY_COUNT + existing_count) * sizeof(*list->names));
    list->options = memory_allocate((FAMILY_COUNT + existing_count) * sizeof(rocksdb_options_t *));
    for (list->count = 0; list->count < FAMILY_COUNT; list->count++) {
        list->names[list->count] = column_family_name((enum column_family)list->count);
        list->options[list->count] = store->options.families[list->count];
    }
    for (size_t i = 0; i < existing_count; i++) {
        if (is_ours(existing[i]))
            continue;
        list->names[list->count] = existing[i];
        // A family whose filter drops nothing.
        list->options[list->count] = store->options.families[FAMILY_SEARCH];
        list->count++;
    }
}

// RocksDB's reasons in words that tell the operator what to do.
static void explain_open_error(const char *directory, const char *reason, char error[STORE_ERROR_SIZE]) {
    const char *advice = "";
    if (strstr(reason, "lock") != NULL || strstr(reason, "LOCK") != NULL)
        advice = ": another process is using this data directory; stop it or choose another 'dir'";
    else if (strstr(reason, "Corruption") != NULL)
        advice = ": the database is damaged; restore a backup";
    else if (strstr(reason, "No space left") != NULL)
        advice = ": the disk is full; free some space and start again";
    else if (strstr(reason, "Permission denied") != NULL)
        advice = ": the user that runs the server may not write there";
    (void)snprintf(error, STORE_ERROR_SIZE, "cannot open the database in '%s'%s (%s)", directory, advice,
                   reason);
}

_Static_assert((int)STORE_ERROR_SIZE >= (int)PROCESS_ERROR_SIZE, "a process's reason fits");

static bool open_database(struct store *store, char error[STORE_ERROR_SIZE]) {
    char *reason = NULL;
    size_t existing_count = 0;
    char **existing =
        rocksdb_list_column_families(store->options.database, store->directory, &existing_count, &reason);
    // An error means that there is no database yet; if it is a damaged one, opening it says so.
    free(reason);
    reason = NULL;
    struct family_list list = {0};
    list_families(store, existing, existing_count, &list);
    rocksdb_column_family_handle_t **handles = memory_allocate_zeroed(list.count, sizeof(*handles));
    store->database = rocksdb_open_column_families(store->options.database, store->directory, (int)list.count,
                                                   list.names, list.options, handles, &reason);
    if (reason != NULL) {
        explain_open_error(store->directory, reason, error);
        free(reason);
        store->database = NULL;
    } else {
        memcpy(store->families, handles, sizeof(store->families));
        store->unknown_family_count = list.count - FAMILY_COUNT;
        store->unknown_families =
            memory_copy(handles + FAMILY_COUNT, store->unknown_family_count * sizeof(*handles));
        if (store->unknown_family_count != 0)
            log_info(
                "the database has %zu column families that this version does not know; they are left alone",
                store->unknown_family_count);
    }
    free(handles);
    free(list.names);
    free(list.options);
    rocksdb_list_column_families_destroy(existing, existing_count);
    return store->database != NULL;
}

void store_remove_unfinished_options(const struct store *store) {
    DIR *directory = opendir(store->directory);
    if (directory == NULL)
        return;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        const char *ending = strrchr(entry->d_name, '.');
        if (strncmp(entry->d_name, "OPTIONS-", 8) == 0 && ending != NULL && strcmp(ending, ".dbtmp") == 0)
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    }
    (void)closedir(directory);
}

static void set_layout(struct store *store, const struct key_layout *layout) {
    buffer_append(&store->name_space, layout->name_space);
    store->layout =
        (struct key_layout){.name_space = buffer_bytes(&store->name_space), .with_slot = layout->with_slot};
    encode_namespace_prefix(&store->namespace_prefix, &store->layout);
    encode_prefix_end(&store->namespace_end, buffer_bytes(&store->namespace_prefix));
}

// What cannot be read here will be told to whoever reads it.
static bool layout_fits(const struct store *store, char error[STORE_ERROR_SIZE]) {
    enum layout_verdict verdict =
        layout_check(store->database, store->families[FAMILY_METADATA], &store->layout);
    if (verdict == LAYOUT_WITH_SLOT)
        (void)snprintf(
            error, STORE_ERROR_SIZE,
            "the database in '%s' was written in cluster mode: its keys could not be found without "
            "it. Set 'cluster-enabled yes', or choose another 'dir'",
            store->directory);
    if (verdict == LAYOUT_WITHOUT_SLOT)
        (void)snprintf(error, STORE_ERROR_SIZE,
                       "the database in '%s' was not written in cluster mode: its keys could not be found in "
                       "it. Set 'cluster-enabled no', or choose another 'dir'",
                       store->directory);
    return verdict == LAYOUT_FITS || verdict == LAYOUT_UNREADABLE;
}

bool store_open_database(struct store *store, char error[STORE_ERROR_SIZE]) {
    if (!open_database(store, error))
        return false;
    store->log = write_ahead_log_open(store->database, store->sync);
    history_begin_with_next_commit(store);
    store_remove_unfinished_options(store);
    // Before the filters, which take keys of the other layout for garbage, are let loose.
    if (!layout_fits(store, error)) {
        store_close_database(store);
        return false;
    }
    compaction_filters_attach(store->filters, store->database, store->families[FAMILY_METADATA], store->log);
    return true;
}

static void open_use_lock(struct store *store) {
    pthread_rwlockattr_t attributes;
    bool made =
        pthread_rwlockattr_init(&attributes) == 0 &&
        // Else users that come and go could keep the one who replaces the database waiting.
        pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0 &&
        pthread_rwlock_init(&store->use, &attributes) == 0;
    always_assert(made, "a lock can be made");
    (void)pthread_rwlockattr_destroy(&attributes);
}

bool store_open(const struct store_config *config, struct store **out, char error[STORE_ERROR_SIZE]) {
    *out = NULL;
    if (config->directory == NULL || config->directory[0] == '\0') {
        (void)snprintf(error, STORE_ERROR_SIZE, "no data directory was given");
        return false;
    }
    if (!store_find_aside(config->directory, error) || !directory_create(config->directory, error))
        return false;
    struct store *store = aligned_alloc(alignof(struct store), sizeof(*store));
    if (store == NULL) {
        (void)snprintf(error, STORE_ERROR_SIZE, "out of memory");
        return false;
    }
    memset(store, 0, sizeof(*store));
    store->directory = memory_copy_text(config->directory);
    set_layout(store, &config->layout);
    store->check = config->check;
    store->era = config->era;
    store->check_context = config->check_context;
    open_use_lock(store);
    store->wal_off = config->tuning.write_disable_wal;
    store->sync = config->tuning.write_sync;
    store->sessions = config->sessions;
    store->disk_reserve_bytes = config->disk_reserve_bytes;
    store->size_limit_bytes = config->size_limit_bytes;
    store->counters =
        aligned_alloc(alignof(struct session_counters), config->sessions * sizeof(*store->counters));
    store->locks = key_locks_open();
    store->zset_ends = zset_ends_open();
    store->zset_ranks = zset_ranks_open(config->zset_ranks_bytes);
    store->guard = role_guard_open(config->sessions);
    store->filters = compaction_filters_open(config->layout.with_slot);
    store_follow(store, config->is_replica ? 0 : CLOCK_TRUSTED);
    store_fence(store, config->is_fenced ? 0 : CLOCK_TRUSTED);
    store_keep_expired(store, config->keeps_expired_ms);
    store_options_open(&config->tuning, store->filters, &store->options);
    if (config->read_cache_bytes != 0)
        store->read_cache = read_cache_open(config->read_cache_bytes);
    if (store->counters == NULL || (config->read_cache_bytes != 0 && store->read_cache == NULL)) {
        (void)snprintf(error, STORE_ERROR_SIZE, "out of memory");
        store_close(store);
        return false;
    }
    memset(store->counters, 0, config->sessions * sizeof(*store->counters));
    if (!store_open_database(store, error)) {
        store_tell_aside(store->directory);
        store_close(store);
        return false;
    }
    store_delete_aside(store->directory);
    store_tick(store);
    *out = store;
    return true;
}

void store_follow(struct store *store, wall_ms_t level_at) {
    compaction_filters_trust_clock(store->filters, level_at);
}

void store_fence(struct store *store, wall_ms_t since) {
    compaction_filters_fence(store->filters, since);
}

void store_close_database(struct store *store) {
    if (store->database == NULL)
        return;
    char *reason = store->wal_off ? NULL : write_ahead_log_sync(store->log);
    if (reason != NULL)
        log_error("the write-ahead log could not be flushed while closing: %s", reason);
    free(reason);
    compaction_filters_attach(store->filters, NULL, NULL, NULL);
    rocksdb_cancel_all_background_work(store->database, 1);
    for (int family = 0; family < FAMILY_COUNT; family++)
        rocksdb_column_family_handle_destroy(store->families[family]);
    for (size_t i = 0; i < store->unknown_family_count; i++)
        rocksdb_column_family_handle_destroy(store->unknown_families[i]);
    rocksdb_close(store->database);
    write_ahead_log_close(store->log);
    free(store->unknown_families);
    store->unknown_families = NULL;
    store->unknown_family_count = 0;
    store->database = NULL;
    store->log = NULL;
}

void store_close(struct store *store) {
    if (store == NULL)
        return;
    store_close_database(store);
    store_options_close(&store->options);
    compaction_filters_close(store->filters);
    role_guard_close(store->guard);
    key_locks_close(store->locks);
    zset_ends_close(store->zset_ends);
    zset_ranks_close(store->zset_ranks);
    read_cache_close(store->read_cache);
    (void)pthread_rwlock_destroy(&store->use);
    free(store->counters);
    buffer_release(&store->namespace_prefix);
    buffer_release(&store->namespace_end);
    buffer_release(&store->name_space);
    free(store->directory);
    free(store);
}

void store_on_expired(struct store *store, store_expired_function *function, void *context) {
    store->on_expired = function;
    store->on_expired_context = context;
}

void store_keep_expired(struct store *store, int64_t for_ms) {
    compaction_filters_keep_expired(store->filters, for_ms);
}

void store_observe(struct store *store, store_observer_function *observer, void *context) {
    store->observer = observer;
    store->observer_context = context;
}

const struct key_layout *store_layout(const struct store *store) {
    return &store->layout;
}

bool store_syncs(const struct store *store) {
    return write_ahead_log_syncs(store->log);
}

uint64_t store_latest_sequence(const struct store *store) {
    return rocksdb_get_latest_sequence_number(store->database);
}

void store_note_health(struct store *store, const char *what, const char *error) {
    bool was = atomic_load_explicit(&store->unhealthy, memory_order_relaxed);
    if (was == (error != NULL))
        return;
    if (atomic_exchange(&store->unhealthy, error != NULL) == (error != NULL))
        return;
    if (error != NULL)
        log_error("%s: %s. Clients get errors for their writes until this is mended; a full disk is noticed "
                  "within seconds after space is freed, any other error needs a restart",
                  what, error);
    else
        log_info("the database takes writes again");
}

void store_note_read_error(struct store *store, const char *error) {
    uint64_t now = clock_duration_us();
    uint64_t last = atomic_load_explicit(&store->read_error_logged_us, memory_order_relaxed);
    bool is_due = last == 0 || now - last >= 1000000;
    if (is_due && atomic_compare_exchange_strong(&store->read_error_logged_us, &last, now))
        log_error(
            "the database could not be read: %s. Clients get errors for what lies there; if the disk is "
            "sound, restore a backup, or let this node copy the data from its master",
            error);
}
