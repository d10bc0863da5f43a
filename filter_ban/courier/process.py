# SPDX-License-Identifier: ISC
"""The courier as a child of the engine."""

from filter_ban.child_process import ChildProcess


class CourierProcess(ChildProcess):
    """One run of ``python -m filter_ban.courier``."""

    def __init__(self) -> None:
        super().__init__("filter_ban.courier")
