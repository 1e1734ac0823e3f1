// SPDX-License-Identifier: Apache-2.0
//
// Keyspace notifications and the lease's channel: what subscribers are told, and when.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lease_client.h"
#include "raw_client.h"
#include "replication_pair.h"
#include "reply_text.h"
#include "server_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct test_server server;
static redisContext *client;
static redisContext *subscriber;
static const struct shared_server servers[] = {{&server, "workers 3", {&client, &subscriber}}};

// The next message's channel, without what all of them have in front, and its text: "E:set k".
static void next_message(redisContext *connection, char out[128]) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(connection, (void **)&reply), REDIS_OK);
    assert_true(reply->elements >= 3);
    const char *channel = reply->element[reply->elements - 2]->str;
    const char *short_name = strncmp(channel, "__keyspace@0__", 14) == 0   ? "K"
                             : strncmp(channel, "__keyevent@0__", 14) == 0 ? "E"
                                                                           : channel;
    (void)snprintf(out, 128, "%s%s %s", short_name, strlen(short_name) == 1 ? channel + 14 : "",
                   reply->element[reply->elements - 1]->str);
    freeReplyObject(reply);
}

static void expect_message(redisContext *connection, const char *wanted) {
    char text[128];
    next_message(connection, text);
    assert_string_equal(text, wanted);
}

// What has been told by the time that this marker comes.
static void expect_messages(const char *const *wanted) {
    for (; *wanted != NULL; wanted++)
        expect_message(subscriber, *wanted);
    // How many get it is not always one: the last test's connection may be about to be closed.
    freeReplyObject(command(client, "PUBLISH __keymark end"));
    expect_message(subscriber, "__keymark end");
}
#define EXPECT_MESSAGES(...) expect_messages((const char *const[]){__VA_ARGS__, NULL})
#define EXPECT_NO_MESSAGE()  expect_messages((const char *const[]){NULL})

static void subscribe(const char *classes) {
    expect_reply(client, "OK", "CONFIG SET notify-keyspace-events %s", classes);
    freeReplyObject(command(subscriber, "PSUBSCRIBE __key*"));
}

static void both_channels_are_told_of_a_change(void **state) {
    (void)state;
    subscribe("KEA");
    expect_reply(client, "OK", "SET k v");
    EXPECT_MESSAGES("K:k set", "E:set k");
    expect_reply(client, "1", "DEL k missing");
    EXPECT_MESSAGES("K:k del", "E:del k");
    subscribe("E$");
    expect_reply(client, "OK", "SET k v EX 100");
    EXPECT_MESSAGES("E:set k");
    subscribe("Kg");
    expect_reply(client, "OK", "SET k v EX 100");
    EXPECT_MESSAGES("K:k expire");
}

static void what_changes_nothing_is_not_told(void **state) {
    (void)state;
    subscribe("EA");
    expect_reply(client, "nil", "SET k v XX");
    expect_reply(client, "0", "DEL k");
    expect_reply(client, "nil", "LPOP l");
    expect_reply(client, "nil", "GET k");
    expect_reply(client, "-ERR value is not an integer or out of range", "INCRBY k x");
    EXPECT_NO_MESSAGE();
}

static void commands_of_all_families_tell_what_they_do(void **state) {
    (void)state;
    subscribe("EA");
    freeReplyObject(command(client, "HSET h f v"));
    freeReplyObject(command(client, "HDEL h f"));
    EXPECT_MESSAGES("E:hset h", "E:hdel h", "E:del h");
    freeReplyObject(command(client, "SADD s a b"));
    freeReplyObject(command(client, "SMOVE s t a"));
    freeReplyObject(command(client, "SINTERSTORE t s missing"));
    EXPECT_MESSAGES("E:sadd s", "E:srem s", "E:sadd t", "E:del t");
    freeReplyObject(command(client, "ZADD z 1 m"));
    freeReplyObject(command(client, "ZADD z INCR 1 m"));
    freeReplyObject(command(client, "ZPOPMIN z"));
    EXPECT_MESSAGES("E:zadd z", "E:zincr z", "E:zpopmin z", "E:del z");
    freeReplyObject(command(client, "DECR n"));
    freeReplyObject(command(client, "RENAME n m"));
    freeReplyObject(command(client, "COPY m n"));
    EXPECT_MESSAGES("E:incrby n", "E:rename_from n", "E:rename_to m", "E:copy_to n");
    freeReplyObject(command(client, "EXPIRE m 100"));
    freeReplyObject(command(client, "PERSIST m"));
    freeReplyObject(command(client, "EXPIRE m -1"));
    EXPECT_MESSAGES("E:expire m", "E:persist m", "E:del m");
}

