// SPDX-License-Identifier: Apache-2.0
//
// The table of the indexes, their memory, and what is asked of them. Uses: base, the other files of store/.
#include "store/zset_ranks.h"

#include "base/assert.h"
#include "base/memory.h"
#include "base/patient_lock.h"
#include "store/collection.h"
#include "store/session_internal.h"
#include "store/zset_ranks_internal.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = true };
#else
enum { IS_SANITIZED = false };
#endif

struct zset_ranks *zset_ranks_open(size_t bytes) {
    if (bytes == 0)
        return NULL;
    struct zset_ranks *ranks = memory_allocate_zeroed(1, sizeof(*ranks));
    ranks->hash = key_hash_new();
    ranks->memory_most = bytes;
    ranks->verifies = IS_SANITIZED;
    always_assert(pthread_mutex_init(&ranks->lock, NULL) == 0, "a lock can be made");
    return ranks;
}

void zset_ranks_close(struct zset_ranks *ranks) {
    if (ranks == NULL)
        return;
    zset_ranks_forget(ranks);
    (void)pthread_mutex_destroy(&ranks->lock);
    free(ranks->changing);
    free(ranks->changes);
    free(ranks);
}

struct zset_ranks_figures zset_ranks_figures_now(const struct zset_ranks *ranks) {
    if (ranks == NULL)
        return (struct zset_ranks_figures){0};
    return (struct zset_ranks_figures){
        .bytes = atomic_load_explicit(&ranks->memory, memory_order_relaxed),
        .answers = atomic_load_explicit(&ranks->answers, memory_order_relaxed),
        .built = atomic_load_explicit(&ranks->built, memory_order_relaxed),
    };
}

// --- The table ---

static void lock(struct zset_ranks *ranks) {
    always_assert(pthread_mutex_lock(&ranks->lock) == 0, "the table of indexes can be locked");
}

static void unlock(struct zset_ranks *ranks) {
    always_assert(pthread_mutex_unlock(&ranks->lock) == 0, "the table of indexes can be unlocked");
}

static struct rank_index **head_of(struct zset_ranks *ranks, struct bytes set) {
    return &ranks->heads[key_hash_of(&ranks->hash, set) % RANK_INDEX_HEADS];
}

static struct rank_index *find(struct zset_ranks *ranks, struct bytes set) {
    struct rank_index *index = *head_of(ranks, set);
    while (index != NULL && !bytes_equal(buffer_bytes(&index->set), set))
        index = index->next;
    return index;
}

// --- Who was used longest ago ---

static void leave_order(struct zset_ranks *ranks, const struct rank_index *index) {
    *(index->older == NULL ? &ranks->oldest : &index->older->newer) = index->newer;
    *(index->newer == NULL ? &ranks->newest : &index->newer->older) = index->older;
}

static void become_newest(struct zset_ranks *ranks, struct rank_index *index) {
    index->newer = NULL;
    index->older = ranks->newest;
    *(ranks->newest == NULL ? &ranks->oldest : &ranks->newest->newer) = index;
    ranks->newest = index;
}

// --- Coming and going ---

// With the lock of the table. It lives for as long as somebody has it.
static void give_up(struct rank_index *index) {
    always_assert(index->users != 0, "who gives an index up has it");
    index->users--;
    if (index->users != 0)
        return;
    rank_list_close(index->list);
    rank_past_release(&index->past);
    buffer_release(&index->set);
    buffer_release(&index->waiting);
    (void)pthread_mutex_destroy(&index->lock);
    free(index);
}

// With the lock of the table, which has it no more. The table's part in it is still to be given up.
static void leave_table(struct zset_ranks *ranks, struct rank_index *index) {
    struct rank_index **link = head_of(ranks, buffer_bytes(&index->set));
    while (*link != index)
        link = &(*link)->next;
    *link = index->next;
    leave_order(ranks, index);
    atomic_store(&index->is_dropped, true);
    (void)atomic_fetch_sub(&ranks->indexes, 1);
    (void)atomic_fetch_sub(&ranks->memory, index->memory);
}

static void drop(struct zset_ranks *ranks, struct rank_index *index) {
    leave_table(ranks, index);
    give_up(index);
}

