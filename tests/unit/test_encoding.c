// SPDX-License-Identifier: Apache-2.0
//
// Metadata, versions and doubles against byte strings worked out by hand from Kvrocks' description of its
// format.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/encoding.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void assert_bytes(struct bytes actual, struct bytes expected) {
    assert_int_equal(actual.length, expected.length);
    assert_memory_equal(actual.data, expected.data, expected.length);
}

// --- Names ---

static void column_families_have_the_ids_and_names_of_kvrocks(void **state) {
    (void)state;
    static const char *const names[] = {"default",   "metadata", "zset_score", "pubsub",
                                        "propagate", "stream",   "search"};
    assert_int_equal(FAMILY_COUNT, sizeof names / sizeof names[0]);
    for (int family = 0; family < FAMILY_COUNT; family++)
        assert_string_equal(column_family_name((enum column_family)family), names[family]);
}

static void value_types_have_the_numbers_and_names_of_kvrocks(void **state) {
    (void)state;
    static const char *const names[] = {"none",   "string",    "hash",      "list",
                                        "set",    "zset",      "bitmap",    "sortedint",
                                        "stream", "MBbloom--", "ReJSON-RL", "hyperloglog"};
    assert_int_equal(VALUE_TYPE_COUNT, sizeof names / sizeof names[0]);
    for (int type = 0; type < VALUE_TYPE_COUNT; type++)
        assert_string_equal(value_type_name((enum value_type)type), names[type]);
}

static void only_strings_and_json_have_no_sub_keys(void **state) {
    (void)state;
    for (int type = VALUE_STRING; type < VALUE_TYPE_COUNT; type++)
        assert_int_equal(value_type_has_sub_keys((enum value_type)type),
                         type != VALUE_STRING && type != VALUE_JSON);
}

// --- Metadata ---

static struct bytes encode(char out[METADATA_HEADER_MAX], struct metadata metadata) {
    return (struct bytes){.data = out, .length = encode_metadata(out, &metadata)};
}

static void a_string_has_flags_and_expiry_before_its_value(void **state) {
    (void)state;
    char out[METADATA_HEADER_MAX];
    assert_bytes(encode(out, (struct metadata){.type = VALUE_STRING}), BYTES_LITERAL("\x81\0\0\0\0\0\0\0\0"));
    // 1700000000000 ms is 0x18bcfe56800.
    assert_bytes(encode(out, (struct metadata){.type = VALUE_STRING, .expire_ms = 1700000000000}),
                 BYTES_LITERAL("\x81\0\0\x01\x8b\xcf\xe5\x68\0"));
    assert_bytes(encode(out, (struct metadata){.type = VALUE_JSON}), BYTES_LITERAL("\x8a\0\0\0\0\0\0\0\0"));
}

static void a_collection_has_version_and_size_too(void **state) {
    (void)state;
    char out[METADATA_HEADER_MAX];
    struct metadata hash = {
        .type = VALUE_HASH, .expire_ms = 1, .version = UINT64_C(0x1122334455667788), .size = 258};
    assert_bytes(encode(out, hash), BYTES_LITERAL("\x82\0\0\0\0\0\0\0\x01"
                                                  "\x11\x22\x33\x44\x55\x66\x77\x88"
                                                  "\0\0\0\0\0\0\x01\x02"));
}

static void the_64_bit_form_decodes(void **state) {
    (void)state;
    struct metadata metadata;
    assert_true(decode_metadata(BYTES_LITERAL("\x81\0\0\0\0\0\0\0\x05value"), &metadata));
    assert_int_equal(metadata.type, VALUE_STRING);
    assert_true(metadata.wide);
    assert_int_equal(metadata.expire_ms, 5);
    assert_int_equal(metadata.version, 0);
    assert_int_equal(metadata.size, 0);
    assert_int_equal(metadata.header_length, 9);

    assert_true(decode_metadata(BYTES_LITERAL("\x83\0\0\0\0\0\0\0\0"
                                              "\0\0\0\0\0\0\0\x09"
                                              "\0\0\0\x01\0\0\0\0"
                                              "head and tail"),
                                &metadata));
    assert_int_equal(metadata.type, VALUE_LIST);
    assert_int_equal(metadata.version, 9);
    assert_int_equal(metadata.size, UINT64_C(1) << 32);
    assert_int_equal(metadata.header_length, 25);
}

