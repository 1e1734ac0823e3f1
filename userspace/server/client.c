// SPDX-License-Identifier: Apache-2.0
//
// What happens to a client regardless of its socket: flags, closing, waiting. Uses: client, server, worker.
#include "server/client.h"

#include "server/authentication.h"
#include "server/server.h"
#include "server/worker.h"

bool client_must_authenticate(const struct client *client) {
    return !client->authenticated && authentication_required(client->server->authentication);
}

void client_show(struct client *client, enum client_shown flag, bool on) {
    uint32_t flags = atomic_load_explicit(&client->flags_shown, memory_order_relaxed);
    flags = on ? flags | (uint32_t)flag : flags & ~(uint32_t)flag;
    atomic_store_explicit(&client->flags_shown, flags, memory_order_relaxed);
}

void client_show_queue(struct client *client, int count, size_t memory) {
    atomic_store_explicit(&client->multi_shown, count, memory_order_relaxed);
    atomic_store_explicit(&client->multi_memory, memory, memory_order_relaxed);
}

void client_kill(struct client *client) {
    client->closing = true;
    client_show(client, SHOWN_CLOSING, true);
    worker_mark_pending(client->worker, client);
}

void client_hand_over(struct client *client, client_heir_function *heir, void *context) {
    client->heir = heir;
    client->heir_context = context;
    client->close_after_reply = true;
    worker_mark_pending(client->worker, client);
}

void client_block(struct client *client) {
    client->wait = CLIENT_BLOCKED;
    client_show(client, SHOWN_BLOCKED, true);
}

boot_ns_t client_command_arrived(struct client *client, const struct wall_reading *now) {
    return arrival_of_command(&client->arrival, request_parser_following(client->parser), now);
}

void client_unblock(struct client *client) {
    client_show(client, SHOWN_BLOCKED, false);
    worker_resume_client(client->worker, client);
}
