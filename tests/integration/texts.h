// SPDX-License-Identifier: Apache-2.0
//
// Looking for texts in replies. Include after cmocka.h.
#ifndef KVFENCE_TESTS_INTEGRATION_TEXTS_H
#define KVFENCE_TESTS_INTEGRATION_TEXTS_H

#include <stddef.h>

// Where the text goes on after `wanted`; fails if it is not in there.
const char *text_after(const char *text, const char *wanted);
// Fails unless the texts are in there, one after the other.
void expect_in_order(const char *text, const char *const *wanted, size_t count);
#define EXPECT_IN_ORDER(text, wanted) expect_in_order(text, wanted, sizeof(wanted) / sizeof((wanted)[0]))

#endif
