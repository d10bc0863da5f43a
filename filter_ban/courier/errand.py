# SPDX-License-Identifier: ISC
"""Work on a place that goes on whatever becomes of the connection."""

import asyncio
import random
from abc import ABC, abstractmethod
from typing import Final

import attrs

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.courier.desk import Desk
from filter_ban.courier.epoch import Epoch
from filter_ban.courier.health import Health
from filter_ban.courier.line import STRANGE, Line, StoreError
from filter_ban.courier.settings import Settings
from filter_ban.courier.stores import Place

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 0.5


@attrs.frozen(kw_only=True)
class Post:
    """A place, and what one needs to work there."""

    place: Place
    health: Health  # of the store
    epoch: Epoch  # of the place
    desk: Desk
    keys: ClusterKeys
    settings: Settings


class Errand(ABC):
    """Something to do in a place, on a connection of its own."""

    def __init__(self, post: Post) -> None:
        self.place = post.place
        self.health = post.health
        self.epoch = post.epoch
        self.desk = post.desk
        self.keys = post.keys
        self.settings = post.settings
        self.retention_s = post.settings.retention_s
        self._name = f"{type(self).__name__} {post.place.first}"
        self._pause_s = _FIRST_PAUSE_S

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                async with self.place.connect() as line:
                    await self.work(line)
            except StoreError as error:
                self.health.note(self._name, str(error))
            except STRANGE:
                self.health.note(self._name, "strange answer")
            await asyncio.sleep(self._pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - against all at once
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    @abstractmethod
    async def work(self, line: Line) -> None:
        """
        Do it on a line that has just been opened.

        Raises:
            StoreError: the store does not what it should.

        """

    def well(self) -> None:
        """Take note that the store does what it should."""
        self._pause_s = _FIRST_PAUSE_S
        self.health.note(self._name)
