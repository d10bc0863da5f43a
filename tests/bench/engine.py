# SPDX-License-Identifier: ISC
"""
What judging costs: lines decoded, counted and answered a second, time of a failure, and memory for a million clients.

The ceiling is a loop that only splits the same lines, in the same chunks and the same run. Prints one JSON object a
line; rates are the best of several runs, because a shared machine only ever makes them worse. A failure's processor
time is the median.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

from filter_ban.client import ClientKey, make_key
from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.daemon import garbage
from filter_ban.engine import Engine, Policy
from filter_ban.engine.history import NO_SECRET
from filter_ban.engine.outbox import Outbox
from filter_ban.model import Kind
from filter_ban.sensors.opensmtpd import OpensmtpdSensor
from filter_ban.sensors.sensor import Means
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts
from tests.bench.figure import show

CHUNK_BYTES = 1 << 16
RUNS = 7
SESSIONS = 20_000
CLIENTS = 1_000_000
START_S = 1_763_690_000.0
OFFICE = make_key(bytes((198, 51, 100, 7)), 32)
KNOWN_USERS = 50
TOKEN = "c224c6d1157eb2aa"
LIMIT = 5
FAILURES = 100_000
EVERY_RULE = """
[users]
domains = ["example.org", "example.net"]
traps = ["webmaster", "test"]
[[override]]
networks = ["198.51.100.0/24"]
factor = 0.5
windows = ["50 in 1h"]
[[override]]
services = ["dovecot imap"]
windows = ["20 in 1h"]
"""

Lines = list[str]


class Traffic:
    """The lines that a server of protocol 0.7 sends for what the relay registers, session by session."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._now_s = START_S
        self._number = 0

    def _session(
        self, client: str, port: int
    ) -> tuple[Callable[[str, str], str], Callable[[str, str], str], Lines]:
        self._now_s += 0.01
        self._number += 1
        session = f"{self._random.getrandbits(64):016x}"

        def report(event: str, fields: str) -> str:
            return f"report|0.7|{self._now_s:.6f}|smtp-in|{event}|{session}{fields}"

        def ask(phase: str, fields: str) -> str:
            return f"filter|0.7|{self._now_s:.6f}|smtp-in|{phase}|{session}|{TOKEN}|{fields}"

        return (
            report,
            ask,
            [
                report(
                    "link-connect",
                    f"|<unknown>|fail|{client}:{self._number % 60_000 + 1024}|192.0.2.1:{port}",
                ),
                ask("connect", f"<unknown>|{client}"),
            ],
        )

    def _greeted(
        self, client: str, port: int
    ) -> tuple[Callable[[str, str], str], Callable[[str, str], str], Lines]:
        report, ask, lines = self._session(client, port)
        lines += [
            report("link-identify", "|EHLO|client.example.net"),
            report("link-tls", "|TLSv1.3:TLS_AES_256_GCM_SHA384:256"),
            report("link-identify", "|EHLO|client.example.net"),
        ]
        return report, ask, lines

    def guess(self, client: str) -> Lines:
        """Return a session with one failed login."""
        report, ask, lines = self._greeted(client, 587)
        secret = f"AGFsaWNlQGV4YW1wbGUub3JnAFNlc2FtZS1Xcm9u{self._number:06d}=="
        return [
            *lines,
            ask("auth", f"PLAIN {secret}"),
            report("link-auth", f"|fail|user{self._number % 50}@example.org"),
            report("link-disconnect", ""),
        ]

    def refused(self, client: str) -> Lines:
        """Return a session of a client that is refused at connect."""
        report, _, lines = self._session(client, 587)
        return [*lines, report("link-disconnect", "")]

    def submission(self, client: str) -> Lines:
        """Return a session of an honest user who sends a message."""
        report, ask, lines = self._greeted(client, 587)
        return [
            *lines,
            ask("auth", f"PLAIN AGFsaWNlAFJpZ2h0{self._number:06d}=="),
            report("link-auth", "|pass|alice@example.org"),
            ask("mail-from", "alice@example.org"),
            report("link-disconnect", ""),
        ]

    def delivery(self, client: str) -> Lines:
        """Return a session of another mail server that delivers a message."""
        report, ask, lines = self._greeted(client, 25)
        return [*lines, ask("mail-from", "someone@example.net"), report("link-disconnect", "")]


def attack(seed: int) -> Iterator[str]:
    """Yield the lines of nothing but guessers: 6,000 clients, each refused from its sixth session on."""
    traffic, chance, failures = Traffic(seed), random.Random(seed), dict[str, int]()
    for _ in range(SESSIONS):
        client = f"10.1.{chance.randrange(24)}.{chance.randrange(250)}"
        failures[client] = failures.get(client, 0) + 1
        yield from traffic.guess(client) if failures[client] <= LIMIT else traffic.refused(client)


def mail_server(seed: int) -> Iterator[str]:
    """Yield the lines of a server in use: of three sessions one guesses, one delivers and one submits mail."""
    traffic, chance = Traffic(seed), random.Random(seed)
    guessers = attack_clients(chance)
    for number in range(SESSIONS):
        match number % 3:
            case 0:
                yield from traffic.guess(next(guessers))
            case 1:
                yield from traffic.delivery(f"203.0.113.{chance.randrange(250)}")
            case _:
                yield from traffic.submission(f"198.51.100.{chance.randrange(250)}")


