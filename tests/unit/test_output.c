// SPDX-License-Identifier: Apache-2.0
//
// The chain of outgoing blocks: order, marks, deferred headers, references. Sending is in test_output_send.c.
#include "base/buffer.h"
#include "server/output_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

static void expect_pending(const struct output *output, struct bytes expected) {
    assert_int_equal(output->pending, expected.length);
    char *copy = malloc(expected.length + 1);
    assert_non_null(copy);
    output_copy(output, copy);
    assert_true(bytes_equal((struct bytes){.data = copy, .length = expected.length}, expected));
    free(copy);
}

static void append_text(struct output *output, const char *text) {
    output_append(output, bytes_from_text(text));
}

static void count_release(void *owner) {
    (*(int *)owner)++;
}

static void append_reference(struct output *output, const char *text, int *released) {
    output_append_reference(output, bytes_from_text(text), count_release, released);
}

static void fill(struct output *output, struct output_block *deferred, const char *text) {
    output_fill_deferred(output, deferred, bytes_from_text(text));
}

static void what_is_appended_stays_in_order(void **state) {
    (void)state;
    struct output output = {0};
    struct buffer expected = {0};
    for (size_t length = 0; length < 60000; length += 1 + length / 3) {
        memset(buffer_reserve(&expected, length), (int)('a' + length % 26), length);
        output_append(&output, (struct bytes){.data = expected.data + expected.length, .length = length});
        expected.length += length;
    }
    expect_pending(&output, buffer_bytes(&expected));
    output_release(&output);
    assert_null(output.first);
    assert_int_equal(output.pending, 0);
    buffer_release(&expected);
}

static void a_reservation_may_be_filled_in_part(void **state) {
    (void)state;
    struct output output = {0};
    struct buffer expected = {0};
    for (size_t i = 0; i < 100; i++) {
        size_t used = i * 10;
        memset(output_reserve(&output, 1024), (int)('a' + i % 26), 1024);
        output_advance(&output, used);
        memset(buffer_reserve(&expected, used), (int)('a' + i % 26), used);
        expected.length += used;
    }
    expect_pending(&output, buffer_bytes(&expected));
    output_release(&output);
    buffer_release(&expected);
}

static void a_reference_lies_between_what_is_appended_around_it(void **state) {
    (void)state;
    struct output output = {0};
    int released = 0;
    append_reference(&output, "first", &released);
    append_text(&output, ",second,");
    append_reference(&output, "", &released);
    append_reference(&output, "third", &released);
    append_text(&output, ",fourth");
    expect_pending(&output, BYTES_LITERAL("first,second,third,fourth"));
    assert_int_equal(released, 0);
    output_release(&output);
    assert_int_equal(released, 3);
}

static void truncating_drops_what_came_after_the_mark(void **state) {
    (void)state;
    struct output output = {0};
    int kept = 0;
    int dropped = 0;
    append_text(&output, "one,");
    append_reference(&output, "two,", &kept);
    append_text(&output, "three");
    struct output_mark mark = output_mark(&output);
    append_text(&output, "four");
    append_reference(&output, "five", &dropped);
    (void)output_defer(&output); // never to be filled
    for (int i = 0; i < 10000; i++)
        append_text(&output, "six");
    append_reference(&output, "seven", &dropped);
    output_truncate(&output, mark);
    assert_int_equal(dropped, 2);
    assert_int_equal(kept, 0);
    expect_pending(&output, BYTES_LITERAL("one,two,three"));
    append_text(&output, ",eight");
    expect_pending(&output, BYTES_LITERAL("one,two,three,eight"));
    output_truncate(&output, mark);
    expect_pending(&output, BYTES_LITERAL("one,two,three"));
    output_release(&output);
    assert_int_equal(kept, 1);
}

static void truncating_to_a_mark_of_the_empty_output_empties_it(void **state) {
    (void)state;
    struct output output = {0};
    struct output_mark mark = output_mark(&output);
    output_truncate(&output, mark);
    append_text(&output, "anything");
    int dropped = 0;
    append_reference(&output, "else", &dropped);
    output_truncate(&output, mark);
    assert_int_equal(dropped, 1);
    assert_null(output.first);
    expect_pending(&output, BYTES_LITERAL(""));
}

static void a_mark_behind_a_deferred_header_keeps_it(void **state) {
    (void)state;
    struct output output = {0};
    struct output_block *deferred = output_defer(&output);
    struct output_mark mark = output_mark(&output);
    append_text(&output, "dropped");
    output_truncate(&output, mark);
    append_text(&output, "element");
    fill(&output, deferred, "header:");
    expect_pending(&output, BYTES_LITERAL("header:element"));
    output_release(&output);
}

