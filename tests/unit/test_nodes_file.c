// SPDX-License-Identifier: Apache-2.0
//
// nodes.conf: that what is written is read back, that Kvrocks' own files are read, and that damage of any
// kind is found.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/nodes_file.h"
#include "cluster_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char error[NODES_FILE_ERROR_SIZE];

static struct nodes_file sample(void) {
    const char *problem = NULL;
    struct nodes_file nodes = {.version = 7, .id = ID_A};
    nodes.topology = topology_parse(BYTES_LITERAL(TWO_MASTERS), &problem);
    assert_non_null(nodes.topology);
    return nodes;
}

static void print_sample(struct buffer *text) {
    struct nodes_file nodes = sample();
    nodes_file_print(&nodes, text);
    topology_free(nodes.topology);
}

static void assert_refused(struct bytes text, const char *words) {
    struct nodes_file nodes;
    if (nodes_file_parse(text, &nodes, error))
        fail_msg("'%.*s' was taken", (int)text.length, text.data);
    topology_free(nodes.topology);
    if (strstr(error, words) == NULL)
        fail_msg("'%s' does not say '%s'", error, words);
}

static void assert_text_refused(const char *text, const char *words) {
    assert_refused(bytes_from_text(text), words);
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    struct buffer text = {0};
    struct nodes_file nodes;
    print_sample(&text);
    assert_true(nodes_file_parse(buffer_bytes(&text), &nodes, error));
    assert_int_equal(nodes.version, 7);
    assert_string_equal(nodes.id, ID_A);
    assert_int_equal(nodes.topology->count, 2);
    assert_int_equal(nodes.topology->owners[8192], 1);
    topology_free(nodes.topology);
    buffer_release(&text);
}

static void a_node_that_only_knows_its_id_keeps_it(void **state) {
    (void)state;
    const struct nodes_file before = {.version = -1, .id = ID_B};
    struct nodes_file after;
    struct buffer text = {0};
    nodes_file_print(&before, &text);
    assert_true(nodes_file_parse(buffer_bytes(&text), &after, error));
    assert_int_equal(after.version, -1);
    assert_string_equal(after.id, ID_B);
    assert_null(after.topology);
    buffer_release(&text);
}

static void a_topology_may_be_known_without_an_id(void **state) {
    (void)state;
    struct nodes_file nodes;
    assert_true(
        nodes_file_parse(BYTES_LITERAL("version 0\nnode " ID_A " host 1 master - 0\n"), &nodes, error));
    assert_int_equal(nodes.version, 0);
    assert_string_equal(nodes.id, "");
    topology_free(nodes.topology);
}

// Without a checksum, and with what Kvrocks' own parser passes over.
static void a_file_of_kvrocks_is_read(void **state) {
    (void)state;
    struct nodes_file nodes;
    static const char text[] = "version 3\nid " ID_A "\n\n# a remark\n  node " ID_A " host 7001 slave " ID_B
                               "\nnode " ID_B " host 7002 master - 0-16383 ";
    assert_true(nodes_file_parse(BYTES_LITERAL(text), &nodes, error));
    assert_int_equal(nodes.version, 3);
    assert_int_equal(nodes.topology->owners[16383], 1);
    topology_free(nodes.topology);
}

// The first line is a comment to Kvrocks, the others are its own format.
static void kvrocks_could_read_ours(void **state) {
    (void)state;
    struct buffer text = {0};
    print_sample(&text);
    buffer_append(&text, (struct bytes){"", 1});
    assert_int_equal(text.data[0], '#');
    const char *second = strchr(text.data, '\n') + 1;
    assert_string_equal(second,
                        "version 7\nid " ID_A "\nnode " ID_A " 127.0.0.1 7001 master - 0-8191\nnode " ID_B
                        " 127.0.0.1 7002 master - 8192-16383\n");
    buffer_release(&text);
}

static void a_file_changed_by_hand_is_read_without_its_first_line(void **state) {
    (void)state;
    struct buffer text = {0};
    struct nodes_file nodes;
    print_sample(&text);
    struct bytes all = buffer_bytes(&text);
    char *version = memmem(all.data, all.length, "version 7", 9);
    version[8] = '9';
    assert_refused(all, "checksum");
    size_t first_line = (size_t)(version - all.data);
    assert_true(nodes_file_parse((struct bytes){version, all.length - first_line}, &nodes, error));
    assert_int_equal(nodes.version, 9);
    topology_free(nodes.topology);
    buffer_release(&text);
}

