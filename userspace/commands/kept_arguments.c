// SPDX-License-Identifier: Apache-2.0
//
// Arguments in two forms: the command's own, and behind it a text of copies. Uses: base/{assert,buffer}.
#include "commands/kept_arguments.h"

#include "base/assert.h"

struct bytes kept_arguments_take(struct kept_arguments *arguments) {
    always_assert(arguments->left != 0, "an argument that is there is taken");
    arguments->left--;
    return arguments->next != NULL ? *arguments->next++ : bytes_take_counted(&arguments->rest);
}

void kept_arguments_keep(struct kept_arguments *arguments) {
    for (size_t i = 0; i < arguments->left; i++)
        buffer_append_counted(&arguments->text, arguments->next[i]);
    arguments->rest = buffer_bytes(&arguments->text);
    arguments->next = NULL;
}

void kept_arguments_release(struct kept_arguments *arguments) {
    buffer_release(&arguments->text);
}
