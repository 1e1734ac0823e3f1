// SPDX-License-Identifier: Apache-2.0
//
// Uses: buffer, memory.
#include "crash_steps.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Big enough to fill more than one block of the log, and more than one write to its file.
enum { KEYS = 300, ELEMENTS = 400 };

// A step under construction: words are gathered, then written as a command.
struct draft {
    struct crash_step *step;
    int writer;
    struct buffer words;
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void word(struct draft *draft, const char *format, ...) {
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_append_format(&draft->words, "$%d\r\n%s\r\n", length, text);
    draft->count++;
}

static void end_command(struct draft *draft) {
    buffer_append_format(&draft->step->request, "*%zu\r\n", draft->count);
    buffer_append(&draft->step->request, buffer_bytes(&draft->words));
    buffer_clear(&draft->words);
    draft->count = 0;
    draft->step->replies++;
}

// A command whose words stand in one text; a word that begins with '@' is a key of the writer's.
static void add(struct draft *draft, const char *text) {
    char copy[256];
    char *save = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", text);
    for (char *part = strtok_r(copy, " ", &save); part != NULL; part = strtok_r(NULL, " ", &save)) {
        if (part[0] == '@')
            word(draft, "%d:%s", draft->writer, part + 1);
        else
            word(draft, "%s", part);
    }
    end_command(draft);
}

// --- The steps ---

static void set_many(struct draft *draft, const char *value) {
    word(draft, "MSET");
    for (int i = 0; i < KEYS; i++) {
        word(draft, "%d:string:%d", draft->writer, i);
        word(draft, "%s of %d, long enough to make the log's record grow to more than one block", value, i);
    }
    end_command(draft);
}

static void set_first(struct draft *draft) {
    set_many(draft, "first");
}

static void set_second(struct draft *draft) {
    set_many(draft, "second");
}

static void fill_sets(struct draft *draft) {
    for (int set = 0; set < 2; set++) {
        word(draft, "SADD");
        word(draft, "%d:set:%d", draft->writer, set);
        for (int i = 0; i < ELEMENTS; i++)
            word(draft, "member:%d", i + set * ELEMENTS / 2);
        end_command(draft);
    }
}

static void fill_others(struct draft *draft) {
    static const char *const commands[][2] = {{"HSET", "hash"}, {"ZADD", "zset"}};
    for (size_t which = 0; which < 2; which++) {
        word(draft, "%s", commands[which][0]);
        word(draft, "%d:%s", draft->writer, commands[which][1]);
        for (int i = 0; i < ELEMENTS; i++) {
            word(draft, "%d", i);
            word(draft, "element:%d", i);
        }
        end_command(draft);
    }
    word(draft, "RPUSH");
    word(draft, "%d:list", draft->writer);
    for (int i = 0; i < ELEMENTS; i++)
        word(draft, "element:%d", i);
    end_command(draft);
}

static void fill_all_types(struct draft *draft) {
    add(draft, "MULTI");
    fill_sets(draft);
    fill_others(draft);
    add(draft, "SET @string:0 changed");
    add(draft, "EXEC");
}

static void change_all_types(struct draft *draft) {
    add(draft, "MULTI");
    add(draft, "HINCRBY @hash counter 1");
    add(draft, "LPUSH @list new");
    add(draft, "SREM @set:0 member:1");
    add(draft, "ZINCRBY @zset 1000 element:7");
    add(draft, "DEL @string:1 @string:2");
    add(draft, "EXPIREAT @string:3 9999999999");
    add(draft, "EXEC");
}

static void store_intersection(struct draft *draft) {
    add(draft, "SINTERSTORE @both @set:0 @set:1");
}

static void replace_by_union(struct draft *draft) {
    add(draft, "SUNIONSTORE @both @set:0 @set:1");
}

static void move_to_other_list(struct draft *draft) {
    add(draft, "LMOVE @list @other-list LEFT RIGHT");
}

static void move_member(struct draft *draft) {
    add(draft, "SMOVE @set:0 @set:1 member:3");
}

static void rename_hash(struct draft *draft) {
    add(draft, "RENAME @hash @renamed");
}

static void rename_over_a_list(struct draft *draft) {
    add(draft, "RENAME @zset @other-list");
}

static void copy_list(struct draft *draft) {
    add(draft, "COPY @list @both REPLACE");
}

static void store_sorted(struct draft *draft) {
    add(draft, "SORT @set:1 ALPHA DESC STORE @sorted");
}

static void store_zset_union(struct draft *draft) {
    add(draft, "ZUNIONSTORE @scores 2 @set:0 @other-list");
}

static void flush_and_begin_anew(struct draft *draft) {
    add(draft, "MULTI");
    add(draft, "FLUSHALL");
    add(draft, "SET @string:0 anew");
    add(draft, "RPUSH @list a b c");
    add(draft, "EXEC");
}

static void flush(struct draft *draft) {
    add(draft, "MULTI");
    add(draft, "FLUSHALL");
    add(draft, "EXEC");
}

static void delete_all(struct draft *draft) {
    static const char *const names[] = {"set:0", "set:1", "both",    "list",   "other-list",
                                        "zset",  "hash",  "renamed", "sorted", "scores"};
    word(draft, "DEL");
    for (int i = 0; i < KEYS; i++)
        word(draft, "%d:string:%d", draft->writer, i);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        word(draft, "%d:%s", draft->writer, names[i]);
    end_command(draft);
}

static const struct {
    const char *name;
    void (*make)(struct draft *draft);
    enum { ALWAYS, ALONE, IN_COMPANY } when;
} plans[] = {
    {"MSET", set_first, ALWAYS},
    {"MSET over what is there", set_second, ALWAYS},
    {"EXEC that makes all types", fill_all_types, ALWAYS},
    {"EXEC that changes all types", change_all_types, ALWAYS},
    {"SINTERSTORE", store_intersection, ALWAYS},
    {"SUNIONSTORE over what is there", replace_by_union, ALWAYS},
    {"LMOVE", move_to_other_list, ALWAYS},
    {"SMOVE", move_member, ALWAYS},
    {"RENAME", rename_hash, ALWAYS},
    {"RENAME over what is there", rename_over_a_list, ALWAYS},
    {"COPY over what is there", copy_list, ALWAYS},
    {"SORT with STORE", store_sorted, ALWAYS},
    {"ZUNIONSTORE", store_zset_union, ALWAYS},
    {"FLUSHALL and more in EXEC", flush_and_begin_anew, ALONE},
    {"FLUSHALL in EXEC", flush, ALONE},
    {"DEL of everything", delete_all, IN_COMPANY},
};

struct crash_step *crash_steps_make(int writer, bool is_alone, size_t *count) {
    size_t most = sizeof(plans) / sizeof(plans[0]);
    struct crash_step *steps = memory_allocate_zeroed(most, sizeof(*steps));
    *count = 0;
    for (size_t i = 0; i < most; i++) {
        if (plans[i].when == (is_alone ? IN_COMPANY : ALONE))
            continue;
        struct crash_step *step = &steps[(*count)++];
        struct draft draft = {.step = step, .writer = writer};
        step->name = plans[i].name;
        plans[i].make(&draft);
        buffer_release(&draft.words);
    }
    return steps;
}

void crash_steps_free(struct crash_step *steps, size_t count) {
    for (size_t i = 0; i < count; i++)
        buffer_release(&steps[i].request);
    free(steps);
}
