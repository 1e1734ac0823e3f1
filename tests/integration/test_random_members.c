// SPDX-License-Identifier: Apache-2.0
//
// Random members of big collections and random keys: that they are evenly drawn is tested with many names in
// tests/unit/test_entry_draws.c; here, that the commands draw so, and how they end.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply_text.h"
#include "server_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 100000, BINS = 20 };

static struct test_server server;
static redisContext *client;
static const struct shared_server servers[] = {{&server, "workers 2", {&client}}};

// A thousand at a time of what the format makes of a number.
static void fill(const char *name, const char *key, const char *between) {
    enum { AT_ONCE = 1000, TEXT = 24 };
    static char texts[AT_ONCE][TEXT];
    static const char *arguments[2 + 2 * AT_ONCE];
    for (int done = 0; done < SIZE; done += AT_ONCE) {
        int count = 0;
        arguments[count++] = name;
        arguments[count++] = key;
        for (int i = 0; i < AT_ONCE; i++) {
            (void)snprintf(texts[i], TEXT, "member:%06d", done + i);
            if (between != NULL && strcmp(name, "ZADD") == 0)
                arguments[count++] = between;
            arguments[count++] = texts[i];
            if (between != NULL && strcmp(name, "HSET") == 0)
                arguments[count++] = between;
        }
        redisReply *reply = redisCommandArgv(client, count, arguments, NULL);
        assert_non_null(reply);
        assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
        freeReplyObject(reply);
    }
}

static void count_one(unsigned bins[BINS], const char *text, const char *prefix) {
    assert_int_equal(strncmp(text, prefix, strlen(prefix)), 0);
    long number = strtol(text + strlen(prefix), NULL, 10);
    assert_in_range(number, 0, SIZE - 1);
    bins[number * BINS / SIZE]++;
}

// 19 degrees of freedom: 75 is exceeded once in 10^7 times.
static void expect_even(const unsigned bins[BINS], const char *what) {
    double wanted = 0;
    double chi_square = 0;
    for (int i = 0; i < BINS; i++)
        wanted += (double)bins[i] / BINS;
    for (int i = 0; i < BINS; i++)
        chi_square += (bins[i] - wanted) * (bins[i] - wanted) / wanted;
    print_message("%s: chi-square %.1f\n", what, chi_square);
    assert_true(chi_square < 75);
}

static void expect_even_draws(const char *one, const char *many, size_t wanted_of_many) {
    enum { DRAWS = 600 };
    unsigned bins[BINS] = {0};
    for (int i = 0; i < DRAWS; i++)
        assert_int_equal(redisAppendCommand(client, one), REDIS_OK);
    for (int i = 0; i < DRAWS; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(client, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        count_one(bins, reply->str, "member:");
        freeReplyObject(reply);
    }
    expect_even(bins, one);
    memset(bins, 0, sizeof(bins));
    redisReply *reply = redisCommand(client, many);
    assert_non_null(reply);
    assert_int_equal(reply->elements, wanted_of_many);
    size_t same = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        count_one(bins, reply->element[i]->str, "member:");
        same += i != 0 && strcmp(reply->element[i - 1]->str, reply->element[i]->str) == 0;
    }
    freeReplyObject(reply);
    expect_even(bins, many);
    if (strchr(many, '-') == NULL) // they come in order, so that two of the same would be neighbours
        assert_int_equal(same, 0);
}

static void members_of_a_big_set_are_drawn_evenly(void **state) {
    (void)state;
    fill("SADD", "s", NULL);
    expect_even_draws("SRANDMEMBER s", "SRANDMEMBER s -3000", 3000);
    expect_even_draws("SRANDMEMBER s", "SRANDMEMBER s 700", 700);
    expect_even_draws("SPOP s", "SPOP s 700", 700);
    expect_integer(client, SIZE - 600 - 700, "SCARD s");
}

static void fields_of_a_big_hash_are_drawn_evenly(void **state) {
    (void)state;
    fill("HSET", "h", "v");
    expect_even_draws("HRANDFIELD h", "HRANDFIELD h -3000", 3000);
}

