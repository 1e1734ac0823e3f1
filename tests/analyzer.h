// SPDX-License-Identifier: Apache-2.0
//
// Read before every test by clang-tidy only (see the Makefile): tells it that a test ends where it calls
// fail_msg(), which cmocka's header does not say.
#ifndef KVFENCE_TESTS_ANALYZER_H
#define KVFENCE_TESTS_ANALYZER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl*,readability-identifier-naming,readability-redundant-declaration)
_Noreturn void _fail(const char *file, int line);

#endif
