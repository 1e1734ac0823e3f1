// SPDX-License-Identifier: Apache-2.0
//
// One reader for each kind of directive. The reasons are Redis' words where Redis has the kind. Uses: base,
// config_limits, config_line, key_event_classes.
#include "server/config_value.h"

#include "base/assert.h"
#include "base/memory.h"
#include "base/number.h"
#include "server/config_limits.h"
#include "server/config_line.h"
#include "server/key_event_classes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef bool parse_function(const struct directive *directive, const char *current, struct bytes input,
                            struct config_value *out, char reason[CONFIG_REASON_SIZE]);

static bool refuse(char reason[CONFIG_REASON_SIZE], const char *words) {
    (void)snprintf(reason, CONFIG_REASON_SIZE, "%s", words);
    return false;
}

// Takes the buffer over.
static bool accept_text(struct config_value *out, struct buffer *text) {
    buffer_append(text, (struct bytes){"", 1});
    *out = (struct config_value){.text = text->data};
    return true;
}

static bool accept_in_range(const struct directive *directive, int64_t number, struct config_value *out,
                            char reason[CONFIG_REASON_SIZE]) {
    if (number >= directive->minimum && number <= directive->maximum) {
        *out = (struct config_value){.number = number};
        return true;
    }
    if (directive->kind == KIND_OCTAL)
        (void)snprintf(reason, CONFIG_REASON_SIZE,
                       "argument must be between %" PRIo64 " and %" PRIo64 " inclusive",
                       (uint64_t)directive->minimum, (uint64_t)directive->maximum);
    else
        (void)snprintf(reason, CONFIG_REASON_SIZE,
                       "argument must be between %" PRId64 " and %" PRId64 " inclusive", directive->minimum,
                       directive->maximum);
    return false;
}

static bool parse_yes_no(const struct directive *directive, const char *current, struct bytes input,
                         struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)directive;
    (void)current;
    bool yes = bytes_equal_text_nocase(input, "yes");
    if (!yes && !bytes_equal_text_nocase(input, "no"))
        return refuse(reason, "argument must be 'yes' or 'no'");
    *out = (struct config_value){.number = yes};
    return true;
}

static bool parse_integer(const struct directive *directive, const char *current, struct bytes input,
                          struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)current;
    int64_t number = 0;
    if (!number_read_integer(input, &number))
        return refuse(reason, "argument couldn't be parsed into an integer");
    return accept_in_range(directive, number, out, reason);
}

static bool parse_unsigned(const struct directive *directive, const char *current, struct bytes input,
                           struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)directive;
    (void)current;
    uint64_t number = 0;
    if (!number_read_unsigned(input, &number))
        return refuse(reason, "argument couldn't be parsed into an integer");
    *out = (struct config_value){.number = (int64_t)number};
    return true;
}

static bool parse_size(const struct directive *directive, const char *current, struct bytes input,
                       struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)current;
    int64_t number = 0;
    if (!config_size_parse(input, &number))
        return refuse(reason, "argument must be a memory value");
    return accept_in_range(directive, number, out, reason);
}

static bool parse_octal(const struct directive *directive, const char *current, struct bytes input,
                        struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)current;
    int64_t number = 0;
    for (size_t i = 0; i < input.length; i++) {
        if (input.data[i] < '0' || input.data[i] > '7' || number > INT32_MAX)
            return refuse(reason, "argument couldn't be parsed as an octal number");
        number = number * 8 + (input.data[i] - '0');
    }
    return accept_in_range(directive, number, out, reason);
}

static bool parse_choice(const struct directive *directive, const char *current, struct bytes input,
                         struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)current;
    for (int64_t i = 0; directive->words[i] != NULL; i++) {
        if (bytes_equal_text_nocase(input, directive->words[i])) {
            *out = (struct config_value){.number = i};
            return true;
        }
    }
    struct buffer words = {0};
    for (size_t i = 0; directive->words[i] != NULL; i++)
        buffer_append_format(&words, "%s%s", i == 0 ? "" : ", ", directive->words[i]);
    (void)snprintf(reason, CONFIG_REASON_SIZE, "argument(s) must be one of the following: %.*s",
                   (int)words.length, words.data);
    buffer_release(&words);
    return false;
}

static bool parse_text(const struct directive *directive, const char *current, struct bytes input,
                       struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)current;
    if (input.length == 0 && (directive->flags & DIRECTIVE_REQUIRED) != 0)
        return refuse(reason, "argument must not be empty");
    struct buffer text = {0};
    buffer_append(&text, input);
    return accept_text(out, &text);
}

