// SPDX-License-Identifier: Apache-2.0
//
// Makes the array of config.def's rows and searches it. Uses: base/assert.
#include "server/config_table.h"

#include "base/assert.h"

#include <limits.h>

#define FIXED              DIRECTIVE_FIXED
#define SECRET             DIRECTIVE_SECRET
#define REQUIRED           DIRECTIVE_REQUIRED
#define NO_EFFECT          DIRECTIVE_NO_EFFECT
#define UNSUPPORTED        DIRECTIVE_UNSUPPORTED
#define YES_NO             .kind = KIND_YES_NO
#define INTEGER(low, high) .kind = KIND_INTEGER, .minimum = (low), .maximum = (high)
#define UNSIGNED           .kind = KIND_UNSIGNED
#define SIZE(low, high)    .kind = KIND_SIZE, .minimum = (low), .maximum = (high)
#define OCTAL(low, high)   .kind = KIND_OCTAL, .minimum = (low), .maximum = (high)
#define CHOICE(...)                                                                                          \
    .kind = KIND_CHOICE, .words = (const char *const[]) {                                                    \
        __VA_ARGS__, NULL                                                                                    \
    }
#define EVENTS        .kind = KIND_EVENTS
#define TEXT          .kind = KIND_TEXT
#define MASTER        .kind = KIND_MASTER
#define RENAMES       .kind = KIND_RENAMES
#define OUTPUT_LIMITS .kind = KIND_OUTPUT_LIMITS

static const struct directive rows[] = {
#define DIRECTIVE(id, row_name, row_default, row_flags, ...)                                                 \
    [CONFIG_##id] = {.name = row_name, .default_text = row_default, .flags = row_flags, __VA_ARGS__},
#include "server/config.def"
#undef DIRECTIVE
};

// Newer versions of Kvrocks say "replica" where older ones say "slave".
static const struct {
    const char *name;
    enum config_id id;
} aliases[] = {
    {"replicaof", CONFIG_SLAVEOF},
    {"replica-read-only", CONFIG_SLAVE_READ_ONLY},
    {"replica-serve-stale-data", CONFIG_SLAVE_SERVE_STALE_DATA},
    {"replica-priority", CONFIG_SLAVE_PRIORITY},
    {"replica-empty-db-before-fullsync", CONFIG_SLAVE_EMPTY_DB_BEFORE_FULLSYNC},
};
enum { ALIAS_COUNT = sizeof(aliases) / sizeof(aliases[0]) };

const struct directive *directive_at(enum config_id id) {
    always_assert(id < CONFIG_COUNT, "a directive's id is one of the table's rows");
    return &rows[id];
}

bool directive_is_text(const struct directive *directive) {
    return directive->kind >= KIND_TEXT;
}

bool directive_find(struct bytes name, enum config_id *id) {
    for (int i = 0; i < CONFIG_COUNT; i++) {
        if (bytes_equal_text_nocase(name, rows[i].name)) {
            *id = (enum config_id)i;
            return true;
        }
    }
    for (size_t i = 0; i < ALIAS_COUNT; i++) {
        if (bytes_equal_text_nocase(name, aliases[i].name)) {
            *id = aliases[i].id;
            return true;
        }
    }
    return false;
}

const char *directive_alias_at(size_t index, enum config_id *id) {
    if (index >= ALIAS_COUNT)
        return NULL;
    *id = aliases[index].id;
    return aliases[index].name;
}

const char *config_name(enum config_id id) {
    return directive_at(id)->name;
}
