# SPDX-License-Identifier: ISC
"""
Postfix's master.cf as text: find services and their ``-o`` options, and set options with every other byte kept.

An entry is a line and its continuation lines, which begin with a blank; comments and empty lines in between are no part
of it. Arguments are parted by blanks; braces hold together what has blanks.

Source: master(5); master/master_ent.c, util/mystrtok.c.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from filter_ban.setup.recipes import option_line
from filter_ban.setup.tokens import Token, parse_tokens

_FIELDS: Final = 8  # name, type, private, unprivileged, chroot, wakeup, processes, command
_CHROOT: Final = 4
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_IGNORED: Final = re.compile(r"\s*(#.*)?\n?")
INDENT: Final = "  "


@attrs.frozen
class Option:
    """``-o name=value`` in whatever form; ``value`` has single blanks and no comments, the text between start and end may."""

    name: str
    value: str
    start: int
    end: int


@attrs.frozen
class Service:
    """An entry; ``end`` is behind its last line."""

    name: str
    type: str
    chroot: str
    command: str
    options: tuple[Option, ...]
    end: int

    def option(self, name: str) -> str | None:
        """Return the value of an option, the last if there are several, as Postfix does; None: it is not set."""
        return next((option.value for option in reversed(self.options) if option.name == name), None)


def parse_services(text: str) -> Iterator[Service]:
    """Yield the services of a master.cf that Postfix accepts; what has too few fields is left out."""
    for start, end, masked in _entries(text):
        tokens = [*parse_tokens(masked)]
        fields = [token.text for token in tokens[:_FIELDS]]
        if len(fields) == _FIELDS:
            options = tuple(_options(tokens[_FIELDS:], start))
            yield Service(fields[0], fields[1], fields[_CHROOT], fields[-1], options, end)


def set_options(text: str, service: Service, wanted: Iterable[tuple[str, str]]) -> str:
    """
    Return *text* with the *wanted* options of *service* set, each once.

    What is set to that value already keeps its form and place; what is new comes behind the last line.
    """
    edits: list[tuple[int, int, str]] = []
    additions = ""
    for name, value in wanted:
        same = [option for option in service.options if option.name == name]
        edits += [_removal(text, option) for option in same[:-1]]
        if not same:
            additions += f"{INDENT}{option_line(name, value)}\n"
        elif same[-1].value != value:
            edits.append((same[-1].start, same[-1].end, option_line(name, value)))
    if additions:
        unfinished = not text[: service.end].endswith("\n")
        edits.append((service.end, service.end, "\n" * unfinished + additions))
    following = len(text)
    for start, end, replacement in sorted(edits, reverse=True):
        rest = text[min(end, following) :]  # neighbours may share the blank between them
        text = text[:start] + replacement + rest
        following = start
    return text


def append_service(text: str, head: str, options: Iterable[tuple[str, str]]) -> str:
    """Return *text* with a service at its end; *head* is the line of its fields."""
    unfinished = text != "" and not text.endswith("\n")
    lines = [head, *(f"{INDENT}{option_line(name, value)}" for name, value in options)]
    return text + "\n" * unfinished + "\n".join(lines) + "\n"


def _entries(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and text of each entry; in the text, comments are blanked, so that offsets stay true."""
    start, end, position = -1, 0, 0
    masked = ""
    for line in _LINE.findall(text):
        ignored = _IGNORED.fullmatch(line)
        if not ignored and not line[0].isspace():
            if start >= 0:
                yield start, end, masked
            start, masked = position, ""
        position += len(line)
        masked += " " * len(line) if ignored else line
        if not ignored:
            end = position
    if start >= 0:
        yield start, end, masked


def _options(arguments: list[Token], offset: int) -> Iterator[Option]:
    """Yield the options among the arguments of a daemon; the first that is none ends them."""
    rest = iter(arguments)
    for token in rest:
        if token.text == "-o":
            assignment = next(rest, None)
            if assignment is None:
                return
            text = assignment.text
            if text.startswith("{"):
                text = text.removeprefix("{").removesuffix("}")
            yield _option(text, offset + token.start, offset + assignment.end)
        elif token.text.startswith("-o"):
            yield _option(token.text.removeprefix("-o"), offset + token.start, offset + token.end)
        elif not token.text.startswith("-"):
            return


def _option(assignment: str, start: int, end: int) -> Option:
    name, _, value = assignment.partition("=")
    return Option(name.strip(), " ".join(value.split()), start, end)


def _removal(text: str, option: Option) -> tuple[int, int, str]:
    """Return the edit that takes an option out: with its line if that has nothing else."""
    before = text.rfind("\n", 0, option.start) + 1
    newline = text.find("\n", option.end)
    after = len(text) if newline < 0 else newline + 1
    if not text[before : option.start].strip() and not text[option.end : after].strip():
        return before, after, ""
    if text[before : option.start].strip():
        return len(text[: option.start].rstrip(" \t")), option.end, ""
    return option.start, len(text) - len(text[option.end :].lstrip(" \t")), ""
