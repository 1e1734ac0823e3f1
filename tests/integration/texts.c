// SPDX-License-Identifier: Apache-2.0
//
// Looking for texts. Uses: cmocka.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "texts.h"

#include <string.h>

const char *text_after(const char *text, const char *wanted) {
    const char *at = strstr(text, wanted);
    if (at != NULL)
        return at + strlen(wanted);
    fail_msg("'%s' is missing or out of order in: %s", wanted, text);
    return text;
}

void expect_in_order(const char *text, const char *const *wanted, size_t count) {
    for (size_t i = 0; i < count; i++)
        text = text_after(text, wanted[i]);
}
