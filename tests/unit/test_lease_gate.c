// SPDX-License-Identifier: Apache-2.0
//
// The lease as the server is given it: opened from the configuration, following it, asked as the store asks,
// and waking its owner when the deadline passes.
#include "server/lease_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    char directory[64];
    struct config *config;
    struct node_view node;
    struct lease_gate *gate;
};

static void load(struct config *config, const char *name, const char *value) {
    char error[CONFIG_ERROR_SIZE];
    char *const arguments[] = {(char *)(uintptr_t)name, (char *)(uintptr_t)value};
    if (!config_load_arguments(config, 2, arguments, error))
        fail_msg("%s", error);
}

static void open_gate(struct fixture *fixture) {
    char error[LEASE_ERROR_SIZE];
    fixture->node = node_view_alone();
    fixture->gate = lease_gate_open(fixture->config, &fixture->node, error);
    if (fixture->gate == NULL)
        fail_msg("%s", error);
}

static int start(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    (void)snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/kvfence-unit-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->config = config_open();
    load(fixture->config, "--dir", fixture->directory);
    load(fixture->config, "--master-lease-mode", "block-write");
    *state = fixture;
    return 0;
}

static int stop(void **state) {
    struct fixture *fixture = *state;
    char path[128];
    lease_gate_close(fixture->gate);
    config_close(fixture->config);
    (void)snprintf(path, sizeof(path), "%s/lease.state", fixture->directory);
    (void)unlink(path);
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

static void grant(struct fixture *fixture, uint64_t lease_ms) {
    struct lease_answer answer;
    const struct lease_heartbeat heartbeat = {
        .form = LEASE_FORM_SHORT, .version = 1, .lease_ms = lease_ms, .arrived = clock_boot()};
    lease_heartbeat(lease_gate_lease(fixture->gate), &heartbeat, &answer);
    assert_string_equal(answer.error, "");
}

static void set(struct fixture *fixture, const char *name, const char *value) {
    char error[CONFIG_ERROR_SIZE];
    const struct bytes pair[] = {bytes_from_text(name), bytes_from_text(value)};
    if (!config_set(fixture->config, pair, 1, error))
        fail_msg("%s", error);
}

static bool timer_fires(const struct fixture *fixture, int milliseconds) {
    struct pollfd timer = {.fd = lease_gate_timer(fixture->gate), .events = POLLIN};
    return poll(&timer, 1, milliseconds) == 1;
}

static void expect_refused(struct fixture *fixture, enum store_gate which) {
    const char *why = lease_gate_check(fixture->gate, which, 1);
    assert_non_null(why);
    assert_int_equal(strncmp(why, "READONLY ", 9), 0);
    assert_non_null(strstr(why, "master lease expired"));
}

static void both_of_the_stores_gates_ask_the_lease(void **state) {
    struct fixture *fixture = *state;
    open_gate(fixture);
    assert_null(lease_gate_check(fixture->gate, STORE_GATE_COMMIT, 1));
    assert_null(lease_gate_check(fixture->gate, STORE_GATE_SETTLE, 1));
    grant(fixture, 1);
    assert_int_equal(poll(NULL, 0, 5), 0);
    expect_refused(fixture, STORE_GATE_COMMIT);
    expect_refused(fixture, STORE_GATE_SETTLE);
    struct lease_view view = lease_view(lease_gate_lease(fixture->gate));
    assert_int_equal(view.writes_refused, 1);
    assert_int_equal(view.late_commits, 1);
}

static void the_configuration_is_followed_from_the_beginning_and_at_once(void **state) {
    struct fixture *fixture = *state;
    load(fixture->config, "--master-lease-cold-start", "fence");
    open_gate(fixture);
    expect_refused(fixture, STORE_GATE_COMMIT);
    set(fixture, "master-lease-cold-start", "allow");
    assert_null(lease_gate_check(fixture->gate, STORE_GATE_COMMIT, 1));
    set(fixture, "master-lease-cold-start", "fence");
    static const char *const modes[] = {"disabled", "log-only"};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        set(fixture, "master-lease-mode", modes[i]);
        assert_string_equal(lease_mode_name(lease_view(lease_gate_lease(fixture->gate)).mode), modes[i]);
        assert_null(lease_gate_check(fixture->gate, STORE_GATE_COMMIT, 1));
        set(fixture, "master-lease-mode", "block-write");
        expect_refused(fixture, STORE_GATE_COMMIT);
    }
}

static void the_timer_fires_when_the_deadline_has_passed_and_not_before(void **state) {
    struct fixture *fixture = *state;
    open_gate(fixture);
    assert_false(timer_fires(fixture, 0)); // there is no lease
    grant(fixture, 60000);
    assert_false(timer_fires(fixture, 50));
    grant(fixture, 300);
    assert_true(timer_fires(fixture, 10000));
    struct lease_view view = lease_view(lease_gate_lease(fixture->gate));
    assert_true(view.now.value > view.deadline.value);
    assert_int_equal(view.counters.expirations, 0);
    lease_gate_on_timer(fixture->gate);
    assert_int_equal(lease_view(lease_gate_lease(fixture->gate)).counters.expirations, 1);
    assert_false(timer_fires(fixture, 0));
    lease_gate_on_timer(fixture->gate); // at any time
    assert_int_equal(lease_view(lease_gate_lease(fixture->gate)).counters.expirations, 1);
}

static void a_damaged_state_file_is_told(void **state) {
    struct fixture *fixture = *state;
    char path[128];
    char error[LEASE_ERROR_SIZE] = "";
    const struct node_view node = node_view_alone();
    (void)snprintf(path, sizeof(path), "%s/lease.state", fixture->directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_null(lease_gate_open(fixture->config, &node, error));
    assert_non_null(strstr(error, path));
}

static void its_clocks_are_those_of_the_process(void **state) {
    struct fixture *fixture = *state;
    open_gate(fixture);
    boot_ns_t before = clock_boot();
    struct wall_reading reading = lease_gate_clocks(fixture->gate);
    assert_in_range(reading.boot.value, before.value, clock_boot().value);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(both_of_the_stores_gates_ask_the_lease),
        WITH_DIRECTORY(the_configuration_is_followed_from_the_beginning_and_at_once),
        WITH_DIRECTORY(the_timer_fires_when_the_deadline_has_passed_and_not_before),
        WITH_DIRECTORY(a_damaged_state_file_is_told),
        WITH_DIRECTORY(its_clocks_are_those_of_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
