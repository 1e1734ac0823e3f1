// SPDX-License-Identifier: Apache-2.0
//
// The string commands against the real server: every option, and the error texts clients look for.
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

#define SYNTAX      "-ERR syntax error"
#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define NOT_FLOAT   "-ERR value is not a valid float"
#define OVERFLOW    "-ERR increment or decrement would overflow"
#define TOO_LONG    "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 4", {&client}}};

static void expect_ttl(long long at_least, long long at_most, const char *key) {
    long long milliseconds = reply_integer_of(client, "PTTL %s", key);
    assert_in_range(milliseconds, at_least, at_most);
}

static void set_and_get_keep_every_byte(void **state) {
    (void)state;
    static const char odd[] = "a\0b\r\n\xff";
    expect_reply(client, "nil", "GET k");
    expect_reply(client, "OK", "SET k %b", odd, sizeof(odd) - 1);
    redisReply *reply = command(client, "GET k");
    assert_int_equal(reply->len, sizeof(odd) - 1);
    assert_memory_equal(reply->str, odd, sizeof(odd) - 1);
    freeReplyObject(reply);
    expect_reply(client, "OK", "SET k %s", "");
    expect_reply(client, "''", "GET k");
}

static void set_obeys_its_conditions(void **state) {
    (void)state;
    expect_reply(client, "nil", "SET k 1 XX");
    expect_reply(client, "nil", "GET k");
    expect_reply(client, "OK", "SET k 1 nx");
    expect_reply(client, "nil", "SET k 2 NX");
    expect_reply(client, "OK", "SET k 2 XX");
    expect_reply(client, "'2'", "GET k");
}

static void set_with_get_tells_the_old_value(void **state) {
    (void)state;
    expect_reply(client, "nil", "SET k 1 GET");
    expect_reply(client, "'1'", "SET k 2 GET");
    expect_reply(client, "'2'", "SET k 3 NX GET");
    expect_reply(client, "'2'", "SET k 3 GET XX");
    expect_reply(client, "'3'", "GET k");
    expect_reply(client, "nil", "SET missing 3 GET XX");
    expect_reply(client, "nil", "GET missing");
}

static void set_takes_an_expiry_in_four_ways(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k v EX 100");
    expect_ttl(90000, 100000, "k");
    expect_reply(client, "OK", "SET k v PX 50000");
    expect_ttl(40000, 50000, "k");
    expect_reply(client, "OK", "SET k v EXAT 33177117420");
    expect_reply(client, "33177117420", "EXPIRETIME k");
    expect_reply(client, "OK", "SET k v PXAT 33177117420123");
    expect_reply(client, "33177117420123", "PEXPIRETIME k");
    expect_reply(client, "OK", "SET k v KEEPTTL");
    expect_reply(client, "33177117420123", "PEXPIRETIME k");
    expect_reply(client, "OK", "SET k v");
    expect_reply(client, "-1", "PTTL k");
}

static void a_key_set_to_die_in_the_past_is_gone(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k v");
    expect_reply(client, "OK", "SET k w PXAT 1");
    expect_reply(client, "nil", "GET k");
    expect_reply(client, "0", "DBSIZE");
}

static void set_refuses_options_that_do_not_go_together(void **state) {
    (void)state;
    static const char *const options[] = {
        "NX XX", "XX NX",   "EX 1 PX 1", "EX 1 KEEPTTL", "KEEPTTL EX 1",  "EX",
        "PX",    "PERSIST", "FOO",       "EXAT 1 PX 10", "KEEPTTL PXAT 1"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "SET k v %s", options[i]);
        expect_reply(client, SYNTAX, text);
    }
    expect_reply(client, "nil", "GET k");
}

