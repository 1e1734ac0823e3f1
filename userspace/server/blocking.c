// SPDX-License-Identifier: Apache-2.0
//
// The waits of clients. Uses: base, store/session, server/{client,key_waits,lease_gate,server,worker}.
#include "server/blocking.h"

#include "base/assert.h"
#include "base/memory.h"
#include "server/lease_gate.h"
#include "server/server.h"
#include "server/worker.h"

#include <event2/event.h>
#include <stdlib.h>

// Who decides how a wait ends: written by the client's worker, and by CLIENT UNBLOCK wherever that runs.
enum wait_state {
    NOT_WAITING,
    WAITING,
    DECIDING, // its worker is about to run the command, or has ended the wait
    ENDED_BY_TIMEOUT,
    ENDED_BY_ERROR
};

struct blocked {
    struct key_wait *wait;
    struct event *timer; // NULL: waits for ever
    bool is_timed_out;
    struct buffer woken_by; // the key
    bool was_woken;         // else it holds nothing
};

// --- Which keys to try ---

static size_t find_key(const struct command_context *context, size_t first, size_t count, struct bytes key) {
    for (size_t i = first; i < first + count; i++) {
        if (bytes_equal(context->arguments[i], key))
            return i;
    }
    return 0;
}

void blocking_keys_begin(const struct command_context *context, size_t first, size_t count,
                         enum value_type type, struct blocking_keys *out) {
    const struct blocked *blocked = context->client->blocked;
    *out = (struct blocking_keys){.first = first, .count = count, .type = type};
    if (blocked != NULL && blocked->was_woken)
        out->woken_by = find_key(context, first, count, buffer_bytes(&blocked->woken_by));
}

static bool is_to_be_tried(struct command_context *context, struct bytes key, enum value_type type) {
    const struct client *client = context->client;
    if (client->in_exec)
        return true;
    if (client->blocked == NULL)
        return key_wait_is_first(client->server->key_waits, NULL, key, type);
    if (!key_wait_is_first(client->server->key_waits, client->blocked->wait, key, type))
        return false;
    struct store_value value;
    enum store_status status = store_read_typed(context->session, key, type, context->now, &value);
    if (status == STORE_OK)
        store_value_release(&value);
    return status != STORE_WRONG_TYPE && status != STORE_NOT_FOUND;
}

// The order: the key that woke it, then the others as they stand.
static size_t next_place(struct blocking_keys *keys) {
    size_t place = keys->tried++;
    if (keys->woken_by == 0)
        return keys->first + place;
    if (place == 0)
        return keys->woken_by;
    size_t index = keys->first + place - 1;
    return index < keys->woken_by ? index : index + 1;
}

bool blocking_keys_next(struct command_context *context, struct blocking_keys *keys, size_t *index) {
    while (keys->tried < keys->count) {
        *index = next_place(keys);
        if (is_to_be_tried(context, context->arguments[*index], keys->type))
            return true;
    }
    return false;
}

// --- Waiting ---

static void on_timeout(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct client *client = argument;
    client->blocked->is_timed_out = true;
    if (!client->closing && (client->wait == CLIENT_BLOCKED || client->wait == CLIENT_PAUSED))
        client_unblock(client);
}

