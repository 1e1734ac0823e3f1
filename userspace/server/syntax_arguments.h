// SPDX-License-Identifier: Apache-2.0
//
// Reads the `syntax` column of the command table into the tree of arguments that COMMAND DOCS tells, from
// which redis-cli makes its hints. May use: base.
//
//   key              what the user fills in: a word with a small letter in it
//   EX               a token: a word without small letters; "" is the empty token
//   EX seconds       a token with what belongs to it: the required arguments that follow
//   [...]            may be left out
//   <a | b>          one of them; also without the angles inside [...]
//   key [key ...]    once or more; what is repeated are the arguments before the bracket that read the same
//   [key ...]        any number of times, also none; what is repeated is all that stands before the dots
#ifndef KVFENCE_SERVER_SYNTAX_ARGUMENTS_H
#define KVFENCE_SERVER_SYNTAX_ARGUMENTS_H

#include "base/bytes.h"
#include "server/syntax_type.h"

struct syntax_argument {
    char *name;
    char *token; // NULL: none. Comes first, followed by what the type says
    enum syntax_type type;
    bool optional;
    bool multiple;       // may be repeated
    bool multiple_token; // and then with the token each time
    struct syntax_argument *children;
    struct syntax_argument *next;        // beside it
    struct bytes text;                   // what it was read from; borrowed from the syntax
    struct syntax_argument *made_before; // for releasing
};

struct syntax_arguments {
    struct syntax_argument *first; // NULL: the command takes none
    struct syntax_argument *newest_made;
};

enum { SYNTAX_ERROR_SIZE = 128 };
// False, with the reason in `error` and *out empty, if brackets do not match or hold nothing, or are nested
// more than 16 deep. What is read is the caller's until syntax_arguments_release().
bool syntax_arguments_read(const char *syntax, struct syntax_arguments *out, char error[SYNTAX_ERROR_SIZE]);
void syntax_arguments_release(struct syntax_arguments *arguments); // may be called twice

#endif
