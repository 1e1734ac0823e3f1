// SPDX-License-Identifier: Apache-2.0
//
// Writes and reads of all types of data, at random, on keys of each type's own. May use: hiredis.
#ifndef KVFENCE_TESTS_INTEGRATION_CHAOS_WORDS_H
#define KVFENCE_TESTS_INTEGRATION_CHAOS_WORDS_H

#include <hiredis/hiredis.h>

// Appends one write, or a value of up to a megabyte, or MULTI to EXEC. Returns how many replies will come.
int chaos_words_append(redisContext *connection, unsigned *seed);
// Appends one that reads.
int chaos_words_append_read(redisContext *connection, unsigned *seed);

#endif
