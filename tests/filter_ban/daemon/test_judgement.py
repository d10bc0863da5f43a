# SPDX-License-Identifier: ISC
"""What judgement promises, asked of the whole daemon: decoy, recording, familiar users, sieges, networks, either loop."""

import contextlib
import importlib.util
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filter_ban.ledger import open_reader
from postfix_policy import Action, Dunno
from postfix_policy.testing import FakeSession, FakeSmtpd
from tests.filter_ban.daemon.process import WAIT_S, Daemon, DecoyGuest, Dovecot, Smtpd, free_port, wait_for

BOT = "127.0.0.66"  # loopback: the decoy is asked over TCP
OTHER = "198.51.100.7"
PHONE = "203.0.113.9"
ALICE, BOB = "alice@example.org", "bob@example.org"
MEMBERS = [f"2001:db8:7:{number:x}00::1" for number in range(1, 6)]  # each in a /56 of its own
NEIGHBOUR, RESIDENT, STRANGER = "2001:db8:7:ff00::1", "2001:db8:7:ee00::1", "2001:db8:8:100::1"
SESSIONS = 200
MEGABYTES = 4
GROWTH_KB = 8192
PATIENCE_S = 2


class Site:
    """A daemon with all its doors open; each door's other side."""

    def __init__(self, folder: Path, settings: str = "", *, fast: bool = False) -> None:
        self.decoy_port, self.dovecot_port = free_port(), free_port()
        self.policy_path = str(folder / "policy")
        self.daemon = Daemon(folder, fast=fast)
        self.daemon.configure(
            f"{settings}\n"
            f'[decoy]\nlisten = ["127.0.0.1:{self.decoy_port}"]\n'
            f'[dovecot]\nlisten = ["127.0.0.1:{self.dovecot_port}"]\n'
            f'[postfix]\nlisten = ["unix:{self.policy_path}"]\n'
        )
        self.dovecot = Dovecot(self.dovecot_port)

    def start(self) -> "Site":
        """Start the daemon, and wait until it has read back its past."""
        self.daemon.start()
        wait_for(lambda: not self.daemon.status()["restoring"], "the past is read back")
        return self

    def knock(self, client: str, port: int = 587) -> Action:
        """Return what Postfix is told before it greets *client*."""
        with FakeSmtpd(self.policy_path, timeout_s=WAIT_S) as smtpd:
            return smtpd.ask(FakeSession(client, server_port=port).connect())

    @contextlib.contextmanager
    def at_decoy(self, client: str = BOT) -> Iterator[DecoyGuest]:
        """Connect to the decoy."""
        guest = DecoyGuest(self.decoy_port, client)
        try:
            yield guest
        finally:
            guest.close()

    def doors_that_refuse(self, client: str) -> set[str]:
        """Return where *client* is refused."""
        doors = {
            "smtpd": Smtpd(self.daemon).connect(client)[1].startswith("disconnect|421"),
            "postfix": self.knock(client) != Dunno(),
            "dovecot": not self.dovecot.allows(client),
        }
        if client.startswith("127."):
            with self.at_decoy(client) as guest:
                doors["decoy"] = guest.greeting.startswith("421")
        return {name for name, refused in doors.items() if refused}