static void lists_tell_which_end(void **state) {
    (void)state;
    subscribe("EA");
    freeReplyObject(command(client, "RPUSH l a b"));
    freeReplyObject(command(client, "LMOVE l m LEFT RIGHT"));
    freeReplyObject(command(client, "RPOPLPUSH l m"));
    EXPECT_MESSAGES("E:rpush l", "E:rpush m", "E:lpop l", "E:lpush m", "E:rpop l", "E:del l");
    freeReplyObject(command(client, "LMPOP 2 l m RIGHT COUNT 5"));
    EXPECT_MESSAGES("E:rpop m", "E:del m");
    freeReplyObject(command(client, "RPUSH l a b"));
    freeReplyObject(command(client, "LMOVE l l LEFT LEFT"));
    EXPECT_MESSAGES("E:rpush l", "E:lpush l", "E:lpop l");
}

static void keys_and_members_are_not_taken_for_options(void **state) {
    (void)state;
    subscribe("EA");
    freeReplyObject(command(client, "RPUSH right a b c"));
    freeReplyObject(command(client, "LMPOP 2 nope right LEFT"));
    freeReplyObject(command(client, "BLMPOP 0 1 right LEFT COUNT 1"));
    EXPECT_MESSAGES("E:rpush right", "E:lpop right", "E:lpop right");
    freeReplyObject(command(client, "ZADD max 1 incr 2 b"));
    freeReplyObject(command(client, "BZMPOP 0 2 count max MIN"));
    freeReplyObject(command(client, "ZMPOP 1 max MIN COUNT 1"));
    EXPECT_MESSAGES("E:zadd max", "E:zpopmin max", "E:zpopmin max", "E:del max");
    freeReplyObject(command(client, "ZADD z CH INCR 1 m"));
    EXPECT_MESSAGES("E:zincr z");
}

// As Redis tells it.
static void a_key_that_is_named_again_and_again_is_new_once(void **state) {
    (void)state;
    subscribe("E$gn");
    expect_reply(client, "OK", "MSET k 1 k 2 j 3 k 4 i 5 j 6");
    EXPECT_MESSAGES("E:new k", "E:set k", "E:set k", "E:new j", "E:set j", "E:set k", "E:new i", "E:set i",
                    "E:set j");
    expect_reply(client, "'4'", "GET k");
    expect_reply(client, "3", "DEL k j k i j missing");
    EXPECT_MESSAGES("E:del k", "E:del j", "E:del i");
    expect_reply(client, "1", "MSETNX k 1 k 2");
    EXPECT_MESSAGES("E:new k", "E:set k", "E:set k");
    expect_reply(client, "0", "MSETNX j 1 k 3");
    EXPECT_NO_MESSAGE();
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "MSETNX j 1 k 3");
    expect_reply(client, "QUEUED", "MSET j 1 k 1 j 2");
    expect_reply(client, "[0 OK]", "EXEC");
    EXPECT_MESSAGES("E:new j", "E:set j", "E:set k", "E:set j");
}

// As Redis tells it, which deletes what was there.
static void what_takes_another_keys_place_is_new(void **state) {
    (void)state;
    subscribe("Egn");
    expect_reply(client, "OK", "MSET a 1 b 2");
    expect_reply(client, "1", "COPY a b REPLACE");
    redisReply *dump = command(client, "DUMP a");
    expect_reply(client, "OK", "RESTORE b 0 %b REPLACE", dump->str, dump->len);
    freeReplyObject(dump);
    expect_reply(client, "OK", "RENAME a b");
    expect_reply(client, "OK", "RENAME b b");
    expect_reply(client, "1", "RENAMENX b c");
    expect_reply(client, "OK", "SET c 3");
    EXPECT_MESSAGES("E:new a", "E:new b", "E:new b", "E:copy_to b", "E:new b", "E:restore b", "E:new b",
                    "E:rename_from a", "E:rename_to b", "E:new c", "E:rename_from b", "E:rename_to c");
}

