// SPDX-License-Identifier: Apache-2.0
//
// Tailing RocksDB's write-ahead log. RocksDB's own iterator over the log stops at the end of the file that it
// reads, and can lose its place where a record was only half in the file when it looked. So nothing beyond
// what is known to be flushed is asked for, and an iterator that does not deliver what must be there is
// replaced by a new one. Uses: base, the other files of store/.
#include "store/log_tail.h"

#include "base/log.h"
#include "base/memory.h"
#include "store/store_internal.h"
#include "store/write_batch.h"

#include <inttypes.h>
#include <stdlib.h>

struct log_tail {
    struct store *store;
    uint64_t next;
    rocksdb_wal_iterator_t *iterator; // NULL: to be made anew
    rocksdb_writebatch_t *batch;      // the one handed out last
};

struct log_tail *log_tail_open(struct store *store, uint64_t next) {
    struct log_tail *tail = memory_allocate_zeroed(1, sizeof(*tail));
    tail->store = store;
    tail->next = next;
    return tail;
}

static void drop_batch(struct log_tail *tail) {
    if (tail->batch != NULL)
        rocksdb_writebatch_destroy(tail->batch);
    tail->batch = NULL;
}

static void drop_iterator(struct log_tail *tail) {
    if (tail->iterator != NULL)
        rocksdb_wal_iter_destroy(tail->iterator);
    tail->iterator = NULL;
}

void log_tail_close(struct log_tail *tail) {
    if (tail == NULL)
        return;
    drop_batch(tail);
    drop_iterator(tail);
    free(tail);
}

uint64_t log_tail_position(const struct log_tail *tail) {
    return tail->next;
}

static bool make_iterator(struct log_tail *tail) {
    char *reason = NULL;
    drop_iterator(tail);
    tail->iterator = rocksdb_get_updates_since(tail->store->database, tail->next, NULL, &reason);
    if (reason != NULL) {
        log_debug("the log cannot be read from sequence number %" PRIu64 " on: %s", tail->next, reason);
        free(reason);
        tail->iterator = NULL;
        return false;
    }
    return tail->iterator != NULL;
}

// The batch under the iterator, if it is the one that comes next. Its changes are taken as read.
static bool take_batch(struct log_tail *tail, struct bytes *out) {
    struct write_batch_header header;
    uint64_t sequence = 0;
    if (tail->iterator == NULL || !rocksdb_wal_iter_valid(tail->iterator))
        return false;
    tail->batch = rocksdb_wal_iter_get_batch(tail->iterator, &sequence);
    out->data = rocksdb_writebatch_data(tail->batch, &out->length);
    if (sequence != tail->next || !write_batch_header(*out, &header))
        return false;
    tail->next += header.count;
    return true;
}

// False: the iterator has lost its place, or has come to the end of its file.
static bool go_on(struct log_tail *tail, struct bytes *out) {
    if (tail->iterator == NULL)
        return false;
    rocksdb_wal_iter_next(tail->iterator);
    return take_batch(tail, out);
}

enum log_tail_result log_tail_next(struct log_tail *tail, struct bytes *batch) {
    enum { ATTEMPTS = 3 }; // a file can be moved to the archive between being listed and being opened
    drop_batch(tail);
    if (!write_ahead_log_covers(tail->store->log, tail->next))
        return LOG_TAIL_NOTHING_YET;
    if (go_on(tail, batch))
        return LOG_TAIL_BATCH;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        drop_batch(tail);
        if (make_iterator(tail) && take_batch(tail, batch))
            return LOG_TAIL_BATCH;
    }
    drop_batch(tail);
    drop_iterator(tail);
    return LOG_TAIL_GAP;
}

bool log_tail_is_available(struct store *store, uint64_t next) {
    if (next > store_latest_sequence(store))
        return next == store_latest_sequence(store) + 1;
    struct log_tail *tail = log_tail_open(store, next);
    struct bytes batch;
    // What is not in the file yet has just been written: a batch of this process, which is whole.
    bool available = log_tail_next(tail, &batch) != LOG_TAIL_GAP;
    log_tail_close(tail);
    return available;
}
