# SPDX-License-Identifier: ISC
"""The daemon at the end of a thread."""

import select
from pathlib import Path
from typing import Any

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.reading import load
from filter_ban.cli.watch import errands
from filter_ban.cli.watch.errands import Answer
from filter_ban.cli.watch.link import Link, Waker
from tests.filter_ban.daemon.process import WAIT_S


def next_answer(link: Link, waker: Waker) -> Answer:
    """Return the next answer; fail after a bounded time."""
    assert select.select([waker.read_end], [], [], WAIT_S)[0]
    waker.drain()
    (answer,) = link.take()
    return answer


def test_errands_are_done_in_order(config_file: Path, daemon: Any) -> None:
    """Parts are joined, a refusal is an answer, and the connection is kept."""
    daemon.answers["watch"] = [{"now": 1}, {"bans": 2}]
    daemon.answers["lift"] = [{"error": "no clients given"}]
    config, _ = load(config_file)
    with Waker() as waker, Link(lambda: DaemonClient.find(config), waker.wake) as link:
        link.send(errands.look())
        assert next_answer(link, waker) == Answer(errands.look(), {"now": 1, "bans": 2})
        lift = errands.lift("192.0.2.1")
        link.send(lift)
        assert next_answer(link, waker) == Answer(lift, failure="no clients given")
        link.send(errands.look())
        assert next_answer(link, waker).document == {"now": 1, "bans": 2}


def test_a_connection_that_breaks_is_made_anew(config_file: Path, daemon: Any) -> None:
    """What was asked meanwhile fails with the reason; the next one is answered."""
    config, _ = load(config_file)
    with Waker() as waker, Link(lambda: DaemonClient.find(config), waker.wake) as link:
        daemon.answers["watch"] = b""
        link.send(errands.look())
        broken = next_answer(link, waker)
        assert broken.lost
        assert "ended before its answer did" in broken.failure
        daemon.answers["watch"] = [{"now": 1}]
        link.send(errands.look())
        assert next_answer(link, waker).document == {"now": 1}


def test_no_daemon(config_file: Path) -> None:
    """That there is none is an answer too."""
    config, _ = load(config_file)
    with Waker() as waker, Link(lambda: DaemonClient.find(config), waker.wake) as link:
        link.send(errands.look())
        answer = next_answer(link, waker)
        assert answer.lost
        assert "no daemon answers" in answer.failure


def test_a_waker_never_blocks() -> None:
    """However often it is called, and also when it is closed."""
    with Waker() as waker:
        for _ in range(100_000):
            waker.wake()
        waker.drain()
    waker.wake()
