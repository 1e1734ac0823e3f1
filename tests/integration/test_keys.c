// SPDX-License-Identifier: Apache-2.0
//
// Commands on keys whatever their type, against the real server.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 4", {&client}}};

static void deleting_tells_how_many_keys_there_were(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2 c 3");
    expect_reply(client, "2", "DEL a b missing");
    expect_reply(client, "0", "DEL a b");
    expect_reply(client, "1", "UNLINK c");
    expect_reply(client, "nil", "GET a");
}

static void a_key_named_twice_is_deleted_once(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2");
    expect_reply(client, "2", "DEL a b a a b");
    expect_reply(client, "OK", "MSET a 1 b 2");
    expect_reply(client, "2", "UNLINK b a b");
}

static void exists_and_touch_count_a_key_as_often_as_it_is_named(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "2", "EXISTS a missing a");
    expect_reply(client, "0", "EXISTS missing");
    expect_reply(client, "2", "TOUCH a a missing");
}

static void keys_may_hold_any_byte_and_be_empty(void **state) {
    (void)state;
    static const char odd[] = "a\0b\r\n\xff";
    expect_reply(client, "OK", "SET %b 1", odd, sizeof(odd) - 1);
    expect_reply(client, "OK", "SET %s 2", "");
    expect_reply(client, "2", "EXISTS %b %s", odd, sizeof(odd) - 1, "");
    expect_reply(client, "0", "EXISTS a");
    expect_reply(client, "'2'", "GET %s", "");
    expect_reply(client, "OK", "RENAME %s %b", "", odd, sizeof(odd) - 1);
    expect_reply(client, "'2'", "GET %b", odd, sizeof(odd) - 1);
    expect_reply(client, "1", "DBSIZE");
}

static void type_names_the_type(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "string", "TYPE a");
    expect_reply(client, "none", "TYPE missing");
}

static void rename_takes_value_and_expiry_along(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a value EX 1000");
    expect_reply(client, "OK", "SET b other");
    expect_reply(client, "OK", "RENAME a b");
    expect_reply(client, "'value'", "GET b");
    assert_in_range(reply_integer_of(client, "TTL b"), 990, 1000);
    expect_reply(client, "0", "EXISTS a");
    expect_reply(client, "OK", "SET c stays");
    expect_reply(client, "OK", "RENAME c b");
    expect_reply(client, "-1", "TTL b");
}

static void rename_needs_a_source(void **state) {
    (void)state;
    expect_reply(client, "-ERR no such key", "RENAME missing b");
    expect_reply(client, "-ERR no such key", "RENAME missing missing");
    expect_reply(client, "-ERR no such key", "RENAMENX missing b");
}

static void renaming_a_key_to_itself_changes_nothing(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1 EX 1000");
    expect_reply(client, "OK", "RENAME a a");
    expect_reply(client, "0", "RENAMENX a a");
    expect_reply(client, "'1'", "GET a");
    assert_in_range(reply_integer_of(client, "TTL a"), 990, 1000);
}

static void renamenx_leaves_a_key_that_is_there(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2");
    expect_reply(client, "0", "RENAMENX a b");
    expect_reply(client, "['1' '2']", "MGET a b");
    expect_reply(client, "1", "RENAMENX a c");
    expect_reply(client, "[nil '1']", "MGET a c");
}

static void copy_takes_value_and_expiry_along(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a value EX 1000");
    expect_reply(client, "1", "COPY a b");
    expect_reply(client, "['value' 'value']", "MGET a b");
    assert_in_range(reply_integer_of(client, "TTL b"), 990, 1000);
    expect_reply(client, "0", "COPY missing c");
}

static void copy_replaces_only_when_told_to(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2");
    expect_reply(client, "0", "COPY a b");
    expect_reply(client, "'2'", "GET b");
    expect_reply(client, "1", "COPY a b DB 0 REPLACE");
    expect_reply(client, "'1'", "GET b");
}

static void copy_refuses_other_databases_and_nonsense(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "-ERR DB index is out of range", "COPY a b DB 1");
    expect_reply(client, "-ERR DB index is out of range", "COPY a b DB -1");
    expect_reply(client, "-ERR value is not an integer or out of range", "COPY a b DB x");
    expect_reply(client, "-ERR syntax error", "COPY a b DB");
    expect_reply(client, "-ERR syntax error", "COPY a b REPLACE x");
    expect_reply(client, "-ERR source and destination objects are the same", "COPY a a REPLACE");
    expect_reply(client, "0", "EXISTS b");
}

