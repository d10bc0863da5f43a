# SPDX-License-Identifier: ISC
"""What an operator asks for, one ban at a time."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from filter_ban.client import parse_network
from filter_ban.daemon.commands import Commands
from filter_ban.daemon.control import CommandError
from filter_ban.daemon.wishes import MAX_BAN_S, Wish, is_for_all
from filter_ban.model import HERE, Ban
from tests.filter_ban.daemon.nodes import Node
from tests.filter_ban.daemon.test_service import Rig

NOW_S = 1_795_000_000


@pytest.mark.parametrize(
    ("given", "request_", "expected"),
    [
        ("192.0.2.7", {}, Wish("192.0.2.7", None, "by hand")),
        ("192.0.2.7", {"length": 60, "reason": "x"}, Wish("192.0.2.7", NOW_S + 60, "x")),
        (7, {}, Wish(7, None, "by hand")),
        ({"client": "192.0.2.7"}, {"length": 60, "reason": "x"}, Wish("192.0.2.7", NOW_S + 60, "x")),
        ({"client": "192.0.2.7", "end": None}, {"length": 60}, Wish("192.0.2.7", None, "by hand")),
        (
            {"client": "192.0.2.7", "end": NOW_S + 5, "reason": "y\n"},
            {"length": 60, "reason": "x"},
            Wish("192.0.2.7", NOW_S + 5, "y\\n"),
        ),
        ({}, {}, Wish(None, None, "by hand")),
    ],
)
def test_parse(given: object, request_: dict[str, Any], expected: Wish) -> None:
    """A client's own end and reason hold before those of the request, and reasons are escaped."""
    assert Wish.parse(given, request_, NOW_S) == expected


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        (NOW_S + 1, ""),
        (NOW_S, "its end has passed"),
        (-1, "its end has passed"),
        (NOW_S + MAX_BAN_S, ""),
        (NOW_S + MAX_BAN_S + 1, "its end is more than 100 years away"),
        ("soon", "its end is no number of seconds"),
        (1e12, "its end is no number of seconds"),
        (True, "its end is no number of seconds"),
    ],
)
def test_ends(end: object, problem: str) -> None:
    """An end is a second that is to come."""
    assert Wish.parse({"client": "192.0.2.7", "end": end}, {}, NOW_S).problem == problem


def test_reasons_are_bounded() -> None:
    """A reason is as long as the ledger keeps it."""
    assert len(Wish.parse({"client": "192.0.2.7", "reason": "x" * 1000}, {}, NOW_S).reason) == 200


@pytest.mark.parametrize(
    ("before", "end", "outcome"),
    [
        (None, 5, "banned"),
        (5, 5, "unchanged"),
        (5, 4, "unchanged"),
        (5, 6, "extended"),
        (5, None, "extended"),
    ],
)
def test_outcome(before: int | None, end: int | None, outcome: str) -> None:
    """No ban is ever shortened."""
    wish = Wish("192.0.2.7", None if end is None else NOW_S + end, "")
    client = parse_network("192.0.2.7")
    ban = None if before is None else Ban(client=client, start_s=0, end_s=NOW_S + before, rule="", reason="")

    assert wish.outcome(ban) == outcome


def test_nothing_outlasts_forever() -> None:
    """A ban without an end stays as it is."""
    ban = Ban(client=parse_network("192.0.2.7"), start_s=0, end_s=None, rule="", reason="")

    assert [Wish("", end, "").outcome(ban) for end in (None, NOW_S)] == ["unchanged", "unchanged"]


ALONE, FULL, LISTENING = "", "full", "listen-only"
NO_OTHERS = "there are no other nodes (cluster.stores)"
ONLY_LISTENS = "this node only listens to the others (cluster.role)"


@pytest.mark.parametrize(
    ("role", "request_", "expected"),
    [
        (ALONE, {}, False),
        (ALONE, {"everywhere": False}, False),
        (ALONE, {"everywhere": True}, NO_OTHERS),
        (FULL, {}, True),
        (FULL, {"everywhere": None}, True),
        (FULL, {"everywhere": False}, False),
        (FULL, {"everywhere": True}, True),
        ("publish-only", {}, True),
        (LISTENING, {}, False),
        (LISTENING, {"everywhere": False}, False),
        (LISTENING, {"everywhere": True}, ONLY_LISTENS),
    ],
)
@pytest.mark.parametrize("command", ["ban", "lift", "allow", "disallow"])
def test_everywhere(
    command: str, role: str, request_: dict[str, Any], expected: object, tmp_path: Path
) -> None:
    """An act is for all nodes where there are any that hear of it, unless it is said otherwise."""

    async def test() -> None:
        if role == ALONE:
            service = Rig(tmp_path).service
            handlers = {**Commands(service).handlers}
        else:
            node = Node(tmp_path, settings=f'role = "{role}"')
            service, handlers = node.service, node.commands.handlers
        request = {"clients": ["192.0.2.7"], **request_}
        if isinstance(expected, str):
            with pytest.raises(CommandError) as raised:
                is_for_all(request, service)
            assert str(raised.value) == expected
            with pytest.raises(CommandError, match=r"nodes|listens"):
                assert not [part async for part in handlers[command](request)]
            return
        assert is_for_all(request, service) is expected
        parts = [part async for part in handlers[command](request)]
        assert {part["everywhere"] for part in parts} == {expected}
        if service.cluster is not None:
            notices = 2 if command == "allow" else 1  # an allowance is a lift too
            assert service.cluster.document()["buffered"] == (notices if expected else 0)

    asyncio.run(test())


@pytest.mark.parametrize(
    ("role", "everywhere", "node"),
    [(ALONE, None, ""), (FULL, None, ""), (FULL, False, HERE), (LISTENING, None, HERE)],
)
def test_whose_ban_it_is(role: str, everywhere: bool | None, node: str, tmp_path: Path) -> None:
    """In a cluster, what others are not told of is this node's alone: a ban, and an allowance."""

    async def test() -> None:
        service = (Node(tmp_path, settings=f'role = "{role}"') if role else Rig(tmp_path)).service
        for command in ("ban", "allow"):
            request = {"clients": ["192.0.2.7"], "everywhere": everywhere}
            handler = Commands(service).handlers[command]
            assert [part async for part in handler(request)]
            if command == "ban":
                assert [ban.node for ban in service.engine.bans.values()] == [node]
        assert [one.here for one in service.allowed.values()] == [node == HERE]

    asyncio.run(test())
