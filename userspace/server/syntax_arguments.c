// SPDX-License-Identifier: Apache-2.0
//
// A recursive reader of the syntax column. Every argument remembers the text it comes from: a repetition is
// recognised by reading the same as what stands before it. Uses: buffer, memory, syntax_type.
#include "server/syntax_arguments.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_DEPTH = 16 };

struct reader {
    const char *syntax;
    const char *at;
    int depth;
    const char *problem; // NULL: none
    struct syntax_argument *newest_made;
};

// Arguments one beside the other.
struct list {
    struct syntax_argument *first, *last;
};

static void append(struct list *list, struct syntax_argument *argument) {
    argument->next = NULL;
    if (list->first == NULL)
        list->first = argument;
    else
        list->last->next = argument;
    list->last = argument;
}

static struct bytes text_between(const char *begin, const char *end) {
    return (struct bytes){.data = begin, .length = (size_t)(end - begin)};
}

static const char *text_end(struct bytes text) {
    return text.data + text.length;
}

// From the first argument of the list to the end of its last one.
static struct bytes list_text(const struct syntax_argument *first, const struct list *list) {
    return text_between(first->text.data, text_end(list->last->text));
}

static struct syntax_argument *make(struct reader *reader, enum syntax_type type, struct bytes text) {
    struct syntax_argument *argument = memory_allocate_zeroed(1, sizeof(*argument));
    argument->type = type;
    argument->text = text;
    argument->made_before = reader->newest_made;
    reader->newest_made = argument;
    return argument;
}

static char *copy_word(struct bytes word) {
    char *copy = memory_allocate(word.length + 1);
    memcpy(copy, word.data, word.length);
    copy[word.length] = '\0';
    return copy;
}

// --- Words -------------------------------------------------------------------------------------------------
// ---

static bool is_token(struct bytes word) {
    for (size_t i = 0; i < word.length; i++)
        if (islower((unsigned char)word.data[i]))
            return false;
    return true;
}

static struct syntax_argument *make_token(struct reader *reader, struct bytes word) {
    struct syntax_argument *argument = make(reader, SYNTAX_PURE_TOKEN, word);
    bool is_empty = bytes_equal(word, BYTES_LITERAL("\"\""));
    argument->token = is_empty ? memory_copy_text("") : copy_word(word);
    argument->name = is_empty ? memory_copy_text("empty") : copy_word(word);
    for (char *letter = argument->name; *letter != '\0'; letter++)
        *letter = (char)tolower((unsigned char)*letter);
    return argument;
}

static struct syntax_argument *make_word(struct reader *reader, struct bytes word) {
    if (is_token(word))
        return make_token(reader, word);
    struct syntax_argument *argument = make(reader, SYNTAX_STRING, word);
    argument->name = copy_word(word);
    argument->type = syntax_type_of_name(argument->name);
    return argument;
}

// A block or a choice of what is in the list, named after its parts.
static struct syntax_argument *make_parent(struct reader *reader, enum syntax_type type,
                                           const struct list *list) {
    struct syntax_argument *parent = make(reader, type, list_text(list->first, list));
    parent->children = list->first;
    struct buffer name = {0};
    for (const struct syntax_argument *child = list->first; child != NULL; child = child->next) {
        if (child != list->first)
            buffer_append_text(&name, "_");
        buffer_append_text(&name, child->name);
    }
    parent->name = copy_word(buffer_bytes(&name));
    buffer_release(&name);
    return parent;
}

// --- Tokens with what belongs to them ---

static struct syntax_argument *as_one(struct reader *reader, const struct list *list) {
    return list->first == list->last ? list->first : make_parent(reader, SYNTAX_BLOCK, list);
}

static bool takes_what_follows(const struct syntax_argument *argument) {
    return argument->type == SYNTAX_PURE_TOKEN && !argument->optional && !argument->multiple;
}

