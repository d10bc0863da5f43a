# SPDX-License-Identifier: ISC
"""What the tests of the readers of logs share."""

from collections.abc import Iterable, Sequence

from filter_ban.model import Kind
from filter_ban.replay.maillog import SERVERS, Maillog
from filter_ban.replay.syslog import LineParser

Told = tuple[Kind, str, str, str]


def read(lines: Iterable[str], servers: Sequence[str] = SERVERS) -> list[Told]:
    """Return kind, address, service and user of the signals on *lines*."""
    maillog, parser = Maillog(servers), LineParser(2026, 0)
    return [
        (signal.kind, signal.address, signal.service, signal.user)
        for line in lines
        for signal in maillog.read(parser.parse(line))
    ]
