# SPDX-License-Identifier: ISC
"""From a failed login in the real dialogue to a drop in the real kernel."""

import contextlib
import itertools
import os
import re
import signal
import socket
import threading
from base64 import b64encode
from collections.abc import Callable

import pytest

from tests.real.accounts import USERS
from tests.real.client import Clients, Mechanism
from tests.real.filterban import LEDGER, RELAY_COMMAND, FilterBan
from tests.real.load import HonestLoad
from tests.real.machine import Machine
from tests.real.network import SMTP, SMTPS, SUBMISSION
from tests.real.polling import wait_until
from tests.real.smtpd import RealSmtpd

pytestmark = pytest.mark.real
StartSmtpd = Callable[[str], RealSmtpd]
StartFilterBan = Callable[[str], FilterBan]

BOT = "10.99.0.66"
HONEST = "10.99.0.10"
PHONE = "10.99.0.20"
IN_BAND = ""
NFTABLES = '[firewall]\nbackend = "nftables"\n'


def guess(clients: Clients, source: str, times: int = 5, port: int = SUBMISSION) -> list[int]:
    """Try so many different wrong passwords in one session; return the codes of the replies."""
    with clients.open(source, port) as session:
        return [session.login("alice", f"Wrong-Pass-{source}-{number}").code for number in range(times)]


def banned(filterban: FilterBan) -> set[str]:
    """Return the clients that are banned."""
    return {ban["client"] for ban in filterban.json("list")["bans"]}


def is_right_password_accepted(clients: Clients, source: str, port: int = SUBMISSION) -> bool:
    """Return whether alice can log in from *source*."""
    with clients.open(source, port) as session:
        return session.login("alice", USERS["alice"]).code == 235


def is_refused(clients: Clients, source: str) -> bool:
    """Return whether *source* is turned away at connect."""
    with clients.connect(source, SMTP) as session:
        return session.greeting.code == 421


@pytest.mark.parametrize("port", [SUBMISSION, SMTPS])
@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_the_sixth_login_is_refused(
    start_filterban: StartFilterBan,
    start_smtpd: StartSmtpd,
    clients: Clients,
    port: int,
    mechanism: Mechanism,
) -> None:
    """In the same session and in a new one, with the right password too; nobody else notices anything."""
    filterban = start_filterban(IN_BAND)
    smtpd = start_smtpd(RELAY_COMMAND)

    with clients.open(BOT, port) as session:
        tries = [session.login("alice", f"Wrong-Pass-{number}", mechanism).code for number in range(5)]
        sixth = session.login("alice", USERS["alice"], mechanism)
        assert session.ended()
    assert tries == [535] * 5
    assert sixth.code == 421
    text = re.fullmatch(
        r"4\.7\.0 10\.99\.0\.66 refused until .* after 5 failed logins, reference (\w{8})", sixth.text
    )
    assert text
    if port == SMTPS:  # told at AUTH, inside TLS, where the program can show it
        assert clients.login(BOT, "alice", USERS["alice"], port=port, mechanism=mechanism) == sixth
    with clients.connect(BOT, SUBMISSION) as session:
        assert session.greeting == sixth

    shown = filterban.json("show", text[1])
    assert (shown["client"], shown["ban"]["rule"], shown["strikes"]) == (BOT, "5 in 10m", 5)
    assert [event["user"] for event in shown["events"]] == ["al…"] * 5
    assert is_right_password_accepted(clients, HONEST, port)
    assert smtpd.running()