static void the_old_32_bit_form_decodes_with_its_seconds(void **state) {
    (void)state;
    struct metadata metadata;
    assert_true(decode_metadata(BYTES_LITERAL("\x01\0\0\0\x07value"), &metadata));
    assert_int_equal(metadata.type, VALUE_STRING);
    assert_false(metadata.wide);
    assert_int_equal(metadata.expire_ms, 7000);
    assert_int_equal(metadata.header_length, 5);

    assert_true(decode_metadata(BYTES_LITERAL("\x04\xff\xff\xff\xff"
                                              "\0\0\0\0\0\0\0\x09"
                                              "\0\0\x01\0"),
                                &metadata));
    assert_int_equal(metadata.type, VALUE_SET);
    assert_int_equal(metadata.expire_ms, INT64_C(4294967295000));
    assert_int_equal(metadata.version, 9);
    assert_int_equal(metadata.size, 256);
    assert_int_equal(metadata.header_length, 17);
}

static void reserved_flag_bits_are_ignored(void **state) {
    (void)state;
    struct metadata metadata;
    assert_true(decode_metadata(BYTES_LITERAL("\xf1\0\0\0\0\0\0\0\0"), &metadata));
    assert_int_equal(metadata.type, VALUE_STRING);
}

static void an_expiry_beyond_the_signed_range_is_not_in_the_past(void **state) {
    (void)state;
    struct metadata metadata;
    assert_true(decode_metadata(BYTES_LITERAL("\x81\xff\xff\xff\xff\xff\xff\xff\xff"), &metadata));
    assert_int_equal(metadata.expire_ms, INT64_MAX);
    assert_false(metadata_is_dead(&metadata, clock_wall_ms()));
}

static void metadata_that_is_cut_short_is_refused(void **state) {
    (void)state;
    static const struct {
        unsigned char flags;
        size_t length;
    } rows[] = {{0x81, 9}, {0x82, 25}, {0x01, 5}, {0x02, 17}, {0x8a, 9}, {0x88, 25}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct metadata metadata;
        for (size_t length = 0; length <= rows[i].length; length++) {
            char *raw = calloc(1, length + 1);
            assert_non_null(raw);
            raw[0] = (char)rows[i].flags;
            assert_int_equal(decode_metadata((struct bytes){.data = raw, .length = length}, &metadata),
                             length == rows[i].length);
            free(raw);
        }
    }
}

static void metadata_of_unknown_types_is_refused(void **state) {
    (void)state;
    char raw[64] = {0};
    for (unsigned flags = 0; flags < 256; flags++) {
        struct metadata metadata;
        unsigned type = flags & 15;
        raw[0] = (char)flags;
        assert_int_equal(decode_metadata((struct bytes){.data = raw, .length = sizeof raw}, &metadata),
                         type >= VALUE_STRING && type <= VALUE_HYPERLOGLOG);
    }
}

static void metadata_decodes_to_what_was_encoded(void **state) {
    (void)state;
    for (int type = VALUE_STRING; type < VALUE_TYPE_COUNT; type++) {
        bool has_sub_keys = value_type_has_sub_keys((enum value_type)type);
        struct metadata written = {.type = (enum value_type)type,
                                   .expire_ms = INT64_MAX - type,
                                   .version = has_sub_keys ? UINT64_MAX - 1 : 0,
                                   .size = has_sub_keys ? UINT64_MAX : 0};
        char out[METADATA_HEADER_MAX];
        struct bytes raw = encode(out, written);
        struct metadata read;
        assert_true(decode_metadata(raw, &read));
        assert_int_equal(read.type, written.type);
        assert_true(read.wide);
        assert_int_equal(read.expire_ms, written.expire_ms);
        assert_int_equal(read.version, written.version);
        assert_int_equal(read.size, written.size);
        assert_int_equal(read.header_length, raw.length);
    }
}

