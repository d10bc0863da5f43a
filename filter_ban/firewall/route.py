# SPDX-License-Identifier: ISC
"""Routes into nothing: which backend makes them on this system, and what they can be asked for."""

import sys
from collections.abc import Sequence
from typing import Final

from filter_ban.firewall.base import Backend
from filter_ban.firewall.bsd_route import BsdRoute
from filter_ban.firewall.linux_route import LinuxRoute

ACTIONS: Final = ("drop", "reject")


def make_route(*, ports: Sequence[int] = (), action: str = "drop", platform: str = sys.platform) -> Backend:
    """
    Return the backend for *platform*, a value of ``sys.platform``.

    Raises:
        ValueError: *action* is none, or *ports* is not empty: who has no route has none on any port.

    """
    if ports:
        raise ValueError(f"firewall.ports: {ports!r:.100}: must be empty, because a route closes everything")
    if action not in ACTIONS:
        raise ValueError(f"firewall.action: {action[:100]!r}: must be one of {', '.join(ACTIONS)}")
    return LinuxRoute(action=action) if platform == "linux" else BsdRoute(action=action, platform=platform)