// The same by somebody who has it, so that it stays until it is handed back.
static void drop_held(struct zset_ranks *ranks, struct rank_index *index) {
    leave_table(ranks, index);
    index->users--;
    always_assert(index->users != 0, "who drops an index has it");
}

void rank_index_drop(struct zset_ranks *ranks, struct rank_index *index) {
    lock(ranks);
    if (!atomic_load(&index->is_dropped))
        drop_held(ranks, index);
    unlock(ranks);
}

void zset_ranks_forget(struct zset_ranks *ranks) {
    if (ranks == NULL)
        return;
    lock(ranks);
    while (ranks->oldest != NULL)
        drop(ranks, ranks->oldest);
    unlock(ranks);
}

struct rank_index *rank_index_hold(struct zset_ranks *ranks, struct bytes set) {
    lock(ranks);
    struct rank_index *index = find(ranks, set);
    if (index != NULL) {
        index->users++;
        leave_order(ranks, index);
        become_newest(ranks, index);
    }
    unlock(ranks);
    return index;
}

void rank_index_let_go(struct zset_ranks *ranks, struct rank_index *index) {
    lock(ranks);
    give_up(index);
    unlock(ranks);
}

struct rank_index *rank_index_add(struct zset_ranks *ranks, struct bytes set) {
    struct rank_index *index = NULL;
    lock(ranks);
    if (find(ranks, set) == NULL) {
        struct rank_index **head = head_of(ranks, set);
        index = memory_allocate_zeroed(1, sizeof(*index));
        buffer_append(&index->set, set);
        always_assert(pthread_mutex_init(&index->lock, NULL) == 0, "a lock can be made");
        index->users = 2; // the table and the caller
        index->next = *head;
        *head = index;
        become_newest(ranks, index);
        (void)atomic_fetch_add(&ranks->indexes, 1);
    }
    unlock(ranks);
    return index;
}

// Those first that were used longest ago, and this one last.
static void make_room(struct zset_ranks *ranks, struct rank_index *index) {
    struct rank_index *newer = NULL;
    for (struct rank_index *other = ranks->oldest;
         other != NULL && atomic_load(&ranks->memory) > ranks->memory_most; other = newer) {
        newer = other->newer;
        if (other != index)
            drop(ranks, other);
    }
    if (atomic_load(&ranks->memory) > ranks->memory_most)
        drop_held(ranks, index);
}

void rank_index_account(struct zset_ranks *ranks, struct rank_index *index, size_t memory) {
    lock(ranks);
    if (!atomic_load(&index->is_dropped)) {
        (void)atomic_fetch_add(&ranks->memory, memory - index->memory); // modulo 2^64 where it is less
        index->memory = memory;
        make_room(ranks, index);
    }
    unlock(ranks);
}

// --- Asking ---

// Smaller ones are walked over soon enough.
enum { SIZE_LEAST = 512 };

// Nothing that is staged is in an index.
static bool may_have_index(const struct collection *set) {
    const struct store_session *session = set->session;
    bool is_still = session->snapshot != NULL || session->state != SESSION_IDLE;
    return session->store->zset_ranks != NULL && set->metadata.size >= SIZE_LEAST && session->staged == 0 &&
           is_still;
}

static void name_set(const struct collection *set, struct buffer *out) {
    encode_sub_key(out, &set->session->store->layout, set->key, set->metadata.version, (struct bytes){0});
}

// A question: by rank, or by sub-key.
struct question {
    bool is_by_rank;
    uint64_t rank;
    struct bytes sub_key;
};

// What the session sees.
static struct rank_moment moment_of(const struct store_session *session) {
    if (session->snapshot == NULL)
        return (struct rank_moment){UINT64_MAX, UINT64_MAX};
    return (struct rank_moment){session->snapshot_has, session->snapshot_may_have};
}

// How many sub-keys were before the bucket at that moment.
static uint64_t before_then(const struct rank_index *index, const struct rank_bucket *bucket,
                            const struct rank_moment *moment) {
    return bucket->before - (uint64_t)rank_past_growth(&index->past, moment, &bucket->first);
}