static void what_changes_no_expiry_tells_none(void **state) {
    (void)state;
    subscribe("EA");
    expect_reply(client, "OK", "SET k v");
    expect_reply(client, "'v'", "GETEX k PERSIST");
    expect_reply(client, "'v'", "GETEX k EX 100");
    expect_reply(client, "'v'", "GETEX k PERSIST");
    EXPECT_MESSAGES("E:set k", "E:expire k", "E:persist k");
}

// Its own subscription is no reply, which it has asked not to get.
static void a_client_without_replies_is_told_of_its_own_changes(void **state) {
    (void)state;
    int both = server_connect_raw(&server);
    freeReplyObject(command(client, "CONFIG SET notify-keyspace-events KA"));
    raw_send_text(both, "CLIENT REPLY OFF\r\nHELLO 3\r\nSUBSCRIBE __keyspace@0__:k\r\n");
    raw_expect(both, ">3\r\n$9\r\nsubscribe\r\n$16\r\n__keyspace@0__:k\r\n:1\r\n");
    raw_send_text(both, "SET k v\r\nMULTI\r\nDEL k\r\nEXEC\r\n");
    raw_expect(both, ">3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n");
    raw_expect(both, ">3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:k\r\n$3\r\ndel\r\n");
    assert_int_equal(close(both), 0);
}

static void new_and_missing_keys_are_told_if_asked_for(void **state) {
    (void)state;
    subscribe("Enm");
    expect_reply(client, "1", "RPUSH l a");
    expect_reply(client, "2", "RPUSH l a");
    expect_reply(client, "nil", "GET k");
    expect_reply(client, "2", "LLEN l");
    EXPECT_MESSAGES("E:new l", "E:keymiss k");
}

static void a_transaction_tells_when_it_is_over_and_only_then(void **state) {
    (void)state;
    subscribe("EA");
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "SET k 1");
    expect_text(client, "QUEUED", "INCR k");
    expect_text(client, "QUEUED", "LPUSH k x");
    expect_text(client, "QUEUED", "DEL k");
    freeReplyObject(command(client, "EXEC"));
    EXPECT_MESSAGES("E:set k", "E:incrby k", "E:del k");
}

static bool somebody_waits(void *context) {
    return server_info_number(context, "clients", "blocked_clients") != 0;
}

static void who_waits_for_an_element_tells_when_it_gets_it(void **state) {
    (void)state;
    subscribe("EA");
    redisContext *waiter = server_connect(&server);
    send_command(waiter, "BLPOP l 0");
    wait_until(somebody_waits, client, 20, "a client waits");
    expect_reply(client, "1", "RPUSH l e");
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(waiter, (void **)&reply), REDIS_OK);
    freeReplyObject(reply);
    expect_message(subscriber, "E:rpush l");
    expect_message(subscriber, "E:lpop l");
    expect_message(subscriber, "E:del l");
    redisFree(waiter);
}

// --- Expired keys ---

static bool is_gone(void *connection) {
    redisReply *reply = command(connection, "EXISTS k");
    bool gone = reply->integer == 0;
    freeReplyObject(reply);
    return gone;
}

static void a_key_that_expires_is_told_though_nobody_asks_for_it(void **state) {
    (void)state;
    subscribe("KEx");
    expect_reply(client, "OK", "SET k v PX 50");
    expect_reply(client, "3", "SADD s a b c");
    expect_reply(client, "1", "PEXPIRE s 60");
    expect_message(subscriber, "K:k expired");
    expect_message(subscriber, "E:expired k");
    expect_message(subscriber, "K:s expired");
    expect_message(subscriber, "E:expired s");
    EXPECT_NO_MESSAGE();
}