static bool parse_master(const struct directive *directive, const char *current, struct bytes input,
                         struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)directive;
    (void)current;
    struct bytes rest = input;
    struct bytes host, port, more;
    struct buffer text = {0};
    if (config_next_word(&rest, &host)) {
        uint64_t number = 0;
        if (!config_next_word(&rest, &port) || config_next_word(&rest, &more))
            return refuse(reason, "argument must be a host and a port, or no one");
        bool no_one = bytes_equal_text_nocase(host, "no") && bytes_equal_text_nocase(port, "one");
        if (!no_one && (!number_read_unsigned(port, &number) || number < 1 || number > UINT16_MAX))
            return refuse(reason, "the port must be between 1 and 65535 inclusive");
        if (!no_one)
            buffer_append_format(&text, "%.*s %" PRIu64, (int)host.length, host.data, number);
    }
    return accept_text(out, &text);
}

// Adds one line "old new" to those before.
static bool parse_rename(const struct directive *directive, const char *current, struct bytes input,
                         struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)directive;
    struct bytes rest = input;
    struct bytes old_name, new_name, more;
    struct buffer text = {0};
    if (current != NULL)
        buffer_append_text(&text, current);
    if (config_next_word(&rest, &old_name)) {
        if (!config_next_word(&rest, &new_name) || config_next_word(&rest, &more)) {
            buffer_release(&text);
            return refuse(reason,
                          "Invalid rename-command format: two words are needed, the command's name and "
                          "its new name, \"\" to remove it");
        }
        buffer_append_format(&text, "%s%.*s %.*s", text.length == 0 ? "" : "\n", (int)old_name.length,
                             old_name.data, (int)new_name.length, new_name.data);
    }
    return accept_text(out, &text);
}

static bool parse_output_limits(const struct directive *directive, const char *current, struct bytes input,
                                struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)directive;
    struct output_limit limits[CLIENT_CLASS_COUNT] = {0};
    if (current != NULL) {
        const char *problem = config_limits_parse(bytes_from_text(current), limits);
        always_assert(problem == NULL, "the limits in force were read before");
    }
    const char *problem = config_limits_parse(input, limits);
    if (problem != NULL)
        return refuse(reason, problem);
    struct buffer text = {0};
    config_limits_print(limits, &text);
    return accept_text(out, &text);
}

static bool parse_events(const struct directive *directive, const char *current, struct bytes input,
                         struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    (void)directive;
    (void)current;
    int64_t classes = 0;
    if (!key_events_parse(input, &classes))
        return refuse(reason, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    *out = (struct config_value){.number = classes};
    return true;
}

static parse_function *const parsers[] = {
    [KIND_EVENTS] = parse_events,
    [KIND_YES_NO] = parse_yes_no,
    [KIND_INTEGER] = parse_integer,
    [KIND_UNSIGNED] = parse_unsigned,
    [KIND_SIZE] = parse_size,
    [KIND_OCTAL] = parse_octal,
    [KIND_CHOICE] = parse_choice,
    [KIND_TEXT] = parse_text,
    [KIND_MASTER] = parse_master,
    [KIND_RENAMES] = parse_rename,
    [KIND_OUTPUT_LIMITS] = parse_output_limits,
};

bool config_value_parse(const struct directive *directive, const char *current, struct bytes input,
                        struct config_value *out, char reason[CONFIG_REASON_SIZE]) {
    if (input.length > 0 && memchr(input.data, '\0', input.length) != NULL)
        return refuse(reason, "argument must not contain a NUL byte");
    return parsers[directive->kind](directive, current, input, out, reason);
}

struct config_value config_value_default(const struct directive *directive) {
    struct directive without_rules = *directive;
    without_rules.flags = 0; // a required text may be derived later
    struct config_value value = {0};
    char reason[CONFIG_REASON_SIZE];
    bool right =
        config_value_parse(&without_rules, NULL, bytes_from_text(directive->default_text), &value, reason);
    always_assert(right, "every default in config.def is a value that its directive takes");
    return value;
}

void config_value_release(struct config_value *value) {
    free(value->text);
    *value = (struct config_value){0};
}

bool config_value_equal(const struct directive *directive, const struct config_value *a,
                        const struct config_value *b) {
    if (directive_is_text(directive))
        return strcmp(a->text, b->text) == 0;
    return a->number == b->number;
}

void config_value_print(const struct directive *directive, const struct config_value *value,
                        struct buffer *out) {
    switch (directive->kind) {
    case KIND_YES_NO:
        buffer_append_text(out, value->number != 0 ? "yes" : "no");
        break;
    case KIND_CHOICE:
        buffer_append_text(out, directive->words[value->number]);
        break;
    case KIND_EVENTS:
        key_events_print(value->number, out);
        break;
    case KIND_OCTAL:
        buffer_append_format(out, "%" PRIo64, (uint64_t)value->number);
        break;
    case KIND_UNSIGNED:
        buffer_append_format(out, "%" PRIu64, (uint64_t)value->number);
        break;
    case KIND_INTEGER:
    case KIND_SIZE:
        buffer_append_format(out, "%" PRId64, value->number);
        break;
    case KIND_TEXT:
    case KIND_MASTER:
    case KIND_RENAMES:
    case KIND_OUTPUT_LIMITS:
        buffer_append_text(out, value->text);
        break;
    }
}
