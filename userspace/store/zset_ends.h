// SPDX-License-Identifier: Apache-2.0
//
// Where sorted sets begin and end. A set from whose end elements are taken, one after the other, leaves a
// tombstone there for each, and a walk from that end passes them all, until they have been compacted: popping
// n elements would take n^2 steps. So whoever has walked from an end remembers here what it met first, and
// the next walk begins there.
//
// What is remembered is a bound: before the first (behind the last) there is nothing, committed or staged.
// That holds because
// 1. it is learned with the key's lock held, by a session that has staged nothing: nobody else can have
//    staged an element then; or by a watch, which see;
// 2. who stages an element widens the bounds before it is committed, with the key's lock held;
// 3. deleting elements makes no bound wrong, and a set that is made anew has another version;
// 4. writes that take no keys' locks, the master's changes and another database, make all bounds unknown, and
//    there are none until they are done.
//
// It holds for who reads the newest state, and for a snapshot if it was learned before that was taken: what
// has been taken away since is still there for an older one. So a bound is found by the sequence number up to
// which the reader sees the database, and of the ones learned before the newest, two are kept for those whom
// it comes too late.
//
// A reader, who has no lock, can learn a bound by a watch: from its beginning on what is staged is noted. If
// after that nobody is inside the set's key for one moment, then whatever is staged from there on is noted,
// and whatever was staged before is to be seen by an iterator that is opened after that: its first element,
// or the first one that was noted, is the bound.
//
// A table of a fixed size, in which two sets may contend for a place: bounds may be forgotten at any time.
// Thread-safe. May use: base, store/key_hash.
#ifndef KVFENCE_STORE_ZSET_ENDS_H
#define KVFENCE_STORE_ZSET_ENDS_H

#include "base/buffer.h"

#include <stdint.h>

struct zset_ends;
enum zset_end { ZSET_FIRST, ZSET_LAST };

struct zset_ends *zset_ends_open(void);
void zset_ends_close(struct zset_ends *ends); // NULL is fine

// A set is known by what all its keys in FAMILY_ZSET_SCORE begin with, version included.
//
// Appends the sub-key that bounds this end, for who sees everything up to this sequence number, to `sub_key`.
// False: it is not known.
bool zset_ends_find(struct zset_ends *ends, struct bytes set, enum zset_end end, uint64_t sequence,
                    struct buffer *sub_key);
// Changes of the kind below that have begun or ended so far.
uint64_t zset_ends_generation(const struct zset_ends *ends);
// There is nothing beyond the sub-key for who sees at least everything up to this sequence number. Generation
// is what it was before that was looked at.
void zset_ends_learn(struct zset_ends *ends, struct bytes set, enum zset_end end, uint64_t generation,
                     uint64_t sequence, struct bytes sub_key);
// The sub-key may be in the set from now on.
void zset_ends_widen(struct zset_ends *ends, struct bytes set, struct bytes sub_key);

// Around a write that takes no keys' locks; one at a time.
void zset_ends_change_begin(struct zset_ends *ends);
void zset_ends_change_end(struct zset_ends *ends);

// A reader has met something else than the bound. True if that has been so often enough for a watch.
bool zset_ends_note_passed(struct zset_ends *ends, struct bytes set);
// The number of a new watch; 0: there is another one.
uint64_t zset_ends_watch_begin(struct zset_ends *ends, struct bytes set, enum zset_end end);
// What was met first, by who sees everything up to at most this sequence number. Empty: nothing was.
void zset_ends_watch_end(struct zset_ends *ends, uint64_t watch, struct bytes set, uint64_t sequence,
                         struct bytes sub_key);

#endif
