// SPDX-License-Identifier: Apache-2.0
//
// Reads the configuration from a file and from the command line. Uses: base, config_internal, config_line.
#include "base/memory.h"
#include "server/config_internal.h"
#include "server/config_line.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_SIZE_LIMIT = 16 << 20, SHOWN_LENGTH = 100 };

// Where a value comes from, for errors: "kvrocks.conf, line 3" or "command line".
struct origin {
    const char *source;
    size_t line; // 0: it has no lines
};

__attribute__((format(printf, 3, 4))) static bool
refuse(char error[CONFIG_ERROR_SIZE], const struct origin *origin, const char *format, ...) {
    struct buffer text = {0};
    buffer_append_text(&text, origin->source);
    if (origin->line != 0)
        buffer_append_format(&text, ", line %zu", origin->line);
    char words[CONFIG_ERROR_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    buffer_append_format(&text, ": %s", words);
    (void)snprintf(error, CONFIG_ERROR_SIZE, "%.*s", (int)text.length, text.data);
    buffer_release(&text);
    return false;
}

static int shown_length(struct bytes text) {
    return (int)(text.length < SHOWN_LENGTH ? text.length : SHOWN_LENGTH);
}

static bool find_directive(struct bytes name, enum config_id *id, const struct origin *origin,
                           char error[CONFIG_ERROR_SIZE]) {
    static const struct bytes namespace_prefix = BYTES_LITERAL("namespace.");
    if (directive_find(name, id))
        return true;
    if (name.length >= namespace_prefix.length &&
        strncasecmp(name.data, namespace_prefix.data, namespace_prefix.length) == 0)
        return refuse(error, origin, "'%.*s': namespaces are not supported yet", shown_length(name),
                      name.data);
    return refuse(error, origin, "unknown directive '%.*s'", shown_length(name), name.data);
}

static bool store_value(struct config *config, enum config_id id, struct bytes input,
                        const struct origin *origin, char error[CONFIG_ERROR_SIZE]) {
    const struct directive *directive = directive_at(id);
    struct config_value current = config_fetch(config, id);
    struct config_value value;
    char reason[CONFIG_REASON_SIZE];
    bool right = config_value_parse(directive, current.text, input, &value, reason);
    config_value_release(&current);
    if (!right && (directive->flags & DIRECTIVE_SECRET) != 0)
        return refuse(error, origin, "bad value for '%s': %s", directive->name, reason);
    if (!right)
        return refuse(error, origin, "bad value '%.*s' for '%s': %s", shown_length(input), input.data,
                      directive->name, reason);
    config_store(config, id, value);
    config->given[id] = true;
    return true;
}

static void store_derived(struct config *config, enum config_id id, const char *text) {
    if (!config->given[id])
        config_store(config, id, (struct config_value){.text = memory_copy_text(text)});
}

static void store_below_dir(struct config *config, enum config_id id, const char *suffix) {
    struct buffer text = {0};
    config_text(config, CONFIG_DIR, &text);
    buffer_append_text(&text, suffix);
    buffer_append(&text, (struct bytes){"", 1});
    store_derived(config, id, text.data);
    buffer_release(&text);
}

static void derive(struct config *config) {
    char *socket_path = config_text_copy(config, CONFIG_UNIXSOCKET);
    store_derived(config, CONFIG_BIND, socket_path[0] == '\0' ? "127.0.0.1" : "");
    free(socket_path);
    store_below_dir(config, CONFIG_PIDFILE, "/kvrocks.pid");
    store_below_dir(config, CONFIG_BACKUP_DIR, "/backup");
    store_below_dir(config, CONFIG_LOG_DIR, "");
}

static bool load_line(struct config *config, struct bytes line, struct buffer *value,
                      const struct origin *origin, char error[CONFIG_ERROR_SIZE]) {
    struct config_line parsed;
    enum config_id id = CONFIG_COUNT;
    const char *problem = config_line_parse(line, &parsed, value);
    if (problem != NULL)
        return refuse(error, origin, "%s", problem);
    if (parsed.name.length == 0)
        return true;
    if (!find_directive(parsed.name, &id, origin, error))
        return false;
    return !parsed.has_value || store_value(config, id, buffer_bytes(value), origin, error);
}

bool config_load_text(struct config *config, const char *source, struct bytes text,
                      char error[CONFIG_ERROR_SIZE]) {
    struct origin origin = {.source = source, .line = 0};
    struct buffer value = {0};
    struct bytes line;
    bool right = true;
    while (right && config_next_line(&text, &line)) {
        origin.line++;
        right = load_line(config, line, &value, &origin, error);
    }
    buffer_release(&value);
    derive(config);
    return right;
}

bool config_read_file(const char *path, struct buffer *out, char error[CONFIG_ERROR_SIZE]) {
    bool standard_input = strcmp(path, "-") == 0;
    const struct origin origin = {.source = standard_input ? "standard input" : path, .line = 0};
    FILE *file = standard_input ? stdin : fopen(path, "re");
    if (file == NULL)
        return refuse(error, &origin, "%s", strerror(errno));
    enum { CHUNK = 65536 };
    size_t count = 0;
    do {
        count = fread(buffer_reserve(out, CHUNK), 1, CHUNK, file);
        out->length += count;
    } while (count != 0 && out->length <= FILE_SIZE_LIMIT);
    int problem = ferror(file) != 0 ? errno : 0;
    if (!standard_input && fclose(file) != 0 && problem == 0)
        problem = errno;
    if (problem != 0)
        return refuse(error, &origin, "%s", strerror(problem));
    if (out->length > FILE_SIZE_LIMIT)
        return refuse(error, &origin, "the file is bigger than %d bytes", FILE_SIZE_LIMIT);
    return true;
}

bool config_load_file(struct config *config, const char *path, char error[CONFIG_ERROR_SIZE]) {
    struct buffer text = {0};
    bool standard_input = strcmp(path, "-") == 0;
    bool right =
        config_read_file(path, &text, error) &&
        config_load_text(config, standard_input ? "standard input" : path, buffer_bytes(&text), error);
    buffer_release(&text);
    if (!right || standard_input)
        return right;
    const struct origin origin = {.source = path, .line = 0};
    char *resolved = realpath(path, NULL);
    if (resolved == NULL)
        return refuse(error, &origin, "%s", strerror(errno));
    free(config->path);
    config->path = resolved;
    return true;
}

static bool is_name(const char *argument) {
    return strncmp(argument, "--", 2) == 0 && argument[2] != '\0';
}

// The words of one pair as one value. A single word is the value as it stands.
static void join_words(char *const *words, size_t count, struct buffer *out) {
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_text(out, " ");
        buffer_append_text(out, count > 1 && words[i][0] == '\0' ? "\"\"" : words[i]);
    }
}

bool config_load_arguments(struct config *config, int count, char *const *arguments,
                           char error[CONFIG_ERROR_SIZE]) {
    static const struct origin origin = {.source = "command line", .line = 0};
    bool right = true;
    for (int i = 0; right && i < count;) {
        enum config_id id = CONFIG_COUNT;
        int values = 0;
        if (!is_name(arguments[i]))
            return refuse(error, &origin, "'%.100s' is not a directive: those begin with --", arguments[i]);
        while (i + 1 + values < count && !is_name(arguments[i + 1 + values]))
            values++;
        if (!find_directive(bytes_from_text(arguments[i] + 2), &id, &origin, error))
            return false;
        if (values == 0)
            return refuse(error, &origin, "%.100s needs a value", arguments[i]);
        struct buffer value = {0};
        join_words(arguments + i + 1, (size_t)values, &value);
        right = store_value(config, id, buffer_bytes(&value), &origin, error);
        buffer_release(&value);
        i += 1 + values;
    }
    derive(config);
    return right;
}
