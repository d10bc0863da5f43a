# SPDX-License-Identifier: ISC
"""What the tests of reports share."""

import time
from collections.abc import Callable, Iterator

import pytest

SetZone = Callable[[str], None]


@pytest.fixture(autouse=True)
def set_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetZone]:
    """Return a function that sets the local time zone, which is UTC until then."""

    def set_it(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    set_it("UTC0")
    yield set_it
    monkeypatch.undo()
    time.tzset()