static void expiry_times_must_make_sense(void **state) {
    (void)state;
    static const char invalid[] = "-ERR invalid expire time in 'set' command";
    expect_reply(client, invalid, "SET k v EX 0");
    expect_reply(client, invalid, "SET k v PX -1");
    expect_reply(client, invalid, "SET k v EX 9223372036854775807");
    expect_reply(client, invalid, "SET k v EXAT 9223372036854776");
    expect_reply(client, invalid, "SET k v PX 9223372036854775807");
    expect_reply(client, NOT_INTEGER, "SET k v EX 1.5");
    expect_reply(client, NOT_INTEGER, "SET k v PXAT 9223372036854775808");
    expect_reply(client, "-ERR invalid expire time in 'setex' command", "SETEX k 0 v");
    expect_reply(client, "-ERR invalid expire time in 'psetex' command", "PSETEX k -5 v");
    expect_reply(client, NOT_INTEGER, "SETEX k x v");
    expect_reply(client, "nil", "GET k");
}

static void setnx_setex_psetex_and_getset_are_forms_of_set(void **state) {
    (void)state;
    expect_reply(client, "1", "SETNX k 1");
    expect_reply(client, "0", "SETNX k 2");
    expect_reply(client, "OK", "SETEX k 100 3");
    expect_ttl(90000, 100000, "k");
    expect_reply(client, "OK", "PSETEX k 50000 4");
    expect_ttl(40000, 50000, "k");
    expect_reply(client, "'4'", "GETSET k 5");
    expect_reply(client, "-1", "PTTL k");
    expect_reply(client, "nil", "GETSET other 1");
}

static void getdel_takes_the_key_away(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k v");
    expect_reply(client, "'v'", "GETDEL k");
    expect_reply(client, "nil", "GETDEL k");
    expect_reply(client, "0", "EXISTS k");
}

static void getex_changes_only_the_expiry(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k v EX 100");
    expect_reply(client, "'v'", "GETEX k");
    expect_ttl(90000, 100000, "k");
    expect_reply(client, "'v'", "GETEX k PERSIST");
    expect_reply(client, "-1", "PTTL k");
    expect_reply(client, "'v'", "GETEX k PX 50000");
    expect_ttl(40000, 50000, "k");
    expect_reply(client, "'v'", "GETEX k EXAT 33177117420");
    expect_reply(client, "33177117420", "EXPIRETIME k");
    expect_reply(client, SYNTAX, "GETEX k KEEPTTL");
    expect_reply(client, SYNTAX, "GETEX k PERSIST EX 1");
    expect_reply(client, SYNTAX, "GETEX k NX");
    expect_reply(client, "-ERR invalid expire time in 'getex' command", "GETEX k EX 0");
    expect_reply(client, "nil", "GETEX missing EX 0");
    expect_reply(client, "'v'", "GETEX k PXAT 1");
    expect_reply(client, "nil", "GET k");
}

static void append_makes_and_lengthens(void **state) {
    (void)state;
    expect_reply(client, "5", "APPEND k Hello");
    expect_reply(client, "11", "APPEND k %s", " World");
    expect_reply(client, "'Hello World'", "GET k");
    expect_reply(client, "0", "APPEND none %s", "");
    expect_reply(client, "1", "EXISTS none");
    expect_reply(client, "11", "STRLEN k");
    expect_reply(client, "0", "STRLEN missing");
}

static void getrange_counts_from_both_ends(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k %s", "This is a string");
    expect_reply(client, "'This'", "GETRANGE k 0 3");
    expect_reply(client, "'ing'", "GETRANGE k -3 -1");
    expect_reply(client, "'This is a string'", "GETRANGE k 0 -1");
    expect_reply(client, "'string'", "SUBSTR k 10 100");
    expect_reply(client, "'This'", "GETRANGE k -100 3");
    expect_reply(client, "''", "GETRANGE k 5 3");
    expect_reply(client, "''", "GETRANGE k -1 -5");
    expect_reply(client, "''", "GETRANGE k 16 20");
    expect_reply(client, "''", "GETRANGE missing 0 -1");
    expect_reply(client, "'T'", "GETRANGE k -9223372036854775808 0");
    expect_reply(client, NOT_INTEGER, "GETRANGE k a 1");
    expect_reply(client, NOT_INTEGER, "GETRANGE k 0 1.5");
}

