// SPDX-License-Identifier: Apache-2.0
//
// BITFIELD and BITFIELD_RO: first all subcommands are read, then they run in order on a copy of the string.
// Uses: arguments, bitmap_field, bitmap_offset, memory, string_value.
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/bitmap_field.h"
#include "commands/bitmap_offset.h"
#include "commands/handlers.h"
#include "commands/string_value.h"

#include <stdlib.h>

enum field_verb { FIELD_GET, FIELD_SET, FIELD_INCREMENT };

struct field_step {
    enum field_verb verb;
    enum field_overflow overflow;
    struct field_type type;
    uint64_t offset;
    int64_t operand; // of SET and INCRBY
};

struct field_program {
    struct field_step *steps;
    size_t count;
    uint64_t written_bytes; // length that the string must have for what is written; 0: nothing is
};

static bool read_overflow(struct command_context *context, size_t index, enum field_overflow *overflow) {
    static const char *const names[] = {
        [FIELD_WRAP] = "WRAP", [FIELD_SATURATE] = "SAT", [FIELD_FAIL] = "FAIL"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (argument_is(context, index, names[i])) {
            *overflow = (enum field_overflow)i;
            return true;
        }
    }
    reply_error(context->reply, "ERR Invalid OVERFLOW type specified");
    return false;
}

// Number of arguments that the subcommand at `index` takes with its name; 0 if it is none or is cut off.
static size_t read_verb(const struct command_context *context, size_t index, enum field_verb *verb) {
    static const struct {
        const char *name;
        enum field_verb verb;
        size_t arguments;
    } verbs[] = {{"GET", FIELD_GET, 3}, {"SET", FIELD_SET, 4}, {"INCRBY", FIELD_INCREMENT, 4}};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (argument_is(context, index, verbs[i].name) && context->count - index >= verbs[i].arguments) {
            *verb = verbs[i].verb;
            return verbs[i].arguments;
        }
    }
    return 0;
}

static bool read_step(struct command_context *context, size_t index, struct field_step *step) {
    if (!field_type_read(context->arguments[index + 1], &step->type)) {
        reply_error(context->reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
                                    "not supported but i64 is.");
        return false;
    }
    if (!bit_offset_argument(context, index + 2, step->type.bits, &step->offset))
        return false;
    return step->verb == FIELD_GET || argument_integer(context, index + 3, &step->operand);
}

static void add_step(struct field_program *program, const struct field_step *step) {
    program->steps[program->count++] = *step;
    uint64_t end = (step->offset + step->type.bits + 7) / 8;
    if (step->verb != FIELD_GET && end > program->written_bytes)
        program->written_bytes = end;
}

// `program->steps` has room for every step that the arguments can hold.
static bool read_program(struct command_context *context, struct field_program *program) {
    enum field_overflow overflow = FIELD_WRAP;
    size_t index = 2;
    while (index < context->count) {
        struct field_step step = {.overflow = overflow};
        if (argument_is(context, index, "OVERFLOW") && index + 1 < context->count) {
            if (!read_overflow(context, index + 1, &overflow))
                return false;
            index += 2;
            continue;
        }
        size_t taken = read_verb(context, index, &step.verb);
        if (taken == 0) {
            reply_syntax_error(context);
            return false;
        }
        if (!read_step(context, index, &step))
            return false;
        add_step(program, &step);
        index += taken;
    }
    return true;
}

// Runs a step that writes and replies with what it has to tell.
static void run_write(struct command_context *context, const struct field_step *step, struct bytes text,
                      char *writable) {
    int64_t old = field_get(text, step->type, step->offset);
    int64_t changed = 0;
    bool fits = step->verb == FIELD_SET ? field_fit(step->type, step->operand, step->overflow, &changed)
                                        : field_add(step->type, old, step->operand, step->overflow, &changed);
    if (!fits) {
        reply_null(context->reply);
        return;
    }
    field_set(writable, step->type, step->offset, changed);
    reply_integer(context->reply, step->verb == FIELD_SET ? old : changed);
}

// `writable` is the text's memory, or NULL if no step writes.
static void run_program(struct command_context *context, const struct field_program *program,
                        struct bytes text, char *writable) {
    reply_array(context->reply, program->count);
    for (size_t i = 0; i < program->count; i++) {
        const struct field_step *step = &program->steps[i];
        if (step->verb == FIELD_GET)
            reply_integer(context->reply, field_get(text, step->type, step->offset));
        else
            run_write(context, step, text, writable);
    }
}

// The string becomes long enough for every field that is written, also for one whose change fails.
static void change_fields(struct command_context *context, const struct field_program *program,
                          const struct store_value *old) {
    size_t old_length = old->payload.length;
    size_t length = program->written_bytes > old_length ? program->written_bytes : old_length;
    char *copy = memory_try_allocate(length);
    if (copy == NULL) {
        reply_error(context->reply, "ERR not enough memory to change the string");
        return;
    }
    if (old_length != 0)
        memcpy(copy, old->payload.data, old_length);
    memset(copy + old_length, 0, length - old_length);
    struct bytes text = {copy, length};
    run_program(context, program, text, copy);
    string_stage(context, context->arguments[1], old, text);
    free(copy);
}

static void execute(struct command_context *context, const struct field_program *program) {
    struct store_value value;
    if (string_read_bits(context, context->arguments[1], &value) == VALUE_FAILED)
        return;
    if (program->written_bytes == 0)
        run_program(context, program, value.payload, NULL);
    else
        change_fields(context, program, &value);
    store_value_release(&value);
}

static void bitfield(struct command_context *context, bool read_only) {
    struct field_program program = {0};
    program.steps = memory_allocate(context->count / 3 * sizeof(*program.steps));
    if (read_program(context, &program)) {
        if (read_only && program.written_bytes != 0)
            reply_error(context->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        else
            execute(context, &program);
    }
    free(program.steps);
}

void command_bitfield(struct command_context *context) {
    bitfield(context, false);
}

void command_bitfield_ro(struct command_context *context) {
    bitfield(context, true);
}
