// SPDX-License-Identifier: Apache-2.0
//
// The timeout of commands that wait. May use: server/command.
#ifndef KVFENCE_COMMANDS_BLOCKING_TIMEOUT_H
#define KVFENCE_COMMANDS_BLOCKING_TIMEOUT_H

#include "server/command.h"

// Reads argument `index`, seconds with a fraction, as milliseconds rounded up; 0: for ever. False: the error
// is replied.
bool blocking_timeout(struct command_context *context, size_t index, uint64_t *timeout_ms);

#endif
