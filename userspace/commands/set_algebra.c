// SPDX-License-Identifier: Apache-2.0
//
// Combining sets. Uses: base, collection_value, first_places, member_merge, member_table, working_set.
#include "commands/set_algebra.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "commands/collection_value.h"
#include "commands/first_places.h"
#include "commands/working_set.h"

#include <stdlib.h>

// One of the sets that are combined.
struct set_source {
    struct collection set;
    bool exists;
    struct collection_iterator *walk; // NULL: not walked
    struct bytes member;              // where the walk stands
};

// --- Walking ---

static bool go_on(struct set_source *source) {
    return source->walk != NULL && collection_iterator_next(source->walk, &source->member, NULL);
}

static void go_on_in_merge(struct set_algebra *algebra, size_t source) {
    if (go_on(&algebra->sources[source]))
        member_merge_add(&algebra->merge, algebra->sources[source].member, source);
}

// The empty member is the first one.
static void seek_sources(struct set_algebra *algebra, struct bytes member) {
    member_merge_clear(&algebra->merge);
    algebra->has_united = false;
    for (size_t i = 0; i < algebra->count; i++) {
        if (algebra->sources[i].walk != NULL)
            collection_iterator_seek(algebra->sources[i].walk, member);
        if (algebra->walked == NULL)
            go_on_in_merge(algebra, i);
    }
}

const char *set_algebra_error(const struct set_algebra *algebra) {
    if (algebra->is_too_big)
        return WORKING_SET_TOO_BIG;
    enum store_status status = algebra->status;
    for (size_t i = 0; i < algebra->count && status == STORE_OK; i++) {
        if (algebra->sources[i].walk != NULL)
            status = collection_iterator_status(algebra->sources[i].walk);
    }
    return status == STORE_OK ? NULL : session_error(algebra->session, status);
}

void set_algebra_pause(struct set_algebra *algebra) {
    for (size_t i = 0; i < algebra->count; i++) {
        if (algebra->sources[i].walk != NULL)
            collection_iterator_close(algebra->sources[i].walk);
        algebra->sources[i].walk = NULL;
    }
}

void set_algebra_close(struct set_algebra *algebra) {
    set_algebra_pause(algebra);
    member_merge_close(&algebra->merge);
    member_table_release(&algebra->held);
    free(algebra->sources);
}

enum walk_step set_algebra_step(struct set_algebra *algebra, struct bytes *member) {
    return algebra->step(algebra, member);
}

// --- The three operations ---

// With an iterator of its own once the command is over, as then only that sees its moment.
static enum store_status look_for(const struct set_source *source, struct bytes member) {
    struct bytes found;
    if (!source->exists)
        return STORE_NOT_FOUND;
    if (source->walk == NULL)
        return collection_has(&source->set, member);
    collection_iterator_seek(source->walk, member);
    if (collection_iterator_next(source->walk, &found, NULL))
        return bytes_equal(found, member) ? STORE_OK : STORE_NOT_FOUND;
    enum store_status status = collection_iterator_status(source->walk);
    return status == STORE_OK ? STORE_NOT_FOUND : status;
}

// How many of the sources but `walked` have the member: counts up to the first one that decides.
static enum store_status count_others(const struct set_algebra *algebra, const struct set_source *walked,
                                      bool stop_at, size_t *having) {
    *having = 0;
    for (size_t i = 0; i < algebra->count; i++) {
        const struct set_source *source = &algebra->sources[i];
        if (source == walked)
            continue;
        enum store_status status = look_for(source, walked->member);
        if (status == STORE_FAILED)
            return status;
        *having += status == STORE_OK;
        if ((status == STORE_OK) == stop_at)
            return STORE_OK;
    }
    return STORE_OK;
}

// The walked source's next member, if it is in all others or in none.
static enum walk_step pick(struct set_algebra *algebra, bool in_none, struct bytes *member) {
    struct set_source *walked = algebra->walked;
    size_t having = 0;
    if (!go_on(walked)) // none are there if the set is not
        return WALK_END;
    algebra->status = count_others(algebra, walked, in_none, &having);
    if (algebra->status != STORE_OK)
        return WALK_END;
    *member = walked->member;
    return having == (in_none ? 0 : algebra->count - 1) ? WALK_ELEMENT : WALK_PASSED;
}

static enum walk_step intersect(struct set_algebra *algebra, struct bytes *member) {
    return pick(algebra, false, member);
}

static enum walk_step subtract(struct set_algebra *algebra, struct bytes *member) {
    return pick(algebra, true, member);
}

// The walks that stand at the member which was handed out go on; its own last, as it holds the member.
static void leave_united(struct set_algebra *algebra) {
    struct merge_entry equal;
    while (member_merge_take_equal(&algebra->merge, algebra->united.member, &equal))
        go_on_in_merge(algebra, equal.source);
    go_on_in_merge(algebra, algebra->united.source);
}

static enum walk_step unite(struct set_algebra *algebra, struct bytes *member) {
    if (algebra->has_united)
        leave_united(algebra);
    algebra->has_united = member_merge_take(&algebra->merge, &algebra->united);
    *member = algebra->united.member;
    return algebra->has_united ? WALK_ELEMENT : WALK_END;
}

// --- Results that are held ---

static enum walk_step hand_out(struct set_algebra *algebra, struct bytes *member) {
    double score = 0;
    bool has_more = algebra->status == STORE_OK && !algebra->is_too_big &&
                    member_table_next(&algebra->held, &algebra->handed_out, member, &score);
    return has_more ? WALK_ELEMENT : WALK_END;
}

