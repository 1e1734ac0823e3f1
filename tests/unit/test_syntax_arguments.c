// SPDX-License-Identifier: Apache-2.0
//
// The syntax column becomes a tree, shown here as a line: parts in (...) are a block, in <...|...> a choice,
// with a "?" behind what may be left out, "*" behind what may be repeated, "**" if with its token.
#include "server/syntax_arguments.h"

#include "base/buffer.h"
#include "commands/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void show_list(struct buffer *out, const struct syntax_argument *first, const char *separator);

// NOLINTNEXTLINE(misc-no-recursion): as deep as the tree
static void show(struct buffer *out, const struct syntax_argument *argument) {
    if (argument->token != NULL)
        buffer_append_format(out, "{%s}", argument->token);
    if (argument->type == SYNTAX_BLOCK) {
        buffer_append_text(out, "(");
        show_list(out, argument->children, " ");
        buffer_append_text(out, ")");
    } else if (argument->type == SYNTAX_ONEOF) {
        buffer_append_text(out, "<");
        show_list(out, argument->children, "|");
        buffer_append_text(out, ">");
    } else if (argument->type != SYNTAX_PURE_TOKEN) {
        buffer_append_format(out, "%s:%s", argument->name, syntax_type_name(argument->type));
    }
    buffer_append_text(out, argument->multiple_token ? "**" : argument->multiple ? "*" : "");
    buffer_append_text(out, argument->optional ? "?" : "");
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the tree
static void show_list(struct buffer *out, const struct syntax_argument *first, const char *separator) {
    for (const struct syntax_argument *argument = first; argument != NULL; argument = argument->next) {
        if (argument != first)
            buffer_append_text(out, separator);
        show(out, argument);
    }
}

static void expect_tree(const char *syntax, const char *tree) {
    struct syntax_arguments arguments;
    char error[SYNTAX_ERROR_SIZE] = "";
    if (!syntax_arguments_read(syntax, &arguments, error))
        fail_msg("%s: %s", syntax, error);
    struct buffer shown = {0};
    show_list(&shown, arguments.first, " ");
    buffer_append(&shown, BYTES_LITERAL("\0"));
    assert_string_equal(shown.data, tree);
    buffer_release(&shown);
    syntax_arguments_release(&arguments);
    assert_null(arguments.first);
}

static void expect_problem(const char *syntax, const char *problem) {
    struct syntax_arguments arguments;
    char error[SYNTAX_ERROR_SIZE] = "";
    assert_false(syntax_arguments_read(syntax, &arguments, error));
    assert_null(arguments.first);
    assert_string_equal(error, problem);
    syntax_arguments_release(&arguments);
}

static void a_command_may_take_nothing(void **state) {
    (void)state;
    expect_tree("", "");
    expect_tree("  ", "");
}

static void words_are_filled_in_and_typed_by_their_names(void **state) {
    (void)state;
    expect_tree("key", "key:key");
    expect_tree("key seconds", "key:key seconds:integer");
    expect_tree("pattern message", "pattern:pattern message:string");
    expect_tree("key score unix-time-seconds", "key:key score:double unix-time-seconds:unix-time");
    expect_tree("ip:port", "ip:port:string");
}

static void words_without_small_letters_are_tokens(void **state) {
    (void)state;
    expect_tree("NO ONE", "{NO} {ONE}");
    expect_tree("<* | id>", "<{*}|id:string>");
    expect_tree("<key | \"\">", "<key:key|{}>");
}

static void brackets_may_be_left_out(void **state) {
    (void)state;
    expect_tree("[message]", "message:string?");
    expect_tree("[NX]", "{NX}?");
    expect_tree("[start end]", "(start:integer end:integer)?");
    expect_tree("[start [end]]", "(start:integer end:integer?)?");
}

static void a_bar_means_one_of_them(void **state) {
    (void)state;
    expect_tree("[NX | XX]", "<{NX}|{XX}>?");
    expect_tree("<ON | OFF>", "<{ON}|{OFF}>");
    expect_tree("<host port | NO ONE>", "<(host:string port:integer)|({NO} {ONE})>");
    expect_tree("host port | NO ONE", "<(host:string port:integer)|({NO} {ONE})>");
}

static void a_token_has_the_required_arguments_that_follow(void **state) {
    (void)state;
    expect_tree("[EX seconds | PX milliseconds]", "<{EX}seconds:integer|{PX}milliseconds:integer>?");
    expect_tree("[LIMIT offset count]", "{LIMIT}(offset:integer count:integer)?");
    expect_tree("[OVERFLOW <WRAP | SAT>]", "{OVERFLOW}<{WRAP}|{SAT}>?");
    expect_tree("GROUP group consumer [COUNT count] STREAMS key",
                "{GROUP}(group:string consumer:string) {COUNT}count:integer? {STREAMS}key:key");
    expect_tree("MAXLEN [=] threshold", "{MAXLEN} {=}? threshold:string");
}

static void what_is_repeated_stands_once_in_the_tree(void **state) {
    (void)state;
    expect_tree("key [key ...]", "key:key*");
    expect_tree("[section [section ...]]", "section:string*?");
    expect_tree("numkeys key [key ...]", "numkeys:integer key:key*");
    expect_tree("key value [key value ...]", "(key:key value:string)*");
    expect_tree("key field value [field value ...]", "key:key (field:string value:string)*");
    expect_tree("[key ...]", "key:key*?");
    expect_tree("[<GET a | SET b> ...]", "<{GET}a:string|{SET}b:string>*?");
    expect_tree("[GET encoding offset ...]", "{GET}(encoding:string offset:integer)**?");
}

static void a_repeated_token_is_told_apart_from_repeated_values(void **state) {
    (void)state;
    expect_tree("[ID client-id [client-id ...]]", "{ID}client-id:integer*?");
    expect_tree("[PREFIX prefix [PREFIX prefix ...]]", "{PREFIX}prefix:string**?");
    expect_tree("STREAMS key [key ...] id [id ...]", "{STREAMS}(key:key* id:string*)");
}

static void a_whole_choice_can_be_repeated(void **state) {
    (void)state;
    expect_tree("[A x | B y [A x | B y ...]]", "<{A}x:string|{B}y:string>*?");
    expect_tree("key [GET type | <SET value | INCR by> [GET type | <SET value | INCR by> ...]]",
                "key:key <{GET}type:string|<{SET}value:string|{INCR}by:string>>*?");
}

static void choices_nest(void **state) {
    (void)state;
    expect_tree("<addr | <[ID client-id] | [TYPE <NORMAL | PUBSUB>]>>",
                "<addr:string|<{ID}client-id:integer?|{TYPE}<{NORMAL}|{PUBSUB}>?>>");
    expect_tree("[protover [AUTH username password]]",
                "(protover:integer {AUTH}(username:string password:string)?)?");
}

static void the_syntax_of_set_reads_as_redis_tells_it(void **state) {
    (void)state;
    expect_tree("key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT "
                "unix-time-milliseconds | KEEPTTL]",
                "key:key value:string <{NX}|{XX}>? {GET}? <{EX}seconds:integer|{PX}milliseconds:integer|"
                "{EXAT}unix-time-seconds:unix-time|{PXAT}unix-time-milliseconds:unix-time|{KEEPTTL}>?");
}

static void append_names(struct buffer *out, const struct syntax_argument *first) {
    for (const struct syntax_argument *argument = first; argument != NULL; argument = argument->next)
        buffer_append_format(out, "%s ", argument->name);
}

static void every_argument_has_a_name(void **state) {
    (void)state;
    struct syntax_arguments arguments;
    char error[SYNTAX_ERROR_SIZE];
    assert_true(syntax_arguments_read("[NX | XX] key [LIMIT offset count] <a | \"\">", &arguments, error));
    struct buffer names = {0};
    append_names(&names, arguments.first);
    append_names(&names, arguments.first->children);
    buffer_append(&names, BYTES_LITERAL("\0"));
    assert_string_equal(names.data, "nx_xx key offset_count a_empty nx xx ");
    buffer_release(&names);
    syntax_arguments_release(&arguments);
    syntax_arguments_release(&arguments);
}

static void every_type_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int type = 0; type < SYNTAX_TYPE_COUNT; type++)
        for (int other = 0; other < type; other++)
            assert_string_not_equal(syntax_type_name((enum syntax_type)type),
                                    syntax_type_name((enum syntax_type)other));
}

