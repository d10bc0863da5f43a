# SPDX-License-Identifier: ISC
"""The answer to the live view, made at most once a second, however many watch."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Final

from filter_ban.client import key_text
from filter_ban.daemon.control import Request
from filter_ban.daemon.service import Service
from filter_ban.daemon.status import enforced_document, status_document
from filter_ban.daemon.suspects import Suspect
from filter_ban.views import Document

FRESH_S: Final = 0.9  # less than the second after which a watcher asks again


class Watching:
    """The handler of ``watch``."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._document: Document = {}
        self._made_s = -math.inf
        self._lock = asyncio.Lock()  # who asks while an answer is made gets that one

    async def watch(self, request: Request) -> AsyncIterator[Document]:
        """Yield one document: the status and the tallies; with ``fresh`` it is made for this request."""
        async with self._lock:
            now_s = time.monotonic()
            if request.get("fresh") is True or now_s - self._made_s >= FRESH_S:
                self._document, self._made_s = await self._make(), now_s
        yield self._document

    async def _make(self) -> Document:
        service, tallies, now_s = self._service, self._service.tallies, time.time()
        return {
            **await status_document(service),
            "minutes": tallies.minutes.counts(),
            "suspects": [_suspect(suspect) for suspect in await tallies.suspects.closest(now_s)],
            "newest": [enforced_document(ban, service.enforcer) for ban in await tallies.newest.bans()],
        }


def _suspect(suspect: Suspect) -> Document:
    last = suspect.last
    return {
        "client": key_text(last.client),
        "strikes": suspect.strikes,
        "limit": suspect.limit.count,
        "window": suspect.limit.text,
        "kind": last.kind.value,
        "service": last.service,
        "time": last.time_s,
    }
