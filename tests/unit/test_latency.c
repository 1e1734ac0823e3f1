// SPDX-License-Identifier: Apache-2.0
//
// Latency spikes: one a second, the last 160, by kind.
#include "server/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int open_latency(void **state) {
    *state = latency_open();
    return 0;
}

static int close_latency(void **state) {
    latency_close(*state);
    return 0;
}

static struct latency_sample samples[160];

static size_t history(void **state, const char *event) {
    memset(samples, 0, sizeof(samples));
    return latency_history(*state, bytes_from_text(event), samples);
}

struct events {
    size_t count;
    struct latency_event shown; // the one named "command"
};

static void see(void *context, const struct latency_event *event) {
    struct events *events = context;
    events->count++;
    if (strcmp(event->name, "command") == 0) {
        events->shown = *event;
        events->shown.name = "command";
    }
}

static struct events events_of(void **state) {
    struct events events = {0};
    latency_each_event(*state, see, &events);
    return events;
}

static void without_spikes_there_are_no_events(void **state) {
    assert_int_equal(events_of(state).count, 0);
    assert_int_equal(history(state, "command"), 0);
    assert_int_equal(latency_reset(*state, BYTES_LITERAL("")), 0);
    assert_int_equal(latency_reset(*state, BYTES_LITERAL("command")), 0);
}

static void spikes_are_told_oldest_first(void **state) {
    latency_add(*state, "command", 1000500, 5);
    latency_add(*state, "command", 1001500, 7);
    latency_add(*state, "command", 1009500, 6);
    assert_int_equal(history(state, "command"), 3);
    assert_int_equal(samples[0].when_seconds, 1000);
    assert_int_equal(samples[0].milliseconds, 5);
    assert_int_equal(samples[1].when_seconds, 1001);
    assert_int_equal(samples[2].when_seconds, 1009);
    assert_int_equal(samples[2].milliseconds, 6);
}

static void of_one_second_the_worst_is_kept(void **state) {
    latency_add(*state, "command", 1000000, 5);
    latency_add(*state, "command", 1000400, 9);
    latency_add(*state, "command", 1000999, 7);
    assert_int_equal(history(state, "command"), 1);
    assert_int_equal(samples[0].milliseconds, 9);
    latency_add(*state, "command", 1001000, 1);
    assert_int_equal(history(state, "command"), 2);
}

static void an_event_tells_its_latest_and_its_worst_spike(void **state) {
    latency_add(*state, "command", 1000000, 50);
    latency_add(*state, "command", 2000000, 20);
    struct events events = events_of(state);
    assert_int_equal(events.count, 1);
    assert_int_equal(events.shown.latest.when_seconds, 2000);
    assert_int_equal(events.shown.latest.milliseconds, 20);
    assert_int_equal(events.shown.maximum_ms, 50);
}

static void the_last_160_spikes_are_kept_and_the_worst_for_ever(void **state) {
    for (int64_t second = 1; second <= 1000; second++)
        latency_add(*state, "command", second * 1000, second == 3 ? 5000 : (uint64_t)second);
    assert_int_equal(history(state, "command"), 160);
    for (int64_t i = 0; i < 160; i++)
        assert_int_equal(samples[i].when_seconds, 841 + i);
    struct events events = events_of(state);
    assert_int_equal(events.shown.latest.when_seconds, 1000);
    assert_int_equal(events.shown.maximum_ms, 5000);
}

static void the_ring_wraps_exactly(void **state) {
    for (int64_t second = 1; second <= 161; second++) {
        latency_add(*state, "command", second * 1000, 1);
        size_t expected = second < 160 ? (size_t)second : 160;
        assert_int_equal(history(state, "command"), expected);
        assert_int_equal(samples[expected - 1].when_seconds, second);
        assert_int_equal(samples[0].when_seconds, second <= 160 ? 1 : 2);
    }
}

static void kinds_of_events_are_apart(void **state) {
    latency_add(*state, "command", 1000, 1);
    latency_add(*state, "fast-command", 1000, 2);
    latency_add(*state, "wal-flush", 1000, 3);
    assert_int_equal(events_of(state).count, 3);
    assert_int_equal(history(state, "wal-flush"), 1);
    assert_int_equal(samples[0].milliseconds, 3);
    assert_int_equal(history(state, "fast"), 0);
    assert_int_equal(history(state, ""), 0);
}

static void events_are_reset_one_by_one_or_all_together(void **state) {
    latency_add(*state, "command", 1000, 1);
    latency_add(*state, "fast-command", 1000, 2);
    latency_add(*state, "wal-flush", 1000, 3);
    assert_int_equal(latency_reset(*state, BYTES_LITERAL("fast-command")), 1);
    assert_int_equal(history(state, "fast-command"), 0);
    assert_int_equal(history(state, "command"), 1);
    assert_int_equal(history(state, "wal-flush"), 1);
    assert_int_equal(latency_reset(*state, BYTES_LITERAL("fast-command")), 0);
    assert_int_equal(latency_reset(*state, BYTES_LITERAL("")), 2);
    assert_int_equal(events_of(state).count, 0);
    latency_add(*state, "command", 9000, 4);
    assert_int_equal(events_of(state).shown.maximum_ms, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_latency, close_latency)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_spikes_there_are_no_events),
        TEST(spikes_are_told_oldest_first),
        TEST(of_one_second_the_worst_is_kept),
        TEST(an_event_tells_its_latest_and_its_worst_spike),
        TEST(the_last_160_spikes_are_kept_and_the_worst_for_ever),
        TEST(the_ring_wraps_exactly),
        TEST(kinds_of_events_are_apart),
        TEST(events_are_reset_one_by_one_or_all_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
