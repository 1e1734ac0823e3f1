// SPDX-License-Identifier: Apache-2.0
//
// The kernel's walk of packets and commands, natively: the table of packets, the same without the oracle's
// help, and what the window must not change. Uses: tests/fence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fence/command_entries.h"
#include "tests/fence/native_frame.h"
#include "tests/fence/oracle.h"
#include "tests/fence/packet_fixtures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct frame frame;

// What the scanner alone should say: what leases and modes keep from being looked at is known to no scanner.
static bool is_looked_at(const struct packet_fixture *fixture) {
    return fixture->lease == LEASE_EXPIRED && !fixture->disabled && !fixture->foreign_abi &&
           fixture->outcome != PASSED;
}

static bool fixture_holds(const struct packet_fixture *fixture) {
    struct native_scan scan = {0};
    uint16_t port = 0;
    frame_build(&frame, &fixture->shape, fixture->payload, fixture->length);
    bool found = native_frame(frame.bytes, frame.length, &port, &scan);
    if (!is_looked_at(fixture))
        return !found || port != FRAME_PORT || fixture->lease != LEASE_EXPIRED || fixture->disabled ||
               fixture->foreign_abi;
    enum fence_reason expected = fixture->outcome == PASSED_READ ? FENCE_REASON_NONE : fixture->reason;
    return found && port == FRAME_PORT && scan.reason == expected;
}

