// SPDX-License-Identifier: Apache-2.0
//
// Turns keys into the ordinary commands that make them anew on another node, and what has changed of them
// into those that follow the change; and sends these in pipelines, no faster than is asked. Not thread-safe.
// May use: base, store, cluster/{destination,slot_journal}.
#ifndef KVFENCE_CLUSTER_KEY_SENDER_H
#define KVFENCE_CLUSTER_KEY_SENDER_H

#include "cluster/destination.h"
#include "cluster/slot_journal.h"
#include "store/session.h"

struct key_sender {
    struct destination *destination;
    size_t pipeline;         // commands that are sent together
    uint64_t speed;          // commands a second; 0: as many as can be
    uint64_t last_sent_us;   // by clock_duration_us()
    uint64_t keys, commands; // that have been sent
    char error[DESTINATION_ERROR_SIZE];
};

// Each is false with the reason in sender->error. Keys are read as of the session's snapshot, if it has one.

// The whole key as the session reads it. `replaces`: something else may be there.
bool key_send(struct key_sender *sender, struct store_session *session, struct bytes key, bool replaces);
// What `before`'s snapshot has is there already: brings it to what `now` reads.
bool key_send_change(struct key_sender *sender, struct store_session *before, struct store_session *now,
                     const struct changed_key *key);
// What has been collected is sent, and has been taken when it returns.
bool key_send_rest(struct key_sender *sender);

#endif
