// SPDX-License-Identifier: Apache-2.0
//
// What can happen to a client in the middle of a long reply: it vanishes, stalls or is killed, the server
// stops, its database is replaced, the round is late, the collection proves to be damaged.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inner_server.h"
#include "long_replies.h"
#include "raw_client.h"
#include "replication_pair.h"
#include "server_fixture.h"

#include "base/buffer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = IS_SANITIZED ? 120 : 30 };

// --- Ends in the middle ---

static bool is_alone(void *context) {
    return server_info_number(context, "clients", "connected_clients") == 1;
}

static void clients_that_vanish_in_the_middle_leave_nothing(void **state) {
    struct own_server *own = *state;
    fill(&own->server, BIG_SET, ELEMENTS);
    fill(&own->server, BIG_ZSET, ELEMENTS);
    for (int i = 0; i < 10; i++) {
        int fd = begin_and_stall(&own->server, answer_to(i % 2 == 0 ? "SMEMBERS set" : "SINTER set set"),
                                 "PING\r\n");
        assert_int_equal(close(fd), 0);
    }
    wait_until(is_alone, own->client, PATIENCE_SECONDS, "those who have gone are forgotten");
    expect_integer(own->client, ELEMENTS, "SCARD set");
}

static void a_client_killed_in_the_middle_is_closed(void **state) {
    struct own_server *own = *state;
    fill(&own->server, BIG_SET, ELEMENTS);
    wait_until(is_alone, own->client, PATIENCE_SECONDS, "who has filled is forgotten");
    int fd = begin_and_stall(&own->server, answer_to("SMEMBERS set"), "PING\r\n");
    expect_integer(own->client, 1, "CLIENT KILL SKIPME YES TYPE normal");
    char *rest = raw_read_to_end(fd);
    assert_null(strstr(rest, "PONG"));
    free(rest);
    assert_int_equal(close(fd), 0);
    wait_until(is_alone, own->client, PATIENCE_SECONDS, "the killed client is forgotten");
}

static void a_server_can_be_stopped_in_the_middle(void **state) {
    struct own_server *own = *state;
    fill(&own->server, BIG_SET, ELEMENTS);
    fill(&own->server, BIG_ZSET, ELEMENTS);
    int set = begin_and_stall(&own->server, answer_to("SMEMBERS set"), "PING\r\n");
    int zset = begin_and_stall(&own->server, answer_to("ZRANGE zset 0 -1"), "PING\r\n");
    server_stop(&own->server);
    free(raw_read_to_end(set));
    free(raw_read_to_end(zset));
    assert_int_equal(close(set), 0);
    assert_int_equal(close(zset), 0);
    own_server_restart(own);
    expect_integer(own->client, ELEMENTS, "SCARD set");
}

static void who_takes_nothing_for_too_long_is_closed(void **state) {
    struct own_server *own = *state;
    fill(&own->server, BIG_SET, ELEMENTS);
    int fd = begin_and_stall(&own->server, answer_to("SMEMBERS set"), "PING\r\n");
    server_wait_log(&own->server, "is closed in the middle of a reply: it has taken less than 64 KB");
    wait_until(is_alone, own->client, PATIENCE_SECONDS, "the client is closed");
    assert_int_equal(server_info_number(own->client, "stats", "client_output_buffer_limit_disconnections"),
                     1);
    char *rest = raw_read_to_end(fd);
    assert_null(strstr(rest, "PONG"));
    free(rest);
    assert_int_equal(close(fd), 0);
}

// Of a reply that has no end, for longer than is allowed without taking anything.
static void who_reads_on_is_not_closed(void **state) {
    enum { CHUNK = 256 << 10, CHUNKS = 90, PAUSE_MS = 50 };
    struct own_server *own = *state;
    char *bytes = malloc(CHUNK);
    assert_non_null(bytes);
    fill(&own->server, SMALL_SET, FILL_BATCH);
    int fd = server_connect_raw(&own->server);
    raw_send_text(fd, "SRANDMEMBER small -4000000000000\r\n");
    for (int i = 0; i < CHUNKS; i++) {
        raw_read(fd, bytes, CHUNK);
        expect_silence(own->client, PAUSE_MS);
    }
    free(bytes);
    assert_false(server_log_contains(&own->server, "is closed in the middle"));
    assert_int_equal(close(fd), 0);
}

