// SPDX-License-Identifier: Apache-2.0
//
// Copies of the whole database (replication/copies.h) for replicas that cannot go on by the log; making one
// stops nobody. Each connection has a thread of its own; all together send no more than max-replication-mb a
// second. Thread-safe. May use: base, store, server/config.
//
// As Kvrocks has it, a list is the names joined by commas, and a file is its size in a line and its bytes. In
// the verified form, which only a kvfence asks for, the list is the database's identity, ":", the copy's
// number, a blank, and the names each with ":" and its size; the number is named with the files; and a file's
// bytes are followed by a line with its CRC-32C as eight hexadecimal digits.
#ifndef KVFENCE_REPLICATION_SNAPSHOTS_H
#define KVFENCE_REPLICATION_SNAPSHOTS_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct config;
struct snapshots;
struct store;

struct snapshots *snapshots_open(const struct config *config);
// After snapshots_stop().
void snapshots_close(struct snapshots *snapshots);

// From here on they are given, and again after snapshots_stop(). `patience_ms`: how long a receiver may take
// no byte.
void snapshots_start(struct snapshots *snapshots, struct store *store, int patience_ms);
// Ends all threads and waits for them, and deletes the copies.
void snapshots_stop(struct snapshots *snapshots);
// Deletes copies that nobody has asked for in a while. From one thread, often.
void snapshots_tick(struct snapshots *snapshots);

struct snapshot_request {
    struct bytes names; // of files, joined by commas
    bool verified;
    uint64_t number; // of the copy whose list had them; 0: it is not said, as by a Kvrocks
};
// Both take over the socket, and close it at the end. The names are copied.
void snapshots_send_list(struct snapshots *snapshots, int fd, bool verified);
void snapshots_send_files(struct snapshots *snapshots, int fd, const struct snapshot_request *request);

#endif
