// SPDX-License-Identifier: Apache-2.0
//
// Configuration files: whatever stands in one, it is read or refused with a reason; one that is read survives
// CONFIG REWRITE byte for byte, and with changed values it reads back as the same configuration.
#include "base/assert.h"
#include "fuzz.h"
#include "server/config.h"
#include "server/config_internal.h"
#include "server/config_line.h"

enum { PASSWORD_MAX = 40 };

static bool load(struct config *config, struct bytes text) {
    char error[CONFIG_ERROR_SIZE] = "";
    bool right = config_load_text(config, "input", text, error);
    always_assert(right || error[0] != '\0', "a refusal has a reason");
    return right;
}

static void check_unchanged(const struct config *config, struct bytes text) {
    struct buffer rewritten = {0};
    config_rewrite_text(config, text, &rewritten);
    if (text.length > 0 && text.data[text.length - 1] != '\n')
        rewritten.length--;
    always_assert(bytes_equal(buffer_bytes(&rewritten), text), "rewriting without a change changes nothing");
    buffer_release(&rewritten);
}

static void check_same(const struct config *one, const struct config *other) {
    for (int id = 0; id < CONFIG_COUNT; id++) {
        struct buffer value = {0};
        struct buffer other_value = {0};
        config_print(one, (enum config_id)id, &value);
        config_print(other, (enum config_id)id, &other_value);
        always_assert(bytes_equal(buffer_bytes(&value), buffer_bytes(&other_value)),
                      "what was written reads back as the same value");
        buffer_release(&value);
        buffer_release(&other_value);
    }
}

// The password is made of the input's own bytes, so that the fuzzer chooses it.
static void check_changed(struct config *config, struct bytes text) {
    char error[CONFIG_ERROR_SIZE];
    struct bytes password = {text.data, text.length < PASSWORD_MAX ? text.length : PASSWORD_MAX};
    const struct bytes pairs[] = {BYTES_LITERAL("requirepass"),
                                  password,
                                  BYTES_LITERAL("timeout"),
                                  BYTES_LITERAL("77"),
                                  BYTES_LITERAL("log-level"),
                                  BYTES_LITERAL("error"),
                                  BYTES_LITERAL("client-output-buffer-limit"),
                                  BYTES_LITERAL("pubsub 1kb 0 7")};
    if (!config_set(config, pairs, sizeof(pairs) / sizeof(pairs[0]) / 2, error))
        return;
    struct buffer rewritten = {0};
    config_rewrite_text(config, text, &rewritten);
    struct config *again = config_open();
    always_assert(load(again, buffer_bytes(&rewritten)), "a rewritten file can be read");
    check_same(config, again);
    check_unchanged(again, buffer_bytes(&rewritten));
    config_close(again);
    buffer_release(&rewritten);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes text = {(const char *)data, size};
    char error[CONFIG_ERROR_SIZE];
    struct config *config = config_open();
    if (load(config, text)) {
        check_unchanged(config, text);
        check_changed(config, text);
        (void)config_validate(config, error);
    }
    config_close(config);
    return 0;
}
