// SPDX-License-Identifier: Apache-2.0
//
// Pipelined small writes, which are written together: what their clients, other clients and those who only
// watch see of it is as if each had been written by itself, and when they cannot be written, each is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/table.h"
#include "gather_rig.h"
#include "raw_client.h"
#include "server/gather.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What is gathered is written after a millisecond at the latest, and a busy machine may let more pass between
// two commands: so what is sent at once is tried until it has been one commit. Each time with an empty
// database.
static void try_until_it_is_one_commit(struct gathering *gathering,
                                       void (*send)(struct gathering *gathering)) {
    enum { TRIES = 500 };
    int commits = 0;
    for (int i = 0; i < TRIES && commits != 1; i++) {
        freeReplyObject(command(gathering->client, "FLUSHALL"));
        int before = atomic_load(&gathering->gates.commits);
        send(gathering);
        commits = atomic_load(&gathering->gates.commits) - before;
    }
    assert_int_equal(commits, 1);
}

// --- One client ---

static void send_some_of_each_kind(struct gathering *gathering) {
    static const char *const commands[] = {
        "SET number 5",   "INCR number",        "HSET hash a 1 b 2",    "HSET hash b 3 c 4",
        "HDEL hash a b",  "SADD set x y x",     "ZADD zset 1 a 2 b",    "ZADD zset GT CH 3 a 1 b",
        "RPUSH list one", "LPUSH list two one", "DEL number list gone", "SETNX number 9"};
    static const long long replies[] = {6, 2, 1, 2, 2, 2, 1, 1, 3, 2, 1};
    SEND_TOGETHER(gathering->client, commands);
    expect_next_text(gathering->client, "OK");
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
        expect_next_integer(gathering->client, replies[i]);
}

static void commands_sent_together_are_one_commit_and_see_each_other(void **state) {
    struct gathering *gathering = *state;
    try_until_it_is_one_commit(gathering, send_some_of_each_kind);
    expect_text(gathering->client, "9", "GET number");
    expect_integer(gathering->client, 1, "HLEN hash");
    expect_text(gathering->client, "4", "HGET hash c");
    expect_integer(gathering->client, 2, "SCARD set");
    expect_text(gathering->client, "3", "ZSCORE zset a");
    expect_integer(gathering->client, 1, "ZRANK zset a");
    expect_integer(gathering->client, 0, "EXISTS list");
}

static void send_times_to_live(struct gathering *gathering) {
    static const char *const commands[] = {
        "HSET hash f v",  "EXPIRE hash 1000",  "HSET hash g v",  "PERSIST hash",   "PERSIST hash",
        "SADD set a b",   "PEXPIRE set 90000", "SMOVE set to a", "EXPIREAT set 1", "SADD set c",
        "MSETNX a 1 b 2", "MSETNX b 3 c 4",    "EXPIRE a 1000",  "PEXPIRE a 1 LT", "EXPIRE gone 10",
        "INCR a",         "GETSET b new",      "GETDEL b",       "SETNX b again",  "EXPIRE b 50 XX"};
    static const long long replies[] = {1, 1, 1, 1, 0, 2, 1, 1, 1, 1, 1, 0, 1, 1, 0};
    SEND_TOGETHER(gathering->client, commands);
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
        expect_next_integer(gathering->client, replies[i]);
    expect_next_type(gathering->client, REDIS_REPLY_INTEGER); // 2, or 1 if its millisecond is over
    expect_next_text(gathering->client, "2");
    expect_next_text(gathering->client, "new");
    expect_next_integer(gathering->client, 1);
    expect_next_integer(gathering->client, 0);
}

static void times_to_live_are_seen_by_those_that_follow(void **state) {
    struct gathering *gathering = *state;
    try_until_it_is_one_commit(gathering, send_times_to_live);
    expect_integer(gathering->client, -1, "TTL hash");
    expect_integer(gathering->client, 2, "HLEN hash");
    expect_integer(gathering->client, -1, "TTL set");
    expect_integer(gathering->client, 1, "SCARD set");
    expect_integer(gathering->client, 1, "SISMEMBER to a");
    expect_integer(gathering->client, -1, "TTL b");
}

