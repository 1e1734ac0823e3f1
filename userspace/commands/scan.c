// SPDX-License-Identifier: Apache-2.0
//
// KEYS and SCAN. A cursor stands for the last key that was looked at and the next call goes on after it in
// key order: whatever happens to other keys between, one that lives through the whole scan is met. Uses:
// memory, glob, arguments, reply_walk, scan_cursor, scan_range, session.
#include "base/glob.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/reply_walk.h"
#include "commands/scan_cursor.h"
#include "commands/scan_range.h"

#include <stdlib.h>

static bool keys_with_slots(const struct command_context *context) {
    return store_layout(session_store(context->session))->with_slot;
}

// --- KEYS ---

struct key_walk {
    struct store_session *session;
    struct key_iterator *iterator;
    struct bytes pattern;
    struct scan_range range; // borrows from the pattern
    bool with_slots;
    char *kept_pattern; // the walk's own; NULL: borrowed
};

// Looks at some keys at most, however many are dead.
static enum walk_step key_step(void *state, struct reply *reply) {
    enum { LOOKED_AT = 64 };
    struct key_walk *walk = state;
    struct bytes key;
    struct metadata metadata;
    key_iterator_limit(walk->iterator, LOOKED_AT);
    if (!key_iterator_next(walk->iterator, &key, &metadata, NULL))
        return key_iterator_stopped(walk->iterator, &key) ? WALK_PASSED : WALK_END;
    if (!scan_range_covers(&walk->range, key))
        return WALK_END;
    if (!glob_match(walk->pattern, key, false))
        return WALK_PASSED;
    if (reply != NULL)
        reply_bulk(reply, key);
    return WALK_ELEMENT;
}

static void key_rewind(void *state) {
    const struct key_walk *walk = state;
    key_iterator_seek(walk->iterator, walk->range.start, false);
}

static void key_keep(void *state) {
    struct key_walk *walk = state;
    walk->kept_pattern = memory_copy(walk->pattern.data, walk->pattern.length);
    walk->pattern.data = walk->kept_pattern;
    walk->range = scan_range_of(walk->pattern, walk->with_slots);
}

static const char *key_error(void *state) {
    const struct key_walk *walk = state;
    enum store_status status = key_iterator_status(walk->iterator);
    return status == STORE_OK ? NULL : session_error(walk->session, status);
}

static void key_close(void *state) {
    const struct key_walk *walk = state;
    key_iterator_close(walk->iterator);
    free(walk->kept_pattern);
}

void command_keys(struct command_context *context) {
    static const struct walk_kind keys = {.size = sizeof(struct key_walk),
                                          .step = key_step,
                                          .rewind = key_rewind,
                                          .keep = key_keep,
                                          .error = key_error,
                                          .close = key_close};
    struct key_walk walk = {.session = context->session,
                            .iterator = key_iterator_open(context->session, context->now),
                            .pattern = context->arguments[1],
                            .with_slots = keys_with_slots(context)};
    walk.range = scan_range_of(walk.pattern, walk.with_slots);
    key_rewind(&walk);
    reply_walk_all(context, &keys, &walk, 1);
}

// --- SCAN ---

static bool wanted(const struct scan_options *options, struct bytes key, enum value_type type) {
    if (options->type.data != NULL && !bytes_equal_text_nocase(options->type, value_type_name(type)))
        return false;
    return options->pattern.data == NULL || glob_match(options->pattern, key, false);
}

// What one call has found. The keys wait in a reply of their own, because the cursor goes before them and is
// known after them.
struct scan_page {
    struct reply keys;
    size_t found;
    struct buffer last_key; // in: where to go on; out: where it stopped
    bool at_end;
};

static void position(struct key_iterator *iterator, const struct scan_page *page, bool resumes,
                     struct scan_range *range) {
    struct bytes last_key = buffer_bytes(&page->last_key);
    // Another pattern than the last call's: the cursor may lie anywhere.
    if (resumes && !scan_range_covers(range, last_key))
        *range = (struct scan_range){0};
    key_iterator_seek(iterator, resumes ? last_key : range->start, resumes);
}

static enum store_status fill_page(struct command_context *context, const struct scan_options *options,
                                   bool resumes, struct scan_page *page) {
    struct scan_range range = scan_range_of(options->pattern, keys_with_slots(context));
    struct key_iterator *iterator = key_iterator_open(context->session, context->now);
    position(iterator, page, resumes, &range);
    key_iterator_limit(iterator, (size_t)options->count);
    struct bytes key;
    struct metadata metadata;
    while (key_iterator_next(iterator, &key, &metadata, NULL) && scan_range_covers(&range, key)) {
        if (!wanted(options, key, metadata.type))
            continue;
        reply_bulk(&page->keys, key);
        page->found++;
    }
    enum store_status status = key_iterator_status(iterator);
    if (status != STORE_OK)
        reply_store_error(context, status);
    page->at_end = !key_iterator_stopped(iterator, &key) || !scan_range_covers(&range, key);
    buffer_clear(&page->last_key);
    if (!page->at_end)
        buffer_append(&page->last_key, key);
    key_iterator_close(iterator);
    return status;
}

static void reply_page(struct command_context *context, struct scan_page *page) {
    reply_array(context->reply, 2);
    if (page->at_end)
        reply_bulk_text(context->reply, "0");
    else
        scan_cursor_reply(context, buffer_bytes(&page->last_key));
    reply_array(context->reply, page->found);
    output_move(&context->reply->output, &page->keys.output);
}

void command_scan(struct command_context *context) {
    struct scan_options options;
    struct scan_page page = {.keys.protocol = context->reply->protocol};
    bool resumes = false;
    if (scan_cursor_read(context, 1, &page.last_key, &resumes) &&
        scan_options_read(context, 2, true, &options) &&
        fill_page(context, &options, resumes, &page) == STORE_OK)
        reply_page(context, &page);
    output_release(&page.keys.output);
    buffer_release(&page.last_key);
}
