// SPDX-License-Identifier: Apache-2.0
//
// Portions of ranges. Uses: zset_elements, zset_range.
#include "commands/zset_portion.h"

void zset_portion_open(struct zset_portion *portion, const struct collection *set,
                       const struct zset_range *range) {
    *portion = (struct zset_portion){.set = *set, .range = *range};
    portion->range.is_locked = true;
    portion->range.may_use_index = true;
}

void zset_portion_close(struct zset_portion *portion) {
    zset_elements_release(&portion->elements);
    buffer_release(&portion->last);
}

static void open_walk(const struct zset_portion *portion, struct zset_walk *walk) {
    if (portion->has_begun)
        zset_walk_open_behind(walk, &portion->set, &portion->range, buffer_bytes(&portion->last),
                              portion->left);
    else
        zset_walk_open(walk, &portion->set, &portion->range);
}

bool zset_portion_next(struct zset_portion *portion, struct command_context *context) {
    struct output_mark before = output_mark(&context->reply->output);
    struct zset_walk walk;
    struct zset_element element;
    zset_elements_clear(&portion->elements);
    if (portion->is_last || session_is_overfull(context->session))
        return true;
    open_walk(portion, &walk);
    portion->has_begun = true;
    while (!portion->is_last && zset_elements_size(&portion->elements) < ZSET_PORTION_SIZE) {
        portion->is_last = !zset_walk_next(&walk, &element);
        if (portion->is_last)
            break;
        zset_elements_add(&portion->elements, &element);
        buffer_clear(&portion->last);
        buffer_append(&portion->last, walk.sub_key);
    }
    portion->left = walk.left;
    return zset_walk_end(&walk, context, before);
}

bool zset_portion_count_rest(const struct zset_portion *portion, struct command_context *context,
                             uint64_t *count) {
    struct output_mark before = output_mark(&context->reply->output);
    struct zset_walk walk;
    struct zset_element element;
    *count = 0;
    if (portion->is_last)
        return true;
    open_walk(portion, &walk);
    while (zset_walk_next(&walk, &element))
        ++*count;
    return zset_walk_end(&walk, context, before);
}
