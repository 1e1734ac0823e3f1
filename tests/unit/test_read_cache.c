// SPDX-License-Identifier: Apache-2.0
//
// The read cache by itself, in front of a database that the test plays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/read_cache.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ONE_SET = 1024 };

static unsigned chosen_seed(void) {
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    return seed;
}

// Reads as a session does that finds `entry` in the database.
static void read_through(struct read_cache *cache, struct bytes key, struct bytes entry) {
    char out[READ_CACHE_ENTRY_MAX];
    struct read_ticket ticket;
    if (read_cache_find(cache, key, out, &ticket) == 0)
        read_cache_keep(cache, &ticket, key, entry);
}

static bool finds(struct read_cache *cache, struct bytes key, struct bytes entry) {
    char out[READ_CACHE_ENTRY_MAX];
    struct read_ticket ticket;
    size_t length = read_cache_find(cache, key, out, &ticket);
    return length != 0 && bytes_equal((struct bytes){out, length}, entry);
}

static bool finds_nothing(struct read_cache *cache, struct bytes key) {
    char out[READ_CACHE_ENTRY_MAX];
    struct read_ticket ticket;
    return read_cache_find(cache, key, out, &ticket) == 0;
}

static const struct bytes key = {"key", 3};
static const struct bytes other = {"other", 5};
static const struct bytes old = {"old", 3};
static const struct bytes new = {"newer", 5};

static void what_was_kept_is_found_and_nothing_else_is(void **state) {
    struct read_cache *cache = *state;
    assert_true(finds_nothing(cache, key));
    read_through(cache, key, old);
    assert_true(finds(cache, key, old));
    assert_true(finds_nothing(cache, (struct bytes){"ke", 2}));
    assert_true(finds_nothing(cache, (struct bytes){"keyo", 4}));
}

static void what_is_dropped_is_gone_and_can_be_kept_anew(void **state) {
    struct read_cache *cache = *state;
    char out[READ_CACHE_ENTRY_MAX];
    struct read_ticket ticket;
    read_through(cache, key, old);
    read_through(cache, other, old);
    assert_int_equal(read_cache_find(cache, key, out, &ticket), old.length);
    read_cache_drop(cache, &ticket);
    assert_true(finds_nothing(cache, key));
    assert_true(finds(cache, other, old));
    read_through(cache, key, new);
    assert_true(finds(cache, key, new));
}

static void a_change_takes_out_its_key_and_no_other(void **state) {
    struct read_cache *cache = *state;
    struct read_changes changes = {0};
    read_through(cache, key, old);
    read_through(cache, other, old);
    read_changes_note(&changes, cache, key);
    assert_true(finds(cache, key, old)); // nothing has begun
    read_cache_change_begin(cache, &changes);
    assert_true(finds_nothing(cache, key));
    assert_true(finds(cache, other, old));
    read_cache_change_end(cache, &changes);
    assert_true(finds_nothing(cache, key));
    read_through(cache, key, new);
    assert_true(finds(cache, key, new));
    read_changes_release(&changes);
}

static void what_is_read_during_a_change_is_not_kept(void **state) {
    struct read_cache *cache = *state;
    struct read_changes changes = {0};
    read_changes_note(&changes, cache, key);
    read_cache_change_begin(cache, &changes);
    read_through(cache, key, old);
    assert_true(finds_nothing(cache, key));
    read_cache_change_end(cache, &changes);
    assert_true(finds_nothing(cache, key));
    read_changes_release(&changes);
}

static void of_two_changes_at_once_the_last_one_to_end_counts(void **state) {
    struct read_cache *cache = *state;
    struct read_changes changes = {0};
    read_changes_note(&changes, cache, key);
    read_cache_change_begin(cache, &changes);
    read_cache_change_begin(cache, &changes);
    read_cache_change_end(cache, &changes);
    read_through(cache, key, old);
    assert_true(finds_nothing(cache, key));
    read_cache_change_end(cache, &changes);
    read_through(cache, key, new);
    assert_true(finds(cache, key, new));
    read_changes_release(&changes);
}

static void a_ticket_is_worth_nothing_after_a_change(void **state) {
    struct read_cache *cache = *state;
    char out[READ_CACHE_ENTRY_MAX];
    struct read_ticket before, during;
    struct read_changes changes = {0};
    read_changes_note(&changes, cache, key);
    assert_int_equal(read_cache_find(cache, key, out, &before), 0);
    read_cache_change_begin(cache, &changes);
    assert_int_equal(read_cache_find(cache, key, out, &during), 0);
    read_cache_keep(cache, &before, key, old);
    read_cache_change_end(cache, &changes);
    read_cache_keep(cache, &before, key, old);
    read_cache_keep(cache, &during, key, old);
    assert_true(finds_nothing(cache, key));
    read_changes_release(&changes);
}

