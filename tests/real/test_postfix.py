# SPDX-License-Identifier: ISC
"""Postfix and Dovecot with filter-ban, in both releases: from a wrong password to a closed door."""

import itertools
import os
import re
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.real.accounts import USERS
from tests.real.client import Clients, Mechanism
from tests.real.debian_root import POSTFIX_3_7, POSTFIX_3_10
from tests.real.doors import DOORS, IMAP_PORTS, Answer, Door, login
from tests.real.dovecot import POLICY as AUTH_POLICY
from tests.real.dovecot import QUICK, RealDovecot
from tests.real.filterban import FilterBan
from tests.real.load import HonestLoad
from tests.real.machine import Machine
from tests.real.network import IMAP, IMAPS, SMTPS, SUBMISSION
from tests.real.polling import wait_until
from tests.real.postfix import POLICY, RealPostfix

pytestmark = [pytest.mark.real, pytest.mark.parametrize("debian", [POSTFIX_3_7, POSTFIX_3_10], ids=str)]
Start = Callable[..., FilterBan]
StartDovecot = Callable[..., RealDovecot]
StartPostfix = Callable[..., RealPostfix]

BOT = "10.99.0.66"
HONEST = "10.99.0.10"
PHONE = "10.99.0.20"
DEFAULTS = ""
DOVECOT = '[dovecot]\nlisten = ["127.0.0.1:10041"]\n'

Try = tuple[int, Mechanism]
PLAIN, LOGIN = Mechanism.PLAIN, Mechanism.LOGIN
MIXES: dict[str, Sequence[Try]] = {  # by address
    "10.99.0.61": [(SUBMISSION, PLAIN)] * 5,
    "10.99.0.62": [(SMTPS, LOGIN)] * 5,
    "10.99.0.63": [(IMAPS, PLAIN)] * 5,
    "10.99.0.64": [(SMTPS, PLAIN), (IMAP, PLAIN), (SUBMISSION, LOGIN), (SMTPS, LOGIN), (SUBMISSION, PLAIN)],
    "fd00:99:0:1::65": [(IMAPS, PLAIN), (SUBMISSION, Mechanism.PLAIN_IN_TWO), *[(IMAPS, PLAIN)] * 3],
}


@pytest.fixture
def start(start_filterban: Start, start_dovecot: StartDovecot, start_postfix: StartPostfix) -> Start:
    """Provide a function that starts the daemon with a configuration, and both servers with it."""

    def start(configuration: str, patience_s: int = 5) -> FilterBan:
        filterban = start_filterban(configuration + DOVECOT)
        start_dovecot(AUTH_POLICY, QUICK)
        start_postfix(POLICY, None, patience_s)
        return filterban

    return start


def guess(clients: Clients, source: str, times: int = 5) -> list[Answer]:
    """Try so many different wrong passwords at once, at one door after the other."""
    doors = itertools.islice(itertools.cycle(DOORS), times)
    with ThreadPoolExecutor(times) as pool:
        tries = [
            pool.submit(login, clients, source, door, password=f"Wrong-Pass-{number}")
            for number, door in enumerate(doors)
        ]
        return [answer.result() for answer in tries]


def log_in_everywhere(clients: Clients, source: str) -> list[Answer]:
    """Log in at all doors at once, with the right password."""
    with ThreadPoolExecutor(len(DOORS)) as pool:
        return list(pool.map(lambda door: login(clients, source, door), DOORS))


def check_that_all_let_in(clients: Clients, source: str) -> None:
    """Log in from *source* at every door."""
    assert [answer for answer in log_in_everywhere(clients, source) if not answer.accepted] == []


def greeting(clients: Clients, source: str, port: int = SUBMISSION) -> str:
    """Return what Postfix says first; it must hang up after a 421 or 521."""
    with clients.connect(source, port) as session:
        if session.greeting.code in {421, 521}:
            assert session.ended()
        return str(session.greeting)


def is_refused(clients: Clients, source: str) -> bool:
    """Return whether Postfix turns *source* away before its banner."""
    return greeting(clients, source).startswith("421 ")