static void a_command_that_fails_leaves_its_neighbours_done(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {"SET text abc",     "HSET text f v", "SET too few arguments here",
                                           "INCR text",        "SET",           "SADD set a",
                                           "ZADD zset nan 1 x"};
    SEND_TOGETHER(gathering->client, commands);
    expect_next_text(gathering->client, "OK");
    for (int i = 0; i < 4; i++)
        expect_next_type(gathering->client, REDIS_REPLY_ERROR);
    expect_next_integer(gathering->client, 1);
    expect_next_type(gathering->client, REDIS_REPLY_ERROR);
    expect_text(gathering->client, "abc", "GET text");
    expect_integer(gathering->client, 2, "EXISTS text set zset");
    expect_integer(gathering->client, 1, "SCARD set");
}

static void what_is_read_in_between_is_what_was_written_before(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {"SET a 1", "GET a",  "SET a 2", "INCR a", "GET a",  "MULTI",
                                           "INCR a",  "INCR a", "EXEC",    "INCR a", "KEYS *", "INCR a"};
    SEND_TOGETHER(gathering->client, commands);
    expect_next_text(gathering->client, "OK");
    expect_next_text(gathering->client, "1");
    expect_next_text(gathering->client, "OK");
    expect_next_integer(gathering->client, 3);
    expect_next_text(gathering->client, "3");
    expect_next_text(gathering->client, "OK");
    expect_next_text(gathering->client, "QUEUED");
    expect_next_text(gathering->client, "QUEUED");
    expect_next_type(gathering->client, REDIS_REPLY_ARRAY);
    expect_next_integer(gathering->client, 6);
    expect_next_type(gathering->client, REDIS_REPLY_ARRAY);
    expect_next_integer(gathering->client, 7);
}

static void all_that_cannot_be_written_are_refused_and_nothing_is_changed(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {"INCR number", "HSET hash f v", "SET",
                                           "SADD set a",  "HSET text f v", "INCR text",
                                           "GET number",  "LPUSH list a",  "PING"};
    expect_text(gathering->client, "OK", "SET text abc");
    long long errors = server_info_number(gathering->client, "stats", "total_error_replies");
    atomic_store(&gathering->gates.at_commit, REFUSAL);
    SEND_TOGETHER(gathering->client, commands);
    expect_next_text(gathering->client, REFUSAL);
    expect_next_text(gathering->client, REFUSAL);
    expect_next_text(gathering->client, "ERR wrong number of arguments for 'set' command");
    expect_next_text(gathering->client, REFUSAL);
    expect_next_text(gathering->client, "WRONGTYPE Operation against a key holding the wrong kind of value");
    expect_next_text(gathering->client, "ERR value is not an integer or out of range");
    expect_next_type(gathering->client, REDIS_REPLY_NIL);
    expect_next_text(gathering->client, REFUSAL);
    expect_next_text(gathering->client, "PONG");
    expect_integer(gathering->client, 1, "DBSIZE");
    expect_integer(gathering->client, 0, "EXISTS number hash set list");
    assert_int_equal(server_info_number(gathering->client, "stats", "total_error_replies"), errors + 7);
    atomic_store(&gathering->gates.at_commit, NULL);
    expect_integer(gathering->client, 1, "INCR number");
}

static void a_protocol_error_is_told_behind_the_refusals(void **state) {
    struct gathering *gathering = *state;
    static const char request[] = "INCR a\r\nINCR a\r\n*x\r\n";
    static const char wanted[] = "-" REFUSAL "\r\n-" REFUSAL "\r\n-ERR Protocol error";
    char reply[sizeof(wanted) - 1];
    int fd = server_connect_raw(&gathering->inner.address);
    atomic_store(&gathering->gates.at_commit, REFUSAL);
    raw_send(fd, request, sizeof(request) - 1);
    raw_read(fd, reply, sizeof(reply));
    assert_memory_equal(reply, wanted, sizeof(reply));
    assert_int_equal(close(fd), 0);
}

static void fill_with_each_kind(redisContext *client) {
    static const char *const fill[] = {"SET string abc", "SET number 1",  "HSET hash 1 1", "RPUSH list 1 2",
                                       "SADD set 1 2",   "ZADD zset 1 1", "HSET dead 1 1", "PEXPIRE dead 1"};
    expect_text(client, "OK", "FLUSHALL");
    SEND_TOGETHER(client, fill);
    expect_next_text(client, "OK");
    expect_next_text(client, "OK");
    for (size_t i = 2; i < sizeof(fill) / sizeof(fill[0]); i++)
        expect_next_type(client, REDIS_REPLY_INTEGER);
}

// With arguments that are as seldom right as wrong.
static void append_call(redisContext *client, const struct command *called, const char *key) {
    static const char *const formats[] = {"%s %s", "%s %s 1", "%s %s 1 1"};
    size_t arguments = (size_t)abs(called->arity);
    assert_in_range(arguments, 2, 4);
    assert_int_equal(redisAppendCommand(client, formats[arguments - 2], called->name, key), REDIS_OK);
}