static void a_change_of_everything_takes_out_everything(void **state) {
    struct read_cache *cache = *state;
    char out[READ_CACHE_ENTRY_MAX];
    struct read_ticket ticket;
    struct read_changes changes = {0};
    read_through(cache, key, old);
    assert_int_equal(read_cache_find(cache, other, out, &ticket), 0);
    read_changes_note_all(&changes);
    read_cache_change_begin(cache, &changes);
    assert_true(finds_nothing(cache, key));
    read_cache_keep(cache, &ticket, other, old);
    read_through(cache, key, old);
    assert_true(finds_nothing(cache, key) && finds_nothing(cache, other));
    read_cache_change_end(cache, &changes);
    read_cache_keep(cache, &ticket, other, old);
    assert_true(finds_nothing(cache, key) && finds_nothing(cache, other));
    read_through(cache, key, new);
    read_cache_keep(cache, &ticket, other, old); // must not undo what came after the change
    assert_true(finds(cache, key, new));
    assert_true(finds_nothing(cache, other));
}

static void very_many_changes_are_changes_of_everything(void **state) {
    struct read_cache *cache = *state;
    struct read_changes changes = {0};
    read_through(cache, key, old);
    for (int i = 0; i < 10000; i++) {
        char name[16];
        int length = snprintf(name, sizeof(name), "%d", i);
        read_changes_note(&changes, cache, (struct bytes){name, (size_t)length});
    }
    read_changes_note(&changes, cache, key);
    read_cache_change_begin(cache, &changes);
    assert_true(finds_nothing(cache, key));
    read_cache_change_end(cache, &changes);
    read_changes_clear(&changes);
    read_through(cache, key, new);
    read_cache_change_begin(cache, &changes); // of nothing
    assert_true(finds(cache, key, new));
    read_cache_change_end(cache, &changes);
    read_changes_release(&changes);
}

static void the_longest_entry_is_kept_and_a_longer_one_is_not(void **state) {
    struct read_cache *cache = *state;
    char text[READ_CACHE_ENTRY_MAX];
    memset(text, 'x', sizeof(text));
    struct bytes longest = {text, sizeof(text) - key.length};
    read_through(cache, key, longest);
    assert_true(finds(cache, key, longest));
    read_through(cache, (struct bytes){"key2", 4}, longest);
    assert_true(finds_nothing(cache, (struct bytes){"key2", 4}));
    read_through(cache, (struct bytes){text, sizeof(text) - 1}, (struct bytes){"1", 1});
    assert_true(finds(cache, (struct bytes){text, sizeof(text) - 1}, (struct bytes){"1", 1}));
    read_through(cache, (struct bytes){text, sizeof(text)}, (struct bytes){"1", 1});
    assert_true(finds_nothing(cache, (struct bytes){text, sizeof(text)}));
    read_through(cache, (struct bytes){NULL, 0}, old);
    assert_true(finds_nothing(cache, (struct bytes){NULL, 0}));
    assert_true(finds_nothing(cache, other));
    read_through(cache, other, (struct bytes){NULL, 0});
    assert_true(finds_nothing(cache, other));
}

static void without_a_cache_nothing_is_found_and_nothing_collected(void **state) {
    (void)state;
    struct read_changes changes = {0};
    read_through(NULL, key, old);
    assert_true(finds_nothing(NULL, key));
    read_changes_note(&changes, NULL, key);
    assert_null(changes.hashes);
    read_cache_change_begin(NULL, &changes);
    read_cache_change_end(NULL, &changes);
    read_cache_close(NULL);
}

// Entries of all lengths, in one set: each is wholly there or not at all.
static void a_full_set_makes_room_and_mixes_nothing_up(void **state) {
    (void)state;
    enum { KEYS = 64, STEPS = 20000 };
    unsigned seed = chosen_seed();
    struct read_cache *cache = read_cache_open(ONE_SET);
    struct read_changes changes = {0};
    char values[KEYS][READ_CACHE_ENTRY_MAX];
    size_t lengths[KEYS] = {0};
    size_t hits = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t i = (size_t)rand_r(&seed) % KEYS;
        char name[8];
        struct bytes named = {name, (size_t)snprintf(name, sizeof(name), "k%zu", i)};
        if (lengths[i] == 0 || rand_r(&seed) % 4 == 0) {
            read_changes_clear(&changes);
            read_changes_note(&changes, cache, named);
            read_cache_change_begin(cache, &changes);
            lengths[i] = 1 + (size_t)rand_r(&seed) % (rand_r(&seed) % 2 == 0 ? 400 : 40);
            memset(values[i], rand_r(&seed), lengths[i]);
            read_cache_change_end(cache, &changes);
        }
        struct bytes value = {values[i], lengths[i]};
        if (finds(cache, named, value))
            hits++;
        else
            assert_true(finds_nothing(cache, named));
        read_through(cache, named, value);
    }
    assert_in_range(hits, STEPS / 200, STEPS);
    read_changes_release(&changes);
    read_cache_close(cache);
}