Make = Callable[..., Site]
EVERYWHERE = {"smtpd", "postfix", "dovecot", "decoy"}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Provide a function that makes a site; its daemon is ended after the test."""
    made: list[Site] = []

    def make(settings: str = "", *, fast: bool = False) -> Site:
        made.append(Site(tmp_path, settings, fast=fast))
        return made[-1]

    yield make
    for site in made:
        with contextlib.suppress(OSError, IndexError):
            site.daemon.kill()
        site.daemon.peers.close()


# --- the decoy


def test_a_login_at_the_decoy_bans_everywhere_at_once(make: Make) -> None:
    """The first AUTH is enough, for all doors; each AUTH is one strike; who only looks is not banned."""
    site = make().start()
    with site.at_decoy("127.0.0.9") as visitor:
        assert visitor.greeting.startswith("220 ")
        assert visitor.command("EHLO there").startswith("250 ")
    with site.at_decoy() as guest:
        guest.command("EHLO there")
        assert guest.guess().startswith("535 ")
        assert site.doors_that_refuse(BOT) == EVERYWHERE
        for _ in range(2):
            assert guest.guess().startswith("535 ")

    (ban,) = site.daemon.bans().values()
    assert (ban["client"], ban["rule"], ban["firewall"]) == (BOT, "decoy", True)
    shown = site.daemon.ask("show", client=BOT)[0]
    assert [(event["kind"], event["service"], event["user"]) for event in shown["events"]] == [
        ("decoy", "decoy", "al…")
    ] * 3
    assert site.daemon.status()["events"]["decoy"] == 3


def crowd(site: Site, network: int) -> None:
    """Fill the decoy with slow writers, one of them in ten sends megabytes; all log in once, and others are answered."""
    with contextlib.ExitStack() as stack:
        guests = [
            stack.enter_context(site.at_decoy(f"127.0.{network}.{number}"))
            for number in range(1, SESSIONS + 1)
        ]
        for byte in b"AUTH PLAIN AGFsaWNl":
            for guest in guests:
                guest.connection.sendall(bytes((byte,)))
        assert site.doors_that_refuse(OTHER) == set()
        for guest in guests:
            assert guest.command("").startswith("535 ")
        for guest in guests[::10]:
            with contextlib.suppress(OSError):  # it hangs up
                for _ in range(MEGABYTES * 16):
                    guest.connection.sendall(b"\xff\x00" * 32_768)
        assert site.doors_that_refuse(OTHER) == set()


def test_a_crowd_at_the_decoy(make: Make) -> None:
    """Two hundred slow sessions and much garbage are one strike for each AUTH; memory stays, and so do answers."""
    site = make().start()
    crowd(site, 1)
    before_kb = site.daemon.resident_kb()
    for network in (2, 3):
        crowd(site, network)
    assert site.daemon.resident_kb() - before_kb < GROWTH_KB
    assert site.daemon.status()["events"]["decoy"] == 3 * SESSIONS
    assert len(site.daemon.bans()) == 3 * SESSIONS


def test_a_decoy_that_cannot_be_served_is_told(make: Make) -> None:
    """Without aiosmtpd status names what is missing, and all other doors are served."""
    site = make()
    site.daemon.without("aiosmtpd")
    site.start()
    problems = {listener["service"]: listener["problem"] for listener in site.daemon.status()["listeners"]}
    assert problems.pop("decoy") == "without aiosmtpd"
    assert set(problems.values()) == {""}
    assert site.doors_that_refuse(OTHER) == set()


# --- recording

JUDGED = ("client", "start", "end", "rule", "reason", "strikes", "offence", "reference")
RULES = f"""
[users]
domains = ["example.org"]
traps = ["nobody"]
[siege]
clients = 4
patience = "{PATIENCE_S}s"
"""


def verdicts(bans: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what was judged, in an order of its own."""
    return sorted(tuple(ban[name] for name in JUDGED) for ban in bans)


def replay(daemon: Daemon, recording: Path) -> dict[str, Any]:
    """Return what ``filter-ban replay`` finds under the daemon's configuration."""
    argv = [
        sys.executable,
        "-m",
        "filter_ban",
        "--config",
        str(daemon.config),
        "replay",
        "--json",
        str(recording),
    ]
    done = subprocess.run(argv, check=True, capture_output=True, timeout=WAIT_S)
    (result,) = json.loads(done.stdout)["results"]
    assert isinstance(result, dict)
    return result


