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

// --- Names ---
//
// The databases change places in one step where the file system can do that. Where it cannot, the old one
// goes aside, under a third name, and stays there until the new one is open; so after a crash, or a failure
// of the file system that allows no way back,
//
//   no database, one aside     the old one is aside: it takes its place again
//   a database and one aside   the new one has its place: once it is open the old one is deleted, and if it
//                              cannot be opened, which nobody has tried yet, both stay for the operator

static char *name_aside(const char *directory) {
    struct buffer name = {0};
    buffer_append_format(&name, "%s.replaced%c", directory, '\0');
    return name.data;
}

static bool is_there(const char *path) {
    return access(path, F_OK) == 0;
}

static bool failed_names(char error[STORE_ERROR_SIZE], const char *from, const char *to) {
    (void)snprintf(error, STORE_ERROR_SIZE, "the directory '%.200s' could not be made '%.200s': %s", from, to,
                   strerror(errno));
    return false;
}

// Durable before the next step.
static bool give_name(const char *from, const char *to, char error[STORE_ERROR_SIZE]) {
    if (rename(from, to) != 0)
        return failed_names(error, from, to);
    if (!sync_parent(from) || !sync_parent(to))
        log_warning("the new name of '%s' could not be synced: %s", to, strerror(errno));
    return true;
}

struct places {
    const char *own;   // the store's directory
    const char *other; // of the database that takes its place
    char *aside;       // where the old one is meanwhile; NULL: it is at `other`
};

// Not even an empty database may be opened while the place is empty: the next start would take it for the new
// one, and delete the old one.
static void take_place_again(const struct places *places) {
    char error[STORE_ERROR_SIZE];
    bool is_back = give_name(places->aside, places->own, error);
    if (!is_back)
        log_error("the database is in '%s', where the next start looks for it, the server ends: %s",
                  places->aside, error);
    always_assert(is_back, "a store has a database");
}

// The old one last: while its own place is empty it can be found aside.
static bool step_by_step(struct places *places, char error[STORE_ERROR_SIZE]) {
    places->aside = name_aside(places->own);
    if (give_name(places->own, places->aside, error)) {
        if (give_name(places->other, places->own, error))
            return true;
        take_place_again(places);
    }
    free(places->aside);
    places->aside = NULL;
    return false;
}

static bool change_places(struct places *places, char error[STORE_ERROR_SIZE]) {
    if (renameat2(AT_FDCWD, places->own, AT_FDCWD, places->other, RENAME_EXCHANGE) != 0) {
        if (errno == EINVAL || errno == ENOSYS)
            return step_by_step(places, error);
        return failed_names(error, places->other, places->own);
    }
    if (!sync_parent(places->own))
        log_warning("the directory of '%s' could not be synced: %s", places->own, strerror(errno));
    return true;
}

static bool change_back(struct places *places, char error[STORE_ERROR_SIZE]) {
    if (places->aside == NULL)
        return change_places(places, error);
    return give_name(places->own, places->other, error) && give_name(places->aside, places->own, error);
}

bool store_find_aside(const char *directory, char error[STORE_ERROR_SIZE]) {
    char *aside = name_aside(directory);
    bool found = true;
    if (is_there(aside) && !is_there(directory)) {
        log_warning("'%s' was to be replaced when the server ended: it is the database again", directory);
        found = give_name(aside, directory, error);
    }
    free(aside);
    return found;
}

// --- Databases ---

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

void store_tell_aside(const char *directory) {
    char *aside = name_aside(directory);
    if (is_there(aside))
        log_warning(
            "the database that '%s' has replaced is still in '%s': to have it back, give it that name",
            directory, aside);
    free(aside);
}

void store_delete_aside(const char *directory) {
    char *aside = name_aside(directory);
    if (is_there(aside)) {
        log_warning("'%s' was replaced when the server ended: deleting the old database", directory);
        delete_database(aside);
    }
    free(aside);
}

// To where it would be had the two changed places in one step. Else it is deleted here, however long that
// takes, as nobody else would before the next start.
static void hand_over_old(const struct places *places) {
    char error[STORE_ERROR_SIZE];
    if (places->aside == NULL || give_name(places->aside, places->other, error))
        return;
    log_warning("%s", error);
    delete_database(places->aside);
}

// After an error: the old database, which was sound when it was closed.
static void go_back(struct store *store, struct places *places) {
    char error[STORE_ERROR_SIZE];
    bool is_back = change_back(places, error) && store_open_database(store, error);
    if (!is_back)
        log_error("the old database could not be opened again, the server ends: %s", error);
    always_assert(is_back, "a store has a database");
}

static bool replace(struct store *store, const char *directory, char error[STORE_ERROR_SIZE]) {
    struct places places = {.own = store->directory, .other = directory};
    char ignored[STORE_ERROR_SIZE];
    store_close_database(store);
    if (!change_places(&places, error)) {
        always_assert(store_open_database(store, ignored), "a database that was closed can be opened");
        return false;
    }
    bool replaced = store_open_database(store, error);
    if (replaced)
        hand_over_old(&places);
    else
        go_back(store, &places);
    free(places.aside);
    return replaced;
}

bool store_replace(struct store *store, const char *directory, char error[STORE_ERROR_SIZE]) {
    atomic_store(&store->is_wanted, true);
    store_stop_compacting(store);
    always_assert(pthread_rwlock_wrlock(&store->use) == 0, "the database can be taken");
    // The new one is older than what was known of the master's changes.
    store_follow(store, 0);
    const struct read_changes everything = {.all = true};
    read_cache_change_begin(store->read_cache, &everything);
    zset_ends_change_begin(store->zset_ends);
    bool replaced = replace(store, directory, error);
    zset_ends_change_end(store->zset_ends);
    zset_ranks_forget(store->zset_ranks);
    read_cache_change_end(store->read_cache, &everything);
    atomic_store(&store->is_wanted, false);
    store_let_go(store);
    return replaced;
}