static struct rank_bucket find_bucket(const struct rank_index *index, const struct question *question,
                                      const struct rank_moment *moment) {
    if (!question->is_by_rank)
        return rank_list_bucket_of(index->list, question->sub_key);
    struct rank_bucket bucket = rank_list_bucket_at(index->list, question->rank);
    while (bucket.before != 0 && before_then(index, &bucket, moment) > question->rank)
        bucket = rank_list_bucket_at(index->list, bucket.before - 1);
    return bucket;
}

// With the lock of the index.
static enum zset_ranks_answer answer(const struct rank_index *index, const struct collection *set,
                                     const struct question *question, struct zset_rank_place *out,
                                     bool *is_wrong) {
    const struct rank_moment moment = moment_of(set->session);
    if (index->list == NULL || atomic_load(&index->is_dropped))
        return ZSET_RANKS_UNKNOWN;
    if (!rank_past_reaches(&index->past, &moment))
        return ZSET_RANKS_NEWER;
    uint64_t total = rank_list_total(index->list) - (uint64_t)rank_past_growth(&index->past, &moment, NULL);
    *is_wrong = total != set->metadata.size;
    if (*is_wrong)
        return ZSET_RANKS_UNKNOWN;
    const struct rank_bucket bucket = find_bucket(index, question, &moment);
    *out = (struct zset_rank_place){.rank = before_then(index, &bucket, &moment)};
    buffer_append(&out->first, bucket.first);
    return ZSET_RANKS_KNOWN;
}

static enum zset_ranks_answer ask_index(struct zset_ranks *ranks, struct rank_index *index,
                                        const struct collection *set, const struct question *question,
                                        struct zset_rank_place *out) {
    bool is_wrong = false;
    // A write that has begun is mostly over within microseconds; but RocksDB may be holding it back.
    if (!patient_lock_take_unless_long(&index->lock))
        return ZSET_RANKS_UNKNOWN;
    enum zset_ranks_answer answered = answer(index, set, question, out, &is_wrong);
    always_assert(pthread_mutex_unlock(&index->lock) == 0, "an index can be unlocked");
    if (is_wrong)
        rank_index_drop(ranks, index);
    if (answered == ZSET_RANKS_KNOWN)
        (void)atomic_fetch_add_explicit(&ranks->answers, 1, memory_order_relaxed);
    return answered;
}

static enum zset_ranks_answer ask(const struct collection *set, const struct question *question,
                                  struct zset_rank_place *out) {
    enum zset_ranks_answer answered = ZSET_RANKS_UNKNOWN;
    struct zset_ranks *ranks = set->session->store->zset_ranks;
    struct buffer name = {0};
    *out = (struct zset_rank_place){0};
    if (!may_have_index(set) || atomic_load(&ranks->indexes) == 0)
        return ZSET_RANKS_UNKNOWN;
    name_set(set, &name);
    struct rank_index *index = rank_index_hold(ranks, buffer_bytes(&name));
    if (index != NULL) {
        answered = ask_index(ranks, index, set, question, out);
        rank_index_let_go(ranks, index);
    }
    buffer_release(&name);
    // All commands of EXEC read in one snapshot.
    return session_in_transaction(set->session) && answered == ZSET_RANKS_NEWER ? ZSET_RANKS_UNKNOWN
                                                                                : answered;
}

enum zset_ranks_answer zset_ranks_of_rank(const struct collection *set, uint64_t rank,
                                          struct zset_rank_place *out) {
    return ask(set, &(struct question){.is_by_rank = true, .rank = rank}, out);
}

enum zset_ranks_answer zset_ranks_of_sub_key(const struct collection *set, struct bytes sub_key,
                                             struct zset_rank_place *out) {
    return ask(set, &(struct question){.sub_key = sub_key}, out);
}

bool zset_ranks_note_walk(const struct collection *set, uint64_t steps) {
    struct store *store = set->session->store;
    struct buffer name = {0};
    if (!may_have_index(set))
        return false;
    name_set(set, &name);
    bool is_built = rank_walks_add(store->zset_ranks, buffer_bytes(&name), set->metadata.size, steps) &&
                    rank_index_build(store, buffer_bytes(&name), set->metadata.size);
    buffer_release(&name);
    return is_built;
}
