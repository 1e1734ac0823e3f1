// SPDX-License-Identifier: Apache-2.0
//
// The replicas that this node serves. Each is fed by a thread of its own, which reads the write-ahead log
// from the file and sends it on, so that clients are not slowed and a slow replica costs no memory.
// Thread-safe. May use: base, store.
#ifndef KVFENCE_REPLICATION_REPLICAS_H
#define KVFENCE_REPLICATION_REPLICAS_H

#include "store/history.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replicas;
struct store;

// Whether a replica can go on from here. NULL: it can; else the error, without its leading '-'. Asked by the
// thread that feeds it, as it may have to read much of the log: the database is the one that it is fed from,
// and is not replaced meanwhile.
struct replica_request;
typedef const char *replicas_admit_function(void *context, const struct replica_request *request);
// NULL: everybody is fed.
struct replicas *replicas_open(replicas_admit_function *admit, void *context);
// After replicas_stop().
void replicas_close(struct replicas *replicas);

// From here on replicas are taken in, and again after replicas_stop(). A replica that takes no byte for
// `patience_ms`, or acknowledges nothing though it can, is cut off.
void replicas_start(struct replicas *replicas, struct store *store, int patience_ms);
// Ends all threads and waits for them, and takes nobody in until the next start. Ends all waits.
void replicas_stop(struct replicas *replicas);

// What a replica has said about itself.
struct replica_announcement {
    char host[256]; // empty: as the connection tells
    uint16_t port;  // 0: as the connection tells
};
struct replica_request {
    char history[HISTORY_ID_LENGTH + 1]; // whose writes it has; empty: it does not say
    uint64_t next;                       // the first sequence number that it lacks
    struct replica_announcement announcement;
};
// Takes over the socket, answers, and feeds it if it is admitted. False: the socket is closed, as none is
// taken in at the moment, or too many are. There is no answer then: an error would make the replica copy
// everything.
bool replicas_add(struct replicas *replicas, int fd, const struct replica_request *request);

// True if there is any. Cheap.
bool replicas_exist(const struct replicas *replicas);

struct replica_view {
    char host[256];
    uint16_t port;
    uint64_t acknowledged; // by a replica that acknowledges; else what it was sent
};
// Up to `room` of those that are fed; returns how many there are.
size_t replicas_view(struct replicas *replicas, struct replica_view *views, size_t room);

// How many have acknowledged everything up to the sequence number.
size_t replicas_acknowledged(struct replicas *replicas, uint64_t sequence);

// Calls done(context) once, from any thread, as soon as `count` replicas have acknowledged the sequence
// number, or when all waits end. Returns the wait's number; 0: it is so already, and done() is not called.
typedef void replicas_done_function(void *context);
uint64_t replicas_wait(struct replicas *replicas, uint64_t sequence, size_t count,
                       replicas_done_function *done, void *context);
// False: done() has been called, or is about to be.
bool replicas_cancel_wait(struct replicas *replicas, uint64_t wait);
// Calls done() of all of them: the node is no master any more.
void replicas_end_waits(struct replicas *replicas);
// Lets all replicas go without waiting for it: they come back, and see what this node is now.
void replicas_send_away(struct replicas *replicas);

#endif