static void a_key_dies_the_millisecond_after_its_expiry(void **state) {
    (void)state;
    struct metadata string = {.type = VALUE_STRING, .expire_ms = 1000};
    assert_false(metadata_is_dead(&string, 999));
    assert_false(metadata_is_dead(&string, 1000));
    assert_true(metadata_is_dead(&string, 1001));
    assert_false(metadata_has_expired(&string, 1000));
    assert_true(metadata_has_expired(&string, 1001));
    string.expire_ms = 0;
    assert_false(metadata_is_dead(&string, INT64_MAX));
}

static void emptied_collections_are_dead_but_not_types_that_may_be_empty(void **state) {
    (void)state;
    static const bool dead_when_empty[VALUE_TYPE_COUNT] = {
        [VALUE_HASH] = true, [VALUE_LIST] = true,   [VALUE_SET] = true,
        [VALUE_ZSET] = true, [VALUE_BITMAP] = true, [VALUE_SORTEDINT] = true,
    };
    for (int type = VALUE_STRING; type < VALUE_TYPE_COUNT; type++) {
        struct metadata metadata = {.type = (enum value_type)type, .version = 1};
        assert_int_equal(metadata_is_dead(&metadata, 0), dead_when_empty[type]);
        assert_false(metadata_has_expired(&metadata, 0));
        metadata.size = 1;
        assert_false(metadata_is_dead(&metadata, 0));
    }
}

// --- Versions ---

static void versions_hold_the_time_in_microseconds_above_eleven_bits(void **state) {
    (void)state;
    uint64_t before = (uint64_t)clock_wall_us();
    uint64_t version = metadata_new_version();
    // Versions run ahead of the clock only if more than 2048 are made in a microsecond.
    assert_in_range(version >> 11, before, (uint64_t)clock_wall_us());
}

enum { VERSION_THREADS = 4, VERSIONS_EACH = 50000 };

static void *make_versions(void *argument) {
    uint64_t *versions = argument;
    for (size_t i = 0; i < VERSIONS_EACH; i++)
        versions[i] = metadata_new_version();
    return NULL;
}