static bool belongs_to_a_token(const struct syntax_argument *argument) {
    return argument != NULL && !argument->optional && argument->token == NULL;
}

// Hands the token over to what follows it.
static struct syntax_argument *attach(struct reader *reader, struct syntax_argument *token,
                                      const struct list *following) {
    struct syntax_argument *holder = as_one(reader, following);
    holder->token = token->token;
    token->token = NULL;
    holder->text = text_between(token->text.data, text_end(holder->text));
    return holder;
}

static struct list attach_tokens(struct reader *reader, struct list list) {
    struct list result = {0};
    struct syntax_argument *argument = list.first;
    while (argument != NULL) {
        struct syntax_argument *next = argument->next;
        struct list following = {0};
        while (takes_what_follows(argument) && belongs_to_a_token(next)) {
            struct syntax_argument *after = next->next;
            append(&following, next);
            next = after;
        }
        append(&result, following.first == NULL ? argument : attach(reader, argument, &following));
        argument = next;
    }
    return result;
}

// --- Reading ---

static void skip_blanks(struct reader *reader) {
    while (*reader->at == ' ')
        reader->at++;
}

static bool fail(struct reader *reader, const char *problem) {
    if (reader->problem == NULL)
        reader->problem = problem;
    return false;
}

// The end of the bracket that opens at `open`, or NULL.
static const char *closing_bracket(const char *open) {
    int depth = 0;
    for (const char *at = open; *at != '\0'; at++) {
        depth += *at == '[';
        depth -= *at == ']';
        if (depth == 0)
            return at;
    }
    return NULL;
}

// True if a bracket that ends with "..." opens here; then what it repeats and where it ends.
static bool at_repetition(const struct reader *reader, struct bytes *repeated, const char **end) {
    const char *close = closing_bracket(reader->at);
    if (close == NULL || close - reader->at < 4 || memcmp(close - 3, "...", 3) != 0)
        return false;
    const char *last = close - 3;
    while (last > reader->at + 1 && last[-1] == ' ')
        last--;
    *repeated = text_between(reader->at + 1, last);
    *end = close + 1;
    return true;
}

// Splits the list before `first`, makes one argument of the rest, and puts it back as one that is repeated.
static void repeat_from(struct reader *reader, struct list *list, struct syntax_argument *first,
                        const char *end) {
    struct list before = {0};
    for (struct syntax_argument *next = NULL, *argument = list->first; argument != first; argument = next) {
        next = argument->next;
        append(&before, argument);
    }
    struct list repeated = attach_tokens(reader, (struct list){.first = first, .last = list->last});
    struct syntax_argument *one = as_one(reader, &repeated);
    one->multiple = true;
    one->multiple_token = one->token != NULL;
    one->text = text_between(one->text.data, end);
    append(&before, one);
    *list = before;
}

// "[key ...]" behind "key": true if it repeats the end of the list, or all of the group that began at
// `group`, and was read.
static bool read_repetition(struct reader *reader, struct list *list, const char *group,
                            bool *group_repeats) {
    struct bytes repeated;
    const char *end = NULL;
    if (list->first == NULL || !at_repetition(reader, &repeated, &end))
        return false;
    struct syntax_argument *first = list->first;
    while (first != NULL && !bytes_equal(list_text(first, list), repeated))
        first = first->next;
    if (first != NULL) {
        repeat_from(reader, list, first, end);
    } else if (bytes_equal(text_between(group, text_end(list->last->text)), repeated)) {
        *group_repeats = true;
    } else {
        return false;
    }
    reader->at = end;
    return true;
}

static bool read_group(struct reader *reader, struct list *out);

