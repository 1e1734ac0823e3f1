// SPDX-License-Identifier: Apache-2.0
//
// A server whose commits the test decides about, and pipelines. Uses: inner_server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gather_rig.h"

#include <stdlib.h>

static const char *ask(void *context, enum store_gate gate, uint64_t writes) {
    (void)writes;
    struct gates *gates = context;
    if (gate != STORE_GATE_COMMIT)
        return NULL;
    atomic_fetch_add(&gates->commits, 1);
    return atomic_load(&gates->at_commit);
}

int gather_rig_open(void **state) {
    struct gathering *gathering = calloc(1, sizeof(*gathering));
    assert_non_null(gathering);
    inner_server_open(&gathering->inner, 3, ask, &gathering->gates);
    gathering->client = server_connect(&gathering->inner.address);
    *state = gathering;
    return 0;
}

int gather_rig_close(void **state) {
    struct gathering *gathering = *state;
    redisFree(gathering->client);
    inner_server_discard(&gathering->inner);
    free(gathering);
    return 0;
}

void send_together(redisContext *client, const char *const *commands, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(redisAppendCommand(client, commands[i]), REDIS_OK);
    int done = 0;
    while (done == 0)
        assert_int_equal(redisBufferWrite(client, &done), REDIS_OK);
}
void expect_next_integer(redisContext *client, long long wanted) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    assert_int_equal(reply->integer, wanted);
    freeReplyObject(reply);
}

void expect_next_type(redisContext *client, int wanted) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, wanted);
    freeReplyObject(reply);
}
