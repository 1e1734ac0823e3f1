// SPDX-License-Identifier: Apache-2.0
//
// Asks the server's parser and table. Only where a command is cut short the oracle reads on its own what is
// there of it. Uses: base, server/request_parser, commands/table, the exceptions.
#include "tests/fence/oracle.h"

#include "base/bytes.h"
#include "bpf/fence_exceptions.h"
#include "commands/table.h"
#include "server/request_parser.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct request_limits limits = {
    .bulk_length = 1 << 20, .arguments = 1 << 20, .inline_length = 64 << 10, .total_length = 4 << 20};

// What is known of a command: its first words, and how many it has by its header.
struct heading {
    struct bytes words[2];
    size_t known;
    size_t count;
};

static const struct command_table *server_table(void) {
    static struct command_table *table;
    if (table == NULL) {
        size_t count = 0;
        struct command *rows = commands_copy(&count);
        table = command_table_open(rows, count);
    }
    return table;
}

static bool is_word(struct bytes word, const char *text) {
    return word.length == strlen(text) && strncasecmp(word.data, text, word.length) == 0;
}

// The container that only the tests have: see command_entries.h.
static enum fence_command_kind kind_of_tester(const struct heading *heading) {
    if (heading->count < 2)
        return FENCE_COMMAND_NO_WRITE;
    if (is_word(heading->words[1], "change"))
        return FENCE_COMMAND_WRITE;
    return is_word(heading->words[1], "look") ? FENCE_COMMAND_NO_WRITE : FENCE_COMMAND_UNKNOWN;
}

static enum fence_command_kind kind_of(const struct heading *heading) {
    for (size_t i = 0; i < FENCE_EXCEPTIONS; i++) {
        const struct fence_command *exception = &fence_exceptions[i].command;
        if (is_word(heading->words[0], fence_exceptions[i].name))
            return heading->count <= exception->reads_up_to ? FENCE_COMMAND_NO_WRITE
                                                            : (enum fence_command_kind)exception->kind;
    }
    if (is_word(heading->words[0], "tester"))
        return kind_of_tester(heading);
    const struct command *row = command_table_resolve(server_table(), heading->words, heading->known);
    if (row == NULL)
        return FENCE_COMMAND_UNKNOWN;
    return (row->flags & COMMAND_WRITE) != 0 ? FENCE_COMMAND_WRITE : FENCE_COMMAND_NO_WRITE;
}

// --- Commands that are not there whole ---

static bool take_text(struct bytes *rest, const char *text) {
    size_t length = strlen(text);
    if (rest->length < length || memcmp(rest->data, text, length) != 0)
        return false;
    *rest = (struct bytes){.data = rest->data + length, .length = rest->length - length};
    return true;
}

// A number and its line end, in the server's spelling.
static bool take_number(struct bytes *rest, size_t *number) {
    size_t digits = 0;
    *number = 0;
    while (digits < rest->length && digits < 10 && rest->data[digits] >= '0' && rest->data[digits] <= '9')
        *number = *number * 10 + (size_t)(rest->data[digits++] - '0');
    if (digits == 0 || (digits > 1 && rest->data[0] == '0'))
        return false;
    *rest = (struct bytes){.data = rest->data + digits, .length = rest->length - digits};
    return take_text(rest, "\r\n");
}

// A word; its line end may be missing, but not be wrong.
static bool take_word(struct bytes *rest, struct bytes *word) {
    size_t length = 0;
    if (!take_text(rest, "$") || !take_number(rest, &length) || length > rest->length)
        return false;
    *word = (struct bytes){.data = rest->data, .length = length};
    *rest = (struct bytes){.data = rest->data + length, .length = rest->length - length};
    return rest->length < 2 || take_text(rest, "\r\n");
}

static bool is_container(struct bytes name) {
    const struct command *row = command_table_find(server_table(), name);
    return is_word(name, "tester") || (row != NULL && command_is_container(server_table(), row));
}

static bool begins_write(struct bytes rest) {
    struct heading heading = {.known = 1};
    if (!take_text(&rest, "*") || !take_number(&rest, &heading.count) || heading.count == 0 ||
        heading.count > limits.arguments || !take_word(&rest, &heading.words[0]))
        return false;
    if (is_container(heading.words[0]) && heading.count > 1) {
        if (!take_word(&rest, &heading.words[1]))
            return false;
        heading.known = 2;
    }
    return kind_of(&heading) == FENCE_COMMAND_WRITE;
}

// --- The walk ---

// A negative count of words, of no more digits than the scanner reads.
static bool take_negative_count(struct bytes *rest) {
    enum { DIGITS_MAX = 18 };
    struct bytes after = *rest;
    if (!take_text(&after, "*-") || after.length == 0 || after.data[0] == '0')
        return false;
    size_t digits = 0;
    while (digits < after.length && digits < DIGITS_MAX && after.data[digits] >= '0' &&
           after.data[digits] <= '9')
        digits++;
    after = (struct bytes){.data = after.data + digits, .length = after.length - digits};
    if (digits == 0 || !take_text(&after, "\r\n"))
        return false;
    *rest = after;
    return true;
}

// Past empty lines and empty commands.
static size_t skip_empty(struct bytes payload, size_t at) {
    struct bytes rest = {.data = payload.data + at, .length = payload.length - at};
    while (take_text(&rest, "\r\n") || take_text(&rest, "*0\r\n") || take_negative_count(&rest))
        continue;
    return payload.length - rest.length;
}

static enum fence_command_kind kind_of_ready(const struct bytes *arguments, size_t count) {
    struct heading heading = {.known = count > 1 ? 2 : 1, .count = count};
    memcpy(heading.words, arguments, heading.known * sizeof(arguments[0]));
    return kind_of(&heading);
}

static struct oracle look_with(struct request_parser *parser, struct bytes payload) {
    struct oracle oracle = {.is_whole = true};
    for (;;) {
        size_t at = skip_empty(payload, payload.length - request_parser_pending(parser));
        struct bytes rest = {.data = payload.data + at, .length = payload.length - at};
        const struct bytes *arguments = NULL;
        const char *error = NULL;
        size_t count = 0;
        if (rest.length == 0)
            return oracle;
        oracle.write_at = at;
        enum fence_command_kind kind = FENCE_COMMAND_UNKNOWN;
        bool is_array = rest.length >= 2 && rest.data[0] == '*' && rest.data[1] != '-';
        bool ready =
            is_array && request_parser_next(parser, &limits, &arguments, &count, &error) == REQUEST_READY;
        if (ready)
            kind = kind_of_ready(arguments, count);
        else if (is_array && begins_write(rest))
            kind = FENCE_COMMAND_WRITE;
        oracle.is_write = kind == FENCE_COMMAND_WRITE;
        oracle.is_whole = oracle.is_whole && kind == FENCE_COMMAND_NO_WRITE;
        if (!ready || oracle.is_write)
            return oracle;
        request_parser_consume(parser);
    }
}

struct oracle oracle_look(const void *payload, size_t length) {
    struct request_parser *parser = request_parser_open();
    struct bytes bytes = {.data = payload, .length = length};
    request_parser_attach(parser, payload, length);
    struct oracle oracle = look_with(parser, bytes);
    (void)request_parser_detach(parser);
    request_parser_close(parser);
    return oracle;
}
