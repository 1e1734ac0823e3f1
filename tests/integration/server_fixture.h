// SPDX-License-Identifier: Apache-2.0
//
// What tests against the real server share: starting it, connecting to it, and putting everything away, also
// when a test has failed. There are two ways.
//
// Servers that all tests of a program share, with variables for them and for connections to them:
//
//     static struct test_server server;
//     static redisContext *client;
//     static const struct shared_server servers[] = {{&server, "workers 4", {&client}}};
//
//     const struct CMUnitTest tests[] = {
//         cmocka_unit_test_setup(a_test_that_wants_an_empty_database, empty_database),
//         cmocka_unit_test(another_one),
//     };
//     return RUN_WITH_SERVERS(tests, servers);
//
// A server of a test's own, which it may configure, stop and damage as it likes:
//
//     static void a_test(void **state) {
//         struct own_server *own = *state;
//         expect_text(own->client, "PONG", "PING");
//     }
//
//     own_server_test(a_test, "maxclients 4\ntimeout 1"),
//
// Both kinds may be in one table. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_SERVER_FIXTURE_H
#define KVFENCE_TESTS_INTEGRATION_SERVER_FIXTURE_H

#include "harness.h"

enum { SHARED_SERVER_CLIENTS = 2 };

// A server from before the first test to after the last one.
struct shared_server {
    struct test_server *server;
    const char *directives;                        // lines for its configuration, or NULL
    redisContext **clients[SHARED_SERVER_CLIENTS]; // variables for connections to it; the rest NULL
};

// Runs the table of tests while the servers of an array run; what main() returns.
#define RUN_WITH_SERVERS(tests, servers)                                                                     \
    (shared_servers_are((servers), sizeof(servers) / sizeof((servers)[0])),                                  \
     cmocka_run_group_tests((tests), shared_servers_start, shared_servers_discard))

// The setup of a test: connects the shared servers' clients anew and empties the first one's database.
int empty_database(void **state);

// A server and one connection to it, a test's state.
struct own_server {
    struct test_server server;
    redisContext *client;
};

// A row for the table of tests: `directives` is a literal, "" for none.
#define own_server_test(test, directives)                                                                    \
    cmocka_unit_test_prestate_setup_teardown((test), own_server_start, own_server_discard,                   \
                                             (char[]){directives})

// Starts the server and connects to it again; stops it in good order before, if it still runs.
void own_server_restart(struct own_server *own);

// What the macros use.
void shared_servers_are(const struct shared_server *servers, size_t count);
int shared_servers_start(void **state);
int shared_servers_discard(void **state);
int own_server_start(void **state);
int own_server_discard(void **state);

#endif
