#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fills a server with keys whose values do not compress.

    random_values.py HOST PORT MEGABYTES BYTES_A_VALUE
"""
import os
import socket
import sys

BATCH = 256


def read_replies(connection, count):
    seen = 0
    while seen < count:
        text = connection.recv(65536)
        if not text or b"-" in text:
            sys.exit("the server answers: %r" % text[:200])
        seen += text.count(b"\n")


def main():
    host, port, megabytes, size = sys.argv[1], *map(int, sys.argv[2:5])
    connection = socket.create_connection((host, port), timeout=60)
    count = megabytes * 1024 * 1024 // size
    values = os.urandom(size * BATCH * 4)
    for first in range(0, count, BATCH):
        batch = []
        shift = first % (size * 3)
        if shift == 0 or first % (BATCH * 64) == 0:
            values = os.urandom(size * BATCH * 4)
        for number in range(first, min(first + BATCH, count)):
            at = shift + (number - first) * size
            batch.append(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n" % (number * 7919 % count, size))
            batch.append(values[at:at + size])
            batch.append(b"\r\n")
        connection.sendall(b"".join(batch))
        read_replies(connection, len(batch) // 3)


main()