static void deferred_headers_nest(void **state) {
    (void)state;
    struct output output = {0};
    struct output_block *outer = output_defer(&output);
    append_text(&output, "a,");
    struct output_block *first = output_defer(&output);
    struct output_block *second = output_defer(&output);
    append_text(&output, "b,");
    fill(&output, second, "[second]");
    append_text(&output, "c");
    fill(&output, outer, "[outer, as long as can be: 1234]");
    fill(&output, first, "");
    expect_pending(&output, BYTES_LITERAL("[outer, as long as can be: 1234]a,[second]b,c"));
    output_release(&output);
}

static void many_deferred_headers_and_references_fit_among_small_texts(void **state) {
    (void)state;
    struct output output = {0};
    struct buffer expected = {0};
    int released = 0;
    enum { MANY = 2000 };
    for (int i = 0; i < MANY; i++) {
        struct output_block *deferred = output_defer(&output);
        for (int length = i % 40; length > 0; length--)
            append_text(&output, "x"); // every alignment of what follows
        append_reference(&output, "reference", &released);
        fill(&output, deferred, "header");
        buffer_append_text(&expected, "header");
        for (int length = i % 40; length > 0; length--)
            buffer_append_text(&expected, "x");
        buffer_append_text(&expected, "reference");
    }
    expect_pending(&output, buffer_bytes(&expected));
    output_release(&output);
    assert_int_equal(released, MANY);
    buffer_release(&expected);
}

static void moving_puts_one_output_behind_another(void **state) {
    (void)state;
    struct output to = {0};
    struct output from = {0};
    int released = 0;
    output_move(&to, &from);
    expect_pending(&to, BYTES_LITERAL(""));

    append_text(&from, "one,");
    output_move(&to, &from);
    assert_null(from.first);
    assert_int_equal(from.pending, 0);

    append_text(&to, "two,");
    append_reference(&from, "three,", &released);
    append_text(&from, "four,");
    output_move(&to, &from);
    append_text(&to, "five");
    append_text(&from, "elsewhere");
    expect_pending(&to, BYTES_LITERAL("one,two,three,four,five"));
    expect_pending(&from, BYTES_LITERAL("elsewhere"));
    output_release(&from);
    assert_int_equal(released, 0);
    output_release(&to);
    assert_int_equal(released, 1);
}

static size_t random_below(unsigned *seed, size_t bound) {
    return (size_t)rand_r(seed) % bound;
}

// An output beside a plain buffer that should hold the same bytes.
struct model {
    struct output output;
    struct buffer expected;
    struct output_mark mark;
    size_t marked;
    int referred, released;
    char text[5000];
};

static void truncate_and_mark(struct model *model, bool truncate) {
    if (truncate) {
        output_truncate(&model->output, model->mark);
        model->expected.length = model->marked;
    }
    model->mark = output_mark(&model->output);
    model->marked = model->expected.length;
}

static void take_random_step(struct model *model, unsigned *seed) {
    size_t length = random_below(seed, random_below(seed, 5) == 0 ? sizeof(model->text) : 50);
    struct bytes bytes = {.data = model->text, .length = length};
    switch (random_below(seed, 6)) {
    case 0:
        output_append_reference(&model->output, bytes, count_release, &model->released);
        model->referred++;
        break;
    case 1:
        bytes.length %= OUTPUT_DEFERRED_SIZE + 1;
        output_fill_deferred(&model->output, output_defer(&model->output), bytes);
        break;
    case 2:
        bytes.length %= 1025;
        memcpy(output_reserve(&model->output, bytes.length), bytes.data, bytes.length);
        output_advance(&model->output, bytes.length);
        break;
    case 3:
        truncate_and_mark(model, random_below(seed, 3) == 0);
        return;
    default:
        output_append(&model->output, bytes);
    }
    buffer_append(&model->expected, bytes);
}

static void random_use_matches_a_plain_buffer(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    for (int round = 0; round < 500; round++) {
        static struct model model;
        model = (struct model){0};
        for (size_t i = 0; i < sizeof(model.text); i++)
            model.text[i] = (char)('a' + random_below(&seed, 26));
        for (size_t steps = random_below(&seed, 100); steps > 0; steps--)
            take_random_step(&model, &seed);
        expect_pending(&model.output, buffer_bytes(&model.expected));
        output_release(&model.output);
        assert_int_equal(model.released, model.referred);
        buffer_release(&model.expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_stays_in_order),
        cmocka_unit_test(a_reservation_may_be_filled_in_part),
        cmocka_unit_test(a_reference_lies_between_what_is_appended_around_it),
        cmocka_unit_test(truncating_drops_what_came_after_the_mark),
        cmocka_unit_test(truncating_to_a_mark_of_the_empty_output_empties_it),
        cmocka_unit_test(a_mark_behind_a_deferred_header_keeps_it),
        cmocka_unit_test(deferred_headers_nest),
        cmocka_unit_test(many_deferred_headers_and_references_fit_among_small_texts),
        cmocka_unit_test(moving_puts_one_output_behind_another),
        cmocka_unit_test(random_use_matches_a_plain_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
