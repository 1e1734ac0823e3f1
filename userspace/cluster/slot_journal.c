// SPDX-License-Identifier: Apache-2.0
//
// The changed keys of some slots. Uses: base, store/{encoding,write_batch}.
#include "cluster/slot_journal.h"

#include "base/assert.h"
#include "base/memory.h"
#include "store/write_batch.h"

#include <pthread.h>
#include <stdlib.h>

struct slot_journal {
    struct slot_range slots;
    pthread_mutex_t lock;
    struct slot_changes changes;
    size_t most;
    bool is_overfull;
};

struct slot_journal *slot_journal_open(struct slot_range slots, size_t most) {
    struct slot_journal *journal = memory_allocate_zeroed(1, sizeof(*journal));
    journal->slots = slots;
    journal->most = most;
    always_assert(pthread_mutex_init(&journal->lock, NULL) == 0, "a mutex can be made");
    return journal;
}

void slot_journal_close(struct slot_journal *journal) {
    if (journal == NULL)
        return;
    slot_changes_release(&journal->changes);
    (void)pthread_mutex_destroy(&journal->lock);
    free(journal);
}

// --- Noting ---

// Beside what it consists of: its block's head, and its share of the map.
enum {
    NOTE_OVERHEAD = 32,
    MAP_SIZE = sizeof(UT_hash_table) + HASH_INITIAL_NUM_BUCKETS * sizeof(UT_hash_bucket)
};

static void count_note(struct slot_changes *changes, size_t size, bool is_first) {
    changes->count++;
    changes->memory += size + NOTE_OVERHEAD + (is_first ? MAP_SIZE : 0);
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct changed_key *key_of(struct slot_changes *changes, struct bytes name) {
    struct changed_key *key = NULL;
    HASH_FIND(handle, changes->keys, name.data, name.length, key);
    if (key != NULL)
        return key;
    key = memory_allocate(sizeof(*key) + name.length);
    *key = (struct changed_key){.length = name.length};
    memcpy(key->name, name.data, name.length);
    HASH_ADD_KEYPTR(handle, changes->keys, key->name, key->length, key);
    count_note(changes, sizeof(*key) + name.length, false);
    return key;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void note_element(struct slot_changes *changes, struct changed_key *key, struct bytes name) {
    struct changed_element *element = NULL;
    HASH_FIND(handle, key->elements, name.data, name.length, element);
    if (element != NULL)
        return;
    bool is_first = key->elements == NULL;
    element = memory_allocate(sizeof(*element) + name.length);
    *element = (struct changed_element){.length = name.length};
    memcpy(element->name, name.data, name.length);
    HASH_ADD_KEYPTR(handle, key->elements, element->name, element->length, element);
    count_note(changes, sizeof(*element) + name.length, is_first);
}

// The slot of an encoded key, whose namespace has this length.
static unsigned slot_of(struct bytes raw, size_t name_space) {
    const unsigned char *slot = (const unsigned char *)raw.data + 1 + name_space;
    return (unsigned)slot[0] << 8 | slot[1];
}

static void note_metadata(struct slot_journal *journal, struct bytes raw) {
    struct bytes name_space, key;
    if (decode_metadata_key(raw, true, &name_space, &key) &&
        slot_range_has(journal->slots, slot_of(raw, name_space.length)))
        (void)key_of(&journal->changes, key);
}

static void note_sub_key(struct slot_journal *journal, struct bytes raw) {
    struct bytes name_space, key, sub_key;
    uint64_t version = 0;
    if (decode_sub_key(raw, true, &name_space, &key, &version, &sub_key) &&
        slot_range_has(journal->slots, slot_of(raw, name_space.length)))
        note_element(&journal->changes, key_of(&journal->changes, key), sub_key);
}

// A sorted set's index by score changes together with its members.
static void note_record(struct slot_journal *journal, const struct write_batch_record *record) {
    if (record->kind == WRITE_BATCH_LOG_DATA)
        return;
    if (record->kind == WRITE_BATCH_DELETE_RANGE)
        journal->changes.is_unknown = true;
    else if (record->family == FAMILY_METADATA)
        note_metadata(journal, record->key);
    else if (record->family == FAMILY_DEFAULT || record->family == FAMILY_STREAM)
        note_sub_key(journal, record->key);
}

void slot_journal_observe(void *context, struct bytes batch) {
    struct slot_journal *journal = context;
    struct write_batch_record record;
    size_t at = WRITE_BATCH_HEADER_SIZE;
    always_assert(pthread_mutex_lock(&journal->lock) == 0, "the journal can be locked");
    while (!journal->is_overfull && write_batch_next(batch, &at, &record)) {
        note_record(journal, &record);
        journal->is_overfull = journal->changes.memory > journal->most;
    }
    journal->changes.is_unknown |= at != batch.length || journal->is_overfull;
    always_assert(pthread_mutex_unlock(&journal->lock) == 0, "the journal can be unlocked");
}

// --- Taking out ---

void slot_journal_take(struct slot_journal *journal, struct slot_changes *changes) {
    always_assert(pthread_mutex_lock(&journal->lock) == 0, "the journal can be locked");
    *changes = journal->changes;
    journal->changes = (struct slot_changes){0};
    always_assert(pthread_mutex_unlock(&journal->lock) == 0, "the journal can be unlocked");
}

size_t slot_journal_count(struct slot_journal *journal) {
    always_assert(pthread_mutex_lock(&journal->lock) == 0, "the journal can be locked");
    size_t count = journal->changes.count;
    always_assert(pthread_mutex_unlock(&journal->lock) == 0, "the journal can be unlocked");
    return count;
}

bool slot_journal_is_overfull(struct slot_journal *journal) {
    always_assert(pthread_mutex_lock(&journal->lock) == 0, "the journal can be locked");
    bool is_overfull = journal->is_overfull;
    always_assert(pthread_mutex_unlock(&journal->lock) == 0, "the journal can be unlocked");
    return is_overfull;
}

// Emptied first, as the map's own memory is told by its members.
static void release_elements(struct changed_key *key) {
    struct changed_element *element = key->elements;
    HASH_CLEAR(handle, key->elements);
    while (element != NULL) {
        struct changed_element *next = element->handle.next;
        free(element);
        element = next;
    }
}

void slot_changes_release(struct slot_changes *changes) {
    struct changed_key *key = changes->keys;
    HASH_CLEAR(handle, changes->keys);
    while (key != NULL) {
        struct changed_key *next = key->handle.next;
        release_elements(key);
        free(key);
        key = next;
    }
    *changes = (struct slot_changes){0};
}
