// SPDX-License-Identifier: Apache-2.0
//
// The sample configuration: it can be used as it is, and says of every directive that has an effect what its
// default is. Run in the project's top directory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/config.h"
#include "server/config_internal.h"
#include "server/config_line.h"

#include <ctype.h>
#include <stdlib.h>

static const char sample_path[] = "scripts/kvfence.conf";

static struct buffer read_sample(void) {
    struct buffer text = {0};
    char error[CONFIG_ERROR_SIZE];
    if (!config_read_file(sample_path, &text, error))
        fail_msg("%s", error);
    return text;
}

// A directive that is commented out has no blank behind the '#', unlike prose.
static bool is_commented_directive(struct bytes line) {
    return line.length > 1 && line.data[0] == '#' && islower((unsigned char)line.data[1]);
}

static struct config *load(struct bytes text) {
    char error[CONFIG_ERROR_SIZE];
    struct config *config = config_open();
    if (!config_load_text(config, sample_path, text, error) || !config_validate(config, error))
        fail_msg("%s", error);
    return config;
}

static void the_sample_is_valid_and_warns_of_nothing(void **state) {
    (void)state;
    struct buffer text = read_sample();
    struct config *config = load(buffer_bytes(&text));
    for (int id = 0; id < CONFIG_COUNT; id++) {
        if (config->given[id])
            assert_int_equal(
                directive_at((enum config_id)id)->flags & (DIRECTIVE_NO_EFFECT | DIRECTIVE_UNSUPPORTED), 0);
    }
    config_close(config);
    buffer_release(&text);
}

// Examples, as these have no default that could be written down.
static bool is_example(enum config_id id) {
    return id == CONFIG_UNIXSOCKET || id == CONFIG_RENAME_COMMAND;
}

static void assert_shows_default(struct bytes line) {
    struct config_line parsed;
    struct buffer value = {0};
    enum config_id id = CONFIG_COUNT;
    struct bytes directive = {line.data + 1, line.length - 1};
    assert_null(config_line_parse(directive, &parsed, &value));
    if (!directive_find(parsed.name, &id))
        fail_msg("%.*s is no directive", (int)line.length, line.data);
    struct config *usual = config_open();
    struct config *shown = config_open();
    char error[CONFIG_ERROR_SIZE];
    assert_true(config_load_text(usual, "nothing", BYTES_LITERAL("dir /var/lib/kvfence\n"), error));
    assert_true(config_load_text(shown, "nothing", BYTES_LITERAL("dir /var/lib/kvfence\n"), error));
    if (!config_load_text(shown, sample_path, directive, error))
        fail_msg("%s", error);
    struct config_value expected = config_fetch(usual, id);
    struct config_value found = config_fetch(shown, id);
    if (!is_example(id) && !config_value_equal(directive_at(id), &expected, &found))
        fail_msg("%.*s does not show the default", (int)line.length, line.data);
    config_value_release(&expected);
    config_value_release(&found);
    config_close(usual);
    config_close(shown);
    buffer_release(&value);
}

static void every_commented_directive_shows_its_default(void **state) {
    (void)state;
    struct buffer text = read_sample();
    struct bytes rest = buffer_bytes(&text);
    struct bytes line;
    size_t count = 0;
    while (config_next_line(&rest, &line)) {
        if (!is_commented_directive(line))
            continue;
        assert_shows_default(line);
        count++;
    }
    assert_true(count > 60);
    buffer_release(&text);
}

// Directives with a single value are answers to clients, not settings.
static bool is_setting(const struct directive *directive) {
    bool single_number = (directive->kind == KIND_INTEGER || directive->kind == KIND_SIZE) &&
                         directive->minimum == directive->maximum;
    bool single_word = directive->kind == KIND_CHOICE && directive->words[1] == NULL;
    return (directive->flags & (DIRECTIVE_NO_EFFECT | DIRECTIVE_UNSUPPORTED)) == 0 && !single_number &&
           !single_word;
}

static void every_directive_with_an_effect_is_described(void **state) {
    (void)state;
    struct buffer text = read_sample();
    struct bytes rest = buffer_bytes(&text);
    struct bytes line;
    bool described[CONFIG_COUNT] = {false};
    struct buffer value = {0};
    while (config_next_line(&rest, &line)) {
        struct config_line parsed;
        enum config_id id = CONFIG_COUNT;
        size_t skipped = is_commented_directive(line);
        if (config_line_parse((struct bytes){line.data + skipped, line.length - skipped}, &parsed, &value) ==
                NULL &&
            directive_find(parsed.name, &id))
            described[id] = true;
    }
    for (int id = 0; id < CONFIG_COUNT; id++) {
        if (is_setting(directive_at((enum config_id)id)) && !described[id])
            fail_msg("%s is not described", config_name((enum config_id)id));
    }
    buffer_release(&value);
    buffer_release(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_is_valid_and_warns_of_nothing),
        cmocka_unit_test(every_commented_directive_shows_its_default),
        cmocka_unit_test(every_directive_with_an_effect_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
