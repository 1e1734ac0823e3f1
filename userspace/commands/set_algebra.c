// SPDX-License-Identifier: Apache-2.0
//
// SINTER SUNION SDIFF, their STORE forms, SINTERCARD. The members of a set lie in order, so that a union is a
// merge and none of the three holds a set in memory. Uses: arguments, collection_value.
#include "base/buffer.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"
#include "commands/handlers.h"

#include <stdlib.h>

// One of the sets that are combined.
struct source {
    struct collection set;
    bool exists;
    struct collection_iterator *walk; // NULL: not walked
    struct bytes member;              // where the walk stands
    bool at_end;
};

struct algebra {
    struct command_context *context;
    struct source *sources;
    size_t count;
};

// Handed each member of the result, in order. False ends the walk.
typedef bool member_function(void *context, struct bytes member);

static void step(struct source *source) {
    struct bytes nothing;
    source->at_end = !collection_iterator_next(source->walk, &source->member, &nothing);
}

static void begin_walk(struct source *source) {
    source->walk = collection_iterator_open(&source->set, FAMILY_DEFAULT);
    collection_iterator_seek(source->walk, (struct bytes){0});
    step(source);
}

static enum store_status end_walk(struct source *source) {
    if (source->walk == NULL)
        return STORE_OK;
    enum store_status status = collection_iterator_status(source->walk);
    collection_iterator_close(source->walk);
    source->walk = NULL;
    return status;
}

static bool open_sources(struct algebra *algebra, struct command_context *context, size_t first,
                         size_t count) {
    *algebra = (struct algebra){.context = context, .count = count};
    algebra->sources = memory_allocate_zeroed(count, sizeof(*algebra->sources));
    for (size_t i = 0; i < count; i++) {
        enum collection_status status =
            collection_read(context, first + i, VALUE_SET, &algebra->sources[i].set);
        if (status == COLLECTION_FAILED)
            return false;
        algebra->sources[i].exists = status == COLLECTION_FOUND;
    }
    return true;
}

static void close_sources(struct algebra *algebra) {
    free(algebra->sources);
}

// --- The three operations ---

// How many of the sources but `walked` have the member: counts up to the first one that decides.
static enum store_status count_others(const struct algebra *algebra, const struct source *walked,
                                      bool stop_at, size_t *having) {
    *having = 0;
    for (size_t i = 0; i < algebra->count; i++) {
        const struct source *source = &algebra->sources[i];
        if (source == walked)
            continue;
        enum store_status status =
            source->exists ? collection_has(&source->set, walked->member) : STORE_NOT_FOUND;
        if (status == STORE_FAILED)
            return status;
        *having += status == STORE_OK;
        if ((status == STORE_OK) == stop_at)
            return STORE_OK;
    }
    return STORE_OK;
}

typedef enum store_status operation(struct algebra *algebra, member_function *function, void *context);

static struct source *smallest(const struct algebra *algebra) {
    struct source *found = &algebra->sources[0];
    for (size_t i = 1; i < algebra->count; i++) {
        if (algebra->sources[i].set.metadata.size < found->set.metadata.size)
            found = &algebra->sources[i];
    }
    return found;
}

static enum store_status intersect(struct algebra *algebra, member_function *function, void *context) {
    struct source *walked = smallest(algebra);
    enum store_status status = STORE_OK;
    if (!walked->exists)
        return STORE_OK;
    for (begin_walk(walked); status == STORE_OK && !walked->at_end; step(walked)) {
        size_t having = 0;
        status = count_others(algebra, walked, false, &having);
        if (status == STORE_OK && having == algebra->count - 1 && !function(context, walked->member))
            break;
    }
    enum store_status walk = end_walk(walked);
    return status == STORE_OK ? walk : status;
}

static enum store_status subtract(struct algebra *algebra, member_function *function, void *context) {
    struct source *walked = &algebra->sources[0];
    enum store_status status = STORE_OK;
    if (!walked->exists)
        return STORE_OK;
    for (begin_walk(walked); status == STORE_OK && !walked->at_end; step(walked)) {
        size_t having = 0;
        status = count_others(algebra, walked, true, &having);
        if (status == STORE_OK && having == 0 && !function(context, walked->member))
            break;
    }
    enum store_status walk = end_walk(walked);
    return status == STORE_OK ? walk : status;
}

