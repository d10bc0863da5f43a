# SPDX-License-Identifier: ISC
"""What the content of a place is called: a name that is lost with it, and so tells that it has come back empty."""

import os
from typing import Final

from filter_ban.courier.health import Health
from filter_ban.courier.line import Line
from filter_ban.text import escape

_MAX_NAME: Final = 40


class Epoch:
    """
    The name of what is in one place.

    Args:
        prefix: Of names in the store.
        shard: The first one of the place.
        health: Of the store, if the engine is to know the name.

    """

    def __init__(self, prefix: str, shard: int, health: Health | None = None) -> None:
        self._key = f"{prefix}:{{{shard}}}:epoch"
        self._health = health
        self._offer = _new_name()
        self.name = ""

    @property
    def is_ours(self) -> bool:
        """Whether it is this courier that has given the name."""
        return self.name == self._offer

    async def look(self, line: Line) -> str:
        """
        Return the name; give one where there is none.

        Raises:
            StoreError: the store does not say.

        """
        # never SET where there is one: a store that is full refuses to
        found: bytes | None = await line.ask("GET", self._key)
        if found is None:
            if self.is_ours:
                self._offer = _new_name()
            await line.ask("SET", self._key, self._offer, "NX")
            found = await line.ask("GET", self._key)
        self.name = escape((found or b"").decode(errors="backslashreplace"))[:_MAX_NAME]
        if self._health is not None:
            self._health.call(self.name)
        return self.name


def _new_name() -> str:
    return os.urandom(8).hex()
