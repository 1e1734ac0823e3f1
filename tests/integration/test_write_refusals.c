// SPDX-License-Identifier: Apache-2.0
//
// Every write command of the table is refused on a fenced master, alone, in a pipeline and in EXEC, and
// changes nothing; and the kernel knows it as a write, so that it drops the packet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/table.h"
#include "keyspace.h"
#include "lease_client.h"
#include "server_fixture.h"
#include "tests/fence/native_scan.h"
#include "write_samples.h"

#include <stdlib.h>
#include <string.h>

enum { LONG_MS = 600000, SHORT_MS = 20 };

// Runs a command whose text is not known here; returns whether it succeeded.
static bool run(redisContext *client, const char *text) {
    size_t length = 0;
    const char *payload = write_samples_payload(&length);
    redisReply *reply = NULL;
    assert_int_equal(redisAppendCommand(client, text, payload, length), REDIS_OK);
    assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
    bool succeeded = reply->type != REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    return succeeded;
}

static void fill(redisContext *client) {
    assert_true(run(client, "FLUSHALL"));
    for (size_t i = 0; write_samples_setup(i) != NULL; i++)
        assert_true(run(client, write_samples_setup(i)));
}

// Fenced, with what the samples are for in the database; its description goes to `before`.
static void fill_and_fence(redisContext *client, struct buffer *before) {
    fill(client);
    keyspace_describe(client, before);
    lease_grant(client, 1, SHORT_MS);
    await_expirations(client, 1);
}

static void begin(redisContext *client, const struct write_sample *sample) {
    size_t length = 0;
    const char *payload = write_samples_payload(&length);
    assert_int_equal(redisAppendCommand(client, sample->command, payload, length), REDIS_OK);
}

static void finish_with(redisContext *client, const struct write_sample *sample, const char *prefix) {
    redisReply *reply = NULL;
    if (redisGetReply(client, (void **)&reply) != REDIS_OK)
        fail_msg("'%s' ended the connection: %s", sample->command, client->errstr);
    if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, prefix, strlen(prefix)) != 0)
        fail_msg("'%s' was not refused with %s: %s", sample->command, prefix,
                 reply->str == NULL ? "" : reply->str);
    freeReplyObject(reply);
}

static const char *refusal_of(const struct write_sample *sample) {
    return sample->always != NULL ? sample->always : LEASE_REFUSAL;
}

static void every_write_command_of_the_table_has_a_sample(void **state) {
    (void)state;
    size_t count = 0;
    struct command *rows = commands_copy(&count);
    for (size_t i = 0; i < count; i++) {
        bool found = (rows[i].flags & COMMAND_WRITE) == 0;
        for (size_t at = 0; write_sample_at(at) != NULL; at++)
            found = found || write_sample_is_of(write_sample_at(at), rows[i].name);
        if (!found)
            fail_msg("no sample shows that '%s' is refused", rows[i].name);
    }
    free(rows);
}

// Otherwise a refusal would show nothing.
static void every_sample_changes_something_while_the_lease_is_held(void **state) {
    struct own_server *own = *state;
    lease_grant(own->client, 1, LONG_MS);
    for (size_t i = 0; write_sample_at(i) != NULL; i++) {
        const struct write_sample *sample = write_sample_at(i);
        struct buffer before = {0};
        struct buffer after = {0};
        fill(own->client);
        keyspace_describe(own->client, &before);
        assert_int_equal(run(own->client, sample->command), sample->always == NULL);
        keyspace_describe(own->client, &after);
        if (bytes_equal(buffer_bytes(&before), buffer_bytes(&after)) != (sample->always != NULL))
            fail_msg("'%s' changed %s", sample->command, sample->always == NULL ? "nothing" : "something");
        buffer_release(&before);
        buffer_release(&after);
    }
}

