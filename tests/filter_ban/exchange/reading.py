# SPDX-License-Identifier: ISC
"""Samples of what real tools print, and a short form of what was read from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from filter_ban.client import key_text
from filter_ban.exchange.formats import read_bans, recognise
from filter_ban.exchange.holding import Holding, ImportFault
from filter_ban.exchange.source import Content

NOW_S: Final = 1_795_000_000
SAMPLES: Final = Path(__file__).parent / "samples"


def sample(name: str) -> Content:
    """Return a sample, as printed at NOW_S."""
    return Content(name, (SAMPLES / name).read_bytes(), made_s=NOW_S)


def read(content: Content | str) -> Holding:
    """Return what is read from *content*, its format found by looking."""
    if isinstance(content, str):
        content = Content("text", content.encode())
    return read_bans(content, recognise(content), NOW_S)


def bans(holding: Holding) -> list[tuple[str, int | None]]:
    """Return clients and the seconds that are left."""
    return [(key_text(entry.client), entry.end_s and entry.end_s - NOW_S) for entry in holding.entries]


def complaints(reader: Callable[[str, Holding], None], text: str) -> list[str]:
    """Return everything that *reader* finds wrong with *text*."""
    holding = Holding("text", NOW_S, NOW_S)
    try:
        reader(text, holding)
    except ImportFault as fault:
        return [str(fault)]
    return [fault.why for fault in holding.faults]