def is_refused_by_dovecot(clients: Clients, source: str) -> bool:
    """Return whether Dovecot refuses the right password."""
    return login(clients, source, IMAPS).text.startswith("NO [ALERT] ")


def banned(filterban: FilterBan) -> set[str]:
    """Return the clients that are banned."""
    return {ban["client"] for ban in filterban.json("list")["bans"]}


def check_that_the_sixth_is_refused(clients: Clients, source: str, mix: Sequence[Try]) -> None:
    """Try five wrong passwords, each port in one session, then the right one in the same sessions and in new ones."""
    client = re.sub("::.*", "::/64", source)
    why = rf"{client} refused until [-0-9]+ [0-9:]+ UTC after 5 failed logins, reference \w{{8}}"
    with ExitStack() as stack:
        doors = {port: Door(clients, source, port) for port in dict(mix)}
        for door in doors.values():
            stack.callback(door.close)
        for number, (port, mechanism) in enumerate(mix):
            answer = doors[port].login("alice", f"Wrong-Pass-{number}", mechanism)
            assert re.fullmatch(
                r"(535|NO) [^0-9]*[Aa]uthentication failed\D*", answer.text.replace("5.7.8 ", "")
            )
        with ThreadPoolExecutor(len(doors)) as pool:
            answers = pool.map(lambda door: door.login("alice", USERS["alice"], mix[0][1]), doors.values())
        for port, answer in zip(doors, answers, strict=True):
            refusal = r"NO \[ALERT\] " if port in IMAP_PORTS else "535 5.7.8 Error: authentication failed: "
            assert re.fullmatch(refusal + why, answer.text)
    for port in (SUBMISSION, SMTPS):
        rejected = rf"421 4\.7\.0 <unknown\[{source}\]>: Client host rejected: {why}"
        assert re.fullmatch(rejected, greeting(clients, source, port))
    assert re.fullmatch(rf"NO \[ALERT\] {why}", login(clients, source, IMAPS).text)


def test_the_sixth_login_is_refused(start: Start, clients: Clients) -> None:
    """In any mix of doors and mechanisms, in running sessions and new ones, with the right password; nobody else notices."""
    filterban = start(DEFAULTS)
    with ThreadPoolExecutor(len(MIXES)) as pool:
        checks = [pool.submit(check_that_the_sixth_is_refused, clients, *mix) for mix in MIXES.items()]
        while not all(check.done() for check in checks):
            check_that_all_let_in(clients, HONEST)
    for check in checks:
        check.result()

    assert banned(filterban) == {re.sub("::.*", "::/64", source) for source in MIXES}
    shown = filterban.json("show", "10.99.0.64")
    assert (shown["ban"]["rule"], shown["strikes"]) == ("5 in 10m", 5)
    assert {event["user"] for event in shown["events"]} == {"al…"}
    assert is_refused(clients, "fd00:99:0:1::1")
    check_that_all_let_in(clients, "fd00:99:0:2::65")


def test_a_ban_ends(start: Start, clients: Clients) -> None:
    """When its time is over the client is let in again at every door."""
    start('[ban]\nladder = ["8s"]\n')
    with ThreadPoolExecutor(1) as pool:
        guessing = pool.submit(guess, clients, BOT)  # the answers come when the ban is already under way
        wait_until(lambda: is_refused(clients, BOT), "the bot is refused")
        assert not any(answer.accepted for answer in guessing.result())
    wait_until(lambda: not is_refused(clients, BOT), "the ban is over")
    check_that_all_let_in(clients, BOT)


def test_a_phone_with_an_old_password_is_spared(start: Start, clients: Clients) -> None:
    """The same wrong password again and again counts once, at all doors together; corrected, it works at once."""
    filterban = start(DEFAULTS)
    with ThreadPoolExecutor(12) as pool:
        tries = pool.map(lambda door: login(clients, PHONE, door, password="The-Old-Password-9"), DOORS * 4)
    assert not any(answer.accepted for answer in tries)
    assert filterban.json("show", PHONE)["strikes"] == 1
    assert banned(filterban) == set()
    check_that_all_let_in(clients, PHONE)


