// SPDX-License-Identifier: Apache-2.0
//
// Indexes of ranks: they follow whatever is written, however it is written, and are not used where they could
// be wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zset_ranks_fixture.h"

#include "base/log.h"
#include "store/apply.h"
#include "store/log_tail.h"
#include "store/session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct zset_ranks_figures figures(const struct numbers *numbers) {
    return zset_ranks_figures_now(numbers->fixture.store->zset_ranks);
}

static bool are_ranked_right(struct numbers *numbers) {
    return numbers_are_ranked_right(numbers, numbers->fixture.sessions[1], 20);
}

static void make_index(struct numbers *numbers) {
    numbers_make_index(numbers->fixture.sessions[1], numbers->key);
}

static enum zset_ranks_answer ask(const struct collection *set) {
    struct zset_rank_place place;
    enum zset_ranks_answer answer = zset_ranks_of_rank(set, 100, &place);
    buffer_release(&place.first);
    return answer;
}

// --- Making ---

static void there_is_no_index_before_walks_would_pay_for_it(void **state) {
    struct numbers *numbers = *state;
    numbers_fill(numbers, 2);
    struct collection set = numbers_read(numbers->fixture.sessions[1], numbers->key);
    struct zset_rank_place place;
    assert_int_equal(zset_ranks_of_rank(&set, 5, &place), ZSET_RANKS_UNKNOWN);
    assert_false(zset_ranks_note_walk(&set, set.metadata.size / 16));
    assert_int_equal(zset_ranks_of_rank(&set, 5, &place), ZSET_RANKS_UNKNOWN);
    assert_true(zset_ranks_note_walk(&set, set.metadata.size / 16 + 1));
    session_snapshot_end(numbers->fixture.sessions[1]);
    assert_true(are_ranked_right(numbers));
    assert_int_equal(figures(numbers).built, 1);
    assert_true(figures(numbers).bytes > 0);
}

static void a_small_set_gets_none(void **state) {
    struct numbers *numbers = *state;
    numbers_fill(numbers, NUMBERS / 100);
    make_index(numbers);
    assert_false(are_ranked_right(numbers));
    assert_int_equal(figures(numbers).built, 0);
}

static void a_set_that_is_made_anew_has_another_index(void **state) {
    struct numbers *numbers = *state;
    numbers_fill(numbers, 2);
    make_index(numbers);
    numbers_fill(numbers, 3);
    assert_false(are_ranked_right(numbers));
    make_index(numbers);
    assert_true(are_ranked_right(numbers));
}

// --- Following ---

static void change_at_random(struct numbers *numbers, struct numbers_write *write, uint64_t most) {
    uint64_t count = 1 + numbers_draw(numbers, most);
    // Now and then all in one place, so that buckets grow and are emptied.
    uint64_t place = numbers_draw(numbers, NUMBERS);
    uint64_t width = numbers_draw(numbers, 3) == 0 ? 300 : NUMBERS;
    bool only_takes = numbers_draw(numbers, 3) == 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = (place + numbers_draw(numbers, width)) % NUMBERS;
        if (only_takes || numbers_draw(numbers, 2) == 0)
            numbers_take(numbers, write, number);
        else
            numbers_put(numbers, write, number);
    }
}

static void write_at_random(struct numbers *numbers, uint64_t most) {
    struct numbers_write write;
    numbers_write_begin(numbers, &write, NUMBERS_ALONE);
    change_at_random(numbers, &write, most);
    numbers_write_end(&write);
}

// Several commands that are written together, of which some fail half way: what they staged is dropped again.
static void write_together_at_random(struct numbers *numbers, enum numbers_way way) {
    static bool before[NUMBERS];
    struct numbers_write write;
    numbers_write_begin(numbers, &write, way);
    for (uint64_t commands = 1 + numbers_draw(numbers, 5); commands != 0; commands--) {
        uint64_t size = write.set.metadata.size;
        memcpy(before, numbers->is_there, sizeof(before));
        session_savepoint(write.session);
        change_at_random(numbers, &write, 20);
        if (numbers_draw(numbers, 2) == 0) {
            session_rollback_to_savepoint(write.session);
            memcpy(numbers->is_there, before, sizeof(before));
            write.set.metadata.size = size;
        }
    }
    numbers_write_end(&write);
}

