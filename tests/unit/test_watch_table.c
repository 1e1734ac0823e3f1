// SPDX-License-Identifier: Apache-2.0
//
// Watched keys: whose transactions become dirty, and that nothing is lost or left behind with many threads.
#include "server/watch_table.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int open_table(void **state) {
    *state = watch_table_open();
    return 0;
}

// Closing asserts that nobody watches any more.
static int close_table(void **state) {
    watch_table_close(*state);
    return 0;
}

static bool is_dirty(struct transaction *transaction) {
    return atomic_load(&transaction->dirty);
}

static void touch(struct watch_table *table, const char *key) {
    struct bytes bytes = bytes_from_text(key);
    watch_touch(table, &bytes, 1);
}

static void watch(struct watch_table *table, struct transaction *transaction, const char *key) {
    watch_add(table, transaction, bytes_from_text(key), true);
}

static void a_change_of_a_watched_key_makes_the_transaction_dirty(void **state) {
    struct transaction transaction = {0};
    watch(*state, &transaction, "key");
    assert_false(is_dirty(&transaction));
    touch(*state, "key");
    assert_true(is_dirty(&transaction));
    watch_remove_all(*state, &transaction);
}

static void changes_of_other_keys_do_not_matter(void **state) {
    struct transaction transaction = {0};
    watch(*state, &transaction, "key");
    touch(*state, "other");
    touch(*state, "");
    touch(*state, "ke");
    touch(*state, "keys");
    assert_false(is_dirty(&transaction));
    watch_remove_all(*state, &transaction);
}

static void keys_may_be_empty_or_hold_any_byte(void **state) {
    struct transaction transaction = {0};
    struct bytes keys[] = {{.data = NULL}, BYTES_LITERAL("a\0b")};
    watch_add(*state, &transaction, keys[1], true);
    struct bytes other = BYTES_LITERAL("a\0c");
    watch_touch(*state, &other, 1);
    assert_false(is_dirty(&transaction));
    watch_touch(*state, &keys[1], 1);
    assert_true(is_dirty(&transaction));
    watch_remove_all(*state, &transaction);
    watch_add(*state, &transaction, keys[0], true);
    watch_touch(*state, &keys[0], 1);
    assert_true(is_dirty(&transaction));
    watch_remove_all(*state, &transaction);
}

static void one_of_several_changed_keys_is_enough(void **state) {
    struct transaction transaction = {0};
    watch(*state, &transaction, "b");
    struct bytes keys[] = {BYTES_LITERAL("a"), BYTES_LITERAL("b"), BYTES_LITERAL("c")};
    watch_touch(*state, keys, 3);
    assert_true(is_dirty(&transaction));
    watch_remove_all(*state, &transaction);
}

static void all_watchers_of_a_key_become_dirty(void **state) {
    struct transaction transactions[20] = {0};
    for (size_t i = 0; i < 20; i++)
        watch(*state, &transactions[i], i % 2 == 0 ? "even" : "odd");
    touch(*state, "even");
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(is_dirty(&transactions[i]), i % 2 == 0);
        watch_remove_all(*state, &transactions[i]);
    }
}

static void watching_a_key_twice_is_watching_it_once(void **state) {
    struct transaction transaction = {0};
    watch(*state, &transaction, "a");
    watch(*state, &transaction, "b");
    watch(*state, &transaction, "a");
    assert_int_equal(transaction.watch_count, 2);
    struct transaction second = {0};
    watch(*state, &second, "a");
    watch(*state, &second, "a");
    assert_int_equal(second.watch_count, 1);
    watch_remove_all(*state, &transaction);
    watch_remove_all(*state, &second);
}

