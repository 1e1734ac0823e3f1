// SPDX-License-Identifier: Apache-2.0
//
// Splits a line that a person typed into words, by Redis' rules of quoting: "..." knows the escapes \n \r \t
// \b \a \xHH, where any other escaped character stands for itself; '...' knows \' only; a closing quote ends
// its word and must be followed by a blank. Uses: base/memory.
#include "server/request_parser.h"

#include "base/memory.h"

// A place in a line that is being split, and where the words' text goes: nowhere while they are counted.
struct splitter {
    struct bytes line;
    size_t at;
    char *text;
    size_t text_length;
};

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool at_end(const struct splitter *splitter) {
    return splitter->at == splitter->line.length;
}

static void put(struct splitter *splitter, char c) {
    if (splitter->text != NULL)
        splitter->text[splitter->text_length] = c;
    splitter->text_length++;
}

static int hexadecimal_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static char escaped(char c) {
    static const struct {
        char name, meaning;
    } escapes[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'b', '\b'}, {'a', '\a'}};
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (escapes[i].name == c)
            return escapes[i].meaning;
    }
    return c;
}

// Takes what follows a backslash within "...".
static void take_escape(struct splitter *splitter) {
    const char *rest = splitter->line.data + splitter->at;
    size_t left = splitter->line.length - splitter->at;
    int high = left >= 3 && rest[0] == 'x' ? hexadecimal_digit(rest[1]) : -1;
    int low = high >= 0 ? hexadecimal_digit(rest[2]) : -1;
    if (low >= 0) {
        put(splitter, (char)(unsigned char)(high * 16 + low));
        splitter->at += 3;
        return;
    }
    put(splitter, escaped(rest[0]));
    splitter->at++;
}

// Takes the rest of a quoted part with its closing quote. False: there is none, or no blank after it.
static bool take_quoted(struct splitter *splitter, char quote) {
    while (!at_end(splitter)) {
        char c = splitter->line.data[splitter->at++];
        if (c == quote)
            return at_end(splitter) || is_blank(splitter->line.data[splitter->at]);
        bool escapes = c == '\\' && !at_end(splitter);
        if (escapes && quote == '"')
            take_escape(splitter);
        else if (escapes && splitter->line.data[splitter->at] == '\'')
            put(splitter, splitter->line.data[splitter->at++]);
        else
            put(splitter, c);
    }
    return false;
}

static bool take_word(struct splitter *splitter) {
    while (!at_end(splitter)) {
        char c = splitter->line.data[splitter->at];
        // Redis lets \v and \f stand within a word, though not at its beginning.
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            return true;
        splitter->at++;
        if (c == '"' || c == '\'')
            return take_quoted(splitter, c);
        put(splitter, c);
    }
    return true;
}

static bool skip_to_word(struct splitter *splitter) {
    while (!at_end(splitter) && is_blank(splitter->line.data[splitter->at]))
        splitter->at++;
    return !at_end(splitter);
}

int request_split_inline(struct bytes line, struct bytes **words) {
    *words = NULL;
    struct splitter counting = {.line = line};
    int count = 0;
    while (skip_to_word(&counting)) {
        if (!take_word(&counting))
            return -1;
        count++;
    }
    if (count == 0)
        return 0;
    size_t array_size = (size_t)count * sizeof(struct bytes);
    struct bytes *array = memory_allocate(array_size + counting.text_length);
    struct splitter writing = {.line = line, .text = (char *)array + array_size};
    for (int i = 0; skip_to_word(&writing); i++) {
        size_t begin = writing.text_length;
        (void)take_word(&writing); // the counting has shown that it can be taken
        array[i] = (struct bytes){.data = writing.text + begin, .length = writing.text_length - begin};
    }
    *words = array;
    return count;
}
