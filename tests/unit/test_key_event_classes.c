// SPDX-License-Identifier: Apache-2.0
//
// notify-keyspace-events in letters and as a number; and that the table of events knows every command that
// writes keys.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/command.h"
#include "server/key_event_classes.h"

#include <string.h>

static void expect_letters(const char *given, const char *printed) {
    int64_t classes = -1;
    struct buffer text = {0};
    assert_true(key_events_parse(bytes_from_text(given), &classes));
    key_events_print(classes, &text);
    assert_true(bytes_equal(buffer_bytes(&text), bytes_from_text(printed)));
    buffer_release(&text);
}

static void letters_are_printed_in_the_order_of_redis(void **state) {
    (void)state;
    expect_letters("", "");
    expect_letters("EKA", "AKE");
    expect_letters("Elg", "glE");
    expect_letters("Kg$lshzxetd", "AK");
    expect_letters("KEmn$", "$nKEm");
}

static void other_letters_are_refused(void **state) {
    (void)state;
    int64_t classes = 7;
    assert_false(key_events_parse(BYTES_LITERAL("KEq"), &classes));
    assert_false(key_events_parse(BYTES_LITERAL("K E"), &classes));
    assert_int_equal(classes, 7);
}

static const char *const told[] = {
#define EVENT(name, ...)       name,
#define SPECIAL(name, ...)     name,
#define SPECIAL_NEW(name, ...) name,
#include "server/key_events.def"
#undef EVENT
#undef SPECIAL
#undef SPECIAL_NEW
};

static const struct {
    const char *name;
    uint32_t flags;
    int first_key;
} commands[] = {
#define COMMAND(name, function, arity, flags, first_key, ...) {name, flags, first_key},
#include "commands/commands.def"
#undef COMMAND
};

static bool is_told(const char *name) {
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        if (strcmp(told[i], name) == 0)
            return true;
    }
    return false;
}

static void every_command_that_writes_keys_has_an_event(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        bool has_keys = commands[i].first_key != 0 ||
                        (commands[i].flags & (COMMAND_COUNTED_KEYS | COMMAND_COUNTED_KEYS_LATER)) != 0;
        if ((commands[i].flags & COMMAND_WRITE) != 0 && has_keys && !is_told(commands[i].name))
            fail_msg("%s writes keys, and key_events.def does not say what to tell of it", commands[i].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_printed_in_the_order_of_redis),
        cmocka_unit_test(other_letters_are_refused),
        cmocka_unit_test(every_command_that_writes_keys_has_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
