# SPDX-License-Identifier: ISC
"""
Stories of attackers and innocents: each folder has a configuration, signals and the bans that come of them.

``signals.txt`` begins with what the folder shows (its form: :mod:`tests.scenarios.story`); ``expected.json`` holds the
bans in the order in which they fall. Times are on the clock of the story.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from filter_ban.client import key_text
from filter_ban.clients import Clients
from filter_ban.config import Config, parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.recording import Encoder
from filter_ban.replay.record import RecordReader
from filter_ban.signals import Signal, feed
from tests.scenarios.story import clock, read_story

FOLDERS: Final = sorted(path.parent for path in Path(__file__).parent.glob("*/signals.txt"))
LATER_S: Final = 3600


def judge(config: Config, signals: Iterable[Signal], *, looks: bool = False) -> list[dict[str, object]]:
    """Return the bans; *looks*: as in the daemon, which looks at the clock between signals too."""
    policy = Policy.compile(config)
    engine, clients = Engine(policy), Clients(policy)
    now_s = 0.0
    for signal in signals:
        for at_s in (now_s + 1, (now_s + signal.time_s) / 2, signal.time_s) if looks else ():
            engine.resolve(min(at_s, signal.time_s))
            engine.expire(min(at_s, signal.time_s))
        now_s = signal.time_s
        feed(engine, clients, signal)
    engine.resolve(now_s + LATER_S)
    return [
        {
            "client": key_text(ban.client),
            "rule": ban.rule,
            "offence": ban.offence,
            "start": clock(ban.start_s),
            "end": clock(ban.end_s),
            "firewall": ban.firewall,
        }
        for ban in engine.outbox.bans
    ]


def recorded(config: Config, signals: Iterable[Signal]) -> Iterable[Signal]:
    """Return *signals* as they come back from a recording."""
    encoder, reader = Encoder(b"key", in_clear=config.users.traps), RecordReader()
    read = (reader.read(encoder.encode(signal).decode()) for signal in signals)
    return [signal for signal in read if signal is not None]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_scenario(folder: Path) -> None:
    """The story gives the expected bans: live, with time looked at or not, and from a recording."""
    config = parse_config((folder / "config.toml").read_text())
    signals = read_story((folder / "signals.txt").read_text())
    expected = json.loads((folder / "expected.json").read_text())

    assert judge(config, signals) == expected
    assert judge(config, signals, looks=True) == expected
    assert judge(config, recorded(config, signals)) == expected


def test_each_says_what_it_shows() -> None:
    """The first line of the signals is a comment, and there are folders at all."""
    assert len(FOLDERS) > 30
    assert all((folder / "signals.txt").read_text().startswith("# ") for folder in FOLDERS)
