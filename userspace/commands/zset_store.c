// SPDX-License-Identifier: Apache-2.0
//
// Gathering, storing and removing many members. Uses: collection_value, zset_portion.
#include "commands/zset_store.h"

#include "commands/collection_value.h"
#include "commands/working_set.h"
#include "commands/zset_portion.h"

bool zset_gather(struct command_context *context, const struct collection *set,
                 const struct zset_range *range, struct zset_elements *out) {
    struct output_mark before = output_mark(&context->reply->output);
    struct zset_walk walk;
    struct zset_element element;
    struct zset_range locked = *range; // only commands that write come here
    locked.is_locked = true;
    locked.may_use_index = true;
    zset_walk_open(&walk, set, &locked);
    while (zset_elements_size(out) <= WORKING_SET_MAX && zset_walk_next(&walk, &element))
        zset_elements_add(out, &element);
    return zset_walk_end(&walk, context, before) && working_set_fits(context, zset_elements_size(out));
}

void zset_store_open(struct command_context *context, size_t index, struct collection *made) {
    collection_open_anew(context->session, context->arguments[index], VALUE_ZSET, made);
}

void zset_store_put(struct collection *made, const struct zset_elements *elements) {
    for (size_t i = 0; i < elements->count; i++) {
        struct zset_element element = zset_elements_at(elements, i);
        zset_add(made, element.member, element.score);
    }
}

bool zset_store_put_range(struct command_context *context, const struct collection *set,
                          const struct zset_range *range, struct collection *made) {
    struct zset_portion portion;
    bool done = true;
    zset_portion_open(&portion, set, range);
    do {
        done = zset_portion_next(&portion, context);
        if (done)
            zset_store_put(made, &portion.elements);
    } while (done && portion.elements.count != 0);
    zset_portion_close(&portion);
    return done;
}

void zset_store_end(struct command_context *context, struct collection *made) {
    if (made->metadata.size != 0)
        collection_save(made);
    else if (!collection_stage_none(context, made->key))
        return;
    reply_integer(context->reply, (int64_t)made->metadata.size);
}

void zset_remove_each(struct collection *set, const struct zset_elements *elements) {
    for (size_t i = 0; i < elements->count; i++) {
        struct zset_element element = zset_elements_at(elements, i);
        zset_remove(set, element.member, element.score);
    }
}

void zset_remove_all(struct collection *set, const struct zset_elements *elements) {
    if (elements->count == set->metadata.size)
        set->metadata.size = 0; // the members go with the set's version
    else
        zset_remove_each(set, elements);
    if (elements->count != 0)
        collection_save(set);
}
