// SPDX-License-Identifier: Apache-2.0
//
// Where sorted sets begin and end. A set from whose end elements are taken, one after the other, leaves a
// tombstone there for each, and a walk from that end passes them all, until they have been compacted: popping
// n elements would take n^2 steps. So whoever has walked from an end remembers here what it met first, and
// the next walk begins there.
//
// What is remembered is a bound: before the first (behind the last) there is nothing, committed or staged.
// That holds because
// 1. it is learned only with the key's lock held, by a session that has staged nothing: nobody else can have
//    staged an element then;
// 2. who stages an element widens the bounds before it is committed, with the key's lock held;
// 3. deleting elements makes no bound wrong, and a set that is made anew has another version;
// 4. writes that take no keys' locks, the master's changes and another database, forget all bounds.
//
// A table of a fixed size, in which two sets may contend for a place: bounds may be forgotten at any time.
// Thread-safe. May use: base, store/key_hash.
#ifndef KVFENCE_STORE_ZSET_ENDS_H
#define KVFENCE_STORE_ZSET_ENDS_H

#include "base/buffer.h"

struct zset_ends;
enum zset_end { ZSET_FIRST, ZSET_LAST };

struct zset_ends *zset_ends_open(void);
void zset_ends_close(struct zset_ends *ends); // NULL is fine

// A set is known by what all its keys in FAMILY_ZSET_SCORE begin with, version included.
//
// Appends the sub-key that bounds this end to `sub_key`. False: it is not known.
bool zset_ends_find(struct zset_ends *ends, struct bytes set, enum zset_end end, struct buffer *sub_key);
// There is nothing beyond the sub-key.
void zset_ends_learn(struct zset_ends *ends, struct bytes set, enum zset_end end, struct bytes sub_key);
// The sub-key may be in the set from now on.
void zset_ends_widen(struct zset_ends *ends, struct bytes set, struct bytes sub_key);
void zset_ends_forget(struct zset_ends *ends);

#endif