static void a_key_expires_once_however_often_it_is_asked_for(void **state) {
    (void)state;
    subscribe("Ex");
    expect_reply(client, "OK", "SET k v PX 20");
    wait_until(is_gone, client, 20, "the key is gone");
    for (int i = 0; i < 50; i++)
        expect_reply(client, "0", "EXISTS k");
    expect_message(subscriber, "E:expired k");
    expect_reply(client, "0", "EXISTS k");
    expect_reply(client, "OK", "SET mark v PX 20");
    expect_message(subscriber, "E:expired mark");
    EXPECT_NO_MESSAGE();
}

static void many_keys_that_expire_are_all_told(void **state) {
    (void)state;
    enum { KEYS = 3000, LIVING = 2000 };
    static bool told[KEYS];
    char text[128];
    subscribe("Ex");
    memset(told, 0, sizeof(told));
    for (int i = 0; i < KEYS; i++)
        (void)redisAppendCommand(client, "SET k%d v PX 300", i);
    for (int i = 0; i < LIVING; i++)
        (void)redisAppendCommand(client, "SET living%d v PX 100000", i);
    for (int i = 0; i < KEYS + LIVING; i++)
        expect_next_text(client, "OK");
    for (int i = 0; i < KEYS; i++) {
        next_message(subscriber, text);
        long key = strtol(text + strlen("E:expired k"), NULL, 10);
        assert_memory_equal(text, "E:expired k", strlen("E:expired k"));
        assert_in_range(key, 0, KEYS - 1);
        assert_false(told[key]);
        told[key] = true;
    }
    EXPECT_NO_MESSAGE();
}

// As Redis tells it: stored and found to have expired, or deleted at once.
static void what_is_stored_dead_is_set_and_expires_and_what_is_given_a_past_time_is_deleted(void **state) {
    (void)state;
    subscribe("EAn");
    expect_reply(client, "OK", "SET k v PXAT 1000");
    for (int i = 0; i < 4; i++) {
        static const char *const wanted[] = {"E:new k", "E:set k", "E:expire k", "E:expired k"};
        expect_message(subscriber, wanted[i]);
    }
    expect_reply(client, "0", "EXISTS k");
    expect_reply(client, "OK", "SET k v");
    expect_reply(client, "'v'", "SET k v EXAT 1 GET");
    for (int i = 0; i < 5; i++) {
        static const char *const wanted[] = {"E:new k", "E:set k", "E:set k", "E:expire k", "E:expired k"};
        expect_message(subscriber, wanted[i]);
    }
    expect_reply(client, "OK", "MSET a v b v c v");
    expect_reply(client, "'v'", "GETEX a PXAT 1000");
    expect_reply(client, "1", "EXPIREAT b 1");
    redisReply *dump = command(client, "DUMP c");
    expect_reply(client, "OK", "RESTORE c 1000 %b ABSTTL REPLACE", dump->str, dump->len);
    expect_reply(client, "OK", "RESTORE d 1000 %b ABSTTL", dump->str, dump->len);
    freeReplyObject(dump);
    EXPECT_MESSAGES("E:new a", "E:set a", "E:new b", "E:set b", "E:new c", "E:set c", "E:del a", "E:del b",
                    "E:del c");
    expect_silence(subscriber, 300); // nobody finds one of them later
    expect_reply(client, "0", "DBSIZE");
}

// Whichever comes first, the command or the walk over the keys.
static void a_write_in_place_of_an_expired_key_tells_that_first(void **state) {
    (void)state;
    subscribe("E$xn");
    expect_reply(client, "OK", "SET k v PX 20");
    wait_until(is_gone, client, 20, "the key is gone");
    expect_reply(client, "1", "INCR k");
    EXPECT_MESSAGES("E:new k", "E:set k", "E:expired k", "E:new k", "E:incrby k");
    expect_reply(client, "1", "PEXPIRE k 20");
    wait_until(is_gone, client, 20, "the key is gone");
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "SET k w");
    expect_text(client, "QUEUED", "APPEND k w");
    freeReplyObject(command(client, "EXEC"));
    EXPECT_MESSAGES("E:expired k", "E:new k", "E:set k", "E:append k");
}

