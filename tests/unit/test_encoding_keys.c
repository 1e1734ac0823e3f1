// SPDX-License-Identifier: Apache-2.0
//
// Slots, metadata keys and sub-keys against byte strings worked out by hand from Kvrocks' description of its
// format.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "store/encoding.h"

#include <stdlib.h>

#define PLAIN_LAYOUT ((struct key_layout){.name_space = DEFAULT_NAMESPACE, .with_slot = false})
#define SLOT_LAYOUT  ((struct key_layout){.name_space = DEFAULT_NAMESPACE, .with_slot = true})

static void assert_bytes(struct bytes actual, struct bytes expected) {
    assert_int_equal(actual.length, expected.length);
    assert_memory_equal(actual.data, expected.data, expected.length);
}

static void assert_buffer(struct buffer *actual, struct bytes expected) {
    assert_bytes(buffer_bytes(actual), expected);
    buffer_release(actual);
}

// --- Slots ---

static void slots_are_crc16_xmodem_modulo_16384(void **state) {
    (void)state;
    static const struct {
        const char *key;
        uint16_t slot;
    } rows[] = {
        {"123456789", 0x31c3}, {"", 0}, {"a", 15495}, {"foo", 12182}, {"bar", 5061}, {"hello", 866},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(key_slot(bytes_from_text(rows[i].key)), rows[i].slot);
}

static void slots_go_by_the_first_hash_tag_that_is_not_empty(void **state) {
    (void)state;
    static const struct {
        const char *key, *hashed;
    } rows[] = {
        {"{user1000}.following", "user1000"}, // the usual
        {"foo{bar}{zap}", "bar"},             // only the first pair of braces counts
        {"foo{{bar}}zap", "{bar"},            // the first '}' after the first '{'
        {"x}y{bar}", "bar"},                  // a '}' before the '{' means nothing
        {"{bar}", "bar"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(key_slot(bytes_from_text(rows[i].key)), key_slot(bytes_from_text(rows[i].hashed)));
    // Published results of CLUSTER KEYSLOT for keys that are hashed whole: an empty or unfinished tag.
    assert_int_equal(key_slot(BYTES_LITERAL("foo{}{bar}")), 8363);
    assert_int_not_equal(key_slot(BYTES_LITERAL("foo{bar")), key_slot(BYTES_LITERAL("bar")));
    assert_int_not_equal(key_slot(BYTES_LITERAL("{}bar")), key_slot(BYTES_LITERAL("bar")));
}

static void slots_count_bytes_that_are_not_text(void **state) {
    (void)state;
    // CRC-16/XMODEM of one byte b is the table entry of b: 0xff gives 0x1ef0.
    assert_int_equal(key_slot(BYTES_LITERAL("\xff")), 0x1ef0);
    assert_int_equal(key_slot(BYTES_LITERAL("\0{\0\0}")), key_slot(BYTES_LITERAL("\0\0")));
}

// --- Keys ---

static void a_metadata_key_is_namespace_and_key(void **state) {
    (void)state;
    struct buffer out = {0};
    encode_metadata_key(&out, &PLAIN_LAYOUT, BYTES_LITERAL("a"));
    assert_buffer(&out, BYTES_LITERAL("\x0b"
                                      "__namespace"
                                      "a"));
    struct key_layout named = {.name_space = BYTES_LITERAL("ns"), .with_slot = false};
    encode_metadata_key(&out, &named, BYTES_LITERAL(""));
    assert_buffer(&out, BYTES_LITERAL("\x02"
                                      "ns"));
}

static void a_metadata_key_of_a_cluster_has_the_slot_in_it(void **state) {
    (void)state;
    struct buffer out = {0};
    encode_metadata_key(&out, &SLOT_LAYOUT, BYTES_LITERAL("123456789"));
    assert_buffer(&out, BYTES_LITERAL("\x0b"
                                      "__namespace"
                                      "\x31\xc3"
                                      "123456789"));
}

static void a_sub_key_is_key_length_key_version_and_sub_key(void **state) {
    (void)state;
    struct buffer out = {0};
    encode_sub_key(&out, &PLAIN_LAYOUT, BYTES_LITERAL("hash"), UINT64_C(0x0102030405060708),
                   BYTES_LITERAL("field\0x"));
    assert_buffer(&out, BYTES_LITERAL("\x0b"
                                      "__namespace"
                                      "\0\0\0\x04"
                                      "hash"
                                      "\x01\x02\x03\x04\x05\x06\x07\x08"
                                      "field\0x"));
    encode_sub_key(&out, &SLOT_LAYOUT, BYTES_LITERAL("foo"), 1, BYTES_LITERAL(""));
    assert_buffer(&out, BYTES_LITERAL("\x0b"
                                      "__namespace"
                                      "\x2f\x96"
                                      "\0\0\0\x03"
                                      "foo"
                                      "\0\0\0\0\0\0\0\x01"));
}

static void keys_are_appended_to_what_the_buffer_holds(void **state) {
    (void)state;
    struct buffer out = {0};
    buffer_append_text(&out, "before");
    encode_namespace_prefix(&out, &SLOT_LAYOUT);
    assert_buffer(&out, BYTES_LITERAL("before\x0b"
                                      "__namespace"));
}

static void every_metadata_key_starts_with_its_namespace_prefix(void **state) {
    (void)state;
    struct buffer prefix = {0}, key = {0};
    encode_namespace_prefix(&prefix, &SLOT_LAYOUT);
    encode_metadata_key(&key, &SLOT_LAYOUT, BYTES_LITERAL("some key"));
    assert_true(key.length > prefix.length);
    assert_memory_equal(key.data, prefix.data, prefix.length);
    buffer_release(&prefix);
    buffer_release(&key);
}

static void keys_decode_to_what_was_encoded(void **state) {
    (void)state;
    struct bytes key = BYTES_LITERAL("k{e}y\0"), field = BYTES_LITERAL("\xff\0field");
    for (int with_slot = 0; with_slot <= 1; with_slot++) {
        struct key_layout layout = {.name_space = BYTES_LITERAL("n"), .with_slot = with_slot != 0};
        struct buffer out = {0};
        struct bytes name_space, user_key, sub_key;
        uint64_t version;
        encode_metadata_key(&out, &layout, key);
        assert_true(decode_metadata_key(buffer_bytes(&out), layout.with_slot, &name_space, &user_key));
        assert_bytes(name_space, layout.name_space);
        assert_bytes(user_key, key);
        buffer_clear(&out);
        encode_sub_key(&out, &layout, key, UINT64_MAX - 1, field);
        assert_true(
            decode_sub_key(buffer_bytes(&out), layout.with_slot, &name_space, &user_key, &version, &sub_key));
        assert_bytes(name_space, layout.name_space);
        assert_bytes(user_key, key);
        assert_int_equal(version, UINT64_MAX - 1);
        assert_bytes(sub_key, field);
        buffer_release(&out);
    }
}

static void a_namespace_of_255_bytes_goes_through(void **state) {
    (void)state;
    char name[255];
    memset(name, 'n', sizeof name);
    struct key_layout layout = {.name_space = {.data = name, .length = sizeof name}, .with_slot = true};
    struct buffer out = {0};
    struct bytes name_space, user_key;
    encode_metadata_key(&out, &layout, BYTES_LITERAL("k"));
    assert_int_equal(out.length, 1 + 255 + 2 + 1);
    assert_true(decode_metadata_key(buffer_bytes(&out), true, &name_space, &user_key));
    assert_bytes(name_space, layout.name_space);
    assert_bytes(user_key, BYTES_LITERAL("k"));
    buffer_release(&out);
}

// Copies each prefix into memory of its own, so that the sanitizers see a read behind it.
static bool decodes_as_sub_key(struct bytes raw, bool with_slot) {
    char *copy = malloc(raw.length == 0 ? 1 : raw.length);
    assert_non_null(copy);
    memcpy(copy, raw.data, raw.length);
    struct bytes name_space, user_key, sub_key;
    uint64_t version;
    bool good = decode_sub_key((struct bytes){.data = copy, .length = raw.length}, with_slot, &name_space,
                               &user_key, &version, &sub_key);
    free(copy);
    return good;
}

static void keys_that_are_cut_short_are_refused(void **state) {
    (void)state;
    struct buffer out = {0};
    encode_sub_key(&out, &SLOT_LAYOUT, BYTES_LITERAL("key"), 7, BYTES_LITERAL(""));
    for (size_t length = 0; length < out.length; length++)
        assert_false(decodes_as_sub_key((struct bytes){.data = out.data, .length = length}, true));
    assert_true(decodes_as_sub_key(buffer_bytes(&out), true));
    buffer_release(&out);

    struct bytes name_space, user_key;
    assert_false(decode_metadata_key(BYTES_LITERAL(""), false, &name_space, &user_key));
    assert_false(decode_metadata_key(BYTES_LITERAL("\x02n"), false, &name_space, &user_key));
    assert_false(decode_metadata_key(BYTES_LITERAL("\x01n\x01"), true, &name_space, &user_key));
    assert_true(decode_metadata_key(BYTES_LITERAL("\x01n\x01"), false, &name_space, &user_key));
}

static void keys_without_a_namespace_are_refused(void **state) {
    (void)state;
    struct bytes name_space, user_key;
    assert_false(decode_metadata_key(BYTES_LITERAL("\0key"), false, &name_space, &user_key));
}

static void a_sub_key_whose_key_length_lies_is_refused(void **state) {
    (void)state;
    assert_false(decodes_as_sub_key(BYTES_LITERAL("\x01n\xff\xff\xff\xffkeyversion"), false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_crc16_xmodem_modulo_16384),
        cmocka_unit_test(slots_go_by_the_first_hash_tag_that_is_not_empty),
        cmocka_unit_test(slots_count_bytes_that_are_not_text),
        cmocka_unit_test(a_metadata_key_is_namespace_and_key),
        cmocka_unit_test(a_metadata_key_of_a_cluster_has_the_slot_in_it),
        cmocka_unit_test(a_sub_key_is_key_length_key_version_and_sub_key),
        cmocka_unit_test(keys_are_appended_to_what_the_buffer_holds),
        cmocka_unit_test(every_metadata_key_starts_with_its_namespace_prefix),
        cmocka_unit_test(keys_decode_to_what_was_encoded),
        cmocka_unit_test(a_namespace_of_255_bytes_goes_through),
        cmocka_unit_test(keys_that_are_cut_short_are_refused),
        cmocka_unit_test(keys_without_a_namespace_are_refused),
        cmocka_unit_test(a_sub_key_whose_key_length_lies_is_refused),
    };
    return cmocka_run_group_tests_name("encoding_keys", tests, NULL, NULL);
}