static void every_write_command_alone_is_refused_and_changes_nothing(void **state) {
    struct own_server *own = *state;
    struct buffer before = {0};
    fill_and_fence(own->client, &before);
    for (size_t i = 0; write_sample_at(i) != NULL; i++) {
        begin(own->client, write_sample_at(i));
        finish_with(own->client, write_sample_at(i), refusal_of(write_sample_at(i)));
        keyspace_expect(own->client, &before, write_sample_at(i)->command);
    }
    buffer_release(&before);
}

static void every_write_command_in_a_pipeline_is_refused_and_changes_nothing(void **state) {
    struct own_server *own = *state;
    struct buffer before = {0};
    fill_and_fence(own->client, &before);
    for (size_t i = 0; write_sample_at(i) != NULL; i++) {
        begin(own->client, write_sample_at(i));
        assert_int_equal(redisAppendCommand(own->client, "GET key"), REDIS_OK);
    }
    for (size_t i = 0; write_sample_at(i) != NULL; i++) {
        finish_with(own->client, write_sample_at(i), refusal_of(write_sample_at(i)));
        expect_next_text(own->client, "value");
    }
    keyspace_expect(own->client, &before, "a pipeline of all write commands");
    buffer_release(&before);
}

static void every_write_command_in_exec_is_refused_and_changes_nothing(void **state) {
    struct own_server *own = *state;
    struct buffer before = {0};
    fill_and_fence(own->client, &before);
    for (size_t i = 0; write_sample_at(i) != NULL; i++) {
        const struct write_sample *sample = write_sample_at(i);
        if (sample->always != NULL)
            continue; // a transaction in which nothing is written is none
        expect_text(own->client, "OK", "MULTI");
        begin(own->client, sample);
        expect_next_text(own->client, "QUEUED");
        send_command(own->client, "EXEC");
        finish_with(own->client, sample, LEASE_REFUSAL);
        keyspace_expect(own->client, &before, sample->command);
    }
    buffer_release(&before);
}

static void a_transaction_of_all_write_commands_is_refused_and_changes_nothing(void **state) {
    struct own_server *own = *state;
    struct buffer before = {0};
    fill_and_fence(own->client, &before);
    expect_text(own->client, "OK", "MULTI");
    for (size_t i = 0; write_sample_at(i) != NULL; i++) {
        begin(own->client, write_sample_at(i));
        expect_next_text(own->client, "QUEUED");
    }
    expect_error(own->client, LEASE_REFUSAL, "EXEC");
    keyspace_expect(own->client, &before, "a transaction of all write commands");
    buffer_release(&before);
}

static void the_kernel_drops_every_write_command(void **state) {
    (void)state;
    for (size_t i = 0; write_sample_at(i) != NULL; i++) {
        const struct write_sample *sample = write_sample_at(i);
        size_t payload_length = 0;
        const char *payload = write_samples_payload(&payload_length);
        char *request = NULL;
        int length = redisFormatCommand(&request, sample->command, payload, payload_length);
        assert_true(length > 0);
        struct native_scan scan = native_scan(request, (size_t)length);
        if (sample->left_to_the_server ? scan.reason == FENCE_REASON_NONE : scan.reason != FENCE_REASON_WRITE)
            fail_msg("the kernel passes '%s': reason %d", sample->command, (int)scan.reason);
        redisFreeCommand(request);
    }
}

#define FENCED "master-lease-mode block-write"

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_write_command_of_the_table_has_a_sample),
        own_server_test(every_sample_changes_something_while_the_lease_is_held, FENCED),
        own_server_test(every_write_command_alone_is_refused_and_changes_nothing, FENCED),
        own_server_test(every_write_command_in_a_pipeline_is_refused_and_changes_nothing, FENCED),
        own_server_test(every_write_command_in_exec_is_refused_and_changes_nothing, FENCED),
        own_server_test(a_transaction_of_all_write_commands_is_refused_and_changes_nothing, FENCED),
        cmocka_unit_test(the_kernel_drops_every_write_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