static void the_table_is_in_use_while_anybody_watches(void **state) {
    struct transaction first = {0};
    struct transaction second = {0};
    assert_false(watch_table_in_use(*state));
    watch(*state, &first, "key");
    watch(*state, &second, "key");
    assert_true(watch_table_in_use(*state));
    watch_remove_all(*state, &first);
    assert_true(watch_table_in_use(*state));
    watch_remove_all(*state, &second);
    assert_false(watch_table_in_use(*state));
    watch_remove_all(*state, &second);
    assert_false(watch_table_in_use(*state));
}

static void ending_the_watches_forgets_that_it_is_dirty(void **state) {
    struct transaction transaction = {0};
    watch(*state, &transaction, "key");
    touch(*state, "key");
    watch_remove_all(*state, &transaction);
    assert_false(is_dirty(&transaction));
    assert_int_equal(transaction.watch_count, 0);
    touch(*state, "key");
    assert_false(is_dirty(&transaction));
}

static void one_transactions_end_leaves_the_others_watching(void **state) {
    struct transaction first = {0};
    struct transaction second = {0};
    struct transaction third = {0};
    watch(*state, &first, "key");
    watch(*state, &second, "key");
    watch(*state, &third, "key");
    watch_remove_all(*state, &second);
    touch(*state, "key");
    assert_true(is_dirty(&first));
    assert_false(is_dirty(&second));
    assert_true(is_dirty(&third));
    watch_remove_all(*state, &first);
    watch_remove_all(*state, &third);
}

static void deleting_everything_concerns_keys_that_lived(void **state) {
    struct transaction lived = {0};
    struct transaction absent = {0};
    watch_add(*state, &lived, BYTES_LITERAL("a"), true);
    watch_add(*state, &absent, BYTES_LITERAL("b"), false);
    watch_touch_all(*state);
    assert_true(is_dirty(&lived));
    assert_false(is_dirty(&absent));
    watch_remove_all(*state, &lived);
    watch_remove_all(*state, &absent);
    watch_touch_all(*state);
}

struct seen {
    unsigned keys;
    bool wrong;
};

static void see(void *context, struct bytes key, bool existed) {
    struct seen *seen = context;
    unsigned bit = 1U << (key.data[0] - 'a');
    seen->wrong =
        seen->wrong || key.length != 1 || (seen->keys & bit) != 0 || existed != (key.data[0] == 'b');
    seen->keys |= bit;
}

static void what_a_transaction_watches_can_be_listed(void **state) {
    struct transaction transaction = {0};
    struct transaction other = {0};
    watch_add(*state, &transaction, BYTES_LITERAL("a"), false);
    watch_add(*state, &transaction, BYTES_LITERAL("b"), true);
    watch_add(*state, &transaction, BYTES_LITERAL("c"), false);
    watch_add(*state, &other, BYTES_LITERAL("d"), false);
    struct seen seen = {0};
    watch_each(&transaction, see, &seen);
    assert_int_equal(seen.keys, 7);
    assert_false(seen.wrong);
    watch_remove_all(*state, &transaction);
    watch_remove_all(*state, &other);
}

static void thousands_of_keys_can_be_watched_at_once(void **state) {
    enum { KEYS = 20000 };
    struct transaction first = {0};
    struct transaction second = {0};
    char key[32];
    for (size_t i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof(key), "key:%zu", i);
        watch(*state, &first, key);
        watch(*state, &first, key);
    }
    watch(*state, &second, "key:19999");
    assert_int_equal(first.watch_count, KEYS);
    touch(*state, "key:19999");
    assert_true(is_dirty(&first));
    assert_true(is_dirty(&second));
    watch_remove_all(*state, &first);
    watch_remove_all(*state, &second);
}

// --- Threads ---

enum { HAMMERS = 4, ROUNDS = 4000, HAMMERED_KEYS = 7 };

struct hammer {
    struct watch_table *table;
    unsigned seed;
    size_t missed; // changes of its own keys that it did not see
};

static void name_key(char name[16], size_t number) {
    (void)snprintf(name, 16, "hot:%zu", number);
}

