// SPDX-License-Identifier: Apache-2.0
//
// SORT and SORT_RO with all their options, over lists, sets and sorted sets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

static struct test_server server;
static redisContext *client;
static redisContext *other;
static const struct shared_server servers[] = {{&server, "workers 2", {&client, &other}}};

struct row {
    const char *wanted, *command;
};

static void expect_rows(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        expect_reply(client, rows[i].wanted, rows[i].command);
}

#define EXPECT_ROWS(rows) expect_rows((rows), sizeof(rows) / sizeof((rows)[0]))

static void numbers_and_texts_are_put_in_order(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"6", "RPUSH l 10 9 -1 2.5 1e2 0x10"},
        {"['-1' '2.5' '9' '10' '0x10' '1e2']", "SORT l"},
        {"['1e2' '0x10' '10' '9' '2.5' '-1']", "SORT l DESC"},
        {"['-1' '2.5' '9' '10' '0x10' '1e2']", "SORT l DESC ASC"},
        {"['-1' '0x10' '10' '1e2' '2.5' '9']", "SORT l ALPHA"},
        {"['9' '2.5' '1e2' '10' '0x10' '-1']", "SORT l alpha desc"},
        {"3", "SADD s 3 1 2"},
        {"['1' '2' '3']", "SORT s"},
        {"3", "ZADD z 1 30 2 20 3 10"},
        {"['10' '20' '30']", "SORT z"},
        {"[]", "SORT missing"},
        {"['1' '2' '3']", "SORT_RO s"},
    };
    EXPECT_ROWS(rows);
}

static void equal_numbers_are_in_the_order_of_their_bytes(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"4", "RPUSH l 1.0 1 01 1e0"},
        {"['01' '1' '1.0' '1e0']", "SORT l"},
        {"['1e0' '1.0' '1' '01']", "SORT l DESC"},
    };
    EXPECT_ROWS(rows);
}

static void what_is_no_number_is_an_error_without_alpha(void **state) {
    (void)state;
    static const char wanted[] = "-ERR One or more scores can't be converted into double";
    static const struct row rows[] = {
        {"3", "RPUSH l 1 two 3"},
        {wanted, "SORT l"},
        {wanted, "SORT l STORE d"},
        {"0", "EXISTS d"},
        {"['1' '3' 'two']", "SORT l ALPHA"},
        {"2", "RPUSH n nan 1"},
        {wanted, "SORT n"},
        {"2", "RPUSH huge 1e999 1"},
        {wanted, "SORT huge"},
        {"OK", "SET w_1 x"},
        {"1", "RPUSH one 1"},
        {wanted, "SORT one BY w_*"},
        {"['1']", "SORT one BY w_* ALPHA"},
    };
    EXPECT_ROWS(rows);
}

static void limit_takes_a_part(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"5", "RPUSH l 5 4 3 2 1"},
        {"['1' '2']", "SORT l LIMIT 0 2"},
        {"['4' '5']", "SORT l LIMIT 3 10"},
        {"['2' '3' '4' '5']", "SORT l LIMIT 1 -1"},
        {"['1' '2']", "SORT l LIMIT -5 2"},
        {"[]", "SORT l LIMIT 5 1"},
        {"[]", "SORT l LIMIT 0 0"},
        {"['5' '4']", "SORT l DESC LIMIT 0 2"},
        {"-ERR value is not an integer or out of range", "SORT l LIMIT x 1"},
        {"-ERR value is not an integer or out of range", "SORT l LIMIT 1 x"},
        {"['5' '4' '3' '2' '1']", "SORT l BY nosort"},
        {"['3' '2']", "SORT l BY nosort LIMIT 2 2"},
        {"['1' '2' '3' '4' '5']", "SORT l BY nosort DESC"},
        {"['3']", "SORT l BY nosort DESC LIMIT 2 1"},
    };
    EXPECT_ROWS(rows);
}

