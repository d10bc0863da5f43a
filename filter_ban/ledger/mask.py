# SPDX-License-Identifier: ISC
"""User names made fit to be stored: enough to recognise one's own, too little to learn another's."""

import re
from typing import Final

from filter_ban.text import escape

MAX_CHARS: Final = 64
CUT: Final = "…"
_SHOWN_CHARS: Final = 2
_SHORT_CHARS: Final = 3  # of a name this short two characters would be most of it
_MAX_DOMAIN_CHARS: Final = 253  # RFC 1035, 2.3.4, less the outer length bytes
_DOMAIN: Final = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+"  # labels; letters may be non-ASCII
    r"(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{1,59})",
    re.IGNORECASE,
)


def mask(user: str) -> str:
    """
    Return *user* as it may be stored: ``al…@example.org``, at most MAX_CHARS printable characters.

    Clients send passwords in the place of names, so what follows the ``@`` is kept only where it has the form of a
    domain, and of all else no more than two characters. The empty name stays empty.
    """
    local, at, domain = user.rpartition("@")
    if not at or len(domain) > _MAX_DOMAIN_CHARS or not _DOMAIN.fullmatch(domain):
        return _head(user)
    shown = f"{_head(local)}@"
    room = MAX_CHARS - len(shown)
    domain = escape(domain)
    return shown + (domain if len(domain) <= room else CUT + domain[len(domain) - room + 1 :])


def _head(text: str) -> str:
    if not text:
        return ""
    return CUT if len(text) <= _SHORT_CHARS else escape(text[:_SHOWN_CHARS]) + CUT
