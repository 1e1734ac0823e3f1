// SPDX-License-Identifier: Apache-2.0
//
// Gathering, storing and removing many members: ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX. Uses:
// arguments, collection_value, zset_elements, zset_range.
#include "commands/zset_store.h"

#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"

bool zset_gather(struct command_context *context, const struct collection *set,
                 const struct zset_range *range, struct zset_elements *out) {
    struct output_mark before = output_mark(&context->reply->output);
    struct zset_walk walk;
    struct zset_element element;
    struct zset_range locked = *range; // only commands that write come here
    locked.is_locked = true;
    zset_walk_open(&walk, set, &locked);
    while (zset_walk_next(&walk, &element))
        zset_elements_add(out, &element);
    return zset_walk_end(&walk, context, before);
}

// The key goes, whatever it holds.
static enum store_status stage_nothing(struct command_context *context, struct bytes key) {
    enum store_status status = store_exists(context->session, key, context->now);
    if (status == STORE_OK)
        stage_delete(context->session, key);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

void zset_store(struct command_context *context, size_t index, const struct zset_elements *elements) {
    struct collection set;
    enum store_status status = STORE_OK;
    if (elements->count == 0) {
        status = stage_nothing(context, context->arguments[index]);
    } else {
        collection_open_anew(context->session, context->arguments[index], VALUE_ZSET, &set);
        for (size_t i = 0; i < elements->count; i++) {
            struct zset_element element = zset_elements_at(elements, i);
            zset_add(&set, element.member, element.score);
        }
        collection_save(&set);
    }
    if (status == STORE_OK)
        reply_integer(context->reply, (int64_t)elements->count);
    else
        reply_store_error(context, status);
}

void zset_remove_all(struct collection *set, const struct zset_elements *elements) {
    if (elements->count == set->metadata.size)
        set->metadata.size = 0; // the members go with the set's version
    for (size_t i = 0; set->metadata.size != 0 && i < elements->count; i++) {
        struct zset_element element = zset_elements_at(elements, i);
        zset_remove(set, element.member, element.score);
    }
    if (elements->count != 0)
        collection_save(set);
}

static void remove_range(struct command_context *context, enum zset_range_kind kind) {
    struct collection set;
    struct zset_range range = {.kind = kind, .limit = -1};
    struct zset_elements taken = {0};
    if (!zset_range_read(context, 2, 3, &range))
        return;
    enum collection_status status = collection_read(context, 1, VALUE_ZSET, &set);
    if (status == COLLECTION_MISSING)
        reply_integer(context->reply, 0);
    if (status == COLLECTION_FOUND && zset_gather(context, &set, &range, &taken)) {
        zset_remove_all(&set, &taken);
        reply_integer(context->reply, (int64_t)taken.count);
    }
    zset_elements_release(&taken);
}

void command_zremrangebyrank(struct command_context *context) {
    remove_range(context, ZSET_BY_RANK);
}

void command_zremrangebyscore(struct command_context *context) {
    remove_range(context, ZSET_BY_SCORE);
}

void command_zremrangebylex(struct command_context *context) {
    remove_range(context, ZSET_BY_LEX);
}
