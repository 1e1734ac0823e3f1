// SPDX-License-Identifier: Apache-2.0
//
// A session is one worker thread's way into the store: what its commands read, stage, commit and settle. The
// life of a write command, driven by the dispatcher and not by the command itself:
//
//   session_write_begin(keys)   role guard shared, the keys' stripes locked
//     store_read() ...          see what is there
//     stage_...()               put changes into the batch; nothing is visible to anyone yet
//   store_commit()              the one way to RocksDB: check, then write; visible to all from here on
//   session_write_end()         unlocks
//   ... more commands ...
//   store_settle()              the one way for replies to leave: WAL flushed, check again
//
// EXEC differs in that its commands' changes go into one indexed batch through which they also read
// (session_transaction_begin), and are committed together. So are small commands that a client sends without
// waiting for replies (session_gather_begin). Not thread-safe: one thread a session.
// May use: base, store/encoding, store/store.
#ifndef KVFENCE_STORE_SESSION_H
#define KVFENCE_STORE_SESSION_H

#include "store/encoding.h"
#include "store/store.h"

struct store_session;

// `index` is 0 to store_config.sessions - 1, in use by no other session.
struct store_session *session_open(struct store *store, size_t index);
void session_close(struct store_session *session);
struct store *session_store(const struct store_session *session);
// Call once on a thread that will use sessions much: makes RocksDB cheaper there.
void session_prepare_thread(void);

enum store_status {
    STORE_OK,
    STORE_NOT_FOUND,
    STORE_WRONG_TYPE,
    STORE_REFUSED, // the check said no; nothing was written
    STORE_FAILED   // RocksDB or the disk said no, or what is stored cannot be understood
};
// For STORE_WRONG_TYPE, STORE_REFUSED and STORE_FAILED the error reply without its leading '-'. Valid until
// the session's next call.
const char *session_error(const struct store_session *session, enum store_status status);

// --- Writing, driven by the dispatcher ---

// Enters the role guard, shared, and locks the keys' stripes. Blocks. `keys` need not outlive the call.
void session_write_begin(struct store_session *session, const struct bytes *keys, size_t count);
// Takes the role guard exclusively: no other write command runs meanwhile. For FLUSHALL and the like.
void session_write_begin_exclusive(struct store_session *session);
// Drops what is staged and not committed, and unlocks.
void session_write_end(struct store_session *session);

// From here to session_write_end() reads see what is staged. Call after session_write_begin*().
void session_transaction_begin(struct store_session *session);

// The same for commands that open no iterators, and faster. session_gather_more() can lock the keys of
// further commands, which see what those before them have staged. Call after session_write_begin(), with
// nothing staged.
void session_gather_begin(struct store_session *session);
// Locks the keys of one more command. False if somebody else holds one of them: nothing is locked then, and
// waiting for it with other keys locked could last for ever.
bool session_gather_more(struct store_session *session, const struct bytes *keys, size_t count);
// True when it is time to commit: finding what is staged, and others who want the keys, would wait too long.
bool session_gather_is_full(const struct store_session *session);

// True if more was staged than a session holds: the excess is dropped, and store_commit() will fail.
bool session_is_overfull(const struct store_session *session);
bool session_has_staged(const struct store_session *session);
// From here to session_write_end() the user keys that are staged are remembered, for those who watch them.
void session_track_keys(struct store_session *session);
// Calls `each` for every remembered key that the last store_commit() wrote; `all` if everything was deleted.
void session_each_committed_key(struct store_session *session,
                                void (*each)(void *context, struct bytes key, bool all), void *context);
// Calls `each` for every remembered key that has been staged since the last savepoint, or since the
// beginning; one is told more than once if others were staged between. To session_write_end().
void session_each_staged_key(struct store_session *session,
                             void (*each)(void *context, struct bytes key, bool all), void *context);
// In a transaction, and while gathering: marks what is staged, and drops what was staged since: a command
// among several that failed half way.
void session_savepoint(struct store_session *session);
void session_rollback_to_savepoint(struct store_session *session);