static void there_is_no_database_to_move_to(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "-ERR source and destination objects are the same", "MOVE a 0");
    expect_reply(client, "-ERR DB index is out of range", "MOVE a 1");
    expect_reply(client, "-ERR value is not an integer or out of range", "MOVE a x");
}

static void a_collection_with_many_elements_has_no_compact_encoding(void **state) {
    (void)state;
    for (int i = 0; i < 128; i++)
        expect_reply(client, "1", "HSET hash field:%d value", i);
    expect_reply(client, "'listpack'", "OBJECT ENCODING hash");
    expect_reply(client, "1", "HSET hash one-more value");
    expect_reply(client, "'hashtable'", "OBJECT ENCODING hash");
    for (int i = 0; i < 129; i++)
        expect_reply(client, "1", "ZADD zset %d member:%d", i, i);
    expect_reply(client, "'skiplist'", "OBJECT ENCODING zset");
    for (int i = 0; i < 512; i++)
        expect_reply(client, "1", "SADD set %d", i);
    expect_reply(client, "'intset'", "OBJECT ENCODING set");
    expect_reply(client, "1", "SADD set 512");
    expect_reply(client, "'hashtable'", "OBJECT ENCODING set");
}

static void memory_usage_looks_at_as_many_elements_as_it_is_told(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++)
        expect_reply(client, "1", "HSET hash field:%d value", i);
    long long even = reply_integer_of(client, "MEMORY USAGE hash");
    assert_true(even == reply_integer_of(client, "MEMORY USAGE hash SAMPLES 0"));
    assert_true(even > 10 * (long long)strlen("field:0"
                                              "value"));
    expect_reply(client, "1", "HSET hash last %01000d", 0);
    long long all = reply_integer_of(client, "MEMORY USAGE hash SAMPLES 0");
    assert_true(all > even + 1000);
    assert_true(reply_integer_of(client, "MEMORY USAGE hash SAMPLES 1") < all); // not the long one
    expect_reply(client, "-ERR syntax error", "MEMORY USAGE hash SAMPLES -1");
    expect_reply(client, "-ERR syntax error", "MEMORY USAGE hash SAMPLES");
    expect_reply(client, "nil", "MEMORY USAGE missing SAMPLES 3");
}

static void object_answers_as_redis_would(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET number 12345 short hello");
    expect_reply(client, "OK", "SET long 123456789012345678901234567890123456789012345");
    expect_reply(client, "'int'", "OBJECT ENCODING number");
    expect_reply(client, "'embstr'", "OBJECT ENCODING short");
    expect_reply(client, "'raw'", "OBJECT ENCODING long");
    expect_reply(client, "nil", "OBJECT ENCODING missing");
    expect_reply(client, "1", "HSET hash field value");
    expect_reply(client, "'listpack'", "OBJECT ENCODING hash");
    expect_reply(client, "0", "HSET hash field %065d", 1);
    expect_reply(client, "'hashtable'", "OBJECT ENCODING hash");
    expect_reply(client, "1", "RPUSH list a");
    expect_reply(client, "'quicklist'", "OBJECT ENCODING list");
    expect_reply(client, "2", "SADD set 1 -2");
    expect_reply(client, "'intset'", "OBJECT ENCODING set");
    expect_reply(client, "1", "SADD set a");
    expect_reply(client, "'hashtable'", "OBJECT ENCODING set");
    expect_reply(client, "1", "ZADD zset 1 a");
    expect_reply(client, "'listpack'", "OBJECT ENCODING zset");
    expect_reply(client, "1", "OBJECT REFCOUNT zset");
    expect_reply(client, "0", "OBJECT IDLETIME zset");
    expect_reply(client, "1", "OBJECT REFCOUNT short");
    expect_reply(client, "0", "OBJECT IDLETIME short");
    expect_reply(client, "-ERR unknown subcommand 'nonsense'. Try OBJECT HELP.", "OBJECT nonsense");
}

static void keys_lists_what_matches(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET user:1 a user:2 b user: c usez d other e");
    expect_reply(client, "['user:' 'user:1' 'user:2']", "KEYS user:*");
    expect_reply(client, "['user:1']", "KEYS user:1");
    expect_reply(client, "['user:1' 'user:2']", "KEYS u*[12]");
    expect_reply(client, "[]", "KEYS nothing*");
    expect_reply(client, "['other' 'user:' 'user:1' 'user:2' 'usez']", "KEYS *");
}

// As a condition to wait for: the key named by `name` is gone, which its expiry alone can bring about.
static bool is_gone(void *name) {
    return reply_integer_of(client, "PTTL %s", (const char *)name) == -2;
}

