# SPDX-License-Identifier: ISC
"""
Parsers for single configuration values.

Each takes what TOML gave and returns the typed value, or raises ValueError whose text is the rule that was broken.
"""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import attrs

from filter_ban.client import ClientKey, pack_address, parse_network
from filter_ban.model import Mode
from filter_ban.reply import ReplyTemplate

T = TypeVar("T")
Parser = Callable[[object], T]

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhdw])+")
MAX_DURATION_S: Final = 10 * 366 * 86_400
MAX_PORT: Final = 65_535
MAX_SOCKET_PATH_BYTES: Final = 100  # unix(7), sun_path: 108 on Linux, 104 on the BSDs, with a NUL
MAX_HOOK_CHARS: Final = 2000
IPV4_BYTES: Final = 4
_HOST: Final = r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
_PORT_IN_URL: Final = re.compile(r":([0-9]{1,5})(?=[,/]|$)")
_HOSTS: Final = rf"{_HOST}(?:,{_HOST})*"
_STORE_URL: Final = re.compile(
    rf"rediss?://{_HOST}(?:/[0-9]{{1,4}})?|unix:///[\x21-\x7e]{{1,100}}"
    rf"|rediss?\+sentinel://{_HOSTS}/[A-Za-z0-9._-]{{1,100}}(?:/[0-9]{{1,4}})?|rediss?\+cluster://{_HOSTS}"
)
_WEB: Final = ("http://", "https://")


@attrs.frozen
class Endpoint:
    """Where to listen: a TCP port of an address, or the path of a unix socket (then the rest is empty)."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return bool(self.path) or self.host == "::1" or self.host.startswith("127.")

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen
class Limit:
    """So many strikes within so many seconds cause a ban; ``text`` is how the admin wrote it."""

    count: float
    window_s: int
    text: str


def parse_duration(value: object) -> int:
    """Return seconds from ``"15m"``, ``"1h30m"`` or an integer of seconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and _DURATION.fullmatch(value):
        seconds = sum(int(part[:-1]) * _UNITS_S[part[-1]] for part in re.findall(r"[0-9]+[a-z]", value))
    else:
        raise ValueError('must be a duration such as "15m", "2h", "1h30m" or "7d", or seconds')
    if not 1 <= seconds <= MAX_DURATION_S:
        raise ValueError("must be between 1 second and 10 years")
    return seconds


