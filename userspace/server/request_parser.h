// SPDX-License-Identifier: Apache-2.0
//
// Cuts a client's bytes into commands: RESP arrays of bulk strings, and inline commands with Redis' quoting.
// Knows nothing of sockets, so that it can be driven by tests and fuzzers. Not thread-safe. May use: base.
//
// The owner reads into a shared scratch area as long as nothing is left over (request_parser_attach), so that
// an idle or well-behaved client holds no memory; what is left of an incomplete command is kept in the
// parser's own buffer, and a big bulk string (64 KiB or more) that is not whole yet in an allocation of
// exactly its size, into which the rest is read directly: it is never copied again.
#ifndef KVFENCE_SERVER_REQUEST_PARSER_H
#define KVFENCE_SERVER_REQUEST_PARSER_H

#include "base/bytes.h"

#include <stdint.h>

struct request_limits {
    uint64_t bulk_length;   // longest bulk string: proto-max-bulk-len; 16 KiB before authentication
    uint64_t arguments;     // most arguments in one command: 1024 * 1024; 10 before authentication
    uint64_t inline_length; // longest inline command or header line: 64 KiB; at least 32
    uint64_t total_length;  // most bytes held for one unfinished command: 1 GiB
    // The limits above are the tighter ones for strangers, and the errors say so.
    bool before_authentication;
};

struct request_parser;

struct request_parser *request_parser_open(void); // small: an idle client keeps one
void request_parser_close(struct request_parser *parser);

// Where the next bytes from the socket go. If the parser holds nothing, returns false: read into a scratch
// area of your own and call request_parser_attach(). Otherwise sets *to and *room (more than 0) and after
// reading call request_parser_filled(). May fail for lack of memory for a size that the client chose: *room
// is 0 then.
bool request_parser_room(struct request_parser *parser, char **to, size_t *room);
void request_parser_filled(struct request_parser *parser, size_t count);
// Parses from `data` directly, which stays valid and unchanged until request_parser_detach(). Only when the
// parser holds nothing.
void request_parser_attach(struct request_parser *parser, const char *data, size_t length);
// Copies what is not consumed into the parser's own memory. Call at the end of each reading, attached or not.
// False: out of memory.
bool request_parser_detach(struct request_parser *parser);

enum request_result {
    REQUEST_INCOMPLETE, // more bytes are needed
    REQUEST_READY,      // *arguments and *count are set, count at least 1
    REQUEST_INVALID     // *error is a whole error reply without its '-' ("ERR Protocol error: ..."); the
                        // connection is of no more use
};
// The next command, if it is there whole; the same one again until it is consumed. Empty commands ("*0",
// blank lines) are skipped. The arguments stay valid until request_parser_consume() or
// request_parser_detach().
enum request_result request_parser_next(struct request_parser *parser, const struct request_limits *limits,
                                        const struct bytes **arguments, size_t *count, const char **error);
void request_parser_consume(struct request_parser *parser);

// Bytes received after the command that is ready.
size_t request_parser_following(const struct request_parser *parser);

// Bytes received and not consumed, and memory held, for CLIENT LIST.
size_t request_parser_pending(const struct request_parser *parser);
size_t request_parser_memory(const struct request_parser *parser);

// Splits one inline line by Redis' rules (blanks, "..." with escapes, '...'). Returns the count, or -1 for
// unbalanced quotes. *words is malloc'ed with all text inside the same block: one free() releases everything.
// It is NULL when there are no words.
int request_split_inline(struct bytes line, struct bytes **words);

#endif
