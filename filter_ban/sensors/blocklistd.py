# SPDX-License-Identifier: ISC
"""
The blocklistd sensor: what daemons report with libblocklist, of any service, becomes signals.

They tell client and port, and no user. So each failure counts, and a success takes nothing back: it may be of the one
account that a guesser owns.

Source: libblocklist(3); what sshd, ftpd and others report is in their patches.
"""

import logging
from typing import Final

import attrs

from filter_ban.client import ClientKey, address_text, key_text
from filter_ban.logline import fact
from filter_ban.model import Kind
from filter_ban.sensors.blocklist_datagram import Event
from filter_ban.sensors.sensor import Means, Sensor
from filter_ban.signals import Signal

_log = logging.getLogger(__name__)
SENDER_REFUSED: Final = "sender-refused"
MALFORMED: Final = "malformed"
REJECTION_LOG_S: Final = 60  # between two lines on the same kind of rejection


@attrs.frozen
class Report:
    """What a daemon reports: *event* at *port* (*protocol* ``tcp`` or ``udp``) by the client at *address*."""

    event: Event
    address: str
    port: int
    protocol: str
    text: str  # escaped; from sshd it is the name of a bad user, so it is not for every log

    @property
    def service(self) -> str:
        """The name of the service, as overrides and ledger know it."""
        return f"blocklistd {self.port}/{self.protocol}"


@attrs.frozen
class Rejection:
    """Why a datagram is not heeded; *kind* is SENDER_REFUSED or MALFORMED."""

    kind: str
    why: str


class BlocklistdSensor(Sensor):
    """Reports of any number of daemons in, strikes out."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._logged_s: dict[str, float] = {}  # when, by the kind of rejection

    def report(self, report: Report) -> None:
        """
        Count what a daemon reports.

        A bad user weighs what a failed login does: it comes beside the failure of the same login, and with it makes what
        a user that does not exist weighs elsewhere. FreeBSD's sshd reports it of wrong passwords too.
        """
        client = self._clients.of(report.address)
        match report.event:
            case Event.FAILURE:
                self.strike(Kind.AUTH_FAIL, client, service=report.service)
            case Event.BAD_USER:
                self.counts["bad-user"] += 1
                self.strike(Kind.AUTH_FAIL, client, service=report.service)
            case Event.ABUSE:
                if client and self._engine.ban_of(client) is None:
                    _log.info(
                        fact("abuse", client=key_text(client), service=report.service, text=report.text)
                    )
                self.strike(Kind.REPORTED, client, service=report.service)
            case Event.SUCCESS:
                self._passed(client, report.service)

    def reject(self, rejection: Rejection) -> None:
        """Count a datagram that is not heeded; the log tells of the first, and then of one a minute."""
        kind, now_s = rejection.kind, self._clock()
        self.counts[kind] += 1
        if not 0 <= now_s - self._logged_s.get(kind, -REJECTION_LOG_S) < REJECTION_LOG_S:
            self._logged_s[kind] = now_s
            _log.warning(fact("report-rejected", kind=kind, why=rejection.why, count=self.counts[kind]))

    def _passed(self, client: ClientKey, service: str) -> None:
        self.counts[Kind.AUTH_PASS] += 1
        if not client:
            return
        if self._recorder is not None:
            self._recorder.record(Signal(self._clock(), Kind.AUTH_PASS, address_text(client), service))
        if self._verdicts.ban_of(client) is not None:
            self.counts["auth-pass-banned"] += 1
            _log.warning(fact("alarm", client=key_text(client), why=f"banned, and just logged in: {service}"))
