// SPDX-License-Identifier: Apache-2.0
//
// One value of one directive: read from words, checked, written back. Only for the files of the
// configuration. May use: base, server/config_table.
#ifndef KVFENCE_SERVER_CONFIG_VALUE_H
#define KVFENCE_SERVER_CONFIG_VALUE_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "server/config_table.h"

struct config_value {
    int64_t number; // also the position of a choice, and 0 or 1
    char *text;     // malloc'ed for the text kinds, else NULL
};

enum { CONFIG_REASON_SIZE = 256 };

// Reads `input`. `current` is the text before (NULL: none), to which the kinds that accumulate add. False
// with what is allowed in `reason` and *out untouched.
bool config_value_parse(const struct directive *directive, const char *current, struct bytes input,
                        struct config_value *out, char reason[CONFIG_REASON_SIZE]);
// The default. The table's defaults are right, or it aborts.
struct config_value config_value_default(const struct directive *directive);
void config_value_release(struct config_value *value);
bool config_value_equal(const struct directive *directive, const struct config_value *a,
                        const struct config_value *b);
// Appends the value as a file would have it, not quoted.
void config_value_print(const struct directive *directive, const struct config_value *value,
                        struct buffer *out);

#endif