static struct bytes numbered_key(char name[24], int number) {
    return (struct bytes){name, (size_t)snprintf(name, 24, "key:%012d", number)};
}

static void one_pass_over_many_keys_leaves_most_of_what_was_there(void **state) {
    struct read_cache *cache = *state;
    enum { THERE = 8, PASSING = 16 };
    static const char value[73] = {0};
    char name[24];
    int left = 0;
    for (int i = 0; i < THERE + PASSING; i++)
        read_through(cache, numbered_key(name, i), (struct bytes){value, sizeof(value)});
    for (int i = 0; i < THERE; i++)
        left += !finds_nothing(cache, numbered_key(name, i));
    assert_in_range(left, THERE / 2, THERE);
}

static void what_is_read_again_and_again_gets_into_a_full_set(void **state) {
    struct read_cache *cache = *state;
    enum { FILLING = 100, SOON = 8 };
    char name[24];
    for (int i = 0; i < FILLING; i++)
        read_through(cache, numbered_key(name, i), old);
    for (int i = 0; i < SOON; i++)
        read_through(cache, key, new);
    assert_true(finds(cache, key, new));
}

static void a_key_that_changes_comes_back_into_its_own_room(void **state) {
    struct read_cache *cache = *state;
    struct read_changes changes = {0};
    enum { KEYS = 8, CHANGES = 1000 };
    static const char value[73] = {0};
    char name[24];
    for (int i = 0; i < KEYS; i++)
        read_through(cache, numbered_key(name, i), (struct bytes){value, sizeof(value)});
    for (int i = 0; i < CHANGES; i++) {
        struct bytes changed = numbered_key(name, i % 2);
        read_changes_clear(&changes);
        read_changes_note(&changes, cache, changed);
        read_cache_change_begin(cache, &changes);
        read_cache_change_end(cache, &changes);
        read_through(cache, changed, (struct bytes){value, sizeof(value)});
    }
    for (int i = 0; i < KEYS; i++)
        assert_false(finds_nothing(cache, numbered_key(name, i)));
    read_changes_release(&changes);
}

static void what_was_filled_counts_as_used(void **state) {
    (void)state;
    enum { KILOBYTES = 64 };
    struct read_cache *cache = read_cache_open(KILOBYTES << 10);
    char name[24];
    assert_int_equal(read_cache_usage(NULL), 0);
    assert_int_equal(read_cache_usage(cache), 0);
    read_through(cache, key, old);
    read_through(cache, key, old);
    assert_int_equal(read_cache_usage(cache), 1 << 10);
    for (int i = 0; i < KILOBYTES * 20; i++)
        read_through(cache, numbered_key(name, i), old);
    assert_int_equal(read_cache_usage(cache), KILOBYTES << 10);
    read_cache_close(cache);
}

static void a_big_cache_holds_about_ten_small_entries_in_a_kilobyte(void **state) {
    (void)state;
    enum { KILOBYTES = 256, KEYS = KILOBYTES * 6 };
    struct read_cache *cache = read_cache_open(KILOBYTES << 10);
    size_t found = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < KEYS; i++) {
            char name[24];
            struct bytes named = numbered_key(name, i);
            static const char value[73] = {0};
            found += pass == 1 && !finds_nothing(cache, named);
            read_through(cache, named, (struct bytes){value, sizeof(value)});
        }
    }
    assert_in_range(found, KEYS * 8 / 10, KEYS);
    read_cache_close(cache);
}

// --- Threads ---

enum { RACE_KEYS = 8, READERS = 3, WRITERS = 2, RACE_WRITES = 30000 };

// A database of counters that only grow, in front of which the cache stands.
struct race {
    struct read_cache *cache;
    _Atomic uint64_t stored[RACE_KEYS];
    _Atomic uint64_t seen[RACE_KEYS]; // what somebody has read already
    atomic_int writing;
    _Atomic uint64_t hits, stale;
};

struct racer {
    struct race *race;
    unsigned seed;
};

static struct bytes race_key(size_t i) {
    static const char names[] = "abcdefgh";
    return (struct bytes){&names[i], 1};
}

