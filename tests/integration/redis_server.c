// SPDX-License-Identifier: Apache-2.0
//
// Uses: cmocka, hiredis, harness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis_server.h"

#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool answers(void *context) {
    struct redis_server *server = context;
    redisContext *client = redisConnect("127.0.0.1", server->port);
    if (client == NULL || client->err != 0) {
        redisFree(client);
        return false;
    }
    server->client = client;
    return true;
}

void redis_server_start(struct redis_server *server) {
    char port[16];
    *server = (struct redis_server){.port = free_port()};
    (void)snprintf(port, sizeof(port), "%d", server->port);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                     "--dir", "/tmp", "--logfile", "/dev/null", (char *)NULL);
        _exit(127);
    }
    wait_until(answers, server, 20, "redis-server accepts connections");
}

void redis_server_stop(struct redis_server *server) {
    redisFree(server->client);
    if (server->pid > 0) {
        (void)kill(server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
    }
    *server = (struct redis_server){0};
}
