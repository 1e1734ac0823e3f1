// SPDX-License-Identifier: Apache-2.0
//
// Half a byte at a time: the table is small enough to be read. Uses: the C library.
#include "base/crc64.h"

// What four zero bits make of each value of the lowest four, for the reflected polynomial 0x95ac9329ac4bc9b5.
static const uint64_t table[16] = {
    0x0000000000000000U, 0x7d08ff3b88be6f81U, 0xfa11fe77117cdf02U, 0x8719014c99c2b083U,
    0xdf7adabd7a6e2d6fU, 0xa2722586f2d042eeU, 0x256b24ca6b12f26dU, 0x5863dbf1e3ac9decU,
    0x95ac9329ac4bc9b5U, 0xe8a46c1224f5a634U, 0x6fbd6d5ebd3716b7U, 0x12b5926535897936U,
    0x4ad64994d625e4daU, 0x37deb6af5e9b8b5bU, 0xb0c7b7e3c7593bd8U, 0xcdcf48d84fe75459U,
};

uint64_t crc64(uint64_t crc, struct bytes bytes) {
    for (size_t i = 0; i < bytes.length; i++) {
        crc ^= (unsigned char)bytes.data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}
