# SPDX-License-Identifier: ISC
"""
What replaying costs: a log of a million lines, of Postfix and Dovecot as one host writes them, read and judged.

Prints one JSON object a line.
"""

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filter_ban.config import Config
from filter_ban.replay.run import Replay
from filter_ban.replay.traffic import Traffic
from tests.bench.figure import show

LINES = 1_000_000
CLIENTS = 5000
YEAR = 2026
START_S = 1_772_000_000


def sessions(seed: int) -> Iterator[tuple[str, ...]]:
    """Yield sessions without end: guesses over SMTP and IMAP, logins, and deliveries by other servers."""
    rng = random.Random(seed)
    while True:
        number = rng.randrange(CLIENTS)
        client = f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        process = rng.randrange(1000, 30_000)
        smtpd = f"postfix/submission/smtpd[{process}]"
        match rng.randrange(4):
            case 0:
                yield (
                    f"{smtpd}: connect from unknown[{client}]",
                    (
                        f"{smtpd}: warning: unknown[{client}]: SASL LOGIN authentication failed: (reason unavailable), "
                        f"sasl_username=user{number % 97}@example.org"
                    ),
                    f"{smtpd}: lost connection after AUTH from unknown[{client}]",
                    f"{smtpd}: disconnect from unknown[{client}] ehlo=1 auth=0/1 commands=1/2",
                )
            case 1:
                name = f"<{rng.getrandbits(48):012x}>"
                yield (
                    f"dovecot: auth: passwd-file(user{number % 97},{client},{name}): Password mismatch",
                    (
                        "dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): "
                        f"user=<user{number % 97}>, method=PLAIN, rip={client}, lip=192.0.2.1, TLS, session={name}"
                    ),
                )
            case 2:
                yield (
                    f"{smtpd}: connect from mail.example.net[{client}]",
                    f"{smtpd}: 4F3C61A0: client=mail.example.net[{client}], sasl_method=PLAIN, sasl_username=alice",
                    "postfix/cleanup[77]: 4F3C61A0: message-id=<1@example.net>",
                    "postfix/qmgr[78]: 4F3C61A0: from=<alice@example.org>, size=1200, nrcpt=1 (queue active)",
                    f"{smtpd}: disconnect from mail.example.net[{client}] ehlo=2 starttls=1 auth=1 mail=1 commands=8",
                )
            case _:
                yield (
                    (
                        f"dovecot: imap-login: Login: user=<alice@example.org>, method=PLAIN, rip={client}, "
                        "lip=192.0.2.1, mpid=1, TLS, session=<vZFNvL9gx4sKYgAa>"
                    ),
                    "dovecot: imap(alice@example.org)<1><vZFNvL9gx4sKYgAa>: Disconnected: Logged out in=9 out=518",
                )


def write_log(file: Path) -> None:
    """Write a log of LINES lines, some a second."""
    written = 0
    with file.open("w") as log:
        for session in sessions(1):
            for line in session:
                stamp = time.strftime("%b %e %H:%M:%S", time.gmtime(START_S + written // 5))
                log.write(f"{stamp} mx {line}\n")
                written += 1
                if written == LINES:
                    return


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mail.log"
        write_log(file)
        traffic = Traffic([file], year=YEAR)
        replay = Replay(Config())
        began_s = time.perf_counter()
        for signal in traffic.signals():
            replay.take(signal)
        took_s = time.perf_counter() - began_s
    show("replay_million_lines", took_s * 1e6 / traffic.lines, "s")
    show("replay_signals", replay.counts.total(), "signals")
    show("replay_bans", len(replay.cases), "bans")


if __name__ == "__main__":
    main()
