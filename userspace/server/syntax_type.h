// SPDX-License-Identifier: Apache-2.0
//
// The types of commands' arguments as COMMAND DOCS tells them. May use: the C library.
#ifndef KVFENCE_SERVER_SYNTAX_TYPE_H
#define KVFENCE_SERVER_SYNTAX_TYPE_H

enum syntax_type {
    SYNTAX_KEY,
    SYNTAX_STRING,
    SYNTAX_INTEGER,
    SYNTAX_DOUBLE,
    SYNTAX_PATTERN,
    SYNTAX_UNIX_TIME,
    SYNTAX_PURE_TOKEN, // a token alone
    SYNTAX_ONEOF,      // one of the children
    SYNTAX_BLOCK,      // the children one after the other
    SYNTAX_TYPE_COUNT
};
const char *syntax_type_name(enum syntax_type type); // as COMMAND DOCS writes it: "pure-token"

// The type of what is filled in under this name: "seconds" are an integer. A string unless known better.
enum syntax_type syntax_type_of_name(const char *name);

#endif
