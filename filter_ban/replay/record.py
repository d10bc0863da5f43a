# SPDX-License-Identifier: ISC
"""Reads recordings (see :mod:`filter_ban.recording`)."""

import json
from collections.abc import Mapping
from typing import Any, Final

from filter_ban.engine.history import NO_SECRET
from filter_ban.model import Kind
from filter_ban.recording import FORMAT, MAX_TEXT, VERSION
from filter_ban.signals import Signal
from filter_ban.tags import UserTags

_KINDS: Final = {kind.value: kind for kind in Kind}
_LATEST_S: Final = 253_402_300_799  # the end of the year 9999
_VISIBLE: Final = 2  # keeps a secret's tag off the engine's constants


def is_header(line: str) -> bool:
    """Return whether *line* begins a recording that can be read."""
    header = _parse(line)
    return header.get("format") == FORMAT and header.get("version") == VERSION


class RecordReader:
    """Turns lines into signals."""

    def __init__(self) -> None:
        self._users = UserTags(b"")  # of names that are hashes already

    def read(self, line: str) -> Signal | None:
        """Return the signal on *line*; None where there is none, as on one that was cut."""
        record = _parse(line)
        kind = _KINDS.get(_text(record, "kind"))
        time_s = record.get("time")
        address = _text(record, "address")
        if kind is None or not address or not isinstance(time_s, int | float) or not 0 <= time_s <= _LATEST_S:
            return None
        user = _text(record, "user")
        return Signal(
            float(time_s),
            kind,
            address,
            _text(record, "service"),
            user,
            self._users.of(user),
            _secret(record),
        )


def _parse(line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _secret(record: Mapping[str, Any]) -> int:
    try:
        return int(_text(record, "secret"), 16) & 0xFFFF_FFFF | _VISIBLE
    except ValueError:
        return NO_SECRET