static void *write_on(void *argument) {
    struct racer *racer = argument;
    struct race *race = racer->race;
    struct read_changes changes = {0};
    for (int i = 0; i < RACE_WRITES; i++) {
        size_t first = (size_t)rand_r(&racer->seed) % RACE_KEYS;
        size_t second = (size_t)rand_r(&racer->seed) % RACE_KEYS;
        read_changes_clear(&changes);
        read_changes_note(&changes, race->cache, race_key(first));
        read_changes_note(&changes, race->cache, race_key(second));
        if (i % 100 == 0)
            read_changes_note_all(&changes);
        read_cache_change_begin(race->cache, &changes);
        atomic_fetch_add_explicit(&race->stored[first], 1, memory_order_acq_rel);
        if (i % 16 == 0)
            (void)sched_yield();
        atomic_fetch_add_explicit(&race->stored[second], 1, memory_order_acq_rel);
        read_cache_change_end(race->cache, &changes);
    }
    read_changes_release(&changes);
    atomic_fetch_sub(&race->writing, 1);
    return NULL;
}

static uint64_t read_once(struct race *race, size_t i) {
    char out[READ_CACHE_ENTRY_MAX];
    struct read_ticket ticket;
    uint64_t value = 0;
    if (read_cache_find(race->cache, race_key(i), out, &ticket) == sizeof(value)) {
        memcpy(&value, out, sizeof(value));
        atomic_fetch_add_explicit(&race->hits, 1, memory_order_relaxed);
        return value;
    }
    value = atomic_load_explicit(&race->stored[i], memory_order_acquire);
    read_cache_keep(race->cache, &ticket, race_key(i), (struct bytes){(const char *)&value, sizeof(value)});
    return value;
}

static void tell(_Atomic uint64_t *seen, uint64_t value) {
    uint64_t known = atomic_load_explicit(seen, memory_order_relaxed);
    while (known < value && !atomic_compare_exchange_weak_explicit(seen, &known, value, memory_order_acq_rel,
                                                                   memory_order_relaxed))
        ;
}

static void *read_on(void *argument) {
    struct racer *racer = argument;
    struct race *race = racer->race;
    while (atomic_load(&race->writing) != 0) {
        size_t i = (size_t)rand_r(&racer->seed) % RACE_KEYS;
        uint64_t known = atomic_load_explicit(&race->seen[i], memory_order_acquire);
        uint64_t value = read_once(race, i);
        if (value < known)
            atomic_fetch_add(&race->stale, 1);
        tell(&race->seen[i], value);
    }
    return NULL;
}

static void nobody_reads_less_than_somebody_has_read_already(void **state) {
    (void)state;
    unsigned seed = chosen_seed();
    static struct race race;
    race = (struct race){.cache = read_cache_open(2 * ONE_SET), .writing = WRITERS};
    struct racer racers[READERS + WRITERS];
    pthread_t threads[READERS + WRITERS];
    for (unsigned i = 0; i < READERS + WRITERS; i++) {
        racers[i] = (struct racer){.race = &race, .seed = seed + i};
        assert_int_equal(pthread_create(&threads[i], NULL, i < READERS ? read_on : write_on, &racers[i]), 0);
    }
    for (unsigned i = 0; i < READERS + WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(race.stale, 0);
    assert_true(race.hits > 0);
    for (size_t i = 0; i < RACE_KEYS; i++)
        assert_int_equal(read_once(&race, i), race.stored[i]);
    read_cache_close(race.cache);
}

static int open_cache(void **state) {
    *state = read_cache_open(ONE_SET);
    return *state == NULL;
}

static int close_cache(void **state) {
    read_cache_close(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_cache, close_cache)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_kept_is_found_and_nothing_else_is),
        TEST(what_is_dropped_is_gone_and_can_be_kept_anew),
        TEST(a_change_takes_out_its_key_and_no_other),
        TEST(what_is_read_during_a_change_is_not_kept),
        TEST(of_two_changes_at_once_the_last_one_to_end_counts),
        TEST(a_ticket_is_worth_nothing_after_a_change),
        TEST(a_change_of_everything_takes_out_everything),
        TEST(very_many_changes_are_changes_of_everything),
        TEST(the_longest_entry_is_kept_and_a_longer_one_is_not),
        cmocka_unit_test(without_a_cache_nothing_is_found_and_nothing_collected),
        cmocka_unit_test(a_full_set_makes_room_and_mixes_nothing_up),
        TEST(one_pass_over_many_keys_leaves_most_of_what_was_there),
        TEST(what_is_read_again_and_again_gets_into_a_full_set),
        TEST(a_key_that_changes_comes_back_into_its_own_room),
        cmocka_unit_test(what_was_filled_counts_as_used),
        cmocka_unit_test(a_big_cache_holds_about_ten_small_entries_in_a_kilobyte),
        cmocka_unit_test(nobody_reads_less_than_somebody_has_read_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
