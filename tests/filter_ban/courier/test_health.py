# SPDX-License-Identifier: ISC
"""How a store is."""

from typing import Any

from filter_ban.courier.health import Health


class Engine:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[bool, str, str]] = []

    def mention(self, verb: str, facts: dict[str, Any]) -> None:
        """Take note of it."""
        assert (verb, facts["index"]) == ("store", 1)
        self.told.append((facts["ok"], facts["problem"], facts["epoch"]))


def test_health() -> None:
    """The engine is told when it changes: well is a store with which all do well."""
    engine: Any = Engine()
    health = Health(engine, 1, "before")
    health.tell()
    assert engine.told == []

    for whose, problem in [
        ("a", ""),
        ("b", ""),
        ("a", "full"),
        ("b", "gone"),
        ("a", ""),
        ("a", ""),
        ("b", ""),
    ]:
        health.note(whose, problem)
    assert engine.told == [
        (True, "", "before"),
        (False, "full", "before"),
        (False, "gone", "before"),
        (True, "", "before"),
    ]
    health.call("after")
    health.call("after")
    health.tell()
    assert engine.told[4:] == [(True, "", "after")] * 2