static int compare_versions(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void versions_are_never_the_same_in_any_thread(void **state) {
    (void)state;
    size_t count = (size_t)VERSION_THREADS * VERSIONS_EACH;
    uint64_t *versions = calloc(count, sizeof *versions);
    assert_non_null(versions);
    pthread_t threads[VERSION_THREADS];
    for (size_t i = 0; i < VERSION_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_versions, versions + i * VERSIONS_EACH), 0);
    for (size_t i = 0; i < VERSION_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    qsort(versions, count, sizeof *versions, compare_versions);
    assert_int_not_equal(versions[0], 0);
    for (size_t i = 1; i < count; i++)
        assert_true(versions[i - 1] < versions[i]);
    free(versions);
}

// --- Prefixes ---

static void expect_end(struct bytes prefix, struct bytes end) {
    struct buffer out = {0};
    buffer_append(&out, BYTES_LITERAL("before"));
    encode_prefix_end(&out, prefix);
    assert_bytes((struct bytes){out.data + 6, out.length - 6}, end);
    buffer_release(&out);
}

static void behind_a_prefix_is_the_next_that_is_no_longer(void **state) {
    (void)state;
    expect_end(BYTES_LITERAL("a"), BYTES_LITERAL("b"));
    expect_end(BYTES_LITERAL("a\x7f"), BYTES_LITERAL("a\x80"));
    expect_end(BYTES_LITERAL("a\xfe"), BYTES_LITERAL("a\xff"));
    expect_end(BYTES_LITERAL("a\xff\xff"), BYTES_LITERAL("b"));
    expect_end(BYTES_LITERAL("\xff\xff"), BYTES_LITERAL(""));
    expect_end(BYTES_LITERAL("\0\0\xff"), BYTES_LITERAL("\0\1"));
}

// --- Doubles ---

static void doubles_have_the_bytes_of_kvrocks(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *bytes;
    } rows[] = {
        {0.0, "\x80\0\0\0\0\0\0\0"},
        {1.0, "\xbf\xf0\0\0\0\0\0\0"},
        {-1.0, "\x40\x0f\xff\xff\xff\xff\xff\xff"},
        {-0.0, "\x7f\xff\xff\xff\xff\xff\xff\xff"},
        {HUGE_VAL, "\xff\xf0\0\0\0\0\0\0"},
        {-HUGE_VAL, "\0\x0f\xff\xff\xff\xff\xff\xff"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[ENCODED_DOUBLE_SIZE];
        encode_double(out, rows[i].value);
        assert_memory_equal(out, rows[i].bytes, sizeof out);
        double back = decode_double(out);
        assert_memory_equal(&back, &rows[i].value, sizeof back);
    }
}

static double random_double(unsigned *seed) {
    double value;
    do {
        uint32_t halves[2] = {(uint32_t)rand_r(seed) << 8 ^ (uint32_t)rand_r(seed),
                              (uint32_t)rand_r(seed) << 8 ^ (uint32_t)rand_r(seed)};
        memcpy(&value, halves, sizeof value);
    } while (isnan(value));
    return value;
}

static void doubles_are_ordered_by_their_bytes(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", seed);
    for (int round = 0; round < 100000; round++) {
        double a = random_double(&seed), b = random_double(&seed);
        char encoded_a[ENCODED_DOUBLE_SIZE], encoded_b[ENCODED_DOUBLE_SIZE];
        encode_double(encoded_a, a);
        encode_double(encoded_b, b);
        double back = decode_double(encoded_a);
        assert_memory_equal(&back, &a, sizeof a);
        if (a < b)
            assert_true(memcmp(encoded_a, encoded_b, sizeof encoded_a) < 0);
        else if (a > b)
            assert_true(memcmp(encoded_a, encoded_b, sizeof encoded_a) > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(column_families_have_the_ids_and_names_of_kvrocks),
        cmocka_unit_test(value_types_have_the_numbers_and_names_of_kvrocks),
        cmocka_unit_test(only_strings_and_json_have_no_sub_keys),
        cmocka_unit_test(a_string_has_flags_and_expiry_before_its_value),
        cmocka_unit_test(a_collection_has_version_and_size_too),
        cmocka_unit_test(the_64_bit_form_decodes),
        cmocka_unit_test(the_old_32_bit_form_decodes_with_its_seconds),
        cmocka_unit_test(reserved_flag_bits_are_ignored),
        cmocka_unit_test(an_expiry_beyond_the_signed_range_is_not_in_the_past),
        cmocka_unit_test(metadata_that_is_cut_short_is_refused),
        cmocka_unit_test(metadata_of_unknown_types_is_refused),
        cmocka_unit_test(metadata_decodes_to_what_was_encoded),
        cmocka_unit_test(a_key_dies_the_millisecond_after_its_expiry),
        cmocka_unit_test(emptied_collections_are_dead_but_not_types_that_may_be_empty),
        cmocka_unit_test(versions_hold_the_time_in_microseconds_above_eleven_bits),
        cmocka_unit_test(versions_are_never_the_same_in_any_thread),
        cmocka_unit_test(behind_a_prefix_is_the_next_that_is_no_longer),
        cmocka_unit_test(doubles_have_the_bytes_of_kvrocks),
        cmocka_unit_test(doubles_are_ordered_by_their_bytes),
    };
    return cmocka_run_group_tests_name("encoding", tests, NULL, NULL);
}
