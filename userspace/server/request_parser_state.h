// SPDX-License-Identifier: Apache-2.0
//
// What a request parser remembers. Private to request_parser.c, which reads the protocol, and
// request_memory.c, which owns the bytes. May use: base, server/request_parser.
//
// The bytes of one command lie in `data` from `start` on, but for big bulk strings, which are cut out of it
// and lie in blocks of their own. The arguments found so far point into either. Reading goes on at
// `position` and never looks at a byte twice, however small the pieces are in which they come.
#ifndef KVFENCE_SERVER_REQUEST_PARSER_STATE_H
#define KVFENCE_SERVER_REQUEST_PARSER_STATE_H

#include "server/request_parser.h"

enum {
    REQUEST_BIG_BULK = 64 * 1024, // a bulk string from this length on gets its own block if it is not whole
    REQUEST_LINE_END = 2,         // "\r\n"
    REQUEST_FEW_ARGUMENTS = 4,    // most commands have no more: no allocation for them
    REQUEST_KEPT_ARGUMENTS = 4 * 1024 // a longer array is given back after its command
};

struct big_bulk {
    struct big_bulk *next;
    size_t size; // with its line end
    size_t filled;
    char data[];
};

struct request_parser {
    const char *data; // the owner's bytes, or `own`, or NULL
    size_t length;    // bytes in data
    size_t start;     // of the current command
    size_t position;  // the first byte that is not parsed
    size_t searched;  // bytes from there that are known to hold no line end
    char *own;
    size_t own_capacity;

    struct bytes *arguments; // `few` or allocated
    uint32_t capacity;
    uint32_t found;
    uint32_t expected; // 0: no command has begun
    bool ready;
    bool bulk_begun;  // bulk_length is that of the argument after the found ones
    bool bulk_is_big; // and it goes to the newest big bulk
    size_t bulk_length;

    struct big_bulk *big; // newest first
    size_t big_size;      // of all of them
    struct bytes *words;  // the arguments of an inline command
    char *error;
    struct bytes few[REQUEST_FEW_ARGUMENTS];
};

// Room for the next argument. False: out of memory.
bool request_grow_arguments(struct request_parser *parser);
// Moves the current bulk string, whose beginning is at the position, to a block of its own. False: out of
// memory.
bool request_begin_big_bulk(struct request_parser *parser);
// Gives back what only the consumed command needed beside `data`.
void request_release_extras(struct request_parser *parser);

#endif
