# SPDX-License-Identifier: ISC
"""
Make docs/images/watch.svg: ``filter-ban watch`` on a real daemon.

An hour of a seeded attack is judged by the engine and put into a ledger; a daemon is started on that, in a network of
its own with nftables where we are root, and attacked on while the view is taken.
"""

import contextlib
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from filter_ban.cli.watch import errands
from filter_ban.cli.watch.look import UNICODE
from filter_ban.cli.watch.screen import Screen
from filter_ban.cli.watch.view import rows
from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.ledger import Ledger
from filter_ban.model import Kind
from filter_ban.signals import Signal, feed
from tests.filter_ban.daemon.process import Daemon, Smtpd, wait_for

ROOT: Final = Path(__file__).parents[2]
PICTURE: Final = ROOT / "docs" / "images" / "watch.svg"
SIZE: Final = (100, 33)
SEED: Final = 20
HOUR_S: Final = 3600
HOST: Final = "mail.example.org"
USERS: Final = ("alice", "bob", "info", "admin", "office", "postmaster")
SERVICES: Final = ("smtps", "submission", "imap")
FIREWALL: Final = '[firewall]\nbackend = "nftables"\nports = [25, 465, 587]\n'
THEME: Final = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [(22, 27, 34), (248, 81, 73), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255), (57, 197, 207), (201, 209, 217)],
    [(110, 118, 129), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255), (86, 212, 221), (240, 246, 252)],
)  # fmt: skip


KNOCK: Final = """
import socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for number, client in enumerate(sys.argv[1:]):
    subprocess.run(["ip", "address", "add", client, "dev", "lo"], check=True)
    for _ in range(3 + number * 7 % 31):
        with socket.socket() as guest:
            guest.setblocking(False)
            guest.bind((client, 0))
            guest.connect_ex(("127.0.0.1", 587))
"""


def main() -> None:
    """Make the picture."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fb")))
        has_firewall = os.geteuid() == 0 and shutil.which("nft") is not None
        daemon = Daemon(
            folder, FIREWALL if has_firewall else "", prefix=("unshare", "--net") if has_firewall else ()
        )
        stack.callback(daemon.peers.close)
        stack.callback(daemon.kill)
        fill(daemon.ledger)
        daemon.start()
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(drawn(attacked(daemon)))


def attack(now_s: float) -> Iterator[Signal]:
    """Yield the failed logins of the hour before *now_s*: single guessers, waves, and who mistypes."""
    chance = random.Random(SEED)  # noqa: S311 - no secret depends on it
    guesses: list[Signal] = []
    for number in range(70):
        wave_s = chance.choice([chance.uniform(60, HOUR_S), chance.gauss(1500, 150), chance.gauss(400, 60)])
        address = f"198.{chance.choice([18, 19])}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        if number % 9 == 0:
            address = (
                f"2001:db8:{chance.randrange(1, 0xFFFF):x}:{chance.randrange(1, 0xFFFF):x}::{number + 1:x}"
            )
        guesses += [
            Signal(
                time_s=now_s - wave_s + attempt * chance.uniform(1, 40),
                kind=Kind.AUTH_FAIL,
                address=address,
                service=chance.choice(SERVICES),
                user=f"{chance.choice(USERS)}@example.org",
                user_tag=chance.randrange(1, 2**31),
                secret=chance.randrange(2, 2**31),
            )
            for attempt in range(chance.choice([1, 2, 3, 4, 5, 5, 5, 5]))
        ]
    yield from sorted((guess for guess in guesses if guess.time_s < now_s), key=lambda guess: guess.time_s)


def fill(path: Path) -> None:
    """Have the engine judge the attack, and the ledger remember it."""
    policy = Policy.compile(parse_config(""))
    engine, clients, now_s = Engine(policy), Clients(policy), time.time()
    for signal in attack(now_s):
        feed(engine, clients, signal)
    with Ledger.open(path, now_s) as ledger:
        ledger.record_strikes(engine.outbox.strikes)
        ledger.record_bans(engine.outbox.bans)


def attacked(daemon: Daemon) -> Screen:
    """Go on with the attack at *daemon*, and return what is to be seen then."""
    smtpd = Smtpd(daemon)
    for client in daemon.bans():
        if "/" not in client:
            smtpd.connect(client)
    for client, guesses in (
        ("203.0.113.77", 4),
        ("198.51.100.23", 3),
        ("2001:db8:5ca1:ab1e::7", 2),
        ("192.0.2.66", 5),
    ):
        smtpd.guess(client, guesses)
    wait_for(lambda: refused(daemon), "refusals are counted")
    wait_for(
        lambda: daemon.bans()["192.0.2.66"]["enforcement"] in ("in-force", "in-band"), "the ban is in force"
    )
    wait_for(lambda: not daemon.status()["restoring"], "the strikes are read back")
    if daemon.prefix:
        knock(daemon)
    screen = Screen(HOST)
    screen.heed(errands.Answer(errands.look(), daemon.ask("watch", fresh=True)[0]))
    screen.press("tab")
    return screen


def knock(daemon: Daemon) -> None:
    """Have banned clients send packets in the daemon's own network, and have these counted."""
    clients = [client for client in daemon.bans() if ":" not in client]
    command = ["nsenter", f"--net=/proc/{daemon.pid}/ns/net", sys.executable, "-c", KNOCK, *clients]
    subprocess.run(command, check=True)
    daemon.ask("resync")


def refused(daemon: Daemon) -> bool:
    """Return whether the graph shows refusals."""
    return bool(daemon.ask("watch", fresh=True)[0]["minutes"]["refused"][-1])


def drawn(screen: Screen) -> str:
    """Return the picture; it fetches nothing from elsewhere."""
    width, height = SIZE
    console = Console(
        record=True, file=io.StringIO(), width=width, force_terminal=True, color_system="truecolor"
    )
    for row in rows(screen, width, height, UNICODE):
        console.print(row, end="", soft_wrap=True)
        console.print()
    form = CONSOLE_SVG_FORMAT.replace('-matrix">', '-matrix" xml:space="preserve">')
    form = re.sub(r"@font-face \{\{.*?\}\}", "", form, flags=re.DOTALL)
    form = form.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")
    picture = console.export_svg(title="filter-ban watch", theme=THEME, code_format=form, unique_id="watch")
    return re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE)


if __name__ == "__main__":
    main()
