// SPDX-License-Identifier: Apache-2.0
//
// Walks that write replies, at once or bit by bit. Uses: base/memory, server/{client,reply_stream},
// store/collection.
#include "commands/reply_walk.h"

#include "base/memory.h"
#include "server/reply_stream.h"

#include <stdlib.h>

struct reply_walk {
    const struct walk_kind *kind;
    void *state;
    uint64_t left; // elements yet to come, at most
    uint64_t found;
    size_t width;
    bool is_counting;
};

// --- Walking ---

// False: the budget is spent.
static bool walk_on(struct reply_walk *walk, struct reply *reply, struct reply_budget *budget) {
    struct reply *written = walk->is_counting ? NULL : reply;
    while (walk->left != 0) {
        if (reply_budget_is_spent(budget, reply))
            return false;
        enum walk_step step = walk->kind->step(walk->state, written);
        if (step == WALK_END)
            return true;
        walk->left -= step == WALK_ELEMENT;
        walk->found += step == WALK_ELEMENT;
    }
    return true;
}

// Of a walk that is over. It may end early only if nobody has counted its elements.
static const char *error_of(const struct reply_walk *walk, bool is_counted) {
    const char *error = walk->kind->error != NULL ? walk->kind->error(walk->state) : NULL;
    if (error == NULL && is_counted && walk->left != 0)
        return "ERR the stored collection is damaged: it has fewer elements than it says";
    return error;
}

static void end(struct command_context *context, struct reply_walk *walk, const char *error,
                struct output_mark before) {
    if (error != NULL) {
        output_truncate(&context->reply->output, before);
        reply_error(context->reply, error);
    }
    walk->kind->close(walk->state);
}

// --- Going on after the command ---

static enum reply_progress write_on(void *state, struct reply *reply, struct reply_budget *budget,
                                    const char **error) {
    struct reply_walk *walk = state;
    if (!walk_on(walk, reply, budget))
        return REPLY_GOES_ON;
    *error = error_of(walk, !walk->is_counting);
    if (*error != NULL)
        return REPLY_IS_BROKEN;
    if (!walk->is_counting)
        return REPLY_IS_WHOLE;
    walk->is_counting = false;
    walk->left = walk->found;
    walk->kind->rewind(walk->state);
    (walk->kind->is_set ? reply_set : reply_array)(reply, walk->left * walk->width);
    return REPLY_GOES_ON;
}

static void close_kept(void *state) {
    struct reply_walk *walk = state;
    walk->kind->close(walk->state);
    free(walk->state);
    free(walk);
}

static void go_on_later(struct command_context *context, const struct reply_walk *walk) {
    static const struct reply_source source = {.write = write_on, .close = close_kept};
    struct reply_walk *kept = memory_copy(walk, sizeof(*walk));
    kept->state = memory_copy(walk->state, walk->kind->size);
    if (kept->kind->keep != NULL)
        kept->kind->keep(kept->state);
    reply_stream_begin(context->client, &source, kept);
}

// --- Within the command ---

static struct reply_budget budget_of(const struct command_context *context, const struct walk_kind *kind) {
    if (context->client->in_exec)
        return reply_budget_of_whole();
    if (kind->at_once == 0)
        return reply_budget_of_command(context->reply);
    return (struct reply_budget){.pending_most = context->reply->output.pending + kind->at_once};
}

// False: it was, and all since `before` is replaced by the error.
static bool may_go_on(struct command_context *context, struct reply_walk *walk, struct output_mark before) {
    if (!context->client->in_exec)
        return true;
    end(context, walk, "ERR the transaction's replies are too big to be held, more than 512 MB", before);
    return false;
}

void reply_walk_counted(struct command_context *context, const struct walk_kind *kind, void *state,
                        uint64_t count, struct output_mark before) {
    struct reply_walk walk = {.kind = kind, .state = state, .left = count};
    struct reply_budget budget = budget_of(context, kind);
    if (walk_on(&walk, context->reply, &budget))
        end(context, &walk, error_of(&walk, true), before);
    else if (may_go_on(context, &walk, before))
        go_on_later(context, &walk);
}

// What was written is forgotten when the reply proves to be long: it is little, and its header is missing.
void reply_walk_all(struct command_context *context, const struct walk_kind *kind, void *state,
                    size_t width) {
    struct reply_walk walk = {.kind = kind, .state = state, .left = UINT64_MAX, .width = width};
    struct reply_budget budget = budget_of(context, kind);
    struct output_mark before = output_mark(&context->reply->output);
    struct output_block *header = reply_deferred_begin(context->reply);
    if (walk_on(&walk, context->reply, &budget)) {
        (kind->is_set ? reply_set_end : reply_array_end)(context->reply, header, walk.found * width);
        end(context, &walk, error_of(&walk, false), before);
    } else if (may_go_on(context, &walk, before)) {
        output_truncate(&context->reply->output, before);
        walk.is_counting = true;
        go_on_later(context, &walk);
    }
}

// --- Entries of collections ---

struct entry_walk {
    struct store_session *session;
    struct collection_iterator *iterator;
    unsigned parts;
};

static enum walk_step entry_step(void *state, struct reply *reply) {
    const struct entry_walk *walk = state;
    bool with_sub_key = (walk->parts & ENTRY_SUB_KEY) != 0;
    bool with_value = (walk->parts & ENTRY_VALUE) != 0;
    struct bytes sub_key;
    struct bytes value;
    if (!collection_iterator_next(walk->iterator, with_sub_key ? &sub_key : NULL, with_value ? &value : NULL))
        return WALK_END;
    if (with_sub_key)
        reply_bulk(reply, sub_key);
    if (with_value)
        reply_bulk(reply, value);
    return WALK_ELEMENT;
}

static const char *entry_error(void *state) {
    const struct entry_walk *walk = state;
    enum store_status status = collection_iterator_status(walk->iterator);
    return status == STORE_OK ? NULL : session_error(walk->session, status);
}

static void entry_close(void *state) {
    const struct entry_walk *walk = state;
    collection_iterator_close(walk->iterator);
}

static const struct walk_kind entries = {
    .size = sizeof(struct entry_walk), .step = entry_step, .error = entry_error, .close = entry_close};

void reply_walk_entries(struct command_context *context, struct collection_iterator *iterator, unsigned parts,
                        uint64_t count, struct output_mark before) {
    struct entry_walk walk = {.session = context->session, .iterator = iterator, .parts = parts};
    reply_walk_counted(context, &entries, &walk, count, before);
}
