// SPDX-License-Identifier: Apache-2.0
//
// Globs by backtracking to the last star only, which is enough for this pattern language. Uses: bytes.
#include "base/glob.h"

#include <ctype.h>

static int fold(char c, bool ignore_case) {
    return ignore_case ? tolower((unsigned char)c) : (unsigned char)c;
}

// Matches `c` against the set that starts after '[' at *at; leaves *at behind the closing ']'. An unclosed
// set ends with the pattern, as in Redis.
static bool match_set(struct bytes pattern, size_t *at, char c, bool ignore_case) {
    size_t i = *at;
    bool negated = i < pattern.length && pattern.data[i] == '^';
    bool matched = false;
    int wanted = fold(c, ignore_case);
    if (negated)
        i++;
    for (; i < pattern.length && pattern.data[i] != ']'; i++) {
        if (pattern.data[i] == '\\' && i + 1 < pattern.length) {
            i++;
            matched |= fold(pattern.data[i], ignore_case) == wanted;
        } else if (i + 2 < pattern.length && pattern.data[i + 1] == '-') {
            int low = fold(pattern.data[i], ignore_case);
            int high = fold(pattern.data[i + 2], ignore_case);
            matched |= low <= high ? (wanted >= low && wanted <= high) : (wanted >= high && wanted <= low);
            i += 2;
        } else {
            matched |= fold(pattern.data[i], ignore_case) == wanted;
        }
    }
    *at = i < pattern.length ? i + 1 : i;
    return matched != negated;
}

// Matches one character of text against one element of the pattern at *at and steps over the element.
static bool match_one(struct bytes pattern, size_t *at, char c, bool ignore_case) {
    char special = pattern.data[*at];
    (*at)++;
    if (special == '?')
        return true;
    if (special == '[')
        return match_set(pattern, at, c, ignore_case);
    if (special == '\\' && *at < pattern.length) {
        special = pattern.data[*at];
        (*at)++;
    }
    return fold(special, ignore_case) == fold(c, ignore_case);
}

bool glob_match(struct bytes pattern, struct bytes text, bool ignore_case) {
    size_t p = 0;
    size_t t = 0;
    size_t star = pattern.length; // no star seen yet
    size_t star_text = 0;
    bool seen_star = false;
    while (t < text.length) {
        if (p < pattern.length && pattern.data[p] == '*') {
            seen_star = true;
            star = ++p;
            star_text = t;
            continue;
        }
        size_t next = p;
        if (p < pattern.length && match_one(pattern, &next, text.data[t], ignore_case)) {
            p = next;
            t++;
            continue;
        }
        if (!seen_star)
            return false;
        p = star;
        t = ++star_text;
    }
    while (p < pattern.length && pattern.data[p] == '*')
        p++;
    return p == pattern.length;
}

struct bytes glob_literal_prefix(struct bytes pattern) {
    static const char special[] = {'*', '?', '[', '\\'};
    size_t length = 0;
    while (length < pattern.length && memchr(special, pattern.data[length], sizeof(special)) == NULL)
        length++;
    return (struct bytes){.data = pattern.data, .length = length};
}
