// SPDX-License-Identifier: Apache-2.0
//
// Reading the write-ahead log from a sequence number on, while it grows: what a master sends to its replicas.
// Only what is in the log's file is read (and synced, if the store syncs): what the file has not got yet
// could still be lost, and a replica must never have what its master has not. One thread a tail; it must be
// closed before the store is closed or its database replaced. May use: base, store/store.
#ifndef KVFENCE_STORE_LOG_TAIL_H
#define KVFENCE_STORE_LOG_TAIL_H

#include "base/bytes.h"

#include <stdint.h>

struct store;
struct log_tail;

// `next` is the first sequence number to be read, where a batch begins.
struct log_tail *log_tail_open(struct store *store, uint64_t next);
void log_tail_close(struct log_tail *tail);

enum log_tail_result {
    LOG_TAIL_BATCH,       // a batch, which is valid until the next call
    LOG_TAIL_NOTHING_YET, // everything has been read
    LOG_TAIL_GAP          // the log does not have what comes next, or not as the beginning of a batch
};
enum log_tail_result log_tail_next(struct log_tail *tail, struct bytes *batch);

// The sequence number that comes next.
uint64_t log_tail_position(const struct log_tail *tail);

// True if a tail can be opened there: the log has a batch that begins with `next`, or it is what will be
// written next. Thread-safe.
bool log_tail_is_available(struct store *store, uint64_t next);

#endif