static enum numbers_way draw_way(struct numbers *numbers) {
    return numbers_draw(numbers, 2) == 0 ? NUMBERS_TRANSACTION : NUMBERS_GATHERED;
}

static void ranks_are_right_whatever_is_written(void **state) {
    struct numbers *numbers = *state;
    enum { STEPS = 1500 };
    int known = 0;
    numbers_fill(numbers, 2);
    for (int i = 0; i < STEPS; i++) {
        make_index(numbers);
        if (numbers_draw(numbers, 3) == 0)
            write_together_at_random(numbers, draw_way(numbers));
        else
            write_at_random(numbers, numbers_draw(numbers, 4) == 0 ? 150 : 3);
        known += numbers_are_ranked_right(numbers, numbers->fixture.sessions[1], 2);
    }
    // It has followed, and has not been made again and again.
    assert_int_equal(known, STEPS);
    assert_int_equal(figures(numbers).built, 1);
}

static void a_set_that_only_grows_at_its_end_has_short_walks_there(void **state) {
    struct numbers *numbers = *state;
    struct numbers_write write;
    memset(numbers->is_there, 0, sizeof(numbers->is_there));
    for (uint64_t number = 0; number < NUMBERS; number += 10) {
        numbers_write_begin(numbers, &write, NUMBERS_ALONE);
        for (uint64_t i = 0; i < 10; i++)
            numbers_put(numbers, &write, number + i);
        numbers_write_end(&write);
        if (number == NUMBERS / 4)
            make_index(numbers);
    }
    assert_true(numbers_are_ranked_right(numbers, numbers->fixture.sessions[1], 300));
    assert_int_equal(figures(numbers).built, 1);
}

static void a_set_that_was_emptied_from_its_end_keeps_few_buckets(void **state) {
    struct numbers *numbers = *state;
    struct numbers_write write;
    numbers_fill(numbers, 1);
    make_index(numbers);
    uint64_t before = 0;
    for (uint64_t number = 0; number < NUMBERS - 1000; number += 50) {
        if (number == 1000) // as many changes are remembered as will be
            before = figures(numbers).bytes;
        numbers_write_begin(numbers, &write, NUMBERS_ALONE);
        for (uint64_t i = 0; i < 50; i++)
            numbers_take(numbers, &write, number + i);
        numbers_write_end(&write);
    }
    assert_true(are_ranked_right(numbers));
    assert_true(figures(numbers).bytes + 3000 < before);
}

static void a_change_of_most_of_a_set_is_not_followed(void **state) {
    struct numbers *numbers = *state;
    struct numbers_write write;
    numbers_fill(numbers, 2);
    make_index(numbers);
    numbers_write_begin(numbers, &write, NUMBERS_ALONE);
    for (uint64_t number = 1; number < NUMBERS; number += 2)
        numbers_put(numbers, &write, number);
    numbers_write_end(&write);
    assert_false(are_ranked_right(numbers));
    assert_int_equal(figures(numbers).bytes, 0);
    make_index(numbers);
    assert_true(are_ranked_right(numbers));
}

static void a_write_that_is_refused_changes_no_rank(void **state) {
    struct numbers *numbers = *state;
    struct check_double check = {{"READONLY not now", NULL, NULL}, {0}};
    struct numbers_write write;
    char text[NUMBER_TEXT];
    numbers_fill(numbers, 2);
    make_index(numbers);
    numbers->fixture.store->check = check_double_ask;
    numbers->fixture.store->check_context = &check;
    numbers_write_begin(numbers, &write, NUMBERS_ALONE);
    collection_put(&write.set, FAMILY_ZSET_SCORE, numbers_sub_key(1, text), (struct bytes){0});
    assert_int_equal(store_commit(write.session), STORE_REFUSED);
    session_write_end(write.session);
    numbers->fixture.store->check = NULL;
    assert_true(are_ranked_right(numbers));
}

