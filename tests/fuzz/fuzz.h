// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz target provides: fuzz_NAME.c defines one function that feeds the bytes to the code under test
// and aborts if a property does not hold. libFuzzer calls it (make fuzz), and so does replay_main.c (make
// test).
#ifndef KVFENCE_FUZZ_FUZZ_H
#define KVFENCE_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

// Returns 0. `data` is valid during the call only. The name is libFuzzer's choice.
// NOLINTNEXTLINE(readability-identifier-naming)
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
