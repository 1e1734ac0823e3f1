// SPDX-License-Identifier: Apache-2.0
//
// CONFIG SET: all pairs or none, what hooks refuse is taken back, readers on other threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/config.h"
#include "server/config_internal.h"

#include <stdio.h>
#include <stdlib.h>

static char error[CONFIG_ERROR_SIZE];

static int open_config(void **state) {
    *state = config_open();
    return 0;
}

static int close_config(void **state) {
    config_close(*state);
    return 0;
}

// Names and values up to NULL.
static bool set(struct config *config, const char *const *words) {
    struct bytes arguments[16];
    size_t count = 0;
    for (; words[count] != NULL; count++)
        arguments[count] = bytes_from_text(words[count]);
    return config_set(config, arguments, count / 2, error);
}

static bool set_one(struct config *config, const char *name, const char *value) {
    const char *const words[] = {name, value, NULL};
    return set(config, words);
}

static void assert_refused(struct config *config, const char *name, const char *value, const char *reason) {
    char expected[CONFIG_ERROR_SIZE];
    assert_false(set_one(config, name, value));
    (void)snprintf(expected, sizeof(expected), "CONFIG SET failed (possibly related to argument '%s') - %s",
                   name, reason);
    assert_string_equal(error, expected);
}

static void assert_text(const struct config *config, enum config_id id, const char *expected) {
    char *text = config_text_copy(config, id);
    assert_string_equal(text, expected);
    free(text);
}

static void several_pairs_are_set_together(void **state) {
    struct config *config = *state;
    const char *const words[] = {"TimeOut", "30", "requirepass", "a # b", "log-level", "error", NULL};
    uint64_t generation = config_generation(config);
    assert_true(set(config, words));
    assert_int_equal(config_integer(config, CONFIG_TIMEOUT), 30);
    assert_int_equal(config_choice(config, CONFIG_LOG_LEVEL), 3);
    assert_text(config, CONFIG_REQUIREPASS, "a # b");
    assert_true(config_generation(config) > generation);
}

static void one_bad_pair_leaves_all_as_they_were(void **state) {
    struct config *config = *state;
    const char *const bad_value[] = {"timeout", "30", "requirepass", "x", "appendonly", "yes", NULL};
    assert_false(set(config, bad_value));
    const char *const unknown[] = {"timeout", "30", "requirepass", "x", "nosuch", "1", NULL};
    assert_false(set(config, unknown));
    assert_string_equal(error, "Unknown option or number of arguments for CONFIG SET - 'nosuch'");
    const char *const fixed[] = {"timeout", "30", "port", "1", NULL};
    assert_false(set(config, fixed));
    assert_int_equal(config_integer(config, CONFIG_TIMEOUT), 0);
    assert_int_equal(config_integer(config, CONFIG_PORT), 6666);
    assert_text(config, CONFIG_REQUIREPASS, "");
}