static void a_replica_follows_what_its_master_has_written(void **state) {
    struct numbers *numbers = *state;
    struct store_fixture master = numbers->fixture;
    struct store_fixture replica = {0};
    char error[STORE_ERROR_SIZE];
    struct bytes batch;
    store_fixture_open(&replica, NULL);
    numbers->is_careless = true;
    numbers_fill(numbers, 2);
    struct log_tail *tail = log_tail_open(master.store, 1);
    for (int i = 0; i < 300; i++) {
        while (log_tail_next(tail, &batch) == LOG_TAIL_BATCH) {
            session_write_begin(replica.sessions[0], NULL, 0);
            assert_int_equal(store_apply(replica.sessions[0], batch, error), APPLIED);
            session_write_end(replica.sessions[0]);
            assert_int_equal(store_settle(replica.sessions[0]), SETTLED);
        }
        if (i == 0)
            numbers_make_index(replica.sessions[1], numbers->key);
        assert_true(numbers_are_ranked_right(numbers, replica.sessions[1], 2));
        if (i % 3 == 0)
            write_together_at_random(numbers, draw_way(numbers));
        write_at_random(numbers, 40);
    }
    assert_int_equal(zset_ranks_figures_now(replica.store->zset_ranks).built, 1);
    log_tail_close(tail);
    store_fixture_close(&replica);
}

// --- Where it could be wrong ---

// The numbers of the array are those of the snapshot, whatever is written meanwhile.
static void a_snapshot_from_before_some_writes_gets_its_own_ranks(void **state) {
    struct numbers *numbers = *state;
    struct store_session *reader = numbers->fixture.sessions[1];
    static bool then[NUMBERS];
    static bool now[NUMBERS];
    numbers_fill(numbers, 2);
    make_index(numbers);
    for (int i = 0; i < 300; i++) {
        struct collection set = numbers_read(reader, numbers->key);
        memcpy(then, numbers->is_there, sizeof(then));
        for (uint64_t writes = numbers_draw(numbers, 4); writes != 0; writes--)
            write_at_random(numbers, numbers_draw(numbers, 4) == 0 ? 40 : 2);
        memcpy(now, numbers->is_there, sizeof(now));
        memcpy(numbers->is_there, then, sizeof(then));
        assert_true(numbers_set_is_ranked_right(numbers, &set, 4));
        session_snapshot_end(reader);
        memcpy(numbers->is_there, now, sizeof(now));
    }
    assert_int_equal(figures(numbers).built, 1);
}

static void a_snapshot_from_before_too_many_writes_gets_no_answer(void **state) {
    struct numbers *numbers = *state;
    struct store_session *reader = numbers->fixture.sessions[1];
    numbers_fill(numbers, 2);
    make_index(numbers);
    struct collection set = numbers_read(reader, numbers->key);
    for (int i = 0; i < 300; i++)
        write_at_random(numbers, 5);
    assert_int_equal(ask(&set), ZSET_RANKS_NEWER);
    session_snapshot_end(reader);
    assert_true(are_ranked_right(numbers));
}

static void who_has_staged_something_or_neither_lock_nor_snapshot_walks(void **state) {
    struct numbers *numbers = *state;
    struct numbers_write write;
    numbers_fill(numbers, 2);
    make_index(numbers);
    for (enum numbers_way way = NUMBERS_ALONE; way <= NUMBERS_TRANSACTION; way++) {
        numbers_write_begin(numbers, &write, way);
        assert_int_equal(ask(&write.set), ZSET_RANKS_KNOWN);
        numbers_put(numbers, &write, way == NUMBERS_ALONE ? 1 : 3);
        assert_int_equal(ask(&write.set), ZSET_RANKS_UNKNOWN);
        numbers_write_end(&write);
        assert_int_equal(ask(&write.set), ZSET_RANKS_UNKNOWN);
    }
    assert_true(are_ranked_right(numbers));
}

