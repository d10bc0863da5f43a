# SPDX-License-Identifier: ISC
"""The manual's page on the log knows every event that the code logs, with its severity, and no other."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from filter_ban.logline import RESERVED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "log.md").read_text()
DAEMON, RELAY = PAGE.split("## What the relay says")
ROW = re.compile(r"^\| `([a-z-]+)` \| ([a-z, ]+) \| (.+) \| (.*) \|$", re.MULTILINE)
SEVERITIES = {"exception": "error"}  # a method of a logger, where it is not called as its level


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Yield the modules of filter_ban, parsed."""
    for file in sorted((ROOT / "filter_ban").rglob("*.py")):
        yield file, ast.parse(file.read_bytes())


def name_of(call: ast.Call) -> str:
    """Return the name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def texts(node: ast.expr, calls: Mapping[str, list[ast.Call]]) -> Iterator[str]:
    """Yield patterns of the texts that an expression may be; the first argument of ``log_bans`` is its ``event``."""
    match node:
        case ast.Constant(value=str(text)):
            yield re.escape(text)
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts(body, calls)
            yield from texts(orelse, calls)
        case ast.JoinedStr(values=parts):
            yield "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z]+" for part in parts
            )
        case ast.Name(id="event"):
            for call in calls["log_bans"]:
                yield from texts(call.args[0], calls)
        case _:
            raise AssertionError(ast.unparse(node))


def calls_in(tree: ast.AST) -> defaultdict[str, list[ast.Call]]:
    """Return the calls in *tree* by the name of what is called."""
    calls: defaultdict[str, list[ast.Call]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            calls[name_of(node)].append(node)
    return calls


def logged() -> dict[str, set[str]]:
    """Return patterns of the events that the daemon logs, with their severities."""
    found: dict[str, set[str]] = defaultdict(set)
    of_bans = [call for _, tree in modules() for call in calls_in(tree)["log_bans"]]
    for file, tree in modules():
        if file.name == "logline.py":
            continue
        calls = calls_in(tree) | {"log_bans": of_bans}
        for level in ("debug", "info", "warning", "error", "critical", "exception"):
            for call in calls[level]:
                if call.args and isinstance(call.args[0], ast.Call) and name_of(call.args[0]) == "fact":
                    for pattern in texts(call.args[0].args[0], calls):
                        found[pattern].add(SEVERITIES.get(level, level))
    return found


def said() -> dict[str, set[str]]:
    """Return patterns of what the relay says, with their severities."""
    found: dict[str, set[str]] = defaultdict(set)
    for file, tree in modules():
        for node in ast.walk(tree) if file.parent.name == "relay" else ():
            if isinstance(node, ast.Call) and name_of(node) == "say":
                for pattern in texts(node.args[1], {}):
                    level, _, event = pattern.replace("\\ ", " ").replace("\\", "").partition(": ")
                    found[event.replace(" ", "-")].add(level)
    return found


OF_LOGLINE = {"log-lines-lost": {"warning"}}


@pytest.mark.parametrize(
    ("page", "code"), [(DAEMON, {**logged(), **OF_LOGLINE}), (RELAY, said())], ids=["daemon", "relay"]
)
def test_every_event(page: str, code: dict[str, set[str]]) -> None:
    """Each event of the code is on the page with its severity, and each on the page is in the code."""
    told = {event: set(levels.split(", ")) for event, levels, *_ in ROW.findall(page)}
    matched = {
        event: {level for pattern, levels in code.items() if re.fullmatch(pattern, event) for level in levels}
        for event in told
    }
    undocumented = {pattern for pattern in code if not any(re.fullmatch(pattern, event) for event in told)}

    assert undocumented == set()
    assert told == matched


def test_meaning_and_remedy() -> None:
    """Each says what it means, and what to do."""
    assert [event for event, _, meaning, remedy in ROW.findall(PAGE) if not meaning or not remedy] == []


def test_no_value_has_a_reserved_name() -> None:
    """In a JSON line no value of a fact takes the place of what every line has."""
    keys = {
        keyword.arg
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and name_of(node) == "fact"
        for keyword in node.keywords
    }
    assert keys & {*RESERVED, "trace"} == set()
