// SPDX-License-Identifier: Apache-2.0
//
// The password: what is right, what is not, and changes at run time.
#include "server/authentication.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct config *config;
    struct authentication *authentication;
};

static struct fixture fixture;

static void set_password(struct bytes password) {
    struct bytes pair[2] = {BYTES_LITERAL("requirepass"), password};
    char error[CONFIG_ERROR_SIZE] = "";
    if (!config_set(fixture.config, pair, 1, error))
        fail_msg("%s", error);
}

static int open_all(void **state) {
    (void)state;
    fixture.config = config_open();
    fixture.authentication = authentication_open(fixture.config);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    authentication_close(fixture.authentication);
    config_close(fixture.config);
    return 0;
}

static void without_a_password_nothing_is_required_and_nothing_is_right(void **state) {
    (void)state;
    assert_false(authentication_required(fixture.authentication));
    assert_false(authentication_check(fixture.authentication, BYTES_LITERAL("")));
    assert_false(authentication_check(fixture.authentication, BYTES_LITERAL("anything")));
}

static void only_the_password_itself_is_right(void **state) {
    (void)state;
    set_password(BYTES_LITERAL("open sesame"));
    assert_true(authentication_required(fixture.authentication));
    assert_true(authentication_check(fixture.authentication, BYTES_LITERAL("open sesame")));
    static const char *const wrong[] = {
        "", "open sesam", "open sesame!", "Open sesame", "open sesamd", "o", "open sesameopen sesame"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(authentication_check(fixture.authentication, bytes_from_text(wrong[i])));
    assert_false(authentication_check(fixture.authentication, BYTES_LITERAL("open sesame\0")));
}

static void a_password_of_one_byte_is_compared_whole(void **state) {
    (void)state;
    set_password(BYTES_LITERAL("a"));
    assert_true(authentication_check(fixture.authentication, BYTES_LITERAL("a")));
    assert_false(authentication_check(fixture.authentication, BYTES_LITERAL("aa")));
    assert_false(authentication_check(fixture.authentication, BYTES_LITERAL("b")));
}

static void every_byte_of_the_password_counts(void **state) {
    (void)state;
    char password[64];
    for (size_t i = 0; i < sizeof(password); i++)
        password[i] = (char)('A' + i % 26);
    struct bytes bytes = {.data = password, .length = sizeof(password)};
    set_password(bytes);
    for (size_t i = 0; i < sizeof(password); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            password[i] = (char)(password[i] ^ (1 << bit));
            assert_false(authentication_check(fixture.authentication, bytes));
            password[i] = (char)(password[i] ^ (1 << bit));
        }
    }
    assert_true(authentication_check(fixture.authentication, bytes));
}

static void a_new_password_takes_the_place_of_the_old_one_at_once(void **state) {
    (void)state;
    set_password(BYTES_LITERAL("old"));
    assert_true(authentication_check(fixture.authentication, BYTES_LITERAL("old")));
    set_password(BYTES_LITERAL("new"));
    assert_false(authentication_check(fixture.authentication, BYTES_LITERAL("old")));
    assert_true(authentication_check(fixture.authentication, BYTES_LITERAL("new")));
}

static void taking_the_password_away_ends_the_need_for_one(void **state) {
    (void)state;
    set_password(BYTES_LITERAL("secret"));
    assert_true(authentication_required(fixture.authentication));
    set_password(BYTES_LITERAL(""));
    assert_false(authentication_required(fixture.authentication));
    assert_false(authentication_check(fixture.authentication, BYTES_LITERAL("secret")));
}

static void a_password_set_before_opening_is_known(void **state) {
    (void)state;
    set_password(BYTES_LITERAL("early"));
    struct authentication *second = authentication_open(fixture.config);
    assert_true(authentication_required(second));
    assert_true(authentication_check(second, BYTES_LITERAL("early")));
    authentication_close(second);
    authentication_close(NULL);
}

static _Atomic bool finished;
static _Atomic unsigned wrong_answers;

// While the password changes between two others, the third is never right and one is always required.
static void *ask(void *argument) {
    (void)argument;
    while (!atomic_load(&finished)) {
        if (!authentication_required(fixture.authentication) ||
            authentication_check(fixture.authentication, BYTES_LITERAL("three")))
            atomic_fetch_add(&wrong_answers, 1);
        authentication_check(fixture.authentication, BYTES_LITERAL("one"));
    }
    return NULL;
}

static void threads_may_ask_while_the_password_changes(void **state) {
    (void)state;
    enum { THREADS = 3, CHANGES = 2000 };
    set_password(BYTES_LITERAL("one"));
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, NULL), 0);
    for (size_t i = 0; i < CHANGES; i++)
        set_password(i % 2 == 0 ? BYTES_LITERAL("a longer two") : BYTES_LITERAL("one"));
    atomic_store(&finished, true);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&wrong_answers), 0);
    assert_true(authentication_check(fixture.authentication, BYTES_LITERAL("one")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_password_nothing_is_required_and_nothing_is_right, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(only_the_password_itself_is_right, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_password_of_one_byte_is_compared_whole, open_all, close_all),
        cmocka_unit_test_setup_teardown(every_byte_of_the_password_counts, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_new_password_takes_the_place_of_the_old_one_at_once, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(taking_the_password_away_ends_the_need_for_one, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_password_set_before_opening_is_known, open_all, close_all),
        cmocka_unit_test_setup_teardown(threads_may_ask_while_the_password_changes, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
