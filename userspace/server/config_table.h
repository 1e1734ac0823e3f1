// SPDX-License-Identifier: Apache-2.0
//
// The rows of config.def as data, and how they are found. Only for the files of the configuration. May use:
// base, server/config.
#ifndef KVFENCE_SERVER_CONFIG_TABLE_H
#define KVFENCE_SERVER_CONFIG_TABLE_H

#include "base/bytes.h"
#include "server/config.h"

#include <stdint.h>

enum directive_kind {
    KIND_YES_NO,
    KIND_INTEGER,
    KIND_UNSIGNED, // any 64-bit number; its bits are kept as those of an int64_t
    KIND_SIZE,
    KIND_OCTAL,
    KIND_CHOICE,
    KIND_EVENTS,       // the letters of notify-keyspace-events, kept as enum key_event_class
    KIND_TEXT,         // this and what follows is kept as text
    KIND_MASTER,       // text: "host port", empty for "no one"
    KIND_RENAMES,      // text: "old new" or "old \"\"", a line each
    KIND_OUTPUT_LIMITS // text: "class hard soft seconds", all classes on one line
};

// What each means stands at the top of config.def.
enum directive_flag {
    DIRECTIVE_FIXED = 1 << 0,
    DIRECTIVE_SECRET = 1 << 1,
    DIRECTIVE_REQUIRED = 1 << 2,
    DIRECTIVE_NO_EFFECT = 1 << 3,
    DIRECTIVE_UNSUPPORTED = 1 << 4
};

struct directive {
    const char *name;
    const char *default_text;
    unsigned flags;
    enum directive_kind kind;
    int64_t minimum, maximum;
    const char *const *words; // of a choice; ends with NULL
};

const struct directive *directive_at(enum config_id id);
bool directive_is_text(const struct directive *directive);

// By name in any case, newer names of the same thing included. False if there is none.
bool directive_find(struct bytes name, enum config_id *id);

// The other names: row `index` of them, or NULL behind the last.
const char *directive_alias_at(size_t index, enum config_id *id);

#endif