def duration_text(seconds: float) -> str:
    """Return *seconds* in the form that :func:`parse_duration` reads, largest units first."""
    rest = int(seconds)
    parts = []
    for unit in "dhms":
        count, rest = divmod(rest, _UNITS_S[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_length(value: object) -> int | None:
    """Return the length of a ban in seconds; ``"forever"`` is None."""
    return None if value == "forever" else parse_duration(value)


def parse_limit(value: object) -> Limit:
    """Return the limit of ``"5 in 10m"``."""
    if isinstance(value, str):
        count, word, window = value.partition(" in ")
        if word and count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= 1000:  # noqa: PLR2004 - as the rule says
            return Limit(float(count), parse_duration(window), value)
    raise ValueError('must be strikes in a window, such as "5 in 10m", with 1 to 1000 strikes')


def parse_mode(value: object) -> Mode:
    """Return the mode of its word."""
    return Mode(one_of(*Mode)(value))


def parse_reply(value: object) -> ReplyTemplate:
    """Return the template of a reply text."""
    return ReplyTemplate.parse(text(value))


def parse_path(value: object) -> Path:
    """Return an absolute path."""
    path = Path(text(value))
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def parse_path_or_none(value: object) -> Path | None:
    """Return an absolute path; None of the empty string."""
    return None if value == "" else parse_path(value)


def parse_endpoint(value: object) -> Endpoint:
    """Return where ``127.0.0.1:10040``, ``[::1]:10040`` or ``unix:/path`` is."""
    shown = text(value)
    if shown.startswith("unix:/"):
        path = shown.removeprefix("unix:")
        if len(path.encode()) <= MAX_SOCKET_PATH_BYTES and path.isprintable():
            return Endpoint(path=path)
        raise ValueError(f"must have a printable path of at most {MAX_SOCKET_PATH_BYTES} bytes")
    host, _, port = shown.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if (":" in host) == bracketed and port.isascii() and port.isdigit() and int(port[:6]) <= MAX_PORT:
        try:
            packed = pack_address(host)
        except ValueError:
            pass
        else:
            family = socket.AF_INET if len(packed) == IPV4_BYTES else socket.AF_INET6
            return Endpoint(host=socket.inet_ntop(family, packed), port=int(port))
    raise ValueError('must be "ADDRESS:PORT", "[IPV6]:PORT" or "unix:/PATH"')


def parse_tcp_endpoint(value: object) -> Endpoint:
    """Return where ``192.0.2.1:2525`` or ``[2001:db8::1]:2525`` is."""
    endpoint = parse_endpoint(value)
    if endpoint.path:
        raise ValueError('must be "ADDRESS:PORT" or "[IPV6]:PORT": who comes by a unix socket has no address')
    return endpoint


def parse_hook(value: object) -> tuple[str, ...]:
    """Return a program with its arguments, or one URL; nothing of the empty string."""
    words = tuple(map(text, value)) if isinstance(value, list) else (text(value),)
    if words in {(), ("",)}:
        return ()
    if not all(word.isprintable() and len(word) <= MAX_HOOK_CHARS for word in words):
        raise ValueError(f"must be printable, with words of at most {MAX_HOOK_CHARS} characters")
    if not (Path(words[0]).is_absolute() or (len(words) == 1 and words[0].startswith(_WEB))):
        raise ValueError(
            'must be the absolute path of a program, ["/path", "argument", …], or an http(s) URL'
        )
    return words


def parse_policy_reply(value: object) -> ReplyTemplate | None:
    """Return the template of a policy service's reply, which may begin with REJECT; None of the empty string."""
    return None if value == "" else ReplyTemplate.parse(text(value), words=("REJECT",))


def network(value: object) -> ClientKey:
    """Return the key of an address or prefix."""
    return parse_network(text(value))


def text(value: object) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004 - one kind of error for all broken rules
    return value


def store_url(value: object) -> str:
    """
    Return the URL of a Valkey or Redis server, of its Sentinels, or of a cluster of them.

    ``redis://HOST:PORT/DB``, ``rediss://`` with TLS, ``unix:///PATH``; ``redis+sentinel://HOST:PORT,HOST:PORT/NAME``;
    ``redis+cluster://HOST:PORT,HOST:PORT``; the latter two with ``rediss`` too. No user and no password: these have keys.
    """
    is_url = isinstance(value, str) and _STORE_URL.fullmatch(value)
    if not is_url or not all(0 < int(port) <= MAX_PORT for port in _PORT_IN_URL.findall(str(value))):
        raise ValueError(
            "must be redis://HOST:PORT, rediss://…, unix:///PATH, redis+sentinel://HOST:PORT,…/NAME"
            " or redis+cluster://HOST:PORT,…, without user and password"
        )
    return str(value)


def flag(value: object) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - one kind of error for all broken rules
    return value


def integer(low: int, high: int) -> Parser[int]:
    """Return a parser of integers from *low* to *high*."""

    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be an integer from {low} to {high}")
        return value

    return parse


def number(low: float, high: float) -> Parser[float]:
    """Return a parser of numbers from *low* to *high*."""

    def parse(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return float(value)

    return parse


def one_of(*words: str) -> Parser[str]:
    """Return a parser that takes one of *words*."""

    def parse(value: object) -> str:
        if value not in words:
            raise ValueError("must be one of " + ", ".join(f'"{word}"' for word in words))
        return str(value)

    return parse


def parse_backends(*names: str) -> Parser[tuple[str, ...]]:
    """Return a parser of one of *names* or an array of them; ``"none"`` is no backend."""
    parse_name = one_of("none", *names)

    def parse(value: object) -> tuple[str, ...]:
        chosen = tuple(map(parse_name, value if isinstance(value, list) else [value]))
        if len(set(chosen)) < len(chosen):
            raise ValueError("must not name a backend twice")
        if "none" in chosen and len(chosen) > 1:
            raise ValueError('must not be "none" and something else')
        return tuple(name for name in chosen if name != "none")

    return parse


def pattern(regex: str, rule: str) -> Parser[str]:
    """Return a parser of strings that match *regex* whole; *rule* says so in words."""
    compiled = re.compile(regex)

    def parse(value: object) -> str:
        if not compiled.fullmatch(text(value)):
            raise ValueError(rule)
        return str(value)

    return parse


def several(parse: Parser[T], *, at_least: int = 0) -> Parser[tuple[T, ...]]:
    """Return a parser of arrays of what *parse* takes."""

    def parse_all(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) < at_least:
            raise ValueError("must be an array" + (f" of at least {at_least}" if at_least else ""))
        return tuple(parse(item) for item in value)

    return parse_all
