// SPDX-License-Identifier: Apache-2.0
//
// A read-only run of bytes with its length. Keys and values may hold any byte, NUL among them, so they
// travel as this type and never as NUL-terminated text. May use: the C library.
#ifndef KVFENCE_BASE_BYTES_H
#define KVFENCE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

// Borrowed: whoever hands it out says how long `data` stays valid. `data` may be NULL only if length is 0.
struct bytes {
    const char *data;
    size_t length;
};

#define BYTES_LITERAL(text) ((struct bytes){.data = (text), .length = sizeof(text) - 1})

static inline struct bytes bytes_from_text(const char *text) {
    return (struct bytes){.data = text, .length = strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

// True if `a` is `text`, letters compared without regard to case (ASCII).
static inline bool bytes_equal_text_nocase(struct bytes a, const char *text) {
    return a.length == strlen(text) && (a.length == 0 || strncasecmp(a.data, text, a.length) == 0);
}

// Order of memcmp, a prefix before what it is a prefix of: RocksDB's order of keys.
static inline int bytes_compare(struct bytes a, struct bytes b) {
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

// How much of it a message shows, for "%.*s": texts of clients may be long.
static inline int bytes_shown_length(struct bytes text) {
    enum { SHOWN_MAX = 128 };
    return text.length < SHOWN_MAX ? (int)text.length : SHOWN_MAX;
}

#endif
