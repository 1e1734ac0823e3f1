// SPDX-License-Identifier: Apache-2.0
//
// A hash, list, set or sorted set within one command: its metadata as read, changed in memory and staged once
// at the end, and its sub-keys. Deleting or overwriting a collection touches only its metadata: a new one of
// the same name has a new version, so the old sub-keys are out of reach, and compaction removes them. Not
// thread-safe. May use: base, store/session.
//
// A command that may look at a sub-key which it has staged itself, as HSET key f 1 f 2 f 3 does, calls
// collection_read_own_writes() before it stages anything.
#ifndef KVFENCE_STORE_COLLECTION_H
#define KVFENCE_STORE_COLLECTION_H

#include "store/session.h"

// What a type adds behind the metadata header: a list's head and tail; a stream's ids and counters are the
// most.
enum { COLLECTION_EXTRA_MAX = 96 };

struct collection {
    struct store_session *session;
    struct bytes key;         // borrowed: must outlive it
    struct metadata metadata; // size is changed by collection_put() and collection_delete()'s callers
    bool existed;             // when it was opened
    char extra[COLLECTION_EXTRA_MAX];
    size_t extra_length;
};

// For reading: STORE_OK, STORE_NOT_FOUND, STORE_WRONG_TYPE or STORE_FAILED. There is nothing to close.
enum store_status collection_open(struct store_session *session, struct bytes key, enum value_type type,
                                  wall_ms_t now, struct collection *out);
// For writing, with the key's lock held: an absent one is opened as an empty new one, STORE_OK.
enum store_status collection_open_for_write(struct store_session *session, struct bytes key,
                                            enum value_type type, wall_ms_t now, struct collection *out);
// Opens an empty new one in place of whatever the key holds: for ...STORE commands.
void collection_open_anew(struct store_session *session, struct bytes key, enum value_type type,
                          struct collection *out);

// From here to the end of the command (of the transaction) collection_get() and collection_has() see what is
// staged; outside of a transaction the command iterates nothing.
void collection_read_own_writes(struct store_session *session);

// One sub-key: STORE_OK, STORE_NOT_FOUND or STORE_FAILED. Release the value when STORE_OK was returned.
enum store_status collection_get(const struct collection *collection, struct bytes sub_key,
                                 struct store_value *out);
enum store_status collection_has(const struct collection *collection, struct bytes sub_key);

// Stage one sub-key; metadata.size is the caller's to keep. FAMILY_ZSET_SCORE is a sorted set's second index:
// put there only what is not there, and delete only what is, as ranks are counted by that
// (store/zset_ranks.h). What is there is what the database and the changes staged before make of it.
void collection_put(struct collection *collection, enum column_family family, struct bytes sub_key,
                    struct bytes value);
void collection_delete(struct collection *collection, enum column_family family, struct bytes sub_key);

// Stages the metadata: call once, after all changes, if there were any. An empty collection is deleted.
void collection_save(struct collection *collection);

// Stages a copy of the whole collection, whatever its type, under another key, in place of what is there;
// with the same expiry. Both keys' locks are held. STORE_OK or STORE_FAILED.
enum store_status collection_copy(const struct collection *from, struct bytes key);

// Walks the sub-keys in the order of their bytes, forwards or backwards, as of the moment it was opened (in a
// snapshot: of that; in a transaction: with what was staged before). Stage nothing while one is open in a
// transaction: RocksDB forbids it.
struct collection_iterator;
struct collection_iterator *collection_iterator_open(const struct collection *collection,
                                                     enum column_family family);
// For a sorted set's second index: seeks from its ends begin where the elements do, however many were taken
// away there (store/zset_ends.h). `is_locked`: the key's lock is held.
void collection_iterator_use_ends(struct collection_iterator *iterator, const struct collection *set,
                                  bool is_locked);
// Positions at the first sub-key >= `sub_key`; for walking backwards at the last one <= it.
void collection_iterator_seek(struct collection_iterator *iterator, struct bytes sub_key);
void collection_iterator_seek_back(struct collection_iterator *iterator, struct bytes sub_key);
void collection_iterator_seek_last(struct collection_iterator *iterator);
// The entry at the position after a seek, then the ones behind it (before it). Results are valid until the
// next call. `sub_key` and `value` may be NULL: what nobody wants to have costs nothing. False at the end or
// on an error, which collection_iterator_status() tells.
bool collection_iterator_next(struct collection_iterator *iterator, struct bytes *sub_key,
                              struct bytes *value);
bool collection_iterator_previous(struct collection_iterator *iterator, struct bytes *sub_key,
                                  struct bytes *value);
// Draws an entry at random, each as likely as any other and independent of those before, in a time that grows
// little with the collection's size, whatever it was that was walked over before. The first draw is the
// dearest. False on an error, or if the names of the sub-keys are of a kind that only a walk over all of them
// can draw from.
bool collection_iterator_draw(struct collection_iterator *iterator, struct bytes *sub_key,
                              struct bytes *value);
enum store_status
collection_iterator_status(struct collection_iterator *iterator); // STORE_OK or STORE_FAILED
void collection_iterator_close(struct collection_iterator *iterator);

#endif