// The only way for a client's write into RocksDB: asks the check, then writes what is staged, as one batch.
// If more was staged than a session holds (1 GiB), that fails. STORE_OK (also with nothing staged),
// STORE_REFUSED or STORE_FAILED; in the latter two nothing was written.
enum store_status store_commit(struct store_session *session);

enum settle_result {
    SETTLED, // all that the round wrote or saw is flushed (and synced, if so configured): replies may leave
    SETTLE_LATE, // flushed, but the check says no: who wrote in this round must not be told that it succeeded
    SETTLE_FAILED // could not be flushed: nobody who wrote or read data in this round may be answered
};
// The only way for replies to leave: call once at the end of a worker's round, before anything is sent.
enum settle_result store_settle(struct store_session *session);
// The error text for SETTLE_LATE and SETTLE_FAILED, without its leading '-'; valid until the next settle.
const char *session_settle_error(const struct store_session *session);
// What leaves at the end of this round tells of data that somebody else has committed: settle as after a
// read.
void session_note_read(struct store_session *session);
// True if the current round has read data or committed so far: what a late or failed settle concerns.
bool session_round_read(const struct store_session *session);
bool session_round_wrote(const struct store_session *session);
// How many reads of data the session has made since it was opened: unchanged over a command, it read none.
uint64_t session_reads(const struct store_session *session);

// --- Reading ---

// From here to session_snapshot_end() all reads see one moment (in a transaction: that moment and what is
// staged). Nesting is not allowed.
void session_snapshot_begin(struct store_session *session);
void session_snapshot_end(struct store_session *session);

// One key's metadata entry. Release it when STORE_OK or STORE_WRONG_TYPE was returned.
struct store_value {
    struct metadata metadata;
    struct bytes raw;     // the whole entry as stored
    struct bytes payload; // what follows the metadata header: a string's value
    void *pin;            // holds `raw` in memory: a rocksdb_pinnableslice_t, or malloc'ed memory
    bool pin_is_slice;
};

// Reads a key of any type: STORE_OK, STORE_NOT_FOUND (absent or dead at `now`) or STORE_FAILED. Counts hits
// and misses.
enum store_status store_read(struct store_session *session, struct bytes key, wall_ms_t now,
                             struct store_value *out);
// The same, and STORE_WRONG_TYPE (already released) if it is not a `type`.
enum store_status store_read_typed(struct store_session *session, struct bytes key, enum value_type type,
                                   wall_ms_t now, struct store_value *out);
// Reads one sub-key of a collection: its value is both `raw` and `payload`, and `metadata` is zero. STORE_OK,
// STORE_NOT_FOUND or STORE_FAILED. Counts nothing.
enum store_status store_read_sub_key(struct store_session *session, enum column_family family,
                                     struct bytes key, uint64_t version, struct bytes sub_key,
                                     struct store_value *out);
void store_value_release(struct store_value *value); // may be called twice
// As a release function for a reply that outlives the command: takes over the pin. Thread: any.
void store_value_take_pin(struct store_value *value, void (**release)(void *), void **owner);

// True if the key lives at `now`: as store_read() without the value. Counts nothing.
enum store_status store_exists(struct store_session *session, struct bytes key, wall_ms_t now);

// True if the key is there and its time is over at `now`. Counts nothing.
bool store_has_expired(struct store_session *session, struct bytes key, wall_ms_t now);

// --- Staging ---

// In front of changes a batch has log data: their type, for some the command that made them, and words of its
// arguments. Kvrocks' tools, of which one feeds a Redis from the log, make commands of the changes again by
// them. The stage_...() functions name the type whenever it changes; what Kvrocks wants to know beyond that
// is said before. Its numbers.
enum log_command {
    LOG_LSET = 0,
    LOG_LINSERT = 1,
    LOG_LTRIM = 2,
    LOG_LPOP = 3,
    LOG_RPOP = 4,
    LOG_LREM = 5,
    LOG_LPUSH = 6,
    LOG_RPUSH = 7,
    LOG_EXPIRE = 8,
    LOG_LMOVE = 12,
    LOG_NOTHING = -1 // the type alone
};
// Up to the first change of another type. Nothing is put if that has been the last name, without words.
void stage_name(struct store_session *session, enum value_type type, enum log_command command,
                const struct bytes *words, size_t count);

