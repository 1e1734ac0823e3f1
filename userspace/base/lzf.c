// SPDX-License-Identifier: Apache-2.0
//
// The input is a row of instructions. A byte below 32 says how many bytes follow as they are, less one.
// Otherwise its upper three bits are the length of a repetition less two, 7 meaning that the next byte is to
// be added, and its lower five bits with the byte behind them say how far back it begins, less one. Uses: the
// C library.
#include "base/lzf.h"

#include <stdint.h>

struct lzf {
    const unsigned char *input;
    size_t input_left;
    char *out;
    size_t made, room;
};

static bool take(struct lzf *lzf, size_t *byte) {
    if (lzf->input_left == 0)
        return false;
    *byte = *lzf->input++;
    lzf->input_left--;
    return true;
}

static bool copy_literal(struct lzf *lzf, size_t length) {
    if (length > lzf->input_left || length > lzf->room - lzf->made)
        return false;
    memcpy(lzf->out + lzf->made, lzf->input, length);
    lzf->made += length;
    lzf->input += length;
    lzf->input_left -= length;
    return true;
}

// The repetition may reach into what it makes itself.
static bool repeat(struct lzf *lzf, size_t control) {
    size_t length = control >> 5;
    size_t more = 0;
    size_t low = 0;
    if (length == 7 && !take(lzf, &more))
        return false;
    if (!take(lzf, &low))
        return false;
    length += more + 2;
    size_t back = ((control & 31) << 8 | low) + 1;
    if (back > lzf->made || length > lzf->room - lzf->made)
        return false;
    for (; length != 0; length--, lzf->made++)
        lzf->out[lzf->made] = lzf->out[lzf->made - back];
    return true;
}

bool lzf_decompress(struct bytes input, char *out, size_t length) {
    struct lzf lzf = {.input = (const unsigned char *)input.data, .input_left = input.length, .room = length};
    lzf.out = out;
    size_t control = 0;
    while (take(&lzf, &control)) {
        bool copied = control < 32 ? copy_literal(&lzf, control + 1) : repeat(&lzf, control);
        if (!copied)
            return false;
    }
    return lzf.made == length;
}
