# SPDX-License-Identifier: ISC
"""OpenSMTPD's filter and Dovecot feed one counter."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.real.client import Clients
from tests.real.doors import login
from tests.real.dovecot import POLICY, QUICK, RealDovecot
from tests.real.filterban import RELAY_COMMAND, FilterBan
from tests.real.network import IMAPS, SMTP, SMTPS, SUBMISSION
from tests.real.smtpd import RealSmtpd

pytestmark = pytest.mark.real

BOT = "10.99.0.66"
HONEST = "10.99.0.10"
EVERYWHERE = (SUBMISSION, SMTPS, IMAPS)


def test_failures_at_both_servers_add_up(
    start_filterban: Callable[[str], FilterBan],
    start_smtpd: Callable[[str], RealSmtpd],
    start_dovecot: Callable[..., RealDovecot],
    clients: Clients,
) -> None:
    """Three wrong passwords at smtpd and two at Dovecot are five, and both refuse the right one; nobody else notices."""
    filterban = start_filterban('[dovecot]\nlisten = ["127.0.0.1:10041"]\n')
    start_dovecot(POLICY, QUICK)
    start_smtpd(RELAY_COMMAND)
    with ThreadPoolExecutor(2) as pool:
        tries = [
            pool.submit(login, clients, BOT, port, password=f"Wrong-Pass-{number}")
            for number, port in enumerate([SUBMISSION, SMTPS, SUBMISSION, IMAPS, IMAPS])
        ]
    assert not any(answer.result().accepted for answer in tries)

    shown = filterban.json("show", BOT)
    assert (shown["ban"]["rule"], shown["strikes"]) == ("5 in 10m", 5)
    assert {event["service"] for event in shown["events"]} == {
        "198.18.0.1:465",
        "198.18.0.1:587",
        "dovecot imap",
    }
    assert login(clients, BOT, IMAPS).text.startswith(f"NO [ALERT] {BOT} refused until ")
    with clients.connect(BOT, SMTP) as session:
        assert session.greeting.text.startswith(f"4.7.0 {BOT} refused until ")
    assert login(clients, BOT, SMTPS).text.startswith(f"421 4.7.0 {BOT} refused until ")
    assert all(login(clients, HONEST, port).accepted for port in EVERYWHERE)
