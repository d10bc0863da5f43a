# SPDX-License-Identifier: ISC
"""
Report events: what smtpd tells and wants no answer to.

Every text is wire text (see `readable`); times are Unix seconds by the server's clock, at which the event happened.
Fields that a later version adds come as ``extra``, where the last known field is not free text.
"""

from typing import ClassVar

import attrs

from opensmtpd._address import Address
from opensmtpd._event import event
from opensmtpd._names import (
    AuthResult,
    DecisionName,
    Fcrdns,
    FilterKind,
    Method,
    Phase,
    ReportName,
    Subsystem,
    TxResult,
)
from opensmtpd._text import masked_repr, readable, unvis


@event
class Report:
    """Base of the report events; ``session`` is 16 hex digits, unique while smtpd lives."""

    name: ClassVar[str] = ""

    time_s: float
    session: str
    subsystem: str = attrs.field(default=Subsystem.SMTP_IN, kw_only=True)
    extra: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@event
class LinkConnect(Report):
    """A client connected; comes after the reverse look-up. ``rdns`` is ``<unknown>`` or empty where there is no name."""

    name = ReportName.LINK_CONNECT
    rdns: str
    fcrdns: Fcrdns
    src: Address
    dst: Address


@event
class LinkDisconnect(Report):
    """The session is over, for whatever reason."""

    name = ReportName.LINK_DISCONNECT


@event
class LinkGreeting(Report):
    """The banner was sent."""

    name = ReportName.LINK_GREETING
    hostname: str


@event
class LinkIdentify(Report):
    """HELO or EHLO was accepted."""

    name = ReportName.LINK_IDENTIFY
    method: Method
    identity: str


@event
class LinkTls(Report):
    """A TLS handshake succeeded; ``tls`` is ``version:cipher:bits``."""

    name = ReportName.LINK_TLS
    tls: str


@event
class LinkAuth(Report):
    """A login was tried; ``username`` is escaped in vis style and cut at 255 characters by smtpd."""

    name = ReportName.LINK_AUTH
    result: AuthResult
    username: str

    @property
    def user(self) -> str:
        """The user name for people."""
        return unvis(self.username)


@event
class TxReset(Report):
    """The transaction is gone; ``message_id`` may be empty where there was none."""

    name = ReportName.TX_RESET
    message_id: str = ""


@event
class TxReport(Report):
    """Base of the other reports on a transaction; ``message_id`` is 8 hex digits."""

    message_id: str


@event
class TxBegin(TxReport):
    """MAIL was accepted."""

    name = ReportName.TX_BEGIN


@event
class TxMail(TxReport):
    """How MAIL was answered."""

    name = ReportName.TX_MAIL
    result: TxResult
    address: str


@event
class TxRcpt(TxReport):
    """How RCPT was answered."""

    name = ReportName.TX_RCPT
    result: TxResult
    address: str


@event
class TxEnvelope(TxReport):
    """A recipient got an envelope; ``envelope_id`` is 16 hex digits."""

    name = ReportName.TX_ENVELOPE
    envelope_id: str


@event
class TxData(TxReport):
    """How DATA was answered."""

    name = ReportName.TX_DATA
    result: TxResult


@event
class TxCommit(TxReport):
    """The message was taken."""

    name = ReportName.TX_COMMIT
    size_bytes: int


@event
class TxRollback(TxReport):
    """The transaction ended without a message."""

    name = ReportName.TX_ROLLBACK


@event
class ProtocolClient(Report):
    """A line of the client, raw: any byte but LF, up to 2047; smtpd does not mask all credentials in it."""

    name = ReportName.PROTOCOL_CLIENT
    command: str = attrs.field(repr=masked_repr)

    @property
    def text(self) -> str:
        """The command for people; may hold control characters and credentials."""
        return readable(self.command)


@event
class ProtocolServer(Report):
    """One line of a reply of the server."""

    name = ReportName.PROTOCOL_SERVER
    response: str

    @property
    def text(self) -> str:
        """The reply for people."""
        return readable(self.response)


@event
class FilterReport(Report):
    """A filter made a report of its own."""

    name = ReportName.FILTER_REPORT
    kind: FilterKind
    filter_name: str
    message: str


@event
class FilterResponse(Report):
    """A phase was decided, by the filters or because there were none."""

    name = ReportName.FILTER_RESPONSE
    phase: Phase
    decision: DecisionName
    parameter: str | None = None


@event
class Timeout(Report):
    """The session was idle for too long; link-disconnect follows."""

    name = ReportName.TIMEOUT


@event
class UnknownReport(Report):
    """An event of a later version, or of a subsystem whose lines need not have a session (then it is empty)."""

    word: str
    fields: tuple[str, ...] = attrs.field(repr=masked_repr)
