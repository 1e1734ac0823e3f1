// SPDX-License-Identifier: Apache-2.0
//
// Counts by code word. A server that refuses every write sends very many errors, so counting a known code
// takes no lock: slots are only ever added, and one whose code can be seen is complete. Uses: memory.
#include "server/error_stats.h"

#include "base/assert.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CODES = 128, CODE_SIZE = 32 };

struct slot {
    char code[CODE_SIZE]; // longer ones are cut
    _Atomic uint64_t count;
};

struct error_stats {
    struct slot slots[MOST_CODES];
    _Atomic size_t used; // slots below it are complete; raised under the lock
    pthread_mutex_t lock;
};

struct error_stats *error_stats_open(void) {
    struct error_stats *stats = memory_allocate_zeroed(1, sizeof(*stats));
    always_assert(pthread_mutex_init(&stats->lock, NULL) == 0, "the lock of the error counts can be made");
    return stats;
}

void error_stats_close(struct error_stats *stats) {
    if (stats == NULL)
        return;
    pthread_mutex_destroy(&stats->lock);
    free(stats);
}

// `from`: slots below it have been looked at.
static struct slot *find(struct error_stats *stats, const char *code, size_t from, size_t used) {
    for (size_t i = from; i < used; i++)
        if (strncmp(stats->slots[i].code, code, CODE_SIZE - 1) == 0)
            return &stats->slots[i];
    return NULL;
}

// Under the lock. NULL: no slot is left.
static struct slot *find_or_add(struct error_stats *stats, const char *code, size_t seen) {
    size_t used = atomic_load_explicit(&stats->used, memory_order_relaxed);
    struct slot *slot = find(stats, code, seen, used);
    if (slot != NULL || used == MOST_CODES)
        return slot;
    slot = &stats->slots[used];
    memcpy(slot->code, code, strnlen(code, CODE_SIZE - 1));
    atomic_store_explicit(&stats->used, used + 1, memory_order_release);
    return slot;
}

static struct slot *slot_of(struct error_stats *stats, const char *code) {
    size_t used = atomic_load_explicit(&stats->used, memory_order_acquire);
    struct slot *slot = find(stats, code, 0, used);
    if (slot != NULL || used == MOST_CODES)
        return slot;
    always_assert(pthread_mutex_lock(&stats->lock) == 0, "the error counts can be locked");
    slot = find_or_add(stats, code, used);
    always_assert(pthread_mutex_unlock(&stats->lock) == 0, "the error counts can be unlocked");
    return slot;
}

void error_stats_count(struct error_stats *stats, const char *code) {
    struct slot *slot = slot_of(stats, code);
    if (slot != NULL)
        atomic_fetch_add_explicit(&slot->count, 1, memory_order_relaxed);
}

struct shown {
    const char *code;
    uint64_t count;
};

static int by_code(const void *a, const void *b) {
    const struct shown *first = a;
    const struct shown *second = b;
    return strcmp(first->code, second->code);
}

void error_stats_each(struct error_stats *stats,
                      void (*each)(void *context, const char *code, uint64_t count), void *context) {
    struct shown shown[MOST_CODES] = {0};
    size_t count = 0;
    size_t used = atomic_load_explicit(&stats->used, memory_order_acquire);
    for (size_t i = 0; i < used; i++) {
        shown[count].code = stats->slots[i].code;
        shown[count].count = atomic_load_explicit(&stats->slots[i].count, memory_order_relaxed);
        if (shown[count].count != 0)
            count++;
    }
    qsort(shown, count, sizeof(shown[0]), by_code);
    for (size_t i = 0; i < count; i++)
        each(context, shown[i].code, shown[i].count);
}

void error_stats_reset(struct error_stats *stats) {
    size_t used = atomic_load_explicit(&stats->used, memory_order_acquire);
    for (size_t i = 0; i < used; i++)
        atomic_store_explicit(&stats->slots[i].count, 0, memory_order_relaxed);
}
