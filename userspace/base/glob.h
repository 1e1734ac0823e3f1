// SPDX-License-Identifier: Apache-2.0
//
// Redis' glob patterns: * ? [a-z] [^a] and backslash escapes. May use: base/bytes.
#ifndef KVFENCE_BASE_GLOB_H
#define KVFENCE_BASE_GLOB_H

#include "base/bytes.h"

// True if the whole of `text` matches. Linear in the worst case times the pattern's length: a pattern full of
// stars cannot stall a worker. Thread-safe.
bool glob_match(struct bytes pattern, struct bytes text, bool ignore_case);

// The literal bytes that every match starts with: the pattern up to its first special character. Escapes end
// it too. Borrowed from `pattern`.
struct bytes glob_literal_prefix(struct bytes pattern);

#endif