def everything(site: Site) -> None:
    """Let signals of every kind come from all servers."""
    smtpd, dovecot = Smtpd(site.daemon), site.dovecot
    smtpd.guess("198.51.100.1", 7)
    session, _ = smtpd.connect("198.51.100.2")
    for _ in range(9):
        smtpd.login(session, "b2xk")  # a phone with an old password
    smtpd.login(session, "bmV3", result="pass")
    smtpd.guess("198.51.100.3", 1, "info@example.com")
    smtpd.guess("198.51.100.4", 1, "nobody")
    for attempt in range(4):
        dovecot.report(f"198.51.100.{10 + attempt}", BOB)  # the last one begins a siege
        smtpd.guess("198.51.100.6", 1, f"user{attempt}@example.org")
    dovecot.report("198.51.100.6", "carol@example.org")
    for member, _ in itertools.product(MEMBERS, range(4)):
        dovecot.report(member, f"dora-{member}@example.org")
    dovecot.report(PHONE, success=True)
    for _ in range(8):
        dovecot.report(PHONE)
    with FakeSmtpd(site.policy_path, timeout_s=WAIT_S) as postfix:
        for _ in range(6):
            postfix.ask(FakeSession("198.51.100.8").mail())
        postfix.ask(FakeSession("198.51.100.9").ehlo("ylmf-pc"))
    with site.at_decoy() as guest:
        guest.guess()


def test_a_recording_replayed_gives_the_same_bans(make: Make, tmp_path: Path) -> None:
    """What smtpd, Postfix, Dovecot and decoy tell is in the file, and judged again it comes to what was judged live."""
    recording = tmp_path / "signals"
    site = make(f'{RULES}\n[record]\npath = "{recording}"\n').start()
    everything(site)
    wait_for(lambda: "198.51.100.13" in site.daemon.bans(), "the siege is judged")
    Smtpd(site.daemon).guess(OTHER, 1, "erin@example.org")  # a replay's clock is the next signal
    banned = list(site.daemon.bans().values())
    events = site.daemon.status()["events"]
    site.daemon.stop()

    found = replay(site.daemon, recording)
    assert found["signals"] == events
    assert verdicts(found["bans"]) == verdicts(banned)
    assert {ban["rule"] for ban in banned} >= {"5 in 10m", "foreign-domain", "trap-user", "decoy", "widened"}
    assert b"bob@" not in recording.read_bytes()
    assert (recording.stat().st_mode & 0o777) == 0o600


def test_a_trap_is_recorded_with_any_domain(make: Make, tmp_path: Path) -> None:
    """A trap without a domain is one in all domains, live and replayed."""
    recording = tmp_path / "signals"
    site = make(f'{RULES}\n[record]\npath = "{recording}"\n').start()
    Smtpd(site.daemon).guess(OTHER, 1, "nobody@example.org")
    (ban,) = site.daemon.bans().values()
    site.daemon.stop()
    assert ban["rule"] == "trap-user"
    assert verdicts(replay(site.daemon, recording)["bans"]) == verdicts([ban])


def test_what_cannot_be_recorded_is_told_and_holds_up_nothing(make: Make, tmp_path: Path) -> None:
    """Counting goes on; status says why and how many signals are lost, the log says so once; later ones are recorded."""
    recording = tmp_path / "signals"
    recording.mkdir()
    site = make(f'[record]\npath = "{recording}"\n').start()
    smtpd = Smtpd(site.daemon)
    smtpd.guess(OTHER, 3)
    wait_for(lambda: site.daemon.status()["recording"]["lost"] == 3, "the loss is told")
    assert "signals" in site.daemon.status()["recording"]["problem"]
    smtpd.guess(OTHER, 2)
    assert list(site.daemon.bans()) == [OTHER]
    wait_for(lambda: site.daemon.status()["recording"]["lost"] == 5, "the loss is told")
    assert site.daemon.log.read_text().count("recording-lost") == 1

    recording.rmdir()
    smtpd.guess(PHONE, 1)
    wait_for(lambda: site.daemon.status()["recording"]["written"] == 1, "it is recorded")
    assert site.daemon.status()["recording"]["problem"] == ""