static void test_each_packet_of_the_table_is_judged_as_it_says(void **state) {
    (void)state;
    size_t count = 0, wrong = 0;
    const struct packet_fixture *fixtures = packet_fixtures(&count);
    for (size_t i = 0; i < count; i++) {
        if (fixture_holds(&fixtures[i]))
            continue;
        print_error("%s\n", fixtures[i].description);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void test_the_descriptions_of_the_table_are_all_different(void **state) {
    (void)state;
    size_t count = 0;
    const struct packet_fixture *fixtures = packet_fixtures(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(fixtures[i].description, fixtures[j].description);
    }
}

static void require_same_as_server(const char *payload, size_t length) {
    struct native_scan scan = native_scan(payload, length);
    struct oracle oracle = oracle_look(payload, length);
    assert_int_equal(scan.reason == FENCE_REASON_WRITE, oracle.is_write);
    if (oracle.is_write)
        assert_int_equal(scan.decided_at, oracle.write_at);
    assert_int_equal(scan.reason == FENCE_REASON_NONE, oracle.is_whole);
}

// Every beginning of a pipeline that has every kind of command in it.
static void test_the_scanner_agrees_with_the_server_wherever_a_pipeline_is_cut(void **state) {
    (void)state;
    static const char pipeline[] =
        "*2\r\n$3\r\nGET\r\n$1\r\na\r\n\r\n*0\r\n*1\r\n$4\r\nEXEC\r\n*2\r\n$6\r\nTESTER\r\n$4\r\n"
        "look\r\n*12\r\n$4\r\nMGET\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n"
        "\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$12\r\nabcdefghijkl\r\n*3\r\n$6\r\ntester"
        "\r\n$6\r\nchange\r\n$1\r\nk\r\n";
    for (size_t length = 1; length < sizeof(pipeline); length++)
        require_same_as_server(pipeline, length);
}

static void test_the_scanner_agrees_with_the_server_on_each_payload_of_the_table(void **state) {
    (void)state;
    size_t count = 0;
    const struct packet_fixture *fixtures = packet_fixtures(&count);
    for (size_t i = 0; i < count; i++) {
        if (fixtures[i].length > 0)
            require_same_as_server(fixtures[i].payload, fixtures[i].length);
    }
}

// A read of each length up to more than two windows, and a write behind it: no place of a token within the
// window is special.
static void test_no_length_of_a_word_hides_what_is_behind_it(void **state) {
    (void)state;
    static char payload[8192];
    for (int word = 0; word < 2600; word++) {
        int length = snprintf(payload, sizeof(payload), "*3\r\n$4\r\nMGET\r\n$%d\r\n", word);
        memset(payload + length, 'k', (size_t)word);
        length += word;
        length += snprintf(payload + length, 64, "\r\n$1\r\nb\r\n*02\r\n");
        assert_int_equal(native_scan(payload, (size_t)length).reason, FENCE_REASON_MALFORMED);
        length -= 5;
        length += snprintf(payload + length, 64, "*2\r\n$11\r\nincrbyfloat\r\n");
        assert_int_equal(native_scan(payload, (size_t)length).reason, FENCE_REASON_WRITE);
    }
}

static void test_the_event_names_the_command_that_decided(void **state) {
    (void)state;
    struct native_scan scan = native_scan("*1\r\n$4\r\nexec\r\n*1\r\n$6\r\nnosuch\r\n", 30);
    assert_int_equal(scan.reason, FENCE_REASON_MAY_WRITE);
    assert_string_equal(scan.command.text, "EXEC");
    assert_int_equal(scan.decided_at, 0);
    scan = native_scan("*1\r\n$4\r\nexec\r\n*1\r\n$8\r\nflushall\r\n", 32);
    assert_int_equal(scan.reason, FENCE_REASON_WRITE);
    assert_string_equal(scan.command.text, "FLUSHALL");
    assert_int_equal(scan.decided_at, 14);
    scan = native_scan("*1\r\n$4\r\nping\r\nhello", 19);
    assert_int_equal(scan.reason, FENCE_REASON_NOT_RESP);
    assert_string_equal(scan.command.text, "");
    assert_int_equal(scan.decided_at, 14);
}

// The most steps that GRO can merge into one packet: nothing is shorter than an empty line.
static void test_a_packet_full_of_empty_lines_hides_no_write(void **state) {
    (void)state;
    static const char write[] = "*1\r\n$8\r\nFLUSHALL\r\n";
    static const char *const empty[] = {"\r\n", "*0\r\n"};
    static char payload[UINT16_MAX];
    for (size_t kind = 0; kind < 2; kind++) {
        size_t length = 0, size = strlen(empty[kind]);
        for (; length + size + strlen(write) <= sizeof(payload); length += size)
            memcpy(payload + length, empty[kind], size);
        memcpy(payload + length, write, strlen(write));
        assert_int_equal(native_scan(payload, length + strlen(write)).reason, FENCE_REASON_WRITE);
    }
}

static void test_a_walk_that_has_no_end_is_given_up(void **state) {
    (void)state;
    static char payload[300000];
    size_t length = 0;
    while (length + 4 < sizeof(payload)) {
        memcpy(payload + length, "*0\r\n", 4);
        length += 4;
    }
    assert_int_equal(native_scan(payload, length).reason, FENCE_REASON_TOO_LONG);
}

static void test_names_of_the_table_fit_and_are_in_upper_case(void **state) {
    (void)state;
    size_t count = 0;
    const struct fence_entry *entries = command_entries(&count);
    assert_true(count > 50 && count < FENCE_COMMANDS_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t length = strnlen(entries[i].name.text, FENCE_NAME_SIZE);
        assert_true(length > 0 && length < FENCE_NAME_SIZE);
        for (size_t j = 0; j < length; j++)
            assert_false(entries[i].name.text[j] >= 'a' && entries[i].name.text[j] <= 'z');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_packet_of_the_table_is_judged_as_it_says),
        cmocka_unit_test(test_the_descriptions_of_the_table_are_all_different),
        cmocka_unit_test(test_the_scanner_agrees_with_the_server_wherever_a_pipeline_is_cut),
        cmocka_unit_test(test_the_scanner_agrees_with_the_server_on_each_payload_of_the_table),
        cmocka_unit_test(test_no_length_of_a_word_hides_what_is_behind_it),
        cmocka_unit_test(test_the_event_names_the_command_that_decided),
        cmocka_unit_test(test_a_packet_full_of_empty_lines_hides_no_write),
        cmocka_unit_test(test_a_walk_that_has_no_end_is_given_up),
        cmocka_unit_test(test_names_of_the_table_fit_and_are_in_upper_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
