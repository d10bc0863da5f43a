# SPDX-License-Identifier: ISC
"""Addresses as smtpd writes them: ``192.0.2.7:4711``, ``[2001:db8::7]:4711``, ``[fe80::1%em0]:25``, ``unix:/path``, ``local``."""

import ipaddress
import re
from typing import Final

from opensmtpd._event import event

_ADDRESS: Final = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)(?:%(?P<zone>[^\]]*))?\]|(?P<ipv4>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?"
)
_UNIX: Final = "unix:"


@event
class Address:
    """
    An address of a report or a request; ``text`` is what the server wrote.

    Total: a text that is no address (``<unknown>``) is kept, and its parts are empty.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def host(self) -> str:
        """The IP address without brackets, zone and port, or an empty text."""
        match = _ADDRESS.fullmatch(self.text)
        return (match["ipv6"] or match["ipv4"]) if match else ""

    @property
    def zone(self) -> str:
        """The zone of a link-local IPv6 address, or an empty text; servers before 7 leave it out."""
        match = _ADDRESS.fullmatch(self.text)
        return (match["zone"] or "") if match else ""

    @property
    def port(self) -> int | None:
        """The TCP port, or None where there is none."""
        match = _ADDRESS.fullmatch(self.text)
        return int(match["port"]) if match and match["port"] else None

    @property
    def path(self) -> str:
        """The path of a Unix socket, or an empty text."""
        return self.text.removeprefix(_UNIX) if self.text.startswith(_UNIX) else ""

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The IP address without its zone, or None."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None