// On each kind of key, between two others, it gets one reply. Returns how often it was written together with
// the one before it.
static int call_everywhere(struct gathering *gathering, const struct command *called) {
    static const char *const keys[] = {"missing", "string", "number", "hash", "list", "set", "zset", "dead"};
    redisContext *client = gathering->client;
    int together = 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        redisReply *reply = NULL;
        fill_with_each_kind(client);
        int before = atomic_load(&gathering->gates.commits);
        assert_int_equal(redisAppendCommand(client, "INCR before"), REDIS_OK);
        append_call(client, called, keys[i]);
        assert_int_equal(redisAppendCommand(client, "ECHO behind"), REDIS_OK);
        expect_next_type(client, REDIS_REPLY_INTEGER);
        assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
        together += reply->type != REDIS_REPLY_ERROR && atomic_load(&gathering->gates.commits) == before + 1;
        freeReplyObject(reply);
        expect_next_text(client, "behind");
    }
    return together;
}

static void every_command_that_is_gathered_can_be(void **state) {
    struct gathering *gathering = *state;
    size_t count = 0;
    int gathered = 0;
    struct command *commands = commands_copy(&count);
    for (size_t i = 0; i < count; i++) {
        if ((commands[i].flags & COMMAND_GATHERED) == 0)
            continue;
        if (call_everywhere(gathering, &commands[i]) == 0)
            fail_msg("%s was never written together with another command", commands[i].name);
        gathered++;
    }
    free(commands);
    assert_in_range(gathered, 30, 100);
}

static void replies_that_nobody_wants_do_not_come(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {
        "INCR a", "INCR a", "CLIENT REPLY SKIP", "INCR a", "INCR a", "CLIENT REPLY OFF",
        "INCR a", "INCR a", "CLIENT REPLY ON",   "INCR a"};
    SEND_TOGETHER(gathering->client, commands);
    expect_next_integer(gathering->client, 1);
    expect_next_integer(gathering->client, 2);
    expect_next_integer(gathering->client, 4);
    expect_next_text(gathering->client, "OK");
    expect_next_integer(gathering->client, 7);
}

static void more_than_is_written_at_once_is_written_in_parts(void **state) {
    struct gathering *gathering = *state;
    enum { COUNT = 1000 };
    int before = atomic_load(&gathering->gates.commits);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(redisAppendCommand(gathering->client, "HSET hash %d %d", i % 300, i), REDIS_OK);
    for (int i = 0; i < COUNT; i++)
        expect_next_integer(gathering->client, i < 300);
    int commits = atomic_load(&gathering->gates.commits) - before;
    assert_in_range(commits, COUNT / GATHER_COMMANDS_MAX, COUNT - 1);
    expect_integer(gathering->client, 300, "HLEN hash");
    expect_text(gathering->client, "901", "HGET hash 1");
}

static void the_last_words_of_a_client_that_leaves_are_done(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {"SET a 1", "SET b 2", "QUIT", "SET c 3"};
    redisContext *leaving = server_connect(&gathering->inner.address);
    SEND_TOGETHER(leaving, commands);
    for (int i = 0; i < 3; i++)
        expect_next_text(leaving, "OK");
    redisFree(leaving);
    expect_integer(gathering->client, 2, "EXISTS a b c");
}

// --- Those who watch ---

static void send_three_and_another(struct gathering *gathering) {
    static const char *const commands[] = {"INCR a", "INCR a", "INCR a", "ECHO x"};
    SEND_TOGETHER(gathering->client, commands);
    for (int i = 1; i <= 3; i++)
        expect_next_integer(gathering->client, i);
    expect_next_text(gathering->client, "x");
}

static void slow_commits_are_told_of(void **state) {
    struct gathering *gathering = *state;
    expect_text(gathering->client, "OK", "CONFIG SET slowlog-log-slower-than 0");
    try_until_it_is_one_commit(gathering, send_three_and_another);
    redisReply *reply = command(gathering->client, "SLOWLOG GET 2"); // the newest first: ECHO, the commit
    assert_int_equal(reply->elements, 2);
    const redisReply *words = reply->element[1]->element[3];
    assert_int_equal(words->elements, 2);
    assert_string_equal(words->element[0]->str, "incr");
    assert_string_equal(words->element[1]->str, "(and 2 commands before it, written together)");
    freeReplyObject(reply);
}

