// SPDX-License-Identifier: Apache-2.0
//
// A cycle of writes of many keys, each of which must happen as a whole or not at all. It begins and ends with
// no keys, and leaves another keyspace behind each step, so that a keyspace tells how far a writer came. May
// use: base.
#ifndef KVFENCE_TESTS_INTEGRATION_CRASH_STEPS_H
#define KVFENCE_TESTS_INTEGRATION_CRASH_STEPS_H

#include "base/buffer.h"

struct crash_step {
    const char *name;
    struct buffer request; // one command, or MULTI to EXEC
    int replies;
};

// The steps of writer `writer`, whose keys all begin with its number and a colon; *count of them, malloc'ed.
// The last one is FLUSHALL in EXEC, or, if others write too, DEL of all its keys.
struct crash_step *crash_steps_make(int writer, bool is_alone, size_t *count);
void crash_steps_free(struct crash_step *steps, size_t count);

#endif
