// SPDX-License-Identifier: Apache-2.0
//
// Makes the entries of fence_commands from the server's table, as the server does, with a few commands for
// tests alone. Uses: the exceptions, commands/table, fence/command_entries.
#include "tests/fence/command_entries.h"

#include "bpf/fence_exceptions.h"
#include "commands/table.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 1024 };

// A container of which one subcommand writes, and the commands of other parts of the server that may be
// missing yet.
static const struct fence_word words_for_tests[] = {
    {.name = "tester", .original = "tester"},
    {.name = "tester|change", .original = "tester|change", .writes = true},
    {.name = "tester|look", .original = "tester|look"},
    {.name = "clusterx", .original = "clusterx"},
};

struct word_list {
    struct fence_word words[ENTRIES_MAX];
    size_t count;
};

static int compare(const void *left, const void *right) {
    return memcmp(left, right, sizeof(struct fence_command_name));
}

static void add_word(struct word_list *list, const struct fence_word *word) {
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->words[i].name, word->name) == 0)
            return;
    }
    if (list->count == ENTRIES_MAX)
        abort();
    list->words[list->count++] = *word;
}

static void add_words(struct word_list *list, const struct command *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        add_word(list, &(struct fence_word){.name = rows[i].name,
                                            .original = rows[i].name,
                                            .writes = (rows[i].flags & COMMAND_WRITE) != 0});
    for (size_t i = 0; i < sizeof(words_for_tests) / sizeof(words_for_tests[0]); i++)
        add_word(list, &words_for_tests[i]);
    for (size_t i = 0; i < FENCE_EXCEPTIONS; i++)
        add_word(list, &(struct fence_word){.name = fence_exceptions[i].name,
                                            .original = fence_exceptions[i].name});
}

const struct fence_entry *command_entries(size_t *count) {
    static struct fence_entry entries[ENTRIES_MAX];
    static size_t made;
    if (made == 0) {
        static struct word_list list;
        size_t row_count = 0;
        struct command *rows = commands_copy(&row_count);
        add_words(&list, rows, row_count);
        made = fence_entries_make(list.words, list.count, entries);
        free(rows);
        qsort(entries, made, sizeof(entries[0]), compare);
    }
    *count = made;
    return entries;
}

const struct fence_command *command_entry_find(const struct fence_command_name *name) {
    size_t count = 0;
    const struct fence_entry *entries = command_entries(&count);
    const struct fence_entry *entry = bsearch(name, entries, count, sizeof(*entries), compare);
    return entry == NULL ? NULL : &entry->command;
}