static void members_of_a_big_sorted_set_are_drawn_evenly(void **state) {
    (void)state;
    fill("ZADD", "z", "1.5");
    expect_even_draws("ZRANDMEMBER z", "ZRANDMEMBER z -3000", 3000);
}

static void keys_are_drawn_evenly(void **state) {
    (void)state;
    enum { AT_ONCE = 10000, DRAWS = 600 };
    unsigned bins[BINS] = {0};
    for (int done = 0; done < SIZE; done += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++)
            assert_int_equal(redisAppendCommand(client, "SET key:%d v", done + i), REDIS_OK);
        for (int i = 0; i < AT_ONCE; i++)
            expect_next_text(client, "OK");
    }
    for (int i = 0; i < DRAWS; i++) {
        redisReply *reply = command(client, "RANDOMKEY");
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        count_one(bins, reply->str, "key:");
        freeReplyObject(reply);
    }
    expect_even(bins, "RANDOMKEY");
}

// As many as the number says are sent as the client reads them, until it has had enough.
static void more_draws_than_memory_holds_are_no_danger(void **state) {
    (void)state;
    static const char *const endless[] = {"SRANDMEMBER s -9223372036854775807",
                                          "HRANDFIELD h -4611686018427387903 WITHVALUES",
                                          "ZRANDMEMBER z -9223372036854775807"};
    expect_integer(client, 3, "SADD s a b c");
    expect_integer(client, 3, "HSET h a 1 b 2 c 3");
    expect_integer(client, 3, "ZADD z 1 a 2 b 3 c");
    long long before = server_info_number(client, "memory", "used_memory_rss");
    for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
        static char taken[1 << 20];
        int fd = server_connect_raw(&server);
        assert_int_equal(dprintf(fd, "%s\r\n", endless[i]), strlen(endless[i]) + 2);
        for (size_t bytes = 0; bytes < 4 * sizeof(taken);) {
            ssize_t count = read(fd, taken, sizeof(taken));
            assert_true(count > 0);
            assert_int_equal(taken[0] == '-' && bytes == 0, false);
            bytes += (size_t)count;
        }
        expect_text(client, "PONG", "PING");
        close(fd);
    }
    if (!IS_SANITIZED)
        assert_true(server_info_number(client, "memory", "used_memory_rss") - before < 64 << 20);
    expect_text(client, "OK", "MULTI");
    expect_text(client, "QUEUED", "SRANDMEMBER s -9223372036854775807");
    redisReply *reply = command(client, "EXEC");
    assert_int_equal(reply->elements, 1);
    assert_int_equal(reply->element[0]->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
}

// Field and value begin with the same number.
static void fill_big(int count, size_t field_length, size_t value_length) {
    char *field = calloc(1, field_length + 1);
    char *value = calloc(1, value_length + 1);
    assert_non_null(field);
    assert_non_null(value);
    memset(field, 'f', field_length);
    memset(value, 'v', value_length);
    for (int i = 0; i < count; i++) {
        char number[8];
        (void)snprintf(number, sizeof(number), "%06d", i);
        memcpy(field, number, 6);
        memcpy(value, number, 6);
        expect_integer(client, 1, "HSET h %s %s", field, value);
    }
    free(field);
    free(value);
}

static void expect_big_draws(int wanted, size_t field_length, size_t value_length) {
    redisReply *reply = redisCommand(client, "HRANDFIELD h -%d WITHVALUES", wanted);
    assert_non_null(reply);
    assert_int_equal(reply->elements, 2 * wanted);
    for (size_t i = 0; i < reply->elements; i += 2) {
        assert_int_equal(reply->element[i]->len, field_length);
        assert_int_equal(reply->element[i + 1]->len, value_length);
        assert_memory_equal(reply->element[i]->str, reply->element[i + 1]->str, 6);
    }
    freeReplyObject(reply);
}

static void big_values_are_drawn_with_their_fields(void **state) {
    (void)state;
    fill_big(200, 10, 1025);
    expect_big_draws(300, 10, 1025);
}