static void unless_asked_for_nothing_is_deleted(void **state) {
    (void)state;
    subscribe("KEg$");
    expect_reply(client, "OK", "SET k v PX 20");
    expect_message(subscriber, "K:k set");
    expect_message(subscriber, "E:set k");
    expect_message(subscriber, "K:k expire");
    expect_message(subscriber, "E:expire k");
    wait_until(is_gone, client, 20, "the key is gone");
    long long sequence = server_info_number(client, "replication", "master_repl_offset");
    expect_silence(subscriber, 300);
    assert_int_equal(server_info_number(client, "replication", "master_repl_offset"), sequence);
}

static void a_fenced_master_tells_of_expired_keys_when_it_has_a_lease_again(void **state) {
    struct own_server *own = *state;
    redisContext *listener = server_connect(&own->server);
    lease_grant(own->client, 1, 1500);
    expect_text(own->client, "OK", "SET k v PX 1600"); // which is after the lease
    await_expirations(own->client, 1);
    freeReplyObject(command(listener, "PSUBSCRIBE __key*"));
    wait_until(is_gone, own->client, 20, "the key is gone");
    expect_silence(listener, 400);
    assert_int_equal(lease_number(own->client, "lease_writes_refused"), 0);
    lease_grant(own->client, 2, 60000);
    expect_message(listener, "E:expired k");
    redisFree(listener);
}

static bool is_compacted(void *connection) {
    return server_info_number(connection, "rocksdb", "is_compacting") == 0;
}

// Though a compaction has seen them meanwhile.
static void a_replica_tells_of_expired_keys_when_it_is_a_master_again(void **state) {
    struct own_server *own = *state;
    redisContext *listener = server_connect(&own->server);
    freeReplyObject(command(listener, "PSUBSCRIBE __key*"));
    expect_text(own->client, "OK", "SET k v PX 2000");
    expect_text(own->client, "OK", "REPLICAOF 127.0.0.1 1");
    wait_until(is_gone, own->client, 20, "the key is gone");
    expect_text(own->client, "OK", "COMPACT");
    wait_until(is_compacted, own->client, 60, "the compaction is over");
    expect_silence(listener, 400);
    expect_text(own->client, "OK", "REPLICAOF NO ONE");
    expect_message(listener, "E:expired k");
    redisFree(listener);
}

static void a_replica_is_sent_that_a_key_has_expired_and_tells_nothing(void **state) {
    struct own_server *own = *state;
    struct test_server replica;
    server_start(&replica, "notify-keyspace-events Ex\n");
    redisContext *to_replica = server_connect(&replica);
    redisContext *listener = server_connect(&replica);
    follow(to_replica, own->server.port);
    freeReplyObject(command(listener, "PSUBSCRIBE __key*"));
    redisContext *at_master = server_connect(&own->server);
    freeReplyObject(command(at_master, "PSUBSCRIBE __key*"));
    expect_text(own->client, "OK", "SET k v PX 100");
    expect_message(at_master, "E:expired k");
    wait_in_step(own->client, to_replica);
    expect_integer(to_replica, 0, "EXISTS k");
    expect_silence(listener, 300);
    redisFree(at_master);
    redisFree(listener);
    redisFree(to_replica);
    server_discard(&replica);
}

// --- The directive ---

static void the_directive_takes_the_letters_of_redis(void **state) {
    (void)state;
    expect_reply(client, "OK", "CONFIG SET notify-keyspace-events Kg$lshzxetd");
    expect_reply(client, "['notify-keyspace-events' 'AK']", "CONFIG GET notify-keyspace-events");
    expect_error(client, "ERR CONFIG SET failed", "CONFIG SET notify-keyspace-events q");
    expect_reply(client, "OK", "CONFIG SET notify-keyspace-events %s", "");
    expect_reply(client, "['notify-keyspace-events' '']", "CONFIG GET notify-keyspace-events");
}

static void what_the_lease_refuses_is_not_told(void **state) {
    struct own_server *own = *state;
    redisContext *listener = server_connect(&own->server);
    freeReplyObject(command(listener, "PSUBSCRIBE *"));
    lease_grant(own->client, 1, 1);
    await_expirations(own->client, 1);
    expect_error(own->client, LEASE_REFUSAL, "SET k v");
    expect_text(own->client, "OK", "MULTI");
    expect_text(own->client, "QUEUED", "PUBLISH news m");
    expect_text(own->client, "QUEUED", "SET k v");
    expect_error(own->client, LEASE_REFUSAL, "EXEC");
    expect_integer(own->client, 1, "PUBLISH mark end");
    char text[128];
    do {
        next_message(listener, text);
        assert_null(strstr(text, "news"));
        assert_true(text[0] != 'K' && text[0] != 'E');
    } while (strcmp(text, "mark end") != 0);
    redisFree(listener);
}