static void a_replicas_readers_are_closed_when_its_database_is_replaced(void **state) {
    struct own_server *replica = *state;
    struct test_server master;
    server_start(&master, NULL);
    redisContext *to_master = server_connect(&master);
    expect_text(to_master, "OK", "SET key value");
    fill(&replica->server, BIG_HASH, ELEMENTS); // its own writes make it copy everything
    int hash = begin_and_stall(&replica->server, answer_to("HGETALL hash"), "PING\r\n");
    int keys = begin_and_stall(&replica->server, answer_to("HKEYS hash"), "PING\r\n");
    follow(replica->client, master.port);
    server_wait_log(&replica->server, "is closed in the middle of a reply: the database is replaced");
    free(raw_read_to_end(hash));
    free(raw_read_to_end(keys));
    wait_in_step(to_master, replica->client);
    expect_text(replica->client, "value", "GET key");
    expect_integer(replica->client, 0, "EXISTS hash");
    assert_int_equal(close(hash), 0);
    assert_int_equal(close(keys), 0);
    redisFree(to_master);
    server_discard(&master);
}

// --- With a server within reach ---

static _Atomic(const char *) refusal; // at the second gate

static const char *answer_for_gate(void *context, enum store_gate gate, uint64_t writes) {
    (void)writes;
    (void)context;
    return gate == STORE_GATE_SETTLE ? atomic_load(&refusal) : NULL;
}

static int open_inner(void **state) {
    struct inner_server *inner = calloc(1, sizeof(*inner));
    assert_non_null(inner);
    atomic_store(&refusal, NULL);
    inner_server_open(inner, 1, answer_for_gate, NULL);
    *state = inner;
    return 0;
}

static int discard_inner(void **state) {
    inner_server_discard(*state);
    free(*state);
    return 0;
}

static void a_long_reply_in_a_round_that_settles_late_is_not_sent(void **state) {
    struct inner_server *inner = *state;
    fill(&inner->address, BIG_SET, 20000);
    atomic_store(&refusal, "READONLY master lease expired");
    int writer = server_connect_raw(&inner->address);
    int reader = server_connect_raw(&inner->address);
    raw_send_text(writer, "SET a 1\r\nSMEMBERS set\r\n");
    raw_expect_closed(writer);
    raw_send_text(reader, "SMEMBERS set\r\nPING\r\n"); // who has not written is answered
    raw_expect(reader, "*20000\r\n");
    (void)read_elements(reader, answer_to("SMEMBERS set"), 0, 19999);
    raw_expect(reader, "+PONG\r\n");
    assert_int_equal(close(writer), 0);
    assert_int_equal(close(reader), 0);
}

// Behind the set's back.
static void remove_last_member(struct inner_server *inner, const char *key, int member) {
    struct store_session *session = server_background_session(inner->server);
    struct bytes name = bytes_from_text(key);
    struct store_value value;
    struct buffer raw = {0};
    char text[101];
    (void)snprintf(text, sizeof(text), "%0100d", member);
    session_write_begin(session, &name, 1);
    assert_int_equal(store_read(session, name, 0, &value), STORE_OK);
    encode_sub_key(&raw, store_layout(inner->server->store), name, value.metadata.version,
                   bytes_from_text(text));
    store_value_release(&value);
    stage_raw_delete(session, FAMILY_DEFAULT, buffer_bytes(&raw));
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_int_equal(store_settle(session), SETTLED);
    buffer_release(&raw);
}

static void a_damaged_collection_that_is_found_out_too_late_ends_the_connection(void **state) {
    struct inner_server *inner = *state;
    fill(&inner->address, BIG_SET, 20000);
    remove_last_member(inner, "set", 19999);
    int fd = server_connect_raw(&inner->address);
    raw_send_text(fd, "SMEMBERS set\r\nPING\r\n");
    raw_expect(fd, "*20000\r\n");
    (void)read_elements(fd, answer_to("SMEMBERS set"), 0, 15000);
    char *rest = raw_read_to_end(fd);
    assert_null(strstr(rest, "-ERR"));
    assert_null(strstr(rest, "PONG"));
    free(rest);
    assert_int_equal(close(fd), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        own_server_test(clients_that_vanish_in_the_middle_leave_nothing, ""),
        own_server_test(a_client_killed_in_the_middle_is_closed, ""),
        own_server_test(a_server_can_be_stopped_in_the_middle, ""),
        own_server_test(who_takes_nothing_for_too_long_is_closed, "stalled-reply-timeout 1"),
        own_server_test(who_reads_on_is_not_closed, "stalled-reply-timeout 3"),
        own_server_test(a_replicas_readers_are_closed_when_its_database_is_replaced, "slave-read-only yes"),
        cmocka_unit_test_setup_teardown(a_long_reply_in_a_round_that_settles_late_is_not_sent, open_inner,
                                        discard_inner),
        cmocka_unit_test_setup_teardown(a_damaged_collection_that_is_found_out_too_late_ends_the_connection,
                                        open_inner, discard_inner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
