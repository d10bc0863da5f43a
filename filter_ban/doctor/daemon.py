# SPDX-License-Identifier: ISC
"""What is wrong with filter-ban itself, as far as it matters to the mail servers."""

from collections.abc import Container, Iterator, Mapping
from typing import Any, Final

from filter_ban.doctor.finding import Finding, Severity, quoted

SERVER: Final = "filter-ban"


def findings(unavailable: str, problems: Mapping[str, str], told: Container[str]) -> Iterator[Finding]:
    """
    Yield what is wrong.

    Args:
        unavailable: Why no daemon answers; "" if one does.
        problems: Of its listeners, by endpoint.
        told: The endpoints that another finding is about.

    """
    if unavailable:
        yield Finding(SERVER, Severity.DANGER, "daemon-down", quoted(unavailable), "filter-ban status")
    for endpoint, problem in problems.items():
        if endpoint not in told:
            text = f"{quoted(endpoint)} is not served: {quoted(problem)}"
            yield Finding(SERVER, Severity.DANGER, "listener-down", text, "filter-ban status")


def listener_problems(status: Mapping[str, Any]) -> dict[str, str]:
    """Return the problems of listeners in a document of ``status``, by endpoint."""
    listeners = status.get("listeners")
    if not isinstance(listeners, list):
        return {}
    return {
        str(one.get("endpoint")): str(one["problem"])
        for one in listeners
        if isinstance(one, dict) and one.get("problem")
    }
