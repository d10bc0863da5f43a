# SPDX-License-Identifier: ISC
"""What engine and helper say to each other: JSON objects, a line each, in ASCII. Every run has exactly one outcome."""

import json
from typing import Any, Final

import attrs

from filter_ban.text import escape

MAX_PROBLEM: Final = 500
WEB: Final = ("http://", "https://")


@attrs.frozen
class Run:
    """One hook to be told of one thing; ``hook`` is a program with its arguments, or one URL."""

    number: int
    hook: tuple[str, ...]
    timeout_s: float
    document: dict[str, Any]

    def encode(self) -> bytes:
        """Return it as a line."""
        return _line([self.number, self.hook, self.timeout_s, self.document])

    @classmethod
    def parse(cls, line: bytes) -> "Run":
        """Return what :meth:`encode` made a line of."""
        number, hook, timeout_s, document = json.loads(line)
        return cls(number, tuple(hook), timeout_s, document)


@attrs.frozen
class Outcome:
    """How a run ended; ``problem`` is empty where all went well, else printable and bounded."""

    number: int
    problem: str = ""

    def encode(self) -> bytes:
        """Return it as a line."""
        problem = self.problem if self.problem.isprintable() else escape(self.problem)
        return _line([self.number, problem[:MAX_PROBLEM]])

    @classmethod
    def parse(cls, line: bytes) -> "Outcome":
        """
        Return what :meth:`encode` made a line of.

        Raises:
            ValueError: *line* is no outcome.

        """
        match json.loads(line):
            case [int(number), str(problem)]:
                return cls(number, problem)
        raise ValueError("no outcome of a run")


def is_web(hook: tuple[str, ...]) -> bool:
    """Return whether *hook* is a URL."""
    return hook[0].startswith(WEB)


def name_of(hook: tuple[str, ...]) -> str:
    """Return what may be told of *hook*: arguments, and the path of a URL, may be secret."""
    if not is_web(hook):
        return hook[0]
    scheme, _, rest = hook[0].partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}/…"


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"