static void setrange_overwrites_and_fills_up(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k %s", "Hello World");
    expect_reply(client, "11", "SETRANGE k 6 Redis");
    expect_reply(client, "'Hello Redis'", "GET k");
    expect_reply(client, "11", "SETRANGE k 0 J");
    expect_reply(client, "'Jello Redis'", "GET k");
    expect_reply(client, "300000", "SETRANGE k 299999 x");
    expect_reply(client, "300000", "STRLEN k");
    expect_reply(client, "'Jello Redis'", "GETRANGE k 0 10");
    expect_reply(client, "'x'", "GETRANGE k -1 -1");
    expect_reply(client, "0", "SETRANGE missing 10 %s", "");
    expect_reply(client, "0", "EXISTS missing");
    expect_reply(client, "-ERR offset is out of range", "SETRANGE k -1 x");
    expect_reply(client, NOT_INTEGER, "SETRANGE k a x");
}

static void strings_do_not_grow_over_the_limit(void **state) {
    (void)state;
    expect_reply(client, TOO_LONG, "SETRANGE k 536870912 x");
    expect_reply(client, TOO_LONG, "SETRANGE k 536870905 12345678");
    expect_reply(client, TOO_LONG, "SETRANGE k 9223372036854775807 x");
    expect_reply(client, "0", "EXISTS k");
    expect_reply(client, "OK", "CONFIG SET proto-max-bulk-len 1mb");
    expect_reply(client, "1048576", "SETRANGE k 1048575 x");
    expect_reply(client, TOO_LONG, "APPEND k y");
    expect_reply(client, "1048576", "STRLEN k");
    expect_reply(client, "OK", "CONFIG SET proto-max-bulk-len 512mb");
}

static void numbers_count_up_and_down(void **state) {
    (void)state;
    expect_reply(client, "1", "INCR k");
    expect_reply(client, "11", "INCRBY k 10");
    expect_reply(client, "10", "DECR k");
    expect_reply(client, "-10", "DECRBY k 20");
    expect_reply(client, "'-10'", "GET k");
    expect_reply(client, NOT_INTEGER, "INCRBY k 1.5");
    expect_reply(client, NOT_INTEGER, "INCRBY k 9223372036854775808");
    expect_reply(client, "-ERR decrement would overflow", "DECRBY k -9223372036854775808");
}

static void numbers_do_not_overflow(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET max 9223372036854775807 min -9223372036854775808");
    expect_reply(client, OVERFLOW, "INCR max");
    expect_reply(client, OVERFLOW, "DECR min");
    expect_reply(client, "-1", "INCRBY max -9223372036854775808");
    expect_reply(client, "-1", "INCRBY min 9223372036854775807");
}

static void what_is_no_number_is_not_counted(void **state) {
    (void)state;
    static const char *const values[] = {"a", "", " 1", "1 ", "01", "+1", "-0", "1.0", "9223372036854775808"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        expect_reply(client, "OK", "SET k %s", values[i]);
        expect_reply(client, NOT_INTEGER, "INCR k");
    }
}

static void incrbyfloat_prints_as_redis_does(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k 10.50");
    expect_reply(client, "'10.6'", "INCRBYFLOAT k 0.1");
    expect_reply(client, "'5.6'", "INCRBYFLOAT k -5");
    expect_reply(client, "OK", "SET k 5.0e3");
    expect_reply(client, "'5200'", "INCRBYFLOAT k 2.0e2");
    expect_reply(client, "'0'", "INCRBYFLOAT k -5200");
    expect_reply(client, "'3'", "INCRBYFLOAT new 3.0");
    expect_reply(client, NOT_FLOAT, "INCRBYFLOAT k abc");
    expect_reply(client, NOT_FLOAT, "INCRBYFLOAT k nan");
    expect_reply(client, "-ERR increment would produce NaN or Infinity", "INCRBYFLOAT k +inf");
    expect_reply(client, "OK", "SET k text");
    expect_reply(client, NOT_FLOAT, "INCRBYFLOAT k 1");
}