// EXEC reads in one snapshot from its beginning to its end.
static void in_exec_nobody_is_told_to_take_a_new_snapshot(void **state) {
    struct numbers *numbers = *state;
    struct store_session *reader = numbers->fixture.sessions[1];
    struct bytes other = BYTES_LITERAL("other");
    numbers_fill(numbers, 2);
    make_index(numbers);
    session_write_begin(reader, &other, 1);
    session_transaction_begin(reader);
    struct collection set = numbers_read(reader, numbers->key);
    assert_int_equal(ask(&set), ZSET_RANKS_KNOWN);
    for (int i = 0; i < 300; i++)
        write_at_random(numbers, 5);
    assert_int_equal(ask(&set), ZSET_RANKS_UNKNOWN);
    session_snapshot_end(reader);
    session_write_end(reader);
}

// As a sound database never is: the metadata tells of one element more than there is.
static void an_index_that_does_not_fit_the_sets_size_is_dropped(void **state) {
    struct numbers *numbers = *state;
    struct store_session *reader = numbers->fixture.sessions[1];
    struct numbers_write write;
    struct zset_rank_place place;
    numbers_fill(numbers, 2);
    make_index(numbers);
    numbers_write_begin(numbers, &write, NUMBERS_ALONE);
    write.set.metadata.size++;
    numbers_write_end(&write);
    struct collection set = numbers_read(reader, numbers->key);
    assert_int_equal(zset_ranks_of_rank(&set, 100, &place), ZSET_RANKS_UNKNOWN);
    session_snapshot_end(reader);
    assert_int_equal(figures(numbers).bytes, 0);
}

// A write that the index does not hear of is noticed at the latest when the bucket is cut.
static void a_bucket_that_is_found_to_be_counted_wrong_drops_the_index(void **state) {
    struct numbers *numbers = *state;
    const struct store *store = numbers->fixture.store;
    struct numbers_write write;
    struct buffer raw = {0};
    char text[NUMBER_TEXT];
    char *error = NULL;
    numbers_fill(numbers, 6);
    make_index(numbers);
    struct collection set = numbers_read(numbers->fixture.sessions[1], numbers->key);
    session_snapshot_end(numbers->fixture.sessions[1]);
    encode_sub_key(&raw, &store->layout, numbers->key, set.metadata.version, numbers_sub_key(1001, text));
    rocksdb_put_cf(store->database, store->options.write, store->families[FAMILY_ZSET_SCORE], raw.data,
                   raw.length, "", 0, &error);
    assert_null(error);
    buffer_release(&raw);
    assert_true(figures(numbers).bytes != 0);
    numbers_write_begin(numbers, &write, NUMBERS_ALONE);
    for (uint64_t number = 900; number < 1100; number++) {
        if (number != 1001)
            numbers_put(numbers, &write, number);
    }
    numbers_write_end(&write);
    assert_int_equal(figures(numbers).bytes, 0);
}

static void what_deletes_everything_drops_all(void **state) {
    struct numbers *numbers = *state;
    struct store_session *session = numbers->fixture.sessions[0];
    numbers_fill(numbers, 2);
    make_index(numbers);
    session_write_begin_exclusive(session);
    assert_int_equal(stage_delete_all(session), STORE_OK);
    assert_int_equal(store_commit(session), STORE_OK);
    session_write_end(session);
    assert_int_equal(figures(numbers).bytes, 0);
}

static void another_database_in_the_place_of_this_one_has_its_own_ranks(void **state) {
    struct numbers *numbers = *state;
    struct store_fixture copy = {0};
    char error[STORE_ERROR_SIZE];
    (void)snprintf(copy.directory, sizeof(copy.directory), "%.50s-copy", numbers->fixture.directory);
    numbers_fill(numbers, 2);
    assert_null(store_checkpoint(numbers->fixture.store, copy.directory));
    static bool copied[NUMBERS];
    memcpy(copied, numbers->is_there, sizeof(copied));
    make_index(numbers);
    write_at_random(numbers, 3);
    if (!store_replace(numbers->fixture.store, copy.directory, error))
        fail_msg("%s", error);
    memcpy(numbers->is_there, copied, sizeof(copied));
    assert_false(are_ranked_right(numbers));
    make_index(numbers);
    assert_true(are_ranked_right(numbers));
    store_fixture_close(&copy); // with the database that was replaced
}

