# SPDX-License-Identifier: ISC
"""What the daemon missed."""

from filter_ban.relay.backlog import Backlog


def test_story_in_order() -> None:
    """The openings come first, then the reports in order; told once, it is forgotten."""
    backlog = Backlog()
    backlog.start([b"1\n2\n", b"3\n"])
    assert backlog.add(b"4")
    assert backlog.add(b"5")
    assert backlog.drain() == b"1\n2\n3\n4\n5\n"
    assert backlog.drain() == b""


def test_full() -> None:
    """A report for which there is no room is refused, and the story is kept."""
    backlog = Backlog(max_bytes=10)
    assert backlog.add(b"12345")
    assert not backlog.add(b"6789")
    assert backlog.drain() == b"12345\n"
