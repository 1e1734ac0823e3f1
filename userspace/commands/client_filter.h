// SPDX-License-Identifier: Apache-2.0
//
// Which clients CLIENT LIST and CLIENT KILL mean. May use: server/client, server/server.
#ifndef KVFENCE_COMMANDS_CLIENT_FILTER_H
#define KVFENCE_COMMANDS_CLIENT_FILTER_H

#include "server/client.h"

enum client_type {
    CLIENT_TYPE_ANY,
    CLIENT_TYPE_NORMAL,
    CLIENT_TYPE_MASTER,
    CLIENT_TYPE_REPLICA,
    CLIENT_TYPE_PUBSUB
};

// Zero-initialised matches every client. What it points to is borrowed.
struct client_filter {
    enum client_type type;
    const uint64_t *ids; // ascending: any of these, unless id_count is 0
    size_t id_count;
    struct bytes address, local_address; // unless .data is NULL
    uint64_t skipped_id;                 // never this one; 0: none is skipped
    uint64_t connected_until_us;         // by clock_duration_us(); 0: whenever
};

// Reads NORMAL, MASTER, REPLICA or SLAVE, PUBSUB in argument `index`. If it is none, replies with the error.
bool client_type_argument(struct command_context *context, size_t index, enum client_type *type);
// Asks for any of these ids, which are put in order and stay the caller's.
void client_filter_set_ids(struct client_filter *filter, uint64_t *ids, size_t count);
// Holds the registry's lock: the fields that it reads are the shared ones.
bool client_filter_matches(const struct client_filter *filter, const struct client *client);

#endif
