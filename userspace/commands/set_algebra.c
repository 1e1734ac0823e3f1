// SPDX-License-Identifier: Apache-2.0
//
// SINTER SUNION SDIFF, their STORE forms, SINTERCARD. The members of a set lie in order, so that a union is a
// merge and none of the three holds a set in memory. Uses: base, arguments, collection_value, member_merge,
// reply_walk.
#include "base/buffer.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"
#include "commands/member_merge.h"
#include "commands/reply_walk.h"

#include <stdlib.h>

// One of the sets that are combined.
struct source {
    struct collection set;
    bool exists;
    struct collection_iterator *walk; // NULL: not walked
    struct bytes member;              // where the walk stands
};

struct algebra;
// Goes one step. A member of the result is valid until the next one.
typedef enum walk_step operation(struct algebra *algebra, struct bytes *member);

// A walk over the result, in order.
struct algebra {
    struct store_session *session;
    operation *combine;
    struct source *sources;
    size_t count;
    struct member_merge merge; // of all walks
    struct merge_entry united; // what the union has handed out, taken out of the merge
    bool has_united;
    struct source *walked;    // the one whose members are looked for in the others; NULL: all are walked
    enum store_status status; // of looking for them
};

// --- Walking ---

static bool go_on(struct source *source) {
    return source->walk != NULL && collection_iterator_next(source->walk, &source->member, NULL);
}

static void go_on_in_merge(struct algebra *algebra, size_t source) {
    if (go_on(&algebra->sources[source]))
        member_merge_add(&algebra->merge, algebra->sources[source].member, source);
}

// The empty member is the first one.
static void seek_sources(struct algebra *algebra, struct bytes member) {
    member_merge_clear(&algebra->merge);
    algebra->has_united = false;
    for (size_t i = 0; i < algebra->count; i++) {
        if (algebra->sources[i].walk != NULL)
            collection_iterator_seek(algebra->sources[i].walk, member);
        if (algebra->walked == NULL)
            go_on_in_merge(algebra, i);
    }
}

static const char *error_of(const struct algebra *algebra) {
    enum store_status status = algebra->status;
    for (size_t i = 0; i < algebra->count && status == STORE_OK; i++) {
        if (algebra->sources[i].walk != NULL)
            status = collection_iterator_status(algebra->sources[i].walk);
    }
    return status == STORE_OK ? NULL : session_error(algebra->session, status);
}

static void end_walks(struct algebra *algebra) {
    for (size_t i = 0; i < algebra->count; i++) {
        if (algebra->sources[i].walk != NULL)
            collection_iterator_close(algebra->sources[i].walk);
        algebra->sources[i].walk = NULL;
    }
}

static void close_sources(struct algebra *algebra) {
    end_walks(algebra);
    member_merge_close(&algebra->merge);
    free(algebra->sources);
}

// --- The three operations ---

