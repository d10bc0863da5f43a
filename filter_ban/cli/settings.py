# SPDX-License-Identifier: ISC
"""The configuration that holds: every key as the file would write it, and whether it is from there."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import attrs

from filter_ban.cli.daemon_client import control_dirs
from filter_ban.config import Config
from filter_ban.state import ledger_path


@attrs.frozen
class Setting:
    """One key with its full name, such as ``never.widest.ipv4``; ``origin`` is ``default`` or ``file``."""

    name: str
    value: Any
    origin: str

    @property
    def line(self) -> str:
        """The setting as a line of TOML."""
        return f"{self.name} = {_toml(self.value)}  # {self.origin}"


def effective_settings(config: Config, content: str) -> list[Setting]:
    """
    Return all settings in the order of the manual.

    Args:
        config: The configuration.
        content: The text that it was made from.
    """
    folder = control_dirs(config)[0]
    by_machine = {
        "daemon.socket_dir": str(folder),
        "ledger.path": str(ledger_path(config.ledger.path, folder)),
    }
    return [*_walk(Config, tomllib.loads(content), "", by_machine)]


def _walk(cls: type, given: dict[str, Any], prefix: str, by_machine: dict[str, str]) -> Iterator[Setting]:
    for field in attrs.fields(cls):
        name = prefix + field.name
        if "table" in field.metadata:
            yield from _walk(field.metadata["table"], given.get(field.name, {}), f"{name}.", by_machine)
        elif "tables" in field.metadata:
            yield Setting(name, given.get(field.name, []), "file" if field.name in given else "default")
        elif field.name in given:
            yield Setting(name, given[field.name], "file")
        else:
            yield Setting(name, by_machine.get(name, field.metadata["default"]), "default")


def _toml(value: Any) -> str:
    """Return a value in TOML: an inline table, or what is JSON but for one character."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