static void by_looks_up_what_is_compared(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"3", "RPUSH l a b c"},
        {"OK", "MSET w_a 3 w_b 1"},
        {"2", "HSET h_a f 2 g x"},
        {"1", "HSET h_b f 1"},
        {"1", "HSET h_c f 3"},
        {"['c' 'b' 'a']", "SORT l BY w_*"}, // what is missing counts as 0
        {"['a' 'b' 'c']", "SORT l BY w_* DESC"},
        {"['b' 'a' 'c']", "SORT l BY h_*->f"},
        {"['a' 'b' 'c']", "SORT l BY h_*->none"}, // all equal
        {"['a' 'b' 'c']", "SORT l BY h_*"},       // no strings: nothing is found
        {"['a' 'b' 'c']", "SORT l BY w_*->f"},    // no hashes
        {"['c' 'b' 'a']", "SORT l BY w_* ALPHA"}, // what is missing comes first
        {"['a' 'b' 'c']", "SORT l BY w_* ALPHA DESC"},
        {"OK", "SET w_a-> 1"},
        {"['b' 'c' 'a']", "SORT l BY w_*->"}, // no field: a part of the name
    };
    EXPECT_ROWS(rows);
}

static void get_tells_what_belongs_to_the_elements(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"3", "RPUSH l 2 1 3"},
        {"OK", "MSET v_1 one v_2 two const x"},
        {"1", "HSET h_1 f first"},
        {"['one' 'two' nil]", "SORT l GET v_*"},
        {"['1' 'one' '2' 'two' '3' nil]", "SORT l GET # GET v_*"},
        {"['first' nil nil]", "SORT l GET h_*->f"},
        {"[nil nil nil]", "SORT l GET const"},
        {"[nil nil nil]", "SORT l GET h_*"},
        {"['two']", "SORT l LIMIT 1 1 GET v_*"},
        {"['two' 'one' nil]", "SORT l BY nosort GET v_*"},
    };
    EXPECT_ROWS(rows);
}

static void store_makes_a_list_of_it(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"3", "SADD s 3 1 2"},
        {"1", "SADD d old"},
        {"3", "SORT s DESC STORE d"},
        {"list", "TYPE d"},
        {"['3' '2' '1']", "LRANGE d 0 -1"},
        {"4", "RPUSH d more"},
        {"OK", "SET v_1 one"},
        {"6", "SORT s GET # GET v_* STORE d"},
        {"['1' 'one' '2' '' '3' '']", "LRANGE d 0 -1"},
        {"3", "SORT s BY nosort STORE d"}, // a set has no order of its own
        {"['1' '2' '3']", "LRANGE d 0 -1"},
        {"2", "SORT s LIMIT 1 5 STORE s"}, // over itself
        {"['2' '3']", "LRANGE s 0 -1"},
        {"OK", "SET d x EX 100"},
        {"2", "SORT s STORE d"},
        {"-1", "TTL d"},
        {"0", "SORT missing STORE d"}, // nothing: the key goes
        {"0", "EXISTS d"},
        {"0", "SORT s LIMIT 9 9 STORE none"},
        {"0", "EXISTS none"},
        {"2", "SORT s STORE one STORE two"}, // the last one counts
        {"0", "EXISTS one"},
        {"2", "LLEN two"},
    };
    EXPECT_ROWS(rows);
}

static void sorted_sets_keep_their_own_order_if_none_is_asked_for(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"4", "ZADD z 3 a 1 b 2 c 2 d"},
        {"['b' 'c' 'd' 'a']", "SORT z BY nosort"},
        {"['a' 'd' 'c' 'b']", "SORT z BY nosort DESC"},
        {"['c' 'd']", "SORT z BY nosort LIMIT 1 2"},
        {"['d' 'c']", "SORT z BY nosort DESC LIMIT 1 2"},
        {"2", "SORT z BY nosort LIMIT 0 2 STORE d"},
        {"['b' 'c']", "LRANGE d 0 -1"},
    };
    EXPECT_ROWS(rows);
}

