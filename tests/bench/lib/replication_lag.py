#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loads a master with redis-benchmark and watches how far behind its replica is.

    replication_lag.py SECONDS MASTER_HOST MASTER_PORT REPLICA_HOST REPLICA_PORT

Every 50 ms both are asked for the sequence number that they have reached. The lag in time is how long ago the master was
where the replica is. Fails if the replica falls behind by a second or more, during the load or after it.
"""
import bisect
import re
import socket
import subprocess
import sys
import time

STEP = 0.05


class Node:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def sequence(self):
        self.socket.sendall(b"INFO replication\r\n")
        text = b""
        while not re.match(rb"\$(\d+)\r\n", text) or len(text) < text.index(b"\n") + 3 + int(text[1:text.index(b"\r")]):
            text += self.socket.recv(65536)
        return int(re.search(rb"master_repl_offset:(\d+)", text)[1])


def load(host, port, requests):
    command = ["redis-benchmark", "-h", host, "-p", port, "-c", "50", "-P", "16", "-d", "64", "-r", "1000000"]
    return subprocess.Popen(command + ["-t", "set", "-n", str(requests), "--csv"], stdout=subprocess.DEVNULL)


class Watch:
    """Samples; each a time, what the master had then, and what the replica had."""

    def __init__(self, master, replica):
        self.master, self.replica = master, replica
        self.times, self.written, self.applied = [], [], []

    def sample(self):
        self.applied.append(self.replica.sequence())  # first, so that it is never ahead
        self.written.append(self.master.sequence())
        self.times.append(time.monotonic())

    def behind(self, at):
        """In seconds: how long before the sample the master was where the replica was."""
        after = bisect.bisect_right(self.written, self.applied[at], 0, at + 1)
        if after > at:
            return 0.0
        if after == 0:
            return self.times[at] - self.times[0]
        gained = self.written[after] - self.written[after - 1]
        part = (self.applied[at] - self.written[after - 1]) / gained
        then = self.times[after - 1] + part * (self.times[after] - self.times[after - 1])
        return self.times[at] - then

    def line(self, title, first, last):
        numbers = [self.written[i] - self.applied[i] for i in range(first, last)]
        milliseconds = sorted(1000 * self.behind(i) for i in range(first, last))
        print("  lag %-24s %8d writes on average, %8d at most; %6.0f ms in the median, %6.0f at most" % (
            title, sum(numbers) / len(numbers), max(numbers), milliseconds[len(milliseconds) // 2], milliseconds[-1]))
        return milliseconds[-1]


def main():
    seconds, master_address, replica_address = float(sys.argv[1]), sys.argv[2:4], sys.argv[4:6]
    watch = Watch(Node(*master_address), Node(*replica_address))
    begun = time.monotonic()
    load(*master_address, 200000).wait()  # how fast it is
    requests = int(200000 / (time.monotonic() - begun) * seconds)
    while watch.master.sequence() != watch.replica.sequence():
        time.sleep(STEP)
    watch.sample()
    benchmark = load(*master_address, requests)
    while benchmark.poll() is None:
        watch.sample()
        time.sleep(STEP)
    if benchmark.returncode != 0:
        sys.exit("redis-benchmark failed")
    watch.sample()
    end, count = watch.times[-1], len(watch.times)
    written, applied = watch.written[-1] - watch.written[0], watch.applied[-1] - watch.applied[0]
    elapsed = end - watch.times[0]
    print("  the master: %d writes in %.1f s, %.0f a second; the replica had applied %.4f of them at the end" % (
        written, elapsed, written / elapsed, applied / written))
    worst = watch.line("in the first third", 1, count // 3)
    worst = max(worst, watch.line("in the last third", count - count // 3, count))
    while watch.replica.sequence() < watch.written[-1]:
        if time.monotonic() > end + 60:
            sys.exit("the replica does not catch up")
        time.sleep(0.001)
    drain = 1000 * (time.monotonic() - end)
    print("  it had everything %.0f ms after the load; wanted: never a second behind" % drain)
    sys.exit(0 if max(worst, drain) < 1000 else "the replica falls behind")


main()
