# SPDX-License-Identifier: ISC
"""What else a stream can hold: the end of the handshake, and lines that cannot be read."""

from opensmtpd._event import event
from opensmtpd._reports import Report
from opensmtpd._requests import FilterRequest


@event
class ServerConfig:
    """
    What smtpd says of itself before it is ready; a server leaves out what it does not know.

    ``protocol`` is empty up to 6.8 (0.6), ``subsystems`` where the filter is attached to nothing. ``other`` has the
    keys of later versions.
    """

    smtpd_version: str = ""
    protocol: str = ""
    session_timeout_s: int | None = None
    subsystems: tuple[str, ...] = ()
    admd: str = ""
    other: tuple[tuple[str, str], ...] = ()


@event
class Ready:
    """The handshake is complete: now smtpd waits for the registration, and serves nobody before."""

    config: ServerConfig


@event
class Malformed:
    """
    A line that cannot be read, or one of which a route failed.

    ``excerpt`` is printable ASCII, bounded and without credentials. With a ``token`` it is a request that must be
    answered like any other; without one it must not be answered.
    """

    excerpt: str
    problem: str
    session: str | None = None
    token: str | None = None


Event = Report | FilterRequest | Ready | Malformed
Answerable = FilterRequest | Malformed
