// SPDX-License-Identifier: Apache-2.0
//
// Arguments that are taken one after the other, and can outlive the command. May use: base.
#ifndef KVFENCE_COMMANDS_KEPT_ARGUMENTS_H
#define KVFENCE_COMMANDS_KEPT_ARGUMENTS_H

#include "base/buffer.h"

// Initialised with the first and the number of the command's arguments.
struct kept_arguments {
    const struct bytes *next;
    size_t left;
    struct buffer text; // once they are kept: each behind its length
    struct bytes rest;  // of the text
};

// The next one; there is one.
struct bytes kept_arguments_take(struct kept_arguments *arguments);
// Copies those that are left.
void kept_arguments_keep(struct kept_arguments *arguments);
void kept_arguments_release(struct kept_arguments *arguments);

#endif
