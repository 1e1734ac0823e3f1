// SPDX-License-Identifier: Apache-2.0
//
// Sizes with units, and the limits of client-output-buffer-limit. Uses: base/number, config_line.
#include "server/config_limits.h"

#include "base/number.h"
#include "server/config_line.h"

#include <inttypes.h>

static const struct {
    const char *name;
    enum client_class client_class;
} class_names[] = {
    // The first name of each is the one that CONFIG GET shows, as Redis does.
    {"normal", CLIENT_CLASS_NORMAL},
    {"slave", CLIENT_CLASS_REPLICA},
    {"pubsub", CLIENT_CLASS_PUBSUB},
    {"replica", CLIENT_CLASS_REPLICA},
};

bool config_size_parse(struct bytes text, int64_t *out) {
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"", 0},    {"b", 0},  {"k", 10},  {"kb", 10}, {"m", 20},
                 {"mb", 20}, {"g", 30}, {"gb", 30}, {"t", 40},  {"tb", 40}};
    size_t digits = 0;
    while (digits < text.length && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    int64_t value = 0;
    if (!number_read_integer((struct bytes){text.data, digits}, &value))
        return false;
    struct bytes unit = {text.data + digits, text.length - digits};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!bytes_equal_text_nocase(unit, units[i].name))
            continue;
        if (value > INT64_MAX >> units[i].shift)
            return false;
        *out = value << units[i].shift;
        return true;
    }
    return false;
}

static bool find_class(struct bytes name, enum client_class *out) {
    for (size_t i = 0; i < sizeof(class_names) / sizeof(class_names[0]); i++) {
        if (bytes_equal_text_nocase(name, class_names[i].name)) {
            *out = class_names[i].client_class;
            return true;
        }
    }
    return false;
}

const char *config_limits_parse(struct bytes text, struct output_limit limits[CLIENT_CLASS_COUNT]) {
    struct bytes word[4];
    while (config_next_word(&text, &word[0])) {
        enum client_class client_class = CLIENT_CLASS_NORMAL;
        int64_t hard = 0;
        int64_t soft = 0;
        uint64_t seconds = 0;
        if (!config_next_word(&text, &word[1]) || !config_next_word(&text, &word[2]) ||
            !config_next_word(&text, &word[3]))
            return "Wrong number of arguments in buffer limit configuration.";
        if (!find_class(word[0], &client_class))
            return "Invalid client class specified in buffer limit configuration.";
        if (!config_size_parse(word[1], &hard) || !config_size_parse(word[2], &soft) ||
            !number_read_unsigned(word[3], &seconds) || seconds > INT32_MAX)
            return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        limits[client_class] = (struct output_limit){
            .hard_bytes = (uint64_t)hard, .soft_bytes = (uint64_t)soft, .soft_seconds = seconds};
    }
    return NULL;
}

void config_limits_print(const struct output_limit limits[CLIENT_CLASS_COUNT], struct buffer *out) {
    for (size_t i = 0; i < CLIENT_CLASS_COUNT; i++)
        buffer_append_format(out, "%s%s %" PRIu64 " %" PRIu64 " %" PRIu64, i == 0 ? "" : " ",
                             class_names[i].name, limits[i].hard_bytes, limits[i].soft_bytes,
                             limits[i].soft_seconds);
}