# --- who has logged in


@pytest.mark.parametrize("ending", ["stop", "kill"])
@pytest.mark.parametrize("door", ["smtpd", "dovecot"])
def test_a_login_is_remembered_across_restarts(make: Make, door: str, ending: str) -> None:
    """Then the client's failures for that user are light, and its first ban for others is in the dialogue only."""
    site = make().start()
    if door == "smtpd":
        smtpd = Smtpd(site.daemon)
        smtpd.login(smtpd.connect(PHONE)[0], "cmlnaHQ=", ALICE, "pass")
    else:
        site.dovecot.report(PHONE, success=True)
    if ending == "kill":
        wait_for(lambda: logins(site.daemon), "the login is in the ledger")
    getattr(site.daemon, ending)()
    site.start()

    for client in (PHONE, OTHER):
        for _ in range(5):
            site.dovecot.report(client)
    assert site.daemon.ask("show", client=PHONE)[0]["strikes"] == 1
    assert list(site.daemon.bans()) == [OTHER]
    for _ in range(4):
        site.dovecot.report(PHONE, BOB)
    bans = site.daemon.bans()
    assert (bans[PHONE]["firewall"], bans[PHONE]["enforcement"]) == (False, "in-band")
    assert bans[OTHER]["firewall"]
    assert site.doors_that_refuse(PHONE) == {"smtpd", "postfix", "dovecot"}


def logins(daemon: Daemon) -> bool:
    """Return whether the ledger holds a login."""
    with open_reader(daemon.ledger) as ledger:
        return any(ledger.logins_since(0))


# --- sieges


def test_under_siege_strangers_are_judged_when_patience_ends(make: Make) -> None:
    """By the clock, without another signal from anybody; who has logged in meanwhile is none of them."""
    site = make(f'[siege]\nclients = 3\npatience = "{PATIENCE_S}s"\n').start()
    besiegers = [f"198.51.100.{number}" for number in range(1, 6)]
    site.dovecot.report(PHONE)
    for client in besiegers[:3]:
        site.dovecot.report(client)
    site.dovecot.report(PHONE)
    site.dovecot.report(PHONE, success=True)
    for client in besiegers[3:]:
        site.dovecot.report(client)
    assert site.daemon.status()["besieged"] == 1

    late = set(besiegers[1:])  # the first came before there was a siege, as PHONE at first
    wait_for(lambda: set(site.daemon.bans()) == late, "those who came in the siege are banned")
    for client, ban in site.daemon.bans().items():
        (event,) = site.daemon.ask("show", client=client)[0]["events"]
        assert ban["start"] == int(event["time"] + PATIENCE_S)
    assert site.doors_that_refuse(besiegers[-1]) == {"smtpd", "postfix", "dovecot"}
    assert site.doors_that_refuse(PHONE) == set()


# --- networks


def hop(report: Callable[[str, str], object]) -> None:
    """Fail four times from each member, for another user."""
    for number, member in enumerate(MEMBERS):
        for _ in range(4):
            report(member, f"user{number}@example.org")


def test_a_network_of_guessers_is_refused_whole(make: Make) -> None:
    """Its other members are refused too, but for those where somebody has logged in; its neighbours are not."""
    site = make().start()
    site.dovecot.report(RESIDENT, success=True)
    hop(site.dovecot.report)

    (ban,) = site.daemon.bans().values()
    assert (ban["client"], ban["rule"]) == ("2001:db8:7::/48", "widened")
    assert (ban["firewall"], ban["enforcement"]) == (False, "in-band")
    for client in (MEMBERS[0], NEIGHBOUR):
        assert site.doors_that_refuse(client) == {"smtpd", "postfix", "dovecot"}
    for client in (RESIDENT, STRANGER):
        assert site.doors_that_refuse(client) == set()
    wait_for(lambda: logins(site.daemon), "the login is in the ledger")
    site.daemon.kill()
    site.start()
    assert site.doors_that_refuse(NEIGHBOUR) == {"smtpd", "postfix", "dovecot"}
    assert site.doors_that_refuse(RESIDENT) == set()