static void randomkey_finds_only_keys_that_live(void **state) {
    (void)state;
    expect_reply(client, "nil", "RANDOMKEY");
    expect_reply(client, "OK", "SET gone 1 PX 1");
    char name[] = "gone";
    wait_until(is_gone, name, 10, "the key to expire");
    expect_reply(client, "nil", "RANDOMKEY");
    expect_reply(client, "OK", "SET alive 1");
    expect_reply(client, "'alive'", "RANDOMKEY");
}

static void randomkey_finds_every_key_in_the_end(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2 c 3");
    bool seen[3] = {false};
    // Each try misses a given key with less than 0.9: 500 miss it once in 10^22 runs.
    for (int i = 0; i < 500; i++) {
        char *key = reply_text(client, "RANDOMKEY");
        assert_true(key[1] >= 'a' && key[1] <= 'c');
        seen[key[1] - 'a'] = true;
        free(key);
    }
    assert_true(seen[0] && seen[1] && seen[2]);
}

// Then it looks on after the command, and what comes behind it waits.
static void randomkey_finds_the_only_key_that_lives_among_very_many(void **state) {
    (void)state;
    enum { DEAD = 30000 };
    for (int i = 0; i < DEAD; i++)
        assert_int_equal(redisAppendCommand(client, "SET dead:%d 1 PX 1", i), REDIS_OK);
    for (int i = 0; i < DEAD; i++)
        expect_coming(client, "OK");
    char last[] = "dead:29999";
    wait_until(is_gone, last, 10, "the keys to expire");
    static const char *const living[] = {"alive", "dead:15000", "key"};
    expect_reply(client, "nil", "RANDOMKEY");
    for (size_t i = 0; i < sizeof(living) / sizeof(living[0]); i++) {
        char wanted[16];
        (void)snprintf(wanted, sizeof(wanted), "'%s'", living[i]);
        expect_reply(client, "OK", "SET %s 1", living[i]);
        assert_int_equal(redisAppendCommand(client, "RANDOMKEY"), REDIS_OK);
        expect_reply(client, wanted, "ECHO behind");
        expect_coming(client, "'behind'");
        expect_reply(client, "OK", "MULTI");
        expect_reply(client, "QUEUED", "RANDOMKEY");
        (void)snprintf(wanted, sizeof(wanted), "['%s']", living[i]);
        expect_reply(client, wanted, "EXEC");
        expect_reply(client, "1", "DEL %s", living[i]);
    }
}

static void flushing_deletes_everything(void **state) {
    (void)state;
    static const char *const commands[] = {"FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC", "FLUSHDB sync"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        expect_reply(client, "OK", "MSET a 1 b 2");
        expect_reply(client, "OK", commands[i]);
        expect_reply(client, "0", "DBSIZE");
        expect_reply(client, "nil", "GET a");
    }
    expect_reply(client, "OK", "SET a 1");
    expect_reply(client, "-ERR syntax error", "FLUSHALL nonsense");
    expect_reply(client, "-ERR syntax error", "FLUSHALL ASYNC SYNC");
    expect_reply(client, "1", "DBSIZE");
}

static void dbsize_is_exact(void **state) {
    (void)state;
    expect_reply(client, "0", "DBSIZE");
    for (int i = 0; i < 100; i++)
        expect_reply(client, "OK", "SET key:%d 1", i);
    expect_reply(client, "100", "DBSIZE");
    expect_reply(client, "1", "DEL key:7");
    expect_reply(client, "99", "DBSIZE");
    expect_reply(client, "-ERR wrong number of arguments for 'dbsize' command", "DBSIZE nonsense");
}

static void set_many_keys(int first, int count) {
    for (int i = first; i < first + count; i++)
        assert_int_equal(redisAppendCommand(client, "SET key:%d 1", i), REDIS_OK);
    for (int i = 0; i < count; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
        assert_string_equal(reply->str, "OK");
        freeReplyObject(reply);
    }
}

static bool info_keyspace_says(void *text) {
    char *info = reply_text(client, "INFO keyspace");
    bool found = strstr(info, text) != NULL;
    free(info);
    return found;
}

static void dbsize_scan_counts_in_the_background_for_info(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2 c 3");
    expect_reply(client, "1", "EXPIRE b 1000");
    expect_reply(client, "OK", "DBSIZE SCAN");
    char text[] = "db0:keys=3,expires=1,";
    wait_until(info_keyspace_says, text, 10, "the count to show in INFO");
}

