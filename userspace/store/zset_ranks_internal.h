// SPDX-License-Identifier: Apache-2.0
//
// What the files of zset_ranks share: zset_ranks.c, zset_ranks_build.c and zset_ranks_change.c. May use:
// base, store.
#ifndef KVFENCE_STORE_ZSET_RANKS_INTERNAL_H
#define KVFENCE_STORE_ZSET_RANKS_INTERNAL_H

#include "store/key_hash.h"
#include "store/rank_list.h"
#include "store/rank_past.h"
#include "store/store_internal.h"
#include "store/zset_ranks.h"

enum { RANK_INDEX_HEADS = 4096, RANK_WALKS = 256 };

// The index of one set.
struct rank_index {
    struct buffer set; // what its sub-keys begin with, version included

    pthread_mutex_t lock;   // of what follows. Who asks reads nothing from the disk with it; who writes may
    struct rank_list *list; // NULL: it is being made
    struct buffer waiting;  // changes for it meanwhile: counted sub-keys behind their marks
    struct rank_past past;  // the last changes that are in the list
    uint64_t bucket;        // elements in one, about
    uint64_t newest;        // until it is made: the sequence number of the last write to the set

    // Within the turn of who writes: whether the write that is under way concerns it, and in how many places.
    bool is_changing;
    uint64_t changes;

    atomic_bool is_dropped; // not to be used any more

    // With the lock of the table.
    struct rank_index *next;          // of those in the same place
    struct rank_index *older, *newer; // by when they were last used
    uint64_t users;                   // who have it, the table among them
    size_t memory;
};

// A changed sub-key of a write.
struct rank_change {
    struct rank_index *index;
    struct bytes sub_key; // in the batch
    size_t place;         // among all changes of the batch
    bool is_put;          // else deleted
    bool was_there;
    bool is_crowded; // it has come to a bucket that is to be cut
};

// How far a set's elements were walked over since its name last came to this place.
struct rank_walks {
    uint64_t hash;
    uint64_t steps;
};

struct zset_ranks {
    struct key_hash hash;
    size_t memory_most;
    bool verifies;            // that own writes keep to the rule
    _Atomic uint64_t indexes; // who writes and finds none has nothing to do
    _Atomic uint64_t memory, answers, built;

    pthread_mutex_t lock; // of the table
    struct rank_index *heads[RANK_INDEX_HEADS];
    struct rank_index *oldest, *newest;
    struct rank_walks walks[RANK_WALKS];

    // Within the turn of who writes: what concerns indexes. Their locks are held.
    struct rank_index **changing;
    size_t changing_count, changing_room;
    struct rank_change *changes;
    size_t change_count, change_room;
};

// --- The table ---

// The set's index, which is the caller's to hand back; NULL: there is none.
struct rank_index *rank_index_hold(struct zset_ranks *ranks, struct bytes set);
void rank_index_let_go(struct zset_ranks *ranks, struct rank_index *index);
// Puts a new one for the set into the table, for the caller to make and hand back. NULL: there is one
// already.
struct rank_index *rank_index_add(struct zset_ranks *ranks, struct bytes set);
void rank_index_drop(struct zset_ranks *ranks, struct rank_index *index);
// It has so many bytes now: others are dropped for them, or if that is not enough, it is.
void rank_index_account(struct zset_ranks *ranks, struct rank_index *index, size_t memory);

// --- Building ---

// True: it is worth while now.
bool rank_walks_add(struct zset_ranks *ranks, struct bytes set, uint64_t size, uint64_t steps);
bool rank_index_build(struct store *store, struct bytes set, uint64_t size);

// --- Changing, with the lock of an index that has been made ---

// One sub-key has come or gone, and its bucket, one of the list's of about this size, has so many now. False:
// the list is wrong.
bool rank_index_count(struct rank_list *list, uint64_t bucket, struct bytes sub_key, bool has_come,
                      uint64_t *count);

// --- Walking over what the database has of a set ---

struct rank_walk {
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *entries;
    struct buffer set, end;
};
// From the first sub-key that is not less, as of the snapshot, or of now if it is NULL.
void rank_walk_open(struct rank_walk *walk, const struct store *store, struct bytes set, struct bytes first,
                    const rocksdb_snapshot_t *snapshot);
// Valid until the next call. False: there are no more, or they cannot be read, which *failed tells.
bool rank_walk_at(const struct rank_walk *walk, struct bytes *sub_key, bool *failed);
void rank_walk_on(struct rank_walk *walk);
void rank_walk_close(struct rank_walk *walk);

#endif