REASON = "needs root and nft" if os.geteuid() != 0 or not shutil.which("nft", path="/usr/sbin:/sbin") else ""


@pytest.fixture
def namespace() -> Iterator[str]:
    """Make a network namespace; remove it after the test."""
    name = f"fb{os.getpid()}j"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=WAIT_S)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True, timeout=WAIT_S)


@pytest.mark.real
@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_what_is_judged_by_supposition_stays_out_of_the_kernel(namespace: str, tmp_path: Path) -> None:
    """A guesser is in nftables' table; neither his network nor a client where somebody has logged in is."""
    daemon = Daemon(
        tmp_path,
        '[firewall]\nbackend = "nftables"\n[postfix]\nlisten = []\n',
        prefix=("ip", "netns", "exec", namespace),
    )
    try:
        smtpd = Smtpd(daemon.start())
        smtpd.login(smtpd.connect(PHONE)[0], "cmlnaHQ=", ALICE, "pass")
        smtpd.guess(PHONE, 5, BOB)
        hop(lambda member, user: smtpd.guess(member, 1, user))
        smtpd.guess(OTHER, 5)
        wait_for(lambda: daemon.bans()[OTHER]["enforcement"] == "in-force", "it is in force")
        bans = {client: ban["enforcement"] for client, ban in daemon.bans().items()}
        assert bans == {PHONE: "in-band", "2001:db8:7::/48": "in-band", OTHER: "in-force"}
        daemon.ask("resync")
        argv = [*daemon.prefix, "nft", "list", "table", "inet", "filter_ban"]
        table = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=WAIT_S).stdout
        assert [client in table for client in (OTHER, PHONE, "2001:db8:7:")] == [True, False, False]
    finally:
        with contextlib.suppress(OSError, IndexError):
            daemon.kill()
        daemon.peers.close()


# --- the loop

HAS_UVLOOP = importlib.util.find_spec("uvloop") is not None
LOOPS = [
    pytest.param(False, "asyncio", id="asyncio"),
    pytest.param(
        True,
        "uvloop",
        id="uvloop",
        marks=pytest.mark.skipif(not HAS_UVLOOP, reason='uvloop is not installed, the extra "fast"'),
    ),
]


@pytest.mark.parametrize(("fast", "loop"), LOOPS)
def test_every_door_works_with_either_loop(make: Make, fast: bool, loop: str) -> None:
    """A ban that one door leads to holds at all, also for the next engine; the daemon stops in order."""
    site = make(fast=fast).start()
    assert f" loop={loop}\n" in site.daemon.log.read_text()
    relay = Smtpd(site.daemon)
    relay.guess("127.0.0.61", 5)
    for _ in range(5):
        site.dovecot.report("127.0.0.62")
    with FakeSmtpd(site.policy_path, timeout_s=WAIT_S) as postfix:
        for _ in range(5):
            postfix.ask(FakeSession("127.0.0.63").mail())
    with site.at_decoy("127.0.0.64") as guest:
        guest.guess()
    bots = [f"127.0.0.{number}" for number in range(61, 65)]
    assert set(site.daemon.bans()) == set(bots)
    for bot in bots:
        assert site.doors_that_refuse(bot) == EVERYWHERE
    assert site.doors_that_refuse("127.0.0.7") == set()

    wait_for(lambda: site.daemon.status()["ledger"]["pending_bans"] == 0, "the bans are committed")
    os.kill(site.daemon.engine_pid(), 9)
    for bot in bots:
        assert site.doors_that_refuse(bot) == EVERYWHERE
    with site.at_decoy("127.0.0.65") as open_session, relay.connection:
        site.daemon.stop()
        with contextlib.suppress(ConnectionError):
            assert open_session.reply() == ""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", site.decoy_port), WAIT_S)
