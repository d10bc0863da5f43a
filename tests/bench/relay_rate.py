# SPDX-License-Identifier: ISC
"""
Speed of the relay: lines passed a second, processor time for each, and the time of one answer.

smtpd, relay and daemon are three processes and share the processors of this machine.
"""

import statistics
import time

from tests.bench.relay_rig import opening, request, rig, show

SESSIONS = 50_000
QUESTIONS = 2_000


def main() -> None:
    """Print the figures."""
    with rig(deadline_ms=60_000) as running, running.daemon():
        running.greet()
        running.exchange([request(0)], 1)
        lines = []
        for number in range(SESSIONS):
            disconnect = b"report|0.7|1795225454.231733|smtp-in|link-disconnect|%016x\n" % number
            lines += [*opening(number), request(number), disconnect]
        start_s, start_cpu_s = time.perf_counter(), running.cpu_s()
        running.exchange(lines, SESSIONS)
        show("relay_rate", len(lines) / (time.perf_counter() - start_s), "lines/s")
        show("relay_cpu", (running.cpu_s() - start_cpu_s) / len(lines) * 1e6, "us/line")
        times_s = []
        for number in range(QUESTIONS):
            start_s = time.perf_counter()
            running.stream.sendall(request(number))
            running.reader.readline()
            times_s.append(time.perf_counter() - start_s)
        show("relay_answer_median", statistics.median(times_s) * 1e6, "us")


if __name__ == "__main__":
    main()