// What stands in brackets, as one argument.
// NOLINTNEXTLINE(misc-no-recursion): not deeper than MOST_DEPTH
static bool read_brackets(struct reader *reader, struct list *list) {
    const char *open = reader->at++;
    char close = *open == '[' ? ']' : '>';
    struct list inside = {0};
    if (++reader->depth > MOST_DEPTH)
        return fail(reader, "brackets are nested too deep");
    if (!read_group(reader, &inside))
        return false;
    reader->depth--;
    if (*reader->at != close)
        return fail(reader, "a bracket is not closed");
    if (inside.first == NULL)
        return fail(reader, "brackets hold nothing");
    reader->at++;
    struct syntax_argument *argument = as_one(reader, &inside);
    argument->optional = argument->optional || close == ']';
    argument->text = text_between(open, reader->at);
    append(list, argument);
    return true;
}

static bool read_word(struct reader *reader, struct list *list) {
    struct bytes word = {.data = reader->at, .length = strcspn(reader->at, " []<>|")};
    reader->at += word.length;
    if (!bytes_equal(word, BYTES_LITERAL("..."))) {
        append(list, make_word(reader, word));
        return true;
    }
    // Dots in a bracket whose text does not stand before it: "[key ...]" alone.
    if (list->first == NULL)
        return fail(reader, "dots repeat nothing");
    repeat_from(reader, list, list->first, reader->at);
    return true;
}

// Arguments up to the end of an alternative.
// NOLINTNEXTLINE(misc-no-recursion): not deeper than MOST_DEPTH
static bool read_sequence(struct reader *reader, const char *group, bool *group_repeats, struct list *out) {
    struct list list = {0};
    for (skip_blanks(reader); strchr("|]>", *reader->at) == NULL; skip_blanks(reader)) {
        if (*reader->at == '[' && read_repetition(reader, &list, group, group_repeats))
            continue;
        bool in_brackets = *reader->at == '[' || *reader->at == '<';
        if (!(in_brackets ? read_brackets(reader, &list) : read_word(reader, &list)))
            return false;
    }
    *out = attach_tokens(reader, list);
    return true;
}

// Alternatives up to the end of the bracket or of the syntax. With only one, its arguments as they are.
// NOLINTNEXTLINE(misc-no-recursion): not deeper than MOST_DEPTH
static bool read_group(struct reader *reader, struct list *out) {
    skip_blanks(reader);
    const char *group = reader->at;
    struct list alternatives = {0};
    bool group_repeats = false;
    if (!read_sequence(reader, group, &group_repeats, out))
        return false;
    if (*reader->at != '|')
        return true;
    for (;;) {
        if (out->first == NULL)
            return fail(reader, "an alternative is empty");
        append(&alternatives, as_one(reader, out));
        if (*reader->at != '|')
            break;
        reader->at++;
        if (!read_sequence(reader, group, &group_repeats, out))
            return false;
    }
    struct syntax_argument *choice = make_parent(reader, SYNTAX_ONEOF, &alternatives);
    choice->multiple = group_repeats;
    *out = (struct list){.first = choice, .last = choice};
    return true;
}

bool syntax_arguments_read(const char *syntax, struct syntax_arguments *out, char error[SYNTAX_ERROR_SIZE]) {
    struct reader reader = {.syntax = syntax, .at = syntax};
    struct list list = {0};
    bool complete = read_group(&reader, &list);
    if (complete && *reader.at != '\0')
        complete = fail(&reader, "a bracket was not opened");
    *out = (struct syntax_arguments){.first = list.first, .newest_made = reader.newest_made};
    if (!complete) {
        syntax_arguments_release(out);
        (void)snprintf(error, SYNTAX_ERROR_SIZE, "%s, at byte %zu of the syntax", reader.problem,
                       (size_t)(reader.at - reader.syntax));
    }
    return complete;
}

void syntax_arguments_release(struct syntax_arguments *arguments) {
    struct syntax_argument *argument = arguments->newest_made;
    while (argument != NULL) {
        struct syntax_argument *before = argument->made_before;
        free(argument->name);
        free(argument->token);
        free(argument);
        argument = before;
    }
    *arguments = (struct syntax_arguments){0};
}