// The source whose walk stands at the least member; NULL when all are at their ends.
static struct source *least(const struct algebra *algebra) {
    struct source *found = NULL;
    for (size_t i = 0; i < algebra->count; i++) {
        struct source *source = &algebra->sources[i];
        if (source->exists && !source->at_end &&
            (found == NULL || bytes_compare(source->member, found->member) < 0))
            found = source;
    }
    return found;
}

// `member` is handed out: nobody else may stand at it.
static void step_equal(struct algebra *algebra, const struct source *but, struct bytes member) {
    for (size_t i = 0; i < algebra->count; i++) {
        struct source *source = &algebra->sources[i];
        if (source != but && source->exists && !source->at_end && bytes_equal(source->member, member))
            step(source);
    }
}

static enum store_status unite(struct algebra *algebra, member_function *function, void *context) {
    enum store_status status = STORE_OK;
    struct source *next = NULL;
    for (size_t i = 0; i < algebra->count; i++) {
        if (algebra->sources[i].exists)
            begin_walk(&algebra->sources[i]);
    }
    while ((next = least(algebra)) != NULL && function(context, next->member)) {
        step_equal(algebra, next, next->member);
        step(next);
    }
    for (size_t i = 0; i < algebra->count; i++) {
        enum store_status walk = end_walk(&algebra->sources[i]);
        status = status == STORE_OK ? walk : status;
    }
    return status;
}

// --- Replying ---

struct member_reply {
    struct reply *reply;
    size_t count;
};

static bool show(void *context, struct bytes member) {
    struct member_reply *members = context;
    reply_bulk(members->reply, member);
    members->count++;
    return true;
}

static void reply_result(struct command_context *context, operation *combine) {
    struct output_mark before = output_mark(&context->reply->output);
    struct algebra algebra;
    if (open_sources(&algebra, context, 1, context->count - 1)) {
        struct member_reply members = {.reply = context->reply};
        struct output_block *header = reply_deferred_begin(context->reply);
        enum store_status status = combine(&algebra, show, &members);
        reply_set_end(context->reply, header, members.count);
        if (status != STORE_OK) {
            output_truncate(&context->reply->output, before);
            reply_store_error(context, status);
        }
    }
    close_sources(&algebra);
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

// The result, each member behind its length. It is staged when the walks are over, because nothing may be
// staged during one.
static bool remember(void *context, struct bytes member) {
    buffer_append_counted(context, member);
    return true;
}

static uint64_t stage_set(struct command_context *context, struct bytes key, const struct buffer *members) {
    struct collection set;
    collection_open_anew(context->session, key, VALUE_SET, &set);
    for (struct bytes rest = buffer_bytes(members); rest.length != 0;) {
        collection_put(&set, FAMILY_DEFAULT, bytes_take_counted(&rest), (struct bytes){0});
        set.metadata.size++;
    }
    collection_save(&set);
    return set.metadata.size;
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
    struct buffer members = {0};
    if (open_sources(&algebra, context, 2, context->count - 2)) {
        uint64_t count = 0;
        enum store_status status = combine(&algebra, remember, &members);
        if (status == STORE_OK && members.length != 0)
            count = stage_set(context, context->arguments[1], &members);
        else if (status == STORE_OK)
            status = stage_nothing(context, context->arguments[1]);
        if (status == STORE_OK)
            reply_integer(context->reply, (int64_t)count);
        else
            reply_store_error(context, status);
    }
    buffer_release(&members);
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

struct member_count {
    uint64_t count, limit; // limit 0: none
};

static bool count_one(void *context, struct bytes member) {
    (void)member;
    struct member_count *members = context;
    members->count++;
    return members->count != members->limit;
}

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
    if (open_sources(&algebra, context, 2, keys)) {
        struct member_count members = {.limit = (uint64_t)limit};
        enum store_status status = intersect(&algebra, count_one, &members);
        if (status == STORE_OK)
            reply_integer(context->reply, (int64_t)members.count);
        else
            reply_store_error(context, status);
    }
    close_sources(&algebra);
}
