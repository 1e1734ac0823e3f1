// SPDX-License-Identifier: Apache-2.0
//
// KEYS and SCAN. A cursor stands for the last key that was looked at and the next call goes on after it in
// key order: whatever happens to other keys between, one that lives through the whole scan is met. Uses:
// arguments, scan_cursor, scan_range, session, glob.
#include "base/glob.h"
#include "commands/arguments.h"
#include "commands/handlers.h"
#include "commands/scan_cursor.h"
#include "commands/scan_range.h"

static bool keys_with_slots(const struct command_context *context) {
    return store_layout(session_store(context->session))->with_slot;
}

void command_keys(struct command_context *context) {
    struct bytes pattern = context->arguments[1];
    struct scan_range range = scan_range_of(pattern, keys_with_slots(context));
    struct key_iterator *iterator = key_iterator_open(context->session, context->now);
    key_iterator_seek(iterator, range.start, false);
    struct output_mark mark = output_mark(&context->reply->output);
    struct output_block *header = reply_deferred_begin(context->reply);
    struct bytes key;
    struct metadata metadata;
    size_t found = 0;
    while (key_iterator_next(iterator, &key, &metadata, NULL) && scan_range_covers(&range, key)) {
        if (!glob_match(pattern, key, false))
            continue;
        reply_bulk(context->reply, key);
        found++;
    }
    reply_array_end(context->reply, header, found);
    enum store_status status = key_iterator_status(iterator);
    if (status != STORE_OK) {
        output_truncate(&context->reply->output, mark);
        reply_store_error(context, status);
    }
    key_iterator_close(iterator);
}

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
