# SPDX-License-Identifier: ISC
"""
Filter requests: what smtpd asks, and waits for without limit. Each must be answered exactly once.

A session has at most one request open. The token is the same for all sessions: only the session tells them apart.
Every text is wire text (see `readable`).
"""

from typing import ClassVar

import attrs

from opensmtpd._address import Address
from opensmtpd._event import event
from opensmtpd._names import Phase
from opensmtpd._text import masked_repr


@event
class FilterRequest:
    """Base of the filter requests; ``session`` and ``token`` are 16 hex digits, ``time_s`` is when the line was written."""

    phase: ClassVar[str] = ""

    time_s: float
    session: str
    token: str
    extra: tuple[str, ...] = attrs.field(default=(), kw_only=True)


@event
class Connect(FilterRequest):
    """May this client have a banner? ``src`` has no port. On smtps the answer goes out before TLS, in plain text."""

    phase = Phase.CONNECT
    rdns: str
    src: Address


@event
class Helo(FilterRequest):
    """HELO."""

    phase = Phase.HELO
    identity: str


@event
class Ehlo(FilterRequest):
    """EHLO."""

    phase = Phase.EHLO
    identity: str


@event
class StartTls(FilterRequest):
    """STARTTLS."""

    phase = Phase.STARTTLS


@event
class Auth(FilterRequest):
    """AUTH; ``argument`` is all the client wrote after it, the password of ``PLAIN <initial response>`` included."""

    phase = Phase.AUTH
    argument: str = attrs.field(repr=masked_repr)

    @property
    def mechanism(self) -> str:
        """The first word, in upper case."""
        return self.argument.partition(" ")[0].upper()


@event
class MailFrom(FilterRequest):
    """MAIL; the address has no angle brackets and no parameters."""

    phase = Phase.MAIL_FROM
    address: str


@event
class RcptTo(FilterRequest):
    """RCPT; the address has no angle brackets and no parameters."""

    phase = Phase.RCPT_TO
    address: str


@event
class Data(FilterRequest):
    """DATA."""

    phase = Phase.DATA


@event
class DataLine(FilterRequest):
    """
    A line of the message, dot-escaped; the last one is ``.``.

    It is answered by any number of lines, the last of them ``.`` too, and never by a decision.
    """

    phase = Phase.DATA_LINE
    line: str


@event
class Rset(FilterRequest):
    """RSET."""

    phase = Phase.RSET


@event
class Quit(FilterRequest):
    """QUIT."""

    phase = Phase.QUIT


@event
class Noop(FilterRequest):
    """NOOP."""

    phase = Phase.NOOP


@event
class Help(FilterRequest):
    """HELP; can be registered, and no server was seen to ask."""

    phase = Phase.HELP


@event
class Wiz(FilterRequest):
    """WIZ; can be registered, and no server was seen to ask."""

    phase = Phase.WIZ


@event
class Commit(FilterRequest):
    """The message is complete."""

    phase = Phase.COMMIT


@event
class UnknownRequest(FilterRequest):
    """A phase of a later version; must be answered like any other."""

    word: str
    fields: tuple[str, ...] = attrs.field(repr=masked_repr)
