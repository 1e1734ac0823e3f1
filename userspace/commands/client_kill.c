// SPDX-License-Identifier: Apache-2.0
//
// CLIENT KILL. A connection is closed by its own worker, which looks it up again by its id: it may have gone
// meanwhile. Uses: arguments, client_filter, server/client, server/server, server/worker.
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/client_filter.h"
#include "commands/handlers.h"
#include "server/client.h"
#include "server/server.h"
#include "server/worker.h"

#include <stdlib.h>

struct victim {
    struct worker *worker;
    uint64_t id;
};

struct victims {
    struct victim *items;
    size_t count;
    size_t capacity;
};

static void add_victim(struct victims *victims, const struct client *client) {
    if (victims->count == victims->capacity) {
        victims->capacity = victims->capacity == 0 ? 16 : victims->capacity * 2;
        victims->items = memory_reallocate(victims->items, victims->capacity * sizeof(*victims->items));
    }
    victims->items[victims->count++] = (struct victim){.worker = client->worker, .id = client->id};
}

static void kill_on_its_worker(struct worker *worker, void *argument) {
    struct victim *victim = argument;
    struct client *client = worker_find_client(worker, victim->id);
    if (client != NULL)
        client_kill(client);
    free(victim);
}

static void kill_victim(struct command_context *context, const struct victim *victim) {
    if (victim->id == context->client->id) {
        context->client->close_after_reply = true;
    } else if (victim->worker == context->worker) {
        struct client *client = worker_find_client(victim->worker, victim->id);
        if (client != NULL)
            client_kill(client);
    } else {
        worker_post(victim->worker, kill_on_its_worker, memory_copy(victim, sizeof(*victim)));
    }
}

// Returns how many connections matched and are being closed.
static size_t kill_matching(struct command_context *context, const struct client_filter *filter) {
    struct victims victims = {0};
    pthread_mutex_lock(&context->server->registry_lock);
    for (struct client *client = context->server->registry; client != NULL; client = client->registry_next) {
        if (client_filter_matches(filter, client))
            add_victim(&victims, client);
    }
    pthread_mutex_unlock(&context->server->registry_lock);
    for (size_t i = 0; i < victims.count; i++)
        kill_victim(context, &victims.items[i]);
    free(victims.items);
    return victims.count;
}

// CLIENT KILL with filters, while it is being read.
struct kill_request {
    struct client_filter filter;
    uint64_t id;
    bool spare_self;
};

typedef bool kill_option_function(struct command_context *context, size_t value,
                                  struct kill_request *request);

static bool take_id(struct command_context *context, size_t value, struct kill_request *request) {
    static const char message[] = "ERR client-id should be greater than 0";
    int64_t id = 0;
    if (!argument_integer_or(context, value, &id, message))
        return false;
    if (id < 1) {
        reply_error(context->reply, message);
        return false;
    }
    request->id = (uint64_t)id;
    client_filter_set_ids(&request->filter, &request->id, 1);
    return true;
}

static bool take_type(struct command_context *context, size_t value, struct kill_request *request) {
    return client_type_argument(context, value, &request->filter.type);
}

static bool take_address(struct command_context *context, size_t value, struct kill_request *request) {
    request->filter.address = context->arguments[value];
    return true;
}

static bool take_local_address(struct command_context *context, size_t value, struct kill_request *request) {
    request->filter.local_address = context->arguments[value];
    return true;
}

static bool take_user(struct command_context *context, size_t value, struct kill_request *request) {
    (void)request; // every connection is the default user's
    struct bytes user = context->arguments[value];
    if (bytes_equal(user, BYTES_LITERAL("default")))
        return true;
    reply_error_format(context->reply, "ERR No such user '%.*s'", bytes_shown_length(user), user.data);
    return false;
}

static bool take_skipme(struct command_context *context, size_t value, struct kill_request *request) {
    request->spare_self = argument_is(context, value, "yes");
    if (request->spare_self || argument_is(context, value, "no"))
        return true;
    reply_syntax_error(context);
    return false;
}

static bool take_maxage(struct command_context *context, size_t value, struct kill_request *request) {
    int64_t seconds = 0;
    if (!argument_integer_or(context, value, &seconds, "ERR maxage is not an integer or out of range"))
        return false;
    if (seconds < 1) {
        reply_error(context->reply, "ERR maxage should be greater than 0");
        return false;
    }
    uint64_t now_us = clock_duration_us();
    bool is_possible = (uint64_t)seconds < now_us / 1000000;
    request->filter.connected_until_us = is_possible ? now_us - (uint64_t)seconds * 1000000 : 1;
    return true;
}

static kill_option_function *find_option(const struct command_context *context, size_t index) {
    static const struct {
        const char *name;
        kill_option_function *take;
    } options[] = {
        {"id", take_id},     {"type", take_type},     {"addr", take_address}, {"laddr", take_local_address},
        {"user", take_user}, {"skipme", take_skipme}, {"maxage", take_maxage}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (argument_is(context, index, options[i].name))
            return options[i].take;
    }
    return NULL;
}

static bool read_request(struct command_context *context, struct kill_request *request) {
    for (size_t i = 2; i < context->count; i += 2) {
        kill_option_function *take = find_option(context, i);
        if (take == NULL || i + 1 == context->count) {
            reply_syntax_error(context);
            return false;
        }
        if (!take(context, i + 1, request))
            return false;
    }
    return true;
}

// The form with nothing but an address.
static void kill_by_address(struct command_context *context) {
    struct client_filter filter = {.address = context->arguments[2]};
    if (kill_matching(context, &filter) == 0)
        reply_error(context->reply, "ERR No such client");
    else
        reply_ok(context->reply);
}

void command_client_kill(struct command_context *context) {
    if (context->count == 3) {
        kill_by_address(context);
        return;
    }
    struct kill_request request = {.spare_self = true};
    if (!read_request(context, &request))
        return;
    if (request.spare_self)
        request.filter.skipped_id = context->client->id;
    reply_integer(context->reply, (int64_t)kill_matching(context, &request.filter));
}
