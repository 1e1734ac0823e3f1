// SPDX-License-Identifier: Apache-2.0
//
// client-output-buffer-limit in words and in numbers. Only for the files of the configuration. May use: base,
// server/config.
#ifndef KVFENCE_SERVER_CONFIG_LIMITS_H
#define KVFENCE_SERVER_CONFIG_LIMITS_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "server/config.h"

// Reads groups of "class hard soft seconds" into `limits`; a class that is not named stays as it is. Returns
// NULL, or Redis' words for what is wrong, with `limits` in part changed.
const char *config_limits_parse(struct bytes text, struct output_limit limits[CLIENT_CLASS_COUNT]);

// Appends all classes on one line.
void config_limits_print(const struct output_limit limits[CLIENT_CLASS_COUNT], struct buffer *out);

// An integer with an optional unit k, m, g, t or kb, mb, gb, tb in any case, all powers of 1024: where
// Kvrocks and Redis read a unit differently (Redis' k is 1000), a Kvrocks file must keep its meaning.
bool config_size_parse(struct bytes text, int64_t *out);

#endif
