// SPDX-License-Identifier: Apache-2.0
//
// Taking the members with the lowest or the highest scores away, for commands that may block and for those
// that do not. May use: base, server/command, collection_value.
#ifndef KVFENCE_COMMANDS_ZSET_POP_H
#define KVFENCE_COMMANDS_ZSET_POP_H

#include "commands/collection_value.h"

// The shape of the reply.
enum zset_pop_form {
    ZSET_POP_FLAT,         // member score ...: ZPOPMIN
    ZSET_POP_PAIRS,        // [member score] ..., in RESP2 flat: ZPOPMIN with a count
    ZSET_POP_KEY_AND_FLAT, // key member score: BZPOPMIN
    ZSET_POP_KEY_AND_PAIRS // key [[member score] ...]: ZMPOP, BZMPOP
};

struct zset_pop {
    size_t first_key, keys; // arguments
    bool takes_greatest;
    uint64_t count; // at most; not 0
    enum zset_pop_form form;
};

// Reads "numkeys key [key ...] MIN|MAX [COUNT count]" from argument `index` on: ZMPOP's and BZMPOP's. False:
// the error reply has been written.
bool zset_pop_read(struct command_context *context, size_t index, struct zset_pop *pop);

// Pops from the first of the keys that there is, with their locks held. COLLECTION_FOUND: staged and replied.
// COLLECTION_MISSING: there is none, nothing was replied.
enum collection_status zset_pop(struct command_context *context, const struct zset_pop *pop);

#endif
