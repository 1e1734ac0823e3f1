// SPDX-License-Identifier: Apache-2.0
//
// What the files of a session share: session*.c, commit.c, apply.c and key_iterator.c. May use: base, store.
#ifndef KVFENCE_STORE_SESSION_INTERNAL_H
#define KVFENCE_STORE_SESSION_INTERNAL_H

#include "base/buffer.h"
#include "store/session.h"
#include "store/staging.h"
#include "store/store_internal.h"

enum session_state { SESSION_IDLE, SESSION_WRITING, SESSION_WRITING_EXCLUSIVE };

// The log data that the changes of a batch stand behind.
struct batch_name {
    bool is_put;
    enum value_type type;
    enum log_command command;
    bool has_words;
};

struct store_session {
    struct store *store;
    size_t index;
    struct session_counters *counters;
    enum session_state state;
    struct key_lock_set locked;

    struct staging staging;
    uint64_t reads_before_gathering;
    uint64_t writes;        // gathered commands before the savepoint that have staged something
    struct batch_name name; // of what was staged last
    size_t staged;
    size_t staged_bytes; // keys and values that are staged, with what RocksDB adds to them
    size_t staged_most;  // more is refused
    bool is_overfull;    // and has been refused: nothing of this can be committed
    size_t staged_at_savepoint;
    struct batch_name name_at_savepoint;
    struct read_changes changes; // what the staged will change; may be more, after a return to a savepoint

    bool tracks_keys;
    bool tracked_all;
    struct buffer tracked; // length (size_t) and bytes of each staged user key
    size_t last_tracked;   // where the last one of them begins
    size_t tracked_at_savepoint, last_tracked_at_savepoint;

    struct buffer key; // the encoded key of the current call
    rocksdb_readoptions_t *read;
    rocksdb_readoptions_t *read_snapshot;
    const rocksdb_snapshot_t *snapshot;
    uint64_t snapshot_has;      // all that was written up to this sequence number
    uint64_t snapshot_may_have; // and maybe more, but nothing behind this one

    bool round_read, round_wrote;
    uint64_t round_era; // of its first write
    uint64_t reads;
    char error[STORE_ERROR_SIZE];
    char settle_error[STORE_ERROR_SIZE];
};

static inline bool session_in_transaction(const struct store_session *session) {
    return session->staging.form == STAGING_INDEXED;
}
static inline bool session_gathers(const struct store_session *session) {
    return session->staging.form == STAGING_LIST;
}

// Collects for the read cache that the key of this family, as encoded, will be changed.
void session_note_change(struct store_session *session, uint32_t family, struct bytes raw_key);

bool session_has_staged_since_savepoint(const struct store_session *session);

// The read options that the session's reads use now.
const rocksdb_readoptions_t *session_read_options(const struct store_session *session);

// Frees what a long key or many of them have made the session's buffers grow to. Between commands.
void session_give_back_memory(struct store_session *session);

// Keeps RocksDB's error text for session_error(), frees it, and returns STORE_FAILED.
enum store_status session_failed(struct store_session *session, const char *what, char *reason);
// The same for a read, and logs it.
enum store_status session_read_failed(struct store_session *session, char *reason);

// A stored entry that no version known here has written.
enum store_status session_not_understood(struct store_session *session);

// A read has found this key dead: it is counted, and told to who deletes such keys.
void session_note_dead(struct store_session *session, struct bytes key);

#endif
