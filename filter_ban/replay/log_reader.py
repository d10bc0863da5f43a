# SPDX-License-Identifier: ISC
"""What the readers of all servers' logs do alike."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from filter_ban.model import Kind
from filter_ban.replay.syslog import Entry
from filter_ban.signals import Signal
from filter_ban.tags import UserTags
from filter_ban.text import excerpt

MAX_SESSIONS: Final = 100_000
_MAX_USER: Final = 255  # RFC 4616, 2
_MAX_ADDRESS: Final = 64  # an IPv6 address with a zone
_MAX_SERVICE: Final = 40
_Session = TypeVar("_Session")


class Sessions(OrderedDict[str, _Session], Generic[_Session]):
    """What is known of sessions by some name of theirs; when there are too many the oldest is forgotten."""

    def __setitem__(self, name: str, session: _Session) -> None:
        super().__setitem__(name, session)
        if len(self) > MAX_SESSIONS:
            self.popitem(last=False)


class LogReader:
    """The base of what reads the log of one server."""

    def __init__(self) -> None:
        self._users = UserTags(b"")  # the same on any machine

    def _signal(self, entry: Entry, kind: Kind, address: str, service: str, user: str = "") -> Signal:
        """Return a signal; every text in it comes from a log and is bounded."""
        user = user[:_MAX_USER]
        return Signal(
            entry.time_s,
            kind,
            address[:_MAX_ADDRESS],
            excerpt(service, _MAX_SERVICE),
            user,
            self._users.of(user),
        )