static bool start_timer(struct client *client, uint64_t timeout_ms) {
    struct timeval after = {.tv_sec = (time_t)(timeout_ms / 1000),
                            .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
    if (timeout_ms == 0)
        return true;
    struct blocked *blocked = client->blocked;
    blocked->timer = event_new(worker_event_base(client->worker), -1, 0, on_timeout, client);
    return blocked->timer != NULL && event_add(blocked->timer, &after) == 0;
}

static void begin(struct command_context *context, const struct blocking_keys *keys) {
    struct client *client = context->client;
    client->blocked = memory_allocate_zeroed(1, sizeof(*client->blocked));
    client->blocked->wait = key_wait_begin(client->server->key_waits, client->worker, client->id, keys->type,
                                           context->arguments + keys->first, keys->count);
}

static void refuse(struct command_context *context, const char *error) {
    reply_error(context->reply, error);
    blocking_end(context->client);
}

// The lease is looked at when the wait can be seen already: who finds it ended later wakes this one too.
void blocking_wait(struct command_context *context, const struct blocking_keys *keys, uint64_t timeout_ms,
                   enum blocking_null otherwise) {
    struct client *client = context->client;
    if (client->in_exec) {
        if (otherwise == BLOCKING_NULL)
            reply_null(context->reply);
        else
            reply_null_array(context->reply);
        return;
    }
    bool is_new = client->blocked == NULL;
    if (is_new)
        begin(context, keys);
    else
        key_wait_go_on(client->server->key_waits, client->blocked->wait);
    const char *refusal = lease_gate_refusal(client->server->lease_gate);
    if (refusal != NULL) {
        refuse(context, refusal);
    } else if (is_new && !start_timer(client, timeout_ms)) {
        refuse(context, "ERR out of memory for the timeout");
    } else {
        client->blocked->was_woken = false;
        atomic_store(&client->wait_state, WAITING);
        client_block(client);
    }
}

// --- Trying again ---

struct wake {
    uint64_t client_id;
    struct buffer key;
};

static void try_again(struct worker *worker, void *argument) {
    struct wake *wake = argument;
    struct client *client = worker_find_client(worker, wake->client_id);
    if (client != NULL && client->blocked != NULL && client->wait == CLIENT_BLOCKED) {
        buffer_clear(&client->blocked->woken_by);
        buffer_append(&client->blocked->woken_by, buffer_bytes(&wake->key));
        client->blocked->was_woken = true;
        client_unblock(client);
    }
    buffer_release(&wake->key);
    free(wake);
}

void blocking_wake(struct worker *worker, uint64_t client_id, struct bytes key) {
    struct wake *wake = memory_allocate_zeroed(1, sizeof(*wake));
    wake->client_id = client_id;
    buffer_append(&wake->key, key);
    worker_post(worker, try_again, wake);
}

bool blocking_has_ended(struct client *client) {
    int state = atomic_exchange(&client->wait_state, DECIDING);
    if (state == ENDED_BY_ERROR)
        reply_error(&client->reply, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    else if (state == ENDED_BY_TIMEOUT || client->blocked->is_timed_out)
        reply_null_array(&client->reply);
    else
        return false;
    blocking_end(client);
    return true;
}

void blocking_put_off(struct client *client) {
    atomic_store(&client->wait_state, WAITING);
}

void blocking_end(struct client *client) {
    struct blocked *blocked = client->blocked;
    if (blocked == NULL)
        return;
    atomic_store(&client->wait_state, NOT_WAITING);
    key_wait_end(client->server->key_waits, blocked->wait);
    if (blocked->timer != NULL)
        event_free(blocked->timer);
    buffer_release(&blocked->woken_by);
    free(blocked);
    client->blocked = NULL;
}

// --- From elsewhere ---

static void end_wait(struct worker *worker, void *argument) {
    const uint64_t *id = argument;
    struct client *client = worker_find_client(worker, *id);
    if (client != NULL && client->blocked != NULL &&
        (client->wait == CLIENT_BLOCKED || client->wait == CLIENT_PAUSED))
        client_unblock(client);
    free(argument);
}

bool blocking_unblock(struct client *client, enum blocking_end how) {
    int waiting = WAITING;
    int ended = how == BLOCKING_END_TIMEOUT ? ENDED_BY_TIMEOUT : ENDED_BY_ERROR;
    if (!atomic_compare_exchange_strong(&client->wait_state, &waiting, ended))
        return false;
    worker_post(client->worker, end_wait, memory_copy(&client->id, sizeof(client->id)));
    return true;
}

void blocking_look_at_lease(struct server *server) {
    if (key_waits_in_use(server->key_waits) && lease_gate_refuses(server->lease_gate))
        key_waits_wake_all(server->key_waits);
}
