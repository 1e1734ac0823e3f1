// SPDX-License-Identifier: Apache-2.0
//
// A client's socket: making and freeing the client, reading requests, sending replies, its limits. Called by
// the worker whose client it is, on that worker's thread. May use: base, store, server.
#ifndef KVFENCE_SERVER_CONNECTION_H
#define KVFENCE_SERVER_CONNECTION_H

#include "server/client.h"
#include "store/session.h"

struct worker;

// A socket as the listener hands it over.
struct accepted_socket {
    int fd;
    bool is_unix_socket;
    boot_ns_t known_empty; // the client had not connected yet, so none of its bytes had come
};

// Takes over the socket, registers the client and starts reading. NULL if that fails; the socket is closed
// then.
struct client *connection_open(struct worker *worker, const struct accepted_socket *accepted);
// Closes the socket, ends its watches, unregisters and frees.
void connection_close(struct client *client);

// Runs the commands that have arrived whole, as far as the client may run.
void connection_run_input(struct client *client);

// At the end of a round: drops what a late or failed settle forbids to send, and sends the rest. The client
// is no longer pending. It must be closed if client->closing is set afterwards.
void connection_finish_round(struct client *client, enum settle_result result);

// Closes the client if it has left more unread than client-output-buffer-limit allows. For who writes more to
// it than its own commands' replies.
void connection_limit_output(struct client *client);

// Once a second: closes the client (sets closing) if it has been idle too long or over its output's soft
// limit.
void connection_check_limits(struct client *client, uint64_t now_us);

#endif
