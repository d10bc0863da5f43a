# SPDX-License-Identifier: ISC
"""What engine and helper say to each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.hooks.wire import MAX_PROBLEM, Outcome, Run, name_of


@given(
    st.integers(0), st.lists(st.text(), min_size=1), st.floats(0, 100), st.dictionaries(st.text(), st.text())
)
def test_runs(number: int, hook: list[str], timeout_s: float, document: dict[str, str]) -> None:
    """A run is a line of ASCII, and comes back from it."""
    run = Run(number, tuple(hook), timeout_s, document)

    assert run.encode().isascii()
    assert run.encode().count(b"\n") == 1
    assert Run.parse(run.encode()) == run


@given(st.integers(), st.text())
def test_outcomes(number: int, problem: str) -> None:
    """An outcome is a short line, and its problem is printable."""
    line = Outcome(number, problem).encode()
    outcome = Outcome.parse(line)

    assert line.count(b"\n") == 1
    assert outcome.number == number
    assert outcome.problem.isprintable()
    assert len(outcome.problem) <= MAX_PROBLEM


@pytest.mark.parametrize("line", [b"", b"[]", b"[1]", b'["1", ""]', b"[1, 2]", b"{}", b"x", b"\xff"])
def test_what_is_none(line: bytes) -> None:
    """What is no outcome is an error."""
    with pytest.raises(ValueError, match=r".*"):
        Outcome.parse(line)


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        (("/usr/bin/notify", "--token", "secret"), "/usr/bin/notify"),
        (("https://example.org/hook/secret?token=x",), "https://example.org/…"),
        (("http://user:secret@example.org:8080",), "http://example.org:8080/…"),
    ],
)
def test_name(hook: tuple[str, ...], name: str) -> None:
    """Arguments and paths, which may be secret, are not told."""
    assert name_of(hook) == name
