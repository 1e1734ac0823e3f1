// SPDX-License-Identifier: Apache-2.0
//
// How much a command may hold that cannot do its work in portions: what is put in order, or taken away and
// shown. May use: server/command.
#ifndef KVFENCE_COMMANDS_WORKING_SET_H
#define KVFENCE_COMMANDS_WORKING_SET_H

#include "server/command.h"

enum { WORKING_SET_MAX = 512 << 20 };
#define WORKING_SET_TOO_BIG "ERR the command has to hold too much at once, more than 512 MB"

// False: so many bytes are too many, and the error reply has been written.
static inline bool working_set_fits(struct command_context *context, size_t bytes) {
    if (bytes <= WORKING_SET_MAX)
        return true;
    reply_error(context->reply, WORKING_SET_TOO_BIG);
    return false;
}

#endif