// But for the line end of the first line, which is all that an empty rest leaves to say.
static void every_cut_is_found(void **state) {
    (void)state;
    struct buffer text = {0};
    print_sample(&text);
    for (size_t length = 0; length < text.length; length++)
        assert_refused((struct bytes){text.data, length}, "");
    buffer_release(&text);
}

static void every_flipped_bit_after_the_first_word_is_found(void **state) {
    (void)state;
    struct buffer text = {0};
    print_sample(&text);
    size_t sum_at = strlen("# kvfence checksum ");
    const char *end = memchr(text.data, '\n', text.length);
    size_t body_at = (size_t)(end - text.data) + 1;
    for (size_t i = sum_at; i < text.length; i++) {
        if (i >= sum_at + 16 && i < body_at)
            continue; // words for people
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
            assert_refused(buffer_bytes(&text), "checksum");
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
        }
    }
    buffer_release(&text);
}

static void lines_that_make_no_sense_are_named(void **state) {
    (void)state;
    assert_text_refused("", "the version is missing");
    assert_text_refused("id " ID_A "\n", "the version is missing");
    assert_text_refused("version\n", "it starts with none of");
    assert_text_refused("version x\n", "the version is no number: 'version x'");
    assert_text_refused("version -2\n", "the version is no number");
    assert_text_refused("version 1\nid short\n", "an id has 40 characters without blanks: 'id short'");
    assert_text_refused("version 1\nid aAzZ 000000000000000000000000000000000aA\n",
                        "an id has 40 characters");
    assert_text_refused("version 1\nid aAzZ\t000000000000000000000000000000000aA\n",
                        "an id has 40 characters");
    assert_text_refused("version 1\nnodes " ID_A "\n", "it starts with none of");
    assert_text_refused("version 1\n", "Invalid cluster nodes info");
    assert_text_refused("version 1\nnode " ID_A " host 1 master - 5-5\n", "Slot is out of range");
    assert_text_refused("version -1\nnode " ID_A " host 1 master - 5\n",
                        "its version says that there are none");
}

static void a_damaged_file_is_named_with_what_can_be_done(void **state) {
    (void)state;
    char path[] = "/tmp/kvfence-nodes-XXXXXX";
    struct nodes_file nodes;
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "rubbish\n", 8), 8);
    assert_int_equal(close(file), 0);
    assert_false(nodes_file_load(path, &nodes, error));
    assert_null(nodes.topology);
    assert_non_null(strstr(error, path));
    assert_non_null(strstr(error, "rubbish"));
    assert_non_null(strstr(error, "Delete the file"));
    assert_int_equal(unlink(path), 0);
}

static void no_file_is_no_topology(void **state) {
    (void)state;
    struct nodes_file nodes;
    assert_true(nodes_file_load("/tmp/kvfence-there-is-no-such-file", &nodes, error));
    assert_int_equal(nodes.version, -1);
    assert_string_equal(nodes.id, "");
    assert_null(nodes.topology);
}

static void a_file_that_cannot_be_read_is_not_taken_for_none(void **state) {
    (void)state;
    struct nodes_file nodes;
    assert_false(nodes_file_load("/tmp", &nodes, error));
    assert_non_null(strstr(error, "'/tmp'"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_node_that_only_knows_its_id_keeps_it),
        cmocka_unit_test(a_topology_may_be_known_without_an_id),
        cmocka_unit_test(a_file_of_kvrocks_is_read),
        cmocka_unit_test(kvrocks_could_read_ours),
        cmocka_unit_test(a_file_changed_by_hand_is_read_without_its_first_line),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(every_flipped_bit_after_the_first_word_is_found),
        cmocka_unit_test(lines_that_make_no_sense_are_named),
        cmocka_unit_test(a_damaged_file_is_named_with_what_can_be_done),
        cmocka_unit_test(no_file_is_no_topology),
        cmocka_unit_test(a_file_that_cannot_be_read_is_not_taken_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