// Its other clients would wait for a worker that counts millions.
static void dbsize_of_many_keys_is_what_the_last_scan_has_found(void **state) {
    (void)state;
    enum { MANY = 20000 };
    set_many_keys(0, MANY);
    expect_reply(client, "OK", "DBSIZE SCAN");
    char text[] = "db0:keys=20000,";
    wait_until(info_keyspace_says, text, 10, "the count to show in INFO");
    set_many_keys(MANY, 100);
    expect_reply(client, "20000", "DBSIZE");
    expect_reply(client, "OK", "FLUSHALL");
    expect_reply(client, "0", "DBSIZE");
}

// Eight names, five values. RENAMENX moves values between names while all do so at once: none may be lost
// or doubled.
enum { NAMES = 8, VALUES = 5, THREADS = 8, RENAMES = 2000 };

struct renamer {
    pthread_t thread;
    unsigned seed;
    size_t errors;
};

static void *rename_at_random(void *argument) {
    struct renamer *renamer = argument;
    unsigned state = renamer->seed;
    redisContext *own = server_connect(&server);
    for (int i = 0; i < RENAMES; i++) {
        state = state * 1664525U + 1013904223U;
        redisReply *reply = redisCommand(own, "RENAMENX name:%u name:%u", state >> 16 & 7U, state >> 20 & 7U);
        bool expected = reply != NULL &&
                        (reply->type == REDIS_REPLY_INTEGER || strcmp(reply->str, "ERR no such key") == 0);
        renamer->errors += !expected;
        freeReplyObject(reply);
    }
    redisFree(own);
    return NULL;
}

static void renames_by_many_at_once_lose_and_double_nothing(void **state) {
    (void)state;
    struct renamer renamers[THREADS] = {0};
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (int i = 0; i < VALUES; i++)
        expect_reply(client, "OK", "SET name:%d %d", i, i);
    for (unsigned i = 0; i < THREADS; i++) {
        renamers[i].seed = seed + i;
        assert_int_equal(pthread_create(&renamers[i].thread, NULL, rename_at_random, &renamers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(renamers[i].thread, NULL), 0);
        assert_int_equal(renamers[i].errors, 0);
    }
    expect_reply(client, "5", "DBSIZE");
    int seen[VALUES] = {0};
    for (int i = 0; i < NAMES; i++) {
        char *value = reply_text(client, "GET name:%d", i);
        if (strcmp(value, "nil") != 0)
            seen[value[1] - '0']++;
        free(value);
    }
    for (int i = 0; i < VALUES; i++)
        assert_int_equal(seen[i], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(deleting_tells_how_many_keys_there_were, empty_database),
        cmocka_unit_test_setup(a_key_named_twice_is_deleted_once, empty_database),
        cmocka_unit_test_setup(exists_and_touch_count_a_key_as_often_as_it_is_named, empty_database),
        cmocka_unit_test_setup(keys_may_hold_any_byte_and_be_empty, empty_database),
        cmocka_unit_test_setup(type_names_the_type, empty_database),
        cmocka_unit_test_setup(rename_takes_value_and_expiry_along, empty_database),
        cmocka_unit_test_setup(rename_needs_a_source, empty_database),
        cmocka_unit_test_setup(renaming_a_key_to_itself_changes_nothing, empty_database),
        cmocka_unit_test_setup(renamenx_leaves_a_key_that_is_there, empty_database),
        cmocka_unit_test_setup(copy_takes_value_and_expiry_along, empty_database),
        cmocka_unit_test_setup(copy_replaces_only_when_told_to, empty_database),
        cmocka_unit_test_setup(copy_refuses_other_databases_and_nonsense, empty_database),
        cmocka_unit_test_setup(there_is_no_database_to_move_to, empty_database),
        cmocka_unit_test_setup(object_answers_as_redis_would, empty_database),
        cmocka_unit_test_setup(a_collection_with_many_elements_has_no_compact_encoding, empty_database),
        cmocka_unit_test_setup(memory_usage_looks_at_as_many_elements_as_it_is_told, empty_database),
        cmocka_unit_test_setup(keys_lists_what_matches, empty_database),
        cmocka_unit_test_setup(randomkey_finds_only_keys_that_live, empty_database),
        cmocka_unit_test_setup(randomkey_finds_every_key_in_the_end, empty_database),
        cmocka_unit_test_setup(randomkey_finds_the_only_key_that_lives_among_very_many, empty_database),
        cmocka_unit_test_setup(flushing_deletes_everything, empty_database),
        cmocka_unit_test_setup(dbsize_is_exact, empty_database),
        cmocka_unit_test_setup(dbsize_of_many_keys_is_what_the_last_scan_has_found, empty_database),
        cmocka_unit_test_setup(dbsize_scan_counts_in_the_background_for_info, empty_database),
        cmocka_unit_test_setup(renames_by_many_at_once_lose_and_double_nothing, empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
