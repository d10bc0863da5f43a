# SPDX-License-Identifier: ISC
"""
Reads ``signals.txt``: what a sensor sees, in a form for people.

    0d 10:00:00  x20 every 60s  auth-fail  198.51.100.{n}  user=anna{n}  secret={n}  service=dovecot imap

A line is a time of day (on day 0, 1, ...), a kind and an address, and what else is known. With ``xN every Ns`` it is N
signals, where ``{n}`` is 0, 1, ...; ``{n%3}`` counts to three again and again, ``{n/3}`` every three signals, and
``{n:x}`` is hexadecimal. Without a secret it is not visible. ``#`` begins a comment. Lines may overlap: signals are put
in the order of time.
"""

import re
from collections.abc import Iterator
from typing import Final

from filter_ban.engine.history import NO_SECRET
from filter_ban.model import Kind
from filter_ban.signals import Signal
from filter_ban.tags import UserTags

START_S: Final = 1_763_683_200  # midnight
_DAY_S: Final = 86_400
_LINE: Final = re.compile(
    r"(?P<day>\d+)d (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:\s+x(?P<times>\d+) every (?P<every>[\d.]+)s)?"
    r"\s+(?P<kind>[a-z-]+)\s+(?P<address>\S+)"
    r"(?:\s+user=(?P<user>\S+))?(?:\s+secret=(?P<secret>\S+))?(?:\s+service=(?P<service>.+))?"
)
_NUMBER: Final = re.compile(r"\{n(?:(?P<operator>[%/])(?P<operand>\d+))?(?P<hex>:x)?\}")
_TAGS: Final = UserTags(b"")


def read_story(text: str) -> list[Signal]:
    """Return the signals of a story in the order of time."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return sorted((signal for line in lines if line for signal in _expand(line)), key=lambda one: one.time_s)


def clock(time_s: int | None) -> str | None:
    """Return a time in the form of a story; None is never."""
    if time_s is None:
        return None
    minutes, second = divmod(time_s - START_S, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{day}d {hour:02}:{minute:02}:{second:02}"


def _expand(line: str) -> Iterator[Signal]:
    match = _LINE.fullmatch(line)
    assert match is not None, f"no signal: {line}"
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    begins_s = START_S + day * _DAY_S + hour * 3600 + minute * 60 + second
    for number in range(int(match["times"] or 1)):
        address, user, secret, service = (
            _fill(match[name] or "", number) for name in ("address", "user", "secret", "service")
        )
        time_s = begins_s + number * float(match["every"] or 0)
        tag = _TAGS.of(secret) | 2 if secret else NO_SECRET  # off the engine's constants
        yield Signal(time_s, Kind(match["kind"]), address, service, user, _TAGS.of(user), tag)


def _fill(text: str, number: int) -> str:
    def value(match: re.Match[str]) -> str:
        counted = number
        if match["operator"] == "%":
            counted = number % int(match["operand"])
        elif match["operator"] == "/":
            counted = number // int(match["operand"])
        return f"{counted:x}" if match["hex"] else str(counted)

    return _NUMBER.sub(value, text)