// False: it is more than is held.
static bool hold(struct set_algebra *algebra, struct bytes member) {
    bool is_new = false;
    (void)member_table_at(&algebra->held, member, &is_new);
    algebra->is_too_big = member_table_is_too_big(&algebra->held);
    return !algebra->is_too_big;
}

// One walk after the other.
static void hold_union(struct set_algebra *algebra) {
    for (size_t i = 0; i < algebra->count && set_algebra_error(algebra) == NULL; i++) {
        struct set_source *source = &algebra->sources[i];
        if (!source->exists)
            continue;
        source->walk = collection_iterator_open(&source->set, FAMILY_DEFAULT);
        collection_iterator_seek(source->walk, (struct bytes){0});
        while (go_on(source) && hold(algebra, source->member))
            ;
        algebra->status = collection_iterator_status(source->walk);
        set_algebra_pause(algebra);
    }
}

// The walk over one of them, whose members are looked for in the others.
static void hold_picked(struct set_algebra *algebra) {
    struct bytes member;
    enum walk_step taken = WALK_PASSED;
    while (taken != WALK_END && !algebra->is_too_big) {
        taken = set_algebra_step(algebra, &member);
        if (taken == WALK_ELEMENT)
            (void)hold(algebra, member);
    }
    if (algebra->status == STORE_OK && algebra->walked->walk != NULL)
        algebra->status = collection_iterator_status(algebra->walked->walk);
    set_algebra_pause(algebra);
}

// From here on the walk is one over the memory.
static void hold_result(struct set_algebra *algebra) {
    if (algebra->walked == NULL)
        hold_union(algebra);
    else
        hold_picked(algebra);
    member_table_sort(&algebra->held);
    for (size_t i = 0; i < algebra->count; i++)
        algebra->sources[i].exists = false;
    algebra->step = hand_out;
}

// --- Opening ---

static struct set_source *smallest(const struct set_algebra *algebra) {
    struct set_source *found = &algebra->sources[0];
    for (size_t i = 1; i < algebra->count; i++) {
        if (algebra->sources[i].set.metadata.size < found->set.metadata.size)
            found = &algebra->sources[i];
    }
    return found;
}

static void open_walks(struct set_algebra *algebra) {
    for (size_t i = 0; i < algebra->count; i++) {
        struct set_source *source = &algebra->sources[i];
        if (source->exists && (algebra->walked == NULL || algebra->walked == source))
            source->walk = collection_iterator_open(&source->set, FAMILY_DEFAULT);
    }
}

void set_algebra_rewind(struct set_algebra *algebra) {
    algebra->handed_out = NULL;
    seek_sources(algebra, (struct bytes){0});
}

void set_algebra_keep(struct set_algebra *algebra) {
    for (size_t i = 0; i < algebra->count; i++) {
        struct set_source *source = &algebra->sources[i];
        if (source->exists && source->walk == NULL)
            source->walk = collection_iterator_open(&source->set, FAMILY_DEFAULT);
    }
}

// What is held goes on by itself.
void set_algebra_go_on_behind(struct set_algebra *algebra, struct bytes member) {
    struct buffer next = {0};
    buffer_append(&next, member);
    buffer_append(&next, (struct bytes){"", 1});
    open_walks(algebra);
    seek_sources(algebra, buffer_bytes(&next));
    buffer_release(&next);
}

// A reply may need walks over all later.
static void begin(struct set_algebra *algebra, size_t existing, bool is_reply) {
    bool is_held = existing > MERGE_WALKS_MAX && (is_reply || algebra->walked == NULL);
    if (!is_held || algebra->walked != NULL) {
        open_walks(algebra);
        set_algebra_rewind(algebra);
    }
    if (is_held)
        hold_result(algebra);
}

static bool open_source(struct set_algebra *algebra, struct command_context *context, size_t index,
                        size_t *existing) {
    struct set_source *source = &algebra->sources[algebra->count];
    enum collection_status status = collection_read(context, index, VALUE_SET, &source->set);
    source->exists = status == COLLECTION_FOUND;
    *existing += source->exists;
    algebra->count++;
    return status != COLLECTION_FAILED;
}

// Each set once, however often it is named; a difference may subtract the first set from itself.
static bool open_each(struct set_algebra *algebra, struct command_context *context,
                      enum set_operation operation, size_t first, size_t count, size_t *existing) {
    size_t skipped = operation == SET_DIFFERENCE ? 1 : 0;
    size_t *places = first_places(context->arguments + first + skipped, count - skipped);
    bool done = true;
    for (size_t i = 0; i < count && done; i++) {
        if (i < skipped || places[i - skipped] == i - skipped)
            done = open_source(algebra, context, first + i, existing);
    }
    free(places);
    return done;
}

static set_step *const steps[] = {
    [SET_INTERSECTION] = intersect, [SET_UNION] = unite, [SET_DIFFERENCE] = subtract};

bool set_algebra_open(struct set_algebra *algebra, struct command_context *context,
                      enum set_operation operation, size_t first, size_t count, bool is_reply) {
    size_t existing = 0;
    *algebra = (struct set_algebra){.session = context->session, .step = steps[operation]};
    algebra->sources = memory_allocate_zeroed(count, sizeof(*algebra->sources));
    if (!open_each(algebra, context, operation, first, count, &existing)) {
        set_algebra_close(algebra);
        return false;
    }
    if (operation != SET_UNION)
        algebra->walked = operation == SET_INTERSECTION ? smallest(algebra) : &algebra->sources[0];
    member_merge_open(&algebra->merge, algebra->count);
    begin(algebra, existing, is_reply);
    return true;
}