// Watches some keys that everybody watches, changes one of them, and must see that.
static void *hammer(void *argument) {
    struct hammer *mine = argument;
    struct transaction transaction = {0};
    for (size_t round = 0; round < ROUNDS; round++) {
        char name[16];
        size_t first = (size_t)rand_r(&mine->seed) % HAMMERED_KEYS;
        size_t count = 1 + (size_t)rand_r(&mine->seed) % HAMMERED_KEYS;
        for (size_t i = 0; i < count; i++) {
            name_key(name, (first + i) % HAMMERED_KEYS);
            watch(mine->table, &transaction, name);
        }
        if (round % 64 == 0)
            watch_touch_all(mine->table);
        else
            touch(mine->table, name);
        mine->missed += !is_dirty(&transaction);
        watch_remove_all(mine->table, &transaction);
    }
    return NULL;
}

static void threads_watch_and_change_the_same_keys(void **state) {
    pthread_t threads[HAMMERS];
    struct hammer hammers[HAMMERS] = {0};
    for (size_t i = 0; i < HAMMERS; i++) {
        hammers[i] = (struct hammer){.table = *state, .seed = (unsigned)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
    }
    for (size_t i = 0; i < HAMMERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(hammers[i].missed, 0);
    }
    assert_false(watch_table_in_use(*state));
}

// A counter under a lock, as a key under its stripe's lock: the writers mark the watchers while they hold it.
struct guarded_key {
    struct watch_table *table;
    pthread_mutex_t lock;
    uint64_t value;
    _Atomic bool finished;
};

static void *write_until_finished(void *argument) {
    struct guarded_key *key = argument;
    while (!atomic_load(&key->finished)) {
        pthread_mutex_lock(&key->lock);
        key->value++;
        touch(key->table, "guarded");
        pthread_mutex_unlock(&key->lock);
    }
    return NULL;
}

// One optimistic transaction: true if it noticed a change exactly when there was one.
static bool notices_what_happened(struct guarded_key *key, struct transaction *transaction) {
    pthread_mutex_lock(&key->lock);
    watch(key->table, transaction, "guarded");
    pthread_mutex_unlock(&key->lock);
    pthread_mutex_lock(&key->lock);
    uint64_t read = key->value;
    pthread_mutex_unlock(&key->lock);
    pthread_mutex_lock(&key->lock);
    bool changed = key->value != read;
    bool right = is_dirty(transaction) || !changed;
    pthread_mutex_unlock(&key->lock);
    watch_remove_all(key->table, transaction);
    return right;
}

static void no_change_slips_between_watching_and_executing(void **state) {
    struct guarded_key key = {.table = *state};
    assert_int_equal(pthread_mutex_init(&key.lock, NULL), 0);
    pthread_t writers[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_until_finished, &key), 0);
    struct transaction transaction = {0};
    size_t wrong = 0;
    for (size_t round = 0; round < ROUNDS; round++)
        wrong += !notices_what_happened(&key, &transaction);
    atomic_store(&key.finished, true);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    pthread_mutex_destroy(&key.lock);
    assert_int_equal(wrong, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_change_of_a_watched_key_makes_the_transaction_dirty),
        TEST(changes_of_other_keys_do_not_matter),
        TEST(keys_may_be_empty_or_hold_any_byte),
        TEST(one_of_several_changed_keys_is_enough),
        TEST(all_watchers_of_a_key_become_dirty),
        TEST(watching_a_key_twice_is_watching_it_once),
        TEST(the_table_is_in_use_while_anybody_watches),
        TEST(ending_the_watches_forgets_that_it_is_dirty),
        TEST(one_transactions_end_leaves_the_others_watching),
        TEST(deleting_everything_concerns_keys_that_lived),
        TEST(what_a_transaction_watches_can_be_listed),
        TEST(thousands_of_keys_can_be_watched_at_once),
        TEST(threads_watch_and_change_the_same_keys),
        TEST(no_change_slips_between_watching_and_executing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