static void the_lease_tells_what_becomes_of_it(void **state) {
    struct own_server *own = *state;
    char text[128];
    redisContext *listener = server_connect(&own->server);
    freeReplyObject(command(listener, "SUBSCRIBE __lease__"));
    lease_grant(own->client, 7, 300);
    next_message(listener, text);
    assert_memory_equal(text, "__lease__ granted election_version=7 deadline_ms=", 49);
    expect_message(listener, "__lease__ expired election_version=7");
    expect_error(own->client, LEASE_REFUSAL, "SET k v");
    expect_error(own->client, LEASE_REFUSAL, "SET k v");
    long long told = 0;
    while (told < 2) { // at once or a second later
        next_message(listener, text);
        assert_memory_equal(text, "__lease__ refused writes=", 25);
        told += strtoll(text + 25, NULL, 10);
    }
    assert_int_equal(told, 2);
    lease_grant(own->client, 8, 60000);
    next_message(listener, text);
    assert_memory_equal(text, "__lease__ granted election_version=8 deadline_ms=", 49);
    lease_grant(own->client, 8, 60000);
    expect_text(own->client, "OK", "REPLICAOF 127.0.0.1 1");
    expect_message(listener, "__lease__ reset highest_version=8");
    redisFree(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_channels_are_told_of_a_change, empty_database),
        cmocka_unit_test_setup(what_changes_nothing_is_not_told, empty_database),
        cmocka_unit_test_setup(commands_of_all_families_tell_what_they_do, empty_database),
        cmocka_unit_test_setup(lists_tell_which_end, empty_database),
        cmocka_unit_test_setup(keys_and_members_are_not_taken_for_options, empty_database),
        cmocka_unit_test_setup(a_key_that_is_named_again_and_again_is_new_once, empty_database),
        cmocka_unit_test_setup(what_takes_another_keys_place_is_new, empty_database),
        cmocka_unit_test_setup(what_changes_no_expiry_tells_none, empty_database),
        cmocka_unit_test_setup(a_client_without_replies_is_told_of_its_own_changes, empty_database),
        cmocka_unit_test_setup(new_and_missing_keys_are_told_if_asked_for, empty_database),
        cmocka_unit_test_setup(a_transaction_tells_when_it_is_over_and_only_then, empty_database),
        cmocka_unit_test_setup(who_waits_for_an_element_tells_when_it_gets_it, empty_database),
        cmocka_unit_test_setup(a_key_that_expires_is_told_though_nobody_asks_for_it, empty_database),
        cmocka_unit_test_setup(a_key_expires_once_however_often_it_is_asked_for, empty_database),
        cmocka_unit_test_setup(many_keys_that_expire_are_all_told, empty_database),
        cmocka_unit_test_setup(
            what_is_stored_dead_is_set_and_expires_and_what_is_given_a_past_time_is_deleted, empty_database),
        cmocka_unit_test_setup(a_write_in_place_of_an_expired_key_tells_that_first, empty_database),
        cmocka_unit_test_setup(unless_asked_for_nothing_is_deleted, empty_database),
        own_server_test(a_fenced_master_tells_of_expired_keys_when_it_has_a_lease_again,
                        "master-lease-mode block-write\nnotify-keyspace-events Ex"),
        own_server_test(a_replica_tells_of_expired_keys_when_it_is_a_master_again,
                        "notify-keyspace-events Ex"),
        own_server_test(a_replica_is_sent_that_a_key_has_expired_and_tells_nothing,
                        "notify-keyspace-events Ex"),
        cmocka_unit_test_setup(the_directive_takes_the_letters_of_redis, empty_database),
        own_server_test(what_the_lease_refuses_is_not_told,
                        "master-lease-mode block-write\nnotify-keyspace-events KEA"),
        own_server_test(the_lease_tells_what_becomes_of_it, "master-lease-mode block-write"),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