// Puts a string; its value is the concatenation of `parts`, which are copied into the batch.
void stage_string(struct store_session *session, struct bytes key, wall_ms_t expire_ms,
                  const struct bytes *parts, size_t part_count);
// Puts the entry again under another key: RENAME and COPY of strings.
void stage_entry(struct store_session *session, struct bytes key, const struct metadata *metadata,
                 struct bytes payload);
// The same for one that has a new expiry, under the name of EXPIRE.
void stage_expiry(struct store_session *session, struct bytes key, const struct metadata *metadata,
                  struct bytes payload);
void stage_delete(struct store_session *session, struct bytes key);
// Deletes every key. Outside a transaction one range tombstone; inside one a delete a key. STORE_OK or
// STORE_FAILED.
enum store_status stage_delete_all(struct store_session *session);
// Deletes every key of the slots `first` to `last`, with keys that hold slots. With the role guard taken, and
// not in a transaction.
void stage_delete_slots(struct store_session *session, uint16_t first, uint16_t last);
// One sub-key of the collection of this name, with its metadata's version and type: for store/collection.h.
void stage_sub_key(struct store_session *session, enum column_family family, struct bytes key,
                   const struct metadata *metadata, struct bytes sub_key, struct bytes value);
void stage_delete_sub_key(struct store_session *session, enum column_family family, struct bytes key,
                          const struct metadata *metadata, struct bytes sub_key);
// Any family, keys and values as encoded.
void stage_raw_put(struct store_session *session, enum column_family family, struct bytes key,
                   struct bytes value);
void stage_raw_delete(struct store_session *session, enum column_family family, struct bytes key);

// --- Iterating ---

// Walks the living keys of the namespace in key order, as of the moment it was opened (and through the
// transaction's batch, if there is one). Marks the round as having read.
struct key_iterator;
struct key_iterator *key_iterator_open(struct store_session *session, wall_ms_t now);
// Position at the first key >= `key`, or > `key`; the empty key is the first of all.
void key_iterator_seek(struct key_iterator *iterator, struct bytes key, bool after);
// Position at the first key of a slot, with keys that hold slots; those of the next slot follow it.
void key_iterator_seek_slot(struct key_iterator *iterator, uint16_t slot);
// Moves on to the next living key, whose name and metadata stay valid until the next call. False at the end
// or on an error, which key_iterator_status() tells. *examined (may be NULL) is raised by each entry looked
// at.
bool key_iterator_next(struct key_iterator *iterator, struct bytes *key, struct metadata *metadata,
                       size_t *examined);
// The same for the next key whose time is over.
bool key_iterator_next_expired(struct key_iterator *iterator, struct bytes *key, struct metadata *metadata,
                               size_t *examined);
// Lets key_iterator_next() look at no more than so many further entries, so that it cannot take long however
// many dead ones there are.
void key_iterator_limit(struct key_iterator *iterator, size_t entries);
// True if it was the limit that made key_iterator_next() return false. *last is then the name of the last key
// looked at, dead or alive, valid until the next call: the walk can go on after it.
bool key_iterator_stopped(const struct key_iterator *iterator, struct bytes *last);
enum store_status key_iterator_status(struct key_iterator *iterator); // STORE_OK or STORE_FAILED
void key_iterator_close(struct key_iterator *iterator);

// A key chosen at random among the living ones. Where all but one in some thousand are dead it is the first
// living one behind a random place, for which is looked bit by bit.
struct random_key;
enum random_key_step {
    RANDOM_KEY_FOUND,   // *key is valid until the next call
    RANDOM_KEY_MISSING, // there is none
    RANDOM_KEY_GOES_ON, // look again
    RANDOM_KEY_FAILED   // as session_error() says for STORE_FAILED
};
struct random_key *random_key_open(struct store_session *session, wall_ms_t now);
// Passes 64 dead keys at most; the first look, which tries to draw, some ten thousand.
enum random_key_step random_key_look(struct random_key *random, struct bytes *key);
void random_key_close(struct random_key *random);

#endif
