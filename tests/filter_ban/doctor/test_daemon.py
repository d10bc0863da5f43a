# SPDX-License-Identifier: ISC
"""What the doctor says of the daemon."""

from typing import Any

import pytest

from filter_ban.doctor.daemon import findings, listener_problems

LISTENERS = [
    {"service": "postfix", "endpoint": "127.0.0.1:10040", "problem": ""},
    {"service": "dovecot", "endpoint": "127.0.0.1:10041", "problem": "Address already in use"},
]


def test_all_well() -> None:
    """Of a daemon that answers, with all listeners up, nothing is said."""
    assert [*findings("", {}, set())] == []


def test_daemon_down() -> None:
    """A daemon that does not answer is a finding."""
    (finding,) = findings("no daemon answers", {}, set())
    assert (finding.name, finding.text, finding.remedy) == (
        "daemon-down",
        "no daemon answers",
        "filter-ban status",
    )


def test_listener_down() -> None:
    """A listener that is not served is a finding, unless there is one already."""
    problems = listener_problems({"listeners": LISTENERS})
    (finding,) = findings("", problems, set())
    assert (finding.name, finding.text) == (
        "listener-down",
        "127.0.0.1:10041 is not served: Address already in use",
    )
    assert [*findings("", problems, {"127.0.0.1:10041"})] == []


@pytest.mark.parametrize("status", [{}, {"listeners": None}, {"listeners": [1, {}]}])
def test_other_versions(status: dict[str, Any]) -> None:
    """A daemon of another version may not tell of listeners."""
    assert listener_problems(status) == {}
