// SPDX-License-Identifier: Apache-2.0
//
// Indexes of ranks, and who writes: commands keep to the rule that indexes rest on, or are stopped; and while
// others write every answer is right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zset_ranks_fixture.h"

#include "base/log.h"
#include "store/zset_ranks_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// --- The rule ---

static void put_what_is_there(struct numbers *numbers, struct numbers_write *write) {
    numbers_put(numbers, write, 20);
}

static void take_what_is_not_there(struct numbers *numbers, struct numbers_write *write) {
    numbers_take(numbers, write, 21);
}

// Both at once leave the total right, and ranks between them wrong.
static void do_both(struct numbers *numbers, struct numbers_write *write) {
    put_what_is_there(numbers, write);
    take_what_is_not_there(numbers, write);
}

// Each change keeps to the rule after those before it.
static void put_what_is_not_there_and_take_what_is(struct numbers *numbers, struct numbers_write *write) {
    numbers_put(numbers, write, 21);
    numbers_take(numbers, write, 21);
    numbers_take(numbers, write, 20);
    numbers_put(numbers, write, 20);
}

typedef void change_function(struct numbers *numbers, struct numbers_write *write);

// How a child ends that makes these changes where 20 is there and 21 is not.
static int status_after(struct numbers *numbers, change_function *change) {
    store_fixture_shut(&numbers->fixture);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct numbers_write write;
        store_fixture_reopen(&numbers->fixture, NULL);
        numbers->fixture.store->zset_ranks->verifies = true;
        numbers_fill(numbers, 2);
        numbers_make_index(numbers->fixture.sessions[1], numbers->key);
        numbers->is_careless = true;
        numbers_write_begin(numbers, &write, NUMBERS_ALONE);
        change(numbers, &write);
        numbers_write_end(&write);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    store_fixture_reopen(&numbers->fixture, NULL);
    return status;
}

static void a_command_that_breaks_the_rule_for_own_writes_is_stopped(void **state) {
#ifdef __SANITIZE_THREAD__
    skip(); // ThreadSanitizer cannot follow a child that starts threads when its parent had some
#endif
    change_function *const breaches[] = {put_what_is_there, take_what_is_not_there, do_both};
    for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
        int status = status_after(*state, breaches[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
    assert_int_equal(status_after(*state, put_what_is_not_there_and_take_what_is), 0);
}

// --- Several threads ---

enum { MIDDLE = NUMBERS / 2, SIDE = NUMBERS / 4, MOVES = 3000, ANSWERS = 3000, SECONDS_MOST = 120 };

struct race {
    struct numbers *numbers;
    atomic_bool is_over;
    _Atomic uint64_t moved;
    atomic_bool has_failed; // to write
    uint64_t known, newer, unknown, wrong;
};

// Changes the place of one number at a time, on one side of the middle, which is always there: so its rank
// never changes, nor the size.
static bool move_one(struct numbers *numbers) {
    struct numbers_write write;
    uint64_t side = numbers_draw(numbers, 2) == 0 ? 0 : MIDDLE + 1;
    uint64_t from = 0;
    uint64_t to = 0;
    do {
        from = side + numbers_draw(numbers, MIDDLE - 1);
        to = side + numbers_draw(numbers, MIDDLE - 1);
    } while (!numbers->is_there[from] || numbers->is_there[to]);
    if (!numbers_write_try_begin(numbers, &write, (enum numbers_way)numbers_draw(numbers, 3)))
        return false;
    numbers_take(numbers, &write, from);
    numbers_put(numbers, &write, to);
    return numbers_write_try_end(&write);
}

static void *move_numbers(void *context) {
    struct race *race = context;
    session_prepare_thread();
    while (!atomic_load(&race->is_over) && !atomic_load(&race->has_failed)) {
        if (move_one(race->numbers))
            (void)atomic_fetch_add(&race->moved, 1);
        else
            atomic_store(&race->has_failed, true);
    }
    return NULL;
}

static void look_once(struct race *race, struct store_session *session) {
    struct collection set = numbers_read(session, race->numbers->key);
    char text[NUMBER_TEXT];
    uint64_t below = 0;
    uint64_t upto = 0;
    enum zset_ranks_answer answer = numbers_count_below(&set, numbers_sub_key(MIDDLE, text), &below);
    if (answer == ZSET_RANKS_KNOWN) {
        race->wrong += below != SIDE;
        answer = numbers_count_below(&set, numbers_sub_key(MIDDLE + 1, text), &upto);
    }
    if (answer == ZSET_RANKS_KNOWN)
        race->wrong += upto != SIDE + 1;
    race->known += answer == ZSET_RANKS_KNOWN;
    race->newer += answer == ZSET_RANKS_NEWER;
    race->unknown += answer == ZSET_RANKS_UNKNOWN;
    if (answer == ZSET_RANKS_UNKNOWN)
        (void)zset_ranks_note_walk(&set, set.metadata.size);
    session_snapshot_end(session);
}

static void fill_sides(struct numbers *numbers) {
    struct numbers_write write;
    numbers_write_begin(numbers, &write, NUMBERS_ALONE);
    for (uint64_t i = 0; i < SIDE; i++) {
        numbers_put(numbers, &write, i * 2);
        numbers_put(numbers, &write, MIDDLE + 1 + i * 2);
    }
    numbers_put(numbers, &write, MIDDLE);
    numbers_write_end(&write);
}

static bool is_enough(const struct race *race) {
    return (race->known >= ANSWERS && atomic_load(&race->moved) >= MOVES) || race->wrong != 0 ||
           atomic_load(&race->has_failed);
}

static void a_rank_that_never_changes_is_always_the_same_while_others_write(void **state) {
    struct numbers *numbers = *state;
    struct race race = {.numbers = numbers};
    struct store_session *reader = numbers->fixture.sessions[1];
    pthread_t writer;
    fill_sides(numbers);
    assert_int_equal(pthread_create(&writer, NULL, move_numbers, &race), 0);
    time_t end = time(NULL) + SECONDS_MOST;
    for (uint64_t i = 0; !is_enough(&race) && time(NULL) <= end; i++) {
        // So that indexes are made while others write, too.
        if (i % 200 == 0)
            zset_ranks_forget(numbers->fixture.store->zset_ranks);
        look_once(&race, reader);
    }
    atomic_store(&race.is_over, true);
    assert_int_equal(pthread_join(writer, NULL), 0);
    print_message("known %" PRIu64 ", newer than the snapshot %" PRIu64 ", unknown %" PRIu64
                  ", moves %" PRIu64 "\n",
                  race.known, race.newer, race.unknown, atomic_load(&race.moved));
    assert_int_equal(race.wrong, 0);
    assert_false(atomic_load(&race.has_failed));
    assert_true(race.known >= ANSWERS && atomic_load(&race.moved) >= MOVES);
    numbers_make_index(reader, numbers->key);
    assert_true(numbers_are_ranked_right(numbers, reader, 20));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, numbers_open, numbers_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_command_that_breaks_the_rule_for_own_writes_is_stopped),
        TEST(a_rank_that_never_changes_is_always_the_same_while_others_write),
    };
    log_set_level(LOG_FATAL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
