// SPDX-License-Identifier: Apache-2.0
//
// Renames rows of the command table and removes them. Uses: base.
#include "commands/rename.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

// Room for each row's new name, container, '|' and subcommand together. Of a client's own word at most half.
enum { NAME_SIZE = 64, WORD_MAX = NAME_SIZE / 2 - 1 };

struct renaming {
    struct command *commands; // a removed row has no name until the end
    size_t count;
    char (*names)[NAME_SIZE]; // one for each row
};

static bool refuse(char error[COMMANDS_RENAME_ERROR_SIZE], const char *what, struct bytes word) {
    (void)snprintf(error, COMMANDS_RENAME_ERROR_SIZE, "%s: '%.*s'", what,
                   (int)(word.length < 100 ? word.length : 100), word.data);
    return false;
}

// What follows the container's name in a row: "" for the container itself, "|get", or NULL if the row is
// another command's.
static const char *rest_of_name(const struct command *command, struct bytes container) {
    if (command->name == NULL || strlen(command->name) < container.length ||
        strncasecmp(command->name, container.data, container.length) != 0)
        return NULL;
    const char *rest = command->name + container.length;
    return *rest == '\0' || *rest == '|' ? rest : NULL;
}

static bool exists(const struct renaming *renaming, struct bytes name) {
    for (size_t i = 0; i < renaming->count; i++) {
        if (renaming->commands[i].name != NULL && bytes_equal_text_nocase(name, renaming->commands[i].name))
            return true;
    }
    return false;
}

static void set_name(struct renaming *renaming, size_t row, struct bytes container, const char *rest) {
    char name[NAME_SIZE] = {0}; // `rest` may lie in the row's own room
    (void)snprintf(name, sizeof(name), "%.*s%s", (int)container.length, container.data, rest);
    for (size_t i = 0; i < sizeof(name); i++)
        renaming->names[row][i] = (char)tolower((unsigned char)name[i]);
    renaming->commands[row].name = renaming->names[row];
}

static bool is_word(struct bytes name) {
    return name.length > 0 && name.length <= WORD_MAX && memchr(name.data, '|', name.length) == NULL;
}

static bool rename_one(struct renaming *renaming, struct bytes old_name, struct bytes new_name,
                       char error[COMMANDS_RENAME_ERROR_SIZE]) {
    bool remove = bytes_equal(new_name, BYTES_LITERAL("\"\""));
    if (!is_word(old_name) || !exists(renaming, old_name))
        return refuse(error, "No such command in rename-command", old_name);
    if (!remove && !is_word(new_name))
        return refuse(error, "Invalid new name in rename-command", new_name);
    if (!remove && exists(renaming, new_name))
        return refuse(error, "The new name in rename-command is already that of a command", new_name);
    for (size_t i = 0; i < renaming->count; i++) {
        const char *rest = rest_of_name(&renaming->commands[i], old_name);
        if (rest != NULL && remove)
            renaming->commands[i].name = NULL;
        else if (rest != NULL)
            set_name(renaming, i, new_name, rest);
    }
    return true;
}

static size_t drop_removed(struct command *commands, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (commands[i].name != NULL)
            commands[kept++] = commands[i];
    }
    return kept;
}

static bool next_part(struct bytes *rest, char separator, struct bytes *part) {
    if (rest->length == 0)
        return false;
    const char *end = memchr(rest->data, separator, rest->length);
    part->data = rest->data;
    part->length = end == NULL ? rest->length : (size_t)(end - rest->data);
    size_t taken = part->length + (end != NULL);
    rest->data += taken;
    rest->length -= taken;
    return true;
}

bool commands_rename(struct command *commands, size_t *count, struct bytes lines, char **names,
                     char error[COMMANDS_RENAME_ERROR_SIZE]) {
    struct renaming renaming = {
        .commands = commands, .count = *count, .names = memory_allocate_zeroed(*count, NAME_SIZE)};
    struct bytes line, old_name;
    bool right = true;
    while (right && next_part(&lines, '\n', &line)) {
        right = next_part(&line, ' ', &old_name) && rename_one(&renaming, old_name, line, error);
    }
    if (!right) {
        free(renaming.names);
        return false;
    }
    *count = drop_removed(commands, *count);
    *names = (char *)renaming.names;
    return true;
}
