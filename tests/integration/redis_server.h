// SPDX-License-Identifier: Apache-2.0
//
// Debian's redis-server, to compare with and to exchange data with. Every failure fails the running cmocka
// test. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_REDIS_SERVER_H
#define KVFENCE_TESTS_INTEGRATION_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid;
    int port;
    redisContext *client; // connected to it
};

// Starts it on a free port, keeping nothing on disk, and waits until it answers.
void redis_server_start(struct redis_server *server);
void redis_server_stop(struct redis_server *server);

#endif