def test_names_that_dovecot_does_not_accept_count_each_time(start: Start, clients: Clients) -> None:
    """No name, or one with forbidden characters, is guessing even if the password is the same."""
    filterban = start(DEFAULTS)
    names = ["", "alice+tag", "", "ali ce", "alice+tag"]
    with ThreadPoolExecutor(len(names)) as pool:
        tries = [
            pool.submit(login, clients, BOT, door, user=name, password="Wrong-Pass-1")
            for name, door in zip(names, itertools.cycle(DOORS), strict=False)
        ]
    assert not any(answer.result().accepted for answer in tries)
    assert banned(filterban) == {BOT}
    assert is_refused(clients, BOT)


def test_ban_and_lift_by_hand_act_at_once(start: Start, clients: Clients) -> None:
    """A ban refuses in sessions that are open and in new ones; a lift lets in again."""
    filterban = start(DEFAULTS)
    with ExitStack() as stack:
        doors = [Door(clients, BOT, port) for port in DOORS]
        for door in doors:
            stack.callback(door.close)
        filterban.run("ban", BOT, "--for", "1h")
        with ThreadPoolExecutor(len(doors)) as pool:
            answers = list(pool.map(lambda door: door.login("alice", USERS["alice"]), doors))
    assert [answer.text for answer in answers if f"{BOT} refused until " not in answer.text] == []
    assert is_refused(clients, BOT)
    assert is_refused_by_dovecot(clients, BOT)
    check_that_all_let_in(clients, HONEST)

    filterban.run("lift", BOT)
    check_that_all_let_in(clients, BOT)


def test_the_kernel_drops_a_banned_client(start: Start, clients: Clients) -> None:
    """With nftables no packet of the bot gets through any more."""
    filterban = start('[firewall]\nbackend = "nftables"\n')
    with ThreadPoolExecutor(1) as pool:
        pool.submit(guess, clients, BOT)
        wait_until(lambda: BOT in banned(filterban), "the bot is banned")
        wait_until(lambda: filterban.json("show", BOT)["ban"]["enforcement"] == "in-force", "it is in force")
        assert BOT in filterban.table()
        with pytest.raises(TimeoutError):
            clients.connect(BOT, SUBMISSION, timeout_s=1.0)
        check_that_all_let_in(clients, HONEST)
        filterban.run("lift", BOT)  # lets the guesser finish
    check_that_all_let_in(clients, BOT)


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ('[reply]\nbanned = "521 5.7.1 {client} is banned"\n', "521 5.7.1 <{}>: Client host rejected: {}"),
        ('[postfix]\nbanned = "REJECT {client} is banned"\n', "554 5.7.1 <{}>: Client host rejected: {}"),
    ],
    ids=["521", "REJECT"],
)
def test_the_reply_is_a_matter_of_configuration(
    start: Start, clients: Clients, configuration: str, said: str
) -> None:
    """521 hangs up before the banner; REJECT leaves the session open, but nothing in it is possible."""
    filterban = start(configuration)
    filterban.run("ban", BOT, "--for", "1h")
    expected = said.format(f"unknown[{BOT}]", f"{BOT} is banned")
    assert {greeting(clients, BOT, port) for port in (SUBMISSION, SMTPS)} == {expected}
    if "REJECT" in configuration:
        with clients.connect(BOT, SMTPS) as session:
            assert session.ehlo().code == session.login("alice", USERS["alice"]).code == 503


