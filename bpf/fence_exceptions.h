// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// The commands whose entry in fence_commands does not follow from the server's table alone. For userspace:
// whoever fills fence_commands, and the tests. Names that the server does not know are left out of the map.
#ifndef KVFENCE_BPF_FENCE_EXCEPTIONS_H
#define KVFENCE_BPF_FENCE_EXCEPTIONS_H

#include "fence_contract.h"

struct fence_exception {
    const char *name; // in lower case, as in the server's table
    struct fence_command command;
};

#define FENCE_WRITES(words)                                                                                  \
    { .kind = FENCE_COMMAND_WRITE, .reads_up_to = (words) }
#define FENCE_MAY_WRITE(words)                                                                               \
    { .kind = FENCE_COMMAND_MAY_WRITE, .reads_up_to = (words) }

static const struct fence_exception fence_exceptions[] = {
    // Without an option it is GET; each option changes the expiry.
    {"getex", FENCE_WRITES(2)},
    // SET and INCRBY take at least six words; with more words there may still be nothing but GETs.
    {"bitfield", FENCE_MAY_WRITE(5)},
    // STORE would be the third word at the earliest, with its key behind it; in longer forms "STORE" may be a
    // pattern.
    {"sort", FENCE_MAY_WRITE(3)},
    {"georadius", FENCE_MAY_WRITE(7)},
    {"georadiusbymember", FENCE_MAY_WRITE(6)},
    // What was queued came in earlier packets, before the deadline or after it, and may be reads only.
    {"exec", FENCE_MAY_WRITE(0)},
    // What a script does is known when it has run.
    {"eval", FENCE_MAY_WRITE(0)},
    {"evalsha", FENCE_MAY_WRITE(0)},
    {"fcall", FENCE_MAY_WRITE(0)},
};

enum { FENCE_EXCEPTIONS = sizeof(fence_exceptions) / sizeof(fence_exceptions[0]) };

#undef FENCE_WRITES
#undef FENCE_MAY_WRITE

#endif
