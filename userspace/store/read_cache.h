// SPDX-License-Identifier: Apache-2.0
//
// The read cache: copies of metadata entries (strings with their values, collections without their elements)
// that were read lately, under the keys' names. All sessions share it; a hit saves RocksDB's look-up, which
// is most of what a GET costs. It holds small entries only, finds room by dropping the oldest of the few
// entries that share a set with the new one, and what it never holds is an entry older than somebody has
// seen.
//
// Who changes entries tells it before and after:
//
//   read_changes_note() ...     collects which keys, while the batch is made
//   read_cache_change_begin()   their copies are gone, and none can be put in
//     rocksdb_write()           the changes become visible
//   read_cache_change_end()     copies can be put in again
//
// Who reads asks it first. Without a hit there is a ticket, taken before RocksDB is asked; with this the
// answer may be handed in. It is kept if no change of a key of the same set was under way when the ticket was
// taken, and none has begun since.
//
// Why nobody gets an old value. Say E is an entry in the cache, read by R with the ticket T, and C a change
// of that key.
// 1. C had ended when T was taken: R asked RocksDB after C's end, so E has C's value or a newer one.
// 2. C was under way when T was taken, or began before E was put in: then E was not put in.
// 3. C began after E had been put in: beginning it took E out, as both happen under the lock of the set. Any
//    look-up that comes after somebody has seen C's value comes after C's begin, for the value became visible
//    only after that; under the same lock, or through what was seen, it sees that E is gone.
// "After" is C11's "happens before": in one thread by its order, across threads by the set's lock, by the
// atomic state that begin and end change (release) and tickets read (acquire), by RocksDB's publication of
// sequence numbers (the writer releases, readers acquire), and from one client to another by the sockets.
// Nothing depends on the keys' locks: several may change one key at a time here.
//
// Expiry needs no change: who reads judges the entry by its expiry time, wherever it comes from. But what has
// been seen dead is dropped, as compaction may have reclaimed it: if the clock is set back only RocksDB knows
// whether it lives again. A copy may be of a value that is not in the log yet; it counts as a read like
// RocksDB's (session_note_read()).
//
// Thread-safe, but for struct read_changes, which belongs to one thread. Functions take NULL for a cache that
// is off. May use: base, store/key_hash.
#ifndef KVFENCE_STORE_READ_CACHE_H
#define KVFENCE_STORE_READ_CACHE_H

#include "base/bytes.h"

#include <stdint.h>

struct read_cache;

// Of at most so many bytes, which are taken from the system as they fill. NULL if there is no memory.
struct read_cache *read_cache_open(size_t bytes);
void read_cache_close(struct read_cache *cache);
// How many bytes are in use, or have been and can be again.
uint64_t read_cache_usage(const struct read_cache *cache);

// --- Reading ---

// Key and entry that are together longer are not kept.
enum { READ_CACHE_ENTRY_MAX = 476 };

struct read_ticket {
    uint64_t hash;
    uint64_t set_state, cache_state;
    bool is_good;
};

// Copies the key's entry to `out`, and returns its length; 0: it is not there, and *ticket is for
// read_cache_keep(). Never waits: whoever finds the set in use gets nothing.
size_t read_cache_find(struct read_cache *cache, struct bytes key, char out[READ_CACHE_ENTRY_MAX],
                       struct read_ticket *ticket);

// Drops the entry that was found with this ticket.
void read_cache_drop(struct read_cache *cache, const struct read_ticket *ticket);

// Hands in what RocksDB, asked after the ticket was taken, has for the key. It may be kept.
void read_cache_keep(struct read_cache *cache, const struct read_ticket *ticket, struct bytes key,
                     struct bytes entry);

// --- Changing ---

// What a batch changes. Zero-initialised is nothing. Of more than some thousand keys it only remembers that
// there are many, and the whole cache is emptied for them.
struct read_changes {
    uint64_t *hashes;
    uint32_t count, capacity;
    bool all;
};

void read_changes_note(struct read_changes *changes, const struct read_cache *cache, struct bytes key);
void read_changes_note_all(struct read_changes *changes);
void read_changes_clear(struct read_changes *changes); // keeps the memory
void read_changes_release(struct read_changes *changes);

// Each begin has its end, with the same changes, whether they came to pass or not.
void read_cache_change_begin(struct read_cache *cache, const struct read_changes *changes);
void read_cache_change_end(struct read_cache *cache, const struct read_changes *changes);

#endif
