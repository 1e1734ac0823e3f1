// SPDX-License-Identifier: Apache-2.0
//
// Lists of buckets: whatever comes, goes, is cut and joined, every rank and every sub-key is where a plain
// array of all sub-keys says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/rank_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SUB_KEYS = 2000, TEXT_SIZE = 8 };

// Which of the sub-keys are there, and the list beside it.
struct pair {
    struct rank_list *list;
    bool is_there[SUB_KEYS];
    uint64_t total;
    unsigned short random[3];
};

static int open_pair(void **state) {
    static struct pair pair;
    const char *given = getenv("KVFENCE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("KVFENCE_SEED=%u\n", seed);
    pair = (struct pair){.list = rank_list_open(),
                         .random = {(unsigned short)seed, (unsigned short)(seed >> 16), 3}};
    *state = &pair;
    return 0;
}

static int close_pair(void **state) {
    struct pair *pair = *state;
    rank_list_close(pair->list);
    return 0;
}

// In the order of the numbers.
static struct bytes sub_key_of(size_t number, char text[TEXT_SIZE]) {
    (void)snprintf(text, TEXT_SIZE, "%06zu", number);
    return bytes_from_text(text);
}

static size_t draw(struct pair *pair, size_t below) {
    return (size_t)nrand48(pair->random) % below;
}

static void put(struct pair *pair, size_t number) {
    char text[TEXT_SIZE];
    if (pair->is_there[number])
        return;
    pair->is_there[number] = true;
    pair->total++;
    uint64_t count = rank_list_add(pair->list, sub_key_of(number, text), 1);
    assert_int_equal(count, rank_list_bucket_of(pair->list, sub_key_of(number, text)).count);
}

static void take(struct pair *pair, size_t number) {
    char text[TEXT_SIZE];
    if (!pair->is_there[number])
        return;
    pair->is_there[number] = false;
    pair->total--;
    uint64_t left = 0;
    assert_true(rank_list_take(pair->list, sub_key_of(number, text), &left));
    assert_int_equal(left, rank_list_bucket_of(pair->list, sub_key_of(number, text)).count);
}

static uint64_t count_from(const struct pair *pair, size_t first, size_t end) {
    uint64_t count = 0;
    for (size_t i = first; i < end; i++)
        count += pair->is_there[i];
    return count;
}

static size_t number_of(struct bytes sub_key, size_t otherwise) {
    return sub_key.length == 0 ? otherwise : (size_t)strtoul(sub_key.data, NULL, 10);
}

// As a bucket is cut when it has grown: somewhere among what is in it.
static void cut(struct pair *pair, size_t number) {
    char text[TEXT_SIZE];
    struct bytes sub_key = sub_key_of(number, text);
    struct rank_bucket bucket = rank_list_bucket_of(pair->list, sub_key);
    size_t end = bucket.has_end ? number_of(bucket.end, SUB_KEYS) : SUB_KEYS;
    rank_list_cut(pair->list, sub_key, count_from(pair, number, end));
}

static void assert_bucket(const struct pair *pair, const struct rank_bucket *bucket) {
    size_t first = number_of(bucket->first, 0);
    size_t end = bucket->has_end ? number_of(bucket->end, SUB_KEYS) : SUB_KEYS;
    assert_true(first < end);
    assert_int_equal(bucket->before, count_from(pair, 0, first));
    assert_int_equal(bucket->count, count_from(pair, first, end));
}

// Every bucket, found by each of its sub-keys and ranks.
static void assert_like_array(const struct pair *pair) {
    uint64_t rank = 0;
    assert_int_equal(rank_list_total(pair->list), pair->total);
    for (size_t number = 0; number < SUB_KEYS; number++) {
        char text[TEXT_SIZE];
        const struct rank_bucket bucket = rank_list_bucket_of(pair->list, sub_key_of(number, text));
        assert_true(number >= number_of(bucket.first, 0));
        assert_true(!bucket.has_end || number < number_of(bucket.end, SUB_KEYS));
        if (number % 16 == 0)
            assert_bucket(pair, &bucket);
        if (!pair->is_there[number])
            continue;
        const struct rank_bucket same = rank_list_bucket_at(pair->list, rank);
        assert_int_equal(same.before, bucket.before);
        assert_true(bytes_equal(same.first, bucket.first));
        rank++;
    }
}

static void an_empty_list_is_one_bucket(void **state) {
    struct pair *pair = *state;
    const struct rank_bucket bucket = rank_list_bucket_of(pair->list, BYTES_LITERAL("any"));
    uint64_t left = 0;
    assert_int_equal(bucket.first.length, 0);
    assert_false(bucket.has_end);
    assert_int_equal(bucket.count, 0);
    assert_false(rank_list_take(pair->list, BYTES_LITERAL("any"), &left));
}

static void buckets_that_are_filled_in_order_are_found(void **state) {
    struct pair *pair = *state;
    for (size_t number = 0; number < SUB_KEYS; number++) {
        put(pair, number);
        if (number % 50 == 49)
            cut(pair, number);
    }
    assert_like_array(pair);
    const struct rank_bucket bucket = rank_list_bucket_at(pair->list, 99);
    assert_int_equal(number_of(bucket.first, 0), 99);
    assert_int_equal(bucket.count, 50);
}

static void every_rank_is_right_whatever_comes_and_goes(void **state) {
    struct pair *pair = *state;
    enum { STEPS = 20000, JOIN_MOST = 8 };
    for (int i = 0; i < STEPS; i++) {
        char text[TEXT_SIZE];
        size_t number = draw(pair, SUB_KEYS);
        switch (draw(pair, 8)) {
        case 0:
            cut(pair, number);
            break;
        case 1:
            rank_list_join(pair->list, sub_key_of(number, text), JOIN_MOST);
            break;
        case 2:
        case 3:
        case 4:
            take(pair, number);
            break;
        default:
            put(pair, number);
        }
        if (i % 500 == 0)
            assert_like_array(pair);
    }
    assert_like_array(pair);
}

static void buckets_that_were_emptied_give_their_memory_back(void **state) {
    struct pair *pair = *state;
    char text[TEXT_SIZE];
    size_t before = rank_list_memory(pair->list);
    for (size_t number = 0; number < SUB_KEYS; number++) {
        put(pair, number);
        cut(pair, number);
    }
    assert_true(rank_list_memory(pair->list) > before + SUB_KEYS * TEXT_SIZE);
    for (size_t i = 0; i < SUB_KEYS; i++) {
        size_t number = i % 2 == 0 ? i : SUB_KEYS - i;
        take(pair, number);
        rank_list_join(pair->list, sub_key_of(number, text), 0);
    }
    assert_like_array(pair);
    for (size_t number = 0; number < SUB_KEYS; number++)
        rank_list_join(pair->list, sub_key_of(number, text), 0);
    assert_int_equal(rank_list_memory(pair->list), before);
}

static void a_bucket_is_not_cut_where_it_begins_or_of_more_than_it_has(void **state) {
    struct pair *pair = *state;
    char text[TEXT_SIZE];
    put(pair, 1);
    put(pair, 5);
    cut(pair, 5);
    size_t memory = rank_list_memory(pair->list);
    cut(pair, 5);
    rank_list_cut(pair->list, sub_key_of(7, text), 2);
    assert_int_equal(rank_list_memory(pair->list), memory);
    assert_like_array(pair);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_pair, close_pair)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_empty_list_is_one_bucket),
        TEST(buckets_that_are_filled_in_order_are_found),
        TEST(every_rank_is_right_whatever_comes_and_goes),
        TEST(buckets_that_were_emptied_give_their_memory_back),
        TEST(a_bucket_is_not_cut_where_it_begins_or_of_more_than_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