static void refusals_have_the_words_of_redis(void **state) {
    struct config *config = *state;
    assert_refused(config, "daemonize", "yes", "can't set immutable config");
    assert_refused(config, "timeout", "abc", "argument couldn't be parsed into an integer");
    assert_refused(config, "timeout", "-1", "argument must be between 0 and 2147483647 inclusive");
    assert_refused(config, "resp3-enabled", "maybe", "argument must be 'yes' or 'no'");
    assert_refused(config, "maxmemory", "1x", "argument must be a memory value");
    assert_refused(config, "proto-max-bulk-len", "1",
                   "argument must be between 1048576 and 2147482624 inclusive");
    assert_refused(config, "client-output-buffer-limit", "normal 1 2",
                   "Wrong number of arguments in buffer limit configuration.");
    assert_refused(config, "client-output-buffer-limit", "normal 1 2 3 foo 1 2 3",
                   "Invalid client class specified in buffer limit configuration.");
    assert_refused(config, "client-output-buffer-limit", "normal 1x 2 3",
                   "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    const char *const twice[] = {"timeout", "1", "TIMEOUT", "2", NULL};
    assert_false(set(config, twice));
    assert_string_equal(error,
                        "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter");
}

static void a_nul_byte_is_refused(void **state) {
    const struct bytes pair[] = {BYTES_LITERAL("requirepass"), BYTES_LITERAL("a\0b")};
    assert_false(config_set(*state, pair, 1, error));
    assert_text(*state, CONFIG_REQUIREPASS, "");
}

static void a_setting_without_effect_is_not_changed_in_silence(void **state) {
    assert_refused(*state, "bgsave-cron", "0 4 * * *", "it is not supported yet and would have no effect");
    assert_true(set_one(*state, "bgsave-cron", ""));
}

static void setting_one_class_leaves_the_other_output_limits(void **state) {
    struct config *config = *state;
    assert_true(set_one(config, "client-output-buffer-limit", "pubsub 1kb 0 0"));
    assert_int_equal(config_output_limit(config, CLIENT_CLASS_PUBSUB).hard_bytes, 1024);
    assert_int_equal(config_output_limit(config, CLIENT_CLASS_REPLICA).hard_bytes, 256 << 20);
    assert_true(set_one(config, "client-output-buffer-limit", ""));
    assert_int_equal(config_output_limit(config, CLIENT_CLASS_PUBSUB).hard_bytes, 1024);
}

static void what_must_not_be_empty_is_not(void **state) {
    assert_refused(*state, "backup-dir", "", "argument must not be empty");
}

// --- hooks ---

struct listener {
    struct config *config;
    int64_t seen[8]; // timeout at each call
    int calls;
    const char *refusal;
};

static const char *listen_to(void *context, enum config_id id) {
    struct listener *listener = context;
    (void)id;
    listener->seen[listener->calls++] = config_integer(listener->config, CONFIG_TIMEOUT);
    return listener->refusal;
}

static void a_hook_hears_of_a_change_and_not_of_the_same_value(void **state) {
    struct listener listener = {.config = *state};
    config_on_change(*state, CONFIG_TIMEOUT, listen_to, &listener);
    assert_true(set_one(*state, "timeout", "5"));
    assert_true(set_one(*state, "timeout", "5"));
    assert_int_equal(listener.calls, 1);
    assert_int_equal(listener.seen[0], 5);
}

static void what_a_hook_refuses_is_taken_back(void **state) {
    struct listener listener = {.config = *state, .refusal = "not today"};
    config_on_change(*state, CONFIG_TIMEOUT, listen_to, &listener);
    assert_refused(*state, "timeout", "5", "not today");
    assert_int_equal(config_integer(*state, CONFIG_TIMEOUT), 0);
    assert_int_equal(listener.calls, 1);
}

static void a_later_refusal_takes_back_what_earlier_hooks_agreed_to(void **state) {
    struct config *config = *state;
    struct listener agrees = {.config = config};
    struct listener refuses = {.config = config, .refusal = "not today"};
    config_on_change(config, CONFIG_TIMEOUT, listen_to, &agrees);
    config_on_change(config, CONFIG_REQUIREPASS, listen_to, &refuses);
    const char *const words[] = {"timeout", "5", "requirepass", "x", "maxclients", "77", NULL};
    assert_false(set(config, words));
    assert_string_equal(error, "CONFIG SET failed (possibly related to argument 'requirepass') - not today");
    assert_text(config, CONFIG_REQUIREPASS, "");
    assert_int_equal(config_integer(config, CONFIG_MAXCLIENTS), 10240);
    assert_int_equal(agrees.calls, 2);
    assert_int_equal(agrees.seen[0], 5);
    assert_int_equal(agrees.seen[1], 0);
    assert_int_equal(refuses.calls, 1);
}

// --- threads ---

struct reading {
    struct config *config;
    _Atomic bool stop;
    _Atomic uint64_t rounds, wrong;
};

static void *read_often(void *argument) {
    struct reading *reading = argument;
    while (!atomic_load(&reading->stop)) {
        char *text = config_text_copy(reading->config, CONFIG_REQUIREPASS);
        int64_t timeout = config_integer(reading->config, CONFIG_TIMEOUT);
        bool right = (strcmp(text, "") == 0 || strcmp(text, "one") == 0 || strcmp(text, "another") == 0) &&
                     (timeout == 0 || timeout == 11 || timeout == 22);
        atomic_fetch_add(&reading->wrong, !right);
        atomic_fetch_add(&reading->rounds, 1);
        free(text);
    }
    return NULL;
}

static void readers_on_other_threads_see_whole_values(void **state) {
    struct reading reading = {.config = *state};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_often, &reading), 0);
    const char *const first[] = {"requirepass", "one", "timeout", "11", NULL};
    const char *const second[] = {"requirepass", "another", "timeout", "22", NULL};
    for (int i = 0; i < 2000 || atomic_load(&reading.rounds) < 1000; i++)
        assert_true(set(*state, i % 2 == 0 ? first : second));
    atomic_store(&reading.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&reading.wrong), 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, open_config, close_config)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(several_pairs_are_set_together),
        CASE(one_bad_pair_leaves_all_as_they_were),
        CASE(refusals_have_the_words_of_redis),
        CASE(a_nul_byte_is_refused),
        CASE(a_setting_without_effect_is_not_changed_in_silence),
        CASE(setting_one_class_leaves_the_other_output_limits),
        CASE(what_must_not_be_empty_is_not),
        CASE(a_hook_hears_of_a_change_and_not_of_the_same_value),
        CASE(what_a_hook_refuses_is_taken_back),
        CASE(a_later_refusal_takes_back_what_earlier_hooks_agreed_to),
        CASE(readers_on_other_threads_see_whole_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
