// SPDX-License-Identifier: Apache-2.0
//
// Replies that are elements drawn at random: HRANDFIELD, SRANDMEMBER and ZRANDMEMBER with a count. However
// many they are, they are drawn as the client reads them. May use: base, store/collection, server/command,
// commands/{collection_sample,reply_walk}.
#ifndef KVFENCE_COMMANDS_SAMPLE_REPLY_H
#define KVFENCE_COMMANDS_SAMPLE_REPLY_H

#include "server/command.h"
#include "store/collection.h"

// Reads the count and after it the option that asks for what elements hold; `option` may be NULL: there is
// none. False: the error reply has been written.
bool sample_read_arguments(struct command_context *context, const char *option, int64_t *count,
                           bool *with_value);

// Writes one element, with what it holds if that is asked for. NULL, or the error reply if it is damaged.
typedef const char *sample_show_function(struct reply *reply, struct bytes sub_key, struct bytes value,
                                         bool with_value);

// A positive count: so many different elements at most. A negative one: so many,
// the same perhaps again. Each takes `width` places in the array. The collection is there.
void sample_reply(struct command_context *context, const struct collection *collection, int64_t count,
                  sample_show_function *show, bool with_value, size_t width);

#endif
