// SPDX-License-Identifier: Apache-2.0
//
// Putting another database in the place of the one that is open: a replica has fetched its master's. Uses:
// base, the other files of store/.
#include "base/assert.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void store_hold(struct store *store) {
    always_assert(pthread_rwlock_rdlock(&store->use) == 0, "the database can be held");
}

void store_let_go(struct store *store) {
    always_assert(pthread_rwlock_unlock(&store->use) == 0, "what is let go was held");
}

bool store_is_wanted(const struct store *store) {
    return atomic_load_explicit(&store->is_wanted, memory_order_relaxed);
}

// RocksDB keeps it in a file; its C interface does not tell it.
char *store_identity(const struct store *store) {
    char error[DURABLE_FILE_ERROR_SIZE];
    struct buffer path = {0};
    struct buffer text = {0};
    bool exists = false;
    buffer_append_format(&path, "%s/IDENTITY%c", store->directory, '\0');
    if (!durable_file_read(path.data, &text, &exists, error))
        log_warning("the database's identity is not known: %s", error);
    buffer_append(&text, (struct bytes){"", 1});
    text.data[strcspn(text.data, " ,\r\n")] = '\0';
    buffer_release(&path);
    return text.data;
}

static bool sync_parent(const char *path) {
    char *copy = memory_copy_text(path);
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = directory >= 0 && fsync(directory) == 0;
    if (directory >= 0)
        (void)close(directory);
    free(copy);
    return synced;
}

// The two directories take each other's name, in one step.
static bool exchange(const char *one, const char *other, char error[STORE_ERROR_SIZE]) {
    if (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) != 0) {
        (void)snprintf(error, STORE_ERROR_SIZE,
                       "the directories '%.200s' and '%.200s' could not be exchanged: %s", one, other,
                       strerror(errno));
        return false;
    }
    if (!sync_parent(one))
        log_warning("the directory of '%s' could not be synced: %s", one, strerror(errno));
    return true;
}

// With nothing but an old database in it.
static void delete_database(const char *directory) {
    char *reason = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_destroy_db(options, directory, &reason);
    rocksdb_options_destroy(options);
    if (reason != NULL)
        log_warning("the old database in '%s' could not be deleted: %s", directory, reason);
    free(reason);
}

// After an error: the old database, which was sound when it was closed.
static void go_back(struct store *store, const char *directory) {
    char error[STORE_ERROR_SIZE];
    bool is_back = exchange(store->directory, directory, error) && store_open_database(store, error);
    if (!is_back)
        log_error("the old database could not be opened again, the server ends: %s", error);
    always_assert(is_back, "a store has a database");
}

static bool replace(struct store *store, const char *directory, char error[STORE_ERROR_SIZE]) {
    char ignored[STORE_ERROR_SIZE];
    store_close_database(store);
    if (!exchange(store->directory, directory, error)) {
        always_assert(store_open_database(store, ignored), "a database that was closed can be opened");
        return false;
    }
    if (store_open_database(store, error)) {
        delete_database(directory);
        return true;
    }
    go_back(store, directory);
    return false;
}

bool store_replace(struct store *store, const char *directory, char error[STORE_ERROR_SIZE]) {
    atomic_store(&store->is_wanted, true);
    store_stop_compacting(store);
    always_assert(pthread_rwlock_wrlock(&store->use) == 0, "the database can be taken");
    const struct read_changes everything = {.all = true};
    read_cache_change_begin(store->read_cache, &everything);
    bool replaced = replace(store, directory, error);
    read_cache_change_end(store->read_cache, &everything);
    atomic_store(&store->is_wanted, false);
    store_let_go(store);
    return replaced;
}
