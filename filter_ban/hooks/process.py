# SPDX-License-Identifier: ISC
"""The helper as a child of the engine."""

from filter_ban.child_process import ChildProcess


class HelperProcess(ChildProcess):
    """One run of ``python -m filter_ban.hooks``."""

    def __init__(self) -> None:
        super().__init__("filter_ban.hooks")