static void monitors_see_each_command(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {"SET a 1", "HSET b f v", "GET a"};
    static const char *const shown[] = {"\"SET\" \"a\" \"1\"", "\"HSET\" \"b\" \"f\" \"v\"", "\"GET\" \"a\""};
    redisContext *monitor = server_connect(&gathering->inner.address);
    expect_text(monitor, "OK", "MONITOR");
    SEND_TOGETHER(gathering->client, commands);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(monitor, (void **)&reply), REDIS_OK);
        assert_non_null(strstr(reply->str, shown[i]));
        freeReplyObject(reply);
    }
    redisFree(monitor);
}

static void expect_event(redisContext *subscriber, const char *channel, const char *key) {
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(subscriber, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->elements, 4);
    assert_string_equal(reply->element[2]->str, channel);
    assert_string_equal(reply->element[3]->str, key);
    freeReplyObject(reply);
}

static void events_are_told_of_each_command(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {"SET a 1", "SET a 2", "HSET h f v", "DEL a h"};
    redisContext *subscriber = server_connect(&gathering->inner.address);
    expect_text(gathering->client, "OK", "CONFIG SET notify-keyspace-events KEA");
    freeReplyObject(command(subscriber, "PSUBSCRIBE __keyevent@*"));
    SEND_TOGETHER(gathering->client, commands);
    expect_event(subscriber, "__keyevent@0__:set", "a");
    expect_event(subscriber, "__keyevent@0__:set", "a");
    expect_event(subscriber, "__keyevent@0__:hset", "h");
    expect_event(subscriber, "__keyevent@0__:del", "a");
    expect_event(subscriber, "__keyevent@0__:del", "h");
    redisFree(subscriber);
}

static bool somebody_waits(void *context) {
    return client_list_count(context, "cmd=blpop") == 1;
}

static void who_waits_for_a_key_gets_what_was_pushed_first(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {"SET a 1", "RPUSH list one", "RPUSH list two", "INCR a"};
    redisContext *waiting = server_connect(&gathering->inner.address);
    send_command(waiting, "BLPOP list 0");
    wait_until(somebody_waits, gathering->client, 10, "BLPOP waits");
    SEND_TOGETHER(gathering->client, commands);
    redisReply *reply = NULL;
    assert_int_equal(redisGetReply(waiting, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->elements, 2);
    assert_string_equal(reply->element[1]->str, "one");
    freeReplyObject(reply);
    redisFree(waiting);
    expect_next_text(gathering->client, "OK");
    for (int i = 1; i <= 2; i++)
        expect_next_integer(gathering->client, i);
    expect_next_integer(gathering->client, 2);
    expect_integer(gathering->client, 1, "LLEN list");
}

static void who_watches_a_key_is_told(void **state) {
    struct gathering *gathering = *state;
    static const char *const commands[] = {"INCR other", "INCR watched", "INCR other"};
    redisContext *watcher = server_connect(&gathering->inner.address);
    expect_text(watcher, "OK", "WATCH watched");
    SEND_TOGETHER(gathering->client, commands);
    for (int i = 0; i < 3; i++)
        expect_next_type(gathering->client, REDIS_REPLY_INTEGER);
    expect_text(watcher, "OK", "MULTI");
    expect_text(watcher, "QUEUED", "SET watched lost");
    expect_null(watcher, "EXEC");
    redisFree(watcher);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, gather_rig_open, gather_rig_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(commands_sent_together_are_one_commit_and_see_each_other),
        WITH_SERVER(times_to_live_are_seen_by_those_that_follow),
        WITH_SERVER(a_command_that_fails_leaves_its_neighbours_done),
        WITH_SERVER(what_is_read_in_between_is_what_was_written_before),
        WITH_SERVER(all_that_cannot_be_written_are_refused_and_nothing_is_changed),
        WITH_SERVER(a_protocol_error_is_told_behind_the_refusals),
        WITH_SERVER(every_command_that_is_gathered_can_be),
        WITH_SERVER(replies_that_nobody_wants_do_not_come),
        WITH_SERVER(more_than_is_written_at_once_is_written_in_parts),
        WITH_SERVER(the_last_words_of_a_client_that_leaves_are_done),
        WITH_SERVER(slow_commits_are_told_of),
        WITH_SERVER(monitors_see_each_command),
        WITH_SERVER(events_are_told_of_each_command),
        WITH_SERVER(who_waits_for_a_key_gets_what_was_pushed_first),
        WITH_SERVER(who_watches_a_key_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
