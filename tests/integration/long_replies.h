// SPDX-License-Identifier: Apache-2.0
//
// Collections whose replies are longer than the server wants to hold, what commands answer about them, and
// clients that read such an answer piece by piece. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_LONG_REPLIES_H
#define KVFENCE_TESTS_INTEGRATION_LONG_REPLIES_H

#include "harness.h"

enum { ELEMENTS = IS_SANITIZED ? 60000 : 120000, FILL_BATCH = 1000, SAME_ELEMENTS = 6 * ELEMENTS };

// The elements are numbers from 0 on, written with 100 digits. A hash's values are short; scores are the
// numbers themselves. The keys of MANY_KEYS begin with "key:". All elements
// of SAME_LIST, "same", are "x".
enum long_data { BIG_HASH, BIG_SET, BIG_LIST, BIG_ZSET, SMALL_SET, MANY_KEYS, SAME_LIST };
// Makes "hash", "set", "list", "zset", "small", "same" or keys, of so many elements: a multiple of
// FILL_BATCH.
void fill(const struct test_server *address, enum long_data data, int count);

// What a command answers about ELEMENTS elements (ELEMENTS / 5 keys, SAME_ELEMENTS that are the same): a
// header, then elements from one to another, in either direction.
struct buffer;
struct answer {
    const char *command;
    int protocol;
    const char *type; // the header's first character
    int count;        // in the header
    void (*append)(struct buffer *out, int element);
    int first, last;
};
const struct answer *answer_at(size_t index);        // NULL behind the last one
const struct answer *answer_to(const char *command); // the first one to this command
const struct answer *answer_in(int protocol, const char *command);

// Connects with a receive buffer that holds next to nothing, so that the server knows how much is read.
int connect_slowly(const struct test_server *address);
// Chooses the protocol and reads what the server says to that.
void speak(int fd, int protocol);
// Sends the command, and `behind` in the same breath.
void ask(int fd, const struct answer *answer, const char *behind);
// All of this, and reads the header. More than that the socket takes only little, so that the server waits.
int begin_and_stall(const struct test_server *address, const struct answer *answer, const char *behind);

void read_header(int fd, const struct answer *answer);
// Reads elements until one, which is included; returns the one after it.
int read_elements(int fd, const struct answer *answer, int from, int until);
void read_answer(int fd, const struct answer *answer);

#endif
