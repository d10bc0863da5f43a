# SPDX-License-Identifier: ISC
"""
A small reader of OpenSMTPD's smtpd.conf: its filters, and who listens with them.

Source: smtpd.conf(5).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import attrs

_TOKEN: Final = re.compile(r'\\\n|[ \t\r]+|#[^\n]*|\n|"((?:[^"\\]|\\.)*)"|([{}(),=])|([^\s"{}(),=]+)')
_REFERENCE: Final = re.compile(r"\$([A-Za-z0-9_]+)")
_MAX_INCLUDES: Final = 20
_END: Final = "\n"
Read = Callable[[str], str]


@attrs.frozen
class Listener:
    """A ``listen on`` statement; ``filters``: the names of its filter or of those in braces."""

    text: str
    interface: str
    logins: bool
    filters: tuple[str, ...]


@attrs.frozen
class SmtpdConf:
    """What a configuration says of filters: the command of each, the members of each chain, and the listeners."""

    commands: Mapping[str, str]
    chains: Mapping[str, tuple[str, ...]]
    listeners: tuple[Listener, ...]


def parse_smtpd_conf(text: str, read: Read) -> SmtpdConf:
    """
    Return what a configuration says.

    Args:
        text: Of the file.
        read: Returns the text of an included file.

    """
    processes: dict[str, str] = {}
    commands: dict[str, str] = {}
    chains: dict[str, tuple[str, ...]] = {}
    listeners: list[Listener] = []
    for words in _statements(text, read):
        match words:
            case ["proc", name, command, *_]:
                processes[name] = command
            case ["filter", name, "proc-exec", command, *_]:
                commands[name] = command
            case ["filter", name, "proc", process, *_]:
                commands[name] = processes.get(process, "")
            case ["filter", name, "chain", *members]:
                chains[name] = _in_braces(members)
            case ["listen", "on", interface, *options]:
                listeners.append(_listener(words, interface, options))
    return SmtpdConf(commands, chains, tuple(listeners))


def _listener(words: list[str], interface: str, options: list[str]) -> Listener:
    logins = any(option in ("auth", "auth-optional") for option in options)
    filters: tuple[str, ...] = ()
    if "filter" in options:
        behind = options[options.index("filter") + 1 :]
        filters = _in_braces(behind) if behind[:1] == ["{"] else tuple(behind[:1])
    return Listener(" ".join(words), interface, logins, filters)


def _in_braces(words: Sequence[str]) -> tuple[str, ...]:
    members = words[: words.index("}")] if "}" in words else words
    return tuple(word for word in members if word not in ("{", ","))


def _statements(text: str, read: Read) -> Iterator[list[str]]:
    """Yield the words of each statement, with macros replaced and files included."""
    macros: dict[str, str] = {}
    pending = [_lines(text)]
    included = 0
    while pending:
        words = next(pending[-1], None)
        if words is None:
            pending.pop()
        elif words[1:2] == ["="]:
            macros[words[0]] = " ".join(words[2:])
        elif words[0] == "include" and len(words) > 1:
            included += 1
            if included <= _MAX_INCLUDES:
                pending.append(_lines(read(_replaced(words[1], macros))))
        else:
            yield [_replaced(word, macros) for word in words]


def _replaced(word: str, macros: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda found: macros.get(found[1], found[0]), word)


def _lines(text: str) -> Iterator[list[str]]:
    """Yield the words of each line; a line goes on behind a backslash and within braces."""
    words: list[str] = []
    depth = 0
    for found in _TOKEN.finditer(f"{text}\n"):
        string, sign, word = found.groups()
        if string is not None:
            words.append(re.sub(r"\\(.)", r"\1", string))
        elif sign or word:
            depth = max(0, depth + (sign == "{") - (sign == "}"))
            words.append(sign or word)
        elif found[0] == _END and not depth and words:
            yield words
            words = []
