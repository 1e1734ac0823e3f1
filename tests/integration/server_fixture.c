// SPDX-License-Identifier: Apache-2.0
//
// The integration tests' servers from set-up to tear-down. Uses: cmocka, hiredis, the harness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"

#include <stdlib.h>

// --- Shared by all tests ---

// cmocka hands nothing to a group's setup.
static const struct shared_server *shared;
static size_t shared_count;

void shared_servers_are(const struct shared_server *servers, size_t count) {
    shared = servers;
    shared_count = count;
}

static void disconnect(const struct shared_server *one) {
    for (size_t i = 0; i < SHARED_SERVER_CLIENTS && one->clients[i] != NULL; i++) {
        redisFree(*one->clients[i]);
        *one->clients[i] = NULL;
    }
}

static void connect_anew(const struct shared_server *one) {
    disconnect(one);
    for (size_t i = 0; i < SHARED_SERVER_CLIENTS && one->clients[i] != NULL; i++)
        *one->clients[i] = server_connect(one->server);
}

int shared_servers_start(void **state) {
    (void)state;
    for (size_t i = 0; i < shared_count; i++) {
        server_start(shared[i].server, shared[i].directives);
        connect_anew(&shared[i]);
    }
    return 0;
}

int shared_servers_discard(void **state) {
    (void)state;
    for (size_t i = 0; i < shared_count; i++) {
        disconnect(&shared[i]);
        server_discard(shared[i].server);
    }
    return 0;
}

int empty_database(void **state) {
    (void)state;
    for (size_t i = 0; i < shared_count; i++)
        connect_anew(&shared[i]);
    assert_non_null(shared[0].clients[0]);
    expect_text(*shared[0].clients[0], "OK", "FLUSHALL");
    return 0;
}

// --- A test's own ---

int own_server_start(void **state) {
    const char *directives = *state;
    struct own_server *own = calloc(1, sizeof(*own));
    assert_non_null(own);
    server_start(&own->server, directives);
    own->client = server_connect(&own->server);
    *state = own;
    return 0;
}

int own_server_discard(void **state) {
    struct own_server *own = *state;
    redisFree(own->client);
    server_discard(&own->server);
    free(own);
    return 0;
}

void own_server_restart(struct own_server *own) {
    redisFree(own->client);
    own->client = NULL; // what follows may fail the test
    server_stop(&own->server);
    server_restart(&own->server);
    own->client = server_connect(&own->server);
}
