// SPDX-License-Identifier: Apache-2.0
//
// The types' names, and the types of what is commonly filled in. Uses: the C library.
#include "server/syntax_type.h"

#include <stddef.h>
#include <string.h>

struct typed_name {
    const char *name;
    enum syntax_type type;
};

// What is filled in under these names; anything else is a string.
static const struct typed_name typed_names[] = {
    {"destination", SYNTAX_KEY},
    {"destkey", SYNTAX_KEY},
    {"key", SYNTAX_KEY},
    {"key1", SYNTAX_KEY},
    {"key2", SYNTAX_KEY},
    {"newkey", SYNTAX_KEY},
    {"source", SYNTAX_KEY},
    {"sourcekey", SYNTAX_KEY},
    {"bit", SYNTAX_INTEGER},
    {"client-id", SYNTAX_INTEGER},
    {"config-epoch", SYNTAX_INTEGER},
    {"count", SYNTAX_INTEGER},
    {"cursor", SYNTAX_INTEGER},
    {"db", SYNTAX_INTEGER},
    {"decrement", SYNTAX_INTEGER},
    {"destination-db", SYNTAX_INTEGER},
    {"end", SYNTAX_INTEGER},
    {"end-slot", SYNTAX_INTEGER},
    {"entries-read", SYNTAX_INTEGER},
    {"frequency", SYNTAX_INTEGER},
    {"increment", SYNTAX_INTEGER},
    {"index", SYNTAX_INTEGER},
    {"index1", SYNTAX_INTEGER},
    {"index2", SYNTAX_INTEGER},
    {"len", SYNTAX_INTEGER},
    {"limit", SYNTAX_INTEGER},
    {"maxage", SYNTAX_INTEGER},
    {"milliseconds", SYNTAX_INTEGER},
    {"min-match-len", SYNTAX_INTEGER},
    {"num-matches", SYNTAX_INTEGER},
    {"numkeys", SYNTAX_INTEGER},
    {"numreplicas", SYNTAX_INTEGER},
    {"offset", SYNTAX_INTEGER},
    {"port", SYNTAX_INTEGER},
    {"protover", SYNTAX_INTEGER},
    {"rank", SYNTAX_INTEGER},
    {"seconds", SYNTAX_INTEGER},
    {"slot", SYNTAX_INTEGER},
    {"start", SYNTAX_INTEGER},
    {"start-slot", SYNTAX_INTEGER},
    {"stop", SYNTAX_INTEGER},
    {"timeout", SYNTAX_INTEGER},
    {"ttl", SYNTAX_INTEGER},
    {"version", SYNTAX_INTEGER},
    {"weight", SYNTAX_INTEGER},
    {"height", SYNTAX_DOUBLE},
    {"latitude", SYNTAX_DOUBLE},
    {"longitude", SYNTAX_DOUBLE},
    {"radius", SYNTAX_DOUBLE},
    {"score", SYNTAX_DOUBLE},
    {"width", SYNTAX_DOUBLE},
    {"pattern", SYNTAX_PATTERN},
    {"unix-time-milliseconds", SYNTAX_UNIX_TIME},
    {"unix-time-seconds", SYNTAX_UNIX_TIME},
};

enum syntax_type syntax_type_of_name(const char *name) {
    for (size_t i = 0; i < sizeof(typed_names) / sizeof(typed_names[0]); i++)
        if (strcmp(typed_names[i].name, name) == 0)
            return typed_names[i].type;
    return SYNTAX_STRING;
}

static const char *const type_names[SYNTAX_TYPE_COUNT] = {
    [SYNTAX_KEY] = "key",
    [SYNTAX_STRING] = "string",
    [SYNTAX_INTEGER] = "integer",
    [SYNTAX_DOUBLE] = "double",
    [SYNTAX_PATTERN] = "pattern",
    [SYNTAX_UNIX_TIME] = "unix-time",
    [SYNTAX_PURE_TOKEN] = "pure-token",
    [SYNTAX_ONEOF] = "oneof",
    [SYNTAX_BLOCK] = "block",
};

const char *syntax_type_name(enum syntax_type type) {
    return type_names[type];
}
