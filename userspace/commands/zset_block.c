// SPDX-License-Identifier: Apache-2.0
//
// BZPOPMIN BZPOPMAX BZMPOP: taking members away, or waiting for some. Uses: blocking_timeout, zset_pop,
// server/blocking.
#include "commands/blocking_timeout.h"
#include "commands/handlers.h"
#include "commands/zset_pop.h"
#include "server/blocking.h"

static void pop_or_wait(struct command_context *context, struct zset_pop *pop, uint64_t timeout_ms) {
    struct blocking_keys keys;
    blocking_keys_begin(context, pop->first_key, pop->keys, VALUE_ZSET, &keys);
    pop->keys = 1;
    while (blocking_keys_next(context, &keys, &pop->first_key)) {
        if (zset_pop(context, pop) != COLLECTION_MISSING)
            return;
    }
    blocking_wait(context, &keys, timeout_ms, BLOCKING_NULL_ARRAY);
}

static void pop_one(struct command_context *context, bool takes_greatest) {
    struct zset_pop pop = {.first_key = 1,
                           .keys = context->count - 2,
                           .takes_greatest = takes_greatest,
                           .count = 1,
                           .form = ZSET_POP_KEY_AND_FLAT};
    uint64_t timeout_ms = 0;
    if (blocking_timeout(context, context->count - 1, &timeout_ms))
        pop_or_wait(context, &pop, timeout_ms);
}

void command_bzpopmin(struct command_context *context) {
    pop_one(context, false);
}

void command_bzpopmax(struct command_context *context) {
    pop_one(context, true);
}

void command_bzmpop(struct command_context *context) {
    struct zset_pop pop;
    uint64_t timeout_ms = 0;
    if (zset_pop_read(context, 2, &pop) && blocking_timeout(context, 1, &timeout_ms))
        pop_or_wait(context, &pop, timeout_ms);
}