static void mset_and_mget_work_on_many_keys(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a 1 b 2 a 3");
    expect_reply(client, "['3' nil '2' '3']", "MGET a missing b a");
    expect_reply(client, "0", "MSETNX c 1 a 2");
    expect_reply(client, "0", "EXISTS c");
    expect_reply(client, "1", "MSETNX c 1 d 2");
    expect_reply(client, "['1' '2']", "MGET c d");
    expect_reply(client, "-ERR wrong number of arguments for 'mset' command", "MSET a 1 b");
    expect_reply(client, "-ERR wrong number of arguments for 'msetnx' command", "MSETNX a 1 b");
}

static void lcs_answers_in_three_forms(void **state) {
    (void)state;
    expect_reply(client, "OK", "MSET a ohmytext b mynewtext");
    expect_reply(client, "'mytext'", "LCS a b");
    expect_reply(client, "6", "LCS a b LEN");
    expect_reply(client, "['matches' [[[4 7] [5 8]] [[2 3] [0 1]]] 'len' 6]", "LCS a b IDX");
    expect_reply(client, "['matches' [[[4 7] [5 8] 4]] 'len' 6]", "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN");
    expect_reply(client, "''", "LCS a missing");
    expect_reply(client, "-ERR If you want both the length and indexes, please just use IDX.",
                 "LCS a b LEN IDX");
    expect_reply(client, SYNTAX, "LCS a b MINMATCHLEN");
    expect_reply(client, SYNTAX, "LCS a b FOO");
    expect_reply(client, NOT_INTEGER, "LCS a b MINMATCHLEN x");
}

static void lcs_refuses_a_table_over_the_limit(void **state) {
    (void)state;
    expect_reply(client, "20000", "SETRANGE a 19999 x");
    expect_reply(client, "20000", "SETRANGE b 19999 x");
    expect_reply(client, "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
                 "LCS a b LEN");
}

static void cas_sets_and_cad_deletes_what_is_as_expected(void **state) {
    (void)state;
    expect_reply(client, "-1", "CAS k old new");
    expect_reply(client, "-1", "CAD k old");
    expect_reply(client, "OK", "SET k old EX 100");
    expect_reply(client, "0", "CAS k other new");
    expect_reply(client, "1", "CAS k old new");
    expect_reply(client, "'new'", "GET k");
    expect_reply(client, "-1", "PTTL k");
    expect_reply(client, "1", "CAS k new newer PX 50000");
    expect_ttl(40000, 50000, "k");
    expect_reply(client, SYNTAX, "CAS k newer x KEEPTTL");
    expect_reply(client, SYNTAX, "CAS k newer x EX");
    expect_reply(client, "-ERR invalid expire time in 'cas' command", "CAS k newer x EX 0");
    expect_reply(client, "0", "CAD k new");
    expect_reply(client, "1", "CAD k newer");
    expect_reply(client, "0", "EXISTS k");
}

static void string_commands_see_each_other_in_a_transaction(void **state) {
    (void)state;
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "SET k 5");
    expect_reply(client, "QUEUED", "INCRBY k 2");
    expect_reply(client, "QUEUED", "APPEND k 0");
    expect_reply(client, "QUEUED", "MGET k missing");
    expect_reply(client, "QUEUED", "GETDEL k");
    expect_reply(client, "QUEUED", "SETNX k 1");
    expect_reply(client, "[OK 7 2 ['70' nil] '70' 1]", "EXEC");
    expect_reply(client, "'1'", "GET k");
}

