// SPDX-License-Identifier: Apache-2.0
//
// What RESTORE is sent: any bytes are read within their bounds or refused, and what was read can be written
// and reads back as the same. An input is a payload without its footer, which would be wrong almost always.
#include "fuzz.h"

#include "base/assert.h"
#include "commands/dump_reader.h"
#include "commands/dump_writer.h"

#include <math.h>
#include <stdlib.h>

static void write_value(struct buffer *out, const struct dump_value *value) {
    static const enum dump_type types[VALUE_TYPE_COUNT] = {
        [VALUE_STRING] = DUMP_STRING, [VALUE_HASH] = DUMP_HASH, [VALUE_LIST] = DUMP_LIST,
        [VALUE_SET] = DUMP_SET,       [VALUE_ZSET] = DUMP_ZSET,
    };
    dump_write_type(out, types[value->type]);
    if (value->type != VALUE_STRING)
        dump_write_count(out, value->type == VALUE_HASH ? value->count / 2 : value->count);
    for (size_t i = 0; i < value->count; i++) {
        dump_write_string(out, dump_value_at(value, i));
        if (value->type == VALUE_ZSET)
            dump_write_score(out, dump_value_score(value, i));
    }
    dump_write_footer(out);
}

static void check_same(const struct dump_value *value, const struct dump_value *again) {
    always_assert(value->type == again->type && value->count == again->count, "a value reads back whole");
    for (size_t i = 0; i < value->count; i++) {
        double score = value->type == VALUE_ZSET ? dump_value_score(value, i) : 0;
        double other = value->type == VALUE_ZSET ? dump_value_score(again, i) : 0;
        always_assert(bytes_equal(dump_value_at(value, i), dump_value_at(again, i)) && score == other &&
                          signbit(score) == signbit(other),
                      "an element reads back as it was");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buffer payload = {0};
    struct buffer written = {0};
    struct dump_value value;
    struct dump_value again;
    buffer_append(&payload, (struct bytes){(const char *)data, size});
    dump_write_footer(&payload);
    // Of exactly this size, so that a read beyond it is seen.
    char *exact = malloc(payload.length);
    always_assert(exact != NULL, "there is memory for an input");
    memcpy(exact, payload.data, payload.length);
    if (dump_read((struct bytes){exact, payload.length}, &value) == NULL) {
        write_value(&written, &value);
        always_assert(dump_read(buffer_bytes(&written), &again) == NULL, "what was written can be read");
        check_same(&value, &again);
        dump_value_release(&again);
    }
    dump_value_release(&value);
    buffer_release(&written);
    buffer_release(&payload);
    free(exact);
    return 0;
}
