# SPDX-License-Identifier: ISC
"""What one configuration says otherwise than another, and what must be restarted before that holds."""

from collections.abc import Iterator
from typing import Any

import attrs

from filter_ban.config.schema import Config


def changes(old: Config, new: Config) -> dict[str, str]:
    """Return the full names of the keys that differ, each with what must be restarted for it; "": nothing."""
    return dict(_changes(old, new, ""))


def _changes(old: Any, new: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for field in attrs.fields(type(new)):
        before, after = getattr(old, field.name), getattr(new, field.name)
        name = f"{prefix}{field.name}"
        if "table" in field.metadata:
            yield from _changes(before, after, f"{name}.")
        elif before != after:
            yield name, field.metadata.get("restart", "")


def without_restart(old: Config, new: Config) -> Config:
    """Return *new*, but with what a restart is needed for as it is in *old*."""
    merged: Config = _merged(old, new)
    return merged


def _merged(old: Any, new: Any) -> Any:
    kept = {
        field.name: _merged(getattr(old, field.name), getattr(new, field.name))
        if "table" in field.metadata
        else getattr(old, field.name)
        for field in attrs.fields(type(new))
        if "table" in field.metadata or field.metadata.get("restart")
    }
    return attrs.evolve(new, **kept)