static void broken_syntax_is_refused_with_the_place(void **state) {
    (void)state;
    expect_problem("key [value", "a bracket is not closed, at byte 10 of the syntax");
    expect_problem("[NX | XX>", "a bracket is not closed, at byte 8 of the syntax");
    expect_problem("key]", "a bracket was not opened, at byte 3 of the syntax");
    expect_problem("key []", "brackets hold nothing, at byte 5 of the syntax");
    expect_problem("[A | ]", "an alternative is empty, at byte 5 of the syntax");
    expect_problem("| A", "an alternative is empty, at byte 0 of the syntax");
    expect_problem("[... key]", "dots repeat nothing, at byte 4 of the syntax");
}

static void too_deep_nesting_is_refused(void **state) {
    (void)state;
    expect_tree("[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]", "a:string?");
    expect_problem("[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]",
                   "brackets are nested too deep, at byte 17 of the syntax");
}

// A choice at the outermost level would be read as one argument; in the table it is always written in angles.
static void the_syntax_of_every_command_can_be_read(void **state) {
    (void)state;
    size_t count = 0;
    struct command *commands = commands_copy(&count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        struct syntax_arguments arguments;
        char error[SYNTAX_ERROR_SIZE] = "";
        if (!syntax_arguments_read(commands[i].syntax, &arguments, error))
            fail_msg("%s: %s", commands[i].name, error);
        const struct syntax_argument *first = arguments.first;
        if (first != NULL && first->type == SYNTAX_ONEOF && first->next == NULL &&
            commands[i].syntax[0] != '[')
            assert_int_equal(commands[i].syntax[0], '<');
        syntax_arguments_release(&arguments);
    }
    free(commands);
}