static void errors_say_what_is_wrong(void **state) {
    (void)state;
    static const char type[] = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    static const struct row rows[] = {
        {"OK", "SET s x"},
        {"1", "HSET h f v"},
        {type, "SORT s"},
        {type, "SORT h"},
        {type, "SORT_RO s"},
        {type, "SORT s STORE d"},
        {"-ERR syntax error", "SORT s nonsense"}, // before the type
        {"-ERR syntax error", "SORT l BY"},
        {"-ERR syntax error", "SORT l GET"},
        {"-ERR syntax error", "SORT l LIMIT 1"},
        {"-ERR syntax error", "SORT l STORE"},
        {"-ERR syntax error", "SORT_RO l STORE d"},
        {"-ERR wrong number of arguments for 'sort' command", "SORT"},
        {"-ERR wrong number of arguments for 'sort_ro' command", "SORT_RO"},
    };
    EXPECT_ROWS(rows);
}

static void the_destination_is_known_as_a_key(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"['k']", "COMMAND GETKEYS SORT k"},
        {"['k' 'd']", "COMMAND GETKEYS SORT k STORE d"},
        {"['k' 'd']", "COMMAND GETKEYS SORT k BY store GET store LIMIT 0 1 STORE d ALPHA"},
        {"['k' 'd']", "COMMAND GETKEYS SORT k STORE d GET STORE ASC"},
        {"['k' 'b']", "COMMAND GETKEYS SORT k STORE a STORE b"},
        {"['k' 'by']", "COMMAND GETKEYS SORT k STORE by"},
        {"[['k' [RO access]] ['d' [OW update]]]", "COMMAND GETKEYSANDFLAGS SORT k STORE d"},
        {"['k']", "COMMAND GETKEYS SORT_RO k ALPHA"},
    };
    EXPECT_ROWS(rows);
}

static void a_transaction_sorts_what_it_has_written(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"OK", "MULTI"},
        {"QUEUED", "RPUSH l 2 1"},
        {"QUEUED", "SET v_1 one"},
        {"QUEUED", "SORT l GET v_* STORE d"},
        {"QUEUED", "SORT d ALPHA"},
        {"[2 OK 2 ['' 'one']]", "EXEC"},
    };
    EXPECT_ROWS(rows);
}

static void a_destination_that_is_watched_breaks_the_transaction(void **state) {
    (void)state;
    expect_reply(client, "2", "RPUSH l 2 1");
    expect_reply(client, "OK", "WATCH d");
    expect_reply(other, "2", "SORT l STORE d");
    expect_reply(client, "OK", "MULTI");
    expect_reply(client, "QUEUED", "DEL d");
    expect_reply(client, "nil", "EXEC");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_and_texts_are_put_in_order, empty_database),
        cmocka_unit_test_setup(equal_numbers_are_in_the_order_of_their_bytes, empty_database),
        cmocka_unit_test_setup(what_is_no_number_is_an_error_without_alpha, empty_database),
        cmocka_unit_test_setup(limit_takes_a_part, empty_database),
        cmocka_unit_test_setup(by_looks_up_what_is_compared, empty_database),
        cmocka_unit_test_setup(get_tells_what_belongs_to_the_elements, empty_database),
        cmocka_unit_test_setup(store_makes_a_list_of_it, empty_database),
        cmocka_unit_test_setup(sorted_sets_keep_their_own_order_if_none_is_asked_for, empty_database),
        cmocka_unit_test_setup(errors_say_what_is_wrong, empty_database),
        cmocka_unit_test_setup(the_destination_is_known_as_a_key, empty_database),
        cmocka_unit_test_setup(a_transaction_sorts_what_it_has_written, empty_database),
        cmocka_unit_test_setup(a_destination_that_is_watched_breaks_the_transaction, empty_database),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
