// SPDX-License-Identifier: Apache-2.0
//
// Assertions that stay on in release builds: a server that has lost track of its own state must stop, not
// write. May use: the C library.
#ifndef KVFENCE_BASE_ASSERT_H
#define KVFENCE_BASE_ASSERT_H

// Logs where and what at level fatal and aborts the process. Never returns.
_Noreturn void assertion_failed(const char *expression, const char *file, int line, const char *meaning);

// `meaning` says in words what no longer holds.
#define always_assert(expression, meaning)                                                                   \
    ((expression) ? (void)0 : assertion_failed(#expression, __FILE__, __LINE__, meaning))

#endif