// No text makes the reader fail in another way than by saying so.
static void random_texts_are_read_or_refused(void **state) {
    (void)state;
    static const char *const pieces[] = {"[", "]", "<", ">", "|", " ", "...", "A", "a", "key", "\"\"", "A a"};
    unsigned seed = 20240229;
    const char *given = getenv("TEST_SEED");
    if (given != NULL)
        seed = (unsigned)strtoul(given, NULL, 10);
    print_message("TEST_SEED=%u\n", seed);
    size_t read = 0;
    for (size_t round = 0; round < 20000; round++) {
        struct buffer text = {0};
        size_t length = (size_t)rand_r(&seed) % 14;
        for (size_t i = 0; i < length; i++)
            buffer_append_text(&text, pieces[(size_t)rand_r(&seed) % (sizeof(pieces) / sizeof(pieces[0]))]);
        buffer_append(&text, BYTES_LITERAL("\0"));
        struct syntax_arguments arguments;
        char error[SYNTAX_ERROR_SIZE] = "";
        if (syntax_arguments_read(text.data, &arguments, error))
            read++;
        else
            assert_string_not_equal(error, "");
        syntax_arguments_release(&arguments);
        buffer_release(&text);
    }
    assert_true(read > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_may_take_nothing),
        cmocka_unit_test(words_are_filled_in_and_typed_by_their_names),
        cmocka_unit_test(words_without_small_letters_are_tokens),
        cmocka_unit_test(brackets_may_be_left_out),
        cmocka_unit_test(a_bar_means_one_of_them),
        cmocka_unit_test(a_token_has_the_required_arguments_that_follow),
        cmocka_unit_test(what_is_repeated_stands_once_in_the_tree),
        cmocka_unit_test(a_repeated_token_is_told_apart_from_repeated_values),
        cmocka_unit_test(a_whole_choice_can_be_repeated),
        cmocka_unit_test(choices_nest),
        cmocka_unit_test(the_syntax_of_set_reads_as_redis_tells_it),
        cmocka_unit_test(every_argument_has_a_name),
        cmocka_unit_test(every_type_has_a_name_of_its_own),
        cmocka_unit_test(broken_syntax_is_refused_with_the_place),
        cmocka_unit_test(too_deep_nesting_is_refused),
        cmocka_unit_test(the_syntax_of_every_command_can_be_read),
        cmocka_unit_test(random_texts_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
