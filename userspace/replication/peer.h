// SPDX-License-Identifier: Apache-2.0
//
// The commands by which a replica talks to a master, as it speaks them: authentication, its own
// announcements, questions. May use: base, replication/link.
#ifndef KVFENCE_REPLICATION_PEER_H
#define KVFENCE_REPLICATION_PEER_H

#include "replication/link.h"

// What a master answers while it puts another database in place of its own. Kvrocks' own words, which its
// replicas compare as a whole line.
#define PEER_LOADING_ERROR "LOADING kvrocks is restoring the db from backup"

// The id that a kvfence names to another one whose data have no id, in the length of an id.
#define PEER_NO_ID "----------------"

// Sends the words and reads the one line of the answer.
bool peer_ask(struct link *link, const struct bytes *words, size_t count, struct bytes *line);
// True if that line is +OK; otherwise link->error tells what it was.
bool peer_ask_ok(struct link *link, const struct bytes *words, size_t count);
// Gives the password, if there is one.
bool peer_authenticate(struct link *link, const char *password);

// A master that is a kvfence, too, understands a few things that Kvrocks does not. It is asked for by INFO,
// so that a Kvrocks is sent nothing that it does not know.
struct peer_kind {
    bool is_kvfence;
    bool is_replica;           // itself
    uint64_t election_version; // the highest that it has seen; 0: none
};
bool peer_ask_kind(struct link *link, struct peer_kind *out);

#endif
