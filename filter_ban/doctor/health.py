# SPDX-License-Identifier: ISC
"""What a probe of one of our listeners found, and how a finding tells it."""

from collections.abc import Callable, Iterator

import attrs

from filter_ban.config.values import Endpoint
from filter_ban.doctor.finding import Finding, Severity


@attrs.frozen
class Health:
    """What an endpoint did when it was asked; ``problem`` is empty where all is well."""

    problem: str = ""
    answered: bool = True  # with whatever; False: nobody is there


Probe = Callable[[Endpoint], Health]


def endpoint_findings(server: str, endpoint: Endpoint, health: Health) -> Iterator[Finding]:
    """Yield what is wrong with an endpoint that *server* is told to ask."""
    if not health.problem:
        return
    if health.answered:
        name, text = "endpoint-wrong", f"what listens at {endpoint} is not filter-ban: {health.problem}"
    else:
        name, text = (
            "endpoint-down",
            f"{endpoint} is down: {health.problem}; nobody is refused and nothing counted",
        )
    yield Finding(server, Severity.DANGER, name, text, "filter-ban status")
