// SPDX-License-Identifier: Apache-2.0
//
// A server inside the test's own process, for tests that have to reach into it: to answer for its check
// function, to keep its threads busy, to call its parts themselves. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_INNER_SERVER_H
#define KVFENCE_TESTS_INTEGRATION_INNER_SERVER_H

#include "harness.h"
#include "server/server.h"

#include <semaphore.h>

struct inner_server {
    char directory[64];
    struct config *config;
    struct command *commands;
    struct server *server;      // NULL: closed
    struct test_server address; // for the harness's clients: only its port is used
};

// Opens it with so many workers in a directory of its own. `check` may be NULL: then
// the lease's own is asked.
void inner_server_open(struct inner_server *inner, int workers, store_check_function *check,
                       void *check_context);
// The same as a node of a cluster or of a master.
void inner_server_open_node(struct inner_server *inner, int workers, const struct node_view *node);
// Closes it, if that has not been done, and removes the directory.
void inner_server_discard(struct inner_server *inner);

// A job that keeps the thread of background jobs busy.
struct occupation {
    sem_t begun;
    sem_t may_end; // to be posted by the test
};

// Returns when the job has begun.
void inner_server_occupy(struct inner_server *inner, struct occupation *occupation);

#endif
