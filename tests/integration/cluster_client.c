// SPDX-License-Identifier: Apache-2.0
//
// Nodes of a cluster and their controller. Uses: cmocka, harness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_client.h"

#include <stdio.h>
#include <string.h>

int node_pair_open(void **state) {
    static struct node_pair pair;
    for (int i = 0; i < 2; i++) {
        server_start(&pair.servers[i], "cluster-enabled yes\n");
        pair.clients[i] = server_connect(&pair.servers[i]);
    }
    *state = &pair;
    return 0;
}

int node_pair_close(void **state) {
    struct node_pair *pair = *state;
    for (int i = 0; i < 2; i++) {
        redisFree(pair->clients[i]);
        server_discard(&pair->servers[i]);
    }
    return 0;
}

void node_pair_set(const struct node_pair *pair, enum split split, int version) {
    static const char *const ids[] = {ID_A, ID_B};
    static const char *const roles[][2] = {[SPLIT_HALVES] = {"master - 0-8191", "master - 8192-16383"},
                                           [SPLIT_ALL_TO_A] = {"master - 0-16383", "slave " ID_A},
                                           [SPLIT_ALL_TO_B] = {"slave " ID_B, "master - 0-16383"}};
    char text[512];
    (void)snprintf(text, sizeof(text), ID_A " 127.0.0.1 %d %s\n" ID_B " 127.0.0.1 %d %s\n",
                   pair->servers[0].port, roles[split][0], pair->servers[1].port, roles[split][1]);
    for (int i = 0; i < 2; i++) {
        expect_text(pair->clients[i], "OK", "CLUSTERX SETNODEID %s", ids[i]);
        expect_set_nodes(pair->clients[i], text, version);
    }
}

redisReply *set_nodes(redisContext *client, const char *nodes, int version) {
    return command(client, "CLUSTERX SETNODES %s %d", nodes, version);
}

void expect_set_nodes(redisContext *client, const char *nodes, int version) {
    redisReply *reply = set_nodes(client, nodes, version);
    if (strcmp(reply->str, "OK") != 0)
        fail_msg("SETNODES was answered with '%s'", reply->str);
    freeReplyObject(reply);
}