// More than one walk keeps.
static void big_fields_are_drawn_with_their_values(void **state) {
    (void)state;
    fill_big(30, 1 << 20, 100);
    expect_big_draws(70, 1 << 20, 100);
}

static long long highest_memory(void) {
    char path[64], line[128];
    long long kilobytes = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)server.pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kilobytes = strtoll(line + 6, NULL, 10);
    }
    (void)fclose(file);
    return kilobytes << 10;
}

static void values_that_nobody_asks_for_take_no_memory(void **state) {
    (void)state;
    enum { VALUE = 4 << 20, COUNT = 20 };
    fill_big(COUNT, 10, VALUE);
    freeReplyObject(redisCommand(client, "HRANDFIELD h %d", COUNT)); // fills the block cache
    long long before = highest_memory();
    for (int i = 0; i < 2; i++) {
        redisReply *reply = redisCommand(client, "HRANDFIELD h -64");
        assert_non_null(reply);
        assert_int_equal(reply->elements, 64);
        freeReplyObject(reply);
    }
    print_message("HRANDFIELD took %lld MB\n", (highest_memory() - before) >> 20);
    if (!IS_SANITIZED)
        assert_true(highest_memory() - before < 64 << 20);
}

static void the_greatest_counts_are_those_of_redis(void **state) {
    (void)state;
    expect_integer(client, 1, "SADD s a");
    expect_integer(client, 1, "HSET h a 1");
    expect_integer(client, 1, "ZADD z 1 a");
    static const char *const right[] = {"SRANDMEMBER s 9223372036854775807",
                                        "HRANDFIELD h 9223372036854775807",
                                        "ZRANDMEMBER z 9223372036854775807"};
    static const char *const wrong[] = {"SRANDMEMBER s -9223372036854775808",
                                        "HRANDFIELD h -9223372036854775808 WITHVALUES",
                                        "ZRANDMEMBER z -9223372036854775808"};
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        expect_reply(client, "['a']", right[i]);
        expect_reply(
            client,
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            wrong[i]);
    }
    expect_error(client, "ERR value is out of range", "HRANDFIELD h 9223372036854775807 WITHVALUES");
    expect_error(client, "ERR value is out of range", "ZRANDMEMBER z -9223372036854775807 WITHSCORES");
}

// Their sub-keys are left to compaction, as by DEL.
static void a_set_that_is_emptied_at_once_costs_as_little_as_its_deletion(void **state) {
    (void)state;
    static const char *const ways[][2] = {{"SADD s a b c d e f g h", "SPOP s 8"},
                                          {"ZADD z 1 a 1 b 1 c 1 d 1 e 1 f", "ZREMRANGEBYRANK z 0 -1"},
                                          {"ZADD z 1 a 1 b 1 c 1 d 1 e 1 f", "ZREMRANGEBYSCORE z -inf inf"},
                                          {"ZADD z 1 a 1 b 1 c 1 d 1 e 1 f", "ZPOPMIN z 6"}};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        freeReplyObject(redisCommand(client, ways[i][0]));
        long long before = server_info_number(client, "replication", "master_repl_offset");
        freeReplyObject(redisCommand(client, ways[i][1]));
        assert_true(server_info_number(client, "replication", "master_repl_offset") - before < 5);
        expect_integer(client, 0, "EXISTS s z");
    }
}

#define TEST(function) cmocka_unit_test_setup(function, empty_database)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(members_of_a_big_set_are_drawn_evenly),
        TEST(fields_of_a_big_hash_are_drawn_evenly),
        TEST(members_of_a_big_sorted_set_are_drawn_evenly),
        TEST(keys_are_drawn_evenly),
        TEST(more_draws_than_memory_holds_are_no_danger),
        TEST(big_values_are_drawn_with_their_fields),
        TEST(big_fields_are_drawn_with_their_values),
        TEST(values_that_nobody_asks_for_take_no_memory),
        TEST(a_set_that_is_emptied_at_once_costs_as_little_as_its_deletion),
        TEST(the_greatest_counts_are_those_of_redis),
    };
    return RUN_WITH_SERVERS(tests, servers);
}
