// SPDX-License-Identifier: Apache-2.0
//
// The replicas that this node serves. Each is fed by a thread of its own, which reads the write-ahead log
// from the file and sends it on, so that clients are not slowed and a slow replica costs no memory.
// Thread-safe. May use: base, store.
#ifndef KVFENCE_REPLICATION_REPLICAS_H
#define KVFENCE_REPLICATION_REPLICAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replicas;
struct store;

struct replicas *replicas_open(void);
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
// Takes over the socket and feeds it from this sequence number on, which the caller has found to be
// available. False: the socket is closed.
bool replicas_add(struct replicas *replicas, int fd, uint64_t next,
                  const struct replica_announcement *announcement);

// True if there is any. Cheap.
bool replicas_exist(const struct replicas *replicas);

struct replica_view {
    char host[256];
    uint16_t port;
    uint64_t acknowledged; // by a replica that acknowledges; else what it was sent
};
// Up to `room` of them; returns how many there are.
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