def attack_clients(chance: random.Random) -> Iterator[str]:
    """Yield clients none of which comes often enough to be banned."""
    clients = [f"10.2.{number >> 8}.{number & 255}" for number in range(SESSIONS // 6)] * 4
    chance.shuffle(clients)
    yield from clients


def chunks(lines: Iterator[str]) -> tuple[list[bytes], int]:
    """Return *lines* as a stream cut in chunks, and their number."""
    text = [*lines]
    stream = "".join(f"{line}\n" for line in text).encode()
    return [stream[at : at + CHUNK_BYTES] for at in range(0, len(stream), CHUNK_BYTES)], len(text)


def only_split(stream: list[bytes]) -> None:
    """Split the lines, and nothing else."""
    for chunk in stream:
        for line in chunk.split(b"\n"):
            line.split(b"|")


def judge(stream: list[bytes]) -> None:
    """Decode, count and answer."""
    config = parse_config("")
    policy = Policy.compile(config)
    engine = Engine(policy)
    sensor = OpensmtpdSensor(
        Means(
            engine=engine,
            clients=Clients(policy),
            verdicts=Verdicts(engine, config.reply.banned),
            users=UserTags(b"0123456789abcdef"),
            secrets=SecretTags(),
            clock=time.time,
        ),
        smtps_ports=config.opensmtpd.smtps_ports,
        submission_ports=config.opensmtpd.submission_ports,
        bad_helo=config.helo.bad,
    )
    sensor.receive_data(b"config|protocol|0.7\nconfig|ready\n")
    for chunk in stream:
        sensor.receive_data(chunk)
        engine.outbox.strikes.clear()


def best_s(work: Callable[[list[bytes]], None], stream: list[bytes]) -> float:
    """Return the shortest time that *work* took."""
    times = []
    for _ in range(RUNS):
        begun_s = time.perf_counter()
        work(stream)
        times.append(time.perf_counter() - begun_s)
    return min(times)


def show_rate(name: str, lines: Iterator[str]) -> None:
    """Print how many lines a second are judged, and how many only split."""
    stream, count = chunks(lines)
    show(name, count / best_s(judge, stream), "lines/s", ceiling=count / best_s(only_split, stream))


Failure = tuple[Kind, ClientKey, float, str, int, int, str]


def failures(seed: int, users: int) -> Iterator[Failure]:
    """
    Yield failed logins, one a second, as a server sees them that is attacked in every way.

    Of a hundred, 60 are a botnet's, ten of a few guessers who go on while they are banned, ten an IPv6 hopper's, ten of
    a /24, eight for a trap or a foreign domain, and two of an office whose users are known. The fewer *users* there are,
    the more of them are besieged.
    """
    chance = random.Random(seed)
    for number in range(FAILURES):
        user = f"user{chance.randrange(users)}"
        client = make_key(bytes((10, chance.randrange(20), chance.randrange(250), 7)), 32)
        fate = number % 100
        if fate < 10:
            client = make_key(bytes((203, 0, 113, chance.randrange(9))), 32)
        elif fate < 20:
            client = make_key(b"\x20\x01\x0d\xb8\0\0" + chance.randbytes(2) + bytes(8), 64)
        elif fate < 30:
            client = make_key(bytes((192, 0, 2, chance.randrange(250))), 32)
        elif fate < 38:
            user = chance.choice(("test", "alice@elsewhere.example"))
        elif fate < 40:
            client, user = OFFICE, f"user{chance.randrange(KNOWN_USERS)}"
        service = "dovecot imap" if number % 4 else "192.0.2.1:587"
        yield (
            *(Kind.AUTH_FAIL, client, START_S + number, user),
            *(crc32(user.encode()), chance.getrandbits(32) | 2 if number % 3 else NO_SECRET, service),
        )


def cpu_per_failure_us(signals: list[Failure]) -> float:
    """Return the processor time of a failure with every rule on, and what a service does beside: end bans, settle."""
    engine = Engine(Policy.compile(parse_config(EVERY_RULE)))
    for number in range(KNOWN_USERS):
        engine.success(OFFICE, crc32(f"user{number}".encode()), START_S)
    begun_s = time.process_time()
    for number, signal in enumerate(signals):
        engine.strike(*signal)
        if not number % 100:
            engine.expire(signal[2])
            engine.outbox = Outbox()
    return (time.process_time() - begun_s) / len(signals) * 1e6


def show_failure(name: str, users: int) -> None:
    """Print what a failure costs where so many user names are tried."""
    signals = [*failures(3, users)]
    show(name, statistics.median(cpu_per_failure_us(signals) for _ in range(RUNS)), "us")


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


def track(engine: Engine, first: int, count: int) -> None:
    """Let *count* clients, half of them IPv6, fail once."""
    for number in range(first, first + count):
        client: ClientKey = (
            make_key(number.to_bytes(4), 32) if number % 2 else make_key((number << 80).to_bytes(16), 64)
        )
        engine.strike(Kind.AUTH_FAIL, client, START_S + number / 100, f"user{number}", number + 1, number + 2)
        if not number % 1000:
            engine.outbox.strikes.clear()


def show_memory() -> None:
    """Print the memory of a million tracked clients, and of the same number after as many more have come."""
    engine = Engine(Policy.compile(parse_config("")))
    before = resident_bytes()
    begun_s = time.perf_counter()
    track(engine, 0, CLIENTS)
    show("strike", (time.perf_counter() - begun_s) / CLIENTS * 1e6, "us")
    show("memory_per_client", (resident_bytes() - before) / CLIENTS, "bytes")
    track(engine, CLIENTS, 2 * CLIENTS)
    show("memory_per_client_after_3000000", (resident_bytes() - before) / CLIENTS, "bytes")


def main() -> None:
    """Measure."""
    garbage.keep_short()
    show_failure("cpu_per_failure", 20_000)
    show_failure("cpu_per_failure_siege", 300)
    show_memory()
    gc.collect()
    show_rate("decode_count_answer", mail_server(1))
    show_rate("decode_count_answer_attack", attack(2))


if __name__ == "__main__":
    main()
