// SPDX-License-Identifier: Apache-2.0
//
// Seeks from the ends of sorted sets. Uses: base, store/{session_internal,zset_ends}.
#include "store/end_seeks.h"

#include "base/memory.h"

#include <stdlib.h>

struct end_seeks {
    struct store_session *session;
    struct zset_ends *known;
    struct buffer key;
    const struct buffer *begin, *end;
    struct end_seeks_moment moment;
    bool is_locked;
    struct buffer bound;
    bool is_known;          // there is one
    enum zset_end from;     // the end that the last seek was for
    bool has_come_from_end; // and nothing was passed over: what it meets is the bound
};

struct end_seeks_moment end_seeks_moment(const struct store *store) {
    return (struct end_seeks_moment){.generation = zset_ends_generation(store->zset_ends),
                                     .sequence = store_latest_sequence(store)};
}

struct end_seeks *end_seeks_open(struct store_session *session, struct bytes key, const struct buffer *begin,
                                 const struct buffer *end, struct end_seeks_moment moment, bool is_locked) {
    struct end_seeks *ends = memory_allocate_zeroed(1, sizeof(*ends));
    *ends = (struct end_seeks){.session = session,
                               .known = session->store->zset_ends,
                               .begin = begin,
                               .end = end,
                               .moment = moment,
                               .is_locked = is_locked && session->snapshot == NULL};
    if (session->snapshot != NULL)
        ends->moment.sequence = session->snapshot_has;
    buffer_append(&ends->key, key);
    return ends;
}

void end_seeks_close(struct end_seeks *ends) {
    if (ends == NULL)
        return;
    buffer_release(&ends->key);
    buffer_release(&ends->bound);
    free(ends);
}

// --- Seeking ---

static void find_bound(struct end_seeks *ends, enum zset_end end) {
    ends->from = end;
    buffer_clear(&ends->bound);
    ends->is_known =
        zset_ends_find(ends->known, buffer_bytes(ends->begin), end, ends->moment.sequence, &ends->bound);
}

struct bytes end_seeks_from(struct end_seeks *ends, struct bytes sub_key) {
    find_bound(ends, ZSET_FIRST);
    bool is_beyond = ends->is_known && bytes_compare(sub_key, buffer_bytes(&ends->bound)) <= 0;
    ends->has_come_from_end = is_beyond || sub_key.length == 0;
    return is_beyond ? buffer_bytes(&ends->bound) : sub_key;
}

struct bytes end_seeks_back_from(struct end_seeks *ends, struct bytes sub_key) {
    find_bound(ends, ZSET_LAST);
    ends->has_come_from_end = ends->is_known && bytes_compare(sub_key, buffer_bytes(&ends->bound)) >= 0;
    return ends->has_come_from_end ? buffer_bytes(&ends->bound) : sub_key;
}

bool end_seeks_from_last(struct end_seeks *ends, struct bytes *sub_key) {
    find_bound(ends, ZSET_LAST);
    ends->has_come_from_end = true;
    *sub_key = buffer_bytes(&ends->bound);
    return ends->is_known;
}

// --- Learning ---

// Nobody is inside the key, nor has the role guard, for a moment.
static bool was_free(const struct end_seeks *ends) {
    const struct store *store = ends->session->store;
    return role_guard_is_free(store->guard, ends->session->index) &&
           key_locks_is_free(store->locks, buffer_bytes(&ends->key));
}

static void seek_end(const struct end_seeks *ends, struct bytes bound, rocksdb_iterator_t *entries) {
    const struct buffer *end = ends->from == ZSET_FIRST ? ends->begin : ends->end;
    struct buffer target = {0};
    buffer_append(&target, buffer_bytes(bound.length == 0 ? end : ends->begin));
    buffer_append(&target, bound);
    if (ends->from == ZSET_FIRST)
        rocksdb_iter_seek(entries, target.data, target.length);
    else
        rocksdb_iter_seek_for_prev(entries, target.data, target.length);
    buffer_release(&target);
}

// Appends what is first in the newest state. What bounds that is found anew: others may have put something
// beyond what this reader has found.
static void meet_newest(const struct end_seeks *ends, struct buffer *met) {
    struct store *store = ends->session->store;
    struct buffer bound = {0};
    uint64_t sequence = store_latest_sequence(store);
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_lower_bound(options, ends->begin->data, ends->begin->length);
    rocksdb_readoptions_set_iterate_upper_bound(options, ends->end->data, ends->end->length);
    rocksdb_iterator_t *entries =
        rocksdb_create_iterator_cf(store->database, options, store->families[FAMILY_ZSET_SCORE]);
    (void)zset_ends_find(ends->known, buffer_bytes(ends->begin), ends->from, sequence, &bound);
    seek_end(ends, buffer_bytes(&bound), entries);
    if (rocksdb_iter_valid(entries)) {
        size_t length = 0;
        const char *key = rocksdb_iter_key(entries, &length);
        buffer_append(met, (struct bytes){key + ends->begin->length, length - ends->begin->length});
    }
    rocksdb_iter_destroy(entries);
    rocksdb_readoptions_destroy(options);
    buffer_release(&bound);
}

// As zset_ends.h says.
static void watch(const struct end_seeks *ends) {
    struct bytes set = buffer_bytes(ends->begin);
    struct buffer met = {0};
    uint64_t number = zset_ends_watch_begin(ends->known, set, ends->from);
    if (number == 0)
        return;
    if (was_free(ends))
        meet_newest(ends, &met);
    zset_ends_watch_end(ends->known, number, set, store_latest_sequence(ends->session->store),
                        buffer_bytes(&met));
    buffer_release(&met);
}

void end_seeks_met(struct end_seeks *ends, struct bytes sub_key) {
    const struct store_session *session = ends->session;
    struct bytes set = buffer_bytes(ends->begin);
    bool is_new =
        ends->has_come_from_end && !(ends->is_known && bytes_equal(sub_key, buffer_bytes(&ends->bound)));
    ends->has_come_from_end = false;
    if (!is_new)
        return;
    if (ends->is_locked && session->state != SESSION_IDLE && session->staged == 0)
        zset_ends_learn(ends->known, set, ends->from, ends->moment.generation,
                        store_latest_sequence(session->store), sub_key);
    else if (session->state == SESSION_IDLE && zset_ends_note_passed(ends->known, set))
        watch(ends);
}
