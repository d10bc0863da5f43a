# SPDX-License-Identifier: ISC
"""A guard that tells the board whom it counts and refuses; it judges like any other."""

import time
from collections.abc import Callable
from typing import Final

from filter_ban.config import Config
from filter_ban.demo.board import Board, Row
from filter_ban.model import Answer, Ban, Kind, Verdict
from filter_ban.reply import until_text
from filter_ban.sensors.aiosmtpd import EmbeddedGuard
from filter_ban.text import excerpt

_USER_CHARS: Final = 20


class Witness(EmbeddedGuard):
    """An embedded guard, and its reporter."""

    def __init__(self, config: Config, board: Board, clock: Callable[[], float] = time.time) -> None:
        super().__init__(config, clock=clock)
        self._board = board
        self._limit = self.engine.policy.limits[0]

    def strikes(self, address: str) -> float:
        """Return the strikes of the client at *address*."""
        client = self.clients.of(address)
        return self.engine.strikes(client, self.now_s()) if client else 0.0

    def ban_of(self, address: str) -> Ban | None:
        """Return the ban that the client at *address* is under."""
        client = self.clients.of(address)
        return self.engine.ban_of(client) if client else None

    def refresh(self) -> None:
        """Bring the board up to date, also where a ban ended by itself."""
        for address in self._board.rows:
            self._row(address)

    def _row(self, address: str) -> Row:
        row = self._board.row(address)
        row.strikes = self.strikes(address)
        row.ban = self.ban_of(address)
        return row

    def verdict(self, address: str) -> Verdict:
        """Return the verdict; report a refusal."""
        verdict = super().verdict(address)
        row = self._row(address)
        if verdict.answer is not Answer.ALLOW:
            row.refused += 1
            self._board.note(row.name, f"refused with {verdict.text[:3]}", "red")
        return verdict

    def strike(
        self, kind: Kind, address: str, *, user: str = "", secret: bytes | None = None, service: str = ""
    ) -> None:
        """Count, and report what for."""
        before = self.strikes(address)
        super().strike(kind, address, user=user, secret=secret, service=service)
        row = self._row(address)
        row.tries += 1
        if row.strikes == before:
            self._board.note(row.name, "the same wrong password as before: no strike", "green")
        else:
            what = "wrong password" if kind is Kind.AUTH_FAIL else "broken-off AUTH"
            named = f" for {excerpt(user, _USER_CHARS)}" if user else ""
            self._board.note(
                row.name, f"{what}{named}: strike {row.strikes:g} of {self._limit.count:g}", "yellow"
            )
        if row.ban is not None:
            text = f"BANNED: {row.ban.reason}, until {until_text(row.ban.end_s)}"
            self._board.note(row.name, text, "bold red")

    def success(self, address: str, *, user: str) -> None:
        """Credit the client, and report it."""
        before = self.strikes(address)
        super().success(address, user=user)
        row = self._row(address)
        row.tries += 1
        forgiven = "; strike forgiven" if row.strikes < before else ""
        self._board.note(row.name, f"logged in as {excerpt(user, _USER_CHARS)}{forgiven}", "green")