// With an iterator of its own once the command is over, as then only that sees its moment.
static enum store_status look_for(const struct source *source, struct bytes member) {
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
static enum store_status count_others(const struct algebra *algebra, const struct source *walked,
                                      bool stop_at, size_t *having) {
    *having = 0;
    for (size_t i = 0; i < algebra->count; i++) {
        const struct source *source = &algebra->sources[i];
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
static enum walk_step pick(struct algebra *algebra, bool in_none, struct bytes *member) {
    struct source *walked = algebra->walked;
    size_t having = 0;
    if (!go_on(walked)) // none are there if the set is not
        return WALK_END;
    algebra->status = count_others(algebra, walked, in_none, &having);
    if (algebra->status != STORE_OK)
        return WALK_END;
    *member = walked->member;
    return having == (in_none ? 0 : algebra->count - 1) ? WALK_ELEMENT : WALK_PASSED;
}

static enum walk_step intersect(struct algebra *algebra, struct bytes *member) {
    return pick(algebra, false, member);
}

static enum walk_step subtract(struct algebra *algebra, struct bytes *member) {
    return pick(algebra, true, member);
}

// The walks that stand at the member which was handed out go on; its own last, as it holds the member.
static void leave_united(struct algebra *algebra) {
    struct merge_entry equal;
    while (member_merge_take_equal(&algebra->merge, algebra->united.member, &equal))
        go_on_in_merge(algebra, equal.source);
    go_on_in_merge(algebra, algebra->united.source);
}

static enum walk_step unite(struct algebra *algebra, struct bytes *member) {
    if (algebra->has_united)
        leave_united(algebra);
    algebra->has_united = member_merge_take(&algebra->merge, &algebra->united);
    *member = algebra->united.member;
    return algebra->has_united ? WALK_ELEMENT : WALK_END;
}

// --- Opening ---

static struct source *smallest(const struct algebra *algebra) {
    struct source *found = &algebra->sources[0];
    for (size_t i = 1; i < algebra->count; i++) {
        if (algebra->sources[i].set.metadata.size < found->set.metadata.size)
            found = &algebra->sources[i];
    }
    return found;
}

static void open_walks(struct algebra *algebra) {
    for (size_t i = 0; i < algebra->count; i++) {
        struct source *source = &algebra->sources[i];
        if (source->exists && (algebra->walked == NULL || algebra->walked == source))
            source->walk = collection_iterator_open(&source->set, FAMILY_DEFAULT);
    }
}

static void begin_walks(struct algebra *algebra) {
    if (algebra->combine != unite)
        algebra->walked = algebra->combine == intersect ? smallest(algebra) : &algebra->sources[0];
    open_walks(algebra);
    seek_sources(algebra, (struct bytes){0});
}

// Anew after end_walks(): with the members that are greater than this one.
static void begin_walks_behind(struct algebra *algebra, struct bytes member) {
    struct buffer next = {0};
    buffer_append(&next, member);
    buffer_append(&next, (struct bytes){"", 1});
    open_walks(algebra);
    seek_sources(algebra, buffer_bytes(&next));
    buffer_release(&next);
}

static bool open_source(struct algebra *algebra, struct command_context *context, size_t index,
                        size_t *existing) {
    struct source *source = &algebra->sources[algebra->count];
    enum collection_status status = collection_read(context, index, VALUE_SET, &source->set);
    source->exists = status == COLLECTION_FOUND;
    *existing += source->exists;
    algebra->count++;
    return status != COLLECTION_FAILED;
}

// Each set once, however often it is named; a difference may subtract the first set from itself.
static bool open_each(struct algebra *algebra, struct command_context *context, size_t first, size_t count,
                      size_t *existing) {
    size_t skipped = algebra->combine == subtract ? 1 : 0;
    size_t *places = member_merge_first_places(context->arguments + first + skipped, count - skipped);
    bool done = true;
    for (size_t i = 0; i < count && done; i++) {
        if (i < skipped || places[i - skipped] == i - skipped)
            done = open_source(algebra, context, first + i, existing);
    }
    free(places);
    return done;
}

// For a reply all may be walked over: it can go on behind the command. False: the error reply has been
// written, and there is nothing to close.
static bool open_sources(struct algebra *algebra, struct command_context *context, operation *combine,
                         size_t first, size_t count, bool is_reply) {
    size_t existing = 0;
    *algebra = (struct algebra){.session = context->session, .combine = combine};
    algebra->sources = memory_allocate_zeroed(count, sizeof(*algebra->sources));
    bool done = open_each(algebra, context, first, count, &existing);
    if (done && existing > MERGE_WALKS_MAX && (is_reply || combine == unite)) {
        reply_error(context->reply, MERGE_TOO_MANY);
        done = false;
    }
    if (!done) {
        close_sources(algebra);
        return false;
    }
    member_merge_open(&algebra->merge, algebra->count);
    begin_walks(algebra);
    return true;
}

// --- Replying ---

static enum walk_step reply_step(void *state, struct reply *reply) {
    struct algebra *algebra = state;
    struct bytes member;
    enum walk_step taken = algebra->combine(algebra, &member);
    if (taken == WALK_ELEMENT && reply != NULL)
        reply_bulk(reply, member);
    return taken;
}

static void reply_rewind(void *state) {
    seek_sources(state, (struct bytes){0});
}

static void reply_keep(void *state) {
    struct algebra *algebra = state;
    for (size_t i = 0; i < algebra->count; i++) {
        struct source *source = &algebra->sources[i];
        if (source->exists && source->walk == NULL)
            source->walk = collection_iterator_open(&source->set, FAMILY_DEFAULT);
    }
}

static const char *reply_fault(void *state) {
    return error_of(state);
}

static void reply_close(void *state) {
    close_sources(state);
}

static void reply_result(struct command_context *context, operation *combine) {
    static const struct walk_kind result = {.size = sizeof(struct algebra),
                                            .is_set = true,
                                            .step = reply_step,
                                            .rewind = reply_rewind,
                                            .keep = reply_keep,
                                            .error = reply_fault,
                                            .close = reply_close};
    struct algebra algebra;
    if (open_sources(&algebra, context, combine, 1, context->count - 1, true))
        reply_walk_all(context, &result, &algebra, 1);
}

void command_sinter(struct command_context *context) {
    reply_result(context, intersect);
}

void command_sunion(struct command_context *context) {
    reply_result(context, unite);
}

void command_sdiff(struct command_context *context) {
    reply_result(context, subtract);
}

// --- Storing ---

// Walks on to the end of the result, or until `limit` members of it have been counted; 0: no limit. False:
// the error reply has been written.
static bool walk_through(struct command_context *context, struct algebra *algebra, uint64_t limit,
                         uint64_t *count) {
    struct bytes member;
    enum walk_step taken = WALK_PASSED;
    *count = 0;
    while (taken != WALK_END && (limit == 0 || *count != limit)) {
        taken = algebra->combine(algebra, &member);
        *count += taken == WALK_ELEMENT;
    }
    const char *error = error_of(algebra);
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

// A portion of the result, each member behind its length. False: the error reply has been written.
static bool hold_portion(struct command_context *context, struct algebra *algebra, struct buffer *portion,
                         bool *is_last) {
    enum { PORTION_SIZE = 1 << 20 };
    struct bytes member;
    while (!*is_last && portion->length < PORTION_SIZE) {
        enum walk_step taken = algebra->combine(algebra, &member);
        *is_last = taken == WALK_END;
        if (taken == WALK_ELEMENT)
            buffer_append_counted(portion, member);
    }
    const char *error = error_of(algebra);
    if (error != NULL)
        reply_error(context->reply, error);
    return error == NULL;
}

static struct bytes stage_members(struct collection *set, const struct buffer *members) {
    struct bytes member = {0};
    for (struct bytes rest = buffer_bytes(members); rest.length != 0;) {
        member = bytes_take_counted(&rest);
        collection_put(set, FAMILY_DEFAULT, member, (struct bytes){0});
        set->metadata.size++;
    }
    return member;
}

// Nothing may be staged while a walk is open. False: the error reply has been written.
static bool stage_portions(struct command_context *context, struct algebra *algebra, struct collection *set) {
    struct buffer portion = {0};
    bool is_last = false;
    bool done = true;
    while (done && !is_last && !session_is_overfull(context->session)) {
        buffer_clear(&portion);
        done = hold_portion(context, algebra, &portion, &is_last);
        end_walks(algebra);
        struct bytes last = stage_members(set, &portion);
        if (!is_last)
            begin_walks_behind(algebra, last);
    }
    buffer_release(&portion);
    return done;
}

// Nothing in the result: the destination goes, whatever it holds.
static enum store_status stage_nothing(struct command_context *context, struct bytes key) {
    enum store_status status = store_exists(context->session, key, context->now);
    if (status == STORE_OK)
        stage_delete(context->session, key);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static void store_result(struct command_context *context, operation *combine) {
    struct algebra algebra;
    struct collection set;
    enum store_status status = STORE_OK;
    if (!open_sources(&algebra, context, combine, 2, context->count - 2, false))
        return;
    collection_open_anew(context->session, context->arguments[1], VALUE_SET, &set);
    bool done = stage_portions(context, &algebra, &set);
    if (done && set.metadata.size != 0)
        collection_save(&set);
    else if (done)
        status = stage_nothing(context, context->arguments[1]);
    if (status != STORE_OK)
        reply_store_error(context, status);
    else if (done)
        reply_integer(context->reply, (int64_t)set.metadata.size);
    close_sources(&algebra);
}

void command_sinterstore(struct command_context *context) {
    store_result(context, intersect);
}

void command_sunionstore(struct command_context *context) {
    store_result(context, unite);
}

void command_sdiffstore(struct command_context *context) {
    store_result(context, subtract);
}

// --- Counting ---

// SINTERCARD numkeys key [key ...] [LIMIT limit]
void command_sintercard(struct command_context *context) {
    struct algebra algebra;
    size_t keys = 0;
    int64_t limit = 0;
    if (!argument_key_count(context, 1, &keys))
        return;
    if (keys > context->count - 2) {
        reply_error(context->reply, "ERR Number of keys can't be greater than number of args");
        return;
    }
    size_t at = 2 + keys;
    for (; at + 1 < context->count && argument_is(context, at, "LIMIT"); at += 2) {
        if (!argument_integer_or(context, at + 1, &limit, "ERR LIMIT can't be negative"))
            return;
        if (limit < 0) {
            reply_error(context->reply, "ERR LIMIT can't be negative");
            return;
        }
    }
    if (at != context->count) {
        reply_syntax_error(context);
        return;
    }
    uint64_t count = 0;
    if (!open_sources(&algebra, context, intersect, 2, keys, false))
        return;
    if (walk_through(context, &algebra, (uint64_t)limit, &count))
        reply_integer(context->reply, (int64_t)count);
    close_sources(&algebra);
}