// --- Memory ---

static void indexes_take_no_more_memory_than_they_may_and_the_oldest_goes(void **state) {
    struct numbers *numbers = *state;
    enum { SETS = 40, MOST = 64 << 10 };
    char names[SETS][8];
    zset_ranks_close(numbers->fixture.store->zset_ranks);
    numbers->fixture.store->zset_ranks = zset_ranks_open(MOST);
    for (int i = 0; i < SETS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "set%d", i);
        numbers->key = bytes_from_text(names[i]);
        numbers_fill(numbers, 2);
        make_index(numbers);
        assert_true(are_ranked_right(numbers));
        assert_in_range(figures(numbers).bytes, 1, MOST);
        numbers->key = bytes_from_text(names[0]); // is used all the time
        assert_true(are_ranked_right(numbers));
    }
    numbers->key = bytes_from_text(names[1]);
    assert_false(are_ranked_right(numbers));
    numbers->key = bytes_from_text(names[SETS - 1]);
    assert_true(are_ranked_right(numbers));
    assert_int_equal(figures(numbers).built, SETS);
}

static void an_index_that_grows_too_big_alone_goes(void **state) {
    struct numbers *numbers = *state;
    struct store *store = numbers->fixture.store;
    enum { LITTLE = 4200 };
    zset_ranks_close(store->zset_ranks);
    store->zset_ranks = zset_ranks_open(LITTLE);
    numbers_fill(numbers, 10);
    make_index(numbers);
    assert_true(are_ranked_right(numbers));
    for (uint64_t number = 0; number < NUMBERS; number += 20) {
        struct numbers_write write;
        numbers_write_begin(numbers, &write, NUMBERS_ALONE);
        for (uint64_t i = 0; i < 20; i++)
            numbers_put(numbers, &write, number + i);
        numbers_write_end(&write);
        assert_in_range(figures(numbers).bytes, 0, LITTLE);
        (void)numbers_are_ranked_right(numbers, numbers->fixture.sessions[1], 2);
    }
    assert_int_equal(figures(numbers).bytes, 0);
}

static void without_memory_for_them_there_are_none(void **state) {
    struct numbers *numbers = *state;
    struct store *store = numbers->fixture.store;
    zset_ranks_close(store->zset_ranks);
    store->zset_ranks = zset_ranks_open(0);
    assert_null(store->zset_ranks);
    numbers_fill(numbers, 2);
    make_index(numbers);
    assert_false(are_ranked_right(numbers));
    write_at_random(numbers, 3);
    assert_int_equal(figures(numbers).bytes, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, numbers_open, numbers_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(there_is_no_index_before_walks_would_pay_for_it),
        TEST(a_small_set_gets_none),
        TEST(a_set_that_is_made_anew_has_another_index),
        TEST(ranks_are_right_whatever_is_written),
        TEST(a_set_that_only_grows_at_its_end_has_short_walks_there),
        TEST(a_set_that_was_emptied_from_its_end_keeps_few_buckets),
        TEST(a_change_of_most_of_a_set_is_not_followed),
        TEST(a_write_that_is_refused_changes_no_rank),
        TEST(a_replica_follows_what_its_master_has_written),
        TEST(a_snapshot_from_before_some_writes_gets_its_own_ranks),
        TEST(a_snapshot_from_before_too_many_writes_gets_no_answer),
        TEST(who_has_staged_something_or_neither_lock_nor_snapshot_walks),
        TEST(in_exec_nobody_is_told_to_take_a_new_snapshot),
        TEST(an_index_that_does_not_fit_the_sets_size_is_dropped),
        TEST(a_bucket_that_is_found_to_be_counted_wrong_drops_the_index),
        TEST(what_deletes_everything_drops_all),
        TEST(another_database_in_the_place_of_this_one_has_its_own_ranks),
        TEST(indexes_take_no_more_memory_than_they_may_and_the_oldest_goes),
        TEST(an_index_that_grows_too_big_alone_goes),
        TEST(without_memory_for_them_there_are_none),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
