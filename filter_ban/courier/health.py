# SPDX-License-Identifier: ISC
"""How a store is, as those who work with it see it."""

from filter_ban.courier.desk import Desk


class Health:
    """
    Tells the engine of a store when that changes, and whenever it is asked to.

    Args:
        desk: The way to the engine.
        index: Of the store.
        epoch: What its content was called when last seen.
        told_offset_s: What was told of its clock before.

    """

    def __init__(self, desk: Desk, index: int, epoch: str = "", told_offset_s: int = 0) -> None:
        self._desk = desk
        self._index = index
        self._problems: dict[str, str] = {}
        self.offset_s = 0.0  # how far its clock is ahead of ours
        self.told_offset_s = told_offset_s  # and what is told of that
        self.has_measured = False
        self._epoch = epoch

    def note(self, whose: str, problem: str = "") -> None:
        """Take note of what *whose* work has met; empty: it does well."""
        before = self._summary()
        self._problems[whose] = problem
        if self._summary() != before:
            self.tell()

    def call(self, epoch: str) -> None:
        """Take note of what the content is called."""
        if epoch != self._epoch:
            self._epoch = epoch
            self.tell()

    def tell(self) -> None:
        """Tell the engine, once anything is known."""
        if self._problems:
            ok, problem = self._summary()
            self._desk.mention(
                "store",
                {
                    "index": self._index,
                    "ok": ok,
                    "problem": problem,
                    "offset_s": round(self.offset_s, 3),
                    "told_offset_s": self.told_offset_s,
                    "epoch": self._epoch,
                },
            )

    def _summary(self) -> tuple[bool, str]:
        problem = next((problem for problem in self._problems.values() if problem), "")
        return bool(self._problems) and not problem, problem
