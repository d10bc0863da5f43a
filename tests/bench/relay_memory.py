# SPDX-License-Identifier: ISC
"""Resident memory of the relay: fresh, with 500 sessions, after a million that never ended, and in an outage."""

from tests.bench.relay_rig import Rig, opening, request, rig, show

SESSIONS = 500  # what smtpd takes with the usual limit of 1024 descriptors
MANY_SESSIONS = 1_000_000
OUTAGE_FAILURES = 50_000  # more than the backlog holds


def open_sessions(running: Rig, first: int, last: int) -> None:
    """Open sessions in batches, each followed by a request that keeps step."""
    for start in range(first, last, 1000):
        numbers = range(start, min(start + 1000, last))
        running.exchange([*(line for number in numbers for line in opening(number)), request(start)], 1)


def main() -> None:
    """Print the figures."""
    with rig() as running, running.daemon():
        running.greet()
        show("relay_resident_fresh", running.resident_mib(), "MiB")
        for number in range(SESSIONS):
            running.exchange([*opening(number), request(number)], 1)
        show("relay_resident_500_sessions", running.resident_mib(), "MiB")
        running.exchange([request(number) for number in range(SESSIONS)], SESSIONS)
        show("relay_resident_500_requests", running.resident_mib(), "MiB")
        open_sessions(running, SESSIONS, MANY_SESSIONS)
        show("relay_resident_1000000_sessions", running.resident_mib(), "MiB")
    with rig(deadline_ms=60_000) as running:
        running.greet()
        failure = b"report|0.7|1795225454.231733|smtp-in|link-auth|%016x|fail|alice@example.org\n"
        lines = [line for number in range(SESSIONS) for line in opening(number)]
        lines += [failure % (number % SESSIONS) for number in range(OUTAGE_FAILURES)]
        lines += [request(number) for number in range(SESSIONS)]
        running.stream.sendall(b"".join(lines))
        with running.daemon():
            running.exchange([], SESSIONS)
            show("relay_resident_after_outage", running.resident_mib(), "MiB")


if __name__ == "__main__":
    main()
