// SPDX-License-Identifier: Apache-2.0
//
// Making, keeping and deleting copies. Uses: base, store, replication/data_files.
#include "replication/copies.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "replication/data_files.h"
#include "store/log_tail.h"
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { UNUSED_US = 30 * 1000000, YOUNG_US = 600 * 1000000 };

struct copy {
    uint64_t number;
    char *directory;
    uint64_t sequence; // of its data, at most
    uint64_t made_us, used_us;
    size_t users;
    struct copy *older;
};

struct copies {
    char *directory;
    pthread_mutex_t making; // or deleting, which takes long; taken before the other one
    pthread_mutex_t lock;   // of the list, and held for moments only: workers wait for it
    struct copy *newest;
    uint64_t last_number;
    uint64_t plain; // the number of that which was listed last for a Kvrocks
};

static void take(pthread_mutex_t *lock) {
    always_assert(pthread_mutex_lock(lock) == 0, "the copies can be locked");
}

static void release(pthread_mutex_t *lock) {
    always_assert(pthread_mutex_unlock(lock) == 0, "the copies can be unlocked");
}

struct copies *copies_open(const char *directory) {
    struct copies *copies = memory_allocate_zeroed(1, sizeof(*copies));
    copies->directory = memory_copy_text(directory);
    // A replica may ask a process for what an earlier one has listed: numbers do not begin anew.
    copies->last_number = (uint64_t)clock_wall_ms();
    always_assert(pthread_mutex_init(&copies->making, NULL) == 0 &&
                      pthread_mutex_init(&copies->lock, NULL) == 0,
                  "a lock can be made");
    return copies;
}

void copies_close(struct copies *copies) {
    if (copies == NULL)
        return;
    always_assert(copies->newest == NULL, "copies are deleted before their list is closed");
    (void)pthread_mutex_destroy(&copies->making);
    (void)pthread_mutex_destroy(&copies->lock);
    free(copies->directory);
    free(copies);
}

// --- One copy ---

uint64_t copy_number(const struct copy *copy) {
    return copy->number;
}

const char *copy_directory(const struct copy *copy) {
    return copy->directory;
}

static struct copy *new_copy(uint64_t number, const char *parent) {
    struct copy *copy = memory_allocate_zeroed(1, sizeof(*copy));
    struct buffer path = {0};
    buffer_append_format(&path, "%s/%" PRIu64 "%c", parent, number, '\0');
    copy->number = number;
    copy->directory = path.data;
    return copy;
}

static void free_copy(struct copy *copy) {
    free(copy->directory);
    free(copy);
}

static void delete_copy(struct copy *copy) {
    if (!data_files_remove(copy->directory))
        log_warning("the copy in '%s' could not be deleted: %s", copy->directory, strerror(errno));
    free_copy(copy);
}

static void delete_list(struct copy *list) {
    while (list != NULL) {
        struct copy *copy = list;
        list = copy->older;
        delete_copy(copy);
    }
}

// Between the list and the files nobody is connected.
static bool is_in_use(const struct copy *copy) {
    return copy->users != 0 || clock_duration_us() - copy->used_us < UNUSED_US;
}

// --- Taking and giving back ---

// With the lock held.
static struct copy *find(const struct copies *copies, uint64_t number) {
    struct copy *copy = copies->newest;
    while (copy != NULL && copy->number != number)
        copy = copy->older;
    return copy;
}

struct copy *copies_take(struct copies *copies, uint64_t number) {
    take(&copies->lock);
    struct copy *copy = find(copies, number == 0 ? copies->plain : number);
    if (copy != NULL)
        copy->users++;
    release(&copies->lock);
    return copy;
}

void copies_give_back(struct copies *copies, struct copy *copy) {
    if (copy == NULL)
        return;
    take(&copies->lock);
    copy->users--;
    copy->used_us = clock_duration_us();
    release(&copies->lock);
}

// --- Making ---

static char *checkpoint(struct copies *copies, struct store *store, const char *directory) {
    if (mkdir(copies->directory, 0700) != 0 && errno != EEXIST)
        return memory_copy_text(strerror(errno));
    return store_checkpoint(store, directory);
}

// What is written while it is made may be in it or not; the log has it for certain.
static struct copy *make(struct copies *copies, struct store *store) {
    struct copy *copy = new_copy(++copies->last_number, copies->directory);
    uint64_t started_us = clock_duration_us();
    copy->sequence = store_latest_sequence(store);
    char *error = checkpoint(copies, store, copy->directory);
    if (error != NULL) {
        log_error("no copy of the database could be made in '%s': %s", copy->directory, error);
        free(error);
        free_copy(copy);
        return NULL;
    }
    copy->made_us = clock_duration_us();
    copy->users = 1;
    log_info("a copy of the database at sequence number %" PRIu64 " was made for replicas in %" PRIu64 " ms",
             copy->sequence, (copy->made_us - started_us) / 1000);
    take(&copies->lock);
    copy->older = copies->newest;
    copies->newest = copy;
    release(&copies->lock);
    return copy;
}

// What may serve for the next list, taken. All Kvrocks go with the same copy, whatever its age, while one of
// them is at it.
static struct copy *take_candidate(struct copies *copies, bool plain, bool *any_age) {
    take(&copies->lock);
    struct copy *copy = plain ? find(copies, copies->plain) : NULL;
    *any_age = copy != NULL && is_in_use(copy);
    if (!*any_age)
        copy = copies->newest;
    if (copy != NULL)
        copy->users++;
    release(&copies->lock);
    return copy;
}

// One that is too old would make its receiver need log that is gone when it has it.
static bool is_useful(const struct copy *copy, struct store *store, bool any_age) {
    return (any_age || clock_duration_us() - copy->made_us < YOUNG_US) &&
           log_tail_is_available(store, copy->sequence + 1);
}

static struct copy *take_useful(struct copies *copies, struct store *store, bool plain) {
    bool any_age = false;
    struct copy *copy = take_candidate(copies, plain, &any_age);
    if (copy == NULL || is_useful(copy, store, any_age))
        return copy;
    copies_give_back(copies, copy);
    return NULL;
}

struct copy *copies_make(struct copies *copies, struct store *store, bool plain) {
    take(&copies->making);
    struct copy *copy = take_useful(copies, store, plain);
    if (copy == NULL)
        copy = make(copies, store);
    if (copy != NULL && plain) {
        take(&copies->lock);
        copies->plain = copy->number;
        release(&copies->lock);
    }
    release(&copies->making);
    return copy;
}

// --- Deleting ---

// Does not wait for a copy that is being made: the caller has other things to do.
void copies_tick(struct copies *copies) {
    struct copy *unused = NULL;
    if (pthread_mutex_trylock(&copies->making) != 0)
        return;
    take(&copies->lock);
    for (struct copy **link = &copies->newest; *link != NULL;) {
        struct copy *copy = *link;
        if (is_in_use(copy)) {
            link = &copy->older;
            continue;
        }
        *link = copy->older;
        copy->older = unused;
        unused = copy;
    }
    release(&copies->lock);
    delete_list(unused);
    release(&copies->making);
}

void copies_delete(struct copies *copies) {
    take(&copies->making);
    take(&copies->lock);
    struct copy *all = copies->newest;
    copies->newest = NULL;
    release(&copies->lock);
    delete_list(all);
    if (!data_files_remove(copies->directory))
        log_warning("'%s' could not be deleted: %s", copies->directory, strerror(errno));
    release(&copies->making);
}
