// SPDX-License-Identifier: Apache-2.0
//
// The ranks of big sorted sets. Kvrocks' encoding has none: to know or find one, elements are walked over. So
// for sets in which that takes long there is an index in memory: which sub-keys of FAMILY_ZSET_SCORE begin
// buckets of some dozens of elements, and how many elements are in each (store/rank_list). With it there is a
// bucket to be walked over at most. Nothing of it is on the disk. It is made by a walk over the whole set
// once as many elements have been walked over in vain as make that worth while, it follows all writes from
// then on, and it may be dropped at any time: when the memory is needed for another one, when so much is
// changed at once that following costs more than making it anew, or when something is found to be wrong with
// it.
//
// Why an answer is never wrong. The index of a set is to hold what the family holds of it at one moment.
//
// 1. It is made from a snapshot. The snapshot is taken, and the index is made known to those who write, in
//    the turn that all who write take (store/write_ahead_log): every write is in the snapshot, or knows of
//    the index and leaves its changes for it until it is made.
// 2. Whoever writes calls zset_ranks_change_begin() with what will be written, in its turn, before the write,
//    and zset_ranks_change_end() after it. Begin takes the lock of each index that is concerned, and finds
//    out for each changed sub-key whether it was there; end adds what has come, takes off what has gone, and
//    gives the locks back. Commands of this server look a member up before they change it, with the key's
//    lock held: they put a sub-key only where it is not, and delete one only where it is, and a batch has all
//    changes in their order; so the first one of a sub-key tells whether it was there. Builds with
//    sanitizers ask the database, too, and stop when a command has not kept to that. Of batches that come
//    from a master nothing is supposed: the database is asked. As writes take turns, so do an index's
//    changes.
// 3. Whoever asks holds the lock of the index, so no write to the set is under way: the index holds all that
//    anybody can have seen. Of the last writes it remembers what they changed, and with which sequence number
//    (store/rank_past). The session's snapshot has all up to a sequence number that was read before it was
//    taken, and nothing behind one that was read after that. What has been written to the set since is taken
//    off the counts again, so that the answer is of the moment of the snapshot. If it is not remembered any
//    more, or if a write to the set falls between the two numbers, the session must take a new snapshot and
//    begin anew. A command that has locked the set's key to write, and has staged nothing, needs no snapshot:
//    nobody else writes to the set. The master's changes lock no keys, but on a replica no client writes.
// 4. A set that is made anew has another version, which is part of what indexes are known by. What deletes
//    ranges of keys, or replaces the database, drops all indexes.
//
// And should all this be mistaken: an index is dropped instead of used if its total is not the size that the
// set's metadata tells as of the same moment, if a bucket that is cut in two has not as many elements as it
// should, and if a write has failed. What the caller finds in the bucket is the database's own.
//
// Thread-safe. May use: base, the other files of store/.
#ifndef KVFENCE_STORE_ZSET_RANKS_H
#define KVFENCE_STORE_ZSET_RANKS_H

#include "base/buffer.h"

#include <stdint.h>

struct collection;
struct store;
struct zset_ranks;

// Keeps indexes of at most so many bytes together. 0: none; NULL is returned, and fine everywhere below.
struct zset_ranks *zset_ranks_open(size_t bytes);
void zset_ranks_close(struct zset_ranks *ranks);

struct zset_ranks_figures {
    uint64_t bytes;   // in use
    uint64_t answers; // found with an index
    uint64_t built;   // indexes
};
struct zset_ranks_figures zset_ranks_figures_now(const struct zset_ranks *ranks);

// --- Asking ---

enum zset_ranks_answer {
    ZSET_RANKS_UNKNOWN, // walk
    ZSET_RANKS_NEWER,   // than the session's snapshot: take another one and read all anew
    ZSET_RANKS_KNOWN
};

// Walk from the first sub-key that is not less than `first`: it has this rank.
struct zset_rank_place {
    struct buffer first; // to be released
    uint64_t rank;
};

// For a set that was read in a snapshot of the session, or with its key locked for writing. The place is at
// or before the element of this rank, which is less than the set's size; or at or before this sub-key,
// present or not. Both need not be walked far from there.
enum zset_ranks_answer zset_ranks_of_rank(const struct collection *set, uint64_t rank,
                                          struct zset_rank_place *out);
enum zset_ranks_answer zset_ranks_of_sub_key(const struct collection *set, struct bytes sub_key,
                                             struct zset_rank_place *out);

// So many steps are worth an index of a set of this size. A walk that is given up for one goes so far first.
uint64_t zset_ranks_steps_worth(uint64_t size);
// So many elements have been, or would have to be, walked over because a rank is not known. True if the index
// was made for that: ask again. Takes as long as a walk over the whole set then.
bool zset_ranks_note_walk(const struct collection *set, uint64_t steps);

// --- Changing ---

enum zset_ranks_writer {
    ZSET_RANKS_OWN,    // a command of this server, which keeps to 2.
    ZSET_RANKS_ANYBODY // changes may be of any kind
};
// Each begin has its end. `written`: the batch is in the database now.
void zset_ranks_change_begin(struct store *store, struct bytes batch, enum zset_ranks_writer writer);
void zset_ranks_change_end(struct store *store, bool written);

// Drops all indexes.
void zset_ranks_forget(struct zset_ranks *ranks);

#endif