static void big_values_arrive_whole(void **state) {
    (void)state;
    enum { SIZE = 20 * 1024 * 1024 };
    char *value = malloc(SIZE);
    assert_non_null(value);
    for (size_t i = 0; i < SIZE; i++)
        value[i] = (char)(i * 2654435761U >> 13);
    expect_reply(client, "OK", "SET k %b", value, (size_t)SIZE);
    for (int round = 0; round < 3; round++) {
        redisReply *reply = command(client, round == 2 ? "GETSET k x" : "GET k");
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        assert_int_equal(reply->len, SIZE);
        assert_true(memcmp(reply->str, value, SIZE) == 0);
        freeReplyObject(reply);
    }
    free(value);
}

enum { COUNTERS = 4, INCREMENTS = 500 };

static void *count_up(void *unused) {
    (void)unused;
    redisContext *own = server_connect(&server);
    for (int i = 0; i < INCREMENTS; i++) {
        redisReply *reply = redisCommand(own, "INCR shared");
        if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
            abort();
        freeReplyObject(reply);
    }
    redisFree(own);
    return NULL;
}

static void increments_from_many_clients_all_count(void **state) {
    (void)state;
    pthread_t threads[COUNTERS];
    for (size_t i = 0; i < COUNTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (size_t i = 0; i < COUNTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    expect_reply(client, "'2000'", "GET shared");
}

static void strings_are_there_after_a_restart(void **state) {
    (void)state;
    expect_reply(client, "OK", "SET k v PXAT 33177117420123");
    expect_reply(client, "OK", "SET n 41");
    redisFree(client);
    server_stop(&server);
    server_restart(&server);
    client = server_connect(&server);
    expect_reply(client, "'v'", "GET k");
    expect_reply(client, "33177117420123", "PEXPIRETIME k");
    expect_reply(client, "42", "INCR n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(set_and_get_keep_every_byte, empty_database),
        cmocka_unit_test_setup(set_obeys_its_conditions, empty_database),
        cmocka_unit_test_setup(set_with_get_tells_the_old_value, empty_database),
        cmocka_unit_test_setup(set_takes_an_expiry_in_four_ways, empty_database),
        cmocka_unit_test_setup(a_key_set_to_die_in_the_past_is_gone, empty_database),
        cmocka_unit_test_setup(set_refuses_options_that_do_not_go_together, empty_database),
        cmocka_unit_test_setup(expiry_times_must_make_sense, empty_database),
        cmocka_unit_test_setup(setnx_setex_psetex_and_getset_are_forms_of_set, empty_database),
        cmocka_unit_test_setup(getdel_takes_the_key_away, empty_database),
        cmocka_unit_test_setup(getex_changes_only_the_expiry, empty_database),
        cmocka_unit_test_setup(append_makes_and_lengthens, empty_database),
        cmocka_unit_test_setup(getrange_counts_from_both_ends, empty_database),
        cmocka_unit_test_setup(setrange_overwrites_and_fills_up, empty_database),
        cmocka_unit_test_setup(strings_do_not_grow_over_the_limit, empty_database),
        cmocka_unit_test_setup(numbers_count_up_and_down, empty_database),
        cmocka_unit_test_setup(numbers_do_not_overflow, empty_database),
        cmocka_unit_test_setup(what_is_no_number_is_not_counted, empty_database),
        cmocka_unit_test_setup(incrbyfloat_prints_as_redis_does, empty_database),
        cmocka_unit_test_setup(mset_and_mget_work_on_many_keys, empty_database),
        cmocka_unit_test_setup(lcs_answers_in_three_forms, empty_database),
        cmocka_unit_test_setup(lcs_refuses_a_table_over_the_limit, empty_database),
        cmocka_unit_test_setup(cas_sets_and_cad_deletes_what_is_as_expected, empty_database),
        cmocka_unit_test_setup(string_commands_see_each_other_in_a_transaction, empty_database),
        cmocka_unit_test_setup(big_values_arrive_whole, empty_database),
        cmocka_unit_test_setup(increments_from_many_clients_all_count, empty_database),
        cmocka_unit_test_setup(strings_are_there_after_a_restart, empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