def test_a_client_inside_is_refused_at_mail(
    start_filterban: StartFilterBan, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """Who had logged in before the ban fell cannot send any more."""
    filterban = start_filterban(IN_BAND)
    start_smtpd(RELAY_COMMAND)
    with clients.open(HONEST) as session:
        assert session.login("alice", USERS["alice"]).code == 235
        filterban.run("ban", HONEST, "--for", "1h")
        assert session.submit("alice@example.org", ["bob@example.org"], "Subject: x\n\nx\n").code == 421


def test_a_phone_with_an_old_password_is_spared(
    start_filterban: StartFilterBan, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """The same wrong password again and again counts once; corrected, it works at once."""
    filterban = start_filterban(IN_BAND)
    start_smtpd(RELAY_COMMAND)
    with clients.open(PHONE) as session:
        codes = {session.login("bob", "The-Old-Password-9").code for _ in range(12)}
        assert codes == {535}
        assert session.login("bob", USERS["bob"]).code == 235
    assert banned(filterban) == set()


def test_ipv6_clients_are_banned_by_their_64(
    start_filterban: StartFilterBan, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """Another address of the same /64 is refused, one of another /64 is not."""
    filterban = start_filterban(IN_BAND)
    start_smtpd(RELAY_COMMAND)
    guess(clients, "fd00:99:0:1::66")

    assert banned(filterban) == {"fd00:99:0:1::/64"}
    assert is_refused(clients, "fd00:99:0:1::67")
    assert is_right_password_accepted(clients, "fd00:99:0:2::66")


def test_the_kernel_drops_a_banned_client(
    start_filterban: StartFilterBan, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """With nftables no packet of the bot gets through any more, not even in its open session; a lift lets it in again."""
    filterban = start_filterban(NFTABLES)
    start_smtpd(RELAY_COMMAND)
    with clients.open(BOT) as session:
        for number in range(5):
            session.login("alice", f"Wrong-Pass-{number}")
        wait_until(
            lambda: filterban.json("show", BOT)["ban"]["enforcement"] == "in-force", "the ban is in force"
        )
        assert BOT in filterban.table()
        with pytest.raises(TimeoutError):
            clients.connect(BOT, SMTP, timeout_s=1.0)
    assert is_right_password_accepted(clients, HONEST)

    filterban.run("lift", BOT)
    wait_until(lambda: BOT not in filterban.table(), "the entry is gone")
    assert is_right_password_accepted(clients, BOT)


def elements(filterban: FilterBan) -> list[str]:
    """Return the addresses in the kernel's table and the whole time of each, but for what changes by itself."""
    lines = filterban.table().splitlines()
    return [
        re.sub(r"counter packets \d+ bytes \d+|expires \w+", "", line).strip()
        for line in lines
        if "expires" in line
    ]


def listed(filterban: FilterBan) -> list[dict[str, object]]:
    """Return the bans, but for the packets that are dropped meanwhile."""
    return [{**ban, "dropped": None} for ban in filterban.json("list")["bans"]]


def test_a_restart_changes_nothing_in_the_kernel(
    start_filterban: StartFilterBan, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """Stop and start leave each entry with its own time, and the ends of bans where they were."""
    filterban = start_filterban(NFTABLES)
    start_smtpd(RELAY_COMMAND)
    guess(clients, BOT)
    wait_until(lambda: filterban.json("show", BOT)["ban"]["enforcement"] == "in-force", "the ban is in force")
    bans, before = listed(filterban), elements(filterban)

    assert filterban.stop() == 0
    assert elements(filterban) == before != []
    filterban.start()
    wait_until(lambda: filterban.json("status")["firewall"]["in_force"] == 1, "the ban is in force again")
    assert elements(filterban) == before
    assert listed(filterban) == bans


def test_a_flushed_ruleset_is_restored(machine: Machine, start_filterban: StartFilterBan) -> None:
    """``nft flush ruleset`` behind our back is found and mended by a resync, and status tells."""
    filterban = start_filterban(NFTABLES)
    filterban.run("ban", BOT, "2001:db8::/48", "--for", "1h")
    wait_until(lambda: filterban.json("status")["firewall"]["in_force"] == 2, "both bans are in force")
    machine.run(["nft", "flush", "ruleset"])

    filterban.run("resync")

    assert BOT in filterban.table()
    assert "2001:db8::" in filterban.table()
    firewall = filterban.json("status")["firewall"]
    assert (firewall["ok"], firewall["missing"], firewall["drifted"]) == (True, 2, 2)


def test_fifty_kills_under_load(
    start_filterban: StartFilterBan, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """No session fails or waits too long, smtpd stays, and the ban is in force again each time the daemon is back."""
    filterban = start_filterban(IN_BAND)
    smtpd = start_smtpd(RELAY_COMMAND)
    guess(clients, BOT)
    wait_until(lambda: is_refused(clients, BOT), "the bot is refused")
    loads = [HonestLoad(clients, f"10.99.0.{number}") for number in range(30, 33)]
    for load in loads:
        load.start()
    for _ in range(50):
        filterban.kill_engine()
        wait_until(lambda: is_refused(clients, BOT), "the bot is refused again")
    for load in loads:
        load.stop()

    assert smtpd.running()


def test_a_killed_daemon_is_started_again_by_the_relay(
    machine: Machine, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """Enforcer and engine killed together under load: nobody fails or waits too long, and the ban is back each time."""
    with FilterBan(machine, "") as filterban:
        smtpd = start_smtpd(RELAY_COMMAND)
        wait_until(lambda: filterban.run("status", check=False).returncode == 0, "a daemon answers", 20)
        guess(clients, BOT)
        wait_until(lambda: is_refused(clients, BOT), "the bot is refused")
        load = HonestLoad(clients, HONEST)
        load.start()
        for _ in range(5):
            killed = [
                pid for pid, argv in machine.processes().items() if {"serve", "filter_ban.daemon"} & set(argv)
            ]
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: is_refused(clients, BOT), "the bot is refused again", 20)
        load.stop()
        assert smtpd.running()


def test_a_stopped_daemon_holds_up_nobody(
    start_filterban: StartFilterBan, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """While both processes are stopped everyone is served within the bound; afterwards the ban holds again."""
    filterban = start_filterban(IN_BAND)
    smtpd = start_smtpd(RELAY_COMMAND)
    guess(clients, BOT)
    wait_until(lambda: is_refused(clients, BOT), "the bot is refused")
    stopped = [filterban.enforcer_pid, filterban.engine_pid()]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    load = HonestLoad(clients, HONEST)
    load.start()
    wait_until(lambda: load.served >= 5, "some logins went through", 20)
    load.stop()
    for pid in reversed(stopped):  # the engine first: its parent would end it
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: is_refused(clients, BOT), "the bot is refused again", 20)

    assert smtpd.running()


GARBAGE = (
    b"register|ready\n" + b"filter-result|nonsense\n",
    b"register|ready\n" + b"\0\xff|" * 1000 + b"\n",
    b"register|ready\n" + b"x" * 200_000,
    b"\n" * 100,
    b"",
)


def babble(listener: socket.socket) -> None:
    """Take connections and answer with nonsense, a different one each time; hang up on every second."""
    with contextlib.ExitStack() as kept, contextlib.suppress(OSError):
        for number in itertools.count():
            connection = kept.enter_context(listener.accept()[0])
            with contextlib.suppress(OSError):
                connection.sendall(GARBAGE[number % len(GARBAGE)])
            if number % 2:
                connection.close()


def test_a_daemon_that_talks_nonsense_harms_nobody(
    machine: Machine, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """Whatever answers on the relay's socket, everyone is served within the bound and smtpd stays."""
    FilterBan(machine, "[daemon]\nspawn = false\n").close()
    folder = machine.path("/run/filter-ban")
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "relay.sock"))
        (folder / "relay.sock").chmod(0o666)
        listener.listen()
        babbler = threading.Thread(target=babble, args=(listener,), daemon=True)
        babbler.start()
        smtpd = start_smtpd(RELAY_COMMAND)
        loads = [HonestLoad(clients, f"10.99.0.{number}") for number in range(30, 33)]
        for load in loads:
            load.start()
        wait_until(lambda: all(load.served >= 5 for load in loads), "some logins went through", 60)
        for load in loads:
            load.stop()
        listener.shutdown(socket.SHUT_RDWR)
        babbler.join(10)

    assert smtpd.running()


def test_one_line_of_smtpd_conf_is_enough(
    machine: Machine, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """With no daemon and no configuration the relay starts one itself, and root's commands find it."""
    filterban = FilterBan(machine, "")
    machine.path("/etc/filter-ban.toml").unlink()
    smtpd = start_smtpd(RELAY_COMMAND)
    wait_until(lambda: filterban.run("status", check=False).returncode == 0, "a daemon answers", 20)

    assert set(guess(clients, BOT)) == {535}
    assert is_refused(clients, BOT)
    assert banned(filterban) == {BOT}
    assert is_right_password_accepted(clients, HONEST)
    assert smtpd.running()
    filterban.close()


def test_passwords_are_nowhere(
    machine: Machine, start_filterban: StartFilterBan, start_smtpd: StartSmtpd, clients: Clients
) -> None:
    """No log, no ledger and no core file holds a password that was tried, in whatever encoding."""
    filterban = start_filterban(IN_BAND)
    smtpd = start_smtpd(RELAY_COMMAND)
    secrets = ["Hidden-Pass-One-1", "Hidden-Pass-Two-2"]
    with clients.open(BOT) as session:
        for secret in secrets:
            session.login("alice", secret)
            session.login(secret, "typed as the name")
    wait_until(lambda: filterban.json("show", BOT)["strikes"] == 4, "all four are counted")
    os.kill(filterban.engine_pid(), signal.SIGABRT)
    filterban.engine_pid()
    filterban.stop()

    ledger = b"".join(file.read_bytes() for file in machine.path(LEDGER).parent.iterdir())
    ours = b"".join([ledger, filterban.log().encode(), *(line.encode() for line in smtpd.filter_log())])
    for secret in secrets:
        for hidden in (secret.encode(), *(encoded(secret, shift) for shift in range(3))):
            assert hidden not in ours
    assert not [file for file in machine.path("/").glob("core*") if file.is_file()]


def encoded(secret: str, shift: int) -> bytes:
    """Return the part of *secret* that its base64 shows wherever it stands in a text."""
    return b64encode(b"\0" * shift + secret.encode())[4:-4]