def test_a_secret_keeps_others_out(
    machine: Machine, start_filterban: Start, start_dovecot: StartDovecot, clients: Clients
) -> None:
    """A Dovecot that sends another secret than ours is not answered: logins go on as if there were no daemon."""
    header = "auth_policy_server_api_header = X-API-Key: Our-Secret-1\n"
    machine.write("/etc/filter-ban.secret", "Our-Secret-1\n", 0o600)
    filterban = start_filterban(f'{DOVECOT}secret_file = "/etc/filter-ban.secret"\n')
    filterban.run("ban", BOT, "--for", "1h")
    with start_dovecot(AUTH_POLICY, header):
        assert is_refused_by_dovecot(clients, BOT)
        assert login(clients, HONEST, IMAPS).accepted
    start_dovecot(AUTH_POLICY, header.replace("Our", "Another"))
    assert login(clients, BOT, IMAPS).accepted
    assert "Secret-1" not in filterban.log()


# --- trouble: no login with the right password fails, whatever happens to the daemon


@pytest.fixture
def loads(clients: Clients) -> list[HonestLoad]:
    """Provide honest users at all doors; they start with the test's trouble."""
    return [HonestLoad(clients, f"10.99.0.{30 + number}", port) for number, port in enumerate(DOORS)]


def start_all(loads: list[HonestLoad]) -> None:
    """Let the users begin, and wait until each has been let in."""
    for load in loads:
        load.start()
    wait_for_more(loads)


def wait_for_more(loads: list[HonestLoad], logins: int = 2) -> None:
    """Wait until each has logged in some more times."""
    before = [load.served for load in loads]
    wait_until(
        lambda: all(load.served >= served + logins for load, served in zip(loads, before, strict=True)),
        "everybody logs in",
        60,
    )


def test_killed_and_stopped_engines_under_load(
    start: Start, clients: Clients, loads: list[HonestLoad]
) -> None:
    """The ban holds at once each time, at Postfix and Dovecot: who comes meanwhile waits for the next engine."""
    filterban = start(DEFAULTS)
    filterban.run("ban", BOT, "--for", "1h")
    start_all(loads)
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP):
        os.kill(filterban.engine_pid(), number)
        assert is_refused(clients, BOT)
    wait_until(lambda: is_refused_by_dovecot(clients, BOT), "Dovecot refuses the bot")
    for load in loads:
        load.stop()


def test_a_killed_daemon_under_load(start: Start, clients: Clients, loads: list[HonestLoad]) -> None:
    """Logins go on while it is dead; started again, it refuses and counts as before."""
    filterban = start(DEFAULTS)
    filterban.run("ban", BOT, "--for", "1h")
    start_all(loads)
    filterban.kill()
    wait_for_more(loads)
    filterban.start()
    assert is_refused(clients, BOT)
    wait_until(lambda: is_refused_by_dovecot(clients, BOT), "Dovecot asks again", 60)
    for load in loads:
        load.stop()


def test_a_restarted_daemon_remembers(start: Start, clients: Clients) -> None:
    """What was counted before a kill counts after it; as many passwords after it are taken for those tried before."""
    filterban = start(DEFAULTS)
    guess(clients, BOT, times=3)
    wait_until(lambda: filterban.json("status")["ledger"]["pending_strikes"] == 0, "the ledger has them")
    filterban.kill()
    filterban.start()
    wait_until(lambda: not filterban.json("status")["restoring"], "the past is read back")
    guess(clients, BOT, times=5)
    assert filterban.json("show", BOT)["strikes"] == 5
    assert is_refused(clients, BOT)


def test_a_stopped_daemon_holds_up_nobody_for_good(start: Start, clients: Clients) -> None:
    """While both processes are stopped everyone is let in after the servers' timeouts; afterwards the ban holds again."""
    filterban = start(DEFAULTS, patience_s=1)
    filterban.run("ban", BOT, "--for", "1h")
    stopped = [filterban.enforcer_pid, filterban.engine_pid()]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    answers = log_in_everywhere(clients, HONEST)
    for pid in reversed(stopped):  # the engine first: its parent would end it
        os.kill(pid, signal.SIGCONT)
    assert [answer.text for answer in answers if not answer.accepted] == []
    wait_until(lambda: is_refused(clients, BOT), "Postfix refuses the bot")
    wait_until(lambda: is_refused_by_dovecot(clients, BOT), "Dovecot asks again", 60)
