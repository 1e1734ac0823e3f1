// SPDX-License-Identifier: Apache-2.0
//
// SCAN's cursors: a ring of places. A cursor is the place's number in its low bits and a random tag above
// them, so finding one is one comparison, and an old or invented one does not match. Cursors stay below 2^53:
// clients written in JavaScript keep numbers as doubles. Uses: buffer, memory.
#include "server/scan_cursors.h"

#include "base/assert.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    PLACE_BITS = 14,
    PLACE_COUNT = 1 << PLACE_BITS,
    TAG_BITS = 53 - PLACE_BITS,
    MOST_KEY_BYTES = 64 * 1024 * 1024 // of all keys together, unless one alone is bigger
};

struct place {
    uint64_t cursor; // 0: free
    char *key;
    size_t length;
};

struct scan_cursors {
    pthread_mutex_t lock;
    struct place places[PLACE_COUNT];
    size_t next;   // where the next cursor goes
    size_t oldest; // from here to `next` lie the cursors that live
    size_t live;
    size_t key_bytes;
};

static void lock(struct scan_cursors *cursors) {
    always_assert(pthread_mutex_lock(&cursors->lock) == 0, "the table of cursors can be locked");
}

static void unlock(struct scan_cursors *cursors) {
    always_assert(pthread_mutex_unlock(&cursors->lock) == 0, "the table of cursors can be unlocked");
}

struct scan_cursors *scan_cursors_open(void) {
    struct scan_cursors *cursors = memory_allocate_zeroed(1, sizeof(*cursors));
    always_assert(pthread_mutex_init(&cursors->lock, NULL) == 0, "the lock of the cursors can be made");
    return cursors;
}

static void drop_oldest(struct scan_cursors *cursors) {
    struct place *place = &cursors->places[cursors->oldest];
    free(place->key);
    cursors->key_bytes -= place->length;
    *place = (struct place){.cursor = 0};
    cursors->oldest = (cursors->oldest + 1) % PLACE_COUNT;
    cursors->live--;
}

void scan_cursors_close(struct scan_cursors *cursors) {
    if (cursors == NULL)
        return;
    while (cursors->live != 0)
        drop_oldest(cursors);
    pthread_mutex_destroy(&cursors->lock);
    free(cursors);
}

// Never 0, so that no cursor is.
static uint64_t random_tag(void) {
    uint64_t tag = 0;
    do {
        arc4random_buf(&tag, sizeof(tag));
        tag >>= 64 - TAG_BITS;
    } while (tag == 0);
    return tag;
}

static void make_room(struct scan_cursors *cursors, size_t length) {
    while (cursors->live == PLACE_COUNT ||
           (cursors->live != 0 && cursors->key_bytes + length > MOST_KEY_BYTES))
        drop_oldest(cursors);
}

uint64_t scan_cursors_put(struct scan_cursors *cursors, struct bytes last_key) {
    uint64_t tag = random_tag();
    char *key = memory_try_allocate(last_key.length);
    if (key == NULL)
        return tag << PLACE_BITS; // the client has a cursor, which turns out to have been forgotten
    if (last_key.length != 0)
        memcpy(key, last_key.data, last_key.length);
    lock(cursors);
    make_room(cursors, last_key.length);
    uint64_t cursor = tag << PLACE_BITS | cursors->next;
    cursors->places[cursors->next] = (struct place){.cursor = cursor, .key = key, .length = last_key.length};
    cursors->next = (cursors->next + 1) % PLACE_COUNT;
    cursors->live++;
    cursors->key_bytes += last_key.length;
    unlock(cursors);
    return cursor;
}

bool scan_cursors_find(struct scan_cursors *cursors, uint64_t cursor, struct buffer *out) {
    lock(cursors);
    const struct place *place = &cursors->places[cursor % PLACE_COUNT];
    bool found = cursor != 0 && place->cursor == cursor;
    if (found)
        buffer_append(out, (struct bytes){.data = place->key, .length = place->length});
    unlock(cursors);
    return found;
}
