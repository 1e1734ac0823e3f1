// SPDX-License-Identifier: Apache-2.0
//
// Scanning a collection page by page. Uses: arguments, scan_cursor, store/collection, glob.
#include "commands/collection_scan.h"

#include "base/glob.h"
#include "commands/arguments.h"
#include "commands/scan_cursor.h"

// What one call has found. The elements wait in a reply of their own, because the cursor goes before them and
// is known after them.
struct page {
    struct reply elements;
    size_t replies;
    struct buffer last; // in: where to go on; out: where it stopped
    bool at_end;
};

static enum store_status fill_page(const struct collection *collection, const struct scan_options *options,
                                   bool resumes, scan_element_function *element, struct page *page) {
    struct collection_iterator *iterator = collection_iterator_open(collection, FAMILY_DEFAULT);
    struct bytes sub_key;
    struct bytes value;
    int64_t left = options->count;
    page->at_end = true;
    collection_iterator_seek(iterator, buffer_bytes(&page->last));
    while (collection_iterator_next(iterator, &sub_key, &value)) {
        if (resumes && bytes_equal(sub_key, buffer_bytes(&page->last)))
            continue;
        if (left-- == 0) {
            page->at_end = false;
            break;
        }
        resumes = false;
        buffer_clear(&page->last);
        buffer_append(&page->last, sub_key);
        if (options->pattern.data == NULL || glob_match(options->pattern, sub_key, false))
            page->replies += element(&page->elements, sub_key, value);
    }
    enum store_status status = collection_iterator_status(iterator);
    collection_iterator_close(iterator);
    return status;
}

static void reply_page(struct command_context *context, struct page *page) {
    reply_array(context->reply, 2);
    if (page->at_end)
        reply_bulk_text(context->reply, "0");
    else
        scan_cursor_reply(context, buffer_bytes(&page->last));
    reply_array(context->reply, page->replies);
    output_move(&context->reply->output, &page->elements.output);
}

static void scan(struct command_context *context, enum value_type type, scan_element_function *element,
                 bool resumes, const struct scan_options *options, struct page *page) {
    struct collection collection;
    enum store_status status =
        collection_open(context->session, context->arguments[1], type, context->now, &collection);
    if (status == STORE_OK)
        status = fill_page(&collection, options, resumes, element, page);
    if (status == STORE_OK || status == STORE_NOT_FOUND)
        reply_page(context, page);
    else
        reply_store_error(context, status);
}

void collection_scan(struct command_context *context, enum value_type type, scan_element_function *element) {
    struct scan_options options;
    struct page page = {.elements.protocol = context->reply->protocol, .at_end = true};
    bool resumes = false;
    if (scan_cursor_read(context, 2, &page.last, &resumes) && scan_options_read(context, 3, false, &options))
        scan(context, type, element, resumes, &options, &page);
    output_release(&page.elements.output);
    buffer_release(&page.last);
}
